// SPDX-License-Identifier: Apache-2.0
//
// Large allocations that were freed serve the next ones (the setting `recycle`): what the
// application gets is new in every respect, what is kept is bounded, and the driver is rarely
// asked.
//
// 20 MiB are too large to share a block of either of preset:discrete's memory types that the tests
// use with max_block_bytes at 16 MiB, and small enough to be kept.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "session.h"

namespace tessera::test {
namespace {

constexpr VkDeviceSize kMiB = VkDeviceSize{1} << 20;
constexpr VkDeviceSize kSize = 20 * kMiB;
constexpr VkMemoryPropertyFlags kCoherent =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr uint32_t kLocal = 1;  // of preset:discrete: device-local

SessionOptions With(std::vector<std::string> settings,
                    const char* description = "preset:discrete") {
    SessionOptions options;
    options.description = description;
    // What a test sets comes later, and wins.
    options.environment = {"TESSERA_RECYCLE=on", "TESSERA_MAX_BLOCK_BYTES=16MiB"};
    options.environment.insert(options.environment.end(), settings.begin(), settings.end());
    return options;
}

// The driver's memory under the only allocation there is.
TesseraMockMemory OnlyBlock(Session& session) {
    TesseraMockMemory block = {};
    EXPECT_EQ(session.mock->memories(session.device, &block, 1), 1u);
    return block;
}

// How many memories the driver has for the device.
uint32_t Objects(Session& session) {
    return session.mock->memories(session.device, nullptr, 0);
}

uint64_t Calls(Session& session, const char* command) {
    return session.mock->call_count(command);
}

uint64_t TooLarge(const Session& session, uint32_t type) {
    return session.Totals(type).pass_through[TESSERA_REASON_too_large].allocations;
}

void CloseCleanly(Session& session) {
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

TEST(Recycle, TheNextOfASizeTakesNoCallOfTheDriver) {
    Session session(With({}));
    session.Free(session.Allocate(kSize, kLocal));
    const VkDeviceMemory block = OnlyBlock(session).memory;
    session.mock->reset_call_counts();
    for (int i = 0; i < 10; ++i) {
        const VkDeviceMemory memory = session.Allocate(kSize - 1000 * i, kLocal);
        EXPECT_NE(memory, block) << "never the driver's handle";
        EXPECT_EQ(OnlyBlock(session).memory, block);
        session.Free(memory);
    }
    EXPECT_EQ(Calls(session, "vkAllocateMemory") + Calls(session, "vkFreeMemory"), 0u);
    EXPECT_EQ(TooLarge(session, kLocal), 0u);
    CloseCleanly(session);
}

TEST(Recycle, EachHasAHandleOfItsOwn) {
    Session session(With({}));
    std::vector<VkDeviceMemory> seen;
    for (int i = 0; i < 20; ++i) {
        const VkDeviceMemory memory = session.Allocate(kSize, kLocal);
        EXPECT_EQ(std::count(seen.begin(), seen.end(), memory), 0);
        seen.push_back(memory);
        session.Free(memory);
    }
    // Those before are stale: nothing may be bound to them.
    const VkBuffer buffer = session.MakeBuffer(256);
    EXPECT_NE(vkBindBufferMemory(session.device, buffer, seen[0], 0), VK_SUCCESS);
    vkDestroyBuffer(session.device, buffer, nullptr);
    CloseCleanly(session);
}

// b9 and its like: what is attached to an object ends with the object.
TEST(Recycle, PrivateDataStartsFresh) {
    VkPhysicalDevicePrivateDataFeatures features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PRIVATE_DATA_FEATURES;
    features.privateData = VK_TRUE;
    SessionOptions options = With({});
    options.device_chain = &features;
    Session session(options);
    VkPrivateDataSlotCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_PRIVATE_DATA_SLOT_CREATE_INFO;
    VkPrivateDataSlot slot = VK_NULL_HANDLE;
    ASSERT_EQ(vkCreatePrivateDataSlot(session.device, &info, nullptr, &slot), VK_SUCCESS);
    const auto get = [&](VkDeviceMemory memory) {
        uint64_t data = 99;
        vkGetPrivateData(session.device, VK_OBJECT_TYPE_DEVICE_MEMORY, (uint64_t)memory, slot,
                         &data);
        return data;
    };
    const VkDeviceMemory first = session.Allocate(kSize, kLocal);
    ASSERT_EQ(
        vkSetPrivateData(session.device, VK_OBJECT_TYPE_DEVICE_MEMORY, (uint64_t)first, slot, 7),
        VK_SUCCESS);
    EXPECT_EQ(get(first), 7u);
    session.Free(first);
    const VkDeviceMemory second = session.Allocate(kSize, kLocal);
    EXPECT_EQ(get(second), 0u);
    session.Free(second);
    vkDestroyPrivateDataSlot(session.device, slot, nullptr);
    CloseCleanly(session);
}

TEST(Recycle, ANameReachesNoBlock) {
    SessionOptions options = With({});
    options.instance_extensions = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
    Session session(options);
    const auto set_name =
        session.Command<PFN_vkSetDebugUtilsObjectNameEXT>("vkSetDebugUtilsObjectNameEXT");
    const VkDeviceMemory memory = session.Allocate(kSize, kLocal);
    VkDebugUtilsObjectNameInfoEXT info = {};
    info.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT;
    info.objectType = VK_OBJECT_TYPE_DEVICE_MEMORY;
    info.objectHandle = (uint64_t)memory;
    info.pObjectName = "first";
    EXPECT_EQ(set_name(session.device, &info), VK_SUCCESS);
    session.Free(memory);
    const VkDeviceMemory second = session.Allocate(kSize, kLocal);
    EXPECT_STREQ(OnlyBlock(session).name, "");
    session.Free(second);
    CloseCleanly(session);
}

class RecyclePriority : public testing::Test {
 protected:
    RecyclePriority() {
        pageable_.sType =
            VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PAGEABLE_DEVICE_LOCAL_MEMORY_FEATURES_EXT;
        pageable_.pageableDeviceLocalMemory = VK_TRUE;
        pageable_.pNext = &priority_;
        priority_.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PRIORITY_FEATURES_EXT;
        priority_.memoryPriority = VK_TRUE;
        SessionOptions options = With({});
        options.device_extensions = {VK_EXT_MEMORY_PRIORITY_EXTENSION_NAME,
                                     VK_EXT_PAGEABLE_DEVICE_LOCAL_MEMORY_EXTENSION_NAME};
        options.device_chain = &pageable_;
        session_ = std::make_unique<Session>(options);
        set_ = session_->Command<PFN_vkSetDeviceMemoryPriorityEXT>("vkSetDeviceMemoryPriorityEXT");
    }
    VkDeviceMemory Allocate(float priority) {
        VkMemoryPriorityAllocateInfoEXT info = {};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT;
        info.priority = priority;
        return session_->Allocate(kSize, kLocal, &info);
    }

    VkPhysicalDeviceMemoryPriorityFeaturesEXT priority_ = {};
    VkPhysicalDevicePageableDeviceLocalMemoryFeaturesEXT pageable_ = {};
    std::unique_ptr<Session> session_;
    PFN_vkSetDeviceMemoryPriorityEXT set_ = nullptr;
};

// The hint is for the memory object, which is the application's alone here.
TEST_F(RecyclePriority, AHintReachesTheBlockAndEndsWithTheAllocation) {
    const VkDeviceMemory first = Allocate(0.75f);
    EXPECT_EQ(OnlyBlock(*session_).priority, 0.75f);
    set_(session_->device, first, 0.125f);
    EXPECT_EQ(OnlyBlock(*session_).priority, 0.125f);
    session_->Free(first);
    const VkDeviceMemory second = Allocate(0.75f);
    EXPECT_EQ(OnlyBlock(*session_).priority, 0.75f);
    session_->mock->reset_call_counts();
    session_->Free(second);
    const VkDeviceMemory third = Allocate(0.75f);
    EXPECT_EQ(Calls(*session_, "vkSetDeviceMemoryPriorityEXT"), 0u) << "once is enough";
    // A stale handle hints at nothing.
    set_(session_->device, first, 1.0f);
    EXPECT_EQ(OnlyBlock(*session_).priority, 0.75f);
    session_->Free(third);
    CloseCleanly(*session_);
}

// e19: a block has the priority that its allocation asked for.
TEST_F(RecyclePriority, AnotherPriorityGetsAnotherBlock) {
    session_->Free(Allocate(1.0f));
    const VkDeviceMemory memory = Allocate(0.0f);
    TesseraMockMemory blocks[2] = {};
    ASSERT_EQ(session_->mock->memories(session_->device, blocks, 2), 2u);
    EXPECT_EQ(blocks[0].priority + blocks[1].priority, 1.0f);
    session_->Free(memory);
    CloseCleanly(*session_);
}

TEST(Recycle, WithTheSettingOffLargeAllocationsGoThrough) {
    Session session(With({"TESSERA_RECYCLE=off"}));
    for (uint64_t i = 1; i <= 3; ++i) {
        const VkDeviceMemory memory = session.Allocate(kSize, kLocal);
        EXPECT_EQ(memory, OnlyBlock(session).memory);
        EXPECT_EQ(TooLarge(session, kLocal), i);
        session.Free(memory);
        EXPECT_EQ(Objects(session), 0u);
    }
    CloseCleanly(session);
}

TEST(Recycle, WithoutAnAllowanceLargeAllocationsGoThrough) {
    Session session(With({"TESSERA_IDLE_BYTES=0"}));
    const VkDeviceMemory memory = session.Allocate(kSize, kLocal);
    EXPECT_EQ(TooLarge(session, kLocal), 1u);
    session.Free(memory);
    EXPECT_EQ(Objects(session), 0u);
    CloseCleanly(session);
}

// What could not be kept is not worth a handle of the layer's own.
TEST(Recycle, UpToTheAllowanceAllocationsAreServed) {
    Session session(With({"TESSERA_IDLE_BYTES=32MiB"}));
    const VkDeviceMemory served = session.Allocate(32 * kMiB, kLocal);
    EXPECT_EQ(TooLarge(session, kLocal), 0u);
    const VkDeviceMemory through = session.Allocate(32 * kMiB + 1, kLocal);
    EXPECT_EQ(TooLarge(session, kLocal), 1u);
    session.Free(served);
    session.Free(through);
    EXPECT_EQ(OnlyBlock(session).size_bytes, 32 * kMiB);
    CloseCleanly(session);
}

TEST(Recycle, NoAllocationIsLargerThanTheDriverAllows) {
    Session session(
        With({}, R"({"base": "discrete", "limits": {"maxMemoryAllocationSize": "24MiB"}})"));
    const VkDeviceMemory served = session.Allocate(24 * kMiB, kLocal);
    EXPECT_EQ(TooLarge(session, kLocal), 0u);
    session.Free(served);
    CloseCleanly(session);
}

TEST(Recycle, WhatIsKeptIsBoundedAndTheOldestGoesFirst) {
    Session session(With({"TESSERA_HELPER=off"}));  // which gives back a little later
    std::vector<VkDeviceMemory> memories;
    for (VkDeviceSize size : {20, 24, 30, 33})
        memories.push_back(session.Allocate(size * kMiB, kLocal));
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    TesseraMockMemory blocks[4] = {};
    ASSERT_EQ(session.mock->memories(session.device, blocks, 4), 2u);
    EXPECT_EQ(blocks[0].size_bytes + blocks[1].size_bytes, 63 * kMiB);
    const tessera_type_totals totals = session.Totals(kLocal);
    EXPECT_EQ(totals.pooled.blocks, 2u);
    EXPECT_EQ(totals.pooled.block_bytes, 63 * kMiB);
    EXPECT_EQ(totals.pooled.free_bytes, 63 * kMiB);
    EXPECT_EQ(totals.app.live, 0u);
    CloseCleanly(session);
}

TEST(Recycle, WhatIdlesTooLongGoes) {
    Session session(With({"TESSERA_IDLE_MS=20", "TESSERA_HELPER=on"}));
    session.Free(session.Allocate(kSize, kLocal));
    for (int i = 0; i < 3000 && Objects(session) != 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(Objects(session), 0u);
    CloseCleanly(session);
}

// e13: what idles goes before an error is told, also for another type of the same heap.
TEST(Recycle, WhatIdlesGoesBeforeAnErrorIsTold) {
    SessionOptions options = With({}, "preset:tiny");
    options.environment = {"TESSERA_RECYCLE=on", "TESSERA_MAX_BLOCK_BYTES=64KiB"};
    Session session(options);
    session.Free(session.Allocate(9 * kMiB, 0));
    EXPECT_EQ(Objects(session), 1u);
    for (VkDeviceSize size : {10 * kMiB, 15 * kMiB}) {
        const VkDeviceMemory memory = session.Allocate(size, 0);
        EXPECT_EQ(Objects(session), 1u);
        session.Free(memory);
    }
    CloseCleanly(session);
}

// A refusal is the driver's own, of the exact request.
TEST(Recycle, TheErrorIsTheDrivers) {
    Session session(With({}));
    session.mock->fail_call("vkAllocateMemory", 1, VK_ERROR_OUT_OF_HOST_MEMORY, /*sticky=*/1);
    VkDeviceMemory memory = VK_NULL_HANDLE;
    EXPECT_EQ(session.TryAllocate(kSize, kLocal, &memory), VK_ERROR_OUT_OF_HOST_MEMORY);
    session.mock->clear_faults();
    EXPECT_EQ(session.Totals(kLocal).app.failed, 1u);
    // Refused as a block, in whole grains and without, it goes through.
    session.mock->fail_call("vkAllocateMemory", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY, /*sticky=*/0);
    session.mock->fail_call("vkAllocateMemory", 2, VK_ERROR_OUT_OF_DEVICE_MEMORY, /*sticky=*/0);
    memory = session.Allocate(kSize + 1, kLocal);
    EXPECT_EQ(OnlyBlock(session).memory, memory);
    EXPECT_EQ(OnlyBlock(session).size_bytes, kSize + 1);
    session.Free(memory);
    CloseCleanly(session);
}

// e5: blocks for one slot are objects like all others.
TEST(Recycle, AsManyObjectsAreMadeAsTheDriverAllows) {
    SessionOptions options;
    options.description = "preset:tiny";
    options.environment = {"TESSERA_RECYCLE=on", "TESSERA_MAX_BLOCK_BYTES=128KiB"};
    Session session(options);
    VkPhysicalDeviceProperties properties = {};
    vkGetPhysicalDeviceProperties(session.physical_device, &properties);
    const uint32_t limit = properties.limits.maxMemoryAllocationCount;
    // More than a block of 128 KiB serves. What idles of one size is of no use to the next, but to
    // make room.
    for (const VkDeviceSize size : {100 << 10, 150 << 10, 100 << 10}) {
        std::vector<VkDeviceMemory> memories;
        VkDeviceMemory memory = VK_NULL_HANDLE;
        while (memories.size() < 2 * limit) {
            if (session.TryAllocate(size, 0, &memory) != VK_SUCCESS) break;
            memories.push_back(memory);
        }
        EXPECT_EQ(memories.size(), limit);
        EXPECT_EQ(Objects(session), limit);
        for (VkDeviceMemory live : memories)
            session.Free(live);
    }
    CloseCleanly(session);
}

TEST(Recycle, ABlockIsMappedOnceAndOnlyIfTheApplicationMapsIt) {
    Session session(With({}));
    const uint32_t type = session.TypeWith(kCoherent);
    session.mock->reset_call_counts();
    session.Free(session.Allocate(kSize, type));
    EXPECT_EQ(Calls(session, "vkMapMemory"), 0u);
    void* first = nullptr;
    for (int i = 0; i < 3; ++i) {
        const VkDeviceMemory memory = session.Allocate(kSize, type);
        auto* const data = static_cast<uint8_t*>(session.Map(memory, 4096, 1000));
        ASSERT_NE(data, nullptr);
        if (first == nullptr) first = data;
        EXPECT_EQ(data, first);
        data[0] = static_cast<uint8_t>(i + 1);
        uint8_t seen = 0;
        EXPECT_TRUE(
            session.mock->read_memory(session.device, OnlyBlock(session).memory, 4096, &seen, 1));
        EXPECT_EQ(seen, i + 1);
        vkUnmapMemory(session.device, memory);
        session.Free(memory);
    }
    EXPECT_EQ(Calls(session, "vkMapMemory"), 1u);
    EXPECT_EQ(session.Totals(type).pooled.allocations, 4u);
    CloseCleanly(session);
}

TEST(Recycle, MappingStartsFresh) {
    Session session(With({}, "preset:discrete"));
    const uint32_t type = session.TypeWith(kCoherent);
    const VkDeviceMemory first = session.Allocate(kSize, type);
    session.Map(first);
    session.Free(first);  // mapped
    const VkDeviceMemory second = session.Allocate(kSize, type);
    // Neither is it mapped, nor is what was done with the first a mistake now.
    session.Map(second, 0, 1000);
    vkUnmapMemory(session.device, second);
    session.Free(second);
    const reader::Process process = session.Channel();
    ASSERT_FALSE(process.devices.empty());
    for (uint64_t count : process.devices.back().misuse)
        EXPECT_EQ(count, 0u);
    CloseCleanly(session);
}

TEST(Recycle, AFailedMapIsTheDriversAndCanBeRepeated) {
    Session session(With({}));
    const uint32_t type = session.TypeWith(kCoherent);
    const VkDeviceMemory memory = session.Allocate(kSize, type);
    session.mock->fail_call("vkMapMemory", 1, VK_ERROR_OUT_OF_HOST_MEMORY, /*sticky=*/1);
    void* data = nullptr;
    EXPECT_EQ(vkMapMemory(session.device, memory, 0, VK_WHOLE_SIZE, 0, &data),
              VK_ERROR_OUT_OF_HOST_MEMORY);
    session.mock->clear_faults();
    EXPECT_NE(session.Map(memory), nullptr);
    session.Free(memory);
    CloseCleanly(session);
}

// Empty blocks that are mapped take up address space.
TEST(Recycle, WhatIdlesGoesBeforeAMapFails) {
    Session session(With({}));
    const uint32_t type = session.TypeWith(kCoherent);
    session.Free(session.Allocate(kSize, type));
    const VkDeviceMemory memory = session.Allocate(kSize + 10 * kMiB, type);
    EXPECT_EQ(Objects(session), 2u);
    session.mock->fail_call("vkMapMemory", 1, VK_ERROR_MEMORY_MAP_FAILED, /*sticky=*/0);
    EXPECT_NE(session.Map(memory), nullptr);
    EXPECT_EQ(Objects(session), 1u);
    session.Free(memory);
    CloseCleanly(session);
}

TEST(Recycle, WhatTheHostCannotSeeIsNotMapped) {
    Session session(With({}));
    const VkDeviceMemory memory = session.Allocate(kSize, kLocal);
    session.mock->reset_call_counts();
    void* data = nullptr;
    EXPECT_EQ(vkMapMemory(session.device, memory, 0, VK_WHOLE_SIZE, 0, &data),
              VK_ERROR_MEMORY_MAP_FAILED);
    EXPECT_EQ(Calls(session, "vkMapMemory"), 0u);
    session.Free(memory);
    CloseCleanly(session);
}

// Host writes that nobody flushed must not reach the next one.
TEST(Recycle, NonCoherentMemoryIsFlushedWithinItsSize) {
    Session session(With({}, "preset:noncoherent"));
    constexpr uint32_t kCached = 1;
    const VkDeviceMemory first = session.Allocate(kSize, kCached);
    std::memset(session.Map(first), 0x5A, 4096);
    session.Free(first);
    const VkDeviceMemory second = session.Allocate(kSize - 100, kCached);
    std::memset(session.Map(second), 0x11, 100);
    VkMappedMemoryRange range = {};
    range.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE;
    range.memory = second;
    range.size = VK_WHOLE_SIZE;
    EXPECT_EQ(vkFlushMappedMemoryRanges(session.device, 1, &range), VK_SUCCESS);
    uint8_t seen[4096] = {};
    ASSERT_TRUE(
        session.mock->read_memory(session.device, OnlyBlock(session).memory, 0, seen, sizeof seen));
    EXPECT_EQ(seen[99], 0x11);
    EXPECT_EQ(seen[100], 0x5A);
    session.Free(second);
    CloseCleanly(session);
}

TEST(Recycle, BindsOfEveryAlignmentAreServed) {
    Session session(With({}, R"({"base": "discrete", "alignment": {"storage": 1048576}})"));
    const VkDeviceMemory memory = session.Allocate(kSize, kLocal);
    const VkBuffer first = session.MakeBuffer(1000);
    const VkBuffer second = session.MakeBuffer(1000);
    const VkDeviceSize alignment = session.Requirements(first).alignment;
    ASSERT_EQ(alignment, kMiB);
    EXPECT_EQ(vkBindBufferMemory(session.device, first, memory, 0), VK_SUCCESS);
    EXPECT_EQ(vkBindBufferMemory(session.device, second, memory, 3 * alignment), VK_SUCCESS);
    TesseraMockBinding place = {};
    ASSERT_TRUE(session.mock->find_buffer(session.device, second, &place));
    EXPECT_EQ(place.offset, 3 * alignment);
    EXPECT_EQ(place.memory, OnlyBlock(session).memory);
    const VkImage image = session.MakeImage(64);
    EXPECT_EQ(vkBindImageMemory(session.device, image, memory, 8 * kMiB), VK_SUCCESS);
    vkDestroyImage(session.device, image, nullptr);
    vkDestroyBuffer(session.device, first, nullptr);
    vkDestroyBuffer(session.device, second, nullptr);
    session.Free(memory);
    EXPECT_EQ(session.Totals(kLocal).placement_failures, 0u);
    EXPECT_EQ(session.Totals(kLocal).moved_slots, 0u);
    CloseCleanly(session);
}

// What reaches past the end may lie in the rest of the block, which is nobody else's, and nowhere
// else.
TEST(Recycle, ABindPastTheEndStaysInTheBlock) {
    Session session(With({}));
    session.Free(session.Allocate(22 * kMiB, kLocal));
    const VkDeviceMemory memory = session.Allocate(kSize, kLocal);
    ASSERT_EQ(OnlyBlock(session).size_bytes, 22 * kMiB);
    const VkBuffer inside = session.MakeBuffer(2 * kMiB);
    EXPECT_EQ(vkBindBufferMemory(session.device, inside, memory, kSize), VK_SUCCESS);
    const VkBuffer outside = session.MakeBuffer(2 * kMiB);
    EXPECT_EQ(vkBindBufferMemory(session.device, outside, memory, kSize + kMiB),
              VK_ERROR_OUT_OF_DEVICE_MEMORY);
    vkDestroyBuffer(session.device, inside, nullptr);
    vkDestroyBuffer(session.device, outside, nullptr);
    session.Free(memory);
    CloseCleanly(session);
}

// f14: with zero=reuse nothing of what was left can be read, mapped or not when it was left.
TEST(Recycle, ReusedMemoryIsClearedIfTheUserAsksForIt) {
    Session session(With({"TESSERA_ZERO=reuse"}));
    const uint32_t type = session.TypeWith(kCoherent);
    const VkDeviceMemory first = session.Allocate(kSize, type);
    const std::vector<uint8_t> pattern(kSize, 0xA5);
    ASSERT_TRUE(session.mock->write_memory(session.device, OnlyBlock(session).memory, 0,
                                           pattern.data(), pattern.size()));
    session.Free(first);  // the device wrote it, and the host never saw it
    const VkDeviceMemory second = session.Allocate(kSize - 5000, type);
    const auto* const data = static_cast<const uint8_t*>(session.Map(second));
    EXPECT_EQ(std::count(data, data + kSize - 5000, 0), static_cast<ptrdiff_t>(kSize - 5000));
    session.Free(second);
    CloseCleanly(session);
}

// Budgets are told without what idles.
TEST(Recycle, WhatIdlesCountsAsUnusedBytes) {
    Session session(With({}));
    session.Free(session.Allocate(kSize, kLocal));
    const VkDeviceMemory memory = session.Allocate(kSize - kMiB, kLocal);
    const tessera_type_totals totals = session.Totals(kLocal);
    EXPECT_EQ(totals.pooled.block_bytes, kSize);
    EXPECT_EQ(totals.pooled.live_bytes, kSize - kMiB);
    EXPECT_EQ(totals.pooled.free_bytes, kMiB);
    EXPECT_EQ(totals.driver.live, 1u);
    session.Free(memory);
    CloseCleanly(session);
}

// Driver calls of 1,000 allocations and frees of 17 to 64 MiB, eight live.
uint64_t ChurnCalls(const char* recycle) {
    Session session(With({std::string("TESSERA_RECYCLE=") + recycle, "TESSERA_IDLE_BYTES=512MiB"}));
    uint64_t random = 4711;
    const auto next = [&random] { return (random = random * 6364136223846793005u + 1) >> 33; };
    std::vector<VkDeviceMemory> live;
    const auto turn = [&] {
        if (live.size() == 8) {
            const size_t victim = next() % live.size();
            session.Free(live[victim]);
            live[victim] = live.back();
            live.pop_back();
        }
        live.push_back(session.Allocate((17 + next() % 47) * kMiB + next() % kMiB, kLocal));
    };
    for (int i = 0; i < 100; ++i)
        turn();
    session.mock->reset_call_counts();
    for (int i = 0; i < 1000; ++i)
        turn();
    const uint64_t calls = Calls(session, "vkAllocateMemory") + Calls(session, "vkFreeMemory");
    for (VkDeviceMemory memory : live)
        session.Free(memory);
    CloseCleanly(session);
    return calls;
}

TEST(Recycle, ChurnOfLargeSizesRarelyReachesTheDriver) {
    EXPECT_EQ(ChurnCalls("off"), 2000u);
    EXPECT_LT(ChurnCalls("on"), 700u);
}

}  // namespace
}  // namespace tessera::test
