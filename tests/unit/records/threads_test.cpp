// SPDX-License-Identifier: Apache-2.0
//
// Numbers of threads: one for each, as long as the segment lasts, and 0 where there is no room.
#include "channel/threads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "fake_extents.h"

namespace tessera::test {
namespace {

using channel::CurrentThread;
using testing::Each;
using testing::SizeIs;

using Threads = RecordsTest;

uint64_t OwnTid() {
    return static_cast<uint64_t>(syscall(SYS_gettid));
}

tessera_thread_record RecordOf(uint16_t number) {
    return Records<tessera_thread_record>(TESSERA_KIND_THREADS, 0).at(number);
}

uint16_t NumberOfNewThread() {
    uint16_t number = 0;
    std::thread([&] { number = CurrentThread(); }).join();
    return number;
}

TEST_F(Threads, AThreadHasOneNumberAndARecordThatSaysWhichItIs) {
    std::thread([] {
        pthread_setname_np(pthread_self(), "a fifteen bytes");
        const uint16_t number = CurrentThread();
        ASSERT_NE(number, 0);
        EXPECT_EQ(CurrentThread(), number);
        const tessera_thread_record record = RecordOf(number);
        EXPECT_EQ(record.tid, OwnTid());
        EXPECT_STREQ(record.name, "a fifteen bytes");
        EXPECT_EQ(record.sequence % 2, 0u);
        EXPECT_NE(record.sequence, 0u);
    }).join();
}

TEST_F(Threads, RecordZeroIsNotInUse) {
    EXPECT_EQ(CurrentThread(), 1);
    EXPECT_EQ(RecordOf(0).tid, 0u);
}

TEST_F(Threads, ThreadsThatComeAtOnceHaveNumbersOfTheirOwn) {
    constexpr int kThreads = 16;
    std::atomic<int> waiting = kThreads;
    std::vector<uint16_t> numbers(kThreads);
    std::vector<uint64_t> tids(kThreads);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
            --waiting;
            while (waiting != 0)
                std::this_thread::yield();
            numbers[i] = CurrentThread();
            tids[i] = OwnTid();
            for (int again = 0; again < 100; ++again)
                EXPECT_EQ(CurrentThread(), numbers[i]);
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_THAT(std::set<uint16_t>(numbers.begin(), numbers.end()), SizeIs(kThreads));
    for (size_t i = 0; i < kThreads; ++i)
        EXPECT_EQ(RecordOf(numbers[i]).tid, tids[i]);
}

TEST_F(Threads, AThreadFindsItsRecordAgainWhenTheLayerComesBack) {
    const uint16_t other = NumberOfNewThread();
    const uint16_t number = CurrentThread();
    Reload();
    EXPECT_EQ(CurrentThread(), number);
    const uint16_t next = NumberOfNewThread();
    EXPECT_NE(next, number);
    EXPECT_NE(next, other) << "the record of a thread that ended stays its own";
    EXPECT_EQ(next, 3);
}

TEST_F(Threads, InAnotherSegmentNumbersBeginAnew) {
    NumberOfNewThread();
    EXPECT_EQ(CurrentThread(), 2);
    Renew();
    EXPECT_EQ(CurrentThread(), 1);
    EXPECT_EQ(RecordOf(1).tid, OwnTid());
}

TEST_F(Threads, WithoutRoomThereIsNoNumberAndItIsAskedForOnce) {
    SetRoom(0);
    EXPECT_EQ(CurrentThread(), 0);
    const uint64_t asked = TimesAsked();
    EXPECT_EQ(CurrentThread(), 0);
    EXPECT_EQ(TimesAsked(), asked);
    SetRoom(kAmpleRoom);
    EXPECT_EQ(NumberOfNewThread(), 1) << "another thread finds the room";
    EXPECT_EQ(CurrentThread(), 0);
}

TEST_F(Threads, BeyondTheLastRecordThreadsHaveNoNumber) {
    std::vector<uint16_t> numbers;
    for (uint32_t i = 0; i < channel::kMaxThreads + 5; ++i)
        numbers.push_back(NumberOfNewThread());
    for (uint32_t i = 0; i + 1 < channel::kMaxThreads; ++i)
        ASSERT_EQ(numbers[i], i + 1);
    const std::vector<uint16_t> late(numbers.begin() + channel::kMaxThreads - 1, numbers.end());
    EXPECT_THAT(late, Each(0));
    EXPECT_THAT(Records<tessera_thread_record>(TESSERA_KIND_THREADS, 0),
                SizeIs(channel::kMaxThreads));
}

TEST_F(Threads, AForkedChildBeginsAnew) {
    NumberOfNewThread();
    EXPECT_EQ(CurrentThread(), 2);
    InForkedChild([] {
        RenewInChild();
        EXPECT_EQ(CurrentThread(), 1);
        EXPECT_EQ(RecordOf(1).tid, OwnTid());
    });
    EXPECT_EQ(CurrentThread(), 2);
}

TEST_F(Threads, AForkedChildNeedsNoThreadOfItsParent) {
    std::atomic<bool> stop = false;
    std::thread busy([&] {
        while (!stop) {
            Reload();
            CurrentThread();
        }
    });
    for (int i = 0; i < 30; ++i) {
        InForkedChild([] {
            RenewInChild();
            EXPECT_EQ(CurrentThread(), 1);
        });
    }
    stop = true;
    busy.join();
}

}  // namespace
}  // namespace tessera::test
