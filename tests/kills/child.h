// SPDX-License-Identifier: Apache-2.0
//
// A process that a test starts in order to kill it.
//
// Threads: one; Kill() may be called from any.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace tessera::test {

// What is still there at the end of its life is killed and waited for.
class Child {
 public:
    // Starts a program with the environment of this process. Its standard input is a pipe
    // that Send() writes to, standard output another one, which ReadLine() reads, unless `quiet`:
    // then both outputs go nowhere.
    explicit Child(const std::vector<std::string>& command, bool quiet = false);
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    pid_t pid() const { return pid_; }

    // Returns: the next line of its output, without its end; empty at the end.
    std::string ReadLine();

    // It reads a byte of its input.
    void Send();

    // It reads the end of its input: the sign to end for those that wait for it.
    void EndInput();

    // Kills it at once and waits until it is dead; it stays a zombie until Wait().
    void Kill();

    // Returns: what waitpid() says of it.
    int Wait();

 private:
    pid_t pid_ = -1;
    int input_ = -1;
    int output_ = -1;
};

}  // namespace tessera::test
