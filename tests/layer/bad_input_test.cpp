// SPDX-License-Identifier: Apache-2.0
//
// Applications that break the rules: each breach is counted by its kind and logged, answers what
// the command may answer, and costs nobody but whoever made it: neighbours keep their bytes, the
// driver sees nothing of it, and the next call works.

#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <map>

#include "layer/vk/late_vulkan.h"
#include "session.h"

namespace tessera::test {
namespace {

constexpr uint32_t kLocal = 1;    // of the discrete preset: device-local
constexpr uint32_t kVisible = 2;  // host-visible and coherent
constexpr VkDeviceSize kLarge = 80u << 20;

// A session whose log and counts of misuse can be read.
class BadInput : public testing::Test {
 protected:
    void Start(SessionOptions options = {}) {
        log_path_ = std::string(std::getenv("XDG_RUNTIME_DIR")) + "/log";
        options.environment.push_back("TESSERA_LOG_FILE=" + log_path_);
        session_ = std::make_unique<Session>(options);
        device_ = session_->device;
    }
    Session& session() { return *session_; }

    // The kinds that were counted, by name, of the newest device.
    std::map<std::string, uint64_t> Counts() {
        std::map<std::string, uint64_t> counts;
        const reader::Process process = session_->Channel();
        const auto& misuse = process.devices.back().misuse;
        for (uint32_t i = 0; i < misuse.size(); ++i)
            if (misuse[i] > 0) counts[reader::MisuseName(i)] = misuse[i];
        return counts;
    }
    using Expected = std::map<std::string, uint64_t>;

    // How many lines of the log have `text` in them.
    size_t LogLines(const std::string& text) const {
        std::ifstream file(log_path_);
        size_t lines = 0;
        for (std::string line; std::getline(file, line);)
            lines += line.find(text) != std::string::npos ? 1 : 0;
        return lines;
    }

    // The end of every test: the driver was told nothing that it may not be told.
    void TearDown() override {
        session_->Close();
        EXPECT_EQ(session_->mock.Violations(), "");
    }

    // A buffer's bind to a slot, and where it lies in the driver's memory.
    TesseraMockBinding Where(VkBuffer buffer) {
        TesseraMockBinding binding = {};
        EXPECT_TRUE(session_->mock->find_buffer(device_, buffer, &binding));
        return binding;
    }

    std::string log_path_;
    std::unique_ptr<Session> session_;
    VkDevice device_ = VK_NULL_HANDLE;
};

TEST_F(BadInput, AGoodApplicationBreaksNoRule) {
    SessionOptions options;
    options.description = "preset:noncoherent";
    Start(options);
    const uint32_t type = session().TypeWith(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
                                             VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                             VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    const VkDeviceMemory memory = session().Allocate(4000, type);
    const VkBuffer buffer = session().MakeBuffer(3500);
    ASSERT_EQ(vkBindBufferMemory(device_, buffer, memory, 0), VK_SUCCESS);
    session().Map(memory, 300, 1000);
    // Whole atoms around what is mapped, to the end, and none at all.
    const VkMappedMemoryRange ranges[] = {
        {VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, memory, 256, 1280},
        {VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, memory, 512, VK_WHOLE_SIZE}};
    EXPECT_EQ(vkFlushMappedMemoryRanges(device_, 2, ranges), VK_SUCCESS);
    EXPECT_EQ(vkInvalidateMappedMemoryRanges(device_, 2, ranges), VK_SUCCESS);
    vkUnmapMemory(device_, memory);
    session().Map(memory);
    vkDestroyBuffer(device_, buffer, nullptr);
    session().Free(memory);
    session().Free(session().Allocate(kLarge, type));
    session().Free(VK_NULL_HANDLE);
    EXPECT_EQ(Counts(), Expected{});
    EXPECT_EQ(LogLines(""), 0u);
}

TEST_F(BadInput, UseAfterFreeIsCountedInEveryCommand) {
    SessionOptions options;
    options.instance_extensions = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
    options.device_extensions = {"VK_KHR_map_memory2", "VK_KHR_bind_memory2",
                                 "VK_EXT_pageable_device_local_memory"};
    options.features.sparseBinding = VK_TRUE;
    VkPhysicalDevicePrivateDataFeatures private_data = {};
    private_data.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PRIVATE_DATA_FEATURES;
    private_data.privateData = VK_TRUE;
    options.device_chain = &private_data;
    Start(options);
    const VkDeviceMemory stale = session().Allocate(65536, kVisible);
    session().Free(stale);
    const VkBuffer buffer = session().MakeBuffer(256);
    const VkImage image = session().MakeImage(16);
    const VkBuffer sparse = session().MakeBuffer(65536, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                                                 VK_BUFFER_CREATE_SPARSE_BINDING_BIT);
    uint64_t expected = 0;
    const auto counted = [&](const char* command) {
        EXPECT_EQ(Counts(), (Expected{{"use_after_free", ++expected}})) << command;
    };
    void* data = nullptr;
    EXPECT_EQ(vkMapMemory(device_, stale, 0, 256, 0, &data), VK_ERROR_MEMORY_MAP_FAILED);
    counted("vkMapMemory");
    vkUnmapMemory(device_, stale);
    counted("vkUnmapMemory");
    late::MemoryMapInfo map = {};
    map.sType = static_cast<VkStructureType>(late::kMemoryMapInfo);
    map.memory = stale;
    map.size = 256;
    EXPECT_EQ(session().Command<late::PfnMapMemory2>("vkMapMemory2KHR")(device_, &map, &data),
              VK_ERROR_MEMORY_MAP_FAILED);
    counted("vkMapMemory2KHR");
    late::MemoryUnmapInfo unmap = {};
    unmap.sType = static_cast<VkStructureType>(late::kMemoryUnmapInfo);
    unmap.memory = stale;
    EXPECT_EQ(session().Command<late::PfnUnmapMemory2>("vkUnmapMemory2KHR")(device_, &unmap),
              VK_SUCCESS);
    counted("vkUnmapMemory2KHR");
    const VkMappedMemoryRange range = {VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, stale, 0,
                                       256};
    EXPECT_EQ(vkFlushMappedMemoryRanges(device_, 1, &range), VK_ERROR_OUT_OF_HOST_MEMORY);
    counted("vkFlushMappedMemoryRanges");
    EXPECT_EQ(vkInvalidateMappedMemoryRanges(device_, 1, &range), VK_ERROR_OUT_OF_HOST_MEMORY);
    counted("vkInvalidateMappedMemoryRanges");
    EXPECT_EQ(vkBindBufferMemory(device_, buffer, stale, 0), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    counted("vkBindBufferMemory");
    EXPECT_EQ(vkBindImageMemory(device_, image, stale, 0), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    counted("vkBindImageMemory");
    const VkBindBufferMemoryInfo bind_buffer = {VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO, nullptr,
                                                buffer, stale, 0};
    EXPECT_EQ(vkBindBufferMemory2(device_, 1, &bind_buffer), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    counted("vkBindBufferMemory2");
    const VkBindImageMemoryInfo bind_image = {VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO, nullptr,
                                              image, stale, 0};
    EXPECT_EQ(vkBindImageMemory2(device_, 1, &bind_image), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    counted("vkBindImageMemory2");
    const VkSparseMemoryBind sparse_bind = {0, 65536, stale, 0, 0};
    const VkSparseBufferMemoryBindInfo sparse_buffer = {sparse, 1, &sparse_bind};
    VkBindSparseInfo submission = {};
    submission.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
    submission.bufferBindCount = 1;
    submission.pBufferBinds = &sparse_buffer;
    EXPECT_EQ(vkQueueBindSparse(session().queue, 1, &submission, VK_NULL_HANDLE),
              VK_ERROR_OUT_OF_DEVICE_MEMORY);
    counted("vkQueueBindSparse");
    VkDeviceSize committed = 1;
    vkGetDeviceMemoryCommitment(device_, stale, &committed);
    EXPECT_EQ(committed, 0u);
    counted("vkGetDeviceMemoryCommitment");
    VkDeviceMemoryOpaqueCaptureAddressInfo address = {};
    address.sType = VK_STRUCTURE_TYPE_DEVICE_MEMORY_OPAQUE_CAPTURE_ADDRESS_INFO;
    address.memory = stale;
    EXPECT_EQ(vkGetDeviceMemoryOpaqueCaptureAddress(device_, &address), 0u);
    counted("vkGetDeviceMemoryOpaqueCaptureAddress");
    session().Command<PFN_vkSetDeviceMemoryPriorityEXT>("vkSetDeviceMemoryPriorityEXT")(
        device_, stale, 1.0f);
    counted("vkSetDeviceMemoryPriorityEXT");
    VkDebugUtilsObjectNameInfoEXT name = {};
    name.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT;
    name.objectType = VK_OBJECT_TYPE_DEVICE_MEMORY;
    name.objectHandle = (uint64_t)stale;
    name.pObjectName = "stale";
    EXPECT_EQ(session().Command<PFN_vkSetDebugUtilsObjectNameEXT>("vkSetDebugUtilsObjectNameEXT")(
                  device_, &name),
              VK_SUCCESS);
    counted("vkSetDebugUtilsObjectNameEXT");
    VkPrivateDataSlotCreateInfo slot_info = {};
    slot_info.sType = VK_STRUCTURE_TYPE_PRIVATE_DATA_SLOT_CREATE_INFO;
    VkPrivateDataSlot slot = VK_NULL_HANDLE;
    ASSERT_EQ(vkCreatePrivateDataSlot(device_, &slot_info, nullptr, &slot), VK_SUCCESS);
    EXPECT_EQ(vkSetPrivateData(device_, VK_OBJECT_TYPE_DEVICE_MEMORY, (uint64_t)stale, slot, 1),
              VK_ERROR_OUT_OF_HOST_MEMORY);
    counted("vkSetPrivateData");
    uint64_t value = 1;
    vkGetPrivateData(device_, VK_OBJECT_TYPE_DEVICE_MEMORY, (uint64_t)stale, slot, &value);
    EXPECT_EQ(value, 0u);
    counted("vkGetPrivateData");
    vkDestroyPrivateDataSlot(device_, slot, nullptr);
    vkDestroyBuffer(device_, sparse, nullptr);
    vkDestroyBuffer(device_, buffer, nullptr);
    vkDestroyImage(device_, image, nullptr);
    EXPECT_GE(LogLines("memory was used after it was freed"), 1u);
    EXPECT_LE(LogLines("memory was used after it was freed"), 3u) << "repeats are silent";
}

TEST_F(BadInput, DoubleFreeFreesNothingElse) {
    Start();
    const VkDeviceMemory memory = session().Allocate(4096, kVisible);
    session().Free(memory);
    const VkDeviceMemory next = session().Allocate(4096, kVisible);  // in the same place
    session().mock->reset_call_counts();
    session().Free(memory);
    session().Free(memory);
    EXPECT_EQ(session().mock->call_count("vkFreeMemory"), 0u);
    EXPECT_EQ(Counts(), (Expected{{"double_free", 2}}));
    EXPECT_EQ(LogLines("memory was freed again"), 2u);
    EXPECT_NE(session().Map(next), nullptr);
    EXPECT_EQ(session().Totals(kVisible).app.live, 1u);
    session().Free(next);
}

// What was never ours is the driver's matter, as without the layer: this driver reports it.
TEST_F(BadInput, AFreeOfWhatNobodyAllocatedIsCountedAndLeftToTheDriver) {
    Start();
    const VkDeviceMemory large = session().Allocate(kLarge, kLocal);
    session().Free(large);
    EXPECT_EQ(Counts(), Expected{});
    session().mock->reset_call_counts();
    session().Free(large);
    EXPECT_EQ(session().mock->call_count("vkFreeMemory"), 1u);
    EXPECT_EQ(session().mock->violation_count(), 1u);
    session().mock->clear_violations();
    EXPECT_EQ(Counts(), (Expected{{"unknown_free", 1}}));
    EXPECT_EQ(session().Totals(kLocal).app.live, 0u) << "no count is disturbed";
    EXPECT_EQ(session().Totals(kLocal).app.frees, 1u);
}

// The neighbour behind a slot, found by its place: the two slots lie side by side.
TEST_F(BadInput, ABindPastTheEndOfAPinnedSlotIsRefused) {
    Start();
    const VkDeviceMemory memory = session().Allocate(4096, kLocal);
    const VkBuffer first = session().MakeBuffer(4096);
    const VkBuffer second = session().MakeBuffer(4096);
    ASSERT_EQ(vkBindBufferMemory(device_, first, memory, 0), VK_SUCCESS);
    session().mock->reset_call_counts();
    EXPECT_EQ(vkBindBufferMemory(device_, second, memory, 2048), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    EXPECT_EQ(vkBindBufferMemory(device_, second, memory, 4096), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    EXPECT_EQ(vkBindBufferMemory(device_, second, memory, ~VkDeviceSize{0} - 255),
              VK_ERROR_OUT_OF_DEVICE_MEMORY);
    EXPECT_EQ(session().mock->call_count("vkBindBufferMemory"), 0u);
    EXPECT_EQ(Counts(), (Expected{{"bind_out_of_range", 3}}));
    EXPECT_EQ(LogLines("reaches past the end"), 3u);
    EXPECT_EQ(session().Totals(kLocal).placement_failures, 0u) << "no fault of the layer's";
    // One of an array does not spoil the others.
    const VkBuffer third = session().MakeBuffer(1024);
    const VkBindBufferMemoryInfo binds[] = {
        {VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO, nullptr, second, memory, 2048},
        {VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO, nullptr, third, memory, 2048}};
    EXPECT_EQ(vkBindBufferMemory2(device_, 2, binds), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    EXPECT_EQ(Where(third).offset, Where(first).offset + 2048);
    for (VkBuffer buffer : {first, second, third})
        vkDestroyBuffer(device_, buffer, nullptr);
    session().Free(memory);
}

// An allocation of the buffer's size instead of what it requires works on most drivers, which give
// out whole pages. It goes on working, and away from its neighbours.
TEST_F(BadInput, ABindPastTheEndOfAFreshSlotGetsTheRoom) {
    Start();
    const VkDeviceMemory before = session().Allocate(4096, kLocal);
    const VkDeviceMemory memory = session().Allocate(4096, kLocal);
    const VkDeviceMemory after = session().Allocate(4096, kLocal);
    const VkBuffer buffer = session().MakeBuffer(16384);
    const VkBuffer others[] = {session().MakeBuffer(4096), session().MakeBuffer(4096)};
    ASSERT_EQ(vkBindBufferMemory(device_, others[0], before, 0), VK_SUCCESS);
    ASSERT_EQ(vkBindBufferMemory(device_, buffer, memory, 256), VK_SUCCESS);
    ASSERT_EQ(vkBindBufferMemory(device_, others[1], after, 0), VK_SUCCESS);
    // Those that come after it must not get the room either.
    std::vector<VkDeviceMemory> later;
    std::vector<VkBuffer> neighbours(std::begin(others), std::end(others));
    for (int i = 0; i < 32; ++i) {
        later.push_back(session().Allocate(1024, kLocal));
        neighbours.push_back(session().MakeBuffer(1024));
        ASSERT_EQ(vkBindBufferMemory(device_, neighbours.back(), later.back(), 0), VK_SUCCESS);
    }
    const TesseraMockBinding bound = Where(buffer);
    for (VkBuffer other : neighbours) {
        const TesseraMockBinding neighbour = Where(other);
        if (neighbour.memory != bound.memory) continue;
        EXPECT_TRUE(neighbour.offset + neighbour.size_bytes <= bound.offset ||
                    bound.offset + bound.size_bytes <= neighbour.offset)
            << "they share memory";
    }
    EXPECT_EQ(Counts(), (Expected{{"bind_out_of_range", 1}}));
    neighbours.push_back(buffer);
    for (VkBuffer one : neighbours)
        vkDestroyBuffer(device_, one, nullptr);
    later.insert(later.end(), {before, memory, after});
    for (VkDeviceMemory one : later)
        session().Free(one);
    EXPECT_EQ(session().Totals(kLocal).app.live_bytes, 0u) << "counted as it was asked for";
}

TEST_F(BadInput, ABindPastTheEndThatStaysInThePaddingIsBoundInPlace) {
    Start();
    const VkDeviceMemory memory = session().Allocate(1000, kLocal);
    const VkBuffer buffer = session().MakeBuffer(1001);
    session().mock->reset_call_counts();
    EXPECT_EQ(vkBindBufferMemory(device_, buffer, memory, 0), VK_SUCCESS);
    EXPECT_EQ(Counts(), (Expected{{"bind_out_of_range", 1}}));
    vkDestroyBuffer(device_, buffer, nullptr);
    session().Free(memory);
}

TEST_F(BadInput, AnImageBoundPastTheEndOfAPinnedSlotIsRefused) {
    Start();
    const VkImage image = session().MakeImage(64);
    const VkMemoryRequirements need = session().Requirements(image);
    const VkDeviceMemory memory = session().Allocate(need.size, kLocal);
    const VkBuffer buffer = session().MakeBuffer(256);
    ASSERT_EQ(vkBindBufferMemory(device_, buffer, memory, 0), VK_SUCCESS);
    EXPECT_EQ(vkBindImageMemory(device_, image, memory, need.alignment),
              VK_ERROR_OUT_OF_DEVICE_MEMORY);
    EXPECT_EQ(Counts(), (Expected{{"bind_out_of_range", 1}}));
    vkDestroyBuffer(device_, buffer, nullptr);
    vkDestroyImage(device_, image, nullptr);
    session().Free(memory);
}

TEST_F(BadInput, ASparseBindPastTheEndIsRefused) {
    SessionOptions options;
    options.features.sparseBinding = VK_TRUE;
    Start(options);
    const VkBuffer sparse = session().MakeBuffer(4 * 65536, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                                                 VK_BUFFER_CREATE_SPARSE_BINDING_BIT);
    const VkDeviceMemory memory = session().Allocate(2 * 65536, kLocal);
    const auto bind = [&](VkDeviceSize offset, VkDeviceSize size) {
        const VkSparseMemoryBind one = {0, size, memory, offset, 0};
        const VkSparseBufferMemoryBindInfo info = {sparse, 1, &one};
        VkBindSparseInfo submission = {};
        submission.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
        submission.bufferBindCount = 1;
        submission.pBufferBinds = &info;
        return vkQueueBindSparse(session().queue, 1, &submission, VK_NULL_HANDLE);
    };
    EXPECT_EQ(bind(65536, 65536), VK_SUCCESS) << "a part of the buffer in a part of the memory";
    EXPECT_EQ(Counts(), Expected{});
    EXPECT_EQ(bind(65536, 2 * 65536), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    EXPECT_EQ(Counts(), (Expected{{"bind_out_of_range", 1}}));
    vkDestroyBuffer(device_, sparse, nullptr);
    session().Free(memory);
}

TEST_F(BadInput, AMapPastTheEndGetsTheRoomOrFails) {
    Start();
    const VkDeviceMemory neighbour = session().Allocate(4096, kVisible);
    const VkDeviceMemory memory = session().Allocate(4096, kVisible);
    const VkDeviceMemory pinned = session().Allocate(4096, kVisible);
    void* data = nullptr;
    EXPECT_EQ(vkMapMemory(device_, memory, 4096, VK_WHOLE_SIZE, 0, &data),
              VK_ERROR_MEMORY_MAP_FAILED);
    EXPECT_EQ(vkMapMemory(device_, memory, ~VkDeviceSize{0} - 16, 1, 0, &data),
              VK_ERROR_MEMORY_MAP_FAILED);
    // Nobody has seen where it lies: it moves to where 64 KiB are its own.
    ASSERT_EQ(vkMapMemory(device_, memory, 256, 65536, 0, &data), VK_SUCCESS);
    auto* other = static_cast<char*>(session().Map(neighbour));
    auto* last = static_cast<char*>(session().Map(pinned));
    std::memset(other, 1, 4096);
    std::memset(last, 2, 4096);
    std::memset(data, 7, 65536);
    std::vector<VkDeviceMemory> later;
    for (int i = 0; i < 32; ++i) {
        later.push_back(session().Allocate(4096, kVisible));
        std::memset(session().Map(later.back()), 3, 4096);
    }
    for (int i = 0; i < 4096; ++i) {
        ASSERT_EQ(other[i], 1) << i;
        ASSERT_EQ(last[i], 2) << i;
    }
    for (int i = 0; i < 65536; ++i)
        ASSERT_EQ(static_cast<char*>(data)[i], 7) << i;
    for (VkDeviceMemory one : later)
        session().Free(one);
    vkUnmapMemory(device_, pinned);
    EXPECT_EQ(vkMapMemory(device_, pinned, 0, 65536, 0, &data), VK_ERROR_MEMORY_MAP_FAILED);
    EXPECT_EQ(Counts(), (Expected{{"map_out_of_range", 4}}));
    EXPECT_EQ(LogLines("a range was mapped"), 3u);
    for (VkDeviceMemory one : {neighbour, memory, pinned})
        session().Free(one);
}

TEST_F(BadInput, AMapOfWhatTheHostCannotSeeFails) {
    Start();
    const VkDeviceMemory memory = session().Allocate(4096, kLocal);
    void* data = nullptr;
    EXPECT_EQ(vkMapMemory(device_, memory, 0, VK_WHOLE_SIZE, 0, &data), VK_ERROR_MEMORY_MAP_FAILED);
    EXPECT_EQ(Counts(), (Expected{{"map_not_visible", 1}}));
    EXPECT_EQ(LogLines("that the host cannot see"), 1u);
    session().Free(memory);
}

TEST_F(BadInput, MappingTwiceAndUnmappingTwiceChangeNothing) {
    Start();
    const VkDeviceMemory memory = session().Allocate(4096, kVisible);
    void* const first = session().Map(memory);
    EXPECT_EQ(session().Map(memory), first);
    EXPECT_EQ(Counts(), (Expected{{"map_twice", 1}}));
    vkUnmapMemory(device_, memory);
    vkUnmapMemory(device_, memory);
    EXPECT_EQ(Counts(), (Expected{{"map_twice", 1}, {"unmap_not_mapped", 1}}));
    EXPECT_EQ(LogLines("memory was mapped while it was mapped"), 1u);
    EXPECT_EQ(LogLines("that was not mapped"), 1u);
    EXPECT_EQ(session().Map(memory), first);
    session().Free(memory);
}

TEST_F(BadInput, AFlushOutOfRangeStaysInTheSlot) {
    SessionOptions options;
    options.description = "preset:noncoherent";
    Start(options);
    const uint32_t type = session().TypeWith(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
                                             VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                             VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    const VkDeviceMemory memory = session().Allocate(4096, type);
    const auto flush = [&](VkDeviceSize offset, VkDeviceSize size) {
        const VkMappedMemoryRange range = {VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, memory,
                                           offset, size};
        return vkFlushMappedMemoryRanges(device_, 1, &range);
    };
    EXPECT_EQ(flush(0, VK_WHOLE_SIZE), VK_SUCCESS);
    EXPECT_EQ(Counts(), (Expected{{"flush_not_mapped", 1}}));
    session().Map(memory, 1024, 1024);
    EXPECT_EQ(flush(1024, 1024), VK_SUCCESS);
    EXPECT_EQ(flush(0, 2048), VK_SUCCESS);
    EXPECT_EQ(flush(1024, 1280), VK_SUCCESS);
    EXPECT_EQ(flush(8192, 256), VK_SUCCESS);
    EXPECT_EQ(flush(1024, ~VkDeviceSize{0} - 1), VK_SUCCESS);
    EXPECT_EQ(Counts(), (Expected{{"flush_not_mapped", 1}, {"flush_out_of_range", 4}}));
    EXPECT_EQ(LogLines("that is not mapped at all"), 1u);
    EXPECT_EQ(LogLines("flushed or invalidated that is not mapped"), 4u) << "three and the other";
    session().Free(memory);
}

TEST_F(BadInput, ADeviceDestroyedWithLiveMemoryLeavesNothingOfTheLayersBehind) {
    Start();
    session().Allocate(4096, kLocal);
    session().Map(session().Allocate(4096, kVisible));
    vkDestroyDevice(device_, nullptr);
    session().device = VK_NULL_HANDLE;
    EXPECT_EQ(Counts(), (Expected{{"leaked", 2}}));
    EXPECT_EQ(LogLines("2 allocations are not freed"), 1u);
    EXPECT_EQ(session().mock->live_objects(VK_NULL_HANDLE, VK_OBJECT_TYPE_DEVICE_MEMORY), 0u);
}

TEST_F(BadInput, MisuseOfAParentsDeviceInAForkedChildIsNotCounted) {
    Start();
    const VkDeviceMemory memory = session().Allocate(4096, kVisible);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        session().Free(memory);
        session().Free(memory);
        void* data = nullptr;
        _exit(vkMapMemory(device_, memory, 0, 16, 0, &data) == VK_ERROR_MEMORY_MAP_FAILED ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(Counts(), Expected{});
    session().Free(memory);
}

}  // namespace
}  // namespace tessera::test
