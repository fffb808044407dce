// SPDX-License-Identifier: Apache-2.0
//
// Where a long result goes: standard output, or a file.
//
// The one idea: a result may be larger than memory, so it is written as it is made; and whoever
// reads the file finds the old one or the whole new one, never a part. So a regular file is written
// beside its name and takes that at the end. What is not one (a pipe, /dev/null) is written in
// place.
//
// Threads: one at a time.
#pragma once

#include <string>
#include <string_view>

namespace tessera::command {

class ResultSink {
 public:
    ResultSink() = default;
    ~ResultSink();  // without Finish() a file stays as it was
    ResultSink(const ResultSink&) = delete;
    ResultSink& operator=(const ResultSink&) = delete;

    // `path`: empty or "-" is standard output.
    // Returns: a sentence if it cannot be written, else an empty text.
    std::string Open(const std::string& path);

    // Requires: Open() found nothing wrong. Returns: whether it makes sense to go on.
    bool Write(std::string_view text);

    // Writes what is left and puts the file in its place; what went wrong is told on stderr.
    // Returns: the exit code.
    int Finish();

 private:
    bool Flush();
    void Discard();

    std::string path_;   // as the user gave it; empty: standard output
    std::string final_;  // that the file is to have in the end; empty: it is written in place
    std::string beside_;
    std::string buffer_;
    int file_ = -1;
    int error_ = 0;              // errno of the first write that failed
    bool nobody_reads_ = false;  // stdout's reader has left
};

}  // namespace tessera::command
