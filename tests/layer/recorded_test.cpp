// SPDX-License-Identifier: Apache-2.0
//
// What is recorded of allocations, blocks and events, and how that begins and ends: through the
// public entry points, and out of the segment.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <thread>

#include "session.h"

namespace tessera::test {
namespace {

constexpr uint32_t kType = 1;
constexpr VkMemoryPropertyFlags kVisible =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
// Time for a helper to notice a wish; it looks four times a second.
constexpr uint64_t kPatienceMs = 20'000;

SessionOptions At(const char* level) {
    SessionOptions options;
    // Without a helper nobody looks for wishes.
    options.environment = {std::string("TESSERA_LEVEL=") + level, "TESSERA_HELPER=on"};
    return options;
}

reader::Process Read() {
    auto result = reader::ReadProcess(static_cast<uint64_t>(getpid()), reader::Depth::kDetail);
    EXPECT_TRUE(result.ok()) << result.error;
    return result.value;
}

std::string SegmentPath() {
    const auto path = reader::FindSegment(static_cast<uint64_t>(getpid()));
    EXPECT_TRUE(path.ok()) << path.error;
    return path.value;
}

void ChangeLevel(tessera_level level) {
    EXPECT_EQ(reader::RequestLevel(SegmentPath(), level, TESSERA_STACKS_AS_IS, kPatienceMs), "");
}

// The events of the process, as a reader that began before they were written gets them.
class Events {
 public:
    Events() : file_(open(SegmentPath().c_str(), O_RDONLY | O_CLOEXEC)), reader_(file_) { Take(); }
    ~Events() { close(file_); }
    std::vector<reader::Event> Take() {
        auto batch = reader_.Read();
        EXPECT_TRUE(batch.ok()) << batch.error;
        EXPECT_EQ(batch.value.lost, 0u);
        return batch.value.events;
    }

 private:
    int file_;
    reader::EventReader reader_;
};

// Of a device at rest: what its records add up to is what its totals say.
void ExpectAgreement(const reader::Device& device) {
    EXPECT_EQ(device.detail.moving, 0u);
    std::map<uint32_t, tessera_totals> app;
    uint64_t blocks = 0;
    uint64_t block_bytes = 0;
    for (const reader::Allocation& allocation : device.detail.allocations) {
        ++app[allocation.type].live;
        app[allocation.type].live_bytes += allocation.size_bytes;
    }
    for (const reader::Block& block : device.detail.blocks)
        block_bytes += block.bytes;
    uint64_t counted_bytes = 0;
    for (uint32_t type = 0; type < device.memory_types.size(); ++type) {
        const tessera_type_totals& totals = device.memory_types[type].totals;
        EXPECT_EQ(app[type].live, totals.app.live) << "memory type " << type;
        EXPECT_EQ(app[type].live_bytes, totals.app.live_bytes) << "memory type " << type;
        blocks += totals.pooled.blocks;
        counted_bytes += totals.pooled.block_bytes;
    }
    EXPECT_EQ(device.detail.blocks.size(), blocks);
    EXPECT_EQ(block_bytes, counted_bytes);
}

VkResult MakeDevice(VkPhysicalDevice physical_device, VkDevice* device) {
    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue = {};
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkDeviceCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    return vkCreateDevice(physical_device, &info, nullptr, device);
}

std::vector<VkDeviceMemory> AllocateSome(const Session& session, int count) {
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < count; ++i)
        memories.push_back(
            session.Allocate(256u << (i % 9), static_cast<uint32_t>(i) % 2, nullptr));
    return memories;
}

TEST(Recorded, TheLevelChangesWhileTheDeviceLivesAndRecordsAgreeWithTotals) {
    Session session(At("totals"));
    std::vector<VkDeviceMemory> memories = AllocateSome(session, 200);
    EXPECT_EQ(Read().devices.back().detail.level, TESSERA_LEVEL_totals);
    for (const tessera_level level :
         {TESSERA_LEVEL_full, TESSERA_LEVEL_events, TESSERA_LEVEL_full, TESSERA_LEVEL_totals,
          TESSERA_LEVEL_events, TESSERA_LEVEL_totals, TESSERA_LEVEL_full}) {
        ChangeLevel(level);
        // What changes at one level is right at the next.
        session.Free(memories.back());
        memories.pop_back();
        for (const VkDeviceMemory memory : AllocateSome(session, 10))
            memories.push_back(memory);
        const reader::Process process = Read();
        EXPECT_EQ(process.level, level);
        const reader::Device& device = process.devices.back();
        ASSERT_EQ(device.detail.level, level);
        if (level != TESSERA_LEVEL_totals) ExpectAgreement(device);
    }
    for (const VkDeviceMemory memory : memories)
        session.Free(memory);
    ExpectAgreement(Read().devices.back());
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

TEST(Recorded, WhatWasLiveBeforeHasNoTimeAndWhatCameSinceHas) {
    Session session(At("totals"));
    const VkDeviceMemory old = session.Allocate(1000, kType);
    ChangeLevel(TESSERA_LEVEL_full);
    const VkDeviceMemory fresh = session.Allocate(1000, kType);
    const reader::Process process = Read();
    const reader::Detail& detail = process.devices.back().detail;
    ASSERT_EQ(detail.allocations.size(), 2u);
    for (const reader::Allocation& allocation : detail.allocations) {
        if (allocation.memory == (uint64_t)old) {
            EXPECT_EQ(allocation.made_ns, 0u);
            EXPECT_EQ(allocation.thread, reader::kNone);
        } else {
            EXPECT_EQ(allocation.memory, (uint64_t)fresh);
            EXPECT_GE(allocation.made_ns, process.monotonic_created_ns);
            EXPECT_LE(allocation.made_ns, process.copied_ns);
            EXPECT_NE(allocation.thread, reader::kNone);
        }
    }
    session.Free(old);
    session.Free(fresh);
}

// Clocks are read once for several events: an event must not seem older than what led to it.
TEST(Recorded, EventsOfOneMemoryComeInTheOrderOfTheCalls) {
    Session session(At("events"));
    const uint32_t visible = session.TypeWith(kVisible);
    Events events;
    for (int i = 0; i < 300; ++i) {
        const VkDeviceMemory memory = session.Allocate(4096, visible);
        session.Map(memory);
        vkUnmapMemory(session.device, memory);
        session.Free(memory);
    }
    std::map<uint64_t, std::vector<int>> kinds;
    for (const reader::Event& event : events.Take()) {
        if (event.kind != TESSERA_EVENT_block_made && event.kind != TESSERA_EVENT_block_released)
            kinds[event.object].push_back(event.kind);
        EXPECT_NE(event.thread, 0u);
    }
    EXPECT_EQ(kinds.size(), 300u);
    const std::vector<int> expected = {TESSERA_EVENT_allocate, TESSERA_EVENT_map,
                                       TESSERA_EVENT_unmap, TESSERA_EVENT_free};
    for (const auto& [object, seen] : kinds)
        EXPECT_EQ(seen, expected) << "object " << object;
}

TEST(Recorded, AMapOfTheWholeTellsItsBytes) {
    Session session(At("events"));
    const VkDeviceMemory memory = session.Allocate(5000, session.TypeWith(kVisible));
    Events events;
    session.Map(memory, 1000);
    std::vector<reader::Event> seen = events.Take();
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].kind, TESSERA_EVENT_map);
    EXPECT_EQ(seen[0].value, 4000u);
    session.Free(memory);
}

TEST(Recorded, AFreeOfWhatWasThereBeforeIsItsThreads) {
    Session session(At("totals"));
    const std::vector<VkDeviceMemory> memories = AllocateSome(session, 50);
    ChangeLevel(TESSERA_LEVEL_events);
    Events events;
    for (const VkDeviceMemory memory : memories)
        session.Free(memory);
    const reader::Process process = Read();
    size_t frees = 0;
    for (const reader::Event& event : events.Take()) {
        if (event.kind != TESSERA_EVENT_free) continue;
        ++frees;
        ASSERT_NE(event.thread, 0u);
        EXPECT_EQ(process.threads[event.thread - 1].tid, static_cast<uint64_t>(gettid()));
    }
    EXPECT_EQ(frees, memories.size());
}

// Who is looked at one by one is freed at once: a process may end at any moment, and what waits to
// be freed would seem to have leaked.
TEST(Recorded, AFreeByAnotherThreadIsSeenAtOnce) {
    for (const char* const level : {"full", "events"}) {
        Session session(At(level));
        const std::vector<VkDeviceMemory> memories = AllocateSome(session, 200);
        Events events;
        std::thread([&] {
            for (size_t i = 0; i < memories.size(); i += 2)
                session.Free(memories[i]);
        }).join();
        const reader::Process process = Read();
        const reader::Device& device = process.devices.back();
        EXPECT_EQ(device.detail.allocations.size(), memories.size() / 2) << level;
        uint64_t live = 0;
        for (const reader::MemoryType& type : device.memory_types)
            live += type.totals.app.live;
        EXPECT_EQ(live, memories.size() / 2) << level;
        const std::vector<reader::Event> seen = events.Take();
        EXPECT_EQ(std::ranges::count(seen, TESSERA_EVENT_free, &reader::Event::kind),
                  std::string_view(level) == "events" ? 100 : 0);
        for (size_t i = 1; i < memories.size(); i += 2)
            session.Free(memories[i]);
        session.Close();
        EXPECT_EQ(session.mock.Violations(), "");
    }
}

TEST(Recorded, OfADestroyedDeviceOnlyBlocksWithLeaksAreSeen) {
    Session session(At("full"));
    const std::vector<VkDeviceMemory> memories = AllocateSome(session, 100);
    for (size_t i = 1; i < memories.size(); ++i)
        session.Free(memories[i]);
    session.Close();
    const reader::Process process = Read();
    const reader::Device& device = process.devices.back();
    EXPECT_EQ(device.state, TESSERA_DEVICE_DESTROYED);
    ASSERT_EQ(device.detail.allocations.size(), 1u);
    EXPECT_EQ(device.detail.allocations[0].memory, (uint64_t)memories[0]);
    ASSERT_EQ(device.detail.blocks.size(), 1u);
    EXPECT_EQ(device.detail.allocations[0].block, 0u);
}

// Without room for them all, what was freed long ago is not missed.
TEST(Recorded, OnlyWhatLivesCountsAsUnrecordedWhenALevelBegins) {
    SessionOptions options = At("totals");
    options.environment.push_back("TESSERA_CHANNEL_BYTES=1MiB");
    Session session(options);
    constexpr int kMost = 20'000;
    constexpr int kLive = 1000;
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < kMost; ++i)
        memories.push_back(session.Allocate(256, kType));
    for (int i = 0; i < kMost - kLive; ++i)
        session.Free(memories[static_cast<size_t>(i)]);
    ChangeLevel(TESSERA_LEVEL_full);
    const reader::Process process = Read();
    const reader::Detail& detail = process.devices.back().detail;
    EXPECT_EQ(detail.allocations.size() + detail.unrecorded[TESSERA_KIND_SLOTS], kLive);
    EXPECT_GT(detail.unrecorded[TESSERA_KIND_SLOTS], 0u) << "else this shows nothing";
    for (int i = kMost - kLive; i < kMost; ++i)
        session.Free(memories[static_cast<size_t>(i)]);
}

TEST(Recorded, WhatFailsIsTold) {
    Session session(At("events"));
    const VkBuffer buffer = session.MakeBuffer(1000);
    const VkDeviceMemory memory = session.Allocate(4096, kType);
    const VkDeviceMemory passed = session.Allocate(80u << 20, session.TypeWith(kVisible));
    Events events;
    session.mock->fail_call("vkBindBufferMemory", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY, 0);
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    session.mock->fail_call("vkMapMemory", 1, VK_ERROR_MEMORY_MAP_FAILED, 0);
    void* data = nullptr;
    EXPECT_EQ(vkMapMemory(session.device, passed, 0, VK_WHOLE_SIZE, 0, &data),
              VK_ERROR_MEMORY_MAP_FAILED);
    std::vector<reader::Event> failures = events.Take();
    std::erase_if(failures,
                  [](const reader::Event& event) { return event.kind != TESSERA_EVENT_failure; });
    ASSERT_EQ(failures.size(), 2u);
    EXPECT_EQ(failures[0].detail, TESSERA_CALL_vkBindBufferMemory);
    EXPECT_EQ(failures[0].object, (uint64_t)memory);
    EXPECT_EQ(static_cast<int64_t>(failures[0].value), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    EXPECT_EQ(failures[1].detail, TESSERA_CALL_vkMapMemory);
    EXPECT_EQ(failures[1].object, (uint64_t)passed);
    EXPECT_EQ(static_cast<int64_t>(failures[1].value), VK_ERROR_MEMORY_MAP_FAILED);
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Free(memory);
    session.Free(passed);
}

// It is told before the driver is asked: how long that takes nobody knows.
TEST(Recorded, TheEndOfABlockTellsNoTime) {
    SessionOptions options = At("events");
    options.environment.push_back("TESSERA_IDLE_BYTES=0");
    Session session(options);
    Events events;
    session.Free(session.Allocate(4096, kType));
    int made = 0;
    int released = 0;
    for (const reader::Event& event : events.Take()) {
        if (event.kind == TESSERA_EVENT_block_made) {
            ++made;
            EXPECT_NE(event.detail, 0u);
        } else if (event.kind == TESSERA_EVENT_block_released) {
            ++released;
            EXPECT_EQ(event.detail, 0u);
        }
    }
    EXPECT_EQ(made, 1);
    EXPECT_EQ(released, 1);
}

// An application may destroy an instance and forget a device of it. Who asks for a level does not
// wait for that one.
TEST(Recorded, ADeviceThatIsLeftBehindKeepsNobodyWaiting) {
    const SessionOptions options = At("totals");
    Session session(options);
    VkInstance instance = VK_NULL_HANDLE;
    ASSERT_EQ(MakeInstance(options, &instance), VK_SUCCESS);
    uint32_t count = 1;
    VkPhysicalDevice physical_device = VK_NULL_HANDLE;
    ASSERT_GE(vkEnumeratePhysicalDevices(instance, &count, &physical_device), VK_SUCCESS);
    VkDevice forgotten = VK_NULL_HANDLE;
    ASSERT_EQ(MakeDevice(physical_device, &forgotten), VK_SUCCESS);
    vkDestroyInstance(instance, nullptr);
    ChangeLevel(TESSERA_LEVEL_full);
    EXPECT_EQ(Read().level, TESSERA_LEVEL_full);
}

// What happened on devices that are gone makes room for what happens.
TEST(Recorded, EventsOfDestroyedDevicesLeaveRoomForThoseOfTheNext) {
    SessionOptions options = At("events");
    options.environment.push_back("TESSERA_CHANNEL_BYTES=4MiB");
    Session session(options);
    for (int i = 0; i < 30; ++i) {
        VkDevice device = VK_NULL_HANDLE;
        ASSERT_EQ(MakeDevice(session.physical_device, &device), VK_SUCCESS);
        VkMemoryAllocateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        info.allocationSize = 4096;
        info.memoryTypeIndex = kType;
        VkDeviceMemory memory = VK_NULL_HANDLE;
        ASSERT_EQ(vkAllocateMemory(device, &info, nullptr, &memory), VK_SUCCESS);
        Events events;
        vkFreeMemory(device, memory, nullptr);
        const std::vector<reader::Event> seen = events.Take();
        EXPECT_EQ(std::ranges::count(seen, TESSERA_EVENT_free, &reader::Event::kind), 1) << i;
        const reader::Process process = Read();
        const auto newest = std::ranges::max_element(process.devices, {}, &reader::Device::id);
        EXPECT_EQ(newest->detail.unrecorded[TESSERA_KIND_RING], 0u) << i;
        vkDestroyDevice(device, nullptr);
    }
}

// Rings must not take the room that the records of further devices need.
TEST(Recorded, EventsOfOneDeviceLeaveRoomForTheTotalsOfOthers) {
    SessionOptions options = At("events");
    options.description = "preset:many_types";
    Session session(options);
    VkPhysicalDeviceMemoryProperties properties;
    vkGetPhysicalDeviceMemoryProperties(session.physical_device, &properties);
    for (uint32_t type = 0; type < properties.memoryTypeCount; ++type) {
        if ((properties.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_PROTECTED_BIT) != 0)
            continue;
        VkDeviceMemory memory = VK_NULL_HANDLE;
        if (session.TryAllocate(1000, type, &memory) == VK_SUCCESS) session.Free(memory);
    }
    std::vector<VkDevice> devices(8);
    for (VkDevice& device : devices)
        ASSERT_EQ(MakeDevice(session.physical_device, &device), VK_SUCCESS);
    const reader::Process process = Read();
    EXPECT_EQ(process.dropped_devices, 0u);
    EXPECT_EQ(process.devices.size(), 1 + devices.size());
    for (const VkDevice device : devices)
        vkDestroyDevice(device, nullptr);
}

}  // namespace
}  // namespace tessera::test
