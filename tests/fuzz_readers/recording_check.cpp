// SPDX-License-Identifier: Apache-2.0
//
// See recording_input.h: what a recording is made of, and what must hold of what is read.
#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>

#include "recording_input.h"
#include "tools/recording/codec.h"
#include "tools/recording/recording.h"

namespace tessera::fuzz_readers {
namespace {

using reader::Event;
using recording::ChunkHeader;
using recording::ChunkKind;
using recording::FileHeader;
using Bytes = std::vector<std::byte>;

struct MadeChunk {
    uint32_t kind = 0;
    Bytes raw;
    bool packed = false;
    std::optional<uint64_t> words[3];  // of the head, in place of what is right
};

constexpr size_t kEventsInChunk = 40;
constexpr size_t kEventChunks = 3;

std::vector<Event> BaseEvents() {
    Choices choices(99, 0);
    std::vector<Event> events;
    uint64_t time = 1'000'000;
    for (size_t i = 0; i < kEventChunks * kEventsInChunk; ++i) {
        time += choices.Below(1000);
        events.push_back({.time_ns = time,
                          .device = 1 + choices.Below(2),
                          .kind = static_cast<uint8_t>(choices.Below(13)),
                          .type = static_cast<uint8_t>(choices.Below(4)),
                          .detail = static_cast<uint16_t>(choices.Below(300)),
                          .thread = static_cast<uint16_t>(choices.Below(3)),
                          .stack = static_cast<uint16_t>(choices.Below(300)),
                          .object = choices.Below(10),
                          .value = choices.OneIn(5) ? choices.Word() : choices.Below(5000)});
    }
    return events;
}

std::vector<MadeChunk> BaseChunks() {
    std::vector<MadeChunk> chunks;
    const auto add = [&](ChunkKind kind, Bytes raw) {
        MadeChunk chunk;
        chunk.kind = static_cast<uint32_t>(kind);
        chunk.raw = std::move(raw);
        chunks.push_back(std::move(chunk));
    };
    add(ChunkKind::kState, Bytes(500, std::byte{1}));
    const std::vector<Event> events = BaseEvents();
    recording::EventEncoder encoder;
    for (size_t i = 0; i < kEventChunks; ++i) {
        add(ChunkKind::kEvents,
            encoder.Encode(std::span(events).subspan(i * kEventsInChunk, kEventsInChunk), i));
        std::vector<command::Sample> samples(5);
        for (size_t k = 0; k < samples.size(); ++k) {
            samples[k].time_ns = 1000 * i + k;
            samples[k].types.resize(2);
            samples[k].heaps.resize(1);
        }
        add(ChunkKind::kSamples, recording::EncodeSamples(samples));
    }
    add(ChunkKind::kState, Bytes(700, std::byte{2}));
    const recording::EndRecord end = {.events = events.size(), .lost = 3};
    const auto bytes = std::as_bytes(std::span(&end, 1));
    add(ChunkKind::kEnd, {bytes.begin(), bytes.end()});
    return chunks;
}

template <typename T>
void Append(Bytes& bytes, const T& value) {
    const auto more = std::as_bytes(std::span(&value, 1));
    bytes.insert(bytes.end(), more.begin(), more.end());
}

void Append(Bytes& bytes, const MadeChunk& chunk) {
    Bytes payload = chunk.raw;
    ChunkHeader header = {.kind = chunk.kind, .raw_bytes = chunk.raw.size()};
    if (chunk.packed) {
        payload.resize(ZSTD_compressBound(chunk.raw.size()));
        payload.resize(
            ZSTD_compress(payload.data(), payload.size(), chunk.raw.data(), chunk.raw.size(), 1));
        header.flags = recording::kCompressed;
    }
    header.stored_bytes = payload.size();
    if (chunk.words[0]) {
        header.kind = static_cast<uint32_t>(*chunk.words[0]);
        header.flags = static_cast<uint32_t>(*chunk.words[0] >> 32);
    }
    if (chunk.words[1]) header.stored_bytes = *chunk.words[1];
    if (chunk.words[2]) header.raw_bytes = *chunk.words[2];
    const std::unique_ptr<XXH64_state_t, XXH_errorcode (*)(XXH64_state_t*)> state(
        XXH64_createState(), XXH64_freeState);
    XXH64_reset(state.get(), 0);
    XXH64_update(state.get(), &header, offsetof(ChunkHeader, check));
    XXH64_update(state.get(), payload.data(), payload.size());
    header.check = XXH64_digest(state.get());
    Append(bytes, header);
    bytes.insert(bytes.end(), payload.begin(), payload.end());
}

Bytes FileOf(const std::vector<MadeChunk>& chunks) {
    FileHeader header;
    header.check = XXH64(&header, offsetof(FileHeader, check), 0);
    Bytes bytes;
    Append(bytes, header);
    for (const MadeChunk& chunk : chunks)
        Append(bytes, chunk);
    return bytes;
}

void ChangeChunks(std::vector<MadeChunk>& chunks, const Damage& damage) {
    if (chunks.empty()) return;
    const size_t which = damage.chunk % chunks.size();
    MadeChunk& chunk = chunks[which];
    const size_t at = chunk.raw.empty() ? 0 : damage.offset % chunk.raw.size();
    const auto place = chunks.begin() + static_cast<ptrdiff_t>(which);
    switch (damage.kind) {
        case Damage::kPayloadByte:
            if (!chunk.raw.empty()) chunk.raw[at] ^= static_cast<std::byte>(damage.value);
            break;
        case Damage::kPayloadCut:
            chunk.raw.resize(at);
            break;
        case Damage::kPayloadGrown:
            chunk.raw.resize(chunk.raw.size() + damage.value);
            break;
        case Damage::kHeadWord:
            chunk.words[damage.offset % 3] = damage.value;
            break;
        case Damage::kRepeated:
            chunks.insert(place, MadeChunk(chunk));
            break;
        case Damage::kLeftOut:
            chunks.erase(place);
            break;
        case Damage::kPacked:
            chunk.packed = true;
            break;
        case Damage::kFileByte:
        case Damage::kFileCut:
            break;
    }
}

bool IsOfFile(const Damage& damage) {
    return damage.kind == Damage::kFileByte || damage.kind == Damage::kFileCut;
}

// Returns: the first byte that is not as it was; the size of the file if all are.
size_t ChangeFile(Bytes& bytes, const RecordingInput& input) {
    const Bytes before = bytes;
    for (const Damage& damage : input) {
        if (!IsOfFile(damage) || bytes.empty()) continue;
        const size_t at = damage.offset * 7 % bytes.size();
        if (damage.kind == Damage::kFileCut) {
            bytes.resize(at);
        } else {
            bytes[at] ^= static_cast<std::byte>(damage.value);
        }
    }
    return static_cast<size_t>(std::ranges::mismatch(bytes, before).in1 - bytes.begin());
}

bool AreSame(const Event& a, const Event& b) {
    return a.time_ns == b.time_ns && a.device == b.device && a.kind == b.kind && a.type == b.type &&
           a.detail == b.detail && a.thread == b.thread && a.stack == b.stack &&
           a.object == b.object && a.value == b.value;
}

std::vector<Event> ReadEvents(recording::Recording& recording, std::string& error) {
    std::vector<Event> events;
    error = recording.ForEachEvents([&](std::span<const Event> part) {
        Require(!part.empty() && part.size() <= recording::kMaxEvents, "a part has no right size");
        events.insert(events.end(), part.begin(), part.end());
    });
    Require(error.empty() || error.ends_with('.'), "an error is no sentence");
    return events;
}

// Returns: whether nothing was wrong with it.
bool CheckOpened(recording::Recording& recording, size_t size, std::vector<Event>& events) {
    Require(recording.whole_bytes() <= size, "more is whole than there is");
    Require(recording.samples().size() <= recording::kMostSamples, "there are too many samples");
    Require(std::ranges::is_sorted(recording.samples(), {}, &command::Sample::time_ns),
            "samples are out of order");
    std::string error;
    events = ReadEvents(recording, error);
    Require(std::ranges::is_sorted(events, {}, &Event::time_ns), "events are out of order");
    if (error.empty())
        Require(recording.events() == events.size(), "events are not counted as they are given");
    std::string again_error;
    const std::vector<Event> again = ReadEvents(recording, again_error);
    Require(again_error == error && std::ranges::equal(again, events, AreSame),
            "events are others the second time");
    return error.empty() && recording.remark().empty();
}

}  // namespace

bool CheckRecordingInput(const RecordingInput& input) {
    static const std::vector<MadeChunk> base = BaseChunks();
    static const std::vector<Event> base_events = BaseEvents();
    std::vector<MadeChunk> chunks = base;
    for (const Damage& damage : input)
        ChangeChunks(chunks, damage);
    Bytes bytes = FileOf(chunks);
    const size_t size_before = bytes.size();
    const size_t first_changed = ChangeFile(bytes, input);
    const bool is_changed = first_changed != bytes.size() || bytes.size() != size_before;

    std::string error;
    const auto recording =
        recording::Recording::Open(std::make_unique<recording::MemoryBytes>(bytes), error);
    if (recording == nullptr) {
        Require(!error.empty(), "it was refused without a reason");
        return false;
    }
    std::vector<Event> events;
    const bool is_whole = CheckOpened(*recording, bytes.size(), events);
    if (!std::ranges::all_of(input, IsOfFile)) return is_whole;
    Require(is_whole != is_changed, "a changed byte was not noticed, or one that nobody changed");
    Require(recording->whole_bytes() <= first_changed, "a changed byte counts as whole");
    Require(events.size() <= base_events.size() &&
                std::equal(events.begin(), events.end(), base_events.begin(), AreSame),
            "events before the damage are not as they were");
    return is_whole;
}

}  // namespace tessera::fuzz_readers
