// SPDX-License-Identifier: Apache-2.0
//
// The next entity's commands that the layer itself calls, and nothing more.
//
// A pointer is null where the next entity does not have the command; there are no stubs. Where a
// command has an extension's alias, both are kept: the layer goes down by the name by which it was
// called, since only that one is sure to be enabled.

#ifndef TESSERA_LAYER_VK_DISPATCH_H_
#define TESSERA_LAYER_VK_DISPATCH_H_

#include <vulkan/vulkan.h>

#include "layer/vk/late_vulkan.h"

namespace tessera {

#define TESSERA_INSTANCE_COMMANDS(X)          \
    X(DebugReportMessageEXT)                  \
    X(DestroyInstance)                        \
    X(EnumerateDeviceExtensionProperties)     \
    X(GetPhysicalDeviceImageFormatProperties) \
    X(GetPhysicalDeviceMemoryProperties)      \
    X(GetPhysicalDeviceMemoryProperties2)     \
    X(GetPhysicalDeviceMemoryProperties2KHR)  \
    X(GetPhysicalDeviceProperties)            \
    X(GetPhysicalDeviceProperties2)           \
    X(GetPhysicalDeviceProperties2KHR)        \
    X(GetPhysicalDeviceToolProperties)        \
    X(GetPhysicalDeviceToolPropertiesEXT)     \
    X(SubmitDebugUtilsMessageEXT)

#define TESSERA_DEVICE_COMMANDS(X)                  \
    X(AllocateMemory)                               \
    X(BeginCommandBuffer)                           \
    X(BindAccelerationStructureMemoryNV)            \
    X(BindBufferMemory)                             \
    X(BindBufferMemory2)                            \
    X(BindBufferMemory2KHR)                         \
    X(BindImageMemory)                              \
    X(BindImageMemory2)                             \
    X(BindImageMemory2KHR)                          \
    X(BindVideoSessionMemoryKHR)                    \
    X(CreateBuffer)                                 \
    X(CreateImage)                                  \
    X(DebugMarkerSetObjectNameEXT)                  \
    X(DebugMarkerSetObjectTagEXT)                   \
    X(DestroyAccelerationStructureNV)               \
    X(DestroyBuffer)                                \
    X(DestroyDevice)                                \
    X(DestroyImage)                                 \
    X(DestroyPrivateDataSlot)                       \
    X(DestroyPrivateDataSlotEXT)                    \
    X(DestroySwapchainKHR)                          \
    X(DestroyVideoSessionKHR)                       \
    X(FlushMappedMemoryRanges)                      \
    X(FreeMemory)                                   \
    X(GetAccelerationStructureMemoryRequirementsNV) \
    X(GetBufferMemoryRequirements)                  \
    X(GetBufferMemoryRequirements2)                 \
    X(GetBufferMemoryRequirements2KHR)              \
    X(GetDeviceBufferMemoryRequirements)            \
    X(GetDeviceBufferMemoryRequirementsKHR)         \
    X(GetDeviceImageMemoryRequirements)             \
    X(GetDeviceImageMemoryRequirementsKHR)          \
    X(GetDeviceMemoryCommitment)                    \
    X(GetDeviceMemoryOpaqueCaptureAddress)          \
    X(GetDeviceMemoryOpaqueCaptureAddressKHR)       \
    X(GetImageMemoryRequirements)                   \
    X(GetImageMemoryRequirements2)                  \
    X(GetImageMemoryRequirements2KHR)               \
    X(GetPrivateData)                               \
    X(GetPrivateDataEXT)                            \
    X(GetSwapchainImagesKHR)                        \
    X(GetVideoSessionMemoryRequirementsKHR)         \
    X(InvalidateMappedMemoryRanges)                 \
    X(MapMemory)                                    \
    X(QueueBindSparse)                              \
    X(QueuePresentKHR)                              \
    X(QueueSubmit)                                  \
    X(QueueSubmit2)                                 \
    X(QueueSubmit2KHR)                              \
    X(SetDebugUtilsObjectNameEXT)                   \
    X(SetDebugUtilsObjectTagEXT)                    \
    X(SetDeviceMemoryPriorityEXT)                   \
    X(SetPrivateData)                               \
    X(SetPrivateDataEXT)                            \
    X(UnmapMemory)

// Commands that the oldest headers do not declare, or only those of other platforms: name and
// type.
#define TESSERA_LATE_DEVICE_COMMANDS(X)                                                   \
    X(GetTensorMemoryRequirementsARM, late::PfnGetMemoryRequirements2)                    \
    X(GetDeviceTensorMemoryRequirementsARM, late::PfnGetMemoryRequirements2)              \
    X(GetGeneratedCommandsMemoryRequirementsEXT, late::PfnGetMemoryRequirements2)         \
    X(GetGeneratedCommandsMemoryRequirementsNV, late::PfnGetMemoryRequirements2)          \
    X(GetPipelineIndirectMemoryRequirementsNV, late::PfnGetMemoryRequirements2)           \
    X(GetDataGraphPipelineSessionMemoryRequirementsARM, late::PfnGetMemoryRequirements2)  \
    X(MapMemory2, late::PfnMapMemory2)                                                    \
    X(MapMemory2KHR, late::PfnMapMemory2)                                                 \
    X(UnmapMemory2, late::PfnUnmapMemory2)                                                \
    X(UnmapMemory2KHR, late::PfnUnmapMemory2)                                             \
    X(BindTensorMemoryARM, late::PfnBindTensorMemory)                                     \
    X(BindDataGraphPipelineSessionMemoryARM, late::PfnBindDataGraphPipelineSessionMemory) \
    X(DestroyTensorARM, late::PfnDestroyObject)                                           \
    X(DestroyDataGraphPipelineSessionARM, late::PfnDestroyObject)                         \
    X(GetMemoryAndroidHardwareBufferANDROID, late::PfnGetMemoryHandle)                    \
    X(GetMemoryFdKHR, late::PfnGetMemoryHandle)                                           \
    X(GetMemoryMetalHandleEXT, late::PfnGetMemoryHandle)                                  \
    X(GetMemoryNativeBufferOHOS, late::PfnGetMemoryHandle)                                \
    X(GetMemoryRemoteAddressNV, late::PfnGetMemoryHandle)                                 \
    X(GetMemoryWin32HandleKHR, late::PfnGetMemoryHandle)                                  \
    X(GetMemoryZirconHandleFUCHSIA, late::PfnGetMemoryHandle)                             \
    X(GetMemoryWin32HandleNV, late::PfnGetMemoryWin32HandleNV)                            \
    X(ExportMetalObjectsEXT, late::PfnExportMetalObjects)                                 \
    X(CmdBindTileMemoryQCOM, late::PfnCmdBindTileMemory)

struct InstanceDispatch {
    PFN_vkGetInstanceProcAddr GetInstanceProcAddr = nullptr;
#define TESSERA_MEMBER(name) PFN_vk##name name = nullptr;
    TESSERA_INSTANCE_COMMANDS(TESSERA_MEMBER)
#undef TESSERA_MEMBER

    // Fills the table for `instance`, all at once while it is being created: looking a command up
    // during destruction recursed with loader 1.3.239 and Mesa's device-select layer.
    void Load(VkInstance instance, PFN_vkGetInstanceProcAddr next) noexcept {
        GetInstanceProcAddr = next;
#define TESSERA_LOAD(name) name = reinterpret_cast<PFN_vk##name>(next(instance, "vk" #name));
        TESSERA_INSTANCE_COMMANDS(TESSERA_LOAD)
#undef TESSERA_LOAD
    }
};

struct DeviceDispatch {
    PFN_vkGetDeviceProcAddr GetDeviceProcAddr = nullptr;
#define TESSERA_MEMBER(name) PFN_vk##name name = nullptr;
    TESSERA_DEVICE_COMMANDS(TESSERA_MEMBER)
#undef TESSERA_MEMBER
#define TESSERA_MEMBER(name, type) type name = nullptr;
    TESSERA_LATE_DEVICE_COMMANDS(TESSERA_MEMBER)
#undef TESSERA_MEMBER

    void Load(VkDevice device, PFN_vkGetDeviceProcAddr next) noexcept {
        GetDeviceProcAddr = next;
#define TESSERA_LOAD(name) name = reinterpret_cast<PFN_vk##name>(next(device, "vk" #name));
        TESSERA_DEVICE_COMMANDS(TESSERA_LOAD)
#undef TESSERA_LOAD
#define TESSERA_LOAD(name, type) name = reinterpret_cast<type>(next(device, "vk" #name));
        TESSERA_LATE_DEVICE_COMMANDS(TESSERA_LOAD)
#undef TESSERA_LOAD
    }
};

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_DISPATCH_H_
