// SPDX-License-Identifier: Apache-2.0
//
// Slots that have a block to themselves: when a block is used again, for what, and when it goes.

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "layer/pool/type_pool.h"
#include "pool_fixture.h"

namespace tessera::pool {
namespace {

constexpr uint64_t kIdleBytes = 64 * kMi;

class SoloTest : public PoolTest {
 protected:
    void OpenKeeping(uint64_t idle_bytes) {
        pool_.reset();
        Open({.min_block_bytes = kMi, .max_block_bytes = 4 * kMi, .idle_bytes = idle_bytes});
    }
    void SetUp() override { OpenKeeping(kIdleBytes); }

    PlaceStatus TrySolo(const Request& request, Held* held) {
        const PlaceStatus status = pool().AllocateSolo(request, &held->ref);
        if (status == PlaceStatus::kOk) {
            held->placement = Placement::Of(*held->ref.slot);
            EXPECT_EQ(held->placement.offset_bytes, 0u);
            EXPECT_EQ(held->ref.slot->RequestedBytes(), request.requested_bytes);
            EXPECT_TRUE(table_.IsLive(held->ref.name));
        }
        held->bytes = request.requested_bytes;
        EXPECT_TRUE(pool().CheckInvariants());
        return status;
    }
    Held Solo(const Request& request) {
        Held held;
        EXPECT_EQ(TrySolo(request, &held), PlaceStatus::kOk);
        return held;
    }
    Held Solo(uint64_t bytes) { return Solo(AskFor(bytes)); }

    // The driver's handle of a block that a slot of so many bytes leaves behind.
    uint64_t Leave(uint64_t bytes) {
        const Held held = Solo(bytes);
        Free(held);
        return held.placement.handle;
    }
};

TEST_F(SoloTest, ABlockIsAsLargeAsItMustBeAndNoLarger) {
    std::vector<Held> held;
    for (uint64_t bytes : {5 * kMi, 5 * kMi + 1, 7 * kMi - 64 * kKi}) {
        held.push_back(Solo(bytes));
        EXPECT_EQ(held.back().placement.size_bytes, (bytes + 255) / 256 * 256);
    }
    EXPECT_EQ(source_.asked,
              (std::vector<uint64_t>{5 * kMi, 5 * kMi + 64 * kKi, 7 * kMi - 64 * kKi}));
    Free(held);
}

TEST_F(SoloTest, TheNextOneOfASizeTakesNoCallOfTheDriver) {
    const uint64_t handle = Leave(5 * kMi);
    for (int i = 0; i < 10; ++i)
        EXPECT_EQ(Leave(5 * kMi), handle);
    EXPECT_EQ(source_.asked.size(), 1u);
    EXPECT_TRUE(source_.destroyed.empty());
}

TEST_F(SoloTest, EachHasANameOfItsOwn) {
    const Held first = Solo(5 * kMi);
    Free(first);
    const Held second = Solo(5 * kMi);
    EXPECT_EQ(first.placement.handle, second.placement.handle);
    EXPECT_NE(first.ref.name, second.ref.name);
    EXPECT_FALSE(table_.IsLive(first.ref.name));
    EXPECT_EQ(Mark::StateIn(second.ref.slot->mark.load()), SlotState::kFloating);
    EXPECT_EQ(second.ref.slot->owner_flags, 0u);
    Free(second);
}

TEST_F(SoloTest, OnlyWhatAnEarlierOneHadIsReused) {
    const Held first = Solo(5 * kMi);
    EXPECT_FALSE(first.placement.reused);
    Free(first);
    const Held second = Solo(5 * kMi);
    EXPECT_TRUE(second.placement.reused);
    Free(second);
}

// An eighth more than what is needed, and no less.
TEST_F(SoloTest, ABlockServesSizesThatAreNotMuchSmaller) {
    const uint64_t handle = Leave(9 * kMi);
    EXPECT_EQ(Leave(8 * kMi), handle);
    EXPECT_EQ(Leave(8 * kMi + 1000), handle);
    EXPECT_EQ(source_.asked.size(), 1u);
    EXPECT_NE(Leave(8 * kMi - 64 * kKi), handle);
    EXPECT_EQ(source_.asked.back(), 8 * kMi - 64 * kKi);
    EXPECT_NE(Leave(9 * kMi + 256), handle);
    EXPECT_EQ(source_.asked.back(), 9 * kMi + 64 * kKi);
}

TEST_F(SoloTest, ASlotIsAsLargeAsWhatItWasAskedForWhateverItsBlock) {
    Leave(9 * kMi);
    const Held held = Solo(8 * kMi + 300);
    EXPECT_EQ(held.placement.size_bytes, 8 * kMi + 512);
    EXPECT_EQ(Totals().pooled.live_bytes, 8 * kMi + 300);
    EXPECT_EQ(Totals().pooled.block_bytes, 9 * kMi);
    EXPECT_EQ(Totals().pooled.free_bytes, kMi - 512);
    Free(held);
    EXPECT_EQ(Totals().pooled.free_bytes, 9 * kMi);
}

TEST_F(SoloTest, OfSeveralTheNearestInSizeIsTaken) {
    std::vector<Held> held{Solo(10 * kMi), Solo(9 * kMi + kMi / 4), Solo(9 * kMi + kMi / 2)};
    const uint64_t nearest = held[1].placement.handle;
    Free(held);
    const Held again = Solo(9 * kMi);
    EXPECT_EQ(again.placement.handle, nearest);
    Free(again);
}

TEST_F(SoloTest, OfEqualsTheOneFreedLastIsTaken) {
    const std::vector<Held> held{Solo(8 * kMi), Solo(8 * kMi)};
    Free(held);
    const Held again = Solo(8 * kMi);
    EXPECT_EQ(again.placement.handle, held[1].placement.handle);
    Free(again);
}

TEST_F(SoloTest, ABlockIsNotForAnotherKey) {
    ArenaKey urgent;
    urgent.priority_quarters = 4;
    const uint64_t handle = Leave(8 * kMi);
    const Held other = Solo(AskFor(8 * kMi, 256, urgent));
    EXPECT_NE(other.placement.handle, handle);
    EXPECT_EQ(source_.live[other.placement.handle].key.priority_quarters, 4u);
    Free(other);
}

// Neither do others lie in what a solo slot left, nor it in what they left.
TEST_F(SoloTest, BlocksAreNotSharedWithOthers) {
    const uint64_t handle = Leave(4 * kMi);
    EXPECT_EQ(Totals().pooled.largest_free_bytes, 0u) << "no other slot can be placed there";
    const Held small = Allocate(1000);
    const Held large = Allocate(2 * kMi);
    EXPECT_NE(small.placement.handle, handle);
    EXPECT_NE(large.placement.handle, handle);
    const Held solo = Solo(4 * kMi);
    EXPECT_EQ(solo.placement.handle, handle);
    Free({small, large});
    const Held more = Solo(2 * kMi);
    EXPECT_NE(more.placement.handle, large.placement.handle);
    Free({solo, more});
}

// The rest of a block is room that nobody gets while its slot lives.
TEST_F(SoloTest, TheRestOfABlockStaysEmpty) {
    Leave(9 * kMi);
    const Held solo = Solo(8 * kMi);
    const Held second = Solo(kMi);
    const Held other = Allocate(kMi);
    EXPECT_NE(second.placement.handle, solo.placement.handle);
    EXPECT_NE(other.placement.handle, solo.placement.handle);
    Free({solo, second, other});
}

TEST_F(SoloTest, EveryAlignmentIsServed) {
    const Held held = Solo(AskFor(5 * kMi + 1, 1 * kMi));
    EXPECT_GE(held.ref.slot->AlignmentBytes(), kGi);
    Free(held);
}

TEST_F(SoloTest, NoMoreIsKeptThanTheAllowanceAndTheOldestGoesFirst) {
    const std::vector<Held> held{Solo(20 * kMi), Solo(21 * kMi), Solo(22 * kMi), Solo(23 * kMi)};
    Free(held);
    EXPECT_EQ(source_.destroyed, (std::vector<uint64_t>{20 * kMi, 21 * kMi}));
    EXPECT_EQ(source_.live_bytes, 45 * kMi);
    EXPECT_EQ(Totals().pooled.free_bytes, 45 * kMi);
    // Empty blocks of all kinds compete.
    const std::vector<Held> others{Allocate(2 * kMi), Solo(19 * kMi)};
    Free(others);
    EXPECT_EQ(source_.destroyed.back(), 22 * kMi);
}

TEST_F(SoloTest, OneThatIsLargerThanTheAllowanceGoesAlone) {
    Leave(8 * kMi);
    Leave(kIdleBytes + 64 * kKi);
    EXPECT_EQ(source_.destroyed, std::vector<uint64_t>{kIdleBytes + 64 * kKi});
}

TEST_F(SoloTest, NothingIsKeptWithoutAnAllowance) {
    OpenKeeping(0);
    Leave(8 * kMi);
    EXPECT_TRUE(source_.live.empty());
    Leave(8 * kMi);
    EXPECT_EQ(source_.asked.size(), 2u);
}

TEST_F(SoloTest, ABlockThatWasEmptyForTheIdleTimeGoesBack) {
    pool_.reset();
    OpenAs({.min_block_bytes = kMi,
            .max_block_bytes = 4 * kMi,
            .idle_bytes = kIdleBytes,
            .idle_ms = 500,
            .helped = true});
    Leave(8 * kMi);
    EXPECT_GT(source_.service_wanted.load(), 0u);
    EXPECT_EQ(pool().Service(1000), 1500u);
    EXPECT_EQ(pool().Service(1499), 1500u);
    EXPECT_EQ(source_.live.size(), 1u);
    EXPECT_EQ(pool().Service(1500), TypePool::kNever);
    EXPECT_TRUE(source_.live.empty());
    EXPECT_TRUE(pool().CheckInvariants());
}

// A new block does not make the oldest younger.
TEST_F(SoloTest, BlocksThatAreMadeMeanwhileDoNotKeepAnEmptyOne) {
    pool_.reset();
    OpenAs({.min_block_bytes = kMi,
            .max_block_bytes = 4 * kMi,
            .idle_bytes = kIdleBytes,
            .idle_ms = 500,
            .helped = true});
    Leave(8 * kMi);
    pool().Service(1000);
    const Held other = Solo(20 * kMi);
    pool().Service(1400);
    EXPECT_EQ(pool().Service(1500), TypePool::kNever);
    EXPECT_EQ(source_.live_bytes, 20 * kMi);
    Free(other);
}

TEST_F(SoloTest, EmptyBlocksGoBeforeAnAllocationFails) {
    source_.capacity_bytes = 40 * kMi;
    Leave(20 * kMi);
    const Held large = Solo(32 * kMi);
    EXPECT_EQ(source_.destroyed, std::vector<uint64_t>{20 * kMi});
    Free(large);
    const Held small = Allocate(1000);
    Leave(39 * kMi);
    EXPECT_EQ(source_.live_bytes, 40 * kMi);
    Free(small);
}

TEST_F(SoloTest, EmptyBlocksGoAtTheLimitOfObjects) {
    source_.most_objects = 2;
    std::vector<Held> held{Solo(8 * kMi), Solo(16 * kMi)};
    Free(held);
    held = {Solo(4 * kMi + 1), Solo(6 * kMi)};
    EXPECT_EQ(source_.live.size(), 2u);
    Held third;
    EXPECT_EQ(TrySolo(AskFor(5 * kMi), &third), PlaceStatus::kObjectLimit);
    Free(held);
}

TEST_F(SoloTest, WhatTheDriverRefusesIsTheExactSizeAtLast) {
    source_.capacity_bytes = 8 * kMi + 256;
    const Held held = Solo(8 * kMi + 1);
    EXPECT_EQ(source_.asked, (std::vector<uint64_t>{8 * kMi + 64 * kKi, 8 * kMi + 256}));
    EXPECT_EQ(Totals().driver.failed, 1u);
    Held second;
    EXPECT_EQ(TrySolo(AskFor(kMi), &second), PlaceStatus::kNoBlock);
    EXPECT_EQ(Totals().app.failed, 0u);
    EXPECT_EQ(Totals().driver.failed, 2u);
    Free(held);
}

TEST_F(SoloTest, ReleaseEmptyBlocksGivesThemBack) {
    Leave(8 * kMi);
    const Held live = Solo(16 * kMi);
    EXPECT_EQ(pool().ReleaseEmptyBlocks(), 8 * kMi);
    EXPECT_EQ(source_.live_bytes, 16 * kMi);
    Free(live);
}

TEST_F(SoloTest, LiveAndIdleBlocksGoWithThePool) {
    Leave(8 * kMi);
    Solo(16 * kMi);  // leaked
    pool_.reset();
    EXPECT_TRUE(source_.live.empty());
}

TEST_F(SoloTest, WithoutHostMemoryNothingIsLeftBehind) {
    for (int allowed = 0;; ++allowed) {
        SCOPED_TRACE(allowed);
        pool_.reset();
        Forget();
        OpenKeeping(kIdleBytes);
        Held held;
        PlaceStatus status = PlaceStatus::kOk;
        bool reached = false;
        {
            const HostMemoryLimit limit(allowed);
            status = pool_->AllocateSolo(AskFor(8 * kMi), &held.ref);
            reached = limit.Reached();
        }
        EXPECT_TRUE(pool_->CheckInvariants());
        if (status == PlaceStatus::kOk) {
            EXPECT_FALSE(reached);
            Free(held);
            break;
        }
        EXPECT_EQ(status, PlaceStatus::kNoHostMemory);
        EXPECT_TRUE(source_.live.empty());
    }
}

// Sixteen live of 4 to 36 MiB, and an allowance of the same order: nearly all come from what was
// left.
TEST_F(SoloTest, ChurnRarelyReachesTheDriver) {
    OpenKeeping(512 * kMi);
    uint64_t random = 12345;
    const auto next = [&random] { return (random = random * 6364136223846793005u + 1) >> 33; };
    std::vector<Held> live;
    const auto turn = [&] {
        if (live.size() == 16) {
            const size_t victim = next() % live.size();
            Free(live[victim]);
            live[victim] = live.back();
            live.pop_back();
        }
        live.push_back(Solo((4 << (next() % 4)) * kMi + next() % (4 * kMi)));
    };
    for (int i = 0; i < 200; ++i)
        turn();
    source_.asked.clear();
    for (int i = 0; i < 1000; ++i)
        turn();
    EXPECT_LT(source_.asked.size(), 150u);
    Free(live);
}

TEST_F(SoloTest, ThreadsDoNotGetInEachOthersWay) {
    pool_.reset();
    OpenAs({.min_block_bytes = kMi,
            .max_block_bytes = 4 * kMi,
            .idle_bytes = kIdleBytes,
            .max_shards = 4});
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < 4; ++t) {
        threads.emplace_back([this, t] {
            for (uint64_t i = 0; i < 500; ++i) {
                SlotRef small;
                SlotRef solo;
                EXPECT_EQ(pool_->Allocate(AskFor(1000), &small), PlaceStatus::kOk);
                EXPECT_EQ(pool_->AllocateSolo(AskFor((5 + (i + t) % 3) * kMi), &solo),
                          PlaceStatus::kOk);
                EXPECT_NE(small.slot->Handle(), solo.slot->Handle());
                for (const SlotRef& ref : {small, solo}) {
                    SlotTable::Retire(*ref.slot);
                    pool_->Free(*ref.slot, SlotTable::IdIn(ref.name));
                }
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_TRUE(pool_->CheckInvariants());
    pool_->ReleaseEmptyBlocks();
    EXPECT_TRUE(source_.live.empty());
}

}  // namespace
}  // namespace tessera::pool
