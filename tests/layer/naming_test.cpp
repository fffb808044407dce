// SPDX-License-Identifier: Apache-2.0
//
// Type-erased handles: names, tags and private data of pooled memory (section 5 of the rules).

#include "session.h"

namespace tessera::test {
namespace {

uint64_t Value(VkDeviceMemory memory) {
    return (uint64_t)memory;
}

TEST(Naming, NameOfASlotSucceedsAndReachesNoDriver) {
    SessionOptions options;
    options.instance_extensions = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
    Session session(options);
    const auto set_name =
        session.Command<PFN_vkSetDebugUtilsObjectNameEXT>("vkSetDebugUtilsObjectNameEXT");
    ASSERT_NE(set_name, nullptr);
    const VkDeviceMemory slot = session.Allocate(4096, 1);
    const VkDeviceMemory large = session.Allocate(80u << 20, 1);
    VkDebugUtilsObjectNameInfoEXT info = {};
    info.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT;
    info.objectType = VK_OBJECT_TYPE_DEVICE_MEMORY;
    info.pObjectName = "memory";
    session.mock->reset_call_counts();
    info.objectHandle = Value(slot);
    EXPECT_EQ(set_name(session.device, &info), VK_SUCCESS);
    EXPECT_EQ(session.mock->call_count("vkSetDebugUtilsObjectNameEXT"), 0u);
    info.objectHandle = Value(large);
    EXPECT_EQ(set_name(session.device, &info), VK_SUCCESS);
    EXPECT_EQ(session.mock->call_count("vkSetDebugUtilsObjectNameEXT"), 1u);
    session.Free(slot);
    session.Free(large);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// CTS private_data: 0 at first, independent per object and slot, gone with the object.
TEST(PrivateData, OfSlotsIsKeptByTheLayer) {
    VkPhysicalDevicePrivateDataFeatures features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PRIVATE_DATA_FEATURES;
    features.privateData = VK_TRUE;
    SessionOptions options;
    options.device_chain = &features;
    Session session(options);
    VkPrivateDataSlotCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_PRIVATE_DATA_SLOT_CREATE_INFO;
    VkPrivateDataSlot slots[2];
    for (VkPrivateDataSlot& slot : slots) {
        ASSERT_EQ(vkCreatePrivateDataSlot(session.device, &info, nullptr, &slot), VK_SUCCESS);
    }
    const VkDeviceMemory memories[] = {session.Allocate(4096, 1), session.Allocate(4096, 1),
                                       session.Allocate(80u << 20, 1)};
    const auto get = [&](VkDeviceMemory memory, VkPrivateDataSlot slot) {
        uint64_t data = 99;
        vkGetPrivateData(session.device, VK_OBJECT_TYPE_DEVICE_MEMORY, Value(memory), slot, &data);
        return data;
    };
    uint64_t next = 1;
    for (VkDeviceMemory memory : memories) {
        for (VkPrivateDataSlot slot : slots) {
            EXPECT_EQ(get(memory, slot), 0u);
            EXPECT_EQ(vkSetPrivateData(session.device, VK_OBJECT_TYPE_DEVICE_MEMORY, Value(memory),
                                       slot, next++),
                      VK_SUCCESS);
        }
    }
    next = 1;
    for (VkDeviceMemory memory : memories) {
        for (VkPrivateDataSlot slot : slots)
            EXPECT_EQ(get(memory, slot), next++);
    }
    vkDestroyPrivateDataSlot(session.device, slots[0], nullptr);
    ASSERT_EQ(vkCreatePrivateDataSlot(session.device, &info, nullptr, &slots[0]), VK_SUCCESS);
    EXPECT_EQ(get(memories[0], slots[0]), 0u) << "a new slot starts empty";
    session.Free(memories[0]);
    const VkDeviceMemory again = session.Allocate(4096, 1);
    EXPECT_EQ(get(again, slots[1]), 0u) << "a new object starts empty";
    for (VkDeviceMemory memory : {again, memories[1], memories[2]})
        session.Free(memory);
    for (VkPrivateDataSlot slot : slots)
        vkDestroyPrivateDataSlot(session.device, slot, nullptr);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
