// SPDX-License-Identifier: Apache-2.0
//
// See light_mutex.h.
#include "base/light_mutex.h"

#include <time.h>

namespace tessera {
namespace {

// Of spins before the first nap: some ten microseconds.
constexpr int kRounds = 10;

}  // namespace

void LightMutex::LockContended() noexcept {
    // Many threads may want it, or whoever holds it does one of the few longer things under it.
    for (int round = 0; round < kRounds; ++round) {
        SpinWhileHeld();
        if (TryLock()) return;
    }
    // Whoever holds it was interrupted: the processor may be needed for that thread.
    constexpr timespec kNap = {.tv_sec = 0, .tv_nsec = 20'000};
    do {
        clock_nanosleep(CLOCK_MONOTONIC, 0, &kNap, nullptr);  // leaves errno alone
        SpinWhileHeld();
    } while (!TryLock());
}

}  // namespace tessera
