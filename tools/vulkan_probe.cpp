// SPDX-License-Identifier: Apache-2.0
//
// See vulkan_probe.h. Everything is created through vkGetInstanceProcAddr, as an application does
// that opens the loader by itself; nothing is cleaned up after an error, since the process ends.
#include "tools/vulkan_probe.h"

#include <dlfcn.h>
#include <unistd.h>
#include <vulkan/vulkan.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "tessera/reader.h"
#include "tools/environment.h"

namespace tessera::command {
namespace {

constexpr VkDeviceSize kTrialBytes = 64 * 1024;
constexpr char kLibraryName[] = "libVkLayer_tessera_suballocator.so";

struct Failure {
    std::string text;
};

std::string ResultName(VkResult result) {
    switch (result) {
        case VK_SUCCESS:
            return "VK_SUCCESS";
        case VK_ERROR_OUT_OF_HOST_MEMORY:
            return "VK_ERROR_OUT_OF_HOST_MEMORY";
        case VK_ERROR_OUT_OF_DEVICE_MEMORY:
            return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
        case VK_ERROR_INITIALIZATION_FAILED:
            return "VK_ERROR_INITIALIZATION_FAILED";
        case VK_ERROR_DEVICE_LOST:
            return "VK_ERROR_DEVICE_LOST";
        case VK_ERROR_LAYER_NOT_PRESENT:
            return "VK_ERROR_LAYER_NOT_PRESENT";
        case VK_ERROR_INCOMPATIBLE_DRIVER:
            return "VK_ERROR_INCOMPATIBLE_DRIVER";
        default:
            return "VkResult " + std::to_string(result);
    }
}

void Check(VkResult result, const char* command) {
    if (result < 0) throw Failure{std::string(command) + " returned " + ResultName(result)};
}

class Loader {
 public:
    Loader() {
        void* const library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) {
            const char* const problem = dlerror();
            throw Failure{problem != nullptr ? problem : "libvulkan.so.1 cannot be loaded"};
        }
        get_ = reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(library, "vkGetInstanceProcAddr"));
        if (get_ == nullptr) throw Failure{"libvulkan.so.1 has no vkGetInstanceProcAddr"};
    }

    template <typename Function>
    Function Get(const char* name) const {
        const auto function = reinterpret_cast<Function>(get_(instance_, name));
        if (function == nullptr) throw Failure{std::string("the loader has no ") + name};
        return function;
    }

    uint32_t Version() const {
        // A loader of Vulkan 1.0 does not have the command.
        const auto enumerate = reinterpret_cast<PFN_vkEnumerateInstanceVersion>(
            get_(nullptr, "vkEnumerateInstanceVersion"));
        uint32_t version = VK_API_VERSION_1_0;
        if (enumerate != nullptr) enumerate(&version);
        return version;
    }

    VkResult CreateInstance() {
        VkApplicationInfo application = {};
        application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
        application.pApplicationName = "tessera doctor";
        application.apiVersion = std::min(Version(), VK_API_VERSION_1_3);
        VkInstanceCreateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
        info.pApplicationInfo = &application;
        return Get<PFN_vkCreateInstance>("vkCreateInstance")(&info, nullptr, &instance_);
    }

    void DestroyInstance() { Get<PFN_vkDestroyInstance>("vkDestroyInstance")(instance_, nullptr); }

    std::vector<VkPhysicalDevice> PhysicalDevices() const {
        const auto enumerate = Get<PFN_vkEnumeratePhysicalDevices>("vkEnumeratePhysicalDevices");
        uint32_t count = 0;
        Check(enumerate(instance_, &count, nullptr), "vkEnumeratePhysicalDevices");
        std::vector<VkPhysicalDevice> devices(count);
        Check(enumerate(instance_, &count, devices.data()), "vkEnumeratePhysicalDevices");
        devices.resize(count);
        return devices;
    }

 private:
    PFN_vkGetInstanceProcAddr get_ = nullptr;
    VkInstance instance_ = VK_NULL_HANDLE;
};

Json LayerNames(const Loader& loader) {
    const auto enumerate =
        loader.Get<PFN_vkEnumerateInstanceLayerProperties>("vkEnumerateInstanceLayerProperties");
    uint32_t count = 0;
    Check(enumerate(&count, nullptr), "vkEnumerateInstanceLayerProperties");
    std::vector<VkLayerProperties> layers(count);
    Check(enumerate(&count, layers.data()), "vkEnumerateInstanceLayerProperties");
    layers.resize(count);
    Json names = Json::array();
    for (const VkLayerProperties& layer : layers)
        names.push_back(layer.layerName);
    return names;
}

// Whether the layer's library is in this process, whatever it publishes.
bool LibraryIsLoaded() {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);)
        if (line.find(kLibraryName) != std::string::npos) return true;
    return false;
}

// Memory that a device without special features must not be asked for (protected memory, AMD's
// coherent types) is not tried.
bool MayBeTried(VkMemoryPropertyFlags flags) {
    constexpr VkMemoryPropertyFlags kOrdinary =
        VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
        VK_MEMORY_PROPERTY_HOST_COHERENT_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT |
        VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT;
    return (flags & ~kOrdinary) == 0;
}

// What the statistics say of an allocation in a type in which nothing else was allocated.
std::string Served(const reader::Device& device, size_t type) {
    if (type >= device.memory_types.size()) return "not tried";
    const tessera_type_totals& totals = device.memory_types[type].totals;
    if (totals.pooled.allocations > 0) return "pooled";
    for (uint32_t reason = 0; reason < TESSERA_REASON_COUNT; ++reason)
        if (totals.pass_through[reason].allocations > 0) return reader::ReasonName(reason);
    return totals.app.failed > 0 ? "failed" : "not tried";
}

VkDevice CreateDevice(const Loader& loader, VkPhysicalDevice physical_device) {
    const float priority = 1;
    VkDeviceQueueCreateInfo queue = {};
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkDeviceCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    VkDevice device = VK_NULL_HANDLE;
    Check(
        loader.Get<PFN_vkCreateDevice>("vkCreateDevice")(physical_device, &info, nullptr, &device),
        "vkCreateDevice");
    return device;
}

// Allocates in each memory type that may be tried, and frees it again after `look` was called.
template <typename Look>
void TryMemoryTypes(const Loader& loader, VkDevice device,
                    const VkPhysicalDeviceMemoryProperties& memory, const Look& look) {
    const auto allocate = loader.Get<PFN_vkAllocateMemory>("vkAllocateMemory");
    const auto free_memory = loader.Get<PFN_vkFreeMemory>("vkFreeMemory");
    std::vector<VkDeviceMemory> allocations;
    for (uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
        if (!MayBeTried(memory.memoryTypes[i].propertyFlags)) continue;
        VkMemoryAllocateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        info.allocationSize = kTrialBytes;
        info.memoryTypeIndex = i;
        VkDeviceMemory allocation = VK_NULL_HANDLE;
        if (allocate(device, &info, nullptr, &allocation) == VK_SUCCESS)
            allocations.push_back(allocation);
    }
    look();
    for (const VkDeviceMemory allocation : allocations)
        free_memory(device, allocation, nullptr);
}

// Adds to `report` what the statistics of this process say.
void ReadStatistics(const VkPhysicalDeviceMemoryProperties& memory, Json& report) {
    const reader::Result<reader::Process> process =
        reader::ReadProcess(static_cast<uint64_t>(getpid()));
    const reader::Device* device = nullptr;
    for (const reader::Device& candidate : process.value.devices)
        if (candidate.state == TESSERA_DEVICE_LIVE) device = &candidate;
    if (!process.ok()) {
        report["no_statistics"] = process.error;
    } else if (device == nullptr) {
        report["no_statistics"] = "They do not list the device.";
    } else {
        report["statistics"] = process.value.path;
        report["mode"] = device->pooled ? "pool" : "off";
        report["why"] = reader::ReasonName(device->why);
    }
    report["memory_types"] = Json::array();
    for (uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
        const VkMemoryPropertyFlags flags = memory.memoryTypes[i].propertyFlags;
        report["memory_types"].push_back(
            {{"index", i},
             {"flags", MemoryFlagNames(flags)},
             {"served", device != nullptr ? Served(*device, i) : "not tried"}});
    }
}

template <typename Work>
Json CatchFailure(const Work& work) {
    try {
        return work();
    } catch (const Failure& failure) {
        return {{"error", failure.text}};
    }
}

}  // namespace

Json ProbeLoader(const TellStep& tell) {
    return CatchFailure([&]() -> Json {
        tell("loading libvulkan.so.1");
        Loader loader;
        tell("listing the layers");
        Json report = {{"version", ApiVersion(loader.Version())}, {"layers", LayerNames(loader)}};
        tell("creating an instance");
        const VkResult created = loader.CreateInstance();
        report["instance"] = ResultName(created);
        if (created != VK_SUCCESS) return report;
        report["layer_loaded"] = LibraryIsLoaded();
        tell("listing the devices");
        report["devices"] = Json::array();
        const auto get =
            loader.Get<PFN_vkGetPhysicalDeviceProperties>("vkGetPhysicalDeviceProperties");
        for (const VkPhysicalDevice device : loader.PhysicalDevices()) {
            VkPhysicalDeviceProperties properties;
            get(device, &properties);
            report["devices"].push_back({{"name", properties.deviceName},
                                         {"api_version", ApiVersion(properties.apiVersion)}});
        }
        tell("destroying the instance");
        loader.DestroyInstance();
        return report;
    });
}

Json ProbeDevice(const TellStep& tell, uint32_t index) {
    return CatchFailure([&]() -> Json {
        Loader loader;
        tell("creating an instance");
        Check(loader.CreateInstance(), "vkCreateInstance");
        const std::vector<VkPhysicalDevice> devices = loader.PhysicalDevices();
        if (index >= devices.size()) throw Failure{"the device is no longer there"};
        VkPhysicalDeviceMemoryProperties memory;
        loader.Get<PFN_vkGetPhysicalDeviceMemoryProperties>("vkGetPhysicalDeviceMemoryProperties")(
            devices[index], &memory);
        tell("creating the device");
        const VkDevice device = CreateDevice(loader, devices[index]);
        tell("allocating memory");
        Json report = Json::object();
        TryMemoryTypes(loader, device, memory, [&] { ReadStatistics(memory, report); });
        tell("destroying the device");
        loader.Get<PFN_vkDestroyDevice>("vkDestroyDevice")(device, nullptr);
        loader.DestroyInstance();
        return report;
    });
}

}  // namespace tessera::command
