// SPDX-License-Identifier: Apache-2.0
//
// The blocks of one shard that one ArenaKey shares, with the indexes of what is free in them.
//
// The one idea: an arena is what a slot can be placed in at all. Slots of different keys need
// blocks of different properties, so each key has an arena of its own, and an arena knows nothing
// of the others. Small sizes of which there are many lie in runs (run_index.h), the rest in ranges
// (range_index.h), of which runs are cut.
//
// An arena that has more room than it needs lets its emptiest block rest: what is freed there is
// not used again, until the block is empty and can go.
//
// Threads: none of its own; the lock of the arena's shard guards all of it.

#ifndef TESSERA_LAYER_POOL_ARENA_H_
#define TESSERA_LAYER_POOL_ARENA_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "layer/pool/block.h"
#include "layer/pool/block_source.h"
#include "layer/pool/range_index.h"
#include "layer/pool/run_index.h"
#include "layer/pool/slot.h"
#include "layer/pool/units.h"

namespace tessera::pool {

// What a slot needs, checked and in units.
struct Fit {
    Units size;                    // not 0
    uint32_t alignment_units = 1;  // a power of two
};

// Aligned so that no two shards' arenas share what a processor fetches at once.
class alignas(128) Arena {
 public:
    explicit Arena(const ArenaKey& key) noexcept : key_(key) {}
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    const ArenaKey& Key() const noexcept { return key_; }
    const RangeIndex& Ranges() const noexcept { return ranges_; }
    uint64_t LiveUnits() const noexcept { return live_units_; }

    // Whether Ranges().LargestFree() may have changed since the last call.
    bool TakeLargestChanged() noexcept { return ranges_.TakeTopChanged(); }

    // Units of blocks that hold no slot: free ranges, and free places of runs.
    uint64_t FreeUnits() const noexcept { return block_units_ - live_units_; }

    // Makes sure that the next Take has its host memory.
    // Returns: false if there is none; nothing changed then.
    bool Reserve() noexcept { return ranges_.Reserve(); }

    // As Reserve, for AddBlock and a Take after it.
    bool ReserveBlock() noexcept;

    // Places a slot: writes all of its place but `slack_bytes` and `alignment_log2`.
    // Returns: false if no block here has room; the slot is as before then.
    // Requires: a Reserve or ReserveBlock since the last Take.
    bool Take(const Fit& fit, Slot& slot) noexcept;

    // As Take, at the start of an empty block, whatever room others have.
    // Requires: as Take; the block is empty and has at least `size`.
    void TakeFront(Block& block, Units size, Slot& slot) noexcept;

    // Ends a slot. Returns: true if its block is empty now.
    bool Release(const Slot& slot) noexcept;

    // Takes a new block in, empty. Requires: a ReserveBlock, and no Take since.
    void AddBlock(Block& block) noexcept;

    // Lets an empty block go: nothing here refers to it any more.
    void RemoveBlock(Block& block) noexcept;

    // All blocks, with null where one was let go.
    const std::vector<Block*>& Blocks() const noexcept { return blocks_; }

    // For tests and debug builds: walks everything (O(n)).
    bool CheckInvariants() const noexcept;

 private:
    // A class gets runs once this many of its slots lie in ranges: below, a run would hold more
    // free places than slots.
    static constexpr uint32_t kLooseBeforeRuns = 64;

    // How many runs of resting blocks one Take moves out of its way.
    static constexpr uint32_t kMostMoves = 4;

    // Choosing a block to rest walks all blocks: it is done once in this many releases, or in four
    // times as many as there are blocks, and costs next to nothing then.
    static constexpr uint32_t kReleasesPerLook = 64;
    static constexpr uint32_t kReleasesPerBlock = 4;

    // What must remain of the room of working blocks, as a part of what is live.
    static constexpr uint64_t kReserveShare = 6;
    static constexpr uint32_t kMostRests = 8;

    // Returns: the class of runs that serves `fit`, or kSizeClasses if ranges do.
    static uint32_t ClassFor(const Fit& fit) noexcept;

    RunId WorkingRun(uint32_t size_class) noexcept;
    bool TakeSmall(const Fit& fit, uint32_t size_class, Slot& slot) noexcept;
    RunId NewRun(uint32_t size_class) noexcept;
    RunId RestingRun(uint32_t size_class) noexcept;
    void TakePlace(RunId id, Slot& slot) noexcept;
    void TakeRange(NodeId node, Slot& slot) noexcept;
    void Describe(Block& block, Units offset, Units size, Slot& slot) noexcept;
    void ReleasePlace(const Slot& slot) noexcept;
    void DropRun(RunId id) noexcept;
    void DropEmptyRuns(const Block* of) noexcept;
    void LookForRest() noexcept;
    bool RestOne() noexcept;
    bool CheckBlocks() const noexcept;
    bool Rests(uint32_t block) const noexcept { return ranges_.Rests(block); }
    Run::List ListOf(uint32_t block) const noexcept {
        return Rests(block) ? Run::List::kResting : Run::List::kWorking;
    }

    const ArenaKey key_;
    RangeIndex ranges_;
    RunIndex runs_;
    std::array<uint32_t, kSizeClasses> loose_{};  // slots of a class that lie in ranges
    std::vector<Block*> blocks_;
    uint64_t block_units_ = 0;
    uint64_t live_units_ = 0;  // in slots
    uint32_t releases_ = 0;    // since LookForRest
};

inline uint32_t Arena::ClassFor(const Fit& fit) noexcept {
    const uint32_t units =
        (fit.size.Count() + (fit.alignment_units - 1)) & ~(fit.alignment_units - 1);
    // 0: it wrapped.
    if (units - 1 >= kMostRunUnits) return kSizeClasses;
    // What an alignment adds is lost in a run; in a range it stays free for others.
    if (units * 8 > fit.size.Count() * 9 + 7) return kSizeClasses;
    return SizeClassOf(units);
}

inline void Arena::Describe(Block& block, Units offset, Units size, Slot& slot) noexcept {
    slot.block = &block;
    slot.offset = offset;
    slot.size = size;
    slot.reused = offset < block.used;
    const Units end = offset + size;
    if (block.used < end) block.used = end;
    block.live += size;
    ++block.live_slots;
    live_units_ += size.Count();
}

inline void Arena::TakePlace(RunId id, Slot& slot) noexcept {
    Run& run = runs_.At(id);
    const uint32_t place = runs_.TakePlace(id, run, Run::List::kWorking);
    slot.origin = Origin::kRun;
    slot.ref = id;
    slot.position = static_cast<uint8_t>(place);
    const Units size(run.place_units);
    Describe(*blocks_[run.block], Units(run.offset.Count() + place * size.Count()), size, slot);
}

inline void Arena::TakeRange(NodeId node, Slot& slot) noexcept {
    const Node& range = ranges_.Look(node);
    slot.origin = Origin::kRange;
    slot.ref = node;
    Describe(*blocks_[range.block], range.offset, range.size, slot);
}

[[gnu::always_inline]] inline bool Arena::Take(const Fit& fit, Slot& slot) noexcept {
    // Many small ones: a bit of a run.
    const uint32_t size_class = ClassFor(fit);
    if (size_class != kSizeClasses) {
        const RunId run = runs_.First(Run::List::kWorking, size_class);
        if (run != kNoRun && !Rests(runs_.Look(run).block)) {
            TakePlace(run, slot);
            return true;
        }
        return TakeSmall(fit, size_class, slot);
    }
    const NodeId node = ranges_.Take(fit.size, fit.alignment_units);
    if (node == kNoNode) return false;
    TakeRange(node, slot);
    return true;
}

[[gnu::always_inline]] inline bool Arena::Release(const Slot& slot) noexcept {
    Block& block = *slot.block;
    live_units_ -= slot.size.Count();
    block.live -= slot.size;
    if (slot.origin == Origin::kRun) {
        ReleasePlace(slot);
    } else {
        const Fit fit{slot.size, slot.AlignmentBytes() > kUnitBytes
                                     ? static_cast<uint32_t>(slot.AlignmentBytes() / kUnitBytes)
                                     : 1};
        if (const uint32_t size_class = ClassFor(fit); size_class != kSizeClasses)
            --loose_[size_class];
        block.whole = ranges_.Release(slot.ref);
    }
    const bool empty = --block.live_slots == 0;
    if (empty) DropEmptyRuns(&block);
    if (++releases_ >= kReleasesPerLook) LookForRest();
    return empty;
}

}  // namespace tessera::pool

#endif  // TESSERA_LAYER_POOL_ARENA_H_
