// SPDX-License-Identifier: Apache-2.0
//
// See external.h. An opaque file descriptor is a memfd of this driver; a descriptor of anything
// else is refused by its missing seals, which only the driver sets.
#include "external.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"

namespace tessera::mock {
namespace {

constexpr VkExternalMemoryHandleTypeFlagBits kOpaque = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
constexpr VkExternalMemoryHandleTypeFlagBits kHost =
    VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

// Makes a file that holds `size_bytes` bytes. Returns -1 if the system refuses.
int MakeFile(size_t size_bytes) {
    const int fd = memfd_create("tessera-mock", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -1;
    if (ftruncate(fd, static_cast<off_t>(size_bytes)) != 0 || fcntl(fd, F_ADD_SEALS, kSeals) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

// A descriptor that this driver made, for an allocation of this size. Asking for the seals of
// anything that is no memfd fails.
bool IsOurs(int fd, VkDeviceSize size_bytes) {
    struct stat state {};
    return fcntl(fd, F_GET_SEALS) == kSeals && fstat(fd, &state) == 0 &&
           static_cast<VkDeviceSize>(state.st_size) == size_bytes;
}

VkResult ImportHostPointer(const Call& call, const VkMemoryAllocateInfo& info,
                           const VkImportMemoryHostPointerInfoEXT& import, Memory& memory) {
    const auto address = reinterpret_cast<uintptr_t>(import.pHostPointer);
    call.Require(address % kExternalAlignment == 0,
                 "VUID-VkImportMemoryHostPointerInfoEXT-pHostPointer-01749",
                 Text("pHostPointer is ", Hex{address}));
    call.Require(info.allocationSize % kExternalAlignment == 0,
                 "VUID-VkMemoryAllocateInfo-allocationSize-01745",
                 Text("allocationSize is ", info.allocationSize));
    call.Require(memory.HostVisible() && memory.Coherent(),
                 "VUID-VkMemoryAllocateInfo-memoryTypeIndex-01744",
                 "the type is not one that takes host pointers");
    if (import.pHostPointer == nullptr) return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    memory.imported = true;
    memory.device_view.Adopt(import.pHostPointer, static_cast<size_t>(info.allocationSize));
    return VK_SUCCESS;
}

VkResult ImportFile(const Call& call, const VkMemoryAllocateInfo& info,
                    const VkImportMemoryFdInfoKHR& import, Memory& memory) {
    if (!call.Require(import.handleType == kOpaque, "VUID-VkImportMemoryFdInfoKHR-handleType-00667",
                      "only opaque file descriptors can be imported") ||
        !IsOurs(import.fd, info.allocationSize)) {
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    memory.imported = true;
    return memory.device_view.MapFile(import.fd, static_cast<size_t>(info.allocationSize))
               ? VK_SUCCESS
               : VK_ERROR_OUT_OF_HOST_MEMORY;
}

// Gives a memory bytes that can be mapped a second time. What was obtained before a failure goes
// with the memory.
VkResult ObtainFile(Memory& memory) {
    const auto size = static_cast<size_t>(memory.size_bytes);
    const int fd = MakeFile(size);
    if (fd < 0) return VK_ERROR_OUT_OF_HOST_MEMORY;
    if (!memory.device_view.MapFile(fd, size)) {
        close(fd);
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    if (!memory.HostVisible() || memory.Coherent()) return VK_SUCCESS;
    const int host_fd = MakeFile(size);
    if (host_fd < 0) return VK_ERROR_OUT_OF_HOST_MEMORY;
    if (!memory.host_view.MapFile(host_fd, size)) {
        close(host_fd);
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    return VK_SUCCESS;
}

}  // namespace

VkResult ObtainExternal(const Call& call, const VkMemoryAllocateInfo& info, Memory& memory,
                        bool* done) {
    *done = true;
    auto* host = FindInChain<VkImportMemoryHostPointerInfoEXT>(
        info.pNext, VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT);
    if (host != nullptr && host->handleType != 0) {
        return ImportHostPointer(call, info, *host, memory);
    }
    auto* file = FindInChain<VkImportMemoryFdInfoKHR>(info.pNext,
                                                      VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR);
    if (file != nullptr && file->handleType != 0) return ImportFile(call, info, *file, memory);
    auto* exported = FindInChain<VkExportMemoryAllocateInfo>(
        info.pNext, VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO);
    if (exported != nullptr) memory.export_types = exported->handleTypes;
    const bool placed = call.device().Enabled("memoryMapPlaced") && memory.HostVisible();
    if (memory.export_types != 0 || placed) return ObtainFile(memory);
    *done = false;
    return VK_SUCCESS;
}

VkExternalMemoryProperties ExternalPropertiesOf(const Description& d,
                                                VkExternalMemoryHandleTypeFlagBits type) {
    VkExternalMemoryProperties out{};
    if (type == kOpaque && d.extensions.contains("VK_KHR_external_memory_fd")) {
        out.externalMemoryFeatures =
            VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
        out.exportFromImportedHandleTypes = kOpaque;
        out.compatibleHandleTypes = kOpaque;
    } else if (type == kHost && d.extensions.contains("VK_EXT_external_memory_host")) {
        out.externalMemoryFeatures = VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
        out.compatibleHandleTypes = kHost;
    }
    return out;
}

VKAPI_ATTR VkResult VKAPI_CALL GetMemoryFdKHR(VkDevice device,
                                              const VkMemoryGetFdInfoKHR* pGetFdInfo, int* pFd) {
    Call call(Command::kGetMemoryFdKHR, device);
    *pFd = -1;
    if (call.failed()) return call.result();
    auto memory =
        call.UseMemory(pGetFdInfo->memory, Access::kShared, "VkMemoryGetFdInfoKHR-memory");
    call.Enter();
    if (memory == nullptr) return VK_ERROR_OUT_OF_HOST_MEMORY;
    StateLock lock;
    if (!call.Require(memory->export_types & pGetFdInfo->handleType,
                      "VUID-VkMemoryGetFdInfoKHR-handleType-00671",
                      "the memory was not allocated for export as this type")) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    *pFd = fcntl(memory->device_view.file(), F_DUPFD_CLOEXEC, 0);
    return *pFd < 0 ? VK_ERROR_TOO_MANY_OBJECTS : VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL GetMemoryFdPropertiesKHR(VkDevice device,
                                                        VkExternalMemoryHandleTypeFlagBits, int,
                                                        VkMemoryFdPropertiesKHR*) {
    Call call(Command::kGetMemoryFdPropertiesKHR, device);
    if (call.failed()) return call.result();
    // Opaque descriptors may not be asked about, and the driver knows no others.
    return VK_ERROR_INVALID_EXTERNAL_HANDLE;
}

VKAPI_ATTR VkResult VKAPI_CALL GetMemoryHostPointerPropertiesEXT(
    VkDevice device, VkExternalMemoryHandleTypeFlagBits handleType, const void* pHostPointer,
    VkMemoryHostPointerPropertiesEXT* pMemoryHostPointerProperties) {
    Call call(Command::kGetMemoryHostPointerPropertiesEXT, device);
    if (call.failed()) return call.result();
    call.Require(reinterpret_cast<uintptr_t>(pHostPointer) % kExternalAlignment == 0,
                 "VUID-vkGetMemoryHostPointerPropertiesEXT-pHostPointer-01753",
                 "the pointer is not aligned");
    if (handleType != kHost) return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    const Description& d = *call.device().description;
    constexpr VkMemoryPropertyFlags kNeeded =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    pMemoryHostPointerProperties->memoryTypeBits = 0;
    for (uint32_t i = 0; i < d.types.size(); ++i) {
        const bool fits = (d.Flags(i) & kNeeded) == kNeeded;
        if (fits) pMemoryHostPointerProperties->memoryTypeBits |= 1u << i;
    }
    return VK_SUCCESS;
}

}  // namespace tessera::mock
