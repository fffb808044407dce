// SPDX-License-Identifier: Apache-2.0
//
// Whether this process runs with more rights than the user who started it (set-user-id and
// set-group-id programs, file capabilities).
//
// Such a process must not be steered by its environment, by files of the user or by the working
// directory, and must not leave files behind: in it the layer reads no settings, writes no log
// file, makes no channel and passes every call through.
#pragma once

#include <sys/auxv.h>

namespace tessera {

// Returns: true if the kernel marked the process as needing care (AT_SECURE), as glibc's
// secure_getenv asks. It holds for the life of the process: dropping the rights later does not
// make what was inherited trustworthy.
// Threads: any, without a lock.
inline bool ProcessIsElevated() noexcept {
    return getauxval(AT_SECURE) != 0;
}

}  // namespace tessera
