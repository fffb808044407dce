// SPDX-License-Identifier: Apache-2.0
//
// Who makes recordings and who reads them, on segments that no process wrote: order of events,
// losses, states, and that a recording shows what its segment did.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "segment_builder.h"
#include "support.h"
#include "tools/recording/recorder.h"
#include "tools/recording/recording.h"
#include "tools/source.h"

namespace tessera::recording {
namespace {

using reader::Event;
using test::SegmentBuilder;
using test::TicksAt;

constexpr uint64_t kSecondNs = 1'000 * kMillisecondNs;

// A device with two empty rings, and a recorder of it.
class RecorderTest : public testing::Test {
 protected:
    RecorderTest() {
        device_ = &builder_.AddDevice(1);
        device_->rings.resize(2);
        builder_.threads.resize(2);
        Publish();
        auto writer = std::make_unique<ChunkWriter>();
        EXPECT_EQ(writer->Open(path()), "");
        recorder_ = std::make_unique<Recorder>(segment_.fd(), "segment", std::move(writer));
    }
    std::string path() const { return folder_ / "a.rec"; }
    void Publish() { segment_.Write(0, builder_.Build()); }
    void AddEvent(size_t ring, uint64_t time_ns) {
        device_->rings[ring].AddEvent({.ticks = TicksAt(time_ns),
                                       .kind = TESSERA_EVENT_allocate,
                                       .type = 1,
                                       .detail = 0,
                                       .thread = 1,
                                       .stack = 0,
                                       .object = time_ns,
                                       .value = 256});
    }
    // Ends the recording and opens it.
    std::unique_ptr<Recording> Finish(uint64_t now_ns) {
        EXPECT_EQ(recorder_->End(now_ns, EndReason::kAsked, {}), "");
        return Open();
    }
    std::unique_ptr<Recording> Open() const {
        std::string error;
        const int file = open(path().c_str(), O_RDONLY | O_CLOEXEC);
        auto recording = Recording::Open(
            std::make_unique<FileBytes>(file, std::filesystem::file_size(path())), error);
        EXPECT_NE(recording, nullptr) << error;
        return recording;
    }
    static std::vector<uint64_t> Times(Recording& recording) {
        std::vector<uint64_t> times;
        EXPECT_EQ(recording.ForEachEvents([&](std::span<const Event> part) {
            for (const Event& event : part)
                times.push_back(event.time_ns);
        }),
                  "");
        return times;
    }

    const test::TempFolder folder_;
    SegmentBuilder builder_;
    SegmentBuilder::Device* device_ = nullptr;
    const test::SegmentFile segment_{test::SampleSegment().Build()};
    std::unique_ptr<Recorder> recorder_;
};

TEST_F(RecorderTest, EventsOfSeveralRingsStandInOrderOfTimeThoughTheyCameInAnother) {
    ASSERT_EQ(recorder_->Start(kSecondNs), "");
    AddEvent(0, kSecondNs + 50);
    AddEvent(0, kSecondNs + 70);
    Publish();
    ASSERT_EQ(recorder_->Poll(kSecondNs + 100), "");
    EXPECT_TRUE(recorder_->busy());
    AddEvent(1, kSecondNs + 60);  // older than what was read already
    Publish();
    ASSERT_EQ(recorder_->Poll(kSecondNs + 200), "");
    ASSERT_EQ(recorder_->Poll(kSecondNs + 300), "");
    EXPECT_FALSE(recorder_->busy());
    const auto recording = Finish(2 * kSecondNs);
    EXPECT_EQ(Times(*recording),
              (std::vector<uint64_t>{kSecondNs + 50, kSecondNs + 60, kSecondNs + 70}));
    EXPECT_EQ(recording->end()->late, 0u);
    EXPECT_EQ(recording->remark(), "");
}

TEST_F(RecorderTest, AnEventThatComesAfterItsPlaceWasWrittenGetsTheNextTimeAndIsCounted) {
    ASSERT_EQ(recorder_->Start(kSecondNs), "");
    AddEvent(0, kSecondNs + 50);
    Publish();
    ASSERT_EQ(recorder_->Poll(kSecondNs + 100), "");
    ASSERT_EQ(recorder_->Poll(3 * kSecondNs), "");  // writes it
    AddEvent(1, kSecondNs + 40);
    Publish();
    ASSERT_EQ(recorder_->Poll(3 * kSecondNs + 100), "");
    const auto recording = Finish(4 * kSecondNs);
    EXPECT_EQ(Times(*recording), (std::vector<uint64_t>{kSecondNs + 50, kSecondNs + 50}));
    EXPECT_EQ(recording->end()->late, 1u);
}

TEST_F(RecorderTest, NoEventIsOfMuchLaterThanNow) {
    ASSERT_EQ(recorder_->Start(kSecondNs), "");
    AddEvent(0, kSecondNs + 50);
    AddEvent(0, 3600 * kSecondNs);
    AddEvent(1, kSecondNs + 60);
    Publish();
    ASSERT_EQ(recorder_->Poll(kSecondNs + 100), "");
    AddEvent(1, kSecondNs + 150);
    Publish();
    ASSERT_EQ(recorder_->Poll(kSecondNs + 200), "");
    const auto recording = Finish(3 * kSecondNs);
    EXPECT_EQ(Times(*recording), (std::vector<uint64_t>{kSecondNs + 50, kSecondNs + 60,
                                                        kSecondNs + 150, 2 * kSecondNs + 100}));
    EXPECT_EQ(recording->end()->late, 0u);
}

TEST_F(RecorderTest, WhatARingLostIsCounted) {
    ASSERT_EQ(recorder_->Start(kSecondNs), "");
    ASSERT_EQ(recorder_->Poll(kSecondNs), "");
    for (uint64_t i = 0; i < 100; ++i)
        AddEvent(0, kSecondNs + i);
    Publish();
    ASSERT_EQ(recorder_->Poll(kSecondNs + 100), "");
    const auto recording = Finish(2 * kSecondNs);
    // Of a ring of 16 events the one that is written next cannot be trusted.
    EXPECT_EQ(Times(*recording).size(), 15u);
    EXPECT_EQ(recording->lost(), 85u);
    EXPECT_EQ(recorder_->counts().lost, 85u);
}

TEST_F(RecorderTest, WhatTheSegmentHadNoRingForIsLostAsWell) {
    tessera_device_record& record = device_->record;
    record.unrecorded[TESSERA_KIND_RING] = 7;  // before it was recorded
    Publish();
    ASSERT_EQ(recorder_->Start(kSecondNs), "");
    record.unrecorded[TESSERA_KIND_RING] = 10;
    record.unrecorded[TESSERA_KIND_SLOTS] = 5;  // no event
    Publish();
    ASSERT_EQ(recorder_->Poll(kSecondNs + 100), "");
    EXPECT_EQ(recorder_->counts().lost, 3u);
    // It loses its record: what it counted goes into the sum, and another device counts on.
    SegmentBuilder::Device& sum = builder_.AddRetiredSum();
    sum.record.unrecorded[TESSERA_KIND_RING] = 12;
    record.unrecorded[TESSERA_KIND_RING] = 1;
    Publish();
    const auto recording = Finish(2 * kSecondNs);
    EXPECT_EQ(recorder_->counts().lost, 6u);
    EXPECT_EQ(recording->lost(), 6u);
    EXPECT_EQ(Times(*recording).size(), 0u);
    EXPECT_EQ(recording->lost(), 6u) << "told with the events as well";
}

// The rings of a process that runs already hold what is long ago.
TEST_F(RecorderTest, WhatHappenedBeforeItIsAskedForIsLeftOut) {
    AddEvent(0, kSecondNs - 300);
    AddEvent(1, kSecondNs + 100);
    Publish();
    ASSERT_EQ(recorder_->Start(kSecondNs, kSecondNs), "");
    AddEvent(0, kSecondNs + 200);
    Publish();
    ASSERT_EQ(recorder_->Poll(kSecondNs + 300), "");
    const auto recording = Finish(2 * kSecondNs);
    EXPECT_EQ(Times(*recording), (std::vector<uint64_t>{kSecondNs + 100, kSecondNs + 200}));
    EXPECT_EQ(recording->lost(), 0u);
}

TEST_F(RecorderTest, TheFirstStatesComeSoonAndLaterOnesEveryTenSeconds) {
    ASSERT_EQ(recorder_->Start(0), "");
    std::vector<uint64_t> seconds;
    for (uint64_t second = 1; second <= 45; ++second) {
        device_->record.frames = second;
        Publish();
        const uint64_t before = recorder_->counts().states;
        ASSERT_EQ(recorder_->Poll(second * kSecondNs), "");
        if (recorder_->counts().states != before) seconds.push_back(second);
    }
    EXPECT_EQ(seconds, (std::vector<uint64_t>{1, 3, 7, 15, 25, 35, 45}));
}

TEST_F(RecorderTest, ACutRecordingTellsOfWhenItsStateIs) {
    ASSERT_EQ(recorder_->Start(kSecondNs), "");
    for (uint64_t second = 2; second <= 6; ++second) {
        device_->record.frames = second;
        Publish();
        ASSERT_EQ(recorder_->Poll(second * kSecondNs), "");
    }
    recorder_.reset();  // as if it had been killed
    EXPECT_NE(Open()->remark().find("Its last state is of 3.0 s after its beginning; samples and "
                                    "events go on to 5.0 s."),
              std::string::npos)
        << Open()->remark();
}

TEST_F(RecorderTest, StatesAreWrittenOnlyWhenSomethingChanged) {
    ASSERT_EQ(recorder_->Start(0), "");
    EXPECT_EQ(recorder_->counts().states, 1u);
    for (uint64_t now = 0; now < 60 * kSecondNs; now += kSecondNs) {
        builder_.header.clock.ns1 += 1000;  // calibrated anew: nothing happened
        builder_.header.sequence += 2;
        Publish();
        ASSERT_EQ(recorder_->Poll(now), "");
    }
    EXPECT_EQ(recorder_->counts().states, 1u);
    device_->record.frames = 5;
    Publish();
    for (uint64_t now = 60 * kSecondNs; now < 90 * kSecondNs; now += kSecondNs)
        ASSERT_EQ(recorder_->Poll(now), "");
    EXPECT_EQ(recorder_->counts().states, 2u);
    EXPECT_EQ(Finish(90 * kSecondNs)->end()->states, 3u);
}

TEST_F(RecorderTest, TotalsAreSampledTenTimesASecondAndOfADestroyedDeviceOnceMore) {
    ASSERT_EQ(recorder_->Start(0), "");
    for (uint64_t now = 0; now < kSecondNs; now += 5 * kMillisecondNs)
        ASSERT_EQ(recorder_->Poll(now), "");
    EXPECT_EQ(Finish(kSecondNs)->samples().size(), 11u);
    device_->record.state = TESSERA_DEVICE_DESTROYED;
    device_->record.destroyed_order = 1;
    Publish();
    for (uint64_t now = kSecondNs; now < 2 * kSecondNs; now += 5 * kMillisecondNs)
        ASSERT_EQ(recorder_->Poll(now), "");
    EXPECT_EQ(recorder_->counts().samples, 12u);
}

TEST_F(RecorderTest, WithoutAnEndWhatWasWrittenCanBeReadAndIsSaidNotToHaveEnded) {
    ASSERT_EQ(recorder_->Start(kSecondNs), "");
    AddEvent(0, kSecondNs + 50);
    Publish();
    ASSERT_EQ(recorder_->Poll(kSecondNs + 100), "");
    ASSERT_EQ(recorder_->Poll(2 * kSecondNs), "");
    recorder_.reset();  // as if it had been killed
    const auto recording = Open();
    EXPECT_NE(recording->remark().find("did not end"), std::string::npos);
    EXPECT_EQ(Times(*recording).size(), 1u);
    EXPECT_FALSE(recording->end().has_value());
}

TEST_F(RecorderTest, ASegmentThatIsCutShortMeanwhileIsGivenUpAndTheRestIsKept) {
    ASSERT_EQ(recorder_->Start(0), "");
    segment_.Resize(100);
    uint64_t now = 0;
    for (; !recorder_->given_up() && now < 100 * kSecondNs; now += 5 * kMillisecondNs)
        ASSERT_EQ(recorder_->Poll(now), "");
    EXPECT_LT(now, 10 * kSecondNs);
    EXPECT_EQ(recorder_->End(now, EndReason::kUnreadable, {}), "");
    const auto recording = Open();
    EXPECT_EQ(recording->end()->reason, EndReason::kUnreadable);
    EXPECT_GT(recording->end()->unreadable, 0u);
    EXPECT_FALSE(recording->last_state().empty());
}

// ---- What commands read from

class SourceTest : public testing::Test {
 protected:
    std::string Write(const std::string& name, std::span<const std::byte> bytes) const {
        test::WriteFile(folder_ / name,
                        {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
        return folder_ / name;
    }
    static std::unique_ptr<command::Source> Open(const std::string& what) {
        std::string error;
        auto source = command::Source::Open(what, &error);
        EXPECT_NE(source, nullptr) << error;
        return source;
    }
    static std::string ErrorOf(const std::string& what) {
        std::string error;
        EXPECT_EQ(command::Source::Open(what, &error), nullptr);
        return error;
    }
    // A recording of the segment at `segment`.
    std::string Record(const std::string& segment) const {
        const std::string path = folder_ / "made.rec";
        auto writer = std::make_unique<ChunkWriter>();
        EXPECT_EQ(writer->Open(path), "");
        const int file = open(segment.c_str(), O_RDONLY | O_CLOEXEC);
        Recorder recorder(file, segment, std::move(writer));
        EXPECT_EQ(recorder.Start(kSecondNs), "");
        EXPECT_EQ(recorder.Poll(kSecondNs), "");
        EXPECT_EQ(recorder.End(2 * kSecondNs, EndReason::kProcessEnded, {.code = 3, .signal = {}}),
                  "");
        close(file);
        return path;
    }
    const test::TempFolder folder_;
};

uint64_t CountEvents(command::Source& source) {
    uint64_t events = 0;
    EXPECT_EQ(source.ForEachEvents([&](std::span<const Event> part) { events += part.size(); }),
              "");
    return events;
}

TEST_F(SourceTest, ARecordingShowsWhatItsSegmentDid) {
    const std::string segment = Write("made.channel", test::SampleSegment().Build());
    const std::string recording = Record(segment);
    const auto a = Open(segment);
    const auto b = Open(recording);
    EXPECT_FALSE(a->IsRecording());
    EXPECT_TRUE(b->IsRecording());
    EXPECT_EQ(b->remark(), "");
    EXPECT_EQ(a->process().pid, b->process().pid);
    EXPECT_EQ(a->process().name, b->process().name);
    ASSERT_EQ(a->process().devices.size(), b->process().devices.size());
    for (size_t i = 0; i < a->process().devices.size(); ++i) {
        const reader::Device& first = a->process().devices[i];
        const reader::Device& second = b->process().devices[i];
        EXPECT_EQ(first.id, second.id);
        EXPECT_EQ(first.frames, second.frames);
        ASSERT_EQ(first.detail.allocations.size(), second.detail.allocations.size());
        for (size_t k = 0; k < first.detail.allocations.size(); ++k) {
            EXPECT_EQ(first.detail.allocations[k].size_bytes,
                      second.detail.allocations[k].size_bytes);
            EXPECT_EQ(first.detail.allocations[k].name, second.detail.allocations[k].name);
        }
        for (size_t k = 0; k < first.memory_types.size(); ++k)
            EXPECT_EQ(first.memory_types[k].totals.app.live,
                      second.memory_types[k].totals.app.live);
    }
    EXPECT_EQ(a->process().stacks.size(), b->process().stacks.size());
    EXPECT_GT(CountEvents(*a), 0u);
    EXPECT_EQ(CountEvents(*a), CountEvents(*b));
    EXPECT_TRUE(a->samples().empty());
    EXPECT_FALSE(b->samples().empty());
    EXPECT_EQ(b->process().state, reader::ProcessState::kEnded);
    EXPECT_EQ(b->process().copied_ns, 2 * kSecondNs) << "when it ended";
}

TEST_F(SourceTest, SaysWhatIsWrongWithWhatItWasGiven) {
    EXPECT_NE(ErrorOf("").find("cannot be read"), std::string::npos);
    EXPECT_NE(ErrorOf("0").find("number of a process"), std::string::npos);
    EXPECT_NE(ErrorOf("99999999999999999999999").find("number of a process"), std::string::npos);
    EXPECT_NE(ErrorOf("4194305").find("4194305"), std::string::npos);
    EXPECT_NE(ErrorOf(folder_ / "missing").find("No such file"), std::string::npos);
    EXPECT_NE(ErrorOf(folder_.path()).find("regular file"), std::string::npos);
    EXPECT_NE(ErrorOf("/dev/zero").find("regular file"), std::string::npos);
    const std::string text = folder_ / "text";
    test::WriteFile(text, std::string(100'000, 'x'));
    EXPECT_NE(ErrorOf(text).find("not a statistics segment"), std::string::npos) << ErrorOf(text);
    test::WriteFile(text, "TSSAREC1");
    EXPECT_NE(ErrorOf(text).find("cut short"), std::string::npos) << ErrorOf(text);
}

TEST_F(SourceTest, OfAProcessFollowsNoLinkAndOfAPathDoes) {
    const std::string segment = Write("made.channel", test::SampleSegment().Build());
    setenv("XDG_RUNTIME_DIR", folder_.path().c_str(), 1);
    std::filesystem::create_directory(folder_ / "tessera");
    const std::string link = folder_ / "tessera/4194305-5.channel";
    std::filesystem::create_symlink(Record(segment), link);
    EXPECT_NE(ErrorOf("4194305").find("it is a symbolic link"), std::string::npos);
    EXPECT_TRUE(Open(link)->IsRecording());
    unsetenv("XDG_RUNTIME_DIR");
}

TEST_F(SourceTest, ARecordingThatWasCutIsReadAndSaysSo) {
    const std::string path = Record(Write("made.channel", test::SampleSegment().Build()));
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
    const auto source = Open(path);
    EXPECT_NE(source->remark().find("not whole"), std::string::npos) << source->remark();
    EXPECT_FALSE(source->process().devices.empty());
}

}  // namespace
}  // namespace tessera::recording
