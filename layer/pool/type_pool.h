// SPDX-License-Identifier: Apache-2.0
//
// The pool of one memory type of one device: where slots are placed, and where its numbers are
// counted.
//
// A TypePool owns blocks of driver memory and hands out ranges of them. Placement is O(1), with its
// metadata outside of device memory, in shards (shard.h) of which there is one until threads wait
// for each other. Blocks start small and grow with what is live; empty ones are kept up to an
// allowance, so that an application that frees and allocates the same again does not reach the
// driver.
//
// Threads: every public function may be called from any thread. Locks: a shard's, for placement;
// and the pool's own, for what is rare: making and giving up blocks, and what passes through. The
// pool's may be taken under a shard's, never the other way round, and neither is held while the
// BlockSource is called: a thread that needs a block announces it, and the others wait for that
// block instead of making one each.
//
// Helper: with a helper thread (see Service) blocks are made before they are needed and given back
// by it. Without one the application's threads do all of it.

#ifndef TESSERA_LAYER_POOL_TYPE_POOL_H_
#define TESSERA_LAYER_POOL_TYPE_POOL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "layer/base/mutex.h"
#include "layer/pool/block.h"
#include "layer/pool/block_source.h"
#include "layer/pool/growth.h"
#include "layer/pool/shard.h"
#include "layer/pool/slot_table.h"
#include "tessera/channel_abi.h"

namespace tessera::pool {

// Limits and policy of one memory type, fixed when the pool is made.
struct PoolLimits {
    uint64_t min_block_bytes = 256 << 10;    // the first block of an arena
    uint64_t max_block_bytes = 64ull << 20;  // no block is larger, unless one request needs it
    uint64_t idle_bytes = 64ull << 20;       // empty blocks that may be kept; 0 keeps none
    uint64_t idle_ms = 0;  // how long an empty block may be kept; 0: for ever. Needs a helper.
    uint32_t growth_share = 24;  // a new block is about this part of what is live
    uint32_t max_shards = 1;     // no more appear, however many threads there are
    bool helped = false;         // somebody calls Service
};

// Bytes of one type, for the budget arithmetic. unused = block bytes that hold no slot.
struct Occupancy {
    uint64_t app_live_bytes = 0;  // pooled and passed through, the application's figures
    uint64_t unused_block_bytes = 0;
};

class TypePool {
 public:
    // All must outlive the pool. `totals` and the lines that `source` gives may lie in shared
    // memory and are written only by this object. `line` is the first of them.
    TypePool(uint32_t type_index, const PoolLimits& limits, SlotTable& table, BlockSource& source,
             tessera_type_totals& totals, tessera_shard_counters& line) noexcept;

    // Gives every block back to the source, with or without live slots in it. What was never freed
    // stays live in the application's view and in `pooled`, where it can be seen as a leak.
    // Requires: no other thread uses the pool any more.
    ~TypePool();

    TypePool(const TypePool&) = delete;
    TypePool& operator=(const TypePool&) = delete;

    // Places `request`, counts one application allocation and publishes its name. May call the
    // source: first for a block of the size that growth suggests, after a failure for smaller ones
    // down to what the request needs (but no smaller than kSmallestBlockBytes), then, with all
    // empty blocks given back, once more. On failure `*out` is untouched and nothing was counted
    // but driver failures; the caller goes on to pass the request through.
    PlaceStatus Allocate(const Request& request, SlotRef* out) noexcept;

    // As Allocate, with a block of the slot's own: one that an earlier such slot left and whose
    // size suits this one (growth.h), or a new one that is no larger than it must be. Meant for
    // what is too large to share a block. The slot lies at the start of its block, so that every
    // alignment is served.
    PlaceStatus AllocateSolo(const Request& request, SlotRef* out) noexcept;

    // Ends a slot whose name was retired and counts one application free. The range may be handed
    // out again before this returns. Gives empty blocks beyond the allowance back to the source,
    // those first that have been empty longest.
    // Returns: when the thread began to give blocks back itself, in NowNs(); 0: it did not.
    static uint64_t Free(Slot& slot, SlotId id) noexcept;

    // Places anew a slot that nobody has seen yet, and that the caller keeps all others from. On
    // kOk the slot lies elsewhere; on failure it stays. Counts a moved slot and no application
    // allocation; the requested bytes of `request` are those that the slot was counted with.
    PlaceStatus Move(Slot& slot, const Request& request) noexcept;

    // Counts an allocation that the driver served as it came, and its end. `reason` is below
    // TESSERA_REASON_COUNT.
    void CountPassThrough(tessera_reason reason, uint64_t size_bytes) noexcept;
    void CountPassThroughFree(tessera_reason reason, uint64_t size_bytes) noexcept;

    // Count an allocation that failed for the application, a request that the driver refused, and a
    // bind that no place could satisfy.
    void CountFailure() noexcept;
    void CountDriverFailure() noexcept;
    void CountPlacementFailure() noexcept;

    // Gives all empty blocks back to the source. Returns how many bytes that were.
    uint64_t ReleaseEmptyBlocks() noexcept;

    // What the helper thread does when it wakes: makes the blocks that will be needed, gives back
    // what may go. `now_ms`: any clock that does not go back; always the same.
    // Returns: when it is to be called again at the latest; kNever: when the source is asked to.
    uint64_t Service(uint64_t now_ms) noexcept;
    static constexpr uint64_t kNever = ~uint64_t{0};

    // Frees what threads left for others to free, so that counters and blocks say what the
    // application knows.
    void FreeAllReturned() noexcept;

    // Takes and releases every lock under which names are published; see SlotTable::AdmitForeign.
    void Fence() noexcept;

    // How many slots this thread's shard has handed out: dice for sampling that cost no write.
    uint64_t Ticks() const noexcept { return channel::Load(HomeShard().counters().allocations); }

    // All that the pool counted so far. At rest it is exact.
    tessera_type_totals Totals() const noexcept;

    Occupancy GetOccupancy() noexcept;

    // Makes another shard before threads were seen to wait, and spreads the threads over all there
    // are; does nothing at the most that there may be. Requires: nobody uses the pool yet.
    void AddShardInAdvance() noexcept;

    // Takes the lock of every shard, and keeps new ones from appearing: nothing is allocated or
    // freed meanwhile. Several pools are locked in the order of their types.
    void LockAll() noexcept;
    void UnlockAll() noexcept;
    // Events are written anew after a while. Requires: LockAll().
    void ForgetThreads() noexcept;

    // Which shard the calling thread looks at first. For tests.
    uint32_t HomeIndex() const noexcept {
        return HomeOfThread().load(std::memory_order_relaxed) % ShardCount();
    }

    uint32_t ShardCount() const noexcept { return shard_count_.load(std::memory_order_acquire); }

    // For tests and debug builds: walks everything (O(n)) and compares it with the counters. The
    // first looks at each shard by itself; the second also at the whole. Requires, of that: nobody
    // else uses the pool meanwhile.
    bool CheckShards() const noexcept;
    bool CheckInvariants() const noexcept;

 private:
    static constexpr uint32_t kMostShards = 16;

    // A thread looks for what others left in its shard once in so many allocations. If it does so
    // no more, so many slots come together before a thread that leaves another one frees them.
    static constexpr uint32_t kAllocationsPerLook = 16;
    static constexpr uint32_t kMostReturned = 512;

    // Who makes a block for a key, and how the last attempt ended.
    struct Growth {
        ArenaKey key;
        bool running = false;                 // one thread is at it, without the lock
        uint64_t finished = 0;                // attempts that ended, well or not
        BlockStatus last = BlockStatus::kOk;  // of the last attempt
        uint64_t refused_bytes = 0;  // from this size on, another attempt would fail like the last
        uint64_t ceiling_bytes = kNoCeiling;  // larger blocks were refused lately
        // The helper's part.
        uint64_t last_ms = 0;     // when the last block was taken into use
        uint64_t last_bytes = 0;  // its size
        uint64_t need_bytes = 0;  // what a request that needs a block is as large as
        bool wants_spare = false;
        uint64_t spare_bytes = 0;      // what the spare to be made is to have
        std::unique_ptr<Block> spare;  // made, counted, and in no shard yet
        uint64_t spare_since_ms = 0;
    };

    // How an attempt to get a block went.
    struct Attempt {
        BlockStatus status = BlockStatus::kOk;
        BlockMemory memory;          // of size 0 unless kOk
        uint64_t refused_bytes = 0;  // the last size that was too large; 0 if none was
        uint64_t failures = 0;       // calls of the source that failed
    };

    // What is to be done in a shard that may have room, under its lock: a slot to be handed out, or
    // a second place for one.
    class Placing;
    class NewSlot;
    class NewPlace;
    class NewSolo;

    std::atomic<uint8_t>& HomeOfThread() const noexcept;
    Shard& HomeShard() const noexcept;
    Shard& LockHome() noexcept;
    Shard& LockContended(Shard& home) noexcept;
    uint64_t UnlockEmptied(Shard& shard, Block& block) noexcept;
    void Return(Shard& shard, Slot& slot, SlotId id) noexcept;
    void FreeReturned(Shard& shard) noexcept;
    void DrainReturned(Shard& shard, BlockList& given_up) noexcept;
    uint32_t FindQuietShard(const Shard& home) noexcept ABSL_LOCKS_EXCLUDED(mutex_);
    void AddShardLocked() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    bool PrefersOthers(Shard& home) noexcept;

    PlaceStatus AllocateSlowly(Shard& home, const Ask& ask, SlotRef* out) noexcept;
    PlaceStatus PlaceSlowly(Shard& home, Placing& placing) noexcept;
    PlaceStatus TryShards(Shard& home, Placing& placing, bool others) noexcept;
    PlaceStatus Grow(Growth& growth, Shard& home, Placing& placing, bool alone) noexcept
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    PlaceStatus Admit(Shard& home, std::unique_ptr<Block>& block, Placing& placing) noexcept
        ABSL_LOCKS_EXCLUDED(mutex_);
    Attempt TryCreate(const ArenaKey& key, uint64_t wish_bytes, uint64_t smallest_bytes) noexcept
        ABSL_LOCKS_EXCLUDED(mutex_);
    Growth* GrowthOf(const ArenaKey& key) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    uint64_t LiveBytesOf(const ArenaKey& key, const Shard* only) const noexcept;

    void Emptied(Shard& shard, Block& block, BlockList& given_up) noexcept;
    void TrimIdle(Shard& shard, Block& block, BlockList& given_up) noexcept;
    void CountBlock(uint64_t bytes) noexcept;
    void DropBlock(Block& block) noexcept;
    uint64_t GiveBack(BlockList& given_up) noexcept ABSL_LOCKS_EXCLUDED(mutex_);
    void Destroy(BlockList& given_up) noexcept ABSL_LOCKS_EXCLUDED(mutex_);
    uint64_t DestroyDoomed() noexcept ABSL_LOCKS_EXCLUDED(mutex_);
    void Drop(BlockList& given_up) noexcept ABSL_LOCKS_EXCLUDED(mutex_);
    void NotePeak(Shard& shard) noexcept;
    void LowerPeakLooks() noexcept;
    bool CheckTotals(const tessera_type_totals& totals) const noexcept;

    const uint32_t type_index_;
    const BlockSizes sizes_;
    const PoolLimits limits_;
    BlockSource& source_;
    SlotTable& table_;

    std::atomic<uint32_t> shard_count_ = 1;
    std::atomic<Shard*> shards_[kMostShards] = {};
    // Whether slots may wait to be freed, blocks to go, and others be made in advance: there is a
    // helper that comes for them, and blocks need not go at once.
    const bool defers_;
    std::atomic<bool> returns_noted_ = false;  // the helper knows that slots wait
    uint64_t returns_due_ms_ = 0;              // when it will free them; the helper's
    std::atomic<uint32_t> contentions_ = 0;
    std::atomic<uint64_t> idle_total_ = 0;  // bytes of empty blocks in all shards

    // Which shard a thread goes to, by a hash of the thread. Written when threads collide.
    static constexpr uint32_t kHomes = 1024;
    mutable std::atomic<uint8_t> homes_[kHomes] = {};

    mutable Mutex mutex_;
    CondVar growth_finished_;
    tessera_type_totals& totals_ ABSL_GUARDED_BY(mutex_);
    uint64_t allocations_seen_[kMostShards] ABSL_GUARDED_BY(mutex_) = {};
    std::vector<std::unique_ptr<Growth>> growths_ ABSL_GUARDED_BY(mutex_);  // a few at most
    BlockList doomed_ ABSL_GUARDED_BY(mutex_);               // in no shard any more: for the helper
    uint64_t destroying_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // on their way to the source
    CondVar destroyed_;

    Shard first_;
};

inline Shard& TypePool::HomeShard() const noexcept {
    // One shard, as in nearly every application: there is nothing to choose.
    if (shard_count_.load(std::memory_order_relaxed) == 1) [[likely]]
        return const_cast<Shard&>(first_);
    return *shards_[HomeOfThread().load(std::memory_order_acquire)].load(std::memory_order_acquire);
}

}  // namespace tessera::pool

#endif  // TESSERA_LAYER_POOL_TYPE_POOL_H_
