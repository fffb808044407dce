// SPDX-License-Identifier: Apache-2.0
//
// Bytes to units and back, at the edges of what 32 bits count.

#include "layer/pool/units.h"

#include <gtest/gtest.h>

namespace tessera::pool {
namespace {

TEST(Units, RoundUpToWholeUnits) {
    EXPECT_EQ(Units::FromBytesUp(0).Count(), 0u);
    EXPECT_EQ(Units::FromBytesUp(1).Count(), 1u);
    EXPECT_EQ(Units::FromBytesUp(256).Count(), 1u);
    EXPECT_EQ(Units::FromBytesUp(257).Count(), 2u);
}

TEST(Units, RoundUpReachesTheLastUnitThatCanBeCounted) {
    EXPECT_EQ(Units::kMostBytes, (uint64_t{1} << 40) - 256);
    EXPECT_EQ(Units::FromBytesUp(Units::kMostBytes).Count(), 0xffffffffu);
    EXPECT_EQ(Units::FromBytesUp(Units::kMostBytes).Bytes(), Units::kMostBytes);
}

TEST(Units, RoundDownDropsWhatIsNoWholeUnitAndCapsTheRest) {
    EXPECT_EQ(Units::FromBytesDown(255).Count(), 0u);
    EXPECT_EQ(Units::FromBytesDown(511).Count(), 1u);
    EXPECT_EQ(Units::FromBytesDown(Units::kMostBytes + 256).Count(), 0xffffffffu);
    EXPECT_EQ(Units::FromBytesDown(UINT64_MAX).Count(), 0xffffffffu);
}

TEST(Units, CompareAndAddAsNumbers) {
    EXPECT_EQ(Units(3) + Units(4), Units(7));
    EXPECT_EQ(Units(7) - Units(4), Units(3));
    EXPECT_LT(Units(3), Units(4));
    EXPECT_EQ(Units(), Units(0));
}

}  // namespace
}  // namespace tessera::pool
