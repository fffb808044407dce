// SPDX-License-Identifier: Apache-2.0
//
// Events and samples as bytes, and back: the payloads of a recording's kEvents and kSamples chunks
// before they are compressed. docs/recording-format.md describes them.
//
// The one idea: events are stored by column, each number as the difference from what is likely (the
// event before it; the last event of the same object), so that most bytes are small and repeat,
// and zstd has little left to do.
//
// Threads: an EventEncoder belongs to one thread; the other functions share no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tessera/reader.h"
#include "tools/source.h"

namespace tessera::recording {

// Makes payloads of kEvents chunks. It keeps a table between calls only to not make it anew.
class EventEncoder {
 public:
    EventEncoder();

    // `events` are in order of time, at most kMaxEvents; `lost`: how many are known to be missing
    // before them.
    std::vector<std::byte> Encode(std::span<const reader::Event> events, uint64_t lost);

 private:
    std::vector<uint32_t> last_;  // by hash of the object: 1 + index of an event in this chunk
};

struct DecodedEvents {
    std::vector<reader::Event> events;  // in order of time
    uint64_t lost = 0;                  // that are missing before them
};

// Returns: false if `payload` is not what an encoder makes; `out` is then undefined.
bool DecodeEvents(std::span<const std::byte> payload, DecodedEvents& out);

// `samples` are in order of time. Requires: the result is at most kMaxSampleBytes, which
// kMaxSamples samples never pass.
std::vector<std::byte> EncodeSamples(std::span<const command::Sample> samples);
inline constexpr size_t kMaxSamples = 256;

// Appends the samples of the payload to `out`. Returns: false if it is not what EncodeSamples()
// makes; what was appended is then undefined.
bool DecodeSamples(std::span<const std::byte> payload, std::vector<command::Sample>& out);

}  // namespace tessera::recording
