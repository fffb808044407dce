// SPDX-License-Identifier: Apache-2.0
//
// What a reader may find of busy_application, whenever that is read or killed. sound.h has what any
// segment must satisfy; here is what is known of this application on top: what belongs together
// says so in each of its parts.
//
// Threads: no shared state.
#pragma once

#include <cstdint>
#include <string>

#include "tessera/reader.h"

namespace tessera::test {

// Threads that may be in the middle of an operation when the process dies: two of the application,
// and the layer's helper.
inline constexpr uint64_t kThreadsInTheMiddle = 3;

// Returns: the first thing that cannot be, as a phrase; empty if all can be. WhatIsUnsound() is
// part of it. `ran`: the process ran while it was copied. What is copied a moment later may be of
// another moment then, so that only what lies in one record can be held against each other.
std::string WhatIsImplausible(const reader::Process& process, bool ran);

// The same of events.
std::string WhatIsImplausible(const reader::EventBatch& batch);

}  // namespace tessera::test
