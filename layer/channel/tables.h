// SPDX-License-Identifier: Apache-2.0
//
// Room in the segment for what the levels `full` and `events` record.
//
// Threads: every function may be called from any thread; it takes the channel's mutex, which is a
// leaf. None is on a hot path: room is made for many records at once.

#ifndef TESSERA_LAYER_CHANNEL_TABLES_H_
#define TESSERA_LAYER_CHANNEL_TABLES_H_

#include <atomic>
#include <cstdint>

#include "tessera/channel_abi.h"

namespace tessera::channel {

// Makes an extent of `bytes` (rounded up to pages) for records of `kind` from number `first` on.
// `owner`: the id of a live device, or 0 for the process. Returns: its zeroed bytes, which stay
// where they are until the device's record is used again (the process's: until the segment is
// closed); null if there is no segment, or no room in it. In a forked child nothing is found.
// Of the process (owner 0): if an earlier load of the layer left an extent of this kind, first
// number and size, that is returned as it is, so that its records keep their numbers.
void* AddExtent(tessera_kind kind, uint64_t owner, uint32_t first, uint64_t bytes) noexcept;

namespace tables_internal {
extern constinit std::atomic<uint32_t> generation;
}

// Another number whenever what AddExtent() returned for the process is gone: the segment was
// closed, or this is a forked child. Never 0. Whoever keeps records keeps this with them.
inline uint32_t TableGeneration() noexcept {
    return tables_internal::generation.load(std::memory_order_relaxed);
}

// The segment was closed: TableGeneration() changes. Takes no lock.
void ForgetTables() noexcept;

// ForgetTables() in the child of a fork; the locks of the tables are as new then.
void ForgetTablesInChild() noexcept;

}  // namespace tessera::channel

#endif  // TESSERA_LAYER_CHANNEL_TABLES_H_
