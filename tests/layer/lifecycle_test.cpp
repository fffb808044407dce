// SPDX-License-Identifier: Apache-2.0
//
// Instances and devices: several at once, failures while they are made, and what the channel keeps.

#include <unistd.h>

#include <cstdlib>

#include "session.h"

namespace tessera::test {
namespace {

// Segments in this test's own runtime directory; the user may have others elsewhere.
size_t OwnSegments() {
    const std::string directory = std::getenv("XDG_RUNTIME_DIR");
    size_t count = 0;
    for (const std::string& path : reader::ListSegments()) {
        if (path.compare(0, directory.size(), directory) == 0) ++count;
    }
    return count;
}

VkDevice MakeDevice(VkPhysicalDevice physical_device, VkResult expected = VK_SUCCESS) {
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
    EXPECT_EQ(vkCreateDevice(physical_device, &info, nullptr, &device), expected);
    return device;
}

// f27: 106 devices at once, as a compute test suite has them; more than one table of the map.
TEST(Lifecycle, ManyDevicesAtOnce) {
    Session session;
    std::vector<VkDevice> devices;
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 300; ++i) {
        devices.push_back(MakeDevice(session.physical_device));
        VkMemoryAllocateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        info.allocationSize = 4096;
        info.memoryTypeIndex = 2;
        memories.emplace_back();
        ASSERT_EQ(vkAllocateMemory(devices.back(), &info, nullptr, &memories.back()), VK_SUCCESS);
    }
    for (size_t i = 0; i < devices.size(); ++i) {
        const size_t k = (i * 7) % devices.size();
        vkFreeMemory(devices[k], memories[k], nullptr);
        vkDestroyDevice(devices[k], nullptr);
    }
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

TEST(Lifecycle, InstancesSideBySide) {
    Session session;
    std::vector<VkInstance> instances(80);
    for (VkInstance& instance : instances) {
        ASSERT_EQ(MakeInstance(SessionOptions(), &instance), VK_SUCCESS);
    }
    for (VkInstance instance : instances)
        vkDestroyInstance(instance, nullptr);
    session.Free(session.Allocate(4096, 1));
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

TEST(Lifecycle, RefusedDeviceLeavesNothing) {
    Session session;
    session.mock->fail_call("vkCreateDevice", 1, VK_ERROR_OUT_OF_HOST_MEMORY, 0);
    EXPECT_EQ(MakeDevice(session.physical_device, VK_ERROR_OUT_OF_HOST_MEMORY),
              VkDevice{VK_NULL_HANDLE});
    vkDestroyDevice(MakeDevice(session.physical_device), nullptr);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// An allocation and a bind on a device that has done nothing else.
void UseDevice(const Session& session, VkDevice device) {
    VkMemoryAllocateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.allocationSize = 4096;
    info.memoryTypeIndex = 1;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    ASSERT_EQ(vkAllocateMemory(device, &info, nullptr, &memory), VK_SUCCESS);
    VkBufferCreateInfo buffer_info = {};
    buffer_info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    buffer_info.size = 64;
    buffer_info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    VkBuffer buffer = VK_NULL_HANDLE;
    ASSERT_EQ(vkCreateBuffer(device, &buffer_info, nullptr, &buffer), VK_SUCCESS);
    ASSERT_EQ(vkBindBufferMemory(device, buffer, memory, 0), VK_SUCCESS);
    TesseraMockBinding binding = {};
    ASSERT_EQ(session.mock->find_buffer(device, buffer, &binding), 1);
    EXPECT_NE(binding.memory, static_cast<VkDeviceMemory>(VK_NULL_HANDLE));
}

// A device that the application forgets to destroy before its instance. The loader frees what it
// kept of the device, so that later devices come by under the same dispatch key.
TEST(Lifecycle, DeviceLeftBehindByItsInstanceIsForgotten) {
    Session session;
    for (int round = 0; round < 50; ++round) {
        VkInstance instance = VK_NULL_HANDLE;
        ASSERT_EQ(MakeInstance(SessionOptions(), &instance), VK_SUCCESS);
        uint32_t one = 1;
        VkPhysicalDevice physical_device = VK_NULL_HANDLE;
        ASSERT_GE(vkEnumeratePhysicalDevices(instance, &one, &physical_device), VK_SUCCESS);
        ASSERT_NO_FATAL_FAILURE(UseDevice(session, MakeDevice(physical_device))) << round;
        EXPECT_EQ(session.mock.Violations(), "") << round;
        vkDestroyInstance(instance, nullptr);
        session.mock->clear_violations();  // the driver tells what the application left behind
    }
    session.Free(session.Allocate(4096, 1));
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// A device's totals stay readable after it is gone; the process is closed with its last instance.
TEST(Lifecycle, ChannelKeepsWhatWasCounted) {
    Session session;
    session.Free(session.Allocate(4096, 1));
    session.Close();
    const auto result = reader::ReadProcess(static_cast<uint64_t>(getpid()));
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_EQ(result.value.state, reader::ProcessState::kClosed);
    ASSERT_EQ(result.value.devices.size(), 1u);
    const reader::Device& device = result.value.devices[0];
    EXPECT_EQ(device.state, TESSERA_DEVICE_DESTROYED);
    EXPECT_EQ(device.memory_types[1].totals.app.allocations, 1u);
    EXPECT_EQ(device.memory_types[1].totals.driver.live, 0u);
    EXPECT_GE(device.calls[TESSERA_CALL_vkAllocateMemory].count, 1u);
}

// Unloading and loading again in one process continues its entry.
TEST(Lifecycle, SecondLoadContinuesTheEntry) {
    for (int i = 0; i < 3; ++i) {
        Session session;
        session.Free(session.Allocate(4096, 1));
    }
    const auto result = reader::ReadProcess(static_cast<uint64_t>(getpid()));
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_EQ(result.value.devices.size(), 3u);
    EXPECT_EQ(OwnSegments(), 1u);
}

TEST(Lifecycle, ChannelOffPublishesNothing) {
    SessionOptions options;
    options.environment = {"TESSERA_CHANNEL=off"};
    Session session(options);
    session.Free(session.Allocate(4096, 1));
    EXPECT_EQ(OwnSegments(), 0u);
}

}  // namespace
}  // namespace tessera::test
