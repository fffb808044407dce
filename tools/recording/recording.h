// SPDX-License-Identifier: Apache-2.0
//
// A recording that is read: its last state and its samples at once, its events as a stream.
//
// The one idea: what was whole before the first damage counts, and nothing after it. Opening goes
// once through the file, whatever its size, and checks all of it; afterwards it is known how far it
// goes. Memory: the last state, up to kMostSamples samples (of a longer recording every second one
// is dropped, again and again), and one chunk of events.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tessera/reader.h"
#include "tools/recording/chunk_reader.h"
#include "tools/source.h"

namespace tessera::recording {

inline constexpr size_t kMostSamples = 50'000;

class Recording {
 public:
    // Returns: null, with a sentence without its subject in `error`, if nothing can be shown of it:
    // it is no recording, or damaged before its first state was complete.
    static std::unique_ptr<Recording> Open(std::unique_ptr<ByteSource> bytes, std::string& error);

    const FileHeader& header() const { return header_; }
    // The copy of the segment that was taken last.
    const std::vector<std::byte>& last_state() const { return last_state_; }
    // In order of time.
    const std::vector<command::Sample>& samples() const { return samples_; }
    const std::optional<EndRecord>& end() const { return end_; }
    // What is wrong with it, as a sentence; empty if nothing is.
    const std::string& remark() const { return remark_; }
    // Not cut short or damaged. One that nobody ended is whole all the same.
    bool is_whole() const { return is_whole_; }
    // Events in it, and those that are known to be missing: what its end says until all of them
    // were read, 0 if it has no end.
    uint64_t events() const { return events_; }
    uint64_t lost() const { return lost_; }
    // Of it, in bytes, what is whole.
    uint64_t whole_bytes() const { return whole_bytes_; }

    // Calls `each` with all events in order of time, a chunk at a time.
    // Returns: what went wrong, as a sentence; empty if nothing did.
    std::string ForEachEvents(const std::function<void(std::span<const reader::Event>)>& each);

 private:
    explicit Recording(std::unique_ptr<ByteSource> bytes) : bytes_(std::move(bytes)) {}
    void Scan();
    // Returns: false if the payload is not what its kind wants.
    bool Take(const Chunk& chunk);
    bool TakeSamples(const Chunk& chunk);
    bool TakeEnd(const Chunk& chunk);
    void ThinSamples();

    const std::unique_ptr<ByteSource> bytes_;
    FileHeader header_;
    std::optional<Chunk> state_chunk_;  // the last whole one
    uint64_t state_ns_ = 0;             // when it was taken, or shortly before
    std::vector<std::byte> last_state_;
    std::vector<command::Sample> samples_;
    std::optional<EndRecord> end_;
    std::string remark_;
    bool is_whole_ = true;
    std::vector<std::byte> payload_;
    uint64_t events_ = 0;
    uint64_t lost_ = 0;
    uint64_t samples_apart_ = 1;                 // of so many samples of a device one is kept
    std::map<uint64_t, uint64_t> samples_seen_;  // by device; forgotten when they are too many
    uint64_t whole_bytes_ = 0;
};

}  // namespace tessera::recording
