// SPDX-License-Identifier: Apache-2.0
//
// A shard: arenas, slots and counters of one memory type under one lock.
//
// The one idea: whatever an allocation needs lies behind one lock that nobody else wants. A pool
// begins with one shard and gets more only when threads were seen to wait for each other, so that
// an application with one thread pays neither time nor memory for the others. A block belongs to
// one shard for life; what is freed goes back there, at once if the thread allocates there as well,
// else by way of a stack that the thread which does empties.
//
// Threads: the shard's own lock guards all but the stack of returned slots.

#ifndef TESSERA_LAYER_POOL_SHARD_H_
#define TESSERA_LAYER_POOL_SHARD_H_

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "layer/base/light_mutex.h"
#include "layer/channel/counters.h"
#include "layer/pool/arena.h"
#include "layer/pool/block.h"
#include "layer/pool/slot_table.h"
#include "tessera/channel_abi.h"

namespace tessera::pool {

class TypePool;

// A number that differs between threads that live at the same time, for the price of one
// instruction where there is one.
inline uint64_t ThreadNumber() noexcept {
#if defined(__x86_64__) || defined(__aarch64__)
    return reinterpret_cast<uintptr_t>(__builtin_thread_pointer());
#else
    static thread_local char here;
    return reinterpret_cast<uintptr_t>(&here);
#endif
}

enum class PlaceStatus : uint8_t {
    kOk,
    kNoBlock,       // the driver gave no block, at the full size or any smaller one that would do;
                    // or no block could hold this: size 0 or beyond 1 TiB, a strange alignment
    kObjectLimit,   // no block because the driver's limit of memory objects is reached
    kNoHostMemory,  // the pool could not get host memory for its bookkeeping
};

// What a caller wants placed.
struct Request {
    uint64_t requested_bytes = 0;  // the application's own figure; only counted
    uint64_t size_bytes = 0;       // requested_bytes and its padding; rounded up to kUnitBytes
    uint64_t alignment_bytes = 0;  // a power of two; less than kUnitBytes counts as that
    ArenaKey key;
};

// Slots above this keep to blocks of their own: among small ones, what a large one leaves behind is
// soon too small for the next large one. Measured in docs/placement.md.
inline constexpr uint64_t kLargeBytes = 512 << 10;

// A request, checked and in units.
struct Ask {
    Fit fit;
    uint8_t alignment_log2 = 0;  // of the alignment in bytes: that of `fit`
    ArenaKey key;
    uint64_t requested_bytes = 0;

    // Returns: false if no pool could serve it.
    bool Take(const Request& request) noexcept {
        const uint64_t size = request.size_bytes;
        const uint64_t alignment = std::max(request.alignment_bytes, kUnitBytes);
        if (size == 0 || size > Units::kMostBytes || alignment > Units::kMostBytes) return false;
        // Not std::has_single_bit: without a machine instruction for it, that is a call.
        if ((alignment & (alignment - 1)) != 0) return false;
        fit.size = Units::FromBytesUp(size);
        fit.alignment_units = static_cast<uint32_t>(alignment / kUnitBytes);
        alignment_log2 = static_cast<uint8_t>(std::countr_zero(alignment));
        key = request.key.ForLarge(size > kLargeBytes);
        requested_bytes = request.requested_bytes;
        return true;
    }
};

// A slot that was handed out.
struct SlotRef {
    Slot* slot = nullptr;
    uint64_t name = 0;
    uint64_t slow_since_ns = 0;  // when the fast path was left; 0: it was not
};

class alignas(128) Shard {
 public:
    // `idle_total`: the bytes of the empty blocks of all shards of the pool.
    Shard(TypePool& pool, SlotTable& table, tessera_shard_counters& counters,
          std::atomic<uint64_t>& idle_total) noexcept
        : pool_(pool), counters_(counters), table_(table), idle_total_(idle_total) {}
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    TypePool& pool() const noexcept { return pool_; }
    LightMutex& mutex() const noexcept ABSL_LOCK_RETURNED(mutex_) { return mutex_; }

    // Places a slot, counts it and publishes its name. kNoBlock: no block here has room.
    PlaceStatus Allocate(const Ask& ask, SlotRef* out) noexcept
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    PlaceStatus AllocateInline(const Ask& ask, SlotRef* out) noexcept
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    // As Allocate, in an empty block that the slot has to itself.
    // Returns: kNoBlock if there is none that suits it.
    PlaceStatus AllocateSolo(const Ask& ask, SlotRef* out) noexcept
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    // Ends a slot that was retired. `returned`: it waited for it; Free() is for these.
    // Returns: its block, if that became empty for it; it is in Idle() then. Else null.
    Block* Free(Slot& slot, SlotId id) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    Block* FreeInline(Slot& slot, SlotId id, bool returned) noexcept
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    // Tell the recorder; see channel/recorder.h.
    void RecordAllocation(const Slot& slot, SlotId id, uint64_t name) noexcept
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void RecordFree(const Slot& slot, SlotId id, bool returned) noexcept
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void NoteFree(const Slot& slot, SlotId id) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    // What there is to tell of a live slot. Requires: the caller keeps its place from changing.
    static channel::AllocationFacts FactsOf(const Slot& slot, uint64_t name) noexcept;
    // What was remembered of who allocates may be long ago.
    void ForgetThread() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { lane_.thread_key = 0; }

    // The two halves of a move: a second place for a slot, and the end of its first one.
    PlaceStatus Take(const Ask& ask, Slot* place) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    Block* Release(const Slot& place) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    // Leaves a retired slot to be freed later, by whoever drains the shard. Costs this thread its
    // own cache line of the slot and one more, where freeing it here would take a dozen from the
    // thread that works in this shard. Returns: how many wait now. Threads: any, without the lock.
    uint32_t Return(Slot& slot, SlotId id) noexcept;

    // Whether slots were returned that nobody has freed yet. Threads: any; in one order with
    // TypePool::returns_noted_, so that of who leaves a slot and who has just looked one sees the
    // other.
    bool HasReturned() const noexcept {
        return static_cast<SlotId>(returned_.load(std::memory_order_seq_cst)) != kNoSlot;
    }

    // Takes all returned slots off the stack. Returns: the first; NextReturned leads to the others.
    SlotId TakeReturned() noexcept {
        return static_cast<SlotId>(returned_.exchange(kNoSlot, std::memory_order_acquire));
    }
    static SlotId NextReturned(const Slot& slot) noexcept { return slot.offset.Count(); }

    // Makes sure that AddBlock for `key`, and a slot in that block, have their host memory.
    // Returns: false if there is none.
    bool ReserveBlock(const ArenaKey& key) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    // Takes a new block in, empty: it is in Idle(). Requires: a ReserveBlock of its key.
    void AddBlock(Block& block) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    // Lets an empty block go: it is not in Idle() any more. Requires: it is in Idle().
    void RemoveBlock(Block& block) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    // The empty blocks.
    const BlockList& Idle() const noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return idle_; }

    // All arenas, for walks.
    const std::vector<std::unique_ptr<Arena>>& Arenas() const noexcept
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return arenas_;
    }

    // Returns: the arena of `key`, or null.
    Arena* FindArena(const ArenaKey& key) const noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        // An application uses one key or a few, so that a look at each beats any table.
        for (const auto& arena : arenas_)
            if (arena->Key() == key) return arena.get();
        return nullptr;
    }

    // Bytes that the application holds here: what it allocated less what it freed, which other
    // shards may have counted the other half of.
    int64_t LiveBytes() const noexcept {
        return static_cast<int64_t>(channel::Load(counters_.allocated_bytes) -
                                    channel::Load(counters_.freed_bytes));
    }

    // From this many bytes on, an allocation may be a new peak of the pool; see TypePool::NotePeak.
    int64_t peak_look ABSL_GUARDED_BY(mutex_) = 0;

    // The thread that allocated here last; see TypePool::LockContended. Written under the lock.
    std::atomic<uint64_t> allocator = 0;
    void NoteAllocator() noexcept {
        // Not written for nothing: others read it.
        const uint64_t me = ThreadNumber();
        if (allocator.load(std::memory_order_relaxed) != me)
            allocator.store(me, std::memory_order_relaxed);
    }

    // Where the last blocks of this shard came from; see TypePool::PrefersOthers.
    uint32_t misses ABSL_GUARDED_BY(mutex_) = 0;
    uint64_t window_start ABSL_GUARDED_BY(mutex_) = 0;

    const tessera_shard_counters& counters() const noexcept { return counters_; }
    // The blocks go with the device, whatever the application left in them.
    void CountNoBlocks() noexcept {
        const channel::SequencedWrite write(counters_.sequence);
        channel::Store(counters_.occupied_bytes, 0);
        channel::Store(counters_.largest_free_bytes, 0);
    }

    // For tests and debug builds: walks everything (O(n)).
    bool CheckInvariants() const noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

 private:
    // A solo slot begins with its block, which suits every alignment: this is the largest that any
    // pool places for.
    static constexpr uint8_t kSoloAlignmentLog2 = 39;

    // As many slots as are got from the table at once.
    static constexpr uint32_t kSlotsAtOnce = 32;

    PlaceStatus Place(const Ask& ask, Slot& slot) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    Block* FindSolo(const Ask& ask) const noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void AddIdle(Block& block) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        idle_.Add(block);
        idle_total_.fetch_add(block.memory.size_bytes, std::memory_order_relaxed);
    }
    void RemoveIdle(Block& block) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        idle_.Remove(block);
        idle_total_.fetch_sub(block.memory.size_bytes, std::memory_order_relaxed);
    }
    Block* Unplace(const Slot& slot) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    Slot* AddSlots() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    Arena* AddArena(const ArenaKey& key) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    ptrdiff_t FirstSoloArena() const noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    Units LargestFree() const noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void PublishLargest() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    // With what lies before it: what threads read that free a slot of this shard. It is written
    // when a block or another thread comes.
    TypePool& pool_;
    tessera_shard_counters& counters_;  // written under the lock
    SlotTable& table_;
    std::vector<std::unique_ptr<Arena>> arenas_ ABSL_GUARDED_BY(mutex_);  // a few at most
    std::atomic<uint64_t>& idle_total_;
    // What changes with each slot.
    alignas(64) mutable LightMutex mutex_;
    Slot* free_ ABSL_GUARDED_BY(mutex_) = nullptr;
    BlockList idle_ ABSL_GUARDED_BY(mutex_);
    channel::EventLane lane_ ABSL_GUARDED_BY(mutex_);
    // The first returned slot, and above it how many there are. On a line of its own: other threads
    // write it.
    alignas(64) std::atomic<uint64_t> returned_ = kNoSlot;
};

}  // namespace tessera::pool

#endif  // TESSERA_LAYER_POOL_SHARD_H_
