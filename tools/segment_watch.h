// SPDX-License-Identifier: Apache-2.0
//
// Finds the statistics segments of all processes that descend from this one, and follows each to
// its last state.
//
// A segment outlives its process, but not for long: of the dead only a few are kept. So each is
// opened as soon as it appears, and read through that descriptor when its process has ended.
//
// Whose segment it is: a segment's file name says its process. A process descends from us if its
// chain of parents leads here; orphans come to us (supervisor.h), so that the chain of a living
// descendant never leads past us. For one that is gone before it was looked at, the parent that its
// segment names tells: it lives and its own chain leads here, or we reaped it, or it was seen in a
// chain before. So a process is missed only if its parent too came and went, with a parent of its
// own to wait for it, before we were woken.
//
// Threads: one.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tessera/reader.h"
#include "tools/account.h"
#include "tools/json.h"

namespace tessera::command {

// What is known of one process of the tree.
struct Followed {
    uint64_t pid = 0;
    uint64_t parent_pid = 0;
    uint64_t created_ns = 0;  // CLOCK_REALTIME
    std::string name;         // not Printable() yet
    bool runs = false;        // it still ran when it was read
    Account account;
    Json json;                // its entry in schema 1; "exit" is null
    reader::Process process;  // if the watch was asked for detail
    std::string error;        // a sentence, if the numbers cannot be read; then only `pid` is set
};

// A segment of the tree as soon as it is known to be one. `file` is open during the call only.
struct FamilySegment {
    const std::string& path;
    int file;
    uint64_t pid;
    uint64_t start_time;
};

class SegmentWatch {
 public:
    // Notes which segments there are already: they are not ours. `depth`: of what is read.
    explicit SegmentWatch(reader::Depth depth = reader::Depth::kTotals);
    ~SegmentWatch();
    SegmentWatch(const SegmentWatch&) = delete;
    SegmentWatch& operator=(const SegmentWatch&) = delete;

    // Readable when a segment has appeared, or -1 where the system cannot tell; then Update() must
    // be called now and then.
    int wake() const { return inotify_; }

    // Who wants to know of each segment of the tree, once. To be set before the first Update().
    void OnFamily(std::function<void(const FamilySegment&)> call) { on_family_ = std::move(call); }

    // Looks for new segments, and reads those whose processes have ended.
    // `reaped`: the processes that were ours to wait for, which hence descend from us.
    void Update(const std::map<pid_t, ExitInfo>& reaped);

    // Reads what is left. Returns: all processes of the tree that had a segment, oldest first.
    // Requires: called once, last, after an Update() that followed the end of the application.
    std::vector<Followed> Finish();

 private:
    enum class Kin { kFamily, kStranger, kUnknown };
    struct Segment {
        std::string path;
        int file = -1;
        uint64_t pid = 0;
        uint64_t start_time = 0;
        Kin kin = Kin::kUnknown;
    };

    void DrainEvents();
    void WatchDirectories();
    void Open(const std::string& path);
    Kin KinOf(const Segment& segment, const std::map<pid_t, ExitInfo>& reaped);
    Kin KinOfLiving(uint64_t pid, uint64_t start_time);
    void Read(const Segment& segment, bool runs);

    std::function<void(const FamilySegment&)> on_family_;
    const reader::Depth depth_;
    int inotify_ = -1;
    std::set<std::string> watched_;  // directories
    std::set<std::string> seen_;     // paths that need no second look
    std::vector<Segment> open_;      // the family's, and those not decided yet
    std::set<uint64_t> family_;      // pids of descendants that were seen, living or gone
    std::vector<Followed> done_;
};

}  // namespace tessera::command
