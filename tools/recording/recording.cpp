// SPDX-License-Identifier: Apache-2.0
//
// See recording.h.
#include "tools/recording/recording.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "tools/recording/codec.h"

namespace tessera::recording {
namespace {

// Of so many devices at a time samples are counted one by one: more than a process has.
constexpr size_t kMostCountedDevices = 4096;
constexpr uint64_t kMostApart = uint64_t{1} << 32;

// A state that is so much older than the last sample tells of another time.
constexpr uint64_t kStaleNs = 1'000'000'000;

constexpr char kNotEnded[] = "Its recorder did not end it: it was killed, or still records.";

// "12.3 s": how long after the recording began.
std::string Seconds(uint64_t time_ns, const FileHeader& header) {
    char text[32];
    const uint64_t since_ns = time_ns - std::min(time_ns, header.monotonic_ns);
    snprintf(text, sizeof(text), "%.1f s", static_cast<double>(since_ns) / 1e9);
    return text;
}

}  // namespace

std::unique_ptr<Recording> Recording::Open(std::unique_ptr<ByteSource> bytes, std::string& error) {
    std::unique_ptr<Recording> recording(new Recording(std::move(bytes)));
    const std::optional<FileHeader> header = ReadHeader(*recording->bytes_, error);
    if (!header) return nullptr;
    recording->header_ = *header;
    recording->Scan();
    if (!recording->state_chunk_) {
        error = "holds no whole state of its process";
        if (!recording->remark_.empty()) error += ". " + recording->remark_;
        if (error.ends_with('.')) error.pop_back();
        return nullptr;
    }
    if (!ReadPayload(*recording->bytes_, *recording->state_chunk_, recording->last_state_)) {
        error = "is damaged: its last state cannot be unpacked";
        return nullptr;
    }
    return recording;
}

void Recording::Scan() {
    uint64_t offset = sizeof(FileHeader);
    std::string problem;
    while (const std::optional<Chunk> chunk = ReadChunk(*bytes_, offset, problem)) {
        if (end_ || !Take(*chunk)) {
            problem = "it is damaged after byte " + std::to_string(offset);
            break;
        }
        offset = chunk->next;
    }
    whole_bytes_ = offset;
    if (!problem.empty()) {
        remark_ = "The recording is not whole: " + problem + "; what follows is left out.";
        is_whole_ = false;
    } else if (!end_) {
        remark_ = kNotEnded;
    }
    const uint64_t last_ns = samples_.empty() ? 0 : samples_.back().time_ns;
    if (end_ || last_ns < state_ns_ + kStaleNs) return;
    remark_ += " Its last state is of " + Seconds(state_ns_, header_) +
               " after its beginning; samples and events go on to " + Seconds(last_ns, header_) +
               ".";
}

bool Recording::Take(const Chunk& chunk) {
    switch (static_cast<ChunkKind>(chunk.kind)) {
        case ChunkKind::kState:
            state_chunk_ = chunk;
            state_ns_ = samples_.empty() ? header_.monotonic_ns : samples_.back().time_ns;
            return true;
        case ChunkKind::kSamples:
            return TakeSamples(chunk);
        case ChunkKind::kEnd:
            return TakeEnd(chunk);
        case ChunkKind::kEvents:  // later, one after the other
        default:                  // of a later version
            return true;
    }
}

bool Recording::TakeSamples(const Chunk& chunk) {
    std::vector<command::Sample> samples;
    if (!ReadPayload(*bytes_, chunk, payload_) || !DecodeSamples(payload_, samples)) return false;
    for (command::Sample& sample : samples) {
        if (!samples_.empty() && sample.time_ns < samples_.back().time_ns) return false;
        if (samples_seen_.size() > kMostCountedDevices) samples_seen_.clear();
        if (samples_seen_[sample.device]++ % samples_apart_ != 0) continue;
        samples_.push_back(std::move(sample));
        if (samples_.size() > kMostSamples) ThinSamples();
    }
    return true;
}

// Each device keeps every second one of its samples. Where that leaves most of them, for there are
// devices by the thousand with a sample or two each, every second one of all goes.
void Recording::ThinSamples() {
    std::map<uint64_t, uint64_t> kept;
    std::erase_if(samples_,
                  [&](const command::Sample& sample) { return kept[sample.device]++ % 2 != 0; });
    if (samples_.size() <= kMostSamples / 4 * 3) {
        samples_apart_ = std::min(2 * samples_apart_, kMostApart);
        return;
    }
    bool goes = false;
    std::erase_if(samples_, [&](const command::Sample&) { return std::exchange(goes, !goes); });
}

bool Recording::TakeEnd(const Chunk& chunk) {
    if (!ReadPayload(*bytes_, chunk, payload_) || payload_.size() < sizeof(EndRecord)) return false;
    EndRecord end;
    std::memcpy(&end, payload_.data(), sizeof(end));
    end_ = end;
    events_ = end.events;
    lost_ = end.lost;
    return true;
}

std::string Recording::ForEachEvents(
    const std::function<void(std::span<const reader::Event>)>& each) {
    uint64_t events = 0;
    uint64_t lost = 0;
    uint64_t newest_ns = 0;
    DecodedEvents decoded;
    std::string problem;
    for (uint64_t offset = sizeof(FileHeader); offset < whole_bytes_;) {
        const std::optional<Chunk> chunk = ReadChunk(*bytes_, offset, problem);
        if (!chunk) return "The recording was changed while it was read: " + problem + ".";
        offset = chunk->next;
        if (chunk->kind != static_cast<uint32_t>(ChunkKind::kEvents)) continue;
        const bool is_right =
            ReadPayload(*bytes_, *chunk, payload_) && DecodeEvents(payload_, decoded) &&
            (decoded.events.empty() || decoded.events.front().time_ns >= newest_ns);
        if (!is_right) {
            return "The recording is not whole: its events after byte " +
                   std::to_string(chunk->offset) + " are damaged.";
        }
        events += decoded.events.size();
        lost += decoded.lost;
        if (!decoded.events.empty()) {
            newest_ns = decoded.events.back().time_ns;
            each(decoded.events);
        }
    }
    events_ = events;
    lost_ = std::max(lost, end_ ? end_->lost : 0);
    return {};
}

}  // namespace tessera::recording
