// SPDX-License-Identifier: Apache-2.0
//
// See light_mutex.h. The word says free, held, or held while somebody may be asleep.
#include "base/light_mutex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tessera {
namespace {

// About as long as a critical section takes: a sleep and its wake cost ten times that.
constexpr int kSpins = 100;

void Pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

long Futex(std::atomic<uint32_t>& word, int operation, uint32_t value) noexcept {
    return syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

}  // namespace

void LightMutex::LockContended() noexcept {
    for (int spin = 0; spin < kSpins; ++spin) {
        Pause();
        if (word_.load(std::memory_order_relaxed) == kFree && TryLock()) return;
    }
    // Whoever slept once holds the lock as if others slept too: it cannot know.
    while (word_.exchange(kAwaited, std::memory_order_seq_cst) != kFree)
        Futex(word_, FUTEX_WAIT, kAwaited);
}

void LightMutex::WakeOne() noexcept {
    Futex(word_, FUTEX_WAKE, 1);
}

}  // namespace tessera
