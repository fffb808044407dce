// SPDX-License-Identifier: Apache-2.0
//
// The exit codes of the `tessera` command; docs/command.md tells them to its users.
//
// `tessera run` ends with the application's own code. The codes for what keeps it from starting one
// are those that shells, env(1) and timeout(1) use, so that a script can tell them apart.
#pragma once

namespace tessera::command {

enum ExitCode : int {
    kOk = 0,
    kFailure = 1,   // what was asked for could not be done, for example written
    kUsage = 2,     // the command line makes no sense
    kNotFound = 3,  // stat: no such process, or it has no numbers; doctor: something does not work

    kLeaks = 123,  // leaks, run --leaks: memory was never freed, or may have stayed; no other fault

    kRunFailed = 125,      // run: something of ours failed before the application was started
    kNotExecutable = 126,  // run: the application exists and cannot be executed
    kNoSuchCommand = 127,  // run: there is no such application
    kSignalBase = 128,     // run: signal N ended the application: 128 + N
};

}  // namespace tessera::command
