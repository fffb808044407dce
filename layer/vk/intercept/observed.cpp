// SPDX-License-Identifier: Apache-2.0
//
// Commands that the layer watches for readers alone: beginnings and ends of what takes memory, and
// presented pictures. They go down and come back unchanged; a device that nobody can look at does
// not have these hooks. Images are watched where their tiling is (requirements.cpp).
//
// An end is noted before the driver is told, since it may use the handle again at once.

#include <vulkan/vulkan.h>

#include <atomic>

#include "layer/vk/frames.h"
#include "layer/vk/intercept/hooks.h"
#include "layer/vk/process.h"
#include "layer/vk/scratch.h"

namespace tessera {
namespace {

VKAPI_ATTR VkResult VKAPI_CALL CreateBuffer(VkDevice device, const VkBufferCreateInfo* pCreateInfo,
                                            const VkAllocationCallbacks* pAllocator,
                                            VkBuffer* pBuffer) noexcept {
    Device& d = DeviceOf(device);
    const VkResult result = d.dt.CreateBuffer(device, pCreateInfo, pAllocator, pBuffer);
    if (result == VK_SUCCESS && d.RecordsResources()) d.resources.Made(*pBuffer, *pCreateInfo);
    return result;
}

template <typename Handle>
void NoteEnd(Device& device, VkObjectType type, Handle object) noexcept {
    if (device.RecordsResources()) device.resources.Destroyed(type, ObjectValue(object));
}

// Without host memory for their handles they keep their records.
void NoteEndOfImages(Device& device, VkSwapchainKHR swapchain) noexcept {
    constexpr size_t kImagesInPlace = 16;
    if (device.dt.GetSwapchainImagesKHR == nullptr) return;
    uint32_t count = 0;
    if (device.dt.GetSwapchainImagesKHR(device.handle, swapchain, &count, nullptr) != VK_SUCCESS)
        return;
    Scratch<VkImage, kImagesInPlace> images(count);
    if (images.data() == nullptr ||
        device.dt.GetSwapchainImagesKHR(device.handle, swapchain, &count, images.data()) < 0)
        return;
    for (uint32_t i = 0; i < count; ++i)
        NoteEnd(device, VK_OBJECT_TYPE_IMAGE, images[i]);
}

VKAPI_ATTR void VKAPI_CALL DestroyBuffer(VkDevice device, VkBuffer buffer,
                                         const VkAllocationCallbacks* pAllocator) noexcept {
    Device& d = DeviceOf(device);
    NoteEnd(d, VK_OBJECT_TYPE_BUFFER, buffer);
    d.dt.DestroyBuffer(device, buffer, pAllocator);
}

VKAPI_ATTR void VKAPI_CALL
DestroyAccelerationStructureNV(VkDevice device, VkAccelerationStructureNV accelerationStructure,
                               const VkAllocationCallbacks* pAllocator) noexcept {
    Device& d = DeviceOf(device);
    NoteEnd(d, VK_OBJECT_TYPE_ACCELERATION_STRUCTURE_NV, accelerationStructure);
    d.dt.DestroyAccelerationStructureNV(device, accelerationStructure, pAllocator);
}

VKAPI_ATTR void VKAPI_CALL
DestroyVideoSessionKHR(VkDevice device, VkVideoSessionKHR videoSession,
                       const VkAllocationCallbacks* pAllocator) noexcept {
    Device& d = DeviceOf(device);
    NoteEnd(d, VK_OBJECT_TYPE_VIDEO_SESSION_KHR, videoSession);
    d.dt.DestroyVideoSessionKHR(device, videoSession, pAllocator);
}

// vkDestroyTensorARM and vkDestroyDataGraphPipelineSessionARM.
template <late::PfnDestroyObject DeviceDispatch::*kDown, int kType>
VKAPI_ATTR void VKAPI_CALL DestroyObject(VkDevice device, uint64_t object,
                                         const VkAllocationCallbacks* pAllocator) noexcept {
    Device& d = DeviceOf(device);
    NoteEnd(d, static_cast<VkObjectType>(kType), object);
    (d.dt.*kDown)(device, object, pAllocator);
}

// Spec: vkDestroySwapchainKHR. The images go with it; those that have a name are known here.
VKAPI_ATTR void VKAPI_CALL DestroySwapchainKHR(VkDevice device, VkSwapchainKHR swapchain,
                                               const VkAllocationCallbacks* pAllocator) noexcept {
    Device& d = DeviceOf(device);
    if (swapchain != VK_NULL_HANDLE && d.RecordsResources()) NoteEndOfImages(d, swapchain);
    d.dt.DestroySwapchainKHR(device, swapchain, pAllocator);
}

// Spec: vkQueuePresentKHR. Each call counts as one picture, whatever it presents to.
VKAPI_ATTR VkResult VKAPI_CALL QueuePresentKHR(VkQueue queue,
                                               const VkPresentInfoKHR* pPresentInfo) noexcept {
    Device& d = DeviceOf(queue);
    if (d.InOwnProcess()) {
        std::atomic_ref<uint64_t> frames(d.record().frames);
        NoteFrame(d, frames.fetch_add(1, std::memory_order_relaxed) + 1);
    }
    return d.dt.QueuePresentKHR(queue, pPresentInfo);
}

const Hook kHooks[] = {
    TESSERA_HOOK(CreateBuffer, CreateBuffer),
    TESSERA_HOOK(DestroyAccelerationStructureNV, DestroyAccelerationStructureNV),
    TESSERA_HOOK(DestroyBuffer, DestroyBuffer),
    TESSERA_HOOK(DestroySwapchainKHR, DestroySwapchainKHR),
    TESSERA_HOOK(DestroyVideoSessionKHR, DestroyVideoSessionKHR),
    TESSERA_LATE_HOOK(DestroyTensorARM, late::PfnDestroyObject,
                      DestroyObject<&DeviceDispatch::DestroyTensorARM, late::kObjectTypeTensor>),
    TESSERA_LATE_HOOK(DestroyDataGraphPipelineSessionARM, late::PfnDestroyObject,
                      DestroyObject<&DeviceDispatch::DestroyDataGraphPipelineSessionARM,
                                    late::kObjectTypeDataGraphPipelineSession>),
    TESSERA_HOOK(QueuePresentKHR, QueuePresentKHR),
};

}  // namespace

HookList ObservedHooks() noexcept {
    return {kHooks, std::size(kHooks)};
}

}  // namespace tessera
