// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic on sizes and offsets that come from the application or from a file: every result is
// either right or absent, never wrapped around.
//
// Threading: pure functions. Units: whatever the caller counts in (bytes, nearly always); all
// values are unsigned 64-bit, as VkDeviceSize is.
//
// The one idea: an absent result is std::nullopt, so that the caller cannot go on by accident.
// Where a value is already known to be small, the unchecked helpers below say what they require.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <optional>

namespace tessera {

inline constexpr uint64_t kKiB = uint64_t{1} << 10;
inline constexpr uint64_t kMiB = uint64_t{1} << 20;
inline constexpr uint64_t kGiB = uint64_t{1} << 30;

// True for 1, 2, 4, 8, ...; false for 0.
constexpr bool IsPowerOfTwo(uint64_t value) noexcept {
    return std::has_single_bit(value);
}

// Returns: a + b, or nothing if that does not fit 64 bits.
constexpr std::optional<uint64_t> CheckedAdd(uint64_t a, uint64_t b) noexcept {
    if (b > std::numeric_limits<uint64_t>::max() - a) return std::nullopt;
    return a + b;
}

// Returns: a * b, or nothing if that does not fit 64 bits.
constexpr std::optional<uint64_t> CheckedMul(uint64_t a, uint64_t b) noexcept {
    if (a != 0 && b > std::numeric_limits<uint64_t>::max() / a) return std::nullopt;
    return a * b;
}

// Returns: the largest multiple of `alignment` that is not above `value`.
// Requires: `alignment` is a power of two.
constexpr uint64_t AlignDown(uint64_t value, uint64_t alignment) noexcept {
    return value & ~(alignment - 1);
}

// Returns: the smallest multiple of `alignment` that is not below `value`.
// Requires: `alignment` is a power of two, and the result fits 64 bits; where either is not known,
// use CheckedAlignUp.
constexpr uint64_t AlignUp(uint64_t value, uint64_t alignment) noexcept {
    return AlignDown(value + (alignment - 1), alignment);
}

// Returns: the smallest multiple of `alignment` that is not below `value`, or nothing if
// `alignment` is not a power of two or the result does not fit 64 bits.
constexpr std::optional<uint64_t> CheckedAlignUp(uint64_t value, uint64_t alignment) noexcept {
    if (!IsPowerOfTwo(alignment)) return std::nullopt;
    if (alignment - 1 > std::numeric_limits<uint64_t>::max() - value) return std::nullopt;
    return AlignUp(value, alignment);
}

// Requires: `alignment` is a power of two.
constexpr bool IsAligned(uint64_t value, uint64_t alignment) noexcept {
    return (value & (alignment - 1)) == 0;
}

// Returns: the smallest power of two that is not below `value` (1 for 0), or nothing above 2^63.
constexpr std::optional<uint64_t> CheckedPowerOfTwoAtLeast(uint64_t value) noexcept {
    if (value > uint64_t{1} << 63) return std::nullopt;
    return std::bit_ceil(value);
}

// Returns: whether the range [offset, offset + size) lies within [0, limit). An empty range lies
// within if its offset is not above `limit`. Cannot overflow.
constexpr bool RangeFits(uint64_t offset, uint64_t size, uint64_t limit) noexcept {
    return offset <= limit && size <= limit - offset;
}

}  // namespace tessera
