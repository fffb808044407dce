// SPDX-License-Identifier: Apache-2.0
//
// Names that are newer than the 1.3.239 headers, declared with the layout and the numbers that the
// registry gives them. The driver offers them when its description asks for the extension (or for
// Vulkan 1.4), as a newer driver would under an older loader: the loader does not know the commands
// and hands out its generic trampolines for them. Tests use these declarations as well.
//
// Each group stands aside as soon as the headers have it.
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

// VK_EXT_map_memory_placed: the application chooses the address of a mapping.
#if !defined(VK_EXT_map_memory_placed)
typedef struct VkMemoryMapPlacedInfoEXT {
    VkStructureType sType;  // 1000272002
    const void* pNext;
    void* pPlacedAddress;
} VkMemoryMapPlacedInfoEXT;

typedef struct VkPhysicalDeviceMapMemoryPlacedFeaturesEXT {
    VkStructureType sType;  // 1000272000
    void* pNext;
    VkBool32 memoryMapPlaced;
    VkBool32 memoryMapRangePlaced;
    VkBool32 memoryUnmapReserve;
} VkPhysicalDeviceMapMemoryPlacedFeaturesEXT;

typedef struct VkPhysicalDeviceMapMemoryPlacedPropertiesEXT {
    VkStructureType sType;  // 1000272001
    void* pNext;
    VkDeviceSize minPlacedMemoryMapAlignment;
} VkPhysicalDeviceMapMemoryPlacedPropertiesEXT;

static const VkStructureType VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAP_MEMORY_PLACED_FEATURES_EXT =
    (VkStructureType)1000272000;
static const VkStructureType VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAP_MEMORY_PLACED_PROPERTIES_EXT =
    (VkStructureType)1000272001;
static const VkStructureType VK_STRUCTURE_TYPE_MEMORY_MAP_PLACED_INFO_EXT =
    (VkStructureType)1000272002;
static const VkFlags VK_MEMORY_MAP_PLACED_BIT_EXT = 0x1;
static const VkFlags VK_MEMORY_UNMAP_RESERVE_BIT_EXT = 0x1;
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

// VK_EXT_zero_initialize_device_memory.
#if !defined(VK_EXT_zero_initialize_device_memory)
typedef struct VkPhysicalDeviceZeroInitializeDeviceMemoryFeaturesEXT {
    VkStructureType sType;  // 1000620000
    void* pNext;
    VkBool32 zeroInitializeDeviceMemory;
} VkPhysicalDeviceZeroInitializeDeviceMemoryFeaturesEXT;

static const VkStructureType
    VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ZERO_INITIALIZE_DEVICE_MEMORY_FEATURES_EXT =
        (VkStructureType)1000620000;
static const VkFlags VK_MEMORY_ALLOCATE_ZERO_INITIALIZE_BIT_EXT = 0x8;
#endif

// VK_ARM_tensors: only what binding memory needs.
#if !defined(VK_ARM_tensors)
VK_DEFINE_NON_DISPATCHABLE_HANDLE(VkTensorARM)

typedef struct VkTensorDescriptionARM {
    VkStructureType sType;  // 1000460006
    const void* pNext;
    int32_t tiling;  // 0 optimal, 1 linear
    VkFormat format;
    uint32_t dimensionCount;
    const int64_t* pDimensions;
    const int64_t* pStrides;
    VkFlags64 usage;
} VkTensorDescriptionARM;

typedef struct VkTensorCreateInfoARM {
    VkStructureType sType;  // 1000460000
    const void* pNext;
    VkFlags64 flags;
    const VkTensorDescriptionARM* pDescription;
    VkSharingMode sharingMode;
    uint32_t queueFamilyIndexCount;
    const uint32_t* pQueueFamilyIndices;
} VkTensorCreateInfoARM;

typedef struct VkTensorMemoryRequirementsInfoARM {
    VkStructureType sType;  // 1000460007
    const void* pNext;
    VkTensorARM tensor;
} VkTensorMemoryRequirementsInfoARM;

typedef struct VkDeviceTensorMemoryRequirementsARM {
    VkStructureType sType;
    const void* pNext;
    const VkTensorCreateInfoARM* pCreateInfo;
} VkDeviceTensorMemoryRequirementsARM;

typedef struct VkBindTensorMemoryInfoARM {
    VkStructureType sType;  // 1000460002
    const void* pNext;
    VkTensorARM tensor;
    VkDeviceMemory memory;
    VkDeviceSize memoryOffset;
} VkBindTensorMemoryInfoARM;

typedef VkResult(VKAPI_PTR* PFN_vkCreateTensorARM)(VkDevice device,
                                                   const VkTensorCreateInfoARM* pCreateInfo,
                                                   const VkAllocationCallbacks* pAllocator,
                                                   VkTensorARM* pTensor);
typedef void(VKAPI_PTR* PFN_vkDestroyTensorARM)(VkDevice device, VkTensorARM tensor,
                                                const VkAllocationCallbacks* pAllocator);
typedef void(VKAPI_PTR* PFN_vkGetTensorMemoryRequirementsARM)(
    VkDevice device, const VkTensorMemoryRequirementsInfoARM* pInfo,
    VkMemoryRequirements2* pMemoryRequirements);
typedef void(VKAPI_PTR* PFN_vkGetDeviceTensorMemoryRequirementsARM)(
    VkDevice device, const VkDeviceTensorMemoryRequirementsARM* pInfo,
    VkMemoryRequirements2* pMemoryRequirements);
typedef VkResult(VKAPI_PTR* PFN_vkBindTensorMemoryARM)(VkDevice device, uint32_t bindInfoCount,
                                                       const VkBindTensorMemoryInfoARM* pBindInfos);

static const VkStructureType VK_STRUCTURE_TYPE_BIND_TENSOR_MEMORY_INFO_ARM =
    (VkStructureType)1000460002;
static const VkObjectType VK_OBJECT_TYPE_TENSOR_ARM = (VkObjectType)1000460000;
#endif

// VK_ARM_data_graph: only what binding memory needs.
#if !defined(VK_ARM_data_graph)
VK_DEFINE_NON_DISPATCHABLE_HANDLE(VkDataGraphPipelineSessionARM)

typedef struct VkDataGraphPipelineSessionCreateInfoARM {
    VkStructureType sType;  // 1000507001
    const void* pNext;
    VkFlags64 flags;
    VkPipeline dataGraphPipeline;
} VkDataGraphPipelineSessionCreateInfoARM;

typedef struct VkDataGraphPipelineSessionMemoryRequirementsInfoARM {
    VkStructureType sType;  // 1000507004
    const void* pNext;
    VkDataGraphPipelineSessionARM session;
    int32_t bindPoint;  // 0: transient
    uint32_t objectIndex;
} VkDataGraphPipelineSessionMemoryRequirementsInfoARM;

typedef struct VkBindDataGraphPipelineSessionMemoryInfoARM {
    VkStructureType sType;  // 1000507005
    const void* pNext;
    VkDataGraphPipelineSessionARM session;
    int32_t bindPoint;
    uint32_t objectIndex;
    VkDeviceMemory memory;
    VkDeviceSize memoryOffset;
} VkBindDataGraphPipelineSessionMemoryInfoARM;

typedef VkResult(VKAPI_PTR* PFN_vkCreateDataGraphPipelineSessionARM)(
    VkDevice device, const VkDataGraphPipelineSessionCreateInfoARM* pCreateInfo,
    const VkAllocationCallbacks* pAllocator, VkDataGraphPipelineSessionARM* pSession);
typedef void(VKAPI_PTR* PFN_vkDestroyDataGraphPipelineSessionARM)(
    VkDevice device, VkDataGraphPipelineSessionARM session,
    const VkAllocationCallbacks* pAllocator);
typedef void(VKAPI_PTR* PFN_vkGetDataGraphPipelineSessionMemoryRequirementsARM)(
    VkDevice device, const VkDataGraphPipelineSessionMemoryRequirementsInfoARM* pInfo,
    VkMemoryRequirements2* pMemoryRequirements);
typedef VkResult(VKAPI_PTR* PFN_vkBindDataGraphPipelineSessionMemoryARM)(
    VkDevice device, uint32_t bindInfoCount,
    const VkBindDataGraphPipelineSessionMemoryInfoARM* pBindInfos);

static const VkStructureType VK_STRUCTURE_TYPE_BIND_DATA_GRAPH_PIPELINE_SESSION_MEMORY_INFO_ARM =
    (VkStructureType)1000507005;
static const VkObjectType VK_OBJECT_TYPE_DATA_GRAPH_PIPELINE_SESSION_ARM = (VkObjectType)1000507000;
#endif

// Of other platforms, whose headers are not there, or too new: only as much as shows the memory.
// The structures of all the exporting commands start like this one.
typedef struct MockMemoryGetInfo {
    VkStructureType sType;
    const void* pNext;
    VkDeviceMemory memory;
} MockMemoryGetInfo;

// VK_KHR_win32_keyed_mutex and VK_NV_win32_keyed_mutex, which agree.
typedef struct MockKeyedMutexInfo {
    VkStructureType sType;
    const void* pNext;
    uint32_t acquireCount;
    const VkDeviceMemory* pAcquireSyncs;
    const uint64_t* pAcquireKeys;
    const uint32_t* pAcquireTimeouts;
    uint32_t releaseCount;
    const VkDeviceMemory* pReleaseSyncs;
    const uint64_t* pReleaseKeys;
} MockKeyedMutexInfo;

#if !defined(VK_QCOM_tile_memory_heap)
static const VkStructureType VK_STRUCTURE_TYPE_TILE_MEMORY_BIND_INFO_QCOM =
    (VkStructureType)1000547003;
#endif

// VkExportMetalObjectsInfoEXT has no members of its own; VkExportMetalBufferInfoEXT has these.
typedef struct MockExportMetalInfo {
    VkStructureType sType;
    const void* pNext;
    VkDeviceMemory memory;
    void* mtlBuffer;
} MockExportMetalInfo;

typedef VkResult(VKAPI_PTR* MockExportCommand)(VkDevice device, const MockMemoryGetInfo* pInfo,
                                               void* pHandle);
typedef MockExportCommand PFN_vkGetMemoryAndroidHardwareBufferANDROID;
typedef MockExportCommand PFN_vkGetMemoryMetalHandleEXT;
typedef MockExportCommand PFN_vkGetMemoryNativeBufferOHOS;
typedef MockExportCommand PFN_vkGetMemoryWin32HandleKHR;
typedef MockExportCommand PFN_vkGetMemoryZirconHandleFUCHSIA;
typedef VkResult(VKAPI_PTR* PFN_vkGetMemoryWin32HandleNV)(VkDevice device, VkDeviceMemory memory,
                                                          VkFlags handleType, void** pHandle);
typedef void(VKAPI_PTR* PFN_vkExportMetalObjectsEXT)(VkDevice device, MockExportMetalInfo* pInfo);
typedef void(VKAPI_PTR* PFN_vkCmdBindTileMemoryQCOM)(VkCommandBuffer commandBuffer,
                                                     const MockMemoryGetInfo* pInfo);

#endif  // TESSERA_TESTS_DRIVER_LATE_VULKAN_H
