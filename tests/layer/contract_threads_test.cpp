// SPDX-License-Identifier: Apache-2.0
//
// What an application may do on one object while another is busy: rows f15, f16 and f25 of the
// contract (docs/contract.md). The mock driver calls back in the middle of a command, so that two
// calls overlap the same way in every run; a lock of the layer that is held across a call down
// would never be had again, and the test would run into its time limit.

#include <cstring>

#include "session.h"

namespace tessera::test {
namespace {

constexpr uint32_t kHostType = 2;

VkResult AllocateOn(VkDevice device, VkDeviceMemory* memory) {
    VkMemoryAllocateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.allocationSize = 4096;
    info.memoryTypeIndex = kHostType;
    return vkAllocateMemory(device, &info, nullptr, memory);
}

VkDevice MakeDevice(VkPhysicalDevice physical_device) {
    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue = {};
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkDeviceCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    VkDevice device = VK_NULL_HANDLE;
    EXPECT_EQ(vkCreateDevice(physical_device, &info, nullptr, &device), VK_SUCCESS);
    return device;
}

VkDeviceSize HeapUsage(VkPhysicalDevice physical_device) {
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {};
    budget.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT;
    VkPhysicalDeviceMemoryProperties2 all = {};
    all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
    all.pNext = &budget;
    vkGetPhysicalDeviceMemoryProperties2(physical_device, &all);
    return budget.heapUsage[0];
}

// What happens in the middle of a call of the driver.
struct Meanwhile {
    Session* session = nullptr;
    VkDevice other = VK_NULL_HANDLE;
    VkDeviceMemory neighbour = VK_NULL_HANDLE;
    uint32_t runs = 0;
};

void UseTheOtherDevice(void* user, const char*) {
    auto& meanwhile = *static_cast<Meanwhile*>(user);
    if (meanwhile.runs++ != 0) return;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    EXPECT_EQ(AllocateOn(meanwhile.other, &memory), VK_SUCCESS);
    void* data = nullptr;
    EXPECT_EQ(vkMapMemory(meanwhile.other, memory, 0, VK_WHOLE_SIZE, 0, &data), VK_SUCCESS);
    if (data != nullptr) std::memset(data, 1, 4096);
    HeapUsage(meanwhile.session->physical_device);
    vkFreeMemory(meanwhile.other, memory, nullptr);
}

// Vulkan forbids two calls to use one object that must be used alone. Two devices are two objects.
void ExpectTheOtherDeviceToWorkDuring(const char* command, void (*act)(Session&, VkDevice)) {
    Session session;
    const VkDevice busy = MakeDevice(session.physical_device);
    Meanwhile meanwhile;
    meanwhile.session = &session;
    meanwhile.other = session.device;
    ASSERT_EQ(session.mock->set_hook(command, UseTheOtherDevice, &meanwhile), 1);
    act(session, busy);
    session.mock->set_hook(command, nullptr, nullptr);
    EXPECT_GE(meanwhile.runs, 1u) << command << " reached the driver";
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

TEST(Contract_f15, OneDeviceAllocatesWhileAnotherIsDestroyed) {
    ExpectTheOtherDeviceToWorkDuring("vkDestroyDevice", [](Session&, VkDevice busy) {
        VkDeviceMemory leaked = VK_NULL_HANDLE;
        EXPECT_EQ(AllocateOn(busy, &leaked), VK_SUCCESS);
        vkDestroyDevice(busy, nullptr);
    });
}

TEST(Contract_f15, OneDeviceAllocatesWhileTheBlocksOfADestroyedOneAreFreed) {
    ExpectTheOtherDeviceToWorkDuring("vkFreeMemory", [](Session&, VkDevice busy) {
        VkDeviceMemory leaked = VK_NULL_HANDLE;
        EXPECT_EQ(AllocateOn(busy, &leaked), VK_SUCCESS);
        vkDestroyDevice(busy, nullptr);
    });
}

TEST(Contract_f15, OneDeviceAllocatesWhileABlockOfAnotherIsMade) {
    ExpectTheOtherDeviceToWorkDuring("vkAllocateMemory", [](Session&, VkDevice busy) {
        VkDeviceMemory memory = VK_NULL_HANDLE;
        EXPECT_EQ(AllocateOn(busy, &memory), VK_SUCCESS);
        vkFreeMemory(busy, memory, nullptr);
        vkDestroyDevice(busy, nullptr);
    });
}

void UseTheNeighbour(void* user, const char*) {
    auto& meanwhile = *static_cast<Meanwhile*>(user);
    if (meanwhile.runs++ != 0) return;
    Session& session = *meanwhile.session;
    auto* data = static_cast<uint8_t*>(session.Map(meanwhile.neighbour));
    std::memset(data, 0x5A, 4096);
    vkUnmapMemory(session.device, meanwhile.neighbour);
    session.Free(meanwhile.neighbour);
    session.Free(session.Allocate(4096, kHostType));
}

// f16: A and its neighbour are two objects for the application and one for the driver, which would
// see a map or a free of what is being bound. The mock driver reports that (Overlap.*).
TEST(Contract_f16, TheNeighbourIsMappedAndFreedDuringABind) {
    Session session;
    const VkDeviceMemory memory = session.Allocate(4096, kHostType);
    const VkBuffer buffer = session.MakeBuffer(1024);
    Meanwhile meanwhile;
    meanwhile.session = &session;
    meanwhile.neighbour = session.Allocate(4096, kHostType);
    ASSERT_EQ(session.DriverLive(kHostType), 1u) << "both lie in one block";
    ASSERT_EQ(session.mock->set_hook("vkBindBufferMemory", UseTheNeighbour, &meanwhile), 1);
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_SUCCESS);
    session.mock->set_hook("vkBindBufferMemory", nullptr, nullptr);
    EXPECT_GE(meanwhile.runs, 1u);
    EXPECT_EQ(session.mock.Violations(), "");
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f25: after the device is lost, what is mapped stays accessible and everything can be freed.
TEST(Contract_f25, MappedMemoryOutlivesTheLossOfTheDevice) {
    SessionOptions options;
    options.features.sparseBinding = VK_TRUE;
    Session session(options);
    const VkDeviceMemory mapped = session.Allocate(4096, kHostType);
    const VkDeviceMemory other = session.Allocate(4096, kHostType);
    auto* data = static_cast<uint8_t*>(session.Map(mapped));
    std::memset(data, 0x11, 4096);
    session.mock->fail_call("vkQueueSubmit", 1, VK_ERROR_DEVICE_LOST, /*sticky=*/1);
    session.mock->fail_call("vkQueueBindSparse", 1, VK_ERROR_DEVICE_LOST, /*sticky=*/1);
    EXPECT_EQ(vkQueueSubmit(session.queue, 0, nullptr, VK_NULL_HANDLE), VK_ERROR_DEVICE_LOST);
    EXPECT_EQ(vkQueueBindSparse(session.queue, 0, nullptr, VK_NULL_HANDLE), VK_ERROR_DEVICE_LOST);
    EXPECT_EQ(data[4095], 0x11);
    std::memset(data, 0x22, 4096);
    std::memset(session.Map(other), 0x33, 4096);
    EXPECT_EQ(data[4095], 0x22);
    vkUnmapMemory(session.device, other);
    session.Free(other);
    session.Free(mapped);
    EXPECT_EQ(session.Totals(kHostType).app.live, 0u);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
