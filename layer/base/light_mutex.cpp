// SPDX-License-Identifier: Apache-2.0
//
// See light_mutex.h.
#include "base/light_mutex.h"

#include <time.h>

namespace tessera {

void LightMutex::LockContended() noexcept {
    // Whoever holds the lock was interrupted, or does one of the few long things under it.
    constexpr timespec kNap = {.tv_sec = 0, .tv_nsec = 20'000};
    for (;;) {
        SpinWhileHeld([] { return false; });
        if (TryLock()) return;
        clock_nanosleep(CLOCK_MONOTONIC, 0, &kNap, nullptr);  // leaves errno alone
    }
}

}  // namespace tessera
