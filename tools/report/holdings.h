// SPDX-License-Identifier: Apache-2.0
//
// What is held at the end: where it lies, and who holds it.
//
// The one idea: nobody can look at 100,000 allocations, so neighbours that are too small to be seen
// become one rectangle, and allocations that came from one place become one holder. The numbers of
// both are bounded whatever the process holds.
//
// Threads: one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tessera/reader.h"
#include "tools/report/history.h"
#include "tools/report/words.h"

namespace tessera::command::report {

// Rectangles in the map of blocks, at most (and one for each block more).
inline constexpr size_t kMaxRectangles = 40'000;
// Blocks that have a map of their own; the ones with the most in them.
inline constexpr size_t kMaxBlocks = 2'000;
// A block is cut into at most so many cells; what is smaller than one is merged with its
// neighbours.
inline constexpr uint64_t kMaxCells = 2'048;
inline constexpr size_t kMaxHolders = 500;

// One allocation, or several beside each other.
struct Rectangle {
    uint64_t offset = 0;
    uint64_t bytes = 0;       // from the start of the first to the end of the last, with padding
    uint64_t used_bytes = 0;  // as the application asked for them
    uint64_t count = 1;
    Use use = Use::kUnbound;  // of most of the bytes
    uint64_t age_ns = 0;      // of the oldest; 0: not known
    uint32_t thread = reader::kNone;
    uint32_t stack = reader::kNone;
    std::string name;  // of the largest that has one
    std::string what;  // what is bound to the largest
};

struct BlockMap {
    uint64_t device = 0;
    uint32_t type = 0;
    uint32_t number = 0;  // in its device; reader::kNone: not a block but what passed through
    uint64_t bytes = 0;
    uint64_t used_bytes = 0;
    uint64_t allocations = 0;
    uint64_t age_ns = 0;
    uint64_t driver_ns = 0;
    uint32_t flags = 0;  // enum tessera_block_flag
    uint64_t largest_free_bytes = 0;
    std::vector<Rectangle> rectangles;  // by offset
};

// Allocations that have their origin in common: a call stack if it is known, else a name, else what
// they are used for and their size.
struct Holder {
    uint64_t device = 0;
    uint64_t count = 0;
    uint64_t bytes = 0;
    uint64_t oldest_ns = 0;  // age
    uint64_t youngest_ns = 0;
    Use use = Use::kUnbound;
    uint32_t type = 0;  // of memory; kNone: they differ
    uint32_t thread = reader::kNone;
    uint32_t stack = reader::kNone;
    uint64_t size_bytes = 0;  // of each; 0: they differ
    bool leaked = false;      // its device is gone, or its process
    std::string name;
    std::string what;
};

struct Holdings {
    bool known = false;  // some device recorded its allocations
    std::vector<BlockMap> blocks;
    uint64_t blocks_left_out = 0;
    uint64_t merged = 0;          // allocations that are part of a rectangle of several
    std::vector<Holder> holders;  // most bytes first
    uint64_t holders_left_out = 0;
    // What `tessera leaks` tells of devices and processes that are gone, from the totals, which
    // know all of it; and how many of these are among the holders.
    uint64_t leaked = 0;
    uint64_t leaked_bytes = 0;
    uint64_t leaked_known = 0;
    // To which nothing was ever bound, and which are older than kUnboundAgeNs.
    static constexpr uint64_t kUnboundAgeNs = 10'000'000'000;
    bool binds_known = false;  // something was bound to something
    uint64_t unbound = 0;
    uint64_t unbound_bytes = 0;
    // By std::bit_width of the size.
    std::array<uint64_t, History::kSizeClasses> live = {};
    std::array<uint64_t, History::kSizeClasses> live_bytes = {};
    // By use.
    std::array<uint64_t, static_cast<size_t>(Use::kCount)> used = {};
    std::array<uint64_t, static_cast<size_t>(Use::kCount)> used_bytes = {};
};

Holdings HoldingsOf(const reader::Process& process);

}  // namespace tessera::command::report
