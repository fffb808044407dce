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

}  // namespace tessera

#endif  // TESSERA_LAYER_BASE_CLOCK_H_
