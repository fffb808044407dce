// SPDX-License-Identifier: Apache-2.0
//
// See support.h.
#include "support.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

namespace tessera::test {
namespace {

// A write to it is EPIPE.
int PipeWithoutReader() {
    int ends[2];
    if (pipe(ends) != 0) return -1;
    close(ends[0]);
    return ends[1];
}

// Asks until the answer is yes, or so long that no healthy machine needs it.
bool WaitFor(const std::function<bool()>& condition) {
    constexpr int kTries = 30'000;
    for (int i = 0; i < kTries; ++i) {
        if (condition()) return true;
        usleep(1000);
    }
    return false;
}

void ReplaceDescriptor(int target, int file) {
    dup2(file, target);
    close(file);
}

}  // namespace

TempFolder::TempFolder() {
    std::string path = testing::TempDir() + "tessera-XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    path_ = std::filesystem::canonical(path);
}

TempFolder::~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void WriteFile(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

std::string ReadFile(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

Program::Program(const std::vector<std::string>& command, const ProgramOptions& options) {
    WriteFile(folder_ / "in", options.input);
    std::vector<char*> arguments;
    for (const std::string& word : command)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    constexpr int kNewFile = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND;
    pid_ = fork();
    if (pid_ != 0) return;
    if (options.own_group) setpgid(0, 0);
    ReplaceDescriptor(STDIN_FILENO, open((folder_ / "in").c_str(), O_RDONLY));
    ReplaceDescriptor(STDOUT_FILENO, options.close_output
                                         ? PipeWithoutReader()
                                         : open((folder_ / "out").c_str(), kNewFile, 0600));
    ReplaceDescriptor(STDERR_FILENO, open((folder_ / "err").c_str(), kNewFile, 0600));
    for (const std::string& name : options.unset)
        unsetenv(name.c_str());
    for (const auto& [name, value] : options.environment)
        setenv(name.c_str(), value.c_str(), 1);
    execvp(arguments[0], arguments.data());
    _exit(126);
}

void Program::Signal(int signal_number) const {
    EXPECT_EQ(kill(pid_, signal_number), 0);
}

int Program::WaitStopped() const {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, WUNTRACED), pid_);
    return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
}

Outcome Program::Wait() {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    Outcome outcome;
    if (WIFEXITED(status)) outcome.code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
    outcome.out = ReadFile(folder_ / "out");
    outcome.err = ReadFile(folder_ / "err");
    return outcome;
}

Outcome RunProgram(const std::vector<std::string>& command, const ProgramOptions& options) {
    return Program(command, options).Wait();
}

bool WaitForFile(const std::string& path) {
    return WaitFor([&] { return access(path.c_str(), F_OK) == 0; });
}

bool WaitForText(const std::string& path) {
    return WaitFor([&] { return !ReadFile(path).empty(); });
}

bool WaitUntilOpen(pid_t pid, const std::string& part) {
    return WaitFor([&] {
        std::error_code error;
        const std::filesystem::path folder = "/proc/" + std::to_string(pid) + "/fd";
        for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
            const std::string target = std::filesystem::read_symlink(entry.path(), error);
            if (target.find(part) != std::string::npos) return true;
        }
        return false;
    });
}

}  // namespace tessera::test
