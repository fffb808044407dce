// SPDX-License-Identifier: Apache-2.0
//
// The application's threads by number, for records that say which thread did something.
//
// Threads: any. The number of the calling thread is kept in a variable of the thread; the first
// call of a thread takes one mutex, which is held while the channel's is taken.
//
// The one idea: a number is valid for as long as the segment is, also when the layer is unloaded
// and comes back meanwhile: a thread then finds the record that it left. Records are not used
// again, since what ended threads allocated may still live.
#pragma once

#include <cstdint>

#include "channel/tables.h"

namespace tessera::channel {

// Records that there can be; record 0 is not in use.
inline constexpr uint32_t kMaxThreads = 4096;

namespace threads_internal {
// What is kept of a thread. No destructor and no initialiser, so that the library can be unloaded;
// not of the initial-exec model, for which a process has room for a few libraries only. To find it
// takes a call: once for each use.
struct Local {
    // TableGeneration() when the thread got its number, and in the lowest 16 bits that number.
    uint64_t mark;
    // The call stack that the thread's next allocation is to carry; 0: none.
    uint16_t stack;
};
extern thread_local constinit Local local;
uint16_t Register(Local& own) noexcept;
inline uint16_t NumberOf(Local& own) noexcept {
    if (own.mark >> 16 == TableGeneration()) [[likely]]
        return static_cast<uint16_t>(own.mark);
    return Register(own);
}
}  // namespace threads_internal

// Returns: the number of the calling thread's record; 0 if there is none, for want of a segment or
// of room. Then it is not asked for again until the segment is another one.
// Requires: this is not a forked child in which channel::ForkedChild() is still to be called.
inline uint16_t CurrentThread() noexcept {
    return threads_internal::NumberOf(threads_internal::local);
}

// Who allocates: a thread, and its call stack if it was taken.
struct Allocator {
    uint16_t thread;
    uint16_t stack;
};

// Returns: the calling thread, and the stack that SetStack() was given, which is none from then on.
// Requires: as CurrentThread().
inline Allocator TakeAllocator() noexcept {
    threads_internal::Local& own = threads_internal::local;
    const uint16_t stack = own.stack;
    own.stack = 0;
    return {threads_internal::NumberOf(own), stack};
}
inline void SetStack(uint16_t stack) noexcept {
    threads_internal::local.stack = stack;
}

// For ForgetTablesInChild(): the lock is new.
void ForgetThreadsInChild() noexcept;

}  // namespace tessera::channel
