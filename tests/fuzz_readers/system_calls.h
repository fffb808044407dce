// SPDX-License-Identifier: Apache-2.0
//
// The linker leads the reader's pread() and nanosleep(), and the settings' LogLine() and
// ConfigureLog(), here (--wrap): to let files change between two reads, to count instead of
// waiting, and to see each line of the log.
//
// Threads: one at a time; what is set holds for the whole process.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tessera::fuzz_readers {

struct ReaderCosts {
    uint64_t reads = 0;
    uint64_t bytes = 0;
    uint64_t pauses = 0;  // of 1 ms at most each; none takes any time
};

// From here on costs are counted from 0, and `before_read` (which may be empty) is called before
// each pread() with the number of those before it.
void WatchReader(std::function<void(uint64_t)> before_read);
ReaderCosts CostsOfReader();

// The lines logged and the file asked for since the last call. Nothing is written where they say:
// an input may name any file of the user's.
struct Logged {
    std::vector<std::string> lines;  // before anything is escaped or cut
    uint32_t configured = 0;         // how often ConfigureLog was called
    std::string file;                // with what, the last time
};
Logged TakeLogged();

// Whether the stand-in of ConfigureLog pretends that this file cannot be opened.
bool RefusesLogFile(const std::string& path);

}  // namespace tessera::fuzz_readers
