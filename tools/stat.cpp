// SPDX-License-Identifier: Apache-2.0
//
// `tessera stat`: everything that one process publishes, once or again and again.
//
// Threads: one.
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "base/process.h"
#include "tessera/reader.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/json.h"
#include "tools/output.h"
#include "tools/process_text.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

constexpr char kHelp[] =
    R"(Shows what a process asked for and what the driver was asked for, of each device and memory type,
with what passed through and why, and the time that calls took. A process that has ended can be shown
as long as its statistics are kept.

Examples:
  tessera stat 4242
  tessera stat 4242 --watch=5
  tessera stat 4242 --json | jq '.processes[0].devices[0].memory_types'

Exit code: 0; 1 if the result cannot be written; 2 if the command line is wrong; 3 if there is no
such process or it publishes nothing.)";

constexpr double kMinWatchSeconds = 0.05;
constexpr double kMaxWatchSeconds = 24 * 60 * 60;
constexpr double kDefaultWatchSeconds = 1;

struct StatOptions {
    std::string pid;
    std::string watch;  // "true" for --watch, what follows it for --watch=N
    bool json = false;
};

std::optional<uint64_t> ParsePid(std::string_view text) {
    uint64_t pid = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, pid);
    if (error != std::errc{} || rest != end || pid == 0) return std::nullopt;
    return pid;
}

// Returns: nothing unless `text` is a sensible number of seconds.
std::optional<double> ParseSeconds(const std::string& text) {
    if (text == "true") return kDefaultWatchSeconds;
    double seconds = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, seconds);
    if (error != std::errc{} || rest != end) return std::nullopt;
    // Not a number is in no range.
    if (!(seconds >= kMinWatchSeconds && seconds <= kMaxWatchSeconds)) return std::nullopt;
    return seconds;
}

std::string Render(const reader::Process& process, bool json, Layout layout) {
    if (!json) return DescribeProcess(process);
    std::vector<Json> entries;
    entries.push_back(ProcessJson(process));
    return Dump(DocumentJson(std::move(entries)), layout);
}

// Prints one sample after the other until the process has ended; what it ended with comes last.
int Watch(reader::Process process, bool json, double interval_s) {
    const bool terminal = !json && isatty(STDOUT_FILENO) != 0;
    const std::string separator = terminal ? "\x1b[H\x1b[J" : json ? "" : "\n";
    bool first = true;
    while (true) {
        const bool runs = ProcessRuns(process.pid, process.start_time);
        reader::Result<reader::Process> sample = reader::ReadSegment(process.path);
        // Of a process that ended its segment may be cleared away; then the last sample was it.
        if (sample.ok()) {
            process = std::move(sample.value);
        } else if (runs) {
            Complain(Printable(sample.error));
            return kNotFound;
        }
        if (sample.ok() || first) {
            const std::string text = Render(process, json, Layout::kLine);
            const Written written = PrintResult((first && !terminal ? "" : separator) + text);
            if (written != Written::kAll) return ExitCodeOf(written);
        }
        if (!runs) return kOk;
        first = false;
        std::this_thread::sleep_for(std::chrono::duration<double>(interval_s));
    }
}

int Stat(const StatOptions& options) {
    if (options.pid.empty()) {
        Complain(
            "say which process: tessera stat PID. `tessera ps` lists those that can be shown.");
        return kUsage;
    }
    const std::optional<uint64_t> pid = ParsePid(options.pid);
    if (!pid) {
        Complain("'" + Printable(options.pid) +
                 "' is not the number of a process. `tessera ps` lists those that can be shown.");
        return kUsage;
    }
    const std::optional<double> interval_s = ParseSeconds(options.watch);
    if (!options.watch.empty() && !interval_s) {
        Complain("--watch takes seconds from 0.05 to 86400, as in --watch=2.");
        return kUsage;
    }
    reader::Result<reader::Process> result = reader::ReadProcess(*pid);
    if (!result.ok()) {
        Complain(Printable(result.error));
        return kNotFound;
    }
    if (interval_s) return Watch(std::move(result.value), options.json, *interval_s);
    return ExitCodeOf(PrintResult(Render(result.value, options.json, Layout::kPretty)));
}

}  // namespace

void AddStat(CLI::App& app, Action& action) {
    const auto options = std::make_shared<StatOptions>();
    CLI::App* const stat = app.add_subcommand("stat", "Show the statistics of one process");
    stat->footer(kHelp);
    stat->add_option("PID", options->pid, "The process, as `tessera ps` lists it");
    stat->add_flag("--json", options->json, "Print JSON (schema 1)");
    // A flag and not an option: the word after it must stay the PID.
    stat->add_flag("--watch", options->watch,
                   "Print again every second, or every N with --watch=N, until the process ends; "
                   "with --json one line for each sample");
    stat->callback([&action, options] { action = [options] { return Stat(*options); }; });
}

}  // namespace tessera::command
