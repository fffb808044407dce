// SPDX-License-Identifier: Apache-2.0
//
// Debug messengers and report callbacks of an instance, and the messages that are submitted to
// them. The loader calls the application's callbacks for submitted messages itself; here the
// handles in them are looked at, and messengers are kept for what the driver reports (reports.cpp).
#include "call.h"
#include "text.h"

namespace tessera::mock {

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
