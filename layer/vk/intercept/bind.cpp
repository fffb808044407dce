// SPDX-License-Identifier: Apache-2.0
//
// Binding memory to buffers, images and everything else that takes memory directly.
//
// Arrays are copied and translated element by element; chains stay the application's own. With
// VK_KHR_maintenance6 every element has a status of its own, which the layer writes for the
// elements that it refuses; the others still go down.
//
// What the driver has bound is noted for readers by the application's own names.

#include <vulkan/vulkan.h>

#include <algorithm>
#include <bit>

#include "layer/vk/call_scope.h"
#include "layer/vk/chain.h"
#include "layer/vk/intercept/hooks.h"
#include "layer/vk/levels.h"
#include "layer/vk/process.h"
#include "layer/vk/resource_need.h"
#include "layer/vk/scratch.h"
#include "layer/vk/translate.h"

namespace tessera {
namespace {

constexpr size_t kBindsInPlace = 8;

// What a bind gives memory to: an object, or a part of one.
struct Part {
    VkObjectType type;
    uint64_t object;
    uint32_t part = 0;
    uint64_t bytes = 0;  // that the application says it takes; 0: it does not say
};

void NoteBound(Device& device, const Part& part, VkDeviceMemory memory, VkDeviceSize offset,
               uint64_t bytes) noexcept {
    if (!device.RecordsResources() || memory == VK_NULL_HANDLE) return;
    device.resources.Bound(part.type, part.object, part.part, memory, offset,
                           part.bytes != 0 ? part.bytes : bytes);
    NoteBind(device, memory, offset);
}

// A bind of one resource, with the older commands.
template <typename Handle>
VkResult BindOne(Device& device, tessera_call call, VkObjectType type, Handle object,
                 VkResult(VKAPI_PTR* down)(VkDevice, Handle, VkDeviceMemory, VkDeviceSize),
                 VkDeviceMemory memory, VkDeviceSize offset, ResourceNeed& need) noexcept {
    BindTarget target;
    VkResult result = TranslateBind(device, memory, offset, need, &target);
    if (result == VK_SUCCESS) {
        QuickDriverCall timer(device, call);
        result = down(device.handle, object, target.memory, target.offset);
    }
    if (result == VK_SUCCESS) {
        NoteBound(device, {type, ObjectValue(object)}, memory, offset, need.KnownBytes());
    } else if (result < 0) {
        NoteFailure(device, call, memory, result);
    }
    return result;
}

// Spec: vkBindBufferMemory; VUID-vkBindBufferMemory-memoryOffset-01031, -None-10739.
VKAPI_ATTR VkResult VKAPI_CALL BindBufferMemory(VkDevice device, VkBuffer buffer,
                                                VkDeviceMemory memory,
                                                VkDeviceSize memoryOffset) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkBindBufferMemory);
    BufferNeed need(d, buffer);
    return BindOne(d, TESSERA_CALL_vkBindBufferMemory, VK_OBJECT_TYPE_BUFFER, buffer,
                   d.dt.BindBufferMemory, memory, memoryOffset, need);
}

// Spec: vkBindImageMemory; VUID-vkBindImageMemory-memoryOffset-01046, -None-10735.
VKAPI_ATTR VkResult VKAPI_CALL BindImageMemory(VkDevice device, VkImage image,
                                               VkDeviceMemory memory,
                                               VkDeviceSize memoryOffset) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkBindImageMemory);
    ImageNeed need(d, image);
    return BindOne(d, TESSERA_CALL_vkBindImageMemory, VK_OBJECT_TYPE_IMAGE, image,
                   d.dt.BindImageMemory, memory, memoryOffset, need);
}

// Writes the result of one element where its chain asks for it.
void TellElement(const void* chain, VkResult result) noexcept {
    const auto* status = FindInChain<late::BindMemoryStatus>(chain, late::kBindMemoryStatus);
    if (status != nullptr && status->pResult != nullptr) *status->pResult = result;
}

// Whether the driver says of one element of a call that failed that it was bound.
bool WasBound(const void* chain) noexcept {
    const auto* status = FindInChain<late::BindMemoryStatus>(chain, late::kBindMemoryStatus);
    return status != nullptr && status->pResult != nullptr && *status->pResult == VK_SUCCESS;
}

// An element that went down: which one it is, and its size if that is known.
struct Sent {
    uint32_t index;
    uint64_t bytes;
};

// Translates an array of bind elements that have `memory` and `memoryOffset`, and calls down with
// what could be translated. `need_of(element)` makes the ResourceNeed of one, `part_of(element)`
// the Part.
template <typename Info, typename NeedOf, typename PartOf, typename Down>
VkResult BindElements(Device& device, tessera_call call, uint32_t count, const Info* infos,
                      NeedOf need_of, PartOf part_of, Down down) noexcept {
    Scratch<Info, kBindsInPlace> translated(count);
    Scratch<Sent, kBindsInPlace> sent(count);
    if (translated.data() == nullptr || sent.data() == nullptr) {
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
            NoteFailure(device, call, infos[i].memory, result);
            continue;
        }
        translated[used] = infos[i];
        translated[used].memory = target.memory;
        translated[used].memoryOffset = target.offset;
        sent[used++] = {i, need.KnownBytes()};
    }
    if (used == 0 && count != 0) return refused;
    VkResult result = VK_SUCCESS;
    {
        QuickDriverCall timer(device, call);
        result = down(used, translated.data());
    }
    for (uint32_t i = 0; device.RecordsResources() && i < used; ++i) {
        const Info& info = infos[sent[i].index];
        if (result == VK_SUCCESS || WasBound(info.pNext))
            NoteBound(device, part_of(info), info.memory, info.memoryOffset, sent[i].bytes);
        else if (result < 0)
            NoteFailure(device, call, info.memory, result);
    }
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
        [](const VkBindBufferMemoryInfo& info) {
            return Part{VK_OBJECT_TYPE_BUFFER, ObjectValue(info.buffer)};
        },
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

// The plane that an element binds; null: the whole image.
const VkBindImagePlaneMemoryInfo* PlaneOf(const VkBindImageMemoryInfo& info) noexcept {
    return FindInChain<VkBindImagePlaneMemoryInfo>(info.pNext,
                                                   VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO);
}

Part PartOf(const VkBindImageMemoryInfo& info) noexcept {
    Part part{VK_OBJECT_TYPE_IMAGE, ObjectValue(info.image)};
    // Aspects of planes are bits that follow one another, from two firsts.
    const auto* plane = PlaneOf(info);
    if (plane == nullptr) return part;
    const auto bit = static_cast<uint32_t>(std::countr_zero<uint32_t>(plane->planeAspect));
    const auto first = static_cast<uint32_t>(
        std::countr_zero<uint32_t>(plane->planeAspect < VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT
                                       ? VK_IMAGE_ASPECT_PLANE_0_BIT
                                       : VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT));
    part.part = bit - first;
    return part;
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
            const auto* plane = PlaneOf(info);
            if (plane == nullptr) return ImageNeed(d, info.image);
            return ImageNeed(d, info.image, plane->planeAspect, PlaneQuery(d));
        },
        PartOf,
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
        [](const VkBindAccelerationStructureMemoryInfoNV& info) {
            return Part{VK_OBJECT_TYPE_ACCELERATION_STRUCTURE_NV,
                        ObjectValue(info.accelerationStructure)};
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
        [videoSession](const VkBindVideoSessionMemoryInfoKHR& info) {
            return Part{VK_OBJECT_TYPE_VIDEO_SESSION_KHR, ObjectValue(videoSession),
                        info.memoryBindIndex, info.memorySize};
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
        [](const late::BindTensorMemoryInfo& info) {
            return Part{static_cast<VkObjectType>(late::kObjectTypeTensor), info.tensor};
        },
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
        [](const late::BindDataGraphPipelineSessionMemoryInfo& info) {
            constexpr auto kType =
                static_cast<VkObjectType>(late::kObjectTypeDataGraphPipelineSession);
            constexpr uint32_t kPointShift = 16;
            return Part{kType, info.session,
                        static_cast<uint32_t>(info.bindPoint) << kPointShift ^ info.objectIndex};
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
