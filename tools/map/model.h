// SPDX-License-Identifier: Apache-2.0
//
// What lies where in the driver's memory: the map as numbers, before it is drawn.
//
// A row is one VkDeviceMemory of the driver: a block that the layer made, or an allocation that
// passed through. Its spans cover it from its beginning to its end without gap or overlap,
// whatever the records say: a span that would reach into the one before it is cut, and what would
// lie beyond the end is left out. Where the resources in an allocation are known, each has a span
// of its own; what is bound over another one (aliasing) is counted and not drawn.
//
// Invariant: a row's spans are ordered by offset, not empty, and their sizes add up to its bytes.
//
// Threads: plain values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tessera/reader.h"
#include "tools/detail.h"

namespace tessera::command {

struct Span {
    uint64_t offset = 0;
    uint64_t bytes = 0;
    Use use = Use::kFree;
    uint32_t allocation = reader::kNone;  // index into Detail::allocations; kNone: free
    uint32_t resource = reader::kNone;    // index into Detail::resources; kNone: not one alone
};

struct MapRow {
    bool passed_through = false;
    uint32_t index = 0;  // into Detail::blocks, or of what passed through into Detail::allocations
    uint32_t type = 0;
    uint32_t heap = 0;
    uint64_t memory = 0;  // the driver's VkDeviceMemory; of what passed through the application's
    uint64_t bytes = 0;
    uint64_t allocations = 0;
    uint64_t largest_free_bytes = 0;
    uint64_t aliased = 0;                   // resources that lie over others
    std::array<uint64_t, kUses> used = {};  // bytes by Use
    std::vector<Span> spans = {};

    uint64_t FreeBytes() const { return used[static_cast<size_t>(Use::kFree)]; }
};

struct DeviceMap {
    const reader::Device* device = nullptr;
    std::vector<MapRow> rows = {};  // blocks first; then what passed through, the biggest first
    std::array<uint64_t, kUses> bytes = {};  // by Use
    std::array<uint64_t, kUses> spans = {};  // how many
    uint64_t unrecorded = 0;  // records of blocks, allocations and resources that had no room
};

struct MapFilter {
    std::optional<uint64_t> device = {};  // its id
    std::optional<uint32_t> type = {};
};

// Of the devices whose allocations are known. Lifetime: the maps refer to `process`.
std::vector<DeviceMap> MapOf(const reader::Process& process, const MapFilter& filter);

// Of one device, whatever is known of it. `filter.device` is not looked at.
DeviceMap MapOf(const reader::Device& device, const MapFilter& filter);

// An equal part of a row, of those that it is drawn with.
struct Cell {
    std::array<uint64_t, kUses> bytes = {};  // by Use
    // What is most in it, but for free space unless there is nothing else.
    Use Dominant() const;
    uint64_t Total() const;
    uint64_t Taken() const { return Total() - bytes[static_cast<size_t>(Use::kFree)]; }
};

// Divides `spans`, which cover `total` bytes, into `count` cells whose sizes differ by at most one
// byte. Requires: count > 0. Returns: fewer cells if there are fewer bytes.
std::vector<Cell> Divide(std::span<const Span> spans, uint64_t total, size_t count);

// The rows that are drawn one by one: all blocks but those beyond `max_blocks`, and of what passed
// through the biggest `max_passed`; the others of each memory type share a row, side by side, whose
// index is reader::kNone. `*left_out` receives how many blocks were left out.
std::vector<MapRow> RowsToDraw(const DeviceMap& map, size_t max_blocks, size_t max_passed,
                               uint64_t* left_out);

// "block 3", "passed: dedicated", "37 passed through".
std::string RowTitle(const DeviceMap& map, const MapRow& row);

// The name of what the span holds: of its resource, else of its allocation; not Printable() yet.
const std::string& NameOf(const reader::Detail& detail, const Span& span);

}  // namespace tessera::command
