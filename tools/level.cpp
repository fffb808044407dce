// SPDX-License-Identifier: Apache-2.0
//
// `tessera level`: shows how much a process records of itself, or asks it for more or less.
//
// This is the only command that makes a process do something. What it asks for goes through a file
// of its own beside the segment (struct tessera_level_request), which the process validates.
// Threads: one.
#include <charconv>
#include <memory>
#include <optional>
#include <string_view>

#include "base/process.h"
#include "tessera/reader.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/json.h"
#include "tools/output.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

constexpr char kHelp[] =
    R"(Shows at which level a process records, or asks it for another one while it runs:

  totals   sums for each memory type, and what calls cost; always there
  full     and each allocation, block and bound resource by itself
  events   and what happened when

  --stacks one in N allocations keeps the call stack that made it; all or off

A level concerns the devices that there are and those to come. What it costs the application is told in
docs/command.md.

Examples:
  tessera level 4242
  tessera level 4242 full --stacks all
  tessera level 4242 totals --stacks off

Exit code: 0; 1 if the process does not answer; 2 if the command line is wrong; 3 if there is no such
process or it has ended.)";

// The process looks for requests every quarter of a second.
constexpr uint64_t kTimeoutMs = 3000;

struct LevelOptions {
    uint64_t pid = 0;
    std::string level;
    std::string stacks;
    bool json = false;
};

std::optional<tessera_level> ParseLevel(std::string_view text) {
    for (const tessera_level level :
         {TESSERA_LEVEL_totals, TESSERA_LEVEL_full, TESSERA_LEVEL_events})
        if (text == reader::LevelName(level)) return level;
    return std::nullopt;
}

// Returns: nothing unless `text` is "all", "off" or a number from 1.
std::optional<uint64_t> ParseStacks(std::string_view text) {
    if (text == "off") return 0;
    if (text == "all") return 1;
    uint64_t interval = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, interval);
    if (error != std::errc{} || rest != end || interval == 0) return std::nullopt;
    return interval == TESSERA_STACKS_AS_IS ? std::nullopt : std::optional(interval);
}

std::string StacksText(uint64_t interval) {
    if (interval == 0) return "off";
    if (interval == 1) return "all";
    return "one in " + FormatCount(interval);
}

int Show(const LevelOptions& options) {
    const reader::Result<reader::Process> result =
        reader::ReadProcess(options.pid, reader::Depth::kDetail);
    if (!result.ok()) {
        Complain(Printable(result.error));
        return kNotFound;
    }
    const reader::Process& process = result.value;
    Json devices = Json::array();
    Table table({{"device"}, {"level", Table::Align::kLeft}, {"name", Table::Align::kLeft}});
    for (const reader::Device& device : process.devices) {
        if (device.state != TESSERA_DEVICE_LIVE) continue;
        devices.push_back({{"id", device.id}, {"level", reader::LevelName(device.detail.level)}});
        table.AddRow({std::to_string(device.id), reader::LevelName(device.detail.level),
                      Printable(device.name)});
    }
    if (options.json) {
        return ExitCodeOf(PrintResult(Dump({{"schema", kSchema},
                                            {"pid", process.pid},
                                            {"process", process.name},
                                            {"state", reader::Name(process.state)},
                                            {"level", reader::LevelName(process.level)},
                                            {"stack_interval", process.stack_interval},
                                            {"devices", std::move(devices)}},
                                           Layout::kPretty)));
    }
    std::string text = Printable(process.name) + "  pid " + std::to_string(process.pid) + "  " +
                       reader::Name(process.state) + "\nlevel   " +
                       reader::LevelName(process.level) + "\nstacks  " +
                       StacksText(process.stack_interval) + "\n";
    if (!table.empty()) text += table.Format(0);
    return ExitCodeOf(PrintResult(text));
}

// Asks for what `options` say, where they say nothing for what is now.
int Ask(const LevelOptions& options) {
    const std::optional<tessera_level> level = ParseLevel(options.level);
    if (!options.level.empty() && !level) {
        Complain("'" + Printable(options.level) +
                 "' is not a level. There are totals, full and events.");
        return kUsage;
    }
    const std::optional<uint64_t> stacks =
        options.stacks.empty() ? TESSERA_STACKS_AS_IS : ParseStacks(options.stacks);
    if (!stacks) {
        Complain("--stacks takes all, off, or N for one in N allocations.");
        return kUsage;
    }
    const reader::Result<reader::Process> result = reader::ReadProcess(options.pid);
    if (!result.ok()) {
        Complain(Printable(result.error));
        return kNotFound;
    }
    const std::string problem = reader::RequestLevel(
        result.value.path, level.value_or(result.value.level), *stacks, kTimeoutMs);
    if (problem.empty()) return Show(options);
    Complain(Printable(problem));
    return ProcessRuns(result.value.pid, result.value.start_time) ? kFailure : kNotFound;
}

}  // namespace

void AddLevel(CLI::App& app, Action& action) {
    const auto options = std::make_shared<LevelOptions>();
    CLI::App* const level =
        app.add_subcommand("level", "Show or change how much a process records of itself");
    level->footer(kHelp);
    level->add_option("PID", options->pid, "The process, as `tessera ps` lists it")
        ->required()
        ->option_text("PID");
    level->add_option("LEVEL", options->level, "The level to ask for")
        ->option_text("totals|full|events");
    level->add_option("--stacks", options->stacks, "Of which allocations to keep call stacks")
        ->option_text("N|all|off");
    level->add_flag("--json", options->json, "Print JSON");
    level->callback([&action, options] {
        const bool asks = !options->level.empty() || !options->stacks.empty();
        action = [options, asks] { return asks ? Ask(*options) : Show(*options); };
    });
}

}  // namespace tessera::command
