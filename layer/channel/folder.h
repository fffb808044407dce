// SPDX-License-Identifier: Apache-2.0
//
// The folder that holds the segments of this user's processes: where it is, whether it can be
// trusted, and what is left in it of processes that are gone.
//
// Threads: no shared state. Nothing here allocates from C++'s heap or throws.
//
// The one idea: a folder is checked once it is open, and everything else is done relative to the
// descriptor. Whatever somebody does to the path meanwhile, we stay in the folder that we checked.
#pragma once

#include <cstdint>
#include <span>

#include "channel/segment_name.h"

namespace tessera::channel {

// How much is kept of processes that are gone, per folder, for those who want to know afterwards.
inline constexpr uint32_t kKeptDeadSegments = 8;
inline constexpr uint64_t kKeptDeadBytes = uint64_t{64} << 20;

// Opens the folder of segments, and makes it if need be: in $XDG_RUNTIME_DIR, else in /dev/shm. The
// second is used too, after one logged line, where the first is set and cannot be used. A folder
// counts only if it is a folder, not a link, belongs to this user and lets nobody else in.
// Returns: its descriptor, which the caller closes, with its path in `path`; -1, after a logged
// line, if there is none.
int OpenFolder(std::span<char, kMaxFolderPathBytes> path) noexcept;

// Removes segments of dead processes from the folder, those first that were seen alive longest ago,
// until what is left is within the limits above. What is not a segment by its name, not a plain
// file of this user, or has several names stays, and so does any segment that a process maps.
// Others may do the same at the same time.
void RemoveDeadSegments(int folder) noexcept;

}  // namespace tessera::channel
