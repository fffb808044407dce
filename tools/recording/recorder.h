// SPDX-License-Identifier: Apache-2.0
//
// Records one process: reads its segment again and again, and writes what is new to a recording.
//
// The one idea: nothing waits for its turn longer than it must, and nothing is written in parts.
// Events are held back until no older one can come (kHoldBackNs), put in order, and written as a
// chunk when there are many or a moment has passed; so a recorder that is killed loses less than a
// second. The process that is recorded never waits for the recorder: if it is too slow, events are
// lost, and counted.
//
// Threads: one. The clock is CLOCK_MONOTONIC, given by the caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tessera/reader.h"
#include "tools/json.h"
#include "tools/recording/chunk_writer.h"
#include "tools/recording/codec.h"
#include "tools/source.h"

namespace tessera::recording {

inline constexpr uint64_t kMillisecondNs = 1'000'000;
inline constexpr uint64_t kSampleEveryNs = 100 * kMillisecondNs;
// The first states come sooner: each as long after the last one as there was before it.
inline constexpr uint64_t kStateEveryNs = 10'000 * kMillisecondNs;
inline constexpr uint64_t kFirstStateNs = 1'000 * kMillisecondNs;
inline constexpr uint64_t kChunkEveryNs = 500 * kMillisecondNs;  // of events and samples
// An event is timed before it is stored, and stored by several threads: how much later than its
// time it may come and still find its place.
inline constexpr uint64_t kHoldBackNs = 100 * kMillisecondNs;

// What was recorded so far.
struct Counts {
    uint64_t events = 0;
    uint64_t lost = 0;
    uint64_t late = 0;
    uint64_t samples = 0;
    uint64_t states = 0;
    uint64_t unreadable = 0;
    uint64_t bytes = 0;
};

class Recorder {
 public:
    // `segment`: stays open and the caller's as long as this lives. `path` is only told. `writer`
    // is open.
    Recorder(int segment, std::string path, std::unique_ptr<ChunkWriter> writer);

    // Writes the head and the first state. `since_ns`: what happened before is left out; rings hold
    // what is long ago. Returns: empty, or a sentence; likewise below.
    std::string Start(uint64_t now_ns, uint64_t since_ns = 0);

    // Reads what is new, and writes what is due. To be called every few milliseconds.
    std::string Poll(uint64_t now_ns);

    // The last time: all events, the last sample, the last state, the end.
    std::string End(uint64_t now_ns, EndReason reason, const command::ExitInfo& exit);

    // Events came with the last Poll(): the next one should be soon.
    bool busy() const { return busy_; }
    // The segment has been unreadable so long that it will not become readable again.
    bool given_up() const { return failures_in_a_row_ >= kMostFailures; }
    Counts counts() const;
    // The state as it was when it was last looked at.
    const reader::Process& process() const { return process_; }

 private:
    static constexpr uint64_t kMostFailures = 100;

    void ReadEvents(uint64_t now_ns);
    void CountUnstored();
    std::string WriteEvents(uint64_t up_to_ns);
    void TakeSamples(uint64_t now_ns);
    std::string WriteSamples();
    std::string WriteState(bool even_if_same);

    const int segment_;
    const std::string path_;
    const std::unique_ptr<ChunkWriter> writer_;
    reader::EventReader events_reader_;
    EventEncoder encoder_;
    reader::Process process_;
    Counts counts_;
    bool busy_ = false;
    uint64_t failures_in_a_row_ = 0;

    std::vector<reader::Event> pending_;  // in order of time
    uint64_t pending_lost_ = 0;
    uint64_t unstored_ = 0;          // events, so far, for which the process had no ring
    uint64_t written_up_to_ns_ = 0;  // no event before this can be written any more
    std::vector<command::Sample> samples_;
    std::map<uint64_t, bool> destroyed_;  // devices whose last sample was taken
    uint64_t next_sample_ns_ = 0;
    uint64_t since_ns_ = 0;
    uint64_t next_state_ns_ = 0;
    uint64_t state_apart_ns_ = kFirstStateNs;
    uint64_t next_chunk_ns_ = 0;
    uint64_t state_hash_ = 0;
};

// The totals of a device at `time_ns`.
command::Sample SampleOf(const reader::Device& device, uint64_t time_ns);

}  // namespace tessera::recording
