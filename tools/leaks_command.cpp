// SPDX-License-Identifier: Apache-2.0
//
// `tessera leaks`: what a process, an ended process or a recording still has allocated.
//
// Threads: one.
#include <memory>
#include <string>
#include <utility>

#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/leaks.h"
#include "tools/output.h"
#include "tools/source.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

constexpr char kHelp[] =
    R"(Lists what a process has allocated: what was left on devices that it destroyed, what it had at its
end, or what it has now if it still runs. Allocations of the same memory type, size, name and call
stack are one entry, the largest sum comes first.

Single allocations are known from the level 'full' on: start the application with `tessera run
--leaks` or `tessera run --level full --stacks all`, or use `tessera level` while it runs.

Examples:
  tessera leaks 4242
  tessera leaks game.tsr --limit 5
  tessera leaks 4242 --json | jq '.processes[0].leaks[].groups[0]'

Exit code: 0 if nothing leaked, also if what is there may still be freed; 123 if something did, or if
that is not known of some devices; 1 if the result cannot be written, or only a part of a recording
could be read; 2 if the command line is wrong; 3 if there is nothing to read.)";

constexpr size_t kDefaultLimit = 20;

struct LeaksOptions {
    std::string what;
    size_t limit = kDefaultLimit;
    bool json = false;
    bool debuginfod = false;
};

int Leaks(const LeaksOptions& options) {
    if (options.what.empty()) {
        Complain("say which process: tessera leaks PID|FILE. `tessera ps` lists processes.");
        return kUsage;
    }
    std::string error;
    const std::unique_ptr<Source> source = Source::Open(options.what, &error);
    if (!source) {
        Complain(Printable(error));
        return kNotFound;
    }
    if (!source->remark().empty()) Complain(Printable(source->remark()));
    const reader::Process& process = source->process();
    const std::vector<DeviceLeaks> leaks = FindLeaks(process, true);
    const size_t limit = options.json ? ~size_t{0} : options.limit;
    Symbolizer::Options symbols;
    symbols.debuginfod = options.debuginfod;
    const Symbolizer symbolizer = SymbolizeLeaks(process, leaks, limit, symbols);
    std::string text;
    if (options.json) {
        Json entry = ProcessJson(process);
        entry["leaks"] = LeaksJson(process, leaks, symbolizer);
        std::vector<Json> entries;
        entries.push_back(std::move(entry));
        text = Dump(DocumentJson(std::move(entries)), Layout::kPretty);
    } else {
        text = DescribeLeaks(process, leaks, symbolizer, limit);
    }
    const Written written = PrintResult(text);
    if (written == Written::kFailed) return kFailure;
    return MayHaveLeaked(process, leaks) ? static_cast<int>(kLeaks) : ExitCodeFor(*source, kOk);
}

}  // namespace

void AddLeaks(CLI::App& app, Action& action) {
    const auto options = std::make_shared<LeaksOptions>();
    CLI::App* const leaks =
        app.add_subcommand("leaks", "List what a process has not freed, the largest first");
    leaks->footer(kHelp);
    leaks->add_option("PID|FILE", options->what,
                      "The process, as `tessera ps` lists it, or a recording");
    leaks->add_flag("--json", options->json, "Print JSON (schema 1), with all entries");
    leaks->add_option("--limit", options->limit, "How many entries of each device to print (20)")
        ->type_name("N");
    leaks->add_flag("--debuginfod", options->debuginfod,
                    "Ask the servers that DEBUGINFOD_URLS names for symbols");
    leaks->callback([&action, options] { action = [options] { return Leaks(*options); }; });
}

}  // namespace tessera::command
