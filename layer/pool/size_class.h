// SPDX-License-Identifier: Apache-2.0
//
// The sizes that runs serve: pure functions, no state.
//
// The one idea: up to 16 units each size has a class of its own, above the classes lie an eighth of
// an octave apart, so that a slot wastes less than one part in sixteen on average. A class of size
// s serves every alignment that divides s, because a run begins at a multiple of the largest of
// them.
//
// Threads: pure functions.

#ifndef TESSERA_LAYER_POOL_SIZE_CLASS_H_
#define TESSERA_LAYER_POOL_SIZE_CLASS_H_

#include <algorithm>
#include <cstdint>

#include "layer/pool/units.h"

namespace tessera::pool {

inline constexpr uint32_t kMostRunUnits = 32;  // 8 KiB: larger slots lie in ranges of their own
inline constexpr uint32_t kSizeClasses = 24;

// A run is 64 KiB where that makes between 8 and 64 slots.
inline constexpr uint32_t kRunUnits = 256;
inline constexpr uint32_t kFewestRunSlots = 8;
inline constexpr uint32_t kMostRunSlots = 64;

// Returns: the class that serves `units`. Requires: 1 <= units <= kMostRunUnits.
constexpr uint32_t SizeClassOf(uint32_t units) noexcept {
    return units <= 16 ? units - 1 : 16 + (units - 17) / 2;
}

// Returns: how many units a slot of the class has.
constexpr uint32_t ClassUnits(uint32_t size_class) noexcept {
    return size_class < 16 ? size_class + 1 : 18 + (size_class - 16) * 2;
}

// Returns: how many slots a run of the class has.
constexpr uint32_t RunSlots(uint32_t size_class) noexcept {
    return std::clamp(kRunUnits / ClassUnits(size_class), kFewestRunSlots, kMostRunSlots);
}

// Returns: the alignment of a run of the class, in units: what its slots are all aligned to.
constexpr uint32_t RunAlignment(uint32_t size_class) noexcept {
    return ClassUnits(size_class) & -ClassUnits(size_class);
}

static_assert(SizeClassOf(kMostRunUnits) == kSizeClasses - 1);
static_assert(ClassUnits(kSizeClasses - 1) == kMostRunUnits);

}  // namespace tessera::pool

#endif  // TESSERA_LAYER_POOL_SIZE_CLASS_H_
