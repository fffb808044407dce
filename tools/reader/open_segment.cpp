// SPDX-License-Identifier: Apache-2.0
//
// See open_segment.h for the contract.
#include "reader/open_segment.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace tessera::reader {

Result<OpenFile> OpenSegment(const std::string& path) {
    // O_NONBLOCK: a fifo of this name must not make us wait for somebody to write into it.
    OpenFile file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    std::string reason;
    if (file.get() < 0)
        reason = errno == ELOOP ? "it is a symbolic link" : std::strerror(errno);
    else
        reason = WhyNotReadable(file.get());
    if (reason.empty()) return {.value = std::move(file), .error = {}};
    return {.value = {}, .error = "The segment '" + path + "' cannot be read: " + reason + "."};
}

std::string WhyNotReadable(int file) {
    struct stat status;
    if (fstat(file, &status) != 0) return std::strerror(errno);
    if (!S_ISREG(status.st_mode)) return "it is not a regular file";
    if (status.st_uid != geteuid() && status.st_uid != 0) return "it belongs to another user";
    return "";
}

}  // namespace tessera::reader
