// SPDX-License-Identifier: Apache-2.0
//
// Where ranges are found, cut and merged, one situation at a time. Sizes and offsets are in units.

#include "layer/pool/range_index.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace tessera::pool {
namespace {

constexpr uint32_t kMost = std::numeric_limits<uint32_t>::max();

TEST(Bins, AreExactBelowSixtyFourUnits) {
    for (uint32_t size = 1; size < 64; ++size) {
        EXPECT_EQ(BinOf(Units(size)), size);
        EXPECT_EQ(FloorOf(size), Units(size));
        EXPECT_EQ(FittingBin(size), size);
    }
}

TEST(Bins, FollowEachOtherWithoutGaps) {
    for (uint32_t bin = 1; bin + 1 < kBins; ++bin) {
        const Units floor = FloorOf(bin);
        const Units last = FloorOf(bin + 1) - Units(1);
        ASSERT_EQ(BinOf(floor), bin);
        ASSERT_EQ(BinOf(last), bin);
        ASSERT_LE((last - floor).Count(), floor.Count() / 32) << "bin " << bin;
    }
    EXPECT_EQ(BinOf(Units(kMost)), kBins - 1);
}

TEST(Bins, FitWhateverHangsInThem) {
    for (uint32_t bin = 64; bin < kBins; ++bin) {
        const uint32_t floor = FloorOf(bin).Count();
        ASSERT_EQ(FittingBin(floor), bin);
        ASSERT_EQ(FittingBin(uint64_t{floor} + 1), bin + 1);
    }
}

TEST(Bins, EndWhereUnitsEnd) {
    EXPECT_EQ(FittingBin(kMost), kNoBin);
    EXPECT_EQ(FittingBin(uint64_t{kMost} + 1), kNoBin);
    EXPECT_EQ(FittingBin(std::numeric_limits<uint64_t>::max()), kNoBin);
}

// An index with short ways to ask it, checked after each step.
class RangeIndexTest : public testing::Test {
 protected:
    NodeId AddBlock(uint32_t block, uint32_t size) {
        EXPECT_TRUE(index_.ReserveBlock(block));
        const NodeId node = index_.AddBlock(block, Units(size));
        EXPECT_TRUE(index_.CheckInvariants());
        return node;
    }
    NodeId Take(uint32_t size, uint32_t alignment = 1) {
        EXPECT_TRUE(index_.Reserve());
        const NodeId node = index_.Take(Units(size), alignment);
        EXPECT_TRUE(index_.CheckInvariants());
        return node;
    }
    NodeId Release(NodeId node) {
        const NodeId merged = index_.Release(node);
        EXPECT_TRUE(index_.CheckInvariants());
        return merged;
    }
    uint32_t OffsetOf(NodeId node) { return index_.Look(node).offset.Count(); }
    uint32_t SizeOf(NodeId node) { return index_.Look(node).size.Count(); }
    uint32_t BlockOf(NodeId node) { return index_.Look(node).block; }

    RangeIndex index_;
};

TEST_F(RangeIndexTest, FindsNothingWithoutABlock) {
    EXPECT_EQ(Take(1), kNoNode);
    EXPECT_EQ(index_.FreeUnits(), 0u);
    EXPECT_EQ(index_.LargestFree(), Units(0));
}

TEST_F(RangeIndexTest, TakesAWholeBlockOfAnySizeExactly) {
    for (const uint32_t size : {1u, 63u, 64u, 65u, 1000u, 4096u, 123457u, kMost}) {
        AddBlock(0, size);
        EXPECT_EQ(index_.LargestFree(), Units(size));
        const NodeId node = Take(size);
        ASSERT_NE(node, kNoNode) << "size " << size;
        EXPECT_EQ(OffsetOf(node), 0u);
        EXPECT_EQ(SizeOf(node), size);
        EXPECT_EQ(index_.FreeUnits(), 0u);
        EXPECT_EQ(index_.LargestFree(), Units(0));
        EXPECT_EQ(Take(1), kNoNode);
        index_.RemoveBlock(Release(node));
        EXPECT_EQ(index_.FreeUnits(), 0u);
        EXPECT_TRUE(index_.CheckInvariants());
    }
}

TEST_F(RangeIndexTest, FindsNothingOneUnitBeyondABlock) {
    AddBlock(0, 1000);
    EXPECT_EQ(Take(1001), kNoNode);
    EXPECT_EQ(Take(kMost), kNoNode);
    EXPECT_NE(Take(1000), kNoNode);
}

TEST_F(RangeIndexTest, FindsARangeThatExactlyFitsAmongManyOfItsBin) {
    AddBlock(0, 10000);
    // Sizes 1000 to 1006 share a bin; only the first of these ranges is large enough.
    std::vector<NodeId> ranges, walls;
    for (const uint32_t size : {1006u, 1000u, 1000u, 1000u, 1000u, 1000u}) {
        ranges.push_back(Take(size));
        walls.push_back(Take(1));
    }
    ASSERT_NE(Take(10000 - 6006 - 6), kNoNode);
    for (const NodeId range : ranges)
        Release(range);
    const NodeId node = Take(1006);
    ASSERT_NE(node, kNoNode);
    EXPECT_EQ(OffsetOf(node), 0u);
}

TEST_F(RangeIndexTest, MergesWithTheRangeBefore) {
    AddBlock(0, 30);
    const NodeId first = Take(10), second = Take(10), third = Take(10);
    Release(first);
    const NodeId merged = Release(second);
    EXPECT_EQ(OffsetOf(merged), 0u);
    EXPECT_EQ(SizeOf(merged), 20u);
    EXPECT_FALSE(index_.IsWholeBlock(merged));
    EXPECT_TRUE(index_.IsWholeBlock(Release(third)));
}

TEST_F(RangeIndexTest, MergesWithTheRangeAfter) {
    AddBlock(0, 30);
    const NodeId first = Take(10), second = Take(10), third = Take(10);
    Release(second);
    const NodeId merged = Release(first);
    EXPECT_EQ(OffsetOf(merged), 0u);
    EXPECT_EQ(SizeOf(merged), 20u);
    EXPECT_TRUE(index_.IsWholeBlock(Release(third)));
}

TEST_F(RangeIndexTest, MergesAtBothSidesBackToTheWholeBlock) {
    AddBlock(0, 30);
    const NodeId first = Take(10), second = Take(10), third = Take(10);
    Release(first);
    Release(third);
    const NodeId merged = Release(second);
    EXPECT_TRUE(index_.IsWholeBlock(merged));
    EXPECT_EQ(SizeOf(merged), 30u);
    EXPECT_EQ(index_.LargestFree(), Units(30));
}

TEST_F(RangeIndexTest, NeverMergesAcrossBlocks) {
    AddBlock(0, 10);
    AddBlock(1, 10);
    const NodeId a = Take(10), b = Take(10);
    EXPECT_NE(BlockOf(a), BlockOf(b));
    EXPECT_TRUE(index_.IsWholeBlock(Release(a)));
    EXPECT_TRUE(index_.IsWholeBlock(Release(b)));
    EXPECT_EQ(Take(11), kNoNode);
}

TEST_F(RangeIndexTest, KeepsFreeWhatAnAlignmentSkips) {
    AddBlock(0, 100);
    const NodeId one = Take(1);
    const NodeId aligned = Take(10, 16);
    ASSERT_NE(aligned, kNoNode);
    EXPECT_EQ(OffsetOf(aligned), 16u);
    EXPECT_EQ(index_.FreeUnits(), 89u);
    const NodeId gap = Take(15);
    EXPECT_EQ(OffsetOf(gap), 1u) << "the gap before the aligned range is used";
    Release(gap);
    Release(one);
    EXPECT_TRUE(index_.IsWholeBlock(Release(aligned)));
}

TEST_F(RangeIndexTest, UsesARangeOfTheExactSizeIfItHappensToBeAligned) {
    AddBlock(0, 1000);
    const NodeId head = Take(64), hit = Take(10), wall = Take(1);
    ASSERT_EQ(OffsetOf(hit), 64u);
    Release(hit);
    const NodeId aligned = Take(10, 64);
    EXPECT_EQ(OffsetOf(aligned), 64u) << "not carved from the large rest";
    EXPECT_NE(head, wall);
}

TEST_F(RangeIndexTest, PassesOverAnExactSizeThatIsMisaligned) {
    AddBlock(0, 1000);
    const NodeId head = Take(63), miss = Take(10), wall = Take(1);
    Release(miss);
    const NodeId aligned = Take(10, 64);
    ASSERT_NE(aligned, kNoNode);
    EXPECT_EQ(OffsetOf(aligned) % 64, 0u);
    EXPECT_GT(OffsetOf(aligned), 64u);
    EXPECT_NE(head, wall);
}

TEST_F(RangeIndexTest, FindsAnAlignedRangeThatNoBinPromises) {
    // The only room for 900 aligned units starts at 128 and ends with the block.
    AddBlock(0, 1028);
    const NodeId head = Take(100);
    const NodeId aligned = Take(900, 128);
    ASSERT_NE(aligned, kNoNode);
    EXPECT_EQ(OffsetOf(aligned), 128u);
    EXPECT_NE(head, kNoNode);
}

TEST_F(RangeIndexTest, ServesAlignmentsLargerThanTheBlockAtItsStartOnly) {
    AddBlock(0, 100);
    const NodeId node = Take(10, 1u << 31);
    ASSERT_NE(node, kNoNode);
    EXPECT_EQ(OffsetOf(node), 0u);
    EXPECT_EQ(Take(10, 1u << 31), kNoNode);
    EXPECT_NE(Take(90), kNoNode);
}

TEST_F(RangeIndexTest, AlignsAtTheEndOfTheLargestBlock) {
    AddBlock(0, kMost);
    const NodeId low = Take(1u << 31);
    const NodeId high = Take(kMost - (1u << 31), 1u << 31);
    ASSERT_NE(high, kNoNode);
    EXPECT_EQ(OffsetOf(high), 1u << 31);
    EXPECT_EQ(index_.FreeUnits(), 0u);
    EXPECT_EQ(Take(1, 1u << 31), kNoNode);
    Release(low);
    EXPECT_TRUE(index_.IsWholeBlock(Release(high)));
}

TEST_F(RangeIndexTest, LeavesAnEmptyBlockAloneWhileAnotherHasRoom) {
    AddBlock(0, 1000);
    const NodeId used = Take(1);
    AddBlock(1, 100);
    for (int i = 0; i < 9; ++i)
        EXPECT_EQ(BlockOf(Take(100)), 0u);
    EXPECT_EQ(BlockOf(Take(100)), 1u) << "no room left in the first";
    EXPECT_EQ(BlockOf(used), 0u);
}

TEST_F(RangeIndexTest, PicksTheSmallestEmptyBlockThatIsLargeEnough) {
    AddBlock(0, 4096);
    AddBlock(1, 100);
    AddBlock(2, 1024);
    EXPECT_EQ(BlockOf(Take(200)), 2u);
}

TEST_F(RangeIndexTest, LeavesARestingBlockAloneWhileAnotherHasRoom) {
    AddBlock(0, 100);
    AddBlock(1, 1000);
    const NodeId first = Take(90), second = Take(500);
    ASSERT_EQ(BlockOf(first), 0u);
    ASSERT_EQ(BlockOf(second), 1u);
    index_.Rest(1);
    EXPECT_EQ(BlockOf(Take(5)), 0u);
    EXPECT_EQ(BlockOf(Take(5)), 0u);
    EXPECT_TRUE(index_.Rests(1));
}

TEST_F(RangeIndexTest, UsesARestingBlockBeforeItFindsNothing) {
    AddBlock(0, 100);
    AddBlock(1, 1000);
    const NodeId first = Take(90), second = Take(500);
    index_.Rest(1);
    EXPECT_EQ(BlockOf(Take(20)), 1u);
    EXPECT_NE(BlockOf(first), BlockOf(second));
}

TEST_F(RangeIndexTest, UsesARestingBlockInUseBeforeAnEmptyOneThatIsLarger) {
    AddBlock(0, 1000);
    const NodeId used = Take(500);
    AddBlock(1, 1000);
    index_.Rest(0);
    EXPECT_EQ(BlockOf(Take(1)), 0u);
    EXPECT_EQ(BlockOf(used), 0u);
}

TEST_F(RangeIndexTest, PutsABlockThatHelpedOutBackToWork) {
    AddBlock(0, 1000);
    const NodeId used = Take(500);
    index_.Rest(0);
    // The first range is met in the bins of working blocks and moved; found among the resting ones.
    ASSERT_EQ(BlockOf(Take(1)), 0u);
    EXPECT_FALSE(index_.Rests(0));
    EXPECT_EQ(BlockOf(used), 0u);
}

TEST_F(RangeIndexTest, DrainsARestingBlockUntilItIsWhole) {
    AddBlock(0, 1000);
    AddBlock(1, 1000);
    std::vector<NodeId> resting, working;
    for (int i = 0; i < 20; ++i)
        (i < 10 ? resting : working).push_back(Take(100));
    index_.Rest(BlockOf(resting[0]));
    Release(working[0]);
    Release(working[5]);
    for (size_t i = 0; i + 1 < resting.size(); ++i) {
        EXPECT_FALSE(index_.IsWholeBlock(Release(resting[i])));
        const NodeId again = Take(100);
        EXPECT_EQ(BlockOf(again), BlockOf(working[1])) << "what is freed there is not used again";
        Release(again);
    }
    EXPECT_TRUE(index_.IsWholeBlock(Release(resting.back())));
}

TEST_F(RangeIndexTest, ReportsTheLargestRangeAcrossBlocks) {
    AddBlock(0, 64);
    AddBlock(1, 1000);
    EXPECT_EQ(index_.LargestFree(), Units(1000));
    const NodeId node = Take(1000);
    EXPECT_EQ(index_.LargestFree(), Units(64));
    Release(node);
    EXPECT_EQ(index_.LargestFree(), Units(1000));
}

TEST_F(RangeIndexTest, UsesNodesAgainInsteadOfGrowing) {
    AddBlock(0, 1 << 20);
    NodeId limit = 0;
    for (int round = 0; round < 3; ++round) {
        std::vector<NodeId> nodes;
        for (uint32_t i = 0; i < 5000; ++i) {
            ASSERT_TRUE(index_.Reserve());
            nodes.push_back(index_.Take(Units(1 + i % 50), 1));
        }
        for (const NodeId node : nodes)
            index_.Release(node);
        EXPECT_TRUE(index_.CheckInvariants());
        if (round == 0) limit = index_.NodeLimit();
        EXPECT_EQ(index_.NodeLimit(), limit);
    }
    EXPECT_EQ(index_.LargestFree(), Units(1 << 20));
}

TEST_F(RangeIndexTest, KeepsPlaceWhenTheTableOfNodesGrows) {
    AddBlock(0, 1 << 20);
    const NodeId first = Take(3);
    const Node* const address = &index_.Look(first);
    for (int i = 0; i < 100000; ++i) {
        ASSERT_TRUE(index_.Reserve());
        ASSERT_NE(index_.Take(Units(1), 1), kNoNode);
    }
    EXPECT_EQ(&index_.Look(first), address);
    EXPECT_EQ(SizeOf(first), 3u);
    EXPECT_TRUE(index_.CheckInvariants());
}

}  // namespace
}  // namespace tessera::pool
