// SPDX-License-Identifier: Apache-2.0
//
// What a pool leaves to its helper, stepped by hand: the test is the helper, and its clock.

#include <gtest/gtest.h>

#include "layer/pool/type_pool.h"
#include "pool_fixture.h"

namespace tessera::pool {
namespace {

using Sizes = std::vector<uint64_t>;

class PoolServiceTest : public PoolTest {
 protected:
    void OpenHelped(PoolLimits limits = {
                        .min_block_bytes = kMi, .max_block_bytes = kMi, .idle_bytes = 4 * kMi}) {
        limits.helped = true;
        OpenAs(limits);
    }

    // What the helper does when it is asked to; true if it was.
    bool Serve() {
        const bool wanted = source_.service_wanted.exchange(0) != 0;
        if (wanted) next_ = pool_->Service(source_.now_ms);
        EXPECT_TRUE(pool_->CheckInvariants());
        return wanted;
    }

    uint64_t next_ = TypePool::kNever;
};

TEST_F(PoolServiceTest, NothingIsLeftToAHelperThatIsNotThere) {
    Open();
    for (const Held& held : {Allocate(kMi), Allocate(kMi), Allocate(kMi)})
        Free(held);
    EXPECT_EQ(source_.service_wanted, 0u);
    EXPECT_TRUE(source_.live.empty());
}

TEST_F(PoolServiceTest, ABlockIsMadeInAdvanceOnceTheApplicationGrows) {
    OpenHelped();
    std::vector<Held> held{Allocate(kMi)};
    EXPECT_FALSE(Serve()) << "one block says nothing";
    held.push_back(Allocate(kMi));
    EXPECT_TRUE(Serve());
    EXPECT_EQ(source_.asked.size(), 3u) << "two that were needed, and one that will be";
    for (int i = 0; i < 5; ++i) {
        const size_t made = source_.asked.size();
        held.push_back(Allocate(kMi));
        EXPECT_EQ(source_.asked.size(), made) << "the application's thread made no block";
        EXPECT_TRUE(Serve());
        EXPECT_EQ(source_.asked.size(), made + 1);
    }
    Free(held);
    Serve();
    pool_->ReleaseEmptyBlocks();
}

TEST_F(PoolServiceTest, NoBlockIsMadeInAdvanceForWhatComesNowAndThen) {
    OpenHelped();
    std::vector<Held> held{Allocate(kMi)};
    source_.now_ms = 1000;
    held.push_back(Allocate(kMi));
    EXPECT_FALSE(Serve());
    EXPECT_EQ(source_.asked.size(), 2u);
    Free(held);
}

TEST_F(PoolServiceTest, ABlockMadeInAdvanceThatNobodyWantsGoesBack) {
    OpenHelped();
    const std::vector<Held> held{Allocate(kMi), Allocate(kMi)};
    EXPECT_TRUE(Serve());
    EXPECT_EQ(Totals().pooled.blocks, 3u) << "it is counted from the moment on that it exists";
    EXPECT_EQ(Totals().pooled.free_bytes, kMi);
    EXPECT_EQ(next_, source_.now_ms + 1000);
    source_.now_ms += 999;
    EXPECT_EQ(pool_->Service(source_.now_ms), source_.now_ms + 1);
    EXPECT_EQ(source_.live.size(), 3u);
    source_.now_ms += 1;
    EXPECT_EQ(pool_->Service(source_.now_ms), TypePool::kNever);
    EXPECT_EQ(source_.live.size(), 2u);
    Free(held);
}

TEST_F(PoolServiceTest, ABlockMadeInAdvanceThatIsTooSmallStaysForOthers) {
    OpenHelped();
    std::vector<Held> held{Allocate(1000), Allocate(kMi), Allocate(1000)};
    held.push_back(Allocate(kMi));
    Serve();
    const size_t made = source_.asked.size();
    held.push_back(Allocate(3 * kMi));
    EXPECT_EQ(source_.asked.size(), made + 1);
    EXPECT_EQ(source_.asked.back(), 3 * kMi);
    Free(held);
    pool_->ReleaseEmptyBlocks();
}

TEST_F(PoolServiceTest, ARefusalInAdvanceIsNobodysFailure) {
    OpenHelped();
    const std::vector<Held> held{Allocate(kMi), Allocate(kMi)};
    source_.capacity_bytes = 2 * kMi;
    EXPECT_TRUE(Serve());
    EXPECT_EQ(Totals().driver.failed, 0u);
    EXPECT_EQ(Totals().pooled.blocks, 2u);
    Free(held);
}

TEST_F(PoolServiceTest, BlocksBeyondTheAllowanceGoBackByTheHelper) {
    OpenHelped({.min_block_bytes = kMi, .max_block_bytes = kMi, .idle_bytes = kMi});
    source_.now_ms = 1000;
    std::vector<Held> held{Allocate(kMi)};
    source_.now_ms = 2000;
    held.push_back(Allocate(kMi));
    Free(held);
    EXPECT_TRUE(source_.destroyed.empty()) << "the application's thread did not call the driver";
    EXPECT_EQ(Totals().driver.live, 2u) << "and the numbers say what is";
    EXPECT_TRUE(Serve());
    EXPECT_EQ(source_.destroyed, Sizes{kMi});
    EXPECT_EQ(Totals().driver.live, 1u);
}

TEST_F(PoolServiceTest, WithoutAnAllowanceBlocksGoBackAtOnce) {
    OpenHelped({.min_block_bytes = kMi, .max_block_bytes = kMi, .idle_bytes = 0});
    Free(Allocate(kMi));
    EXPECT_EQ(source_.destroyed, Sizes{kMi});
}

TEST_F(PoolServiceTest, WhatWaitsForTheHelperGoesBackBeforeAnAllocationFails) {
    OpenHelped({.min_block_bytes = kMi, .max_block_bytes = kMi, .idle_bytes = kMi});
    source_.now_ms = 1000;
    std::vector<Held> held{Allocate(kMi)};
    source_.now_ms = 2000;
    held.push_back(Allocate(kMi));
    Free(held);
    source_.capacity_bytes = 2 * kMi;
    const Held large = Allocate(2 * kMi);
    EXPECT_EQ(source_.live.size(), 1u);
    Free(large);
    pool_->ReleaseEmptyBlocks();
}

TEST_F(PoolServiceTest, ABlockThatWasEmptyForTheIdleTimeGoesBack) {
    OpenHelped(
        {.min_block_bytes = kMi, .max_block_bytes = kMi, .idle_bytes = 16 * kMi, .idle_ms = 500});
    const Held held = Allocate(1000);
    Free(held);
    EXPECT_TRUE(Serve());
    EXPECT_EQ(next_, source_.now_ms + 500) << "its time begins when the helper saw it";
    // Used meanwhile: its time begins anew.
    source_.now_ms += 300;
    Free(Allocate(1000));
    EXPECT_TRUE(Serve());
    source_.now_ms += 300;
    EXPECT_EQ(pool_->Service(source_.now_ms), source_.now_ms + 200);
    EXPECT_EQ(source_.live.size(), 1u);
    source_.now_ms += 200;
    EXPECT_EQ(pool_->Service(source_.now_ms), TypePool::kNever);
    EXPECT_TRUE(source_.live.empty());
}

TEST_F(PoolServiceTest, WhatIsLeftWhenThePoolEndsGoesBack) {
    OpenHelped({.min_block_bytes = kMi, .max_block_bytes = kMi, .idle_bytes = kMi});
    std::vector<Held> held{Allocate(kMi), Allocate(kMi), Allocate(kMi)};
    Serve();
    Free(held);  // one idles, two wait for the helper, and one was made in advance
    EXPECT_EQ(source_.live.size(), 4u);
    pool_.reset();
    EXPECT_TRUE(source_.live.empty());
    EXPECT_EQ(Totals().driver.live, 0u);
    EXPECT_EQ(Totals().pooled.free_bytes, 0u);
}

}  // namespace
}  // namespace tessera::pool
