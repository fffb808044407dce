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

template <typename T>
void RaiseTo(std::atomic<T>& word, T value) noexcept {
    T seen = word.load(std::memory_order_relaxed);
    while (seen < value && !word.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
    }
}

void LowerTo(std::atomic<uint64_t>& word, uint64_t value) noexcept {
    uint64_t seen = word.load(std::memory_order_relaxed);
    while (seen > value && !word.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
    }
}

}  // namespace

void TypeFacts::Saw(uint64_t size, uint64_t alignment, Layout layout) noexcept {
    for (uint32_t level = 0; level < kLevels && LevelAlignment(level) <= alignment; ++level) {
        RaiseTo(inverted_smallest_[level], ~size);
    }
    RaiseTo(alignment_, alignment);
    // The levels are written before their number is.
    uint32_t levels = 0;
    while (levels < kLevels && SmallestAt(levels) != kNone)
        ++levels;
    RaiseTo(levels_, levels);
    if (layout == Layout::kOptimal) LowerTo(smallest_optimal_, size);
}

// The smallest sizes rise with the level, since what needs an alignment needs every lower one too.
uint64_t TypeFacts::AlignmentWithin(uint64_t size) const noexcept {
    // Most sizes are either small, or so large that everything known fits.
    const uint32_t levels = levels_.load(std::memory_order_relaxed);
    if (levels == 0 || SmallestAt(0) > size) return kMinimumAlignment;
    if (SmallestAt(levels - 1) <= size) {
        return levels == kLevels ? Alignment() : LevelAlignment(levels - 1);
    }
    uint32_t level = 0;
    while (SmallestAt(level + 1) <= size)
        ++level;
    return LevelAlignment(level);
}

namespace {

size_t FirstProbe(uint64_t size) noexcept {
    return static_cast<size_t>((size * 0x9E3779B97F4A7C15u) >> 32);
}

}  // namespace

void LearnedSizes::Learn(uint64_t size) noexcept {
    for (size_t i = FirstProbe(size), step = 0; step < kProbes; ++step, ++i) {
        std::atomic<uint64_t>& entry = entries_[i % kEntries];
        uint64_t seen = entry.load(std::memory_order_relaxed);
        if (seen == 0 && entry.compare_exchange_strong(seen, size, std::memory_order_relaxed))
            return;
        if (seen == size) return;
    }
}

bool LearnedSizes::Contains(uint64_t size) const noexcept {
    for (size_t i = FirstProbe(size), step = 0; step < kProbes; ++step, ++i) {
        const uint64_t seen = entries_[i % kEntries].load(std::memory_order_relaxed);
        if (seen == size) return true;
        if (seen == 0) return false;
    }
    return false;
}

void RequirementBook::Init(const VkPhysicalDeviceMemoryProperties& memory,
                           const PlacementLimits& limits) noexcept {
    limits_ = limits;
    type_count_ = std::min<uint32_t>(memory.memoryTypeCount, VK_MAX_MEMORY_TYPES);
    for (uint32_t type = 0; type < type_count_; ++type) {
        type_flags_[type] = memory.memoryTypes[type].propertyFlags;
        if (limits.sparse_block != 0) {
            types_[type].Saw(limits.sparse_block, limits.sparse_block, Layout::kLinear);
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
        types_[type].Saw(requirements.size, requirements.alignment, layout);
        largest = std::max(largest, types_[type].Alignment());
    }
    // From the largest alignment upward the formula and what is learned agree.
    if (learn && requirements.size != 0 &&
        requirements.size < std::max(largest, limits_.granularity)) {
        learned_.Learn(requirements.size);
    }
}

uint64_t RequirementBook::Minimum(uint32_t type, pool::Kind kind,
                                  VkMemoryAllocateFlags flags) const noexcept {
    uint64_t minimum = kMinimumAlignment;
    if (kind == pool::Kind::kAny) minimum = std::max(minimum, limits_.granularity);
    if ((type_flags_[type] & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0) {
        minimum = std::max(minimum, limits_.host_alignment);
        if (limits_.page_align) minimum = std::max(minimum, kPageBytes);
    }
    if ((flags & VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT) != 0) {
        minimum = std::max(minimum, limits_.address_floor);
    }
    return minimum;
}

PlacementRule RequirementBook::Finish(uint32_t type, uint64_t size, VkMemoryAllocateFlags flags,
                                      pool::Kind kind, uint64_t alignment) const noexcept {
    const uint64_t minimum = Minimum(type, kind, flags);
    PlacementRule rule;
    rule.kind = kind;
    rule.alignment_bytes = std::max(minimum, alignment);
    rule.padded_bytes = AlignUp(size, minimum);
    return rule;
}

PlacementRule RequirementBook::Place(uint32_t type, uint64_t size,
                                     VkMemoryAllocateFlags flags) const noexcept {
    const TypeFacts& facts = types_[type];
    pool::Kind kind = facts.AdmitsOptimal() ? pool::Kind::kAny : pool::Kind::kLinear;
    // What is known to fit must suit, also where a driver's sizes are below its alignments.
    const uint64_t known = facts.AlignmentWithin(size);
    const bool host_visible = (type_flags_[type] & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0;
    if (!host_visible && size < std::max(facts.Alignment(), limits_.granularity) &&
        learned_.Contains(size)) {
        if (size < facts.SmallestOptimal()) kind = pool::Kind::kLinear;
        return Finish(type, size, flags, kind, known);
    }
    const uint64_t unknown = std::min(std::bit_floor(size), facts.Alignment());
    return Finish(type, size, flags, kind, std::max(known, unknown));
}

bool RequirementBook::SuitsUnknown(uint32_t type, uint64_t bytes, uint64_t alignment,
                                   pool::Kind kind) const noexcept {
    const TypeFacts& facts = types_[type];
    const uint64_t unknown = std::min(std::bit_floor(bytes), facts.Alignment());
    return alignment >= std::max(unknown, facts.AlignmentWithin(bytes)) &&
           (kind == pool::Kind::kAny || !facts.AdmitsOptimal());
}

PlacementRule RequirementBook::PlaceFor(uint32_t type, uint64_t size, VkMemoryAllocateFlags flags,
                                        uint64_t alignment, Layout layout) const noexcept {
    const TypeFacts& facts = types_[type];
    const bool isolated = layout == Layout::kOptimal || facts.AdmitsOptimal();
    const uint64_t unknown = std::min(std::bit_floor(size), facts.Alignment());
    return Finish(type, size, flags, isolated ? pool::Kind::kAny : pool::Kind::kLinear,
                  std::max({alignment, unknown, facts.AlignmentWithin(size)}));
}

}  // namespace tessera
