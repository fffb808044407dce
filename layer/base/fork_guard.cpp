// SPDX-License-Identifier: Apache-2.0
//
// See fork_guard.h for the contract. The guard's words are all that is needed to elect the thread
// that sets a process up: in a child they start as zeroes, whatever the parent's threads were
// doing at the fork. Without wiping they name the process by its pid instead.
#include "base/fork_guard.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tessera {

namespace fork_internal {

constinit GuardPage g_guard{};

}  // namespace fork_internal

namespace {

using fork_internal::g_guard;

enum class Wiping : int { kUnknown, kByKernel, kNone };

// Inherited by children, as the page's advice is.
constinit std::atomic<Wiping> g_wiping{Wiping::kUnknown};
constinit std::atomic<uint64_t> g_last_epoch{0};

// Returns: what the guard's words say once this process is set up. Any non-zero number will do
// where they do not survive a fork.
uint64_t OwnMark() noexcept {
    Wiping wiping = g_wiping.load(std::memory_order_acquire);
    if (wiping == Wiping::kUnknown) {
        // Several threads may do this at the same time; it means the same each time.
        const int result = madvise(&g_guard, sizeof(g_guard), MADV_WIPEONFORK);
        wiping = result == 0 ? Wiping::kByKernel : Wiping::kNone;
        g_wiping.store(wiping, std::memory_order_release);
    }
    return wiping == Wiping::kByKernel ? 1 : static_cast<uint64_t>(getpid());
}

}  // namespace

bool EnterProcess(void (*restart)() noexcept) noexcept {
    const uint64_t self = OwnMark();
    while (g_guard.entered_by.load(std::memory_order_acquire) != self) {
        uint64_t claimed = g_guard.claimed_by.load(std::memory_order_relaxed);
        if (claimed == self ||
            !g_guard.claimed_by.compare_exchange_strong(claimed, self, std::memory_order_acq_rel)) {
            sched_yield();
            continue;
        }
        const bool is_child = g_last_epoch.load(std::memory_order_relaxed) != 0;
        if (is_child) {
            g_guard.epoch.store(0, std::memory_order_relaxed);
            if (restart != nullptr) restart();
        }
        const uint64_t epoch = g_last_epoch.fetch_add(1, std::memory_order_relaxed) + 1;
        g_guard.epoch.store(epoch, std::memory_order_release);
        g_guard.entered_by.store(self, std::memory_order_release);
        return is_child;
    }
    return false;
}

}  // namespace tessera
