// SPDX-License-Identifier: Apache-2.0
//
// What threads leave each other in a shard, and when a name may mean something. The test itself
// holds the shard's lock where it plays the other thread: no moment is left to chance.

#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "layer/pool/type_pool.h"
#include "pool_fixture.h"

namespace tessera::pool {
namespace {

class PoolReturnsTest : public PoolTest {
 protected:
    // Frees while another is at work in the shard.
    void FreeWhileBusy(const std::vector<Held>& all) {
        const LightLock busy(all.front().ref.slot->block->shard->mutex());
        for (const Held& held : all)
            FreeQuick(held);
    }
};

TEST_F(PoolReturnsTest, WhatWasFreedWhileTheShardWasBusyIsFreedByTheNextWhoUsesIt) {
    const Held first = Allocate(1000);
    const Held second = Allocate(1000);
    FreeWhileBusy({first});
    EXPECT_EQ(Totals().pooled.live, 2u) << "nobody was there to do it yet";
    const Held third = Allocate(1000);
    EXPECT_EQ(Totals().pooled.live, 2u);
    EXPECT_EQ(Totals().app.frees, 1u);
    const Held fourth = Allocate(1000);
    EXPECT_EQ(fourth.placement.offset_bytes, first.placement.offset_bytes);
    Free({second, third, fourth});
}

TEST_F(PoolReturnsTest, AllThatWereFreedWhileTheShardWasBusyAreFreed) {
    std::vector<Held> slots;
    for (int i = 0; i < 5; ++i)
        slots.push_back(Allocate(1000));
    FreeWhileBusy(slots);
    const Held next = Allocate(1000);
    EXPECT_EQ(Totals().pooled.live, 1u);
    EXPECT_EQ(Totals().app.frees, 5u);
    Free(next);
}

TEST_F(PoolReturnsTest, ABlockThatEmptiesThatWayGoesBackToTheDriver) {
    const Held keeps = Allocate(1000);
    const Held linear = Allocate(AskFor(1000, 256, {.kind = Kind::kLinear}));
    ASSERT_NE(linear.placement.handle, keeps.placement.handle);
    FreeWhileBusy({linear});
    EXPECT_EQ(source_.live.size(), 2u);
    const Held next = Allocate(1000);
    EXPECT_EQ(source_.live.count(linear.placement.handle), 0u);
    EXPECT_EQ(source_.live.size(), 1u);
    Free({keeps, next});
}

class PoolNamesTest : public PoolTest {
 protected:
    // The name that the slot of `name` gets next.
    static uint64_t Next(uint64_t name) {
        return name + (uint64_t{1} << SlotTable::kGenerationShift);
    }
    static bool IsAsleep(int thread_id) {
        std::ifstream stat("/proc/self/task/" + std::to_string(thread_id) + "/stat");
        std::string line;
        std::getline(stat, line);
        const size_t name_end = line.rfind(')');
        return name_end != std::string::npos && line.compare(name_end, 3, ") S") == 0;
    }
};

// Whoever publishes looks for look-alikes first. One who did that before the driver's handle was
// noted is done once the fence was passed, and not earlier.
TEST_F(PoolNamesTest, ALookAlikeIsComparedAfterTheFence) {
    SlotId id = kNoSlot;
    ASSERT_EQ(table_.AddSlots(1, &id), 1u);
    Slot& slot = table_.At(id);
    const uint64_t name = table_.Publish(slot, id);
    SlotTable::Retire(slot);
    const uint32_t next_mark = slot.mark.load() + 1;
    EXPECT_FALSE(
        table_.AdmitForeign(Next(name), [&] { slot.mark.store(next_mark | Mark::kLive); }));
    EXPECT_EQ(table_.Find(Next(name)).kind, SlotTable::Kind::kLive);
    SlotTable::Retire(slot);
    EXPECT_EQ(table_.Find(Next(name)).kind, SlotTable::Kind::kStale) << "the note is gone too";
}

TEST_F(PoolNamesTest, TheFenceWaitsForWhoIsInAShard) {
    const Held held = Allocate(1000);
    std::atomic<int> thread_id = 0;
    std::atomic<bool> passed = false;
    std::thread other;
    {
        const LightLock busy(held.ref.slot->block->shard->mutex());
        other = std::thread([&] {
            thread_id = gettid();
            pool_->Fence();
            passed = true;
        });
        // Asleep for a while: at the lock. A thread that never is has a slow machine, or passed.
        int asleep = 0;
        for (int look = 0; look < 100000 && asleep < 100 && !passed; ++look) {
            asleep = IsAsleep(thread_id) ? asleep + 1 : 0;
            std::this_thread::yield();
        }
        EXPECT_FALSE(passed);
    }
    other.join();
    EXPECT_TRUE(passed);
    Free(held);
}

TEST_F(PoolNamesTest, NoNameIsLiveWithoutAPlace) {
    const Held keeps = Allocate(1000);
    const Held gone = Allocate(1000);
    Free(gone);
    source_.capacity_bytes = source_.live_bytes;
    Held refused;
    EXPECT_EQ(TryAllocate(AskFor(2 * kMi), &refused), PlaceStatus::kNoBlock);
    const Slot& slot = table_.At(SlotTable::IdIn(gone.ref.name));
    EXPECT_EQ(slot.mark.load() & Mark::kLive, 0u);
    const Held next = Allocate(1000);
    EXPECT_EQ(next.ref.name, Next(gone.ref.name)) << "the slot that the refused one would have had";
    Free({keeps, next});
}

}  // namespace
}  // namespace tessera::pool
