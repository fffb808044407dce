// SPDX-License-Identifier: Apache-2.0
//
// How large the next block of an arena is: pure functions, no state, all sizes in bytes.
//
// The one idea: a block is a fixed share of what is live when it is made, so that the number of
// blocks grows with the logarithm of what is live until the largest size is reached, and the part
// of them that is unused stays in proportion.
//
// Threads: pure functions.

#ifndef TESSERA_LAYER_POOL_GROWTH_H_
#define TESSERA_LAYER_POOL_GROWTH_H_

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

#include "layer/pool/units.h"

namespace tessera::pool {

// No smaller block is asked for after a refusal unless the pool's first block is smaller: drivers
// charge as much for the smallest allocation of device-local memory, so that one so small is as
// well served alone.
inline constexpr uint64_t kSmallestBlockBytes = 64 << 10;

// Limits that make sense together: whole units, 1 unit <= min <= max.
struct BlockSizes {
    uint64_t min_bytes = 0;
    uint64_t max_bytes = 0;

    static constexpr BlockSizes Of(uint64_t min_bytes, uint64_t max_bytes) noexcept {
        const uint64_t max = std::max(Units::FromBytesDown(max_bytes).Bytes(), kUnitBytes);
        const uint64_t min = std::max(Units::FromBytesDown(min_bytes).Bytes(), kUnitBytes);
        return {std::min(min, max), max};
    }
};

// The sizes of blocks are multiples of this: what drivers charge for at least.
inline constexpr uint64_t kBlockGrain = 64 << 10;

// Returns: the size of the next block for a key of which `live_bytes` are live, for a request of
// `need_bytes`: `1 / share` of what is live, or the request and room for three more of its size as
// far as that is a sixteenth of what is live; within the limits. A request beyond the largest block
// gets one of its own size.
// Requires: `need_bytes` is a multiple of the unit, and the sum of both is at most 2^63.
constexpr uint64_t NextBlockBytes(const BlockSizes& sizes, uint32_t share, uint64_t live_bytes,
                                  uint64_t need_bytes) noexcept {
    const uint64_t several = need_bytes + std::min(3 * need_bytes, live_bytes / 16);
    const uint64_t wish = std::max(live_bytes / share, several);
    const uint64_t whole = (wish + (kBlockGrain - 1)) / kBlockGrain * kBlockGrain;
    return std::max(std::clamp(whole, sizes.min_bytes, sizes.max_bytes), need_bytes);
}

// Solo slots have a block of their own each. One of `need_bytes` gets a block of this size,
constexpr uint64_t SoloBlockBytes(uint64_t need_bytes) noexcept {
    return (need_bytes + (kBlockGrain - 1)) / kBlockGrain * kBlockGrain;
}

// or one that an earlier solo slot left, of at most this size: an eighth more is wasted at most.
// Measured in docs/placement.md. Requires, of both: `need_bytes` is at most 2^62.
inline constexpr uint64_t kSoloShare = 8;
constexpr uint64_t MostSoloBytes(uint64_t need_bytes) noexcept {
    return SoloBlockBytes(need_bytes + need_bytes / kSoloShare);
}

// Returns: the smallest block that is worth asking for when the driver refuses larger ones.
constexpr uint64_t SmallestBlockBytes(const BlockSizes& sizes, uint64_t need_bytes) noexcept {
    return std::max(std::min(kSmallestBlockBytes, sizes.min_bytes), need_bytes);
}

// Returns: what to ask for after `refused_bytes` were refused, or 0 if that was the smallest.
constexpr uint64_t SmallerBlockBytes(uint64_t refused_bytes, uint64_t smallest_bytes) noexcept {
    if (refused_bytes <= smallest_bytes) return 0;
    return std::max(Units::FromBytesDown(refused_bytes / 2).Bytes(), smallest_bytes);
}

// After a refusal, no block above a ceiling is asked for: an application that works at the edge of
// what the device has would otherwise pay for the same refusals at each of its allocations.
inline constexpr uint64_t kNoCeiling = std::numeric_limits<uint64_t>::max();

// Returns: the ceiling after an attempt under the present one that got `got_bytes` (0: nothing) and
// was last refused `refused_bytes` (0: nothing was refused for its size). It falls to what was had
// and doubles with each block that was had at once.
constexpr uint64_t NextCeilingBytes(const BlockSizes& sizes, uint64_t ceiling_bytes,
                                    uint64_t got_bytes, uint64_t refused_bytes) noexcept {
    if (refused_bytes > 0) return got_bytes > 0 ? got_bytes : refused_bytes;
    if (got_bytes == 0) return ceiling_bytes;
    return ceiling_bytes > sizes.max_bytes / 2 ? kNoCeiling : ceiling_bytes * 2;
}

}  // namespace tessera::pool

#endif  // TESSERA_LAYER_POOL_GROWTH_H_
