// SPDX-License-Identifier: Apache-2.0
//
// What a reading command was given on its command line: the pid of a process, live or ended, the
// file of a segment, or a recording. They all give a state with its detail; recordings also what
// led to it.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tessera/reader.h"

namespace tessera::command {

// The totals of one device at one moment.
struct Sample {
    struct Type {
        uint64_t app_live = 0;
        uint64_t app_live_bytes = 0;
        uint64_t driver_live = 0;
        uint64_t driver_live_bytes = 0;  // blocks and what was passed through
        uint64_t allocations = 0;        // of the application, so far
        uint64_t frees = 0;
    };
    struct Heap {
        uint64_t budget_bytes = 0;  // 0: not known
        uint64_t usage_bytes = 0;
    };
    uint64_t time_ns = 0;  // CLOCK_MONOTONIC of the recorded machine
    uint64_t device = 0;   // its id
    uint64_t frames = 0;
    std::vector<Type> types;
    std::vector<Heap> heaps;
};

class Source {
 public:
    // `what`: digits are a pid, anything else a path ("./123" for a file of that name).
    // Returns: the source; or null, with a sentence in `*error`.
    static std::unique_ptr<Source> Open(const std::string& what, std::string* error);
    virtual ~Source() = default;

    // The last state, with detail.
    const reader::Process& process() const { return process_; }
    // What happened to a recording: it was not ended by its recorder, it is cut short. Or empty.
    const std::string& remark() const { return remark_; }
    // Whether it is all there: a recording that was cut short or damaged is read as far as it goes.
    bool is_whole() const { return is_whole_; }
    virtual bool IsRecording() const = 0;

    // A recording's samples, in order of time, all devices. Else none.
    virtual const std::vector<Sample>& samples() const = 0;

    // Calls `each` with all events there are, in order of time, some at a time; may be called more
    // than once. A segment has what its rings still hold. Returns: an empty text, or what is wrong.
    virtual std::string ForEachEvents(
        const std::function<void(std::span<const reader::Event>)>& each) = 0;

    // Events that are known to be missing. Exact after ForEachEvents().
    virtual uint64_t lost() const = 0;

 protected:
    reader::Process process_;
    std::string remark_;
    bool is_whole_ = true;
};

// What a command ends with that showed what there is of `source` and would end with `code`: success
// becomes a failure where that is a part only, so that no script takes it for all.
int ExitCodeFor(const Source& source, int code);

}  // namespace tessera::command
