// SPDX-License-Identifier: Apache-2.0
//
// LightMutex: a lock of one word for critical sections of a few dozen instructions.
//
// The one idea: without contention a lock is one atomic instruction and an unlock a plain store,
// both inline; a thread that has to wait spins for longer than such a section takes, and then looks
// again after short naps. Nobody is woken, so that the unlock need not ask whether somebody waits:
// what a wake would save in the rare long wait, every unlock would pay for (docs/placement.md). The
// standard library's lock costs about 150 instructions a pair.
//
// Threads: that is what it is for. Not recursive, not fair. In a forked child its state is the
// parent's, as with any lock.
#pragma once

#include <absl/base/thread_annotations.h>

#include <atomic>
#include <cstdint>

namespace tessera {

class ABSL_LOCKABLE LightMutex {
 public:
    constexpr LightMutex() noexcept = default;
    LightMutex(const LightMutex&) = delete;
    LightMutex& operator=(const LightMutex&) = delete;

    // Waits until no other thread holds the lock, then holds it.
    // Requires: the calling thread does not hold it.
    void Lock() noexcept ABSL_EXCLUSIVE_LOCK_FUNCTION() {
        if (!TryLock()) [[unlikely]]
            LockContended();
    }

    // Takes the lock if it is free now; never waits.
    // Returns: true if the caller holds it afterwards.
    [[nodiscard]] bool TryLock() noexcept ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) {
        uint32_t expected = kFree;
        return word_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire);
    }

    // Gives the lock up. Requires: the calling thread holds it.
    void Unlock() noexcept ABSL_UNLOCK_FUNCTION() { word_.store(kFree, std::memory_order_release); }

 private:
    enum : uint32_t { kFree, kHeld };

    // About a microsecond: many times what a critical section takes.
    static constexpr int kSpins = 100;

    static void Pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
        asm volatile("yield");
#endif
    }
    // Until the lock seems free, but not for longer than a critical section takes.
    void SpinWhileHeld() const noexcept {
        for (int spin = 0; spin < kSpins && word_.load(std::memory_order_relaxed) != kFree; ++spin)
            Pause();
    }
    void LockContended() noexcept;

    std::atomic<uint32_t> word_ = kFree;
};

// Holds a LightMutex for the length of a scope.
class ABSL_SCOPED_LOCKABLE LightLock {
 public:
    explicit LightLock(LightMutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
        mutex_.Lock();
    }
    ~LightLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }
    LightLock(const LightLock&) = delete;
    LightLock& operator=(const LightLock&) = delete;

 private:
    LightMutex& mutex_;
};

}  // namespace tessera
