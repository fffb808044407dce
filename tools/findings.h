// SPDX-License-Identifier: Apache-2.0
//
// What `tessera doctor` finds: sentences with a level, and with advice where something can be done.
// Here are those that need no Vulkan: files and the environment. doctor.cpp has the others.
//
// Threads: no shared state.
#pragma once

#include <string>
#include <vector>

#include "tools/environment.h"
#include "tools/json.h"

namespace tessera::command {

enum class Level {
    kOk,       // as it should be
    kNote,     // worth knowing
    kWarning,  // something does not do what the user seems to expect
    kError,    // the layer does not work here
};

const char* Name(Level level);  // "ok", "note", "warning", "error"

struct Finding {
    Level level = Level::kOk;
    std::string check;   // what was looked at, for programs: "loader", "device", ..
    std::string text;    // a sentence; what came from elsewhere in it went through Printable()
    std::string advice;  // one or more sentences on what to do; may be empty
};

using Findings = std::vector<Finding>;

// The layer's files: whether there is one, whether its library loads, and what else of Tessera the
// Vulkan loader would find.
Findings CheckFiles(const LayerSearch& search, const Environment& environment);

// The variables that decide what the Vulkan loader does with the layer.
Findings CheckLoaderVariables(const Environment& environment);

// The settings in the environment, TESSERA_*, that are in effect. Of those that are unknown or
// wrong the layer itself says so, wherever they stand; doctor.cpp passes that on.
Findings CheckSettings(const Environment& environment);

// [{"level", "check", "text", "advice"}..]; "advice" is null where there is none.
Json FindingsJson(const Findings& findings);

// For people: each finding with its advice below it.
std::string DescribeFindings(const Findings& findings);

}  // namespace tessera::command
