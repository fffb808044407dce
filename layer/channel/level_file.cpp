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

bool IsOwnRequest(int file) noexcept {
    struct stat status;
    return fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
           status.st_size == off_t{sizeof(tessera_level_request)};
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

bool ReadLevelFile(const char* path, const SegmentOwner& owner,
                   tessera_level_request* request) noexcept {
    // O_NONBLOCK: a fifo of this name must not make anybody wait.
    const int file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0) return false;
    const bool whole = IsOwnRequest(file) &&
                       pread(file, request, sizeof(*request), 0) == ssize_t{sizeof(*request)};
    close(file);
    return whole && request->magic == TESSERA_LEVEL_MAGIC && request->pid == owner.pid &&
           request->start_time == owner.start_time && request->level <= TESSERA_LEVEL_events &&
           request->check == CheckOf(*request);
}

}  // namespace tessera::channel
