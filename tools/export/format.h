// SPDX-License-Identifier: Apache-2.0
//
// The formats of `tessera export`, each with what it needs and whom it is for.
//
// Each writer gives its text piece by piece to a Sink, and stops when that returns false: nobody
// reads any more. So none of them needs memory for a whole document, but for VMA's, whose sums come
// first.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tessera/reader.h"
#include "tools/source.h"

namespace tessera::command {

using Sink = std::function<bool(std::string_view)>;

// Everything that a reader::Process has: the document of `tessera stat --json`, with a key
// "detail" in the process. docs/command.md describes it; it only grows.
void WriteDetailJson(const reader::Process& process, const Sink& sink);

// The live allocations, a line for each, as RFC 4180 has it.
void WriteCsv(const reader::Process& process, const Sink& sink);

// A cell of a CSV line. Text that a spreadsheet would take for a formula gets an apostrophe before
// it, also where a reader parts cells by other signs than commas; control characters are escaped as
// Printable() does.
std::string CsvCell(const std::string& text);

// The JSON of vmaBuildStatsString() with its detailed map, of one device.
void WriteVma(const reader::Device& device, const Sink& sink);

// Chrome's trace events, which Perfetto and chrome://tracing open: counters of each heap, calls
// that took at least `slow_ns`, and instants of frames, failures and levels.
// Returns: an empty text, or what is wrong with the events.
std::string WriteTrace(Source& source, uint64_t slow_ns, const Sink& sink);

}  // namespace tessera::command
