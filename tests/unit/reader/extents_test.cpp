// SPDX-License-Identifier: Apache-2.0
//
// The extents of a segment: which are refused, and which are passed over.
#include <gmock/gmock.h>

#include <cstddef>

#include "segment_builder.h"
#include "sound.h"
#include "tessera/reader.h"

namespace tessera::test {
namespace {

using testing::HasSubstr;

class Extents : public testing::Test {
 protected:
    reader::Result<reader::Process> Read() {
        const SegmentFile file(bytes_);
        reader::Result<reader::Process> from_file =
            reader::ReadSegmentFd(file.fd(), "made up", reader::Depth::kDetail);
        const reader::Result<reader::Process> from_memory =
            reader::ReadSegmentCopy(bytes_, "made up", reader::Depth::kDetail);
        EXPECT_EQ(from_file.error, from_memory.error) << "a file and its bytes are not the same";
        return from_file;
    }

    // Reads with one extent changed, and changes it back.
    std::string ErrorWith(tessera_kind kind, uint64_t owner, void (*change)(tessera_extent&)) {
        const ExtentPlace place = ExtentOf(bytes_, kind, owner);
        tessera_extent changed = place.extent;
        change(changed);
        Put(bytes_, place.entry, changed);
        const reader::Result<reader::Process> result = Read();
        EXPECT_EQ(WhatIsUnsound(result.value), "");
        Put(bytes_, place.entry, place.extent);
        return result.error;
    }

    // An entry of the table that is not in use yet.
    void AddExtent(const tessera_extent& extent) {
        const auto count = Get<uint64_t>(bytes_, offsetof(tessera_channel_header, extent_count));
        Put(bytes_, offsetof(tessera_channel_header, extents) + count * sizeof(extent), extent);
        Put(bytes_, offsetof(tessera_channel_header, extent_count), count + 1);
    }

    std::vector<std::byte> bytes_ = SampleSegment().Build();
};

TEST_F(Extents, ThatLieOutsideAreRefused) {
    for (const tessera_kind kind : {TESSERA_KIND_SLOTS, TESSERA_KIND_BLOCKS, TESSERA_KIND_RING}) {
        const auto error_with = [&](void (*change)(tessera_extent&)) {
            return ErrorWith(kind, 8, change);
        };
        EXPECT_THAT(error_with([](tessera_extent& e) { e.offset += 64; }), HasSubstr("outside"));
        EXPECT_THAT(error_with([](tessera_extent& e) { e.offset = 0; }), HasSubstr("outside"));
        EXPECT_THAT(error_with([](tessera_extent& e) { e.offset = 4096; }), HasSubstr("outside"))
            << "in the header";
        EXPECT_THAT(error_with([](tessera_extent& e) { e.offset = ~uint64_t{4095}; }),
                    HasSubstr("outside"));
        EXPECT_THAT(error_with([](tessera_extent& e) { e.bytes = ~uint64_t{0}; }),
                    HasSubstr("outside"));
        EXPECT_THAT(error_with([](tessera_extent& e) { e.bytes = 0 - e.offset; }),
                    HasSubstr("outside"))
            << "their sum is 0";
    }
    EXPECT_TRUE(Read().ok());
}

TEST_F(Extents, ThatOverlapAreRefused) {
    const ExtentPlace slots = ExtentOf(bytes_, TESSERA_KIND_SLOTS, 8);
    const ExtentPlace blocks = ExtentOf(bytes_, TESSERA_KIND_BLOCKS, 8);
    tessera_extent changed = blocks.extent;
    changed.offset = slots.extent.offset;
    Put(bytes_, blocks.entry, changed);
    EXPECT_THAT(Read().error, HasSubstr("overlap"));
    // What is not in use overlaps with nothing.
    changed.bytes = 0;
    Put(bytes_, blocks.entry, changed);
    EXPECT_TRUE(Read().ok());
}

TEST_F(Extents, WithTheSameNumbersAreRefused) {
    // Both devices' slots as those of one device.
    const auto change = [](tessera_extent& extent) { extent.owner = 8; };
    EXPECT_THAT(ErrorWith(TESSERA_KIND_SLOTS, 7, change), HasSubstr("same number"));
    EXPECT_THAT(ErrorWith(TESSERA_KIND_SLOTS, 7,
                          [](tessera_extent& extent) {
                              extent.owner = 8;
                              extent.first = 3;
                          }),
                HasSubstr("same number"))
        << "the last of four";
    EXPECT_EQ(ErrorWith(TESSERA_KIND_SLOTS, 7,
                        [](tessera_extent& extent) {
                            extent.owner = 8;
                            extent.first = 4;
                        }),
              "");
    EXPECT_THAT(ErrorWith(TESSERA_KIND_DEVICE, 0, [](tessera_extent& extent) { extent.first = 1; }),
                HasSubstr("same number"));
}

TEST_F(Extents, WhoseNumbersDoNotFitAreRefused) {
    EXPECT_THAT(ErrorWith(TESSERA_KIND_SLOTS, 8,
                          [](tessera_extent& extent) { extent.first = UINT32_MAX - 2; }),
                HasSubstr("numbers"));
    EXPECT_EQ(ErrorWith(TESSERA_KIND_SLOTS, 8,
                        [](tessera_extent& extent) { extent.first = UINT32_MAX - 3; }),
              "");
}

TEST_F(Extents, TooSmallForADeviceOrARingAreRefused) {
    EXPECT_THAT(ErrorWith(TESSERA_KIND_DEVICE, 0, [](tessera_extent& extent) { --extent.bytes; }),
                HasSubstr("smaller"));
    EXPECT_THAT(ErrorWith(TESSERA_KIND_RING, 8, [](tessera_extent& extent) { extent.bytes = 63; }),
                HasSubstr("smaller"));
    // Of a table, what is left of a record is none.
    EXPECT_EQ(ErrorWith(TESSERA_KIND_SLOTS, 8, [](tessera_extent& extent) { --extent.bytes; }), "");
    EXPECT_EQ(ErrorWith(TESSERA_KIND_SLOTS, 8, [](tessera_extent& extent) { extent.bytes = 1; }),
              "");
}

TEST_F(Extents, OfDevicesThatBelongToADeviceAreRefused) {
    EXPECT_THAT(ErrorWith(TESSERA_KIND_DEVICE, 0, [](tessera_extent& extent) { extent.owner = 8; }),
                HasSubstr("belongs"));
}

TEST_F(Extents, OfAnUnknownKindArePassedOverUnlessTheyLieWrong) {
    const auto make_unknown = [](tessera_extent& extent) { extent.kind = 77; };
    EXPECT_EQ(ErrorWith(TESSERA_KIND_SLOTS, 8, make_unknown), "");
    EXPECT_THAT(ErrorWith(TESSERA_KIND_SLOTS, 8,
                          [](tessera_extent& extent) {
                              extent.kind = UINT32_MAX;
                              extent.offset += 1;
                          }),
                HasSubstr("outside"));
}

TEST_F(Extents, OfNobodyArePassedOver) {
    EXPECT_EQ(ErrorWith(TESSERA_KIND_SLOTS, 8, [](tessera_extent& extent) { extent.owner = 99; }),
              "");
    EXPECT_EQ(ErrorWith(TESSERA_KIND_STACKS, 0, [](tessera_extent& extent) { extent.owner = 8; }),
              "");
}

TEST_F(Extents, MoreThanThereCanBeAreRefusedAndAllThereCanBeAreRead) {
    const auto used = Get<uint64_t>(bytes_, offsetof(tessera_channel_header, extent_count));
    for (uint64_t i = used; i < TESSERA_MAX_EXTENTS; ++i) {
        const size_t offset = bytes_.size() / 4096 * 4096 + 4096;
        bytes_.resize(offset + 64);
        Put(bytes_, offsetof(tessera_channel_header, segment_bytes), uint64_t{bytes_.size()});
        AddExtent({.offset = offset,
                   .bytes = 64,
                   .kind = TESSERA_KIND_SLOTS,
                   .first = static_cast<uint32_t>(100 + i),
                   .owner = 8});
        tessera_allocation_record record{};
        record.sequence = 2;
        record.object = i;
        record.type = 1;
        Put(bytes_, offset, record);
    }
    const reader::Result<reader::Process> result = Read();
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_EQ(result.value.devices[2].detail.allocations.size(), 4 + TESSERA_MAX_EXTENTS - used);
    Put(bytes_, offsetof(tessera_channel_header, extent_count), uint64_t{TESSERA_MAX_EXTENTS} + 1);
    EXPECT_THAT(Read().error, HasSubstr("more extents"));
}

}  // namespace
}  // namespace tessera::test
