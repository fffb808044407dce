// SPDX-License-Identifier: Apache-2.0
//
// Private data on pooled handles; see private_data_store.h. Everything else goes down.

#include <vulkan/vulkan.h>

#include "layer/vk/intercept/hooks.h"
#include "layer/vk/misuse.h"
#include "layer/vk/process.h"

namespace tessera {
namespace {

uint64_t SlotValue(VkPrivateDataSlot slot) noexcept {
    return (uint64_t)slot;  // NOLINT: a pointer on 64-bit systems, an integer on 32-bit ones
}

SlotTable::Kind KindOf(Device& device, VkObjectType type, uint64_t object) noexcept {
    if (type != VK_OBJECT_TYPE_DEVICE_MEMORY) return SlotTable::Kind::kForeign;
    return FindUsed(device, "private data", MakeHandle(object)).kind;
}

// Spec: vkSetPrivateData. VK_ERROR_OUT_OF_HOST_MEMORY is its one error.
template <PFN_vkSetPrivateData DeviceDispatch::*kDown>
VKAPI_ATTR VkResult VKAPI_CALL SetPrivateData(VkDevice device, VkObjectType objectType,
                                              uint64_t objectHandle,
                                              VkPrivateDataSlot privateDataSlot,
                                              uint64_t data) noexcept {
    Device& d = DeviceOf(device);
    const SlotTable::Kind kind = KindOf(d, objectType, objectHandle);
    if (kind == SlotTable::Kind::kForeign) {
        return (d.dt.*kDown)(device, objectType, objectHandle, privateDataSlot, data);
    }
    if (kind == SlotTable::Kind::kStale || !d.InOwnProcess()) return VK_ERROR_OUT_OF_HOST_MEMORY;
    return d.private_data.Set(objectHandle, SlotValue(privateDataSlot), data)
               ? VK_SUCCESS
               : VK_ERROR_OUT_OF_HOST_MEMORY;
}

// Spec: vkGetPrivateData. 0 for what was never set.
template <PFN_vkGetPrivateData DeviceDispatch::*kDown>
VKAPI_ATTR void VKAPI_CALL GetPrivateData(VkDevice device, VkObjectType objectType,
                                          uint64_t objectHandle, VkPrivateDataSlot privateDataSlot,
                                          uint64_t* pData) noexcept {
    Device& d = DeviceOf(device);
    const SlotTable::Kind kind = KindOf(d, objectType, objectHandle);
    if (kind == SlotTable::Kind::kForeign) {
        (d.dt.*kDown)(device, objectType, objectHandle, privateDataSlot, pData);
    } else if (kind == SlotTable::Kind::kLive && d.InOwnProcess()) {
        *pData = d.private_data.Get(objectHandle, SlotValue(privateDataSlot));
    } else {
        *pData = 0;
    }
}

template <PFN_vkDestroyPrivateDataSlot DeviceDispatch::*kDown>
VKAPI_ATTR void VKAPI_CALL
DestroyPrivateDataSlot(VkDevice device, VkPrivateDataSlot privateDataSlot,
                       const VkAllocationCallbacks* pAllocator) noexcept {
    Device& d = DeviceOf(device);
    if (d.InOwnProcess()) d.private_data.DropSlot(SlotValue(privateDataSlot));
    (d.dt.*kDown)(device, privateDataSlot, pAllocator);
}

const Hook kHooks[] = {
    TESSERA_HOOK(DestroyPrivateDataSlot,
                 DestroyPrivateDataSlot<&DeviceDispatch::DestroyPrivateDataSlot>),
    TESSERA_HOOK(DestroyPrivateDataSlotEXT,
                 DestroyPrivateDataSlot<&DeviceDispatch::DestroyPrivateDataSlotEXT>),
    TESSERA_HOOK(GetPrivateData, GetPrivateData<&DeviceDispatch::GetPrivateData>),
    TESSERA_HOOK(GetPrivateDataEXT, GetPrivateData<&DeviceDispatch::GetPrivateDataEXT>),
    TESSERA_HOOK(SetPrivateData, SetPrivateData<&DeviceDispatch::SetPrivateData>),
    TESSERA_HOOK(SetPrivateDataEXT, SetPrivateData<&DeviceDispatch::SetPrivateDataEXT>),
};

}  // namespace

HookList PrivateDataHooks() noexcept {
    return {kHooks, std::size(kHooks)};
}

}  // namespace tessera
