// SPDX-License-Identifier: Apache-2.0
//
// `tessera run`: starts an application with the layer, follows its whole process tree, and says at
// its end what the layer did.
//
// Everything that can be known to fail is tried before the application starts. Afterwards nothing
// of ours changes its result: the exit code is the application's, whatever becomes of the numbers.
// The exception is asked for: with --leaks an application that succeeded and leaked, or may have,
// has failed. Threads: one.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "tools/app_file.h"
#include "tools/commands.h"
#include "tools/environment.h"
#include "tools/exit_codes.h"
#include "tools/leaks.h"
#include "tools/output.h"
#include "tools/segment_watch.h"
#include "tools/stats_file.h"
#include "tools/summary.h"
#include "tools/supervisor.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

constexpr char kHelp[] =
    R"(Starts an application with the layer, and says at its end on stderr what the layer did.

Examples:
  tessera run vkcube
  tessera run --stats numbers.json -- ./game --fullscreen
  tessera run --quiet sh -c './prepare && ./render'
  tessera run --leaks --stacks all ./game

The application keeps its standard input and output, its terminal and its signals. Options of the
command stand before the application; what follows belongs to the application.

Exit code: the application's; 128 + N if signal N ended it; 127 if there is no such application, 126
if it cannot be executed, 125 if the command failed before it was started, 2 for a wrong option. With
--leaks also 123: the application ended with 0, and memory was never freed, or that is not known of
every device and process, or no process published anything.)";

constexpr size_t kDefaultLeaks = 20;

struct RunOptions {
    std::string stats;
    std::string layer_path;
    std::string level;
    std::string stacks;
    std::string leaks;  // "true" for --leaks, what follows it for --leaks=N
    bool debuginfod = false;
    bool quiet = false;
    bool wait_all = false;
};

// Returns: nothing unless all of `text` is a number of at least 1.
std::optional<uint64_t> ParseCount(std::string_view text) {
    uint64_t count = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, count);
    if (error != std::errc{} || rest != end || count == 0) return std::nullopt;
    return count;
}

// Returns: what is wrong with the options, as a sentence.
std::string Problem(const RunOptions& options) {
    constexpr std::string_view kLevels[] = {"", "totals", "full", "events"};
    if (std::ranges::find(kLevels, options.level) == std::end(kLevels))
        return "--level takes totals, full or events.";
    const std::string& stacks = options.stacks;
    if (!stacks.empty() && stacks != "all" && stacks != "off" && !ParseCount(stacks))
        return "--stacks takes all, off or a number N: one in N allocations keeps its call stack.";
    const std::string& leaks = options.leaks;
    if (!leaks.empty() && leaks != "true" && !ParseCount(leaks))
        return "--leaks takes how many entries to print, as in --leaks=5.";
    return {};
}

// What shall be recorded of the application. Leaks and call stacks need to know each allocation; a
// higher level that the user has set stays.
void SetLevel(Environment& environment, const RunOptions& options) {
    std::string level = options.level;
    const bool needs_full = !options.leaks.empty() || !options.stacks.empty();
    if (level.empty() && needs_full && Variable(environment, "TESSERA_LEVEL") != "events")
        level = "full";
    if (!level.empty()) SetVariable(environment, "TESSERA_LEVEL", level);
    if (!options.stacks.empty()) SetVariable(environment, "TESSERA_STACKS", options.stacks);
}

int ExitCodeOf(const ExitInfo& end) {
    return end.code ? *end.code : kSignalBase + end.signal.value_or(0);
}

std::string StatsText(std::vector<Followed>& processes, const std::map<pid_t, ExitInfo>& reaped) {
    std::vector<Json> entries;
    for (Followed& process : processes) {
        if (!process.error.empty()) continue;
        const auto end = reaped.find(static_cast<pid_t>(process.pid));
        if (end != reaped.end()) process.json["exit"] = ExitJson(end->second);
        entries.push_back(std::move(process.json));
    }
    return Dump(DocumentJson(std::move(entries)), Layout::kPretty);
}

// How the application ended, unless it ended well.
void TellEnd(const ExitInfo& end) {
    if (end.signal) {
        const char* const name = strsignal(*end.signal);
        Complain("the application was ended by signal " + std::to_string(*end.signal) + " (" +
                 (name == nullptr ? "unknown" : name) + ").");
    } else if (end.code.value_or(0) != 0) {
        Complain("the application ended with code " + std::to_string(*end.code) + ".");
    }
}

// Tells each of `lines`.
void ComplainLines(std::string_view lines) {
    for (; !lines.empty(); lines.remove_prefix(lines.find('\n') + 1))
        Complain(lines.substr(0, lines.find('\n')));
}

// Looks for what a process left, says so unless `quiet`, and puts it into its JSON.
// Returns: whether anything leaked, or that is not known.
bool Leaked(Followed& followed, const RunOptions& options) {
    if (!followed.error.empty()) {
        if (!options.quiet) {
            Complain("process " + std::to_string(followed.pid) +
                     ": what it leaked is not known: " + Printable(followed.error));
        }
        return true;
    }
    const uint64_t limit = ParseCount(options.leaks).value_or(kDefaultLeaks);
    const std::vector<DeviceLeaks> leaks = FindLeaks(followed.process, false);
    Symbolizer::Options symbols;
    symbols.debuginfod = options.debuginfod;
    const Symbolizer symbolizer = SymbolizeLeaks(followed.process, leaks, limit, symbols);
    followed.json["leaks"] = LeaksJson(followed.process, leaks, symbolizer);
    const bool leaked = MayHaveLeaked(followed.process, leaks);
    if (leaked && !options.quiet)
        ComplainLines(DescribeLeaks(followed.process, leaks, symbolizer, limit));
    return leaked;
}

// Returns: whether anything in the tree leaked, or that is not known.
bool Leaked(std::vector<Followed>& processes, const RunOptions& options) {
    bool any = false;
    for (Followed& followed : processes)
        any = Leaked(followed, options) || any;
    const bool is_known = !processes.empty();
    if (!any && !options.quiet) {
        Complain(is_known ? "nothing leaked."
                          : "what leaked is not known, since no process published it.");
    }
    return any || !is_known;
}

void Tell(const std::vector<Followed>& processes, const AppFile& app, const Layer& layer,
          const Environment& environment) {
    if (!processes.empty()) {
        PrintAside(Summary(processes));
        return;
    }
    Complain(WhyNothingWasPublished(app, layer, environment));
}

int Run(const RunOptions& options, const std::vector<std::string>& command) {
    if (command.empty()) {
        Complain("say which application to run: tessera run [OPTIONS] [--] APP [ARGS...].");
        return kUsage;
    }
    if (const std::string wrong = Problem(options); !wrong.empty()) {
        Complain(wrong);
        return kUsage;
    }
    const Environment own = CurrentEnvironment();
    const LayerSearch search = FindLayer(OwnExecutable(), options.layer_path, own);
    StatsFile stats;
    std::string problem = search.layer ? std::string() : search.error;
    if (problem.empty() && !options.stats.empty()) problem = stats.Prepare(options.stats);
    if (!problem.empty()) {
        Complain(Printable(problem));
        return kRunFailed;
    }
    Environment environment = WithLayer(own, *search.layer);
    SetLevel(environment, options);
    const AppFile app = InspectApp(command[0], environment);

    const bool wants_leaks = !options.leaks.empty();
    SegmentWatch watch(wants_leaks ? reader::Depth::kDetail : reader::Depth::kTotals);
    Supervisor supervisor;
    if (const auto failure = supervisor.Start(command, environment); failure.exit_code != 0) {
        Complain(failure.error);
        return failure.exit_code;
    }
    const auto follow = [&] { watch.Update(supervisor.reaped()); };
    supervisor.Wait(watch.wake(), options.wait_all, follow);
    follow();

    std::vector<Followed> processes = watch.Finish();
    const ExitInfo end = supervisor.app_end();
    if (!options.quiet) {
        TellEnd(end);
        Tell(processes, app, *search.layer, environment);
    }
    const bool leaked = wants_leaks && Leaked(processes, options);
    if (!options.stats.empty()) {
        problem = stats.Write(StatsText(processes, supervisor.reaped()));
        if (!problem.empty()) Complain(Printable(problem));
    }
    const int code = ExitCodeOf(end);
    return code == 0 && leaked ? kLeaks : code;
}

}  // namespace

void AddRun(CLI::App& app, Action& action, const std::vector<std::string>& command) {
    const auto options = std::make_shared<RunOptions>();
    CLI::App* const run = app.add_subcommand("run", "Start an application with the layer");
    run->footer(kHelp);
    run->add_option("--stats", options->stats,
                    "Write the numbers of the whole process tree to this file, as JSON (schema 1), "
                    "when the application ends, however it ends")
        ->type_name("FILE");
    run->add_option("--layer-path", options->layer_path,
                    "Take the layer from this folder instead of looking for it")
        ->type_name("DIR");
    run->add_option("--level", options->level,
                    "What is recorded of the application: totals, full (each allocation) or events")
        ->type_name("LEVEL");
    run->add_option("--stacks", options->stacks,
                    "One in N allocations keeps its call stack, or all do; implies --level full")
        ->type_name("N|all|off");
    // A flag and not an option: the word after it must stay the application.
    run->add_flag("--leaks", options->leaks,
                  "List at the end what was never freed, 20 entries of each device or N with "
                  "--leaks=N; implies --level full");
    run->add_flag("--debuginfod", options->debuginfod,
                  "Ask the servers that DEBUGINFOD_URLS names for symbols");
    run->add_flag("--wait-all", options->wait_all,
                  "Wait until every process that the application started has ended");
    run->add_flag("-q,--quiet", options->quiet, "Say nothing at the end");
    run->callback([&action, &command, options] {
        action = [&command, options] { return Run(*options, command); };
    });
}

}  // namespace tessera::command
