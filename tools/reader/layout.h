// SPDX-License-Identifier: Apache-2.0
//
// What must hold of a segment's header before anything else in the segment is looked at, and what
// its clock means.
//
// Threads: pure functions. All take copies: nothing here may change meanwhile.
//
// The one idea: a header that passed CheckHeader() has extents that can be copied and walked
// without any further check of where they lie and how many records they hold.
#pragma once

#include <cstdint>
#include <string>

#include "tessera/channel_abi.h"

namespace tessera::reader {

// Extents begin at multiples of this many bytes.
inline constexpr uint64_t kExtentAlignment = 4096;

// The four functions below return why not, as a phrase that begins with "it"; empty if all is well.

// Says whether this is a segment, ready, and of the version that this program knows.
std::string CheckVersion(uint64_t magic, uint32_t abi_version);

// Says whether sizes and extents agree with each other and lie within the segment. Extents do not
// overlap, and neither do the numbers of the records of one table.
// Requires: CheckVersion() is content.
std::string CheckHeader(const tessera_channel_header& header);

// Says whether the counts in a device's record are within its arrays.
// `number`: of the record. Only number 0 may be the sum of retired devices.
std::string CheckDevice(const tessera_device_record& record, uint64_t number);

// Says whether the ring's capacity is a power of two, and lies within its extent of `bytes`.
std::string CheckRing(const tessera_ring& ring, uint64_t bytes);

// Returns: how many records the extent holds; 1 for a device or a ring; 0 for what is not in use or
// of a kind that is not known.
uint64_t RecordCount(const tessera_extent& extent);

// Returns: whether records of this kind are copied one by one: everything but devices and rings.
bool IsTable(uint32_t kind);

// Returns: ns of CLOCK_MONOTONIC at `ticks`; 0 for 0 ticks, for a clock that makes no sense, and
// for times before 0 or beyond 2^63.
uint64_t TicksToNs(const tessera_clock& clock, uint64_t ticks);

// Returns: CLOCK_MONOTONIC, ns.
uint64_t MonotonicNs();

}  // namespace tessera::reader
