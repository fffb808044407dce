// SPDX-License-Identifier: Apache-2.0
//
// Names of resources and of memory: cut where they must be, taken back, and gone with their object.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "fake_extents.h"
#include "vk/resource_log.h"

namespace tessera::test {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr size_t kRoom = TESSERA_NAME_BYTES;

// What is kept of a name. Fails the test if anything but zeroes follows it.
std::string Cut(const char* name) {
    char out[kRoom];
    std::fill_n(out, kRoom, 'x');
    CutName(name, out);
    const size_t bytes = strnlen(out, kRoom);
    for (size_t i = bytes; i < kRoom; ++i)
        EXPECT_EQ(out[i], '\0');
    return {out, bytes};
}
std::string Cut(const std::string& name) {
    return Cut(name.c_str());
}

TEST(CutName, NullAndEmptyAreEmpty) {
    EXPECT_EQ(Cut(nullptr), "");
    EXPECT_EQ(Cut(""), "");
}

TEST(CutName, NamesOfEveryLengthAreWholeAsFarAsThereIsRoom) {
    for (size_t length = 0; length <= kRoom + 8; ++length) {
        const std::string name(length, 'n');
        EXPECT_EQ(Cut(name), name.substr(0, kRoom)) << length;
    }
}

// Characters of 2, 3 and 4 bytes that end, begin or lie across the last byte.
TEST(CutName, NoCharacterIsCutInTwo) {
    for (const std::string character : {"\u00e9", "\u20ac", "\U0001F642"}) {
        for (size_t before = kRoom - 6; before <= kRoom + 2; ++before) {
            const std::string head(before, 'a');
            const std::string name = head + character + "tail that is long enough";
            std::string expected = head.substr(0, kRoom);
            if (before + character.size() <= kRoom) expected = name.substr(0, kRoom);
            EXPECT_EQ(Cut(name), expected) << character << " after " << before;
        }
    }
}

TEST(CutName, ACharacterThatJustFitsStays) {
    for (const std::string character : {"\u00e9", "\u20ac", "\U0001F642"}) {
        const std::string name = std::string(kRoom - character.size(), 'a') + character;
        EXPECT_EQ(Cut(name), name);
        EXPECT_EQ(Cut(name + "b"), name);
        EXPECT_EQ(Cut(name + character), name);
    }
}

TEST(CutName, WhatIsNotUtf8IsCutAtTheLastByte) {
    const std::string name(kRoom + 10, '\x80');
    EXPECT_EQ(Cut(name), name.substr(0, kRoom));
}

TEST(CutName, OfALongNameNoMoreIsReadThanOneByteBeyondTheRoom) {
    // Without a terminator: AddressSanitizer would tell of any byte after it.
    const std::unique_ptr<char[]> name(new char[kRoom + 1]);
    std::fill_n(name.get(), kRoom + 1, 'n');
    EXPECT_EQ(Cut(name.get()), std::string(kRoom, 'n'));
}

class ResourceNames : public RecordsTest {
 protected:
    ResourceNames() {
        device.id = 1;
        log.Start(device);
    }
    ~ResourceNames() override { EXPECT_TRUE(log.CheckInvariants()); }

    std::vector<tessera_resource_record> InUse() const {
        auto records = Records<tessera_resource_record>(TESSERA_KIND_RESOURCES, 1);
        std::erase_if(records, [](const auto& record) { return record.object_type == 0; });
        return records;
    }
    // The name of the only record.
    std::string Name() const {
        const auto records = InUse();
        if (records.size() != 1) {
            ADD_FAILURE() << records.size() << " records";
            return "";
        }
        return {records[0].name, strnlen(records[0].name, kRoom)};
    }

    tessera_device_record device = {};
    ResourceLog log;
};

TEST_F(ResourceNames, ANameIsReplacedAndTakenBack) {
    log.Bound(VK_OBJECT_TYPE_BUFFER, 3, 0, VkDeviceMemory{}, 0, 0);
    for (const char* name : {"first", "second", ""}) {
        log.Named(VK_OBJECT_TYPE_BUFFER, 3, name);
        EXPECT_EQ(Name(), name);
    }
    log.Named(VK_OBJECT_TYPE_BUFFER, 3, "third");
    log.Named(VK_OBJECT_TYPE_BUFFER, 3, nullptr);
    EXPECT_EQ(Name(), "");
}

TEST_F(ResourceNames, AnObjectThatIsNotKnownHasARecordFromItsNameOn) {
    log.Named(VK_OBJECT_TYPE_IMAGE, 4, "");
    EXPECT_THAT(InUse(), IsEmpty());
    log.Named(VK_OBJECT_TYPE_IMAGE, 4, "shadow map");
    EXPECT_EQ(Name(), "shadow map");
    EXPECT_EQ(InUse()[0].object, 4u);
    EXPECT_EQ(InUse()[0].object_type, static_cast<uint32_t>(VK_OBJECT_TYPE_IMAGE));
}

TEST_F(ResourceNames, MemoryHasARecordAsLongAsItHasAName) {
    log.Named(VK_OBJECT_TYPE_DEVICE_MEMORY, 4, "arena");
    EXPECT_EQ(Name(), "arena");
    log.Named(VK_OBJECT_TYPE_DEVICE_MEMORY, 4, "larger arena");
    EXPECT_EQ(Name(), "larger arena");
    log.Named(VK_OBJECT_TYPE_DEVICE_MEMORY, 4, nullptr);
    EXPECT_THAT(InUse(), IsEmpty());
    log.Named(VK_OBJECT_TYPE_DEVICE_MEMORY, 4, "arena");
    log.MemoryFreed(5);
    EXPECT_EQ(Name(), "arena");
    log.MemoryFreed(4);
    EXPECT_THAT(InUse(), IsEmpty());
    log.MemoryFreed(4);
}

TEST_F(ResourceNames, AResourceKeepsItsRecordWhenItsMemoryIsFreed) {
    log.Bound(VK_OBJECT_TYPE_BUFFER, 3, 0, (VkDeviceMemory)uint64_t{4}, 0, 0);
    log.Named(VK_OBJECT_TYPE_DEVICE_MEMORY, 4, "arena");
    log.MemoryFreed(4);
    ASSERT_THAT(InUse(), SizeIs(1));
    EXPECT_EQ(InUse()[0].memory, 4u);
}

TEST_F(ResourceNames, WhatTakesNoMemoryHasNoRecord) {
    for (const VkObjectType type : {VK_OBJECT_TYPE_SAMPLER, VK_OBJECT_TYPE_QUEUE,
                                    VK_OBJECT_TYPE_UNKNOWN, VK_OBJECT_TYPE_IMAGE_VIEW})
        log.Named(type, 4, "name");
    log.Named(VK_OBJECT_TYPE_BUFFER, 0, "name of nothing");
    EXPECT_THAT(InUse(), IsEmpty());
}

}  // namespace
}  // namespace tessera::test
