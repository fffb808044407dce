// SPDX-License-Identifier: Apache-2.0
//
// vkGetPhysicalDeviceToolProperties: the layer is a tool that is active on every physical device,
// and says so after those that are active below it.

#include <vulkan/vulkan.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "layer/vk/intercept/hooks.h"
#include "layer/vk/layer_identity.h"
#include "layer/vk/process.h"

namespace tessera {
namespace {

using Tools = std::vector<VkPhysicalDeviceToolProperties>;

template <size_t kSize>
void CopyText(char (&to)[kSize], const char* from) noexcept {
    std::memset(to, 0, kSize);
    std::memcpy(to, from, std::min(std::strlen(from), kSize - 1));
}

// Fills in what an output structure says, and leaves its type and chain.
void Describe(VkPhysicalDeviceToolProperties& tool) noexcept {
    CopyText(tool.name, "Tessera");
    CopyText(tool.version, TESSERA_VERSION);
    // It changes how memory is allocated and what budgets say, and adds settings.
    tool.purposes =
        VK_TOOL_PURPOSE_MODIFYING_FEATURES_BIT | VK_TOOL_PURPOSE_ADDITIONAL_FEATURES_BIT;
    CopyText(tool.description, kLayerDescription);
    CopyText(tool.layer, kLayerName);
}

// All tools below, whose number may change between two questions. Where the application has a place
// for a tool, its chain goes along. Throws std::bad_alloc.
template <typename Down>
VkResult ToolsBelow(Down down, VkPhysicalDevice physical_device, uint32_t places,
                    const VkPhysicalDeviceToolProperties* out, Tools* tools) {
    VkResult result = VK_INCOMPLETE;
    while (result == VK_INCOMPLETE) {
        uint32_t count = 0;
        result = down(physical_device, &count, nullptr);
        if (result < 0) return result;
        tools->assign(count, VkPhysicalDeviceToolProperties{});
        for (uint32_t i = 0; i < count; ++i) {
            (*tools)[i].sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TOOL_PROPERTIES;
            if (out != nullptr && i < places) (*tools)[i].pNext = out[i].pNext;
        }
        if (count == 0) return VK_SUCCESS;
        result = down(physical_device, &count, tools->data());
        tools->resize(std::min<size_t>(count, tools->size()));
    }
    return result;
}

// Spec: vkGetPhysicalDeviceToolProperties. Returns VK_INCOMPLETE if the array is too short, and
// VK_ERROR_OUT_OF_HOST_MEMORY.
template <PFN_vkGetPhysicalDeviceToolProperties InstanceDispatch::*kDown>
VKAPI_ATTR VkResult VKAPI_CALL
GetPhysicalDeviceToolProperties(VkPhysicalDevice physicalDevice, uint32_t* pToolCount,
                                VkPhysicalDeviceToolProperties* pToolProperties) noexcept {
    const Instance& instance = *InstanceOf(physicalDevice);
    try {
        Tools tools;
        const VkResult result =
            ToolsBelow(instance.dt.*kDown, physicalDevice, *pToolCount, pToolProperties, &tools);
        if (result != VK_SUCCESS) return result;
        Describe(tools.emplace_back());
        const auto all = static_cast<uint32_t>(tools.size());
        if (pToolProperties == nullptr) {
            *pToolCount = all;
            return VK_SUCCESS;
        }
        *pToolCount = std::min(*pToolCount, all);
        for (uint32_t i = 0; i < *pToolCount; ++i) {
            VkPhysicalDeviceToolProperties& out = pToolProperties[i];
            tools[i].sType = out.sType;
            tools[i].pNext = out.pNext;
            out = tools[i];
        }
        return *pToolCount < all ? VK_INCOMPLETE : VK_SUCCESS;
    } catch (...) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
}

const Hook kHooks[] = {
    TESSERA_HOOK(
        GetPhysicalDeviceToolProperties,
        GetPhysicalDeviceToolProperties<&InstanceDispatch::GetPhysicalDeviceToolProperties>),
    TESSERA_HOOK(
        GetPhysicalDeviceToolPropertiesEXT,
        GetPhysicalDeviceToolProperties<&InstanceDispatch::GetPhysicalDeviceToolPropertiesEXT>),
};

}  // namespace

HookList ToolHooks() noexcept {
    return {kHooks, std::size(kHooks)};
}

}  // namespace tessera
