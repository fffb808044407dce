// SPDX-License-Identifier: Apache-2.0
//
// Appends chunks to a recording.
//
// The one idea: what is in the file is always a valid recording with, at most, one chunk too many
// begun. When a chunk cannot be written whole, what was written of it is cut off again, if the file
// is one that can be cut; and nothing is written after it.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tools/recording/format.h"

struct ZSTD_CCtx_s;

namespace tessera::recording {

class ChunkWriter {
 public:
    ChunkWriter();
    // Closes the file. What it says then is not asked: every byte went through write(2).
    ~ChunkWriter();
    ChunkWriter(const ChunkWriter&) = delete;
    ChunkWriter& operator=(const ChunkWriter&) = delete;

    // Opens `path` to write a recording in place of what it holds. Writing to a terminal or to a
    // named pipe that nobody reads is refused.
    // Returns: an empty text, or a sentence, as of all functions here that return a text.
    std::string Open(const std::string& path);

    // A pipe whose reader does not read is waited for until this descriptor becomes readable.
    void SetInterrupt(int file) { interrupt_ = file; }

    std::string WriteHeader(FileHeader header);  // `check` is filled in
    // Requires: `raw` is within the limit of its kind.
    std::string Write(ChunkKind kind, std::span<const std::byte> raw);

    uint64_t bytes_written() const { return bytes_; }

 private:
    std::string Append(std::span<const std::byte> head, std::span<const std::byte> payload);

    struct FreeContext {
        void operator()(ZSTD_CCtx_s* context) const;
    };
    std::string path_;
    int file_ = -1;
    int interrupt_ = -1;
    bool can_be_cut_ = false;
    uint64_t bytes_ = 0;
    std::string failure_;  // once set, nothing is written any more
    std::unique_ptr<ZSTD_CCtx_s, FreeContext> compressor_;
    std::vector<std::byte> stored_;
};

}  // namespace tessera::recording
