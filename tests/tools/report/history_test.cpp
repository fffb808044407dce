// SPDX-License-Identifier: Apache-2.0
//
// History and Churn: what the stream of events and samples sums up to.
#include "tools/report/history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/tools/report/scenes.h"

namespace tessera::command::report {
namespace {

using test::EmptyScene;
using test::MadeSource;

constexpr uint64_t kSecond = 1'000'000'000;

reader::Event MakeEvent(uint64_t time_ns, tessera_event_kind kind, uint64_t object, uint64_t value,
                        uint16_t detail = 0) {
    reader::Event event;
    event.time_ns = time_ns;
    event.device = 1;
    event.kind = static_cast<uint8_t>(kind);
    event.object = object;
    event.value = value;
    event.detail = detail;
    event.thread = 1;
    return event;
}

uint16_t Took(uint64_t ns) {
    return static_cast<uint16_t>(1 + tessera_histogram_bucket(ns));
}

std::vector<Timeline::Span> SpansOf(const History& history, Quantity quantity, uint32_t heap = 0) {
    for (const Curve& curve : history.curves)
        if (curve.heap == heap && curve.quantity == quantity)
            return history.timeline.Spans(curve.series);
    return {};
}

TEST(History, OfAProcessRatesAreOverTheTimeOfWhichAllocationsAreKnown) {
    // The ring with the blocks goes back farther than the one with the allocations.
    const auto source = EmptyScene();
    source->events = {MakeEvent(101 * kSecond, TESSERA_EVENT_block_made, 7, 4'096),
                      MakeEvent(141 * kSecond, TESSERA_EVENT_allocate, 1, 300),
                      MakeEvent(143 * kSecond, TESSERA_EVENT_free, 1, 300)};
    History history;
    EXPECT_EQ(ReadHistory(*source, &history), "");
    EXPECT_EQ(history.seconds(), 42.0);
    EXPECT_EQ(history.churn_seconds(), 2.0);
    // A recording has all events from its beginning.
    source->recording = true;
    History recorded;
    EXPECT_EQ(ReadHistory(*source, &recorded), "");
    EXPECT_EQ(recorded.churn_seconds(), 42.0);
}

TEST(History, HangsCurvesOfASegmentUpAtTheLastState) {
    const auto source = EmptyScene();
    source->process().devices[0].memory_types[0].totals.app.live_bytes = 1'000;
    source->process().devices[0].memory_types[0].totals.app.live = 3;
    source->events = {MakeEvent(101 * kSecond, TESSERA_EVENT_allocate, 1, 300),
                      MakeEvent(102 * kSecond, TESSERA_EVENT_free, 9, 100)};
    History history;
    EXPECT_EQ(ReadHistory(*source, &history), "");
    const auto bytes = SpansOf(history, Quantity::kAppBytes);
    ASSERT_GE(bytes.size(), 3u);
    EXPECT_EQ(bytes[0].min, 800);  // before the first event
    EXPECT_EQ(bytes[0].last, 1'100);
    EXPECT_EQ(bytes[1].last, 1'000);
    EXPECT_EQ(bytes.back().last, 1'000);
    EXPECT_EQ(SpansOf(history, Quantity::kAppLive)[0].last, 4);
}

Sample SampleAt(uint64_t time_ns, uint64_t bytes) {
    Sample sample;
    sample.time_ns = time_ns;
    sample.device = 1;
    sample.types = {{.app_live = 1,
                     .app_live_bytes = bytes,
                     .driver_live = 0,
                     .driver_live_bytes = 0,
                     .allocations = 0,
                     .frees = 0},
                    {}};
    return sample;
}

TEST(History, DrawsCurvesFromSamplesAlone) {
    const auto source = EmptyScene();
    source->recording = true;
    source->process().devices[0].memory_types[0].totals.app.live_bytes = 700;
    source->made_samples = {SampleAt(101 * kSecond, 500), SampleAt(102 * kSecond, 900),
                            SampleAt(103 * kSecond, 700)};
    History history;
    EXPECT_EQ(ReadHistory(*source, &history), "");
    const auto bytes = SpansOf(history, Quantity::kAppBytes);
    ASSERT_GE(bytes.size(), 3u);
    EXPECT_EQ(bytes[0].min, 500);
    EXPECT_EQ(bytes[1].last, 900);
    EXPECT_EQ(bytes.back().last, 700);
}

// The allocation of 100 is in the sample already, whose time was taken before its numbers.
TEST(History, IsNotLedAwayByASampleTakenWhileEventsGoOn) {
    const auto source = EmptyScene();
    source->recording = true;
    source->process().devices[0].memory_types[0].totals.app.live_bytes = 200;
    source->made_samples = {SampleAt(100 * kSecond, 0), SampleAt(102 * kSecond, 200)};
    source->events = {MakeEvent(101 * kSecond, TESSERA_EVENT_allocate, 1, 100),
                      MakeEvent(102 * kSecond + 1, TESSERA_EVENT_allocate, 2, 100)};
    History history;
    EXPECT_EQ(ReadHistory(*source, &history), "");
    for (const Timeline::Span& span : SpansOf(history, Quantity::kAppBytes))
        EXPECT_LE(span.max, 200);
}

TEST(History, ReturnsToSamplesAfterEventsWereLost) {
    const auto source = EmptyScene();
    source->recording = true;
    source->made_lost = 5;
    source->process().devices[0].memory_types[0].totals.app.live_bytes = 4'000;
    source->made_samples = {SampleAt(100 * kSecond, 0), SampleAt(102 * kSecond, 4'100),
                            SampleAt(104 * kSecond, 4'200)};
    source->events = {MakeEvent(101 * kSecond, TESSERA_EVENT_allocate, 1, 100),
                      MakeEvent(103 * kSecond, TESSERA_EVENT_allocate, 2, 100),
                      MakeEvent(105 * kSecond, TESSERA_EVENT_free, 1, 200)};
    History history;
    EXPECT_EQ(ReadHistory(*source, &history), "");
    EXPECT_EQ(history.lost, 5u);
    const auto bytes = SpansOf(history, Quantity::kAppBytes);
    EXPECT_EQ(bytes.back().last, 4'000);
    EXPECT_TRUE(
        std::ranges::any_of(bytes, [](const Timeline::Span& span) { return span.last == 4'200; }));
}

TEST(History, CountsWhatPassedThroughForTheDriverUntilItIsFreed) {
    const auto source = EmptyScene();
    source->events = {
        MakeEvent(101 * kSecond, TESSERA_EVENT_pass_through, 7, 64, TESSERA_REASON_dedicated),
        MakeEvent(102 * kSecond, TESSERA_EVENT_allocate, 8, 32),
        MakeEvent(103 * kSecond, TESSERA_EVENT_free, 8, 32),
        MakeEvent(104 * kSecond, TESSERA_EVENT_free, 7, 64)};
    History history;
    EXPECT_EQ(ReadHistory(*source, &history), "");
    const auto driver = SpansOf(history, Quantity::kDriverBytes);
    const auto most = std::ranges::max_element(driver, {}, &Timeline::Span::max);
    EXPECT_EQ(most->max, 64);
    EXPECT_EQ(driver.back().last, 0);
}

TEST(History, SurvivesEventsOfNoDeviceNoTypeAndNoKind) {
    const auto source = EmptyScene();
    reader::Event event = MakeEvent(101 * kSecond, TESSERA_EVENT_allocate, 1, UINT64_MAX);
    event.type = 255;
    source->events.push_back(event);
    event.device = 99;
    source->events.push_back(event);
    event.kind = 200;
    source->events.push_back(event);
    event.kind = 0;
    event.thread = event.stack = 65'535;
    source->events.push_back(event);
    event = MakeEvent(1, TESSERA_EVENT_free, 1, UINT64_MAX, 65'535);
    source->events.push_back(event);
    History history;
    EXPECT_EQ(ReadHistory(*source, &history), "");
    EXPECT_EQ(history.unknown_events, 2u);
    EXPECT_EQ(history.total_events(), 5u);
}

TEST(History, TellsWhyReadingStoppedAndKeepsWhatWasRead) {
    const auto source = EmptyScene();
    source->problem = "the recording is damaged";
    source->events = {MakeEvent(101 * kSecond, TESSERA_EVENT_allocate, 1, 10)};
    History history;
    EXPECT_EQ(ReadHistory(*source, &history), "the recording is damaged");
    EXPECT_EQ(history.events[TESSERA_EVENT_allocate], 1u);
}

TEST(History, CountsFramesAndTheTimeBetweenThem) {
    const auto source = EmptyScene();
    for (uint64_t i = 0; i < 100; ++i)
        source->events.push_back(
            MakeEvent(101 * kSecond + i * 10'000'000, TESSERA_EVENT_frame, 0, i));
    History history;
    EXPECT_EQ(ReadHistory(*source, &history), "");
    const Frames& frames = history.frames.at(1);
    EXPECT_EQ(frames.count, 100u);
    EXPECT_EQ(frames.intervals[tessera_histogram_bucket(10'000'000)], 99u);
    EXPECT_EQ(frames.longest_ns, 10'000'000u);
    EXPECT_EQ(frames.threads.at(1), 100u);
}

// One call in eight is timed: the seven others are taken to have cost as much.
TEST(Churn, EstimatesTheCostOfCallsThatWereNotTimed) {
    Churn churn;
    for (int i = 0; i < 800; ++i)
        churn.Count(
            {.size_bytes = 256, .stack = 1, .thread = 1, .timed = i % 8 == 0, .took_ns = 100});
    const auto groups = churn.Groups(Churn::By::kSize);
    ASSERT_EQ(groups.size(), 1u);
    EXPECT_DOUBLE_EQ(churn.CostNs(groups[0]), 80'000);
}

// A call that reached the driver is always timed, and stands for itself alone.
TEST(History, DoesNotTakeTheTimeOfABlockForThatOfOtherAllocations) {
    const auto source = EmptyScene();
    uint64_t time_ns = 101 * kSecond;
    source->events.push_back(MakeEvent(time_ns++, TESSERA_EVENT_block_made, 1, 1 << 20));
    source->events.push_back(MakeEvent(time_ns++, TESSERA_EVENT_allocate, 1, 256, Took(1'000'000)));
    for (uint64_t i = 0; i < 99; ++i)
        source->events.push_back(MakeEvent(time_ns++, TESSERA_EVENT_allocate, 2 + i, 256,
                                           i == 50 ? Took(100) : uint16_t{0}));
    History history;
    EXPECT_EQ(ReadHistory(*source, &history), "");
    const auto groups = history.churn.Groups(Churn::By::kSize);
    ASSERT_EQ(groups.size(), 1u);
    EXPECT_EQ(groups[0].allocate.driver, 1u);
    const double expected = static_cast<double>(BucketNs(tessera_histogram_bucket(1'000'000))) +
                            99.0 * static_cast<double>(BucketNs(tessera_histogram_bucket(100)));
    EXPECT_DOUBLE_EQ(history.churn.CostNs(groups[0]), expected);
}

TEST(Churn, GroupsBySizeStackAndThread) {
    Churn churn;
    for (uint16_t i = 0; i < 12; ++i)
        churn.Count({.size_bytes = 100u + i % 2u,
                     .stack = static_cast<uint16_t>(i % 3),
                     .thread = static_cast<uint16_t>(i % 4)});
    EXPECT_EQ(churn.Groups(Churn::By::kSize).size(), 2u);
    EXPECT_EQ(churn.Groups(Churn::By::kStack).size(), 3u);
    EXPECT_EQ(churn.Groups(Churn::By::kThread).size(), 4u);
    size_t groups = 0;
    churn.ForEach([&](const ChurnGroup& group) {
        EXPECT_EQ(group.allocate.count, 1u);
        ++groups;
    });
    EXPECT_EQ(groups, 12u);
}

// Memory is bounded whatever is allocated, and no call is forgotten.
TEST(Churn, FoldsSizesIntoClassesWhenThereAreTooMany) {
    Churn churn;
    constexpr uint64_t kCalls = 300'000;
    for (uint64_t i = 0; i < kCalls; ++i)
        churn.Count({.size_bytes = i + 1, .stack = static_cast<uint16_t>(i % 50'000), .thread = 1});
    EXPECT_GT(churn.folded(), 0u);
    size_t groups = 0;
    uint64_t calls = 0;
    churn.ForEach([&](const ChurnGroup& group) {
        ++groups;
        calls += group.allocate.count;
    });
    EXPECT_LE(groups, Churn::kLimit + 300);
    EXPECT_EQ(calls, kCalls);
}

TEST(Churn, RoundsSizesDownToTheirClass) {
    EXPECT_EQ(SizeClass(0), 0u);
    EXPECT_EQ(SizeClass(7), 7u);
    EXPECT_EQ(SizeClass(9), 8u);
    EXPECT_EQ(SizeClass(1023), 896u);
    EXPECT_EQ(SizeClass(UINT64_MAX), uint64_t{7} << 61);
}

}  // namespace
}  // namespace tessera::command::report
