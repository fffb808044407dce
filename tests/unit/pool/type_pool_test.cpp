// SPDX-License-Identifier: Apache-2.0
//
// Where a TypePool places things, what it refuses, and which slots may share a block.

#include "layer/pool/type_pool.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "pool_fixture.h"

namespace tessera::pool {
namespace {

TEST_F(PoolTest, PlacesTheFirstSlotInABlockOfTheFirstSize) {
    const Held slot = Allocate(1000);
    EXPECT_EQ(source_.asked, std::vector<uint64_t>{kMi});
    EXPECT_EQ(slot.placement.offset_bytes, 0u);
    EXPECT_EQ(slot.placement.size_bytes, 1024u);
    EXPECT_EQ(slot.placement.handle, source_.live.begin()->first);
    EXPECT_EQ(slot.placement.host, nullptr);
    Free(slot);
}

TEST_F(PoolTest, PointsIntoTheMappingOfTheBlock) {
    source_.host_visible = true;
    const Held first = Allocate(1000);
    const Held second = Allocate(1000);
    std::byte* const block = source_.live.begin()->second.memory.host;
    EXPECT_EQ(first.placement.host, block + first.placement.offset_bytes);
    EXPECT_EQ(second.placement.host, block + second.placement.offset_bytes);
    EXPECT_EQ(second.placement.offset_bytes, 1024u);
    Free(first);
    Free(second);
}

TEST_F(PoolTest, ServesManySlotsFromOneBlockAndMergesThemBack) {
    const std::vector<Held> slots = [&] {
        std::vector<Held> made{Allocate(700)};
        for (const Held& slot : FillBlocks(700))
            made.push_back(slot);
        return made;
    }();
    EXPECT_EQ(slots.size(), kMi / 768);
    EXPECT_EQ(source_.asked.size(), 1u);
    std::set<uint64_t> offsets;
    for (const Held& slot : slots)
        offsets.insert(slot.placement.offset_bytes);
    EXPECT_EQ(offsets.size(), slots.size());
    Free(slots);
    EXPECT_EQ(source_.live.size(), 0u);
}

TEST_F(PoolTest, UsesAFreedPlaceAtOnce) {
    const Held keep = Allocate(256);
    const Held freed = Allocate(4096);
    const Held wall = Allocate(256);
    Free(freed);
    const Held again = Allocate(4096);
    EXPECT_EQ(again.placement.offset_bytes, freed.placement.offset_bytes);
    Free(keep);
    Free(again);
    Free(wall);
}

TEST_F(PoolTest, TellsWhatWasHandedOutBefore) {
    const Held first = Allocate(4096);
    const Held second = Allocate(4096);
    EXPECT_FALSE(first.placement.reused);
    EXPECT_FALSE(second.placement.reused);
    Free(first);
    const Held smaller = Allocate(256);
    EXPECT_TRUE(smaller.placement.reused);
    const Held larger = Allocate(8192);  // behind everything
    EXPECT_FALSE(larger.placement.reused);
    Free(larger);
    const Held beyond = Allocate(16384);  // begins in what was used, and ends beyond
    EXPECT_TRUE(beyond.placement.reused);
    for (const Held& slot : {second, smaller, beyond})
        Free(slot);
    // A block from the driver is fresh, whatever one before it held.
    pool_->ReleaseEmptyBlocks();
    const Held fresh = Allocate(4096);
    EXPECT_FALSE(fresh.placement.reused);
    Free(fresh);
}

TEST_F(PoolTest, HonoursAlignments) {
    const Held first = Allocate(256);
    for (const uint64_t alignment : {256u, 1024u, 4096u, 65536u, 262144u}) {
        const Held slot = Allocate(AskFor(300, alignment));
        EXPECT_EQ(slot.placement.offset_bytes % alignment, 0u);
        Free(slot);
    }
    EXPECT_EQ(source_.asked.size(), 1u);
    Free(first);
}

TEST_F(PoolTest, TreatsAnAlignmentBelowOneUnitAsOneUnit) {
    const Held none = Allocate(AskFor(300, 0));
    const Held small = Allocate(AskFor(300, 64));
    EXPECT_EQ(small.placement.offset_bytes % 256, 0u);
    Free(none);
    Free(small);
}

TEST_F(PoolTest, ServesAnAlignmentLargerThanAnyBlockAtTheStartOfBlocks) {
    const Held first = Allocate(AskFor(256, kGi));
    const Held second = Allocate(AskFor(256, kGi));
    EXPECT_EQ(first.placement.offset_bytes, 0u);
    EXPECT_EQ(second.placement.offset_bytes, 0u);
    EXPECT_NE(first.placement.handle, second.placement.handle);
    Free(first);
    Free(second);
}

TEST_F(PoolTest, RefusesWhatIsNoSizeOrNoAlignment) {
    Held slot;
    constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();
    for (const Request& bad : {
             Request{.requested_bytes = 0, .size_bytes = 0, .alignment_bytes = 256, .key = {}},
             Request{.requested_bytes = 1, .size_bytes = 256, .alignment_bytes = 768, .key = {}},
             Request{.requested_bytes = 1, .size_bytes = 256, .alignment_bytes = kHuge, .key = {}},
             Request{.requested_bytes = 1, .size_bytes = kHuge, .alignment_bytes = 256, .key = {}},
             Request{.requested_bytes = 1,
             .size_bytes = kHuge - 255,
             .alignment_bytes = 256,
             .key = {}},
             Request{.requested_bytes = 1,
             .size_bytes = Units::kMostBytes + 256,
             .alignment_bytes = 256,
             .key = {}},
             Request{.requested_bytes = 1,
             .size_bytes = 256,
             .alignment_bytes = uint64_t{1} << 63,
             .key = {}},
         }) {
        EXPECT_EQ(TryAllocate(bad, &slot), PlaceStatus::kNoBlock);
    }
    EXPECT_TRUE(source_.asked.empty()) << "no call of the driver for what it cannot mean";
    EXPECT_EQ(Totals().app.allocations, 0u);
    EXPECT_EQ(Totals().app.failed, 0u);
}

TEST_F(PoolTest, GivesARequestBeyondTheLargestBlockOneOfItsOwnSize) {
    const Held slot = Allocate(100 * kMi + 1);
    EXPECT_EQ(source_.asked, std::vector<uint64_t>{100 * kMi + 256});
    Free(slot);
    EXPECT_EQ(source_.live.size(), 0u);
}

TEST_F(PoolTest, ServesTheLargestSizeThatUnitsCount) {
    const Held slot = Allocate(Units::kMostBytes);
    EXPECT_EQ(source_.asked, std::vector<uint64_t>{Units::kMostBytes});
    Free(slot);
}

TEST_F(PoolTest, KeepsSlotsOfDifferentKeysInDifferentBlocks) {
    const ArenaKey keys[] = {
        {},
        {.allocate_flags = 2},
        {.priority_quarters = 4},
        {.kind = Kind::kLinear},
        {.allocate_flags = 2, .priority_quarters = 4, .kind = Kind::kLinear},
    };
    std::vector<Held> slots;
    for (int round = 0; round < 3; ++round) {
        for (const ArenaKey& key : keys)
            slots.push_back(Allocate(AskFor(500, 256, key)));
    }
    EXPECT_EQ(source_.live.size(), std::size(keys));
    for (size_t i = 0; i < slots.size(); ++i) {
        EXPECT_EQ(source_.live.at(slots[i].placement.handle).key, keys[i % std::size(keys)]);
        EXPECT_EQ(slots[i].placement.handle, slots[i % std::size(keys)].placement.handle);
    }
    Free(slots);
}

TEST_F(PoolTest, MovesASlotWithoutCountingAnAllocation) {
    const Held filler = Allocate(256);
    Held slot = Allocate(5000);
    const uint64_t before = slot.placement.offset_bytes;
    EXPECT_EQ(Move(slot, AskFor(5000, 65536)), PlaceStatus::kOk);
    EXPECT_EQ(slot.placement.offset_bytes % 65536, 0u);
    EXPECT_NE(slot.placement.offset_bytes, before);
    EXPECT_TRUE(table_.IsLive(slot.ref.name)) << "its name stays";
    EXPECT_EQ(Totals().moved_slots, 1u);
    EXPECT_EQ(Totals().app.allocations, 2u);
    EXPECT_EQ(Totals().app.frees, 0u);
    EXPECT_EQ(Totals().pooled.allocations, 2u);
    EXPECT_EQ(Totals().pooled.live_bytes, 5256u);
    const Held reuse = Allocate(5000);
    EXPECT_EQ(reuse.placement.offset_bytes, before) << "its old place is free again";
    Free(slot);
    Free(filler);
    Free(reuse);
}

TEST_F(PoolTest, MovesASlotIntoAnotherArena) {
    Held slot = Allocate(5000);
    const Request request = AskFor(5000, 256, {.kind = Kind::kLinear});
    EXPECT_EQ(Move(slot, request), PlaceStatus::kOk);
    EXPECT_EQ(source_.live.at(slot.placement.handle).key.kind, Kind::kLinear);
    EXPECT_EQ(source_.live.size(), 1u) << "the block that it left was empty and is given back";
    Free(slot);
}

TEST_F(PoolTest, LeavesASlotWhereItIsWhenItCannotMove) {
    Held slot = Allocate(5000);
    source_.capacity_bytes = source_.live_bytes;
    const Placement before = slot.placement;
    EXPECT_EQ(Move(slot, AskFor(2 * kMi)), PlaceStatus::kNoBlock);
    EXPECT_EQ(Move(slot, AskFor(0)), PlaceStatus::kNoBlock);
    EXPECT_EQ(slot.placement.handle, before.handle);
    EXPECT_EQ(slot.placement.offset_bytes, before.offset_bytes);
    EXPECT_EQ(Totals().moved_slots, 0u);
    EXPECT_EQ(Totals().pooled.live, 1u);
    Free(slot);
}

TEST_F(PoolTest, GivesBlocksBackWithLiveSlotsInThemWhenItEnds) {
    Allocate(1000);
    Allocate(AskFor(1000, 256, {.allocate_flags = 2}));
    EXPECT_EQ(source_.live.size(), 2u);
    pool_.reset();
    EXPECT_EQ(source_.live.size(), 0u);
    EXPECT_EQ(Totals().driver.live, 0u);
    EXPECT_EQ(Totals().driver.frees, 2u);
    EXPECT_EQ(Totals().pooled.blocks, 0u);
    EXPECT_EQ(Totals().pooled.block_bytes, 0u);
    EXPECT_EQ(Totals().app.live, 2u) << "the application never freed them, and that can be seen";
}

TEST_F(PoolTest, TellsWhatIsUnused) {
    const Held slot = Allocate(1000);
    pool().CountPassThrough(TESSERA_REASON_dedicated, 5000);
    const Occupancy occupancy = pool().GetOccupancy();
    EXPECT_EQ(occupancy.app_live_bytes, 6000u);
    EXPECT_EQ(occupancy.unused_block_bytes, kMi - 1024);
    pool().CountPassThroughFree(TESSERA_REASON_dedicated, 5000);
    Free(slot);
}

}  // namespace
}  // namespace tessera::pool
