// SPDX-License-Identifier: Apache-2.0
//
// Makes sense of the bytes of a segment that hold still: a copy, a recording, whatever is in
// memory.
//
// Threads: no shared state.
//
// The one idea: nothing in the bytes is believed. Every count is checked against the bytes that are
// there, and every number of another record becomes an index that exists, or none.
#pragma once

#include <cstddef>
#include <span>

#include "tessera/reader.h"

namespace tessera::reader {

// `bytes` need no alignment. `runs`: whether the process still runs, which the bytes cannot tell.
// Returns: everything but `path`, and `copied_ns` as the latest time that the segment knows of; or
// an error, as a phrase that begins with "it".
Result<Process> ParseSegment(std::span<const std::byte> bytes, bool runs, Depth depth);

// Fills in the tables of `process`, whose devices are there already.
// Requires: CheckHeader() is content with `header`, and its segment lies in `bytes`.
void ParseTables(std::span<const std::byte> bytes, const tessera_channel_header& header,
                 Process& process);

}  // namespace tessera::reader
