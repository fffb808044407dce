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

// Twelve turnovers with each of five seeds, from `seed` on: means of what is held over what lives,
// and of the driver's calls.
std::vector<Outcome> RunOverhead(const Scenario& scenario, const Settings& settings);

// Everything is freed. Outcomes tell `held_at_once_bytes`, `held_soon_bytes` (after a tenth of a
// second), and `held_after_bytes` when `after_ms` have passed: nothing is held any more, or the
// seconds of Settings are over.
std::vector<Outcome> RunEmptied(const Scenario& scenario, const Settings& settings);

// What the driver itself says that `live` allocations of one size cost: `heap_usage_bytes`.
std::vector<Outcome> RunHeap(const Scenario& scenario, const Settings& settings);

// Binding, mapping, flushing and unmapping `live` allocations in turns, bare and through the layer:
// `ns_per_call`. The binds are of another buffer each; the first ones are told apart.
std::vector<Outcome> RunCalls(const Scenario& scenario, const Settings& settings);

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
