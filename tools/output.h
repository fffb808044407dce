// SPDX-License-Identifier: Apache-2.0
//
// How the command writes: results to stdout, sentences about problems to stderr.
//
// Neither goes through stdio: a result is written whole, and what became of it is known. The
// process ignores SIGPIPE (main.cpp), so that a reader that has left is an answer of write(2) and
// not our end.
//
// Threads: any; a call writes with as few write(2) as the descriptor takes.
#pragma once

#include <string_view>

namespace tessera::command {

enum class Written {
    kAll,
    kNobodyReads,  // the other end of the pipe is closed: nothing to complain about, but stop
    kFailed,       // for another reason, which was told on stderr
};

// Writes all of `text` to stdout.
Written PrintResult(std::string_view text);

// The exit code after a result was written so: success, unless it failed.
int ExitCodeOf(Written written);

// Writes "tessera: " and `sentence` and a line end to stderr. What came from elsewhere in it went
// through Printable(). Errors are ignored: there is nobody left to tell.
void Complain(std::string_view sentence);

// Writes `text` to stderr as it is.
void PrintAside(std::string_view text);

}  // namespace tessera::command
