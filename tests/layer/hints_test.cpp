// SPDX-License-Identifier: Apache-2.0
//
// Questions and hints about one memory, of which the driver knows only the block: capture address,
// priority, commitment, requirements, budget, names and private data.

#include "session.h"

namespace tessera::test {
namespace {

constexpr uint32_t kDeviceType = 1;

uint64_t Value(VkDeviceMemory memory) {
    return (uint64_t)memory;
}

// e21: before Vulkan 1.4.313 any memory with a device address could be asked. Neighbours differ, as
// the addresses of what is bound to them do.
TEST(Query, OpaqueCaptureAddressesOfNeighboursDiffer) {
    VkPhysicalDeviceBufferDeviceAddressFeatures features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES;
    features.bufferDeviceAddress = VK_TRUE;
    SessionOptions options;
    options.device_chain = &features;
    Session session(options);
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    uint64_t distance[2];
    for (uint64_t& d : distance) {
        const VkDeviceMemory memory = session.Allocate(4096, kDeviceType, &flags);
        const VkBuffer buffer = session.MakeBuffer(1024, VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT);
        EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_SUCCESS);
        VkBufferDeviceAddressInfo address = {};
        address.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO;
        address.buffer = buffer;
        VkDeviceMemoryOpaqueCaptureAddressInfo capture = {};
        capture.sType = VK_STRUCTURE_TYPE_DEVICE_MEMORY_OPAQUE_CAPTURE_ADDRESS_INFO;
        capture.memory = memory;
        d = vkGetBufferDeviceAddress(session.device, &address) -
            vkGetDeviceMemoryOpaqueCaptureAddress(session.device, &capture);
        vkDestroyBuffer(session.device, buffer, nullptr);
    }
    EXPECT_EQ(distance[0], distance[1]);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

TEST(Query, PriorityOfASlotReachesNoDriver) {
    VkPhysicalDevicePageableDeviceLocalMemoryFeaturesEXT features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PAGEABLE_DEVICE_LOCAL_MEMORY_FEATURES_EXT;
    features.pageableDeviceLocalMemory = VK_TRUE;
    SessionOptions options;
    options.device_extensions = {VK_EXT_MEMORY_PRIORITY_EXTENSION_NAME,
                                 VK_EXT_PAGEABLE_DEVICE_LOCAL_MEMORY_EXTENSION_NAME};
    options.device_chain = &features;
    Session session(options);
    const auto set =
        session.Command<PFN_vkSetDeviceMemoryPriorityEXT>("vkSetDeviceMemoryPriorityEXT");
    ASSERT_NE(set, nullptr);
    const VkDeviceMemory slot = session.Allocate(4096, kDeviceType);
    const VkDeviceMemory large = session.Allocate(80u << 20, kDeviceType);
    session.mock->reset_call_counts();
    set(session.device, slot, 1.0f);
    EXPECT_EQ(session.mock->call_count("vkSetDeviceMemoryPriorityEXT"), 0u);
    set(session.device, large, 1.0f);
    EXPECT_EQ(session.mock->call_count("vkSetDeviceMemoryPriorityEXT"), 1u);
    session.Free(slot);
    session.Free(large);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// Only lazily allocated memory may be asked, which is never pooled. If it is asked all the same, no
// handle of ours goes down.
TEST(Query, CommitmentOfASlotReachesNoDriver) {
    Session session;
    const VkDeviceMemory slot = session.Allocate(4096, kDeviceType);
    session.mock->reset_call_counts();
    VkDeviceSize committed = 0;
    vkGetDeviceMemoryCommitment(session.device, slot, &committed);
    EXPECT_EQ(session.mock->call_count("vkGetDeviceMemoryCommitment"), 0u);
    session.Free(slot);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f24: applications keep what they are told, by class of resource.
TEST(Query, RequirementsAreTheDrivers) {
    Session session;
    for (VkDeviceSize size : {1u, 100u, 1000u, 5000u}) {
        const VkBuffer buffer = session.MakeBuffer(size);
        const VkMemoryRequirements told = session.Requirements(buffer);
        TesseraMockBinding below = {};
        ASSERT_TRUE(session.mock->find_buffer(session.device, buffer, &below));
        EXPECT_EQ(told.size, below.size_bytes);
        EXPECT_EQ(told.alignment, below.alignment);
        vkDestroyBuffer(session.device, buffer, nullptr);
    }
}

SessionOptions WithBudget() {
    SessionOptions options;
    options.description = "preset:budget";
    options.device_extensions = {VK_EXT_MEMORY_BUDGET_EXTENSION_NAME};
    return options;
}

VkDeviceSize Usage(VkPhysicalDevice physical_device) {
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {};
    budget.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT;
    VkPhysicalDeviceMemoryProperties2 all = {};
    all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
    all.pNext = &budget;
    vkGetPhysicalDeviceMemoryProperties2(physical_device, &all);
    return budget.heapUsage[0];
}

// e12: usage is the application's memory and what the process uses besides, seen from any instance.
// The block is much larger than what lies in it.
TEST(Budget, BlocksDoNotShowInAnyInstance) {
    Session session(WithBudget());
    VkInstance other = VK_NULL_HANDLE;
    ASSERT_EQ(MakeInstance(WithBudget(), &other), VK_SUCCESS);
    uint32_t count = 1;
    VkPhysicalDevice seen_from_there = VK_NULL_HANDLE;
    ASSERT_GE(vkEnumeratePhysicalDevices(other, &count, &seen_from_there), 0);
    const VkDeviceSize others = Usage(session.physical_device);
    EXPECT_GT(others, 0u);
    const VkDeviceMemory memory = session.Allocate(4096, 0);
    EXPECT_EQ(Usage(session.physical_device), others + 4096);
    EXPECT_EQ(Usage(seen_from_there), others + 4096);
    session.Free(memory);
    EXPECT_EQ(Usage(seen_from_there), others);
    vkDestroyInstance(other, nullptr);
}

// f26: as with VK_EXT_debug_utils.
TEST(Naming, MarkerNameOfASlotReachesNoDriver) {
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_extensions": ["VK_EXT_debug_marker"]})";
    options.instance_extensions = {VK_EXT_DEBUG_REPORT_EXTENSION_NAME};
    options.device_extensions = {VK_EXT_DEBUG_MARKER_EXTENSION_NAME};
    Session session(options);
    const auto name =
        session.Command<PFN_vkDebugMarkerSetObjectNameEXT>("vkDebugMarkerSetObjectNameEXT");
    const auto tag =
        session.Command<PFN_vkDebugMarkerSetObjectTagEXT>("vkDebugMarkerSetObjectTagEXT");
    ASSERT_NE(name, nullptr);
    ASSERT_NE(tag, nullptr);
    const VkDeviceMemory slot = session.Allocate(4096, kDeviceType);
    VkDebugMarkerObjectNameInfoEXT name_info = {};
    name_info.sType = VK_STRUCTURE_TYPE_DEBUG_MARKER_OBJECT_NAME_INFO_EXT;
    name_info.objectType = VK_DEBUG_REPORT_OBJECT_TYPE_DEVICE_MEMORY_EXT;
    name_info.object = Value(slot);
    name_info.pObjectName = "memory";
    VkDebugMarkerObjectTagInfoEXT tag_info = {};
    tag_info.sType = VK_STRUCTURE_TYPE_DEBUG_MARKER_OBJECT_TAG_INFO_EXT;
    tag_info.objectType = VK_DEBUG_REPORT_OBJECT_TYPE_DEVICE_MEMORY_EXT;
    tag_info.object = Value(slot);
    tag_info.tagSize = 4;
    tag_info.pTag = "tag";
    EXPECT_EQ(name(session.device, &name_info), VK_SUCCESS);
    EXPECT_EQ(tag(session.device, &tag_info), VK_SUCCESS);
    session.Free(slot);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// A driver may use the handle of a destroyed private data slot again.
TEST(PrivateData, NewSlotOfAnOldHandleStartsEmpty) {
    VkPhysicalDevicePrivateDataFeatures features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PRIVATE_DATA_FEATURES;
    features.privateData = VK_TRUE;
    SessionOptions options;
    options.device_chain = &features;
    Session session(options);
    const VkDeviceMemory memory = session.Allocate(4096, kDeviceType);
    VkPrivateDataSlotCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_PRIVATE_DATA_SLOT_CREATE_INFO;
    const uint64_t value = 0x1000;
    for (int i = 0; i < 2; ++i) {
        session.mock->set_next_handles(VK_OBJECT_TYPE_PRIVATE_DATA_SLOT, &value, 1);
        VkPrivateDataSlot slot = VK_NULL_HANDLE;
        ASSERT_EQ(vkCreatePrivateDataSlot(session.device, &info, nullptr, &slot), VK_SUCCESS);
        ASSERT_EQ((uint64_t)slot, value);
        uint64_t data = 99;
        vkGetPrivateData(session.device, VK_OBJECT_TYPE_DEVICE_MEMORY, Value(memory), slot, &data);
        EXPECT_EQ(data, 0u);
        EXPECT_EQ(
            vkSetPrivateData(session.device, VK_OBJECT_TYPE_DEVICE_MEMORY, Value(memory), slot, 7),
            VK_SUCCESS);
        vkDestroyPrivateDataSlot(session.device, slot, nullptr);
    }
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
