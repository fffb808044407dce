// SPDX-License-Identifier: Apache-2.0
//
// See chunk_writer.h.
#include "tools/recording/chunk_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "tools/text.h"

namespace tessera::recording {
namespace {

// The fastest of zstd's levels that still finds repetitions well: a recorder must keep up.
constexpr int kCompressionLevel = 3;

// Returns: 0, or the errno of what went wrong; ECANCELED if nobody read what was written before,
// and `interrupt` became readable. `done` is how much was written.
int WriteBoth(int file, int interrupt, std::span<const std::byte> head,
              std::span<const std::byte> payload, uint64_t& done) {
    while (!head.empty() || !payload.empty()) {
        const std::array<iovec, 2> parts = {
            iovec{const_cast<std::byte*>(head.data()), head.size()},
            iovec{const_cast<std::byte*>(payload.data()), payload.size()}};
        const ssize_t count = writev(file, parts.data(), parts.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) {
            std::array<pollfd, 2> ready = {pollfd{.fd = file, .events = POLLOUT, .revents = 0},
                                           pollfd{.fd = interrupt, .events = POLLIN, .revents = 0}};
            poll(ready.data(), ready.size(), -1);
            if (ready[0].revents == 0 && ready[1].revents != 0) return ECANCELED;
            continue;
        }
        if (count < 0) return errno;
        if (count == 0) return ENOSPC;
        done += static_cast<uint64_t>(count);
        const size_t of_head = std::min(head.size(), static_cast<size_t>(count));
        head = head.subspan(of_head);
        payload = payload.subspan(static_cast<size_t>(count) - of_head);
    }
    return 0;
}

template <typename T>
std::span<const std::byte> BytesOf(const T& value, size_t count = sizeof(T)) {
    return std::as_bytes(std::span(&value, 1)).first(count);
}

}  // namespace

void ChunkWriter::FreeContext::operator()(ZSTD_CCtx_s* context) const {
    ZSTD_freeCCtx(context);
}

ChunkWriter::ChunkWriter() : compressor_(ZSTD_createCCtx()) {}

ChunkWriter::~ChunkWriter() {
    if (file_ >= 0) close(file_);
}

std::string ChunkWriter::Open(const std::string& path) {
    path_ = path;
    const std::string cannot =
        "the recording '" + command::Printable(path) + "' cannot be written: ";
    // A named pipe that nobody reads is an error rather than waited for.
    file_ = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    struct stat status = {};
    if (file_ < 0 || fstat(file_, &status) != 0) return cannot + strerror(errno) + ".";
    if (isatty(file_) != 0) return cannot + "it is a terminal.";
    can_be_cut_ = S_ISREG(status.st_mode);
    if (can_be_cut_ && ftruncate(file_, 0) != 0) return cannot + strerror(errno) + ".";
    return {};
}

std::string ChunkWriter::WriteHeader(FileHeader header) {
    header.check = XXH64(&header, offsetof(FileHeader, check), 0);
    return Append(BytesOf(header), {});
}

std::string ChunkWriter::Write(ChunkKind kind, std::span<const std::byte> raw) {
    if (!failure_.empty()) return failure_;
    stored_.resize(ZSTD_compressBound(raw.size()));
    const size_t size = ZSTD_compressCCtx(compressor_.get(), stored_.data(), stored_.size(),
                                          raw.data(), raw.size(), kCompressionLevel);
    if (ZSTD_isError(size) != 0) {
        failure_ =
            std::string("the recording cannot be compressed: ") + ZSTD_getErrorName(size) + ".";
        return failure_;
    }
    const bool is_smaller = size < raw.size();
    const std::span<const std::byte> payload =
        is_smaller ? std::span<const std::byte>(stored_).first(size) : raw;
    ChunkHeader header = {.kind = static_cast<uint32_t>(kind),
                          .flags = is_smaller ? kCompressed : 0,
                          .stored_bytes = payload.size(),
                          .raw_bytes = raw.size(),
                          .check = 0};
    XXH64_state_t* const state = XXH64_createState();
    XXH64_reset(state, 0);
    XXH64_update(state, &header, offsetof(ChunkHeader, check));
    XXH64_update(state, payload.data(), payload.size());
    header.check = XXH64_digest(state);
    XXH64_freeState(state);
    return Append(BytesOf(header), payload);
}

std::string ChunkWriter::Append(std::span<const std::byte> head,
                                std::span<const std::byte> payload) {
    if (!failure_.empty()) return failure_;
    uint64_t done = 0;
    const int error = WriteBoth(file_, interrupt_, head, payload, done);
    if (error == 0) {
        bytes_ += done;
        return {};
    }
    failure_ = "the recording '" + command::Printable(path_) + "' cannot be written any further: " +
               (error == ECANCELED ? "nobody reads it, and the recording was asked to end"
                                   : strerror(error)) +
               ".";
    if (can_be_cut_ && ftruncate(file_, static_cast<off_t>(bytes_)) == 0)
        failure_ += " What was written until then can be read.";
    return failure_;
}

}  // namespace tessera::recording
