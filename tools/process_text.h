// SPDX-License-Identifier: Apache-2.0
//
// Everything that a process publishes, for people: what `tessera stat` prints without --json.
//
// Threads: pure functions.
#pragma once

#include <string>

#include "tessera/reader.h"

namespace tessera::command {

// Several lines, with a line end at the end of each. All strings in it went through Printable().
std::string DescribeProcess(const reader::Process& process);

}  // namespace tessera::command
