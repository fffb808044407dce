// SPDX-License-Identifier: Apache-2.0
//
// See folder.h for the contract. Nobody can tell when a dead process died. So each process that
// looks through the folder stamps the segments of the living with the present time; among the dead
// the older stamp is the earlier death, as far as anybody has seen.
#include "channel/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/log.h"
#include "base/process.h"
#include "channel/segment_name.h"

namespace tessera::channel {
namespace {

// Opens one candidate. Returns: its descriptor, or -1 and a phrase that says why not.
int OpenPrivateFolder(const char* path, const char*& refusal) noexcept {
    refusal = nullptr;
    if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST) {
        refusal = std::strerror(errno);
        return -1;
    }
    const int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (folder < 0) {
        refusal = errno == ELOOP || errno == ENOTDIR ? "it is not a folder, or a link to one"
                                                     : std::strerror(errno);
    } else if (fstat(folder, &status) != 0) {
        refusal = std::strerror(errno);
    } else if (status.st_uid != geteuid()) {
        refusal = "it belongs to another user";
    } else if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        refusal = "other users may look into it; its mode must be 0700";
    } else if (faccessat(folder, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        refusal = std::strerror(errno);
    }
    if (refusal == nullptr) return folder;
    if (folder >= 0) close(folder);
    return -1;
}

struct DeadSegment {
    std::array<char, kMaxSegmentNameBytes> name;
    timespec last_seen;
    uint64_t bytes;
};

bool Older(const DeadSegment& a, const DeadSegment& b) noexcept {
    if (a.last_seen.tv_sec != b.last_seen.tv_sec) return a.last_seen.tv_sec < b.last_seen.tv_sec;
    return a.last_seen.tv_nsec < b.last_seen.tv_nsec;
}

// A process of another pid namespace looks dead from here, but it holds a lock on what it maps.
void RemoveUnlessMapped(int folder, const char* name) noexcept {
    const int file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return;
    if (flock(file, LOCK_EX | LOCK_NB) == 0) unlinkat(folder, name, 0);
    close(file);
}

// The dead segments that stay, as far as the folder was read.
class Graveyard {
 public:
    explicit Graveyard(int folder) noexcept : folder_(folder) {}

    void Add(const DeadSegment& segment) noexcept {
        if (count_ == kept_.size())
            RemoveOldest(segment);
        else
            kept_[count_++] = segment;
    }

    void LimitBytes() noexcept {
        uint64_t bytes = 0;
        for (uint32_t i = 0; i < count_; ++i)
            bytes += kept_[i].bytes;
        while (bytes > kKeptDeadBytes) {
            DeadSegment& oldest = *std::min_element(kept_.begin(), kept_.begin() + count_, Older);
            RemoveUnlessMapped(folder_, oldest.name.data());
            bytes -= oldest.bytes;
            oldest = kept_[--count_];
        }
    }

 private:
    // Of those kept and `segment` the oldest goes.
    void RemoveOldest(const DeadSegment& segment) noexcept {
        DeadSegment& oldest = *std::min_element(kept_.begin(), kept_.end(), Older);
        const bool spare = Older(segment, oldest);
        RemoveUnlessMapped(folder_, spare ? segment.name.data() : oldest.name.data());
        if (!spare) oldest = segment;
    }

    const int folder_;
    uint32_t count_ = 0;
    std::array<DeadSegment, kKeptDeadSegments> kept_;
};

// A request that nobody will look at any more: its process is gone. Half-written ones count as
// well.
void VisitRequest(int folder, std::string_view name) noexcept {
    const size_t end = name.find(kLevelSuffix);
    if (end == std::string_view::npos || name.size() >= kMaxSegmentNameBytes) return;
    char segment[2 * kMaxSegmentNameBytes];
    std::snprintf(segment, sizeof(segment), "%.*s%s", static_cast<int>(end), name.data(),
                  kSegmentSuffix.data());
    const std::optional<SegmentOwner> owner = ParseSegmentName(segment);
    struct stat status;
    if (!owner || fstatat(folder, name.data(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || status.st_nlink != 1) return;
    if (!ProcessRuns(owner->pid, owner->start_time)) unlinkat(folder, name.data(), 0);
}

void Visit(int folder, const char* name, Graveyard& graveyard) noexcept {
    const std::optional<SegmentOwner> owner = ParseSegmentName(name);
    struct stat status;
    if (!owner) return VisitRequest(folder, name);
    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || status.st_nlink != 1) return;
    if (ProcessRuns(owner->pid, owner->start_time)) {
        utimensat(folder, name, nullptr, AT_SYMLINK_NOFOLLOW);
        return;
    }
    DeadSegment segment;
    FormatSegmentName(*owner, segment.name);
    segment.last_seen = status.st_mtim;
    segment.bytes = static_cast<uint64_t>(status.st_blocks) * 512;
    graveyard.Add(segment);
}

}  // namespace

int OpenFolder(std::span<char, kMaxFolderPathBytes> path) noexcept {
    const char* refusal = nullptr;
    const char* runtime_dir = secure_getenv("XDG_RUNTIME_DIR");
    if (runtime_dir != nullptr && *runtime_dir != '\0') {
        const bool usable = FormatRuntimeFolder(runtime_dir, path);
        const int folder = usable ? OpenPrivateFolder(path.data(), refusal) : -1;
        if (folder >= 0) return folder;
        TESSERA_LOG(kWarning,
                    "XDG_RUNTIME_DIR is '%s', and statistics cannot be published there: %s. Trying "
                    "/dev/shm instead.",
                    runtime_dir, usable ? refusal : "it is not an absolute path");
    }
    FormatSharedMemoryFolder(geteuid(), path);
    const int folder = OpenPrivateFolder(path.data(), refusal);
    if (folder < 0)
        TESSERA_LOG(kWarning, "This process publishes no statistics: '%s' cannot be used: %s.",
                    path.data(), refusal);
    return folder;
}

void RemoveDeadSegments(int folder) noexcept {
    // A description of its own: reading it must not move the caller's.
    const int scanned = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* entries = scanned < 0 ? nullptr : fdopendir(scanned);
    if (entries == nullptr) {
        if (scanned >= 0) close(scanned);
        return;
    }
    Graveyard graveyard(folder);
    while (const dirent* entry = readdir(entries))
        Visit(folder, entry->d_name, graveyard);
    graveyard.LimitBytes();
    closedir(entries);
}

}  // namespace tessera::channel
