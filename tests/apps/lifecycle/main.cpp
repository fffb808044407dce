// SPDX-License-Identifier: Apache-2.0
//
// lifecycle_app: a small Vulkan program for tests of process life cycles, one mode at a time.
//
// Tests run it bare and with layers and compare what happens. Its last line is `ok` and its exit
// code 0 when the mode went through and every content was right; 1 after a sentence on stderr when
// not; 2 for wrong arguments. The modes are described in modes.h.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>

#include "lifecycle/modes.h"

namespace {

struct Arguments {
    uint32_t device = 0;
    uint32_t reloads = 100;
    uint32_t devices = 16;
    uint32_t instances = 16;
    uint32_t seconds = 0;
    std::string watched;
    std::string path;
};

void AddPlainModes(CLI::App& app, const Arguments& arguments) {
    const auto add = [&](const char* name, const char* description, void (*run)(uint32_t)) {
        app.add_subcommand(name, description)->final_callback([&arguments, run] {
            run(arguments.device);
        });
    };
    add("clean", "Use memory and destroy everything", apps::RunClean);
    add("exit", "Call exit(0) with everything alive", apps::RunExit);
    add("kill", "Be killed by SIGKILL with everything alive", apps::RunKill);
    add("crash", "Die of SIGSEGV with everything alive", apps::RunCrash);
    add("fork", "Fork a child that only ends, and go on", apps::RunFork);
    add("fork-use", "Fork a child that uses a device of its own", apps::RunForkUse);
    add("fork-many", "Fork four such children while another thread allocates", apps::RunForkMany);
}

void AddModesWithArguments(CLI::App& app, Arguments& arguments) {
    const auto count = CLI::Range(1u, 100'000u);
    CLI::App* reload = app.add_subcommand("reload", "Create and destroy everything many times");
    reload->add_option("N", arguments.reloads, "How many times")
        ->check(count)
        ->capture_default_str();
    reload->add_option("--watch-lib", arguments.watched, "Say whether it was unloaded each time");
    reload->final_callback(
        [&] { apps::RunReload(arguments.device, arguments.reloads, arguments.watched); });

    CLI::App* devices = app.add_subcommand("devices", "Use many devices at once");
    devices->add_option("N", arguments.devices, "How many")->check(count)->capture_default_str();
    devices->final_callback([&] { apps::RunDevices(arguments.device, arguments.devices); });

    CLI::App* instances = app.add_subcommand("instances", "Use many instances at once");
    instances->add_option("N", arguments.instances, "How many")
        ->check(count)
        ->capture_default_str();
    instances->final_callback([&] { apps::RunInstances(arguments.device, arguments.instances); });

    CLI::App* wait = app.add_subcommand("wait", "Create FILE and wait until it is deleted");
    wait->add_option("FILE", arguments.path, "The file")->required();
    wait->final_callback([&] { apps::RunWait(arguments.device, arguments.path); });

    CLI::App* churn = app.add_subcommand("churn", "Replace allocations at random");
    churn->add_option("SECONDS", arguments.seconds, "For how long")->required()->check(count);
    churn->final_callback([&] { apps::RunChurn(arguments.device, arguments.seconds); });
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    CLI::App app{"Lives and ends in one of the ways in which Vulkan processes do.",
                 "lifecycle_app"};
    app.add_option("--device", arguments.device, "Which physical device, in the loader's order")
        ->check(CLI::Range(0u, 1000u))
        ->capture_default_str();
    app.require_subcommand(1);
    AddPlainModes(app, arguments);
    AddModesWithArguments(app, arguments);
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        std::fputs(app.help().c_str(), stdout);
        return 0;
    } catch (const CLI::ParseError& error) {
        std::fprintf(stderr, "lifecycle_app: %s. See lifecycle_app --help.\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "lifecycle_app: %s\n", error.what());
        return 1;
    }
    std::puts("ok");
    return 0;
}
