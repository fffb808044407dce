// SPDX-License-Identifier: Apache-2.0
//
// See proc_addr.h.

#include "layer/vk/proc_addr.h"

#include <algorithm>
#include <cstring>

#include "layer/vk/intercept/hooks.h"
#include "layer/vk/process.h"

namespace tessera {
namespace {

// The commands that hand out the others.
const Hook kInstanceGateway[] = {TESSERA_HOOK(GetInstanceProcAddr, GetInstanceProcAddr)};
const Hook kDeviceGateway[] = {TESSERA_HOOK(GetDeviceProcAddr, GetDeviceProcAddr)};

PFN_vkVoidFunction FindIn(const HookList& list, const char* name, uint32_t hash) noexcept {
    for (size_t i = 0; i < list.count; ++i) {
        const Hook& hook = list.hooks[i];
        if (hook.hash == hash && std::strcmp(hook.name, name) == 0) return hook.function;
    }
    return nullptr;
}

template <typename... Lists>
PFN_vkVoidFunction FindInAny(const char* name, const Lists&... lists) noexcept {
    const uint32_t hash = HashName(name);
    PFN_vkVoidFunction found = nullptr;
    (void)((found = FindIn(lists, name, hash), found != nullptr) || ...);
    return found;
}

// Hooks that every device needs.
PFN_vkVoidFunction FindDeviceBaseHook(const char* name) noexcept {
    return FindInAny(name, HookList{kDeviceGateway, 1}, DeviceEndHooks());
}

// Hooks of a device that pools, or whose calls are counted for readers.
PFN_vkVoidFunction FindDeviceHook(const char* name) noexcept {
    return FindInAny(name, AllocateHooks(), MapHooks(), BindHooks(), SparseHooks(),
                     RequirementHooks(), PrivateDataHooks(), NamingHooks(), QueryHooks(),
                     ExportHooks());
}

// Hooks that only some devices have. Without a device, of any of them.
PFN_vkVoidFunction FindSelectiveHook(const char* name, const Device* device) noexcept {
    for (const HookList& list : {KeyedMutexHooks(), TileMemoryHooks()}) {
        if (device != nullptr && !(device->*list.only_if && device->pools_memory())) continue;
        if (const PFN_vkVoidFunction hook = FindInAny(name, list)) return hook;
    }
    if (device != nullptr && !device->is_published()) return nullptr;
    return FindInAny(name, ObservedHooks());
}
PFN_vkVoidFunction FindAnySelectiveHook(const char* name) noexcept {
    return FindSelectiveHook(name, nullptr);
}

PFN_vkVoidFunction FindPhysicalDeviceHook(const char* name) noexcept {
    return FindInAny(name, DeviceLifecycleHooks(), PhysicalDeviceHooks(), ToolHooks());
}

PFN_vkVoidFunction FindMessageHook(const char* name) noexcept {
    return FindInAny(name, MessageHooks());
}

}  // namespace

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetDeviceProcAddr(VkDevice device,
                                                           const char* pName) noexcept {
    const Device& d = DeviceOf(device);
    const PFN_vkVoidFunction next = d.dt.GetDeviceProcAddr(device, pName);
    if (next == nullptr) return nullptr;
    if (const PFN_vkVoidFunction hook = FindDeviceBaseHook(pName)) return hook;
    if (!d.NeedsHooks()) return next;
    if (const PFN_vkVoidFunction hook = FindDeviceHook(pName)) return hook;
    const PFN_vkVoidFunction hook = FindSelectiveHook(pName, &d);
    return hook != nullptr ? hook : next;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetInstanceProcAddr(VkInstance instance,
                                                             const char* pName) noexcept {
    if (const PFN_vkVoidFunction hook =
            FindInAny(pName, HookList{kInstanceGateway, 1}, InstanceHooks())) {
        return hook;
    }
    // A loader asks for no more without an instance, but Mesa's overlay above us asks so for
    // vkCreateDevice. These hooks find the instance by what they are called with.
    if (instance == VK_NULL_HANDLE) return FindInAny(pName, DeviceLifecycleHooks());
    const Instance* object = InstanceOf(instance);
    if (object == nullptr) return nullptr;
    const PFN_vkVoidFunction next = object->dt.GetInstanceProcAddr(instance, pName);
    if (next == nullptr) return nullptr;
    for (auto* find : {FindPhysicalDeviceHook, FindMessageHook, FindDeviceBaseHook, FindDeviceHook,
                       FindAnySelectiveHook}) {
        if (const PFN_vkVoidFunction hook = find(pName)) return hook;
    }
    return next;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetPhysicalDeviceProcAddr(VkInstance instance,
                                                                   const char* pName) noexcept {
    const Instance* object = InstanceOf(instance);
    if (object == nullptr) return nullptr;
    if (const PFN_vkVoidFunction hook = FindPhysicalDeviceHook(pName)) {
        return object->dt.GetInstanceProcAddr(instance, pName) != nullptr ? hook : nullptr;
    }
    // Not a physical device's command, as far as this layer is concerned.
    if (FindInAny(pName, HookList{kInstanceGateway, 1}, InstanceHooks(), MessageHooks()) !=
            nullptr ||
        FindDeviceBaseHook(pName) != nullptr || FindDeviceHook(pName) != nullptr ||
        FindAnySelectiveHook(pName) != nullptr) {
        return nullptr;
    }
    if (object->next_physical_device_proc_addr == nullptr) return nullptr;
    return object->next_physical_device_proc_addr(instance, pName);
}

VkResult Negotiate(VkNegotiateLayerInterface* version) noexcept {
    constexpr uint32_t kInterfaceVersion = 2;
    if (version == nullptr || version->sType != LAYER_NEGOTIATE_INTERFACE_STRUCT ||
        version->loaderLayerInterfaceVersion < kInterfaceVersion) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    version->loaderLayerInterfaceVersion = kInterfaceVersion;
    version->pfnGetInstanceProcAddr = GetInstanceProcAddr;
    version->pfnGetDeviceProcAddr = GetDeviceProcAddr;
    version->pfnGetPhysicalDeviceProcAddr = GetPhysicalDeviceProcAddr;
    return VK_SUCCESS;
}

}  // namespace tessera
