// SPDX-License-Identifier: Apache-2.0
//
// The few numbers about a process, or several, that a person wants first: what was asked for, what
// the driver was asked for, and why the two differ where they do.
//
// Sums over devices and memory types, but for peaks. Threads: plain values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tessera/reader.h"

namespace tessera::command {

// One side of the layer.
struct View {
    uint64_t live = 0;
    uint64_t live_bytes = 0;
    // The most that one device ever held. Exact for a device with one memory type; with several
    // their peaks are added, which need not have been at the same time.
    uint64_t peak_bytes = 0;
    uint64_t allocations = 0;
    uint64_t failed = 0;
    uint64_t time_ns = 0;  // in vkAllocateMemory and vkFreeMemory
};

struct Account {
    View app;
    View driver;
    uint64_t devices = 0;  // with those that are only remembered as a sum
    uint64_t pooled_allocations = 0;
    uint64_t moved_slots = 0;
    uint64_t placement_failures = 0;
    uint64_t dropped_devices = 0;
    bool app_time_estimated = false;
    std::array<uint64_t, TESSERA_REASON_COUNT> passed = {};  // allocations by enum tessera_reason
    std::array<uint64_t, TESSERA_MISUSE_COUNT> misuse = {};  // by enum tessera_misuse
    std::vector<std::string> device_names;                   // each once; not Printable() yet

    void Add(const Account& other);
};

Account AccountOf(const reader::Process& process);

// The time that all calls of a command took. Of calls that stay in the layer a few were measured
// and stand for the others: `total_ns` is right on average, but over- or underrates their number as
// chance would have it. What they are too many or too few is made up for with the duration of a
// typical one. `driver`: the same command as the layer called it; calls that reached the driver
// were all measured. Exact where every call was.
// Units: ns.
uint64_t EstimatedTime(const tessera_call_totals& app, const tessera_call_totals& driver);

// "1,204 dedicated (dedicated to one buffer, image or tensor), 3 too_large (...)", most first;
// empty if nothing passed through.
std::string DescribePassThrough(const Account& account);

// "2 double_free (memory was freed that was freed already)" and so on, in the order of the kinds;
// empty if no rule was broken.
std::string DescribeMisuse(const Account& account);

}  // namespace tessera::command
