// SPDX-License-Identifier: Apache-2.0
//
// What a recording looks like on disk: docs/recording-format.md is its specification, this its
// constants and structures.
//
//   file      FileHeader, then chunks; nothing between or after them
//   chunk     ChunkHeader, then `stored_bytes` of payload
//
// The one idea: a chunk is written whole, checks itself, and means something alone. So a recording
// is readable up to the first byte that is missing or wrong, whoever made it so: a recorder that
// was killed, a full disk, a bad sector, somebody hostile.
//
// All numbers are little-endian. Threads: constants and plain values.
#pragma once

#include <bit>
#include <cstdint>

#include "tessera/channel_abi.h"

namespace tessera::recording {

static_assert(std::endian::native == std::endian::little, "structures are written as they lie");

inline constexpr uint64_t kMagic = 0x3143455241535354;  // "TSSAREC1" in memory order
inline constexpr uint32_t kVersion = 1;

// What a chunk holds. Numbers are never reused; a reader skips those that it does not know.
enum class ChunkKind : uint32_t {
    kState = 1,    // a copy of the segment
    kSamples = 2,  // totals of devices at moments
    kEvents = 3,   // what happened, in order of time
    kEnd = 4,      // counts, and why it ended; nothing follows it
};

// Bits of ChunkHeader::flags. A reader refuses a chunk with one that it does not know.
inline constexpr uint32_t kCompressed = 1u << 0;  // the payload is one zstd frame
inline constexpr uint32_t kKnownFlags = kCompressed;

// The head of the file. Written once, first.
struct FileHeader {
    uint64_t magic = kMagic;
    uint32_t version = kVersion;
    uint32_t header_bytes = 512;
    uint32_t abi_version = TESSERA_CHANNEL_ABI_VERSION;  // of the segment copies in it
    uint32_t reserved0 = 0;
    uint64_t pid = 0;
    uint64_t start_time = 0;    // clock ticks since boot, as in the segment
    uint64_t created_ns = 0;    // CLOCK_REALTIME when the recording began
    uint64_t monotonic_ns = 0;  // CLOCK_MONOTONIC at that moment
    uint64_t reserved1[24] = {};
    char process[256] = {};  // name of the executable, zero padded
    uint64_t check = 0;      // XXH64, seed 0, of the 504 bytes before it
};
static_assert(sizeof(FileHeader) == 512, "format");

// The head of a chunk.
struct ChunkHeader {
    uint32_t kind = 0;
    uint32_t flags = 0;
    uint64_t stored_bytes = 0;  // of the payload as it lies in the file
    uint64_t raw_bytes = 0;     // of the payload once it is decompressed
    uint64_t check = 0;         // XXH64, seed 0, of the 24 bytes before it and the stored payload
};
static_assert(sizeof(ChunkHeader) == 32, "format");

// Why a recording ended.
enum class EndReason : uint32_t {
    kProcessEnded = 1,
    kAsked = 2,       // by a signal
    kDuration = 3,    // as long as it was to be
    kUnreadable = 4,  // what the process publishes could not be read any more
};

// Payload of a kEnd chunk. It may grow at its end.
struct EndRecord {
    uint64_t events = 0;        // in the recording
    uint64_t lost = 0;          // events that were overwritten before they could be read, or that
                                // the segment had no ring for
    uint64_t late = 0;          // events that came too late for their place: their time was raised
    uint64_t samples = 0;       // in the recording
    uint64_t states = 0;        // in the recording, the last one included
    uint64_t monotonic_ns = 0;  // when it ended
    EndReason reason = EndReason::kProcessEnded;
    uint32_t exit_kind = 0;   // 0: not known; 1: `exit_value` is a code; 2: it is a signal
    int64_t exit_value = 0;   // of the application, if the recorder started it
    uint64_t unreadable = 0;  // copies that failed because the segment kept changing
};
static_assert(sizeof(EndRecord) == 72, "format");

// Limits. What is beyond them is damage: nobody needs memory for more than these at once.
inline constexpr uint64_t kMaxEvents = 1 << 16;       // in a chunk
inline constexpr uint64_t kMaxEventBytes = 4 << 20;   // of a raw kEvents payload
inline constexpr uint64_t kMaxSampleBytes = 1 << 20;  // of a raw kSamples payload
inline constexpr uint64_t kMaxEndBytes = 4096;        // of a raw kEnd payload
inline constexpr uint64_t kMaxStateBytes = TESSERA_CHANNEL_LIMIT_BYTES;

// The most bytes that a raw payload of this kind may have. Kinds that are not known: as a state.
constexpr uint64_t MaxRawBytes(uint32_t kind) {
    switch (static_cast<ChunkKind>(kind)) {
        case ChunkKind::kSamples:
            return kMaxSampleBytes;
        case ChunkKind::kEvents:
            return kMaxEventBytes;
        case ChunkKind::kEnd:
            return kMaxEndBytes;
        default:
            return kMaxStateBytes;
    }
}

// The most bytes that it may take in the file: data that cannot be compressed grow a little.
constexpr uint64_t MaxStoredBytes(uint64_t raw_bytes) {
    return raw_bytes + raw_bytes / 128 + 1024;
}

}  // namespace tessera::recording
