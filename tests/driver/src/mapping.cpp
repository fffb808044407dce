// SPDX-License-Identifier: Apache-2.0
//
// Mapping of memory and the host's cache. Memory that is not coherent has two copies of its bytes,
// the host's and the device's; only a flush carries the first into the second and only an
// invalidate the second into the first, in whole atoms. A flush that was forgotten is wrong
// contents, and an invalidate that reaches too far loses what a neighbour had written: as on real
// hardware.
#include "mapping.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "call.h"
#include "external.h"
#include "text.h"

namespace tessera::mock {
namespace {

// The rules of vkMapMemory; VkMemoryMapInfo has the same under other numbers.
struct MapVuids {
    const char* what;  // the parameter that names the memory
    const char* mapped;
    const char* offset;
    const char* zero;
    const char* size;
    const char* visible;
    const char* instances;
};

constexpr MapVuids kMap = {"memory",
                           "VUID-vkMapMemory-memory-00678",
                           "VUID-vkMapMemory-offset-00679",
                           "VUID-vkMapMemory-size-00680",
                           "VUID-vkMapMemory-size-00681",
                           "VUID-vkMapMemory-memory-00682",
                           "VUID-vkMapMemory-memory-00683"};
constexpr MapVuids kMap2 = {"VkMemoryMapInfo-memory",
                            "VUID-VkMemoryMapInfo-memory-07958",
                            "VUID-VkMemoryMapInfo-offset-07959",
                            "VUID-VkMemoryMapInfo-size-07960",
                            "VUID-VkMemoryMapInfo-size-07961",
                            "VUID-VkMemoryMapInfo-memory-07962",
                            "VUID-VkMemoryMapInfo-memory-07963"};

// Maps the memory's file at an address of the application's choice, over what
// is there.
VkResult MapAt(const Call& call, Memory& memory, const void* chain, VkDeviceSize offset,
               VkDeviceSize size, void** data) {
    auto* placed =
        FindInChain<VkMemoryMapPlacedInfoEXT>(chain, VK_STRUCTURE_TYPE_MEMORY_MAP_PLACED_INFO_EXT);
    const HostBytes& bytes =
        memory.host_view.data() != nullptr ? memory.host_view : memory.device_view;
    if (!call.Require(placed != nullptr && placed->pPlacedAddress != nullptr,
                      "VUID-VkMemoryMapInfo-flags-09570", "there is no address") ||
        !call.Require(bytes.file() >= 0, "VUID-VkMemoryMapInfo-flags-09569",
                      "memoryMapPlaced is off")) {
        return VK_ERROR_MEMORY_MAP_FAILED;
    }
    const auto address = reinterpret_cast<uintptr_t>(placed->pPlacedAddress);
    const bool aligned =
        call.Require((address | offset | size) % kExternalAlignment == 0,
                     "VUID-VkMemoryMapPlacedInfoEXT-pPlacedAddress-09577",
                     Text("address ", Hex{address}, ", offset ", offset, ", size ", size));
    if (!aligned) return VK_ERROR_MEMORY_MAP_FAILED;
    void* got = mmap(placed->pPlacedAddress, static_cast<size_t>(size), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_FIXED, bytes.file(), static_cast<off_t>(offset));
    if (got == MAP_FAILED) return VK_ERROR_MEMORY_MAP_FAILED;
    memory.placed_at = got;
    *data = got;
    return VK_SUCCESS;
}

VkResult Map(Call& call, const MapVuids& vuids, VkDeviceMemory handle, VkDeviceSize offset,
             VkDeviceSize size, VkFlags flags, const void* chain, void** data) {
    *data = reinterpret_cast<void*>(static_cast<uintptr_t>(kPoison));
    auto memory = call.UseMemory(handle, Access::kExclusive, vuids.what);
    call.Enter();
    StateLock lock;
    if (memory == nullptr || !memory->alive) return VK_ERROR_MEMORY_MAP_FAILED;
    const VkDeviceSize total = memory->size_bytes;
    bool good = call.Require(memory->HostVisible(), vuids.visible,
                             Text("memory type ", memory->type_index, " is not host visible"));
    good &= call.Require(
        memory->instances == 1, vuids.instances,
        Text("memory ", Hex{memory->handle}, " has ", memory->instances, " instances"));
    good &= call.Require(!memory->mapped, vuids.mapped,
                         Text("memory ", Hex{memory->handle}, " is mapped already"));
    good &= call.Require(offset < total, vuids.offset, Text("offset ", offset, " of ", total));
    good &= call.Require(size != 0, vuids.zero, "size is 0");
    good &= call.Require(size == VK_WHOLE_SIZE || size <= total - std::min(offset, total),
                         vuids.size, Text("offset ", offset, " and size ", size, " of ", total));
    if (!good) return VK_ERROR_MEMORY_MAP_FAILED;
    // Only flush and invalidate care where a mapping ends; the pointer reaches to the memory's end.
    const VkDeviceSize end = size == VK_WHOLE_SIZE ? total : offset + size;
    if (flags & VK_MEMORY_MAP_PLACED_BIT_EXT) {
        const VkResult result = MapAt(call, *memory, chain, offset, end - offset, data);
        if (result != VK_SUCCESS) return result;
    } else {
        *data = memory->HostData() + offset;
    }
    memory->mapped = true;
    memory->map_begin = offset;
    memory->map_end = end;
    return VK_SUCCESS;
}

VkResult Unmap(Call& call, VkDeviceMemory handle, VkFlags flags, const char* what,
               const char* vuid) {
    auto memory = call.UseMemory(handle, Access::kExclusive, what);
    call.Enter();
    StateLock lock;
    if (memory == nullptr) return VK_SUCCESS;
    if (!ReleasePlacedMap(*memory, flags & VK_MEMORY_UNMAP_RESERVE_BIT_EXT)) {
        return VK_ERROR_MEMORY_MAP_FAILED;
    }
    call.Require(memory->mapped, vuid, Text("memory ", Hex{memory->handle}, " is not mapped"));
    memory->mapped = false;
    return VK_SUCCESS;
}

// Checks one range. Returns its end in the memory, or 0 if nothing of it can be used.
VkDeviceSize CheckRange(const Call& call, const VkMappedMemoryRange& range, const Memory& memory) {
    const VkDeviceSize atom = call.device().description->atom;
    if (!call.Require(memory.mapped, "VUID-VkMappedMemoryRange-memory-00684",
                      Text("memory ", Hex{memory.handle}, " is not mapped"))) {
        return 0;
    }
    const auto where = Text("offset ", range.offset, ", size ",
                            range.size == VK_WHOLE_SIZE ? "to the end" : std::to_string(range.size),
                            "; mapped from ", memory.map_begin, " to ", memory.map_end, " of ",
                            memory.size_bytes, "; atom ", atom);
    call.Require(range.offset % atom == 0, "VUID-VkMappedMemoryRange-offset-00687", where);
    const bool begins_inside = range.offset >= memory.map_begin && range.offset <= memory.map_end;
    if (range.size == VK_WHOLE_SIZE) {
        call.Require(begins_inside && range.offset < memory.map_end,
                     "VUID-VkMappedMemoryRange-size-00686", where);
        call.Require(memory.map_end % atom == 0 || memory.map_end == memory.size_bytes,
                     "VUID-VkMappedMemoryRange-size-01389", where);
        return memory.map_end;
    }
    const bool inside = begins_inside && range.size <= memory.map_end - range.offset;
    call.Require(inside, "VUID-VkMappedMemoryRange-size-00685", where);
    call.Require(
        range.size % atom == 0 || (inside && range.offset + range.size == memory.size_bytes),
        "VUID-VkMappedMemoryRange-size-01390", where);
    return inside ? range.offset + range.size : memory.map_end;
}

// Carries the bytes of all ranges from host to device (`flush`) or back. For coherent memory, which
// has one copy only, the ranges are checked and nothing is left to do.
VkResult CopyRanges(Call& call, uint32_t count, const VkMappedMemoryRange* ranges, bool flush) {
    std::vector<std::shared_ptr<Memory>> memories;
    for (uint32_t i = 0; i < count; ++i) {
        memories.push_back(
            call.UseMemory(ranges[i].memory, Access::kShared, "VkMappedMemoryRange-memory"));
    }
    call.Enter();
    StateLock lock;
    const VkDeviceSize atom = call.device().description->atom;
    for (uint32_t i = 0; i < count; ++i) {
        if (memories[i] == nullptr || !memories[i]->alive) continue;
        Memory& memory = *memories[i];
        VkDeviceSize end = CheckRange(call, ranges[i], memory);
        if (memory.host_view.data() == nullptr || end <= ranges[i].offset) continue;
        // Caches know nothing smaller than an atom, so whole atoms are copied in any case.
        const VkDeviceSize begin = ranges[i].offset / atom * atom;
        end = std::min((end + atom - 1) / atom * atom, memory.size_bytes);
        std::byte* host = memory.host_view.data() + begin;
        std::byte* device = memory.device_view.data() + begin;
        std::memcpy(flush ? device : host, flush ? host : device, static_cast<size_t>(end - begin));
    }
    return VK_SUCCESS;
}

}  // namespace

bool ReleasePlacedMap(Memory& memory, bool reserve) {
    if (memory.placed_at == nullptr) return true;
    const auto size = static_cast<size_t>(memory.map_end - memory.map_begin);
    if (reserve) {
        void* got = mmap(memory.placed_at, size, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        if (got == MAP_FAILED) return false;
    } else {
        munmap(memory.placed_at, size);
    }
    memory.placed_at = nullptr;
    return true;
}

VKAPI_ATTR VkResult VKAPI_CALL MapMemory(VkDevice device, VkDeviceMemory memory,
                                         VkDeviceSize offset, VkDeviceSize size,
                                         VkMemoryMapFlags flags, void** ppData) {
    Call call(Command::kMapMemory, device);
    if (call.failed()) return call.result();
    call.Require(flags == 0, "VUID-vkMapMemory-flags-zerobitmask", Text("flags are ", flags));
    return Map(call, kMap, memory, offset, size, 0, nullptr, ppData);
}

VKAPI_ATTR VkResult VKAPI_CALL MapMemory2(VkDevice device, const VkMemoryMapInfo* pMemoryMapInfo,
                                          void** ppData) {
    Call call(Command::kMapMemory2, device);
    if (call.failed()) return call.result();
    return Map(call, kMap2, pMemoryMapInfo->memory, pMemoryMapInfo->offset, pMemoryMapInfo->size,
               pMemoryMapInfo->flags, pMemoryMapInfo->pNext, ppData);
}

VKAPI_ATTR void VKAPI_CALL UnmapMemory(VkDevice device, VkDeviceMemory memory) {
    Call call(Command::kUnmapMemory, device);
    Unmap(call, memory, 0, "memory", "VUID-vkUnmapMemory-memory-00689");
}

VKAPI_ATTR VkResult VKAPI_CALL UnmapMemory2(VkDevice device,
                                            const VkMemoryUnmapInfo* pMemoryUnmapInfo) {
    Call call(Command::kUnmapMemory2, device);
    if (call.failed()) return call.result();
    return Unmap(call, pMemoryUnmapInfo->memory, pMemoryUnmapInfo->flags,
                 "VkMemoryUnmapInfo-memory", "VUID-VkMemoryUnmapInfo-memory-07964");
}

VKAPI_ATTR VkResult VKAPI_CALL FlushMappedMemoryRanges(VkDevice device, uint32_t memoryRangeCount,
                                                       const VkMappedMemoryRange* pMemoryRanges) {
    Call call(Command::kFlushMappedMemoryRanges, device);
    if (call.failed()) return call.result();
    return CopyRanges(call, memoryRangeCount, pMemoryRanges, true);
}

VKAPI_ATTR VkResult VKAPI_CALL InvalidateMappedMemoryRanges(
    VkDevice device, uint32_t memoryRangeCount, const VkMappedMemoryRange* pMemoryRanges) {
    Call call(Command::kInvalidateMappedMemoryRanges, device);
    if (call.failed()) return call.result();
    return CopyRanges(call, memoryRangeCount, pMemoryRanges, false);
}

}  // namespace tessera::mock
