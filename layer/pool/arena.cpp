// SPDX-License-Identifier: Apache-2.0
//
// Blocks in and out of an arena; see arena.h. Placement itself is RangeIndex's.

#include "layer/pool/arena.h"

#include <algorithm>
#include <cassert>
#include <new>
#include <utility>

namespace tessera::pool {

bool Arena::ReserveBlock() noexcept {
    const auto place = std::find(blocks_.begin(), blocks_.end(), nullptr);
    if (!index_.ReserveBlock(static_cast<uint32_t>(place - blocks_.begin()))) return false;
    if (place != blocks_.end()) return true;
    try {
        blocks_.push_back(nullptr);
    } catch (const std::bad_alloc&) {
        return false;
    }
    return true;
}

Block& Arena::AddBlock(std::unique_ptr<Block> block) noexcept {
    const auto place = std::find(blocks_.begin(), blocks_.end(), nullptr);
    assert(place != blocks_.end());
    block->arena = this;
    block->index = static_cast<uint32_t>(place - blocks_.begin());
    block->size = Units::FromBytesDown(block->memory.size_bytes);
    block->whole = index_.AddBlock(block->index, block->size);
    *place = std::move(block);
    return **place;
}

std::unique_ptr<Block> Arena::RemoveBlock(Block& block) noexcept {
    assert(block.live_slots == 0);
    index_.RemoveBlock(block.whole);
    return std::move(blocks_[block.index]);
}

// Lets the working block with the smallest live share rest, if the other working blocks have room
// for all that lives in resting ones and an eighth of everything beside: about what is lost to
// fragmentation, so that the arena does not need a block for want of the resting ones.
void Arena::LookForRest() noexcept {
    releases_ = 0;
    Block* emptiest = nullptr;
    uint64_t room = 0;
    uint64_t needed = live_units_ / 8;
    for (const auto& block : blocks_) {
        if (block == nullptr) continue;
        if (index_.Rests(block->index)) {
            needed += block->live.Count();
            continue;
        }
        room += (block->size - block->live).Count();
        if (emptiest == nullptr || uint64_t{block->live.Count()} * emptiest->size.Count() <
                                       uint64_t{emptiest->live.Count()} * block->size.Count())
            emptiest = block.get();
    }
    if (emptiest == nullptr) return;
    room -= (emptiest->size - emptiest->live).Count();
    if (room >= needed + emptiest->live.Count()) index_.Rest(emptiest->index);
}

bool Arena::CheckInvariants() const noexcept {
    if (!index_.CheckInvariants()) return false;
    uint64_t live_units = 0;
    uint64_t live_slots = 0;
    for (NodeId id = 1; id < index_.NodeLimit(); ++id) {
        const Node& node = index_.Look(id);
        if (node.state == Node::State::kUnused) continue;
        if (node.block >= blocks_.size() || blocks_[node.block] == nullptr) return false;
        if (node.offset.Bytes() + node.size.Bytes() > blocks_[node.block]->memory.size_bytes)
            return false;
        if (node.state != Node::State::kTaken) continue;
        live_units += node.size.Count();
        ++live_slots;
    }
    if (live_units != live_units_) return false;
    uint64_t block_units = 0;
    for (const auto& block : blocks_) {
        if (block == nullptr) continue;
        if (block->arena != this || blocks_[block->index] != block) return false;
        if (block->live_slots == 0 && !index_.IsWholeBlock(block->whole)) return false;
        if (block->size != Units::FromBytesDown(block->memory.size_bytes)) return false;
        live_units -= block->live.Count();
        live_slots -= block->live_slots;
        block_units += block->size.Count();
    }
    return live_slots == 0 && live_units == 0 && block_units == live_units_ + index_.FreeUnits();
}

}  // namespace tessera::pool
