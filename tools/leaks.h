// SPDX-License-Identifier: Apache-2.0
//
// What of a process still lives: on a device that was destroyed, at the end of the process, or now.
//
// The one idea: a thousand leaks of one line of code are one leak. So allocations are grouped by
// what tells where they come from: memory type, size, name and call stack.
//
// What is said of single allocations needs the level `full`; without it the totals say how many
// there are of which memory type.
//
// Threads: plain values and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tessera/reader.h"
#include "tools/json.h"
#include "tools/symbols/symbolizer.h"

namespace tessera::command {

// When it lives that should perhaps not.
enum class LeakMoment {
    kDestroyed,  // its device was destroyed: Vulkan forbids that
    kEnd,        // the process is gone, or gave up Vulkan, and had not destroyed the device
    kNow,        // the process runs: these may yet be freed
};
const char* Name(LeakMoment moment);  // "device_destroyed", "process_ended", "now"

// Resources of one kind that are bound to the allocations of a group.
struct BoundKind {
    reader::Resource example;  // without its name, its handle and its place
    uint64_t count = 0;
    std::vector<std::string> names;  // some of them; not Printable() yet
};

struct LeakGroup {
    uint32_t type = 0;  // index of the memory type
    uint64_t size_bytes = 0;
    std::string name;                // not Printable() yet; empty: none
    uint32_t stack = reader::kNone;  // index into Process::stacks
    uint64_t count = 0;
    uint64_t bytes = 0;
    uint64_t passed_through = 0;       // so many of `count`
    uint64_t oldest_ns = 0;            // CLOCK_MONOTONIC; 0: not known
    std::vector<BoundKind> resources;  // most frequent first
};

struct LeaksOfType {
    uint32_t type = 0;
    uint64_t count = 0;
    uint64_t bytes = 0;
};

struct DeviceLeaks {
    size_t device = 0;  // index into Process::devices
    LeakMoment moment = LeakMoment::kNow;
    uint64_t count = 0;  // from the totals, which know all of them
    uint64_t bytes = 0;
    std::vector<LeaksOfType> types;  // most bytes first
    std::vector<LeakGroup> groups;   // most bytes first; empty if single ones are not known
    uint64_t in_groups = 0;          // allocations in all groups: may be fewer than `count`
};

// Those devices on which something lives. `include_live`: also of a process that goes on.
std::vector<DeviceLeaks> FindLeaks(const reader::Process& process, bool include_live);

// Whether something in them is lost for good: a device or a process ended with it.
bool AnythingLeaked(const std::vector<DeviceLeaks>& leaks);

// Whether something leaked, or that cannot be ruled out because devices were not counted.
bool MayHaveLeaked(const reader::Process& process, const std::vector<DeviceLeaks>& leaks);

// The call stacks of the `limit` first groups of each device, symbolised.
Symbolizer SymbolizeLeaks(const reader::Process& process, const std::vector<DeviceLeaks>& leaks,
                          size_t limit, Symbolizer::Options options);

// Lines for people: the process, its devices, and of each the `limit` first groups; and of how many
// devices nothing is known. Everything in it went through Printable().
std::string DescribeLeaks(const reader::Process& process, const std::vector<DeviceLeaks>& leaks,
                          const Symbolizer& symbolizer, size_t limit);

// An array with one entry for each device; docs/command.md has the keys.
Json LeaksJson(const reader::Process& process, const std::vector<DeviceLeaks>& leaks,
               const Symbolizer& symbolizer);

// A call stack as an array of frames, innermost first; null if there is none.
Json StackJson(const reader::Process& process, uint32_t stack, const Symbolizer& symbolizer);

// Without name and place: "kind", "usage", "format" and so on.
Json ResourceJson(const reader::Resource& resource);

}  // namespace tessera::command
