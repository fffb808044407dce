// SPDX-License-Identifier: Apache-2.0
//
// A layer that counts VkDeviceMemory objects: put below the layer under test, it knows what the
// driver was asked for, whatever the driver. It shares no code with what it judges.
//
// The counts are in the file DRIVER_COUNT_FILE.PID, which is mapped, so that they can be read at
// any moment, also of a process that is stopped or was killed:
//
//   uint64_t devices                          created so far
//   struct Count counts[kDevices][kTypes]     by order of creation, by index of the memory type
//
// Threads: any. One lock guards the tables and the counts.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#include <array>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace {

constexpr size_t kDevices = 16;
constexpr size_t kTypes = VK_MAX_MEMORY_TYPES;

struct Count {
    uint64_t live;
    uint64_t live_bytes;
    uint64_t allocations;
    uint64_t frees;
};
struct File {
    uint64_t devices;
    Count counts[kDevices][kTypes];
};

struct InstanceEntry {
    PFN_vkGetInstanceProcAddr next = nullptr;
    PFN_vkDestroyInstance destroy = nullptr;
};
struct DeviceEntry {
    PFN_vkGetDeviceProcAddr next = nullptr;
    PFN_vkDestroyDevice destroy = nullptr;
    PFN_vkAllocateMemory allocate = nullptr;
    PFN_vkFreeMemory free = nullptr;
    size_t number = 0;
    std::map<VkDeviceMemory, std::pair<uint32_t, VkDeviceSize>> live;  // type, size
};

std::mutex g_mutex;
std::map<void*, InstanceEntry> g_instances;
std::map<void*, DeviceEntry> g_devices;

void* KeyOf(const void* dispatchable) {
    return *static_cast<void* const*>(dispatchable);
}

// The file, or a place of ours that nobody reads. Requires: g_mutex is held.
File& Counts() {
    static File* const file = [] {
        static File nowhere = {};
        const char* const path = std::getenv("DRIVER_COUNT_FILE");
        if (path == nullptr) return &nowhere;
        const std::string name = std::string(path) + "." + std::to_string(getpid());
        const int fd = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || ftruncate(fd, sizeof(File)) != 0) std::abort();
        void* const at = mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED) std::abort();
        close(fd);
        return static_cast<File*>(at);
    }();
    return *file;
}

// Requires: g_mutex is held.
Count& CountOf(const DeviceEntry& device, uint32_t type) {
    if (device.number >= kDevices || type >= kTypes) std::abort();
    return Counts().counts[device.number][type];
}

template <typename Info>
Info* FindLink(const void* chain, VkStructureType type) {
    for (auto* one = static_cast<const VkBaseInStructure*>(chain); one != nullptr;
         one = one->pNext) {
        auto* const info = reinterpret_cast<Info*>(const_cast<VkBaseInStructure*>(one));
        if (one->sType == type && info->function == VK_LAYER_LINK_INFO) return info;
    }
    return nullptr;
}

VKAPI_ATTR VkResult VKAPI_CALL CreateInstance(const VkInstanceCreateInfo* pCreateInfo,
                                              const VkAllocationCallbacks* pAllocator,
                                              VkInstance* pInstance) {
    auto* const link = FindLink<VkLayerInstanceCreateInfo>(
        pCreateInfo->pNext, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO);
    if (link == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
    InstanceEntry entry;
    entry.next = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    const auto create =
        reinterpret_cast<PFN_vkCreateInstance>(entry.next(VK_NULL_HANDLE, "vkCreateInstance"));
    const VkResult result = create(pCreateInfo, pAllocator, pInstance);
    if (result != VK_SUCCESS) return result;
    entry.destroy =
        reinterpret_cast<PFN_vkDestroyInstance>(entry.next(*pInstance, "vkDestroyInstance"));
    const std::lock_guard lock(g_mutex);
    g_instances[KeyOf(*pInstance)] = entry;
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyInstance(VkInstance instance,
                                           const VkAllocationCallbacks* pAllocator) {
    if (instance == VK_NULL_HANDLE) return;
    // Out of the table before the call: its key may be used again as soon as that returns.
    std::unique_lock lock(g_mutex);
    const auto node = g_instances.extract(KeyOf(instance));
    lock.unlock();
    node.mapped().destroy(instance, pAllocator);
}

VKAPI_ATTR VkResult VKAPI_CALL CreateDevice(VkPhysicalDevice physicalDevice,
                                            const VkDeviceCreateInfo* pCreateInfo,
                                            const VkAllocationCallbacks* pAllocator,
                                            VkDevice* pDevice) {
    auto* const link = FindLink<VkLayerDeviceCreateInfo>(
        pCreateInfo->pNext, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO);
    if (link == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
    const auto next_instance = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    DeviceEntry entry;
    entry.next = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    const auto create =
        reinterpret_cast<PFN_vkCreateDevice>(next_instance(VK_NULL_HANDLE, "vkCreateDevice"));
    const VkResult result = create(physicalDevice, pCreateInfo, pAllocator, pDevice);
    if (result != VK_SUCCESS) return result;
    const auto load = [&](auto& function, const char* name) {
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(
            entry.next(*pDevice, name));
    };
    load(entry.destroy, "vkDestroyDevice");
    load(entry.allocate, "vkAllocateMemory");
    load(entry.free, "vkFreeMemory");
    const std::lock_guard lock(g_mutex);
    entry.number = Counts().devices++;
    g_devices[KeyOf(*pDevice)] = std::move(entry);
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyDevice(VkDevice device, const VkAllocationCallbacks* pAllocator) {
    if (device == VK_NULL_HANDLE) return;
    std::unique_lock lock(g_mutex);
    const auto node = g_devices.extract(KeyOf(device));
    lock.unlock();
    node.mapped().destroy(device, pAllocator);
}

// The lock is held during the call: a moment at which the driver has what is not counted must not
// be seen, and speed does not matter here.
VKAPI_ATTR VkResult VKAPI_CALL AllocateMemory(VkDevice device,
                                              const VkMemoryAllocateInfo* pAllocateInfo,
                                              const VkAllocationCallbacks* pAllocator,
                                              VkDeviceMemory* pMemory) {
    const std::lock_guard lock(g_mutex);
    DeviceEntry& entry = g_devices.at(KeyOf(device));
    const VkResult result = entry.allocate(device, pAllocateInfo, pAllocator, pMemory);
    if (result != VK_SUCCESS) return result;
    const uint32_t type = pAllocateInfo->memoryTypeIndex;
    const VkDeviceSize size = pAllocateInfo->allocationSize;
    entry.live[*pMemory] = {type, size};
    Count& count = CountOf(entry, type);
    ++count.live;
    count.live_bytes += size;
    ++count.allocations;
    return result;
}

VKAPI_ATTR void VKAPI_CALL FreeMemory(VkDevice device, VkDeviceMemory memory,
                                      const VkAllocationCallbacks* pAllocator) {
    const std::lock_guard lock(g_mutex);
    DeviceEntry& entry = g_devices.at(KeyOf(device));
    if (const auto node = entry.live.extract(memory); !node.empty()) {
        Count& count = CountOf(entry, node.mapped().first);
        --count.live;
        count.live_bytes -= node.mapped().second;
        ++count.frees;
    }
    entry.free(device, memory, pAllocator);
}

PFN_vkVoidFunction HookOf(std::string_view name);

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetDeviceProcAddr(VkDevice device, const char* pName) {
    std::unique_lock lock(g_mutex);
    const auto next = g_devices.at(KeyOf(device)).next;
    lock.unlock();
    const auto below = next(device, pName);
    const auto hook = HookOf(pName);
    return below != nullptr && hook != nullptr ? hook : below;
}

// Device commands are answered too: the loader asks for unknown ones here.
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetInstanceProcAddr(VkInstance instance,
                                                             const char* pName) {
    if (const auto hook = HookOf(pName)) return hook;
    if (instance == VK_NULL_HANDLE) return nullptr;
    std::unique_lock lock(g_mutex);
    const auto next = g_instances.at(KeyOf(instance)).next;
    lock.unlock();
    return next(instance, pName);
}

struct Hook {
    std::string_view name;
    PFN_vkVoidFunction function;
};
template <typename Function>
Hook MakeHook(std::string_view name, Function function) {
    return {name, reinterpret_cast<PFN_vkVoidFunction>(function)};
}

PFN_vkVoidFunction HookOf(std::string_view name) {
    static const std::array hooks = {MakeHook("vkGetInstanceProcAddr", GetInstanceProcAddr),
                                     MakeHook("vkGetDeviceProcAddr", GetDeviceProcAddr),
                                     MakeHook("vkCreateInstance", CreateInstance),
                                     MakeHook("vkDestroyInstance", DestroyInstance),
                                     MakeHook("vkCreateDevice", CreateDevice),
                                     MakeHook("vkDestroyDevice", DestroyDevice),
                                     MakeHook("vkAllocateMemory", AllocateMemory),
                                     MakeHook("vkFreeMemory", FreeMemory)};
    for (const Hook& hook : hooks)
        if (hook.name == name) return hook.function;
    return nullptr;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface* pVersionStruct) {
    constexpr uint32_t kInterfaceVersion = 2;
    if (pVersionStruct->sType != LAYER_NEGOTIATE_INTERFACE_STRUCT ||
        pVersionStruct->loaderLayerInterfaceVersion < kInterfaceVersion)
        return VK_ERROR_INITIALIZATION_FAILED;
    pVersionStruct->loaderLayerInterfaceVersion = kInterfaceVersion;
    pVersionStruct->pfnGetInstanceProcAddr = GetInstanceProcAddr;
    pVersionStruct->pfnGetDeviceProcAddr = GetDeviceProcAddr;
    pVersionStruct->pfnGetPhysicalDeviceProcAddr = nullptr;
    return VK_SUCCESS;
}
