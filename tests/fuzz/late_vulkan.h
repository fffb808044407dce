// SPDX-License-Identifier: Apache-2.0
//
// VK_KHR_map_memory2, which the oldest headers that this is built with do not know.
#ifndef TESSERA_TESTS_FUZZ_LATE_VULKAN_H
#define TESSERA_TESTS_FUZZ_LATE_VULKAN_H

#include <vulkan/vulkan.h>

namespace tessera::fuzz::late {

inline constexpr auto kMemoryMapInfo = static_cast<VkStructureType>(1000271000);
inline constexpr auto kMemoryUnmapInfo = static_cast<VkStructureType>(1000271001);

struct MemoryMapInfo {
    VkStructureType sType;
    const void* pNext;
    VkMemoryMapFlags flags;
    VkDeviceMemory memory;
    VkDeviceSize offset;
    VkDeviceSize size;
};
struct MemoryUnmapInfo {
    VkStructureType sType;
    const void* pNext;
    VkFlags flags;
    VkDeviceMemory memory;
};
using PfnMapMemory2 = VkResult(VKAPI_PTR*)(VkDevice, const MemoryMapInfo*, void**);
using PfnUnmapMemory2 = VkResult(VKAPI_PTR*)(VkDevice, const MemoryUnmapInfo*);

}  // namespace tessera::fuzz::late

#endif  // TESSERA_TESTS_FUZZ_LATE_VULKAN_H
