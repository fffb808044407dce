// SPDX-License-Identifier: Apache-2.0
//
// Names that are newer than the 1.3.239 headers, declared with the layout and the numbers that the
// registry gives them. The driver offers them when its description asks for the extension (or for
// Vulkan 1.4), as a newer driver would under an older loader: the loader does not know the commands
// and hands out its generic trampolines for them.
//
// Each declaration stands aside as soon as the headers have it.
#ifndef TESSERA_TESTS_DRIVER_LATE_VULKAN_H
#define TESSERA_TESTS_DRIVER_LATE_VULKAN_H

#include <vulkan/vulkan_core.h>

// VK_KHR_map_memory2, core in 1.4. The same meaning as vkMapMemory and vkUnmapMemory.
#if !defined(VK_KHR_map_memory2)
typedef struct VkMemoryMapInfo {
    VkStructureType sType;  // 1000271000
    const void* pNext;
    VkMemoryMapFlags flags;
    VkDeviceMemory memory;
    VkDeviceSize offset;
    VkDeviceSize size;
} VkMemoryMapInfo;

typedef struct VkMemoryUnmapInfo {
    VkStructureType sType;  // 1000271001
    const void* pNext;
    VkFlags flags;
    VkDeviceMemory memory;
} VkMemoryUnmapInfo;

typedef VkResult(VKAPI_PTR* PFN_vkMapMemory2)(VkDevice device,
                                              const VkMemoryMapInfo* pMemoryMapInfo, void** ppData);
typedef VkResult(VKAPI_PTR* PFN_vkUnmapMemory2)(VkDevice device,
                                                const VkMemoryUnmapInfo* pMemoryUnmapInfo);

static const VkStructureType VK_STRUCTURE_TYPE_MEMORY_MAP_INFO = (VkStructureType)1000271000;
static const VkStructureType VK_STRUCTURE_TYPE_MEMORY_UNMAP_INFO = (VkStructureType)1000271001;
#endif

// VK_KHR_maintenance6, core in 1.4: one result per element of a bind call.
#if !defined(VK_KHR_maintenance6)
typedef struct VkBindMemoryStatus {
    VkStructureType sType;  // 1000545002
    const void* pNext;
    VkResult* pResult;
} VkBindMemoryStatus;

static const VkStructureType VK_STRUCTURE_TYPE_BIND_MEMORY_STATUS = (VkStructureType)1000545002;
#endif

#endif  // TESSERA_TESTS_DRIVER_LATE_VULKAN_H
