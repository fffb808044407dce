// SPDX-License-Identifier: Apache-2.0
//
// See result_sink.h.
#include "tools/result_sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "tools/exit_codes.h"
#include "tools/output.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 16;

std::string Problem(const std::string& path, int error) {
    return "'" + Printable(path) + "' cannot be written: " + strerror(error) + ".";
}

}  // namespace

ResultSink::~ResultSink() {
    Discard();
}

std::string ResultSink::Open(const std::string& path) {
    if (path.empty() || path == "-") return {};
    path_ = path;
    struct stat status = {};
    const bool exists = stat(path.c_str(), &status) == 0;
    if (!exists && errno != ENOENT) return Problem(path, errno);
    if (exists && S_ISDIR(status.st_mode)) return Problem(path, EISDIR);
    if (exists && access(path.c_str(), W_OK) != 0) return Problem(path, errno);
    if (exists && !S_ISREG(status.st_mode)) {
        // A named pipe that nobody reads is an error rather than waited for.
        file_ = open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (file_ < 0) return Problem(path, errno);
        fcntl(file_, F_SETFL, 0);
        return {};
    }
    // A symbolic link stays one: the file that it leads to is replaced.
    std::error_code error;
    final_ = std::filesystem::weakly_canonical(path, error);
    if (error) return Problem(path, error.value());
    beside_ = final_ + ".XXXXXX";
    file_ = mkostemp(beside_.data(), O_CLOEXEC);
    if (file_ < 0) {
        beside_.clear();
        return Problem(path, errno);
    }
    const mode_t mask = umask(0);
    umask(mask);
    fchmod(file_, 0666 & ~mask);
    return {};
}

bool ResultSink::Write(std::string_view text) {
    buffer_ += text;
    if (buffer_.size() >= kBufferBytes) Flush();
    return error_ == 0 && !nobody_reads_;
}

bool ResultSink::Flush() {
    std::string_view rest = buffer_;
    if (path_.empty() && !rest.empty() && !nobody_reads_ && error_ == 0) {
        const Written written = PrintResult(rest);
        nobody_reads_ = written == Written::kNobodyReads;
        // PrintResult() has told what went wrong.
        if (written == Written::kFailed) error_ = -1;
        rest = {};
    }
    while (!rest.empty() && error_ == 0 && !path_.empty()) {
        const ssize_t count = write(file_, rest.data(), rest.size());
        if (count >= 0) {
            rest.remove_prefix(static_cast<size_t>(count));
        } else if (errno != EINTR) {
            error_ = errno;
        }
    }
    buffer_.clear();
    return error_ == 0;
}

void ResultSink::Discard() {
    if (file_ >= 0) close(file_);
    file_ = -1;
    if (!beside_.empty()) unlink(beside_.c_str());
    beside_.clear();
}

int ResultSink::Finish() {
    Flush();
    if (path_.empty()) return error_ == 0 ? kOk : kFailure;
    if (close(file_) != 0 && error_ == 0) error_ = errno;
    file_ = -1;
    if (error_ == 0 && !beside_.empty()) {
        if (rename(beside_.c_str(), final_.c_str()) != 0)
            error_ = errno;
        else
            beside_.clear();
    }
    Discard();
    if (error_ == 0 || error_ == EPIPE) return kOk;
    Complain(Problem(path_, error_));
    return kFailure;
}

}  // namespace tessera::command
