// SPDX-License-Identifier: Apache-2.0
//
// See below.h. The rules of the loader's interface are kept as any layer keeps them: the chain is
// advanced before the call, a command that the next entity lacks is not there, and all other
// commands are the next entity's own.

#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#include <cstring>
#include <type_traits>

#include "below/state.h"

namespace tessera::test {
namespace {

// Goes with the library, which a test that uses it holds to the end of the process.
Below& State() {
    static Below state;
    return state;
}

VkInstance g_instance = VK_NULL_HANDLE;
PFN_vkGetInstanceProcAddr g_next_instance_proc_addr = nullptr;
PFN_vkGetDeviceProcAddr g_next_device_proc_addr = nullptr;

// The tap if one hangs, else the next entity.
template <auto kTap, auto kNext, typename Signature>
struct Tapped;
template <auto kTap, auto kNext, typename Result, typename... Arguments>
struct Tapped<kTap, kNext, Result(Arguments...)> {
    static VKAPI_ATTR Result VKAPI_CALL Call(Arguments... arguments) {
        Below& below = State();
        const auto& tap = below.taps.*kTap;
        return tap ? tap(arguments...) : (below.next.*kNext)(arguments...);
    }
};

template <typename Info>
Info* FindLink(const void* chain, VkStructureType type) {
    for (auto* link = static_cast<const VkBaseInStructure*>(chain); link != nullptr;
         link = link->pNext) {
        if (link->sType != type) continue;
        auto* info = reinterpret_cast<Info*>(const_cast<VkBaseInStructure*>(link));
        if (info->function == VK_LAYER_LINK_INFO) return info;
    }
    return nullptr;
}

template <typename Function>
void Load(Function& function, PFN_vkVoidFunction found) {
    function = reinterpret_cast<Function>(found);
}

VKAPI_ATTR VkResult VKAPI_CALL CreateInstance(const VkInstanceCreateInfo* pCreateInfo,
                                              const VkAllocationCallbacks* pAllocator,
                                              VkInstance* pInstance) {
    Below& below = State();
    auto* link = FindLink<VkLayerInstanceCreateInfo>(pCreateInfo->pNext,
                                                     VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO);
    if (link == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
    g_next_instance_proc_addr = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    Load(below.next.CreateInstance, g_next_instance_proc_addr(VK_NULL_HANDLE, "vkCreateInstance"));
    const auto& tap = below.taps.CreateInstance;
    const VkResult result = tap ? tap(pCreateInfo, pAllocator, pInstance)
                                : below.next.CreateInstance(pCreateInfo, pAllocator, pInstance);
    if (result != VK_SUCCESS) return result;
    g_instance = *pInstance;
#define TESSERA_BELOW_LOAD(name) \
    Load(below.next.name, g_next_instance_proc_addr(*pInstance, "vk" #name));
    TESSERA_BELOW_INSTANCE(TESSERA_BELOW_LOAD)
#undef TESSERA_BELOW_LOAD
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL CreateDevice(VkPhysicalDevice physicalDevice,
                                            const VkDeviceCreateInfo* pCreateInfo,
                                            const VkAllocationCallbacks* pAllocator,
                                            VkDevice* pDevice) {
    Below& below = State();
    auto* link = FindLink<VkLayerDeviceCreateInfo>(pCreateInfo->pNext,
                                                   VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO);
    if (link == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
    const auto next_instance = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    g_next_device_proc_addr = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    Load(below.next.CreateDevice, next_instance(g_instance, "vkCreateDevice"));
    const auto& tap = below.taps.CreateDevice;
    const VkResult result =
        tap ? tap(physicalDevice, pCreateInfo, pAllocator, pDevice)
            : below.next.CreateDevice(physicalDevice, pCreateInfo, pAllocator, pDevice);
    if (result != VK_SUCCESS) return result;
#define TESSERA_BELOW_LOAD(name) \
    Load(below.next.name, g_next_device_proc_addr(*pDevice, "vk" #name));
    TESSERA_BELOW_DEVICE(TESSERA_BELOW_LOAD)
#undef TESSERA_BELOW_LOAD
    return VK_SUCCESS;
}

struct Entry {
    const char* name;
    PFN_vkVoidFunction function;
};

#define TESSERA_BELOW_ENTRY(name)                                                                  \
    {"vk" #name,                                                                                   \
     reinterpret_cast<PFN_vkVoidFunction>(&Tapped<&Below::TapTable::name, &Below::NextTable::name, \
                                                  std::remove_pointer_t<PFN_vk##name>>::Call)},
const Entry kInstanceEntries[] = {TESSERA_BELOW_INSTANCE(TESSERA_BELOW_ENTRY)};
const Entry kDeviceEntries[] = {TESSERA_BELOW_DEVICE(TESSERA_BELOW_ENTRY)};
#undef TESSERA_BELOW_ENTRY

template <size_t kCount>
PFN_vkVoidFunction Find(const Entry (&entries)[kCount], const char* name) {
    for (const Entry& entry : entries) {
        if (std::strcmp(entry.name, name) == 0) return entry.function;
    }
    return nullptr;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetDeviceProcAddr(VkDevice device, const char* pName) {
    if (std::strcmp(pName, "vkGetDeviceProcAddr") == 0) {
        return reinterpret_cast<PFN_vkVoidFunction>(GetDeviceProcAddr);
    }
    if (State().hidden.contains(pName)) return nullptr;
    const auto offered = State().offered.find(pName);
    if (offered != State().offered.end()) return offered->second;
    const PFN_vkVoidFunction next = g_next_device_proc_addr(device, pName);
    const PFN_vkVoidFunction own = Find(kDeviceEntries, pName);
    return next != nullptr && own != nullptr ? own : next;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetInstanceProcAddr(VkInstance instance,
                                                             const char* pName) {
    if (instance == VK_NULL_HANDLE) State().asked_without_instance.insert(pName);
    if (std::strcmp(pName, "vkGetInstanceProcAddr") == 0) {
        return reinterpret_cast<PFN_vkVoidFunction>(GetInstanceProcAddr);
    }
    if (std::strcmp(pName, "vkCreateInstance") == 0) {
        return reinterpret_cast<PFN_vkVoidFunction>(CreateInstance);
    }
    if (std::strcmp(pName, "vkCreateDevice") == 0) {
        return reinterpret_cast<PFN_vkVoidFunction>(CreateDevice);
    }
    if (std::strcmp(pName, "vkGetDeviceProcAddr") == 0) {
        return reinterpret_cast<PFN_vkVoidFunction>(GetDeviceProcAddr);
    }
    if (g_next_instance_proc_addr == nullptr || instance == VK_NULL_HANDLE) return nullptr;
    const PFN_vkVoidFunction next = g_next_instance_proc_addr(instance, pName);
    if (next == nullptr) return nullptr;
    if (const PFN_vkVoidFunction own = Find(kInstanceEntries, pName)) return own;
    const PFN_vkVoidFunction own = Find(kDeviceEntries, pName);
    return own != nullptr ? own : next;
}

}  // namespace
}  // namespace tessera::test

extern "C" {

VK_LAYER_EXPORT VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface* pVersionStruct) {
    pVersionStruct->loaderLayerInterfaceVersion = 2;
    pVersionStruct->pfnGetInstanceProcAddr = tessera::test::GetInstanceProcAddr;
    pVersionStruct->pfnGetDeviceProcAddr = tessera::test::GetDeviceProcAddr;
    pVersionStruct->pfnGetPhysicalDeviceProcAddr = nullptr;
    return VK_SUCCESS;
}

VK_LAYER_EXPORT tessera::test::Below* tessera_test_below() {
    return &tessera::test::State();
}
}
