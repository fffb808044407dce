// SPDX-License-Identifier: Apache-2.0
//
// See translate.h.

#include "layer/vk/translate.h"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cinttypes>

#include "layer/base/checked.h"
#include "layer/base/log.h"
#include "layer/vk/device.h"
#include "layer/vk/misuse.h"

namespace tessera {
namespace {

// Gives the processor up for a moment. Whoever moves a slot may be at it for as long as the driver
// takes to make a block, or have a lower priority than the caller: yielding alone would burn a
// core, or keep it from ever going on.
void Wait(uint32_t* waits) noexcept {
    constexpr uint32_t kYields = 16;
    if (++*waits <= kYields) {
        sched_yield();
        return;
    }
    constexpr timespec kPause = {.tv_sec = 0, .tv_nsec = 50'000};
    nanosleep(&kPause, nullptr);
}

// True if the caller now owns the transition of a floating slot; false if the slot is pinned.
bool BeginSettling(const Device& device, Slot& slot) noexcept {
    uint32_t waits = 0;
    for (;;) {
        uint32_t mark = slot.mark.load(std::memory_order_acquire);
        const SlotState state = pool::Mark::StateIn(mark);
        if (state == SlotState::kPinned) return false;
        // Settling lasts a few loads, or in the rare case of a move as long as an allocation.
        // In a forked child the thread that was at it may not exist: its slot is as if pinned.
        if (state == SlotState::kSettling) {
            if (!device.InOwnProcess()) return false;
            Wait(&waits);
            continue;
        }
        if (slot.mark.compare_exchange_weak(mark, pool::Mark::WithState(mark, SlotState::kSettling),
                                            std::memory_order_acquire)) {
            return true;
        }
    }
}

// Whether `bytes` from `offset` on lie within the first `limit` bytes.
bool Within(uint64_t offset, uint64_t bytes, uint64_t limit) noexcept {
    return offset <= limit && bytes <= limit - offset;
}

// Whether the slot's present place suits the resource, but for its size. The resource is asked, and
// not what is known of its memory type: nobody may have asked about such a resource on this device.
// Requires: the place does not change meanwhile (pinned, or settled by the caller).
bool Suits(const Device& device, const Slot& slot, ResourceNeed& need) noexcept {
    if (!IsAligned(slot.OffsetBytes(), need.Alignment())) return false;
    if (slot.Key().kind == pool::Kind::kAny) return true;
    // A slot among linear neighbours may still fill its granules alone.
    const uint64_t granularity = device.book.granularity();
    return need.ResourceLayout() == Layout::kLinear ||
           (IsAligned(slot.OffsetBytes(), granularity) && IsAligned(slot.SizeBytes(), granularity));
}

// How much of the block is the slot's: its own range, or all of a block that it has to itself.
uint64_t RoomOf(const Slot& slot) noexcept {
    return slot.Key().solo ? slot.block->memory.size_bytes : slot.SizeBytes();
}

// How an attempt to settle a slot ended.
enum class Outcome {
    kPlaced,
    kNoMemory,      // a better place would have taken a block that could not be had
    kNoHostMemory,  // or there was no host memory to keep account of it
    kUnsuited,      // it is pinned where it does not suit
    kTooShort,      // the resource would reach into another allocation
};

// A range of a slot that is mapped and has to lie in it: what may be bound there stays the same.
class RangeNeed final : public ResourceNeed {
 public:
    RangeNeed(const Slot& slot, uint64_t bytes) noexcept : slot_(slot) { BindOnly(bytes); }
    Layout ResourceLayout() noexcept override {
        return slot_.Key().kind == pool::Kind::kAny ? Layout::kOptimal : Layout::kLinear;
    }

 private:
    VkMemoryRequirements Ask() noexcept override { return {0, slot_.AlignmentBytes(), 0}; }

    const Slot& slot_;
};

// Places the slot anew so that it suits the resource.
// Requires: the caller is settling the slot.
Outcome Move(Device& device, Slot& slot, uint64_t offset, ResourceNeed& need) noexcept {
    // It lies at the start of a block of its own already: no other place is better.
    if (slot.Key().solo) return Outcome::kTooShort;
    const bool too_short = !Within(offset, need.Bytes(), slot.SizeBytes());
    // In a forked child the pool's locks are the parent's.
    if (!device.InOwnProcess()) return too_short ? Outcome::kTooShort : Outcome::kUnsuited;
    uint64_t bytes = slot.RequestedBytes();
    if (too_short) {
        if (!Within(offset, need.Bytes(), device.PooledLimit(slot.TypeIndex()))) {
            return Outcome::kTooShort;
        }
        bytes = std::max(bytes, offset + need.Bytes());
    }
    const uint64_t alignment = std::max(kMinimumAlignment, need.Alignment());
    const PlacementRule rule = device.book.PlaceFor(
        slot.TypeIndex(), bytes, slot.Key().allocate_flags, alignment, need.ResourceLayout());
    pool::Request request;
    request.requested_bytes = slot.RequestedBytes();
    request.size_bytes = rule.padded_bytes;
    request.alignment_bytes = rule.alignment_bytes;
    request.key = slot.Key();
    request.key.kind = rule.kind;
    pool::TypePool& pool = device.PoolOf(slot.TypeIndex());
    pool::PlaceStatus status = pool.Move(slot, request);
    // As for an allocation: what idles elsewhere on the device goes before an error is told.
    if (status != pool::PlaceStatus::kOk && device.ReleaseEmptyBlocks() != 0) {
        status = pool.Move(slot, request);
    }
    if (status == pool::PlaceStatus::kNoHostMemory) return Outcome::kNoHostMemory;
    if (status != pool::PlaceStatus::kOk) return Outcome::kNoMemory;
    device.ClearReused(slot);
    return Outcome::kPlaced;
}

// Whether other resources may follow this one for which the slot, which was placed for its size
// alone, does not lie well enough. One that fills the allocation is what was asked for before it.
bool MayHoldMore(const Device& device, const Slot& slot, uint64_t offset,
                 ResourceNeed& need) noexcept {
    const bool filled = offset == 0 && need.Bytes() >= slot.RequestedBytes();
    return !filled && !device.book.SuitsUnknown(slot.TypeIndex(), slot.RequestedBytes(),
                                                slot.AlignmentBytes(), slot.Key().kind);
}

Outcome PinFor(Device& device, Slot& slot, uint64_t offset, ResourceNeed& need) noexcept {
    const bool settles = BeginSettling(device, slot);
    Outcome outcome = Outcome::kPlaced;
    if (!Within(offset, need.Bytes(), RoomOf(slot))) {
        outcome = Outcome::kTooShort;
    } else if (!Suits(device, slot, need)) {
        outcome = Outcome::kUnsuited;
    }
    if (!settles) return outcome;
    if (outcome != Outcome::kPlaced) {
        outcome = Move(device, slot, offset, need);
    } else if (MayHoldMore(device, slot, offset, need)) {
        // Where it lies will do for this one, if there is no better place.
        Move(device, slot, offset, need);
    }
    SetState(slot, outcome == Outcome::kPlaced ? SlotState::kPinned : SlotState::kFloating);
    return outcome;
}

}  // namespace

void Pin(const Device& device, Slot& slot) noexcept {
    if (BeginSettling(device, slot)) SetState(slot, SlotState::kPinned);
}

bool PinCovering(Device& device, Slot& slot, uint64_t offset, uint64_t bytes) noexcept {
    RangeNeed need(slot, bytes);
    return PinFor(device, slot, offset, need) == Outcome::kPlaced;
}

VkResult TranslateBind(Device& device, VkDeviceMemory memory, VkDeviceSize offset,
                       ResourceNeed& need, BindTarget* target) noexcept {
    *target = {memory, offset};
    if (memory == VK_NULL_HANDLE) return VK_SUCCESS;
    const SlotTable::Found found = FindUsed(device, "a bind", memory);
    if (found.kind == SlotTable::Kind::kForeign) return VK_SUCCESS;
    if (found.kind == SlotTable::Kind::kStale) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    Slot& slot = *found.slot;
    // VUID-vkBindBufferMemory-memoryOffset-01031, -None-10741 and their like.
    if (offset >= slot.RequestedBytes() || !Within(offset, need.Bytes(), slot.RequestedBytes())) {
        ReportMisuse(device, TESSERA_MISUSE_bind_out_of_range, "a bind", memory);
    }
    switch (PinFor(device, slot, offset, need)) {
        case Outcome::kPlaced:
            break;
        case Outcome::kNoHostMemory:
            return VK_ERROR_OUT_OF_HOST_MEMORY;
        case Outcome::kNoMemory:
        case Outcome::kTooShort:
            return VK_ERROR_OUT_OF_DEVICE_MEMORY;
        case Outcome::kUnsuited:
            if (device.InOwnProcess()) device.PoolOf(slot.TypeIndex()).CountPlacementFailure();
            TESSERA_LOG(kError,
                        "no place suits a bind of memory 0x%" PRIx64 " (%" PRIu64
                        " bytes): please report this; TESSERA_MODE=off avoids it",
                        HandleValue(memory), slot.RequestedBytes());
            return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    *target = {MakeHandle(slot.Handle()), slot.OffsetBytes() + offset};
    return VK_SUCCESS;
}

}  // namespace tessera
