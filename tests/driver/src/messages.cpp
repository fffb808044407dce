// SPDX-License-Identifier: Apache-2.0
//
// Debug messengers and report callbacks of an instance, and the messages that are submitted to
// them. The loader calls the application's callbacks for submitted messages itself; here the
// handles in them are looked at, and messengers are kept for what the driver reports (reports.cpp).
#include "call.h"
#include "text.h"

namespace tessera::mock {

// The memory that a message names may be of any device of the instance.
VKAPI_ATTR void VKAPI_CALL DebugReportMessageEXT(VkInstance instance, VkDebugReportFlagsEXT,
                                                 VkDebugReportObjectTypeEXT objectType,
                                                 uint64_t object, size_t, int32_t, const char*,
                                                 const char*) {
    Call call(Command::kDebugReportMessageEXT);
    StateLock lock;
    call.Require(object != 0 || objectType == VK_DEBUG_REPORT_OBJECT_TYPE_UNKNOWN_EXT,
                 "VUID-vkDebugReportMessageEXT-object-01241", "no object of a type");
    if (objectType != VK_DEBUG_REPORT_OBJECT_TYPE_DEVICE_MEMORY_EXT) return;
    bool alive = false;
    for (Device* device : TheRegistry().devices) {
        alive |= device->instance == &Of(instance) &&
                 IsAliveLocked(*device, VK_OBJECT_TYPE_DEVICE_MEMORY, object);
    }
    call.Require(alive, "VUID-vkDebugReportMessageEXT-objectType-01498",
                 Text("memory ", Hex{object}, " is not alive on any device"));
}

VKAPI_ATTR VkResult VKAPI_CALL CreateDebugUtilsMessengerEXT(
    VkInstance instance, const VkDebugUtilsMessengerCreateInfoEXT* pCreateInfo,
    const VkAllocationCallbacks*, VkDebugUtilsMessengerEXT* pMessenger) {
    Call call(Command::kCreateDebugUtilsMessengerEXT);
    if (call.failed()) return call.result();
    auto messenger = std::make_shared<Messenger>();
    messenger->severities = pCreateInfo->messageSeverity;
    messenger->types = pCreateInfo->messageType;
    messenger->callback = pCreateInfo->pfnUserCallback;
    messenger->user = pCreateInfo->pUserData;
    StateLock lock;
    *pMessenger =
        FromRaw<VkDebugUtilsMessengerEXT>(Of(instance).objects.Insert(std::move(messenger), 0));
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyDebugUtilsMessengerEXT(VkInstance instance,
                                                         VkDebugUtilsMessengerEXT messenger,
                                                         const VkAllocationCallbacks*) {
    Call call(Command::kDestroyDebugUtilsMessengerEXT);
    StateLock lock;
    auto object = Of(instance).objects.Find<Messenger>(Raw(messenger));
    if (messenger == VK_NULL_HANDLE ||
        !call.Require(object != nullptr, "VUID-vkDestroyDebugUtilsMessengerEXT-messenger-parameter",
                      Text("messenger ", Hex{Raw(messenger)}, " is not alive"))) {
        return;
    }
    Of(instance).objects.Erase(*object);
}

}  // namespace tessera::mock
