// SPDX-License-Identifier: Apache-2.0
//
// vkMapMemory, vkUnmapMemory (and their second forms), vkFlushMappedMemoryRanges and
// vkInvalidateMappedMemoryRanges.
//
// Blocks are mapped once, whole, when they are made, so mapping a slot is arithmetic: no double
// map, and no synchronisation between neighbours. A block that a large slot has to itself is mapped
// when that first is, and stays so for the next slot. Ranges are translated one by one;
// VK_WHOLE_SIZE never goes down for a slot, where it would mean the rest of the block.

#include <vulkan/vulkan.h>

#include <algorithm>

#include "layer/base/checked.h"
#include "layer/vk/call_scope.h"
#include "layer/vk/intercept/hooks.h"
#include "layer/vk/levels.h"
#include "layer/vk/misuse.h"
#include "layer/vk/process.h"
#include "layer/vk/scratch.h"
#include "layer/vk/translate.h"

namespace tessera {
namespace {

constexpr size_t kRangesInPlace = 16;

// Where a map reaches past the end, what lies there is another allocation. The slot is given the
// room if it can still be moved: without the layer the pages behind an allocation are often there.
bool CoverMap(Device& device, Slot& slot, VkDeviceSize offset, VkDeviceSize size) noexcept {
    if (offset >= slot.RequestedBytes()) return false;
    return size == VK_WHOLE_SIZE || PinCovering(device, slot, offset, size);
}

// Remembers which part is mapped. Without host memory for that the whole slot counts as mapped:
// then a flush to the end of the mapping flushes more, and a range outside of it is not noticed.
void NotePart(Device& device, VkDeviceMemory memory, Slot& slot, VkDeviceSize offset,
              VkDeviceSize size) noexcept {
    // In a forked child the lock is the parent's.
    if (!device.InOwnProcess()) return;
    MapRange* const range = device.map_ranges.Make(SlotTable::IdIn(HandleValue(memory)));
    if (range == nullptr) return;
    *range = {offset, size == VK_WHOLE_SIZE ? slot.RequestedBytes() - offset : size};
    slot.owner_flags = slot.owner_flags | kSlotPartMapped;
}

// What is mapped of a slot that is mapped.
MapRange MappedPart(const Device& device, VkDeviceMemory memory, const Slot& slot) noexcept {
    if ((slot.owner_flags & kSlotPartMapped) == 0) return {0, slot.RequestedBytes()};
    return *device.map_ranges.At(SlotTable::IdIn(HandleValue(memory)));
}

VkResult MapSlot(Device& device, const char* command, VkDeviceMemory memory, Slot& slot,
                 VkDeviceSize offset, VkDeviceSize size, void** data) noexcept {
    if (slot.Host() == nullptr && !device.IsHostVisible(slot.TypeIndex())) {
        ReportMisuse(device, TESSERA_MISUSE_map_not_visible, command, memory);
        return VK_ERROR_MEMORY_MAP_FAILED;
    }
    if (offset >= slot.RequestedBytes() ||
        (size != VK_WHOLE_SIZE && size > slot.RequestedBytes() - offset)) {
        ReportMisuse(device, TESSERA_MISUSE_map_out_of_range, command, memory);
        if (!CoverMap(device, slot, offset, size)) return VK_ERROR_MEMORY_MAP_FAILED;
    }
    // Some drivers refuse this and some do not; nothing is at stake.
    if ((slot.owner_flags & kSlotMapped) != 0) {
        ReportMisuse(device, TESSERA_MISUSE_map_twice, command, memory);
    }
    if (slot.Host() == nullptr) [[unlikely]] {
        const VkResult result = device.MapSolo(slot);
        if (result != VK_SUCCESS) return result;
    }
    Pin(device, slot);
    slot.owner_flags = kSlotMapped | kSlotEverMapped;
    if (offset != 0 || (size != VK_WHOLE_SIZE && size != slot.RequestedBytes())) {
        NotePart(device, memory, slot, offset, size);
    }
    *data = slot.Host() + offset;
    return VK_SUCCESS;
}

void UnmapSlot(Device& device, const char* command, VkDeviceMemory memory, Slot& slot) noexcept {
    if ((slot.owner_flags & kSlotMapped) == 0) {
        ReportMisuse(device, TESSERA_MISUSE_unmap_not_mapped, command, memory);
    }
    slot.owner_flags = kSlotEverMapped;
}

// What a map returned, once whoever records has heard of it. `slot`: null for foreign memory.
VkResult Mapped(Device& device, tessera_call call, VkDeviceMemory memory, const Slot* slot,
                VkDeviceSize offset, VkDeviceSize size, VkResult result) noexcept {
    if (result < 0) [[unlikely]]
        NoteFailure(device, call, memory, result);
    if (result == VK_SUCCESS && device.slots.recorder().on() && device.InOwnProcess())
        [[unlikely]] {
        // How far a map of foreign memory reaches is the driver's to know.
        const uint64_t rest = slot != nullptr ? slot->RequestedBytes() - offset : 0;
        NoteMap(device, memory, size != VK_WHOLE_SIZE ? size : rest);
    }
    return result;
}

void Unmaps(Device& device, VkDeviceMemory memory) noexcept {
    if (device.slots.recorder().on() && device.InOwnProcess()) [[unlikely]]
        NoteUnmap(device, memory);
}

// Spec: vkMapMemory; VUID-vkMapMemory-memory-00678 to -00683. Returns VK_ERROR_MEMORY_MAP_FAILED
// for what the application may not do with a slot.
VKAPI_ATTR VkResult VKAPI_CALL MapMemory(VkDevice device, VkDeviceMemory memory,
                                         VkDeviceSize offset, VkDeviceSize size,
                                         VkMemoryMapFlags flags, void** ppData) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkMapMemory);
    const SlotTable::Found found = FindUsed(d, "vkMapMemory", memory);
    switch (found.kind) {
        case SlotTable::Kind::kForeign: {
            VkResult result = VK_SUCCESS;
            {
                QuickDriverCall driver_timer(d, TESSERA_CALL_vkMapMemory);
                result = d.dt.MapMemory(device, memory, offset, size, flags, ppData);
            }
            return Mapped(d, TESSERA_CALL_vkMapMemory, memory, nullptr, offset, size, result);
        }
        case SlotTable::Kind::kLive:
            return Mapped(d, TESSERA_CALL_vkMapMemory, memory, found.slot, offset, size,
                          MapSlot(d, "vkMapMemory", memory, *found.slot, offset, size, ppData));
        case SlotTable::Kind::kStale:
            break;
    }
    return VK_ERROR_MEMORY_MAP_FAILED;
}

// Spec: vkUnmapMemory. Does not flush, here as there.
VKAPI_ATTR void VKAPI_CALL UnmapMemory(VkDevice device, VkDeviceMemory memory) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkUnmapMemory);
    const SlotTable::Found found = FindUsed(d, "vkUnmapMemory", memory);
    if (found.kind != SlotTable::Kind::kStale) Unmaps(d, memory);
    if (found.kind == SlotTable::Kind::kForeign) {
        QuickDriverCall driver_timer(d, TESSERA_CALL_vkUnmapMemory);
        d.dt.UnmapMemory(device, memory);
    } else if (found.kind == SlotTable::Kind::kLive) {
        UnmapSlot(d, "vkUnmapMemory", memory, *found.slot);
    }
}

// Spec: VK_KHR_map_memory2. Memory that is to be mapped at a given address is never pooled.
template <late::PfnMapMemory2 DeviceDispatch::*kDown>
VKAPI_ATTR VkResult VKAPI_CALL MapMemory2(VkDevice device,
                                          const late::MemoryMapInfo* pMemoryMapInfo,
                                          void** ppData) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkMapMemory2);
    const VkDeviceMemory memory = pMemoryMapInfo->memory;
    const SlotTable::Found found = FindUsed(d, "vkMapMemory2", memory);
    switch (found.kind) {
        case SlotTable::Kind::kForeign: {
            VkResult result = VK_SUCCESS;
            {
                QuickDriverCall driver_timer(d, TESSERA_CALL_vkMapMemory2);
                result = (d.dt.*kDown)(device, pMemoryMapInfo, ppData);
            }
            return Mapped(d, TESSERA_CALL_vkMapMemory2, memory, nullptr, pMemoryMapInfo->offset,
                          pMemoryMapInfo->size, result);
        }
        case SlotTable::Kind::kLive:
            return Mapped(d, TESSERA_CALL_vkMapMemory2, memory, found.slot, pMemoryMapInfo->offset,
                          pMemoryMapInfo->size,
                          MapSlot(d, "vkMapMemory2", memory, *found.slot, pMemoryMapInfo->offset,
                                  pMemoryMapInfo->size, ppData));
        case SlotTable::Kind::kStale:
            break;
    }
    return VK_ERROR_MEMORY_MAP_FAILED;
}

template <late::PfnUnmapMemory2 DeviceDispatch::*kDown>
VKAPI_ATTR VkResult VKAPI_CALL
UnmapMemory2(VkDevice device, const late::MemoryUnmapInfo* pMemoryUnmapInfo) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkUnmapMemory2);
    const VkDeviceMemory memory = pMemoryUnmapInfo->memory;
    const SlotTable::Found found = FindUsed(d, "vkUnmapMemory2", memory);
    if (found.kind != SlotTable::Kind::kStale) Unmaps(d, memory);
    if (found.kind == SlotTable::Kind::kForeign) {
        QuickDriverCall driver_timer(d, TESSERA_CALL_vkUnmapMemory2);
        return (d.dt.*kDown)(device, pMemoryUnmapInfo);
    }
    if (found.kind == SlotTable::Kind::kLive) {
        UnmapSlot(d, "vkUnmapMemory2", memory, *found.slot);
    }
    return VK_SUCCESS;
}

// The part of a block that a range of a slot means, widened to whole atoms inside the slot. Empty
// (size 0) for a range that covers nothing: applications flush nothing, and drivers bear it.
VkMappedMemoryRange TranslateRange(const Device& device, const Slot& slot,
                                   const VkMappedMemoryRange& range) noexcept {
    const uint64_t atom = device.atom_bytes();
    const uint64_t limit = slot.SizeBytes();
    const uint64_t begin = std::min(range.offset, limit);
    uint64_t end = limit;
    if (range.size != VK_WHOLE_SIZE) {
        end = begin + std::min(range.size, limit - begin);
    } else if ((slot.owner_flags & kSlotMapped) != 0) {
        // Spec: VK_WHOLE_SIZE reaches to the end of the current mapping.
        const MapRange map = MappedPart(device, range.memory, slot);
        end = std::clamp(map.offset + map.size, begin, limit);
    }
    const uint64_t first = begin - begin % atom;
    const uint64_t last = std::min((end + atom - 1) / atom * atom, limit);
    VkMappedMemoryRange translated = range;
    translated.memory = MakeHandle(slot.Handle());
    translated.offset = slot.OffsetBytes() + first;
    translated.size = end > begin ? last - first : 0;
    return translated;
}

// Reports a range of a slot that is not mapped. Whole atoms around the mapping are nobody's loss.
void CheckRange(Device& device, const char* command, const Slot& slot,
                const VkMappedMemoryRange& range) noexcept {
    if ((slot.owner_flags & kSlotMapped) == 0) {
        ReportMisuse(device, TESSERA_MISUSE_flush_not_mapped, command, range.memory);
        return;
    }
    const uint64_t atom = device.atom_bytes();
    const MapRange map = MappedPart(device, range.memory, slot);
    const uint64_t begin = map.offset - map.offset % atom;
    const uint64_t map_end = map.offset + map.size;
    const uint64_t end = (map_end + atom - 1) / atom * atom;
    if (range.offset < begin || range.offset > end ||
        (range.size != VK_WHOLE_SIZE && range.size > end - range.offset)) {
        ReportMisuse(device, TESSERA_MISUSE_flush_out_of_range, command, range.memory);
    }
}

using RangesCommand = VkResult(VKAPI_PTR*)(VkDevice, uint32_t, const VkMappedMemoryRange*);

VkResult ForwardRanges(Device& device, RangesCommand down, tessera_call call, uint32_t count,
                       const VkMappedMemoryRange* ranges) noexcept {
    constexpr char kCommand[] = "a flush or invalidation";
    Scratch<VkMappedMemoryRange, kRangesInPlace> translated(count);
    if (translated.data() == nullptr) return VK_ERROR_OUT_OF_HOST_MEMORY;
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; ++i) {
        const SlotTable::Found found = FindUsed(device, kCommand, ranges[i].memory);
        if (found.kind == SlotTable::Kind::kStale) return VK_ERROR_OUT_OF_HOST_MEMORY;
        if (found.kind == SlotTable::Kind::kForeign) {
            translated[used++] = ranges[i];
            continue;
        }
        CheckRange(device, kCommand, *found.slot, ranges[i]);
        translated[used] = TranslateRange(device, *found.slot, ranges[i]);
        if (translated[used].size != 0) ++used;
    }
    if (used == 0) return VK_SUCCESS;
    QuickDriverCall timer(device, call);
    return down(device.handle, used, translated.data());
}

// Spec: vkFlushMappedMemoryRanges; VUID-VkMappedMemoryRange-size-01389, -01390, -offset-00687.
VKAPI_ATTR VkResult VKAPI_CALL FlushMappedMemoryRanges(
    VkDevice device, uint32_t memoryRangeCount, const VkMappedMemoryRange* pMemoryRanges) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkFlushMappedMemoryRanges);
    return ForwardRanges(d, d.dt.FlushMappedMemoryRanges, TESSERA_CALL_vkFlushMappedMemoryRanges,
                         memoryRangeCount, pMemoryRanges);
}

VKAPI_ATTR VkResult VKAPI_CALL InvalidateMappedMemoryRanges(
    VkDevice device, uint32_t memoryRangeCount, const VkMappedMemoryRange* pMemoryRanges) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkInvalidateMappedMemoryRanges);
    return ForwardRanges(d, d.dt.InvalidateMappedMemoryRanges,
                         TESSERA_CALL_vkInvalidateMappedMemoryRanges, memoryRangeCount,
                         pMemoryRanges);
}

const Hook kHooks[] = {
    TESSERA_HOOK(FlushMappedMemoryRanges, FlushMappedMemoryRanges),
    TESSERA_HOOK(InvalidateMappedMemoryRanges, InvalidateMappedMemoryRanges),
    TESSERA_HOOK(MapMemory, MapMemory),
    TESSERA_HOOK(UnmapMemory, UnmapMemory),
    TESSERA_LATE_HOOK(MapMemory2, late::PfnMapMemory2, MapMemory2<&DeviceDispatch::MapMemory2>),
    TESSERA_LATE_HOOK(MapMemory2KHR, late::PfnMapMemory2,
                      MapMemory2<&DeviceDispatch::MapMemory2KHR>),
    TESSERA_LATE_HOOK(UnmapMemory2, late::PfnUnmapMemory2,
                      UnmapMemory2<&DeviceDispatch::UnmapMemory2>),
    TESSERA_LATE_HOOK(UnmapMemory2KHR, late::PfnUnmapMemory2,
                      UnmapMemory2<&DeviceDispatch::UnmapMemory2KHR>),
};

}  // namespace

HookList MapHooks() noexcept {
    return {kHooks, std::size(kHooks)};
}

}  // namespace tessera
