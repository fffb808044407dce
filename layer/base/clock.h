// SPDX-License-Identifier: Apache-2.0
//
// The clock for durations: monotonic, in nanoseconds, one vDSO call (about 20 ns).

#ifndef TESSERA_LAYER_BASE_CLOCK_H_
#define TESSERA_LAYER_BASE_CLOCK_H_

#include <time.h>

#include <cstdint>

namespace tessera {

// Nanoseconds since an arbitrary start. Never goes back. Threads: any.
inline uint64_t NowNs() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

// Milliseconds of the same clock, a few late: a quarter of the price.
inline uint64_t CoarseMs() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000u +
           static_cast<uint64_t>(now.tv_nsec) / 1'000'000u;
}

}  // namespace tessera

#endif  // TESSERA_LAYER_BASE_CLOCK_H_
