// SPDX-License-Identifier: Apache-2.0
//
// Commands of other platforms and of extensions that this driver does not really have, but that
// take a memory: they exist when a description names their extension, look at the handle, and do
// nothing else. A layer that invents handles must not let one of its own through here.
#include "foreign.h"

#include "text.h"

namespace tessera::mock {
namespace {

// A command that would hand out something made of a memory.
VkResult Export(Command command, VkDevice device, VkDeviceMemory memory) {
    Call call(command, device);
    if (call.failed()) return call.result();
    const bool known = call.UseMemory(memory, Access::kShared) != nullptr;
    call.Enter();
    return known ? VK_SUCCESS : VK_ERROR_OUT_OF_HOST_MEMORY;
}

void LookAtMemory(Call& call, VkDeviceMemory memory) {
    if (memory != VK_NULL_HANDLE) call.UseMemory(memory, Access::kShared);
}

}  // namespace

void LookAtChain(Call& call, const void* chain) {
    for (auto* link = static_cast<const VkBaseInStructure*>(chain); link != nullptr;
         link = link->pNext) {
        if (link->sType == VK_STRUCTURE_TYPE_TILE_MEMORY_BIND_INFO_QCOM) {
            LookAtMemory(call, reinterpret_cast<const MockMemoryGetInfo*>(link)->memory);
        }
        if (link->sType != VK_STRUCTURE_TYPE_WIN32_KEYED_MUTEX_ACQUIRE_RELEASE_INFO_KHR &&
            link->sType != VK_STRUCTURE_TYPE_WIN32_KEYED_MUTEX_ACQUIRE_RELEASE_INFO_NV) {
            continue;
        }
        const auto& mutexes = *reinterpret_cast<const MockKeyedMutexInfo*>(link);
        for (uint32_t i = 0; i < mutexes.acquireCount; ++i)
            LookAtMemory(call, mutexes.pAcquireSyncs[i]);
        for (uint32_t i = 0; i < mutexes.releaseCount; ++i)
            LookAtMemory(call, mutexes.pReleaseSyncs[i]);
    }
}

#define TESSERA_MOCK_EXPORT(name)                                                                 \
    VKAPI_ATTR VkResult VKAPI_CALL name(VkDevice device, const MockMemoryGetInfo* pInfo, void*) { \
        return Export(Command::k##name, device, pInfo->memory);                                   \
    }
TESSERA_MOCK_EXPORT(GetMemoryAndroidHardwareBufferANDROID)
TESSERA_MOCK_EXPORT(GetMemoryMetalHandleEXT)
TESSERA_MOCK_EXPORT(GetMemoryNativeBufferOHOS)
TESSERA_MOCK_EXPORT(GetMemoryWin32HandleKHR)
TESSERA_MOCK_EXPORT(GetMemoryZirconHandleFUCHSIA)
#undef TESSERA_MOCK_EXPORT

VKAPI_ATTR VkResult VKAPI_CALL GetMemoryRemoteAddressNV(VkDevice device,
                                                        const VkMemoryGetRemoteAddressInfoNV* pInfo,
                                                        VkRemoteAddressNV*) {
    return Export(Command::kGetMemoryRemoteAddressNV, device, pInfo->memory);
}

VKAPI_ATTR VkResult VKAPI_CALL GetMemoryWin32HandleNV(VkDevice device, VkDeviceMemory memory,
                                                      VkFlags, void**) {
    return Export(Command::kGetMemoryWin32HandleNV, device, memory);
}

VKAPI_ATTR void VKAPI_CALL ExportMetalObjectsEXT(VkDevice device, MockExportMetalInfo* pInfo) {
    Call call(Command::kExportMetalObjectsEXT, device);
    for (auto* link = static_cast<const VkBaseInStructure*>(pInfo->pNext); link != nullptr;
         link = link->pNext) {
        if (link->sType != VK_STRUCTURE_TYPE_EXPORT_METAL_BUFFER_INFO_EXT) continue;
        call.UseMemory(reinterpret_cast<const MockExportMetalInfo*>(link)->memory, Access::kShared);
    }
}

VKAPI_ATTR void VKAPI_CALL CmdBindTileMemoryQCOM(VkCommandBuffer commandBuffer,
                                                 const MockMemoryGetInfo* pInfo) {
    Call call(Command::kCmdBindTileMemoryQCOM, Of(commandBuffer).device->handle());
    if (pInfo != nullptr) LookAtMemory(call, pInfo->memory);
}

}  // namespace tessera::mock
