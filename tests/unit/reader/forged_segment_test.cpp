// SPDX-License-Identifier: Apache-2.0
//
// Segments that nobody should have written: cut short, contradicting themselves, random. A reader
// must say no, or return data whose every count can be relied on; it must never crash or hang.
#include <gmock/gmock.h>

#include <cstddef>
#include <cstring>
#include <random>
#include <span>

#include "segment_builder.h"
#include "sound.h"
#include "tessera/reader.h"

namespace tessera::test {
namespace {

using testing::HasSubstr;

// The sample segment in memory: its process does not exist, and it has two devices and the sum.
class ForgedSegment : public testing::Test {
 protected:
    template <typename T>
    void Put(size_t offset, const T& value) {
        test::Put(bytes_, offset, value);
    }
    void PutWord(size_t offset, uint64_t word) { Put(offset, word); }

    reader::Result<reader::Process> Read(size_t size) {
        const SegmentFile file(std::span<const std::byte>(bytes_).first(size));
        return reader::ReadSegmentFd(file.fd(), "forged", reader::Depth::kDetail);
    }
    reader::Result<reader::Process> Read() { return Read(bytes_.size()); }

    static void ExpectSound(const reader::Process& process) {
        EXPECT_EQ(WhatIsUnsound(process), "");
    }

    std::vector<std::byte> bytes_ = SampleSegment().Build();
    // Of the live device's record: 0 is the sum.
    const size_t device_1_ = ExtentOf(bytes_, TESSERA_KIND_DEVICE, 0, 1).extent.offset;
};

TEST_F(ForgedSegment, AsItWasBuiltItIsRead) {
    const reader::Result<reader::Process> result = Read();
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_EQ(result.value.devices.size(), 3u);
    EXPECT_EQ(result.value.state, reader::ProcessState::kEnded);
    EXPECT_FALSE(result.value.torn);
    ExpectSound(result.value);
}

TEST_F(ForgedSegment, CutShortAnywhereItIsRefused) {
    std::vector<size_t> sizes = {bytes_.size() - 1, bytes_.size() - 32};
    for (size_t size = 0; size < 600; ++size)
        sizes.push_back(size);
    for (size_t size = 4000; size < bytes_.size(); size += 4057)
        sizes.push_back(size);
    for (const size_t size : sizes) {
        const reader::Result<reader::Process> result = Read(size);
        ASSERT_FALSE(result.ok()) << "with " << size << " bytes";
        EXPECT_THAT(result.error, HasSubstr("cut short"));
    }
}

TEST_F(ForgedSegment, LongerThanItSaysItIsRead) {
    bytes_.resize(bytes_.size() + 100'000, std::byte{'x'});
    EXPECT_TRUE(Read().ok());
}

TEST_F(ForgedSegment, LargerThanAnySegmentItIsRefused) {
    const SegmentFile file(bytes_);
    file.Resize(TESSERA_CHANNEL_LIMIT_BYTES + 1);
    EXPECT_THAT(reader::ReadSegmentFd(file.fd(), "forged").error, HasSubstr("larger"));
    file.Resize(TESSERA_CHANNEL_LIMIT_BYTES);
    EXPECT_TRUE(reader::ReadSegmentFd(file.fd(), "forged").ok());
}

TEST_F(ForgedSegment, EachHeaderFieldThatCountsIsChecked) {
    struct {
        size_t offset;
        const char* complaint;
    } const fields[] = {
        {offsetof(tessera_channel_header, magic), "not a statistics segment"},
        {offsetof(tessera_channel_header, abi_version), "version"},
        {offsetof(tessera_channel_header, record_bytes), "sizes"},
        {offsetof(tessera_channel_header, segment_bytes), "cannot be read"},
        {offsetof(tessera_channel_header, extent_count), "extents"},
        {offsetof(tessera_channel_header, state), "state"},
    };
    for (const auto& field : fields) {
        uint64_t good = 0;
        std::memcpy(&good, bytes_.data() + field.offset, sizeof(good));
        for (const uint64_t bad : {good + 1, good - 1, (good << 32) + 7, ~uint64_t{0},
                                   uint64_t{1} << 63, good * 1'000'003}) {
            PutWord(field.offset, bad);
            const reader::Result<reader::Process> result = Read();
            if (field.offset == offsetof(tessera_channel_header, state) &&
                (bad == TESSERA_PROCESS_LIVE || bad == TESSERA_PROCESS_CLOSED))
                continue;
            // Fewer extents, and a little less of the last one's page, are sound.
            if (field.offset == offsetof(tessera_channel_header, extent_count) &&
                bad <= TESSERA_MAX_EXTENTS)
                continue;
            EXPECT_FALSE(result.ok()) << "field at " << field.offset << " is " << bad;
            EXPECT_THAT(result.error, HasSubstr(field.complaint));
        }
        PutWord(field.offset, good);
    }
    EXPECT_TRUE(Read().ok());
}

TEST_F(ForgedSegment, AnotherVersionIsRefusedByItsNumberHoweverShortItIs) {
    Put(offsetof(tessera_channel_header, abi_version), uint32_t{2});
    for (const size_t size : {bytes_.size(), size_t{4096}}) {
        EXPECT_THAT(Read(size).error, HasSubstr("it is of version 2 of the channel, and this "
                                                "program knows version 3 only"));
        EXPECT_THAT(
            reader::ReadSegmentCopy(std::span<const std::byte>(bytes_).first(size), "forged").error,
            HasSubstr("of version 2"));
    }
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
        std::memcpy(&good, bytes_.data() + device_1_ + field.offset, sizeof(good));
        PutWord(device_1_ + field.offset, field.bad);
        EXPECT_THAT(Read().error, HasSubstr("damaged"))
            << "field at " << field.offset << " is " << field.bad;
        PutWord(device_1_ + field.offset, good);
    }
    EXPECT_TRUE(Read().ok());
}

TEST_F(ForgedSegment, OneMemoryTypeTooManyIsRefusedWhateverLiesBehindThem) {
    PutWord(device_1_ + offsetof(tessera_device_record, totals), 0);
    PutWord(device_1_ + offsetof(tessera_device_record, type_count), TESSERA_MAX_TYPES + 1);
    EXPECT_THAT(Read().error, HasSubstr("more memory heaps or types"));
}

TEST_F(ForgedSegment, ReasonsOfLaterVersionsAreUnknownButNoError) {
    PutWord(device_1_ + offsetof(tessera_device_record, why), TESSERA_MAX_REASONS - 1);
    const reader::Result<reader::Process> result = Read();
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_STREQ(reader::ReasonName(result.value.devices[2].why), "unknown");
}

TEST_F(ForgedSegment, TheRetiredSumIsInItsPlaceOrNowhere) {
    const size_t sum = ExtentOf(bytes_, TESSERA_KIND_DEVICE, 0, 0).extent.offset;
    PutWord(sum + offsetof(tessera_device_record, state), TESSERA_DEVICE_LIVE);
    EXPECT_THAT(Read().error, HasSubstr("state"));
}

TEST_F(ForgedSegment, StringsWithoutAnEndOrWithControlCharactersAreMadeSafe) {
    std::memset(bytes_.data() + device_1_ + offsetof(tessera_device_record, name), 'n', 256);
    std::memset(bytes_.data() + offsetof(tessera_channel_header, process), '\x1B', 256);
    std::memset(bytes_.data() + offsetof(tessera_channel_header, layer_version), '\xFF', 32);
    const reader::Result<reader::Process> result = Read();
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_EQ(result.value.devices[2].name, std::string(256, 'n'));
    EXPECT_EQ(result.value.name, std::string(256, '?'));
    EXPECT_EQ(result.value.layer_version, std::string(32, '?'));
}

TEST_F(ForgedSegment, ThousandsOfRandomMutationsAreSurvived) {
    constexpr int kMutations = 4000;
    std::mt19937_64 random(20240229);
    const std::vector<std::byte> good = bytes_;
    int accepted = 0;
    for (int i = 0; i < kMutations; ++i) {
        bytes_ = good;
        // Half of them hit the words that readers decide by.
        const size_t reach = i % 2 == 0 ? bytes_.size() : size_t{160};
        const size_t base = i % 4 == 1 ? device_1_ : 0;
        for (uint64_t n = random() % 8; n < 8; ++n) {
            const size_t at = base + random() % (reach - base % reach);
            bytes_[std::min(at, bytes_.size() - 1)] = static_cast<std::byte>(random());
        }
        const reader::Result<reader::Process> result = Read();
        if (!result.ok()) continue;
        ++accepted;
        ExpectSound(result.value);
    }
    EXPECT_GT(accepted, 0);
    EXPECT_LT(accepted, kMutations);
}

// Who lists segments meets some that are gone when they are read, which is nothing to tell.
TEST(Segments, OneThatIsGoneIsToldFromOneThatIsBad) {
    EXPECT_TRUE(reader::IsGone("/proc/self/no such file"));
    EXPECT_FALSE(reader::IsGone("/proc/self/stat")) << "no segment, but there";
    EXPECT_FALSE(reader::IsGone("/proc/self/stat/x")) << "what is wrong with it is to be told";
}

TEST_F(ForgedSegment, RandomBytesBehindAGoodHeaderAreSurvived) {
    std::mt19937_64 random(7);
    for (int i = 0; i < 50; ++i) {
        for (size_t at = sizeof(tessera_channel_header); at + 8 <= bytes_.size(); at += 8)
            PutWord(at, random());
        const reader::Result<reader::Process> result = Read();
        if (result.ok()) ExpectSound(result.value);
    }
}

}  // namespace
}  // namespace tessera::test
