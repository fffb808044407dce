// SPDX-License-Identifier: Apache-2.0
//
// Names and tags of pooled handles. The driver does not know these handles and many of them share
// one block, so a name stays here: the call succeeds and goes no further. Everything else goes
// down. Names of what takes memory are also noted for readers.

#include <vulkan/vulkan.h>

#include "layer/vk/intercept/hooks.h"
#include "layer/vk/misuse.h"
#include "layer/vk/process.h"

namespace tessera {
namespace {

// What a type-erased handle is if it is memory. Those of the layer's own, live or stale, must not
// go down.
SlotTable::Kind KindOf(Device& device, uint64_t object) noexcept {
    return FindUsed(device, "naming an object", MakeHandle(object)).kind;
}
bool IsOurs(Device& device, uint64_t object) noexcept {
    return KindOf(device, object) != SlotTable::Kind::kForeign;
}

// Gives an object its name: `down` tells the driver, of what it knows.
template <typename Down>
VkResult Name(Device& device, VkObjectType type, uint64_t object, const char* name,
              Down down) noexcept {
    const SlotTable::Kind kind =
        type == VK_OBJECT_TYPE_DEVICE_MEMORY ? KindOf(device, object) : SlotTable::Kind::kForeign;
    if (kind == SlotTable::Kind::kStale) return VK_SUCCESS;
    const VkResult result = kind == SlotTable::Kind::kForeign ? down() : VK_SUCCESS;
    if (result == VK_SUCCESS && device.RecordsResources())
        device.resources.Named(type, object, name);
    return result;
}

VkObjectType TypeOf(VkDebugReportObjectTypeEXT type) noexcept {
    switch (static_cast<int>(type)) {
        case VK_DEBUG_REPORT_OBJECT_TYPE_DEVICE_MEMORY_EXT:
            return VK_OBJECT_TYPE_DEVICE_MEMORY;
        case VK_DEBUG_REPORT_OBJECT_TYPE_BUFFER_EXT:
            return VK_OBJECT_TYPE_BUFFER;
        case VK_DEBUG_REPORT_OBJECT_TYPE_IMAGE_EXT:
            return VK_OBJECT_TYPE_IMAGE;
        case VK_DEBUG_REPORT_OBJECT_TYPE_ACCELERATION_STRUCTURE_NV_EXT:
            return VK_OBJECT_TYPE_ACCELERATION_STRUCTURE_NV;
        default:
            return VK_OBJECT_TYPE_UNKNOWN;
    }
}

VKAPI_ATTR VkResult VKAPI_CALL SetDebugUtilsObjectNameEXT(
    VkDevice device, const VkDebugUtilsObjectNameInfoEXT* pNameInfo) noexcept {
    Device& d = DeviceOf(device);
    return Name(d, pNameInfo->objectType, pNameInfo->objectHandle, pNameInfo->pObjectName,
                [&] { return d.dt.SetDebugUtilsObjectNameEXT(device, pNameInfo); });
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
    return Name(d, TypeOf(pNameInfo->objectType), pNameInfo->object, pNameInfo->pObjectName,
                [&] { return d.dt.DebugMarkerSetObjectNameEXT(device, pNameInfo); });
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
