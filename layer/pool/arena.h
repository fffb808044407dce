// SPDX-License-Identifier: Apache-2.0
//
// The blocks of one memory type that one ArenaKey shares, with the index of their ranges and the
// state of their growth.
//
// The one idea: an arena is what a slot can be placed in at all. Slots of different keys need
// blocks of different properties, so each key has an arena of its own, and an arena knows nothing
// of the others.
//
// An arena that has more room than it needs lets its emptiest block rest (see range_index.h): what
// is freed there is not used again, until the block is empty and can go.
//
// Threads: none of its own; the TypePool's lock guards all of it.

#ifndef TESSERA_LAYER_POOL_ARENA_H_
#define TESSERA_LAYER_POOL_ARENA_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "layer/pool/block.h"
#include "layer/pool/block_source.h"
#include "layer/pool/growth.h"
#include "layer/pool/range_index.h"
#include "layer/pool/units.h"

namespace tessera::pool {

// What a slot needs, checked and in units.
struct Fit {
    Units size;                    // not 0
    uint32_t alignment_units = 1;  // a power of two
};

class Arena {
 public:
    // Who makes a block, and how the last attempt ended.
    struct Growth {
        bool running = false;                 // one thread is at it, without the lock
        uint64_t finished = 0;                // attempts that ended, well or not
        BlockStatus last = BlockStatus::kOk;  // of the last attempt
        uint64_t refused_bytes = 0;  // from this size on, another attempt would fail like the last
        uint64_t ceiling_bytes = kNoCeiling;  // larger blocks were refused lately
    };

    explicit Arena(const ArenaKey& key) noexcept : key_(key) {}
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    const ArenaKey& Key() const noexcept { return key_; }
    const RangeIndex& Index() const noexcept { return index_; }
    uint64_t LiveUnits() const noexcept { return live_units_; }
    Growth& GrowthState() noexcept { return growth_; }

    // Makes sure that the next Take has its host memory.
    // Returns: false if there is none; nothing changed then.
    bool Reserve() noexcept { return index_.Reserve(); }

    // As Reserve, for AddBlock and a Take after it.
    bool ReserveBlock() noexcept;

    // Takes a slot. Returns: its range, or kNoNode if no block here has room.
    // Requires: a Reserve or ReserveBlock since the last Take.
    NodeId Take(const Fit& fit) noexcept;

    // Ends a slot of `block`.
    void Release(Block& block, NodeId taken) noexcept;

    // Takes a new block in, empty. Returns: the block. Requires: a ReserveBlock, and no Take since.
    Block& AddBlock(std::unique_ptr<Block> block) noexcept;

    // Lets an empty block go. Returns: the block, which nothing here refers to any more.
    std::unique_ptr<Block> RemoveBlock(Block& block) noexcept;

    Block& BlockOf(NodeId node) const noexcept { return *blocks_[index_.Look(node).block]; }

    // All blocks, with null where one was let go.
    const std::vector<std::unique_ptr<Block>>& Blocks() const noexcept { return blocks_; }

    // For tests and debug builds: walks everything (O(n)).
    bool CheckInvariants() const noexcept;

 private:
    // Choosing a block to rest walks all blocks. Blocks are few; one walk in this many releases
    // makes it cost nothing, and is soon enough: a block of slots takes that long to drain anyway.
    static constexpr uint32_t kReleasesPerLook = 256;

    void LookForRest() noexcept;

    const ArenaKey key_;
    RangeIndex index_;
    std::vector<std::unique_ptr<Block>> blocks_;
    uint64_t live_units_ = 0;  // in taken ranges
    uint32_t releases_ = 0;    // since LookForRest
    Growth growth_;
};

inline NodeId Arena::Take(const Fit& fit) noexcept {
    const NodeId node = index_.Take(fit.size, fit.alignment_units);
    if (node == kNoNode) return kNoNode;
    live_units_ += fit.size.Count();
    Block& block = BlockOf(node);
    block.live += fit.size;
    ++block.live_slots;
    return node;
}

inline void Arena::Release(Block& block, NodeId taken) noexcept {
    const Units size = index_.Look(taken).size;
    live_units_ -= size.Count();
    block.live -= size;
    const NodeId range = index_.Release(taken);
    if (--block.live_slots == 0) block.whole = range;
    if (++releases_ >= kReleasesPerLook) LookForRest();
}

}  // namespace tessera::pool

#endif  // TESSERA_LAYER_POOL_ARENA_H_
