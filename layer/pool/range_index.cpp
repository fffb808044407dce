// SPDX-License-Identifier: Apache-2.0
//
// The segregated fit of range_index.h. What every allocation and free does is in the header; this
// is the rest.
//
// Bin numbers: for a size of b significant bits let e = max(b, 6) - 6; the bin is 32 * e plus the
// six leading bits (size >> e). Below 64 units that is the size itself; above, the sixth leading
// bit is always set and carries into the next group, which makes the numbers contiguous.

#include "layer/pool/range_index.h"

#include <bit>
#include <cassert>
#include <limits>
#include <new>

namespace tessera::pool {
namespace {

// How many ranges of a bin, and how many heads of larger bins, are tried for an aligned fit before
// a bin is taken where everything fits. Four cover nearly all hits, each costs a cache miss.
constexpr uint32_t kQuickLooks = 4;

// How many ranges are tried before giving up: what follows is a resting block or a call of the
// driver, each dearer than this.
constexpr uint32_t kLastLooks = 64;

// Returns: the number of the highest bit that is set, 0 if none is.
uint32_t HighestBit(uint32_t bits) noexcept {
    return static_cast<uint32_t>(std::bit_width(bits | 1)) - 1;
}

}  // namespace

uint32_t FittingBin(uint64_t size_units) noexcept {
    if (size_units > std::numeric_limits<uint32_t>::max()) return kNoBin;
    return BinOf(Units(static_cast<uint32_t>(size_units - 1))) + 1;
}

Units FloorOf(uint32_t bin) noexcept {
    if (bin < 2 * kBinsPerGroup) return Units(bin);
    const uint32_t exponent = bin / kBinsPerGroup - 1;
    return Units((bin % kBinsPerGroup + kBinsPerGroup) << exponent);
}

// Returns: the last bin that holds a range, 0 without any.
uint32_t RangeIndex::Bins::Last() const noexcept {
    const uint32_t group = HighestBit(groups);
    return group * kBinsPerGroup + HighestBit(bits[group]);
}

bool RangeIndex::ReserveBlock(uint32_t block) noexcept {
    // One node for the block, two for the Take that follows.
    if (unused_count_ < 3 && !AddChunk()) return false;
    try {
        if (rests_.size() <= block) rests_.resize(size_t{block} + 1);
    } catch (const std::bad_alloc&) {
        return false;
    }
    return true;
}

NodeId RangeIndex::AddBlock(uint32_t block, Units size) noexcept {
    const NodeId id = NewNode();
    At(id) = Node{.offset = Units(0), .size = size, .block = block, .state = Node::State::kFree};
    rests_[block] = true;
    Link(id);
    return id;
}

void RangeIndex::RemoveBlock(NodeId whole) noexcept {
    assert(IsWholeBlock(whole) && Look(whole).state == Node::State::kFree);
    Unlink(whole);
    DropNode(whole);
}

NodeId RangeIndex::TakeResting(Units size, uint32_t alignment_units) noexcept {
    return Keep(FindIn(resting_, size, alignment_units), size, alignment_units);
}

// Cheapest first: the bin of this size, then the heads of the next larger bins, then the first bin
// where any range fits however it lies, then a closer look at what was passed over.
NodeId RangeIndex::FindIn(const Bins& bins, Units size, uint32_t alignment_units) const noexcept {
    const uint32_t own = BinOf(size);
    const uint32_t certain = FittingBin(uint64_t{size.Count()} + alignment_units - 1);
    uint32_t looks = kQuickLooks;
    if (const NodeId id = FindAmong(bins.heads[own], size, alignment_units, looks); id != kNoNode)
        return id;
    uint32_t bin = bins.FirstFrom(own + 1);
    for (uint32_t tries = 0; tries < kQuickLooks && bin < certain; ++tries) {
        if (Fits(Look(bins.heads[bin]), size, alignment_units)) return bins.heads[bin];
        bin = bins.FirstFrom(bin + 1);
    }
    bin = bins.FirstFrom(certain);
    if (bin != kNoBin) return bins.heads[bin];

    looks = kLastLooks;
    for (bin = bins.FirstFrom(own); bin < certain && looks > 0; bin = bins.FirstFrom(bin + 1)) {
        const NodeId id = FindAmong(bins.heads[bin], size, alignment_units, looks);
        if (id != kNoNode) return id;
    }
    return kNoNode;
}

// Tries the ranges of a bin from `first` on, each at the price of one of `looks`.
NodeId RangeIndex::FindAmong(NodeId first, Units size, uint32_t alignment_units,
                             uint32_t& looks) const noexcept {
    for (NodeId node = first; node != kNoNode && looks > 0; node = Look(node).next, --looks) {
        if (Fits(Look(node), size, alignment_units)) return node;
    }
    return kNoNode;
}

bool RangeIndex::AddChunk() noexcept {
    constexpr size_t kMostChunks = std::numeric_limits<NodeId>::max() / kChunkNodes;
    if (chunks_.size() >= kMostChunks) return false;
    try {
        chunks_.push_back(std::make_unique<Node[]>(kChunkNodes));
    } catch (const std::bad_alloc&) {
        return false;
    }
    unused_count_ += kChunkNodes;
    if (node_limit_ == 0) At(NewNode()).state = Node::State::kTaken;  // node 0, see range_index.h
    return true;
}

// Called only when the highest bin changed, which is rare; reading it costs nothing then.
void RangeIndex::FindTop() noexcept {
    const uint32_t working = working_.Last();
    const uint32_t resting = resting_.Last();
    top_rests_ = resting > working;
    top_bin_ = top_rests_ ? resting : working;
}

uint64_t RangeIndex::FreeUnits() const noexcept {
    uint64_t units = 0;
    for (NodeId id = 1; id < node_limit_; ++id)
        if (Look(id).state == Node::State::kFree) units += Look(id).size.Count();
    return units;
}

bool RangeIndex::CheckInvariants() const noexcept {
    uint64_t free_ranges = 0;
    if (!CheckBins(working_, false, &free_ranges) || !CheckBins(resting_, true, &free_ranges))
        return false;
    uint64_t free_nodes = 0;
    uint64_t unused_nodes = 0;
    for (NodeId id = 1; id < node_limit_; ++id) {
        const Node& node = Look(id);
        if (node.state == Node::State::kUnused) ++unused_nodes;
        if (node.state == Node::State::kFree) ++free_nodes;
    }
    const uint64_t never_used = chunks_.size() * uint64_t{kChunkNodes} - node_limit_;
    return free_ranges == free_nodes && unused_nodes + never_used == unused_count_ &&
           CheckNeighbours();
}

// Adds the ranges in `bins` to `*free_ranges`; each must be free and hang where its size says, and
// a whole block must rest.
bool RangeIndex::CheckBins(const Bins& bins, bool resting, uint64_t* free_ranges) const noexcept {
    for (uint32_t bin = 0; bin < kBins; ++bin) {
        const uint32_t group = bin / kBinsPerGroup;
        const bool marked = (bins.bits[group] >> (bin % kBinsPerGroup) & 1) != 0;
        if (marked != (bins.heads[bin] != kNoNode)) return false;
        if (((bins.groups >> group & 1) != 0) != (bins.bits[group] != 0)) return false;
        NodeId previous = kNoNode;
        for (NodeId id = bins.heads[bin]; id != kNoNode; id = Look(id).next) {
            const Node& node = Look(id);
            if (node.state != Node::State::kFree || node.previous != previous) return false;
            if (BinOf(node.size) != bin || node.rests != resting) return false;
            if (IsWholeBlock(id) && !(resting && Rests(node.block))) return false;
            previous = id;
            ++*free_ranges;
        }
    }
    return true;
}

// Neighbours must name each other, touch, belong to one block and not both be free.
bool RangeIndex::CheckNeighbours() const noexcept {
    for (NodeId id = 1; id < node_limit_; ++id) {
        const Node& node = Look(id);
        if (node.state == Node::State::kUnused) continue;
        if (node.size == Units(0)) return false;
        if ((node.before == kNoNode) != (node.offset == Units(0))) return false;
        if (node.after == kNoNode) continue;
        const Node& after = Look(node.after);
        if (after.before != id || after.block != node.block) return false;
        if (after.offset != node.offset + node.size) return false;
        if (node.state == Node::State::kFree && after.state == Node::State::kFree) return false;
    }
    return true;
}

}  // namespace tessera::pool
