// SPDX-License-Identifier: Apache-2.0
//
// Starts the application of `tessera run` and stands in for it towards whoever started us: signals
// sent to us reach it, we stop when it stops, and how it ended is known.
//
// The one idea: the application must not notice. It stays in our process group, hence in the
// foreground of the terminal if we are there, and gets our descriptors, signal mask and signal
// dispositions as we got them. What the terminal sends to the whole group (ctrl-C) has reached it
// already and is not sent again. Two things differ: its parent is this command, and its orphans
// come to this command instead of to process 1 (PR_SET_CHILD_SUBREAPER), which is how they are
// known to be its descendants.
//
// Threads: one; the process has no other. Only one Supervisor may exist.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tools/environment.h"
#include "tools/json.h"

namespace tessera::command {

// Writing to a closed pipe, or beyond the size that a file may have, is an error rather than a
// signal, in all of the command. Remembers what it was, so that applications get that.
void IgnoreWriteSignals();

class Supervisor {
 public:
    // How often followers are asked at least, while nothing happens.
    static constexpr std::chrono::milliseconds kTick{100};

    // Takes over signals and orphans; the destructor gives the signals back.
    Supervisor();
    ~Supervisor();
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

    struct StartFailure {
        int exit_code = 0;  // 0: the application runs
        std::string error;  // a sentence
    };

    // Starts `command` with `environment`. A name without a slash is searched for in our PATH.
    // Requires: `command` is not empty; called once.
    StartFailure Start(const std::vector<std::string>& command, const Environment& environment);

    // Waits until the application has ended, or with `whole_tree` every process that descends from
    // it (a signal to end then ends the waiting). Calls `follow` whenever `wake` is readable, a
    // process has ended or a tick has passed. `wake` may be -1.
    // Requires: the application was started.
    void Wait(int wake, bool whole_tree, const std::function<void()>& follow);

    // How the application ended. Requires: Wait() returned.
    ExitInfo app_end() const { return reaped_.at(app_); }

    pid_t app() const { return app_; }

    // How the processes ended that were ours to wait for: the application and its orphans. Others
    // are known to their own parents only.
    const std::map<pid_t, ExitInfo>& reaped() const { return reaped_; }

 private:
    bool AppEnded() const { return reaped_.contains(app_); }
    void HandleSignals();
    void Forward(int signal_number, bool from_terminal);
    void Reap();
    void StopWithApp();

    sigset_t inherited_mask_;
    struct sigaction inherited_child_action_;
    int signals_ = -1;  // signalfd of everything that we block
    pid_t app_ = -1;
    bool no_children_ = false;
    bool end_asked_ = false;
    std::map<pid_t, ExitInfo> reaped_;
};

}  // namespace tessera::command
