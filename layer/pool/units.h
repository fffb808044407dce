// SPDX-License-Identifier: Apache-2.0
//
// The unit of placement: sizes and offsets inside blocks are whole numbers of 256 bytes.
//
// 256 bytes because that covers the alignments of buffers on the GPUs of today, so that nearly
// every request has an alignment of one unit and fits wherever its size fits; and because a count
// of units then needs only 32 bits for any block below 1 TiB, which makes what is known of a range
// half a cache line. An allocation of 1 byte costs 256: alone, it would cost 4 KiB to 64 KiB.
//
// Units are a type of their own so that bytes and units cannot be mixed by accident.
//
// Threads: plain values.

#ifndef TESSERA_LAYER_POOL_UNITS_H_
#define TESSERA_LAYER_POOL_UNITS_H_

#include <compare>
#include <cstdint>
#include <limits>

namespace tessera::pool {

inline constexpr uint64_t kUnitBytes = 256;

class Units {
 public:
    constexpr Units() noexcept = default;
    constexpr explicit Units(uint32_t count) noexcept : count_(count) {}

    // The most bytes that 32 bits of units can count: 1 TiB less one unit.
    static constexpr uint64_t kMostBytes = std::numeric_limits<uint32_t>::max() * kUnitBytes;

    // Returns: the fewest units that hold `bytes`. Requires: `bytes` is at most kMostBytes.
    static constexpr Units FromBytesUp(uint64_t bytes) noexcept {
        return Units(static_cast<uint32_t>((bytes + (kUnitBytes - 1)) / kUnitBytes));
    }

    // Returns: the most whole units that lie within `bytes`, capped at what 32 bits can count.
    static constexpr Units FromBytesDown(uint64_t bytes) noexcept {
        return Units(static_cast<uint32_t>((bytes < kMostBytes ? bytes : kMostBytes) / kUnitBytes));
    }

    constexpr uint32_t Count() const noexcept { return count_; }
    constexpr uint64_t Bytes() const noexcept { return count_ * kUnitBytes; }

    // Requires: the result fits 32 bits and is not negative.
    constexpr Units& operator+=(Units other) noexcept {
        count_ += other.count_;
        return *this;
    }
    constexpr Units& operator-=(Units other) noexcept {
        count_ -= other.count_;
        return *this;
    }
    friend constexpr Units operator+(Units a, Units b) noexcept { return a += b; }
    friend constexpr Units operator-(Units a, Units b) noexcept { return a -= b; }
    friend constexpr auto operator<=>(Units, Units) noexcept = default;

 private:
    uint32_t count_ = 0;
};

}  // namespace tessera::pool

#endif  // TESSERA_LAYER_POOL_UNITS_H_
