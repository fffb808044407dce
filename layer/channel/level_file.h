// SPDX-License-Identifier: Apache-2.0
//
// The one request that a reader may make: a file beside the segment, which this process looks at.
//
// The one idea: whatever the file holds, the most that can happen is that another level is taken.
// It is read, never mapped, and believed only if it is a small regular file of this user and every
// word of it is as it must be.
//
// Threads: no shared state. Nothing here allocates or throws.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <span>
#include <string_view>

#include "channel/segment_name.h"
#include "tessera/channel_abi.h"

namespace tessera::channel {

// Writes the path of the file for requests to the process whose segment lies at `segment_path`,
// zero-terminated. Returns: false if that is no segment's path, or there is no room.
bool FormatLevelPath(std::string_view segment_path, std::span<char> out) noexcept;

// The word that a request must end with.
uint64_t CheckOf(const tessera_level_request& request) noexcept;

// What a request looked like from outside when it was read last.
struct LevelFileLook {
    dev_t device = 0;
    ino_t inode = 0;
    timespec changed = {};
};

// Returns: whether the file holds a request to `owner` that is to be obeyed; then it is in
// `*request`. `last`: of the last call; all zero at first.
//
// A descriptor is used only while there is something new to read: for a moment it takes the lowest
// number that is free, which another thread of the application may count on.
bool ReadLevelFile(const char* path, const SegmentOwner& owner, LevelFileLook& last,
                   tessera_level_request* request) noexcept;

}  // namespace tessera::channel
