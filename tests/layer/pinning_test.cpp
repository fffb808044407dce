// SPDX-License-Identifier: Apache-2.0
//
// Memory may be moved until somebody could know where it is, and never after; and what lies where
// suits whatever may still be bound there. Rules: f0, f1, f6, f7, e1 and e8 of the contract.

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "session.h"

namespace tessera::test {
namespace {

constexpr VkDeviceSize kLateAlignment = 16384;
constexpr uint32_t kDeviceType = 1;
constexpr uint32_t kHostType = 2;

VkMemoryAllocateFlagsInfo AddressFlag() {
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    return flags;
}

// A driver with one kind of buffer that asks for more than all others, which no probe knows.
class Late {
 public:
    explicit Late(const char* setting = nullptr) {
        features_.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES;
        features_.bufferDeviceAddress = VK_TRUE;
        SessionOptions options;
        options.description =
            R"({"base": "discrete", "alignment": {"video": 16384},
                "size_below_alignment": true})";
        options.device_chain = &features_;
        if (setting != nullptr) options.environment = {setting};
        session_ = std::make_unique<Session>(options);
    }
    ~Late() {
        for (VkBuffer buffer : buffers_)
            vkDestroyBuffer(session_->device, buffer, nullptr);
        for (VkDeviceMemory memory : memories_)
            session_->Free(memory);
        session_->Close();
        EXPECT_EQ(session_->mock.Violations(), "");
    }
    Session* operator->() const { return session_.get(); }
    Session& operator*() const { return *session_; }

    VkDeviceMemory Allocate(VkDeviceSize size, uint32_t type) {
        memories_.push_back(session_->Allocate(size, type, &flags_));
        return memories_.back();
    }
    VkBuffer PlainBuffer(VkDeviceSize size) {
        buffers_.push_back(session_->MakeBuffer(size));
        return buffers_.back();
    }
    // Asks for its requirement, as every application does before it binds.
    VkBuffer LateBuffer(VkDeviceSize size) {
        UnaskedBuffer(size);
        EXPECT_EQ(session_->Requirements(buffers_.back()).alignment, kLateAlignment);
        return buffers_.back();
    }
    // The same, of which the application knows the requirement from elsewhere.
    VkBuffer UnaskedBuffer(VkDeviceSize size) {
        buffers_.push_back(session_->MakeBuffer(size, VK_BUFFER_USAGE_VIDEO_DECODE_SRC_BIT_KHR));
        return buffers_.back();
    }
    TesseraMockBinding Place(VkBuffer buffer) const {
        TesseraMockBinding place = {};
        EXPECT_TRUE(session_->mock->find_buffer(session_->device, buffer, &place));
        return place;
    }

 private:
    VkPhysicalDeviceBufferDeviceAddressFeatures features_ = {};
    VkMemoryAllocateFlagsInfo flags_ = AddressFlag();
    std::unique_ptr<Session> session_;
    std::vector<VkBuffer> buffers_;
    std::vector<VkDeviceMemory> memories_;
};

// f1: a mapping shows the bytes of what is bound, also if that could only be had elsewhere.
TEST(Map, WhatIsMappedIsNeverMoved) {
    Late late;
    std::vector<VkDeviceMemory> memories;
    for (uint8_t i = 0; i < 5; ++i) {
        memories.push_back(late.Allocate(512, kHostType));
        std::memset(late->Map(memories.back()), i, 512);
    }
    int refused = 0;
    for (uint8_t i = 0; i < 5; ++i) {
        VkBuffer bound = late.LateBuffer(300);
        const VkResult result = vkBindBufferMemory(late->device, bound, memories[i], 0);
        if (result != VK_SUCCESS) {
            EXPECT_EQ(result, VK_ERROR_OUT_OF_DEVICE_MEMORY);
            ++refused;
            bound = late.PlainBuffer(300);
            EXPECT_EQ(vkBindBufferMemory(late->device, bound, memories[i], 0), VK_SUCCESS);
        }
        const TesseraMockBinding place = late.Place(bound);
        uint8_t byte = 0;
        ASSERT_TRUE(
            late->mock->read_memory(late->device, place.memory, place.offset + 299, &byte, 1));
        EXPECT_EQ(byte, i);
    }
    EXPECT_GE(refused, 4) << "the places must be odd for this test to mean anything";
}

// e8, f0: many applications map before they bind, and may bind whatever the type admits. What can
// be asked about in advance is, so that mapped memory lies well for it.
TEST(Map, WhatIsMappedSuitsImagesOfEveryKindThatCanBeAskedAboutInAdvance) {
    struct Case {
        const char* alignment;
        uint32_t layers;
        VkSampleCountFlagBits samples;
        VkImageCreateFlags flags;
    };
    for (const Case& kind :
         {Case{"layered_image", 4, VK_SAMPLE_COUNT_1_BIT, 0},
          Case{"layered_image", 6, VK_SAMPLE_COUNT_1_BIT, VK_IMAGE_CREATE_CUBE_COMPATIBLE_BIT},
          Case{"multisampled_image", 1, VK_SAMPLE_COUNT_4_BIT, 0}}) {
        SCOPED_TRACE(kind.alignment);
        SessionOptions options;
        const std::string description =
            std::string(R"({"base": "lavapipe_like", "alignment": {")") + kind.alignment +
            R"(": 131072}})";
        options.description = description.c_str();
        Session session(options);
        std::vector<std::pair<VkImage, VkDeviceMemory>> made;
        for (int i = 0; i < 6; ++i) {
            const VkDeviceMemory memory = session.Allocate(300000, 0);
            ASSERT_NE(session.Map(memory), nullptr);
            VkImageCreateInfo info = {};
            info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
            info.flags = kind.flags;
            info.imageType = VK_IMAGE_TYPE_2D;
            info.format = VK_FORMAT_R8G8B8A8_UNORM;
            info.extent = {64, 64, 1};
            info.mipLevels = 1;
            info.arrayLayers = kind.layers;
            info.samples = kind.samples;
            info.usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT;
            VkImage image = VK_NULL_HANDLE;
            ASSERT_EQ(vkCreateImage(session.device, &info, nullptr, &image), VK_SUCCESS);
            EXPECT_EQ(vkBindImageMemory(session.device, image, memory, 0), VK_SUCCESS);
            made.emplace_back(image, memory);
        }
        for (const auto& [image, memory] : made) {
            vkDestroyImage(session.device, image, nullptr);
            session.Free(memory);
        }
        session.Close();
        EXPECT_EQ(session.mock.Violations(), "");
    }
}

// f6, f7: what is bound to one memory at one offset lies at one place.
TEST(Bind, WhatIsBoundIsNeverMoved) {
    Late late;
    std::vector<VkDeviceMemory> memories;
    std::vector<VkBuffer> plain;
    for (int i = 0; i < 5; ++i) {
        memories.push_back(late.Allocate(512, kDeviceType));
        plain.push_back(late.PlainBuffer(300));
        EXPECT_EQ(vkBindBufferMemory(late->device, plain.back(), memories.back(), 0), VK_SUCCESS);
    }
    int refused = 0;
    for (size_t i = 0; i < memories.size(); ++i) {
        const VkBuffer odd = late.LateBuffer(300);
        const VkResult result = vkBindBufferMemory(late->device, odd, memories[i], 0);
        if (result == VK_SUCCESS) {
            EXPECT_EQ(late.Place(odd).offset, late.Place(plain[i]).offset);
        } else {
            EXPECT_EQ(result, VK_ERROR_OUT_OF_DEVICE_MEMORY);
            ++refused;
        }
    }
    EXPECT_GE(refused, 4) << "the places must be odd for this test to mean anything";
}

// What the thread that binds first is held up by: until the other has bound as well, or for a
// while, since it cannot be seen whether the other waits as it should.
struct HoldUp {
    std::atomic<bool> entered = false;
    std::atomic<bool> other_is_done = false;
    static void Hook(void* user, const char*) {
        auto& self = *static_cast<HoldUp*>(user);
        if (self.entered.exchange(true)) return;
        for (int i = 0; i < 100 && !self.other_is_done; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
};

// How often this thread has given the processor up to wait for something.
long Sleeps() {
    rusage usage = {};
    EXPECT_EQ(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_nvcsw;
}

// f15: `memory` is not externally synchronised in a bind. One that arrives while another moves the
// memory, which here takes a new block, must not find the old place.
TEST(Bind, SecondBindWaitsForTheMoveOfTheFirst) {
    Late late("TESSERA_MAX_BLOCK_BYTES=64KiB");
    std::vector<VkDeviceMemory> memories;
    // Granules of 1,024 bytes: these fill a block.
    for (int i = 0; i < 64; ++i)
        memories.push_back(late.Allocate(512, kDeviceType));
    const VkBuffer plain = late.PlainBuffer(300);
    const VkBuffer odd = late.LateBuffer(300);
    HoldUp hold_up;
    ASSERT_TRUE(late->mock->set_hook("vkAllocateMemory", HoldUp::Hook, &hold_up));
    std::thread first(
        [&] { EXPECT_EQ(vkBindBufferMemory(late->device, odd, memories[1], 0), VK_SUCCESS); });
    while (!hold_up.entered)
        std::this_thread::yield();
    const long sleeps_before = Sleeps();
    EXPECT_EQ(vkBindBufferMemory(late->device, plain, memories[1], 0), VK_SUCCESS);
    EXPECT_GE(Sleeps() - sleeps_before, 5) << "who waits for the driver leaves the processor alone";
    hold_up.other_is_done = true;
    first.join();
    late->mock->set_hook("vkAllocateMemory", nullptr, nullptr);
    EXPECT_EQ(late.Place(plain).offset, late.Place(odd).offset);
    EXPECT_EQ(late.Place(plain).memory, late.Place(odd).memory);
}

// f0: a place that suits all but the largest alignment that is known is no place for that.
TEST(Bind, LargestKnownAlignmentIsAskedFor) {
    Late late;
    late.LateBuffer(20000);  // now the alignment is known, of sizes from 20,000 on
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 4; ++i)
        memories.push_back(late.Allocate(kLateAlignment / 2, kDeviceType));
    for (VkDeviceMemory memory : memories) {
        const VkBuffer whole = late.LateBuffer(kLateAlignment / 2);
        EXPECT_EQ(vkBindBufferMemory(late->device, whole, memory, 0), VK_SUCCESS);
        EXPECT_EQ(late.Place(whole).offset % kLateAlignment, 0u);
    }
}

// f0, f24: requirements are the same on every device of a kind, so that an application may know
// them without having asked here. A place that suits all that is known need not suit such a
// resource.
TEST(Bind, AlignmentThatNobodyAskedAboutIsKeptTo) {
    Late late;
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 8; ++i)
        memories.push_back(late.Allocate(kLateAlignment + 4096, kDeviceType));
    for (VkDeviceMemory memory : memories) {
        const VkBuffer unasked = late.UnaskedBuffer(kLateAlignment);
        EXPECT_EQ(vkBindBufferMemory(late->device, unasked, memory, 0), VK_SUCCESS);
        EXPECT_EQ(late.Place(unasked).offset % kLateAlignment, 0u);
    }
}

// f0, f24: nothing wrong goes down either where a map has pinned the memory.
TEST(Bind, AlignmentThatNobodyAskedAboutIsRefusedWhereMemoryIsPinned) {
    Late late;
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 8; ++i) {
        memories.push_back(late.Allocate(kLateAlignment + 4096, kHostType));
        late->Map(memories.back());
    }
    for (VkDeviceMemory memory : memories) {
        const VkBuffer unasked = late.UnaskedBuffer(kLateAlignment);
        const VkResult result = vkBindBufferMemory(late->device, unasked, memory, 0);
        if (result == VK_SUCCESS) {
            EXPECT_EQ(late.Place(unasked).offset % kLateAlignment, 0u);
        } else {
            EXPECT_EQ(result, VK_ERROR_OUT_OF_DEVICE_MEMORY);
        }
    }
}

SessionOptions Images64K() {
    SessionOptions options;
    options.description = "preset:images64k";
    return options;
}

// e8, f0: memory that nothing was asked about yet, and that a map pins at once, suits images that
// are as large as it is.
TEST(Bind, FreshMemoryTakesWhateverFitsIntoIt) {
    Session session(Images64K());
    std::vector<VkDeviceMemory> memories;
    std::vector<VkDeviceMemory> fillers;
    for (int i = 0; i < 4; ++i) {
        fillers.push_back(session.Allocate(700, 1));
        memories.push_back(session.Allocate(65536, 1));
        session.Map(memories.back());
    }
    for (VkDeviceMemory memory : memories) {
        const VkImage image = session.MakeImage(128);
        ASSERT_EQ(session.Requirements(image).alignment, 65536u);
        EXPECT_EQ(vkBindImageMemory(session.device, image, memory, 0), VK_SUCCESS);
        vkDestroyImage(session.device, image, nullptr);
    }
    for (size_t i = 0; i < memories.size(); ++i) {
        session.Free(memories[i]);
        session.Free(fillers[i]);
    }
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f0, f1: that a buffer of the same size was asked about decides nothing for memory that a map may
// pin. Buffers for video are never probed, and want pages here.
TEST(Bind, MemoryMappedFirstTakesWhateverFitsIntoIt) {
    SessionOptions options;
    options.description =
        R"({"base": "images64k", "alignment": {"video": 4096, "linear_image": 64}})";
    Session session(options);
    // Sizes are learned once the driver's resources were probed, at the first allocation.
    std::vector<VkDeviceMemory> fillers = {session.Allocate(700, 1)};
    const VkBuffer buffer = session.MakeBuffer(8192);
    const VkBuffer filler = session.MakeBuffer(700);
    ASSERT_EQ(session.Requirements(buffer).size, 8192u);
    ASSERT_EQ(session.Requirements(filler).size, 700u);
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 4; ++i) {
        fillers.push_back(session.Allocate(700, 1));
        memories.push_back(session.Allocate(8192, 1));
        session.Map(memories.back());
    }
    for (VkDeviceMemory memory : memories) {
        const VkBuffer frame = session.MakeBuffer(8192, VK_BUFFER_USAGE_VIDEO_DECODE_SRC_BIT_KHR);
        ASSERT_EQ(session.Requirements(frame).alignment, 4096u);
        EXPECT_EQ(vkBindBufferMemory(session.device, frame, memory, 0), VK_SUCCESS);
        vkDestroyBuffer(session.device, frame, nullptr);
    }
    for (VkBuffer known : {buffer, filler})
        vkDestroyBuffer(session.device, known, nullptr);
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    for (VkDeviceMemory memory : fillers)
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e1: granules are much larger here than what the driver aligns images to.
TEST(Bind, ImageAndBufferShareNoGranule) {
    SessionOptions options;
    options.description = R"({"base": "granularity64k", "alignment": {"optimal_image": 1024}})";
    Session session(options);
    std::vector<VkDeviceMemory> memories;
    std::vector<VkBuffer> buffers;
    std::vector<VkImage> images;
    for (int i = 0; i < 4; ++i) {
        memories.push_back(session.Allocate(300, 0));
        buffers.push_back(session.MakeBuffer(256));
        EXPECT_EQ(vkBindBufferMemory(session.device, buffers.back(), memories.back(), 0),
                  VK_SUCCESS);
        memories.push_back(session.Allocate(1024, 0));
        images.push_back(session.MakeImage(16));
        EXPECT_EQ(vkBindImageMemory(session.device, images.back(), memories.back(), 0), VK_SUCCESS);
    }
    for (VkBuffer buffer : buffers)
        vkDestroyBuffer(session.device, buffer, nullptr);
    for (VkImage image : images)
        vkDestroyImage(session.device, image, nullptr);
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

VkImage MakeDisjoint(const Session& session, uint32_t edge) {
    VkImageCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
    info.flags = VK_IMAGE_CREATE_DISJOINT_BIT;
    info.imageType = VK_IMAGE_TYPE_2D;
    info.format = VK_FORMAT_G8_B8R8_2PLANE_420_UNORM;
    info.extent = {edge, edge, 1};
    info.mipLevels = 1;
    info.arrayLayers = 1;
    info.samples = VK_SAMPLE_COUNT_1_BIT;
    info.tiling = VK_IMAGE_TILING_OPTIMAL;
    info.usage = VK_IMAGE_USAGE_TRANSFER_DST_BIT;
    VkImage image = VK_NULL_HANDLE;
    EXPECT_EQ(vkCreateImage(session.device, &info, nullptr, &image), VK_SUCCESS);
    return image;
}

// f8: each plane has its own memory and is asked about by itself.
TEST(Bind, PlanesOfAnImageLieInDifferentMemories) {
    Late late;
    late.LateBuffer(20000);  // so that no place suits everything and the driver is asked
    const VkImage image = MakeDisjoint(*late, 64);
    const VkImageAspectFlagBits aspects[] = {VK_IMAGE_ASPECT_PLANE_0_BIT,
                                             VK_IMAGE_ASPECT_PLANE_1_BIT};
    VkBindImagePlaneMemoryInfo planes[2] = {};
    VkBindImageMemoryInfo infos[2] = {};
    for (int i = 0; i < 2; ++i) {
        planes[i].sType = VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO;
        planes[i].planeAspect = aspects[i];
        infos[i].sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO;
        infos[i].pNext = &planes[i];
        infos[i].image = image;
        infos[i].memory = late.Allocate(4096, kDeviceType);
    }
    EXPECT_EQ(vkBindImageMemory2(late->device, 2, infos), VK_SUCCESS);
    TesseraMockBinding places[2] = {};
    for (uint32_t i = 0; i < 2; ++i) {
        EXPECT_TRUE(late->mock->find_image(late->device, image, i, &places[i]));
        EXPECT_NE(places[i].memory, static_cast<VkDeviceMemory>(VK_NULL_HANDLE));
    }
    EXPECT_NE(places[0].offset, places[1].offset);
    vkDestroyImage(late->device, image, nullptr);
}

}  // namespace
}  // namespace tessera::test
