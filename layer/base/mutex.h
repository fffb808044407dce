// SPDX-License-Identifier: Apache-2.0
//
// Mutex, MutexLock and CondVar: the standard library's, with the annotations that let clang check
// our locking rules at compile time (-Wthread-safety; libstdc++'s own types carry none).
//
// Threading: that is what these are for. The lock order of the project is written in
// docs/design.md; no lock is held across a call down the layer chain.
//
// The one idea: fields say which mutex guards them (ABSL_GUARDED_BY), functions say which mutex
// they need (ABSL_EXCLUSIVE_LOCKS_REQUIRED), and the compiler refuses code that disagrees.
#pragma once

#include <absl/base/thread_annotations.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <type_traits>

namespace tessera {

// An exclusive, non-recursive lock. Constant-initialised and trivially destructible, so that it may
// be a global: the loader unloads and reloads the library, and nothing of it may run at exit.
class ABSL_LOCKABLE Mutex {
 public:
    constexpr Mutex() noexcept = default;
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    // Waits until no other thread holds the mutex, then holds it.
    // Requires: the calling thread does not hold it.
    void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }

    // Gives the mutex up. Requires: the calling thread holds it.
    void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

    // Takes the mutex if it is free now; never waits.
    // Returns: true if the caller holds it afterwards.
    [[nodiscard]] bool TryLock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) { return mutex_.try_lock(); }

    // Tells the analysis that the caller holds the mutex where it cannot see so (callbacks). It
    // emits no code and checks nothing at run time.
    void AssertHeld() const ABSL_ASSERT_EXCLUSIVE_LOCK() {}

 private:
    friend class CondVar;
    std::mutex mutex_;
};
static_assert(std::is_trivially_destructible_v<Mutex>, "a global Mutex must need no exit hook");

// Holds a Mutex for the length of a scope.
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
    // Ownership: `mutex` outlives the lock.
    explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
        mutex_.Lock();
    }
    ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }
    MutexLock(const MutexLock&) = delete;
    MutexLock& operator=(const MutexLock&) = delete;

 private:
    Mutex& mutex_;
};

// A condition variable for use with Mutex. Not trivially destructible (libstdc++'s is not): let it
// be a member of something that a person owns, never a global.
//
// There is no form with a predicate on purpose: a lambda hides the guarded reads from the
// analysis. Write `while (!condition) cv.Wait(mutex);`, which also covers spurious wake-ups.
class CondVar {
 public:
    CondVar() = default;
    CondVar(const CondVar&) = delete;
    CondVar& operator=(const CondVar&) = delete;

    // Gives `mutex` up, waits for a notification (or wakes for no reason), holds it again.
    void Wait(Mutex& mutex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
        std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
        condition_.wait(lock);
        lock.release();
    }

    // As Wait, but gives up waiting at `deadline`.
    // Returns: false if the deadline passed, true if woken. `mutex` is held either way.
    bool WaitUntil(Mutex& mutex, std::chrono::steady_clock::time_point deadline)
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
        std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
        const std::cv_status status = condition_.wait_until(lock, deadline);
        lock.release();
        return status == std::cv_status::no_timeout;
    }

    // Wakes one or all of the threads that wait now. The mutex need not be held.
    void NotifyOne() noexcept { condition_.notify_one(); }
    void NotifyAll() noexcept { condition_.notify_all(); }

 private:
    std::condition_variable condition_;
};

}  // namespace tessera
