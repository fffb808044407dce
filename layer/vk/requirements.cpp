// SPDX-License-Identifier: Apache-2.0
//
// See requirements.h. The formula of placement is Place(); its argument is in docs/placement.md:
// a resource with power-of-two alignment A at an offset that is a multiple of A needs a base that
// is a multiple of A. If A is at most the allocation's size, A divides the largest power of two
// that is not above that size; smaller resources with larger alignments are what the minimum
// covers.

#include "layer/vk/requirements.h"

#include <algorithm>
#include <bit>

#include "layer/base/checked.h"

namespace tessera {
namespace {

constexpr uint64_t kPageBytes = 4096;

// Returns: whether that changed it.
template <typename T>
bool RaiseTo(std::atomic<T>& word, T value) noexcept {
    T seen = word.load(std::memory_order_relaxed);
    while (seen < value) {
        if (word.compare_exchange_weak(seen, value, std::memory_order_relaxed)) return true;
    }
    return false;
}

void LowerTo(std::atomic<uint64_t>& word, uint64_t value) noexcept {
    uint64_t seen = word.load(std::memory_order_relaxed);
    while (seen > value && !word.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
    }
}

}  // namespace

void TypeFacts::Saw(uint64_t size, uint64_t alignment, Layout layout) noexcept {
    if (layout == Layout::kOptimal) LowerTo(smallest_optimal_, size);
    RaiseTo(alignment_, alignment);
    bool changed = false;
    for (uint32_t level = 0; level < kLevels && LevelAlignment(level) <= alignment; ++level)
        changed = RaiseTo(inverted_smallest_[level], ~size) || changed;
    if (!changed) return;
    // After the levels themselves: who begins further up finds them.
    for (uint32_t octave = 0; octave < 64; ++octave) {
        uint8_t count = 0;
        while (count < kLevels && SmallestAt(count) <= uint64_t{1} << octave)
            ++count;
        RaiseTo(levels_from_[octave], count);
    }
}

namespace {

size_t FirstProbe(uint64_t size) noexcept {
    return static_cast<size_t>((size * 0x9E3779B97F4A7C15u) >> 32);
}

}  // namespace

void LearnedSizes::Learn(uint64_t size) noexcept {
    if (size < kSmall) {
        // Applications ask for the same sizes again and again.
        if (!Contains(size)) {
            small_[size / 64].fetch_or(uint64_t{1} << (size % 64), std::memory_order_relaxed);
        }
        return;
    }
    for (size_t i = FirstProbe(size), step = 0; step < kProbes; ++step, ++i) {
        std::atomic<uint64_t>& entry = entries_[i % kEntries];
        uint64_t seen = entry.load(std::memory_order_relaxed);
        if (seen == 0 && entry.compare_exchange_strong(seen, size, std::memory_order_relaxed))
            return;
        if (seen == size) return;
    }
}

bool LearnedSizes::ContainsLarge(uint64_t size) const noexcept {
    for (size_t i = FirstProbe(size), step = 0; step < kProbes; ++step, ++i) {
        const uint64_t seen = entries_[i % kEntries].load(std::memory_order_relaxed);
        if (seen == size) return true;
        if (seen == 0) return false;
    }
    return false;
}

// What bases and padded sizes are multiples of, for allocations without flags.
uint64_t RequirementBook::Minimum(bool host_visible, pool::Kind kind) const noexcept {
    uint64_t minimum = kMinimumAlignment;
    if (kind == pool::Kind::kAny) minimum = std::max(minimum, limits_.granularity);
    if (host_visible) {
        minimum = std::max(minimum, limits_.host_alignment);
        if (limits_.page_align) minimum = std::max(minimum, kPageBytes);
    }
    return minimum;
}

void RequirementBook::Init(const VkPhysicalDeviceMemoryProperties& memory,
                           const PlacementLimits& limits) noexcept {
    limits_ = limits;
    type_count_ = std::min<uint32_t>(memory.memoryTypeCount, VK_MAX_MEMORY_TYPES);
    for (uint32_t type = 0; type < type_count_; ++type) {
        Type& facts = types_[type];
        facts.host_visible =
            (memory.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0;
        for (const auto kind : {pool::Kind::kAny, pool::Kind::kLinear})
            facts.minimum[static_cast<size_t>(kind)] = Minimum(facts.host_visible, kind);
        if (limits.sparse_block != 0) {
            facts.facts.Saw(limits.sparse_block, limits.sparse_block, Layout::kLinear);
        }
    }
}

void RequirementBook::Observe(const VkMemoryRequirements& requirements, Layout layout,
                              bool learn) noexcept {
    // A driver that answers nonsense teaches nothing.
    if (!IsPowerOfTwo(requirements.alignment)) return;
    uint64_t largest = 0;
    for (uint32_t type = 0; type < type_count_; ++type) {
        if ((requirements.memoryTypeBits >> type & 1) == 0) continue;
        types_[type].facts.Saw(requirements.size, requirements.alignment, layout);
        largest = std::max(largest, types_[type].facts.Alignment());
    }
    // From the largest alignment upward the formula and what is learned agree.
    if (learn && requirements.size != 0 &&
        requirements.size < std::max(largest, limits_.granularity)) {
        learned_.Learn(requirements.size);
    }
}

bool RequirementBook::SuitsUnknown(uint32_t type, uint64_t bytes, uint64_t alignment,
                                   pool::Kind kind) const noexcept {
    const TypeFacts& facts = types_[type].facts;
    const uint64_t unknown = std::min(std::bit_floor(bytes), facts.Alignment());
    return alignment >= std::max(unknown, facts.AlignmentWithin(bytes)) &&
           (kind == pool::Kind::kAny || !facts.AdmitsOptimal());
}

PlacementRule RequirementBook::PlaceFor(uint32_t type, uint64_t size, VkMemoryAllocateFlags flags,
                                        uint64_t alignment, Layout layout) const noexcept {
    const TypeFacts& facts = types_[type].facts;
    const bool isolated = layout == Layout::kOptimal || facts.AdmitsOptimal();
    const uint64_t unknown = std::min(std::bit_floor(size), facts.Alignment());
    return Finish(types_[type], size, flags, isolated ? pool::Kind::kAny : pool::Kind::kLinear,
                  std::max({alignment, unknown, facts.AlignmentWithin(size)}));
}

}  // namespace tessera
