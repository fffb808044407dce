// SPDX-License-Identifier: Apache-2.0
//
// Forked children: they notice it by one load, start over with a segment of their own, and nothing
// they do reaches their parent's.
#include "base/fork_guard.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "support.h"

namespace tessera::test {
namespace {

using channel::DeviceCreated;
using channel::DeviceDestroyed;
using channel::InstanceCreated;
using channel::InstanceDestroyed;
using testing::SizeIs;

using ForkGuard = testing::Test;
using ChannelFork = ChannelTest;

std::atomic<int> g_restarts{0};
void CountRestart() noexcept {
    g_restarts.fetch_add(1);
}

TEST_F(ForkGuard, AProcessThatDidNotForkEntersOnceAndForAll) {
    EXPECT_FALSE(EnterProcess(CountRestart));
    const uint64_t epoch = ForkEpoch();
    EXPECT_NE(epoch, 0u);
    EXPECT_FALSE(EnterProcess(CountRestart));
    EXPECT_EQ(ForkEpoch(), epoch);
    EXPECT_EQ(g_restarts.load(), 0);
}

TEST_F(ForkGuard, AChildHasNoEpochUntilItEntersAndThenANewOne) {
    EnterProcess(nullptr);
    const uint64_t parent = ForkEpoch();
    InChild([parent] {
        EXPECT_EQ(ForkEpoch(), 0u);
        EXPECT_TRUE(EnterProcess(CountRestart));
        EXPECT_EQ(g_restarts.load(), 1);
        const uint64_t child = ForkEpoch();
        EXPECT_NE(child, 0u);
        EXPECT_NE(child, parent);
        EXPECT_FALSE(EnterProcess(CountRestart));
        EXPECT_EQ(ForkEpoch(), child);
        InChild([parent, child] {
            EXPECT_EQ(ForkEpoch(), 0u);
            EXPECT_TRUE(EnterProcess(nullptr));
            EXPECT_NE(ForkEpoch(), parent);
            EXPECT_NE(ForkEpoch(), child);
        });
        EXPECT_EQ(ForkEpoch(), child);
    });
    EXPECT_EQ(ForkEpoch(), parent);
    EXPECT_FALSE(EnterProcess(CountRestart));
}

TEST_F(ForkGuard, AGrandchildOfAChildThatNeverEnteredStartsOverAsWell) {
    EnterProcess(nullptr);
    const uint64_t parent = ForkEpoch();
    InChild([parent] {
        InChild([parent] {
            EXPECT_EQ(ForkEpoch(), 0u);
            EXPECT_TRUE(EnterProcess(nullptr));
            EXPECT_NE(ForkEpoch(), parent);
        });
    });
}

TEST_F(ForkGuard, TheEpochIsZeroWhileTheChildRestarts) {
    EnterProcess(nullptr);
    InChild([] {
        static uint64_t seen;
        seen = 1;
        EnterProcess([]() noexcept { seen = ForkEpoch(); });
        EXPECT_EQ(seen, 0u);
    });
}

TEST_F(ForkGuard, OfManyThreadsOfAChildOneRestartsAndTheOthersWaitForIt) {
    EnterProcess(nullptr);
    InChild([] {
        constexpr int kThreads = 8;
        std::atomic<int> waiting{kThreads};
        std::atomic<int> elected{0};
        std::atomic<int> too_early{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < kThreads; ++i) {
            threads.emplace_back([&] {
                waiting.fetch_sub(1);
                while (waiting.load() != 0)
                    std::this_thread::yield();
                if (EnterProcess(CountRestart)) elected.fetch_add(1);
                if (ForkEpoch() == 0 || g_restarts.load() != 1) too_early.fetch_add(1);
            });
        }
        for (std::thread& thread : threads)
            thread.join();
        EXPECT_EQ(elected.load(), 1);
        EXPECT_EQ(g_restarts.load(), 1);
        EXPECT_EQ(too_early.load(), 0);
    });
}

std::string ReadBytes(const std::string& path) {
    std::string bytes(std::filesystem::file_size(path), '\0');
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(read(file, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    close(file);
    return bytes;
}

TEST_F(ChannelFork, AChildHasASegmentOfItsOwnAndLeavesItsParentsAlone) {
    InstanceCreated(true);
    tessera_device_record* const record = DeviceCreated(Facts("of the parent"));
    CountOne(*record, 0, 64);
    const std::string path = own_path();
    const std::string before = ReadBytes(path);
    const auto parent = static_cast<uint64_t>(getpid());
    InChild([record, parent] {
        channel::ForkedChild();
        // Misuse of what the parent made stays in the child.
        CountOne(*record, 0, 1 << 20);
        DeviceDestroyed(record);
        InstanceDestroyed();

        InstanceCreated(true);
        tessera_device_record* const own = DeviceCreated(Facts("of the child"));
        CountOne(*own, 0, 32);
        const reader::Process process = ReadOwn();
        EXPECT_EQ(process.parent_pid, parent);
        ASSERT_THAT(process.devices, SizeIs(1));
        EXPECT_EQ(process.devices[0].name, "of the child");
        EXPECT_EQ(process.devices[0].id, 1u);
        DeviceDestroyed(own);
        InstanceDestroyed();
    });
    EXPECT_EQ(ReadBytes(path), before);
    EXPECT_EQ(CountEntries(folder()), 2u);
    CountOne(*record, 0, 64);
    EXPECT_EQ(ReadOwn().devices.at(0).memory_types[0].totals.app.live, 2u);
    DeviceDestroyed(record);
    InstanceDestroyed();
}

TEST_F(ChannelFork, RecordsOutsideOfTheSegmentAreForgottenAsWell) {
    InstanceCreated(false);
    tessera_device_record* const record = DeviceCreated(Facts());
    InChild([record] {
        channel::ForkedChild();
        CountOne(*record, 0, 64);
        DeviceDestroyed(record);
        CountOne(*record, 0, 64);
        InstanceCreated(true);
        EXPECT_THAT(ReadOwn().devices, SizeIs(0));
        InstanceDestroyed();
    });
    DeviceDestroyed(record);
    InstanceDestroyed();
}

TEST_F(ChannelFork, AChildStartsOverWhateverOtherThreadsWereDoing) {
    InstanceCreated(true);
    std::atomic<bool> stop{false};
    std::thread busy([&stop] {
        while (!stop.load())
            DeviceDestroyed(DeviceCreated(Facts()));
    });
    for (int i = 0; i < 30; ++i) {
        InChild([] {
            channel::ForkedChild();
            InstanceCreated(true);
            tessera_device_record* const record = DeviceCreated(Facts());
            EXPECT_THAT(ReadOwn().devices, SizeIs(1));
            DeviceDestroyed(record);
            InstanceDestroyed();
        });
    }
    stop.store(true);
    busy.join();
    InstanceDestroyed();
}

TEST_F(ChannelFork, AParentReloadsWhileAChildThatNeverEnteredLives) {
    InstanceCreated(true);
    fflush(nullptr);
    int hold[2];
    ASSERT_EQ(pipe(hold), 0);
    const pid_t child = fork();
    if (child == 0) {
        char byte;
        close(hold[1]);
        _exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
    }
    InstanceDestroyed();
    InstanceCreated(true);
    EXPECT_EQ(ReadOwn().loads, 2u);
    InstanceDestroyed();
    close(hold[1]);
    EXPECT_EQ(Wait(child).code, 0);
    close(hold[0]);
}

}  // namespace
}  // namespace tessera::test
