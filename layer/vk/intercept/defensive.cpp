// SPDX-License-Identifier: Apache-2.0
//
// Commands that take memory of kinds that are never pooled: exported, imported with a keyed mutex,
// tile memory. A pooled handle cannot legally arrive here; if one does, the driver must not see it.
// The command fails with an error that it may return, or does nothing if it returns none.
//
// Submissions and the start of a command buffer are hot paths. They are hooked only on devices that
// enable an extension with which memory can come along them.

#include <vulkan/vulkan.h>

#include "layer/vk/chain.h"
#include "layer/vk/intercept/hooks.h"
#include "layer/vk/misuse.h"
#include "layer/vk/process.h"

namespace tessera {
namespace {

// vkGetMemoryFdKHR and its siblings, which differ in what they hand out. kRefusal: an error that
// the command lists.
template <late::PfnGetMemoryHandle DeviceDispatch::*kDown, VkResult kRefusal>
VKAPI_ATTR VkResult VKAPI_CALL GetMemoryHandle(VkDevice device, const late::MemoryGetInfo* pInfo,
                                               void* pHandle) noexcept {
    Device& d = DeviceOf(device);
    if (IsMisplaced(d, "an export", pInfo->memory)) return kRefusal;
    return (d.dt.*kDown)(device, pInfo, pHandle);
}

VKAPI_ATTR VkResult VKAPI_CALL GetMemoryWin32HandleNV(VkDevice device, VkDeviceMemory memory,
                                                      VkFlags handleType, void** pHandle) noexcept {
    Device& d = DeviceOf(device);
    if (IsMisplaced(d, "an export", memory)) return VK_ERROR_OUT_OF_HOST_MEMORY;
    return d.dt.GetMemoryWin32HandleNV(device, memory, handleType, pHandle);
}

// Spec: vkExportMetalObjectsEXT. The structures to be filled in are chained, one for each object.
VKAPI_ATTR void VKAPI_CALL ExportMetalObjectsEXT(VkDevice device,
                                                 late::ExportMetalObjectsInfo* pInfo) noexcept {
    Device& d = DeviceOf(device);
    bool misplaced = false;
    for (auto* link = static_cast<const VkBaseInStructure*>(pInfo->pNext); link != nullptr;
         link = link->pNext) {
        if (link->sType != VK_STRUCTURE_TYPE_EXPORT_METAL_BUFFER_INFO_EXT) continue;
        const auto& buffer = *reinterpret_cast<const late::ExportMetalBufferInfo*>(link);
        misplaced |= IsMisplaced(d, "an export", buffer.memory);
    }
    if (!misplaced) d.dt.ExportMetalObjectsEXT(device, pInfo);
}

bool AnyMisplaced(Device& device, uint32_t count, const VkDeviceMemory* memories) noexcept {
    bool misplaced = false;
    for (uint32_t i = 0; i < count; ++i)
        misplaced |= IsMisplaced(device, "a keyed mutex", memories[i]);
    return misplaced;
}

// Whether a submission names pooled memory as a keyed mutex
// (VUID-VkWin32KeyedMutexAcquireReleaseInfoKHR-pAcquireSyncs-00081).
bool HasMisplacedMutex(Device& device, const void* chain) noexcept {
    bool misplaced = false;
    for (auto* link = static_cast<const VkBaseInStructure*>(chain); link != nullptr;
         link = link->pNext) {
        if (link->sType != VK_STRUCTURE_TYPE_WIN32_KEYED_MUTEX_ACQUIRE_RELEASE_INFO_KHR &&
            link->sType != VK_STRUCTURE_TYPE_WIN32_KEYED_MUTEX_ACQUIRE_RELEASE_INFO_NV) {
            continue;
        }
        const auto& mutexes = *reinterpret_cast<const late::KeyedMutexInfo*>(link);
        misplaced |= AnyMisplaced(device, mutexes.acquireCount, mutexes.pAcquireSyncs);
        misplaced |= AnyMisplaced(device, mutexes.releaseCount, mutexes.pReleaseSyncs);
    }
    return misplaced;
}

template <typename Submit>
bool AnyMisplacedMutex(Device& device, uint32_t count, const Submit* submits) noexcept {
    bool misplaced = false;
    for (uint32_t i = 0; i < count; ++i)
        misplaced |= HasMisplacedMutex(device, submits[i].pNext);
    return misplaced;
}

VKAPI_ATTR VkResult VKAPI_CALL QueueSubmit(VkQueue queue, uint32_t submitCount,
                                           const VkSubmitInfo* pSubmits, VkFence fence) noexcept {
    Device& d = DeviceOf(queue);
    if (AnyMisplacedMutex(d, submitCount, pSubmits)) return VK_ERROR_OUT_OF_HOST_MEMORY;
    return d.dt.QueueSubmit(queue, submitCount, pSubmits, fence);
}

template <PFN_vkQueueSubmit2 DeviceDispatch::*kDown>
VKAPI_ATTR VkResult VKAPI_CALL QueueSubmit2(VkQueue queue, uint32_t submitCount,
                                            const VkSubmitInfo2* pSubmits, VkFence fence) noexcept {
    Device& d = DeviceOf(queue);
    if (AnyMisplacedMutex(d, submitCount, pSubmits)) return VK_ERROR_OUT_OF_HOST_MEMORY;
    return (d.dt.*kDown)(queue, submitCount, pSubmits, fence);
}

// Spec: vkCmdBindTileMemoryQCOM; a null handle unbinds.
VKAPI_ATTR void VKAPI_CALL CmdBindTileMemoryQCOM(
    VkCommandBuffer commandBuffer, const late::TileMemoryBindInfo* pTileMemoryBindInfo) noexcept {
    Device& d = DeviceOf(commandBuffer);
    if (pTileMemoryBindInfo != nullptr &&
        IsMisplaced(d, "vkCmdBindTileMemoryQCOM", pTileMemoryBindInfo->memory)) {
        return;
    }
    d.dt.CmdBindTileMemoryQCOM(commandBuffer, pTileMemoryBindInfo);
}

// Spec: vkBeginCommandBuffer. pInheritanceInfo means something in secondary command buffers only,
// and may be anything in primary ones; tile memory is inherited by those that render.
VKAPI_ATTR VkResult VKAPI_CALL BeginCommandBuffer(
    VkCommandBuffer commandBuffer, const VkCommandBufferBeginInfo* pBeginInfo) noexcept {
    Device& d = DeviceOf(commandBuffer);
    constexpr VkCommandBufferUsageFlags kRenders = VK_COMMAND_BUFFER_USAGE_RENDER_PASS_CONTINUE_BIT;
    if ((pBeginInfo->flags & kRenders) != 0 && pBeginInfo->pInheritanceInfo != nullptr) {
        const auto* bind = FindInChain<late::TileMemoryBindInfo>(
            pBeginInfo->pInheritanceInfo->pNext, late::kTileMemoryBindInfo);
        if (bind != nullptr && IsMisplaced(d, "vkBeginCommandBuffer", bind->memory)) {
            return VK_ERROR_OUT_OF_HOST_MEMORY;
        }
    }
    return d.dt.BeginCommandBuffer(commandBuffer, pBeginInfo);
}

#define TESSERA_EXPORT_HOOK(name, refusal)            \
    TESSERA_LATE_HOOK(name, late::PfnGetMemoryHandle, \
                      GetMemoryHandle<&DeviceDispatch::name, refusal>)

const Hook kExportHooks[] = {
    TESSERA_EXPORT_HOOK(GetMemoryAndroidHardwareBufferANDROID, VK_ERROR_OUT_OF_HOST_MEMORY),
    TESSERA_EXPORT_HOOK(GetMemoryFdKHR, VK_ERROR_OUT_OF_HOST_MEMORY),
    TESSERA_EXPORT_HOOK(GetMemoryMetalHandleEXT, VK_ERROR_OUT_OF_HOST_MEMORY),
    TESSERA_EXPORT_HOOK(GetMemoryNativeBufferOHOS, VK_ERROR_OUT_OF_HOST_MEMORY),
    TESSERA_EXPORT_HOOK(GetMemoryRemoteAddressNV, VK_ERROR_INVALID_EXTERNAL_HANDLE),
    TESSERA_EXPORT_HOOK(GetMemoryWin32HandleKHR, VK_ERROR_OUT_OF_HOST_MEMORY),
    TESSERA_EXPORT_HOOK(GetMemoryZirconHandleFUCHSIA, VK_ERROR_OUT_OF_HOST_MEMORY),
    TESSERA_LATE_HOOK(GetMemoryWin32HandleNV, late::PfnGetMemoryWin32HandleNV,
                      GetMemoryWin32HandleNV),
    TESSERA_LATE_HOOK(ExportMetalObjectsEXT, late::PfnExportMetalObjects, ExportMetalObjectsEXT),
};

const Hook kKeyedMutexHooks[] = {
    TESSERA_HOOK(QueueSubmit, QueueSubmit),
    TESSERA_HOOK(QueueSubmit2, QueueSubmit2<&DeviceDispatch::QueueSubmit2>),
    TESSERA_HOOK(QueueSubmit2KHR, QueueSubmit2<&DeviceDispatch::QueueSubmit2KHR>),
};

const Hook kTileMemoryHooks[] = {
    TESSERA_HOOK(BeginCommandBuffer, BeginCommandBuffer),
    TESSERA_LATE_HOOK(CmdBindTileMemoryQCOM, late::PfnCmdBindTileMemory, CmdBindTileMemoryQCOM),
};

}  // namespace

HookList ExportHooks() noexcept {
    return {kExportHooks, std::size(kExportHooks)};
}
HookList KeyedMutexHooks() noexcept {
    return {kKeyedMutexHooks, std::size(kKeyedMutexHooks), &Device::has_keyed_mutexes};
}
HookList TileMemoryHooks() noexcept {
    return {kTileMemoryHooks, std::size(kTileMemoryHooks), &Device::has_tile_memory};
}

}  // namespace tessera
