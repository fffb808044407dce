// SPDX-License-Identifier: Apache-2.0
//
// See segment_watch.h. inotify only says when to look; what there is, the directory says.
#include "tools/segment_watch.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include "base/process.h"
#include "channel/segment_name.h"

namespace tessera::command {
namespace {

// Makes the folder that the layer would make with the first segment, as the layer makes it: it can
// then be watched from the start, and no process of the tree is over before it is. Where it cannot
// be made the layer goes on to the next, and so do we.
void MakeSegmentDirectory() {
    for (const std::string& directory : reader::SegmentDirectories())
        if (mkdir(directory.c_str(), S_IRWXU) == 0 || errno == EEXIST) return;
}

// How often a chain of parents is walked again because one of them ended meanwhile; each time the
// chain is shorter.
constexpr int kMaxWalks = 64;

}  // namespace

SegmentWatch::SegmentWatch(reader::Depth depth)
    : depth_(depth), inotify_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    family_.insert(static_cast<uint64_t>(getpid()));
    MakeSegmentDirectory();
    WatchDirectories();
    for (std::string& path : reader::ListSegments())
        seen_.insert(std::move(path));
}

SegmentWatch::~SegmentWatch() {
    if (inotify_ >= 0) close(inotify_);
    for (const Segment& segment : open_)
        close(segment.file);
}

// A directory that is not there yet is tried again.
void SegmentWatch::WatchDirectories() {
    if (inotify_ < 0) return;
    for (const std::string& directory : reader::SegmentDirectories()) {
        if (watched_.contains(directory)) continue;
        if (inotify_add_watch(inotify_, directory.c_str(), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) >=
            0) {
            watched_.insert(directory);
        }
    }
}

void SegmentWatch::DrainEvents() {
    if (inotify_ < 0) return;
    alignas(inotify_event) std::array<char, 4096> events;
    while (read(inotify_, events.data(), events.size()) > 0) {
    }
}

void SegmentWatch::Update(const std::map<pid_t, ExitInfo>& reaped) {
    // Events first: what comes after the listing wakes us again.
    DrainEvents();
    WatchDirectories();
    for (const std::string& path : reader::ListSegments())
        if (seen_.insert(path).second) Open(path);

    std::vector<Segment> still_open;
    for (Segment& segment : open_) {
        // Asked first, so that what is read afterwards is the last state.
        const bool runs = ProcessRuns(segment.pid, segment.start_time);
        const bool was_known = segment.kin != Kin::kUnknown;
        if (!was_known) segment.kin = KinOf(segment, reaped);
        if (!was_known && segment.kin == Kin::kFamily && on_family_)
            on_family_({segment.path, segment.file, segment.pid, segment.start_time});
        const bool ended = segment.kin == Kin::kFamily && !runs;
        if (ended) Read(segment, false);
        if (ended || segment.kin == Kin::kStranger) {
            close(segment.file);
        } else {
            still_open.push_back(std::move(segment));
        }
    }
    open_ = std::move(still_open);
}

void SegmentWatch::Open(const std::string& path) {
    const std::optional<channel::SegmentOwner> owner =
        channel::ParseSegmentName(std::string_view(path).substr(path.rfind('/') + 1));
    if (!owner) return;
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0) return;
    open_.push_back({.path = path,
                     .file = file,
                     .pid = owner->pid,
                     .start_time = owner->start_time,
                     .kin = Kin::kUnknown});
}

SegmentWatch::Kin SegmentWatch::KinOf(const Segment& segment,
                                      const std::map<pid_t, ExitInfo>& reaped) {
    const Kin kin = KinOfLiving(segment.pid, segment.start_time);
    if (kin != Kin::kUnknown) return kin;
    const auto is_family = [&](uint64_t pid) {
        return family_.contains(pid) || reaped.contains(static_cast<pid_t>(pid));
    };
    if (is_family(segment.pid)) return Kin::kFamily;
    const reader::Result<reader::Process> process =
        reader::ReadSegmentFd(segment.file, segment.path);
    if (!process.ok()) return Kin::kUnknown;
    const uint64_t parent_pid = process.value.parent_pid;
    if (is_family(parent_pid)) return Kin::kFamily;
    // Whoever has the parent's number now is the parent if it is old enough.
    const std::optional<ProcessStat> parent = ReadProcessStat(parent_pid);
    const bool is_parent = parent && parent->start_time <= segment.start_time;
    return is_parent ? KinOfLiving(parent_pid, parent->start_time) : Kin::kUnknown;
}

// Follows the chain of parents of a process that still exists. When one of them is gone before it
// was asked, its child has a new parent already: the walk starts over.
SegmentWatch::Kin SegmentWatch::KinOfLiving(uint64_t pid, uint64_t start_time) {
    const auto self = static_cast<uint64_t>(getpid());
    for (int walk = 0; walk < kMaxWalks; ++walk) {
        std::optional<ProcessStat> stat = ReadProcessStat(pid);
        if (!stat || stat->start_time != start_time) return Kin::kUnknown;
        std::vector<uint64_t> chain = {pid};
        uint64_t next = stat->parent_pid;
        while (next > 1 && next != self) {
            chain.push_back(next);
            stat = ReadProcessStat(next);
            if (!stat) break;
            next = stat->parent_pid;
        }
        if (next == self) {
            family_.insert(chain.begin(), chain.end());
            return Kin::kFamily;
        }
        if (stat) return Kin::kStranger;
    }
    return Kin::kUnknown;
}

void SegmentWatch::Read(const Segment& segment, bool runs) {
    reader::Result<reader::Process> result =
        reader::ReadSegmentFd(segment.file, segment.path, depth_);
    Followed followed;
    followed.pid = segment.pid;
    followed.runs = runs;
    if (result.ok()) {
        followed.parent_pid = result.value.parent_pid;
        followed.created_ns = result.value.created_ns;
        followed.name = result.value.name;
        followed.account = AccountOf(result.value);
        followed.json = ProcessJson(result.value);
        if (depth_ == reader::Depth::kDetail) followed.process = std::move(result.value);
    } else {
        followed.error = result.error;
    }
    done_.push_back(std::move(followed));
}

std::vector<Followed> SegmentWatch::Finish() {
    for (const Segment& segment : open_) {
        if (segment.kin == Kin::kFamily)
            Read(segment, ProcessRuns(segment.pid, segment.start_time));
    }
    std::ranges::stable_sort(done_, {}, &Followed::created_ns);
    return std::move(done_);
}

}  // namespace tessera::command
