// SPDX-License-Identifier: Apache-2.0
//
// What is rare in a shard: blocks, arenas and slots in and out. What is not is in fast_path.cpp.

#include "layer/pool/shard.h"

#include <algorithm>
#include <new>
#include <utility>

#include "layer/channel/counters.h"

namespace tessera::pool {

using channel::Load;
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

Arena* Shard::AddArena(const ArenaKey& key) noexcept {
    try {
        auto arena = std::make_unique<Arena>(key);
        if (!arena->Reserve()) return nullptr;
        arenas_.push_back(std::move(arena));
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
    return arenas_.back().get();
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

// Requires: inside a SequencedWrite.
void Shard::PublishLargest() noexcept {
    Units largest;
    for (const auto& arena : arenas_)
        largest = std::max(largest, arena->Ranges().LargestFree());
    Store(counters_.largest_free_bytes, largest.Bytes());
}

bool Shard::CheckInvariants() const noexcept {
    uint64_t occupied = 0;
    uint64_t empty_bytes = 0;
    Units largest;
    for (const auto& arena : arenas_) {
        if (!arena->CheckInvariants()) return false;
        largest = std::max(largest, arena->Ranges().LargestFree());
        for (const Block* const block : arena->Blocks()) {
            if (block == nullptr) continue;
            if (block->shard != this) return false;
            occupied += block->live.Bytes();
            if (block->live_slots == 0) empty_bytes += block->memory.size_bytes;
        }
    }
    return counters_.sequence % 2 == 0 && empty_bytes == idle_.Bytes() &&
           occupied == counters_.occupied_bytes && largest.Bytes() == counters_.largest_free_bytes;
}

}  // namespace tessera::pool
