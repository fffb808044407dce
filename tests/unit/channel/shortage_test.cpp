// SPDX-License-Identifier: Apache-2.0
//
// No space, no room, no memory: the counting goes on, and the segment says what is missing. What is
// not reserved must never be touched, since that would end the application (SIGBUS).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "private_mounts.h"
#include "support.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

namespace tessera::test {
namespace {

using channel::DeviceCreated;
using channel::DeviceDestroyed;
using channel::InstanceCreated;
using channel::InstanceDestroyed;
using testing::SizeIs;

using ChannelShortage = ChannelTest;

constexpr char kNotPermitted[] = "mounting is not permitted here";

// Makes `count` devices, counts for each, and leaves them alive.
std::vector<tessera_device_record*> MakeDevices(uint64_t count) {
    std::vector<tessera_device_record*> records;
    for (uint64_t i = 0; i < count; ++i) {
        tessera_device_record* const record = DeviceCreated(Facts());
        for (uint32_t type = 0; type < kTypes.size(); ++type)
            CountOne(*record, type, i + 1);
        channel::CountCall(record->driver_calls[TESSERA_MAX_CALLS - 1]);
        records.push_back(record);
    }
    return records;
}

void Destroy(const std::vector<tessera_device_record*>& records) {
    for (tessera_device_record* const record : records)
        DeviceDestroyed(record);
}

// Fills a file system to the last page.
void Fill(const std::string& folder) {
    const int file = open((folder + "/filling").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_GE(file, 0);
    const std::string page(4096, 'x');
    while (write(file, page.data(), page.size()) > 0) {
    }
    EXPECT_EQ(errno, ENOSPC);
    close(file);
}

TEST_F(ChannelShortage, OnATinyFileSystemTheHeaderSaysThatDevicesAreMissing) {
    const bool ran = InChild([this] {
        EnterPrivateMounts();
        MountTmpfs(runtime_dir(), "mode=0700,size=64k");
        InstanceCreated(true);
        const auto records = MakeDevices(2);
        const reader::Process process = ReadOwn();
        EXPECT_THAT(process.devices, SizeIs(0));
        EXPECT_EQ(process.dropped_devices, 2u);
        EXPECT_EQ(std::filesystem::file_size(own_path()), channel::SegmentBytes(0));
        Destroy(records);
        InstanceDestroyed();
        EXPECT_EQ(ReadOwn().state, reader::ProcessState::kClosed);
    });
    if (!ran) GTEST_SKIP() << kNotPermitted;
}

TEST_F(ChannelShortage, OnAFullFileSystemThereIsNoSegmentAndNoHarm) {
    const bool ran = InChild([this] {
        EnterPrivateMounts();
        MountTmpfs(runtime_dir(), "mode=0700,size=64k");
        ASSERT_EQ(mkdir(folder().c_str(), 0700), 0);
        Fill(runtime_dir());
        testing::internal::CaptureStderr();
        InstanceCreated(true);
        EXPECT_THAT(testing::internal::GetCapturedStderr(),
                    testing::HasSubstr("No space left on device"));
        const auto records = MakeDevices(2);
        EXPECT_EQ(records[1]->totals[0].app.live_bytes, 2u);
        EXPECT_EQ(CountEntries(folder()), 0u);
        Destroy(records);
        InstanceDestroyed();
    });
    if (!ran) GTEST_SKIP() << kNotPermitted;
}

TEST_F(ChannelShortage, WhenTheFileCannotGrowWhatIsThereStaysAndTheRestIsCounted) {
    const bool ran = InChild([this] {
        EnterPrivateMounts();
        MountTmpfs(runtime_dir(), "mode=0700,size=512k");
        InstanceCreated(true);
        const auto records = MakeDevices(8);
        const reader::Process process = ReadOwn();
        ASSERT_GE(process.devices.size(), 2u);
        EXPECT_EQ(process.devices.size() + process.dropped_devices, 8u);
        EXPECT_GT(process.dropped_devices, 0u);
        for (const reader::Device& device : process.devices)
            EXPECT_EQ(device.memory_types[2].totals.app.live_bytes, device.id);
        Destroy(records);
        InstanceDestroyed();
        EXPECT_EQ(ReadOwn().dropped_devices, process.dropped_devices);
    });
    if (!ran) GTEST_SKIP() << kNotPermitted;
}

TEST_F(ChannelShortage, WithoutRoomToGrowTheDeviceDestroyedFirstMakesRoom) {
    const bool ran = InChild([this] {
        EnterPrivateMounts();
        MountTmpfs(runtime_dir(), "mode=0700,size=400k");
        InstanceCreated(true);
        for (int i = 0; i < 10; ++i)
            Destroy(MakeDevices(1));
        const reader::Process process = ReadOwn();
        EXPECT_EQ(process.dropped_devices, 0u);
        ASSERT_GE(process.devices.size(), 2u);
        EXPECT_EQ(process.devices[0].retired_devices + process.devices.size() - 1, 10u);
        EXPECT_EQ(process.devices.back().id, 10u);
        InstanceDestroyed();
    });
    if (!ran) GTEST_SKIP() << kNotPermitted;
}

TEST_F(ChannelShortage, ALimitOfFileSizesIsNotRunInto) {
    InChild([] {
        const rlim_t bytes = channel::SegmentBytes(channel::kFirstRecords) + 1000;
        const rlimit limit{.rlim_cur = bytes, .rlim_max = bytes};
        ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
        InstanceCreated(true);
        const auto records = MakeDevices(4);
        const reader::Process process = ReadOwn();
        EXPECT_THAT(process.devices, SizeIs(channel::kFirstRecords - 1));
        EXPECT_EQ(process.dropped_devices, 4 - process.devices.size());
        Destroy(records);
        InstanceDestroyed();
    });
}

TEST_F(ChannelShortage, WithoutAddressSpaceThereIsNoSegment) {
    if (kSanitized) GTEST_SKIP() << "sanitizers need all of the address space";
    InChild([] {
        const rlimit limit{.rlim_cur = 0, .rlim_max = RLIM_INFINITY};
        ASSERT_EQ(setrlimit(RLIMIT_AS, &limit), 0);
        InstanceCreated(true);
        tessera_device_record* const record = DeviceCreated(Facts());
        const bool counted = record != nullptr;
        CountOne(*record, 0, 1);
        DeviceDestroyed(record);
        InstanceDestroyed();
        _exit(counted ? 0 : 1);
    });
}

TEST_F(ChannelShortage, TheSegmentStaysBelowItsCap) {
    constexpr uint64_t kRoom = (channel::kMaxSegmentBytes - channel::SegmentBytes(0)) /
                               channel::ExtentBytes(sizeof(tessera_device_record));
    constexpr uint64_t kDevices = kRoom + 5;
    InstanceCreated(true);
    const auto records = MakeDevices(kDevices);
    const reader::Process process = ReadOwn();
    EXPECT_THAT(process.devices, SizeIs(kRoom - 1));
    EXPECT_EQ(process.dropped_devices, kDevices - (kRoom - 1));
    EXPECT_LE(std::filesystem::file_size(own_path()), channel::kMaxSegmentBytes);
    Destroy(records);
    InstanceDestroyed();
    EXPECT_THAT(ReadOwn().devices, SizeIs(1 + TESSERA_MAX_DESTROYED));
}

TEST_F(ChannelShortage, WithTheFileTakenAwayDevicesAreCountedOutOfSight) {
    InstanceCreated(true);
    ASSERT_EQ(unlink(own_path().c_str()), 0);
    // Another file of the name is not the one that is mapped.
    close(open(own_path().c_str(), O_WRONLY | O_CREAT, 0600));
    const auto records = MakeDevices(channel::kFirstRecords + 1);
    EXPECT_EQ(std::filesystem::file_size(own_path()), 0u);
    Destroy(records);
    InstanceDestroyed();
}

TEST_F(ChannelShortage, WritingZeroesReservesAsWell) {
    const std::string path = runtime_dir() + "/file";
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_EQ(write(file, "data", 4), 4);
    EXPECT_EQ(channel::ReserveFileByWriting(file, 4, 100'000), 0);
    struct stat status;
    ASSERT_EQ(fstat(file, &status), 0);
    EXPECT_EQ(status.st_size, 100'000);
    char text[5] = {};
    ASSERT_EQ(pread(file, text, 5, 0), 5);
    EXPECT_STREQ(text, "data");
    close(file);
}

TEST_F(ChannelShortage, WritingZeroesInVainLeavesTheFileAsItWas) {
    const bool ran = InChild([this] {
        EnterPrivateMounts();
        MountTmpfs(runtime_dir(), "mode=0700,size=64k");
        const int file = open((runtime_dir() + "/file").c_str(), O_RDWR | O_CREAT, 0600);
        EXPECT_EQ(channel::ReserveFileByWriting(file, 0, 8192), 0);
        EXPECT_EQ(channel::ReserveFileByWriting(file, 8192, 1'000'000), ENOSPC);
        struct stat status;
        ASSERT_EQ(fstat(file, &status), 0);
        EXPECT_EQ(status.st_size, 8192);
    });
    if (!ran) GTEST_SKIP() << kNotPermitted;
}

}  // namespace
}  // namespace tessera::test
