// SPDX-License-Identifier: Apache-2.0
//
// Ways to end a process in the middle of growth, while the layer's helper makes blocks. Each run is
// a process of its own through the real loader (growing_application.cpp) and must end with exit
// code 0, however it ends and wherever its threads are.
//
// TESSERA_TEST_EXIT_RUNS: how often each way is gone, each time with another seed; 20 by default.
// The one that takes a second each time is gone less often.

#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

namespace {

uint64_t RunsOf(const std::string& way) {
    const char* text = std::getenv("TESSERA_TEST_EXIT_RUNS");
    const uint64_t runs = text == nullptr ? 20 : std::strtoull(text, nullptr, 10);
    return way == "exit_inside" ? runs / 10 + 1 : runs;
}

struct Outcome {
    int status = 0;  // of waitpid
    std::string output;
};

Outcome RunApplication(const std::string& situation, uint64_t seed) {
    int pipe[2];
    if (pipe2(pipe, O_CLOEXEC) != 0) return {-1, "no pipe"};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipe[1], STDERR_FILENO);
    std::string program = TESSERA_GROWING_APPLICATION;
    std::string name = situation;
    std::string number = std::to_string(seed);
    char* arguments[] = {program.data(), name.data(), number.data(), nullptr};
    pid_t child = -1;
    const int error = posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe[1]);
    Outcome outcome;
    char buffer[4096];
    for (ssize_t size = 0; (size = read(pipe[0], buffer, sizeof buffer)) > 0;)
        outcome.output.append(buffer, static_cast<size_t>(size));
    close(pipe[0]);
    if (error != 0 || waitpid(child, &outcome.status, 0) != child) outcome.status = -1;
    return outcome;
}

class Exits : public testing::TestWithParam<const char*> {
 protected:
    void SetUp() override {
        char directory[] = "/tmp/tessera-exits-XXXXXX";
        ASSERT_NE(mkdtemp(directory), nullptr);
        directory_ = directory;
        setenv("XDG_RUNTIME_DIR", directory, 1);
        setenv("XDG_DATA_HOME", directory, 1);
        setenv("VK_LAYER_PATH", TESSERA_LAYER_DIR, 1);
        setenv("VK_INSTANCE_LAYERS", "VK_LAYER_TESSERA_suballocator", 1);
        setenv("TESSERA_HELPER", "on", 1);
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    std::string directory_;
};

TEST_P(Exits, InTheMiddleOfGrowthTheExitCodeIsZero) {
    const uint64_t runs = RunsOf(GetParam());
    uint64_t inside = 0;
    for (uint64_t seed = 1; seed <= runs; ++seed) {
        const Outcome outcome = RunApplication(GetParam(), seed);
        EXPECT_TRUE(WIFEXITED(outcome.status) && WEXITSTATUS(outcome.status) == 0)
            << "seed " << seed << ": status " << outcome.status << "\n"
            << outcome.output;
        inside += outcome.output.find("helper inside") != std::string::npos;
    }
    RecordProperty("helper_inside", static_cast<int>(inside));
    std::printf("%s: %d runs, in %d of them the helper was inside the driver\n", GetParam(),
                static_cast<int>(runs), static_cast<int>(inside));
}

INSTANTIATE_TEST_SUITE_P(Ways, Exits,
                         testing::Values("exit", "exit_elsewhere", "return", "underscore_exit",
                                         "quick_exit", "exit_handler", "another_device",
                                         "instance_destroyed", "loader_closed", "exit_inside"),
                         [](const auto& way) { return std::string(way.param); });

}  // namespace
