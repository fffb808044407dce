// SPDX-License-Identifier: Apache-2.0
//
// Blocks that the helper makes in advance, without the helper: the tests call Service themselves.

#include <gtest/gtest.h>

#include "layer/pool/type_pool.h"
#include "pool_fixture.h"

namespace tessera::pool {
namespace {

class PoolSpareTest : public PoolTest {
 protected:
    // Two blocks right after each other: a third is made in advance.
    void MakeSpare() {
        Open({.min_block_bytes = kMi, .max_block_bytes = kMi, .idle_bytes = 1, .helped = true});
        slots_ = {Allocate(kMi), Allocate(kMi)};
        EXPECT_GT(source_.service_wanted.load(), 0u);
        due_ = pool().Service(2);
        EXPECT_TRUE(pool().CheckInvariants());
        ASSERT_EQ(source_.live.size(), 3u);
        ASSERT_NE(due_, TypePool::kNever);
    }

    std::vector<Held> slots_;
    uint64_t due_ = 0;
};

TEST_F(PoolSpareTest, ASpareIsUsedBeforeTheDriverIsAsked) {
    MakeSpare();
    const size_t asked = source_.asked.size();
    slots_.push_back(Allocate(kMi));
    EXPECT_EQ(source_.asked.size(), asked);
    EXPECT_EQ(Totals().pooled.blocks, 3u);
    Free(slots_);
}

TEST_F(PoolSpareTest, ASpareThatNobodyWantsGoesBack) {
    MakeSpare();
    EXPECT_EQ(pool().Service(due_ - 1), due_);
    EXPECT_EQ(source_.live.size(), 3u);
    EXPECT_EQ(pool().Service(due_), TypePool::kNever);
    EXPECT_EQ(source_.live.size(), 2u);
    EXPECT_EQ(Totals().pooled.blocks, 2u);
    Free(slots_);
}

TEST_F(PoolSpareTest, ASpareGoesBackWhenThePoolEnds) {
    MakeSpare();
    Free(slots_);
    pool().Service(3);
    EXPECT_EQ(source_.live.size(), 1u);
    pool_.reset();
    EXPECT_TRUE(source_.live.empty());
    EXPECT_EQ(Totals().driver.live, 0u);
    EXPECT_EQ(Totals().driver.frees, 3u);
}

TEST_F(PoolSpareTest, WhereNothingMayIdleNothingIsMadeInAdvance) {
    Open({.min_block_bytes = kMi, .max_block_bytes = kMi, .idle_bytes = 0, .helped = true});
    for (int i = 0; i < 4; ++i)
        slots_.push_back(Allocate(kMi));
    EXPECT_EQ(source_.service_wanted.load(), 0u);
    EXPECT_EQ(pool().Service(2), TypePool::kNever);
    EXPECT_EQ(source_.live.size(), 4u);
    Free(slots_);
    EXPECT_TRUE(source_.live.empty());
}

}  // namespace
}  // namespace tessera::pool
