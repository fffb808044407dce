// SPDX-License-Identifier: Apache-2.0
//
// Eight threads that allocate, free, move and release at random, on one TypePool, with a driver
// that sometimes refuses. The judge is a map of each block with one byte for each unit: who is
// given a range marks it, and finds it unmarked unless the pool gave it to two at once.
//
// The number of operations is fixed, not the time; TESSERA_TEST_OPERATIONS sets another.

#include <gtest/gtest.h>

#include <array>
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

    tessera_shard_counters* AddCounters(uint32_t) noexcept override {
        const size_t line = ++last_line;
        return line < lines.size() ? &lines[line] : nullptr;
    }

    std::array<tessera_shard_counters, 16> lines{};
    std::atomic<size_t> last_line = 0;
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
            if (held_.empty() || dice < (growing ? 600u : 350u)) {
                Allocate();
            } else if (dice < 960) {
                Free();
            } else if (dice < 998) {
                Move();
            } else {
                pool_.ReleaseEmptyBlocks();
            }
            if (i % 4096 == 0) faults += !pool_.CheckShards();
        }
        while (!held_.empty())
            Free();
    }

    uint64_t faults = 0;
    uint64_t placed = 0;

 private:
    struct Held {
        SlotRef ref;
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
    void Mark(const Slot& slot, uint8_t mark) {
        Map& map = *reinterpret_cast<Map*>(slot.Handle());
        const uint64_t first = slot.OffsetBytes() / kUnitBytes;
        for (uint64_t unit = first; unit < first + slot.SizeBytes() / kUnitBytes; ++unit)
            faults += map.units.at(unit).exchange(mark, std::memory_order_relaxed) == mark;
    }

    void Allocate() {
        Held held{.ref = {}, .request = NewRequest()};
        if (pool_.Allocate(held.request, &held.ref) != PlaceStatus::kOk) return;
        ++placed;
        Check(held);
        Mark(*held.ref.slot, 1);
        held_.push_back(held);
    }

    void Check(const Held& held) {
        faults += held.ref.slot->OffsetBytes() % held.request.alignment_bytes != 0;
        faults += held.ref.slot->SizeBytes() < held.request.size_bytes;
        faults += held.ref.slot->RequestedBytes() != held.request.requested_bytes;
    }

    void Free() {
        std::swap(held_[Below(static_cast<uint32_t>(held_.size()))], held_.back());
        const Held& held = held_.back();
        Mark(*held.ref.slot, 0);
        SlotTable::Retire(*held.ref.slot);
        pool_.Free(*held.ref.slot, SlotTable::IdIn(held.ref.name));
        held_.pop_back();
    }

    void Move() {
        Held& held = held_[Below(static_cast<uint32_t>(held_.size()))];
        held.request.alignment_bytes = kUnitBytes << Below(8);
        // Its place may be given away before Move returns, so the mark goes first.
        Mark(*held.ref.slot, 0);
        if (pool_.Move(*held.ref.slot, held.request) == PlaceStatus::kOk)
            Check(held);
        else
            held.request.alignment_bytes = kUnitBytes;
        Mark(*held.ref.slot, 1);
    }

    TypePool& pool_;
    std::mt19937 random_;
    std::vector<Held> held_;
};

TEST(PoolStress, NeverGivesTheSamePlaceToTwoThreads) {
    const char* const wanted = std::getenv("TESSERA_TEST_OPERATIONS");
    const uint64_t operations = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 1000000;
    constexpr uint32_t kThreads = 8;

    MapSource source;
    SlotTable table;
    tessera_type_totals record{};
    {
        TypePool pool(0,
                      {.min_block_bytes = 1 << 18,
                       .max_block_bytes = 1 << 22,
                       .idle_bytes = 1 << 22,
                       .max_shards = kThreads},
                      table, source, record, source.lines[0]);
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
        const tessera_type_totals totals = pool.Totals();
        EXPECT_EQ(totals.pooled.live, 0u);
        EXPECT_EQ(totals.app.allocations, placed);
        EXPECT_EQ(totals.app.frees, placed);
        EXPECT_GT(placed, operations / 4);
        pool.ReleaseEmptyBlocks();
        EXPECT_EQ(source.live, 0);
        EXPECT_EQ(record.driver.failed + record.driver.allocations, source.calls);
    }
    EXPECT_EQ(source.marked_at_end, 0u);
}

}  // namespace
}  // namespace tessera::pool
