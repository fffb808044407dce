// SPDX-License-Identifier: Apache-2.0
//
// The clock for durations: monotonic, in nanoseconds, one vDSO call (about 20 ns).

#ifndef TESSERA_LAYER_BASE_CLOCK_H_
#define TESSERA_LAYER_BASE_CLOCK_H_

#include <time.h>

#include <atomic>
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

// A count that goes up evenly, for a fraction of the price: the processor's cycles where it counts
// them evenly on all cores, else nanoseconds. struct tessera_clock of the channel says which time
// it stands for. Never 0.
inline constinit std::atomic<bool> ticks_are_cycles = false;
// Finds out which of the two it is. To be called before the first Ticks() that counts.
void ChooseTicks() noexcept;
inline uint64_t Ticks() noexcept {
#if defined(__x86_64__)
    if (ticks_are_cycles.load(std::memory_order_relaxed)) [[likely]]
        return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t count = 0;
    asm volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
#endif
    return NowNs();
}

// One moment on both clocks.
struct Moment {
    uint64_t ticks = 0;
    uint64_t ns = 0;
};

// Reads both clocks. Between the two reads a thread may have to wait for its processor, so that
// they are read a few times, and what took the least time in all is taken. `ticks`, `ns`: functions
// that read them.
template <typename TicksFn, typename NsFn>
Moment ReadBoth(TicksFn ticks, NsFn ns) noexcept {
    constexpr int kTries = 5;
    Moment best;
    uint64_t best_took = ~uint64_t{0};
    for (int i = 0; i < kTries; ++i) {
        const uint64_t before = ticks();
        const uint64_t at = ns();
        const uint64_t took = ticks() - before;
        if (took >= best_took) continue;
        best_took = took;
        best = {before + took / 2, at};
    }
    return best;
}
inline Moment Now() noexcept {
    return ReadBoth(Ticks, NowNs);
}

}  // namespace tessera

#endif  // TESSERA_LAYER_BASE_CLOCK_H_
