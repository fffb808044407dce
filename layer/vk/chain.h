// SPDX-License-Identifier: Apache-2.0
//
// Walking pNext chains: nothing but sType and pNext is read before the type is known.

#ifndef TESSERA_LAYER_VK_CHAIN_H_
#define TESSERA_LAYER_VK_CHAIN_H_

#include <vulkan/vk_layer.h>
#include <vulkan/vulkan_core.h>

namespace tessera {

// The first structure of type `type` in the chain that starts at `head`, as a T; null if absent.
// `type` is an int so that structures newer than the headers can be asked for.
template <typename T>
inline const T* FindInChain(const void* head, int type) noexcept {
    for (auto* link = static_cast<const VkBaseInStructure*>(head); link != nullptr;
         link = link->pNext) {
        if (static_cast<int>(link->sType) == type) return reinterpret_cast<const T*>(link);
    }
    return nullptr;
}

// The loader's link structure in the chain of a create info, or null (LLP_LAYER_21: the layer
// advances it before it calls down, which is why it is not const here).
template <typename T>
inline T* FindLinkInfo(const void* head, VkStructureType type) noexcept {
    for (auto* link = static_cast<const VkBaseInStructure*>(head); link != nullptr;
         link = link->pNext) {
        if (link->sType != type) continue;
        auto* info = reinterpret_cast<T*>(const_cast<VkBaseInStructure*>(link));
        if (info->function == VK_LAYER_LINK_INFO) return info;
    }
    return nullptr;
}

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_CHAIN_H_
