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
#include <bit>
#include <cassert>
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
inline uint32_t BinOf(Units size) noexcept {
    const auto bits = static_cast<uint32_t>(std::bit_width(size.Count() | (kBinsPerGroup * 2 - 1)));
    const uint32_t exponent = bits - 6;
    return exponent * kBinsPerGroup + (size.Count() >> exponent);
}

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

    // Takes the first `size` of a block that is wholly free: from then on `whole` is that range.
    // Requires: as Take; `whole` is free, spans its block and has at least `size`.
    void TakeFront(NodeId whole, Units size) noexcept { Keep(whole, size, 1); }

    // Frees a taken range and merges it with its free neighbours. Returns: the merged range.
    NodeId Release(NodeId taken) noexcept;

    const Node& Look(NodeId node) const noexcept {
        return chunks_[node / kChunkNodes][node % kChunkNodes];
    }
    bool IsWholeBlock(NodeId node) const noexcept {
        return Look(node).before == kNoNode && Look(node).after == kNoNode;
    }

    // For tests and debug builds: the sum of all free ranges in units, by walking them (O(n)).
    uint64_t FreeUnits() const noexcept;

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

    // How many ranges of resting blocks one Take moves out of its way.
    static constexpr uint32_t kMostMoves = 4;

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
    Bins working_;
    Bins resting_;
    std::vector<uint8_t> rests_;  // by number of block: whether it rests
    uint32_t top_bin_ = 0;        // the highest bin that holds a range; bin 0 holds none
    bool top_rests_ = false;      // and where it is
    bool top_changed_ = false;
};

// ---- what every allocation and free does
// ---------------------------------------------------------

inline uint32_t AlignUp(Units offset, uint32_t alignment_units) noexcept {
    return (offset.Count() + (alignment_units - 1)) & ~(alignment_units - 1);
}

// Returns: whether `size` fits into `range` at a multiple of the alignment.
inline bool Fits(const Node& range, Units size, uint32_t alignment_units) noexcept {
    const uint64_t skipped = AlignUp(range.offset, alignment_units) - range.offset.Count();
    return skipped + size.Count() <= range.size.Count();
}

// Returns: the first bin from `bin` on that holds a range, or kNoBin.
inline uint32_t RangeIndex::Bins::FirstFrom(uint32_t bin) const noexcept {
    if (bin >= kBins) return kNoBin;
    const uint32_t group = bin / kBinsPerGroup;
    const uint32_t here = bits[group] & (~0u << (bin % kBinsPerGroup));
    if (here != 0) return group * kBinsPerGroup + static_cast<uint32_t>(std::countr_zero(here));
    const uint32_t above = groups & (~1u << group);
    if (above == 0) return kNoBin;
    const auto next = static_cast<uint32_t>(std::countr_zero(above));
    return next * kBinsPerGroup + static_cast<uint32_t>(std::countr_zero(bits[next]));
}

inline NodeId RangeIndex::NewNode() noexcept {
    assert(unused_count_ > 0);
    --unused_count_;
    if (unused_ == kNoNode) return node_limit_++;
    const NodeId id = unused_;
    unused_ = Look(id).next;
    return id;
}

inline void RangeIndex::DropNode(NodeId id) noexcept {
    Node& node = At(id);
    node.state = Node::State::kUnused;
    node.next = unused_;
    unused_ = id;
    ++unused_count_;
}

// Adds a range to its bin, in front: what was freed last is the likeliest to be in a cache.
inline void RangeIndex::Link(NodeId id) noexcept {
    Node& node = At(id);
    node.rests = Rests(node.block);
    Bins& bins = node.rests ? resting_ : working_;
    const uint32_t bin = BinOf(node.size);
    const NodeId head = bins.heads[bin];
    bins.heads[bin] = id;
    node.previous = kNoNode;
    node.next = head;
    At(head).previous = id;
    if (bin >= top_bin_) top_changed_ = true;
    if (head != kNoNode) return;  // the bin is marked already
    bins.bits[bin / kBinsPerGroup] |= 1u << (bin % kBinsPerGroup);
    bins.groups |= 1u << (bin / kBinsPerGroup);
    if (bin > top_bin_) FindTop();
}

// Takes a range out of its bin. Its size must still be the one it was linked with.
inline void RangeIndex::Unlink(NodeId id) noexcept {
    Node& node = At(id);
    At(node.next).previous = node.previous;
    if (node.previous != kNoNode) {
        At(node.previous).next = node.next;
        return;
    }
    Bins& bins = node.rests ? resting_ : working_;
    const uint32_t bin = BinOf(node.size);
    bins.heads[bin] = node.next;
    if (bin == top_bin_) top_changed_ = true;
    if (node.next != kNoNode) return;
    const uint32_t group = bin / kBinsPerGroup;
    bins.bits[group] &= ~(1u << (bin % kBinsPerGroup));
    if (bins.bits[group] == 0) bins.groups &= ~(1u << group);
    if (bin == top_bin_) FindTop();
}

// Cuts an unlinked free range down to the taken one and links what is left at either side.
inline void RangeIndex::Carve(NodeId id, Units size, uint32_t alignment_units) noexcept {
    Node& node = At(id);
    node.state = Node::State::kTaken;
    const Units skipped(AlignUp(node.offset, alignment_units) - node.offset.Count());
    if (skipped > Units(0)) {
        const NodeId lead = NewNode();
        At(lead) = Node{.offset = node.offset,
                        .size = skipped,
                        .before = node.before,
                        .after = id,
                        .block = node.block,
                        .state = Node::State::kFree};
        At(node.before).after = lead;
        node.before = lead;
        node.offset += skipped;
        node.size -= skipped;
        Link(lead);
    }
    if (node.size > size) {
        const NodeId rest = NewNode();
        At(rest) = Node{.offset = node.offset + size,
                        .size = node.size - size,
                        .before = id,
                        .after = node.after,
                        .block = node.block,
                        .state = Node::State::kFree};
        At(node.after).before = rest;
        node.after = rest;
        node.size = size;
        Link(rest);
    }
}

// Takes what was found, if anything.
inline NodeId RangeIndex::Keep(NodeId id, Units size, uint32_t alignment_units) noexcept {
    if (id == kNoNode) return kNoNode;
    Unlink(id);
    const Node& node = Look(id);
    if (node.rests) rests_[node.block] = false;
    Carve(id, size, alignment_units);
    return id;
}

// The first range that its size recommends nearly always fits: sizes below 64 units have bins of
// their own, and most alignments are one unit.
inline NodeId RangeIndex::Find(Units size, uint32_t alignment_units) noexcept {
    const uint32_t bin = BinOf(size);
    NodeId id = working_.heads[working_.FirstFrom(bin)];
    for (uint32_t moves = kMostMoves; id != kNoNode && Rests(Look(id).block) && moves > 0;
         --moves) {
        Unlink(id);
        Link(id);
        id = working_.heads[working_.FirstFrom(bin)];
    }
    if (Fits(Look(id), size, alignment_units)) return id;
    return FindIn(working_, size, alignment_units);
}

inline NodeId RangeIndex::TakeWorking(Units size, uint32_t alignment_units) noexcept {
    return Keep(Find(size, alignment_units), size, alignment_units);
}

// The freed node survives and swallows its neighbours, so that it needs no new one. At an end of
// the block the neighbour is node 0, which is never free.
inline NodeId RangeIndex::Release(NodeId taken) noexcept {
    Node& node = At(taken);
    assert(node.state == Node::State::kTaken);
    node.state = Node::State::kFree;
    if (const NodeId id = node.before; Look(id).state == Node::State::kFree) {
        Unlink(id);
        node.offset = Look(id).offset;
        node.size += Look(id).size;
        node.before = Look(id).before;
        At(node.before).after = taken;
        DropNode(id);
    }
    if (const NodeId id = node.after; Look(id).state == Node::State::kFree) {
        Unlink(id);
        node.size += Look(id).size;
        node.after = Look(id).after;
        At(node.after).before = taken;
        DropNode(id);
    }
    if (IsWholeBlock(taken)) rests_[node.block] = true;
    Link(taken);
    return taken;
}

}  // namespace tessera::pool

#endif  // TESSERA_LAYER_POOL_RANGE_INDEX_H_
