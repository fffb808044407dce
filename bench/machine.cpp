// SPDX-License-Identifier: Apache-2.0
//
// See machine.h.

#include "machine.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace bench {
namespace {

constexpr const char* kLayer = "VK_LAYER_TESSERA_suballocator";

void Check(VkResult result, const char* what) {
    if (result != VK_SUCCESS) {
        throw std::runtime_error(std::string(what) + " returned " + std::to_string(result));
    }
}

uint32_t ChooseType(const VkPhysicalDeviceMemoryProperties& memory, int wanted) {
    if (wanted >= 0) {
        if (static_cast<uint32_t>(wanted) < memory.memoryTypeCount) {
            return static_cast<uint32_t>(wanted);
        }
        throw std::runtime_error("the device has no memory type " + std::to_string(wanted));
    }
    for (uint32_t type = 0; type < memory.memoryTypeCount; ++type) {
        if (memory.memoryTypes[type].propertyFlags == VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) {
            return type;
        }
    }
    return 0;
}

}  // namespace

void Machine::CreateInstance(bool layered) {
    VkApplicationInfo application = {};
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.pApplicationName = "tessera_bench";
    application.apiVersion = VK_API_VERSION_1_1;
    VkInstanceCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    info.pApplicationInfo = &application;
    info.enabledLayerCount = layered ? 1 : 0;
    info.ppEnabledLayerNames = &kLayer;
    Check(vkCreateInstance(&info, nullptr, &instance_), "vkCreateInstance");
}

void Machine::CreateDevice(bool sparse) {
    VkPhysicalDeviceFeatures supported = {};
    vkGetPhysicalDeviceFeatures(physical_, &supported);
    VkPhysicalDeviceFeatures features = {};
    features.sparseBinding = sparse ? supported.sparseBinding : VK_FALSE;
    sparse_ = features.sparseBinding == VK_TRUE;

    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue = {};
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkDeviceCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    info.pEnabledFeatures = &features;
    Check(vkCreateDevice(physical_, &info, nullptr, &device_), "vkCreateDevice");
}

Machine::Machine(const Options& options) {
    CreateInstance(options.layered);
    uint32_t count = 1;
    if (vkEnumeratePhysicalDevices(instance_, &count, &physical_) < 0 || count == 0) {
        throw std::runtime_error("there is no physical device");
    }
    VkPhysicalDeviceProperties properties = {};
    vkGetPhysicalDeviceProperties(physical_, &properties);
    name_ = properties.deviceName;
    VkPhysicalDeviceMemoryProperties memory = {};
    vkGetPhysicalDeviceMemoryProperties(physical_, &memory);
    type_ = ChooseType(memory, options.type);
    type_flags_ = memory.memoryTypes[type_].propertyFlags;
    CreateDevice(options.sparse);
#define BENCH_LOAD(name) \
    commands_.name = reinterpret_cast<PFN_vk##name>(vkGetDeviceProcAddr(device_, "vk" #name))
    BENCH_LOAD(AllocateMemory);
    BENCH_LOAD(FreeMemory);
    BENCH_LOAD(CreateBuffer);
    BENCH_LOAD(DestroyBuffer);
    BENCH_LOAD(GetBufferMemoryRequirements);
    BENCH_LOAD(BindBufferMemory);
    BENCH_LOAD(MapMemory);
    BENCH_LOAD(UnmapMemory);
    BENCH_LOAD(FlushMappedMemoryRanges);
#undef BENCH_LOAD
}

Machine::~Machine() {
    if (device_ != VK_NULL_HANDLE) vkDestroyDevice(device_, nullptr);
    if (instance_ != VK_NULL_HANDLE) vkDestroyInstance(instance_, nullptr);
}

VkBuffer Machine::CreateBuffer(uint64_t bytes) const {
    VkBufferCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.size = bytes;
    info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    VkBuffer buffer = VK_NULL_HANDLE;
    Check(commands_.CreateBuffer(device_, &info, nullptr, &buffer), "vkCreateBuffer");
    return buffer;
}

VkMemoryRequirements Machine::BufferRequirements(uint64_t bytes) const {
    VkBuffer buffer = CreateBuffer(bytes);
    VkMemoryRequirements requirements = {};
    commands_.GetBufferMemoryRequirements(device_, buffer, &requirements);
    commands_.DestroyBuffer(device_, buffer, nullptr);
    return requirements;
}

std::optional<uint64_t> Machine::HeapUsage() const {
    uint32_t count = 0;
    vkEnumerateDeviceExtensionProperties(physical_, nullptr, &count, nullptr);
    std::vector<VkExtensionProperties> extensions(count);
    vkEnumerateDeviceExtensionProperties(physical_, nullptr, &count, extensions.data());
    if (std::none_of(extensions.begin(), extensions.end(), [](const VkExtensionProperties& e) {
            return std::strcmp(e.extensionName, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME) == 0;
        })) {
        return std::nullopt;
    }
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {};
    budget.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT;
    VkPhysicalDeviceMemoryProperties2 memory = {};
    memory.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
    memory.pNext = &budget;
    vkGetPhysicalDeviceMemoryProperties2(physical_, &memory);
    return budget.heapUsage[memory.memoryProperties.memoryTypes[type_].heapIndex];
}

int Machine::HostVisibleType() const {
    VkPhysicalDeviceMemoryProperties memory = {};
    vkGetPhysicalDeviceMemoryProperties(physical_, &memory);
    const uint32_t bits = BufferRequirements(1).memoryTypeBits;
    for (uint32_t type = 0; type < memory.memoryTypeCount; ++type) {
        const bool visible =
            memory.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
        if (visible && (bits >> type & 1) != 0) return static_cast<int>(type);
    }
    throw std::runtime_error("no memory type can be mapped");
}

uint32_t Machine::SizeUnit() const {
    return static_cast<uint32_t>(BufferRequirements(1).size);
}

}  // namespace bench
