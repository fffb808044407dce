// SPDX-License-Identifier: Apache-2.0
//
// What tests of the command need: a folder of their own, and programs that run while or before the
// test looks at them.
//
// Threads: one.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace tessera::test {

// A folder that nobody else can look into, removed with everything in it at the end.
class TempFolder {
 public:
    TempFolder();
    ~TempFolder();
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;

    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
    std::string path_;
};

void WriteFile(const std::string& path, const std::string& text);
std::string ReadFile(const std::string& path);

// What became of a program.
struct Outcome {
    int code = -1;    // -1: a signal ended it
    int signal = 0;   // 0: it ended by itself
    std::string out;  // what it wrote to standard output
    std::string err;  // and to standard error
};

struct ProgramOptions {
    std::string input;                               // what standard input gives
    std::map<std::string, std::string> environment;  // set over ours
    std::vector<std::string> unset;                  // and these removed
    bool close_output = false;                       // standard output is a pipe that nobody reads
    bool own_group = false;  // it is a job of its own, as a shell makes them
};

// A program that runs beside the test. Wait() must be called once.
class Program {
 public:
    Program(const std::vector<std::string>& command, const ProgramOptions& options = {});
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    pid_t pid() const { return pid_; }
    void Signal(int signal_number) const;

    // The file with what it has written to standard output so far.
    std::string output_path() const { return folder_ / "out"; }

    // Waits until it is stopped as a job. Returns: the signal that stopped it.
    int WaitStopped() const;

    Outcome Wait();

 private:
    pid_t pid_ = -1;
    // Files rather than pipes: a descendant that lives on does not keep Wait() waiting.
    TempFolder folder_;
};

Outcome RunProgram(const std::vector<std::string>& command, const ProgramOptions& options = {});

// Waits until the file is there; gives up after a time that no healthy machine needs.
// Returns: whether it is.
bool WaitForFile(const std::string& path);

// Waits likewise until there is something in the file.
bool WaitForText(const std::string& path);

// Waits until the process has a file open whose path contains `part`. Returns: whether it has.
bool WaitUntilOpen(pid_t pid, const std::string& part);

}  // namespace tessera::test
