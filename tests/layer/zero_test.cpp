// SPDX-License-Identifier: Apache-2.0
//
// The setting `zero` (f14): what an earlier allocation left is cleared before somebody else gets
// it, for the host and for the device, and nothing else is.

#include <cstring>

#include "session.h"

namespace tessera::test {
namespace {

constexpr VkMemoryPropertyFlags kCoherent =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr VkMemoryPropertyFlags kNonCoherent = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
                                               VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                               VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
constexpr VkDeviceSize kSize = 5000;

SessionOptions With(const char* zero, const char* description = "preset:discrete") {
    SessionOptions options;
    options.description = description;
    options.environment = {std::string("TESSERA_ZERO=") + zero};
    return options;
}

// All bytes of a slot as the host reads them.
std::vector<uint8_t> HostBytes(Session& session, VkDeviceMemory memory) {
    const auto* data = static_cast<const uint8_t*>(session.Map(memory));
    std::vector<uint8_t> bytes(data, data + kSize);
    vkUnmapMemory(session.device, memory);
    return bytes;
}

const std::vector<uint8_t> kZeroes(kSize, 0);
const std::vector<uint8_t> kPattern(kSize, 0xA5);

// Fills a slot and frees it. Returns where it lay.
TesseraMockBinding LeaveBehind(Session& session, uint32_t type) {
    const VkDeviceMemory memory = session.Allocate(kSize, type);
    const VkBuffer buffer = session.MakeBuffer(256);
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_SUCCESS);
    TesseraMockBinding place = {};
    EXPECT_TRUE(session.mock->find_buffer(session.device, buffer, &place));
    std::memcpy(session.Map(memory), kPattern.data(), kSize);
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Free(memory);
    return place;
}

TEST(Zero, ReusedMemoryIsClearedIfTheUserAsksForIt) {
    Session session(With("reuse"));
    const uint32_t type = session.TypeWith(kCoherent);
    LeaveBehind(session, type);
    const VkDeviceMemory memory = session.Allocate(kSize, type);
    EXPECT_EQ(HostBytes(session, memory), kZeroes);
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

TEST(Zero, ByDefaultReusedMemoryHoldsWhatWasLeft) {
    Session session;
    const uint32_t type = session.TypeWith(kCoherent);
    LeaveBehind(session, type);
    const VkDeviceMemory memory = session.Allocate(kSize, type);
    EXPECT_EQ(HostBytes(session, memory), kPattern) << "else the test above shows nothing";
    session.Free(memory);
}

// A slot that takes only a part of what was used, and one that reaches beyond it.
TEST(Zero, PartsOfWhatWasUsedAreClearedWhole) {
    Session session(With("reuse"));
    const uint32_t type = session.TypeWith(kCoherent);
    LeaveBehind(session, type);
    const VkDeviceMemory small = session.Allocate(256, type);
    const VkDeviceMemory large = session.Allocate(4 * kSize, type);
    const auto* data = static_cast<const uint8_t*>(session.Map(small));
    for (int i = 0; i < 256; ++i)
        ASSERT_EQ(data[i], 0) << i;
    data = static_cast<const uint8_t*>(session.Map(large));
    for (VkDeviceSize i = 0; i < 4 * kSize; ++i)
        ASSERT_EQ(data[i], 0) << i;
    session.Free(small);
    session.Free(large);
}

// The driver gives fresh memory as it likes to; the layer leaves it so, and spares the time.
TEST(Zero, MemoryThatNobodyHadIsNotTouched) {
    Session session(With("reuse"));
    const uint32_t type = session.TypeWith(kCoherent);
    const TesseraMockBinding first = LeaveBehind(session, type);
    TesseraMockMemory block = {};
    ASSERT_EQ(session.mock->memories(session.device, &block, 1), 1u);
    const std::vector<uint8_t> drivers(block.size_bytes, 0x3C);
    ASSERT_TRUE(session.mock->write_memory(session.device, block.memory, 0, drivers.data(),
                                           drivers.size()));
    const VkDeviceMemory again = session.Allocate(kSize, type);
    const VkDeviceMemory beyond = session.Allocate(kSize, type);
    EXPECT_EQ(HostBytes(session, again), kZeroes);
    EXPECT_EQ(HostBytes(session, beyond), std::vector<uint8_t>(kSize, 0x3C));
    EXPECT_EQ(first.memory, block.memory);
    session.Free(again);
    session.Free(beyond);
}

// Without coherence the zeroes must also reach the device, and no cached line may undo that.
TEST(Zero, TheDeviceSeesZeroesWithoutCoherenceToo) {
    Session session(With("reuse", "preset:noncoherent"));
    const uint32_t type = session.TypeWith(kNonCoherent);
    const TesseraMockBinding place = LeaveBehind(session, type);
    std::vector<uint8_t> seen(kSize);
    const auto read = [&] {
        ASSERT_TRUE(session.mock->read_memory(session.device, place.memory, place.offset,
                                              seen.data(), kSize));
    };
    read();
    ASSERT_EQ(seen, kPattern) << "what was left is flushed when it is freed";
    const VkDeviceMemory memory = session.Allocate(kSize, type);
    read();
    EXPECT_EQ(seen, kZeroes);
    EXPECT_EQ(HostBytes(session, memory), kZeroes);
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// A slot that moves before anybody saw it comes to lie where somebody was before.
TEST(Zero, ASlotThatMovesIsClearedWhereItComesToLie) {
    Session session(With("reuse"));
    const uint32_t type = session.TypeWith(kCoherent);
    // A large hole with something in it, in front of a slot that stays.
    const VkDeviceMemory hole = session.Allocate(4 * kSize, type);
    const VkDeviceMemory small = session.Allocate(256, type);
    const VkDeviceMemory wall = session.Allocate(256, type);
    std::memset(session.Map(hole), 0xA5, 4 * kSize);
    session.Free(hole);
    // What `small` reaches past its end, it is moved for; the room is in the hole.
    void* data = nullptr;
    ASSERT_EQ(vkMapMemory(session.device, small, 0, 2 * kSize, 0, &data), VK_SUCCESS);
    const auto* bytes = static_cast<const uint8_t*>(data);
    for (VkDeviceSize i = 0; i < 2 * kSize; ++i)
        ASSERT_EQ(bytes[i], 0) << i;
    EXPECT_EQ(session.Totals(type).moved_slots, 1u);
    EXPECT_EQ(session.Totals(type).pooled.blocks, 1u);
    session.Free(small);
    session.Free(wall);
}

TEST(Zero, MemoryThatTheHostCannotSeeIsLeftAlone) {
    Session session(With("reuse"));
    const VkDeviceMemory memory = session.Allocate(kSize, 1);
    session.Free(memory);
    session.mock->reset_call_counts();
    session.Free(session.Allocate(kSize, 1));
    EXPECT_EQ(session.mock->call_count("vkFlushMappedMemoryRanges"), 0u);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
