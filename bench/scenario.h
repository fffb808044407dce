// SPDX-License-Identifier: Apache-2.0
//
// What is measured: scenarios, and the running of one with several contenders.
//
// All contenders of a scenario are alive at once and take turns, round by round, so that what
// disturbs the machine disturbs them alike; what is told is the median of the rounds.

#ifndef TESSERA_BENCH_SCENARIO_H_
#define TESSERA_BENCH_SCENARIO_H_

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "contender.h"

namespace bench {

enum class Shape {
    kSteady,    // a slot chosen at random is freed and allocated anew
    kCross,     // as kSteady, but what a thread frees is what another one allocated
    kBurst,     // everything is allocated, then everything is freed
    kFrame,     // over what lives for long, 1,000 are allocated and freed each frame
    kBatch,     // 1,000 are allocated, then freed, nothing else lives
    kRecorded,  // what a real program did, from its start to its end
};

struct Scenario {
    std::string name;
    Shape shape = Shape::kSteady;
    Mix mix = Mix::kLog;
    uint32_t live = 0;  // allocations of each thread
    uint32_t threads = 1;
    bool sparse = false;   // on devices with sparse binding enabled
    uint32_t unit = 1;     // sizes are multiples of this, or of the driver's own if that is more
    bool announce = true;  // the application asks for requirements before it allocates
    uint64_t seed = 1;
    std::string recording;  // the file of kRecorded
};

// What came of one contender in one scenario. What is not known, or means nothing, is absent.
struct Outcome {
    std::string scenario;
    std::string contender;
    uint32_t threads = 1;
    uint64_t live = 0;                       // allocations of each thread
    std::optional<double> ns_per_pair;       // of one thread: an allocation and a free
    std::optional<double> pairs_per_second;  // of all threads
    std::optional<double> overhead_ratio;    // bytes of blocks over bytes asked for
    std::map<std::string, double> more;      // further figures by name
};

struct RunOptions {
    uint32_t rounds = 5;
    uint32_t round_ms = 100;   // at least, for each contender
    uint32_t patience_s = 20;  // a contender that takes longer to fill its slots is left out
    // Not 0: one round of so many pairs of each thread, the first of a sequence whose length does
    // not depend on it below kLeastPairs: instructions are counted by the difference of two runs.
    uint64_t pairs = 0;
};

// Thrown where a contender is so slow that nobody would wait for it.
struct GaveUp : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// How many pairs a batch has; a GPU's driver is slow, so that one batch may fill a round.
inline constexpr uint32_t kBatchPairs = 1000;
// The sequence from which RunOptions::pairs takes is made up in this length at least.
inline constexpr uint64_t kLeastPairs = 200'000;

// Runs a scenario and returns one outcome for each contender that can take part.
std::vector<Outcome> Run(const Scenario& scenario, const std::vector<Contender*>& contenders,
                         const RunOptions& options);

}  // namespace bench

#endif  // TESSERA_BENCH_SCENARIO_H_
