// SPDX-License-Identifier: Apache-2.0
//
// What the layer keeps for one VkInstance.
//
// Threads: made and destroyed under Vulkan's own rules; constant in between.

#ifndef TESSERA_LAYER_VK_INSTANCE_H_
#define TESSERA_LAYER_VK_INSTANCE_H_

#include <vulkan/vulkan.h>

#include <vulkan/vk_layer.h>

#include "layer/base/settings.h"
#include "layer/vk/dispatch.h"

namespace tessera {

struct Instance {
    VkInstance handle = VK_NULL_HANDLE;
    InstanceDispatch dt;
    PFN_GetPhysicalDeviceProcAddr next_physical_device_proc_addr = nullptr;  // may be null
    uint64_t epoch = 0;  // ForkEpoch() of the process that made it
    Settings settings;
    uint32_t api_version = VK_API_VERSION_1_0;  // what the application asked for
    bool has_properties2 = false;               // VK_KHR_get_physical_device_properties2 is enabled

    // The *2 queries of physical devices by a name that is enabled on this instance, or null:
    // calling a core command above the application's version would be the layer's own mistake.
    PFN_vkGetPhysicalDeviceProperties2 Properties2(uint32_t device_api_version) const noexcept;
    PFN_vkGetPhysicalDeviceMemoryProperties2 MemoryProperties2(
        uint32_t device_api_version) const noexcept;
};

// Reads what the application passes with VkLayerSettingsCreateInfoEXT for this layer into text
// form, and with it all other sources of settings.
Settings ReadInstanceSettings(const VkInstanceCreateInfo& info) noexcept;

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_INSTANCE_H_
