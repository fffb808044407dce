// SPDX-License-Identifier: Apache-2.0
//
// The `tessera` command: reads the command line and calls the subcommand that it names.
//
// The one idea: what follows an application's name belongs to the application. So the command line
// of `run` is cut there before CLI11 sees it; the rest is CLI11's.
// Threads: one.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/nearest.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/output.h"
#include "tools/supervisor.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

constexpr char kFooter[] =
    R"(Examples:
  tessera run vkcube                    run an application with the layer
  tessera ps                            what runs with the layer
  tessera stat 4242                     what process 4242 did
  tessera leaks 4242                    what it has not freed
  tessera top                           who holds memory, as it changes
  tessera record -o game.rec ./game     write down what happens, to look at it later
  tessera map 4242                      what lies where in the driver's memory
  tessera doctor                        whether the layer works here

`tessera COMMAND --help` tells more. Exit codes: 0 success, 1 failure, 2 wrong command line, 3 nothing
found or, of doctor, something does not work; `run` has those of the application.)";

// CLI11's usage line does not know of the application.
class HelpFormatter : public CLI::Formatter {
 public:
    std::string make_usage(const CLI::App* app, std::string name) const override {
        if (app->get_name() == "run") return "Usage: tessera run [OPTIONS] [--] APP [ARGS...]\n";
        if (app->get_name() == "record")
            return "Usage: tessera record -o FILE [OPTIONS] (PID | [--] APP [ARGS...])\n";
        return Formatter::make_usage(app, name);
    }
};

// Takes the application and its arguments off the arguments of `run` or `record`: what follows
// "--", or starts with the first word that is neither an option of the command nor the value of
// one. Of `record` a number there is no application, but the process to record.
std::vector<std::string> CutCommand(std::vector<std::string>& arguments,
                                    const CLI::App& command_app) {
    size_t i = 1;
    while (i < arguments.size() && arguments[i].starts_with('-') && arguments[i] != "-") {
        if (arguments[i] == "--") break;
        const CLI::Option* const option = command_app.get_option_no_throw(arguments[i]);
        const bool takes_value = option != nullptr && option->get_items_expected_max() > 0;
        i += takes_value ? 2 : 1;
    }
    i = std::min(i, arguments.size());
    const auto start = arguments.begin() + static_cast<ptrdiff_t>(i);
    const bool marked = start != arguments.end() && *start == "--";
    const bool is_number =
        start != arguments.end() && start->find_first_not_of("0123456789") == std::string::npos;
    if (is_number && command_app.get_name() == "record") return {};
    std::vector<std::string> command(marked ? start + 1 : start, arguments.end());
    arguments.erase(start, arguments.end());
    return command;
}

// "run, ps, stat or doctor"
std::string CommandNames(const CLI::App& app) {
    std::string names;
    const std::vector<const CLI::App*> commands = app.get_subcommands({});
    for (size_t i = 0; i < commands.size(); ++i) {
        if (i > 0) names += i + 1 < commands.size() ? ", " : " or ";
        names += commands[i]->get_name();
    }
    return names;
}

// What to say of a first word that should be a command; empty if it is one, or an option.
std::string WrongCommand(const CLI::App& app, const std::string& word) {
    if (word.starts_with('-')) return {};
    const std::vector<const CLI::App*> commands = app.get_subcommands({});
    std::vector<std::string> texts;
    for (const CLI::App* const command : commands)
        texts.push_back(command->get_name());
    const std::vector<std::string_view> names(texts.begin(), texts.end());
    if (std::ranges::find(names, word) != names.end()) return {};
    const std::string nearest(NearestName(word, names));
    return "there is no command '" + Printable(word) + "'" +
           (nearest.empty() ? "" : "; perhaps '" + nearest + "' is meant");
}

int Main(std::vector<std::string> arguments) {
    CLI::App app(
        "Tessera: suballocates the device memory of unmodified Vulkan applications, and "
        "shows what it does.",
        "tessera");
    app.formatter(std::make_shared<HelpFormatter>());
    app.set_version_flag("--version", "tessera " TESSERA_VERSION);
    app.set_help_flag("-h,--help", "Print this help and exit");
    app.footer(kFooter);
    app.require_subcommand(0, 1);
    Action action;
    std::vector<std::string> command;
    AddRun(app, action, command);
    AddPs(app, action);
    AddStat(app, action);
    AddLeaks(app, action);
    AddReport(app, action);
    AddDoctor(app, action);
    AddRecord(app, action, command);
    AddTop(app, action);
    AddMap(app, action);
    AddDiff(app, action);
    AddExport(app, action);
    AddLevel(app, action);

    const std::string word = arguments.empty() ? "--" : arguments[0];
    if (const std::string wrong = WrongCommand(app, word); !wrong.empty()) {
        Complain(wrong + ". `tessera --help` tells what there is.");
        return kUsage;
    }
    if (!arguments.empty() && (arguments[0] == "run" || arguments[0] == "record")) {
        command = CutCommand(arguments, *app.get_subcommand(arguments[0]));
    }
    try {
        // CLI11 takes the last word first.
        app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::CallForHelp&) {
        return ExitCodeOf(PrintResult(app.help()));
    } catch (const CLI::CallForVersion& version) {
        return ExitCodeOf(PrintResult(std::string(version.what()) + "\n"));
    } catch (const CLI::ParseError& error) {
        const std::string command_name = word.starts_with('-') ? "" : word + " ";
        Complain(Printable(error.what()) + ". `tessera " + command_name +
                 "--help` tells what there is.");
        return kUsage;
    }
    if (action) return action();
    Complain("say what to do: " + CommandNames(app) + ". `tessera --help` tells more.");
    return kUsage;
}

// A standard descriptor that whoever started us has closed would be the number of the next file
// that is opened, and what is meant for people would be written into it. In its place comes one
// that can be used for nothing: reading and writing fail as before. An application does not get it.
void TakeStandardDescriptors() {
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        while (fcntl(standard, F_GETFD) < 0)
            if (open("/dev/null", (standard == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC) < 0)
                return;
}

}  // namespace
}  // namespace tessera::command

int main(int argc, char** argv) {
    tessera::command::TakeStandardDescriptors();
    tessera::command::IgnoreWriteSignals();
    try {
        return tessera::command::Main({argv + (argc > 0 ? 1 : 0), argv + argc});
    } catch (const std::exception& error) {
        tessera::command::Complain(std::string("the command failed: ") + error.what() + ".");
        return tessera::command::kFailure;
    }
}
