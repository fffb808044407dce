// SPDX-License-Identifier: Apache-2.0
//
// `tessera ps`: the processes of this user that publish statistics, or left some behind.
//
// Threads: one.
#include <algorithm>
#include <memory>
#include <utility>

#include "tessera/reader.h"
#include "tools/account.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/json.h"
#include "tools/output.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

constexpr char kHelp[] =
    R"(Lists the processes of this user that loaded the layer, and those that ended lately.

  state    live: it uses Vulkan; closed: it has destroyed its last Vulkan instance; ended: it is gone
           without having done so
  app      what the application holds of the driver's memory, as it sees it
  driver   what the layer holds of it for the application

Examples:
  tessera ps
  tessera ps --json | jq '.processes[].pid'

Exit code: 0, also when there is no such process; 1 if the list cannot be written; 2 for a wrong
option.)";

std::vector<reader::Process> ReadAll() {
    std::vector<reader::Process> processes;
    for (const std::string& path : reader::ListSegments()) {
        reader::Result<reader::Process> result = reader::ReadSegment(path);
        if (result.ok()) {
            processes.push_back(std::move(result.value));
        } else if (!reader::IsGone(path)) {
            Complain(Printable(result.error));
        }
    }
    std::ranges::stable_sort(processes, {}, [](const reader::Process& process) {
        return std::pair(process.state, process.created_ns);
    });
    return processes;
}

std::string FormatTable(const std::vector<reader::Process>& processes) {
    Table table({{"PID"},
                 {"STATE", Table::Align::kLeft},
                 {"DEVICES"},
                 {"APP LIVE"},
                 {"BYTES"},
                 {"DRIVER LIVE"},
                 {"BYTES"},
                 {"NAME", Table::Align::kLeft}});
    for (const reader::Process& process : processes) {
        const Account account = AccountOf(process);
        table.AddRow({std::to_string(process.pid), reader::Name(process.state),
                      FormatCount(account.devices), FormatCount(account.app.live),
                      FormatBytes(account.app.live_bytes), FormatCount(account.driver.live),
                      FormatBytes(account.driver.live_bytes), Printable(process.name)});
    }
    return table.Format(0);
}

int Ps(bool json) {
    const std::vector<reader::Process> processes = ReadAll();
    if (json) {
        std::vector<Json> entries;
        for (const reader::Process& process : processes)
            entries.push_back(ProcessJson(process));
        return ExitCodeOf(PrintResult(Dump(DocumentJson(std::move(entries)), Layout::kPretty)));
    }
    if (processes.empty()) {
        Complain("no process of this user has loaded the layer. Start one with `tessera run APP`.");
        return kOk;
    }
    return ExitCodeOf(PrintResult(FormatTable(processes)));
}

}  // namespace

void AddPs(CLI::App& app, Action& action) {
    const auto json = std::make_shared<bool>(false);
    CLI::App* const ps = app.add_subcommand("ps", "List the processes that loaded the layer");
    ps->footer(kHelp);
    ps->add_flag("--json", *json,
                 "Print everything that `tessera stat --json` does, of all of them");
    ps->callback([&action, json] { action = [json] { return Ps(*json); }; });
}

}  // namespace tessera::command
