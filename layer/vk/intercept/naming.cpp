// SPDX-License-Identifier: Apache-2.0
//
// Names and tags of pooled handles. The driver does not know these handles and many of them share
// one block, so a name stays here: the call succeeds and goes no further. Everything else goes
// down.

#include <vulkan/vulkan.h>

#include "layer/vk/intercept/hooks.h"
#include "layer/vk/misuse.h"
#include "layer/vk/process.h"

namespace tessera {
namespace {

// Whether a type-erased handle is one of the layer's own, live or stale, and must not go down.
bool IsOurs(Device& device, uint64_t object) noexcept {
    return FindUsed(device, "naming an object", MakeHandle(object)).kind !=
           SlotTable::Kind::kForeign;
}

VKAPI_ATTR VkResult VKAPI_CALL SetDebugUtilsObjectNameEXT(
    VkDevice device, const VkDebugUtilsObjectNameInfoEXT* pNameInfo) noexcept {
    Device& d = DeviceOf(device);
    if (pNameInfo->objectType == VK_OBJECT_TYPE_DEVICE_MEMORY &&
        IsOurs(d, pNameInfo->objectHandle)) {
        return VK_SUCCESS;
    }
    return d.dt.SetDebugUtilsObjectNameEXT(device, pNameInfo);
}

VKAPI_ATTR VkResult VKAPI_CALL
SetDebugUtilsObjectTagEXT(VkDevice device, const VkDebugUtilsObjectTagInfoEXT* pTagInfo) noexcept {
    Device& d = DeviceOf(device);
    if (pTagInfo->objectType == VK_OBJECT_TYPE_DEVICE_MEMORY && IsOurs(d, pTagInfo->objectHandle)) {
        return VK_SUCCESS;
    }
    return d.dt.SetDebugUtilsObjectTagEXT(device, pTagInfo);
}

VKAPI_ATTR VkResult VKAPI_CALL DebugMarkerSetObjectNameEXT(
    VkDevice device, const VkDebugMarkerObjectNameInfoEXT* pNameInfo) noexcept {
    Device& d = DeviceOf(device);
    if (pNameInfo->objectType == VK_DEBUG_REPORT_OBJECT_TYPE_DEVICE_MEMORY_EXT &&
        IsOurs(d, pNameInfo->object)) {
        return VK_SUCCESS;
    }
    return d.dt.DebugMarkerSetObjectNameEXT(device, pNameInfo);
}

VKAPI_ATTR VkResult VKAPI_CALL DebugMarkerSetObjectTagEXT(
    VkDevice device, const VkDebugMarkerObjectTagInfoEXT* pTagInfo) noexcept {
    Device& d = DeviceOf(device);
    if (pTagInfo->objectType == VK_DEBUG_REPORT_OBJECT_TYPE_DEVICE_MEMORY_EXT &&
        IsOurs(d, pTagInfo->object)) {
        return VK_SUCCESS;
    }
    return d.dt.DebugMarkerSetObjectTagEXT(device, pTagInfo);
}

const Hook kHooks[] = {
    TESSERA_HOOK(DebugMarkerSetObjectNameEXT, DebugMarkerSetObjectNameEXT),
    TESSERA_HOOK(DebugMarkerSetObjectTagEXT, DebugMarkerSetObjectTagEXT),
    TESSERA_HOOK(SetDebugUtilsObjectNameEXT, SetDebugUtilsObjectNameEXT),
    TESSERA_HOOK(SetDebugUtilsObjectTagEXT, SetDebugUtilsObjectTagEXT),
};

}  // namespace

HookList NamingHooks() noexcept {
    return {kHooks, std::size(kHooks)};
}

}  // namespace tessera
