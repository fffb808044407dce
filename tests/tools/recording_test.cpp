// SPDX-License-Identifier: Apache-2.0
//
// The format of recordings: what is written is read again, up to the first byte that is missing or
// wrong, and lies are refused. No segment and no process is needed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "support.h"
#include "tools/recording/chunk_writer.h"
#include "tools/recording/codec.h"
#include "tools/recording/recording.h"

namespace tessera::recording {
namespace {

using reader::Event;
using Bytes = std::vector<std::byte>;

bool AreSame(const Event& a, const Event& b) {
    return a.time_ns == b.time_ns && a.device == b.device && a.kind == b.kind && a.type == b.type &&
           a.detail == b.detail && a.thread == b.thread && a.stack == b.stack &&
           a.object == b.object && a.value == b.value;
}

void ExpectSame(std::span<const Event> a, std::span<const Event> b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i)
        ASSERT_TRUE(AreSame(a[i], b[i])) << "event " << i;
}

// Allocations and frees as applications make them: some sizes, handles that come again.
std::vector<Event> LikelyEvents(size_t count, uint64_t first_ns) {
    std::mt19937_64 random(7);
    std::vector<Event> events;
    std::vector<Event> live;
    uint64_t time = first_ns;
    for (size_t i = 0; i < count; ++i) {
        time += 100 + random() % 900;
        Event event = {.time_ns = time, .device = 1, .type = 2, .thread = 1};
        if (live.size() > 1000 || (live.size() > 10 && random() % 2 == 0)) {
            const size_t which = random() % live.size();
            event.kind = TESSERA_EVENT_free;
            event.object = live[which].object;
            event.value = live[which].value;
            live[which] = live.back();
            live.pop_back();
        } else {
            event.kind = TESSERA_EVENT_allocate;
            event.object = 0x7f0012340000 + random() % 100'000 * 64;
            event.value = uint64_t{256} << random() % 12;
            event.stack = static_cast<uint16_t>(1 + random() % 20);
            live.push_back(event);
        }
        events.push_back(event);
    }
    return events;
}

// The extremes of every field, in every neighbourhood.
std::vector<Event> UnlikelyEvents() {
    std::mt19937_64 random(11);
    constexpr uint64_t kEdges[] = {0, 1, 127, 128, 1ull << 62, 1ull << 63, ~0ull, ~0ull - 1};
    std::vector<Event> events;
    uint64_t time = 0;
    for (int i = 0; i < 5000; ++i) {
        if (i == 2500) time = ~uint64_t{0} - 10'000;
        time += random() % 3;
        events.push_back({.time_ns = time,
                          .device = kEdges[random() % 8],
                          .kind = static_cast<uint8_t>(random()),
                          .type = static_cast<uint8_t>(random()),
                          .detail = static_cast<uint16_t>(random()),
                          .thread = static_cast<uint16_t>(random()),
                          .stack = static_cast<uint16_t>(random()),
                          .object = random() % 3 == 0 ? random() : kEdges[random() % 8],
                          .value = random() % 3 == 0 ? random() : kEdges[random() % 8]});
    }
    return events;
}

command::Sample MakeSample(uint64_t time_ns, uint64_t device) {
    command::Sample sample;
    sample.time_ns = time_ns;
    sample.device = device;
    sample.frames = time_ns / 16;
    sample.types.resize(3);
    sample.types[1] = {.app_live = 1, .app_live_bytes = ~uint64_t{0}, .allocations = time_ns};
    sample.heaps.push_back({.budget_bytes = 1 << 30, .usage_bytes = time_ns});
    return sample;
}

Bytes SomeState(char what) {
    return Bytes(10'000, static_cast<std::byte>(what));
}

// Of what WriteWhole() writes.
constexpr uint64_t kPerChunk = 100;

class RecordingFile : public testing::Test {
 protected:
    std::string path() const { return folder_ / "a.rec"; }

    // States, samples and 3 x 100 events, as a recorder leaves them.
    Bytes WriteWhole() {
        ChunkWriter writer;
        EXPECT_EQ(writer.Open(path()), "");
        FileHeader header;
        header.pid = 42;
        EXPECT_EQ(writer.WriteHeader(header), "");
        EXPECT_EQ(writer.Write(ChunkKind::kState, SomeState('a')), "");
        const std::vector<Event> events = LikelyEvents(3 * kPerChunk, 5000);
        EventEncoder encoder;
        for (size_t i = 0; i < 3; ++i) {
            marks_.push_back(writer.bytes_written());
            EXPECT_EQ(writer.Write(
                          ChunkKind::kEvents,
                          encoder.Encode(std::span(events).subspan(i * kPerChunk, kPerChunk), i)),
                      "");
            const std::array<command::Sample, 2> samples = {MakeSample(i * 100, 1),
                                                            MakeSample(i * 100, 2)};
            EXPECT_EQ(writer.Write(ChunkKind::kSamples, EncodeSamples(samples)), "");
        }
        EXPECT_EQ(writer.Write(ChunkKind::kState, SomeState('b')), "");
        const EndRecord end = {.events = 3 * kPerChunk, .lost = 3, .samples = 6, .states = 2};
        EXPECT_EQ(writer.Write(ChunkKind::kEnd, std::as_bytes(std::span(&end, 1))), "");
        return FileContents();
    }
    Bytes FileContents() const {
        const std::string text = test::ReadFile(path());
        const auto bytes = std::as_bytes(std::span(text));
        return {bytes.begin(), bytes.end()};
    }
    static std::unique_ptr<Recording> OpenBytes(std::span<const std::byte> bytes,
                                                std::string* error = nullptr) {
        std::string unused;
        return Recording::Open(std::make_unique<MemoryBytes>(bytes),
                               error != nullptr ? *error : unused);
    }

    test::TempFolder folder_;
    std::vector<uint64_t> marks_;  // where chunks of events begin
};

TEST(EventCodec, GivesBackLikelyEventsInAFifthOfTheirBytesAndLess) {
    const std::vector<Event> events = LikelyEvents(kMaxEvents, 1'000'000'000'000);
    EventEncoder encoder;
    const Bytes payload = encoder.Encode(events, 5);
    DecodedEvents decoded;
    ASSERT_TRUE(DecodeEvents(payload, decoded));
    ExpectSame(decoded.events, events);
    EXPECT_EQ(decoded.lost, 5u);
    Bytes packed(ZSTD_compressBound(payload.size()));
    packed.resize(ZSTD_compress(packed.data(), packed.size(), payload.data(), payload.size(), 3));
    const double per_event = static_cast<double>(packed.size()) / static_cast<double>(kMaxEvents);
    RecordProperty("bytes_per_event_times_100", static_cast<int>(100 * per_event));
    EXPECT_LT(per_event, sizeof(tessera_event) / 5.0);
}

TEST(EventCodec, GivesBackTheExtremesOfEveryField) {
    const std::vector<Event> events = UnlikelyEvents();
    EventEncoder encoder;
    for (const size_t count : {size_t{0}, size_t{1}, size_t{2}, events.size()}) {
        DecodedEvents decoded;
        ASSERT_TRUE(DecodeEvents(encoder.Encode(std::span(events).first(count), 0), decoded));
        ExpectSame(decoded.events, std::span(events).first(count));
    }
}

TEST(EventCodec, RefusesEveryShorterAndEveryLongerPayload) {
    EventEncoder encoder;
    const std::vector<Event> events = UnlikelyEvents();
    Bytes payload = encoder.Encode(std::span(events).first(50), 0);
    DecodedEvents decoded;
    for (size_t size = 0; size < payload.size(); ++size)
        EXPECT_FALSE(DecodeEvents(std::span(payload).first(size), decoded)) << size;
    payload.push_back(std::byte{0});
    EXPECT_FALSE(DecodeEvents(payload, decoded));
}

TEST(EventCodec, SurvivesEveryChangedByte) {
    EventEncoder encoder;
    const Bytes payload = encoder.Encode(LikelyEvents(200, 0), 0);
    DecodedEvents decoded;
    for (size_t i = 0; i < payload.size(); ++i) {
        for (const auto change : {std::byte{1}, std::byte{0x80}, std::byte{0xff}}) {
            Bytes changed = payload;
            changed[i] ^= change;
            if (!DecodeEvents(changed, decoded)) continue;
            EXPECT_LE(decoded.events.size(), kMaxEvents);
            for (size_t k = 1; k < decoded.events.size(); ++k)
                ASSERT_GE(decoded.events[k].time_ns, decoded.events[k - 1].time_ns);
        }
    }
}

TEST(EventCodec, RefusesMoreEventsThanAChunkMayHave) {
    EventEncoder encoder;
    Bytes payload = encoder.Encode({}, 0);
    const uint32_t count = kMaxEvents + 1;
    std::memcpy(payload.data(), &count, sizeof(count));
    DecodedEvents decoded;
    EXPECT_FALSE(DecodeEvents(payload, decoded));
}

TEST(SampleCodec, GivesBackSamplesAndRefusesPartsOfThem) {
    std::vector<command::Sample> samples = {MakeSample(5, 1), MakeSample(5, 2), MakeSample(9, 1)};
    const Bytes payload = EncodeSamples(samples);
    std::vector<command::Sample> decoded;
    ASSERT_TRUE(DecodeSamples(payload, decoded));
    ASSERT_EQ(decoded.size(), 3u);
    EXPECT_EQ(decoded[1].device, 2u);
    EXPECT_EQ(decoded[2].time_ns, 9u);
    EXPECT_EQ(decoded[2].types[1].app_live_bytes, ~uint64_t{0});
    EXPECT_EQ(decoded[0].heaps[0].budget_bytes, uint64_t{1} << 30);
    for (size_t size = 0; size < payload.size(); ++size) {
        decoded.clear();
        EXPECT_FALSE(DecodeSamples(std::span(payload).first(size), decoded)) << size;
    }
}

TEST(SampleCodec, TheMostSamplesFitIntoAChunk) {
    constexpr uint64_t kMost = ~uint64_t{0};
    command::Sample sample;
    sample.time_ns = sample.device = sample.frames = kMost;
    sample.types.assign(TESSERA_MAX_TYPES, {kMost, kMost, kMost, kMost, kMost, kMost});
    sample.heaps.assign(TESSERA_MAX_HEAPS, {kMost, kMost});
    const std::vector<command::Sample> samples(kMaxSamples, sample);
    EXPECT_LE(EncodeSamples(samples).size(), kMaxSampleBytes);
}

TEST_F(RecordingFile, GivesBackEverythingOfAWholeRecording) {
    const Bytes bytes = WriteWhole();
    const std::unique_ptr<Recording> recording = OpenBytes(bytes);
    ASSERT_NE(recording, nullptr);
    EXPECT_EQ(recording->remark(), "");
    EXPECT_EQ(recording->header().pid, 42u);
    EXPECT_EQ(recording->last_state(), SomeState('b'));
    EXPECT_EQ(recording->samples().size(), 6u);
    EXPECT_EQ(recording->lost(), 3u);
    for (int pass = 0; pass < 2; ++pass) {
        std::vector<Event> events;
        EXPECT_EQ(recording->ForEachEvents([&](std::span<const Event> part) {
            events.insert(events.end(), part.begin(), part.end());
        }),
                  "");
        ExpectSame(events, LikelyEvents(3 * kPerChunk, 5000));
        EXPECT_EQ(recording->lost(), 3u);
        EXPECT_EQ(recording->events(), 3 * kPerChunk);
    }
}

TEST_F(RecordingFile, CutAnywhereKeepsWhatWasWholeAndSaysSo) {
    const Bytes bytes = WriteWhole();
    size_t opened = 0;
    for (size_t size = 0; size < bytes.size(); ++size) {
        std::string error;
        const std::unique_ptr<Recording> recording =
            OpenBytes(std::span(bytes).first(size), &error);
        if (recording == nullptr) {
            EXPECT_LT(size, marks_[0]) << "its first state was whole";
            EXPECT_NE(error, "");
            continue;
        }
        ++opened;
        EXPECT_NE(recording->remark(), "") << size;
        EXPECT_LE(recording->whole_bytes(), size);
        uint64_t events = 0;
        EXPECT_EQ(
            recording->ForEachEvents([&](std::span<const Event> part) { events += part.size(); }),
            "");
        uint64_t expected = 0;
        for (size_t i = 0; i + 1 < marks_.size(); ++i)
            expected += recording->whole_bytes() >= marks_[i + 1] ? kPerChunk : 0u;
        EXPECT_GE(events, expected) << size;
    }
    EXPECT_EQ(opened, bytes.size() - marks_[0]);
}

TEST_F(RecordingFile, AnyChangedByteIsNoticedAndWhatIsBeforeItIsKept) {
    const Bytes bytes = WriteWhole();
    const std::vector<Event> all = LikelyEvents(3 * kPerChunk, 5000);
    for (size_t i = 0; i < bytes.size(); ++i) {
        Bytes changed = bytes;
        changed[i] ^= std::byte{0x10};
        std::string error;
        const std::unique_ptr<Recording> recording = OpenBytes(changed, &error);
        if (recording == nullptr) {
            EXPECT_LT(i, marks_[0]);
            EXPECT_NE(error, "");
            continue;
        }
        EXPECT_NE(recording->remark(), "") << i;
        EXPECT_LE(recording->whole_bytes(), i);
        std::vector<Event> events;
        recording->ForEachEvents([&](std::span<const Event> part) {
            events.insert(events.end(), part.begin(), part.end());
        });
        ExpectSame(events, std::span(all).first(events.size()));
        const size_t whole_chunks =
            static_cast<size_t>(std::ranges::upper_bound(marks_, i) - marks_.begin());
        EXPECT_GE(events.size(), kPerChunk * (whole_chunks - 1)) << i;
    }
}

// A chunk with a right check, as only somebody hostile makes it.
Bytes ForgedChunk(ChunkHeader header, std::span<const std::byte> payload) {
    XXH64_state_t* const state = XXH64_createState();
    XXH64_reset(state, 0);
    XXH64_update(state, &header, offsetof(ChunkHeader, check));
    XXH64_update(state, payload.data(), payload.size());
    header.check = XXH64_digest(state);
    XXH64_freeState(state);
    Bytes chunk(sizeof(header) + payload.size());
    std::ranges::copy(payload,
                      std::ranges::copy(std::as_bytes(std::span(&header, 1)), chunk.begin()).out);
    return chunk;
}

Bytes Packed(const Bytes& raw) {
    Bytes packed(ZSTD_compressBound(raw.size()));
    packed.resize(ZSTD_compress(packed.data(), packed.size(), raw.data(), raw.size(), 1));
    return packed;
}

class ForgedRecording : public RecordingFile {
 protected:
    // A header and a first state, to which `chunk` is appended.
    Bytes With(const Bytes& chunk) {
        {
            ChunkWriter writer;
            EXPECT_EQ(writer.Open(path()), "");
            EXPECT_EQ(writer.WriteHeader({}), "");
            EXPECT_EQ(writer.Write(ChunkKind::kState, SomeState('a')), "");
        }
        Bytes bytes = FileContents();
        whole_ = bytes.size();
        bytes.insert(bytes.end(), chunk.begin(), chunk.end());
        return bytes;
    }
    void ExpectIgnored(const Bytes& chunk) {
        const Bytes bytes = With(chunk);
        const std::unique_ptr<Recording> recording = OpenBytes(bytes);
        ASSERT_NE(recording, nullptr);
        EXPECT_NE(recording->remark().find("not whole"), std::string::npos) << recording->remark();
        EXPECT_EQ(recording->whole_bytes(), whole_);
    }
    size_t whole_ = 0;
};

TEST_F(ForgedRecording, LengthsBeyondTheFileAndTheLimitsCostNothing) {
    for (const uint64_t length : {uint64_t{1} << 20, uint64_t{1} << 40, ~uint64_t{0}}) {
        for (const uint32_t flags : {0u, kCompressed})
            ExpectIgnored(ForgedChunk(
                {.kind = 1, .flags = flags, .stored_bytes = length, .raw_bytes = length}, {}));
    }
}

TEST_F(ForgedRecording, UnknownFlagsAreRefusedAndUnknownKindsSkipped) {
    ExpectIgnored(ForgedChunk({.kind = 1, .flags = 2, .stored_bytes = 0, .raw_bytes = 0}, {}));
    const Bytes bytes =
        With(ForgedChunk({.kind = 99, .stored_bytes = 5, .raw_bytes = 5}, Bytes(5)));
    const std::unique_ptr<Recording> recording = OpenBytes(bytes);
    ASSERT_NE(recording, nullptr);
    EXPECT_EQ(recording->whole_bytes(), bytes.size());
}

TEST_F(ForgedRecording, ADecompressionBombIsRefused) {
    // 64 MiB of zeroes in a few kilobytes, said to be a chunk of samples; and said to be small.
    const Bytes bomb = Packed(Bytes(64 << 20));
    ASSERT_LT(bomb.size(), 64u << 10);
    for (const uint64_t said : {uint64_t{64} << 20, kMaxSampleBytes}) {
        ExpectIgnored(ForgedChunk({.kind = static_cast<uint32_t>(ChunkKind::kSamples),
                                   .flags = kCompressed,
                                   .stored_bytes = bomb.size(),
                                   .raw_bytes = said},
                                  bomb));
    }
}

TEST_F(ForgedRecording, AStateThatCannotBeUnpackedIsRefused) {
    const Bytes nonsense(1000, std::byte{0x55});
    std::string error;
    const Bytes bytes = With(ForgedChunk(
        {.kind = 1, .flags = kCompressed, .stored_bytes = 1000, .raw_bytes = 1000}, nonsense));
    EXPECT_EQ(OpenBytes(bytes, &error), nullptr);
    EXPECT_NE(error.find("damaged"), std::string::npos);
}

TEST_F(ForgedRecording, EventsThatRunBackwardsEndTheStream) {
    EventEncoder encoder;
    const auto chunk_at = [&](uint64_t time_ns) {
        const Bytes raw = encoder.Encode(LikelyEvents(10, time_ns), 0);
        return ForgedChunk({.kind = 3, .stored_bytes = raw.size(), .raw_bytes = raw.size()}, raw);
    };
    Bytes both = chunk_at(1'000'000);
    const Bytes second = chunk_at(5);
    both.insert(both.end(), second.begin(), second.end());
    const Bytes bytes = With(both);
    const std::unique_ptr<Recording> recording = OpenBytes(bytes);
    ASSERT_NE(recording, nullptr);
    uint64_t events = 0;
    const std::string error =
        recording->ForEachEvents([&](std::span<const Event> part) { events += part.size(); });
    EXPECT_NE(error.find("damaged"), std::string::npos) << error;
    EXPECT_EQ(events, 10u);
}

TEST_F(ForgedRecording, NothingMayFollowTheEnd) {
    const Bytes end =
        ForgedChunk({.kind = 4, .stored_bytes = sizeof(EndRecord), .raw_bytes = sizeof(EndRecord)},
                    Bytes(sizeof(EndRecord)));
    Bytes two = end;
    two.insert(two.end(), end.begin(), end.end());
    const Bytes bytes = With(two);
    const std::unique_ptr<Recording> recording = OpenBytes(bytes);
    ASSERT_NE(recording, nullptr);
    EXPECT_EQ(recording->whole_bytes(), whole_ + end.size());
    EXPECT_NE(recording->remark(), "");
}

TEST_F(RecordingFile, IsRefusedWithWhatIsWrongIfItIsNone) {
    Bytes bytes = WriteWhole();
    std::string error;
    EXPECT_EQ(OpenBytes(Bytes(3), &error), nullptr);
    EXPECT_EQ(error, "is no recording");
    FileHeader header;
    header.version = kVersion + 1;
    header.check = XXH64(&header, offsetof(FileHeader, check), 0);
    std::memcpy(bytes.data(), &header, sizeof(header));
    EXPECT_EQ(OpenBytes(bytes, &error), nullptr);
    EXPECT_EQ(error, "was made by a version of tessera that this one does not know");
}

TEST_F(RecordingFile, OfALongRecordingSamplesOfEveryDeviceAreKept) {
    {
        ChunkWriter writer;
        ASSERT_EQ(writer.Open(path()), "");
        ASSERT_EQ(writer.WriteHeader({}), "");
        ASSERT_EQ(writer.Write(ChunkKind::kState, SomeState('a')), "");
        for (uint64_t at = 0; at < 3 * kMostSamples; at += kMaxSamples) {
            std::vector<command::Sample> samples;
            for (uint64_t i = at; i < at + kMaxSamples; ++i)
                samples.push_back(MakeSample(i, i % 2));
            ASSERT_EQ(writer.Write(ChunkKind::kSamples, EncodeSamples(samples)), "");
        }
    }
    const Bytes bytes = FileContents();
    const std::unique_ptr<Recording> recording = OpenBytes(bytes);
    ASSERT_NE(recording, nullptr);
    const auto& samples = recording->samples();
    EXPECT_LE(samples.size(), kMostSamples);
    EXPECT_GE(samples.size(), kMostSamples / 2);
    const auto of_first = std::ranges::count(samples, 0u, &command::Sample::device);
    EXPECT_NEAR(static_cast<double>(of_first), static_cast<double>(samples.size()) / 2, 2);
    EXPECT_TRUE(std::ranges::is_sorted(samples, {}, &command::Sample::time_ns));
    EXPECT_GT(samples.back().time_ns, 3 * kMostSamples - 20);
}

// As of an application that makes a device for each of its tests, or of somebody hostile.
TEST_F(RecordingFile, OfDevicesByTheThousandSamplesAreKeptInBoundedMemoryAndTime) {
    constexpr uint64_t kDevices = 4 * kMostSamples;
    {
        ChunkWriter writer;
        ASSERT_EQ(writer.Open(path()), "");
        ASSERT_EQ(writer.WriteHeader({}), "");
        ASSERT_EQ(writer.Write(ChunkKind::kState, SomeState('a')), "");
        for (uint64_t at = 0; at < kDevices; at += kMaxSamples) {
            std::vector<command::Sample> samples;
            for (uint64_t i = at; i < at + kMaxSamples; ++i) {
                command::Sample& sample = samples.emplace_back();
                sample.time_ns = i;
                sample.device = i % 8 == 0 ? 0 : i;  // one lives all the time
            }
            ASSERT_EQ(writer.Write(ChunkKind::kSamples, EncodeSamples(samples)), "");
        }
    }
    const Bytes bytes = FileContents();
    const std::unique_ptr<Recording> recording = OpenBytes(bytes);
    ASSERT_NE(recording, nullptr);
    const auto& samples = recording->samples();
    EXPECT_LE(samples.size(), kMostSamples);
    EXPECT_GE(samples.size(), kMostSamples / 4);
    EXPECT_TRUE(std::ranges::is_sorted(samples, {}, &command::Sample::time_ns));
    EXPECT_GT(samples.back().time_ns, kDevices - 100);
    EXPECT_GT(std::ranges::count(samples, 0u, &command::Sample::device), 100);
}

TEST_F(RecordingFile, AFullDiskIsToldAndWhatWasWrittenCanBeRead) {
    struct rlimit before = {};
    getrlimit(RLIMIT_FSIZE, &before);
    const auto previous = signal(SIGXFSZ, SIG_IGN);
    std::string error;
    {
        ChunkWriter writer;
        ASSERT_EQ(writer.Open(path()), "");
        ASSERT_EQ(writer.WriteHeader({}), "");
        ASSERT_EQ(writer.Write(ChunkKind::kState, SomeState('a')), "");
        // From here on the file may grow by a hundred bytes.
        const struct rlimit limit = {.rlim_cur = writer.bytes_written() + 100,
                                     .rlim_max = before.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
        EventEncoder encoder;
        error = writer.Write(ChunkKind::kEvents, encoder.Encode(LikelyEvents(1000, 0), 0));
        EXPECT_EQ(writer.Write(ChunkKind::kState, SomeState('b')), error) << "it stays failed";
    }
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, previous);
    EXPECT_NE(error.find("cannot be written any further"), std::string::npos) << error;
    const Bytes bytes = FileContents();
    const std::unique_ptr<Recording> recording = OpenBytes(bytes);
    ASSERT_NE(recording, nullptr);
    EXPECT_EQ(recording->last_state(), SomeState('a'));
    EXPECT_EQ(recording->whole_bytes(), bytes.size());
}

// Long form: TESSERA_TEST_LONG=1 makes it a gigabyte of events.
TEST_F(RecordingFile, ManyEventsAreReadInBoundedMemory) {
    const bool is_long = std::getenv("TESSERA_TEST_LONG") != nullptr;
    const uint64_t wanted_bytes = is_long ? uint64_t{1} << 30 : uint64_t{4} << 20;
    uint64_t written = 0;
    {
        ChunkWriter writer;
        ASSERT_EQ(writer.Open(path()), "");
        ASSERT_EQ(writer.WriteHeader({}), "");
        ASSERT_EQ(writer.Write(ChunkKind::kState, SomeState('a')), "");
        EventEncoder encoder;
        std::vector<Event> events = LikelyEvents(kMaxEvents, 0);
        const uint64_t apart = events.back().time_ns + 1;
        while (writer.bytes_written() < wanted_bytes) {
            ASSERT_EQ(writer.Write(ChunkKind::kEvents, encoder.Encode(events, 1)), "");
            written += events.size();
            for (Event& event : events)
                event.time_ns += apart;
        }
    }
    std::string error;
    const int file = open(path().c_str(), O_RDONLY | O_CLOEXEC);
    const std::unique_ptr<Recording> recording = Recording::Open(
        std::make_unique<FileBytes>(file, std::filesystem::file_size(path())), error);
    ASSERT_NE(recording, nullptr) << error;
    struct rusage before = {};
    getrusage(RUSAGE_SELF, &before);
    uint64_t events = 0;
    uint64_t last_ns = 0;
    EXPECT_EQ(recording->ForEachEvents([&](std::span<const Event> part) {
        events += part.size();
        ASSERT_GE(part.front().time_ns, last_ns);
        last_ns = part.back().time_ns;
    }),
              "");
    struct rusage after = {};
    getrusage(RUSAGE_SELF, &after);
    EXPECT_EQ(events, written);
    EXPECT_EQ(recording->lost(), written / kMaxEvents);
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 << 10) << "kilobytes";
    RecordProperty("events", static_cast<int>(events / 1000));
}

}  // namespace
}  // namespace tessera::recording
