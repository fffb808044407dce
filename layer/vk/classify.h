// SPDX-License-Identifier: Apache-2.0
//
// Pooled or passed through: the decision about one vkAllocateMemory, from its parameters alone.

#ifndef TESSERA_LAYER_VK_CLASSIFY_H_
#define TESSERA_LAYER_VK_CLASSIFY_H_

#include <vulkan/vulkan_core.h>

#include "layer/pool/block_source.h"
#include "layer/vk/gates.h"
#include "tessera/channel_abi.h"

namespace tessera {

struct Classification {
    tessera_reason reason = TESSERA_REASON_none;  // `none`: to be pooled
    pool::ArenaKey key;                           // kind is left for placement
};

// Decides about `info` on a device with these gates and memory types. `pooled_limit_bytes` is the
// largest size that blocks of the type serve.
// Spec: vkAllocateMemory and every structure that extends VkMemoryAllocateInfo; a structure that is
// not known means pass-through.
Classification Classify(const VkMemoryAllocateInfo& info, const Gates& gates,
                        const VkPhysicalDeviceMemoryProperties& memory,
                        uint64_t pooled_limit_bytes) noexcept;

// Whether allocations of a memory type can be pooled at all, whatever their parameters.
tessera_reason ClassifyType(uint32_t type_index, const Gates& gates,
                            const VkPhysicalDeviceMemoryProperties& memory) noexcept;

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_CLASSIFY_H_
