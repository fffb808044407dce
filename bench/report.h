// SPDX-License-Identifier: Apache-2.0
//
// How outcomes are told: a table for people, JSON for programs.
//
// Threads: pure functions that print.

#ifndef TESSERA_BENCH_REPORT_H_
#define TESSERA_BENCH_REPORT_H_

#include <string>
#include <vector>

#include "scenario.h"

namespace bench {

void PrintHead();
// The outcomes of one run of one scenario, with ratios to the layer's among them.
void Print(const std::vector<Outcome>& outcomes);
// A list of objects. Figures that are not known are null. Throws std::runtime_error.
void WriteJson(const std::string& path, const std::vector<Outcome>& outcomes);

}  // namespace bench

#endif  // TESSERA_BENCH_REPORT_H_
