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
    // One node for the block, two for the Take that follows.
    if (!index_.Reserve(3)) return false;
    if (std::find(blocks_.begin(), blocks_.end(), nullptr) != blocks_.end()) return true;
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
    block->whole = index_.AddBlock(block->index, Units::FromBytesDown(block->memory.size_bytes));
    *place = std::move(block);
    return **place;
}

std::unique_ptr<Block> Arena::RemoveBlock(Block& block) noexcept {
    assert(block.live_slots == 0);
    index_.RemoveBlock(block.whole);
    return std::move(blocks_[block.index]);
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
    uint64_t block_units = 0;
    for (const auto& block : blocks_) {
        if (block == nullptr) continue;
        if (block->arena != this || blocks_[block->index] != block) return false;
        if (block->live_slots == 0 && !index_.IsWholeBlock(block->whole)) return false;
        live_slots -= block->live_slots;
        block_units += Units::FromBytesDown(block->memory.size_bytes).Count();
    }
    return live_slots == 0 && live_units == live_units_ &&
           block_units == live_units + index_.FreeUnits();
}

}  // namespace tessera::pool
