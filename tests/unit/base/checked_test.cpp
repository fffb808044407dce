// SPDX-License-Identifier: Apache-2.0
//
// Checked arithmetic at and around the edges of 64 bits. All of it is constexpr, so much of this is
// known to the compiler already; the tests give each edge a name.
#include "layer/base/checked.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

constexpr uint64_t kMax = UINT64_MAX;

TEST(CheckedAdd, ReturnsSumUpToTheLastValue) {
    EXPECT_EQ(CheckedAdd(0, 0), 0u);
    EXPECT_EQ(CheckedAdd(kMax - 1, 1), kMax);
    EXPECT_EQ(CheckedAdd(0, kMax), kMax);
}

TEST(CheckedAdd, ReturnsNothingOnePastTheLastValue) {
    EXPECT_FALSE(CheckedAdd(kMax, 1));
    EXPECT_FALSE(CheckedAdd(1, kMax));
    EXPECT_FALSE(CheckedAdd(kMax, kMax));
}

TEST(CheckedMul, TreatsZeroAsNeverOverflowing) {
    EXPECT_EQ(CheckedMul(0, kMax), 0u);
    EXPECT_EQ(CheckedMul(kMax, 0), 0u);
}

TEST(CheckedMul, ReturnsNothingWhenTheProductNeeds65Bits) {
    constexpr uint64_t kHalf = uint64_t{1} << 32;
    EXPECT_EQ(CheckedMul(kHalf, kHalf - 1), kMax - kHalf + 1);
    EXPECT_FALSE(CheckedMul(kHalf, kHalf));
    EXPECT_FALSE(CheckedMul(kMax, 2));
}

TEST(CheckedAlignUp, KeepsAlignedValuesAndRaisesOthers) {
    EXPECT_EQ(CheckedAlignUp(0, 64), 0u);
    EXPECT_EQ(CheckedAlignUp(1, 64), 64u);
    EXPECT_EQ(CheckedAlignUp(64, 64), 64u);
    EXPECT_EQ(CheckedAlignUp(65, 64), 128u);
    EXPECT_EQ(CheckedAlignUp(kMax, 1), kMax);
}

TEST(CheckedAlignUp, ReturnsNothingWhenTheNextMultipleIsPast64Bits) {
    EXPECT_EQ(CheckedAlignUp(kMax - 63, 64), kMax - 63);
    EXPECT_FALSE(CheckedAlignUp(kMax - 62, 64));
    EXPECT_FALSE(CheckedAlignUp((uint64_t{1} << 63) + 1, uint64_t{1} << 63));
}

TEST(CheckedAlignUp, RefusesAnAlignmentThatIsNoPowerOfTwo) {
    EXPECT_FALSE(CheckedAlignUp(10, 0));
    EXPECT_FALSE(CheckedAlignUp(10, 3));
    EXPECT_FALSE(CheckedAlignUp(10, kMax));
}

TEST(AlignDown, DropsTheRemainder) {
    EXPECT_EQ(AlignDown(63, 64), 0u);
    EXPECT_EQ(AlignDown(64, 64), 64u);
    EXPECT_EQ(AlignDown(kMax, 4096), kMax - 4095);
}

TEST(IsAligned, HoldsForMultiplesOnly) {
    EXPECT_TRUE(IsAligned(0, 4096));
    EXPECT_TRUE(IsAligned(8192, 4096));
    EXPECT_FALSE(IsAligned(8193, 4096));
}

TEST(IsPowerOfTwo, ExcludesZero) {
    EXPECT_FALSE(IsPowerOfTwo(0));
    EXPECT_TRUE(IsPowerOfTwo(1));
    EXPECT_FALSE(IsPowerOfTwo(6));
    EXPECT_TRUE(IsPowerOfTwo(uint64_t{1} << 63));
}

TEST(CheckedPowerOfTwoAtLeast, ReturnsNothingAboveTheLargestPower) {
    EXPECT_EQ(CheckedPowerOfTwoAtLeast(0), 1u);
    EXPECT_EQ(CheckedPowerOfTwoAtLeast(5), 8u);
    EXPECT_EQ(CheckedPowerOfTwoAtLeast(uint64_t{1} << 63), uint64_t{1} << 63);
    EXPECT_FALSE(CheckedPowerOfTwoAtLeast((uint64_t{1} << 63) + 1));
}

TEST(RangeFits, IsNotFooledByASumThatWrapsAround) {
    EXPECT_TRUE(RangeFits(0, 100, 100));
    EXPECT_TRUE(RangeFits(100, 0, 100));
    EXPECT_FALSE(RangeFits(101, 0, 100));
    EXPECT_FALSE(RangeFits(1, 100, 100));
    EXPECT_FALSE(RangeFits(50, kMax - 10, 100));
    EXPECT_TRUE(RangeFits(0, kMax, kMax));
}

}  // namespace
}  // namespace tessera
