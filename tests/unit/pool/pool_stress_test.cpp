// SPDX-License-Identifier: Apache-2.0
//
// Eight threads that allocate, free, move and release at random, on one TypePool, with a driver
// that sometimes refuses. The judge is a map of each block with one byte for each unit: who is
// given a range marks it, and finds it unmarked unless the pool gave it to two at once.
//
// The number of operations is fixed, not the time; TESSERA_TEST_OPERATIONS sets another.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "layer/pool/type_pool.h"

namespace tessera::pool {
namespace {

// A block's map. Its address is the block's handle.
struct Map {
    explicit Map(uint64_t size_bytes) : units(size_bytes / kUnitBytes) {}
    std::vector<std::atomic<uint8_t>> units;
};

// Makes blocks of nothing but their map. Every 13th call is refused.
class MapSource final : public BlockSource {
 public:
    BlockStatus CreateBlock(uint32_t, const ArenaKey&, uint64_t size_bytes,
                            BlockMemory* memory) noexcept override {
        const uint64_t call = ++calls;
        if (call % 13 == 0) return BlockStatus::kOutOfMemory;
        if (call % 31 == 0) return BlockStatus::kObjectLimit;
        ++live;
        const auto handle = reinterpret_cast<uintptr_t>(new Map(size_bytes));
        *memory = {.handle = handle, .host = nullptr, .size_bytes = size_bytes};
        return BlockStatus::kOk;
    }
    void DestroyBlock(uint32_t, const BlockMemory& memory) noexcept override {
        const std::unique_ptr<Map> map(reinterpret_cast<Map*>(memory.handle));
        for (const auto& unit : map->units)
            marked_at_end += unit.load(std::memory_order_relaxed);
        --live;
    }

    std::atomic<uint64_t> calls = 0;
    std::atomic<int64_t> live = 0;
    std::atomic<uint64_t> marked_at_end = 0;
};

// What one thread does.
class Worker {
 public:
    Worker(TypePool& pool, uint32_t seed) : pool_(pool), random_(seed) {}

    void Run(uint64_t operations) {
        for (uint64_t i = 0; i < operations; ++i) {
            const uint32_t dice = Below(1000);
            const bool growing = i / 2000 % 2 == 0;
            if (slots_.empty() || dice < (growing ? 600u : 350u)) {
                Allocate();
            } else if (dice < 960) {
                Free();
            } else if (dice < 998) {
                Move();
            } else {
                pool_.ReleaseEmptyBlocks();
            }
            if (i % 4096 == 0) faults += !pool_.CheckInvariants();
        }
        while (!slots_.empty())
            Free();
    }

    uint64_t faults = 0;
    uint64_t placed = 0;

 private:
    struct Slot {
        Placement placement;
        Request request;
    };

    uint32_t Below(uint32_t limit) { return static_cast<uint32_t>(random_() % limit); }

    Request NewRequest() {
        const uint64_t bytes = 1 + Below(1u << (6 + Below(12)));
        return {.requested_bytes = bytes,
                .size_bytes = (bytes + kUnitBytes - 1) / kUnitBytes * kUnitBytes,
                .alignment_bytes = kUnitBytes << Below(8),
                .key = {.kind = Below(4) == 0 ? Kind::kLinear : Kind::kAny}};
    }

    // Sets each unit of the range to `mark`, and counts it as a fault if it was that before.
    void Mark(const Placement& placement, uint8_t mark) {
        Map& map = *reinterpret_cast<Map*>(placement.handle);
        const uint64_t first = placement.offset_bytes / kUnitBytes;
        for (uint64_t unit = first; unit < first + placement.size_bytes / kUnitBytes; ++unit)
            faults += map.units.at(unit).exchange(mark, std::memory_order_relaxed) == mark;
    }

    void Allocate() {
        Slot slot{.placement = {}, .request = NewRequest()};
        if (pool_.Allocate(slot.request, &slot.placement) != PlaceStatus::kOk) return;
        ++placed;
        Check(slot);
        Mark(slot.placement, 1);
        slots_.push_back(slot);
    }

    void Check(const Slot& slot) {
        faults += slot.placement.offset_bytes % slot.request.alignment_bytes != 0;
        faults += slot.placement.size_bytes < slot.request.size_bytes;
    }

    void Free() {
        std::swap(slots_[Below(static_cast<uint32_t>(slots_.size()))], slots_.back());
        const Slot& slot = slots_.back();
        Mark(slot.placement, 0);
        pool_.Free(slot.placement, slot.request.requested_bytes);
        slots_.pop_back();
    }

    void Move() {
        Slot& slot = slots_[Below(static_cast<uint32_t>(slots_.size()))];
        slot.request.alignment_bytes = kUnitBytes << Below(8);
        // Its place may be given away before Move returns, so the mark goes first.
        Mark(slot.placement, 0);
        const Placement from = slot.placement;
        if (pool_.Move(from, slot.request, &slot.placement) == PlaceStatus::kOk)
            Check(slot);
        else
            slot.request.alignment_bytes = kUnitBytes;
        Mark(slot.placement, 1);
    }

    TypePool& pool_;
    std::mt19937 random_;
    std::vector<Slot> slots_;
};

TEST(PoolStress, NeverGivesTheSamePlaceToTwoThreads) {
    const char* const wanted = std::getenv("TESSERA_TEST_OPERATIONS");
    const uint64_t operations = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 1000000;
    constexpr uint32_t kThreads = 8;

    MapSource source;
    tessera_type_totals totals{};
    {
        TypePool pool(
            0, {.min_block_bytes = 1 << 18, .max_block_bytes = 1 << 22, .idle_bytes = 1 << 22},
            source, totals);
        std::vector<Worker> workers;
        for (uint32_t i = 0; i < kThreads; ++i)
            workers.emplace_back(pool, i + 1);
        std::vector<std::thread> threads;
        for (Worker& worker : workers)
            threads.emplace_back([&] { worker.Run(operations / kThreads); });
        for (std::thread& thread : threads)
            thread.join();

        uint64_t placed = 0;
        for (const Worker& worker : workers) {
            EXPECT_EQ(worker.faults, 0u);
            placed += worker.placed;
        }
        EXPECT_TRUE(pool.CheckInvariants());
        EXPECT_EQ(totals.pooled.live, 0u);
        EXPECT_EQ(totals.app.allocations, placed);
        EXPECT_EQ(totals.app.frees, placed);
        EXPECT_GT(placed, operations / 4);
        pool.ReleaseEmptyBlocks();
        EXPECT_EQ(source.live, 0);
        EXPECT_EQ(totals.driver.failed + totals.driver.allocations, source.calls);
    }
    EXPECT_EQ(source.marked_at_end, 0u);
}

}  // namespace
}  // namespace tessera::pool
