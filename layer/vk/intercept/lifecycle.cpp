// SPDX-License-Identifier: Apache-2.0
//
// Instances and devices come and go, and the layer with them.
//
// Creation: take the next link from the loader's chain, advance the chain, call down, and only then
// look at what was made (LLP_LAYER_21, LLP_LAYER_22). The host memory that the layer cannot do
// without is taken before the call, so that nothing fails after it: an instance that a layer
// destroys before it returns an error is destroyed once more by the loader (1.3.239). Without that
// memory nothing is created, and VK_ERROR_OUT_OF_HOST_MEMORY says so.

#include <vulkan/vulkan.h>

#include <vulkan/vk_layer.h>
#include <vulkan/vk_layer_extension_utils.h>

#include <cstring>
#include <new>

#include "layer/base/log.h"
#include "layer/vk/chain.h"
#include "layer/vk/intercept/hooks.h"
#include "layer/vk/layer_identity.h"
#include "layer/vk/process.h"

namespace tessera {
namespace {

bool EnablesProperties2(const VkInstanceCreateInfo& info) noexcept {
    for (uint32_t i = 0; i < info.enabledExtensionCount; ++i) {
        if (std::strcmp(info.ppEnabledExtensionNames[i],
                        VK_KHR_GET_PHYSICAL_DEVICE_PROPERTIES_2_EXTENSION_NAME) == 0) {
            return true;
        }
    }
    return false;
}

void Describe(Instance& instance, const VkInstanceCreateInfo& info, VkInstance handle,
              PFN_vkGetInstanceProcAddr next,
              PFN_GetPhysicalDeviceProcAddr next_physical) noexcept {
    instance.settings = ReadInstanceSettings(info);  // first, since what follows may log
    instance.handle = handle;
    instance.dt.Load(handle, next);
    instance.next_physical_device_proc_addr = next_physical;
    instance.epoch = ForkEpoch();
    if (info.pApplicationInfo != nullptr && info.pApplicationInfo->apiVersion != 0) {
        instance.api_version = info.pApplicationInfo->apiVersion;
    }
    instance.has_properties2 = EnablesProperties2(info);
}

// Spec: vkCreateInstance. Transparent when: the create info goes down as it came.
VKAPI_ATTR VkResult VKAPI_CALL CreateInstance(const VkInstanceCreateInfo* pCreateInfo,
                                              const VkAllocationCallbacks* pAllocator,
                                              VkInstance* pInstance) noexcept {
    auto* link = FindLinkInfo<VkLayerInstanceCreateInfo>(
        pCreateInfo->pNext, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO);
    if (link == nullptr || link->u.pLayerInfo == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
    const PFN_vkGetInstanceProcAddr next = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    const PFN_GetPhysicalDeviceProcAddr next_physical =
        link->u.pLayerInfo->pfnNextGetPhysicalDeviceProcAddr;
    const auto create =
        reinterpret_cast<PFN_vkCreateInstance>(next(VK_NULL_HANDLE, "vkCreateInstance"));
    if (create == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
    std::unique_ptr<Instance> instance(new (std::nothrow) Instance);
    auto room = InstanceMap::MakeRoom();
    if (instance == nullptr || !room) return VK_ERROR_OUT_OF_HOST_MEMORY;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    const VkResult result = create(pCreateInfo, pAllocator, pInstance);
    if (result != VK_SUCCESS) return result;

    EnterLayer();
    ExpectInstance();
    Describe(*instance, *pCreateInfo, *pInstance, next, next_physical);
    AddInstance(std::move(instance), std::move(room));
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyInstance(VkInstance instance,
                                           const VkAllocationCallbacks* pAllocator) noexcept {
    if (instance == VK_NULL_HANDLE) return;
    const std::unique_ptr<Instance> object = RemoveInstance(instance);
    if (object != nullptr) object->dt.DestroyInstance(instance, pAllocator);
}

// Spec: vkCreateDevice. Transparent when: the create info goes down as it came.
VKAPI_ATTR VkResult VKAPI_CALL CreateDevice(VkPhysicalDevice physicalDevice,
                                            const VkDeviceCreateInfo* pCreateInfo,
                                            const VkAllocationCallbacks* pAllocator,
                                            VkDevice* pDevice) noexcept {
    Instance* instance = InstanceOf(physicalDevice);
    auto* link = FindLinkInfo<VkLayerDeviceCreateInfo>(pCreateInfo->pNext,
                                                       VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO);
    if (instance == nullptr || link == nullptr || link->u.pLayerInfo == nullptr) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    const PFN_vkGetInstanceProcAddr next_instance = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    const PFN_vkGetDeviceProcAddr next = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    const auto create =
        reinterpret_cast<PFN_vkCreateDevice>(next_instance(instance->handle, "vkCreateDevice"));
    if (create == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
    std::unique_ptr<Device> device = Device::Allocate();
    auto room = DeviceMap::MakeRoom();
    if (device == nullptr || !room) return VK_ERROR_OUT_OF_HOST_MEMORY;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    const VkResult result = create(physicalDevice, pCreateInfo, pAllocator, pDevice);
    if (result != VK_SUCCESS) return result;

    // The instance may be the parent's in a forked child; the device is this process's own.
    EnterLayer();
    device->TakeOver(*instance, physicalDevice, *pDevice, next, *pCreateInfo);
    AddDevice(std::move(device), std::move(room));
    return VK_SUCCESS;
}

// Spec: vkDestroyDevice. What the application leaked in blocks is freed first
// (VUID-vkDestroyDevice-device-05137).
VKAPI_ATTR void VKAPI_CALL DestroyDevice(VkDevice device,
                                         const VkAllocationCallbacks* pAllocator) noexcept {
    if (device == VK_NULL_HANDLE) return;
    std::unique_ptr<Device> object = RemoveDevice(device);
    if (object == nullptr) return;
    const PFN_vkDestroyDevice destroy = object->dt.DestroyDevice;
    // In a forked child the blocks and locks are the parent's: the object is left alone.
    if (object->InOwnProcess()) {
        object.reset();
    } else {
        object.release();
    }
    destroy(device, pAllocator);
}

VkLayerProperties OwnProperties() noexcept {
    VkLayerProperties properties = {};
    std::strncpy(properties.layerName, kLayerName, sizeof properties.layerName - 1);
    std::strncpy(properties.description, kLayerDescription, sizeof properties.description - 1);
    properties.specVersion = VK_HEADER_VERSION_COMPLETE;
    properties.implementationVersion = kLayerImplementationVersion;
    return properties;
}

bool IsOwnName(const char* layer_name) noexcept {
    return layer_name != nullptr && std::strcmp(layer_name, kLayerName) == 0;
}

// Settings may come with vkCreateInstance; the manifests say so too.
constexpr VkExtensionProperties kInstanceExtensions[] = {{"VK_EXT_layer_settings", 2}};

// A layer enumerates only itself.
VKAPI_ATTR VkResult VKAPI_CALL EnumerateInstanceLayerProperties(
    uint32_t* pPropertyCount, VkLayerProperties* pProperties) noexcept {
    const VkLayerProperties own = OwnProperties();
    return util_GetLayerProperties(1, &own, pPropertyCount, pProperties);
}

VKAPI_ATTR VkResult VKAPI_CALL EnumerateDeviceLayerProperties(
    VkPhysicalDevice, uint32_t* pPropertyCount, VkLayerProperties* pProperties) noexcept {
    return EnumerateInstanceLayerProperties(pPropertyCount, pProperties);
}

// LLP_LAYER_15: any name but the own one is not this layer's to answer.
VKAPI_ATTR VkResult VKAPI_CALL EnumerateInstanceExtensionProperties(
    const char* pLayerName, uint32_t* pPropertyCount, VkExtensionProperties* pProperties) noexcept {
    if (!IsOwnName(pLayerName)) return VK_ERROR_LAYER_NOT_PRESENT;
    return util_GetExtensionProperties(1, kInstanceExtensions, pPropertyCount, pProperties);
}

// LLP_LAYER_16: any name but the own one goes down.
VKAPI_ATTR VkResult VKAPI_CALL EnumerateDeviceExtensionProperties(
    VkPhysicalDevice physicalDevice, const char* pLayerName, uint32_t* pPropertyCount,
    VkExtensionProperties* pProperties) noexcept {
    if (IsOwnName(pLayerName)) {
        return util_GetExtensionProperties(0, nullptr, pPropertyCount, pProperties);
    }
    const Instance* instance = InstanceOf(physicalDevice);
    return instance->dt.EnumerateDeviceExtensionProperties(physicalDevice, pLayerName,
                                                           pPropertyCount, pProperties);
}

const Hook kInstanceHooks[] = {
    TESSERA_HOOK(CreateInstance, CreateInstance),
    TESSERA_HOOK(DestroyInstance, DestroyInstance),
    TESSERA_HOOK(EnumerateInstanceExtensionProperties, EnumerateInstanceExtensionProperties),
    TESSERA_HOOK(EnumerateInstanceLayerProperties, EnumerateInstanceLayerProperties),
};

const Hook kDeviceLifecycleHooks[] = {
    TESSERA_HOOK(CreateDevice, CreateDevice),
    TESSERA_HOOK(EnumerateDeviceExtensionProperties, EnumerateDeviceExtensionProperties),
    TESSERA_HOOK(EnumerateDeviceLayerProperties, EnumerateDeviceLayerProperties),
};

const Hook kDeviceEndHooks[] = {
    TESSERA_HOOK(DestroyDevice, DestroyDevice),
};

}  // namespace

HookList InstanceHooks() noexcept {
    return {kInstanceHooks, std::size(kInstanceHooks)};
}
HookList DeviceLifecycleHooks() noexcept {
    return {kDeviceLifecycleHooks, std::size(kDeviceLifecycleHooks)};
}
HookList DeviceEndHooks() noexcept {
    return {kDeviceEndHooks, std::size(kDeviceEndHooks)};
}

}  // namespace tessera
