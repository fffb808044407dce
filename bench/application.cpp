// SPDX-License-Identifier: Apache-2.0
//
// See special.h: what a whole application gains.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "special.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

// What the application prints of itself.
struct Printed {
    unsigned long long allocations = 0;
    double allocate_ms = 0;
    unsigned long long frees = 0;
    double free_ms = 0;
    double populate_ms = 0;
    double frame_ms = 0;
    double process_ms = 0;  // measured here
    std::string checksum;
};

Printed RunOnce(bool layered, const Scenario& scenario) {
    std::string command;
    if (layered) command = "VK_INSTANCE_LAYERS=VK_LAYER_TESSERA_suballocator ";
    command += "'" TESSERA_BENCH_APPLICATION "' --resources " + std::to_string(scenario.live) +
               " --seed " + std::to_string(scenario.seed) + " 2>&1";
    Printed printed;
    std::string last;
    const Clock::time_point start = Clock::now();
    FILE* output = popen(command.c_str(), "r");
    if (output == nullptr) throw std::runtime_error("cannot start the application");
    std::array<char, 512> line{};
    while (std::fgets(line.data(), line.size(), output) != nullptr) {
        last = line.data();
        (void)std::sscanf(line.data(), "allocations %llu made in %lf ms, %llu freed in %lf ms",
                          &printed.allocations, &printed.allocate_ms, &printed.frees,
                          &printed.free_ms);
        (void)std::sscanf(line.data(), "time %lf ms to populate, %lf ms a frame",
                          &printed.populate_ms, &printed.frame_ms);
    }
    const int status = pclose(output);
    printed.process_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    if (status != 0 || last.rfind("checksum ", 0) != 0 || printed.allocations == 0) {
        throw std::runtime_error("the application failed: " + last);
    }
    printed.checksum = last;
    return printed;
}

double Median(const std::vector<Printed>& runs, double Printed::*figure) {
    std::vector<double> values;
    for (const Printed& run : runs)
        values.push_back(run.*figure);
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

Outcome Summarise(const char* contender, const Scenario& scenario,
                  const std::vector<Printed>& runs) {
    Outcome outcome;
    outcome.scenario = scenario.name;
    outcome.contender = contender;
    outcome.live = scenario.live;
    const double allocate_ms = Median(runs, &Printed::allocate_ms);
    const double free_ms = Median(runs, &Printed::free_ms);
    outcome.ns_per_pair =
        (allocate_ms + free_ms) * 1e6 / static_cast<double>(runs.front().allocations);
    outcome.pairs_per_second = 1e9 / *outcome.ns_per_pair;
    outcome.more["allocations"] = static_cast<double>(runs.front().allocations);
    outcome.more["populate_ms"] = Median(runs, &Printed::populate_ms);
    outcome.more["frame_ms"] = Median(runs, &Printed::frame_ms);
    outcome.more["process_ms"] = Median(runs, &Printed::process_ms);
    std::printf("  %s: %.0f allocations, populate %.0f ms, a frame %.1f ms, process %.0f ms\n",
                contender, outcome.more["allocations"], outcome.more["populate_ms"],
                outcome.more["frame_ms"], outcome.more["process_ms"]);
    return outcome;
}

}  // namespace

std::vector<Outcome> RunApplication(const Scenario& scenario, const Settings& settings) {
    if (!std::filesystem::exists(TESSERA_BENCH_APPLICATION)) {
        throw std::runtime_error("naive_scene is not built");
    }
    std::vector<Printed> bare;
    std::vector<Printed> layered;
    for (uint32_t round = 0; round < settings.run.rounds; ++round) {
        bare.push_back(RunOnce(false, scenario));
        layered.push_back(RunOnce(true, scenario));
        if (bare.back().checksum != layered.back().checksum) {
            throw std::runtime_error("the layer changed what the application draws");
        }
    }
    return {Summarise("tessera", scenario, layered), Summarise("driver", scenario, bare)};
}

}  // namespace bench
