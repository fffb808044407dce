// SPDX-License-Identifier: Apache-2.0
//
// Commands that take any handle as 64 bits and an object type: private data, names, tags, messages;
// and buffer device addresses. A layer that invents handles must not let one of its own through
// here, so every handle is looked up among what is really alive.
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

Device* DeviceOfLocked(const Instance& instance, VkObjectType type, uint64_t handle) {
    for (Device* device : TheRegistry().devices) {
        if (device->instance == &instance && IsAliveLocked(*device, type, handle)) return device;
    }
    return nullptr;
}

std::shared_ptr<Buffer> AddressableLocked(Call& call, const VkBufferDeviceAddressInfo& info) {
    call.Require(call.device().Enabled("bufferDeviceAddress"),
                 "VUID-vkGetBufferDeviceAddress-bufferDeviceAddress-03324",
                 "bufferDeviceAddress is off");
    auto buffer = call.Find<Buffer>(info.buffer, "VkBufferDeviceAddressInfo-buffer");
    if (buffer == nullptr) return nullptr;
    call.Require(buffer->info.usage & VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT,
                 "VUID-VkBufferDeviceAddressInfo-buffer-02601",
                 Text("buffer ", Hex{buffer->handle}, " lacks the usage"));
    const bool ready = call.Require(buffer->backing.sparse || buffer->backing.bound(),
                                    "VUID-VkBufferDeviceAddressInfo-buffer-02600",
                                    Text("buffer ", Hex{buffer->handle}, " is not bound"));
    return ready ? buffer : nullptr;
}

// Sparse buffers get a range of the address space of their own when first asked.
VkDeviceAddress AddressOfLocked(Device& device, Buffer& buffer) {
    if (!buffer.backing.sparse) {
        return buffer.backing.whole().memory->address + buffer.backing.whole().offset;
    }
    if (buffer.sparse_address == 0) {
        buffer.sparse_address = device.next_address;
        device.next_address += buffer.requirements.size;
    }
    return buffer.sparse_address;
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
    const bool known =
        CheckTyped(call, pNameInfo->objectType, pNameInfo->objectHandle, Access::kExclusive,
                   "VUID-VkDebugUtilsObjectNameInfoEXT-objectType-02590");
    call.Enter();
    if (!known) return VK_SUCCESS;
    StateLock lock;
    const ObjectKey key{pNameInfo->objectType, pNameInfo->objectHandle};
    if (pNameInfo->pObjectName == nullptr || *pNameInfo->pObjectName == '\0') {
        call.device().names.erase(key);
    } else {
        call.device().names[key] = pNameInfo->pObjectName;
    }
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

VKAPI_ATTR VkResult VKAPI_CALL CreateDebugUtilsMessengerEXT(
    VkInstance instance, const VkDebugUtilsMessengerCreateInfoEXT*,
    const VkAllocationCallbacks* pAllocator, VkDebugUtilsMessengerEXT* pMessenger) {
    Call call(Command::kCreateDebugUtilsMessengerEXT);
    if (call.failed()) return call.result();
    StateLock lock;
    auto messenger = std::make_shared<Messenger>();
    messenger->with_allocator = pAllocator != nullptr;
    *pMessenger =
        FromRaw<VkDebugUtilsMessengerEXT>(Of(instance).objects.Insert(std::move(messenger), 0));
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyDebugUtilsMessengerEXT(VkInstance instance,
                                                         VkDebugUtilsMessengerEXT messenger,
                                                         const VkAllocationCallbacks*) {
    Call call(Command::kDestroyDebugUtilsMessengerEXT);
    if (messenger == VK_NULL_HANDLE) return;
    StateLock lock;
    auto object = Of(instance).objects.Find<Messenger>(Raw(messenger));
    if (call.Require(object != nullptr, "VUID-vkDestroyDebugUtilsMessengerEXT-messenger-parameter",
                     Text("messenger ", Hex{Raw(messenger)}, " is not alive"))) {
        Of(instance).objects.Erase(*object);
    }
}

// The loader calls the application's messengers itself; what arrives here is only looked at.
VKAPI_ATTR void VKAPI_CALL SubmitDebugUtilsMessageEXT(
    VkInstance instance, VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
    const VkDebugUtilsMessengerCallbackDataEXT* pCallbackData) {
    Call call(Command::kSubmitDebugUtilsMessageEXT);
    StateLock lock;
    for (uint32_t i = 0; i < pCallbackData->objectCount; ++i) {
        const VkDebugUtilsObjectNameInfoEXT& object = pCallbackData->pObjects[i];
        if (object.objectType != Memory::kType || object.objectHandle == 0) continue;
        call.Require(
            DeviceOfLocked(Of(instance), object.objectType, object.objectHandle) != nullptr,
            "VUID-VkDebugUtilsObjectNameInfoEXT-objectType-02590",
            Text("memory ", Hex{object.objectHandle}, " belongs to no device of the instance"));
    }
}

VKAPI_ATTR VkDeviceAddress VKAPI_CALL
GetBufferDeviceAddress(VkDevice device, const VkBufferDeviceAddressInfo* pInfo) {
    Call call(Command::kGetBufferDeviceAddress, device);
    StateLock lock;
    auto buffer = AddressableLocked(call, *pInfo);
    return buffer == nullptr ? 0 : AddressOfLocked(call.device(), *buffer);
}

VKAPI_ATTR uint64_t VKAPI_CALL
GetBufferOpaqueCaptureAddress(VkDevice device, const VkBufferDeviceAddressInfo* pInfo) {
    Call call(Command::kGetBufferOpaqueCaptureAddress, device);
    StateLock lock;
    auto buffer = AddressableLocked(call, *pInfo);
    return buffer == nullptr ? 0 : AddressOfLocked(call.device(), *buffer);
}

}  // namespace tessera::mock
