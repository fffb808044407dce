// SPDX-License-Identifier: Apache-2.0
//
// Readers copy while writers count: every snapshot is one that existed, and no count is lost.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "support.h"

namespace tessera::test {
namespace {

using channel::DeviceCreated;
using channel::DeviceDestroyed;
using channel::InstanceCreated;
using channel::InstanceDestroyed;

using ChannelConcurrency = ChannelTest;

constexpr int kSnapshots = 200;

// Threads that do the same again and again until they are told to stop.
class Loop {
 public:
    explicit Loop(std::function<void()> body)
        : thread_([this, body = std::move(body)] {
              while (!stop_.load(std::memory_order_relaxed))
                  body();
          }) {}
    ~Loop() {
        stop_.store(true, std::memory_order_relaxed);
        thread_.join();
    }

 private:
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

// A copy of what is being written. The writer may be too fast for one, which is said, not guessed.
reader::Result<reader::Process> Snapshot() {
    reader::Result<reader::Process> result = reader::ReadProcess(static_cast<uint64_t>(getpid()));
    EXPECT_TRUE(result.ok() || result.error.find("try again") != std::string::npos) << result.error;
    return result;
}

TEST_F(ChannelConcurrency, EverySnapshotOfAMemoryTypeIsConsistent) {
    InstanceCreated(true);
    tessera_device_record* const record = DeviceCreated(Facts());
    uint64_t highest = 0;
    int taken = 0;
    {
        const auto churn = [record](uint32_t type) {
            for (uint64_t bytes = 1; bytes < 20; ++bytes)
                CountOne(*record, type, bytes);
            for (uint64_t bytes = 1; bytes < 20; ++bytes)
                UncountOne(*record, type, bytes);
        };
        const Loop first([&] { churn(0); });
        const Loop second([&] { churn(2); });
        for (int i = 0; i < kSnapshots; ++i) {
            const auto result = Snapshot();
            if (!result.ok()) continue;
            ++taken;
            const reader::Process& process = result.value;
            ASSERT_EQ(process.devices.size(), 1u);
            for (const reader::MemoryType& type : process.devices[0].memory_types) {
                const tessera_totals& app = type.totals.app;
                ASSERT_EQ(app.live, app.allocations - app.frees);
                ASSERT_LE(app.live_bytes, app.peak_bytes);
                ASSERT_EQ(app.live == 0, app.live_bytes == 0);
            }
            const uint64_t now = process.devices[0].memory_types[0].totals.app.allocations;
            ASSERT_GE(now, highest);
            highest = now;
        }
    }
    EXPECT_GT(taken, 0);
    DeviceDestroyed(record);
    InstanceDestroyed();
}

TEST_F(ChannelConcurrency, EverySnapshotHasEachDeviceOnceWhileDevicesComeAndGo) {
    constexpr int kBursts = 40;
    constexpr int kDevicesInABurst = 3;
    InstanceCreated(true);
    std::atomic<int> taken{0};
    std::atomic<bool> stop{false};
    std::thread churn([&taken, &stop] {
        for (int burst = 0; burst < kBursts; ++burst) {
            for (int i = 0; i < kDevicesInABurst; ++i) {
                tessera_device_record* const record = DeviceCreated(Facts());
                CountOne(*record, 1, 64);
                UncountOne(*record, 1, 64);
                DeviceDestroyed(record);
            }
            // Devices must not come and go faster than a slow machine can copy them.
            for (const int before = taken.load(); taken.load() == before && !stop.load();)
                std::this_thread::yield();
        }
    });
    uint64_t last_gone = 0;
    while (last_gone < kBursts * kDevicesInABurst && !HasFailure()) {
        const auto result = Snapshot();
        if (!result.ok()) continue;
        taken.fetch_add(1);
        uint64_t gone = 0;
        uint64_t allocations = 0;
        for (const reader::Device& device : result.value.devices) {
            if (device.state == TESSERA_DEVICE_LIVE) continue;
            gone += device.state == TESSERA_DEVICE_RETIRED ? device.retired_devices : 1;
            allocations += device.memory_types.at(1).totals.app.allocations;
        }
        EXPECT_EQ(allocations, gone);
        EXPECT_GE(gone, last_gone);
        last_gone = gone;
    }
    stop.store(true);
    churn.join();
    InstanceDestroyed();
}

TEST_F(ChannelConcurrency, DevicesOfSeveralThreadsGetRecordsOfTheirOwn) {
    constexpr uint64_t kThreads = 6;
    constexpr uint64_t kRounds = 30;
    InstanceCreated(true);
    std::vector<std::thread> threads;
    for (uint64_t t = 1; t <= kThreads; ++t) {
        threads.emplace_back([t] {
            for (uint64_t round = 0; round < kRounds; ++round) {
                InstanceCreated(true);
                tessera_device_record* const record = DeviceCreated(Facts());
                for (uint64_t i = 0; i < t; ++i)
                    CountOne(*record, 0, t);
                EXPECT_EQ(channel::Load(record->totals[0].app.live_bytes), t * t);
                DeviceDestroyed(record);
                InstanceDestroyed();
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    uint64_t allocations = 0;
    for (const reader::Device& device : ReadOwn().devices)
        allocations += device.memory_types.at(0).totals.app.allocations;
    EXPECT_EQ(allocations, kRounds * kThreads * (kThreads + 1) / 2);
    InstanceDestroyed();
}

TEST_F(ChannelConcurrency, NoCallIsLostAndTheMaximumIsTheLargest) {
    constexpr uint64_t kThreads = 4;
    constexpr uint64_t kCalls = 20'000;
    InstanceCreated(true);
    tessera_device_record* const record = DeviceCreated(Facts());
    tessera_call_totals& call = record->calls[TESSERA_CALL_vkFreeMemory];
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < kThreads; ++t) {
        threads.emplace_back([t, &call] {
            for (uint64_t i = 0; i < kCalls; ++i) {
                channel::CountCall(call);
                channel::CountDuration(call, i * kThreads + t);
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    const tessera_call_totals read = ReadOwn().devices.at(0).calls[TESSERA_CALL_vkFreeMemory];
    constexpr uint64_t kAll = kThreads * kCalls;
    EXPECT_EQ(read.count, kAll);
    EXPECT_EQ(read.timed, kAll);
    EXPECT_EQ(read.total_ns, kAll * (kAll - 1) / 2);
    EXPECT_EQ(read.max_ns, kAll - 1);
    uint64_t in_buckets = 0;
    for (const uint64_t count : read.histogram)
        in_buckets += count;
    EXPECT_EQ(in_buckets, kAll);
    DeviceDestroyed(record);
    InstanceDestroyed();
}

}  // namespace
}  // namespace tessera::test
