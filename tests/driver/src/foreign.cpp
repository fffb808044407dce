// SPDX-License-Identifier: Apache-2.0
//
// Commands of other platforms and of extensions that this driver does not really have, but that
// take a memory: they exist when a description names their extension, look at the handle, and do
// nothing else. A layer that invents handles must not let one of its own through here.
#include "call.h"
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

}  // namespace

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
    if (pInfo != nullptr && pInfo->memory != VK_NULL_HANDLE) {
        call.UseMemory(pInfo->memory, Access::kShared);
    }
}

}  // namespace tessera::mock
