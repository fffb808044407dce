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
//             slot for the next allocation, unlock; or, if another thread allocates there, leave it
//             to that thread

#include <bit>

#include "layer/channel/counters.h"
#include "layer/pool/type_pool.h"

namespace tessera::pool {
namespace {

using channel::Add;
using channel::SequencedWrite;
using channel::Subtract;

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
    NoteAllocator();
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
    // Somebody looks at each allocation by itself.
    if (table_.recorder().on()) [[unlikely]]
        RecordAllocation(slot, id, out->name);
    return PlaceStatus::kOk;
}

[[gnu::always_inline]] inline Block* Shard::FreeInline(Slot& slot, SlotId id,
                                                       bool returned) noexcept {
    if (table_.recorder().on()) [[unlikely]]
        RecordFree(slot, id, returned);
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
    return FreeInline(slot, id, /*returned=*/true);
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
uint32_t Shard::Return(Slot& slot, SlotId id) noexcept {
    constexpr uint32_t kCountShift = 32;
    uint64_t top = returned_.load(std::memory_order_relaxed);
    uint64_t count = 0;
    do {
        slot.offset = Units(static_cast<SlotId>(top));
        count = (top >> kCountShift) + 1;
    } while (!returned_.compare_exchange_weak(
        top, count << kCountShift | id, std::memory_order_seq_cst, std::memory_order_relaxed));
    return static_cast<uint32_t>(count);
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
    const bool looks = channel::Load(shard.counters().allocations) % kAllocationsPerLook == 0;
    shard.mutex().Unlock();
    // Other threads may have left something to be freed. Not looked for each time: it is their
    // line.
    if (looks && shard.HasReturned()) [[unlikely]]
        FreeReturned(shard);
    // The shard has no room: another may, or a block is made.
    if (status == PlaceStatus::kNoBlock) [[unlikely]]
        return AllocateSlowly(shard, ask, out);
    return status;
}

uint64_t TypePool::Free(Slot& slot, SlotId id) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    Shard& shard = *slot.block->shard;
    // Another thread allocates there: leave it to that one, unless somebody looks at each free.
    if (shard.allocator.load(std::memory_order_relaxed) != ThreadNumber()) [[unlikely]] {
        if (shard.pool().defers_ && !shard.pool().table_.recorder().on()) {
            shard.pool().Return(shard, slot, id);
            return 0;
        }
    }
    shard.mutex().Lock();
    Block* const emptied = shard.FreeInline(slot, id, /*returned=*/false);
    // The block may go back to the driver.
    if (emptied != nullptr) [[unlikely]]
        return shard.pool().UnlockEmptied(shard, *emptied);
    shard.mutex().Unlock();
    return 0;
}

}  // namespace tessera::pool
