// SPDX-License-Identifier: Apache-2.0
//
// What every system test starts with: an environment in which nothing of the user's or the caller's
// session counts, the same one with the layer in it, and the command to ask what happened.
//
// The one idea: each promise of the layer is a comparison of two runs of one program, of which only
// the second has the layer. All files that a run may leave lie in a folder of the test.
//
// Threads: one.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "support.h"

namespace tessera::test {

using Json = nlohmann::json;

inline constexpr char kLayerName[] = "VK_LAYER_TESSERA_suballocator";

// How many allocations each client in lifecycle_app holds.
inline constexpr uint64_t kClientAllocations = 64;

using Command = std::vector<std::string>;

// A program's end and the process id that it had.
struct Ended {
    pid_t pid = 0;
    Outcome outcome;
};
Ended RunToEnd(const Command& command, const ProgramOptions& options);

// Returns: whether PATH has a program of this name.
bool IsInstalled(std::string_view program);

// Returns: the lines of `text`, without the empty ones.
std::vector<std::string> Lines(std::string_view text);

// Returns: the lines of `text` that contain `part`.
std::vector<std::string> LinesWith(std::string_view text, std::string_view part);

// Returns: the names of the files in a folder, links not followed; none if there is no such folder.
std::vector<std::string> FilesIn(const std::string& folder);

// Returns: `counter` of `view` ("app", "driver", "pooled") summed over every memory type of every
// device of a process, as the command's JSON has it.
uint64_t Sum(const Json& process, const char* view, const char* counter);

// Returns: the number of placement problems, summed likewise.
uint64_t PlacementFailures(const Json& process);

// Returns: `text` with every hexadecimal number replaced: handles and addresses differ from run to
// run.
std::string WithoutNumbersOfARun(const std::string& text);

// Returns: those of `layers` that a device was made with, from the application to the driver, as
// the loader tells with VK_LOADER_DEBUG=layer.
std::vector<std::string> DeviceChain(const std::string& loader_log,
                                     const std::vector<std::string>& layers);

// Expects that a run with the layer ended and printed as the one without.
void ExpectSame(const Outcome& layered, const Outcome& bare);

// Expects that the layer said, at log level info and of each of so many devices, that it pools.
void ExpectPooling(const Outcome& outcome, size_t devices = 1);

// Whether this process may mount file systems that nobody else sees.
bool PrivateMountsPermitted();

// Returns: a command that runs the shell script `before` with mounts of its own, then `command`,
// then the script `after`, and ends with the exit code of `command`. Scripts must not need quotes.
Command WithPrivateMounts(const std::string& before, const Command& command,
                          const std::string& after = ":");

// An X server without a screen, for as long as the object lives.
class Display {
 public:
    Display();
    ~Display();
    Display(const Display&) = delete;
    Display& operator=(const Display&) = delete;

    // What DISPLAY is to be; empty if the server did not start.
    const std::string& name() const { return name_; }

 private:
    std::unique_ptr<Program> server_;
    std::string name_;
};

// The manifest of the driver that programs are run on: the installed lavapipe, unless the variable
// TESSERA_TEST_DRIVER names another.
std::string DriverManifest();

// Skips where there is no such driver.
class SystemTest : public testing::Test {
 protected:
    SystemTest();
    void SetUp() override;

    // The environment of a run without any layer.
    const ProgramOptions& bare() const { return bare_; }

    // The environment of a run with our layer, which tells at log level info what it does.
    ProgramOptions Layered() const;

    // Runs `tessera` in the environment of runs without the layer.
    Outcome Tessera(Command arguments) const;

    // What `tessera stat` says of a process.
    Json Stat(pid_t pid) const;

    // What `tessera ps` says of the processes of this test: it also lists others of the user, which
    // publish in shared memory.
    Json Processes() const;

    std::string RuntimeFolder() const { return folder_ / "runtime"; }
    // Where segments lie.
    std::string SegmentFolder() const { return RuntimeFolder() + "/tessera"; }

    const TempFolder folder_;

 private:
    ProgramOptions bare_;
};

}  // namespace tessera::test
