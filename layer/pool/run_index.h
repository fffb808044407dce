// SPDX-License-Identifier: Apache-2.0
//
// Runs: ranges that are cut into slots of one size, and which of them have places left.
//
// The one idea: a slot in a run is a bit. Taking one is a bit scan of the first run in the list of
// its size class; nothing is split, merged or searched, and a slot costs no record of its own.
//
// A run hangs in the list of its class while it has both free places and taken ones: in that of
// working blocks or of resting ones, as its block was when it was hung there. A full run hangs
// nowhere. Of each class at most one empty run is kept; others give their range back.
//
// Threads: none of its own; the lock of the arena's shard guards all of it.
// Failure: host memory is got in Reserve alone.

#ifndef TESSERA_LAYER_POOL_RUN_INDEX_H_
#define TESSERA_LAYER_POOL_RUN_INDEX_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "layer/pool/range_index.h"
#include "layer/pool/size_class.h"

namespace tessera::pool {

// Names a run in a table of runs. Never 0 for a run.
using RunId = uint32_t;
inline constexpr RunId kNoRun = 0;

struct Run {
    enum class List : uint8_t { kNone, kWorking, kResting };
    uint64_t free_places = 0;  // bit i: place i is free
    NodeId range = kNoNode;    // what it was cut from; kNoNode: the record stands for no run
    RunId next = kNoRun;       // in its list; of an unused record: the next unused one
    RunId previous = kNoRun;
    Units offset;  // of the range
    uint32_t block = 0;
    uint8_t size_class = 0;
    uint8_t places = 0;
    uint8_t place_units = 0;
    List list = List::kNone;

    uint64_t AllPlaces() const noexcept { return ~uint64_t{0} >> (64 - places); }
};
static_assert(sizeof(Run) <= 40);

class RunIndex {
 public:
    RunIndex() = default;
    RunIndex(const RunIndex&) = delete;
    RunIndex& operator=(const RunIndex&) = delete;

    // Makes sure that the next Add has its host memory.
    // Returns: false if there is none; nothing changed then.
    bool Reserve() noexcept { return unused_ != kNoRun || limit_ < RoomEnd() || AddChunk(); }

    Run& At(RunId run) noexcept { return chunks_[run / kChunkRuns][run % kChunkRuns]; }
    const Run& Look(RunId run) const noexcept {
        return chunks_[run / kChunkRuns][run % kChunkRuns];
    }

    // The first run of a class with a free place, or kNoRun.
    RunId First(Run::List list, uint32_t size_class) const noexcept {
        return list == Run::List::kWorking ? working_[size_class] : resting_[size_class];
    }

    // The empty run of a class, or kNoRun.
    RunId Empty(uint32_t size_class) const noexcept { return empty_[size_class]; }

    // Makes a run of a range that was just taken; all its places are free, and it is the empty run
    // of its class. Requires: a Reserve since the last Add, and no empty run of the class.
    RunId Add(uint32_t size_class, NodeId range, const Node& node) noexcept;

    // Forgets a run. Returns: its range. Requires: it is empty, and hangs nowhere.
    NodeId Drop(RunId run) noexcept;

    // Takes a free place of `run`, which is that of `id`. Returns: its number.
    uint32_t TakePlace(RunId id, Run& run, Run::List list) noexcept;

    // Frees a place. Returns: true if the run is empty now; then it hangs nowhere.
    bool FreePlace(RunId id, Run& run, uint32_t place, Run::List list) noexcept;

    // Hangs a run with free and taken places into another list.
    void Rehang(RunId id, Run::List list) noexcept {
        Unhang(id);
        Hang(id, list);
    }

    // Keeps an empty run for its class, or not any more.
    void SetEmpty(uint32_t size_class, RunId run) noexcept { empty_[size_class] = run; }

    // All runs lie in [1, Limit()), unused ones among them.
    RunId Limit() const noexcept { return limit_; }

    // For tests and debug builds: walks everything (O(n)).
    bool CheckInvariants() const noexcept;

 private:
    static constexpr uint32_t kChunkRuns = 128;

    RunId RoomEnd() const noexcept { return static_cast<RunId>(chunks_.size()) * kChunkRuns; }
    bool AddChunk() noexcept;
    void Hang(RunId id, Run::List list) noexcept;
    void Unhang(RunId id) noexcept;
    std::array<RunId, kSizeClasses>& HeadsOf(Run::List list) noexcept {
        return list == Run::List::kWorking ? working_ : resting_;
    }

    std::array<RunId, kSizeClasses> working_{};
    std::array<RunId, kSizeClasses> resting_{};
    std::array<RunId, kSizeClasses> empty_{};
    std::vector<std::unique_ptr<Run[]>> chunks_;
    RunId limit_ = 1;  // records that were ever used, record 0 included
    RunId unused_ = kNoRun;
};

inline void RunIndex::Hang(RunId id, Run::List list) noexcept {
    Run& run = At(id);
    RunId& head = HeadsOf(list)[run.size_class];
    run.list = list;
    run.previous = kNoRun;
    run.next = head;
    if (head != kNoRun) At(head).previous = id;
    head = id;
}

inline void RunIndex::Unhang(RunId id) noexcept {
    Run& run = At(id);
    if (run.previous != kNoRun) {
        At(run.previous).next = run.next;
    } else {
        HeadsOf(run.list)[run.size_class] = run.next;
    }
    if (run.next != kNoRun) At(run.next).previous = run.previous;
    run.list = Run::List::kNone;
}

inline uint32_t RunIndex::TakePlace(RunId id, Run& run, Run::List list) noexcept {
    const auto place = static_cast<uint32_t>(std::countr_zero(run.free_places));
    run.free_places &= run.free_places - 1;
    if (run.list == Run::List::kNone) {  // it was empty
        empty_[run.size_class] = kNoRun;
        if (run.free_places != 0) Hang(id, list);
    } else if (run.free_places == 0) {
        Unhang(id);
    }
    return place;
}

inline bool RunIndex::FreePlace(RunId id, Run& run, uint32_t place, Run::List list) noexcept {
    const bool was_full = run.free_places == 0;
    run.free_places |= uint64_t{1} << place;
    if (run.free_places == run.AllPlaces()) {
        if (!was_full) Unhang(id);
        return true;
    }
    if (was_full) Hang(id, list);
    return false;
}

}  // namespace tessera::pool

#endif  // TESSERA_LAYER_POOL_RUN_INDEX_H_
