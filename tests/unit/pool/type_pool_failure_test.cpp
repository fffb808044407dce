// SPDX-License-Identifier: Apache-2.0
//
// What a TypePool does when the driver refuses a block or host memory runs out: what it still
// tries, in which order, and that nothing is left behind.

#include <gtest/gtest.h>

#include "host_memory.h"
#include "layer/pool/type_pool.h"
#include "pool_fixture.h"

namespace tessera::pool {
namespace {

using Sizes = std::vector<uint64_t>;
using enum BlockStatus;

TEST_F(PoolTest, HalvesTheBlockUntilTheDriverHasIt) {
    source_.capacity_bytes = 300 * kKi;
    const Held slot = Allocate(1000);
    EXPECT_EQ(source_.asked, (Sizes{kMi, 512 * kKi, 256 * kKi}));
    EXPECT_EQ(Totals().driver.failed, 2u);
    EXPECT_EQ(Totals().app.failed, 0u);
    EXPECT_EQ(Totals().pooled.block_bytes, 256 * kKi);
    Free(slot);
}

TEST_F(PoolTest, HalvesNoFurtherThanWhatTheRequestNeeds) {
    source_.capacity_bytes = 0;
    Held slot;
    EXPECT_EQ(TryAllocate(AskFor(300 * kKi), &slot), PlaceStatus::kNoBlock);
    EXPECT_EQ(source_.asked, (Sizes{kMi, 512 * kKi, 300 * kKi}));
    EXPECT_EQ(Totals().driver.failed, 3u);
}

TEST_F(PoolTest, AsksForNoBlockBelowSixtyFourKibibytes) {
    source_.capacity_bytes = 0;
    Held slot;
    EXPECT_EQ(TryAllocate(AskFor(256), &slot), PlaceStatus::kNoBlock);
    EXPECT_EQ(source_.asked.back(), 64 * kKi);
    EXPECT_EQ(source_.asked.size(), 5u);
}

TEST_F(PoolTest, ChangesNothingWhenNoBlockCanBeHad) {
    const Held slot = Allocate(1000);
    source_.capacity_bytes = source_.live_bytes;
    const tessera_type_totals before = Totals();
    Held refused;
    EXPECT_EQ(TryAllocate(AskFor(2 * kMi), &refused), PlaceStatus::kNoBlock);
    EXPECT_EQ(refused.ref.slot, nullptr);
    EXPECT_EQ(Totals().app.allocations, before.app.allocations);
    EXPECT_EQ(Totals().app.failed, 0u) << "the application has not been told of a failure";
    EXPECT_EQ(Totals().pooled.live, before.pooled.live);
    EXPECT_EQ(Totals().driver.live, before.driver.live);
    EXPECT_GT(Totals().driver.failed, 0u);
    Free(slot);
}

TEST_F(PoolTest, AsksForLittleAfterARefusalAndForMoreAsItSucceeds) {
    source_.capacity_bytes = 0;
    Held slot;
    EXPECT_EQ(TryAllocate(AskFor(256), &slot), PlaceStatus::kNoBlock);
    source_.asked.clear();
    EXPECT_EQ(TryAllocate(AskFor(256), &slot), PlaceStatus::kNoBlock);
    EXPECT_EQ(source_.asked, Sizes{64 * kKi}) << "the large sizes were refused a moment ago";
    source_.asked.clear();
    source_.capacity_bytes = UINT64_MAX;
    std::vector<Held> slots;
    while (source_.asked.size() < 6)
        slots.push_back(Allocate(64 * kKi));
    EXPECT_EQ(source_.asked,
              (Sizes{64 * kKi, 128 * kKi, 256 * kKi, 512 * kKi, kMi, 2 * kMi - 64 * kKi}));
    Free(slots);
}

TEST_F(PoolTest, GivesItsEmptyBlocksBackBeforeTheLastFailure) {
    Open({.min_block_bytes = kMi, .max_block_bytes = 16 * kMi, .idle_bytes = 16 * kMi});
    source_.capacity_bytes = 2 * kMi;
    Free(Allocate(AskFor(256, 256, {.kind = Kind::kLinear})));
    const Held slot = Allocate(2 * kMi);
    EXPECT_EQ(source_.asked, (Sizes{kMi, 2 * kMi, 2 * kMi}));
    EXPECT_EQ(source_.destroyed, Sizes{kMi});
    EXPECT_EQ(Totals().driver.failed, 1u);
    Free(slot);
}

TEST_F(PoolTest, GivesItsEmptyBlocksBackEvenIfThatIsNoHelp) {
    Open({.min_block_bytes = kMi, .max_block_bytes = 16 * kMi, .idle_bytes = 16 * kMi});
    source_.capacity_bytes = 2 * kMi;
    Free(Allocate(256));
    Held slot;
    EXPECT_EQ(TryAllocate(AskFor(3 * kMi), &slot), PlaceStatus::kNoBlock);
    EXPECT_EQ(source_.asked, (Sizes{kMi, 3 * kMi, 3 * kMi}));
    EXPECT_EQ(source_.live.size(), 0u) << "the pass-through that follows needs the memory, too";
}

TEST_F(PoolTest, TriesNoSmallerBlockWhenObjectsRunOut) {
    const Held slot = Allocate(kMi);
    source_.most_objects = 1;
    Held refused;
    EXPECT_EQ(TryAllocate(AskFor(256), &refused), PlaceStatus::kObjectLimit);
    EXPECT_EQ(source_.asked, (Sizes{kMi, kMi}));
    EXPECT_EQ(Totals().driver.failed, 1u);
    Free(slot);
}

TEST_F(PoolTest, GivesItsEmptyBlocksBackWhenObjectsRunOut) {
    Open({.min_block_bytes = kMi, .max_block_bytes = 16 * kMi, .idle_bytes = 16 * kMi});
    source_.most_objects = 1;
    Free(Allocate(AskFor(256, 256, {.kind = Kind::kLinear})));
    const Held slot = Allocate(256);
    EXPECT_EQ(source_.asked, (Sizes{kMi, kMi, kMi}));
    EXPECT_EQ(source_.destroyed, Sizes{kMi});
    Free(slot);
}

TEST_F(PoolTest, TriesNothingMoreWhenABlockIsUnusable) {
    source_.script = {kUnusable};
    Held slot;
    EXPECT_EQ(TryAllocate(AskFor(256), &slot), PlaceStatus::kNoBlock);
    EXPECT_EQ(source_.asked, Sizes{kMi});
    EXPECT_EQ(Totals().driver.failed, 1u);
    const Held next = Allocate(256);
    EXPECT_EQ(source_.asked, (Sizes{kMi, kMi})) << "it had nothing to do with the size";
    Free(next);
}

TEST_F(PoolTest, KeepsItsEmptyBlocksWhenAnotherIsUnusable) {
    Open({.min_block_bytes = kMi, .max_block_bytes = 16 * kMi, .idle_bytes = 16 * kMi});
    Free(Allocate(256));
    source_.script = {kUnusable};
    Held slot;
    EXPECT_EQ(TryAllocate(AskFor(2 * kMi), &slot), PlaceStatus::kNoBlock);
    EXPECT_TRUE(source_.destroyed.empty());
}

TEST_F(PoolTest, GoesThroughMixedRefusalsToTheEnd) {
    Open({.min_block_bytes = kMi, .max_block_bytes = 16 * kMi, .idle_bytes = 16 * kMi});
    Free(Allocate(AskFor(256, 256, {.kind = Kind::kLinear})));
    source_.asked.clear();
    source_.script = {kOutOfMemory, kObjectLimit, kOutOfMemory, kObjectLimit};
    Held slot;
    EXPECT_EQ(TryAllocate(AskFor(256), &slot), PlaceStatus::kObjectLimit);
    EXPECT_EQ(source_.asked, (Sizes{kMi, 512 * kKi, 512 * kKi, 256 * kKi}));
    EXPECT_EQ(Totals().driver.failed, 4u);
}

// Each call of the driver in a run of allocations is made to fail in turn, in each way: the pool
// must stay whole and go on as if nothing had happened.
TEST_F(PoolTest, SurvivesTheFailureOfAnyOneBlock) {
    for (const BlockStatus failure : {kOutOfMemory, kObjectLimit, kUnusable}) {
        for (size_t nth = 0; nth < 8; ++nth) {
            SCOPED_TRACE(nth);
            pool_.reset();
            Forget();
            source_.script.assign(nth, kOk);
            source_.script.push_back(failure);
            Open();
            std::vector<Held> slots;
            size_t refused = 0;
            for (int i = 0; i < 24; ++i) {
                Held slot;
                if (TryAllocate(AskFor(kMi), &slot) == PlaceStatus::kOk)
                    slots.push_back(slot);
                else
                    ++refused;
            }
            const bool reached = source_.script.empty();
            EXPECT_EQ(Totals().driver.failed, reached ? 1u : 0u);
            EXPECT_LE(refused, reached ? 1u : 0u);
            EXPECT_EQ(slots.size(), 24 - refused);
            Free(slots);
            EXPECT_EQ(source_.live.size(), 0u);
            source_.script.clear();
        }
    }
}

// Host memory runs out at the first, second, ... allocation of the bookkeeping.
TEST_F(PoolTest, LeavesNothingBehindWhenHostMemoryRunsOut) {
    int failures = 0;
    for (int allowed = 0;; ++allowed) {
        SCOPED_TRACE(allowed);
        pool_.reset();
        Forget();
        Open();
        Held slot;
        PlaceStatus status;
        bool reached;
        {
            const HostMemoryLimit limit(allowed);
            status = Quick(AskFor(256), &slot);
            reached = limit.Reached();
        }
        slot.bytes = 256;
        EXPECT_TRUE(pool_->CheckInvariants());
        if (status == PlaceStatus::kOk) {
            EXPECT_FALSE(reached);
            Free(slot);
            break;
        }
        ++failures;
        EXPECT_EQ(status, PlaceStatus::kNoHostMemory);
        EXPECT_TRUE(reached);
        EXPECT_EQ(Totals().app.allocations, 0u);
        EXPECT_EQ(Totals().pooled.blocks, 0u);
        EXPECT_EQ(Totals().driver.live, 0u);
        EXPECT_EQ(source_.live.size(), 0u);
        Free(Allocate(256));
    }
    EXPECT_GE(failures, 4) << "an arena, its nodes, a block and the table of blocks";
}

TEST_F(PoolTest, RefusesASlotWhenTheTableOfNodesCannotGrow) {
    std::vector<Held> slots;
    slots.push_back(Allocate(256));
    PlaceStatus status = PlaceStatus::kOk;
    slots.reserve(5000);
    for (int i = 0; i < 2000 && status == PlaceStatus::kOk; ++i) {
        Held slot{.ref = {}, .placement = {}, .bytes = 256};
        {
            const HostMemoryLimit limit(0);
            status = Quick(AskFor(256), &slot);
        }
        if (status == PlaceStatus::kOk) slots.push_back(slot);
    }
    EXPECT_EQ(status, PlaceStatus::kNoHostMemory);
    EXPECT_TRUE(pool().CheckInvariants());
    EXPECT_EQ(Totals().pooled.live, slots.size());
    slots.push_back(Allocate(256));
    EXPECT_EQ(source_.asked.size(), 1u);
    Free(slots);
}

}  // namespace
}  // namespace tessera::pool
