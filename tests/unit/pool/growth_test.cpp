// SPDX-License-Identifier: Apache-2.0
//
// How large the next block is, without a pool around it.

#include "layer/pool/growth.h"

#include <gtest/gtest.h>

namespace tessera::pool {
namespace {

constexpr uint64_t kKi = 1 << 10;
constexpr uint64_t kMi = 1 << 20;
constexpr BlockSizes kSizes = BlockSizes::Of(kMi, 64 * kMi);

TEST(BlockSizes, AreWholeUnitsInOrder) {
    EXPECT_EQ(BlockSizes::Of(1000, 5000).min_bytes, 768u);
    EXPECT_EQ(BlockSizes::Of(1000, 5000).max_bytes, 4864u);
}

TEST(BlockSizes, StartBelowALargestThatIsSmallerThanTheFirst) {
    EXPECT_EQ(BlockSizes::Of(kMi, 64 * kKi).min_bytes, 64 * kKi);
}

TEST(BlockSizes, AreAtLeastOneUnit) {
    EXPECT_EQ(BlockSizes::Of(0, 0).min_bytes, 256u);
    EXPECT_EQ(BlockSizes::Of(0, 0).max_bytes, 256u);
}

TEST(BlockSizes, StayWithinWhatUnitsCount) {
    EXPECT_EQ(BlockSizes::Of(0, UINT64_MAX).max_bytes, Units::kMostBytes);
}

TEST(NextBlockBytes, StartsWithTheSmallest) {
    EXPECT_EQ(NextBlockBytes(kSizes, 64, 0, 256), kMi);
    EXPECT_EQ(NextBlockBytes(kSizes, 64, 0, kMi), kMi);
    EXPECT_EQ(NextBlockBytes(kSizes, 64, 64 * kMi, 256), kMi);
}

TEST(NextBlockBytes, IsAShareOfWhatIsLive) {
    EXPECT_EQ(NextBlockBytes(kSizes, 64, 128 * kMi, 256), 2 * kMi);
    EXPECT_EQ(NextBlockBytes(kSizes, 4, 12 * kMi, 256), 3 * kMi);
}

TEST(NextBlockBytes, IsAWholeNumberOfGrains) {
    EXPECT_EQ(NextBlockBytes(kSizes, 64, 100 * kMi, 256) % (64 * kKi), 0u);
    EXPECT_EQ(NextBlockBytes(kSizes, 64, 0, kMi + 256), kMi + 64 * kKi);
}

TEST(NextBlockBytes, HasRoomForFourIfThatIsASixteenthOfWhatIsLive) {
    EXPECT_EQ(NextBlockBytes(kSizes, 64, 0, 5 * kMi), 5 * kMi) << "no room for what may not come";
    EXPECT_EQ(NextBlockBytes(kSizes, 64, 16 * kMi, 5 * kMi), 6 * kMi);
    EXPECT_EQ(NextBlockBytes(kSizes, 64, 1024 * kMi, 5 * kMi), 20 * kMi);
}

TEST(NextBlockBytes, StopsAtTheLargest) {
    EXPECT_EQ(NextBlockBytes(kSizes, 64, 10000 * kMi, 256), 64 * kMi);
    EXPECT_EQ(NextBlockBytes(kSizes, 64, 10000 * kMi, 40 * kMi), 64 * kMi);
}

TEST(NextBlockBytes, HoldsTheRequestEvenBeyondTheLargest) {
    EXPECT_EQ(NextBlockBytes(kSizes, 64, 0, 64 * kMi + 256), 64 * kMi + 256);
    EXPECT_EQ(NextBlockBytes(kSizes, 64, 0, Units::kMostBytes), Units::kMostBytes);
}

TEST(NextBlockBytes, AddsLittleToWhatIsLiveOnceTheFirstBlocksAreFull) {
    uint64_t live = 0;
    int blocks = 0;
    for (uint64_t capacity = 0; live < 1024 * kMi; ++blocks) {
        capacity += NextBlockBytes(kSizes, 64, live, 256);
        EXPECT_LE(capacity, std::max(live + kMi, live + live / 64 + 64 * kKi)) << "live " << live;
        live = capacity;
    }
    EXPECT_LE(blocks, 64 + 64 * 3) << "a logarithm: 64 of the least size, then e-folds of 64";
}

TEST(SmallerBlockBytes, HalvesDownToTheSmallestAndThenGivesUp) {
    EXPECT_EQ(SmallestBlockBytes(kSizes, 256), 64 * kKi);
    EXPECT_EQ(SmallerBlockBytes(64 * kMi, 64 * kKi), 32 * kMi);
    EXPECT_EQ(SmallerBlockBytes(100 * kKi, 64 * kKi), 64 * kKi);
    EXPECT_EQ(SmallerBlockBytes(64 * kKi, 64 * kKi), 0u);
}

TEST(SmallerBlockBytes, StaysWholeUnits) {
    EXPECT_EQ(SmallerBlockBytes(3 * 256, 256), 256u);
}

TEST(SmallestBlockBytes, IsNeverBelowTheRequestNorAboveTheFirstBlock) {
    EXPECT_EQ(SmallestBlockBytes(kSizes, 10 * kMi), 10 * kMi);
    EXPECT_EQ(SmallestBlockBytes(BlockSizes::Of(4 * kKi, kMi), 256), 4 * kKi);
}

TEST(NextCeilingBytes, FallsToWhatWasHadAfterARefusal) {
    EXPECT_EQ(NextCeilingBytes(kSizes, kNoCeiling, 8 * kMi, 16 * kMi), 8 * kMi);
}

TEST(NextCeilingBytes, FallsToTheLastRefusalWhenNothingWasHad) {
    EXPECT_EQ(NextCeilingBytes(kSizes, kNoCeiling, 0, 64 * kKi), 64 * kKi);
}

TEST(NextCeilingBytes, DoublesWithEachBlockHadAtOnceAndVanishesAtTheLargest) {
    EXPECT_EQ(NextCeilingBytes(kSizes, 8 * kMi, 8 * kMi, 0), 16 * kMi);
    EXPECT_EQ(NextCeilingBytes(kSizes, 64 * kMi, 64 * kMi, 0), kNoCeiling);
    EXPECT_EQ(NextCeilingBytes(kSizes, kNoCeiling, kMi, 0), kNoCeiling);
}

TEST(NextCeilingBytes, StaysWhenTheFailureHadNothingToDoWithTheSize) {
    EXPECT_EQ(NextCeilingBytes(kSizes, 8 * kMi, 0, 0), 8 * kMi);
}

}  // namespace
}  // namespace tessera::pool
