// SPDX-License-Identifier: Apache-2.0
//
// A small Vulkan program for the tests of the mock driver: an instance, a device, a queue, and
// shortcuts that make objects and destroy them again. It calls the real loader and behaves as any
// program does; what it must never do is the business of each test, through the raw handles.
//
// Threads: one thread, except where a test uses the raw handles from others.
#ifndef TESSERA_TESTS_DRIVER_GPU_H
#define TESSERA_TESTS_DRIVER_GPU_H

#include <gtest/gtest.h>
#include <vulkan/vulkan.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "mock_client.h"

namespace tessera::mock {

// What a test wants from its device beyond the ordinary.
struct GpuOptions {
    std::vector<const char*> instance_extensions;
    std::vector<const char*> device_extensions;
    const void* features = nullptr;  // chained to VkDeviceCreateInfo
    uint32_t physical_device = 0;
    uint32_t queues = 1;
};

// Ends the running test as failed if a call it relies on does not succeed.
inline void Check(VkResult result, const char* what) {
    if (result != VK_SUCCESS) {
        throw std::runtime_error(std::string(what) + " returned " + std::to_string(result));
    }
}

// Returns a Vulkan structure with everything zero but its type and chain.
template <class T>
T Struct(VkStructureType type, void* next = nullptr) {
    T structure{};
    structure.sType = type;
    structure.pNext = next;
    return structure;
}

class Gpu {
 public:
    explicit Gpu(const GpuOptions& options = {}) {
        MakeInstance(options);
        MakeDevice(options);
    }
    Gpu(const Gpu&) = delete;
    Gpu& operator=(const Gpu&) = delete;
    ~Gpu() {
        DestroyAll();
        vkDestroyDevice(device, nullptr);
        vkDestroyInstance(instance, nullptr);
    }

    // Destroys what the shortcuts made, latest first.
    void DestroyAll() {
        while (!cleanup_.empty()) {
            auto last = std::move(cleanup_.back());
            cleanup_.pop_back();
            last();
        }
    }

    // Makes no attempt at cleaning this one up: the test frees it, or wants to be told.
    VkDeviceMemory AllocateRaw(uint32_t type, VkDeviceSize size, const void* next = nullptr) const {
        VkDeviceMemory memory = VK_NULL_HANDLE;
        Check(TryAllocate(type, size, &memory, next), "vkAllocateMemory");
        return memory;
    }

    VkResult TryAllocate(uint32_t type, VkDeviceSize size, VkDeviceMemory* memory,
                         const void* next = nullptr) const {
        VkMemoryAllocateInfo info{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, next, size, type};
        return vkAllocateMemory(device, &info, nullptr, memory);
    }

    VkDeviceMemory Allocate(uint32_t type, VkDeviceSize size, const void* next = nullptr) {
        VkDeviceMemory memory = AllocateRaw(type, size, next);
        cleanup_.push_back([this, memory] { vkFreeMemory(device, memory, nullptr); });
        return memory;
    }

    VkBuffer MakeBuffer(VkDeviceSize size,
                        VkBufferUsageFlags usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                                   VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                        VkBufferCreateFlags flags = 0) {
        auto info = Struct<VkBufferCreateInfo>(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
        info.flags = flags;
        info.size = size;
        info.usage = usage;
        VkBuffer buffer = VK_NULL_HANDLE;
        Check(vkCreateBuffer(device, &info, nullptr, &buffer), "vkCreateBuffer");
        cleanup_.push_back([this, buffer] { vkDestroyBuffer(device, buffer, nullptr); });
        return buffer;
    }

    // A 2D image of R8G8B8A8 that can be copied to and from.
    static VkImageCreateInfo ImageInfo(uint32_t width, uint32_t height,
                                       VkImageTiling tiling = VK_IMAGE_TILING_OPTIMAL) {
        auto info = Struct<VkImageCreateInfo>(VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO);
        info.imageType = VK_IMAGE_TYPE_2D;
        info.format = VK_FORMAT_R8G8B8A8_UNORM;
        info.extent = {width, height, 1};
        info.mipLevels = 1;
        info.arrayLayers = 1;
        info.samples = VK_SAMPLE_COUNT_1_BIT;
        info.tiling = tiling;
        info.usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;
        return info;
    }

    VkImage MakeImage(const VkImageCreateInfo& info) {
        VkImage image = VK_NULL_HANDLE;
        Check(vkCreateImage(device, &info, nullptr, &image), "vkCreateImage");
        cleanup_.push_back([this, image] { vkDestroyImage(device, image, nullptr); });
        return image;
    }

    VkMemoryRequirements Needs(VkBuffer buffer) const {
        VkMemoryRequirements needs{};
        vkGetBufferMemoryRequirements(device, buffer, &needs);
        return needs;
    }

    VkMemoryRequirements Needs(VkImage image) const {
        VkMemoryRequirements needs{};
        vkGetImageMemoryRequirements(device, image, &needs);
        return needs;
    }

    // Makes a buffer in memory of its own.
    VkBuffer MakeBoundBuffer(uint32_t type, VkDeviceSize size, VkDeviceMemory* memory = nullptr) {
        VkBuffer buffer = MakeBuffer(size);
        VkDeviceMemory own = Allocate(type, Needs(buffer).size);
        Check(vkBindBufferMemory(device, buffer, own, 0), "vkBindBufferMemory");
        if (memory != nullptr) *memory = own;
        return buffer;
    }

    std::byte* Map(VkDeviceMemory memory, VkDeviceSize offset = 0,
                   VkDeviceSize size = VK_WHOLE_SIZE) const {
        void* data = nullptr;
        Check(vkMapMemory(device, memory, offset, size, 0, &data), "vkMapMemory");
        return static_cast<std::byte*>(data);
    }

    // Records commands, submits them and waits.
    void Run(const std::function<void(VkCommandBuffer)>& record) {
        auto pool_info =
            Struct<VkCommandPoolCreateInfo>(VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
        VkCommandPool pool = VK_NULL_HANDLE;
        Check(vkCreateCommandPool(device, &pool_info, nullptr, &pool), "vkCreateCommandPool");
        auto info =
            Struct<VkCommandBufferAllocateInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
        info.commandPool = pool;
        info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
        info.commandBufferCount = 1;
        VkCommandBuffer commands = VK_NULL_HANDLE;
        Check(vkAllocateCommandBuffers(device, &info, &commands), "vkAllocateCommandBuffers");
        auto begin = Struct<VkCommandBufferBeginInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
        Check(vkBeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
        record(commands);
        Check(vkEndCommandBuffer(commands), "vkEndCommandBuffer");
        auto submit = Struct<VkSubmitInfo>(VK_STRUCTURE_TYPE_SUBMIT_INFO);
        submit.commandBufferCount = 1;
        submit.pCommandBuffers = &commands;
        Check(vkQueueSubmit(queue, 1, &submit, VK_NULL_HANDLE), "vkQueueSubmit");
        Check(vkQueueWaitIdle(queue), "vkQueueWaitIdle");
        vkDestroyCommandPool(device, pool, nullptr);
    }

    template <class Function>
    Function DeviceCommand(const char* name) const {
        return reinterpret_cast<Function>(vkGetDeviceProcAddr(device, name));
    }

    VkInstance instance = VK_NULL_HANDLE;
    VkPhysicalDevice physical = VK_NULL_HANDLE;
    VkDevice device = VK_NULL_HANDLE;
    VkQueue queue = VK_NULL_HANDLE;

 private:
    void MakeInstance(const GpuOptions& options) {
        auto app = Struct<VkApplicationInfo>(VK_STRUCTURE_TYPE_APPLICATION_INFO);
        app.apiVersion = VK_API_VERSION_1_3;
        auto info = Struct<VkInstanceCreateInfo>(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
        info.pApplicationInfo = &app;
        info.enabledExtensionCount = static_cast<uint32_t>(options.instance_extensions.size());
        info.ppEnabledExtensionNames = options.instance_extensions.data();
        Check(vkCreateInstance(&info, nullptr, &instance), "vkCreateInstance");
        uint32_t count = 0;
        Check(vkEnumeratePhysicalDevices(instance, &count, nullptr), "vkEnumeratePhysicalDevices");
        std::vector<VkPhysicalDevice> all(count);
        Check(vkEnumeratePhysicalDevices(instance, &count, all.data()),
              "vkEnumeratePhysicalDevices");
        physical = all.at(options.physical_device);
    }

    void MakeDevice(const GpuOptions& options) {
        const std::vector<float> priorities(options.queues, 1.0f);
        auto queue_info =
            Struct<VkDeviceQueueCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
        queue_info.queueCount = options.queues;
        queue_info.pQueuePriorities = priorities.data();
        auto info = Struct<VkDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
        info.pNext = options.features;
        info.queueCreateInfoCount = 1;
        info.pQueueCreateInfos = &queue_info;
        info.enabledExtensionCount = static_cast<uint32_t>(options.device_extensions.size());
        info.ppEnabledExtensionNames = options.device_extensions.data();
        Check(vkCreateDevice(physical, &info, nullptr, &device), "vkCreateDevice");
        vkGetDeviceQueue(device, 0, 0, &queue);
    }

    std::vector<std::function<void()>> cleanup_;
};

// Whether `part` occurs in `text`.
inline testing::AssertionResult Has(const std::string& text, const std::string& part) {
    if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "'" << part << "' is not in:\n" << text;
}

// Expects exactly one violation since the last look, with this text in it, and forgets it.
inline void ExpectOneViolation(const ScopedMock& mock, const std::string& text) {
    EXPECT_EQ(mock->violation_count(), 1u) << mock.Violations();
    EXPECT_TRUE(Has(mock.Violations(), text));
    mock->clear_violations();
}

// Expects violations since the last look, all of which have one of these texts, and forgets them.
inline void ExpectViolations(const ScopedMock& mock, const std::vector<std::string>& texts) {
    EXPECT_EQ(mock->violation_count(), texts.size()) << mock.Violations();
    for (const std::string& text : texts) {
        EXPECT_TRUE(Has(mock.Violations(), text));
    }
    mock->clear_violations();
}

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_GPU_H
