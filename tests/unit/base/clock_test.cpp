// SPDX-License-Identifier: Apache-2.0
//
// Moments on two clocks, where the thread waits for its processor between the reads.
#include "layer/base/clock.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

// Two clocks of one time, and how much of it passes before each read.
struct Clocks {
    uint64_t now = 1'000'000;
    int reads = 0;
    int slow_read = 0;  // before which the thread waits
    uint64_t Read() {
        now += ++reads == slow_read ? 50'000'000 : 10;
        return now;
    }
};

TEST(Clock, AMomentIsTheSameOnBothClocksWhereverTheThreadWaits) {
    for (int slow_read = 0; slow_read <= 16; ++slow_read) {
        Clocks clocks;
        clocks.slow_read = slow_read;
        const auto read = [&clocks] { return clocks.Read(); };
        const Moment moment = ReadBoth(read, read);
        EXPECT_EQ(moment.ticks, moment.ns) << slow_read;
    }
}

TEST(Clock, NowIsBetweenWhatBothClocksSayBeforeAndAfter) {
    const uint64_t ticks = Ticks();
    const uint64_t ns = NowNs();
    const Moment now = Now();
    EXPECT_LE(ticks, now.ticks);
    EXPECT_LE(ns, now.ns);
    EXPECT_LE(now.ticks, Ticks());
    EXPECT_LE(now.ns, NowNs());
}

}  // namespace
}  // namespace tessera
