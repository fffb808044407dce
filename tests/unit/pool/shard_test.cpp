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

// Slots that are freed by a thread which does not allocate in their shard.
class PoolReturnsTest : public PoolTest {
 protected:
    static constexpr uint32_t kAllocationsPerLook = 16;
    static constexpr int kMostReturned = 512;
    static constexpr uint64_t kReturnedMs = 20;

    void OpenHelped(uint64_t idle_bytes = 4 * kMi, bool helped = true) {
        OpenAs({.min_block_bytes = kMi,
                .max_block_bytes = 16 * kMi,
                .idle_bytes = idle_bytes,
                .growth_share = 1,
                .helped = helped});
    }

    void FreeElsewhere(const std::vector<Held>& all) {
        std::thread([this, &all] {
            for (const Held& held : all)
                FreeQuick(held);
        }).join();
    }

    // Allocates as often as it takes this thread to look for what others left.
    std::vector<Held> AllocateUntilALook() {
        std::vector<Held> slots;
        do {
            slots.push_back(Allocate(256));
        } while (Totals().app.allocations % kAllocationsPerLook != 0);
        return slots;
    }
};

TEST_F(PoolReturnsTest, TheThreadThatAllocatesThereFreesThem) {
    OpenHelped();
    const Held first = Allocate(1000);
    const Held second = Allocate(1000);
    FreeElsewhere({first});
    EXPECT_EQ(Totals().pooled.live, 2u) << "nobody was there to do it yet";
    const std::vector<Held> more = AllocateUntilALook();
    EXPECT_EQ(Totals().pooled.live, 1 + more.size());
    EXPECT_EQ(Totals().app.frees, 1u);
    const Held next = Allocate(1000);
    EXPECT_EQ(next.placement.offset_bytes, first.placement.offset_bytes);
    Free({second, next});
    Free(more);
}

TEST_F(PoolReturnsTest, AllOfThemAreFreed) {
    OpenHelped();
    std::vector<Held> slots;
    for (int i = 0; i < 40; ++i)
        slots.push_back(Allocate(1000));
    FreeElsewhere(slots);
    EXPECT_EQ(Totals().pooled.live, 40u);
    pool_->FreeAllReturned();
    EXPECT_EQ(Totals().pooled.live, 0u);
    EXPECT_EQ(Totals().app.frees, 40u);
    EXPECT_TRUE(pool_->CheckInvariants());
}

TEST_F(PoolReturnsTest, ABlockThatEmptiesThatWayGoesBackToTheDriver) {
    OpenHelped(256 * kKi);
    const Held keeps = Allocate(1000);
    const Held large = Allocate(4 * kMi);
    ASSERT_NE(large.placement.handle, keeps.placement.handle);
    FreeElsewhere({large});
    EXPECT_EQ(source_.live.count(large.placement.handle), 1u);
    const std::vector<Held> more = AllocateUntilALook();
    pool_->Service(source_.now_ms);
    EXPECT_EQ(source_.live.count(large.placement.handle), 0u);
    Free(more);
    Free(keeps);
}

TEST_F(PoolReturnsTest, TheHelperFreesWhatNobodyElseDid) {
    OpenHelped();
    const Held slot = Allocate(1000);
    FreeElsewhere({slot});
    EXPECT_EQ(source_.service_wanted.exchange(0), 1u);
    EXPECT_LE(pool_->Service(100), 100 + kReturnedMs);
    EXPECT_EQ(Totals().pooled.live, 1u) << "the thread that allocates may still come";
    pool_->Service(100 + kReturnedMs);
    EXPECT_EQ(Totals().pooled.live, 0u);
    // And again.
    const Held other = Allocate(1000);
    FreeElsewhere({other});
    EXPECT_EQ(source_.service_wanted.exchange(0), 1u);
    pool_->Service(200);
    pool_->Service(200 + kReturnedMs);
    EXPECT_EQ(Totals().pooled.live, 0u);
}

TEST_F(PoolReturnsTest, WhoLeavesManyFreesThem) {
    OpenHelped();
    std::vector<Held> slots;
    for (int i = 0; i < kMostReturned; ++i)
        slots.push_back(Allocate(256));
    const Held last = slots.back();
    slots.pop_back();
    FreeElsewhere(slots);
    EXPECT_EQ(Totals().app.frees, 0u);
    FreeElsewhere({last});
    EXPECT_EQ(Totals().app.frees, static_cast<uint64_t>(kMostReturned));
}

TEST_F(PoolReturnsTest, RoomThatWasLeftIsUsedBeforeABlockIsMade) {
    OpenHelped();
    const Held half = Allocate(kMi / 2);
    const Held rest = Allocate(kMi / 2);
    ASSERT_EQ(source_.asked.size(), 1u);
    FreeElsewhere({rest});
    const Held again = Allocate(kMi / 2);
    EXPECT_EQ(source_.asked.size(), 1u);
    EXPECT_EQ(again.placement.offset_bytes, rest.placement.offset_bytes);
    Free({half, again});
}

TEST_F(PoolReturnsTest, WhoeverNeedsTheMemoryGetsIt) {
    OpenHelped();
    const Held slot = Allocate(1000);
    FreeElsewhere({slot});
    EXPECT_EQ(pool_->ReleaseEmptyBlocks(), kMi);
    EXPECT_TRUE(source_.live.empty());
}

TEST_F(PoolReturnsTest, TheBudgetCountsThemAsFree) {
    OpenHelped();
    const Held slot = Allocate(1000);
    FreeElsewhere({slot});
    EXPECT_EQ(pool_->GetOccupancy().unused_block_bytes, kMi);
}

TEST_F(PoolReturnsTest, WithoutAHelperOrAnAllowanceNothingIsLeft) {
    for (const bool helped : {false, true}) {
        OpenHelped(helped ? 0 : 4 * kMi, helped);
        const Held slot = Allocate(1000);
        FreeElsewhere({slot});
        EXPECT_EQ(Totals().pooled.live, 0u);
        pool_.reset();
        Forget();
    }
}

// The helper's thread could not be made, say.
TEST_F(PoolReturnsTest, WhenNoHelperComesNothingIsLeftEither) {
    OpenHelped(256 * kKi);
    source_.has_helper = false;
    for (int round = 0; round < 2; ++round) {
        const Held slot = Allocate(1000);
        const Held large = Allocate(4 * kMi);
        FreeElsewhere({slot, large});
        EXPECT_EQ(Totals().pooled.live, 0u);
        EXPECT_EQ(source_.live.count(large.placement.handle), 0u) << "beyond the allowance";
    }
}

TEST_F(PoolReturnsTest, TheLastOnesGoWithThePool) {
    OpenHelped();
    const Held slot = Allocate(1000);
    FreeElsewhere({slot});
    pool_.reset();
    EXPECT_EQ(Totals().pooled.live, 0u);
    EXPECT_TRUE(source_.live.empty());
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
