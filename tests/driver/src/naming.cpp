// SPDX-License-Identifier: Apache-2.0
//
// Commands of a device that take any handle as 64 bits and an object type: private data, names and
// tags of two extensions. A layer that invents handles must not let one of its own through here, so
// every handle is looked up among what is really alive.
#include "call.h"
#include "text.h"

namespace tessera::mock {
namespace {

// Checks a handle that arrives as bits. Memory is marked as used, since its name is externally
// synchronised.
bool CheckTyped(Call& call, VkObjectType type, uint64_t handle, Access access, const char* vuid) {
    if (type == Memory::kType) {
        return call.UseMemory(FromRaw<VkDeviceMemory>(handle), access, "objectHandle") != nullptr;
    }
    StateLock lock;
    const bool instance_level =
        type == VK_OBJECT_TYPE_INSTANCE || type == VK_OBJECT_TYPE_PHYSICAL_DEVICE;
    return call.Require(instance_level || IsAliveLocked(call.device(), type, handle), vuid,
                        Text("object ", Hex{handle}, " of type ", type, " ",
                             ExplainHandleLocked(call.device(), type, handle)));
}

// The value of an object under a slot; null, with a violation, for an unknown slot.
std::map<ObjectKey, uint64_t>* ValuesLocked(Call& call, VkPrivateDataSlot slot) {
    if (call.Find<PrivateDataSlot>(slot, "privateDataSlot") == nullptr) return nullptr;
    return &call.device().private_data[Raw(slot)];
}

// A null or empty name takes the name away.
void SetName(Call& call, const ObjectKey& key, const char* name, const char* vuid) {
    const bool known = CheckTyped(call, key.first, key.second, Access::kExclusive, vuid);
    call.Enter();
    if (!known) return;
    StateLock lock;
    if (name == nullptr || *name == '\0') {
        call.device().names.erase(key);
    } else {
        call.device().names[key] = name;
    }
}

// The older extension counts the objects of Vulkan 1.0 in the same order.
VkObjectType ToObjectType(VkDebugReportObjectTypeEXT type) {
    return type <= VK_DEBUG_REPORT_OBJECT_TYPE_COMMAND_POOL_EXT ? static_cast<VkObjectType>(type)
                                                                : VK_OBJECT_TYPE_UNKNOWN;
}

}  // namespace

VKAPI_ATTR VkResult VKAPI_CALL CreatePrivateDataSlot(VkDevice device,
                                                     const VkPrivateDataSlotCreateInfo*,
                                                     const VkAllocationCallbacks* pAllocator,
                                                     VkPrivateDataSlot* pPrivateDataSlot) {
    Call call(Command::kCreatePrivateDataSlot, device);
    if (call.failed()) return call.result();
    call.Require(call.device().Enabled("privateData"),
                 "VUID-vkCreatePrivateDataSlot-privateData-04564", "privateData is off");
    StateLock lock;
    *pPrivateDataSlot = FromRaw<VkPrivateDataSlot>(
        RegisterLocked(call.device(), std::make_shared<PrivateDataSlot>(), pAllocator));
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyPrivateDataSlot(VkDevice device,
                                                  VkPrivateDataSlot privateDataSlot,
                                                  const VkAllocationCallbacks* pAllocator) {
    Call call(Command::kDestroyPrivateDataSlot, device);
    if (privateDataSlot == VK_NULL_HANDLE) return;
    StateLock lock;
    auto slot = call.Find<PrivateDataSlot>(privateDataSlot, "privateDataSlot");
    if (slot == nullptr) return;
    call.CheckAllocator(*slot, pAllocator);
    call.device().private_data.erase(slot->handle);
    UnregisterLocked(call.device(), *slot);
}

VKAPI_ATTR VkResult VKAPI_CALL SetPrivateData(VkDevice device, VkObjectType objectType,
                                              uint64_t objectHandle,
                                              VkPrivateDataSlot privateDataSlot, uint64_t data) {
    Call call(Command::kSetPrivateData, device);
    if (call.failed()) return call.result();
    const bool known = CheckTyped(call, objectType, objectHandle, Access::kShared,
                                  "VUID-vkSetPrivateData-objectHandle-04017");
    call.Enter();
    StateLock lock;
    auto* values = ValuesLocked(call, privateDataSlot);
    if (values == nullptr || !known) return VK_ERROR_OUT_OF_HOST_MEMORY;
    (*values)[{objectType, objectHandle}] = data;
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL GetPrivateData(VkDevice device, VkObjectType objectType,
                                          uint64_t objectHandle, VkPrivateDataSlot privateDataSlot,
                                          uint64_t* pData) {
    Call call(Command::kGetPrivateData, device);
    *pData = 0;
    const bool known = CheckTyped(call, objectType, objectHandle, Access::kShared,
                                  "VUID-vkGetPrivateData-objectType-04018");
    call.Enter();
    StateLock lock;
    auto* values = ValuesLocked(call, privateDataSlot);
    if (values == nullptr || !known) return;
    auto value = values->find({objectType, objectHandle});
    if (value != values->end()) *pData = value->second;
}

VKAPI_ATTR VkResult VKAPI_CALL
SetDebugUtilsObjectNameEXT(VkDevice device, const VkDebugUtilsObjectNameInfoEXT* pNameInfo) {
    Call call(Command::kSetDebugUtilsObjectNameEXT, device);
    if (call.failed()) return call.result();
    SetName(call, {pNameInfo->objectType, pNameInfo->objectHandle}, pNameInfo->pObjectName,
            "VUID-VkDebugUtilsObjectNameInfoEXT-objectType-02590");
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL
SetDebugUtilsObjectTagEXT(VkDevice device, const VkDebugUtilsObjectTagInfoEXT* pTagInfo) {
    Call call(Command::kSetDebugUtilsObjectTagEXT, device);
    if (call.failed()) return call.result();
    CheckTyped(call, pTagInfo->objectType, pTagInfo->objectHandle, Access::kExclusive,
               "VUID-VkDebugUtilsObjectTagInfoEXT-objectHandle-01910");
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL
DebugMarkerSetObjectNameEXT(VkDevice device, const VkDebugMarkerObjectNameInfoEXT* pNameInfo) {
    Call call(Command::kDebugMarkerSetObjectNameEXT, device);
    if (call.failed()) return call.result();
    SetName(call, {ToObjectType(pNameInfo->objectType), pNameInfo->object}, pNameInfo->pObjectName,
            "VUID-VkDebugMarkerObjectNameInfoEXT-object-01492");
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL
DebugMarkerSetObjectTagEXT(VkDevice device, const VkDebugMarkerObjectTagInfoEXT* pTagInfo) {
    Call call(Command::kDebugMarkerSetObjectTagEXT, device);
    if (call.failed()) return call.result();
    CheckTyped(call, ToObjectType(pTagInfo->objectType), pTagInfo->object, Access::kExclusive,
               "VUID-VkDebugMarkerObjectTagInfoEXT-object-01495");
    return VK_SUCCESS;
}

}  // namespace tessera::mock
