// SPDX-License-Identifier: Apache-2.0
//
// What `tessera run` says at its end.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "tools/segment_watch.h"

namespace tessera::command {

// Several lines, each starting with "tessera: ": one paragraph for each process that made a
// device, and one for all where there are several. Requires: `processes` is not empty.
std::string Summary(const std::vector<Followed>& processes);

}  // namespace tessera::command
