// SPDX-License-Identifier: Apache-2.0
//
// What `tessera top` shows, apart from how it is drawn: rows of numbers, sorted and filtered, made
// from one copy of a process and the copy before it.
//
// Texts in rows went through Printable(). Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tessera/reader.h"

namespace tessera::top {

// Counters of a process or a device at one moment.
struct Counters {
    uint64_t time_ns = 0;  // CLOCK_MONOTONIC
    uint64_t allocations = 0;
    uint64_t frees = 0;
    uint64_t driver_calls = 0;
    uint64_t frames = 0;
};
Counters CountersOf(const reader::Process& process);
Counters CountersOf(const reader::Process& process, const reader::Device& device);

// Per second. Not known: there is no earlier moment, or none that differs.
struct Rates {
    bool known = false;
    double allocations = 0;
    double frees = 0;
    double driver_calls = 0;
    double frames = 0;
};
Rates Between(const Counters& before, const Counters& now);

// In what order rows stand. `key` is an index into the names of the view's keys.
struct Order {
    size_t key = 0;
    bool reversed = false;
};

// ---- The list of processes

inline constexpr const char* kListKeys[] = {"driver bytes", "app bytes", "allocations/s", "pid",
                                            "name"};

struct ProcessRow {
    uint64_t pid = 0;
    std::string name;
    reader::ProcessState state = reader::ProcessState::kEnded;
    tessera_level level = TESSERA_LEVEL_totals;
    size_t devices = 0;
    uint64_t app_live = 0;
    uint64_t app_bytes = 0;
    uint64_t driver_live = 0;
    uint64_t driver_bytes = 0;
    Rates rates;
};

// Those that live stand before those that are gone, in whatever order.
// `before`: earlier copies of the processes; those that are not among them have no rates. Only
// processes whose name or number contains `filter` are listed.
std::vector<ProcessRow> ListRows(std::span<const reader::Process> now,
                                 std::span<const reader::Process> before, const Order& order,
                                 const std::string& filter);

// ---- One device of one process

struct HeapBar {
    size_t index = 0;
    bool device_local = false;
    uint64_t size_bytes = 0;
    uint64_t limit_bytes = 0;  // the budget; the size where no budget is known
    bool has_budget = false;
    uint64_t usage_bytes = 0;  // as the driver says; what the driver gave where it says nothing
    uint64_t layer_bytes = 0;  // blocks and what was passed through
};

struct TypeRow {
    size_t index = 0;
    uint32_t heap = 0;
    std::string flags;
    tessera_totals app = {};
    tessera_totals driver = {};
    tessera_pooled pooled = {};
};

inline constexpr const char* kCallKeys[] = {"calls/s", "count", "p99"};
struct CallRow {
    std::string name;
    bool by_layer = false;  // the layer called the driver, rather than the app the layer
    uint64_t count = 0;     // since the device was created
    bool has_rate = false;
    double per_second = 0;
    // Of the calls since the copy before; without one, of all calls.
    bool timed = false;  // else nothing is known of these
    uint64_t p50_ns = 0;
    uint64_t p99_ns = 0;
    uint64_t max_ns = 0;  // since the device was created
};

inline constexpr const char* kBlockKeys[] = {"place", "free", "size"};
struct BlockRow {
    size_t index = 0;  // in Detail::blocks
    uint32_t type = 0;
    uint64_t bytes = 0;
    uint64_t used_bytes = 0;  // in allocations, with their padding
    size_t allocations = 0;
    std::string kind;           // "linear", "optimal large", ...; "shared" without any flag
    size_t first = 0, end = 0;  // its allocations in DeviceView::by_block
};

inline constexpr const char* kAllocationKeys[] = {"size", "age", "type", "name"};
struct AllocationRow {
    size_t index = 0;  // in Detail::allocations
    uint64_t size_bytes = 0;
    uint32_t type = 0;
    uint64_t age_ns = 0;  // 0: not known
    std::string place;    // "block 3", or the reason why it was passed through
    std::string what;     // its name, else what is bound to it
};

inline constexpr const char* kStackKeys[] = {"bytes", "allocations"};
struct StackRow {
    uint32_t stack = 0;  // index into Process::stacks; reader::kNone: those without a call stack
    uint64_t bytes = 0;
    uint64_t allocations = 0;
    std::string place;  // its innermost functions outside of the layer, "callee < caller"
};

struct DeviceView {
    std::string name;  // with what became of it, if it does not live
    uint64_t id = 0;
    uint64_t frames = 0;
    bool has_detail = false;  // the level is full or events
    tessera_totals app = {};  // over all memory types; peaks are sums
    tessera_totals driver = {};
    uint64_t pooled = 0;      // allocations so far that went into blocks
    uint64_t unrecorded = 0;  // records that found no room
    Rates rates;
    std::vector<HeapBar> heaps;
    std::vector<TypeRow> types;  // that were ever used
    std::vector<CallRow> calls;  // that were ever made
    std::vector<BlockRow> blocks;
    std::vector<AllocationRow> allocations;
    std::vector<StackRow> stacks;
    std::vector<size_t> by_block;  // allocations in order of block and offset
};

// The device that is shown first: one that lives, else the one that was destroyed last. 0 if there
// is none.
size_t DefaultDevice(const reader::Process& process);

struct DeviceOrders {
    Order calls, blocks, allocations, stacks;
};

// The lines of a call stack, innermost first, at least one.
using StackLines = std::function<std::vector<std::string>(uint32_t stack)>;

// `before`: the same process earlier, or null. `device`: index into the devices. Of allocations and
// stacks only those that contain `filter` are shown.
DeviceView ViewOf(const reader::Process& now, const reader::Process* before, size_t device,
                  const DeviceOrders& orders, const std::string& filter, const StackLines& lines);

// How full each of `cells` equal parts of a block is, from 0 to 1.
std::vector<double> Density(const reader::Detail& detail, const DeviceView& view,
                            const BlockRow& block, size_t cells);

// What is known of one allocation, a fact on each line, with its call stack last.
std::vector<std::string> DescribeAllocation(const reader::Process& process,
                                            const reader::Device& device, size_t allocation,
                                            const StackLines& lines);

}  // namespace tessera::top
