// SPDX-License-Identifier: Apache-2.0
//
// Finds segments, and says in a sentence why one cannot be had. See include/tessera/reader.h for
// the contracts; what happens to an open segment is in segment_copy.cpp.
#include "tessera/reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>

#include "base/process.h"
#include "channel/segment_name.h"
#include "reader/layout.h"
#include "reader/open_segment.h"
#include "reader/segment_copy.h"
#include "reader/segment_parse.h"

namespace tessera::reader {
namespace {

struct CloseFolder {
    void operator()(DIR* folder) const { closedir(folder); }
};

// A file that a segment may be, by its name.
struct Candidate {
    channel::SegmentOwner owner;
    std::string path;
};

// Of the calling user, and not open to all: what others put into a folder of such a name would hide
// the segments that there are.
bool IsOwnFolder(int folder) {
    struct stat status;
    return fstat(folder, &status) == 0 && status.st_uid == geteuid() &&
           (status.st_mode & S_IWOTH) == 0;
}

void AddCandidates(const std::string& folder_path, std::vector<Candidate>& candidates) {
    const int folder = open(folder_path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) return;
    const std::unique_ptr<DIR, CloseFolder> entries(IsOwnFolder(folder) ? fdopendir(folder)
                                                                        : nullptr);
    if (entries == nullptr) {
        close(folder);
        return;
    }
    while (const dirent* entry = readdir(entries.get())) {
        const std::optional<channel::SegmentOwner> owner = channel::ParseSegmentName(entry->d_name);
        if (owner) candidates.push_back({*owner, folder_path + "/" + entry->d_name});
    }
}

// Newest process first; the path decides between two files of one process, to be the same each
// time.
std::vector<Candidate> FindCandidates() {
    std::vector<Candidate> candidates;
    for (const std::string& folder : SegmentDirectories())
        AddCandidates(folder, candidates);
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
        if (a.owner.start_time != b.owner.start_time)
            return a.owner.start_time > b.owner.start_time;
        return a.path < b.path;
    });
    return candidates;
}

// Returns: the user that the process runs as (its real user id), if /proc says so.
std::optional<uid_t> UserOfProcess(uint64_t pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/status";
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
    if (file == nullptr) return std::nullopt;
    char line[512];
    unsigned user = 0;
    while (std::fgets(line, sizeof(line), file.get()) != nullptr)
        if (std::sscanf(line, "Uid: %u", &user) == 1) return user;
    return std::nullopt;
}

// Whether the chain of parents of process `pid` leads to `ancestor`.
bool Descends(uint64_t pid, uint64_t ancestor) {
    constexpr int kMaxSteps = 64;  // chains that change as they are walked end all the same
    for (int step = 0; step < kMaxSteps && pid > 1; ++step) {
        const std::optional<ProcessStat> stat = ReadProcessStat(pid);
        if (!stat) return false;
        pid = stat->parent_pid;
        if (pid == ancestor) return true;
    }
    return false;
}

// The living processes below `pid` that publish, as "process 7, 9"; empty if there is none.
std::string PublishersBelow(uint64_t pid) {
    std::string text;
    for (const Candidate& candidate : FindCandidates()) {
        const uint64_t publisher = candidate.owner.pid;
        if (!ProcessRuns(publisher, candidate.owner.start_time) || !Descends(publisher, pid))
            continue;
        text += (text.empty() ? "process " : ", ") + std::to_string(publisher);
    }
    return text;
}

// Whether the process is the command `tessera`, by the name of its program.
bool IsCommand(uint64_t pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/comm";
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
    char name[32];
    return file != nullptr && std::fgets(name, sizeof(name), file.get()) != nullptr &&
           std::string_view(name) == "tessera\n";
}

std::string WhyNoSegment(uint64_t pid) {
    const std::string process = "process " + std::to_string(pid);
    const std::optional<ProcessStat> stat = ReadProcessStat(pid);
    if (!stat || !stat->runs)
        return "There is no " + process + ", and none of that number has left statistics behind.";
    const std::optional<uid_t> user = UserOfProcess(pid);
    if (user && *user != geteuid())
        return "The " + process + " belongs to another user (uid " + std::to_string(*user) +
               "); only that user can read its statistics.";
    const std::string below = PublishersBelow(pid);
    if (IsCommand(pid))
        return "The " + process + " is the command 'tessera' itself; " +
               (below.empty() ? "what it started publishes no statistics, or not yet."
                              : "what it started is " + below + ".");
    if (!below.empty())
        return "The " + process +
               " publishes no statistics itself; what it started does: " + below + ".";
    return "The " + process +
           " publishes no statistics: it runs without the layer, has not created a Vulkan instance "
           "yet, or has channel=off. Start it with 'tessera run -- APP' to have them.";
}

Result<Process> Refuse(const std::string& path, const std::string& reason) {
    return {.value = {}, .error = "The segment '" + path + "' cannot be read: " + reason + "."};
}

}  // namespace

std::vector<std::string> SegmentDirectories() {
    std::vector<std::string> folders;
    char path[channel::kMaxFolderPathBytes];
    const char* runtime_dir = secure_getenv("XDG_RUNTIME_DIR");
    if (runtime_dir != nullptr && channel::FormatRuntimeFolder(runtime_dir, path))
        folders.emplace_back(path);
    channel::FormatSharedMemoryFolder(geteuid(), path);
    folders.emplace_back(path);
    return folders;
}

std::vector<std::string> ListSegments() {
    std::vector<std::string> paths;
    for (Candidate& candidate : FindCandidates())
        paths.push_back(std::move(candidate.path));
    return paths;
}

bool IsGone(const std::string& path) {
    struct stat status;
    return lstat(path.c_str(), &status) != 0 && errno == ENOENT;
}

Result<Process> ReadSegmentFd(int fd, const std::string& path, Depth depth) {
    const std::string refusal = WhyNotReadable(fd);
    if (!refusal.empty()) return Refuse(path, refusal);
    Result<SegmentCopy> copy = CopySegment(fd, ProcessRuns, depth);
    if (!copy.ok()) return Refuse(path, copy.error);
    const uint64_t copied_ns = MonotonicNs();
    Result<Process> result = ParseSegment(copy.value.bytes, copy.value.runs, depth);
    if (!result.ok()) return Refuse(path, result.error);

    const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
    const std::optional<channel::SegmentOwner> owner = channel::ParseSegmentName(name);
    const channel::SegmentOwner claimed{result.value.pid, result.value.start_time};
    if (owner && *owner != claimed)
        return Refuse(path, "it is damaged: it says that it belongs to another process");
    result.value.path = path;
    result.value.segment_bytes = copy.value.segment_bytes;
    result.value.copied_ns = copied_ns;
    return result;
}

Result<Process> ReadSegment(const std::string& path, Depth depth) {
    const Result<OpenFile> file = OpenSegment(path);
    if (!file.ok()) return {.value = {}, .error = file.error};
    return ReadSegmentFd(file.value.get(), path, depth);
}

Result<Process> ReadSegmentCopy(std::span<const std::byte> bytes, const std::string& path,
                                Depth depth) {
    Result<Process> result = ParseSegment(bytes, true, depth);
    if (!result.ok()) return Refuse(path, result.error);
    result.value.path = path;
    return result;
}

Result<std::vector<std::byte>> CopySegmentBytes(int fd) {
    std::string error = WhyNotReadable(fd);
    if (error.empty()) {
        Result<SegmentCopy> copy = CopySegment(fd, ProcessRuns, Depth::kDetail);
        if (copy.ok()) return {.value = std::move(copy.value.bytes), .error = {}};
        error = copy.error;
    }
    return {.value = {}, .error = "The segment cannot be copied: " + error + "."};
}

Result<std::string> FindSegment(uint64_t pid) {
    const std::optional<ProcessStat> stat = ReadProcessStat(pid);
    const Candidate* found = nullptr;
    const std::vector<Candidate> candidates = FindCandidates();
    for (const Candidate& candidate : candidates) {
        if (candidate.owner.pid != pid) continue;
        const bool is_present = stat && stat->start_time == candidate.owner.start_time;
        if (found == nullptr || is_present) found = &candidate;
        if (is_present) break;
    }
    if (found == nullptr) return {.value = {}, .error = WhyNoSegment(pid)};
    return {.value = found->path, .error = {}};
}

Result<Process> ReadProcess(uint64_t pid, Depth depth) {
    const Result<std::string> path = FindSegment(pid);
    if (!path.ok()) return {.value = {}, .error = path.error};
    return ReadSegment(path.value, depth);
}

}  // namespace tessera::reader
