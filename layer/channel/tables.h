// SPDX-License-Identifier: Apache-2.0
//
// Room in the segment for what the levels `full` and `events` record.
//
// Threads: every function may be called from any thread; it takes the channel's mutex, which is a
// leaf. None is on a hot path: room is made for many records at once.

#ifndef TESSERA_LAYER_CHANNEL_TABLES_H_
#define TESSERA_LAYER_CHANNEL_TABLES_H_

#include <cstdint>

#include "tessera/channel_abi.h"

namespace tessera::channel {

// Makes an extent of `bytes` (rounded up to pages) for records of `kind` from number `first` on.
// `owner`: the id of a live device, or 0 for the process. Returns: its zeroed bytes, which stay
// where they are until the device's record is used again (the process's: until the segment is
// closed); null if there is no segment, or no room in it. In a forked child nothing is found.
void* AddExtent(tessera_kind kind, uint64_t owner, uint32_t first, uint64_t bytes) noexcept;

}  // namespace tessera::channel

#endif  // TESSERA_LAYER_CHANNEL_TABLES_H_
