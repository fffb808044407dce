// SPDX-License-Identifier: Apache-2.0
//
// A device whose end nobody tells: a layer above failed after it was made here. The loader frees
// what it kept of it, and another device comes by under the same dispatch key.
//
// The next entity has no device commands at all; what is looked at is what the layer does by
// itself.

#include <gtest/gtest.h>
#include <vulkan/vulkan.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "layer/vk/process.h"

namespace tessera {
namespace {

struct Dispatchable {
    const void* key = this;
};

VKAPI_ATTR void VKAPI_CALL Properties(VkPhysicalDevice, VkPhysicalDeviceProperties* properties) {
    *properties = {};
    properties->limits.maxMemoryAllocationCount = 4096;
}
VKAPI_ATTR void VKAPI_CALL MemoryProperties(VkPhysicalDevice,
                                            VkPhysicalDeviceMemoryProperties* memory) {
    *memory = {};
    memory->memoryHeapCount = 1;
    memory->memoryHeaps[0].size = 1 << 30;
    memory->memoryTypeCount = 1;
}
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL NoCommand(VkDevice, const char*) {
    return nullptr;
}

size_t ThreadCount() {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

// Returns: whether there are so many threads soon: those that were joined may be on their way.
bool SoonHasThreads(size_t count) {
    for (int i = 0; i < 1000 && ThreadCount() != count; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return ThreadCount() == count;
}

void AddDeviceOf(Instance& instance, Dispatchable& handle) {
    auto device = Device::Allocate();
    device->TakeOver(instance, VK_NULL_HANDLE, reinterpret_cast<VkDevice>(&handle), NoCommand, {});
    ASSERT_TRUE(device->is_published()) << "else no helper looks after it";
    AddDevice(std::move(device), DeviceMap::MakeRoom());
}

TEST(ForgottenDevice, IsNotLookedAfterOnceAnotherTakesItsKey) {
    std::string folder = std::filesystem::temp_directory_path() / "tessera_forgotten_XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    setenv("XDG_RUNTIME_DIR", folder.c_str(), 1);
    const size_t threads = ThreadCount();
    Dispatchable instance_handle;
    auto made = std::make_unique<Instance>();
    Instance& instance = *made;
    EnterLayer();
    instance.handle = reinterpret_cast<VkInstance>(&instance_handle);
    instance.epoch = ForkEpoch();
    instance.dt.GetPhysicalDeviceProperties = Properties;
    instance.dt.GetPhysicalDeviceMemoryProperties = MemoryProperties;
    ExpectInstance();
    AddInstance(std::move(made), InstanceMap::MakeRoom());

    Dispatchable forgotten;
    AddDeviceOf(instance, forgotten);
    Dispatchable reborn{forgotten.key};
    AddDeviceOf(instance, reborn);
    EXPECT_TRUE(SoonHasThreads(threads + 1)) << "the helper";
    ASSERT_NE(RemoveDevice(reinterpret_cast<VkDevice>(&reborn)), nullptr);
    EXPECT_TRUE(SoonHasThreads(threads))
        << "the instance may end now, and the helper would look at a device of it";
    EXPECT_NE(RemoveInstance(instance.handle), nullptr);
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
}

}  // namespace
}  // namespace tessera
