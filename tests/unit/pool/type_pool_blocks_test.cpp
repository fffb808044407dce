// SPDX-License-Identifier: Apache-2.0
//
// When a TypePool gets blocks and when it gives them back, as long as the driver has enough.

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "layer/pool/type_pool.h"
#include "pool_fixture.h"

namespace tessera::pool {
namespace {

using Sizes = std::vector<uint64_t>;

TEST_F(PoolTest, GrowsWithWhatIsLive) {
    std::vector<Held> slots;
    for (int i = 0; i < 40; ++i)
        slots.push_back(Allocate(kMi));
    EXPECT_EQ(source_.asked,
              (Sizes{kMi, kMi + 64 * kKi, 2 * kMi, 4 * kMi, 8 * kMi, 16 * kMi, 16 * kMi}));
    Free(slots);
}

TEST_F(PoolTest, StartsSmallAgainOnceEverythingIsFreed) {
    std::vector<Held> slots;
    for (int i = 0; i < 20; ++i)
        slots.push_back(Allocate(kMi));
    Free(slots);
    EXPECT_EQ(source_.live.size(), 0u);
    source_.asked.clear();
    const Held slot = Allocate(256);
    EXPECT_EQ(source_.asked, Sizes{kMi});
    Free(slot);
}

TEST_F(PoolTest, GivesEveryEmptyBlockBackAtOnceWithoutAnAllowance) {
    for (int i = 0; i < 3; ++i) {
        const Held slot = Allocate(256);
        Free(slot);
        EXPECT_EQ(source_.live.size(), 0u);
    }
    EXPECT_EQ(source_.asked.size(), 3u);
}

TEST_F(PoolTest, KeepsEmptyBlocksWithinTheAllowanceAndUsesThemAgain) {
    Open({.min_block_bytes = kMi, .max_block_bytes = 16 * kMi, .idle_bytes = kMi});
    for (int i = 0; i < 3; ++i)
        Free(Allocate(256));
    EXPECT_EQ(source_.asked.size(), 1u);
    EXPECT_EQ(source_.live.size(), 1u);
    EXPECT_EQ(Totals().pooled.free_bytes, kMi);
}

TEST_F(PoolTest, GivesTheBlockBackThatWasEmptyLongest) {
    Open({.min_block_bytes = kMi, .max_block_bytes = kMi, .idle_bytes = 2 * kMi});
    const Held first = Allocate(kMi), second = Allocate(kMi), third = Allocate(kMi);
    Free(second);
    Free(first);
    Free(third);
    EXPECT_EQ(source_.live.count(second.placement.handle), 0u);
    EXPECT_EQ(source_.live.count(first.placement.handle), 1u);
    EXPECT_EQ(source_.live.count(third.placement.handle), 1u);
}

TEST_F(PoolTest, CountsTheAllowanceOverAllArenas) {
    Open({.min_block_bytes = kMi, .max_block_bytes = kMi, .idle_bytes = kMi});
    const Held any = Allocate(AskFor(256));
    const Held linear = Allocate(AskFor(256, 256, {.kind = Kind::kLinear}));
    Free(any);
    Free(linear);
    EXPECT_EQ(source_.live.size(), 1u);
    EXPECT_EQ(source_.live.begin()->second.key.kind, Kind::kLinear);
}

TEST_F(PoolTest, DoesNotSacrificeOthersForABlockBeyondTheAllowance) {
    Open({.min_block_bytes = kMi, .max_block_bytes = 16 * kMi, .idle_bytes = kMi});
    const Held small = Allocate(256);
    const Held large = Allocate(10 * kMi);
    Free(small);
    Free(large);
    EXPECT_EQ(source_.live_bytes, kMi);
    EXPECT_EQ(source_.destroyed, Sizes{10 * kMi});
}

TEST_F(PoolTest, ReleasesAllEmptyBlocksOnRequestAndNoOthers) {
    Open({.min_block_bytes = kMi, .max_block_bytes = kMi, .idle_bytes = 64 * kMi});
    const Held first = Allocate(kMi), second = Allocate(kMi), third = Allocate(kMi);
    Free(first);
    Free(third);
    EXPECT_EQ(pool().ReleaseEmptyBlocks(), 2 * kMi);
    EXPECT_TRUE(pool().CheckInvariants());
    EXPECT_EQ(source_.live.size(), 1u);
    EXPECT_EQ(source_.live.count(second.placement.handle), 1u);
    EXPECT_EQ(pool().ReleaseEmptyBlocks(), 0u);
    Free(second);
}

TEST_F(PoolTest, ReachesNoDriverInTheSteadyState) {
    Open({.min_block_bytes = kMi, .max_block_bytes = 4 * kMi, .idle_bytes = 4 * kMi});
    std::vector<Held> slots;
    for (int i = 0; i < 100; ++i)
        slots.push_back(Allocate(50000));
    const size_t made = source_.asked.size();
    for (int round = 0; round < 20; ++round) {
        for (Held& slot : slots) {
            Free(slot);
            slot = Allocate(50000);
        }
    }
    EXPECT_EQ(source_.asked.size(), made);
    EXPECT_TRUE(source_.destroyed.empty());
    Free(slots);
}

// A level of a game ends, most of its resources go, and the next one churns: the blocks that are no
// longer needed must drain although frees hit all blocks alike.
TEST_F(PoolTest, GivesBlocksBackAfterAShrinkWhileSlotsComeAndGo) {
    Open({.min_block_bytes = kMi, .max_block_bytes = 4 * kMi, .idle_bytes = 0});
    std::mt19937_64 random(1);
    const auto log_uniform = [&] {
        const double unit = static_cast<double>(random() >> 11) * 0x1p-53;
        return static_cast<uint64_t>(256.0 * std::exp2(8.0 * unit));
    };
    const auto place = [&] {
        Held slot{.ref = {}, .placement = {}, .bytes = log_uniform()};
        EXPECT_EQ(Quick(AskFor(slot.bytes), &slot), PlaceStatus::kOk);
        return slot;
    };
    std::vector<Held> slots;
    for (int i = 0; i < 8000; ++i)
        slots.push_back(place());
    const uint64_t grown = source_.live_bytes;
    for (int i = 0; i < 6000; ++i) {
        std::swap(slots[random() % slots.size()], slots.back());
        FreeQuick(slots.back());
        slots.pop_back();
    }
    EXPECT_GT(source_.live_bytes, grown - 8 * kMi) << "a shrink at random empties hardly a block";
    const size_t made = source_.asked.size();
    for (int turn = 0; turn < 20; ++turn) {
        for (Held& slot : slots) {
            FreeQuick(slot);
            slot = place();
        }
    }
    EXPECT_TRUE(pool_->CheckInvariants());
    EXPECT_LT(source_.live_bytes, 2 * Totals().pooled.live_bytes);
    EXPECT_LE(source_.asked.size(), made + 4) << "and hardly any had to be made again";
    for (const Held& slot : slots)
        FreeQuick(slot);
}

// The workload that the project shows: 5,000 resources of 256 bytes to 1 MiB, log-uniform, and a
// few larger ones; then one in fifty is replaced before each frame.
TEST_F(PoolTest, ServesANaiveSceneFromLessThanTwoHundredBlocks) {
    for (const uint32_t seed : {1u, 2u, 3u}) {
        SCOPED_TRACE(seed);
        pool_.reset();
        source_.asked.clear();
        Forget();
        OpenAs({.max_block_bytes = 32 * kMi, .idle_bytes = 64 * kMi});
        std::mt19937_64 random(seed);
        const auto log_uniform = [&] {
            const double unit = static_cast<double>(random() >> 11) * 0x1p-53;
            return static_cast<uint64_t>(256.0 * std::exp2(12.0 * unit));
        };
        std::vector<Held> slots(5000);
        const auto place = [&](Held& slot, uint64_t bytes) {
            slot.bytes = bytes;
            return Quick(AskFor(bytes, 1024), &slot);
        };
        constexpr uint64_t kLarge[] = {2, 3, 4, 6, 8, 8, 12, 16};
        for (size_t i = 0; i < slots.size(); ++i) {
            const bool large = i % 700 == 300;
            ASSERT_EQ(place(slots[i], large ? kLarge[i / 700] * kMi : log_uniform()),
                      PlaceStatus::kOk);
        }
        for (int frame = 1; frame < 60; ++frame) {
            for (int i = 0; i < 100; ++i) {
                Held& slot = slots[random() % slots.size()];
                FreeQuick(slot);
                ASSERT_EQ(place(slot, slot.bytes > kMi ? slot.bytes : log_uniform()),
                          PlaceStatus::kOk);
            }
        }
        EXPECT_TRUE(pool_->CheckInvariants());
        EXPECT_GT(Totals().app.peak_bytes, 600 * kMi) << "as large as meant";
        EXPECT_LT(source_.asked.size(), 200u);
        EXPECT_LT(source_.live_bytes, Totals().pooled.live_bytes * 5 / 4);
        for (const Held& slot : slots)
            FreeQuick(slot);
        EXPECT_LE(source_.live_bytes, 64 * kMi);
    }
}

}  // namespace
}  // namespace tessera::pool
