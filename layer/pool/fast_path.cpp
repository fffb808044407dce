// SPDX-License-Identifier: Apache-2.0
//
// The fast path: what an allocation and a free cost. One file, so that it can be read in one
// sitting and compiled into two functions; whatever is rare leaves it for type_pool.cpp or
// shard.cpp.
//
//   allocate  check the request, lock the shard of this thread, place the slot in an arena
//             (Arena::Take in arena.h: a bit of a run, or a range), count, publish the name
//             (SlotTable::Publish in slot_table.h), unlock
//   free      lock the shard of the block, end the slot's place (Arena::Release), count, keep the
//             slot for the next allocation, unlock; or, if somebody is at work there, leave it to
//             them

#include <bit>

#include "layer/channel/counters.h"
#include "layer/pool/type_pool.h"

namespace tessera::pool {
namespace {

using channel::Add;
using channel::SequencedWrite;
using channel::Subtract;

// A number that differs between threads, for the price of one instruction where there is one.
inline uint64_t ThreadNumber() noexcept {
#if defined(__x86_64__) || defined(__aarch64__)
    return reinterpret_cast<uintptr_t>(__builtin_thread_pointer());
#else
    static thread_local char here;
    return reinterpret_cast<uintptr_t>(&here);
#endif
}

}  // namespace

// ---- in a shard, under its lock -----------------------------------------------------------------

[[gnu::always_inline]] inline PlaceStatus Shard::Place(const Ask& ask, Slot& slot) noexcept {
    Arena* const arena = FindArena(ask.key);
    if (arena == nullptr) return PlaceStatus::kNoBlock;
    if (!arena->Reserve()) [[unlikely]]
        return PlaceStatus::kNoHostMemory;
    if (!arena->Take(ask.fit, slot)) [[unlikely]]
        return PlaceStatus::kNoBlock;
    slot.slack_bytes = static_cast<uint32_t>(slot.size.Bytes() - ask.requested_bytes);
    slot.alignment_log2 = ask.alignment_log2;
    // The first slot of its block: it was empty until now.
    if (slot.block->live_slots == 1) [[unlikely]]
        RemoveIdle(*slot.block);
    return PlaceStatus::kOk;
}

[[gnu::always_inline]] inline Block* Shard::Unplace(const Slot& slot) noexcept {
    Block& block = *slot.block;
    if (!block.arena->Release(slot)) [[likely]]
        return nullptr;
    AddIdle(block);
    return &block;
}

[[gnu::always_inline]] inline PlaceStatus Shard::AllocateInline(const Ask& ask,
                                                                SlotRef* out) noexcept {
    if (free_ == nullptr && AddSlots() == nullptr) [[unlikely]]
        return PlaceStatus::kNoHostMemory;
    Slot& slot = *free_;
    const SlotId id = slot.ref;
    Slot* const next = slot.next_free;
    const PlaceStatus status = Place(ask, slot);
    if (status != PlaceStatus::kOk) [[unlikely]]
        return status;
    free_ = next;
    {
        tessera_shard_counters& counters = counters_;
        SequencedWrite write(counters.sequence);
        Add(counters.allocations, 1);
        Add(counters.allocated_bytes, ask.requested_bytes);
        Add(counters.occupied_bytes, slot.size.Bytes());
        if (slot.block->arena->TakeLargestChanged()) [[unlikely]]
            PublishLargest();
    }
    slot.owner_flags = 0;
    out->slot = &slot;
    out->name = table_.Publish(slot, id);
    return PlaceStatus::kOk;
}

[[gnu::always_inline]] inline Block* Shard::FreeInline(Slot& slot, SlotId id) noexcept {
    const uint64_t requested = slot.RequestedBytes();
    const uint64_t occupied = slot.size.Bytes();
    Arena& arena = *slot.block->arena;
    Block* const emptied = Unplace(slot);
    tessera_shard_counters& counters = counters_;
    SequencedWrite write(counters.sequence);
    Add(counters.frees, 1);
    Add(counters.freed_bytes, requested);
    Subtract(counters.occupied_bytes, occupied);
    if (arena.TakeLargestChanged()) [[unlikely]]
        PublishLargest();
    slot.ref = id;
    slot.next_free = free_;
    free_ = &slot;
    return emptied;
}

// The same for those who are not in a hurry.
PlaceStatus Shard::Allocate(const Ask& ask, SlotRef* out) noexcept {
    return AllocateInline(ask, out);
}
Block* Shard::Free(Slot& slot, SlotId id) noexcept {
    return FreeInline(slot, id);
}

PlaceStatus Shard::Take(const Ask& ask, Slot* place) noexcept {
    const PlaceStatus status = Place(ask, *place);
    if (status != PlaceStatus::kOk) return status;
    SequencedWrite write(counters_.sequence);
    Add(counters_.occupied_bytes, place->size.Bytes());
    PublishLargest();
    return PlaceStatus::kOk;
}

Block* Shard::Release(const Slot& place) noexcept {
    Block* const emptied = Unplace(place);
    SequencedWrite write(counters_.sequence);
    Subtract(counters_.occupied_bytes, place.size.Bytes());
    PublishLargest();
    return emptied;
}

// The place of a slot that waits to be freed is told by `ref` alone: its offset is free to lead to
// the next one.
void Shard::Return(Slot& slot, SlotId id) noexcept {
    SlotId top = returned_.load(std::memory_order_relaxed);
    do {
        slot.offset = Units(top);
    } while (!returned_.compare_exchange_weak(top, id, std::memory_order_release));
}

// ---- in the pool --------------------------------------------------------------------------------

std::atomic<uint8_t>& TypePool::HomeOfThread() const noexcept {
    return homes_[((ThreadNumber() * 0x9E3779B97F4A7C15u) >> 40) % kHomes];
}

inline Shard& TypePool::LockHome() noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    Shard& home = HomeShard();
    if (home.mutex().TryLock()) [[likely]]
        return home;
    return LockContended(home);
}

PlaceStatus TypePool::Allocate(const Request& request,
                               SlotRef* out) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    Ask ask;
    if (!ask.Take(request)) [[unlikely]]
        return PlaceStatus::kNoBlock;
    Shard& shard = LockHome();
    const PlaceStatus status = shard.AllocateInline(ask, out);
    // The application may have more than ever before.
    if (shard.LiveBytes() > shard.peak_look) [[unlikely]]
        NotePeak(shard);
    Unlock(shard);
    // The shard has no room: another may, or a block is made.
    if (status == PlaceStatus::kNoBlock) [[unlikely]]
        return AllocateSlowly(shard, ask, out);
    return status;
}

void TypePool::Free(Slot& slot, SlotId id) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    Shard& shard = *slot.block->shard;
    if (shard.mutex().TryLock()) [[likely]] {
        Block* const emptied = shard.FreeInline(slot, id);
        // The block may go back to the driver.
        if (emptied != nullptr) [[unlikely]]
            return shard.pool().UnlockEmptied(shard, *emptied);
    } else {
        // Somebody is at work there: leave it to them, or do it if they just went. They look for
        // returned slots once they let the lock go; their look may come before others see that they
        // did, so this waits for longer than a store takes to be seen. If even that were not
        // enough, the slot would stay returned until the shard is locked next.
        shard.Return(slot, id);
        shard.mutex().SpinWhileHeld([&] { return !shard.HasReturned(); });
        if (!shard.HasReturned() || !shard.mutex().TryLock()) return;
    }
    shard.pool().Unlock(shard);
}

}  // namespace tessera::pool
