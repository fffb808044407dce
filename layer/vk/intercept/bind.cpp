// SPDX-License-Identifier: Apache-2.0
//
// Binding memory to buffers, images and everything else that takes memory directly.
//
// Arrays are copied and translated element by element; chains stay the application's own. With
// VK_KHR_maintenance6 every element has a status of its own, which the layer writes for the
// elements that it refuses; the others still go down.

#include <vulkan/vulkan.h>

#include <algorithm>

#include "layer/vk/call_scope.h"
#include "layer/vk/chain.h"
#include "layer/vk/intercept/hooks.h"
#include "layer/vk/process.h"
#include "layer/vk/resource_need.h"
#include "layer/vk/scratch.h"
#include "layer/vk/translate.h"

namespace tessera {
namespace {

constexpr size_t kBindsInPlace = 8;

// Spec: vkBindBufferMemory; VUID-vkBindBufferMemory-memoryOffset-01031, -None-10739.
VKAPI_ATTR VkResult VKAPI_CALL BindBufferMemory(VkDevice device, VkBuffer buffer,
                                                VkDeviceMemory memory,
                                                VkDeviceSize memoryOffset) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkBindBufferMemory);
    BufferNeed need(d, buffer);
    BindTarget target;
    const VkResult result = TranslateBind(d, memory, memoryOffset, need, &target);
    if (result != VK_SUCCESS) return result;
    QuickDriverCall driver_timer(d, TESSERA_CALL_vkBindBufferMemory);
    return d.dt.BindBufferMemory(device, buffer, target.memory, target.offset);
}

// Spec: vkBindImageMemory; VUID-vkBindImageMemory-memoryOffset-01046, -None-10735.
VKAPI_ATTR VkResult VKAPI_CALL BindImageMemory(VkDevice device, VkImage image,
                                               VkDeviceMemory memory,
                                               VkDeviceSize memoryOffset) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkBindImageMemory);
    ImageNeed need(d, image);
    BindTarget target;
    const VkResult result = TranslateBind(d, memory, memoryOffset, need, &target);
    if (result != VK_SUCCESS) return result;
    QuickDriverCall driver_timer(d, TESSERA_CALL_vkBindImageMemory);
    return d.dt.BindImageMemory(device, image, target.memory, target.offset);
}

// Writes the result of one element where its chain asks for it.
void TellElement(const void* chain, VkResult result) noexcept {
    const auto* status = FindInChain<late::BindMemoryStatus>(chain, late::kBindMemoryStatus);
    if (status != nullptr && status->pResult != nullptr) *status->pResult = result;
}

// Translates an array of bind elements that have `memory` and `memoryOffset`, and calls down with
// what could be translated. `need_of(element)` makes the ResourceNeed of one.
template <typename Info, typename NeedOf, typename Down>
VkResult BindElements(Device& device, tessera_call call, uint32_t count, const Info* infos,
                      NeedOf need_of, Down down) noexcept {
    Scratch<Info, kBindsInPlace> translated(count);
    if (translated.data() == nullptr) {
        for (uint32_t i = 0; i < count; ++i)
            TellElement(infos[i].pNext, VK_ERROR_OUT_OF_HOST_MEMORY);
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    VkResult refused = VK_SUCCESS;
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; ++i) {
        auto need = need_of(infos[i]);
        BindTarget target;
        const VkResult result =
            TranslateBind(device, infos[i].memory, infos[i].memoryOffset, need, &target);
        if (result != VK_SUCCESS) {
            refused = result;
            TellElement(infos[i].pNext, result);
            continue;
        }
        translated[used] = infos[i];
        translated[used].memory = target.memory;
        translated[used].memoryOffset = target.offset;
        ++used;
    }
    if (used == 0 && count != 0) return refused;
    QuickDriverCall timer(device, call);
    const VkResult result = down(used, translated.data());
    return result == VK_SUCCESS ? refused : result;
}

// Spec: vkBindBufferMemory2.
template <PFN_vkBindBufferMemory2 DeviceDispatch::*kDown>
VKAPI_ATTR VkResult VKAPI_CALL BindBufferMemory2(
    VkDevice device, uint32_t bindInfoCount, const VkBindBufferMemoryInfo* pBindInfos) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkBindBufferMemory2);
    return BindElements(
        d, TESSERA_CALL_vkBindBufferMemory2, bindInfoCount, pBindInfos,
        [&d](const VkBindBufferMemoryInfo& info) { return BufferNeed(d, info.buffer); },
        [&d](uint32_t count, const VkBindBufferMemoryInfo* infos) {
            return (d.dt.*kDown)(d.handle, count, infos);
        });
}

// The query that knows planes. A device with disjoint images has it, by one name or the other.
PFN_vkGetImageMemoryRequirements2 PlaneQuery(const Device& device) noexcept {
    return device.dt.GetImageMemoryRequirements2KHR != nullptr
               ? device.dt.GetImageMemoryRequirements2KHR
               : device.dt.GetImageMemoryRequirements2;
}

// Spec: vkBindImageMemory2. Planes of one image may lie in different slots; an element with a
// swapchain has no memory and stays as it is (VUID-VkBindImageMemoryInfo-pNext-01631).
template <PFN_vkBindImageMemory2 DeviceDispatch::*kDown>
VKAPI_ATTR VkResult VKAPI_CALL BindImageMemory2(VkDevice device, uint32_t bindInfoCount,
                                                const VkBindImageMemoryInfo* pBindInfos) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkBindImageMemory2);
    return BindElements(
        d, TESSERA_CALL_vkBindImageMemory2, bindInfoCount, pBindInfos,
        [&d](const VkBindImageMemoryInfo& info) {
            const auto* plane = FindInChain<VkBindImagePlaneMemoryInfo>(
                info.pNext, VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO);
            if (plane == nullptr) return ImageNeed(d, info.image);
            return ImageNeed(d, info.image, plane->planeAspect, PlaneQuery(d));
        },
        [&d](uint32_t count, const VkBindImageMemoryInfo* infos) {
            return (d.dt.*kDown)(d.handle, count, infos);
        });
}

// Spec: vkBindAccelerationStructureMemoryNV.
VKAPI_ATTR VkResult VKAPI_CALL BindAccelerationStructureMemoryNV(
    VkDevice device, uint32_t bindInfoCount,
    const VkBindAccelerationStructureMemoryInfoNV* pBindInfos) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkBindAccelerationStructureMemoryNV);
    return BindElements(
        d, TESSERA_CALL_vkBindAccelerationStructureMemoryNV, bindInfoCount, pBindInfos,
        [&d](const VkBindAccelerationStructureMemoryInfoNV& info) {
            return AccelerationStructureNeed(d, info.accelerationStructure);
        },
        [&d](uint32_t count, const VkBindAccelerationStructureMemoryInfoNV* infos) {
            return d.dt.BindAccelerationStructureMemoryNV(d.handle, count, infos);
        });
}

// Spec: vkBindVideoSessionMemoryKHR. Its elements carry their size, which stays.
VKAPI_ATTR VkResult VKAPI_CALL BindVideoSessionMemoryKHR(
    VkDevice device, VkVideoSessionKHR videoSession, uint32_t bindSessionMemoryInfoCount,
    const VkBindVideoSessionMemoryInfoKHR* pBindSessionMemoryInfos) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkBindVideoSessionMemoryKHR);
    return BindElements(
        d, TESSERA_CALL_vkBindVideoSessionMemoryKHR, bindSessionMemoryInfoCount,
        pBindSessionMemoryInfos,
        [&d, videoSession](const VkBindVideoSessionMemoryInfoKHR& info) {
            return VideoSessionNeed(d, videoSession, info.memoryBindIndex);
        },
        [&d, videoSession](uint32_t count, const VkBindVideoSessionMemoryInfoKHR* infos) {
            return d.dt.BindVideoSessionMemoryKHR(d.handle, videoSession, count, infos);
        });
}

// Spec: vkBindTensorMemoryARM (VK_ARM_tensors).
VKAPI_ATTR VkResult VKAPI_CALL
BindTensorMemoryARM(VkDevice device, uint32_t bindInfoCount,
                    const late::BindTensorMemoryInfo* pBindInfos) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkBindTensorMemoryARM);
    return BindElements(
        d, TESSERA_CALL_vkBindTensorMemoryARM, bindInfoCount, pBindInfos,
        [&d](const late::BindTensorMemoryInfo& info) { return TensorNeed(d, info.tensor); },
        [&d](uint32_t count, const late::BindTensorMemoryInfo* infos) {
            return d.dt.BindTensorMemoryARM(d.handle, count, infos);
        });
}

// Spec: vkBindDataGraphPipelineSessionMemoryARM (VK_ARM_data_graph).
VKAPI_ATTR VkResult VKAPI_CALL BindDataGraphPipelineSessionMemoryARM(
    VkDevice device, uint32_t bindInfoCount,
    const late::BindDataGraphPipelineSessionMemoryInfo* pBindInfos) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkBindDataGraphPipelineSessionMemoryARM);
    return BindElements(
        d, TESSERA_CALL_vkBindDataGraphPipelineSessionMemoryARM, bindInfoCount, pBindInfos,
        [&d](const late::BindDataGraphPipelineSessionMemoryInfo& info) {
            return DataGraphNeed(d, info);
        },
        [&d](uint32_t count, const late::BindDataGraphPipelineSessionMemoryInfo* infos) {
            return d.dt.BindDataGraphPipelineSessionMemoryARM(d.handle, count, infos);
        });
}

const Hook kHooks[] = {
    TESSERA_HOOK(BindAccelerationStructureMemoryNV, BindAccelerationStructureMemoryNV),
    TESSERA_HOOK(BindBufferMemory, BindBufferMemory),
    TESSERA_HOOK(BindBufferMemory2, BindBufferMemory2<&DeviceDispatch::BindBufferMemory2>),
    TESSERA_HOOK(BindBufferMemory2KHR, BindBufferMemory2<&DeviceDispatch::BindBufferMemory2KHR>),
    TESSERA_HOOK(BindImageMemory, BindImageMemory),
    TESSERA_HOOK(BindImageMemory2, BindImageMemory2<&DeviceDispatch::BindImageMemory2>),
    TESSERA_HOOK(BindImageMemory2KHR, BindImageMemory2<&DeviceDispatch::BindImageMemory2KHR>),
    TESSERA_HOOK(BindVideoSessionMemoryKHR, BindVideoSessionMemoryKHR),
    TESSERA_LATE_HOOK(BindTensorMemoryARM, late::PfnBindTensorMemory, BindTensorMemoryARM),
    TESSERA_LATE_HOOK(BindDataGraphPipelineSessionMemoryARM,
                      late::PfnBindDataGraphPipelineSessionMemory,
                      BindDataGraphPipelineSessionMemoryARM),
};

}  // namespace

HookList BindHooks() noexcept {
    return {kHooks, std::size(kHooks)};
}

}  // namespace tessera
