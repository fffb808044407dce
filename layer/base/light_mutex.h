// SPDX-License-Identifier: Apache-2.0
//
// LightMutex: a lock of one word for critical sections of a few dozen instructions.
//
// The one idea: without contention a lock and its unlock are one atomic instruction each, inline; a
// thread that has to wait spins for about as long as such a section takes and then sleeps in the
// kernel (futex). The standard library's costs about 150 instructions a pair.
//
// Threads: that is what it is for. Not recursive, not fair. In a forked child its state is the
// parent's, as with any lock.
//
// Order: lock, unlock and a try that fails are all sequentially consistent, so that "I left
// something behind and could not lock" and "I unlocked and found nothing" cannot both be true.
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
        return word_.compare_exchange_strong(expected, kHeld, std::memory_order_seq_cst);
    }

    // Gives the lock up. Requires: the calling thread holds it.
    void Unlock() noexcept ABSL_UNLOCK_FUNCTION() {
        if (word_.exchange(kFree, std::memory_order_seq_cst) == kAwaited) [[unlikely]]
            WakeOne();
    }

 private:
    enum : uint32_t { kFree, kHeld, kAwaited };

    void LockContended() noexcept;
    void WakeOne() noexcept;

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
