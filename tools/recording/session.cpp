// SPDX-License-Identifier: Apache-2.0
//
// See session.h.
#include "tools/recording/session.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "base/process.h"

namespace tessera::recording {
namespace {

// How long after a process is gone its exit code is waited for: whoever reaps it may be another.
constexpr uint64_t kWaitForExitNs = 200 * kMillisecondNs;

}  // namespace

uint64_t MonotonicNow() {
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

const char* NameOf(EndReason reason) {
    switch (reason) {
        case EndReason::kProcessEnded:
            return "process_ended";
        case EndReason::kAsked:
            return "asked";
        case EndReason::kDuration:
            return "duration";
        case EndReason::kUnreadable:
            return "unreadable";
    }
    return "unknown";
}

Session::~Session() {
    for (const Candidate& candidate : candidates_)
        close(candidate.file);
    // An empty file is no recording: there was nothing to record.
    if (prepared_ == nullptr) return;
    struct stat status = {};
    if (stat(out_.c_str(), &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0)
        unlink(out_.c_str());
}

std::string Session::Prepare(int interrupt) {
    auto writer = std::make_unique<ChunkWriter>();
    writer->SetInterrupt(interrupt);
    std::string error = writer->Open(out_);
    if (error.empty()) prepared_ = std::move(writer);
    return error;
}

void Session::Offer(const std::string& path, int file, uint64_t pid, uint64_t start_time,
                    bool is_child) {
    if (started()) return;
    const int own = fcntl(file, F_DUPFD_CLOEXEC, 0);
    if (own >= 0) candidates_.push_back({path, own, pid, start_time, is_child});
}

bool Session::IsReady(const Candidate& candidate) const {
    if (!candidate.is_child) return true;
    const reader::Result<reader::Process> process =
        reader::ReadSegmentFd(candidate.file, candidate.path);
    return process.ok() && !process.value.devices.empty();
}

void Session::TryStart(uint64_t now_ns) {
    for (const Candidate& candidate : candidates_) {
        if (!IsReady(candidate)) continue;
        recorder_ =
            std::make_unique<Recorder>(candidate.file, candidate.path, std::move(prepared_));
        pid_ = candidate.pid;
        start_time_ = candidate.start_time;
        is_child_ = candidate.is_child;
        started_ns_ = now_ns;
        if (std::string error = recorder_->Start(now_ns, is_child_ ? 0 : now_ns); !error.empty())
            Fail(std::move(error));
        return;
    }
}

void Session::Fail(std::string error) {
    error_ = std::move(error);
    ended_ = true;
}

void Session::Step(uint64_t now_ns, const std::map<pid_t, command::ExitInfo>& reaped) {
    if (ended_) return;
    if (!started()) TryStart(now_ns);
    if (!started() || ended_) return;
    // Asked first, so that what is read afterwards is the last state.
    if (!ProcessRuns(pid_, start_time_) && gone_ns_ == 0) gone_ns_ = now_ns;
    if (std::string error = recorder_->Poll(now_ns); !error.empty()) return Fail(std::move(error));
    const bool is_known = reaped.contains(static_cast<pid_t>(pid_));
    if (gone_ns_ != 0 && (is_known || !is_child_ || now_ns - gone_ns_ >= kWaitForExitNs)) {
        End(now_ns, EndReason::kProcessEnded, reaped);
    } else if (duration_ns_ != 0 && now_ns - started_ns_ >= duration_ns_) {
        End(now_ns, EndReason::kDuration, reaped);
    } else if (recorder_->given_up()) {
        End(now_ns, EndReason::kUnreadable, reaped);
    }
}

void Session::End(uint64_t now_ns, EndReason reason,
                  const std::map<pid_t, command::ExitInfo>& reaped) {
    if (ended_ || !started()) return;
    ended_ = true;
    ended_ns_ = now_ns;
    reason_ = reason;
    const auto exit = reaped.find(static_cast<pid_t>(pid_));
    error_ =
        recorder_->End(now_ns, reason, exit == reaped.end() ? command::ExitInfo{} : exit->second);
}

}  // namespace tessera::recording
