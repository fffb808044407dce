// SPDX-License-Identifier: Apache-2.0
//
// reader_fuzz: made-up inputs for what Tessera reads: settings, segments of the statistics channel,
// the tables in them, and recordings.
//
//   reader_fuzz --target settings|segment|tables|recording [--inputs N] [--seed N] [--first N]
//
// Input I of seed S is always the same one. A finding prints both, and the input, made smaller for
// as long as it shows the fault. Exit codes: 0 nothing found, 1 a finding, 2 wrong arguments.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>

#include "recording_input.h"
#include "segment_input.h"
#include "settings_input.h"
#include "tables_input.h"

// Of the sanitizers' runtime, if there is one.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace tessera::fuzz_readers {
namespace {

// No input takes a second; what takes so long hangs.
constexpr unsigned kHangSeconds = 120;

struct Options {
    std::string target;
    uint64_t seed = 1;
    uint64_t inputs = 100'000;
    uint64_t first = 0;
};

volatile uint64_t g_current = 0;

// For the ends at which no Finding is thrown.
void TellCurrent() {
    char text[64];
    const int length = snprintf(text, sizeof(text), "reader_fuzz: in input %llu\n",
                                static_cast<unsigned long long>(g_current));
    if (length > 0 && write(STDERR_FILENO, text, static_cast<size_t>(length)) < 0) return;
}

void Hang(int) {
    TellCurrent();
    _exit(1);
}

// One kind of input. Each returns: which of two kinds it was, of which a run should meet both.
struct Segments {
    using Input = SegmentInput;
    static constexpr const char* kMet[] = {"refused", "accepted"};
    static Input Make(Choices& choices) { return MakeSegmentInput(choices); }
    static bool Check(const Input& input) { return CheckSegmentInput(input); }
    static void Before() { CheckOtherFiles(); }
    static std::vector<Input> Smaller(const Input& input) {
        std::vector<Input> smaller;
        for (size_t i = 0; i < input.size(); ++i) {
            smaller.push_back(input);
            smaller.back().erase(smaller.back().begin() + static_cast<ptrdiff_t>(i));
        }
        return smaller;
    }
};
struct Tables {
    using Input = TablesInput;
    static constexpr const char* kMet[] = {"refused", "accepted"};
    static Input Make(Choices& choices) { return MakeTablesInput(choices); }
    static bool Check(const Input& input) { return CheckTablesInput(input); }
    static void Before() {}
    static std::vector<Input> Smaller(const Input& input) {
        std::vector<Input> smaller;
        for (size_t i = 0; i < input.changes.size(); ++i) {
            smaller.push_back(input);
            auto& changes = smaller.back().changes;
            changes.erase(changes.begin() + static_cast<ptrdiff_t>(i));
        }
        return smaller;
    }
};
struct Recordings {
    using Input = RecordingInput;
    static constexpr const char* kMet[] = {"damaged", "whole"};
    static Input Make(Choices& choices) { return MakeRecordingInput(choices); }
    static bool Check(const Input& input) { return CheckRecordingInput(input); }
    static void Before() {}
    static std::vector<Input> Smaller(const Input& input) {
        std::vector<Input> smaller;
        for (size_t i = 0; i < input.size(); ++i) {
            smaller.push_back(input);
            smaller.back().erase(smaller.back().begin() + static_cast<ptrdiff_t>(i));
        }
        return smaller;
    }
};
struct SettingsInputs {
    using Input = SettingsInput;
    static constexpr const char* kMet[] = {"without complaints", "with complaints"};
    static Input Make(Choices& choices) { return MakeSettingsInput(choices); }
    static bool Check(const Input& input) { return CheckSettingsInput(input) > 0; }
    static void Before() {}
    static std::vector<Input> Smaller(const Input& input) {
        std::vector<Input> smaller;
        const auto without = [&](auto member, size_t i) {
            smaller.push_back(input);
            auto& list = smaller.back().*member;
            list.erase(list.begin() + static_cast<ptrdiff_t>(i));
        };
        for (size_t i = 0; i < input.app.size(); ++i)
            without(&Input::app, i);
        for (size_t i = 0; i < input.environment.size(); ++i)
            without(&Input::environment, i);
        for (size_t count = input.file.size(); count > 0; count /= 2) {
            for (size_t at = 0; at < input.file.size() && smaller.size() < 4096; at += count) {
                smaller.push_back(input);
                smaller.back().file.erase(at, count);
            }
        }
        return smaller;
    }
};

template <typename Target>
bool Fails(const typename Target::Input& input) {
    try {
        Target::Check(input);
        return false;
    } catch (const Finding&) {
        return true;
    }
}

template <typename Target>
void Report(const Options& options, typename Target::Input input, const char* what) {
    std::printf("found with --target %s --seed %llu --first %llu: %s\n", options.target.c_str(),
                static_cast<unsigned long long>(options.seed),
                static_cast<unsigned long long>(g_current), what);
    for (bool is_smaller = true; is_smaller;) {
        is_smaller = false;
        for (typename Target::Input& candidate : Target::Smaller(input)) {
            if (!Fails<Target>(candidate)) continue;
            input = std::move(candidate);
            is_smaller = true;
            break;
        }
    }
    std::printf("the smallest input that fails:\n%s", Print(input).c_str());
}

template <typename Target>
int Run(const Options& options) {
    const auto start = std::chrono::steady_clock::now();
    Target::Before();
    uint64_t met[2] = {0, 0};
    for (uint64_t i = 0; i < options.inputs; ++i) {
        g_current = options.first + i;
        alarm(kHangSeconds);
        Choices choices(options.seed, g_current);
        const typename Target::Input input = Target::Make(choices);
        try {
            ++met[Target::Check(input) ? 1 : 0];
        } catch (const Finding& finding) {
            Report<Target>(options, input, finding.what());
            return 1;
        }
    }
    alarm(0);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%s: %llu inputs, %llu %s, %llu %s; %.0f a second\n", options.target.c_str(),
                static_cast<unsigned long long>(options.inputs),
                static_cast<unsigned long long>(met[0]), Target::kMet[0],
                static_cast<unsigned long long>(met[1]), Target::kMet[1],
                static_cast<double>(options.inputs) / seconds.count());
    // A run that goes one way only tests little.
    const bool is_mixed = std::min(met[0], met[1]) * 10 >= options.inputs;
    if (!is_mixed && options.inputs >= 1000) std::printf("nearly all inputs went one way\n");
    return is_mixed || options.inputs < 1000 ? 0 : 1;
}

int Main(const Options& options) {
    if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(TellCurrent);
    std::signal(SIGALRM, Hang);
    if (options.target == "segment") return Run<Segments>(options);
    if (options.target == "tables") return Run<Tables>(options);
    if (options.target == "recording") return Run<Recordings>(options);
    return Run<SettingsInputs>(options);
}

}  // namespace
}  // namespace tessera::fuzz_readers

int main(int argc, char** argv) {
    tessera::fuzz_readers::Options options;
    CLI::App app{"Reads made-up settings, segments or recordings and checks what comes of it.",
                 "reader_fuzz"};
    app.add_option("--target", options.target, "What to read")
        ->required()
        ->check(CLI::IsMember({"settings", "segment", "tables", "recording"}));
    app.add_option("--seed", options.seed, "Of the run")->capture_default_str();
    app.add_option("--inputs", options.inputs, "How many")->capture_default_str();
    app.add_option("--first", options.first, "The number of the first input")
        ->capture_default_str();
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    try {
        return tessera::fuzz_readers::Main(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "reader_fuzz: %s\n", error.what());
        return 2;
    }
}
