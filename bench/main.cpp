// SPDX-License-Identifier: Apache-2.0
//
// tessera_bench: the same sequences of allocations and frees, by the driver, through the layer, and
// by what others offer, side by side in one run.
//
// Absolute times are this machine's; what counts is the ratios.

#include <CLI/CLI.hpp>
#include <cstdio>

#include "catalog.h"
#include "field.h"
#include "report.h"

namespace bench {
namespace {

struct Options {
    std::vector<std::string> scenarios = {"log", "log256", "tiny", "naive"};
    std::vector<uint32_t> live;
    std::vector<uint32_t> threads;
    uint64_t seed = 1;
    std::string json;
    bool list = false;
    Settings settings;
};

void AddSettings(CLI::App& app, Settings& settings) {
    app.add_option("--contender", settings.contenders, "Which take part")
        ->delimiter(',')
        ->check(CLI::IsMember({"driver", "tessera", "vma", "offset_allocator"}))
        ->capture_default_str();
    app.add_option("--driver", settings.driver,
                   "mock, lavapipe, a driver's manifest, or any: what the loader finds")
        ->capture_default_str();
    app.add_option("--driver-cost", settings.driver_cost_ns,
                   "What an allocation and a free of the mock driver take, in ns")
        ->capture_default_str();
    app.add_option("--layer-dir", settings.layer_dir, "Where the layer's manifest lies")
        ->capture_default_str();
    app.add_option("--type", settings.types,
                   "Memory types, one after the other; default: device-local, not host-visible")
        ->delimiter(',');
    app.add_flag("!--no-announce", settings.announce,
                 "Allocate without asking for requirements first");
    app.add_option("--most-for-driver", settings.most_for_driver,
                   "Leave the bare driver out above so many live allocations")
        ->capture_default_str();
    app.add_option("--rounds", settings.run.rounds, "Rounds; the median is told")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--round-ms", settings.run.round_ms, "Least length of a round")
        ->check(CLI::Range(1, 100000))
        ->capture_default_str();
    app.add_option("--patience", settings.run.patience_s,
                   "Leave out who takes more seconds to begin a scenario")
        ->capture_default_str();
    app.add_option("--pairs", settings.run.pairs,
                   "Instead, one round of so many pairs (whole thousands), the same each time")
        ->check(CLI::Range(uint64_t{0}, uint64_t{100'000'000}));
    app.add_option("--seconds", settings.seconds, "Length of what runs by the clock")
        ->capture_default_str();
}

bool Parse(int argc, char** argv, Options& options, int& exit_code) {
    CLI::App app{"Measures allocating and freeing device memory, side by side.", "tessera_bench"};
    app.add_option("--scenario", options.scenarios, "Which, by name; 'all' for all")
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("--live", options.live, "Live allocations of each thread")->delimiter(',');
    app.add_option("--threads", options.threads, "Threads")
        ->delimiter(',')
        ->check(CLI::Range(1, 1024));
    app.add_option("--seed", options.seed, "Decides sizes and order")->capture_default_str();
    app.add_option("--json", options.json, "Write the outcomes to this file");
    app.add_flag("--list", options.list, "Name the scenarios");
    AddSettings(app, options.settings);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        exit_code = app.exit(error) == 0 ? 0 : 2;
        return false;
    }
    return true;
}

std::vector<const Entry*> Chosen(const Options& options) {
    std::vector<const Entry*> chosen;
    for (const std::string& name : options.scenarios) {
        if (name != "all") {
            chosen.push_back(&Find(name));
            continue;
        }
        for (const Entry& entry : Catalog())
            chosen.push_back(&entry);
    }
    return chosen;
}

// Runs every combination of live allocations and threads of one scenario. One that fails is told,
// and the others go on. Returns whether none failed.
bool RunEntry(const Entry& entry, const Options& options, std::vector<Outcome>* all) {
    bool good = true;
    for (const uint32_t threads : options.threads.empty() ? entry.threads : options.threads) {
        for (const uint32_t live : options.live.empty() ? entry.live : options.live) {
            const Scenario scenario = {.name = entry.name,
                                       .shape = entry.shape,
                                       .mix = entry.mix,
                                       .live = live,
                                       .threads = threads,
                                       .sparse = entry.sparse,
                                       .unit = entry.unit,
                                       .announce = entry.announce && options.settings.announce,
                                       .seed = options.seed,
                                       .recording = {}};
            try {
                auto outcomes = entry.run(scenario, options.settings);
                for (Outcome& outcome : outcomes)
                    if (options.settings.type >= 0)
                        outcome.more["memory_type"] = options.settings.type;
                Print(outcomes);
                all->insert(all->end(), outcomes.begin(), outcomes.end());
            } catch (const std::exception& error) {
                std::fprintf(stderr, "tessera_bench: %s, %u live, %u threads: %s\n", entry.name,
                             live, threads, error.what());
                good = false;
            }
        }
    }
    return good;
}

// Which device, and who does not take part.
void PrintField(const Settings& settings) {
    const Machine machine({.type = settings.type});
    std::printf("device %s, memory type %u, sizes in units of %u\n", machine.name().c_str(),
                machine.type(), machine.SizeUnit());
    if (const std::string missing = Missing(settings); !missing.empty()) {
        std::printf("left out, built without TESSERA_BENCH_PEERS: %s\n", missing.c_str());
    }
    PrintHead();
}

int Main(const Options& options) {
    if (options.list) {
        for (const Entry& entry : Catalog())
            std::printf("%-14s %s\n", entry.name, entry.text);
        return 0;
    }
    const auto chosen = Chosen(options);
    PrepareEnvironment(options.settings);
    std::vector<Outcome> all;
    bool good = true;
    Options now = options;
    for (const int type : options.settings.types) {
        now.settings.type = type;
        PrintField(now.settings);
        for (const Entry* entry : chosen) {
            good &= RunEntry(*entry, now, &all);
            // Each time: what comes later may take too long for whoever waits.
            if (!options.json.empty()) WriteJson(options.json, all);
        }
    }
    return good ? 0 : 1;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    bench::Options options;
    int exit_code = 0;
    if (!bench::Parse(argc, argv, options, exit_code)) return exit_code;
    try {
        return bench::Main(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "tessera_bench: %s\n", error.what());
        return 1;
    }
}
