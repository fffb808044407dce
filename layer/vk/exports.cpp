// SPDX-License-Identifier: Apache-2.0
//
// The one symbol that leaves the library. The loader's header declares it without noexcept, so the
// work is done by a function that has it.

#include <vulkan/vulkan.h>

#include <vulkan/vk_layer.h>

#include "layer/vk/proc_addr.h"

extern "C" VK_LAYER_EXPORT VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface* pVersionStruct) {
    return tessera::Negotiate(pVersionStruct);
}
