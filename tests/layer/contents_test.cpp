// SPDX-License-Identifier: Apache-2.0
//
// The bytes of memory: what is written through one mapping is what the device, another mapping and
// nobody else sees.

#include <cstring>

#include "layer/vk/late_vulkan.h"
#include "session.h"

namespace tessera::test {
namespace {

constexpr VkMemoryPropertyFlags kHost =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;

// A buffer in memory that is not coherent, mapped as a whole.
struct Mapped {
    explicit Mapped(VkDeviceSize bytes) : size(bytes) {
        SessionOptions options;
        options.description = "preset:noncoherent";
        session = std::make_unique<Session>(options);
        const uint32_t type = session->TypeWith(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
                                                VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                                VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
        // So that the memory does not begin where its block does.
        neighbour = session->Allocate(bytes, type);
        memory = session->Allocate(bytes, type);
        buffer = session->MakeBuffer(bytes);
        EXPECT_EQ(vkBindBufferMemory(session->device, buffer, memory, 0), VK_SUCCESS);
        EXPECT_TRUE(session->mock->find_buffer(session->device, buffer, &place));
        data = static_cast<uint8_t*>(session->Map(memory));
    }
    ~Mapped() {
        vkDestroyBuffer(session->device, buffer, nullptr);
        session->Free(neighbour);
        session->Free(memory);
        session->Close();
        EXPECT_EQ(session->mock.Violations(), "");
    }
    void Invalidate(VkDeviceSize offset) {
        const VkMappedMemoryRange range = {VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, memory,
                                           offset, VK_WHOLE_SIZE};
        EXPECT_EQ(vkInvalidateMappedMemoryRanges(session->device, 1, &range), VK_SUCCESS);
    }

    VkDeviceSize size;
    std::unique_ptr<Session> session;
    VkDeviceMemory neighbour = VK_NULL_HANDLE;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkBuffer buffer = VK_NULL_HANDLE;
    TesseraMockBinding place = {};
    uint8_t* data = nullptr;
};

// f3: VK_WHOLE_SIZE ends with the mapping. What lies behind it in the same memory, written before
// and not flushed yet, is not thrown away.
TEST(Map, InvalidatingAWindowKeepsWhatLiesBehindIt) {
    Mapped mapped(4096);
    std::memset(mapped.data, 0x11, 4096);
    vkUnmapMemory(mapped.session->device, mapped.memory);
    auto* window = static_cast<uint8_t*>(mapped.session->Map(mapped.memory, 512, 1024));
    mapped.Invalidate(512);
    EXPECT_NE(window[0], 0x11) << "what was never flushed is not what the device has";
    vkUnmapMemory(mapped.session->device, mapped.memory);
    mapped.data = static_cast<uint8_t*>(mapped.session->Map(mapped.memory));
    EXPECT_EQ(mapped.data[0], 0x11);
    EXPECT_EQ(mapped.data[2048], 0x11);
    EXPECT_EQ(mapped.data[4095], 0x11);
}

TEST(Map, InvalidationShowsWhatTheDeviceWrote) {
    Mapped mapped(1024);
    const std::vector<uint8_t> written(1024, 0x77);
    ASSERT_TRUE(mapped.session->mock->write_memory(mapped.session->device, mapped.place.memory,
                                                   mapped.place.offset, written.data(), 1024));
    mapped.Invalidate(0);
    EXPECT_EQ(std::vector<uint8_t>(mapped.data, mapped.data + 1024), written);
}

// f13, e2: the flush when memory is freed ends at an atom, whatever was asked for.
TEST(Map, FlushAtFreeCoversWholeAtoms) {
    Mapped mapped(1000);
    std::memset(mapped.data, 0x11, 1000);
    mapped.session->mock->reset_call_counts();
    mapped.session->Free(mapped.memory);
    EXPECT_EQ(mapped.session->mock->call_count("vkFlushMappedMemoryRanges"), 1u);
    uint8_t last = 0;
    ASSERT_TRUE(mapped.session->mock->read_memory(mapped.session->device, mapped.place.memory,
                                                  mapped.place.offset + 999, &last, 1));
    EXPECT_EQ(last, 0x11);
    mapped.memory = VK_NULL_HANDLE;
}

// e29: both forms of mapping mean the same bytes.
TEST(Map, SecondFormMapsAtItsOffset) {
    SessionOptions options;
    options.device_extensions = {"VK_KHR_map_memory2"};
    Session session(options);
    const auto map = session.Command<late::PfnMapMemory2>("vkMapMemory2KHR");
    const auto unmap = session.Command<late::PfnUnmapMemory2>("vkUnmapMemory2KHR");
    const uint32_t type = session.TypeWith(kHost);
    const VkDeviceMemory memory = session.Allocate(4096, type);
    auto* first = static_cast<uint8_t*>(session.Map(memory));
    vkUnmapMemory(session.device, memory);
    late::MemoryMapInfo info = {};
    info.sType = static_cast<VkStructureType>(late::kMemoryMapInfo);
    info.memory = memory;
    info.offset = 64;
    info.size = 128;
    void* second = nullptr;
    ASSERT_EQ(map(session.device, &info, &second), VK_SUCCESS);
    EXPECT_EQ(second, first + 64);
    late::MemoryUnmapInfo unmap_info = {};
    unmap_info.sType = static_cast<VkStructureType>(late::kMemoryUnmapInfo);
    unmap_info.memory = memory;
    EXPECT_EQ(unmap(session.device, &unmap_info), VK_SUCCESS);
    EXPECT_EQ(session.Map(memory), first);
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e3: on a driver that promises pages.
TEST(Map, PointersAreAlignedAsTheDriverPromises) {
    SessionOptions options;
    options.description = R"({"base": "discrete", "limits": {"minMemoryMapAlignment": 4096}})";
    Session session(options);
    std::vector<VkDeviceMemory> memories;
    for (VkDeviceSize size : {1u, 100u, 300u, 5000u, 100u}) {
        memories.push_back(session.Allocate(size, 2));
        EXPECT_EQ(reinterpret_cast<uintptr_t>(session.Map(memories.back())) % 4096, 0u) << size;
    }
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f2, f6: a buffer lies in the bytes that its memory's mapping shows.
TEST(Bind, BoundBuffersLieWhereTheirMemoryIsMapped) {
    Session session;
    const uint32_t type = session.TypeWith(kHost);
    for (int i = 0; i < 10; ++i) {
        const VkDeviceMemory memory = session.Allocate(4096, type);
        auto* data = static_cast<uint8_t*>(session.Map(memory));
        std::memset(data, i + 1, 4096);
        const VkBuffer buffer = session.MakeBuffer(1024);
        EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memory, 1024), VK_SUCCESS);
        TesseraMockBinding place = {};
        ASSERT_TRUE(session.mock->find_buffer(session.device, buffer, &place));
        std::vector<uint8_t> bytes(1024);
        ASSERT_TRUE(session.mock->read_memory(session.device, place.memory, place.offset,
                                              bytes.data(), bytes.size()));
        EXPECT_EQ(bytes, std::vector<uint8_t>(1024, static_cast<uint8_t>(i + 1)));
        vkDestroyBuffer(session.device, buffer, nullptr);
    }
}

// An allocation full of bytes that nobody else has, mapped.
struct Piece {
    Piece(Session& session, VkDeviceSize size, uint8_t value)
        : memory(session.Allocate(size, session.TypeWith(kHost))), bytes(size, value) {
        data = session.Map(memory);
        std::memcpy(data, bytes.data(), bytes.size());
    }
    bool Intact() const { return std::memcmp(data, bytes.data(), bytes.size()) == 0; }

    VkDeviceMemory memory;
    std::vector<uint8_t> bytes;
    void* data;
};

TEST(Allocate, NeighboursKeepTheirBytes) {
    Session session;
    std::vector<Piece> pieces;
    for (uint8_t i = 1; i <= 60; ++i)
        pieces.emplace_back(session, 100 + i * 67, i);
    for (const Piece& piece : pieces) {
        EXPECT_TRUE(piece.Intact());
        session.Free(piece.memory);
    }
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f6: small ones of which there are many share runs, and still no byte.
TEST(Allocate, ManySmallOnesKeepTheirBytes) {
    Session session;
    std::vector<Piece> pieces;
    for (int i = 0; i < 300; ++i)
        pieces.emplace_back(session, 1000, static_cast<uint8_t>(i % 251 + 1));
    for (const Piece& piece : pieces) {
        EXPECT_TRUE(piece.Intact());
        session.Free(piece.memory);
    }
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f12: what many small ones leave is used for others, but not the place of one that stays.
TEST(Allocate, TheLastOfManySmallOnesKeepsItsBytes) {
    Session session;
    std::vector<Piece> pieces;
    for (int i = 0; i < 5 * 64; ++i)
        pieces.emplace_back(session, 1000, static_cast<uint8_t>(i % 251 + 1));
    std::vector<Piece> stays;
    for (size_t i = 0; i < pieces.size(); ++i) {
        if (i % 64 == 0) {
            stays.push_back(pieces[i]);
        } else {
            session.Free(pieces[i].memory);
        }
    }
    std::vector<Piece> others;
    for (int i = 0; i < 200; ++i)
        others.emplace_back(session, 5000, uint8_t{0xEE});
    for (const std::vector<Piece>& all : {stays, others}) {
        for (const Piece& piece : all) {
            EXPECT_TRUE(piece.Intact());
            session.Free(piece.memory);
        }
    }
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f12: what comes into a range that was freed stays within it.
TEST(Allocate, RecycledRangesKeepTheirBytes) {
    Session session;
    std::vector<Piece> pieces;
    for (uint8_t i = 1; i <= 60; ++i)
        pieces.emplace_back(session, 3000, i);
    for (uint8_t round = 0; round < 3; ++round) {
        for (size_t i = round; i < pieces.size(); i += 2) {
            EXPECT_TRUE(pieces[i].Intact());
            session.Free(pieces[i].memory);
            pieces[i] = Piece(session, 500 + i * 97, static_cast<uint8_t>(i + 61 + round * 60));
        }
    }
    for (const Piece& piece : pieces) {
        EXPECT_TRUE(piece.Intact());
        session.Free(piece.memory);
    }
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f25: memory stays where it is, and mapped, whatever happens to its neighbours.
TEST(Allocate, FreeingOneLeavesTheOthers) {
    SessionOptions options;
    options.environment = {"TESSERA_IDLE_BYTES=0"};
    Session session(options);
    const uint32_t type = session.TypeWith(kHost);
    const VkDeviceMemory one = session.Allocate(4096, type);
    const VkDeviceMemory two = session.Allocate(4096, type);
    auto* data = static_cast<uint8_t*>(session.Map(two));
    session.Free(one);
    ASSERT_EQ(session.DriverLive(type), 1u);
    std::memset(data, 1, 4096);
    session.Free(two);
    EXPECT_EQ(session.DriverLive(type), 0u);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
