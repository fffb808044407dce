// SPDX-License-Identifier: Apache-2.0
//
// vkAllocateMemory and vkFreeMemory: what is pooled, what goes through and why, and that the
// channel says so. Rules: sections 1, 6 (VkMemoryAllocateInfo) and 8 of the specification's
// freedoms.

#include <set>

#include "session.h"

namespace tessera::test {
namespace {

constexpr VkMemoryPropertyFlags kDeviceLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
constexpr VkMemoryPropertyFlags kHost =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;

TEST(Allocate, ManyAllocationsBecomeFewBlocks) {
    Session session;
    const uint32_t type = session.TypeWith(kDeviceLocal);
    std::set<VkDeviceMemory> handles;
    for (int i = 0; i < 5000; ++i)
        handles.insert(session.Allocate(4096, type));
    EXPECT_EQ(handles.size(), 5000u) << "handles must be unique";
    EXPECT_LE(session.DriverLive(type), 60u);
    const tessera_type_totals totals = session.Totals(type);
    EXPECT_EQ(totals.app.live, 5000u);
    EXPECT_EQ(totals.app.live_bytes, 5000u * 4096);
    EXPECT_EQ(totals.pooled.live, 5000u);
    EXPECT_EQ(totals.driver.live, session.DriverLive(type));
    for (VkDeviceMemory memory : handles)
        session.Free(memory);
    EXPECT_EQ(session.Totals(type).app.live, 0u);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f20: the application's own count may pass the driver's limit of memory objects.
TEST(Allocate, MoreAllocationsThanTheDriverAllowsSucceed) {
    SessionOptions options;
    options.description = "preset:tiny";
    Session session(options);
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 1000; ++i)
        memories.push_back(session.Allocate(256, 0));
    EXPECT_LT(session.DriverLive(0), 64u);
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f19: NULL is legal to free, and is never looked up.
TEST(Allocate, FreeingNullDoesNothing) {
    Session session;
    session.Free(VK_NULL_HANDLE);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f10: freeing what is mapped unmaps it.
TEST(Allocate, FreeingMappedMemoryUnmapsIt) {
    Session session;
    const uint32_t type = session.TypeWith(kHost);
    for (int i = 0; i < 100; ++i) {
        const VkDeviceMemory memory = session.Allocate(1000, type);
        *static_cast<int*>(session.Map(memory)) = i;
        session.Free(memory);
    }
    EXPECT_EQ(session.Totals(type).app.live, 0u);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f11: what the application leaks in blocks is freed before the device goes
// (VUID-vkDestroyDevice-device-05137).
TEST(Allocate, LeakedSlotsLeakNoBlocks) {
    Session session;
    for (int i = 0; i < 10; ++i)
        session.Allocate(4096, session.TypeWith(kDeviceLocal));
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f18: a size of zero is the driver's to judge.
TEST(Allocate, SizeZeroGoesThrough) {
    Session session;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    session.mock->reset_call_counts();
    const VkResult result = session.TryAllocate(0, 0, &memory);
    EXPECT_EQ(session.mock->call_count("vkAllocateMemory"), 1u);
    if (result == VK_SUCCESS) session.Free(memory);
}

struct PassThroughCase {
    const char* name;
    tessera_reason reason;
    const char* description;
    VkMemoryPropertyFlags flags;
    VkDeviceSize size;
};

class PassThrough : public testing::TestWithParam<PassThroughCase> {};

// Whatever goes through reaches the driver unchanged, comes back with the driver's own handle, and
// is counted under its reason until it is freed.
TEST_P(PassThrough, IsCountedByReason) {
    const PassThroughCase& test = GetParam();
    SessionOptions options;
    options.description = test.description;
    Session session(options);
    const uint32_t type = session.TypeWith(test.flags);
    const VkDeviceMemory memory = session.Allocate(test.size, type);
    TesseraMockMemory below = {};
    ASSERT_EQ(session.mock->memories(session.device, &below, 1), 1u);
    EXPECT_EQ(below.memory, memory) << "the driver's handle is the application's";
    EXPECT_EQ(below.size_bytes, test.size);
    const tessera_type_totals totals = session.Totals(type);
    EXPECT_EQ(totals.pass_through[test.reason].live, 1u);
    EXPECT_EQ(totals.pass_through[test.reason].live_bytes, test.size);
    EXPECT_EQ(totals.app.live, 1u);
    EXPECT_EQ(totals.pooled.live, 0u);
    session.Free(memory);
    EXPECT_EQ(session.Totals(type).pass_through[test.reason].live, 0u);
    EXPECT_EQ(session.Totals(type).driver.live, 0u);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

INSTANTIATE_TEST_SUITE_P(
    Reasons, PassThrough,
    testing::Values(PassThroughCase{"TooLarge", TESSERA_REASON_too_large, "preset:discrete",
                                    kDeviceLocal, 65u << 20},
                    PassThroughCase{"LazilyAllocated", TESSERA_REASON_lazily_allocated,
                                    "preset:noncoherent",
                                    kDeviceLocal | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT, 4096}),
    [](const auto& test) { return test.param.name; });

// Section 6: a dedicated allocation keeps its resource, and the chain goes down as it is.
TEST(Allocate, DedicatedAllocationGoesThrough) {
    Session session;
    const VkBuffer buffer = session.MakeBuffer(4096);
    VkMemoryDedicatedAllocateInfo dedicated = {};
    dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO;
    dedicated.buffer = buffer;
    const uint32_t type = session.TypeWith(kDeviceLocal);
    const VkDeviceMemory memory =
        session.Allocate(session.Requirements(buffer).size, type, &dedicated);
    TesseraMockMemory below = {};
    ASSERT_EQ(session.mock->memories(session.device, &below, 1), 1u);
    EXPECT_EQ(below.memory, memory);
    EXPECT_NE(below.dedicated_buffer, 0u);
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_SUCCESS);
    EXPECT_EQ(session.Totals(type).pass_through[TESSERA_REASON_dedicated].allocations, 1u);
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// Section 6: a dedicated info that names nothing means nothing.
TEST(Allocate, EmptyDedicatedInfoIsPooled) {
    Session session;
    VkMemoryDedicatedAllocateInfo dedicated = {};
    dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO;
    const uint32_t type = session.TypeWith(kDeviceLocal);
    session.Free(session.Allocate(4096, type, &dedicated));
    EXPECT_EQ(session.Totals(type).pooled.allocations, 1u);
}

// Section 6: the default for an unknown structure, and the structure itself arrives below.
TEST(Allocate, UnknownStructureGoesThroughWithItsChain) {
    Session session;
    VkBaseInStructure unknown = {};
    unknown.sType = static_cast<VkStructureType>(1999999999);
    const uint32_t type = session.TypeWith(kDeviceLocal);
    const VkDeviceMemory memory = session.Allocate(4096, type, &unknown);
    TesseraMockMemory below = {};
    ASSERT_EQ(session.mock->memories(session.device, &below, 1), 1u);
    ASSERT_EQ(below.chain_count, 1u);
    EXPECT_EQ(below.chain[0], unknown.sType);
    EXPECT_EQ(session.Totals(type).pass_through[TESSERA_REASON_unknown_pnext].live, 1u);
    session.Free(memory);
}

// e20: memory with a device address lies in blocks that carry the flag, and only there.
TEST(Allocate, DeviceAddressHasBlocksOfItsOwn) {
    VkPhysicalDeviceBufferDeviceAddressFeatures features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES;
    features.bufferDeviceAddress = VK_TRUE;
    SessionOptions options;
    options.device_chain = &features;
    Session session(options);
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    const uint32_t type = session.TypeWith(kDeviceLocal);
    const VkDeviceMemory plain = session.Allocate(4096, type);
    const VkDeviceMemory addressed = session.Allocate(4096, type, &flags);
    std::vector<TesseraMockMemory> blocks(2);
    ASSERT_EQ(session.mock->memories(session.device, blocks.data(), 2), 2u);
    EXPECT_NE(blocks[0].flags, blocks[1].flags);
    EXPECT_EQ(session.Totals(type).pooled.live, 2u);
    session.Free(plain);
    session.Free(addressed);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e21: memory whose address may have to be reproduced is never pooled.
TEST(Allocate, CaptureReplayFeatureKeepsDeviceAddressesOut) {
    VkPhysicalDeviceBufferDeviceAddressFeatures features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES;
    features.bufferDeviceAddress = VK_TRUE;
    features.bufferDeviceAddressCaptureReplay = VK_TRUE;
    SessionOptions options;
    options.description =
        R"({"base": "discrete", "add_features": ["bufferDeviceAddressCaptureReplay"]})";
    options.device_chain = &features;
    Session session(options);
    if (session.device == VK_NULL_HANDLE) return;
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    const uint32_t type = session.TypeWith(kDeviceLocal);
    session.Free(session.Allocate(4096, type, &flags));
    session.Free(session.Allocate(4096, type));
    const tessera_type_totals totals = session.Totals(type);
    EXPECT_EQ(totals.pass_through[TESSERA_REASON_capture_replay].allocations, 1u);
    EXPECT_EQ(totals.pooled.allocations, 1u);
}

// e19: blocks carry the priority that their slots asked for.
TEST(Allocate, PriorityHasBlocksOfItsOwn) {
    VkPhysicalDeviceMemoryPriorityFeaturesEXT features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PRIORITY_FEATURES_EXT;
    features.memoryPriority = VK_TRUE;
    SessionOptions options;
    options.device_extensions = {VK_EXT_MEMORY_PRIORITY_EXTENSION_NAME};
    options.device_chain = &features;
    Session session(options);
    VkMemoryPriorityAllocateInfoEXT priority = {};
    priority.sType = VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT;
    priority.priority = 1.0f;
    const uint32_t type = session.TypeWith(kDeviceLocal);
    const VkDeviceMemory high = session.Allocate(4096, type, &priority);
    TesseraMockMemory block = {};
    ASSERT_EQ(session.mock->memories(session.device, &block, 1), 1u);
    EXPECT_EQ(block.priority, 1.0f);
    const VkDeviceMemory plain = session.Allocate(4096, type);
    EXPECT_EQ(session.mock->memories(session.device, nullptr, 0), 2u);
    session.Free(high);
    session.Free(plain);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// The setting `mode=off`: everything goes through, and is counted.
TEST(Allocate, ModeOffPassesEverythingThrough) {
    SessionOptions options;
    options.environment = {"TESSERA_MODE=off"};
    Session session(options);
    const VkDeviceMemory memory = session.Allocate(4096, 1);
    TesseraMockMemory below = {};
    ASSERT_EQ(session.mock->memories(session.device, &below, 1), 1u);
    EXPECT_EQ(below.memory, memory);
    EXPECT_EQ(session.Totals(1).pass_through[TESSERA_REASON_disabled].live, 1u);
    const reader::Process process = session.Channel();
    EXPECT_FALSE(process.devices.back().pooled);
    EXPECT_EQ(process.devices.back().why, TESSERA_REASON_disabled);
    session.Free(memory);
}

// Empty blocks beyond the allowance go back at once when the allowance is zero.
TEST(Allocate, IdleBytesZeroKeepsNothing) {
    SessionOptions options;
    options.environment = {"TESSERA_IDLE_BYTES=0"};
    Session session(options);
    const uint32_t type = session.TypeWith(kDeviceLocal);
    const VkDeviceMemory memory = session.Allocate(4096, type);
    EXPECT_EQ(session.DriverLive(type), 1u);
    session.Free(memory);
    EXPECT_EQ(session.DriverLive(type), 0u);
}

TEST(Allocate, DefaultAllowanceKeepsAnEmptyBlockForTheNextAllocation) {
    Session session;
    const uint32_t type = session.TypeWith(kDeviceLocal);
    session.Free(session.Allocate(4096, type));
    session.mock->reset_call_counts();
    for (int i = 0; i < 100; ++i)
        session.Free(session.Allocate(4096, type));
    EXPECT_EQ(session.mock->call_count("vkAllocateMemory"), 0u);
    EXPECT_EQ(session.mock->call_count("vkFreeMemory"), 0u);
}

}  // namespace
}  // namespace tessera::test
