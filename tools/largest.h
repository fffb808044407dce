// SPDX-License-Identifier: Apache-2.0
//
// What `tessera stat --detail` adds: how full the tables are, and the largest allocations.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tessera/reader.h"
#include "tools/json.h"
#include "tools/symbols/symbolizer.h"

namespace tessera::command {

// Indices of the `limit` largest allocations of a device, the largest first; of equal ones the
// oldest comes first.
std::vector<size_t> LargestAllocations(const reader::Device& device, size_t limit);

// Looks up the call stacks of the `limit` largest allocations of each device.
void ResolveLargest(const reader::Process& process, size_t limit, Symbolizer& symbolizer);

// Lines for people. Everything in them went through Printable().
std::string DescribeDetail(const reader::Process& process, const Symbolizer& symbolizer,
                           size_t limit);

// Adds the same to a process's entry of schema 1: "recorded" to it and its devices, and "largest"
// to its devices.
void AddDetailJson(Json& entry, const reader::Process& process, const Symbolizer& symbolizer,
                   size_t limit);

}  // namespace tessera::command
