// SPDX-License-Identifier: Apache-2.0
//
// Which process this is and whether another one still runs, from /proc.
//
// A pid alone names nobody for long: the system uses it again. A pid together with the time at
// which its process started does, until the machine is booted anew.
//
// Threads: any; no shared state. Nothing here allocates or throws. Units: start times are in clock
// ticks since boot, as in field 22 of /proc/PID/stat (proc(5)).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tessera {

struct ProcessStat {
    uint64_t parent_pid;
    uint64_t start_time;

    // False if all of its threads have ended and only its parent has not asked for it yet.
    bool runs;
};

// Reads the text of a /proc/PID/stat. The program's name in it, between parentheses, may itself
// contain spaces, parentheses and line ends.
// Returns: nothing if it is not such a text.
std::optional<ProcessStat> ParseProcessStat(std::string_view text) noexcept;

// Returns: what /proc says of process `pid`, or nothing if there is none or /proc is not readable.
std::optional<ProcessStat> ReadProcessStat(uint64_t pid) noexcept;

// Returns: whether the process `pid` that started at `start_time` still runs.
bool ProcessRuns(uint64_t pid, uint64_t start_time) noexcept;

// Writes the base name of this process's executable, zero-terminated and cut to fit; the kernel's
// short name where the executable cannot be told, else an empty string.
// Requires: `out` is not empty.
void ReadOwnProcessName(std::span<char> out) noexcept;

}  // namespace tessera
