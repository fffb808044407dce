// SPDX-License-Identifier: Apache-2.0
//
// Where a pooled allocation may lie: what a device's resources are known to require.
//
// vkAllocateMemory does not say what will be bound, so a place must suit anything that its memory
// type admits. Two kinds of knowledge narrow that down:
//   * facts per memory type: which alignments are needed by resources of which sizes, and how small
//     an optimal image can be. They are probed when a device first pools, and made more careful by
//     every requirement that the application queries;
//   * learned sizes: an application nearly always queries a resource's requirements and then
//     allocates exactly that size. Such a size is placed as anything known that fits into it needs;
//     any other size as the formula for unknown resources asks.
//
// The guess that a known size is meant for known resources is used only where a wrong one can be
// undone: a slot that nobody has seen yet is moved at bind. So it never applies to host-visible
// types, whose slots are pinned by a map before the first bind. What aliases in one allocation is
// covered, because every known resource that fits counts, not only the one of that size.
//
// Threads: everything here is lock-free and may be called from any thread; facts only ever get more
// careful.

#ifndef TESSERA_LAYER_VK_REQUIREMENTS_H_
#define TESSERA_LAYER_VK_REQUIREMENTS_H_

#include <vulkan/vulkan_core.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>

#include "layer/base/checked.h"
#include "layer/pool/type_pool.h"

namespace tessera {

// Whether a resource's texels lie in order. Buffers and images of VK_IMAGE_TILING_LINEAR are
// linear, everything else is not (spec: "Buffer-Image Granularity").
enum class Layout : uint8_t { kLinear, kOptimal };

// Every slot's base and padded size are multiples of this: it covers robust buffer access
// (robustUniformBufferAccessSizeAlignment is at most 256), the alignment of device-address
// consumers (acceleration structure scratch, descriptor buffers: at most 256) and the buffer
// alignments of all known drivers.
inline constexpr uint64_t kMinimumAlignment = 256;

// A place as the rules ask for it, in bytes.
struct PlacementRule {
    uint64_t alignment_bytes = 0;
    uint64_t padded_bytes = 0;
    pool::Kind kind = pool::Kind::kAny;
};

// What is known of one memory type: pairs of a size and an alignment that some resource needs.
class TypeFacts {
 public:
    // The largest alignment that a resource of this type is known to need.
    uint64_t Alignment() const noexcept { return alignment_.load(std::memory_order_relaxed); }

    // The largest alignment that a resource of at most `size` bytes is known to need.
    uint64_t AlignmentWithin(uint64_t size) const noexcept {
        uint32_t level = levels_from_[std::bit_width(size | 1) - 1].load(std::memory_order_relaxed);
        while (level < kLevels && SmallestAt(level) <= size)
            ++level;
        return level == kLevels ? Alignment() : kMinimumAlignment << level;
    }

    // Whether images of non-linear layout can be bound to this type.
    bool AdmitsOptimal() const noexcept { return SmallestOptimal() != kNone; }

    // The smallest requirement of such an image seen so far.
    uint64_t SmallestOptimal() const noexcept {
        return smallest_optimal_.load(std::memory_order_relaxed);
    }

    // A resource needs `size` bytes at a multiple of `alignment` (a power of two).
    void Saw(uint64_t size, uint64_t alignment, Layout layout) noexcept;

 private:
    static constexpr uint64_t kNone = ~uint64_t{0};
    // Alignments from twice the minimum up to 2 MiB have a level each; larger ones share the last.
    static constexpr uint32_t kLevels = 13;
    static uint64_t LevelAlignment(uint32_t level) noexcept {
        return kMinimumAlignment << (level + 1);
    }
    uint64_t SmallestAt(uint32_t level) const noexcept {
        return ~inverted_smallest_[level].load(std::memory_order_relaxed);
    }

    std::atomic<uint64_t> alignment_ = kMinimumAlignment;
    std::atomic<uint64_t> smallest_optimal_ = kNone;
    // Smallest size seen that needs at least this level's alignment, inverted, so that zero means
    // none. They rise with the level, since what needs an alignment needs every lower one too.
    std::atomic<uint64_t> inverted_smallest_[kLevels] = {};
    // How many levels are reached at 2^i bytes: where to begin, since sizes at which a driver asks
    // for more are mostly powers of two.
    std::atomic<uint8_t> levels_from_[64] = {};
};

// Sizes of requirements that the application queried: a bit each for small ones, a table for the
// rest. Fixed room, never evicts: what does not fit is not learned, which only costs memory.
class LearnedSizes {
 public:
    void Learn(uint64_t size) noexcept;
    bool Contains(uint64_t size) const noexcept {
        if (size < kSmall) [[likely]]
            return (small_[size / 64].load(std::memory_order_relaxed) >> (size % 64) & 1) != 0;
        return ContainsLarge(size);
    }

 private:
    bool ContainsLarge(uint64_t size) const noexcept;

    // Most alignments end at 64 KiB, and so do the sizes worth learning.
    static constexpr uint64_t kSmall = 64 << 10;
    std::atomic<uint64_t> small_[kSmall / 64] = {};
    static constexpr uint32_t kEntries = 1024;
    static constexpr uint32_t kProbes = 8;
    std::atomic<uint64_t> entries_[kEntries] = {};  // 0 is empty
};

// The limits of a physical device that bind placement, and what its enabled features add.
struct PlacementLimits {
    uint64_t granularity = 1;     // bufferImageGranularity
    uint64_t host_alignment = 1;  // max of nonCoherentAtomSize and minMemoryMapAlignment
    uint64_t sparse_block = 0;    // 64 KiB (standard blocks) if sparse binding is enabled
    uint64_t address_floor = 1;   // slots with a device address: 64 KiB with descriptor heaps
    bool page_align = false;      // the user asked for host-visible slots on their own pages
};

// All that placement knows of one device.
class RequirementBook {
 public:
    void Init(const VkPhysicalDeviceMemoryProperties& memory,
              const PlacementLimits& limits) noexcept;

    // A resource's requirements became known, from a probe or from the application's own query.
    void Observe(const VkMemoryRequirements& requirements, Layout layout, bool learn) noexcept;

    // Where an allocation of `size` bytes (below 2^56) of memory type `type` with
    // VkMemoryAllocateFlags `flags` is to be placed. Spec: vkAllocateMemory (allocations suit any
    // alignment), "Buffer-Image Granularity", VkMappedMemoryRange.
    PlacementRule Place(uint32_t type, uint64_t size, VkMemoryAllocateFlags flags) const noexcept;

    // Whether an allocation of `bytes` that lies so suits whatever may come to be bound in it, by
    // the formula for allocations of which nothing is known.
    bool SuitsUnknown(uint32_t type, uint64_t bytes, uint64_t alignment,
                      pool::Kind kind) const noexcept;

    // The rule for a slot that moves because a bind found its place wanting.
    PlacementRule PlaceFor(uint32_t type, uint64_t size, VkMemoryAllocateFlags flags,
                           uint64_t alignment, Layout layout) const noexcept;

    uint64_t granularity() const noexcept { return limits_.granularity; }

 private:
    // What an allocation looks at, side by side.
    struct Type {
        TypeFacts facts;
        // Multiples of these, by kind, without flags.
        uint64_t minimum[2] = {kMinimumAlignment, kMinimumAlignment};
        bool host_visible = false;
    };

    uint64_t Minimum(bool host_visible, pool::Kind kind) const noexcept;
    PlacementRule Finish(const Type& type, uint64_t size, VkMemoryAllocateFlags flags,
                         pool::Kind kind, uint64_t alignment) const noexcept;

    Type types_[VK_MAX_MEMORY_TYPES];
    LearnedSizes learned_;
    PlacementLimits limits_;
    uint32_t type_count_ = 0;
};

inline PlacementRule RequirementBook::Finish(const Type& type, uint64_t size,
                                             VkMemoryAllocateFlags flags, pool::Kind kind,
                                             uint64_t alignment) const noexcept {
    uint64_t minimum = type.minimum[static_cast<size_t>(kind)];
    if ((flags & VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT) != 0) {
        minimum = std::max(minimum, limits_.address_floor);
    }
    PlacementRule rule;
    rule.kind = kind;
    rule.alignment_bytes = std::max(minimum, alignment);
    rule.padded_bytes = AlignUp(size, minimum);
    return rule;
}

inline PlacementRule RequirementBook::Place(uint32_t type_index, uint64_t size,
                                            VkMemoryAllocateFlags flags) const noexcept {
    const Type& type = types_[type_index];
    const uint64_t smallest_optimal = type.facts.SmallestOptimal();
    // What is known to fit must suit, also where a driver's sizes are below its alignments.
    const uint64_t known = type.facts.AlignmentWithin(size);
    const uint64_t largest = type.facts.Alignment();
    if (!type.host_visible && size < std::max(largest, limits_.granularity) &&
        learned_.Contains(size)) {
        return Finish(type, size, flags,
                      size < smallest_optimal ? pool::Kind::kLinear : pool::Kind::kAny, known);
    }
    // Not std::bit_floor: without a machine instruction for it that takes a dozen.
    const uint64_t floor = uint64_t{1} << (63 - std::countl_zero(size | 1));
    return Finish(type, size, flags,
                  type.facts.AdmitsOptimal() ? pool::Kind::kAny : pool::Kind::kLinear,
                  std::max(known, std::min(floor, largest)));
}

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_REQUIREMENTS_H_
