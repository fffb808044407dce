// SPDX-License-Identifier: Apache-2.0
//
// What readers are told does not depend on how many parts the pools are divided into: the same
// work, done by several threads, adds up to the same numbers with one shard and with many.

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "../faults/own_channel.h"
#include "session.h"

namespace tessera::test {
namespace {

constexpr uint32_t kDeviceType = 1;
constexpr int kThreads = 8;

class ShardsTest : public testing::Test {
 protected:
    void Open(const char* shards) {
        session_.reset();
        SessionOptions options;
        options.environment = {std::string("TESSERA_SHARDS=") + shards, "TESSERA_HELPER=off"};
        session_ = std::make_unique<Session>(options);
    }

    static void InThreads(const std::function<void(int)>& task) {
        std::vector<std::thread> threads;
        for (int thread = 0; thread < kThreads; ++thread)
            threads.emplace_back([&task, thread] { task(thread); });
        for (std::thread& thread : threads)
            thread.join();
    }

    // Each thread allocates, and frees half of what its neighbour has.
    void Work() {
        std::vector<VkDeviceMemory> held[kThreads];
        InThreads([&](int self) {
            for (int i = 0; i < 300; ++i)
                held[self].push_back(session_->Allocate(1 + (i * 7919) % 40000, kDeviceType));
            // Passed through.
            held[self].push_back(session_->Allocate(200 << 20, kDeviceType));
        });
        InThreads([&](int self) {
            std::vector<VkDeviceMemory>& theirs = held[(self + 1) % kThreads];
            for (size_t i = 0; i < theirs.size(); i += 2)
                session_->Free(theirs[i]);
        });
        for (const auto& theirs : held)
            for (size_t i = 1; i < theirs.size(); i += 2)
                left_.push_back(theirs[i]);
    }

    void FreeTheRest() {
        for (const VkDeviceMemory memory : left_)
            session_->Free(memory);
        left_.clear();
    }

    // Of how many shards anything of the type was counted.
    static size_t ShardsInUse() {
        const faults::OwnChannel channel;
        const tessera_device_record* record = channel.LiveDevice(0);
        size_t used = 0;
        for (const tessera_shard_counters& line : record->shards)
            used += line.type == kDeviceType + 1 && line.allocations != 0;
        return used;
    }

    // All that does not depend on where things lie.
    struct Numbers {
        tessera_totals app;
        uint64_t pooled_live, pooled_live_bytes, pooled_allocations;
        uint64_t passed_live, passed_live_bytes, passed_allocations;
        uint64_t allocate_calls, free_calls;

        auto Tie() const {
            return std::tie(app.live, app.live_bytes, app.allocations, app.frees, app.failed,
                            pooled_live, pooled_live_bytes, pooled_allocations, passed_live,
                            passed_live_bytes, passed_allocations, allocate_calls, free_calls);
        }
    };

    Numbers Read() {
        const reader::Device device = session_->Channel().devices.back();
        const tessera_type_totals& totals = device.memory_types[kDeviceType].totals;
        // What cannot be compared is exact as well.
        TesseraMockTotals below = {};
        session_->mock->totals(session_->device, kDeviceType, &below);
        EXPECT_EQ(totals.driver.live, below.live);
        EXPECT_EQ(totals.driver.live_bytes, below.live_bytes);
        EXPECT_EQ(totals.driver.allocations, below.allocations);
        EXPECT_GE(totals.pooled.block_bytes, totals.pooled.live_bytes + totals.pooled.free_bytes);
        const tessera_pass_through& passed = totals.pass_through[TESSERA_REASON_too_large];
        return {totals.app,
                totals.pooled.live,
                totals.pooled.live_bytes,
                totals.pooled.allocations,
                passed.live,
                passed.live_bytes,
                passed.allocations,
                device.calls[TESSERA_CALL_vkAllocateMemory].count,
                device.calls[TESSERA_CALL_vkFreeMemory].count};
    }

    std::unique_ptr<Session> session_;
    std::vector<VkDeviceMemory> left_;
};

TEST_F(ShardsTest, TheNumbersAreTheSameWithOneShardAndWithMany) {
    Numbers at_work[2];
    Numbers at_the_end[2];
    for (const bool eager : {false, true}) {
        Open(eager ? "eager" : "off");
        Work();
        // A thread's home is decided by where its stack lies: all in one is as good as impossible.
        EXPECT_EQ(ShardsInUse() > 1, eager);
        at_work[eager] = Read();
        FreeTheRest();
        at_the_end[eager] = Read();
    }
    EXPECT_EQ(at_work[0].Tie(), at_work[1].Tie());
    EXPECT_EQ(at_the_end[0].Tie(), at_the_end[1].Tie());
    EXPECT_EQ(at_the_end[1].app.live_bytes, 0u);
    EXPECT_EQ(at_work[1].app.allocations, kThreads * 301u);
    // A peak may be missed by a little in each shard; docs/channel-abi.md.
    const uint64_t slack = uint64_t{16} << 14;
    EXPECT_LE(at_work[1].app.peak_bytes, at_work[0].app.peak_bytes + slack);
    EXPECT_GE(at_work[1].app.peak_bytes + slack, at_work[0].app.peak_bytes);
}

TEST_F(ShardsTest, EagerShardsAreThereBeforeAnyThreadWaits) {
    Open("eager");
    const faults::OwnChannel channel;
    const tessera_device_record* record = channel.LiveDevice(0);
    std::vector<size_t> lines(session_->memory_properties.memoryTypeCount);
    for (const tessera_shard_counters& line : record->shards)
        if (line.type != 0) ++lines[line.type - 1];
    for (const size_t count : lines)
        EXPECT_GE(count, 4u);
}

// The record has fewer lines than there may be shards: each type gets its first before any gets
// its second.
TEST_F(ShardsTest, ManyMemoryTypesShareTheLinesOfTheRecord) {
    SessionOptions options;
    options.description = "preset:many_types";
    options.environment = {"TESSERA_SHARDS=eager"};
    Session session(options);
    ASSERT_GT(session.memory_properties.memoryTypeCount, 16u);
    for (uint32_t type = 0; type < session.memory_properties.memoryTypeCount; ++type) {
        VkDeviceMemory memory = VK_NULL_HANDLE;
        if (session.TryAllocate(1000, type, &memory) == VK_SUCCESS) session.Free(memory);
    }
    const faults::OwnChannel channel;
    std::set<uint64_t> types;
    for (const tessera_shard_counters& line : channel.LiveDevice(0)->shards)
        if (line.type != 0) types.insert(line.type - 1);
    EXPECT_EQ(types.size(), session.memory_properties.memoryTypeCount);
}

// What another thread freed last is still to be given back when the device goes: by the thread that
// destroys it, and nobody else any more.
struct Ending {
    std::atomic<bool> destroying = false;
    std::atomic<int> destroyer = 0;
    std::atomic<int> others = 0;

    static void Freed(void* user, const char*) {
        Ending& self = *static_cast<Ending*>(user);
        if (!self.destroying) return;
        if (gettid() != self.destroyer) {
            ++self.others;
            return;
        }
        // Time for whoever wrongly believes that the device is theirs to serve.
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
    }
};

TEST_F(ShardsTest, TheHelperDoesNotReturnToADeviceThatIsDestroyed) {
    Ending ending;
    ending.destroyer = gettid();
    {
        SessionOptions options;
        options.environment = {"TESSERA_HELPER=on", "TESSERA_IDLE_BYTES=1"};
        Session session(options);
        std::vector<VkDeviceMemory> slots;
        for (uint32_t type = 0; type < session.memory_properties.memoryTypeCount; ++type) {
            VkDeviceMemory memory = VK_NULL_HANDLE;
            if (session.TryAllocate(1000, type, &memory) == VK_SUCCESS) slots.push_back(memory);
        }
        ASSERT_GE(slots.size(), 2u);
        std::thread([&] {
            for (const VkDeviceMemory slot : slots)
                session.Free(slot);
        }).join();
        // The helper looks once, and again a little later: in between the device goes.
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        session.mock->set_hook("vkFreeMemory", Ending::Freed, &ending);
        ending.destroying = true;
    }
    EXPECT_EQ(ending.others, 0);
}

}  // namespace
}  // namespace tessera::test
