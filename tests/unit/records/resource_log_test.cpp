// SPDX-License-Identifier: Apache-2.0
//
// The records of a device's resources: from creation to destruction, what is bound where, and what
// becomes of them when recording begins, ends, or has no room.
#include "vk/resource_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "fake_extents.h"
#include "vk/late_vulkan.h"

namespace tessera::test {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kDevice = 7;
constexpr uint64_t kUsages = VK_BUFFER_USAGE_VERTEX_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;

VkBuffer Buffer(uint64_t value) {
    return (VkBuffer)value;  // NOLINT: a pointer on 64-bit systems, an integer on 32-bit ones
}
VkImage Image(uint64_t value) {
    return (VkImage)value;  // NOLINT: as above
}
VkDeviceMemory Memory(uint64_t value) {
    return (VkDeviceMemory)value;  // NOLINT: as above
}

VkBufferCreateInfo BufferInfo(VkBufferUsageFlags usage = kUsages) {
    VkBufferCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.usage = usage;
    info.size = 1000;
    return info;
}

VkImageCreateInfo ImageInfo() {
    VkImageCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
    info.format = VK_FORMAT_R8G8B8A8_UNORM;
    info.extent = {640, 480, 1};
    info.mipLevels = 5;
    info.arrayLayers = 6;
    info.tiling = VK_IMAGE_TILING_OPTIMAL;
    info.usage = VK_IMAGE_USAGE_SAMPLED_BIT;
    return info;
}

class ResourceLogTest : public RecordsTest {
 protected:
    ResourceLogTest() {
        device.id = kDevice;
        log.Start(device);
    }
    ~ResourceLogTest() override { EXPECT_TRUE(log.CheckInvariants()); }

    std::vector<tessera_resource_record> All() const {
        return Records<tessera_resource_record>(TESSERA_KIND_RESOURCES, kDevice);
    }
    std::vector<tessera_resource_record> InUse() const {
        auto records = All();
        std::erase_if(records, [](const auto& record) { return record.object_type == 0; });
        for (const tessera_resource_record& record : records)
            EXPECT_EQ(record.sequence % 2, 0u);
        return records;
    }
    // The record of the only object.
    tessera_resource_record Only() const {
        const auto records = InUse();
        EXPECT_THAT(records, SizeIs(1));
        return records.empty() ? tessera_resource_record{} : records[0];
    }
    uint64_t Unrecorded() const { return device.unrecorded[TESSERA_KIND_RESOURCES]; }

    void Bind(uint64_t buffer, uint64_t memory, uint64_t offset) {
        log.Bound(VK_OBJECT_TYPE_BUFFER, buffer, 0, Memory(memory), offset, 512);
    }

    tessera_device_record device = {};
    ResourceLog log;
};

TEST_F(ResourceLogTest, ABufferHasARecordFromItsCreationToItsEnd) {
    log.Made(Buffer(11), BufferInfo());
    EXPECT_EQ(Only().object, 11u);
    EXPECT_EQ(Only().object_type, static_cast<uint32_t>(VK_OBJECT_TYPE_BUFFER));
    EXPECT_EQ(Only().usage, kUsages);
    EXPECT_EQ(Only().memory, 0u);
    EXPECT_EQ(Only().size_bytes, 0u) << "nobody asked yet";
    log.Sized(VK_OBJECT_TYPE_BUFFER, 11, 1024);
    EXPECT_EQ(Only().size_bytes, 1024u);
    log.Bound(VK_OBJECT_TYPE_BUFFER, 11, 0, Memory(5), 4096, 0);
    EXPECT_EQ(Only().memory, 5u);
    EXPECT_EQ(Only().offset, 4096u);
    EXPECT_EQ(Only().size_bytes, 1024u) << "what was known stays";
    EXPECT_EQ(Only().usage, kUsages);
    log.Destroyed(VK_OBJECT_TYPE_BUFFER, 11);
    EXPECT_THAT(InUse(), IsEmpty());
}

TEST_F(ResourceLogTest, AnImageIsDescribed) {
    log.Made(Image(12), ImageInfo());
    EXPECT_EQ(Only().object_type, static_cast<uint32_t>(VK_OBJECT_TYPE_IMAGE));
    EXPECT_EQ(Only().usage, uint64_t{VK_IMAGE_USAGE_SAMPLED_BIT});
    EXPECT_EQ(Only().format, static_cast<uint32_t>(VK_FORMAT_R8G8B8A8_UNORM));
    EXPECT_EQ(Only().width, 640u);
    EXPECT_EQ(Only().height, 480u);
    EXPECT_EQ(Only().depth_or_layers, 6u);
    EXPECT_EQ(Only().levels, 5u);
    log.Destroyed(VK_OBJECT_TYPE_IMAGE, 12);
    VkImageCreateInfo info = ImageInfo();
    info.tiling = VK_IMAGE_TILING_LINEAR;
    info.extent.depth = 9;
    info.arrayLayers = 1;
    log.Made(Image(12), info);
    EXPECT_EQ(Only().levels, 5u | 1u << 31);
    EXPECT_EQ(Only().depth_or_layers, 9u);
}

TEST_F(ResourceLogTest, UsageInMoreBitsCountsInsteadOfTheOther) {
    late::BufferUsageFlags2CreateInfo more = {};
    more.sType = static_cast<VkStructureType>(late::kBufferUsageFlags2CreateInfo);
    more.usage = uint64_t{1} << 40 | 2;
    VkBufferCreateInfo info = BufferInfo();
    info.pNext = &more;
    log.Made(Buffer(1), info);
    EXPECT_EQ(Only().usage, more.usage);
}

TEST_F(ResourceLogTest, HandlesOfTwoTypesMayBeTheSameNumber) {
    log.Made(Buffer(9), BufferInfo());
    log.Made(Image(9), ImageInfo());
    EXPECT_THAT(InUse(), SizeIs(2));
    log.Destroyed(VK_OBJECT_TYPE_IMAGE, 9);
    EXPECT_EQ(Only().object_type, static_cast<uint32_t>(VK_OBJECT_TYPE_BUFFER));
}

TEST_F(ResourceLogTest, AHandleThatComesBackIsWhatItsNewObjectIs) {
    log.Made(Buffer(9), BufferInfo());
    log.Named(VK_OBJECT_TYPE_BUFFER, 9, "old");
    Bind(9, 5, 64);
    log.Destroyed(VK_OBJECT_TYPE_BUFFER, 9);
    log.Made(Buffer(9), BufferInfo(VK_BUFFER_USAGE_INDEX_BUFFER_BIT));
    EXPECT_EQ(Only().usage, uint64_t{VK_BUFFER_USAGE_INDEX_BUFFER_BIT});
    EXPECT_EQ(Only().memory, 0u);
    EXPECT_STREQ(Only().name, "");
}

// Its end was not seen: the application destroyed it by a pointer that it got before.
TEST_F(ResourceLogTest, AHandleThatIsMadeTwiceIsTheNewObject) {
    log.Made(Buffer(9), BufferInfo());
    Bind(9, 5, 64);
    log.Made(Buffer(9), BufferInfo(VK_BUFFER_USAGE_INDEX_BUFFER_BIT));
    EXPECT_EQ(Only().memory, 0u);
}

TEST_F(ResourceLogTest, WhatWasMadeBeforeRecordingBeganIsRecordedFromItsBindOn) {
    Bind(3, 4, 256);
    EXPECT_EQ(Only().object, 3u);
    EXPECT_EQ(Only().memory, 4u);
    EXPECT_EQ(Only().size_bytes, 512u);
    EXPECT_EQ(Only().usage, 0u);
    log.Sized(VK_OBJECT_TYPE_BUFFER, 99, 1024);
    log.Destroyed(VK_OBJECT_TYPE_BUFFER, 99);
    EXPECT_THAT(InUse(), SizeIs(1)) << "of what is not known nothing is told";
}

TEST_F(ResourceLogTest, PartsOfOneObjectHaveARecordEach) {
    log.Made(Image(20), ImageInfo());
    log.Named(VK_OBJECT_TYPE_IMAGE, 20, "planes");
    for (const uint32_t plane : {1u, 0u, 2u})
        log.Bound(VK_OBJECT_TYPE_IMAGE, 20, plane, Memory(100 + plane), 0, 64 * (plane + 1));
    ASSERT_THAT(InUse(), SizeIs(3));
    std::map<uint64_t, uint64_t> sizes;
    for (const tessera_resource_record& record : InUse()) {
        sizes[record.memory] = record.size_bytes;
        EXPECT_EQ(record.width, 640u);
        EXPECT_STREQ(record.name, "planes");
    }
    EXPECT_EQ(sizes, (std::map<uint64_t, uint64_t>{{100, 64}, {101, 128}, {102, 192}}));
    log.Named(VK_OBJECT_TYPE_IMAGE, 20, "other");
    for (const tessera_resource_record& record : InUse())
        EXPECT_STREQ(record.name, "other");
    log.Destroyed(VK_OBJECT_TYPE_IMAGE, 20);
    EXPECT_THAT(InUse(), IsEmpty());
}

TEST_F(ResourceLogTest, OtherObjectsAreRecordedFromTheirBind) {
    for (const int type :
         {int{VK_OBJECT_TYPE_ACCELERATION_STRUCTURE_NV}, int{VK_OBJECT_TYPE_VIDEO_SESSION_KHR},
          late::kObjectTypeTensor, late::kObjectTypeDataGraphPipelineSession}) {
        log.Bound(static_cast<VkObjectType>(type), 30, 2, Memory(6), 128, 0);
        EXPECT_EQ(Only().object_type, static_cast<uint32_t>(type));
        EXPECT_EQ(Only().size_bytes, 0u);
        log.Destroyed(static_cast<VkObjectType>(type), 30);
        EXPECT_THAT(InUse(), IsEmpty());
    }
}

TEST_F(ResourceLogTest, NothingIsStoredWhileRecordingIsOff) {
    ResourceLog off;
    off.Made(Buffer(1), BufferInfo());
    off.Bound(VK_OBJECT_TYPE_BUFFER, 1, 0, Memory(1), 0, 0);
    off.Named(VK_OBJECT_TYPE_BUFFER, 1, "name");
    off.MemoryFreed(1);
    off.Destroyed(VK_OBJECT_TYPE_BUFFER, 1);
    EXPECT_FALSE(off.on());
    EXPECT_EQ(TimesAsked(), 0u);
}

TEST_F(ResourceLogTest, AfterTheEndTheTableStaysUntilTheNextBeginning) {
    log.Made(Buffer(1), BufferInfo());
    log.Named(VK_OBJECT_TYPE_DEVICE_MEMORY, 5, "memory");
    log.Stop();
    EXPECT_FALSE(log.on());
    log.Made(Buffer(2), BufferInfo());
    log.MemoryFreed(5);
    EXPECT_THAT(InUse(), SizeIs(2));
    log.Start(device);
    EXPECT_THAT(InUse(), IsEmpty());
    EXPECT_TRUE(log.CheckInvariants());
    log.Made(Buffer(1), BufferInfo());
    EXPECT_THAT(InUse(), SizeIs(1));
    EXPECT_THAT(All(), SizeIs(256)) << "room is used again";
}

TEST_F(ResourceLogTest, WithoutASegmentNothingBegins) {
    tessera_device_record unpublished = {};
    ResourceLog other;
    other.Start(unpublished);
    EXPECT_FALSE(other.on());
}

TEST_F(ResourceLogTest, RecordsThatAreFreeAreUsedBeforeTheTableGrows) {
    for (uint64_t i = 1; i <= 256; ++i)
        log.Made(Buffer(i), BufferInfo());
    EXPECT_THAT(All(), SizeIs(256));
    for (uint64_t i = 1; i <= 100; ++i)
        log.Destroyed(VK_OBJECT_TYPE_BUFFER, i);
    for (uint64_t i = 301; i <= 400; ++i)
        log.Made(Buffer(i), BufferInfo());
    EXPECT_THAT(All(), SizeIs(256));
    log.Made(Buffer(1), BufferInfo());
    EXPECT_THAT(All(), SizeIs(256 + 512)) << "extents double";
    EXPECT_THAT(InUse(), SizeIs(257));
}

TEST_F(ResourceLogTest, WithoutRoomResourcesAreCountedAndOthersGoOn) {
    SetRoom(256 * sizeof(tessera_resource_record));
    for (uint64_t i = 1; i <= 300; ++i)
        log.Made(Buffer(i), BufferInfo());
    EXPECT_THAT(InUse(), SizeIs(256));
    EXPECT_EQ(Unrecorded(), 44u);
    Bind(300, 5, 0);
    EXPECT_EQ(Unrecorded(), 45u) << "there is still no room for it";
    Bind(1, 5, 0);
    EXPECT_EQ(Unrecorded(), 45u);
    log.Named(VK_OBJECT_TYPE_BUFFER, 299, "name");
    EXPECT_EQ(Unrecorded(), 46u);
    EXPECT_TRUE(log.CheckInvariants());
    log.Destroyed(VK_OBJECT_TYPE_BUFFER, 1);
    log.Made(Buffer(301), BufferInfo());
    EXPECT_EQ(Unrecorded(), 46u);
}

TEST_F(ResourceLogTest, ManyRandomStepsLeaveWhatASimpleModelSays) {
    std::mt19937_64 random(5);
    std::map<uint64_t, uint64_t> memory_of;  // by buffer
    for (int step = 0; step < 20000; ++step) {
        const uint64_t buffer = 1 + random() % 600;
        switch (random() % 3) {
            case 0:
                log.Made(Buffer(buffer), BufferInfo());
                memory_of[buffer] = 0;
                break;
            case 1:
                Bind(buffer, 1000 + buffer, 0);
                memory_of[buffer] = 1000 + buffer;
                break;
            default:
                log.Destroyed(VK_OBJECT_TYPE_BUFFER, buffer);
                memory_of.erase(buffer);
        }
        if (step % 1000 == 0) {
            ASSERT_TRUE(log.CheckInvariants());
        }
    }
    std::map<uint64_t, uint64_t> found;
    for (const tessera_resource_record& record : InUse())
        found[record.object] = record.memory;
    EXPECT_EQ(found, memory_of);
    EXPECT_EQ(Unrecorded(), 0u);
}

TEST_F(ResourceLogTest, ThreadsHaveTheirOwnResourcesWhileRecordingEndsAndBegins) {
    constexpr uint64_t kThreads = 4;
    std::vector<std::thread> threads;
    for (uint64_t thread = 1; thread <= kThreads; ++thread) {
        threads.emplace_back([&, thread] {
            for (uint64_t i = 0; i < 3000; ++i) {
                const uint64_t object = thread << 32 | i;
                log.Made(Buffer(object), BufferInfo());
                log.Named(VK_OBJECT_TYPE_DEVICE_MEMORY, object, "memory");
                Bind(object, object, i);
                log.MemoryFreed(object);
                log.Destroyed(VK_OBJECT_TYPE_BUFFER, object);
            }
        });
    }
    for (int i = 0; i < 200; ++i) {
        log.Stop();
        log.Start(device);
        EXPECT_TRUE(log.CheckInvariants());
    }
    for (std::thread& thread : threads)
        thread.join();
    log.Stop();
    log.Start(device);
    EXPECT_THAT(InUse(), IsEmpty());
}

}  // namespace
}  // namespace tessera::test
