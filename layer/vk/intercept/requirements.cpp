// SPDX-License-Identifier: Apache-2.0
//
// Requirement queries, in all forms. They go down and come back unchanged; the layer learns from
// what it sees. So do vkCreateImage and vkDestroyImage, for the one thing that a query does not
// say: whether an image is linear.

#include <vulkan/vulkan.h>

#include "layer/vk/call_scope.h"
#include "layer/vk/chain.h"
#include "layer/vk/intercept/hooks.h"
#include "layer/vk/process.h"

namespace tessera {
namespace {

void Learn(Device& device, const VkMemoryRequirements& requirements, Layout layout) noexcept {
    if (device.pools_memory()) device.book.Observe(requirements, layout, /*learn=*/true);
}

// For whoever looks at the resource: its bind may ask no more.
template <typename Handle>
void NoteSize(Device& device, VkObjectType type, Handle object,
              const VkMemoryRequirements& requirements) noexcept {
    if (device.RecordsResources())
        device.resources.Sized(type, ObjectValue(object), requirements.size);
}

Layout LayoutOf(const VkImageCreateInfo& info) noexcept {
    return info.tiling == VK_IMAGE_TILING_LINEAR ? Layout::kLinear : Layout::kOptimal;
}

VKAPI_ATTR VkResult VKAPI_CALL CreateImage(VkDevice device, const VkImageCreateInfo* pCreateInfo,
                                           const VkAllocationCallbacks* pAllocator,
                                           VkImage* pImage) noexcept {
    Device& d = DeviceOf(device);
    const VkResult result = d.dt.CreateImage(device, pCreateInfo, pAllocator, pImage);
    if (result != VK_SUCCESS || !d.InOwnProcess()) return result;
    if (pCreateInfo->tiling == VK_IMAGE_TILING_LINEAR) d.linear_images.Add(*pImage);
    d.resources.Made(*pImage, *pCreateInfo);
    return result;
}

VKAPI_ATTR void VKAPI_CALL DestroyImage(VkDevice device, VkImage image,
                                        const VkAllocationCallbacks* pAllocator) noexcept {
    Device& d = DeviceOf(device);
    if (d.InOwnProcess()) {
        d.linear_images.Remove(image);
        d.resources.Destroyed(VK_OBJECT_TYPE_IMAGE, ObjectValue(image));
    }
    d.dt.DestroyImage(device, image, pAllocator);
}

VKAPI_ATTR void VKAPI_CALL GetBufferMemoryRequirements(
    VkDevice device, VkBuffer buffer, VkMemoryRequirements* pMemoryRequirements) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkGetBufferMemoryRequirements);
    {
        DriverCall driver_timer(d, TESSERA_CALL_vkGetBufferMemoryRequirements);
        d.dt.GetBufferMemoryRequirements(device, buffer, pMemoryRequirements);
    }
    Learn(d, *pMemoryRequirements, Layout::kLinear);
    NoteSize(d, VK_OBJECT_TYPE_BUFFER, buffer, *pMemoryRequirements);
}

VKAPI_ATTR void VKAPI_CALL GetImageMemoryRequirements(
    VkDevice device, VkImage image, VkMemoryRequirements* pMemoryRequirements) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkGetImageMemoryRequirements);
    {
        DriverCall driver_timer(d, TESSERA_CALL_vkGetImageMemoryRequirements);
        d.dt.GetImageMemoryRequirements(device, image, pMemoryRequirements);
    }
    Learn(d, *pMemoryRequirements, d.LayoutOf(image));
    NoteSize(d, VK_OBJECT_TYPE_IMAGE, image, *pMemoryRequirements);
}

template <PFN_vkGetBufferMemoryRequirements2 DeviceDispatch::*kDown>
VKAPI_ATTR void VKAPI_CALL
GetBufferMemoryRequirements2(VkDevice device, const VkBufferMemoryRequirementsInfo2* pInfo,
                             VkMemoryRequirements2* pMemoryRequirements) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkGetBufferMemoryRequirements2);
    {
        DriverCall driver_timer(d, TESSERA_CALL_vkGetBufferMemoryRequirements2);
        (d.dt.*kDown)(device, pInfo, pMemoryRequirements);
    }
    Learn(d, pMemoryRequirements->memoryRequirements, Layout::kLinear);
    NoteSize(d, VK_OBJECT_TYPE_BUFFER, pInfo->buffer, pMemoryRequirements->memoryRequirements);
}

template <PFN_vkGetImageMemoryRequirements2 DeviceDispatch::*kDown>
VKAPI_ATTR void VKAPI_CALL
GetImageMemoryRequirements2(VkDevice device, const VkImageMemoryRequirementsInfo2* pInfo,
                            VkMemoryRequirements2* pMemoryRequirements) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkGetImageMemoryRequirements2);
    {
        DriverCall driver_timer(d, TESSERA_CALL_vkGetImageMemoryRequirements2);
        (d.dt.*kDown)(device, pInfo, pMemoryRequirements);
    }
    Learn(d, pMemoryRequirements->memoryRequirements, d.LayoutOf(pInfo->image));
    // The answer may be of one plane; what is bound then tells its size itself.
    if (FindInChain<VkImagePlaneMemoryRequirementsInfo>(
            pInfo->pNext, VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO) == nullptr) {
        NoteSize(d, VK_OBJECT_TYPE_IMAGE, pInfo->image, pMemoryRequirements->memoryRequirements);
    }
}

template <PFN_vkGetDeviceBufferMemoryRequirements DeviceDispatch::*kDown>
VKAPI_ATTR void VKAPI_CALL
GetDeviceBufferMemoryRequirements(VkDevice device, const VkDeviceBufferMemoryRequirements* pInfo,
                                  VkMemoryRequirements2* pMemoryRequirements) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkGetDeviceBufferMemoryRequirements);
    {
        DriverCall driver_timer(d, TESSERA_CALL_vkGetDeviceBufferMemoryRequirements);
        (d.dt.*kDown)(device, pInfo, pMemoryRequirements);
    }
    Learn(d, pMemoryRequirements->memoryRequirements, Layout::kLinear);
}

template <PFN_vkGetDeviceImageMemoryRequirements DeviceDispatch::*kDown>
VKAPI_ATTR void VKAPI_CALL
GetDeviceImageMemoryRequirements(VkDevice device, const VkDeviceImageMemoryRequirements* pInfo,
                                 VkMemoryRequirements2* pMemoryRequirements) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkGetDeviceImageMemoryRequirements);
    {
        DriverCall driver_timer(d, TESSERA_CALL_vkGetDeviceImageMemoryRequirements);
        (d.dt.*kDown)(device, pInfo, pMemoryRequirements);
    }
    Learn(d, pMemoryRequirements->memoryRequirements, LayoutOf(*pInfo->pCreateInfo));
}

// What is not a buffer or image is learned from as the more careful kind.
VKAPI_ATTR void VKAPI_CALL GetAccelerationStructureMemoryRequirementsNV(
    VkDevice device, const VkAccelerationStructureMemoryRequirementsInfoNV* pInfo,
    VkMemoryRequirements2KHR* pMemoryRequirements) noexcept {
    Device& d = DeviceOf(device);
    d.dt.GetAccelerationStructureMemoryRequirementsNV(device, pInfo, pMemoryRequirements);
    Learn(d, pMemoryRequirements->memoryRequirements, Layout::kOptimal);
}

VKAPI_ATTR VkResult VKAPI_CALL GetVideoSessionMemoryRequirementsKHR(
    VkDevice device, VkVideoSessionKHR videoSession, uint32_t* pMemoryRequirementsCount,
    VkVideoSessionMemoryRequirementsKHR* pMemoryRequirements) noexcept {
    Device& d = DeviceOf(device);
    const VkResult result = d.dt.GetVideoSessionMemoryRequirementsKHR(
        device, videoSession, pMemoryRequirementsCount, pMemoryRequirements);
    if (pMemoryRequirements == nullptr || result < 0) return result;
    for (uint32_t i = 0; i < *pMemoryRequirementsCount; ++i) {
        Learn(d, pMemoryRequirements[i].memoryRequirements, Layout::kOptimal);
    }
    return result;
}

// Memory for commands that the device generates, and for pipelines that it binds, is used through
// buffers, but has an alignment of its own.
template <late::PfnGetMemoryRequirements2 DeviceDispatch::*kDown, Layout kLayout = Layout::kOptimal>
VKAPI_ATTR void VKAPI_CALL GetOtherMemoryRequirements(
    VkDevice device, const void* pInfo, VkMemoryRequirements2* pMemoryRequirements) noexcept {
    Device& d = DeviceOf(device);
    (d.dt.*kDown)(device, pInfo, pMemoryRequirements);
    Learn(d, pMemoryRequirements->memoryRequirements, kLayout);
}

const Hook kHooks[] = {
    TESSERA_HOOK(GetAccelerationStructureMemoryRequirementsNV,
                 GetAccelerationStructureMemoryRequirementsNV),
    TESSERA_HOOK(GetVideoSessionMemoryRequirementsKHR, GetVideoSessionMemoryRequirementsKHR),
    TESSERA_LATE_HOOK(GetTensorMemoryRequirementsARM, late::PfnGetMemoryRequirements2,
                      GetOtherMemoryRequirements<&DeviceDispatch::GetTensorMemoryRequirementsARM>),
    TESSERA_LATE_HOOK(
        GetDeviceTensorMemoryRequirementsARM, late::PfnGetMemoryRequirements2,
        GetOtherMemoryRequirements<&DeviceDispatch::GetDeviceTensorMemoryRequirementsARM>),
    TESSERA_LATE_HOOK(
        GetGeneratedCommandsMemoryRequirementsEXT, late::PfnGetMemoryRequirements2,
        GetOtherMemoryRequirements<&DeviceDispatch::GetGeneratedCommandsMemoryRequirementsEXT,
                                   Layout::kLinear>),
    TESSERA_LATE_HOOK(
        GetGeneratedCommandsMemoryRequirementsNV, late::PfnGetMemoryRequirements2,
        GetOtherMemoryRequirements<&DeviceDispatch::GetGeneratedCommandsMemoryRequirementsNV,
                                   Layout::kLinear>),
    TESSERA_LATE_HOOK(
        GetPipelineIndirectMemoryRequirementsNV, late::PfnGetMemoryRequirements2,
        GetOtherMemoryRequirements<&DeviceDispatch::GetPipelineIndirectMemoryRequirementsNV,
                                   Layout::kLinear>),
    TESSERA_LATE_HOOK(GetDataGraphPipelineSessionMemoryRequirementsARM,
                      late::PfnGetMemoryRequirements2,
                      GetOtherMemoryRequirements<
                          &DeviceDispatch::GetDataGraphPipelineSessionMemoryRequirementsARM>),
    TESSERA_HOOK(CreateImage, CreateImage),
    TESSERA_HOOK(DestroyImage, DestroyImage),
    TESSERA_HOOK(GetBufferMemoryRequirements, GetBufferMemoryRequirements),
    TESSERA_HOOK(GetBufferMemoryRequirements2,
                 GetBufferMemoryRequirements2<&DeviceDispatch::GetBufferMemoryRequirements2>),
    TESSERA_HOOK(GetBufferMemoryRequirements2KHR,
                 GetBufferMemoryRequirements2<&DeviceDispatch::GetBufferMemoryRequirements2KHR>),
    TESSERA_HOOK(
        GetDeviceBufferMemoryRequirements,
        GetDeviceBufferMemoryRequirements<&DeviceDispatch::GetDeviceBufferMemoryRequirements>),
    TESSERA_HOOK(
        GetDeviceBufferMemoryRequirementsKHR,
        GetDeviceBufferMemoryRequirements<&DeviceDispatch::GetDeviceBufferMemoryRequirementsKHR>),
    TESSERA_HOOK(
        GetDeviceImageMemoryRequirements,
        GetDeviceImageMemoryRequirements<&DeviceDispatch::GetDeviceImageMemoryRequirements>),
    TESSERA_HOOK(
        GetDeviceImageMemoryRequirementsKHR,
        GetDeviceImageMemoryRequirements<&DeviceDispatch::GetDeviceImageMemoryRequirementsKHR>),
    TESSERA_HOOK(GetImageMemoryRequirements, GetImageMemoryRequirements),
    TESSERA_HOOK(GetImageMemoryRequirements2,
                 GetImageMemoryRequirements2<&DeviceDispatch::GetImageMemoryRequirements2>),
    TESSERA_HOOK(GetImageMemoryRequirements2KHR,
                 GetImageMemoryRequirements2<&DeviceDispatch::GetImageMemoryRequirements2KHR>),
};

}  // namespace

HookList RequirementHooks() noexcept {
    return {kHooks, std::size(kHooks)};
}

}  // namespace tessera
