// SPDX-License-Identifier: Apache-2.0
//
// Notices, at the price of one load, that this process is a forked child of the one that used the
// layer so far.
//
// Threads: everything here may be called by any thread at any time, without a lock.
//
// The one idea: a page of our own that the kernel hands to a child as zeroes (MADV_WIPEONFORK).
// What the page holds in the process that wrote it, it holds in no other, so that no pid has to be
// asked for. The page lies in the library's zero-initialised data: there is nothing to unmap when
// the layer is unloaded, and nothing that another thread could still be reading then.
//
// Objects made before a fork are told apart by the epoch: keep ForkEpoch() with the object, and
// treat it as the parent's where the two differ.
//
// Where the kernel has no MADV_WIPEONFORK (before Linux 4.14, and some sandboxes) the child is
// noticed by its pid at EnterProcess() only: until it creates an instance of its own, ForkEpoch()
// goes on giving the parent's epoch there.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tessera {

namespace fork_internal {

// madvise() works on whole pages. Machines other than x86 may have pages of up to 64 KiB.
#if defined(__x86_64__) || defined(__i386__)
inline constexpr std::size_t kGuardBytes = 4096;
#else
inline constexpr std::size_t kGuardBytes = 65536;
#endif

// All zeroes at load and, where the kernel wipes it, at the start of a forked child.
struct alignas(kGuardBytes) GuardPage {
    std::atomic<uint64_t> epoch;
    std::atomic<uint64_t> claimed_by;  // the process whose first thread is setting things up
    std::atomic<uint64_t> entered_by;  // the process for which that is done
};
static_assert(sizeof(GuardPage) == kGuardBytes, "nothing else may lie in what is wiped");

extern constinit GuardPage g_guard;

}  // namespace fork_internal

// Returns: a number that is the same for the life of this process and that no ancestor of it had;
// 0 before EnterProcess(), hence also in a forked child until it calls that itself.
inline uint64_t ForkEpoch() noexcept {
    return fork_internal::g_guard.epoch.load(std::memory_order_relaxed);
}

// To be called at each vkCreateInstance, before any lock of the layer is taken.
// `restart`: called in a forked child, once, by the thread that got here first, while all others
// wait and ForkEpoch() is 0. It makes the process-wide state as good as new, locks included: they
// may be held by threads that do not exist in the child. It must not fork. May be null.
// Returns: true to that one thread of a forked child, false to all others.
bool EnterProcess(void (*restart)() noexcept) noexcept;

}  // namespace tessera
