// SPDX-License-Identifier: Apache-2.0
//
// tessera_fuzz: random valid programs of Vulkan memory calls, through the real loader and the
// layer, on the mock driver.
//
//   tessera_fuzz [--description TEXT] [--seed N] [--operations N] [--threads N]
//                [--replay FILE] [--check-mix] [--quiet]
//
// Operations run in programs of 4,000, each on a device of its own and in the order of its seed. A
// finding prints the seed and the smallest program that shows it, which --replay takes. Exit codes:
// 0 nothing found, 1 a finding, 2 wrong arguments.
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "run.h"

namespace tessera::fuzz {
namespace {

constexpr uint64_t kProgramLength = 4000;

struct Options {
    std::string description = "preset:discrete";
    uint64_t seed = 1;
    uint64_t operations = 100'000;
    uint32_t threads = 1;
    std::string replay;
    bool check_mix = false;
    bool quiet = false;
};

// Whether a program fails, found out in a child, since it may crash. Multi-threaded ones may need
// several attempts.
bool FailsInChild(const Options& options, const std::vector<Program>& programs, uint64_t seed) {
    const pid_t child = fork();
    if (child == 0) {
        // What it says is known already.
        if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(3);
        alarm(60);
        try {
            RunPrograms(options.description, programs, seed);
        } catch (const Finding&) {
            _exit(1);
        }
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

void Report(const Options& options, const std::vector<Program>& programs, uint64_t seed,
            const char* what) {
    std::printf("found with --description '%s' --seed %llu: %s\n", options.description.c_str(),
                static_cast<unsigned long long>(seed), what);
    if (programs.size() != 1) return;
    const Program smallest = Minimise(programs[0], [&](const Program& program) {
        return FailsInChild(options, {program}, seed);
    });
    std::printf("# the smallest program that fails, for --replay: %zu operations\n%s",
                smallest.size(), Print(smallest).c_str());
}

// The rates that a run must show to mean anything.
bool CheckMix(const Statistics& statistics) {
    bool good = true;
    for (size_t kind = 0; kind < kKinds; ++kind) {
        const double share = 100.0 * static_cast<double>(statistics.done[kind]) /
                             static_cast<double>(statistics.operations);
        std::printf("%-14s %9llu  %5.2f %%\n", NameOf(static_cast<Kind>(kind)),
                    static_cast<unsigned long long>(statistics.done[kind]), share);
        good = good && share >= 2.0;
    }
    const double pooled = 100.0 * static_cast<double>(statistics.on_pooled) /
                          static_cast<double>(std::max<uint64_t>(statistics.on_memory, 1));
    std::printf("%-14s %9llu  %5.2f %%\n", "on pooled",  //
                static_cast<unsigned long long>(statistics.on_pooled), pooled);
    return good && pooled >= 90.0;
}

bool RunAll(const Options& options, Statistics* total) {
    uint64_t seed = options.seed;
    for (uint64_t done = 0; done < options.operations; ++seed) {
        std::vector<Program> programs;
        for (uint32_t thread = 0; thread < options.threads; ++thread) {
            programs.push_back(Generate(seed * 1000 + thread, kProgramLength));
            done += kProgramLength;
        }
        try {
            total->Add(RunPrograms(options.description, programs, seed));
        } catch (const Finding& finding) {
            Report(options, programs, seed, finding.what());
            return false;
        }
    }
    return true;
}

bool Replay(const Options& options) {
    std::ifstream file(options.replay);
    std::string problem = "cannot read " + options.replay;
    const auto program = file ? Parse(file, &problem) : std::nullopt;
    if (!program) {
        std::fprintf(stderr, "tessera_fuzz: %s\n", problem.c_str());
        std::exit(2);
    }
    try {
        RunPrograms(options.description, {*program}, options.seed);
    } catch (const Finding& finding) {
        std::printf("found: %s\n", finding.what());
        return false;
    }
    return true;
}

int Main(const Options& options) {
    if (!options.replay.empty()) return Replay(options) ? 0 : 1;
    const auto start = std::chrono::steady_clock::now();
    Statistics total;
    const bool good = RunAll(options, &total);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (!options.quiet) {
        std::printf(
            "%s: %llu operations took effect, %.0f a second; %.1f %% of those on memory "
            "were on pooled memory\n",
            options.description.c_str(), static_cast<unsigned long long>(total.operations),
            static_cast<double>(total.operations) / seconds.count(),
            100.0 * static_cast<double>(total.on_pooled) /
                static_cast<double>(std::max<uint64_t>(total.on_memory, 1)));
    }
    if (!good) return 1;
    return !options.check_mix || CheckMix(total) ? 0 : 1;
}

}  // namespace
}  // namespace tessera::fuzz

int main(int argc, char** argv) {
    tessera::fuzz::Options options;
    CLI::App app{"Runs random valid programs of Vulkan memory calls and compares with a model.",
                 "tessera_fuzz"};
    app.add_option("--description", options.description, "Of the mock driver's device")
        ->capture_default_str();
    app.add_option("--seed", options.seed, "Of the first program")->capture_default_str();
    app.add_option("--operations", options.operations, "At least so many")->capture_default_str();
    app.add_option("--threads", options.threads, "On one device")
        ->check(CLI::Range(1u, 64u))
        ->capture_default_str();
    app.add_option("--replay", options.replay, "Run the program in this file instead");
    app.add_flag("--check-mix", options.check_mix,
                 "Fail unless every kind of operation is at least one in fifty, and nine in ten "
                 "act on pooled memory");
    app.add_flag("--quiet", options.quiet, "Say nothing unless something is found");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    try {
        return tessera::fuzz::Main(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "tessera_fuzz: %s\n", error.what());
        return 2;
    }
}
