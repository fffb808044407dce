// SPDX-License-Identifier: Apache-2.0
//
// One recording from its beginning to its end, whoever's process it is: what `tessera record PID`
// and `tessera record APP` have in common.
//
// The one idea: offered any number of processes, it records the first that has a device, and ends
// when that process does, when it is asked to, or when its time is over.
//
// Threads: one. Times are ns of CLOCK_MONOTONIC, given by the caller.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/json.h"
#include "tools/recording/recorder.h"

namespace tessera::recording {

uint64_t MonotonicNow();

// "process_ended", "asked", "duration", "unreadable"; "unknown" beyond the known ones.
const char* NameOf(EndReason reason);

class Session {
 public:
    explicit Session(std::string out) : out_(std::move(out)) {}
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Whether `out` can be written is found out here. Returns: empty, or a sentence.
    // `interrupt`: who waits for a pipe's reader stops when this descriptor becomes readable; or
    // -1.
    std::string Prepare(int interrupt = -1);

    // Offers the segment behind `file`, which is duplicated. `is_child`: it is recorded once it has
    // a device, and its end is waited for in `reaped`; else it is recorded at once.
    void Offer(const std::string& path, int file, uint64_t pid, uint64_t start_time, bool is_child);

    // 0: without end.
    void SetDuration(uint64_t duration_ns) { duration_ns_ = duration_ns; }

    // Does what is due. `reaped`: how processes ended, as far as it is known.
    void Step(uint64_t now_ns, const std::map<pid_t, command::ExitInfo>& reaped);

    // Ends the recording, if there is one and it has not ended.
    void End(uint64_t now_ns, EndReason reason, const std::map<pid_t, command::ExitInfo>& reaped);

    bool started() const { return recorder_ != nullptr && started_ns_ != 0; }
    bool ended() const { return ended_; }
    bool busy() const { return started() && !ended_ && recorder_->busy(); }
    // A sentence; empty as long as everything could be written.
    const std::string& error() const { return error_; }
    EndReason reason() const { return reason_; }
    uint64_t pid() const { return pid_; }
    uint64_t started_ns() const { return started_ns_; }
    uint64_t ended_ns() const { return ended_ns_; }
    // Requires: started().
    const reader::Process& process() const { return recorder_->process(); }
    Counts counts() const { return started() ? recorder_->counts() : Counts{}; }

 private:
    struct Candidate {
        std::string path;
        int file = -1;
        uint64_t pid = 0;
        uint64_t start_time = 0;
        bool is_child = false;
    };
    void TryStart(uint64_t now_ns);
    bool IsReady(const Candidate& candidate) const;
    void Fail(std::string error);

    const std::string out_;
    std::vector<Candidate> candidates_;
    std::unique_ptr<ChunkWriter> prepared_;
    std::unique_ptr<Recorder> recorder_;
    uint64_t pid_ = 0;
    uint64_t start_time_ = 0;
    uint64_t duration_ns_ = 0;
    uint64_t started_ns_ = 0;
    uint64_t ended_ns_ = 0;
    uint64_t gone_ns_ = 0;  // when the process was first seen to be gone
    bool is_child_ = false;
    bool ended_ = false;
    EndReason reason_ = EndReason::kProcessEnded;
    std::string error_;
};

}  // namespace tessera::recording
