// SPDX-License-Identifier: Apache-2.0
//
// Scenarios that are not rounds of a steady sequence.
//
// Threads: each runs on the calling thread, and throws std::runtime_error when it cannot.

#ifndef TESSERA_BENCH_SPECIAL_H_
#define TESSERA_BENCH_SPECIAL_H_

#include <vector>

#include "field.h"
#include "scenario.h"

namespace bench {

// Four times `live` are allocated, all but `live` of them, chosen at random, are freed, and then
// what is left is replaced as often as the outcomes' `turnovers` say.
std::vector<Outcome> RunGrowth(const Scenario& scenario, const Settings& settings);

// On the mock driver, whose allocations take 1 ms here: what lives grows by 64 MiB a second while
// it is also replaced. Each step, a free and two allocations, is timed by itself. Outcomes tell
// `step_ns_p999`, `step_ns_most` and the driver's allocations on the application's own thread,
// those of the first four blocks left out.
std::vector<Outcome> RunSteadyGrowth(const Scenario& scenario, const Settings& settings);

// naive_scene with `live` resources as a process of its own, bare and through the layer in turns.
// Outcomes tell medians: `populate_ms`, `frame_ms`, and `process_ms` from start to end.
std::vector<Outcome> RunApplication(const Scenario& scenario, const Settings& settings);

}  // namespace bench

#endif  // TESSERA_BENCH_SPECIAL_H_
