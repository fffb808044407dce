// SPDX-License-Identifier: Apache-2.0
//
// `tessera run` with a layer that is only a manifest, and a runtime folder of its own: what the
// application publishes comes from the publisher (publisher.cpp).
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support.h"
#include "tools/environment.h"
#include "tools/json.h"

namespace tessera::command {

class RunFixture : public testing::Test {
 protected:
    RunFixture() {
        std::filesystem::create_directory(folder_ / "layer");
        test::WriteFile(folder_ / "layer/" + kExplicitManifest,
                        R"({"layer": {"library_path": "libc.so.6"}})");
    }

    std::string layer_path() const { return folder_ / "layer"; }
    std::string stats_path() const { return folder_ / "stats.json"; }

    // The start of a shell's command line.
    std::string RunLine() const {
        return std::string("env XDG_RUNTIME_DIR=") + folder_.path() + " " + TESSERA_COMMAND +
               " run --layer-path " + layer_path();
    }

    test::Program Start(const std::vector<std::string>& arguments,
                        test::ProgramOptions options = {}) const {
        std::vector<std::string> command = {TESSERA_COMMAND, "run", "--layer-path", layer_path()};
        command.insert(command.end(), arguments.begin(), arguments.end());
        options.environment["XDG_RUNTIME_DIR"] = folder_.path();
        return test::Program(command, options);
    }
    test::Outcome Run(const std::vector<std::string>& arguments,
                      const test::ProgramOptions& options = {}) const {
        return Start(arguments, options).Wait();
    }

    // The processes in the statistics file.
    Json Processes() const {
        const Json document = Json::parse(test::ReadFile(stats_path()), nullptr, false);
        EXPECT_FALSE(document.is_discarded());
        EXPECT_EQ(document.value("schema", 0), 1);
        return document.value("processes", Json::array());
    }

    const test::TempFolder folder_;
};

}  // namespace tessera::command
