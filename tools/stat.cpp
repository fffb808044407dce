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
#include "tools/largest.h"
#include "tools/output.h"
#include "tools/process_text.h"
#include "tools/source.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

constexpr char kHelp[] =
    R"(Shows what a process asked for and what the driver was asked for, of each device and memory type,
with what passed through and why, and the time that calls took. A process that has ended can be shown
as long as its statistics are kept; instead of a process a recording can be named, of which the last
state is shown. --detail adds the largest allocations, where they are known (from the level 'full' on).

Examples:
  tessera stat 4242
  tessera stat 4242 --watch=5
  tessera stat 4242 --detail=3
  tessera stat game.tsr
  tessera stat 4242 --json | jq '.processes[0].devices[0].memory_types'

Exit code: 0; 1 if the result cannot be written, or only a part of a recording could be read; 2 if the
command line is wrong; 3 if there is no such process or it publishes nothing.)";

constexpr double kMinWatchSeconds = 0.05;
constexpr double kMaxWatchSeconds = 24 * 60 * 60;
constexpr double kDefaultWatchSeconds = 1;
constexpr size_t kDefaultLargest = 10;

struct StatOptions {
    std::string what;
    std::string watch;   // "true" for --watch, what follows it for --watch=N
    std::string detail;  // likewise
    bool debuginfod = false;
    bool json = false;
};

// What is shown, and how.
struct View {
    bool json = false;
    size_t largest = 0;  // allocations of each device; 0: no detail
    Symbolizer::Options symbols;

    reader::Depth depth() const {
        return largest > 0 ? reader::Depth::kDetail : reader::Depth::kTotals;
    }
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

// Returns: nothing unless `text` is a sensible number of allocations.
std::optional<size_t> ParseLargest(const std::string& text) {
    if (text.empty()) return 0;
    if (text == "true") return kDefaultLargest;
    return ParsePid(text);
}

// `kept`: of all samples that are shown of the process.
std::string Render(const reader::Process& process, const View& view, Layout layout,
                   KeptSymbolizer& kept) {
    Symbolizer* const symbolizer = view.largest > 0 ? &kept.For(process.modules) : nullptr;
    if (symbolizer != nullptr) ResolveLargest(process, view.largest, *symbolizer);
    if (!view.json) {
        const std::string text = DescribeProcess(process);
        return symbolizer != nullptr ? text + DescribeDetail(process, *symbolizer, view.largest)
                                     : text;
    }
    Json entry = ProcessJson(process);
    if (symbolizer != nullptr) AddDetailJson(entry, process, *symbolizer, view.largest);
    std::vector<Json> entries;
    entries.push_back(std::move(entry));
    return Dump(DocumentJson(std::move(entries)), layout);
}

// The same of a process that is shown once.
std::string Render(const reader::Process& process, const View& view, Layout layout) {
    KeptSymbolizer symbolizer(view.symbols);
    return Render(process, view, layout, symbolizer);
}

// Prints one sample after the other until the process has ended; what it ended with comes last.
int Watch(reader::Process process, const View& view, double interval_s) {
    const bool terminal = !view.json && isatty(STDOUT_FILENO) != 0;
    const std::string separator = terminal ? "\x1b[H\x1b[J" : view.json ? "" : "\n";
    KeptSymbolizer symbolizer(view.symbols);
    bool first = true;
    while (true) {
        const bool runs = ProcessRuns(process.pid, process.start_time);
        reader::Result<reader::Process> sample = reader::ReadSegment(process.path, view.depth());
        // Of a process that ended its segment may be cleared away; then the last sample was it.
        if (sample.ok()) {
            process = std::move(sample.value);
        } else if (runs) {
            Complain(Printable(sample.error));
            return kNotFound;
        }
        if (sample.ok() || first) {
            const std::string text = Render(process, view, Layout::kLine, symbolizer);
            const Written written = PrintResult((first && !terminal ? "" : separator) + text);
            if (written != Written::kAll) return ExitCodeOf(written);
        }
        if (!runs) return kOk;
        first = false;
        std::this_thread::sleep_for(std::chrono::duration<double>(interval_s));
    }
}

// Prints the last state of a recording or of a segment's file.
int StatFile(const std::string& path, const View& view) {
    std::string error;
    const std::unique_ptr<Source> source = Source::Open(path, &error);
    if (!source) {
        Complain(Printable(error));
        return kNotFound;
    }
    if (!source->remark().empty()) Complain(Printable(source->remark()));
    const std::string text = Render(source->process(), view, Layout::kPretty);
    return ExitCodeFor(*source, ExitCodeOf(PrintResult(text)));
}

int Wrong(const std::string& sentence) {
    Complain(sentence);
    return kUsage;
}

int Stat(const StatOptions& options) {
    if (options.what.empty()) {
        return Wrong(
            "say which process: tessera stat PID. `tessera ps` lists those that can be shown.");
    }
    const std::optional<uint64_t> pid = ParsePid(options.what);
    const std::optional<double> interval_s = ParseSeconds(options.watch);
    if (!options.watch.empty() && !interval_s)
        return Wrong("--watch takes seconds from 0.05 to 86400, as in --watch=2.");
    const std::optional<size_t> largest = ParseLargest(options.detail);
    if (!largest) return Wrong("--detail takes how many allocations to show, as in --detail=20.");
    View view;
    view.json = options.json;
    view.largest = *largest;
    view.symbols.debuginfod = options.debuginfod;
    if (!pid) {
        if (options.what.find_first_not_of("0123456789") == std::string::npos)
            return Wrong("'" + Printable(options.what) + "' is not the number of a process.");
        if (interval_s) return Wrong("--watch needs a process, given by its number.");
        return StatFile(options.what, view);
    }
    reader::Result<reader::Process> result = reader::ReadProcess(*pid, view.depth());
    if (!result.ok()) {
        Complain(Printable(result.error));
        return kNotFound;
    }
    if (interval_s) return Watch(std::move(result.value), view, *interval_s);
    return ExitCodeOf(PrintResult(Render(result.value, view, Layout::kPretty)));
}

}  // namespace

void AddStat(CLI::App& app, Action& action) {
    const auto options = std::make_shared<StatOptions>();
    CLI::App* const stat = app.add_subcommand("stat", "Show the statistics of one process");
    stat->footer(kHelp);
    stat->add_option("PID|FILE", options->what,
                     "The process, as `tessera ps` lists it, or a recording");
    stat->add_flag("--json", options->json, "Print JSON (schema 1)");
    // A flag and not an option: the word after it must stay the PID.
    stat->add_flag("--watch", options->watch,
                   "Print again every second, or every N with --watch=N, until the process ends; "
                   "with --json one line for each sample");
    stat->add_flag("--detail", options->detail,
                   "Show also what is recorded of single allocations, and the 10 largest of each "
                   "device, or N with --detail=N");
    stat->add_flag("--debuginfod", options->debuginfod,
                   "Ask the servers that DEBUGINFOD_URLS names for symbols");
    stat->callback([&action, options] { action = [options] { return Stat(*options); }; });
}

}  // namespace tessera::command
