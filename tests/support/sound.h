// SPDX-License-Identifier: Apache-2.0
//
// What callers of the reader rely on without checking it again, whatever lay in the segment.
//
// Threads: no shared state.
#pragma once

#include <string>

#include "tessera/reader.h"

namespace tessera::test {

// Returns: the first promise that does not hold, as a phrase; empty if all do: every index leads
// to something, every count fits, allocations with a block lie within it, order is as promised.
std::string WhatIsUnsound(const reader::Process& process);

// The same of events.
std::string WhatIsUnsound(const reader::EventBatch& batch);

}  // namespace tessera::test
