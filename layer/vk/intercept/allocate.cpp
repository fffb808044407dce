// SPDX-License-Identifier: Apache-2.0
//
// vkAllocateMemory and vkFreeMemory: where an allocation becomes a slot, or goes through.
//
// The order of attempts: a slot in a block; after everything empty was given back, once more; the
// application's exact request; after everything empty was given back, once more; the driver's
// error.

#include <vulkan/vulkan.h>

#include <algorithm>

#include "layer/base/checked.h"
#include "layer/base/clock.h"
#include "layer/base/log.h"
#include "layer/vk/call_scope.h"
#include "layer/vk/classify.h"
#include "layer/vk/intercept/hooks.h"
#include "layer/vk/levels.h"
#include "layer/vk/misuse.h"
#include "layer/vk/process.h"
#include "layer/vk/translate.h"

namespace tessera {
namespace {

// How often the driver is asked again when it returns a handle that equals a live slot's. Each try
// fails with a probability of about 2^-64 on drivers whose handles look random.
constexpr int kHandleTries = 4;

tessera_reason ReasonOf(pool::PlaceStatus status) noexcept {
    switch (status) {
        case pool::PlaceStatus::kOk:
            return TESSERA_REASON_none;
        case pool::PlaceStatus::kNoBlock:
            return TESSERA_REASON_no_block;
        case pool::PlaceStatus::kObjectLimit:
            return TESSERA_REASON_object_limit;
        case pool::PlaceStatus::kNoHostMemory:
            break;
    }
    return TESSERA_REASON_out_of_host_memory;
}

// The pool had no room. Empty blocks of other types may lie in the same heap, and count as objects
// all the same: without them it is asked once more.
[[gnu::noinline]] pool::PlaceStatus AllocateAgain(Device& device, pool::TypePool& pool,
                                                  const pool::Request& request,
                                                  pool::PlaceStatus status,
                                                  pool::SlotRef* slot) noexcept {
    if (status == pool::PlaceStatus::kNoHostMemory || device.ReleaseEmptyBlocks() == 0)
        return status;
    return pool.Allocate(request, slot);
}

// A call that left the fast path stands for itself, and any other that is timed for `weight` calls.
[[gnu::noinline]] void CountAllocateTime(Device& device, uint64_t weight, uint64_t start_ns,
                                         uint64_t slow_since_ns) noexcept {
    if (!channel::kCounts) return;
    const bool slow = slow_since_ns != 0;
    channel::CountDuration(device.call(TESSERA_CALL_vkAllocateMemory),
                           NowNs() - (slow ? slow_since_ns : start_ns), slow ? 1 : weight);
}

// Tries to serve `info` from a pool. Returns `none` and sets `*memory`, or why it could not be.
[[gnu::always_inline]] inline tessera_reason AllocateSlot(Device& device,
                                                          const VkMemoryAllocateInfo& info,
                                                          const pool::ArenaKey& key,
                                                          VkDeviceMemory* memory) noexcept {
    if (!device.EnsureProbed()) [[unlikely]]
        return TESSERA_REASON_no_block;
    const PlacementRule rule =
        device.book.Place(info.memoryTypeIndex, info.allocationSize, key.allocate_flags);
    pool::Request request;
    request.requested_bytes = info.allocationSize;
    request.size_bytes = rule.padded_bytes;
    request.alignment_bytes = rule.alignment_bytes;
    request.key = key.With(rule.kind);

    pool::TypePool& pool = device.PoolOf(info.memoryTypeIndex);
    const uint64_t weight = Device::SampleWeight(pool.Ticks(), pool);
    const uint64_t start_ns = weight != 0 ? NowNs() : 0;
    if (device.slots.recorder().on()) [[unlikely]]
        TakeCallStack(device);
    pool::SlotRef slot;
    pool::PlaceStatus status = pool.Allocate(request, &slot);
    if (status != pool::PlaceStatus::kOk) [[unlikely]] {
        status = AllocateAgain(device, pool, request, status, &slot);
        if (status != pool::PlaceStatus::kOk) return ReasonOf(status);
    }
    device.ClearReused(*slot.slot);
    if ((weight | slot.slow_since_ns) != 0) [[unlikely]]
        CountAllocateTime(device, weight, start_ns, slot.slow_since_ns);
    *memory = MakeHandle(slot.name);
    return TESSERA_REASON_none;
}

// What is too large to share a block: it gets one of its own, which is used again for the next of
// about its size. As AllocateSlot; but what resources need is not asked, since the start of a block
// serves them all.
[[gnu::noinline]] tessera_reason AllocateSolo(Device& device, const VkMemoryAllocateInfo& info,
                                              const pool::ArenaKey& key,
                                              VkDeviceMemory* memory) noexcept {
    const uint64_t limit = device.SoloLimit(info.memoryTypeIndex);
    if (info.allocationSize > limit) return TESSERA_REASON_too_large;
    pool::Request request;
    request.requested_bytes = info.allocationSize;
    request.size_bytes =
        device.book.Place(info.memoryTypeIndex, info.allocationSize, key.allocate_flags)
            .padded_bytes;
    if (pool::SoloBlockBytes(request.size_bytes) > limit) return TESSERA_REASON_too_large;
    // There is nobody to keep apart from.
    request.key = key.With(pool::Kind::kAny);

    pool::TypePool& pool = device.PoolOf(info.memoryTypeIndex);
    const uint64_t start_ns = NowNs();
    if (device.slots.recorder().on()) TakeCallStack(device);
    pool::SlotRef slot;
    pool::PlaceStatus status = pool.AllocateSolo(request, &slot);
    if (status != pool::PlaceStatus::kOk && status != pool::PlaceStatus::kNoHostMemory &&
        device.ReleaseEmptyBlocks() != 0) {
        status = pool.AllocateSolo(request, &slot);
    }
    if (status != pool::PlaceStatus::kOk) return ReasonOf(status);
    device.RestorePriority(*slot.slot);
    device.ClearReused(*slot.slot);
    channel::CountDuration(device.call(TESSERA_CALL_vkAllocateMemory), NowNs() - start_ns);
    *memory = MakeHandle(slot.name);
    return TESSERA_REASON_none;
}

VkResult CallDown(Device& device, const VkMemoryAllocateInfo& info,
                  const VkAllocationCallbacks* allocator, VkDeviceMemory* memory) noexcept {
    DriverCall timer(device, TESSERA_CALL_vkAllocateMemory);
    return device.dt.AllocateMemory(device.handle, &info, allocator, memory);
}

bool MayHelpToReleaseBlocks(VkResult result) noexcept {
    return result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_HOST_MEMORY ||
           result == VK_ERROR_TOO_MANY_OBJECTS;
}

// Whether the same request may be made again after it succeeded. An import hands its payload over:
// the second one would hand over what is gone. What is not known counts as an import.
bool MayBeRepeated(const VkMemoryAllocateInfo& info) noexcept {
    for (auto* link = static_cast<const VkBaseInStructure*>(info.pNext); link != nullptr;
         link = link->pNext) {
        switch (static_cast<int>(link->sType)) {
            case VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO:
            case VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT:
            case VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO:
            case VK_STRUCTURE_TYPE_DEDICATED_ALLOCATION_MEMORY_ALLOCATE_INFO_NV:
            case VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO:
            case VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO_NV:
            case late::kDedicatedAllocateInfoTensor:
                break;
            default:
                return false;
        }
    }
    return true;
}

void FreeUnadmitted(Device& device, VkDeviceMemory memory,
                    const VkAllocationCallbacks* allocator) noexcept {
    DriverCall timer(device, TESSERA_CALL_vkFreeMemory);
    device.dt.FreeMemory(device.handle, memory, allocator);
}

// Takes a handle that the driver just made for `info`. If a live slot has the same value the driver
// is asked for another; an import fails instead, since its payload went with the first.
VkResult KeepHandlesApart(Device& device, const VkMemoryAllocateInfo& info,
                          const VkAllocationCallbacks* allocator, VkDeviceMemory* memory) noexcept {
    if (device.AdmitForeign(*memory)) return VK_SUCCESS;
    if (device.Find(*memory).kind != SlotTable::Kind::kLive) {
        // It only looks like one of ours, and there is no host memory to remember that it is not.
        FreeUnadmitted(device, *memory, allocator);
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    if (!MayBeRepeated(info)) {
        FreeUnadmitted(device, *memory, allocator);
        *memory = VK_NULL_HANDLE;
        TESSERA_LOG(kError,
                    "the driver gave imported memory a handle that is in use: the import fails, "
                    "since it cannot be made twice");
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    VkDeviceMemory set_aside[kHandleTries] = {};
    int tries = 0;
    VkResult result = VK_SUCCESS;
    do {
        set_aside[tries++] = *memory;
        // The refused ones stay allocated meanwhile, so that the driver cannot return them again.
        result = tries < kHandleTries ? CallDown(device, info, allocator, memory)
                                      : VK_ERROR_OUT_OF_DEVICE_MEMORY;
    } while (result == VK_SUCCESS && !device.AdmitForeign(*memory));
    for (int i = 0; i < tries; ++i)
        FreeUnadmitted(device, set_aside[i], allocator);
    return result;
}

// The driver's answer to the exact request, with a handle that no live slot has. A request that
// failed is made again if memory could be given back for it: a failed import took nothing.
VkResult AllocateBelow(Device& device, const VkMemoryAllocateInfo& info,
                       const VkAllocationCallbacks* allocator, VkDeviceMemory* memory) noexcept {
    pool::TypePool& pool = device.PoolOf(info.memoryTypeIndex);
    VkResult result = CallDown(device, info, allocator, memory);
    if (result != VK_SUCCESS) pool.CountDriverFailure();
    if (MayHelpToReleaseBlocks(result) && device.ReleaseEmptyBlocks() != 0) {
        result = CallDown(device, info, allocator, memory);
        if (result != VK_SUCCESS) pool.CountDriverFailure();
    }
    // A driver may answer a size of zero with success and no object.
    if (result != VK_SUCCESS || *memory == VK_NULL_HANDLE) return result;
    return KeepHandlesApart(device, info, allocator, memory);
}

// As AllocateBelow, within the driver's limit of objects.
VkResult AllocateWithinLimit(Device& device, const VkMemoryAllocateInfo& info,
                             const VkAllocationCallbacks* allocator,
                             VkDeviceMemory* memory) noexcept {
    if (!device.ReservePassThroughObject() &&
        (device.ReleaseEmptyBlocks() == 0 || !device.ReservePassThroughObject())) {
        TESSERA_LOG(kWarning, "the driver's limit of %u memory objects is reached",
                    device.properties.limits.maxMemoryAllocationCount);
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    const VkResult result = AllocateBelow(device, info, allocator, memory);
    if (result != VK_SUCCESS || *memory == VK_NULL_HANDLE) device.RemoveObject();
    return result;
}

VkResult PassThroughAllocation(Device& device, const VkMemoryAllocateInfo& info,
                               const VkAllocationCallbacks* allocator, tessera_reason reason,
                               VkDeviceMemory* memory) noexcept {
    // In a forked child nothing is counted, and a wrong type has no pool to count in.
    if (!device.InOwnProcess() || info.memoryTypeIndex >= device.memory().memoryTypeCount) {
        const VkResult result = CallDown(device, info, allocator, memory);
        if (result != VK_SUCCESS || *memory == VK_NULL_HANDLE) return result;
        device.lost_track.store(true, std::memory_order_relaxed);
        return KeepHandlesApart(device, info, allocator, memory);
    }
    const VkResult result = AllocateWithinLimit(device, info, allocator, memory);
    pool::TypePool& pool = device.PoolOf(info.memoryTypeIndex);
    if (result != VK_SUCCESS) {
        pool.CountFailure();
        device.RecordFailure(result, info.memoryTypeIndex);
        return result;
    }
    if (*memory == VK_NULL_HANDLE) return result;
    if (device.slots.recorder().on()) TakeCallStack(device);
    PassThrough entry{info.allocationSize, info.memoryTypeIndex, reason};
    entry.record = device.RecordPassed(entry, HandleValue(*memory));
    if (device.pass_through.Add(HandleValue(*memory), entry)) {
        pool.CountPassThrough(reason, info.allocationSize);
    } else {
        device.RecordPassedFree(entry, HandleValue(*memory));
        device.AddUntrackedObject();
        device.lost_track.store(true, std::memory_order_relaxed);
    }
    device.SampleBudget(/*now=*/false);
    return result;
}

// What is not pooled, or not any more. Out of line, as all that is rare: vkAllocateMemory itself
// stays short.
[[gnu::noinline]] VkResult AllocateUnpooled(Device& device, const VkMemoryAllocateInfo& info,
                                            const VkAllocationCallbacks* allocator,
                                            tessera_reason reason,
                                            VkDeviceMemory* memory) noexcept {
    // Beside a call of the driver two reads of the clock cost nothing: each is timed.
    const bool counted = device.InOwnProcess();
    if (counted) channel::CountCall(device.call(TESSERA_CALL_vkAllocateMemory));
    const CallTimer timer(counted ? &device.call(TESSERA_CALL_vkAllocateMemory) : nullptr);
    return PassThroughAllocation(device, info, allocator, reason, memory);
}

// Whatever is not plain: what is chained to the request, or its size or type, has a say.
[[gnu::noinline]] VkResult AllocateClassified(Device& device, const VkMemoryAllocateInfo& info,
                                              const VkAllocationCallbacks* allocator,
                                              VkDeviceMemory* memory) noexcept {
    Classification what =
        Classify(info, device.gates(), device.memory(), device.PooledLimit(info.memoryTypeIndex));
    if (!device.InOwnProcess()) what.reason = TESSERA_REASON_forked;
    if (what.reason == TESSERA_REASON_none) {
        what.reason = AllocateSlot(device, info, what.key, memory);
        if (what.reason == TESSERA_REASON_none) return VK_SUCCESS;
    } else if (what.reason == TESSERA_REASON_too_large) {
        what.reason = AllocateSolo(device, info, what.key, memory);
        if (what.reason == TESSERA_REASON_none) return VK_SUCCESS;
    }
    return AllocateUnpooled(device, info, allocator, what.reason, memory);
}

inline VkResult AllocateHere(Device& device, const VkMemoryAllocateInfo& info,
                             const VkAllocationCallbacks* allocator,
                             VkDeviceMemory* memory) noexcept {
    if (info.pNext != nullptr || !device.IsPlain(info.memoryTypeIndex, info.allocationSize) ||
        !device.InOwnProcess()) [[unlikely]]
        return AllocateClassified(device, info, allocator, memory);
    const tessera_reason reason = AllocateSlot(device, info, pool::ArenaKey(), memory);
    if (reason == TESSERA_REASON_none) [[likely]]
        return VK_SUCCESS;
    return AllocateUnpooled(device, info, allocator, reason, memory);
}

// Spec: vkAllocateMemory. Transparent when: the result and the memory's properties are those of
// the exact request. Down-calls: vkAllocateMemory, for a block or for the request itself.
VKAPI_ATTR VkResult VKAPI_CALL AllocateMemory(VkDevice device,
                                              const VkMemoryAllocateInfo* pAllocateInfo,
                                              const VkAllocationCallbacks* pAllocator,
                                              VkDeviceMemory* pMemory) noexcept {
    return AllocateHere(DeviceOf(device), *pAllocateInfo, pAllocator, pMemory);
}

void FreeBelow(Device& device, VkDeviceMemory memory,
               const VkAllocationCallbacks* allocator) noexcept {
    PassThrough entry;
    bool known = false;
    // Everything that knows the handle forgets it first: the driver may use the value again at
    // once.
    if (memory != VK_NULL_HANDLE) {
        known = device.InOwnProcess() && device.pass_through.Remove(HandleValue(memory), &entry);
        device.slots.ForgetForeign(HandleValue(memory));
        if (known) device.RecordPassedFree(entry, HandleValue(memory));
    }
    if (device.InOwnProcess()) device.resources.ForeignMemoryFreed(HandleValue(memory));
    {
        DriverCall timer(device, TESSERA_CALL_vkFreeMemory);
        device.dt.FreeMemory(device.handle, memory, allocator);
    }
    if (!known) {
        if (memory != VK_NULL_HANDLE && device.InOwnProcess()) device.RemoveUntrackedObject();
        // The driver has it, as without the layer.
        if (memory != VK_NULL_HANDLE && device.InOwnProcess() && !device.lost_track.load()) {
            ReportMisuse(device, TESSERA_MISUSE_unknown_free, "vkFreeMemory", memory);
        }
        return;
    }
    device.RemoveObject();
    device.PoolOf(entry.type_index).CountPassThroughFree(entry.reason, entry.size_bytes);
    device.SampleBudget(/*now=*/false);
}

// Returns: as pool::TypePool::Free.
[[gnu::always_inline]] inline uint64_t FreeSlot(Device& device, Slot& slot,
                                                uint64_t name) noexcept {
    SlotTable::Retire(slot);
    // In a forked child the range stays the parent's, and so do the locks.
    if (!device.InOwnProcess()) [[unlikely]]
        return 0;
    // Host writes that the application never flushed must not reach whoever gets the range next
    // (spec: vkFreeMemory, note on implicit unmapping; vkUnmapMemory does not flush).
    if ((slot.owner_flags & kSlotEverMapped) != 0) device.FlushSlot(slot);
    device.private_data.DropHandle(name);
    device.resources.MemoryFreed(name);
    return pool::TypePool::Free(slot, SlotTable::IdIn(name));
}

// Whoever gives blocks back is timed, whosever turn it is.
[[gnu::noinline]] void CountSlowFree(Device& device, uint64_t since_ns) noexcept {
    if (channel::kCounts)
        channel::CountDuration(device.call(TESSERA_CALL_vkFreeMemory), NowNs() - since_ns);
}

[[gnu::noinline]] void FreeTimed(Device& device, Slot& slot, uint64_t name) noexcept {
    const uint64_t weight =
        device.InOwnProcess()
            ? Device::SampleWeight(Device::DiceOf(name), device.PoolOf(slot.TypeIndex()))
            : 0;
    CallTimer timer(weight != 0 ? &device.call(TESSERA_CALL_vkFreeMemory) : nullptr, weight);
    if (const uint64_t since_ns = FreeSlot(device, slot, name); since_ns != 0) {
        timer.Stop();
        CountSlowFree(device, since_ns);
    }
}

[[gnu::noinline]] void FreeUnpooled(Device& device, VkDeviceMemory memory, SlotTable::Kind kind,
                                    const VkAllocationCallbacks* allocator) noexcept {
    AppCall timer(device, TESSERA_CALL_vkFreeMemory);
    if (kind == SlotTable::Kind::kForeign) {
        FreeBelow(device, memory, allocator);
    } else {
        ReportMisuse(device, TESSERA_MISUSE_double_free, "vkFreeMemory", memory);
    }
}

// Spec: vkFreeMemory. `memory` may be null; a mapped one is unmapped. Down-calls: vkFreeMemory for
// what was passed through, vkFlushMappedMemoryRanges for slots in non-coherent memory.
VKAPI_ATTR void VKAPI_CALL FreeMemory(VkDevice device, VkDeviceMemory memory,
                                      const VkAllocationCallbacks* pAllocator) noexcept {
    Device& d = DeviceOf(device);
    const SlotTable::Found found = d.Find(memory);
    if (found.kind != SlotTable::Kind::kLive) [[unlikely]]
        return FreeUnpooled(d, memory, found.kind, pAllocator);
    if (Device::DiceOf(HandleValue(memory)) % kSampleInterval == 0) [[unlikely]]
        return FreeTimed(d, *found.slot, HandleValue(memory));
    if (const uint64_t since_ns = FreeSlot(d, *found.slot, HandleValue(memory)); since_ns != 0)
        [[unlikely]]
        CountSlowFree(d, since_ns);
}

const Hook kHooks[] = {
    TESSERA_HOOK(AllocateMemory, AllocateMemory),
    TESSERA_HOOK(FreeMemory, FreeMemory),
};

}  // namespace

HookList AllocateHooks() noexcept {
    return {kHooks, std::size(kHooks)};
}

}  // namespace tessera
