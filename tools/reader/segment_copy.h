// SPDX-License-Identifier: Apache-2.0
//
// Copies one open segment file, which may be anything: cut short, forged, being written.
//
// Threads: no shared state.
//
// The one idea: what comes of it is a segment itself, in memory, that holds still. It has what was
// asked for and nothing else, its extents lie close together, and a record that kept changing has
// an odd sequence in it, as if its writer had died there. So segment_parse.h, which trusts no
// number either, reads copies, recordings and made-up bytes alike.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tessera/reader.h"

namespace tessera::reader {

struct SegmentCopy {
    std::vector<std::byte> bytes;
    bool runs = false;           // the process that wrote it still runs
    uint64_t segment_bytes = 0;  // of the file
};

// Copies the segment in `file`: header and devices, and if `depth` asks for it all tables. Rings
// are left out.
// `writer_runs`: says whether the process of this pid and start time runs. A writer that is gone
// will not finish what it was changing; then a torn copy is taken as it is.
// Ownership: `file` stays the caller's.
// Returns: an error, as a phrase that begins with "it", if the file is cut short, its header is
// unsound, or a running process never holds still.
Result<SegmentCopy> CopySegment(int file, bool (*writer_runs)(uint64_t pid, uint64_t start_time),
                                Depth depth);

// Copies a sound header alone, with its extents, as of one moment; of a dead or stubborn writer as
// it is. `*runs` says whether the process runs. Errors as above.
Result<std::unique_ptr<tessera_channel_header>> CopyHeader(
    int file, bool (*writer_runs)(uint64_t pid, uint64_t start_time), bool* runs);

// Reads `size` bytes at `offset`. Returns: false if the file ends before that, or cannot be read.
bool ReadFileAt(int file, uint64_t offset, void* out, size_t size);

// Reads of the file before it come before reads of the file after it.
void OrderReads();

}  // namespace tessera::reader
