// SPDX-License-Identifier: Apache-2.0
//
// Binding: translation, alignment, granularity, moving before the first use, and binds that race.
// The mock driver judges every bind: alignment, bounds, and granules that linear and optimal share.

#include <algorithm>
#include <random>
#include <thread>

#include "layer/vk/late_vulkan.h"
#include "session.h"

namespace tessera::test {
namespace {

constexpr VkMemoryPropertyFlags kDeviceLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;

TesseraMockBinding Find(const Session& session, VkBuffer buffer) {
    TesseraMockBinding binding = {};
    EXPECT_TRUE(session.mock->find_buffer(session.device, buffer, &binding));
    return binding;
}

TesseraMockBinding Find(const Session& session, VkImage image) {
    TesseraMockBinding binding = {};
    EXPECT_TRUE(session.mock->find_image(session.device, image, 0, &binding));
    return binding;
}

// f6: several resources in one allocation keep their distances, aliases included.
TEST(Bind, OffsetsInsideAnAllocationAreKept) {
    Session session;
    const VkDeviceMemory memory = session.Allocate(65536, session.TypeWith(kDeviceLocal));
    const VkBuffer a = session.MakeBuffer(1024);
    const VkBuffer b = session.MakeBuffer(1024);
    const VkBuffer alias = session.MakeBuffer(1024);
    EXPECT_EQ(vkBindBufferMemory(session.device, a, memory, 0), VK_SUCCESS);
    EXPECT_EQ(vkBindBufferMemory(session.device, b, memory, 8192), VK_SUCCESS);
    EXPECT_EQ(vkBindBufferMemory(session.device, alias, memory, 8192), VK_SUCCESS);
    EXPECT_EQ(Find(session, b).offset - Find(session, a).offset, 8192u);
    EXPECT_EQ(Find(session, b).offset, Find(session, alias).offset);
    EXPECT_EQ(Find(session, a).memory, Find(session, b).memory);
    for (VkBuffer buffer : {a, b, alias})
        vkDestroyBuffer(session.device, buffer, nullptr);
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f9: memory may be freed while resources are still bound to it.
TEST(Bind, ResourceMayOutliveItsMemory) {
    Session session;
    const VkBuffer buffer = session.MakeBuffer(1024);
    const VkDeviceMemory memory = session.Allocate(1024, session.TypeWith(kDeviceLocal));
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_SUCCESS);
    session.Free(memory);
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

class EveryDriver : public testing::TestWithParam<const char*> {};

// e1, e8, f0: whatever is allocated as its requirement says can be bound, on drivers with any
// granularity and alignment, in any order and mixture.
TEST_P(EveryDriver, MixturesOfBuffersAndImagesBind) {
    SessionOptions options;
    options.description = GetParam();
    Session session(options);
    std::mt19937 random(1);
    std::vector<VkBuffer> buffers;
    std::vector<VkImage> images;
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 600; ++i) {
        VkMemoryRequirements requirements;
        const bool is_image = random() % 3 == 0;
        if (is_image) {
            const bool linear = random() % 4 == 0;
            images.push_back(session.MakeImage(
                1u << random() % 6, linear ? VK_IMAGE_TILING_LINEAR : VK_IMAGE_TILING_OPTIMAL));
            requirements = session.Requirements(images.back());
        } else {
            buffers.push_back(session.MakeBuffer(1 + random() % 9000));
            requirements = session.Requirements(buffers.back());
        }
        std::vector<uint32_t> types;
        for (uint32_t type = 0; type < session.memory_properties.memoryTypeCount; ++type) {
            const auto flags = session.memory_properties.memoryTypes[type].propertyFlags;
            if ((requirements.memoryTypeBits >> type & 1) == 0) continue;
            if ((flags & (VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT |
                          VK_MEMORY_PROPERTY_PROTECTED_BIT)) != 0) {
                continue;
            }
            types.push_back(type);
        }
        const uint32_t type = types[random() % types.size()];
        memories.push_back(session.Allocate(requirements.size, type));
        const bool host = (session.memory_properties.memoryTypes[type].propertyFlags &
                           VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0;
        // Half of the applications map before the first bind.
        if (host && random() % 2 == 0) session.Map(memories.back());
        const VkResult result =
            is_image ? vkBindImageMemory(session.device, images.back(), memories.back(), 0)
                     : vkBindBufferMemory(session.device, buffers.back(), memories.back(), 0);
        ASSERT_EQ(result, VK_SUCCESS);
        if (random() % 3 == 0) {
            const size_t victim = random() % memories.size();
            session.Free(memories[victim]);
            memories[victim] = session.Allocate(256, type);
        }
    }
    const reader::Process process = session.Channel();
    for (const reader::MemoryType& type : process.devices.back().memory_types) {
        EXPECT_EQ(type.totals.placement_failures, 0u);
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

INSTANTIATE_TEST_SUITE_P(
    Presets, EveryDriver,
    testing::Values(
        "preset:lavapipe_like", "preset:discrete", "preset:noncoherent", "preset:granularity64k",
        R"({"base": "discrete", "alignment": {"optimal_image": 65536}})",
        R"({"base": "discrete", "alignment": {"optimal_image": 2097152}, "size_below_alignment": true})",
        R"({"base": "discrete", "api_version": "1.0.100"})"));

// A place that was guessed wrong is found out at the bind and moved, since nobody has seen it.
TEST(Bind, WrongGuessIsMovedBeforeItIsSeen) {
    SessionOptions options;
    options.description = "preset:granularity64k";
    Session session(options);
    const uint32_t type = session.TypeWith(kDeviceLocal);
    // Teach the layer that 512 bytes are a buffer's size ...
    const VkBuffer buffer = session.MakeBuffer(512);
    const VkDeviceSize size = session.Requirements(buffer).size;
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 5; ++i)
        memories.push_back(session.Allocate(size, type));
    // ... and bind something with a larger alignment than its size lets guess: a buffer whose
    // driver asks for 64 KiB would do; an optimal image of the same driver does.
    const VkImage image = session.MakeImage(1);
    const VkDeviceMemory odd = session.Allocate(session.Requirements(image).size, type);
    EXPECT_EQ(vkBindImageMemory(session.device, image, odd, 0), VK_SUCCESS);
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memories[2], 0), VK_SUCCESS);
    EXPECT_EQ(session.Totals(type).placement_failures, 0u);
    vkDestroyBuffer(session.device, buffer, nullptr);
    vkDestroyImage(session.device, image, nullptr);
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Free(odd);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// A driver with one kind of buffer that asks for more than any probe or query has shown.
SessionOptions LateAlignment() {
    static VkPhysicalDeviceBufferDeviceAddressFeatures features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES;
    features.bufferDeviceAddress = VK_TRUE;
    SessionOptions options;
    options.description =
        R"({"base": "discrete", "alignment": {"video": 16384}, "size_below_alignment": true})";
    options.device_chain = &features;
    return options;
}

VkMemoryAllocateFlagsInfo DeviceAddressFlag() {
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    return flags;
}

// What was placed before its resource was known is moved at the bind, since nobody has seen it.
TEST(Bind, UnseenAlignmentMovesTheSlot) {
    Session session(LateAlignment());
    const VkMemoryAllocateFlagsInfo flags = DeviceAddressFlag();
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 20; ++i)
        memories.push_back(session.Allocate(512, 1, &flags));
    std::vector<VkBuffer> buffers;
    for (VkDeviceMemory memory : memories) {
        buffers.push_back(session.MakeBuffer(512, VK_BUFFER_USAGE_VIDEO_DECODE_SRC_BIT_KHR));
        ASSERT_EQ(session.Requirements(buffers.back()).alignment, 16384u);
        EXPECT_EQ(vkBindBufferMemory(session.device, buffers.back(), memory, 0), VK_SUCCESS);
        EXPECT_EQ(Find(session, buffers.back()).offset % 16384, 0u);
    }
    const tessera_type_totals totals = session.Totals(1);
    EXPECT_GE(totals.moved_slots, 15u);
    EXPECT_EQ(totals.placement_failures, 0u);
    EXPECT_EQ(totals.app.allocations, 20u) << "a move is no allocation of the application's";
    for (VkBuffer buffer : buffers)
        vkDestroyBuffer(session.device, buffer, nullptr);
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// A slot that must move while the driver has nothing left: the bind fails as one that is out of
// memory, is not a failure of placement, and works once there is memory again.
TEST(Bind, MoveWithoutMemoryFailsAndCanBeRepeated) {
    SessionOptions options = LateAlignment();
    options.environment = {"TESSERA_MAX_BLOCK_BYTES=64KiB"};
    Session session(options);
    const VkMemoryAllocateFlagsInfo flags = DeviceAddressFlag();
    std::vector<VkDeviceMemory> memories;
    // Granules of 1,024 bytes: these fill a block.
    for (int i = 0; i < 64; ++i)
        memories.push_back(session.Allocate(512, 1, &flags));
    const VkBuffer buffer = session.MakeBuffer(300, VK_BUFFER_USAGE_VIDEO_DECODE_SRC_BIT_KHR);
    ASSERT_EQ(session.Requirements(buffer).alignment, 16384u);
    session.mock->fail_call("vkAllocateMemory", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY, /*sticky=*/1);
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memories[1], 0),
              VK_ERROR_OUT_OF_DEVICE_MEMORY);
    EXPECT_EQ(session.Totals(1).placement_failures, 0u);
    session.mock->clear_faults();
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memories[1], 0), VK_SUCCESS);
    vkDestroyBuffer(session.device, buffer, nullptr);
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// What idles in another type goes before a move fails for want of an object.
TEST(Bind, MoveGivesIdleBlocksBackFirst) {
    SessionOptions options = LateAlignment();
    options.description =
        R"({"base": "discrete", "alignment": {"video": 16384},
            "size_below_alignment": true, "limits": {"maxMemoryAllocationCount": 4}})";
    options.environment = {"TESSERA_MAX_BLOCK_BYTES=64KiB"};
    Session session(options);
    const VkMemoryAllocateFlagsInfo flags = DeviceAddressFlag();
    session.Free(session.Allocate(512, 3));  // leaves an idle block, one of two that there may be
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 64; ++i)
        memories.push_back(session.Allocate(512, 1, &flags));
    ASSERT_EQ(session.DriverLive(3), 1u);
    ASSERT_EQ(session.DriverLive(1), 1u);
    const VkBuffer buffer = session.MakeBuffer(300, VK_BUFFER_USAGE_VIDEO_DECODE_SRC_BIT_KHR);
    ASSERT_EQ(session.Requirements(buffer).alignment, 16384u);
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memories[1], 0), VK_SUCCESS);
    EXPECT_EQ(session.DriverLive(3), 0u);
    vkDestroyBuffer(session.device, buffer, nullptr);
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// `memory` is not externally synchronised in a bind: two threads may bind to a fresh slot at once,
// and both must find the same place.
TEST(Bind, RacingBindsAgreeOnThePlace) {
    Session session;
    const uint32_t type = session.TypeWith(kDeviceLocal);
    for (int round = 0; round < 200; ++round) {
        const VkBuffer buffer = session.MakeBuffer(1024);
        const VkImage image = session.MakeImage(4);
        const VkDeviceSize size =
            std::max(session.Requirements(buffer).size, session.Requirements(image).size);
        const VkDeviceMemory memory = session.Allocate(size, type);
        std::thread other(
            [&] { EXPECT_EQ(vkBindImageMemory(session.device, image, memory, 0), VK_SUCCESS); });
        EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_SUCCESS);
        other.join();
        EXPECT_EQ(Find(session, buffer).offset, Find(session, image).offset);
        vkDestroyBuffer(session.device, buffer, nullptr);
        vkDestroyImage(session.device, image, nullptr);
        session.Free(memory);
    }
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f28: arrays mix slots and what went through; chains stay.
TEST(Bind, SecondFormTranslatesEachElement) {
    Session session;
    const uint32_t type = session.TypeWith(kDeviceLocal);
    std::vector<VkBindBufferMemoryInfo> infos;
    std::vector<VkDeviceMemory> memories;
    VkBindBufferMemoryDeviceGroupInfo group = {};
    group.sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_DEVICE_GROUP_INFO;
    for (int i = 0; i < 30; ++i) {
        const VkDeviceSize size = i % 7 == 3 ? VkDeviceSize{80} << 20 : 2048;
        memories.push_back(session.Allocate(size, type));
        VkBindBufferMemoryInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO;
        info.pNext = i % 2 == 0 ? &group : nullptr;
        info.buffer = session.MakeBuffer(1024);
        info.memory = memories.back();
        info.memoryOffset = 1024;
        infos.push_back(info);
    }
    EXPECT_EQ(
        vkBindBufferMemory2(session.device, static_cast<uint32_t>(infos.size()), infos.data()),
        VK_SUCCESS);
    for (size_t i = 0; i < infos.size(); ++i) {
        EXPECT_EQ(infos[i].memory, memories[i]) << "the application's array is not written";
        EXPECT_GE(Find(session, infos[i].buffer).offset, 1024u);
        vkDestroyBuffer(session.device, infos[i].buffer, nullptr);
        session.Free(memories[i]);
    }
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// VkBindMemoryStatus: an element that the layer refuses has its status written; the rest is bound.
TEST(Bind, RefusedElementHasItsOwnStatus) {
    Session session;
    const uint32_t type = session.TypeWith(kDeviceLocal);
    const VkDeviceMemory stale = session.Allocate(2048, type);
    const VkDeviceMemory live = session.Allocate(2048, type);
    session.Free(stale);
    VkResult results[2] = {VK_SUCCESS, VK_SUCCESS};
    late::BindMemoryStatus status[2] = {};
    VkBindBufferMemoryInfo infos[2] = {};
    for (int i = 0; i < 2; ++i) {
        status[i].sType = static_cast<VkStructureType>(late::kBindMemoryStatus);
        status[i].pResult = &results[i];
        infos[i].sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO;
        infos[i].pNext = &status[i];
        infos[i].buffer = session.MakeBuffer(1024);
        infos[i].memory = i == 0 ? stale : live;
    }
    EXPECT_EQ(vkBindBufferMemory2(session.device, 2, infos), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    EXPECT_EQ(results[0], VK_ERROR_OUT_OF_DEVICE_MEMORY);
    EXPECT_NE(Find(session, infos[1].buffer).memory, static_cast<VkDeviceMemory>(VK_NULL_HANDLE));
    for (const VkBindBufferMemoryInfo& info : infos) {
        vkDestroyBuffer(session.device, info.buffer, nullptr);
    }
    session.Free(live);
}

// e8: buffers with a device address, and linear images, may need more than their size. They are
// asked about up front where they can be made, so that memory bound before they exist suits them
// too.
TEST(Bind, SmallAllocationSuitsWhatIsMadeLater) {
    VkPhysicalDeviceBufferDeviceAddressFeatures features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES;
    features.bufferDeviceAddress = VK_TRUE;
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    SessionOptions options;
    options.description =
        R"({"base": "discrete", "size_below_alignment": true,
            "alignment": {"device_address": 4096, "linear_image": 8192}})";
    options.device_chain = &features;
    Session session(options);
    std::vector<VkBuffer> buffers;
    std::vector<VkDeviceMemory> memories;
    std::vector<VkImage> images;
    for (int i = 0; i < 3; ++i) {
        memories.push_back(session.Allocate(13, 1, &flags));
        buffers.push_back(session.MakeBuffer(13));
        ASSERT_EQ(vkBindBufferMemory(session.device, buffers.back(), memories.back(), 0),
                  VK_SUCCESS);
        buffers.push_back(session.MakeBuffer(13, VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT));
        EXPECT_EQ(session.Requirements(buffers.back()).alignment, 4096u);
        EXPECT_EQ(vkBindBufferMemory(session.device, buffers.back(), memories.back(), 0),
                  VK_SUCCESS);
    }
    for (int i = 0; i < 3; ++i) {
        memories.push_back(session.Allocate(30408, 1, &flags));
        buffers.push_back(session.MakeBuffer(16));
        ASSERT_EQ(vkBindBufferMemory(session.device, buffers.back(), memories.back(), 0),
                  VK_SUCCESS);
        images.push_back(session.MakeImage(16, VK_IMAGE_TILING_LINEAR));
        EXPECT_EQ(session.Requirements(images.back()).alignment, 8192u);
        EXPECT_EQ(vkBindImageMemory(session.device, images.back(), memories.back(), 8192),
                  VK_SUCCESS);
    }
    EXPECT_EQ(session.Totals(1).placement_failures, 0u);
    for (VkImage image : images)
        vkDestroyImage(session.device, image, nullptr);
    for (VkBuffer buffer : buffers)
        vkDestroyBuffer(session.device, buffer, nullptr);
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
