// SPDX-License-Identifier: Apache-2.0
//
// Copies of segments whose process runs: this one, so that readers wait for it.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include "base/process.h"
#include "segment_builder.h"
#include "sound.h"
#include "tessera/reader.h"

namespace tessera::test {
namespace {

using reader::Depth;
using reader::Process;
using testing::HasSubstr;
using testing::IsEmpty;

SegmentBuilder OwnSegment() {
    SegmentBuilder builder = SampleSegment();
    builder.header.pid = static_cast<uint64_t>(getpid());
    builder.header.pid_start_time = ReadProcessStat(builder.header.pid)->start_time;
    return builder;
}

TEST(SegmentCopy, IsReadAsTheSegmentItselfAndIsSmaller) {
    SegmentBuilder builder = OwnSegment();
    builder.records_per_extent = 1;
    const std::vector<std::byte> bytes = builder.Build();
    const SegmentFile file(bytes);
    const auto copy = reader::CopySegmentBytes(file.fd());
    ASSERT_TRUE(copy.ok()) << copy.error;
    EXPECT_LT(copy.value.size(), bytes.size());
    EXPECT_THROW(ExtentOf(copy.value, TESSERA_KIND_RING, 8), std::out_of_range);

    const Process from_file = reader::ReadSegmentFd(file.fd(), "x", Depth::kDetail).value;
    const auto from_copy = reader::ReadSegmentCopy(copy.value, "x", Depth::kDetail);
    ASSERT_TRUE(from_copy.ok()) << from_copy.error;
    EXPECT_EQ(from_file.segment_bytes, bytes.size());
    EXPECT_EQ(from_copy.value.segment_bytes, copy.value.size());
    EXPECT_EQ(from_copy.value.state, reader::ProcessState::kLive);
    EXPECT_EQ(from_copy.value.stacks.size(), from_file.stacks.size());
    EXPECT_EQ(from_copy.value.modules.size(), from_file.modules.size());
    EXPECT_EQ(from_copy.value.threads.size(), from_file.threads.size());
    ASSERT_EQ(from_copy.value.devices.size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
        const reader::Detail& a = from_file.devices[i].detail;
        const reader::Detail& b = from_copy.value.devices[i].detail;
        EXPECT_EQ(a.allocations.size(), b.allocations.size());
        EXPECT_EQ(a.blocks.size(), b.blocks.size());
        EXPECT_EQ(a.resources.size(), b.resources.size());
        EXPECT_EQ(from_file.devices[i].memory_types[1].totals.app.live_bytes,
                  from_copy.value.devices[i].memory_types[1].totals.app.live_bytes);
    }
    // And a copy of the copy is the same once more.
    const auto again = reader::CopySegmentBytes(SegmentFile(copy.value).fd());
    EXPECT_EQ(again.value, copy.value);
}

TEST(SegmentCopy, OfWhatIsNoSegmentIsAnError) {
    EXPECT_THAT(reader::CopySegmentBytes(-1).error, HasSubstr("cannot be copied"));
    const SegmentFile file(std::vector<std::byte>(100'000));
    EXPECT_THAT(reader::CopySegmentBytes(file.fd()).error, HasSubstr("not ready"));
}

// Makes one word odd, and reads.
reader::Result<Process> ReadWithOdd(size_t offset, std::vector<std::byte> bytes) {
    Put(bytes, offset, Get<uint64_t>(bytes, offset) | 1);
    const SegmentFile file(bytes);
    return reader::ReadSegmentFd(file.fd(), "x", Depth::kDetail);
}

TEST(SegmentCopy, ARecordThatNeverHoldsStillIsLeftOutAndTheOthersAreRead) {
    const std::vector<std::byte> bytes = OwnSegment().Build();
    for (const tessera_kind kind :
         {TESSERA_KIND_SLOTS, TESSERA_KIND_BLOCKS, TESSERA_KIND_RESOURCES, TESSERA_KIND_PASSED}) {
        const tessera_extent extent = ExtentOf(bytes, kind, 8).extent;
        const size_t last = extent.offset + extent.bytes - tessera_record_bytes(extent.kind);
        const auto result = ReadWithOdd(last, bytes);
        ASSERT_TRUE(result.ok()) << result.error;
        EXPECT_EQ(result.value.devices[2].detail.moving, 1u) << kind;
        EXPECT_EQ(result.value.devices[1].detail.moving, 0u);
        EXPECT_FALSE(result.value.torn);
        EXPECT_EQ(WhatIsUnsound(result.value), "");
    }
}

// How often this process has called read() and its like; nothing where the kernel does not count.
std::optional<uint64_t> ReadCalls() {
    std::ifstream io("/proc/self/io");
    std::string name;
    for (uint64_t count = 0; io >> name >> count;)
        if (name == "syscr:") return count;
    return std::nullopt;
}

// Each for itself would be waited for a little, which together is for ever.
TEST(SegmentCopy, RecordsThatNeverHoldStillCostNoMoreWhenTheyAreManyMore) {
    constexpr uint64_t kRecords = 300'000;
    SegmentBuilder builder = OwnSegment();
    std::vector<tessera_allocation_record>& slots = builder.AddDevice(20).slots;
    slots.resize(kRecords);
    for (tessera_allocation_record& slot : slots)
        slot.sequence = 1;
    const SegmentFile file(builder.Build());
    const std::optional<uint64_t> before = ReadCalls();
    const auto result = reader::ReadSegmentFd(file.fd(), "x", Depth::kDetail);
    const std::optional<uint64_t> after = ReadCalls();
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_EQ(result.value.devices.back().detail.moving, kRecords);
    EXPECT_THAT(result.value.devices.back().detail.allocations, IsEmpty());
    if (!before || !after) GTEST_SKIP() << "system calls are not counted here";
    EXPECT_LT(*after - *before, 1'000'000u);
}

TEST(SegmentCopy, TotalsThatNeverHoldStillAreAnErrorWhileTheProcessRuns) {
    const std::vector<std::byte> bytes = OwnSegment().Build();
    const size_t device = ExtentOf(bytes, TESSERA_KIND_DEVICE, 0, 1).extent.offset;
    const size_t totals = device + offsetof(tessera_device_record, totals);
    const size_t shard = device + offsetof(tessera_device_record, shards);
    for (const size_t offset : {totals, shard, offsetof(tessera_channel_header, sequence)})
        EXPECT_THAT(ReadWithOdd(offset, bytes).error, HasSubstr("try again"));
    // The same of a process that is gone is what there is.
    std::vector<std::byte> dead = bytes;
    Put(dead, offsetof(tessera_channel_header, pid), kDeadPid);
    for (const size_t offset : {totals, shard, offsetof(tessera_channel_header, sequence)}) {
        const auto result = ReadWithOdd(offset, dead);
        ASSERT_TRUE(result.ok()) << result.error;
        EXPECT_TRUE(result.value.torn);
    }
    // And so it is in bytes that hold still.
    std::vector<std::byte> copy = bytes;
    Put(copy, totals, uint64_t{3});
    const auto result = reader::ReadSegmentCopy(copy, "x");
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_TRUE(result.value.torn);
}

// Writes one allocation's record over and over, so that all of its numbers are the same in each
// state that it has.
class BusyWriter {
 public:
    BusyWriter(const SegmentFile& file, const tessera_extent& slots, uint64_t count)
        : bytes_(slots.offset + slots.bytes) {
        memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd(), 0);
        words_ = reinterpret_cast<uint64_t*>(static_cast<char*>(memory_) + slots.offset);
        thread_ = std::thread([this, count] {
            for (uint64_t number = 1; !stop_.load(); ++number)
                Write(words_ + number % count * 8, number);
        });
    }
    BusyWriter(const BusyWriter&) = delete;
    BusyWriter& operator=(const BusyWriter&) = delete;
    ~BusyWriter() {
        stop_ = true;
        thread_.join();
        munmap(memory_, bytes_);
    }

 private:
    static void Write(uint64_t* record, uint64_t number) {
        const auto store = [&](size_t word, uint64_t value, std::memory_order order) {
            std::atomic_ref(record[word]).store(value, order);
        };
        const uint64_t sequence = std::atomic_ref(record[0]).load(std::memory_order_relaxed);
        store(0, sequence + 1, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_release);
        for (const size_t word : {1, 2, 3})  // object, size_bytes, offset
            store(word, number, std::memory_order_relaxed);
        store(0, sequence + 2, std::memory_order_release);
    }

    const uint64_t bytes_;
    void* memory_;
    uint64_t* words_;
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

TEST(SegmentCopy, NoRecordIsAMixtureOfTwo) {
    constexpr uint64_t kRecords = 3000;
    SegmentBuilder builder = OwnSegment();
    builder.AddDevice(20).slots.resize(kRecords);
    const std::vector<std::byte> bytes = builder.Build();
    const SegmentFile file(bytes);
    const BusyWriter writer(file, ExtentOf(bytes, TESSERA_KIND_SLOTS, 20).extent, kRecords);
    uint64_t seen = 0;
    for (int i = 0; i < 40 || (seen == 0 && i < 100'000); ++i) {
        const auto result = reader::ReadSegmentFd(file.fd(), "x", Depth::kDetail);
        ASSERT_TRUE(result.ok()) << result.error;
        const reader::Detail& detail = result.value.devices.back().detail;
        seen += detail.allocations.size();
        for (const reader::Allocation& allocation : detail.allocations) {
            ASSERT_EQ(allocation.memory, allocation.size_bytes);
            ASSERT_EQ(allocation.memory, allocation.offset);
        }
        ASSERT_LE(detail.allocations.size() + detail.moving, kRecords);
    }
    EXPECT_GT(seen, 0u);
}

}  // namespace
}  // namespace tessera::test
