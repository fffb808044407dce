// SPDX-License-Identifier: Apache-2.0
//
// See chunk_reader.h.
#include "tools/recording/chunk_reader.h"

#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace tessera::recording {
namespace {

constexpr size_t kPieceBytes = 64 << 10;

std::string CutShort(uint64_t offset) {
    return "it is cut short after byte " + std::to_string(offset);
}
std::string Damaged(uint64_t offset) {
    return "it is damaged after byte " + std::to_string(offset);
}

struct FreeState {
    void operator()(XXH64_state_t* state) const { XXH64_freeState(state); }
};

// Returns: nothing if the bytes end before it is over.
std::optional<uint64_t> CheckOf(ByteSource& bytes, uint64_t offset, const ChunkHeader& header) {
    const std::unique_ptr<XXH64_state_t, FreeState> state(XXH64_createState());
    XXH64_reset(state.get(), 0);
    XXH64_update(state.get(), &header, offsetof(ChunkHeader, check));
    std::array<std::byte, kPieceBytes> piece;
    uint64_t left = header.stored_bytes;
    for (uint64_t at = offset + sizeof(header); left > 0;) {
        const auto count = static_cast<size_t>(std::min<uint64_t>(left, piece.size()));
        if (!bytes.ReadAt(at, std::span(piece).first(count))) return std::nullopt;
        XXH64_update(state.get(), piece.data(), count);
        at += count;
        left -= count;
    }
    return XXH64_digest(state.get());
}

bool IsSensible(const ChunkHeader& header) {
    if ((header.flags & ~kKnownFlags) != 0) return false;
    if (header.raw_bytes > MaxRawBytes(header.kind)) return false;
    return (header.flags & kCompressed) != 0
               ? header.stored_bytes <= MaxStoredBytes(header.raw_bytes)
               : header.stored_bytes == header.raw_bytes;
}

}  // namespace

bool MemoryBytes::ReadAt(uint64_t offset, std::span<std::byte> out) {
    if (offset > bytes_.size() || out.size() > bytes_.size() - offset) return false;
    std::ranges::copy(bytes_.subspan(offset, out.size()), out.begin());
    return true;
}

FileBytes::~FileBytes() {
    close(file_);
}

bool FileBytes::ReadAt(uint64_t offset, std::span<std::byte> out) {
    while (!out.empty()) {
        const ssize_t count = pread(file_, out.data(), out.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        offset += static_cast<uint64_t>(count);
        out = out.subspan(static_cast<size_t>(count));
    }
    return true;
}

std::optional<FileHeader> ReadHeader(ByteSource& bytes, std::string& error) {
    FileHeader header;
    uint64_t magic = 0;
    if (!bytes.ReadAt(0, std::as_writable_bytes(std::span(&magic, 1))) || magic != kMagic) {
        error = "is no recording";
        return std::nullopt;
    }
    if (!bytes.ReadAt(0, std::as_writable_bytes(std::span(&header, 1)))) {
        error = "is cut short before its first state";
        return std::nullopt;
    }
    if (header.check != XXH64(&header, offsetof(FileHeader, check), 0)) {
        error = "is damaged at its beginning";
    } else if (header.version != kVersion || header.header_bytes != sizeof(FileHeader)) {
        error = "was made by a version of tessera that this one does not know";
    } else if (header.abi_version != TESSERA_CHANNEL_ABI_VERSION) {
        error = "is of a version of the layer that this program does not know";
    } else {
        return header;
    }
    return std::nullopt;
}

std::optional<Chunk> ReadChunk(ByteSource& bytes, uint64_t offset, std::string& problem) {
    problem.clear();
    if (offset >= bytes.size()) return std::nullopt;
    ChunkHeader header;
    const uint64_t left = bytes.size() - offset;
    if (left < sizeof(header) ||
        !bytes.ReadAt(offset, std::as_writable_bytes(std::span(&header, 1)))) {
        problem = CutShort(offset);
        return std::nullopt;
    }
    if (!IsSensible(header)) {
        problem = Damaged(offset);
        return std::nullopt;
    }
    if (header.stored_bytes > left - sizeof(header)) {
        problem = CutShort(offset);
        return std::nullopt;
    }
    const std::optional<uint64_t> check = CheckOf(bytes, offset, header);
    if (check != header.check) {
        problem = check ? Damaged(offset) : CutShort(offset);
        return std::nullopt;
    }
    return Chunk{.offset = offset,
                 .next = offset + sizeof(header) + header.stored_bytes,
                 .kind = header.kind,
                 .flags = header.flags,
                 .stored_bytes = header.stored_bytes,
                 .raw_bytes = header.raw_bytes};
}

bool ReadPayload(ByteSource& bytes, const Chunk& chunk, std::vector<std::byte>& raw) {
    const bool is_compressed = (chunk.flags & kCompressed) != 0;
    std::vector<std::byte> stored(chunk.stored_bytes);
    if (!bytes.ReadAt(chunk.offset + sizeof(ChunkHeader), stored)) return false;
    if (!is_compressed) {
        raw = std::move(stored);
        return true;
    }
    // One frame, which says how long it becomes, and nothing behind it: no more is ever made than
    // the header, which keeps the limits, announced.
    if (ZSTD_getFrameContentSize(stored.data(), stored.size()) != chunk.raw_bytes) return false;
    if (ZSTD_findFrameCompressedSize(stored.data(), stored.size()) != stored.size()) return false;
    raw.resize(chunk.raw_bytes);
    return ZSTD_decompress(raw.data(), raw.size(), stored.data(), stored.size()) == raw.size();
}

}  // namespace tessera::recording
