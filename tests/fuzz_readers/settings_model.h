// SPDX-License-Identifier: Apache-2.0
//
// What docs/settings.md makes of an input, worked out without the layer's code: the other half of
// the comparison.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "layer/base/settings.h"
#include "settings_input.h"

namespace tessera::fuzz_readers {

// A line that the log must have: all of these are in it.
using Complaint = std::vector<std::string>;

struct Outcome {
    Settings settings;
    std::vector<Complaint> complaints;  // in any order
};

// `path`: of the settings file, as the layer composes it; empty for Place::kNowhere.
Outcome Model(const SettingsInput& input);

}  // namespace tessera::fuzz_readers
