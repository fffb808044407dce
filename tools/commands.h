// SPDX-License-Identifier: Apache-2.0
//
// The subcommands. Each has a file of its own, which declares its options and does its work.
//
// An Add function declares a subcommand; when the command line selects it, it stores what is to be
// done in `action`, which main() calls and whose result is the exit code (exit_codes.h).
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace tessera::command {

using Action = std::function<int()>;

// `command`: the application and its arguments, which main() took off the command line. It is read
// when the action is called.
void AddRun(CLI::App& app, Action& action, const std::vector<std::string>& command);
void AddPs(CLI::App& app, Action& action);
void AddStat(CLI::App& app, Action& action);
void AddLeaks(CLI::App& app, Action& action);
void AddReport(CLI::App& app, Action& action);
void AddDoctor(CLI::App& app, Action& action);
void AddTop(CLI::App& app, Action& action);
// As AddRun: `command` is empty if a PID was given.
void AddRecord(CLI::App& app, Action& action, const std::vector<std::string>& command);
void AddMap(CLI::App& app, Action& action);
void AddDiff(CLI::App& app, Action& action);
void AddExport(CLI::App& app, Action& action);
void AddLevel(CLI::App& app, Action& action);

}  // namespace tessera::command
