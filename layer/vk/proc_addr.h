// SPDX-License-Identifier: Apache-2.0
//
// Which function answers to which name: the one place where it is decided whether a call reaches
// the layer at all.
//
// The rule: a name is answered with the layer's hook only if the next entity has the command, so
// that nothing looks supported that is not (LLP_LAYER_18). A command that the layer does not need
// is answered with the next entity's own pointer and costs nothing.

#ifndef TESSERA_LAYER_VK_PROC_ADDR_H_
#define TESSERA_LAYER_VK_PROC_ADDR_H_

#include <vulkan/vulkan.h>

#include <vulkan/vk_layer.h>

namespace tessera {

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetInstanceProcAddr(VkInstance instance,
                                                             const char* pName) noexcept;
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetDeviceProcAddr(VkDevice device,
                                                           const char* pName) noexcept;
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetPhysicalDeviceProcAddr(VkInstance instance,
                                                                   const char* pName) noexcept;

// Fills in the three functions and the interface version (2, or the loader's if that is lower).
// Returns VK_ERROR_INITIALIZATION_FAILED for what is not a negotiation structure, or for a loader
// that is too old to negotiate.
VkResult Negotiate(VkNegotiateLayerInterface* version) noexcept;

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_PROC_ADDR_H_
