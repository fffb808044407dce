// SPDX-License-Identifier: Apache-2.0
//
// Copies and checks one open segment file, which may be anything: cut short, forged, being written.
//
// Threads: no shared state.
//
// The one idea: a copy is taken piece by piece with pread(), each piece is checked before it is
// used, and what the writer changed meanwhile is copied again, a bounded number of times.
#pragma once

#include "tessera/reader.h"

namespace tessera::reader {

// Copies the segment in `file`.
// `writer_runs`: says whether the process of this pid and start time runs. A writer that is gone
// will not finish what it was changing; then a torn copy is taken as it is.
// Ownership: `file` stays the caller's. `path` of the result is not set.
Result<Process> CopySegment(int file, bool (*writer_runs)(uint64_t pid, uint64_t start_time));

}  // namespace tessera::reader
