// SPDX-License-Identifier: Apache-2.0
//
// A TypePool over a FakeSource, and short ways to ask it for things. Every operation through the
// fixture checks the pool's invariants afterwards; the end of a test checks that an empty heap is
// left.
#ifndef TESSERA_TESTS_UNIT_POOL_POOL_FIXTURE_H_
#define TESSERA_TESTS_UNIT_POOL_POOL_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "fake_source.h"
#include "layer/pool/type_pool.h"

namespace tessera::pool {

inline constexpr uint64_t kKi = uint64_t{1} << 10;
inline constexpr uint64_t kMi = uint64_t{1} << 20;
inline constexpr uint64_t kGi = uint64_t{1} << 30;

// A request of `bytes`, padded to whole units as the layer does it.
inline Request AskFor(uint64_t bytes, uint64_t alignment_bytes = 256, const ArenaKey& key = {}) {
    return Request{.requested_bytes = bytes,
                   .size_bytes = (bytes + 255) / 256 * 256,
                   .alignment_bytes = alignment_bytes,
                   .key = key};
}

// Where a slot lies, in bytes.
struct Placement {
    uint64_t handle = 0;
    std::byte* host = nullptr;
    uint64_t offset_bytes = 0;
    uint64_t size_bytes = 0;
    bool reused = false;

    static Placement Of(const Slot& slot) {
        return {slot.Handle(), slot.Host(), slot.OffsetBytes(), slot.SizeBytes(), slot.reused != 0};
    }
};

// An allocation as its owner has it.
struct Held {
    SlotRef ref;
    Placement placement;  // when it was made
    uint64_t bytes = 0;
};

class PoolTest : public testing::Test {
 protected:
    // 1 MiB first blocks, at most 16 MiB, as large as what is live, and no empty block kept, unless
    // a test says otherwise.
    void Open(PoolLimits limits = {
                  .min_block_bytes = kMi, .max_block_bytes = 16 * kMi, .idle_bytes = 0}) {
        limits.growth_share = 1;
        OpenAs(limits);
    }
    void OpenAs(const PoolLimits& limits) {
        pool_ = std::make_unique<TypePool>(FakeSource::kType, limits, table_, source_, record_,
                                           source_.lines[0]);
    }

    TypePool& pool() {
        if (pool_ == nullptr) Open();
        return *pool_;
    }

    // What a reader of the record would make of it.
    tessera_type_totals Totals() const {
        tessera_type_totals totals = record_;
        for (const tessera_shard_counters& line : source_.lines)
            tessera_add_shard(&totals, &line);
        return totals;
    }

    PlaceStatus TryAllocate(const Request& request, Held* held) {
        const PlaceStatus status = pool().Allocate(request, &held->ref);
        if (status == PlaceStatus::kOk) {
            held->placement = Placement::Of(*held->ref.slot);
            EXPECT_EQ(held->ref.slot->RequestedBytes(), request.requested_bytes);
            EXPECT_TRUE(table_.IsLive(held->ref.name));
        }
        held->bytes = request.requested_bytes;
        EXPECT_TRUE(pool().CheckInvariants());
        return status;
    }

    Held Allocate(const Request& request) {
        Held held;
        EXPECT_EQ(TryAllocate(request, &held), PlaceStatus::kOk);
        return held;
    }
    Held Allocate(uint64_t bytes) { return Allocate(AskFor(bytes)); }

    void Free(const Held& held) {
        SlotTable::Retire(*held.ref.slot);
        pool().Free(*held.ref.slot, SlotTable::IdIn(held.ref.name));
        EXPECT_TRUE(pool().CheckInvariants());
    }
    void Free(const std::vector<Held>& all) {
        for (const Held& held : all)
            Free(held);
    }

    // The same without a look at the invariants, which takes as long as there are slots.
    PlaceStatus Quick(const Request& request, Held* held) {
        held->bytes = request.requested_bytes;
        return pool_->Allocate(request, &held->ref);
    }
    void FreeQuick(const Held& held) {
        SlotTable::Retire(*held.ref.slot);
        pool_->Free(*held.ref.slot, SlotTable::IdIn(held.ref.name));
    }

    // For a test that begins anew. Requires: the pool is gone.
    void Forget() {
        record_ = {};
        source_.lines = {};
    }

    PlaceStatus Move(Held& held, const Request& request) {
        const PlaceStatus status = pool().Move(*held.ref.slot, request);
        held.placement = Placement::Of(*held.ref.slot);
        EXPECT_TRUE(pool().CheckInvariants());
        return status;
    }

    // Fills the blocks that exist with slots of `bytes`, until the next one would need a block.
    std::vector<Held> FillBlocks(uint64_t bytes) {
        std::vector<Held> slots;
        while (Totals().pooled.largest_free_bytes >= bytes)
            slots.push_back(Allocate(bytes));
        return slots;
    }

    void TearDown() override {
        if (pool_ == nullptr) return;
        EXPECT_EQ(Totals().pooled.live, 0u) << "the test left slots behind";
        EXPECT_EQ(Totals().pooled.free_bytes, Totals().pooled.block_bytes);
        pool_.reset();
        EXPECT_EQ(Totals().pooled.blocks, 0u);
        EXPECT_TRUE(source_.live.empty());
    }

    FakeSource source_;
    SlotTable table_;
    tessera_type_totals record_{};
    std::unique_ptr<TypePool> pool_;
};

}  // namespace tessera::pool

#endif  // TESSERA_TESTS_UNIT_POOL_POOL_FIXTURE_H_
