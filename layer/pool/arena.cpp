// SPDX-License-Identifier: Apache-2.0
//
// Runs and blocks in and out of an arena; see arena.h for what each slot costs.

#include "layer/pool/arena.h"

#include <algorithm>
#include <cassert>
#include <new>

namespace tessera::pool {

bool Arena::ReserveBlock() noexcept {
    const auto place = std::find(blocks_.begin(), blocks_.end(), nullptr);
    if (!ranges_.ReserveBlock(static_cast<uint32_t>(place - blocks_.begin()))) return false;
    if (place != blocks_.end()) return true;
    try {
        blocks_.push_back(nullptr);
    } catch (const std::bad_alloc&) {
        return false;
    }
    return true;
}

void Arena::AddBlock(Block& block) noexcept {
    const auto place = std::find(blocks_.begin(), blocks_.end(), nullptr);
    assert(place != blocks_.end());
    block.arena = this;
    block.index = static_cast<uint32_t>(place - blocks_.begin());
    block.size = Units::FromBytesDown(block.memory.size_bytes);
    block.whole = ranges_.AddBlock(block.index, block.size);
    block_units_ += block.size.Count();
    *place = &block;
}

void Arena::RemoveBlock(Block& block) noexcept {
    assert(block.live_slots == 0);
    ranges_.RemoveBlock(block.whole);
    block_units_ -= block.size.Count();
    blocks_[block.index] = nullptr;
}

void Arena::TakeFront(Block& block, Units size, Slot& slot) noexcept {
    const NodeId node = block.whole;
    ranges_.TakeFront(node, size);
    TakeRange(node, slot);
}

// Dearer and dearer: a run of a resting block moves to where it belongs, the class's empty run is
// used, a run is cut, a range is taken alone, and last of all a resting block has to help out.
bool Arena::TakeSmall(const Fit& fit, uint32_t size_class, Slot& slot) noexcept {
    RunId run = WorkingRun(size_class);
    if (run == kNoRun && loose_[size_class] >= kLooseBeforeRuns) run = NewRun(size_class);
    if (run != kNoRun) {
        TakePlace(run, slot);
        return true;
    }
    NodeId node = ranges_.TakeWorking(fit.size, fit.alignment_units);
    if (node == kNoNode) {
        run = RestingRun(size_class);
        if (run != kNoRun) {
            TakePlace(run, slot);
            return true;
        }
        node = ranges_.TakeResting(fit.size, fit.alignment_units);
        if (node == kNoNode) return false;
    }
    ++loose_[size_class];
    TakeRange(node, slot);
    return true;
}

// Returns: a run of the class that has a free place in a working block, or kNoRun.
RunId Arena::WorkingRun(uint32_t size_class) noexcept {
    for (uint32_t moves = kMostMoves; moves > 0; --moves) {
        const RunId id = runs_.First(Run::List::kWorking, size_class);
        if (id == kNoRun) break;
        if (!Rests(runs_.Look(id).block)) return id;
        runs_.Rehang(id, Run::List::kResting);
    }
    const RunId empty = runs_.Empty(size_class);
    return empty != kNoRun && !Rests(runs_.Look(empty).block) ? empty : kNoRun;
}

// Cuts a run from a working block, or from one that rests where there is no other: the whole of it
// will be used. Returns: kNoRun if there is no room for it, or no host memory.
RunId Arena::NewRun(uint32_t size_class) noexcept {
    if (runs_.Empty(size_class) != kNoRun || !runs_.Reserve()) return kNoRun;
    const Units size(ClassUnits(size_class) * RunSlots(size_class));
    const NodeId node = ranges_.TakeWorking(size, RunAlignment(size_class));
    if (node == kNoNode) return kNoRun;
    return runs_.Add(size_class, node, ranges_.Look(node));
}

// Returns: a run of the class that has a free place in a resting block, which works from then on;
// or kNoRun.
RunId Arena::RestingRun(uint32_t size_class) noexcept {
    RunId id = runs_.First(Run::List::kResting, size_class);
    if (id == kNoRun) id = runs_.First(Run::List::kWorking, size_class);
    if (id == kNoRun) id = runs_.Empty(size_class);
    if (id == kNoRun) return kNoRun;
    const Run& run = runs_.Look(id);
    ranges_.Work(run.block);
    if (run.list == Run::List::kResting) runs_.Rehang(id, Run::List::kWorking);
    return id;
}

void Arena::ReleasePlace(const Slot& slot) noexcept {
    const RunId id = slot.ref;
    Run& run = runs_.At(id);
    if (!runs_.FreePlace(id, run, slot.position, ListOf(run.block))) [[likely]]
        return;
    // One empty run of a class is kept, so that a slot that comes and goes does not cut a run each
    // time; unless it keeps a block from becoming empty that is to go.
    if (Rests(run.block) || runs_.Empty(run.size_class) != kNoRun) {
        DropRun(id);
    } else {
        runs_.SetEmpty(run.size_class, id);
    }
}

void Arena::DropRun(RunId id) noexcept {
    Block& block = *blocks_[runs_.Look(id).block];
    block.whole = ranges_.Release(runs_.Drop(id));
}

// Gives the ranges of empty runs back: of one block, or of all if `of` is null.
void Arena::DropEmptyRuns(const Block* of) noexcept {
    for (uint32_t c = 0; c < kSizeClasses; ++c) {
        const RunId id = runs_.Empty(c);
        if (id == kNoRun) continue;
        if (of == nullptr || blocks_[runs_.Look(id).block] == of) DropRun(id);
    }
}

// Lets the working blocks with the smallest live shares rest, as long as the others have room for
// all that lives in resting ones and a share of everything beside: about what is lost to
// fragmentation, so that the arena does not need a block for want of the resting ones.
void Arena::LookForRest() noexcept {
    if (releases_ < kReleasesPerBlock * blocks_.size()) return;
    releases_ = 0;
    for (uint32_t i = 0; i < kMostRests && RestOne(); ++i) {
    }
}

bool Arena::RestOne() noexcept {
    Block* emptiest = nullptr;
    uint64_t room = 0;
    uint64_t needed = live_units_ / kReserveShare;
    for (Block* const block : blocks_) {
        if (block == nullptr) continue;
        if (Rests(block->index)) {
            needed += block->live.Count();
            continue;
        }
        room += (block->size - block->live).Count();
        if (emptiest == nullptr || uint64_t{block->live.Count()} * emptiest->size.Count() <
                                       uint64_t{emptiest->live.Count()} * block->size.Count())
            emptiest = block;
    }
    if (emptiest == nullptr) return false;
    room -= (emptiest->size - emptiest->live).Count();
    if (room < needed + emptiest->live.Count()) return false;
    ranges_.Rest(emptiest->index);
    DropEmptyRuns(emptiest);
    return true;
}

// Compares the blocks with what lies in them: slots are in ranges that are taken and no runs, or in
// taken places of runs.
bool Arena::CheckBlocks() const noexcept {
    uint64_t live_units = 0;
    uint64_t block_units = 0;
    uint64_t free_in_runs = 0;
    for (RunId id = 1; id < runs_.Limit(); ++id) {
        const Run& run = runs_.Look(id);
        if (run.range == kNoNode) continue;
        const Node& node = ranges_.Look(run.range);
        if (node.state != Node::State::kTaken || node.block != run.block) return false;
        if (node.offset != run.offset) return false;
        if (node.size.Count() != run.places * ClassUnits(run.size_class)) return false;
        if (run.offset.Count() % RunAlignment(run.size_class) != 0) return false;
        free_in_runs += static_cast<uint64_t>(__builtin_popcountll(run.free_places)) *
                        ClassUnits(run.size_class);
    }
    for (const Block* const block : blocks_) {
        if (block == nullptr) continue;
        if (block->arena != this || blocks_[block->index] != block) return false;
        if (block->live_slots == 0 && !ranges_.IsWholeBlock(block->whole)) return false;
        if (block->size != Units::FromBytesDown(block->memory.size_bytes)) return false;
        live_units += block->live.Count();
        block_units += block->size.Count();
    }
    return live_units == live_units_ && block_units == block_units_ &&
           block_units == live_units_ + free_in_runs + ranges_.FreeUnits();
}

bool Arena::CheckInvariants() const noexcept {
    if (!ranges_.CheckInvariants() || !runs_.CheckInvariants()) return false;
    for (NodeId id = 1; id < ranges_.NodeLimit(); ++id) {
        const Node& node = ranges_.Look(id);
        if (node.state == Node::State::kUnused) continue;
        if (node.block >= blocks_.size() || blocks_[node.block] == nullptr) return false;
        if (node.offset.Bytes() + node.size.Bytes() > blocks_[node.block]->memory.size_bytes)
            return false;
    }
    return CheckBlocks();
}

}  // namespace tessera::pool
