// SPDX-License-Identifier: Apache-2.0
//
// The loader's side of the judge: negotiation, instance and device creation, intercepted commands.
//
// The rules of the loader and layer interface are kept to the letter: the link structure is
// advanced before calling down, the next entity's commands are fetched once, when an instance or
// device is created, and a hook is returned only where the next entity has the command. Objects are
// found by their dispatch key, the first word of every dispatchable handle. A lock guards the two
// tables; an entry lives from the creation to the destruction of its instance or device, which
// applications synchronize with all other use.
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>

#include "present_judge/judge.h"

namespace present_judge {
namespace {

constexpr char kLayerName[] = "VK_LAYER_TESSERA_test_present_judge";

/// What one instance needs: the way down, and queries about its surfaces.
struct InstanceEntry {
    VkInstance handle;
    PFN_vkGetInstanceProcAddr next;
    PFN_vkDestroyInstance destroy;
    PFN_vkEnumerateDeviceExtensionProperties enumerate_extensions;
    PFN_vkGetPhysicalDeviceMemoryProperties memory_properties;
    PFN_vkGetPhysicalDeviceSurfaceCapabilitiesKHR surface_capabilities;  ///< null without surfaces
};

/// What one device needs. The swapchain commands are null unless the extension is enabled.
struct DeviceEntry {
    const InstanceEntry* instance;
    VkPhysicalDevice physical;
    PFN_vkGetDeviceProcAddr next;
    PFN_vkDestroyDevice destroy;
    PFN_vkGetDeviceQueue get_queue;
    PFN_vkGetDeviceQueue2 get_queue2;
    PFN_vkCreateSwapchainKHR create_swapchain;
    PFN_vkDestroySwapchainKHR destroy_swapchain;
    PFN_vkQueuePresentKHR present;
    std::unique_ptr<Judge> judge;
};

std::mutex g_mutex;
std::map<void*, std::unique_ptr<InstanceEntry>> g_instances;
std::map<void*, std::unique_ptr<DeviceEntry>> g_devices;

void* KeyOf(const void* dispatchable) {
    return *static_cast<void* const*>(dispatchable);
}

InstanceEntry& InstanceOf(const void* dispatchable) {
    const std::lock_guard lock(g_mutex);
    return *g_instances.at(KeyOf(dispatchable));
}

DeviceEntry& DeviceOf(const void* dispatchable) {
    const std::lock_guard lock(g_mutex);
    return *g_devices.at(KeyOf(dispatchable));
}

template <typename Function>
void Load(Function& function, PFN_vkGetInstanceProcAddr next, VkInstance instance,
          const char* name) {
    function = reinterpret_cast<Function>(next(instance, name));
}

template <typename Function>
void Load(Function& function, PFN_vkGetDeviceProcAddr next, VkDevice device, const char* name) {
    function = reinterpret_cast<Function>(next(device, name));
}

/// The loader's structure for `function` in a create info's chain, or null.
template <typename Info>
Info* FindLoaderInfo(const void* chain, VkStructureType type, VkLayerFunction function) {
    for (auto* link = static_cast<const VkBaseInStructure*>(chain); link != nullptr;
         link = link->pNext) {
        if (link->sType != type) continue;
        auto* info = reinterpret_cast<Info*>(const_cast<VkBaseInStructure*>(link));
        if (info->function == function) return info;
    }
    return nullptr;
}

// Advances the chain, calls down, then fetches the next entity's commands: the handle is valid for
// that only after the call (LLP_LAYER_21).
VKAPI_ATTR VkResult VKAPI_CALL CreateInstance(const VkInstanceCreateInfo* pCreateInfo,
                                              const VkAllocationCallbacks* pAllocator,
                                              VkInstance* pInstance) {
    auto* link = FindLoaderInfo<VkLayerInstanceCreateInfo>(
        pCreateInfo->pNext, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO, VK_LAYER_LINK_INFO);
    if (link == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
    const auto next = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    PFN_vkCreateInstance create = nullptr;
    Load(create, next, VK_NULL_HANDLE, "vkCreateInstance");
    const VkResult result = create(pCreateInfo, pAllocator, pInstance);
    if (result != VK_SUCCESS) return result;

    auto entry = std::make_unique<InstanceEntry>();
    entry->handle = *pInstance;
    entry->next = next;
    Load(entry->destroy, next, *pInstance, "vkDestroyInstance");
    Load(entry->enumerate_extensions, next, *pInstance, "vkEnumerateDeviceExtensionProperties");
    Load(entry->memory_properties, next, *pInstance, "vkGetPhysicalDeviceMemoryProperties");
    Load(entry->surface_capabilities, next, *pInstance,
         "vkGetPhysicalDeviceSurfaceCapabilitiesKHR");
    const std::lock_guard lock(g_mutex);
    g_instances[KeyOf(*pInstance)] = std::move(entry);
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyInstance(VkInstance instance,
                                           const VkAllocationCallbacks* pAllocator) {
    if (instance == VK_NULL_HANDLE) return;
    // Out of the table before the call: the loader may reuse the dispatch key as soon as it
    // returns.
    std::unique_ptr<InstanceEntry> entry;
    {
        const std::lock_guard lock(g_mutex);
        entry = std::move(g_instances.extract(KeyOf(instance)).mapped());
    }
    entry->destroy(instance, pAllocator);
}

void LoadReaderCommands(ReaderCommands& commands, PFN_vkGetDeviceProcAddr next, VkDevice device) {
    Load(commands.GetSwapchainImagesKHR, next, device, "vkGetSwapchainImagesKHR");
    Load(commands.CreateCommandPool, next, device, "vkCreateCommandPool");
    Load(commands.DestroyCommandPool, next, device, "vkDestroyCommandPool");
    Load(commands.AllocateCommandBuffers, next, device, "vkAllocateCommandBuffers");
    Load(commands.BeginCommandBuffer, next, device, "vkBeginCommandBuffer");
    Load(commands.EndCommandBuffer, next, device, "vkEndCommandBuffer");
    Load(commands.CmdPipelineBarrier, next, device, "vkCmdPipelineBarrier");
    Load(commands.CmdCopyImageToBuffer, next, device, "vkCmdCopyImageToBuffer");
    Load(commands.CreateBuffer, next, device, "vkCreateBuffer");
    Load(commands.DestroyBuffer, next, device, "vkDestroyBuffer");
    Load(commands.GetBufferMemoryRequirements, next, device, "vkGetBufferMemoryRequirements");
    Load(commands.AllocateMemory, next, device, "vkAllocateMemory");
    Load(commands.FreeMemory, next, device, "vkFreeMemory");
    Load(commands.BindBufferMemory, next, device, "vkBindBufferMemory");
    Load(commands.MapMemory, next, device, "vkMapMemory");
    Load(commands.QueueSubmit, next, device, "vkQueueSubmit");
    Load(commands.QueueWaitIdle, next, device, "vkQueueWaitIdle");
}

VKAPI_ATTR VkResult VKAPI_CALL CreateDevice(VkPhysicalDevice physicalDevice,
                                            const VkDeviceCreateInfo* pCreateInfo,
                                            const VkAllocationCallbacks* pAllocator,
                                            VkDevice* pDevice) {
    constexpr VkStructureType kType = VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO;
    auto* link =
        FindLoaderInfo<VkLayerDeviceCreateInfo>(pCreateInfo->pNext, kType, VK_LAYER_LINK_INFO);
    auto* callback =
        FindLoaderInfo<VkLayerDeviceCreateInfo>(pCreateInfo->pNext, kType, VK_LOADER_DATA_CALLBACK);
    if (link == nullptr || callback == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
    const auto next_instance = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    const auto next = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    const auto set_loader_data = callback->u.pfnSetDeviceLoaderData;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;

    const InstanceEntry& instance = InstanceOf(physicalDevice);
    PFN_vkCreateDevice create = nullptr;
    Load(create, next_instance, instance.handle, "vkCreateDevice");
    const VkResult result = create(physicalDevice, pCreateInfo, pAllocator, pDevice);
    if (result != VK_SUCCESS) return result;

    ReaderDevice reader{};
    reader.handle = *pDevice;
    reader.set_loader_data = set_loader_data;
    instance.memory_properties(physicalDevice, &reader.memory);
    LoadReaderCommands(reader.commands, next, *pDevice);

    auto entry = std::make_unique<DeviceEntry>();
    entry->instance = &instance;
    entry->physical = physicalDevice;
    entry->next = next;
    entry->judge = std::make_unique<Judge>(reader);
    Load(entry->destroy, next, *pDevice, "vkDestroyDevice");
    Load(entry->get_queue, next, *pDevice, "vkGetDeviceQueue");
    Load(entry->get_queue2, next, *pDevice, "vkGetDeviceQueue2");
    Load(entry->create_swapchain, next, *pDevice, "vkCreateSwapchainKHR");
    Load(entry->destroy_swapchain, next, *pDevice, "vkDestroySwapchainKHR");
    Load(entry->present, next, *pDevice, "vkQueuePresentKHR");
    const std::lock_guard lock(g_mutex);
    g_devices[KeyOf(*pDevice)] = std::move(entry);
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyDevice(VkDevice device, const VkAllocationCallbacks* pAllocator) {
    if (device == VK_NULL_HANDLE) return;
    std::unique_ptr<DeviceEntry> entry;
    {
        const std::lock_guard lock(g_mutex);
        entry = std::move(g_devices.extract(KeyOf(device)).mapped());
    }
    entry->judge.reset();
    entry->destroy(device, pAllocator);
}

VKAPI_ATTR void VKAPI_CALL GetDeviceQueue(VkDevice device, uint32_t queueFamilyIndex,
                                          uint32_t queueIndex, VkQueue* pQueue) {
    DeviceEntry& entry = DeviceOf(device);
    entry.get_queue(device, queueFamilyIndex, queueIndex, pQueue);
    entry.judge->AddQueue(*pQueue, queueFamilyIndex);
}

VKAPI_ATTR void VKAPI_CALL GetDeviceQueue2(VkDevice device, const VkDeviceQueueInfo2* pQueueInfo,
                                           VkQueue* pQueue) {
    DeviceEntry& entry = DeviceOf(device);
    entry.get_queue2(device, pQueueInfo, pQueue);
    if (*pQueue != VK_NULL_HANDLE) entry.judge->AddQueue(*pQueue, pQueueInfo->queueFamilyIndex);
}

// TRANSFER_SRC is added where the surface offers it, which nearly all do. It changes no picture.
VKAPI_ATTR VkResult VKAPI_CALL CreateSwapchainKHR(VkDevice device,
                                                  const VkSwapchainCreateInfoKHR* pCreateInfo,
                                                  const VkAllocationCallbacks* pAllocator,
                                                  VkSwapchainKHR* pSwapchain) {
    DeviceEntry& entry = DeviceOf(device);
    VkSwapchainCreateInfoKHR info = *pCreateInfo;
    VkSurfaceCapabilitiesKHR capabilities{};
    entry.instance->surface_capabilities(entry.physical, info.surface, &capabilities);
    info.imageUsage |= capabilities.supportedUsageFlags & VK_IMAGE_USAGE_TRANSFER_SRC_BIT;
    const VkResult result = entry.create_swapchain(device, &info, pAllocator, pSwapchain);
    if (result != VK_SUCCESS) return result;

    const bool readable = (info.imageUsage & VK_IMAGE_USAGE_TRANSFER_SRC_BIT) != 0 &&
                          (info.flags & VK_SWAPCHAIN_CREATE_PROTECTED_BIT_KHR) == 0;
    entry.judge->AddSwapchain(*pSwapchain, {.format = info.imageFormat,
                                            .extent = info.imageExtent,
                                            .layers = info.imageArrayLayers,
                                            .readable = readable});
    return result;
}

VKAPI_ATTR void VKAPI_CALL DestroySwapchainKHR(VkDevice device, VkSwapchainKHR swapchain,
                                               const VkAllocationCallbacks* pAllocator) {
    DeviceEntry& entry = DeviceOf(device);
    entry.judge->RemoveSwapchain(swapchain);
    entry.destroy_swapchain(device, swapchain, pAllocator);
}

VKAPI_ATTR VkResult VKAPI_CALL QueuePresentKHR(VkQueue queue,
                                               const VkPresentInfoKHR* pPresentInfo) {
    DeviceEntry& entry = DeviceOf(queue);
    VkPresentInfoKHR info = *pPresentInfo;
    // The semaphores can be waited for once only, and reading the image has done it.
    if (entry.judge->Observe(queue, info)) {
        info.waitSemaphoreCount = 0;
        info.pWaitSemaphores = nullptr;
    }
    return entry.present(queue, &info);
}

VKAPI_ATTR VkResult VKAPI_CALL EnumerateInstanceLayerProperties(uint32_t* pPropertyCount,
                                                                VkLayerProperties* pProperties) {
    if (pProperties == nullptr) {
        *pPropertyCount = 1;
        return VK_SUCCESS;
    }
    if (*pPropertyCount == 0) return VK_INCOMPLETE;
    *pPropertyCount = 1;
    *pProperties = {};
    std::memcpy(pProperties->layerName, kLayerName, sizeof(kLayerName));
    pProperties->specVersion = VK_HEADER_VERSION_COMPLETE;
    pProperties->implementationVersion = 1;
    return VK_SUCCESS;
}

bool IsOurName(const char* layer_name) {
    return layer_name != nullptr && std::strcmp(layer_name, kLayerName) == 0;
}

VKAPI_ATTR VkResult VKAPI_CALL EnumerateInstanceExtensionProperties(const char* pLayerName,
                                                                    uint32_t* pPropertyCount,
                                                                    VkExtensionProperties*) {
    if (!IsOurName(pLayerName)) return VK_ERROR_LAYER_NOT_PRESENT;
    *pPropertyCount = 0;
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL
EnumerateDeviceExtensionProperties(VkPhysicalDevice physicalDevice, const char* pLayerName,
                                   uint32_t* pPropertyCount, VkExtensionProperties* pProperties) {
    if (IsOurName(pLayerName)) {
        *pPropertyCount = 0;
        return VK_SUCCESS;
    }
    return InstanceOf(physicalDevice)
        .enumerate_extensions(physicalDevice, pLayerName, pPropertyCount, pProperties);
}

PFN_vkVoidFunction InstanceHook(std::string_view name);
PFN_vkVoidFunction DeviceHook(std::string_view name);

// Device commands are answered too: the loader asks for unknown ones here.
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetInstanceProcAddr(VkInstance instance,
                                                             const char* pName) {
    if (const auto hook = InstanceHook(pName)) return hook;
    if (instance == VK_NULL_HANDLE) return nullptr;
    const auto next = InstanceOf(instance).next(instance, pName);
    const auto hook = DeviceHook(pName);
    return next != nullptr && hook != nullptr ? hook : next;
}

// Null below stays null: a command of an extension that is not enabled must look absent.
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetDeviceProcAddr(VkDevice device, const char* pName) {
    const auto next = DeviceOf(device).next(device, pName);
    const auto hook = DeviceHook(pName);
    return next != nullptr && hook != nullptr ? hook : next;
}

struct Hook {
    std::string_view name;
    PFN_vkVoidFunction function;
};

template <typename Function>
Hook MakeHook(std::string_view name, Function function) {
    return {name, reinterpret_cast<PFN_vkVoidFunction>(function)};
}

template <size_t kCount>
PFN_vkVoidFunction FindHook(const std::array<Hook, kCount>& hooks, std::string_view name) {
    for (const Hook& hook : hooks) {
        if (hook.name == name) return hook.function;
    }
    return nullptr;
}

PFN_vkVoidFunction InstanceHook(std::string_view name) {
    static const std::array hooks = {
        MakeHook("vkGetInstanceProcAddr", GetInstanceProcAddr),
        MakeHook("vkCreateInstance", CreateInstance),
        MakeHook("vkDestroyInstance", DestroyInstance),
        MakeHook("vkCreateDevice", CreateDevice),
        MakeHook("vkEnumerateInstanceLayerProperties", EnumerateInstanceLayerProperties),
        MakeHook("vkEnumerateInstanceExtensionProperties", EnumerateInstanceExtensionProperties),
        MakeHook("vkEnumerateDeviceExtensionProperties", EnumerateDeviceExtensionProperties)};
    return FindHook(hooks, name);
}

PFN_vkVoidFunction DeviceHook(std::string_view name) {
    static const std::array hooks = {MakeHook("vkGetDeviceProcAddr", GetDeviceProcAddr),
                                     MakeHook("vkDestroyDevice", DestroyDevice),
                                     MakeHook("vkGetDeviceQueue", GetDeviceQueue),
                                     MakeHook("vkGetDeviceQueue2", GetDeviceQueue2),
                                     MakeHook("vkCreateSwapchainKHR", CreateSwapchainKHR),
                                     MakeHook("vkDestroySwapchainKHR", DestroySwapchainKHR),
                                     MakeHook("vkQueuePresentKHR", QueuePresentKHR)};
    return FindHook(hooks, name);
}

}  // namespace

VkResult Negotiate(VkNegotiateLayerInterface& version) {
    constexpr uint32_t kInterfaceVersion = 2;
    if (version.sType != LAYER_NEGOTIATE_INTERFACE_STRUCT ||
        version.loaderLayerInterfaceVersion < kInterfaceVersion) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    version.loaderLayerInterfaceVersion = kInterfaceVersion;
    version.pfnGetInstanceProcAddr = GetInstanceProcAddr;
    version.pfnGetDeviceProcAddr = GetDeviceProcAddr;
    version.pfnGetPhysicalDeviceProcAddr = nullptr;
    return VK_SUCCESS;
}

}  // namespace present_judge

extern "C" __attribute__((visibility("default"))) VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface* pVersionStruct) {
    return present_judge::Negotiate(*pVersionStruct);
}
