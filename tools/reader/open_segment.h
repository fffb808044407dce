// SPDX-License-Identifier: Apache-2.0
//
// Opens a file that may be a segment, and nothing else: what can hang a reader (a fifo), lead it
// elsewhere (a link) or belongs to another user is refused.
//
// Threads: no shared state.
#pragma once

#include <unistd.h>

#include <string>
#include <utility>

#include "tessera/reader.h"

namespace tessera::reader {

// A descriptor that is closed with the object.
class OpenFile {
 public:
    OpenFile() = default;
    explicit OpenFile(int fd) : fd_(fd) {}
    OpenFile(OpenFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    OpenFile& operator=(OpenFile&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~OpenFile() {
        if (fd_ >= 0) close(fd_);
    }
    int get() const { return fd_; }

 private:
    int fd_ = -1;
};

// The error is the sentence for users.
Result<OpenFile> OpenSegment(const std::string& path);

// Returns: why `file` must not be read as a segment; empty if it may.
std::string WhyNotReadable(int file);

}  // namespace tessera::reader
