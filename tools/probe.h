// SPDX-License-Identifier: Apache-2.0
//
// Tries something in a child process that may crash or hang on the way, as drivers do, and says how
// far it came.
//
// The child is a fork of this process: it needs no second program, and what it loads is gone with
// it. It gets an environment of its own, which must hold before the Vulkan loader is loaded;
// nothing of it may be loaded in this process.
//
// Threads: one; the process must have no other when it forks.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/environment.h"
#include "tools/json.h"

namespace tessera::command {

struct ProbeResult {
    pid_t pid = -1;
    Json report;                // what the work returned; null if it did not come to its end
    std::string step;           // what it was about to do last
    std::optional<int> signal;  // that ended it
    bool timed_out = false;
    std::vector<std::string> log;  // what the layer said of problems; not Printable() yet

    bool Finished() const { return !report.is_null(); }
};

// Tells the parent what comes next: "creating an instance".
using TellStep = std::function<void(const std::string& step)>;

// Runs `work` in a child with `environment`. Its standard output goes nowhere; of its standard
// error only what the layer says is kept. A child that is not done after `limit` is killed.
ProbeResult RunProbe(const Environment& environment, std::chrono::seconds limit,
                     const std::function<Json(const TellStep&)>& work);

}  // namespace tessera::command
