// SPDX-License-Identifier: Apache-2.0
//
// The command line of naive_scene: see options.h.
//
// CLI11 parses and checks; only the wording of an error and its exit code are our own.
#include "naive_scene/options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <cstdio>

namespace apps {
namespace {

/// Refuses what CLI11's unsigned conversion would wrap around or cut off.
std::string WholeNumber(const std::string& text) {
    uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    if (parsed.ec == std::errc() && parsed.ptr == end) return {};
    return "Value " + text + " is not a whole number from 0 to " + std::to_string(UINT64_MAX);
}

}  // namespace

std::optional<Options> ParseOptions(int argc, char** argv, int& exit_code) {
    Options options;
    CLI::App app{
        "Draws a scene of many small Vulkan resources, each with a memory allocation of its own.",
        "naive_scene"};
    app.add_option("--resources", options.resources, "Buffers and images that live at once")
        ->check(CLI::Range(6u, 200'000u))
        ->capture_default_str();
    app.add_option("--frames", options.frames, "Pictures to draw")
        ->check(CLI::Range(1u, 10'000u))
        ->capture_default_str();
    app.add_option("--seed", options.seed, "Decides sizes, contents and what is replaced when")
        ->check(WholeNumber)
        ->capture_default_str();
    app.add_option("--device", options.device, "Which physical device, in the loader's order")
        ->check(WholeNumber)
        ->capture_default_str();
    app.add_flag("--all-types", options.all_types,
                 "Use every memory type that admits a resource in turn, not the first");
    app.add_flag("--sparse", options.sparse, "Make two images in three sparse, where possible");
    app.add_option("--png", options.png, "Write the last picture to this file");
    app.footer(
        "The last line of the output is the checksum of all pictures and of a sample of "
        "the\nresources' contents. Exit codes: 0 done, 1 failed, 2 wrong arguments.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        std::fputs(app.help().c_str(), stdout);
        exit_code = 0;
        return std::nullopt;
    } catch (const CLI::ParseError& error) {
        std::fprintf(stderr, "naive_scene: %s. See naive_scene --help.\n", error.what());
        exit_code = 2;
        return std::nullopt;
    }
    return options;
}

}  // namespace apps
