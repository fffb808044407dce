// SPDX-License-Identifier: Apache-2.0
//
// Segments that nobody should have written: cut short, contradicting themselves, random. A reader
// must say no, or return data whose every count can be relied on; it must never crash or hang.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <random>

#include "support.h"

namespace tessera::test {
namespace {

using testing::HasSubstr;

// A segment in a file in memory, written by this process, of a process that does not exist: readers
// do not wait for a dead writer.
class ForgedSegment : public ChannelTest {
 protected:
    void SetUp() override {
        channel::InstanceCreated(true);
        for (uint64_t i = 0; i < TESSERA_MAX_DESTROYED + 2; ++i) {
            tessera_device_record* const record = channel::DeviceCreated(Facts());
            CountOne(*record, 0, 64);
            channel::DeviceDestroyed(record);
            // Two devices and the retired sum are enough, and quicker to read.
            if (i == 1) i = TESSERA_MAX_DESTROYED + 1;
        }
        channel::InstanceDestroyed();
        const int file = open(own_path().c_str(), O_RDONLY | O_CLOEXEC);
        bytes_.resize(std::filesystem::file_size(own_path()));
        ASSERT_EQ(read(file, bytes_.data(), bytes_.size()), static_cast<ssize_t>(bytes_.size()));
        close(file);
        Put(offsetof(tessera_channel_header, pid), 1'000'000'000);
        copy_ = memfd_create("segment", MFD_CLOEXEC);
        ASSERT_GE(copy_, 0);
    }
    void TearDown() override { close(copy_); }

    void Put(size_t offset, uint64_t word) {
        std::memcpy(bytes_.data() + offset, &word, sizeof(word));
    }

    reader::Result<reader::Process> Read(size_t size) {
        EXPECT_EQ(ftruncate(copy_, 0), 0);
        EXPECT_EQ(pwrite(copy_, bytes_.data(), size, 0), static_cast<ssize_t>(size));
        return reader::ReadSegmentFd(copy_, "forged");
    }
    reader::Result<reader::Process> Read() { return Read(bytes_.size()); }

    // Expects what callers rely on without checking it again.
    static void ExpectSound(const reader::Process& process) {
        for (const reader::Device& device : process.devices) {
            EXPECT_TRUE(device.state != TESSERA_DEVICE_ABSENT &&
                        device.state <= TESSERA_DEVICE_RETIRED);
            EXPECT_LE(device.heaps.size(), size_t{TESSERA_MAX_HEAPS});
            EXPECT_LE(device.memory_types.size(), size_t{TESSERA_MAX_TYPES});
            for (const reader::MemoryType& type : device.memory_types)
                EXPECT_LT(type.heap, device.heaps.size());
            EXPECT_EQ(device.calls.size(), size_t{TESSERA_CALL_COUNT});
            EXPECT_EQ(device.driver_calls.size(), size_t{TESSERA_CALL_COUNT});
            EXPECT_GE(device.sample_interval, 1u);
            EXPECT_LT(device.name.size(), 257u);
            EXPECT_STRNE(reader::ReasonName(device.why), "");
            for (const tessera_call_totals& call : device.calls)
                reader::Percentile(call, 0.99);
        }
    }

    std::string bytes_;
    int copy_ = -1;
};

constexpr size_t kDevice1 = sizeof(tessera_channel_header) + sizeof(tessera_device_record);

TEST_F(ForgedSegment, AsItWasWrittenItIsRead) {
    const reader::Result<reader::Process> result = Read();
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_EQ(result.value.devices.size(), 2u);
    EXPECT_EQ(result.value.state, reader::ProcessState::kClosed);
    ExpectSound(result.value);
}

TEST_F(ForgedSegment, CutShortAnywhereItIsRefused) {
    std::vector<size_t> sizes = {bytes_.size() - 1, bytes_.size() - 4096};
    for (size_t size = 0; size < 600; ++size)
        sizes.push_back(size);
    for (size_t size = 4000; size < bytes_.size(); size += 1009)
        sizes.push_back(size);
    for (const size_t size : sizes) {
        const reader::Result<reader::Process> result = Read(size);
        ASSERT_FALSE(result.ok()) << "with " << size << " bytes";
        EXPECT_THAT(result.error, HasSubstr("cut short"));
    }
}

TEST_F(ForgedSegment, LongerThanItSaysItIsRead) {
    bytes_.append(100'000, 'x');
    EXPECT_TRUE(Read().ok());
}

TEST_F(ForgedSegment, LargerThanAnySegmentItIsRefused) {
    ASSERT_EQ(ftruncate(copy_, (off_t{64} << 20) + 1), 0);
    EXPECT_THAT(reader::ReadSegmentFd(copy_, "forged").error, HasSubstr("larger"));
}

TEST_F(ForgedSegment, EachHeaderFieldThatCountsIsChecked) {
    struct {
        size_t offset;
        const char* complaint;
    } const fields[] = {
        {offsetof(tessera_channel_header, magic), "not a statistics segment"},
        {offsetof(tessera_channel_header, abi_version), "version"},
        {offsetof(tessera_channel_header, record_bytes), "sizes"},
        {offsetof(tessera_channel_header, segment_bytes), "sizes"},
        {offsetof(tessera_channel_header, device_capacity), "sizes"},
        {offsetof(tessera_channel_header, state), "state"},
    };
    for (const auto& field : fields) {
        uint64_t good = 0;
        std::memcpy(&good, bytes_.data() + field.offset, sizeof(good));
        for (const uint64_t bad : {good + 1, good - 1, good << 32 | 7, ~uint64_t{0},
                                   uint64_t{1} << 63, good * 1'000'003}) {
            Put(field.offset, bad);
            const reader::Result<reader::Process> result = Read();
            if (field.offset == offsetof(tessera_channel_header, state) &&
                (bad == TESSERA_PROCESS_LIVE || bad == TESSERA_PROCESS_CLOSED))
                continue;
            EXPECT_FALSE(result.ok()) << "field at " << field.offset << " is " << bad;
            EXPECT_THAT(result.error, HasSubstr(field.complaint));
        }
        Put(field.offset, good);
    }
    EXPECT_TRUE(Read().ok());
}

TEST_F(ForgedSegment, SizesThatAgreeButOverflowAreRefused) {
    // capacity * record size wraps around to a small number.
    const uint64_t capacity = (uint64_t{1} << 63) / sizeof(tessera_device_record) * 2 + 2;
    Put(offsetof(tessera_channel_header, device_capacity), capacity);
    Put(offsetof(tessera_channel_header, segment_bytes),
        sizeof(tessera_channel_header) + capacity * sizeof(tessera_device_record));
    Put(offsetof(tessera_channel_header, max_bytes), TESSERA_CHANNEL_LIMIT_BYTES);
    EXPECT_THAT(Read().error, HasSubstr("sizes"));
}

TEST_F(ForgedSegment, ACapacityWithoutTheFileBehindItIsCutShort) {
    const uint64_t capacity = 300;
    Put(offsetof(tessera_channel_header, device_capacity), capacity);
    Put(offsetof(tessera_channel_header, segment_bytes), channel::SegmentBytes(capacity));
    EXPECT_THAT(Read().error, HasSubstr("cut short"));
}

TEST_F(ForgedSegment, EachDeviceFieldThatCountsIsChecked) {
    struct {
        size_t offset;
        uint64_t bad;
    } const fields[] = {
        {offsetof(tessera_device_record, state), TESSERA_DEVICE_RETIRED},
        {offsetof(tessera_device_record, state), 4},
        {offsetof(tessera_device_record, state), ~uint64_t{0}},
        {offsetof(tessera_device_record, why), TESSERA_MAX_REASONS},
        {offsetof(tessera_device_record, why), uint64_t{1} << 32},
        {offsetof(tessera_device_record, heap_count), TESSERA_MAX_HEAPS + 1},
        {offsetof(tessera_device_record, heap_count), 0},
        {offsetof(tessera_device_record, heap_count), uint64_t{1} << 63},
        {offsetof(tessera_device_record, type_count), TESSERA_MAX_TYPES + 1},
        {offsetof(tessera_device_record, type_count), ~uint64_t{0}},
        {offsetof(tessera_device_record, types), 2},
        {offsetof(tessera_device_record, types), uint64_t{1} << 32},
    };
    for (const auto& field : fields) {
        uint64_t good = 0;
        std::memcpy(&good, bytes_.data() + kDevice1 + field.offset, sizeof(good));
        Put(kDevice1 + field.offset, field.bad);
        EXPECT_THAT(Read().error, HasSubstr("damaged"))
            << "field at " << field.offset << " is " << field.bad;
        Put(kDevice1 + field.offset, good);
    }
    EXPECT_TRUE(Read().ok());
}

TEST_F(ForgedSegment, OneMemoryTypeTooManyIsRefusedWhateverLiesBehindThem) {
    Put(kDevice1 + offsetof(tessera_device_record, totals), 0);
    Put(kDevice1 + offsetof(tessera_device_record, type_count), TESSERA_MAX_TYPES + 1);
    EXPECT_THAT(Read().error, HasSubstr("more memory heaps or types"));
}

TEST_F(ForgedSegment, ReasonsOfLaterVersionsAreUnknownButNoError) {
    Put(kDevice1 + offsetof(tessera_device_record, why), TESSERA_MAX_REASONS - 1);
    const reader::Result<reader::Process> result = Read();
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_STREQ(reader::ReasonName(result.value.devices[0].why), "unknown");
}

TEST_F(ForgedSegment, TheRetiredSumIsInItsPlaceOrNowhere) {
    Put(sizeof(tessera_channel_header) + offsetof(tessera_device_record, state),
        TESSERA_DEVICE_LIVE);
    EXPECT_THAT(Read().error, HasSubstr("state"));
}

TEST_F(ForgedSegment, StringsWithoutAnEndOrWithControlCharactersAreMadeSafe) {
    std::memset(bytes_.data() + kDevice1 + offsetof(tessera_device_record, name), 'n', 256);
    std::memset(bytes_.data() + offsetof(tessera_channel_header, process), '\x1B', 256);
    std::memset(bytes_.data() + offsetof(tessera_channel_header, layer_version), '\xFF', 32);
    const reader::Result<reader::Process> result = Read();
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_EQ(result.value.devices[0].name, std::string(256, 'n'));
    EXPECT_EQ(result.value.name, std::string(256, '?'));
    EXPECT_EQ(result.value.layer_version, std::string(32, '?'));
}

TEST_F(ForgedSegment, ThousandsOfRandomMutationsAreSurvived) {
    constexpr int kMutations = 4000;
    std::mt19937_64 random(20240229);
    const std::string good = bytes_;
    int accepted = 0;
    for (int i = 0; i < kMutations; ++i) {
        bytes_ = good;
        // Half of them hit the words that readers decide by.
        const size_t reach = i % 2 == 0 ? bytes_.size() : size_t{160};
        const size_t base = i % 4 == 1 ? kDevice1 : 0;
        for (uint64_t n = random() % 8; n < 8; ++n) {
            const size_t at = base + random() % (reach - base % reach);
            bytes_[std::min(at, bytes_.size() - 1)] = static_cast<char>(random());
        }
        const reader::Result<reader::Process> result = Read();
        if (!result.ok()) continue;
        ++accepted;
        ExpectSound(result.value);
    }
    EXPECT_GT(accepted, 0);
    EXPECT_LT(accepted, kMutations);
}

TEST_F(ForgedSegment, RandomBytesBehindAGoodHeaderAreSurvived) {
    std::mt19937_64 random(7);
    for (int i = 0; i < 50; ++i) {
        for (size_t at = sizeof(tessera_channel_header); at + 8 <= bytes_.size(); at += 8)
            Put(at, random());
        const reader::Result<reader::Process> result = Read();
        if (result.ok()) ExpectSound(result.value);
    }
}

}  // namespace
}  // namespace tessera::test
