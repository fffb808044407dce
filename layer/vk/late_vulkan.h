// SPDX-License-Identifier: Apache-2.0
//
// Names of Vulkan that are newer than the oldest headers this project builds with (1.3.239).
//
// Numbers and layouts are those of the registry at 1.4.360. Everything lives in a namespace of its
// own, so that newer headers, which know these names, do not clash.

#ifndef TESSERA_LAYER_VK_LATE_VULKAN_H_
#define TESSERA_LAYER_VK_LATE_VULKAN_H_

#include <vulkan/vulkan_core.h>

namespace tessera::late {

// Values of VkStructureType.
inline constexpr int kMemoryMapInfo = 1000271000;
inline constexpr int kMemoryUnmapInfo = 1000271001;
inline constexpr int kMapMemoryPlacedFeatures = 1000272000;
inline constexpr int kBindMemoryStatus = 1000545002;
inline constexpr int kDedicatedAllocateInfoTensor = 1000460014;
inline constexpr int kTensorMemoryRequirementsInfo = 1000460007;
inline constexpr int kDataGraphPipelineSessionMemoryRequirementsInfo = 1000507004;
inline constexpr int kImportMemoryMetalHandleInfo = 1000602000;
inline constexpr int kImportScreenBufferInfo = 1000529002;
inline constexpr int kImportNativeBufferInfo = 1000452003;
inline constexpr int kDescriptorHeapFeatures = 1000135009;
inline constexpr int kLayerSettingsCreateInfo = 1000496000;
inline constexpr int kTileMemoryBindInfo = 1000547003;
inline constexpr int kBufferUsageFlags2CreateInfo = 1000470006;

// Values of VkObjectType.
inline constexpr int kObjectTypeTensor = 1000460000;
inline constexpr int kObjectTypeDataGraphPipelineSession = 1000507000;

inline constexpr VkMemoryAllocateFlags kMemoryAllocateZeroInitializeBit = 0x8;
inline constexpr VkMemoryHeapFlags kMemoryHeapTileMemoryBit = 0x8;

// VK_KHR_map_memory2, core in 1.4.
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

// VK_EXT_map_memory_placed.
struct MapMemoryPlacedFeatures {
    VkStructureType sType;
    void* pNext;
    VkBool32 memoryMapPlaced;
    VkBool32 memoryMapRangePlaced;
    VkBool32 memoryUnmapReserve;
};

// VK_KHR_maintenance5, core in 1.4: in the chain of what creates a buffer.
struct BufferUsageFlags2CreateInfo {
    VkStructureType sType;
    const void* pNext;
    uint64_t usage;
};

// VK_KHR_maintenance6, core in 1.4: in the chain of a bind element.
struct BindMemoryStatus {
    VkStructureType sType;
    const void* pNext;
    VkResult* pResult;
};

// Queries of requirements that all have one form: of tensors and data graph pipeline sessions, and
// of what generated commands and pipelines need besides. Only the answer is read.
using PfnGetMemoryRequirements2 = void(VKAPI_PTR*)(VkDevice, const void*, VkMemoryRequirements2*);

// VK_ARM_tensors.
struct TensorMemoryRequirementsInfo {
    VkStructureType sType;
    const void* pNext;
    uint64_t tensor;
};
struct BindTensorMemoryInfo {
    VkStructureType sType;
    const void* pNext;
    uint64_t tensor;
    VkDeviceMemory memory;
    VkDeviceSize memoryOffset;
};
using PfnBindTensorMemory = VkResult(VKAPI_PTR*)(VkDevice, uint32_t, const BindTensorMemoryInfo*);

// VK_ARM_data_graph.
struct DataGraphPipelineSessionMemoryRequirementsInfo {
    VkStructureType sType;
    const void* pNext;
    uint64_t session;
    int32_t bindPoint;
    uint32_t objectIndex;
};
struct BindDataGraphPipelineSessionMemoryInfo {
    VkStructureType sType;
    const void* pNext;
    uint64_t session;
    int32_t bindPoint;
    uint32_t objectIndex;
    VkDeviceMemory memory;
    VkDeviceSize memoryOffset;
};
using PfnBindDataGraphPipelineSessionMemory =
    VkResult(VKAPI_PTR*)(VkDevice, uint32_t, const BindDataGraphPipelineSessionMemoryInfo*);

// The end of a tensor, and of a data graph pipeline session.
using PfnDestroyObject = void(VKAPI_PTR*)(VkDevice, uint64_t, const VkAllocationCallbacks*);

// What vkGetMemoryFdKHR and its siblings are given starts so; what follows says what is wanted.
struct MemoryGetInfo {
    VkStructureType sType;
    const void* pNext;
    VkDeviceMemory memory;
};
using PfnGetMemoryHandle = VkResult(VKAPI_PTR*)(VkDevice, const MemoryGetInfo*, void*);

// VK_NV_external_memory_win32; declared by the headers of another platform only, as the next two.
using PfnGetMemoryWin32HandleNV = VkResult(VKAPI_PTR*)(VkDevice, VkDeviceMemory, VkFlags, void**);

// VK_KHR_win32_keyed_mutex and VK_NV_win32_keyed_mutex: chained to a submission.
struct KeyedMutexInfo {
    VkStructureType sType;
    const void* pNext;
    uint32_t acquireCount;
    const VkDeviceMemory* pAcquireSyncs;
    const uint64_t* pAcquireKeys;
    const uint32_t* pAcquireTimeouts;
    uint32_t releaseCount;
    const VkDeviceMemory* pReleaseSyncs;
    const uint64_t* pReleaseKeys;
};

// VK_EXT_metal_objects.
struct ExportMetalObjectsInfo {
    VkStructureType sType;
    const void* pNext;
};
struct ExportMetalBufferInfo {
    VkStructureType sType;
    const void* pNext;
    VkDeviceMemory memory;
    void* mtlBuffer;
};
using PfnExportMetalObjects = void(VKAPI_PTR*)(VkDevice, ExportMetalObjectsInfo*);

// VK_QCOM_tile_memory_heap.
struct TileMemoryBindInfo {
    VkStructureType sType;
    const void* pNext;
    VkDeviceMemory memory;
};
using PfnCmdBindTileMemory = void(VKAPI_PTR*)(VkCommandBuffer, const TileMemoryBindInfo*);

// VK_EXT_descriptor_heap: only the head matters, whose first feature is descriptorHeap.
struct DescriptorHeapFeatures {
    VkStructureType sType;
    void* pNext;
    VkBool32 descriptorHeap;
    VkBool32 descriptorHeapCaptureReplay;
};

// VK_EXT_layer_settings.
enum class LayerSettingType : int32_t {
    kBool32 = 0,
    kInt32 = 1,
    kInt64 = 2,
    kUint32 = 3,
    kUint64 = 4,
    kFloat32 = 5,
    kFloat64 = 6,
    kString = 7,
};
struct LayerSetting {
    const char* pLayerName;
    const char* pSettingName;
    LayerSettingType type;
    uint32_t valueCount;
    const void* pValues;
};
struct LayerSettingsCreateInfo {
    VkStructureType sType;
    const void* pNext;
    uint32_t settingCount;
    const LayerSetting* pSettings;
};

}  // namespace tessera::late

#endif  // TESSERA_LAYER_VK_LATE_VULKAN_H_
