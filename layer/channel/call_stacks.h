// SPDX-License-Identifier: Apache-2.0
//
// Call stacks by number: who asked for an allocation, as raw return addresses, and the files that
// these addresses lie in. Symbols are the reader's business.
//
// Threads: any, at any time; no call of the application's allocator, no exception. A stack that was
// seen before is found without a lock. A new one takes one mutex, which is held while the channel's
// is taken.
//
// The one idea: a program has few different call stacks, so that after a short time all that a
// capture costs is the walk. That is the unwinder of libgcc, which finds its tables without a lock
// (_dl_find_object), in the copy inside of this library, which knows no frames registered at run
// time: a stack ends at code that a just-in-time compiler made, and where a stack that the
// application made itself begins (unwind_end.h).
#pragma once

#include <cstdint>

#include "channel/tables.h"

namespace tessera::channel {

// Stacks that there can be; number 0 is not in use.
inline constexpr uint32_t kMaxStacks = 65'536;
// Files that there can be.
inline constexpr uint32_t kMaxModules = 2048;

// Takes the calling thread's call stack, without the layer's own frames at its inner end.
// Returns: its number; 0 if none could be taken: there is no segment, no room for another stack, or
// the thread is taking one already (what happens on the way, such as a file being opened, may be
// the application's code). The caller counts that as unrecorded.
// Requires: this is not a forked child in which channel::ForkedChild() is still to be called.
uint16_t CaptureCallStack() noexcept;

// As above; left out at the inner end is what lies in [start, end) instead. For tests, whose own
// code is in the same file as the layer's.
uint16_t CaptureCallStackOutside(uintptr_t start, uintptr_t end) noexcept;

// For ForgetTablesInChild(): the lock is new.
void ForgetCallStacksInChild() noexcept;

}  // namespace tessera::channel
