// SPDX-License-Identifier: Apache-2.0
//
// Debug messages that the application submits itself. They are commands of an instance and may name
// memory of any of its devices: a pooled handle becomes that of the block it lies in, where that is
// final, and else none. Names and everything else of the message stay.
//
// What arrives at the application's callbacks is what went down: the loader calls them below all
// layers.

#include <vulkan/vulkan.h>

#include <algorithm>

#include "layer/vk/intercept/hooks.h"
#include "layer/vk/misuse.h"
#include "layer/vk/process.h"
#include "layer/vk/scratch.h"

namespace tessera {
namespace {

constexpr size_t kObjectsInPlace = 8;

// Looks for a handle that carries our tag among the devices of an instance.
struct Search {
    const Instance* instance;
    VkDeviceMemory memory;
    bool is_live = false;     // a slot of one of the devices
    bool is_drivers = false;  // a look-alike of one of them
    VkDeviceMemory block = VK_NULL_HANDLE;
};

void LookAtDevice(Device& device, void* context) {
    Search& search = *static_cast<Search*>(context);
    if (device.instance != search.instance) return;
    // Of a device whose allocations the layer does not see, any handle may be the driver's.
    search.is_drivers |= !device.NeedsHooks();
    const SlotTable::Found found = device.Find(search.memory);
    search.is_drivers |= found.kind == SlotTable::Kind::kForeign;
    if (found.kind != SlotTable::Kind::kLive) return;
    search.is_live = true;
    if (StateOf(*found.slot) == SlotState::kPinned) {
        search.block = MakeHandle(found.slot->Handle());
    }
}

// What a memory handle in a message is below the layer.
uint64_t HandleBelow(const Instance& instance, uint64_t object) noexcept {
    if (!SlotTable::CarriesTag(object)) return object;
    // In a forked child the list of its parent's devices may be locked for ever.
    if (instance.epoch != ForkEpoch()) return 0;
    Search search{&instance, MakeHandle(object)};
    ForEachDevice(LookAtDevice, &search);
    if (search.is_drivers && !search.is_live) return object;
    return HandleValue(search.block);
}

bool MayBeSlot(const VkDebugUtilsObjectNameInfoEXT& object) noexcept {
    return object.objectType == VK_OBJECT_TYPE_DEVICE_MEMORY &&
           SlotTable::CarriesTag(object.objectHandle);
}

// Spec: vkSubmitDebugUtilsMessageEXT; VUID-VkDebugUtilsObjectNameInfoEXT-objectType-02590 allows an
// object without a handle.
VKAPI_ATTR void VKAPI_CALL SubmitDebugUtilsMessageEXT(
    VkInstance instance, VkDebugUtilsMessageSeverityFlagBitsEXT messageSeverity,
    VkDebugUtilsMessageTypeFlagsEXT messageTypes,
    const VkDebugUtilsMessengerCallbackDataEXT* pCallbackData) noexcept {
    const Instance& object = *InstanceOf(instance);
    const auto down = object.dt.SubmitDebugUtilsMessageEXT;
    const uint32_t count = pCallbackData->objectCount;
    const VkDebugUtilsObjectNameInfoEXT* objects = pCallbackData->pObjects;
    if (std::none_of(objects, objects + count, MayBeSlot)) {
        down(instance, messageSeverity, messageTypes, pCallbackData);
        return;
    }
    VkDebugUtilsMessengerCallbackDataEXT data = *pCallbackData;
    Scratch<VkDebugUtilsObjectNameInfoEXT, kObjectsInPlace> translated(count);
    data.pObjects = translated.data();
    // Without host memory the message goes down without its objects.
    if (translated.data() == nullptr) data.objectCount = 0;
    for (uint32_t i = 0; i < data.objectCount; ++i) {
        translated[i] = objects[i];
        if (MayBeSlot(objects[i])) {
            translated[i].objectHandle = HandleBelow(object, objects[i].objectHandle);
        }
    }
    down(instance, messageSeverity, messageTypes, &data);
}

// Spec: vkDebugReportMessageEXT.
VKAPI_ATTR void VKAPI_CALL DebugReportMessageEXT(VkInstance instance, VkDebugReportFlagsEXT flags,
                                                 VkDebugReportObjectTypeEXT objectType,
                                                 uint64_t object, size_t location,
                                                 int32_t messageCode, const char* pLayerPrefix,
                                                 const char* pMessage) noexcept {
    const Instance& own = *InstanceOf(instance);
    if (objectType == VK_DEBUG_REPORT_OBJECT_TYPE_DEVICE_MEMORY_EXT) {
        object = HandleBelow(own, object);
        // VUID-vkDebugReportMessageEXT-object-01241: only what is of no type may be nothing.
        if (object == 0) objectType = VK_DEBUG_REPORT_OBJECT_TYPE_UNKNOWN_EXT;
    }
    own.dt.DebugReportMessageEXT(instance, flags, objectType, object, location, messageCode,
                                 pLayerPrefix, pMessage);
}

const Hook kHooks[] = {
    TESSERA_HOOK(DebugReportMessageEXT, DebugReportMessageEXT),
    TESSERA_HOOK(SubmitDebugUtilsMessageEXT, SubmitDebugUtilsMessageEXT),
};

}  // namespace

HookList MessageHooks() noexcept {
    return {kHooks, std::size(kHooks)};
}

}  // namespace tessera
