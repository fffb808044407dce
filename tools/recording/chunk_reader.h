// SPDX-License-Identifier: Apache-2.0
//
// Takes a recording apart into chunks, and trusts none of its bytes.
//
// The one idea: each chunk is checked before anything is made of it, in pieces of 64 KiB, so that a
// length that is a lie costs nothing. The first chunk that is not right ends the recording.
//
// Threads: one per object. Memory: that of the largest payload that was asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tools/recording/format.h"

namespace tessera::recording {

// Where the bytes come from.
class ByteSource {
 public:
    virtual ~ByteSource() = default;
    // Fills all of `out` with what lies at `offset`. Returns: false if there is not so much.
    virtual bool ReadAt(uint64_t offset, std::span<std::byte> out) = 0;
    virtual uint64_t size() const = 0;  // when it was opened
};

// A copy in memory, which must live as long.
class MemoryBytes : public ByteSource {
 public:
    explicit MemoryBytes(std::span<const std::byte> bytes) : bytes_(bytes) {}
    bool ReadAt(uint64_t offset, std::span<std::byte> out) override;
    uint64_t size() const override { return bytes_.size(); }

 private:
    std::span<const std::byte> bytes_;
};

// A regular file. Whoever writes to it meanwhile appends.
class FileBytes : public ByteSource {
 public:
    // Takes over the descriptor.
    FileBytes(int file, uint64_t size) : file_(file), size_(size) {}
    ~FileBytes() override;
    FileBytes(const FileBytes&) = delete;
    FileBytes& operator=(const FileBytes&) = delete;
    bool ReadAt(uint64_t offset, std::span<std::byte> out) override;
    uint64_t size() const override { return size_; }

 private:
    const int file_;
    const uint64_t size_;
};

// A chunk that is whole.
struct Chunk {
    uint64_t offset = 0;  // of its header in the file
    uint64_t next = 0;    // of what follows it
    uint32_t kind = 0;    // ChunkKind, or one that is not known
    uint32_t flags = 0;
    uint64_t stored_bytes = 0;
    uint64_t raw_bytes = 0;
};

// Reads the head of the file. Returns: nothing, with a sentence without its subject in `error`
// ("is no recording"), if there is none that this version can read.
std::optional<FileHeader> ReadHeader(ByteSource& bytes, std::string& error);

// Reads and checks the chunk at `offset`. Returns: nothing, with what is wrong in `problem` ("it is
// cut short after byte 4096"), or with an empty `problem` at the end of the file.
std::optional<Chunk> ReadChunk(ByteSource& bytes, uint64_t offset, std::string& problem);

// The raw payload of a chunk that ReadChunk() returned. Returns: false if it is not what the header
// says, though the check is right: then somebody made it so.
bool ReadPayload(ByteSource& bytes, const Chunk& chunk, std::vector<std::byte>& raw);

}  // namespace tessera::recording
