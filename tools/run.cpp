// SPDX-License-Identifier: Apache-2.0
//
// `tessera run`: starts an application with the layer, follows its whole process tree, and says at
// its end what the layer did.
//
// Everything that can be known to fail is tried before the application starts. Afterwards nothing
// of ours changes its result: the exit code is the application's, whatever becomes of the numbers.
// Threads: one.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "tools/app_file.h"
#include "tools/commands.h"
#include "tools/environment.h"
#include "tools/exit_codes.h"
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

The application keeps its standard input and output, its terminal and its signals. Options of the
command stand before the application; what follows belongs to the application.

Exit code: the application's; 128 + N if signal N ended it; 127 if there is no such application, 126
if it cannot be executed, 125 if the command failed before it was started, 2 for a wrong option.)";

struct RunOptions {
    std::string stats;
    std::string layer_path;
    bool quiet = false;
    bool wait_all = false;
};

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

void Tell(const std::vector<Followed>& processes, const AppFile& app, const Layer& layer,
          const Environment& environment) {
    if (!processes.empty()) {
        PrintAside(Summary(processes));
        return;
    }
    Complain("no process loaded the layer, so nothing was pooled or counted. " +
             LikelyReason(app, layer, environment));
}

int Run(const RunOptions& options, const std::vector<std::string>& command) {
    if (command.empty()) {
        Complain("say which application to run: tessera run [OPTIONS] [--] APP [ARGS...].");
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
    const Environment environment = WithLayer(own, *search.layer);
    const AppFile app = InspectApp(command[0], environment);

    SegmentWatch watch;
    Supervisor supervisor;
    if (const auto failure = supervisor.Start(command, environment); failure.exit_code != 0) {
        Complain(failure.error);
        return failure.exit_code;
    }
    const auto follow = [&] { watch.Update(supervisor.reaped()); };
    supervisor.Wait(watch.wake(), options.wait_all, follow);
    follow();

    std::vector<Followed> processes = watch.Finish();
    if (!options.quiet) Tell(processes, app, *search.layer, environment);
    if (!options.stats.empty()) {
        problem = stats.Write(StatsText(processes, supervisor.reaped()));
        if (!problem.empty()) Complain(Printable(problem));
    }
    return ExitCodeOf(supervisor.app_end());
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
    run->add_flag("--wait-all", options->wait_all,
                  "Wait until every process that the application started has ended");
    run->add_flag("-q,--quiet", options->quiet, "Say nothing at the end");
    run->callback([&action, &command, options] {
        action = [&command, options] { return Run(*options, command); };
    });
}

}  // namespace tessera::command
