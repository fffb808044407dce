// SPDX-License-Identifier: Apache-2.0
//
// Mapping, flushing and invalidating: on memory that is not coherent, where every mistake shows.

#include <cstring>

#include "layer/vk/late_vulkan.h"
#include "session.h"

namespace tessera::test {
namespace {

constexpr VkDeviceSize kAtom = 256;

SessionOptions NonCoherent() {
    SessionOptions options;
    options.description = "preset:noncoherent";
    return options;
}

uint32_t NonCoherentType(const Session& session) {
    return session.TypeWith(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
                            VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                            VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
}

VkMappedMemoryRange Range(VkDeviceMemory memory, VkDeviceSize offset, VkDeviceSize size) {
    return {VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, memory, offset, size};
}

// The bytes that the device sees of a buffer.
std::vector<uint8_t> DeviceBytes(const Session& session, VkBuffer buffer, size_t size) {
    TesseraMockBinding binding = {};
    EXPECT_TRUE(session.mock->find_buffer(session.device, buffer, &binding));
    std::vector<uint8_t> bytes(size);
    EXPECT_TRUE(session.mock->read_memory(session.device, binding.memory, binding.offset,
                                          bytes.data(), size));
    return bytes;
}

struct MappedBuffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    uint8_t* data;
};

MappedBuffer MakeMapped(Session& session, VkDeviceSize size, uint8_t fill) {
    MappedBuffer made = {};
    made.buffer = session.MakeBuffer(size);
    made.memory =
        session.Allocate(session.Requirements(made.buffer).size, NonCoherentType(session));
    EXPECT_EQ(vkBindBufferMemory(session.device, made.buffer, made.memory, 0), VK_SUCCESS);
    made.data = static_cast<uint8_t*>(session.Map(made.memory));
    std::memset(made.data, fill, size);
    return made;
}

void Destroy(Session& session, const MappedBuffer& mapped) {
    vkDestroyBuffer(session.device, mapped.buffer, nullptr);
    session.Free(mapped.memory);
}

// f2: neighbours are mapped at the same time, and unmapping one leaves the other.
TEST(Map, NeighboursAreMappedIndependently) {
    Session session(NonCoherent());
    MappedBuffer a = MakeMapped(session, 1000, 0xAA);
    MappedBuffer b = MakeMapped(session, 1000, 0xBB);
    vkUnmapMemory(session.device, a.memory);
    const VkMappedMemoryRange range = Range(b.memory, 0, VK_WHOLE_SIZE);
    EXPECT_EQ(vkFlushMappedMemoryRanges(session.device, 1, &range), VK_SUCCESS);
    EXPECT_EQ(DeviceBytes(session, b.buffer, 1000), std::vector<uint8_t>(1000, 0xBB));
    Destroy(session, a);
    Destroy(session, b);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f3: VK_WHOLE_SIZE means the rest of the mapping. Forwarded as it is, an invalidation would throw
// away what the neighbour wrote and has not flushed yet.
TEST(Map, WholeSizeDoesNotReachTheNeighbour) {
    Session session(NonCoherent());
    MappedBuffer a = MakeMapped(session, 1000, 0xAA);
    MappedBuffer b = MakeMapped(session, 1000, 0xBB);
    const VkMappedMemoryRange range = Range(a.memory, 0, VK_WHOLE_SIZE);
    EXPECT_EQ(vkInvalidateMappedMemoryRanges(session.device, 1, &range), VK_SUCCESS);
    EXPECT_EQ(b.data[0], 0xBB);
    EXPECT_EQ(b.data[999], 0xBB);
    EXPECT_EQ(vkFlushMappedMemoryRanges(session.device, 1, &range), VK_SUCCESS);
    EXPECT_NE(DeviceBytes(session, b.buffer, 1)[0], 0xBB) << "b was not flushed";
    Destroy(session, a);
    Destroy(session, b);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f4: a range may end at the end of the memory, which need not be a multiple of the atom (01390).
TEST(Map, RangeToAnUnalignedEndIsFlushedWhole) {
    Session session(NonCoherent());
    const VkDeviceSize size = 3 * kAtom + 77;
    const VkDeviceMemory memory = session.Allocate(size, NonCoherentType(session));
    const VkBuffer buffer = session.MakeBuffer(512);
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_SUCCESS);
    auto* data = static_cast<uint8_t*>(session.Map(memory));
    std::memset(data, 0x5A, size);
    const VkMappedMemoryRange range = Range(memory, kAtom, size - kAtom);
    EXPECT_EQ(vkFlushMappedMemoryRanges(session.device, 1, &range), VK_SUCCESS);
    TesseraMockBinding binding = {};
    ASSERT_TRUE(session.mock->find_buffer(session.device, buffer, &binding));
    uint8_t last = 0;
    ASSERT_TRUE(session.mock->read_memory(session.device, binding.memory, binding.offset + size - 1,
                                          &last, 1));
    EXPECT_EQ(last, 0x5A);
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f1: a map may begin and end at any byte; WHOLE_SIZE then means the mapping's end (01389).
TEST(Map, PartialMapFlushesItsOwnWindow) {
    Session session(NonCoherent());
    MappedBuffer buffer = MakeMapped(session, 4096, 0x11);
    vkUnmapMemory(session.device, buffer.memory);
    auto* data = static_cast<uint8_t*>(session.Map(buffer.memory, 512, 1024));
    EXPECT_EQ(data, buffer.data + 512);
    std::memset(data, 0x22, 1024);
    const VkMappedMemoryRange range = Range(buffer.memory, 512, VK_WHOLE_SIZE);
    EXPECT_EQ(vkFlushMappedMemoryRanges(session.device, 1, &range), VK_SUCCESS);
    const std::vector<uint8_t> bytes = DeviceBytes(session, buffer.buffer, 4096);
    EXPECT_EQ(bytes[512], 0x22);
    EXPECT_EQ(bytes[1535], 0x22);
    EXPECT_NE(bytes[0], 0x11) << "outside of the window nothing was flushed";
    Destroy(session, buffer);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f3: what is mapped of one slot says nothing of its neighbours.
TEST(Map, WindowsOfNeighboursAreTheirOwn) {
    constexpr VkDeviceSize kOffsets[] = {512, 1024, 2048};
    constexpr VkDeviceSize kLength = 512;
    Session session(NonCoherent());
    std::vector<MappedBuffer> buffers;
    for (const VkDeviceSize offset : kOffsets) {
        buffers.push_back(MakeMapped(session, 4096, 0x11));
        vkUnmapMemory(session.device, buffers.back().memory);
        session.Map(buffers.back().memory, offset, kLength);
    }
    for (size_t i = 0; i < buffers.size(); ++i) {
        const VkMappedMemoryRange range = Range(buffers[i].memory, kOffsets[i], VK_WHOLE_SIZE);
        EXPECT_EQ(vkFlushMappedMemoryRanges(session.device, 1, &range), VK_SUCCESS);
        const std::vector<uint8_t> bytes = DeviceBytes(session, buffers[i].buffer, 4096);
        EXPECT_EQ(bytes[kOffsets[i]], 0x11);
        EXPECT_EQ(bytes[kOffsets[i] + kLength - 1], 0x11);
        EXPECT_NE(bytes[kOffsets[i] - 1], 0x11);
        EXPECT_NE(bytes[kOffsets[i] + kLength], 0x11);
        EXPECT_NE(bytes[4095], 0x11);
    }
    for (const MappedBuffer& buffer : buffers)
        Destroy(session, buffer);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f13: what was written and never flushed must not overwrite whoever gets the range next.
TEST(Map, UnflushedWritesDoNotReachTheNextOwner) {
    Session session(NonCoherent());
    MappedBuffer first = MakeMapped(session, 4096, 0x33);
    session.mock->reset_call_counts();
    Destroy(session, first);
    EXPECT_EQ(session.mock->call_count("vkFlushMappedMemoryRanges"), 1u);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

TEST(Map, CoherentMemoryIsNotFlushedAtFree) {
    Session session;
    const VkDeviceMemory memory = session.Allocate(4096, 2);
    session.Map(memory);
    session.mock->reset_call_counts();
    session.Free(memory);
    EXPECT_EQ(session.mock->call_count("vkFlushMappedMemoryRanges"), 0u);
}

// Applications flush nothing at all; drivers bear it, and so does the layer.
TEST(Map, EmptyRangeIsTolerated) {
    Session session(NonCoherent());
    MappedBuffer buffer = MakeMapped(session, 1000, 1);
    const VkMappedMemoryRange range = Range(buffer.memory, 0, 0);
    EXPECT_EQ(vkFlushMappedMemoryRanges(session.device, 1, &range), VK_SUCCESS);
    EXPECT_EQ(vkInvalidateMappedMemoryRanges(session.device, 1, &range), VK_SUCCESS);
    Destroy(session, buffer);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// Arrays mix slots with what went through.
TEST(Map, RangesOfSlotsAndOthersAreMixed) {
    Session session(NonCoherent());
    const uint32_t type = NonCoherentType(session);
    const VkDeviceMemory large = session.Allocate(80u << 20, type);
    std::memset(session.Map(large), 0x77, 1024);
    std::vector<MappedBuffer> buffers;
    std::vector<VkMappedMemoryRange> ranges = {Range(large, 0, 1024)};
    for (int i = 0; i < 40; ++i) {
        buffers.push_back(MakeMapped(session, 700, static_cast<uint8_t>(i)));
        ranges.push_back(Range(buffers.back().memory, 0, VK_WHOLE_SIZE));
    }
    EXPECT_EQ(vkFlushMappedMemoryRanges(session.device, static_cast<uint32_t>(ranges.size()),
                                        ranges.data()),
              VK_SUCCESS);
    uint8_t byte = 0;
    ASSERT_TRUE(session.mock->read_memory(session.device, large, 1023, &byte, 1));
    EXPECT_EQ(byte, 0x77);
    for (int i = 0; i < 40; ++i) {
        EXPECT_EQ(DeviceBytes(session, buffers[static_cast<size_t>(i)].buffer, 700),
                  std::vector<uint8_t>(700, static_cast<uint8_t>(i)));
    }
    for (const MappedBuffer& buffer : buffers)
        Destroy(session, buffer);
    session.Free(large);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e3: a pointer is aligned as minMemoryMapAlignment asks, and with the setting to pages.
TEST(Map, PointersAreAligned) {
    for (const char* setting : {"TESSERA_PAGE_ALIGN=off", "TESSERA_PAGE_ALIGN=on"}) {
        SessionOptions options = NonCoherent();
        options.environment = {setting};
        const uintptr_t alignment =
            std::strstr(setting, "on") != nullptr && std::strstr(setting, "off") == nullptr ? 4096
                                                                                            : 64;
        Session session(options);
        for (VkDeviceSize size : {1u, 100u, 3000u, 70000u}) {
            const VkDeviceMemory memory = session.Allocate(size, NonCoherentType(session));
            const auto address = reinterpret_cast<uintptr_t>(session.Map(memory));
            EXPECT_EQ(address % alignment, 0u) << size;
        }
    }
}

// The block is mapped once, whole; slots never reach vkMapMemory.
TEST(Map, MappingASlotNeverReachesTheDriver) {
    Session session(NonCoherent());
    MappedBuffer buffer = MakeMapped(session, 1000, 1);
    session.mock->reset_call_counts();
    for (int i = 0; i < 100; ++i) {
        vkUnmapMemory(session.device, buffer.memory);
        session.Map(buffer.memory);
    }
    EXPECT_EQ(session.mock->call_count("vkMapMemory"), 0u);
    EXPECT_EQ(session.mock->call_count("vkUnmapMemory"), 0u);
    Destroy(session, buffer);
}

// e29: the second form, on a driver that has it.
TEST(Map, SecondFormMapsSlotsAndOthers) {
    SessionOptions options;
    options.device_extensions = {"VK_KHR_map_memory2"};
    Session session(options);
    const auto map = session.Command<late::PfnMapMemory2>("vkMapMemory2KHR");
    const auto unmap = session.Command<late::PfnUnmapMemory2>("vkUnmapMemory2KHR");
    ASSERT_NE(map, nullptr);
    ASSERT_NE(unmap, nullptr);
    for (VkDeviceSize size : {VkDeviceSize{4096}, VkDeviceSize{80} << 20}) {
        const VkDeviceMemory memory = session.Allocate(size, 2);
        late::MemoryMapInfo info = {};
        info.sType = static_cast<VkStructureType>(late::kMemoryMapInfo);
        info.memory = memory;
        info.offset = 16;
        info.size = VK_WHOLE_SIZE;
        void* data = nullptr;
        ASSERT_EQ(map(session.device, &info, &data), VK_SUCCESS);
        *static_cast<int*>(data) = 1;
        late::MemoryUnmapInfo unmap_info = {};
        unmap_info.sType = static_cast<VkStructureType>(late::kMemoryUnmapInfo);
        unmap_info.memory = memory;
        EXPECT_EQ(unmap(session.device, &unmap_info), VK_SUCCESS);
        session.Free(memory);
    }
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
