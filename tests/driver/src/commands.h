// SPDX-License-Identifier: Apache-2.0
//
// The one list of what the driver offers. From it come the declarations, the identifiers by which
// calls are counted, failed and delayed, and the tables behind vkGet*ProcAddr. A command that is
// not listed is not offered: its address is null, as on a driver that does not have it. A command
// is added by one line here and its definition in the file of its topic.
//
//   X(Name, scope, gate)     scope: which handle comes first; gate: when the command exists
//   A(Alias, Name, gate)     another name of the same command, counted as Name
#ifndef TESSERA_TESTS_DRIVER_COMMANDS_H
#define TESSERA_TESTS_DRIVER_COMMANDS_H

#include <vulkan/vulkan_core.h>

#include <cstdint>
#include <type_traits>

#include "late_vulkan.h"

namespace tessera::mock {

enum class Scope : uint8_t { kGlobal, kInstance, kPhysicalDevice, kDevice };

// A command exists from a core version on, or when an extension is enabled.
struct Gate {
    uint32_t core = 0;  // 0: in no core version
    const char* extension = nullptr;
};

constexpr Gate Core(uint32_t major, uint32_t minor) {
    return {VK_MAKE_API_VERSION(0, major, minor, 0), nullptr};
}

constexpr Gate Ext(const char* name) {
    return {0, name};
}

// clang-format off
#define TESSERA_MOCK_INSTANCE_COMMANDS(X)                                            \
    X(CreateInstance, kGlobal, Core(1, 0))                                           \
    X(EnumerateInstanceExtensionProperties, kGlobal, Core(1, 0))                     \
    X(EnumerateInstanceVersion, kGlobal, Core(1, 1))                                 \
    X(GetInstanceProcAddr, kInstance, Core(1, 0))                                    \
    X(DestroyInstance, kInstance, Core(1, 0))                                        \
    X(EnumeratePhysicalDevices, kInstance, Core(1, 0))                               \
    X(EnumeratePhysicalDeviceGroups, kInstance, Core(1, 1))                          \
    X(CreateDebugUtilsMessengerEXT, kInstance, Ext("VK_EXT_debug_utils"))            \
    X(DestroyDebugUtilsMessengerEXT, kInstance, Ext("VK_EXT_debug_utils"))           \
    X(DebugReportMessageEXT, kInstance, Ext("VK_EXT_debug_report"))                  \
    X(CreateDevice, kPhysicalDevice, Core(1, 0))                                     \
    X(EnumerateDeviceExtensionProperties, kPhysicalDevice, Core(1, 0))               \
    X(GetPhysicalDeviceProperties, kPhysicalDevice, Core(1, 0))                      \
    X(GetPhysicalDeviceFeatures, kPhysicalDevice, Core(1, 0))                        \
    X(GetPhysicalDeviceMemoryProperties, kPhysicalDevice, Core(1, 0))                \
    X(GetPhysicalDeviceQueueFamilyProperties, kPhysicalDevice, Core(1, 0))           \
    X(GetPhysicalDeviceFormatProperties, kPhysicalDevice, Core(1, 0))                \
    X(GetPhysicalDeviceImageFormatProperties, kPhysicalDevice, Core(1, 0))           \
    X(GetPhysicalDeviceSparseImageFormatProperties, kPhysicalDevice, Core(1, 0))     \
    X(GetPhysicalDeviceProperties2, kPhysicalDevice, Core(1, 1))                     \
    X(GetPhysicalDeviceFeatures2, kPhysicalDevice, Core(1, 1))                       \
    X(GetPhysicalDeviceMemoryProperties2, kPhysicalDevice, Core(1, 1))               \
    X(GetPhysicalDeviceQueueFamilyProperties2, kPhysicalDevice, Core(1, 1))          \
    X(GetPhysicalDeviceFormatProperties2, kPhysicalDevice, Core(1, 1))               \
    X(GetPhysicalDeviceImageFormatProperties2, kPhysicalDevice, Core(1, 1))          \
    X(GetPhysicalDeviceSparseImageFormatProperties2, kPhysicalDevice, Core(1, 1))    \
    X(GetPhysicalDeviceExternalBufferProperties, kPhysicalDevice, Core(1, 1))        \
    X(GetPhysicalDeviceExternalFenceProperties, kPhysicalDevice, Core(1, 1))         \
    X(GetPhysicalDeviceExternalSemaphoreProperties, kPhysicalDevice, Core(1, 1))     \
    X(GetPhysicalDeviceToolProperties, kPhysicalDevice, Core(1, 3))

#define TESSERA_MOCK_DEVICE_COMMANDS(X)                                              \
    X(GetDeviceProcAddr, kDevice, Core(1, 0))                                        \
    X(DestroyDevice, kDevice, Core(1, 0))                                            \
    X(GetDeviceQueue, kDevice, Core(1, 0))                                           \
    X(GetDeviceQueue2, kDevice, Core(1, 1))                                          \
    X(DeviceWaitIdle, kDevice, Core(1, 0))                                           \
    X(QueueWaitIdle, kDevice, Core(1, 0))                                            \
    X(QueueSubmit, kDevice, Core(1, 0))                                              \
    X(QueueBindSparse, kDevice, Core(1, 0))                                          \
    X(QueuePresentKHR, kDevice, Ext("VK_KHR_swapchain"))                             \
    X(GetSwapchainImagesKHR, kDevice, Ext("VK_KHR_swapchain"))                       \
    X(DestroySwapchainKHR, kDevice, Ext("VK_KHR_swapchain"))                         \
    X(AllocateMemory, kDevice, Core(1, 0))                                           \
    X(FreeMemory, kDevice, Core(1, 0))                                               \
    X(MapMemory, kDevice, Core(1, 0))                                                \
    X(UnmapMemory, kDevice, Core(1, 0))                                              \
    X(MapMemory2, kDevice, Core(1, 4))                                               \
    X(UnmapMemory2, kDevice, Core(1, 4))                                             \
    X(FlushMappedMemoryRanges, kDevice, Core(1, 0))                                  \
    X(InvalidateMappedMemoryRanges, kDevice, Core(1, 0))                             \
    X(GetDeviceMemoryCommitment, kDevice, Core(1, 0))                                \
    X(GetDeviceMemoryOpaqueCaptureAddress, kDevice, Core(1, 2))                      \
    X(SetDeviceMemoryPriorityEXT, kDevice, Ext("VK_EXT_pageable_device_local_memory")) \
    X(CreateBuffer, kDevice, Core(1, 0))                                             \
    X(DestroyBuffer, kDevice, Core(1, 0))                                            \
    X(CreateBufferView, kDevice, Core(1, 0))                                         \
    X(DestroyBufferView, kDevice, Core(1, 0))                                        \
    X(CreateImage, kDevice, Core(1, 0))                                              \
    X(DestroyImage, kDevice, Core(1, 0))                                             \
    X(CreateImageView, kDevice, Core(1, 0))                                          \
    X(DestroyImageView, kDevice, Core(1, 0))                                         \
    X(GetImageSubresourceLayout, kDevice, Core(1, 0))                                \
    X(GetBufferMemoryRequirements, kDevice, Core(1, 0))                              \
    X(GetImageMemoryRequirements, kDevice, Core(1, 0))                               \
    X(GetImageSparseMemoryRequirements, kDevice, Core(1, 0))                         \
    X(GetBufferMemoryRequirements2, kDevice, Core(1, 1))                             \
    X(GetImageMemoryRequirements2, kDevice, Core(1, 1))                              \
    X(GetImageSparseMemoryRequirements2, kDevice, Core(1, 1))                        \
    X(GetDeviceBufferMemoryRequirements, kDevice, Core(1, 3))                        \
    X(GetDeviceImageMemoryRequirements, kDevice, Core(1, 3))                         \
    X(GetDeviceImageSparseMemoryRequirements, kDevice, Core(1, 3))                   \
    X(BindBufferMemory, kDevice, Core(1, 0))                                         \
    X(BindImageMemory, kDevice, Core(1, 0))                                          \
    X(BindBufferMemory2, kDevice, Core(1, 1))                                        \
    X(BindImageMemory2, kDevice, Core(1, 1))                                         \
    X(GetBufferDeviceAddress, kDevice, Core(1, 2))                                   \
    X(GetBufferOpaqueCaptureAddress, kDevice, Core(1, 2))                            \
    X(CreatePrivateDataSlot, kDevice, Core(1, 3))                                    \
    X(DestroyPrivateDataSlot, kDevice, Core(1, 3))                                   \
    X(SetPrivateData, kDevice, Core(1, 3))                                           \
    X(GetPrivateData, kDevice, Core(1, 3))                                           \
    X(SetDebugUtilsObjectNameEXT, kDevice, Ext("VK_EXT_debug_utils"))                \
    X(SetDebugUtilsObjectTagEXT, kDevice, Ext("VK_EXT_debug_utils"))                 \
    X(QueueBeginDebugUtilsLabelEXT, kDevice, Ext("VK_EXT_debug_utils"))              \
    X(QueueEndDebugUtilsLabelEXT, kDevice, Ext("VK_EXT_debug_utils"))                \
    X(QueueInsertDebugUtilsLabelEXT, kDevice, Ext("VK_EXT_debug_utils"))             \
    X(CmdBeginDebugUtilsLabelEXT, kDevice, Ext("VK_EXT_debug_utils"))                \
    X(CmdEndDebugUtilsLabelEXT, kDevice, Ext("VK_EXT_debug_utils"))                  \
    X(CmdInsertDebugUtilsLabelEXT, kDevice, Ext("VK_EXT_debug_utils"))               \
    X(CreateFence, kDevice, Core(1, 0))                                              \
    X(DestroyFence, kDevice, Core(1, 0))                                             \
    X(ResetFences, kDevice, Core(1, 0))                                              \
    X(GetFenceStatus, kDevice, Core(1, 0))                                           \
    X(WaitForFences, kDevice, Core(1, 0))                                            \
    X(CreateSemaphore, kDevice, Core(1, 0))                                          \
    X(DestroySemaphore, kDevice, Core(1, 0))                                         \
    X(CreateEvent, kDevice, Core(1, 0))                                              \
    X(DestroyEvent, kDevice, Core(1, 0))                                             \
    X(GetEventStatus, kDevice, Core(1, 0))                                           \
    X(SetEvent, kDevice, Core(1, 0))                                                 \
    X(ResetEvent, kDevice, Core(1, 0))                                               \
    X(CreateCommandPool, kDevice, Core(1, 0))                                        \
    X(DestroyCommandPool, kDevice, Core(1, 0))                                       \
    X(ResetCommandPool, kDevice, Core(1, 0))                                         \
    X(AllocateCommandBuffers, kDevice, Core(1, 0))                                   \
    X(FreeCommandBuffers, kDevice, Core(1, 0))                                       \
    X(BeginCommandBuffer, kDevice, Core(1, 0))                                       \
    X(EndCommandBuffer, kDevice, Core(1, 0))                                         \
    X(ResetCommandBuffer, kDevice, Core(1, 0))                                       \
    X(CmdCopyBuffer, kDevice, Core(1, 0))                                            \
    X(CmdFillBuffer, kDevice, Core(1, 0))                                            \
    X(CmdUpdateBuffer, kDevice, Core(1, 0))                                          \
    X(CmdCopyBufferToImage, kDevice, Core(1, 0))                                     \
    X(CmdCopyImageToBuffer, kDevice, Core(1, 0))                                     \
    X(CmdPipelineBarrier, kDevice, Core(1, 0))                                       \
    X(QueueSubmit2, kDevice, Core(1, 3))                                             \
    X(GetMemoryWin32HandleKHR, kDevice, Ext("VK_KHR_external_memory_win32"))         \
    X(GetMemoryWin32HandleNV, kDevice, Ext("VK_NV_external_memory_win32"))           \
    X(GetMemoryRemoteAddressNV, kDevice, Ext("VK_NV_external_memory_rdma"))          \
    X(GetMemoryZirconHandleFUCHSIA, kDevice, Ext("VK_FUCHSIA_external_memory"))      \
    X(GetMemoryMetalHandleEXT, kDevice, Ext("VK_EXT_external_memory_metal"))         \
    X(GetMemoryNativeBufferOHOS, kDevice, Ext("VK_OHOS_external_memory"))            \
    X(GetMemoryAndroidHardwareBufferANDROID, kDevice,                                \
      Ext("VK_ANDROID_external_memory_android_hardware_buffer"))                     \
    X(ExportMetalObjectsEXT, kDevice, Ext("VK_EXT_metal_objects"))                   \
    X(CmdBindTileMemoryQCOM, kDevice, Ext("VK_QCOM_tile_memory_heap"))               \
    X(GetMemoryFdKHR, kDevice, Ext("VK_KHR_external_memory_fd"))                     \
    X(GetMemoryFdPropertiesKHR, kDevice, Ext("VK_KHR_external_memory_fd"))           \
    X(GetMemoryHostPointerPropertiesEXT, kDevice, Ext("VK_EXT_external_memory_host")) \
    X(CreateAccelerationStructureNV, kDevice, Ext("VK_NV_ray_tracing"))              \
    X(DestroyAccelerationStructureNV, kDevice, Ext("VK_NV_ray_tracing"))             \
    X(GetAccelerationStructureMemoryRequirementsNV, kDevice, Ext("VK_NV_ray_tracing")) \
    X(BindAccelerationStructureMemoryNV, kDevice, Ext("VK_NV_ray_tracing"))          \
    X(CreateVideoSessionKHR, kDevice, Ext("VK_KHR_video_queue"))                     \
    X(DestroyVideoSessionKHR, kDevice, Ext("VK_KHR_video_queue"))                    \
    X(GetVideoSessionMemoryRequirementsKHR, kDevice, Ext("VK_KHR_video_queue"))      \
    X(BindVideoSessionMemoryKHR, kDevice, Ext("VK_KHR_video_queue"))                 \
    X(CreateTensorARM, kDevice, Ext("VK_ARM_tensors"))                               \
    X(DestroyTensorARM, kDevice, Ext("VK_ARM_tensors"))                              \
    X(GetTensorMemoryRequirementsARM, kDevice, Ext("VK_ARM_tensors"))                \
    X(GetDeviceTensorMemoryRequirementsARM, kDevice, Ext("VK_ARM_tensors"))          \
    X(BindTensorMemoryARM, kDevice, Ext("VK_ARM_tensors"))                           \
    X(CreateDataGraphPipelineSessionARM, kDevice, Ext("VK_ARM_data_graph"))          \
    X(DestroyDataGraphPipelineSessionARM, kDevice, Ext("VK_ARM_data_graph"))         \
    X(GetDataGraphPipelineSessionMemoryRequirementsARM, kDevice, Ext("VK_ARM_data_graph")) \
    X(BindDataGraphPipelineSessionMemoryARM, kDevice, Ext("VK_ARM_data_graph"))      \
    X(DebugMarkerSetObjectNameEXT, kDevice, Ext("VK_EXT_debug_marker"))              \
    X(DebugMarkerSetObjectTagEXT, kDevice, Ext("VK_EXT_debug_marker"))               \
    X(CmdDebugMarkerBeginEXT, kDevice, Ext("VK_EXT_debug_marker"))                   \
    X(CmdDebugMarkerEndEXT, kDevice, Ext("VK_EXT_debug_marker"))                     \
    X(CmdDebugMarkerInsertEXT, kDevice, Ext("VK_EXT_debug_marker"))                  \
    X(CmdPipelineBarrier2, kDevice, Core(1, 3))

#define TESSERA_MOCK_COMMANDS(X)      \
    TESSERA_MOCK_INSTANCE_COMMANDS(X) \
    TESSERA_MOCK_DEVICE_COMMANDS(X)

#define TESSERA_MOCK_PROPERTIES2 Ext("VK_KHR_get_physical_device_properties2")
#define TESSERA_MOCK_REQUIREMENTS2 Ext("VK_KHR_get_memory_requirements2")

#define TESSERA_MOCK_ALIASES(A)                                                                   \
    A(EnumeratePhysicalDeviceGroupsKHR, EnumeratePhysicalDeviceGroups,                            \
      Ext("VK_KHR_device_group_creation"))                                                        \
    A(GetPhysicalDeviceProperties2KHR, GetPhysicalDeviceProperties2, TESSERA_MOCK_PROPERTIES2)    \
    A(GetPhysicalDeviceFeatures2KHR, GetPhysicalDeviceFeatures2, TESSERA_MOCK_PROPERTIES2)        \
    A(GetPhysicalDeviceMemoryProperties2KHR, GetPhysicalDeviceMemoryProperties2,                  \
      TESSERA_MOCK_PROPERTIES2)                                                                   \
    A(GetPhysicalDeviceQueueFamilyProperties2KHR, GetPhysicalDeviceQueueFamilyProperties2,        \
      TESSERA_MOCK_PROPERTIES2)                                                                   \
    A(GetPhysicalDeviceFormatProperties2KHR, GetPhysicalDeviceFormatProperties2,                  \
      TESSERA_MOCK_PROPERTIES2)                                                                   \
    A(GetPhysicalDeviceImageFormatProperties2KHR, GetPhysicalDeviceImageFormatProperties2,        \
      TESSERA_MOCK_PROPERTIES2)                                                                   \
    A(GetPhysicalDeviceSparseImageFormatProperties2KHR,                                           \
      GetPhysicalDeviceSparseImageFormatProperties2, TESSERA_MOCK_PROPERTIES2)                    \
    A(MapMemory2KHR, MapMemory2, Ext("VK_KHR_map_memory2"))                                       \
    A(UnmapMemory2KHR, UnmapMemory2, Ext("VK_KHR_map_memory2"))                                   \
    A(GetDeviceMemoryOpaqueCaptureAddressKHR, GetDeviceMemoryOpaqueCaptureAddress,                \
      Ext("VK_KHR_buffer_device_address"))                                                        \
    A(GetBufferDeviceAddressKHR, GetBufferDeviceAddress, Ext("VK_KHR_buffer_device_address"))     \
    A(GetBufferDeviceAddressEXT, GetBufferDeviceAddress, Ext("VK_EXT_buffer_device_address"))     \
    A(GetBufferOpaqueCaptureAddressKHR, GetBufferOpaqueCaptureAddress,                            \
      Ext("VK_KHR_buffer_device_address"))                                                        \
    A(GetBufferMemoryRequirements2KHR, GetBufferMemoryRequirements2, TESSERA_MOCK_REQUIREMENTS2)  \
    A(GetImageMemoryRequirements2KHR, GetImageMemoryRequirements2, TESSERA_MOCK_REQUIREMENTS2)    \
    A(GetImageSparseMemoryRequirements2KHR, GetImageSparseMemoryRequirements2,                    \
      TESSERA_MOCK_REQUIREMENTS2)                                                                 \
    A(GetDeviceBufferMemoryRequirementsKHR, GetDeviceBufferMemoryRequirements,                    \
      Ext("VK_KHR_maintenance4"))                                                                 \
    A(GetDeviceImageMemoryRequirementsKHR, GetDeviceImageMemoryRequirements,                      \
      Ext("VK_KHR_maintenance4"))                                                                 \
    A(GetDeviceImageSparseMemoryRequirementsKHR, GetDeviceImageSparseMemoryRequirements,          \
      Ext("VK_KHR_maintenance4"))                                                                 \
    A(BindBufferMemory2KHR, BindBufferMemory2, Ext("VK_KHR_bind_memory2"))                        \
    A(BindImageMemory2KHR, BindImageMemory2, Ext("VK_KHR_bind_memory2"))                          \
    A(CreatePrivateDataSlotEXT, CreatePrivateDataSlot, Ext("VK_EXT_private_data"))                \
    A(DestroyPrivateDataSlotEXT, DestroyPrivateDataSlot, Ext("VK_EXT_private_data"))              \
    A(SetPrivateDataEXT, SetPrivateData, Ext("VK_EXT_private_data"))                              \
    A(GetPrivateDataEXT, GetPrivateData, Ext("VK_EXT_private_data"))                              \
    A(QueueSubmit2KHR, QueueSubmit2, Ext("VK_KHR_synchronization2"))                              \
    A(CmdPipelineBarrier2KHR, CmdPipelineBarrier2, Ext("VK_KHR_synchronization2"))                \
    A(GetPhysicalDeviceExternalBufferPropertiesKHR, GetPhysicalDeviceExternalBufferProperties,    \
      Ext("VK_KHR_external_memory_capabilities"))                                                 \
    A(GetPhysicalDeviceExternalFencePropertiesKHR, GetPhysicalDeviceExternalFenceProperties,      \
      Ext("VK_KHR_external_fence_capabilities"))                                                  \
    A(GetPhysicalDeviceExternalSemaphorePropertiesKHR,                                            \
      GetPhysicalDeviceExternalSemaphoreProperties,                                               \
      Ext("VK_KHR_external_semaphore_capabilities"))                                              \
    A(GetPhysicalDeviceToolPropertiesEXT, GetPhysicalDeviceToolProperties,                        \
      Ext("VK_EXT_tooling_info"))
// clang-format on

// One identifier per command, aliases excluded.
enum class Command : uint16_t {
#define TESSERA_MOCK_ID(name, scope, gate) k##name,
    TESSERA_MOCK_COMMANDS(TESSERA_MOCK_ID)
#undef TESSERA_MOCK_ID
        kCount
};

inline constexpr size_t kCommandCount = static_cast<size_t>(Command::kCount);

// The commands themselves, in namespace tessera::mock under the Vulkan name without "vk". Their
// types come from the headers, so a definition with another signature does not link.
#define TESSERA_MOCK_DECLARE(name, scope, gate) extern std::remove_pointer_t<PFN_vk##name> name;
TESSERA_MOCK_COMMANDS(TESSERA_MOCK_DECLARE)
#undef TESSERA_MOCK_DECLARE

// A row of the table: a name that an application can ask for.
struct Entry {
    const char* name;  // with "vk"
    Command command;
    Scope scope;
    Gate gate;
    bool returns_result;  // VkResult: calls of the command can be made to fail
    PFN_vkVoidFunction function;
};

// Returns the row of a name (aliases included) or null.
const Entry* FindEntry(const char* name);

// Returns the row of a command under its own name.
const Entry& EntryOf(Command command);

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_COMMANDS_H
