// SPDX-License-Identifier: Apache-2.0
//
// See level_file.h.
#include "channel/level_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace tessera::channel {
namespace {

// A file that was changed since then is read again although it looks the same: what is written
// twice within one tick of the file system's clock does so.
constexpr int64_t kFreshSeconds = 2;

bool IsOwnRequest(const struct stat& status) noexcept {
    return S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
           status.st_size == off_t{sizeof(tessera_level_request)};
}

// Whether what a file holds may be other than what was read last.
bool MayBeNew(const struct stat& status, const LevelFileLook& last) noexcept {
    if (status.st_dev != last.device || status.st_ino != last.inode ||
        status.st_ctim.tv_sec != last.changed.tv_sec ||
        status.st_ctim.tv_nsec != last.changed.tv_nsec)
        return true;
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    // Also what seems to come from the future: the clock was set.
    return now.tv_sec - status.st_ctim.tv_sec <= kFreshSeconds;
}

}  // namespace

bool FormatLevelPath(std::string_view segment_path, std::span<char> out) noexcept {
    if (!segment_path.ends_with(kSegmentSuffix)) return false;
    segment_path.remove_suffix(kSegmentSuffix.size());
    if (segment_path.size() + kLevelSuffix.size() >= out.size()) return false;
    std::memcpy(out.data(), segment_path.data(), segment_path.size());
    std::memcpy(out.data() + segment_path.size(), kLevelSuffix.data(), kLevelSuffix.size());
    out[segment_path.size() + kLevelSuffix.size()] = '\0';
    return true;
}

uint64_t CheckOf(const tessera_level_request& request) noexcept {
    return request.magic ^ request.pid ^ request.start_time ^ request.serial ^ request.level ^
           request.stacks;
}

bool ReadLevelFile(const char* path, const SegmentOwner& owner, LevelFileLook& last,
                   tessera_level_request* request) noexcept {
    struct stat status;
    if (lstat(path, &status) != 0 || !IsOwnRequest(status) || !MayBeNew(status, last)) return false;
    // It may be another file by now. O_NONBLOCK: a fifo of this name must not make anybody wait.
    const int file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0) return false;
    const bool whole = fstat(file, &status) == 0 && IsOwnRequest(status) &&
                       pread(file, request, sizeof(*request), 0) == ssize_t{sizeof(*request)};
    close(file);
    if (whole) last = {status.st_dev, status.st_ino, status.st_ctim};
    return whole && request->magic == TESSERA_LEVEL_MAGIC && request->pid == owner.pid &&
           request->start_time == owner.start_time && request->level <= TESSERA_LEVEL_events &&
           request->check == CheckOf(*request);
}

}  // namespace tessera::channel
