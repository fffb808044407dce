// SPDX-License-Identifier: Apache-2.0
//
// The annotated lock types do what the standard ones do. That the annotations themselves work is
// the compiler's to show: clang builds this project with -Werror=thread-safety.
#include "layer/base/mutex.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace tessera {
namespace {

constinit Mutex g_constant_initialised;

struct Counter {
    Mutex mutex;
    CondVar changed;
    int value ABSL_GUARDED_BY(mutex) = 0;
};

TEST(Mutex, ExcludesThreadsFromEachOther) {
    constexpr int kThreads = 4;
    constexpr int kRounds = 2000;
    Counter counter;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&counter] {
            for (int round = 0; round < kRounds; ++round) {
                const MutexLock lock(counter.mutex);
                ++counter.value;
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    const MutexLock lock(counter.mutex);
    EXPECT_EQ(counter.value, kThreads * kRounds);
}

TEST(Mutex, TryLockFailsOnlyWhileAnotherThreadHoldsIt) {
    bool taken_while_held = true;
    g_constant_initialised.Lock();
    std::thread([&] {
        const bool taken = g_constant_initialised.TryLock();
        if (taken) g_constant_initialised.Unlock();
        taken_while_held = taken;
    }).join();
    g_constant_initialised.Unlock();
    EXPECT_FALSE(taken_while_held);

    const bool taken_when_free = g_constant_initialised.TryLock();
    if (taken_when_free) g_constant_initialised.Unlock();
    EXPECT_TRUE(taken_when_free);
}

TEST(CondVar, WakesTheWaiterAndHandsTheMutexBack) {
    Counter counter;
    std::thread waiter([&counter] {
        const MutexLock lock(counter.mutex);
        while (counter.value != 1)
            counter.changed.Wait(counter.mutex);
        counter.value = 2;
    });
    {
        const MutexLock lock(counter.mutex);
        counter.value = 1;
        counter.changed.NotifyAll();
    }
    waiter.join();
    const MutexLock lock(counter.mutex);
    EXPECT_EQ(counter.value, 2);
}

TEST(CondVar, WaitUntilReportsADeadlineThatHasPassed) {
    Counter counter;
    const MutexLock lock(counter.mutex);
    EXPECT_FALSE(counter.changed.WaitUntil(counter.mutex, std::chrono::steady_clock::now()));
    ++counter.value;
    EXPECT_EQ(counter.value, 1);
}

}  // namespace
}  // namespace tessera
