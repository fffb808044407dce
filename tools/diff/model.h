// SPDX-License-Identifier: Apache-2.0
//
// What changed between two states, of one process or of two.
//
// Devices are matched by id within one process and by name and order between two; a device that has
// no match is compared with nothing. Allocations are compared in groups of what looks alike, since
// handles mean nothing in another process: same memory type, size, name, and place in the code that
// allocated them. Within one process the single allocations are compared as well.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tessera/reader.h"

namespace tessera::command {

struct Amount {
    uint64_t count = 0;
    uint64_t bytes = 0;
    bool operator==(const Amount&) const = default;
};

struct Change {
    Amount before;
    Amount after;
    int64_t DeltaCount() const { return static_cast<int64_t>(after.count - before.count); }
    int64_t DeltaBytes() const { return static_cast<int64_t>(after.bytes - before.bytes); }
};

// What live allocations are grouped by.
enum class GroupBy { kAll, kSize, kName, kType, kStack };

struct GroupChange {
    // What all of the group have in common; what is not grouped by is empty.
    std::optional<uint64_t> size_bytes = {};
    std::optional<uint32_t> type = {};
    std::optional<std::string> name = {};                // not Printable() yet
    std::optional<std::vector<std::string>> stack = {};  // frames, innermost first; likewise
    Change change;

    // "came", "went", "grew", "shrank", "changed" (fewer allocations of more bytes and the like)
    // or "same".
    const char* What() const;
};

// One heap or memory type.
struct TotalChange {
    uint32_t index = 0;
    Change app;     // live allocations of the application
    Change driver;  // of the driver: blocks and what passed through
    // Allocations and frees so far; between two processes only each side means something.
    uint64_t allocations_before = 0, allocations_after = 0;
    uint64_t frees_before = 0, frees_after = 0;
};

struct DeviceDiff {
    const reader::Device* before = nullptr;  // one of the two may be null
    const reader::Device* after = nullptr;
    std::vector<TotalChange> heaps = {};
    std::vector<TotalChange> types = {};
    bool detailed = false;                 // the following is known: of both sides that there are
    std::vector<GroupChange> groups = {};  // only what changed, by the size of the change in bytes
    uint64_t unchanged_groups = 0;
    // One process: allocations that were there before and after, and only on one side.
    std::optional<Amount> kept = {}, came = {}, went = {};
};

struct Diff {
    bool same_process = false;
    int64_t elapsed_ns = 0;  // from the first to the second, of one process
    std::vector<DeviceDiff> devices = {};
};

// Lifetime: the result refers to both.
Diff DiffOf(const reader::Process& before, const reader::Process& after, GroupBy by);

}  // namespace tessera::command
