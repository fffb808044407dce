// SPDX-License-Identifier: Apache-2.0
//
// See helper.h. Everything that the thread needs is in one object that lives as long as it does;
// what is global needs no destruction.

#include "layer/vk/helper.h"

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <new>

#include "layer/base/clock.h"
#include "layer/base/fork_guard.h"
#include "layer/base/log.h"
#include "layer/base/mutex.h"
#include "layer/vk/device.h"

// Of the C++ ABI: what std::atexit is made of, and the mark of this library.
extern "C" int __cxa_atexit(void (*)(void*), void*, void*) noexcept;
extern "C" __attribute__((visibility("hidden"))) void* __dso_handle;

namespace tessera {
namespace {

// As std::atexit: also called when the library goes. ThreadSanitizer's forgets whose handler it is.
int AtExit(void (*handler)(void*) noexcept) noexcept {
    return __cxa_atexit(handler, nullptr, &__dso_handle);
}

struct Worker {
    pthread_t thread = {};
    uint64_t epoch = 0;  // the process that it runs in
    bool stop = false;   // and the rest: guarded by helper_mutex
    bool ended = false;
    Device* first = nullptr;  // linked through Device::next_helped
    CondVar wake;
    CondVar end;
};

constinit Mutex helper_mutex;
constinit Worker* worker ABSL_GUARDED_BY(helper_mutex) = nullptr;
constinit bool exiting ABSL_GUARDED_BY(helper_mutex) = false;
// The process that last made a helper.
constinit std::atomic<uint64_t> helper_epoch = 0;
constinit uint32_t exit_handlers ABSL_GUARDED_BY(helper_mutex) = 0;

// How long the process's end waits for a helper that is inside the driver. A driver's allocation
// takes a fraction of that; but whoever ends the process may hold what the helper waits for.
constexpr std::chrono::seconds kLongestEnd(1);
// So many exit handlers at most: an application that makes devices for ever must not pay for it.
constexpr uint32_t kMostExitHandlers = 1024;

Device* FindDue(const Worker& self, uint64_t now_ms) noexcept
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(helper_mutex) {
    for (Device* device = self.first; device != nullptr; device = device->next_helped)
        if (device->helper_due_ms <= now_ms) return device;
    return nullptr;
}

uint64_t NextDue(const Worker& self) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(helper_mutex) {
    uint64_t due = pool::TypePool::kNever;
    for (const Device* device = self.first; device != nullptr; device = device->next_helped)
        due = std::min(due, device->helper_due_ms);
    return due;
}

bool IsListed(const Worker& self, const Device* wanted) noexcept
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(helper_mutex) {
    for (const Device* device = self.first; device != nullptr; device = device->next_helped)
        if (device == wanted) return true;
    return false;
}

void* Work(void* argument) noexcept {
    Worker& self = *static_cast<Worker*>(argument);
    MutexLock lock(helper_mutex);
    while (!self.stop) {
        const uint64_t now_ms = CoarseMs();
        Device* const device = FindDue(self, now_ms);
        if (device == nullptr) {
            const uint64_t due_ms = NextDue(self);
            if (due_ms == pool::TypePool::kNever) {
                self.wake.Wait(helper_mutex);
            } else {
                self.wake.WaitUntil(helper_mutex, std::chrono::steady_clock::now() +
                                                      std::chrono::milliseconds(due_ms - now_ms));
            }
            continue;
        }
        device->helper_due_ms = pool::TypePool::kNever;
        device->helper_wanted.store(false, std::memory_order_release);
        device->helper_busy = true;
        helper_mutex.Unlock();
        const uint64_t due_ms = device->Service(now_ms);
        helper_mutex.Lock();
        device->helper_busy = false;
        if (IsListed(self, device)) device->helper_due_ms = std::min(device->helper_due_ms, due_ms);
        // Whoever waits for that may destroy the device as soon as the lock is let go.
        device->helper_done.NotifyAll();
    }
    self.ended = true;
    self.end.NotifyAll();
    return nullptr;
}

// Tells the thread to end, unless this is it: then it ends with the process.
// Requires: nobody else can find the worker any more.
// Returns: whether it is to be joined.
bool TellToStop(Worker* stopped) noexcept ABSL_LOCKS_EXCLUDED(helper_mutex) {
    if (stopped == nullptr || stopped->epoch != ForkEpoch()) return false;
    if (pthread_equal(stopped->thread, pthread_self()) != 0) return false;
    MutexLock lock(helper_mutex);
    stopped->stop = true;
    stopped->wake.NotifyOne();
    return true;
}

void StopWorker(Worker* stopped) noexcept ABSL_LOCKS_EXCLUDED(helper_mutex) {
    if (!TellToStop(stopped)) return;
    pthread_join(stopped->thread, nullptr);
    delete stopped;
}

void StopAtExit(void*) noexcept {
    // In a forked child the lock may be held by a thread that does not exist.
    if (helper_epoch.load(std::memory_order_relaxed) != ForkEpoch()) return;
    Worker* stopped = nullptr;
    {
        MutexLock lock(helper_mutex);
        exiting = true;
        stopped = std::exchange(worker, nullptr);
    }
    if (!TellToStop(stopped)) return;
    // Not for ever: a callback of the application's may end the process, and what called it may
    // hold a lock of the driver's that the helper waits for. Such a helper is left where it is.
    const auto deadline = std::chrono::steady_clock::now() + kLongestEnd;
    {
        MutexLock lock(helper_mutex);
        while (!stopped->ended)
            if (!stopped->end.WaitUntil(helper_mutex, deadline)) return;
    }
    pthread_join(stopped->thread, nullptr);
    delete stopped;
}

// Exit handlers run youngest first, and the helper has to be gone before its driver is: each device
// that begins to need it may have a driver of its own, whose handlers are younger than those that
// the layer has registered before.
// Returns: whether the helper ends before the process does.
bool HandleExit() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(helper_mutex) {
    if (exit_handlers < kMostExitHandlers && AtExit(StopAtExit) == 0) ++exit_handlers;
    return exit_handlers != 0;
}

bool StartWorker() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(helper_mutex) {
    auto* fresh = new (std::nothrow) Worker;
    if (fresh == nullptr) return false;
    fresh->epoch = ForkEpoch();
    helper_epoch.store(fresh->epoch, std::memory_order_relaxed);
    // The application's signals are for the application's threads.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&fresh->thread, nullptr, Work, fresh);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0) {
        delete fresh;
        return false;
    }
    pthread_setname_np(fresh->thread, "tessera-helper");
    worker = fresh;
    return true;
}

}  // namespace

bool WantHelper(Device& device) noexcept {
    if (device.helper_wanted.exchange(true, std::memory_order_acq_rel)) return true;
    MutexLock lock(helper_mutex);
    const bool listed = worker != nullptr && IsListed(*worker, &device);
    if (exiting || (!listed && !HandleExit()) || (worker == nullptr && !StartWorker())) {
        device.helper_wanted.store(false, std::memory_order_relaxed);
        return false;
    }
    if (!listed) {
        device.next_helped = worker->first;
        worker->first = &device;
    }
    device.helper_due_ms = 0;
    worker->wake.NotifyOne();
    return true;
}

void ForgetHelped(Device& device) noexcept {
    Worker* stopped = nullptr;
    {
        MutexLock lock(helper_mutex);
        for (Device** link = worker != nullptr ? &worker->first : nullptr;
             link != nullptr && *link != nullptr; link = &(*link)->next_helped) {
            if (*link != &device) continue;
            *link = device.next_helped;
            break;
        }
        while (device.helper_busy)
            device.helper_done.Wait(helper_mutex);
        // What its pools still give back asks for nobody any more.
        device.helper_wanted.store(true, std::memory_order_relaxed);
        // The library may be unloaded after its last device.
        if (worker != nullptr && worker->first == nullptr) stopped = std::exchange(worker, nullptr);
    }
    StopWorker(stopped);
}

void RestartHelperInChild() noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    new (&helper_mutex) Mutex;
    worker = nullptr;  // the parent's is abandoned: its thread does not exist here
    exiting = false;
}

}  // namespace tessera
