// SPDX-License-Identifier: Apache-2.0
//
// See gpu.h.
#include "gpu.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace tessera::fuzz {
namespace {

constexpr const char* kLayer = "VK_LAYER_TESSERA_suballocator";

const char* Setting(const char* name, const char* otherwise) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : otherwise;
}

const char* DriverLibrary() {
    return Setting("TESSERA_FUZZ_DRIVER", TESSERA_MOCK_LIBRARY_PATH);
}

// The manifest has to name the library where it lies now.
void UseDriver() {
    static const std::string manifest = [] {
        char name[] = "/tmp/tessera-fuzz-XXXXXX.json";
        const int file = mkstemps(name, 5);
        if (file < 0) throw Finding("cannot write a manifest in /tmp");
        const std::string text =
            std::string(R"({"file_format_version": "1.0.1", "ICD": {"library_path": ")") +
            DriverLibrary() + R"(", "api_version": "1.3.239"}})";
        const bool written =
            write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
        close(file);
        if (!written) throw Finding("cannot write a manifest in /tmp");
        std::atexit([] { unlink(manifest.c_str()); });
        return std::string(name);
    }();
    setenv("VK_ICD_FILENAMES", manifest.c_str(), 1);
    setenv("VK_DRIVER_FILES", manifest.c_str(), 1);
    setenv("VK_LAYER_PATH", Setting("TESSERA_FUZZ_LAYER_DIR", TESSERA_FUZZ_LAYER_PATH), 1);
}

void Require(VkResult result, const char* what) {
    if (result != VK_SUCCESS) {
        throw Finding(std::string(what) + " returned " + std::to_string(result));
    }
}

// What the machine has operations for.
constexpr const char* kWanted[] = {"VK_KHR_map_memory2",
                                   "VK_EXT_memory_budget",
                                   "VK_EXT_memory_priority",
                                   "VK_NV_ray_tracing",
                                   "VK_KHR_video_queue",
                                   "VK_EXT_pageable_device_local_memory",
                                   "VK_KHR_bind_memory2",
                                   "VK_EXT_private_data",
                                   "VK_KHR_get_memory_requirements2",
                                   "VK_KHR_maintenance4",
                                   "VK_KHR_maintenance3",
                                   "VK_KHR_dedicated_allocation",
                                   "VK_KHR_buffer_device_address",
                                   "VK_ARM_tensors",
                                   "VK_ARM_data_graph"};

}  // namespace

const TesseraMock& Mock() {
    static const TesseraMock& control = []() -> const TesseraMock& {
        void* library = dlopen(DriverLibrary(), RTLD_NOW | RTLD_LOCAL);
        const auto get =
            library == nullptr
                ? nullptr
                : reinterpret_cast<PFN_tessera_mock_get>(dlsym(library, "tessera_mock_get"));
        if (get == nullptr) {
            std::fprintf(stderr, "cannot use the mock driver: %s\n", dlerror());
            std::exit(2);
        }
        return *get();
    }();
    return control;
}

void PlaceRegister::Add(const Place& place, VkDeviceSize size) {
    const std::lock_guard lock(mutex_);
    auto& ranges = blocks_[place.block];
    const auto after = ranges.lower_bound(place.offset);
    const bool overlaps_after = after != ranges.end() && after->first < place.offset + size;
    const bool overlaps_before = after != ranges.begin() &&
                                 std::prev(after)->first + std::prev(after)->second > place.offset;
    if (overlaps_after || overlaps_before) {
        throw Finding("an allocation of " + std::to_string(size) + " bytes at offset " +
                      std::to_string(place.offset) + " overlaps with another live one");
    }
    ranges.emplace(place.offset, size);
}

void PlaceRegister::Remove(const Place& place) {
    const std::lock_guard lock(mutex_);
    const auto block = blocks_.find(place.block);
    if (block == blocks_.end()) return;
    block->second.erase(place.offset);
    if (block->second.empty()) blocks_.erase(block);
}

Gpu::Gpu(const std::string& description) {
    UseDriver();
    Mock().reset();
    if (Mock().set_description(description.c_str()) != 1) {
        throw Finding("the description is wrong: " + description);
    }
    refuses = description.find("refusing") != std::string::npos;
    MakeInstance();
    MakeDevice();
}

void Gpu::MakeInstance() {
    VkApplicationInfo application = {};
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.apiVersion = VK_API_VERSION_1_3;
    VkInstanceCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    info.pApplicationInfo = &application;
    const bool without = std::getenv("TESSERA_FUZZ_WITHOUT_LAYER") != nullptr;
    info.enabledLayerCount = without ? 0 : 1;
    info.ppEnabledLayerNames = &kLayer;
    const char* debug_utils = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    info.enabledExtensionCount = 1;
    info.ppEnabledExtensionNames = &debug_utils;
    Require(vkCreateInstance(&info, nullptr, &instance), "vkCreateInstance");
    uint32_t one = 1;
    if (vkEnumeratePhysicalDevices(instance, &one, &physical) < 0 || one == 0) {
        throw Finding("there is no physical device");
    }
    vkGetPhysicalDeviceMemoryProperties(physical, &memory);
    VkPhysicalDeviceProperties properties = {};
    vkGetPhysicalDeviceProperties(physical, &properties);
    limits = properties.limits;
}

void Gpu::MakeDevice() {
    uint32_t count = 0;
    vkEnumerateDeviceExtensionProperties(physical, nullptr, &count, nullptr);
    std::vector<VkExtensionProperties> available(count);
    vkEnumerateDeviceExtensionProperties(physical, nullptr, &count, available.data());
    std::vector<const char*> enabled;
    for (const VkExtensionProperties& extension : available) {
        for (const char* wanted : kWanted) {
            if (std::string(wanted) != extension.extensionName) continue;
            enabled.push_back(wanted);
            extensions_.insert(wanted);
        }
    }
    VkPhysicalDeviceFeatures has = {};
    vkGetPhysicalDeviceFeatures(physical, &has);
    VkPhysicalDeviceFeatures features = {};
    features.sparseBinding = has.sparseBinding;
    features.sparseResidencyBuffer = has.sparseResidencyBuffer;
    features.sparseResidencyImage2D = has.sparseResidencyImage2D;
    sparse = has.sparseBinding != VK_FALSE;

    VkPhysicalDevicePrivateDataFeatures private_data = {};
    private_data.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PRIVATE_DATA_FEATURES;
    private_data.privateData = VK_TRUE;
    VkPhysicalDeviceBufferDeviceAddressFeatures address = {};
    address.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES;
    address.bufferDeviceAddress = VK_TRUE;
    VkPhysicalDeviceMaintenance4Features maintenance4 = {};
    maintenance4.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES;
    maintenance4.maintenance4 = VK_TRUE;
    VkPhysicalDeviceMemoryPriorityFeaturesEXT priority = {};
    priority.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PRIORITY_FEATURES_EXT;
    priority.memoryPriority = VK_TRUE;
    const void* chain = nullptr;
    const auto link = [&chain](auto& structure) {
        structure.pNext = const_cast<void*>(chain);
        chain = &structure;
    };
    if (Has("VK_EXT_private_data")) link(private_data);
    if (Has("VK_KHR_maintenance4")) link(maintenance4);
    if (Has("VK_EXT_memory_priority")) link(priority);
    device_address = Has("VK_KHR_buffer_device_address");
    if (device_address) link(address);

    const float queue_priority = 1.0f;
    VkDeviceQueueCreateInfo queue_info = {};
    queue_info.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue_info.queueCount = 1;
    queue_info.pQueuePriorities = &queue_priority;
    VkDeviceCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.pNext = chain;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue_info;
    info.enabledExtensionCount = static_cast<uint32_t>(enabled.size());
    info.ppEnabledExtensionNames = enabled.data();
    info.pEnabledFeatures = &features;
    Require(vkCreateDevice(physical, &info, nullptr, &device), "vkCreateDevice");
    vkGetDeviceQueue(device, 0, 0, &queue);
}

void Gpu::CheckViolations() const {
    if (Mock().violation_count() == 0) return;
    std::string text(Mock().violation_text(0, nullptr, 0), '\0');
    Mock().violation_text(0, text.data(), text.size() + 1);
    throw Finding("the driver complains: " + text);
}

void Gpu::Close() {
    for (const auto& shared : exchange)
        vkFreeMemory(device, shared->memory, nullptr);
    exchange.clear();
    vkDestroyDevice(device, nullptr);
    vkDestroyInstance(instance, nullptr);
    device = VK_NULL_HANDLE;
    instance = VK_NULL_HANDLE;
    CheckViolations();
}

Gpu::~Gpu() {
    if (device != VK_NULL_HANDLE) vkDestroyDevice(device, nullptr);
    if (instance != VK_NULL_HANDLE) vkDestroyInstance(instance, nullptr);
}

}  // namespace tessera::fuzz
