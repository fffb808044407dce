// SPDX-License-Identifier: Apache-2.0
//
// VK_EXT_memory_budget: what the application is told, and what the channel keeps of it.
//
// The driver's heapUsage counts whole blocks. An application that reads its usage before and after
// an allocation, or sizes a cache from it, must see its own allocations and not the pool's. It is
// told the larger of what it holds itself and what the driver says less the unused bytes of all
// blocks in that heap, over all devices of this process on the same physical device. The budget
// itself stays the driver's.

#ifndef TESSERA_LAYER_VK_BUDGET_H_
#define TESSERA_LAYER_VK_BUDGET_H_

#include <vulkan/vulkan_core.h>

#include "layer/channel/counters.h"
#include "layer/vk/instance.h"
#include "tessera/channel_abi.h"

namespace tessera {

// The driver's figures for one heap become visible to readers. Bytes. Threads: any.
inline void RecordBudget(tessera_heap_record& heap, uint64_t budget_bytes,
                         uint64_t usage_bytes) noexcept {
    channel::Store(heap.budget_bytes, budget_bytes);
    channel::Store(heap.usage_bytes, usage_bytes);
    channel::SetBits(heap.known, TESSERA_HEAP_BUDGET_KNOWN);
}

// Changes the heapUsage that the driver answered for `physical_device` into what the application
// is to see, and records both.
// Threads: any; takes the process lock, and each pool's in turn.
void VirtualiseBudget(const Instance& instance, VkPhysicalDevice physical_device,
                      VkPhysicalDeviceMemoryBudgetPropertiesEXT& budget) noexcept;

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_BUDGET_H_
