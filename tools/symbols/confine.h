// SPDX-License-Identifier: Apache-2.0
//
// Takes from a process whatever the reading of hostile files does not need.
//
// Threads: for a process with one thread.
#pragma once

#include <cstdint>

namespace tessera::command {

// Closes all descriptors but `keep`, which gets the number 3, and opens /dev/null as the first
// three. Ends the process with its parent.
void LeaveParent(int keep);

// From now on: `cpu_seconds` of processor time, `memory_bytes` of address space beyond what is
// mapped, no core dump.
void LimitResources(uint64_t cpu_seconds, uint64_t memory_bytes);

// From now on no descriptor can be made and, where the kernel filters system calls, nothing be
// called but what reads open files, has memory and ends: no file, socket or program is opened.
void CloseDoors();

}  // namespace tessera::command
