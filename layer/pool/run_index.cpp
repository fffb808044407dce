// SPDX-License-Identifier: Apache-2.0
//
// Runs in and out of the table; see run_index.h.

#include "layer/pool/run_index.h"

#include <limits>
#include <new>

namespace tessera::pool {

bool RunIndex::AddChunk() noexcept {
    if (chunks_.size() >= std::numeric_limits<RunId>::max() / kChunkRuns) return false;
    try {
        chunks_.push_back(std::make_unique<Run[]>(kChunkRuns));
    } catch (const std::bad_alloc&) {
        return false;
    }
    return true;
}

RunId RunIndex::Add(uint32_t size_class, NodeId range, const Node& node) noexcept {
    RunId id = unused_;
    if (id != kNoRun) {
        unused_ = Look(id).next;
    } else {
        id = limit_++;
    }
    Run& run = At(id);
    run = Run{};
    run.range = range;
    run.offset = node.offset;
    run.block = node.block;
    run.size_class = static_cast<uint8_t>(size_class);
    run.place_units = static_cast<uint8_t>(ClassUnits(size_class));
    run.places = static_cast<uint8_t>(RunSlots(size_class));
    run.free_places = run.AllPlaces();
    empty_[size_class] = id;
    return id;
}

NodeId RunIndex::Drop(RunId id) noexcept {
    Run& run = At(id);
    const NodeId range = run.range;
    if (empty_[run.size_class] == id) empty_[run.size_class] = kNoRun;
    run.range = kNoNode;
    run.next = unused_;
    unused_ = id;
    return range;
}

bool RunIndex::CheckInvariants() const noexcept {
    uint64_t hung = 0;
    for (const auto list : {Run::List::kWorking, Run::List::kResting}) {
        for (uint32_t c = 0; c < kSizeClasses; ++c) {
            RunId previous = kNoRun;
            for (RunId id = First(list, c); id != kNoRun; id = Look(id).next) {
                const Run& run = Look(id);
                if (run.size_class != c || run.list != list || run.previous != previous)
                    return false;
                if (run.free_places == 0 || run.free_places == run.AllPlaces()) return false;
                previous = id;
                ++hung;
            }
        }
    }
    uint64_t partial = 0;
    for (RunId id = 1; id < limit_; ++id) {
        const Run& run = Look(id);
        if (run.range == kNoNode) continue;
        if ((run.free_places & ~run.AllPlaces()) != 0) return false;
        const bool empty = run.free_places == run.AllPlaces();
        if (empty != (empty_[run.size_class] == id)) return false;
        if (!empty && run.free_places != 0) ++partial;
        if ((run.list != Run::List::kNone) != (!empty && run.free_places != 0)) return false;
    }
    return hung == partial;
}

}  // namespace tessera::pool
