// SPDX-License-Identifier: Apache-2.0
//
// Everything that takes part in one scenario: what was asked for on the command line, the machines
// and the contenders on them.
//
// Threads: belongs to one.

#ifndef TESSERA_BENCH_FIELD_H_
#define TESSERA_BENCH_FIELD_H_

#include <memory>
#include <string>
#include <vector>

#include "contender.h"
#include "scenario.h"

namespace bench {

// What holds for all scenarios of a run.
struct Settings {
    std::vector<std::string> contenders = {"tessera", "driver", "vma", "offset_allocator"};
    std::string driver = "any";  // "mock", "lavapipe", "any" or a manifest
    std::string layer_dir = TESSERA_BENCH_LAYER_DIR;
    int type = -1;  // the one of `types` that is measured now
    std::vector<int> types = {-1};
    bool announce = true;  // requirements are asked for first, unless a scenario says otherwise
    uint32_t most_for_driver = 10'000;  // live allocations of the bare driver; more are left out
    uint64_t driver_cost_ns = 0;        // of an allocation and of a free, on the mock driver
    uint32_t seconds = 5;               // of scenarios that run by the clock
    RunOptions run;
};

// Says which driver the loader will find and where the layer lies. Requires: before the first
// instance, with no other thread about. Throws std::runtime_error.
void PrepareEnvironment(const Settings& settings);

// The manifest of a driver by its short name; empty for "any".
std::string ManifestOf(const std::string& driver);

// Whether a contender of this name was asked for.
bool Wants(const Settings& settings, const std::string& name);

// The contenders that were asked for and whose sources were not there at the build.
std::string Missing(const Settings& settings);

class Field {
 public:
    Field(const Settings& settings, bool sparse);
    // Those that can take part in a scenario with so many live allocations.
    std::vector<Contender*> For(uint64_t live) const;
    const Machine& bare() const { return bare_; }

 private:
    uint32_t most_for_driver_;
    Machine bare_;
    std::unique_ptr<Machine> layered_;
    std::vector<std::unique_ptr<Contender>> contenders_;
};

}  // namespace bench

#endif  // TESSERA_BENCH_FIELD_H_
