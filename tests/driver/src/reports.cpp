// SPDX-License-Identifier: Apache-2.0
//
// See reports.h.
#include "reports.h"

namespace tessera::mock {
namespace {

void SendLocked(Call& call, const VkDeviceMemoryReportCallbackDataEXT& data) {
    for (const MemoryListener& listener : call.device().memory_listeners) {
        call.After([listener, data] { listener.callback(&data, listener.user); });
    }
}

VkDeviceMemoryReportCallbackDataEXT EventOf(VkDeviceMemoryReportEventTypeEXT type) {
    VkDeviceMemoryReportCallbackDataEXT data{};
    data.sType = VK_STRUCTURE_TYPE_DEVICE_MEMORY_REPORT_CALLBACK_DATA_EXT;
    data.type = type;
    return data;
}

}  // namespace

void ReportMemoryLocked(Call& call, const Memory& memory, VkDeviceMemoryReportEventTypeEXT event) {
    if (call.device().memory_listeners.empty()) return;
    VkDeviceMemoryReportCallbackDataEXT data = EventOf(event);
    data.memoryObjectId = memory.report_id;
    data.size = memory.charged_bytes;
    data.objectType = Memory::kType;
    data.objectHandle = memory.handle;
    data.heapIndex = call.device().description->types[memory.type_index].heap;
    SendLocked(call, data);
}

void ReportFailureLocked(Call& call, VkDeviceSize size_bytes, uint32_t heap) {
    if (call.device().memory_listeners.empty()) return;
    VkDeviceMemoryReportCallbackDataEXT data =
        EventOf(VK_DEVICE_MEMORY_REPORT_EVENT_TYPE_ALLOCATION_FAILED_EXT);
    data.size = size_bytes;
    data.objectType = Memory::kType;
    data.heapIndex = heap;
    SendLocked(call, data);
}

void ReportAddressLocked(Call& call, const Object& object, VkDeviceAddress address,
                         VkDeviceSize size_bytes, bool bound) {
    if (!call.device().Enabled("reportAddressBinding")) return;
    VkDeviceAddressBindingCallbackDataEXT binding{};
    binding.sType = VK_STRUCTURE_TYPE_DEVICE_ADDRESS_BINDING_CALLBACK_DATA_EXT;
    binding.baseAddress = address;
    binding.size = size_bytes;
    binding.bindingType =
        bound ? VK_DEVICE_ADDRESS_BINDING_TYPE_BIND_EXT : VK_DEVICE_ADDRESS_BINDING_TYPE_UNBIND_EXT;
    VkDebugUtilsObjectNameInfoEXT name{};
    name.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT;
    name.objectType = object.type;
    name.objectHandle = object.handle;
    for (const auto& [handle, listener] : call.device().instance->objects.all()) {
        if (listener->type != Messenger::kType) continue;
        const auto& messenger = static_cast<const Messenger&>(*listener);
        constexpr auto kType = VK_DEBUG_UTILS_MESSAGE_TYPE_DEVICE_ADDRESS_BINDING_BIT_EXT;
        constexpr auto kSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_INFO_BIT_EXT;
        if (!(messenger.types & kType) || !(messenger.severities & kSeverity)) continue;
        call.After([=, callback = messenger.callback, user = messenger.user]() mutable {
            VkDebugUtilsMessengerCallbackDataEXT data{};
            data.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CALLBACK_DATA_EXT;
            data.pNext = &binding;
            data.pMessageIdName = "address-binding";
            data.pMessage = "an object's address range changed";
            data.objectCount = 1;
            data.pObjects = &name;
            callback(kSeverity, kType, &data, user);
        });
    }
}

}  // namespace tessera::mock
