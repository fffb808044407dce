// SPDX-License-Identifier: Apache-2.0
//
// The start of every test application: see device.h.
//
// The one idea: unless told otherwise, nothing is asked for beyond what Vulkan 1.0 always gives, so
// that the same program runs on a software driver and on a discrete GPU, and so that nothing but
// the environment decides which layers see its calls.
#include "common/device.h"

#include <vector>

#include "common/check.h"

namespace apps {
namespace {

/// The loader may reorder devices (VK_LOADER_DEVICE_SELECT, device-select layers); an index is what
/// a person reads off vulkaninfo, so it counts in that same order.
VkPhysicalDevice PickPhysicalDevice(VkInstance instance, uint32_t index) {
    uint32_t count = 0;
    Check(vkEnumeratePhysicalDevices(instance, &count, nullptr), "vkEnumeratePhysicalDevices");
    std::vector<VkPhysicalDevice> devices(count);
    Check(vkEnumeratePhysicalDevices(instance, &count, devices.data()),
          "vkEnumeratePhysicalDevices");
    if (index >= count) {
        throw Failure("There is no physical device with index " + std::to_string(index) +
                      "; the loader lists " + std::to_string(count) + ".");
    }
    return devices[index];
}

/// The first family that draws. Such a family also copies, whether it says so or not (Vulkan 1.0,
/// VkQueueFlagBits), so one queue serves everything here.
uint32_t FindGraphicsFamily(VkPhysicalDevice physical, const std::string& name,
                            VkQueueFlags& all_flags) {
    uint32_t count = 0;
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, nullptr);
    std::vector<VkQueueFamilyProperties> families(count);
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families.data());
    for (uint32_t family = 0; family < count; ++family) {
        all_flags = families[family].queueFlags;
        if (all_flags & VK_QUEUE_GRAPHICS_BIT) return family;
    }
    throw Failure("The device " + name + " has no queue family for graphics.");
}

VkPhysicalDeviceFeatures SparseFeatures(VkPhysicalDevice physical, VkQueueFlags queue_flags) {
    VkPhysicalDeviceFeatures has{};
    vkGetPhysicalDeviceFeatures(physical, &has);
    VkPhysicalDeviceFeatures features{};
    if ((queue_flags & VK_QUEUE_SPARSE_BINDING_BIT) == 0) return features;
    features.sparseBinding = has.sparseBinding;
    features.sparseResidencyImage2D = has.sparseResidencyImage2D;
    return features;
}

}  // namespace

Instance::Instance(const char* application_name) {
    const VkApplicationInfo application{.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                        .pNext = nullptr,
                                        .pApplicationName = application_name,
                                        .applicationVersion = 1,
                                        .pEngineName = nullptr,
                                        .engineVersion = 0,
                                        .apiVersion = VK_API_VERSION_1_0};
    VkInstanceCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    info.pApplicationInfo = &application;
    Check(vkCreateInstance(&info, nullptr, &handle_), "vkCreateInstance");
}

Instance::~Instance() {
    vkDestroyInstance(handle_, nullptr);
}

Device::Device(const Instance& instance, uint32_t index, DeviceExtras extras)
    : physical_(PickPhysicalDevice(instance.handle(), index)) {
    vkGetPhysicalDeviceProperties(physical_, &properties_);
    vkGetPhysicalDeviceMemoryProperties(physical_, &memory_);
    VkQueueFlags queue_flags = 0;
    queue_family_ = FindGraphicsFamily(physical_, properties_.deviceName, queue_flags);
    if (extras == DeviceExtras::kSparse) features_ = SparseFeatures(physical_, queue_flags);

    // One queue, no extension: whatever the driver has beyond Vulkan 1.0 stays off.
    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue_info{};
    queue_info.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue_info.queueFamilyIndex = queue_family_;
    queue_info.queueCount = 1;
    queue_info.pQueuePriorities = &priority;

    VkDeviceCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue_info;
    info.pEnabledFeatures = &features_;
    Check(vkCreateDevice(physical_, &info, nullptr, &handle_), "vkCreateDevice");
    vkGetDeviceQueue(handle_, queue_family_, 0, &queue_);
}

Device::~Device() {
    vkDestroyDevice(handle_, nullptr);
}

uint32_t Device::FindMemoryType(uint32_t allowed_types, VkMemoryPropertyFlags wanted) const {
    // Drivers list the faster of two types with equal flags first, so the first match is the best.
    for (uint32_t type = 0; type < memory_.memoryTypeCount; ++type) {
        const bool allowed = (allowed_types & (1u << type)) != 0;
        if (allowed && (memory_.memoryTypes[type].propertyFlags & wanted) == wanted) return type;
    }
    throw Failure("The device " + std::string(properties_.deviceName) +
                  " has no memory type with the flags " + std::to_string(wanted) +
                  " for a resource.");
}

}  // namespace apps
