// SPDX-License-Identifier: Apache-2.0
//
// See child.h.
#include "child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

namespace tessera::test {

Child::Child(const std::vector<std::string>& command, bool quiet) {
    int input[2];
    int output[2];
    EXPECT_EQ(pipe2(input, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(output, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
    if (quiet) {
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    } else {
        posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
    }
    std::vector<char*> arguments;
    for (const std::string& word : command)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    EXPECT_EQ(posix_spawn(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ), 0)
        << command[0];
    posix_spawn_file_actions_destroy(&actions);
    close(input[0]);
    close(output[1]);
    input_ = input[1];
    output_ = output[0];
}

Child::~Child() {
    if (pid_ > 0) {
        Kill();
        Wait();
    }
    EndInput();
    close(output_);
}

std::string Child::ReadLine() {
    std::string line;
    char byte;
    while (read(output_, &byte, 1) == 1 && byte != '\n')
        line += byte;
    return line;
}

void Child::Send() {
    EXPECT_EQ(write(input_, "\n", 1), 1);
}

void Child::EndInput() {
    if (input_ >= 0) close(std::exchange(input_, -1));
}

void Child::Kill() {
    if (pid_ <= 0) return;  // kill() takes -1 for everybody
    kill(pid_, SIGKILL);
    siginfo_t info;
    EXPECT_EQ(waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT), 0);
}

int Child::Wait() {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return status;
}

}  // namespace tessera::test
