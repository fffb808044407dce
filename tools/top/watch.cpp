// SPDX-License-Identifier: Apache-2.0
//
// See watch.h.
#include "tools/top/watch.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "base/process.h"

namespace tessera::top {

Watch::~Watch() {
    Forget();
}

void Watch::Forget() {
    if (file_ >= 0) close(file_);
    file_ = -1;
    pid_ = 0;
    process_ = process_before_ = {};
    has_before_ = ended_ = false;
    symbolizer_.reset();
    lines_.clear();
}

void Watch::LookAtAll() {
    std::vector<reader::Process> processes;
    for (const std::string& path : reader::ListSegments()) {
        reader::Result<reader::Process> result = reader::ReadSegment(path);
        if (result.ok()) processes.push_back(std::move(result.value));
    }
    before_ = std::exchange(now_, std::move(processes));
}

std::string Watch::LookAt(uint64_t pid) {
    if (pid != pid_) {
        Forget();
        const reader::Result<std::string> path = reader::FindSegment(pid);
        if (!path.ok()) return path.error;
        path_ = path.value;
        file_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        pid_ = pid;
    }
    if (ended_) return {};
    // Asked first, so that what is read afterwards is the last state.
    const bool runs = !process_.path.empty() && ProcessRuns(process_.pid, process_.start_time);
    const bool was_read = !process_.path.empty();
    reader::Result<reader::Process> result =
        reader::ReadSegmentFd(file_, path_, reader::Depth::kDetail);
    if (!result.ok()) {
        // What was shown stays, as long as there is something.
        if (was_read) return {};
        Forget();
        return result.error;
    }
    has_before_ = was_read;
    process_before_ = std::exchange(process_, std::move(result.value));
    ended_ = was_read && !runs;
    return {};
}

std::vector<std::string> Watch::Lines(uint32_t stack, bool resolve) {
    if (stack >= process_.stacks.size()) return {"not known"};
    if (symbolizer_ == nullptr || modules_ != process_.modules.size()) {
        // A screen that stands still is worse than one without names.
        constexpr std::chrono::milliseconds kModuleTime{2000};
        constexpr std::chrono::milliseconds kTotalTime{6000};
        symbolizer_ = std::make_unique<command::Symbolizer>(
            process_.modules,
            command::Symbolizer::Options{.module_time = kModuleTime, .total_time = kTotalTime});
        modules_ = process_.modules.size();
        lines_.clear();
    }
    if (const auto known = lines_.find(stack); known != lines_.end()) return known->second;
    const reader::CallStack& call_stack = process_.stacks[stack];
    if (resolve) symbolizer_->Resolve(call_stack);
    std::vector<std::string> lines = command::StackText(*symbolizer_, call_stack);
    if (lines.empty()) lines.push_back("not known");
    if (resolve) lines_[stack] = lines;
    return lines;
}

}  // namespace tessera::top
