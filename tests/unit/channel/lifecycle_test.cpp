// SPDX-License-Identifier: Apache-2.0
//
// From the first instance to the last: what is written is read, what is continued continues, and
// what is destroyed keeps its numbers.
#include <fcntl.h>
#include <gmock/gmock.h>

#include <cstring>
#include <fstream>

#include "channel/tables.h"
#include "support.h"

namespace tessera::test {
namespace {

using channel::DeviceCreated;
using channel::DeviceDestroyed;
using channel::InstanceCreated;
using channel::InstanceDestroyed;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using ChannelLifecycle = ChannelTest;

size_t CountMappings(const std::string& of) {
    std::ifstream maps("/proc/self/maps");
    size_t count = 0;
    for (std::string line; std::getline(maps, line);)
        if (line.find(of) != std::string::npos) ++count;
    return count;
}

TEST_F(ChannelLifecycle, WhatIsWrittenIsRead) {
    InstanceCreated(true);
    tessera_device_record* const record = DeviceCreated(Facts());
    CountOne(*record, 1, 4096);
    CountOne(*record, 1, 1024);
    UncountOne(*record, 1, 1024);
    channel::CountCall(record->calls[TESSERA_CALL_vkMapMemory]);
    channel::CountDuration(record->calls[TESSERA_CALL_vkMapMemory], 777);

    const reader::Process process = ReadOwn();
    EXPECT_EQ(process.path, own_path());
    EXPECT_EQ(process.pid, static_cast<uint64_t>(getpid()));
    EXPECT_EQ(process.start_time, Self().start_time);
    EXPECT_EQ(process.parent_pid, static_cast<uint64_t>(getppid()));
    EXPECT_EQ(process.name, "channel_test");
    EXPECT_FALSE(process.layer_version.empty());
    EXPECT_EQ(process.state, reader::ProcessState::kLive);
    EXPECT_EQ(process.loads, 1u);
    EXPECT_GT(process.created_ns, 0u);
    EXPECT_FALSE(process.torn);

    ASSERT_THAT(process.devices, SizeIs(1));
    const reader::Device& device = process.devices[0];
    EXPECT_EQ(device.id, 1u);
    EXPECT_EQ(device.state, TESSERA_DEVICE_LIVE);
    EXPECT_EQ(device.name, "Test device");
    EXPECT_EQ(device.driver, "Test driver");
    EXPECT_EQ(device.api_version, Facts().api_version);
    EXPECT_TRUE(device.pooled);
    EXPECT_EQ(device.why, TESSERA_REASON_none);
    EXPECT_EQ(device.sample_interval, 64u);
    ASSERT_THAT(device.heaps, SizeIs(kHeaps.size()));
    EXPECT_EQ(device.heaps[1].size_bytes, kHeaps[1].size_bytes);
    ASSERT_THAT(device.memory_types, SizeIs(kTypes.size()));
    EXPECT_EQ(device.memory_types[2].flags, kTypes[2].flags);
    EXPECT_EQ(device.memory_types[2].heap, kTypes[2].heap);
    const tessera_totals& app = device.memory_types[1].totals.app;
    EXPECT_EQ(app.live, 1u);
    EXPECT_EQ(app.live_bytes, 4096u);
    EXPECT_EQ(app.peak_bytes, 5120u);
    EXPECT_EQ(app.allocations, 2u);
    EXPECT_EQ(app.frees, 1u);
    ASSERT_THAT(device.calls, SizeIs(TESSERA_CALL_COUNT));
    const tessera_call_totals& map = device.calls[TESSERA_CALL_vkMapMemory];
    EXPECT_EQ(map.count, 1u);
    EXPECT_EQ(map.timed, 1u);
    EXPECT_EQ(map.total_ns, 777u);
    EXPECT_EQ(map.max_ns, 777u);
    EXPECT_EQ(map.histogram[tessera_histogram_bucket(777)], 1u);

    DeviceDestroyed(record);
    InstanceDestroyed();
}

TEST_F(ChannelLifecycle, NothingIsMadeWhenNothingIsPublished) {
    InstanceCreated(false);
    tessera_device_record* const record = DeviceCreated(Facts());
    ASSERT_NE(record, nullptr);
    CountOne(*record, 0, 4096);
    DeviceDestroyed(record);
    InstanceDestroyed();
    EXPECT_EQ(CountEntries(runtime_dir()), 0u);
}

TEST_F(ChannelLifecycle, FilesAndFoldersAreForTheirUserOnly) {
    const mode_t previous = umask(0);
    InstanceCreated(true);
    umask(previous);
    struct stat status;
    ASSERT_EQ(stat(folder().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & ALLPERMS, 0700u);
    ASSERT_EQ(stat(own_path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & ALLPERMS, 0600u);
    EXPECT_GE(status.st_blocks * 512, status.st_size) << "the file has pages that are not reserved";
    InstanceDestroyed();
}

TEST_F(ChannelLifecycle, AMaskThatTakesTheUsersOwnRightsDoesNotHideTheSegment) {
    ASSERT_EQ(mkdir(folder().c_str(), 0700), 0);
    const mode_t previous = umask(0777);
    InstanceCreated(true);
    umask(previous);
    struct stat status;
    ASSERT_EQ(stat(own_path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & ALLPERMS, 0600u);
    InstanceDestroyed();
}

TEST_F(ChannelLifecycle, TheSegmentIsClosedWithTheLastInstanceOnly) {
    InstanceCreated(true);
    InstanceCreated(true);
    InstanceDestroyed();
    EXPECT_EQ(ReadOwn().state, reader::ProcessState::kLive);
    InstanceDestroyed();
    EXPECT_EQ(ReadOwn().state, reader::ProcessState::kClosed);
    EXPECT_EQ(CountMappings(folder()), 0u);
}

TEST_F(ChannelLifecycle, OneInstanceTooManyDestroyedChangesNothing) {
    InstanceDestroyed();
    InstanceCreated(true);
    InstanceDestroyed();
    InstanceDestroyed();
    InstanceCreated(true);
    EXPECT_EQ(ReadOwn().state, reader::ProcessState::kLive);
    InstanceDestroyed();
}

TEST_F(ChannelLifecycle, ALaterLoadInTheSameProcessContinuesTheSegment) {
    InstanceCreated(true);
    tessera_device_record* record = DeviceCreated(Facts("first"));
    CountOne(*record, 0, 10);
    UncountOne(*record, 0, 10);
    DeviceDestroyed(record);
    InstanceDestroyed();

    InstanceCreated(true);
    record = DeviceCreated(Facts("second"));
    const reader::Process process = ReadOwn();
    EXPECT_EQ(process.loads, 2u);
    EXPECT_EQ(process.state, reader::ProcessState::kLive);
    ASSERT_THAT(process.devices, SizeIs(2));
    EXPECT_EQ(process.devices[0].name, "first");
    EXPECT_EQ(process.devices[0].state, TESSERA_DEVICE_DESTROYED);
    EXPECT_EQ(process.devices[0].memory_types[0].totals.app.allocations, 1u);
    EXPECT_EQ(process.devices[1].name, "second");
    EXPECT_EQ(process.devices[1].id, 2u);
    DeviceDestroyed(record);
    InstanceDestroyed();
    EXPECT_EQ(CountEntries(folder()), 1u);
}

TEST_F(ChannelLifecycle, WhatAnEarlierLoadLeftInTheMiddleOfAChangeIsReadableAgain) {
    InstanceCreated(true);
    tessera_device_record* record = DeviceCreated(Facts("left behind"));
    CountOne(*record, 0, 10);
    channel::Add(record->totals[0].sequence, 1);
    // As good as a new load: the file is all that is left of the one before.
    channel::ForkedChild();

    InstanceCreated(true);
    const reader::Process process = ReadOwn();
    ASSERT_THAT(process.devices, SizeIs(1));
    EXPECT_EQ(process.devices[0].state, TESSERA_DEVICE_DESTROYED);
    EXPECT_EQ(process.devices[0].memory_types[0].totals.app.allocations, 1u);
    EXPECT_EQ(process.loads, 2u);
    InstanceDestroyed();
}

TEST_F(ChannelLifecycle, ADeviceMayOutliveTheLastInstance) {
    InstanceCreated(true);
    tessera_device_record* const record = DeviceCreated(Facts());
    InstanceDestroyed();
    CountOne(*record, 0, 10);
    reader::Process process = ReadOwn();
    EXPECT_EQ(process.state, reader::ProcessState::kClosed);
    ASSERT_THAT(process.devices, SizeIs(1));
    EXPECT_EQ(process.devices[0].state, TESSERA_DEVICE_LIVE);
    EXPECT_EQ(process.devices[0].memory_types[0].totals.app.allocations, 1u);

    DeviceDestroyed(record);
    EXPECT_EQ(CountMappings(folder()), 0u);
    EXPECT_EQ(ReadOwn().devices[0].state, TESSERA_DEVICE_DESTROYED);
}

TEST_F(ChannelLifecycle, AnInstanceAfterALeakedDeviceGoesOnInTheSameMapping) {
    InstanceCreated(true);
    tessera_device_record* const record = DeviceCreated(Facts());
    InstanceDestroyed();
    InstanceCreated(true);
    EXPECT_EQ(ReadOwn().state, reader::ProcessState::kLive);
    EXPECT_EQ(ReadOwn().loads, 2u);
    EXPECT_EQ(CountMappings(folder()), 1u);
    DeviceDestroyed(record);
    InstanceDestroyed();
}

TEST_F(ChannelLifecycle, AHundredLoadsLeaveNoDescriptorAndNoMappingBehind) {
    const auto load = [] {
        InstanceCreated(true);
        tessera_device_record* const record = DeviceCreated(Facts());
        CountOne(*record, 0, 1);
        UncountOne(*record, 0, 1);
        DeviceDestroyed(record);
        InstanceDestroyed();
    };
    load();
    const size_t descriptors = CountEntries("/proc/self/fd");
    const size_t mappings = CountMappings("");
    for (int i = 1; i < 100; ++i)
        load();
    EXPECT_EQ(CountEntries("/proc/self/fd"), descriptors);
    // The heap of the test itself may take a new mapping or two.
    EXPECT_LE(CountMappings(""), mappings + 2);
    EXPECT_EQ(CountMappings(folder()), 0u);

    const reader::Process process = ReadOwn();
    EXPECT_EQ(process.loads, 100u);
    ASSERT_THAT(process.devices, SizeIs(1 + TESSERA_MAX_DESTROYED));
    EXPECT_EQ(process.devices[0].retired_devices, 100u - TESSERA_MAX_DESTROYED);
    EXPECT_EQ(CountEntries(folder()), 1u);
}

TEST_F(ChannelLifecycle, NoDescriptorIsKeptWhileTheSegmentIsOpen) {
    const size_t before = CountEntries("/proc/self/fd");
    InstanceCreated(true);
    EXPECT_EQ(CountMappings(folder()), 1u);
    EXPECT_EQ(CountEntries("/proc/self/fd"), before);
    InstanceDestroyed();
}

// Each device leaves numbers of its own, so that a sum of the wrong devices is another number.
void UseDevice(tessera_device_record& record, uint64_t n) {
    for (uint64_t i = 0; i < n; ++i)
        CountOne(record, 1, 100 * n);
    for (uint64_t i = 0; i + 1 < n; ++i)
        UncountOne(record, 1, 100 * n);
    {
        const channel::SequencedWrite write(record.totals[1].sequence);
        channel::Add(record.totals[1].driver.allocations, n);
        channel::Add(record.totals[1].app.failed, 2 * n);
        channel::Add(record.totals[1].moved_slots, 3 * n);
        channel::Add(record.totals[1].pooled.allocations, 4 * n);
        channel::Add(record.totals[1].pooled.blocks, 1);
        channel::Add(record.totals[1].pass_through[TESSERA_REASON_dedicated].allocations, 5 * n);
    }
    channel::AddShared(record.misuse[TESSERA_MISUSE_leaked], 6 * n);
    channel::CountCall(record.calls[TESSERA_CALL_vkAllocateMemory]);
    channel::CountDuration(record.calls[TESSERA_CALL_vkAllocateMemory], n);
    channel::CountDuration(record.driver_calls[TESSERA_CALL_vkFreeMemory], 1000 * n);
}

TEST_F(ChannelLifecycle, TheLast64DestroyedKeepTheirRecordAndTheOthersAreSummedExactly) {
    constexpr uint64_t kDevices = 70;
    constexpr uint64_t kRetired = kDevices - TESSERA_MAX_DESTROYED;
    InstanceCreated(true);
    for (uint64_t n = 1; n <= kDevices; ++n) {
        tessera_device_record* const record = DeviceCreated(Facts());
        UseDevice(*record, n);
        DeviceDestroyed(record);
    }
    const reader::Process process = ReadOwn();
    InstanceDestroyed();
    ASSERT_THAT(process.devices, SizeIs(1 + TESSERA_MAX_DESTROYED));
    for (uint64_t i = 1; i <= TESSERA_MAX_DESTROYED; ++i) {
        EXPECT_EQ(process.devices[i].id, kRetired + i);
        EXPECT_EQ(process.devices[i].memory_types[1].totals.app.allocations, kRetired + i);
        EXPECT_EQ(process.devices[i].memory_types[1].totals.app.live, 1u);
    }

    const uint64_t sum = kRetired * (kRetired + 1) / 2;  // of 1 to kRetired
    const reader::Device& retired = process.devices[0];
    EXPECT_EQ(retired.state, TESSERA_DEVICE_RETIRED);
    EXPECT_EQ(retired.id, 0u);
    EXPECT_EQ(retired.name, "retired");
    EXPECT_EQ(retired.retired_devices, kRetired);
    ASSERT_THAT(retired.heaps, SizeIs(kHeaps.size()));
    ASSERT_THAT(retired.memory_types, SizeIs(kTypes.size()));
    EXPECT_EQ(retired.memory_types[2].flags, kTypes[2].flags);
    const tessera_type_totals& totals = retired.memory_types[1].totals;
    EXPECT_EQ(totals.app.allocations, sum);
    EXPECT_EQ(totals.app.frees, sum - kRetired);
    EXPECT_EQ(totals.app.live, 0u);
    EXPECT_EQ(totals.app.live_bytes, 0u);
    EXPECT_EQ(totals.app.peak_bytes, 100 * kRetired * kRetired);
    EXPECT_EQ(totals.app.failed, 2 * sum);
    EXPECT_EQ(totals.driver.allocations, sum);
    EXPECT_EQ(totals.moved_slots, 3 * sum);
    EXPECT_EQ(totals.pooled.allocations, 4 * sum);
    EXPECT_EQ(totals.pooled.blocks, 0u);
    EXPECT_EQ(totals.pass_through[TESSERA_REASON_dedicated].allocations, 5 * sum);

    EXPECT_EQ(retired.misuse[TESSERA_MISUSE_leaked], 6 * sum);
    EXPECT_EQ(retired.misuse[TESSERA_MISUSE_double_free], 0u);
    EXPECT_EQ(process.devices[1].misuse[TESSERA_MISUSE_leaked], 6 * (kRetired + 1));

    const tessera_call_totals& allocate = retired.calls[TESSERA_CALL_vkAllocateMemory];
    EXPECT_EQ(allocate.count, kRetired);
    EXPECT_EQ(allocate.timed, kRetired);
    EXPECT_EQ(allocate.total_ns, sum);
    EXPECT_EQ(allocate.max_ns, kRetired);
    for (uint64_t n = 1; n <= kRetired; ++n)
        EXPECT_EQ(allocate.histogram[tessera_histogram_bucket(n)], 1u);
    EXPECT_EQ(retired.driver_calls[TESSERA_CALL_vkFreeMemory].total_ns, 1000 * sum);
}

TEST_F(ChannelLifecycle, DevicesOfDifferentMakeAreSummedByIndexOfTheirMemoryType) {
    InstanceCreated(true);
    channel::DeviceFacts small = Facts();
    small.types = std::span(kTypes).first(1);
    small.heaps = std::span(kHeaps).first(1);
    for (uint64_t n = 0; n < TESSERA_MAX_DESTROYED + 2; ++n) {
        tessera_device_record* const record = DeviceCreated(n == 0 ? small : Facts());
        CountOne(*record, n == 0 ? 0 : 2, 8);
        DeviceDestroyed(record);
    }
    const reader::Process process = ReadOwn();
    InstanceDestroyed();
    const reader::Device& retired = process.devices.at(0);
    EXPECT_EQ(retired.retired_devices, 2u);
    ASSERT_THAT(retired.memory_types, SizeIs(3));
    EXPECT_THAT(retired.heaps, SizeIs(2));
    EXPECT_EQ(retired.memory_types[0].totals.app.allocations, 1u);
    EXPECT_EQ(retired.memory_types[2].totals.app.allocations, 1u);
    EXPECT_EQ(retired.memory_types[2].heap, 1u);
}

TEST_F(ChannelLifecycle, RecordsAreZeroWhenTheyAreUsedAgain) {
    InstanceCreated(true);
    for (uint64_t n = 0; n < TESSERA_MAX_DESTROYED + 5; ++n) {
        tessera_device_record* const record = DeviceCreated(Facts());
        EXPECT_EQ(record->calls[0].count, 0u);
        EXPECT_EQ(record->totals[1].app.allocations, 0u);
        UseDevice(*record, 3);
        DeviceDestroyed(record);
    }
    InstanceDestroyed();
}

// The extents of a device that lost its record serve others, but only for what is just as large:
// the table of the next one would seem to have some numbers twice.
TEST_F(ChannelLifecycle, TablesOfRetiredDevicesAreUsedAgainWithoutOverlap) {
    InstanceCreated(true);
    tessera_device_record* const first = DeviceCreated(Facts());
    const uint64_t first_id = first->id;
    void* const large = channel::AddExtent(TESSERA_KIND_SLOTS, first_id, 0, 8192);
    ASSERT_NE(large, nullptr);
    std::memset(large, 0x55, 8192);
    DeviceDestroyed(first);
    for (uint32_t i = 0; i < TESSERA_MAX_DESTROYED; ++i)
        DeviceDestroyed(DeviceCreated(Facts()));

    tessera_device_record* const next = DeviceCreated(Facts());
    next->level = TESSERA_LEVEL_full;
    void* const small = channel::AddExtent(TESSERA_KIND_SLOTS, next->id, 0, 4096);
    EXPECT_NE(small, large);
    auto* const same =
        static_cast<const char*>(channel::AddExtent(TESSERA_KIND_SLOTS, next->id, 64, 8192));
    EXPECT_EQ(same, large);
    for (size_t i = 0; i < 8192; ++i)
        ASSERT_EQ(same[i], 0) << "byte " << i << " is an earlier device's";
    const auto read = reader::ReadSegment(own_path(), reader::Depth::kDetail);
    EXPECT_TRUE(read.ok()) << read.error;
    DeviceDestroyed(next);
    InstanceDestroyed();
}

TEST_F(ChannelLifecycle, FactsThatDoNotFitAreCut) {
    const std::string long_name(1000, 'n');
    const std::vector<tessera_heap_record> heaps(TESSERA_MAX_HEAPS + 4, kHeaps[0]);
    const std::vector<tessera_memory_type_record> types(TESSERA_MAX_TYPES + 4, kTypes[0]);
    channel::DeviceFacts facts = Facts(long_name.c_str());
    facts.driver = nullptr;
    facts.heaps = heaps;
    facts.types = types;
    InstanceCreated(true);
    tessera_device_record* const record = DeviceCreated(facts);
    const reader::Process process = ReadOwn();
    ASSERT_THAT(process.devices, SizeIs(1));
    EXPECT_EQ(process.devices[0].name, std::string(sizeof(record->name) - 1, 'n'));
    EXPECT_THAT(process.devices[0].driver, IsEmpty());
    EXPECT_THAT(process.devices[0].heaps, SizeIs(TESSERA_MAX_HEAPS));
    EXPECT_THAT(process.devices[0].memory_types, SizeIs(TESSERA_MAX_TYPES));
    DeviceDestroyed(record);
    InstanceDestroyed();
}

}  // namespace
}  // namespace tessera::test
