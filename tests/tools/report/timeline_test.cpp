// SPDX-License-Identifier: Apache-2.0
//
// Timeline: no value is lost however long it grows.
#include "tools/report/timeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace tessera::command::report {
namespace {

TEST(Timeline, KeepsLowestHighestAndLastOfASpan) {
    Timeline timeline;
    const size_t series = timeline.AddSeries();
    timeline.Change(series, 5'000, 10);
    timeline.Change(series, 5'001, 20);
    timeline.Change(series, 5'002, -25);
    const std::vector<Timeline::Span> spans = timeline.Spans(series);
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_EQ(spans[0].index, 0u);
    EXPECT_EQ(spans[0].min, 0);
    EXPECT_EQ(spans[0].max, 30);
    EXPECT_EQ(spans[0].last, 5);
    EXPECT_EQ(timeline.value(series), 5);
}

TEST(Timeline, BeginsASpanWithTheValueBeforeIt) {
    Timeline timeline;
    const size_t series = timeline.AddSeries();
    timeline.Change(series, 0, 7);
    timeline.Change(series, 10 * Timeline::kFirstWidthNs, 1);
    const std::vector<Timeline::Span> spans = timeline.Spans(series);
    ASSERT_EQ(spans.size(), 2u);
    EXPECT_EQ(spans[1].index, 10u);
    EXPECT_EQ(spans[1].min, 7);
    EXPECT_EQ(spans[1].max, 8);
}

// A peak of one nanosecond in a day is still there, and in its place.
TEST(Timeline, KeepsAPeakWhateverTheLength) {
    Timeline timeline;
    const size_t series = timeline.AddSeries();
    const size_t other = timeline.AddSeries();
    constexpr uint64_t kDay = uint64_t{86'400} * 1'000'000'000;
    timeline.Change(series, 1, 100);
    timeline.Change(series, kDay / 2, 900);
    timeline.Change(series, kDay / 2 + 1, -900);
    timeline.Set(other, kDay, 3);
    const std::vector<Timeline::Span> spans = timeline.Spans(series);
    EXPECT_LE(spans.size(), Timeline::kSpans);
    const auto peak = std::ranges::max_element(spans, {}, &Timeline::Span::max);
    EXPECT_EQ(peak->max, 1'000);
    const uint64_t from = timeline.origin_ns() + peak->index * timeline.width_ns();
    EXPECT_LE(from, kDay / 2);
    EXPECT_GT(from + timeline.width_ns(), kDay / 2);
    EXPECT_EQ(spans.back().last, 100);
}

TEST(Timeline, NeverHasMoreSpansThanItMay) {
    Timeline timeline;
    const size_t series = timeline.AddSeries();
    for (uint64_t i = 0; i < 200'000; ++i)
        timeline.Change(series, i * 5'000, i % 2 == 0 ? 1 : -1);
    const std::vector<Timeline::Span> spans = timeline.Spans(series);
    EXPECT_LE(spans.size(), Timeline::kSpans);
    EXPECT_GT(spans.size(), Timeline::kSpans / 2 - 1);
    for (const Timeline::Span& span : spans) {
        EXPECT_EQ(span.min, 0);
        EXPECT_EQ(span.max, 1);
    }
}

TEST(Timeline, ShiftsWhatIsKnown) {
    Timeline timeline;
    const size_t series = timeline.AddSeries();
    timeline.Change(series, 0, -5);
    timeline.Shift(series, 50);
    EXPECT_EQ(timeline.Spans(series)[0].min, 45);
    EXPECT_EQ(timeline.Spans(series)[0].max, 50);
    EXPECT_EQ(timeline.value(series), 45);
}

TEST(Timeline, TakesWhatIsEarlierThanItsBeginAsItsBegin) {
    Timeline timeline;
    const size_t series = timeline.AddSeries();
    timeline.Change(series, 1'000'000, 1);
    timeline.Change(series, 10, 1);
    EXPECT_EQ(timeline.Spans(series).size(), 1u);
    EXPECT_EQ(timeline.end_ns(), 1'000'000u);
}

// From a hostile recording.
TEST(Timeline, SurvivesTheLargestNumbers) {
    Timeline timeline;
    const size_t series = timeline.AddSeries();
    timeline.Change(series, 0, INT64_MAX);
    timeline.Change(series, UINT64_MAX, INT64_MAX);
    timeline.Shift(series, INT64_MAX);
    EXPECT_LE(timeline.Spans(series).size(), 2u);
}

}  // namespace
}  // namespace tessera::command::report
