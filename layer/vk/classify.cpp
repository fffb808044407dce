// SPDX-License-Identifier: Apache-2.0
//
// See classify.h. Each structure that may extend VkMemoryAllocateInfo has one case below; the table
// of rules with their sources is docs/pass-through.md.

#include "layer/vk/classify.h"

#include "layer/vk/late_vulkan.h"

namespace tessera {
namespace {

// The priorities that blocks are made with. VK_EXT_memory_priority is a hint per memory object, so
// neighbours must share it: quarters keep the tiers that applications use (0, 0.5 and 1 by DXVK).
constexpr float kPrioritySteps = 4.0f;

template <typename T>
const T& As(const VkBaseInStructure* link) noexcept {
    return *reinterpret_cast<const T*>(link);
}

tessera_reason ClassifyFlags(const VkMemoryAllocateFlagsInfo& info, const Gates& gates,
                             pool::ArenaKey& key) noexcept {
    constexpr VkMemoryAllocateFlags kCapture = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_CAPTURE_REPLAY_BIT;
    constexpr VkMemoryAllocateFlags kKnown = VK_MEMORY_ALLOCATE_DEVICE_MASK_BIT |
                                             VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT | kCapture |
                                             late::kMemoryAllocateZeroInitializeBit;
    if ((info.flags & ~kKnown) != 0) return TESSERA_REASON_unknown_flags;
    if ((info.flags & kCapture) != 0) return TESSERA_REASON_capture_replay;
    if ((info.flags & late::kMemoryAllocateZeroInitializeBit) != 0) {
        return TESSERA_REASON_zero_initialize;
    }
    if ((info.flags & VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT) != 0) {
        if (gates.capture_replay) return TESSERA_REASON_capture_replay;
        key.allocate_flags |= VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    }
    // With one physical device the only valid mask is 1, which is also the default.
    if ((info.flags & VK_MEMORY_ALLOCATE_DEVICE_MASK_BIT) != 0 && info.deviceMask != 1) {
        return TESSERA_REASON_device_group;
    }
    return TESSERA_REASON_none;
}

tessera_reason ClassifyPriority(float priority, const Gates& gates, pool::ArenaKey& key) noexcept {
    if (!(priority >= 0.0f && priority <= 1.0f)) return TESSERA_REASON_unusual_priority;
    // Without the feature the structure has no effect, and blocks may not carry it.
    if (gates.memory_priority) {
        key.priority_quarters = static_cast<uint8_t>(priority * kPrioritySteps + 0.5f);
    }
    return TESSERA_REASON_none;
}

tessera_reason When(bool condition, tessera_reason reason) noexcept {
    return condition ? reason : TESSERA_REASON_none;
}

// What one structure of the chain means for pooling.
tessera_reason ClassifyStructure(const VkBaseInStructure* link, const Gates& gates,
                                 pool::ArenaKey& key) noexcept {
    switch (static_cast<int>(link->sType)) {
        case VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO:
            return ClassifyFlags(As<VkMemoryAllocateFlagsInfo>(link), gates, key);
        case VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT:
            return ClassifyPriority(As<VkMemoryPriorityAllocateInfoEXT>(link).priority, gates, key);
        case VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO: {
            const auto& dedicated = As<VkMemoryDedicatedAllocateInfo>(link);
            return When(dedicated.image != VK_NULL_HANDLE || dedicated.buffer != VK_NULL_HANDLE,
                        TESSERA_REASON_dedicated);
        }
        case VK_STRUCTURE_TYPE_DEDICATED_ALLOCATION_MEMORY_ALLOCATE_INFO_NV: {
            const auto& dedicated = As<VkDedicatedAllocationMemoryAllocateInfoNV>(link);
            return When(dedicated.image != VK_NULL_HANDLE || dedicated.buffer != VK_NULL_HANDLE,
                        TESSERA_REASON_dedicated);
        }
        case late::kDedicatedAllocateInfoTensor:
            return TESSERA_REASON_dedicated;
        case VK_STRUCTURE_TYPE_MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO:
            return When(
                As<VkMemoryOpaqueCaptureAddressAllocateInfo>(link).opaqueCaptureAddress != 0,
                TESSERA_REASON_capture_replay);
        case VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO:
            return When(As<VkExportMemoryAllocateInfo>(link).handleTypes != 0,
                        TESSERA_REASON_external);
        case VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO_NV:
            return When(As<VkExportMemoryAllocateInfoNV>(link).handleTypes != 0,
                        TESSERA_REASON_external);
        case VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR:
            return When(As<VkImportMemoryFdInfoKHR>(link).handleType != 0, TESSERA_REASON_external);
        case VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT:
            return When(As<VkImportMemoryHostPointerInfoEXT>(link).handleType != 0,
                        TESSERA_REASON_external);
        // Imports and exports of other systems: known to be external whatever they hold.
        case VK_STRUCTURE_TYPE_IMPORT_MEMORY_WIN32_HANDLE_INFO_KHR:
        case VK_STRUCTURE_TYPE_IMPORT_MEMORY_WIN32_HANDLE_INFO_NV:
        case VK_STRUCTURE_TYPE_EXPORT_MEMORY_WIN32_HANDLE_INFO_KHR:
        case VK_STRUCTURE_TYPE_EXPORT_MEMORY_WIN32_HANDLE_INFO_NV:
        case VK_STRUCTURE_TYPE_IMPORT_MEMORY_ZIRCON_HANDLE_INFO_FUCHSIA:
        case VK_STRUCTURE_TYPE_IMPORT_MEMORY_BUFFER_COLLECTION_FUCHSIA:
        case VK_STRUCTURE_TYPE_IMPORT_ANDROID_HARDWARE_BUFFER_INFO_ANDROID:
        case VK_STRUCTURE_TYPE_EXPORT_METAL_OBJECT_CREATE_INFO_EXT:
        case VK_STRUCTURE_TYPE_IMPORT_METAL_BUFFER_INFO_EXT:
        case late::kImportMemoryMetalHandleInfo:
        case late::kImportScreenBufferInfo:
        case late::kImportNativeBufferInfo:
            return TESSERA_REASON_external;
        default:
            return TESSERA_REASON_unknown_pnext;
    }
}

}  // namespace

tessera_reason ClassifyType(uint32_t type_index, const Gates& gates,
                            const VkPhysicalDeviceMemoryProperties& memory) noexcept {
    if (type_index >= memory.memoryTypeCount) return TESSERA_REASON_invalid_type;
    const VkMemoryType& type = memory.memoryTypes[type_index];
    if ((type.propertyFlags & VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT) != 0) {
        return TESSERA_REASON_lazily_allocated;
    }
    if ((memory.memoryHeaps[type.heapIndex].flags & late::kMemoryHeapTileMemoryBit) != 0) {
        return TESSERA_REASON_tile_memory;
    }
    if (gates.placed_map && (type.propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0) {
        return TESSERA_REASON_placed_map;
    }
    return TESSERA_REASON_none;
}

Classification Classify(const VkMemoryAllocateInfo& info, const Gates& gates,
                        const VkPhysicalDeviceMemoryProperties& memory,
                        uint64_t pooled_limit_bytes) noexcept {
    Classification result;
    // The chain first: what an allocation is says more than how large it is.
    for (auto* link = static_cast<const VkBaseInStructure*>(info.pNext); link != nullptr;
         link = link->pNext) {
        result.reason = ClassifyStructure(link, gates, result.key);
        if (result.reason != TESSERA_REASON_none) return result;
    }
    if (gates.off != TESSERA_REASON_none) {
        result.reason = gates.off;
    } else if (info.allocationSize == 0) {
        result.reason = TESSERA_REASON_unusual_size;
    } else {
        result.reason = ClassifyType(info.memoryTypeIndex, gates, memory);
    }
    if (result.reason == TESSERA_REASON_none && info.allocationSize > pooled_limit_bytes) {
        result.reason = TESSERA_REASON_too_large;
    }
    return result;
}

}  // namespace tessera
