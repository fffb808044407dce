// SPDX-License-Identifier: Apache-2.0
//
// What is rare in a shard: blocks, arenas and slots in and out. What is not is in fast_path.cpp.

#include "layer/pool/shard.h"

#include <algorithm>
#include <new>
#include <utility>

#include "layer/channel/counters.h"
#include "layer/pool/growth.h"

namespace tessera::pool {

using channel::Add;
using channel::SequencedWrite;
using channel::Store;

// Returns: the first of some new slots, which are free; or null without host memory.
Slot* Shard::AddSlots() noexcept {
    SlotId first = kNoSlot;
    const uint32_t count = table_.AddSlots(kSlotsAtOnce, &first);
    for (uint32_t i = count; i-- > 0;) {
        Slot& slot = table_.At(first + i);
        slot.ref = first + i;
        slot.next_free = free_;
        free_ = &slot;
    }
    return free_;
}

// How many arenas are for slots that share blocks.
ptrdiff_t Shard::FirstSoloArena() const noexcept {
    return std::count_if(arenas_.begin(), arenas_.end(),
                         [](const auto& arena) { return !arena->Key().solo; });
}

Arena* Shard::AddArena(const ArenaKey& key) noexcept {
    try {
        auto arena = std::make_unique<Arena>(key);
        if (!arena->Reserve()) return nullptr;
        // Those of solo blocks last, so that they are in nobody's way who looks for another.
        Arena* const made = arena.get();
        arenas_.insert(key.solo ? arenas_.end() : arenas_.begin() + FirstSoloArena(),
                       std::move(arena));
        return made;
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

// The block whose size is nearest to what the slot needs, and of equals the one that was freed
// last. Takes as long as there are empty blocks: a solo slot comes rarely, and what it is spared is
// a call of the driver.
Block* Shard::FindSolo(const Ask& ask) const noexcept {
    const uint64_t need = ask.fit.size.Bytes();
    uint64_t best_bytes = MostSoloBytes(need);
    Block* best = nullptr;
    for (Block* block = idle_.Oldest(); block != nullptr; block = block->newer) {
        const uint64_t bytes = block->memory.size_bytes;
        if (bytes < need || bytes > best_bytes || block->key != ask.key) continue;
        best = block;
        best_bytes = bytes;
    }
    return best;
}

PlaceStatus Shard::AllocateSolo(const Ask& ask, SlotRef* out) noexcept {
    if (free_ == nullptr && AddSlots() == nullptr) return PlaceStatus::kNoHostMemory;
    Block* const block = FindSolo(ask);
    if (block == nullptr) return PlaceStatus::kNoBlock;
    if (!block->arena->Reserve()) return PlaceStatus::kNoHostMemory;
    Slot& slot = *free_;
    const SlotId id = slot.ref;
    free_ = slot.next_free;
    NoteAllocator();
    RemoveIdle(*block);
    block->arena->TakeFront(*block, ask.fit.size, slot);
    slot.slack_bytes = static_cast<uint32_t>(slot.size.Bytes() - ask.requested_bytes);
    slot.alignment_log2 = kSoloAlignmentLog2;
    {
        SequencedWrite write(counters_.sequence);
        Add(counters_.allocations, 1);
        Add(counters_.allocated_bytes, ask.requested_bytes);
        Add(counters_.occupied_bytes, slot.size.Bytes());
    }
    slot.owner_flags = 0;
    out->slot = &slot;
    out->name = table_.Publish(slot, id);
    if (table_.recorder().on()) RecordAllocation(slot, id, out->name);
    return PlaceStatus::kOk;
}

channel::AllocationFacts Shard::FactsOf(const Slot& slot, uint64_t name) noexcept {
    const ArenaKey& key = slot.Key();
    channel::AllocationFacts facts;
    facts.object = name;
    facts.size_bytes = slot.RequestedBytes();
    facts.offset = slot.OffsetBytes();
    facts.block = slot.block->memory.record;
    facts.padding = slot.slack_bytes;
    facts.type = static_cast<uint8_t>(slot.TypeIndex());
    static_assert(TESSERA_ALLOCATION_SOLO == 4 && TESSERA_ALLOCATION_LARGE == 8 &&
                  TESSERA_ALLOCATION_LINEAR == 16);
    facts.flags = uint32_t{key.solo} << 2 | uint32_t{key.large} << 3 |
                  static_cast<uint32_t>(key.kind == Kind::kLinear) << 4;
    return facts;
}

void Shard::RecordAllocation(const Slot& slot, SlotId id, uint64_t name) noexcept {
    table_.recorder().Allocated(id, FactsOf(slot, name), lane_);
}

// The name was retired, but nobody else has had the slot's number since. A slot that was returned
// before anything was recorded has no record, and its end is no news.
void Shard::RecordFree(const Slot& slot, SlotId id, bool returned) noexcept {
    const bool recorded = table_.recorder().Freed(id);
    if (table_.recorder().records_events() && (recorded || !returned)) NoteFree(slot, id);
}

[[gnu::noinline]] void Shard::NoteFree(const Slot& slot, SlotId id) noexcept {
    channel::AllocationFacts facts;
    facts.object = SlotTable::LastNameOf(slot, id);
    facts.size_bytes = slot.RequestedBytes();
    facts.type = static_cast<uint8_t>(slot.TypeIndex());
    table_.recorder().NoteFree(facts, lane_);
}

bool Shard::ReserveBlock(const ArenaKey& key) noexcept {
    Arena* arena = FindArena(key);
    if (arena == nullptr) arena = AddArena(key);
    return arena != nullptr && arena->ReserveBlock();
}

void Shard::AddBlock(Block& block) noexcept {
    block.shard = this;
    FindArena(block.key)->AddBlock(block);
    AddIdle(block);
    SequencedWrite write(counters_.sequence);
    PublishLargest();
}

void Shard::RemoveBlock(Block& block) noexcept {
    RemoveIdle(block);
    block.arena->RemoveBlock(block);
    block.arena = nullptr;
    block.shard = nullptr;
    SequencedWrite write(counters_.sequence);
    PublishLargest();
}

// What a slot may be placed in: a solo block is not for any.
Units Shard::LargestFree() const noexcept {
    Units largest;
    for (const auto& arena : arenas_) {
        if (arena->Key().solo) break;  // and so are all that follow
        largest = std::max(largest, arena->Ranges().LargestFree());
    }
    return largest;
}

// Requires: inside a SequencedWrite.
void Shard::PublishLargest() noexcept {
    Store(counters_.largest_free_bytes, LargestFree().Bytes());
}

bool Shard::CheckInvariants() const noexcept {
    uint64_t occupied = 0;
    uint64_t empty_bytes = 0;
    bool solo = false;
    for (const auto& arena : arenas_) {
        if (!arena->CheckInvariants()) return false;
        // Solo arenas come last.
        if (solo && !arena->Key().solo) return false;
        solo = arena->Key().solo;
        for (const Block* const block : arena->Blocks()) {
            if (block == nullptr) continue;
            if (block->shard != this || block->key != arena->Key()) return false;
            if (solo && block->live_slots > 1) return false;
            occupied += block->live.Bytes();
            if (block->live_slots == 0) empty_bytes += block->memory.size_bytes;
        }
    }
    return counters_.sequence % 2 == 0 && empty_bytes == idle_.Bytes() &&
           occupied == counters_.occupied_bytes &&
           LargestFree().Bytes() == counters_.largest_free_bytes;
}

}  // namespace tessera::pool
