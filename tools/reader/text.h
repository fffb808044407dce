// SPDX-License-Identifier: Apache-2.0
//
// Text from a segment, made safe to print and to put into JSON.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace tessera::reader {

// Returns: the text in `bytes` up to its first zero or its end, as valid UTF-8 without control
// characters: each byte that is not part of a valid character becomes '?', and so does each control
// character (C0, DEL and C1), which could drive a terminal, and each mark that ends a line or
// changes the direction of writing, which could hide what stands beside it.
std::string SafeText(std::span<const char> bytes);

}  // namespace tessera::reader
