// SPDX-License-Identifier: Apache-2.0
//
// The parts of the reader that need no segment: names, percentiles, text made safe, file names.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string_view>

#include "channel/segment_name.h"
#include "reader/text.h"
#include "tessera/reader.h"

namespace tessera::reader {
namespace {

TEST(Names, KnownNumbersHaveNamesAndOthersSayUnknown) {
    EXPECT_STREQ(ReasonName(TESSERA_REASON_dedicated), "dedicated");
    EXPECT_STREQ(ReasonName(TESSERA_REASON_COUNT), "unknown");
    EXPECT_STREQ(ReasonText(TESSERA_REASON_disabled), "switched off by a setting");
    EXPECT_STREQ(ReasonText(TESSERA_REASON_COUNT), "");
    EXPECT_STREQ(CallName(TESSERA_CALL_vkQueueBindSparse), "vkQueueBindSparse");
    EXPECT_STREQ(CallName(TESSERA_CALL_COUNT), "unknown");
    EXPECT_STREQ(Name(ProcessState::kLive), "live");
    EXPECT_STREQ(Name(ProcessState::kClosed), "closed");
    EXPECT_STREQ(Name(ProcessState::kEnded), "ended");
}

// A histogram of the durations from 1 to 1,000 ns, each once.
tessera_call_totals OneToAThousand() {
    tessera_call_totals call = {};
    for (uint64_t ns = 1; ns <= 1000; ++ns)
        ++call.histogram[tessera_histogram_bucket(ns)];
    call.count = 1000;
    call.timed = 1000;
    call.max_ns = 1000;
    return call;
}

TEST(Percentile, IsTheUpperEndOfTheBucketItFallsInto) {
    const tessera_call_totals call = OneToAThousand();
    for (const double fraction : {0.01, 0.25, 0.5, 0.75, 0.9, 0.99}) {
        const auto exact = static_cast<uint64_t>(std::lround(fraction * 1000));
        const uint64_t shown = Percentile(call, fraction);
        EXPECT_GE(shown, exact);
        EXPECT_EQ(tessera_histogram_bucket(shown), tessera_histogram_bucket(exact));
    }
}

TEST(Percentile, TheEndsAreTheSmallestBucketAndTheMaximum) {
    const tessera_call_totals call = OneToAThousand();
    EXPECT_EQ(Percentile(call, 0), 1u);
    EXPECT_EQ(Percentile(call, 1), 1000u);
    EXPECT_EQ(Percentile(call, -3), 1u);
    EXPECT_EQ(Percentile(call, 7), 1000u);
    EXPECT_EQ(Percentile(call, std::numeric_limits<double>::quiet_NaN()), 1u);
}

TEST(Percentile, IsZeroWhenNothingWasTimed) {
    EXPECT_EQ(Percentile({}, 0.5), 0u);
}

TEST(Percentile, TheOpenBucketEndsAtTheMaximum) {
    tessera_call_totals call = {};
    call.histogram[TESSERA_HISTOGRAM_BUCKETS - 1] = 3;
    call.max_ns = uint64_t{1} << 50;
    EXPECT_EQ(Percentile(call, 0.5), uint64_t{1} << 50);
}

TEST(Percentile, ForgedCountsGiveSomeNumber) {
    tessera_call_totals call = {};
    for (uint64_t& count : call.histogram)
        count = std::numeric_limits<uint64_t>::max();
    call.max_ns = 12345;
    EXPECT_LE(Percentile(call, 0.99), 12345u);
}

std::string Safe(std::string_view text) {
    return SafeText(std::span(text));
}

TEST(SafeText, GoodTextStaysAsItIs) {
    EXPECT_EQ(Safe("NVIDIA H200"), "NVIDIA H200");
    EXPECT_EQ(Safe("Gr\xC3\xBC\xC3\x9F"
                   "e \xE2\x82\xAC \xF0\x9F\x98\x80"),
              "Gr\xC3\xBC\xC3\x9F"
              "e \xE2\x82\xAC \xF0\x9F\x98\x80");
    EXPECT_EQ(Safe(""), "");
}

TEST(SafeText, EndsAtTheFirstZeroOrAtTheEnd) {
    using std::string_view_literals::operator""sv;
    EXPECT_EQ(Safe("name\0rest"sv), "name");
    EXPECT_EQ(Safe("unterminated"), "unterminated");
}

TEST(SafeText, ControlCharactersCannotDriveATerminal) {
    EXPECT_EQ(Safe("a\x1B[2Jb\n\t\x7F"), "a?[2Jb???");
    EXPECT_EQ(Safe("a\xC2\x9B"
                   "2Jb"),
              "a??2Jb");
}

TEST(SafeText, MarksThatChangeTheDirectionOfWritingAreReplaced) {
    for (const char* const mark : {"\xD8\x9C", "\xE2\x80\x8E", "\xE2\x80\x8F", "\xE2\x80\xA8",
                                   "\xE2\x80\xAA", "\xE2\x80\xAE", "\xE2\x81\xA6", "\xE2\x81\xA9"})
        EXPECT_EQ(Safe(std::string("a") + mark + "b"), "a" + std::string(strlen(mark), '?') + "b");
    // Their neighbours are ordinary.
    for (const char* const other : {"\xD8\x9B", "\xE2\x80\x90", "\xE2\x80\xA7", "\xE2\x80\xAF"})
        EXPECT_EQ(Safe(other), other);
}

TEST(SafeText, WhatIsNotUtf8IsReplacedByteByByte) {
    EXPECT_EQ(Safe("\xFF\xFE"), "??");
    EXPECT_EQ(Safe("\x80x"), "?x");
    EXPECT_EQ(Safe("\xC0\xAF"), "??");            // an overlong slash
    EXPECT_EQ(Safe("\xE0\x80\xAF"), "???");       // the same, longer
    EXPECT_EQ(Safe("\xED\xA0\x80"), "???");       // half of a surrogate pair
    EXPECT_EQ(Safe("\xF4\x90\x80\x80"), "????");  // beyond the last code point
    EXPECT_EQ(Safe("\xE2\x82"), "??");            // cut in the middle
    EXPECT_EQ(Safe("\xE2\x28\xA1"), "?(?");
}

TEST(SegmentName, IsReadOnlyIfSpelledExactly) {
    const auto owner = channel::ParseSegmentName("123-456.channel");
    ASSERT_TRUE(owner.has_value());
    EXPECT_EQ(owner->pid, 123u);
    EXPECT_EQ(owner->start_time, 456u);
    for (const char* const name :
         {"", "-", ".channel", "123.channel", "123-.channel", "-456.channel", "0123-456.channel",
          "123-0456.channel", "+123-456.channel", " 123-456.channel", "123-456.channel ",
          "123-456.channel2", "123-456.Channel", "123-456", "123-456-7.channel", "123--456.channel",
          "99999999999999999999-1.channel", "1-99999999999999999999.channel", "0x1-1.channel"})
        EXPECT_FALSE(channel::ParseSegmentName(name).has_value()) << name;
}

TEST(SegmentName, TheLargestNumbersFit) {
    constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();
    char name[channel::kMaxSegmentNameBytes];
    channel::FormatSegmentName({.pid = kLargest, .start_time = kLargest}, name);
    const auto owner = channel::ParseSegmentName(name);
    ASSERT_TRUE(owner.has_value());
    EXPECT_EQ(owner->pid, kLargest);
    EXPECT_EQ(owner->start_time, kLargest);
}

}  // namespace
}  // namespace tessera::reader
