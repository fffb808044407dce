// SPDX-License-Identifier: Apache-2.0
//
// What a TypePool counts. The equations between the numbers are checked after every operation of
// the fixture; here are the numbers themselves.

#include <gtest/gtest.h>

#include <random>

#include "layer/pool/type_pool.h"
#include "pool_fixture.h"

namespace tessera::pool {
namespace {

TEST_F(PoolTest, CountsAnAllocationForTheApplicationAndABlockForTheDriver) {
    const Held slot = Allocate(1000);
    EXPECT_EQ(Totals().app.live, 1u);
    EXPECT_EQ(Totals().app.live_bytes, 1000u);
    EXPECT_EQ(Totals().app.peak_bytes, 1000u);
    EXPECT_EQ(Totals().app.allocations, 1u);
    EXPECT_EQ(Totals().driver.live, 1u);
    EXPECT_EQ(Totals().driver.live_bytes, kMi);
    EXPECT_EQ(Totals().driver.allocations, 1u);
    EXPECT_EQ(Totals().pooled.live, 1u);
    EXPECT_EQ(Totals().pooled.live_bytes, 1000u);
    EXPECT_EQ(Totals().pooled.blocks, 1u);
    EXPECT_EQ(Totals().pooled.block_bytes, kMi);
    EXPECT_EQ(Totals().pooled.free_bytes, kMi - 1024);
    EXPECT_EQ(Totals().pooled.largest_free_bytes, kMi - 1024);
    Free(slot);
    EXPECT_EQ(Totals().app.live, 0u);
    EXPECT_EQ(Totals().app.live_bytes, 0u);
    EXPECT_EQ(Totals().app.peak_bytes, 1000u);
    EXPECT_EQ(Totals().app.frees, 1u);
    EXPECT_EQ(Totals().driver.live, 0u);
    EXPECT_EQ(Totals().driver.peak_bytes, kMi);
    EXPECT_EQ(Totals().driver.frees, 1u);
    EXPECT_EQ(Totals().pooled.block_bytes, 0u);
    EXPECT_EQ(Totals().pooled.free_bytes, 0u);
    EXPECT_EQ(Totals().pooled.largest_free_bytes, 0u);
}

TEST_F(PoolTest, CountsWhatPassesThroughInBothViewsAndByReason) {
    pool().CountPassThrough(TESSERA_REASON_dedicated, 300);
    pool().CountPassThrough(TESSERA_REASON_dedicated, 500);
    pool().CountPassThrough(TESSERA_REASON_external, 7);
    EXPECT_TRUE(pool().CheckInvariants());
    EXPECT_EQ(Totals().app.live, 3u);
    EXPECT_EQ(Totals().app.live_bytes, 807u);
    EXPECT_EQ(Totals().driver.live, 3u);
    EXPECT_EQ(Totals().driver.live_bytes, 807u);
    EXPECT_EQ(Totals().pooled.live, 0u);
    pool().CountPassThroughFree(TESSERA_REASON_dedicated, 300);
    EXPECT_TRUE(pool().CheckInvariants());
    const tessera_pass_through& dedicated = Totals().pass_through[TESSERA_REASON_dedicated];
    EXPECT_EQ(dedicated.live, 1u);
    EXPECT_EQ(dedicated.live_bytes, 500u);
    EXPECT_EQ(dedicated.allocations, 2u);
    EXPECT_EQ(Totals().app.frees, 1u);
    EXPECT_EQ(Totals().driver.frees, 1u);
    EXPECT_EQ(Totals().driver.peak_bytes, 807u);
    pool().CountPassThroughFree(TESSERA_REASON_dedicated, 500);
    pool().CountPassThroughFree(TESSERA_REASON_external, 7);
    EXPECT_TRUE(pool().CheckInvariants());
}

TEST_F(PoolTest, CountsFailuresWhereTheyHappened) {
    pool().CountFailure();
    EXPECT_EQ(Totals().app.failed, 1u);
    EXPECT_EQ(Totals().driver.failed, 0u);
    pool().CountDriverFailure();
    EXPECT_EQ(Totals().app.failed, 1u);
    EXPECT_EQ(Totals().driver.failed, 1u);
    pool().CountPlacementFailure();
    EXPECT_EQ(Totals().placement_failures, 1u);
    EXPECT_TRUE(pool().CheckInvariants());
}

TEST_F(PoolTest, LeavesTheSequenceEvenAfterEveryOperation) {
    const Held slot = Allocate(1000);
    EXPECT_EQ(Totals().sequence % 2, 0u);
    pool().CountFailure();
    EXPECT_EQ(Totals().sequence % 2, 0u);
    const uint64_t before = Totals().sequence;
    Free(slot);
    EXPECT_EQ(Totals().sequence % 2, 0u);
    EXPECT_GT(Totals().sequence, before);
}

TEST_F(PoolTest, KeepsItsEquationsThroughRandomUse) {
    Open({.min_block_bytes = 64 * kKi, .max_block_bytes = kMi, .idle_bytes = 512 * kKi});
    std::mt19937 random(5);
    const auto below = [&](uint64_t limit) { return random() % limit; };
    std::vector<Held> slots;
    for (int i = 0; i < 4000; ++i) {
        const uint64_t dice = below(100);
        if (dice < (i / 500 % 2 == 0 ? 60u : 35u) || slots.empty()) {
            const ArenaKey key{.kind = below(4) == 0 ? Kind::kLinear : Kind::kAny};
            const uint64_t bytes = 1 + below(uint64_t{1} << (4 + below(14)));
            slots.push_back(Allocate(AskFor(bytes, uint64_t{256} << below(6), key)));
        } else if (dice < 95) {
            std::swap(slots[below(slots.size())], slots.back());
            Free(slots.back());
            slots.pop_back();
        } else if (dice < 98) {
            Held& slot = slots[below(slots.size())];
            const Request request = AskFor(slot.bytes, uint64_t{256} << below(6));
            ASSERT_EQ(Move(slot, request), PlaceStatus::kOk);
        } else {
            pool().ReleaseEmptyBlocks();
        }
        ASSERT_EQ(Totals().pooled.block_bytes, source_.live_bytes);
        ASSERT_EQ(Totals().pooled.blocks, source_.live.size());
        ASSERT_EQ(Totals().pooled.live, slots.size());
    }
    Free(slots);
    pool().ReleaseEmptyBlocks();
    EXPECT_EQ(source_.live.size(), 0u);
}

}  // namespace
}  // namespace tessera::pool
