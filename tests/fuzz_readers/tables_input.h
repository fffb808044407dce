// SPDX-License-Identifier: Apache-2.0
//
// One input of the readers of tables and rings: a sound segment that has all of them, and a few
// changes to its bytes. Segments are in memory, so that thousands are read in a second.
//
// The one idea: most changes put something nearly right where readers decide by it: a number of
// another record, the place of another extent, a count that is one too large.
//
// Threads: one per object.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "choices.h"

namespace tessera::fuzz_readers {

// Stores the lowest `width` bytes of `value` at `offset`; of width 0, cuts the segment there.
struct Change {
    uint64_t offset = 0;
    uint64_t value = 0;
    uint8_t width = 8;
};

struct TablesInput {
    bool runs = false;  // the segment says that it is this process's
    std::vector<Change> changes;
};

// The segment that is changed.
const std::vector<std::byte>& TablesBase();

TablesInput MakeTablesInput(Choices& choices);

// The input, one change a line, each with the name of the place it hits.
std::string Print(const TablesInput& input);

// Reads what the input makes of the segment and throws Finding if an invariant does not hold:
//   * an error is a sentence and comes without data, or all that callers rely on is so
//     (../support/sound.h);
//   * of the records that are in use, each is there or counted as left out;
//   * of one input in eight: a file with these bytes is read as the bytes are, so is a copy of that
//     file, events are read once, and no pause or copy is without end.
// Returns: whether the segment was accepted.
bool CheckTablesInput(const TablesInput& input);

}  // namespace tessera::fuzz_readers
