// SPDX-License-Identifier: Apache-2.0
//
// A Vulkan application as small as a test needs it, on the mock driver, with the layer between: it
// goes through the real loader, like any program.
//
// Everything is public and nothing is hidden: tests call Vulkan themselves. Results that must be
// successes are checked with gtest where they happen.
//
// Threads: as Vulkan has it.

#ifndef TESSERA_TESTS_LAYER_SESSION_H_
#define TESSERA_TESTS_LAYER_SESSION_H_

#include <gtest/gtest.h>
#include <vulkan/vulkan.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mock_client.h"
#include "tessera/reader.h"

namespace tessera::test {

// What a session enables. Chains must outlive the Session's construction only.
struct SessionOptions {
    const char* description = "preset:discrete";  // of the mock driver
    uint32_t api_version = VK_API_VERSION_1_3;
    std::vector<const char*> instance_extensions;
    std::vector<const char*> device_extensions;
    VkPhysicalDeviceFeatures features = {};
    const void* device_chain = nullptr;
    bool use_layer = true;
    bool layer_below = false;  // the one of below/below.h, under the layer
    // Environment for the layer's settings, as KEY=VALUE; as it was before at the end.
    std::vector<std::string> environment;
};

// An instance and a device with one queue.
class Session {
 public:
    explicit Session(const SessionOptions& options = {});
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Destroys device and instance now, so that what is left can be judged.
    void Close();

    // The index of the first memory type with exactly these flags.
    uint32_t TypeWith(VkMemoryPropertyFlags flags) const;

    // vkAllocateMemory; the result is checked by the caller or, in the short form, expected.
    VkResult TryAllocate(VkDeviceSize size, uint32_t type, VkDeviceMemory* memory,
                         const void* chain = nullptr) const;
    VkDeviceMemory Allocate(VkDeviceSize size, uint32_t type, const void* chain = nullptr) const;
    void Free(VkDeviceMemory memory) const { vkFreeMemory(device, memory, nullptr); }
    void* Map(VkDeviceMemory memory, VkDeviceSize offset = 0, VkDeviceSize size = VK_WHOLE_SIZE);

    VkBuffer MakeBuffer(VkDeviceSize size,
                        VkBufferUsageFlags usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                        VkBufferCreateFlags flags = 0) const;
    VkImage MakeImage(uint32_t edge, VkImageTiling tiling = VK_IMAGE_TILING_OPTIMAL,
                      VkImageCreateFlags flags = 0) const;
    VkMemoryRequirements Requirements(VkBuffer buffer) const;
    VkMemoryRequirements Requirements(VkImage image) const;

    // Records commands, submits them and waits until they are done.
    void Run(const std::function<void(VkCommandBuffer)>& record) const;

    // A device command by name, as a program gets it.
    template <typename Pfn>
    Pfn Command(const char* name) const {
        return reinterpret_cast<Pfn>(vkGetDeviceProcAddr(device, name));
    }

    // What the channel says of this process now; of a type of the newest device.
    reader::Process Channel() const;
    tessera_type_totals Totals(uint32_t type) const;

    // Driver objects (blocks and what was passed through) of a type, by the driver's own count.
    uint64_t DriverLive(uint32_t type) const;

    mock::ScopedMock mock;
    VkInstance instance = VK_NULL_HANDLE;
    VkPhysicalDevice physical_device = VK_NULL_HANDLE;
    VkDevice device = VK_NULL_HANDLE;
    VkQueue queue = VK_NULL_HANDLE;
    VkPhysicalDeviceMemoryProperties memory_properties = {};

 private:
    void MakeDevice(const SessionOptions& options);
    std::vector<std::pair<std::string, std::string>> environment_;  // as it was before
};

// Makes an instance as Session does. `result` is the outcome.
VkResult MakeInstance(const SessionOptions& options, VkInstance* instance);

}  // namespace tessera::test

#endif  // TESSERA_TESTS_LAYER_SESSION_H_
