// SPDX-License-Identifier: Apache-2.0
//
// What the applications of this suite do: short programs, each about one topic, on a machine that
// makes the topic matter. A scenario says of every allocation whether it is pooled or goes through.
//
// Threads: one.
#ifndef TESSERA_TESTS_FAULTS_SCENARIOS_H_
#define TESSERA_TESTS_FAULTS_SCENARIOS_H_

#include <vector>

#include "application.h"

namespace tessera::faults {

struct Scenario {
    const char* name;
    Machine machine;
    void (*run)(Application&);
    // The scenario makes its instance and devices itself, and their creation and destruction is
    // counted and failed too. Otherwise run() starts on a fresh device.
    bool whole = false;
};

// In one order, always.
const std::vector<Scenario>& Scenarios();

// Parts of Scenarios().
std::vector<Scenario> MemoryScenarios();
std::vector<Scenario> ObjectScenarios();
std::vector<Scenario> LifecycleScenarios();

}  // namespace tessera::faults

#endif  // TESSERA_TESTS_FAULTS_SCENARIOS_H_
