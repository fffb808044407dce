// SPDX-License-Identifier: Apache-2.0
//
// See recorder.h.
#include "tools/recording/recorder.h"

#include <time.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace tessera::recording {
namespace {

// More are written before their time: memory is bounded, whatever a segment says about times.
constexpr size_t kMostPending = 32 * kMaxEvents;

// No event is of later than now, or than a moment later: it was stored after the caller looked at
// the clock. A process's own clock says so after the machine slept, until it is calibrated again,
// or for ever if somebody made it: all that follows would have to be of later still.
constexpr uint64_t kMostAheadNs = 1'000 * kMillisecondNs;

uint64_t RealTime() {
    timespec now = {};
    clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// Of all that is in a copy but the clock, which is calibrated anew without anything happening, and
// the header's sequence, which moves with it.
uint64_t HashOf(std::span<const std::byte> copy) {
    tessera_channel_header header;
    if (copy.size() < sizeof(header)) return XXH64(copy.data(), copy.size(), 0);
    std::memcpy(&header, copy.data(), sizeof(header));
    header.clock = {};
    header.sequence = 0;
    return XXH64(copy.data() + sizeof(header), copy.size() - sizeof(header),
                 XXH64(&header, sizeof(header), 0));
}

// Events that were never stored, since the segment had no room for a ring. Devices that lose their
// record leave their number in the sum.
uint64_t UnstoredEvents(const reader::Process& process) {
    uint64_t events = 0;
    for (const reader::Device& device : process.devices)
        events += device.detail.unrecorded[TESSERA_KIND_RING];
    return events;
}

}  // namespace

command::Sample SampleOf(const reader::Device& device, uint64_t time_ns) {
    command::Sample sample;
    sample.time_ns = time_ns;
    sample.device = device.id;
    sample.frames = device.frames;
    for (const reader::MemoryType& type : device.memory_types) {
        const tessera_type_totals& totals = type.totals;
        sample.types.push_back({.app_live = totals.app.live,
                                .app_live_bytes = totals.app.live_bytes,
                                .driver_live = totals.driver.live,
                                .driver_live_bytes = totals.driver.live_bytes,
                                .allocations = totals.app.allocations,
                                .frees = totals.app.frees});
    }
    for (const tessera_heap_record& heap : device.heaps) {
        const bool known = (heap.known & TESSERA_HEAP_BUDGET_KNOWN) != 0;
        sample.heaps.push_back({.budget_bytes = known ? heap.budget_bytes : 0,
                                .usage_bytes = known ? heap.usage_bytes : 0});
    }
    return sample;
}

Recorder::Recorder(int segment, std::string path, std::unique_ptr<ChunkWriter> writer)
    : segment_(segment),
      path_(std::move(path)),
      writer_(std::move(writer)),
      events_reader_(segment) {}

Counts Recorder::counts() const {
    Counts counts = counts_;
    counts.bytes = writer_->bytes_written();
    return counts;
}

std::string Recorder::Start(uint64_t now_ns, uint64_t since_ns) {
    since_ns_ = since_ns;
    reader::Result<reader::Process> result = reader::ReadSegmentFd(segment_, path_);
    if (!result.ok()) return result.error;
    process_ = std::move(result.value);
    unstored_ = UnstoredEvents(process_);
    FileHeader header;
    header.pid = process_.pid;
    header.start_time = process_.start_time;
    header.created_ns = RealTime();
    header.monotonic_ns = now_ns;
    process_.name.copy(header.process, sizeof(header.process) - 1);
    if (std::string error = writer_->WriteHeader(header); !error.empty()) return error;
    next_chunk_ns_ = now_ns + kChunkEveryNs;
    next_state_ns_ = now_ns + state_apart_ns_;
    return WriteState(true);
}

std::string Recorder::Poll(uint64_t now_ns) {
    ReadEvents(now_ns);
    if (now_ns >= next_sample_ns_) {
        next_sample_ns_ = now_ns + kSampleEveryNs;
        TakeSamples(now_ns);
    }
    const bool is_due = now_ns >= next_chunk_ns_;
    if (is_due || pending_.size() >= kMaxEvents) {
        const uint64_t up_to_ns = now_ns - std::min(now_ns, kHoldBackNs);
        if (std::string error = WriteEvents(up_to_ns); !error.empty()) return error;
    }
    if (is_due) next_chunk_ns_ = now_ns + kChunkEveryNs;
    if (is_due || samples_.size() >= kMaxSamples) {
        if (std::string error = WriteSamples(); !error.empty()) return error;
    }
    if (now_ns < next_state_ns_) return {};
    state_apart_ns_ = std::min(2 * state_apart_ns_, kStateEveryNs);
    next_state_ns_ = now_ns + state_apart_ns_;
    return WriteState(false);
}

std::string Recorder::End(uint64_t now_ns, EndReason reason, const command::ExitInfo& exit) {
    // Before the state: what it has is then never older than the events.
    ReadEvents(now_ns);
    TakeSamples(now_ns);
    std::string error = WriteEvents(~uint64_t{0});
    if (error.empty()) error = WriteSamples();
    if (error.empty()) error = WriteState(true);
    if (!error.empty()) return error;
    const EndRecord end = {.events = counts_.events,
                           .lost = counts_.lost,
                           .late = counts_.late,
                           .samples = counts_.samples,
                           .states = counts_.states,
                           .monotonic_ns = now_ns,
                           .reason = reason,
                           .exit_kind = exit.code     ? 1u
                                        : exit.signal ? 2u
                                                      : 0u,
                           .exit_value = exit.code ? *exit.code : exit.signal.value_or(0),
                           .unreadable = counts_.unreadable};
    return writer_->Write(ChunkKind::kEnd, std::as_bytes(std::span(&end, 1)));
}

void Recorder::ReadEvents(uint64_t now_ns) {
    reader::Result<reader::EventBatch> batch = events_reader_.Read();
    busy_ = false;
    if (!batch.ok()) {
        ++counts_.unreadable;
        ++failures_in_a_row_;
        return;
    }
    failures_in_a_row_ = 0;
    pending_lost_ += batch.value.lost;
    counts_.lost += batch.value.lost;
    std::vector<reader::Event>& events = batch.value.events;
    busy_ = !events.empty();
    std::erase_if(events, [&](const reader::Event& event) { return event.time_ns < since_ns_; });
    // What is older than what was written already cannot go where it belongs.
    for (reader::Event& event : events) {
        event.time_ns = std::min(event.time_ns, now_ns + kMostAheadNs);
        if (event.time_ns >= written_up_to_ns_) continue;
        event.time_ns = written_up_to_ns_;
        ++counts_.late;
    }
    const auto middle = static_cast<ptrdiff_t>(pending_.size());
    pending_.insert(pending_.end(), events.begin(), events.end());
    std::ranges::inplace_merge(pending_, pending_.begin() + middle, {}, &reader::Event::time_ns);
}

void Recorder::CountUnstored() {
    const uint64_t unstored = UnstoredEvents(process_);
    if (unstored <= unstored_) return;
    const uint64_t more = unstored - std::exchange(unstored_, unstored);
    pending_lost_ += more;
    counts_.lost += more;
}

std::string Recorder::WriteEvents(uint64_t up_to_ns) {
    auto end = std::ranges::upper_bound(pending_, up_to_ns, {}, &reader::Event::time_ns);
    if (pending_.size() > kMostPending) end = pending_.end();
    std::span<const reader::Event> rest(pending_.begin(), end);
    const size_t count = rest.size();
    while (!rest.empty() || pending_lost_ > 0) {
        const auto part = rest.first(std::min<size_t>(rest.size(), kMaxEvents));
        rest = rest.subspan(part.size());
        if (!part.empty()) written_up_to_ns_ = part.back().time_ns;
        const std::vector<std::byte> payload =
            encoder_.Encode(part, std::exchange(pending_lost_, 0));
        if (std::string error = writer_->Write(ChunkKind::kEvents, payload); !error.empty())
            return error;
    }
    counts_.events += count;
    pending_.erase(pending_.begin(), end);
    return {};
}

void Recorder::TakeSamples(uint64_t now_ns) {
    reader::Result<reader::Process> result = reader::ReadSegmentFd(segment_, path_);
    if (!result.ok()) {
        ++counts_.unreadable;
        ++failures_in_a_row_;
        return;
    }
    process_ = std::move(result.value);
    CountUnstored();
    for (const reader::Device& device : process_.devices) {
        if (device.state == TESSERA_DEVICE_RETIRED) continue;
        bool& was_destroyed = destroyed_[device.id];
        if (was_destroyed || samples_.size() >= kMaxSamples) continue;
        was_destroyed = device.state == TESSERA_DEVICE_DESTROYED;
        samples_.push_back(SampleOf(device, now_ns));
    }
}

std::string Recorder::WriteSamples() {
    if (samples_.empty()) return {};
    counts_.samples += samples_.size();
    const std::vector<std::byte> payload = EncodeSamples(samples_);
    samples_.clear();
    return writer_->Write(ChunkKind::kSamples, payload);
}

std::string Recorder::WriteState(bool even_if_same) {
    const reader::Result<std::vector<std::byte>> copy = reader::CopySegmentBytes(segment_);
    if (!copy.ok()) {
        ++counts_.unreadable;
        // Without a first state nothing could be shown of the recording.
        return counts_.states == 0 ? copy.error : std::string();
    }
    const uint64_t hash = HashOf(copy.value);
    if (hash == state_hash_ && !even_if_same) return {};
    state_hash_ = hash;
    ++counts_.states;
    return writer_->Write(ChunkKind::kState, copy.value);
}

}  // namespace tessera::recording
