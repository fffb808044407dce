// SPDX-License-Identifier: Apache-2.0
//
// What may be printed, and whether a text is JSON: written from the standards (Unicode 15, RFC
// 8259) and not with the libraries that the command itself uses, which could be wrong in the same
// way.
//
// Threads: pure functions.
#pragma once

#include <string_view>

namespace tessera::fuzz_readers {

// Throws Finding unless `text` is valid UTF-8 without control characters (C0, DEL, C1; `line_ends`
// says whether "\n" is allowed) and without marks that change the direction of writing.
void CheckPrintable(std::string_view text, bool line_ends);

// Throws Finding unless `text` is one JSON value and a line end, in which no object has a key
// twice, and whose strings hold nothing that CheckPrintable would refuse, escaped or not.
void CheckJson(std::string_view text);

}  // namespace tessera::fuzz_readers
