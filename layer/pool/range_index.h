// SPDX-License-Identifier: Apache-2.0
//
// Which ranges of an arena's blocks are free, and which of them suits a request: the placement
// algorithm, and nothing else. It knows blocks as numbers and never touches device memory.
//
// The one idea: a two-level segregated fit over all blocks at once. Free ranges hang in bins by
// size, a bitmap says which bins hold any, and the ranges of a block are linked in order of their
// offsets, so that taking a range and merging it with its neighbours each cost a bounded number of
// steps, whatever is live. Blocks either work or rest, and each kind has bins of its own: a resting
// block gets no new slot while a working one has room, so that it drains as its slots are freed,
// and stays empty until it is needed or given back. An empty block always rests; a block in use
// does when it is told to, and works again once it had to help out.
//
// A bin holds the sizes [floor, next floor): exact below 64 units, then 32 bins an octave, so that
// the sizes of a bin differ by less than 1/32.
//
// Threads: none of its own; the owner's lock guards all of it.
// Failure: host memory is got in Reserve and ReserveBlock alone. Nothing else can fail for want of
// it.

#ifndef TESSERA_LAYER_POOL_RANGE_INDEX_H_
#define TESSERA_LAYER_POOL_RANGE_INDEX_H_

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "layer/pool/units.h"

namespace tessera::pool {

// Names a range of a block, free or taken, in a table of nodes. Never 0 for a range.
using NodeId = uint32_t;
inline constexpr NodeId kNoNode = 0;

// What is known of a range. Records are reused; they never move.
struct Node {
    enum class State : uint16_t {
        kUnused,  // the record stands for no range
        kFree,
        kTaken,
    };
    Units offset;  // from the start of its block
    Units size;
    NodeId before = kNoNode;  // the neighbours in the block, kNoNode at its ends
    NodeId after = kNoNode;
    NodeId previous = kNoNode;  // while free: the neighbours in the bin
    NodeId next = kNoNode;      // while unused: the next unused record
    uint32_t block = 0;         // the owner's number of the block
    State state = State::kUnused;
    bool rests = false;  // while free: in which bins it hangs
};
static_assert(sizeof(Node) == 32, "two nodes share a cache line");

// Bins are numbered by size. Two levels: 28 groups of 32 bins reach to the end of 32 bits.
inline constexpr uint32_t kBinsPerGroup = 32;
inline constexpr uint32_t kGroups = 28;
inline constexpr uint32_t kBins = kBinsPerGroup * kGroups;
inline constexpr uint32_t kNoBin = kBins;

// Returns: the bin that a free range of `size` hangs in.
uint32_t BinOf(Units size) noexcept;

// Returns: the first bin all of whose ranges have at least `size`; kNoBin if there is none.
// Requires: `size` is not 0.
uint32_t FittingBin(uint64_t size_units) noexcept;

// Returns: the smallest size that hangs in `bin`.
Units FloorOf(uint32_t bin) noexcept;

class RangeIndex {
 public:
    RangeIndex() = default;
    RangeIndex(const RangeIndex&) = delete;
    RangeIndex& operator=(const RangeIndex&) = delete;

    // Makes sure that the next Take has its host memory.
    // Returns: false if there is none; nothing changed then.
    bool Reserve() noexcept { return unused_count_ >= 2 || AddChunk(); }

    // As Reserve, for AddBlock of a block of this number and a Take after it.
    bool ReserveBlock(uint32_t block) noexcept;

    // Adds a block as one free range. `block` is a number that no other block has; small numbers
    // cost less. `size` is not 0. Returns: that range. Requires: a ReserveBlock.
    NodeId AddBlock(uint32_t block, Units size) noexcept;

    // Forgets a block. Requires: `whole` is free and spans its block.
    void RemoveBlock(NodeId whole) noexcept;

    // Lets a block rest. Costs the same whatever is in it: its free ranges leave the bins of
    // working blocks one by one, as they come up in Take.
    void Rest(uint32_t block) noexcept { rests_[block] = true; }
    bool Rests(uint32_t block) const noexcept { return rests_[block] != 0; }

    // Puts a resting block back to work. Costs the same whatever is in it, as Rest does.
    // Requires: the block is not empty.
    void Work(uint32_t block) noexcept { rests_[block] = false; }

    // Takes a range of exactly `size` at a multiple of `alignment_units`. What the alignment skips
    // and what lies behind stays free. Returns: the range, or kNoNode if none was found. The search
    // is bounded: it finds any range of at least size + alignment - 1 (rounded up to a bin), and
    // most of the others.
    // Requires: a Reserve or ReserveBlock since the last Take; `size` is not 0, `alignment_units`
    // is a power of two.
    NodeId Take(Units size, uint32_t alignment_units) noexcept {
        const NodeId id = TakeWorking(size, alignment_units);
        return id != kNoNode ? id : TakeResting(size, alignment_units);
    }
    // The two parts of Take: from working blocks, and from resting ones.
    NodeId TakeWorking(Units size, uint32_t alignment_units) noexcept;
    NodeId TakeResting(Units size, uint32_t alignment_units) noexcept;

    // Frees a taken range and merges it with its free neighbours. Returns: the merged range.
    NodeId Release(NodeId taken) noexcept;

    const Node& Look(NodeId node) const noexcept {
        return chunks_[node / kChunkNodes][node % kChunkNodes];
    }
    bool IsWholeBlock(NodeId node) const noexcept {
        return Look(node).before == kNoNode && Look(node).after == kNoNode;
    }

    // The sum of all free ranges in units, which may pass 32 bits over many blocks.
    uint64_t FreeUnits() const noexcept { return free_units_; }

    // Returns: the size of a free range in the highest bin that holds any, 0 without any: less than
    // 1/32 below the largest of all, and exact while that bin holds one range.
    // Requires: a Reserve that succeeded.
    Units LargestFree() const noexcept {
        const Bins& bins = top_rests_ ? resting_ : working_;
        return Look(bins.heads[top_bin_]).size;
    }

    // Whether LargestFree may have changed since the last call.
    bool TakeTopChanged() noexcept { return std::exchange(top_changed_, false); }

    // All nodes lie in [1, NodeLimit()), unused ones among them.
    NodeId NodeLimit() const noexcept { return node_limit_; }

    // For tests and debug builds: walks everything (O(n)).
    bool CheckInvariants() const noexcept;

 private:
    // Free ranges by bin, and which bins hold any.
    struct Bins {
        uint32_t groups = 0;  // bit g: bits[g] is not 0
        std::array<uint32_t, kGroups> bits{};
        std::array<NodeId, kBins + 1> heads{};  // and kNoNode at kNoBin

        uint32_t FirstFrom(uint32_t bin) const noexcept;
        uint32_t Last() const noexcept;
    };

    // 1,024 nodes are 32 KiB: growth touches a bounded amount of memory, and a pool with a few
    // slots costs little.
    static constexpr uint32_t kChunkNodes = 1024;

    Node& At(NodeId node) noexcept { return chunks_[node / kChunkNodes][node % kChunkNodes]; }
    bool AddChunk() noexcept;
    NodeId NewNode() noexcept;
    void DropNode(NodeId node) noexcept;
    void Link(NodeId node) noexcept;
    void Unlink(NodeId node) noexcept;
    void FindTop() noexcept;
    NodeId Find(Units size, uint32_t alignment_units) noexcept;
    NodeId Keep(NodeId id, Units size, uint32_t alignment_units) noexcept;
    NodeId FindIn(const Bins& bins, Units size, uint32_t alignment_units) const noexcept;
    NodeId FindAmong(NodeId first, Units size, uint32_t alignment_units,
                     uint32_t& looks) const noexcept;
    void Carve(NodeId node, Units size, uint32_t alignment_units) noexcept;
    bool CheckBins(const Bins& bins, bool resting, uint64_t* free_ranges) const noexcept;
    bool CheckNeighbours() const noexcept;

    // Node 0 stands at both ends of every block and is always taken, so that merging needs no test
    // for an end. Its links mean nothing.
    std::vector<std::unique_ptr<Node[]>> chunks_;
    NodeId node_limit_ = 0;      // nodes that were ever used, node 0 included
    NodeId unused_ = kNoNode;    // chain of records that are free for use again
    uint32_t unused_count_ = 0;  // the chain and what lies beyond node_limit_
    uint64_t free_units_ = 0;
    Bins working_;
    Bins resting_;
    std::vector<uint8_t> rests_;  // by number of block: whether it rests
    uint32_t top_bin_ = 0;        // the highest bin that holds a range; bin 0 holds none
    bool top_rests_ = false;      // and where it is
    bool top_changed_ = false;
};

}  // namespace tessera::pool

#endif  // TESSERA_LAYER_POOL_RANGE_INDEX_H_
