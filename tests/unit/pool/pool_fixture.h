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
inline Request Ask(uint64_t bytes, uint64_t alignment_bytes = 256, const ArenaKey& key = {}) {
    return Request{.requested_bytes = bytes,
                   .size_bytes = (bytes + 255) / 256 * 256,
                   .alignment_bytes = alignment_bytes,
                   .key = key};
}

// An allocation as the application sees it.
struct Slot {
    Placement placement;
    uint64_t bytes = 0;
};

class PoolTest : public testing::Test {
 protected:
    // 1 MiB first blocks, at most 16 MiB, and no empty block kept, unless a test says otherwise.
    void Open(PoolLimits limits = {
                  .min_block_bytes = kMi, .max_block_bytes = 16 * kMi, .idle_bytes = 0}) {
        pool_ = std::make_unique<TypePool>(FakeSource::kType, limits, source_, totals_);
    }

    TypePool& pool() {
        if (pool_ == nullptr) Open();
        return *pool_;
    }

    PlaceStatus TryAllocate(const Request& request, Slot* slot) {
        const PlaceStatus status = pool().Allocate(request, &slot->placement);
        slot->bytes = request.requested_bytes;
        EXPECT_TRUE(pool().CheckInvariants());
        return status;
    }

    Slot Allocate(const Request& request) {
        Slot slot;
        EXPECT_EQ(TryAllocate(request, &slot), PlaceStatus::kOk);
        return slot;
    }
    Slot Allocate(uint64_t bytes) { return Allocate(Ask(bytes)); }

    void Free(const Slot& slot) {
        pool().Free(slot.placement, slot.bytes);
        EXPECT_TRUE(pool().CheckInvariants());
    }
    void Free(const std::vector<Slot>& slots) {
        for (const Slot& slot : slots)
            Free(slot);
    }

    // Fills the blocks that exist with slots of `bytes`, until the next one would need a block.
    std::vector<Slot> FillBlocks(uint64_t bytes) {
        std::vector<Slot> slots;
        while (totals_.pooled.largest_free_bytes >= bytes)
            slots.push_back(Allocate(bytes));
        return slots;
    }

    void TearDown() override {
        if (pool_ == nullptr) return;
        EXPECT_EQ(totals_.pooled.live, 0u) << "the test left slots behind";
        EXPECT_EQ(totals_.pooled.free_bytes, totals_.pooled.block_bytes);
        pool_.reset();
        EXPECT_EQ(totals_.pooled.blocks, 0u);
        EXPECT_TRUE(source_.live.empty());
    }

    FakeSource source_;
    tessera_type_totals totals_{};
    std::unique_ptr<TypePool> pool_;
};

}  // namespace tessera::pool

#endif  // TESSERA_TESTS_UNIT_POOL_POOL_FIXTURE_H_
