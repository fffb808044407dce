// SPDX-License-Identifier: Apache-2.0
//
// The pool of one memory type of one device: where slots are placed, and where its numbers are
// counted.
//
// A TypePool owns blocks of driver memory, grouped into arenas by ArenaKey, and hands out ranges of
// them. Placement is O(1): a good-fit search over size-segregated free lists that span all blocks
// of an arena, with its metadata outside of device memory. Blocks start small and grow with what is
// live; empty ones are kept up to an allowance, so that an application that frees and allocates the
// same again does not reach the driver.
//
// Threads: every public function may be called from any thread. One mutex per TypePool guards all
// of it, and is never held while the BlockSource is called: a thread that needs a block announces
// it, and the others wait for that block instead of making one each.
//
// Counting: `totals` is written under the same mutex, so that a snapshot of it is consistent. The
// pool counts the application's view of pooled and passed-through allocations alike: both lie in
// one group, under one sequence.

#ifndef TESSERA_LAYER_POOL_TYPE_POOL_H_
#define TESSERA_LAYER_POOL_TYPE_POOL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "layer/base/mutex.h"
#include "layer/pool/block.h"
#include "layer/pool/block_source.h"
#include "layer/pool/growth.h"
#include "tessera/channel_abi.h"

namespace tessera::pool {

class Arena;
struct Fit;

// Limits and policy of one memory type, fixed when the pool is made. All sizes in bytes.
struct PoolLimits {
    uint64_t min_block_bytes = 1 << 20;      // the first block of an arena
    uint64_t max_block_bytes = 64ull << 20;  // no block is larger, unless one request needs it
    uint64_t idle_bytes = 64ull << 20;       // empty blocks that may be kept; 0 keeps none
};

// What a caller wants placed.
struct Request {
    uint64_t requested_bytes = 0;  // the application's own figure; only counted
    uint64_t size_bytes = 0;       // requested_bytes and its padding; rounded up to kUnitBytes
    uint64_t alignment_bytes = 0;  // a power of two; less than kUnitBytes counts as that
    ArenaKey key;
};

// Where something was placed. The block's handle and host address are copied here, so that they can
// be read without the pool's lock for as long as the placement lives.
struct Placement {
    Block* block = nullptr;     // the pool's own; opaque to others
    uint32_t node = 0;          // the pool's own name of the range
    uint64_t handle = 0;        // BlockMemory::handle
    std::byte* host = nullptr;  // address of the range itself (block mapping + offset), or null
    uint64_t offset_bytes = 0;  // from the start of the block
    uint64_t size_bytes = 0;    // the padded size: at least Request::size_bytes
    bool reused = false;        // a part of it may hold what an earlier slot left there
};

enum class PlaceStatus : uint8_t {
    kOk,
    kNoBlock,       // the driver gave no block, at the full size or any smaller one that would do;
                    // or no block could hold this: size 0 or beyond 1 TiB, a strange alignment
    kObjectLimit,   // no block because the driver's limit of memory objects is reached
    kNoHostMemory,  // the pool could not get host memory for its bookkeeping
};

// Bytes of one type, for the budget arithmetic. unused = block bytes that hold no slot.
struct Occupancy {
    uint64_t app_live_bytes = 0;  // pooled and passed through, the application's figures
    uint64_t unused_block_bytes = 0;
};

class TypePool {
 public:
    // `source` and `totals` must outlive the pool; `totals` may lie in shared memory and is written
    // only by this object.
    TypePool(uint32_t type_index, const PoolLimits& limits, BlockSource& source,
             tessera_type_totals& totals) noexcept;

    // Gives every block back to the source, with or without live slots in it. What was never freed
    // stays live in the application's view and in `pooled`, where it can be seen as a leak.
    // Requires: no other thread uses the pool any more.
    ~TypePool();

    TypePool(const TypePool&) = delete;
    TypePool& operator=(const TypePool&) = delete;

    // Places `request` and counts one application allocation on success. May call the source: first
    // for a block of the size that growth suggests, after a failure for smaller ones down to what
    // the request needs (but no smaller than kSmallestBlockBytes), then, with all empty blocks
    // given back, once more. On failure `*placement` is untouched and nothing was counted but
    // driver failures; the caller goes on to pass the request through.
    PlaceStatus Allocate(const Request& request, Placement* placement) noexcept;

    // Ends a placement and counts one application free of `requested_bytes`. The range may be
    // handed out again before this returns. Gives empty blocks beyond the allowance back to the
    // source, those first that have been empty longest.
    void Free(const Placement& placement, uint64_t requested_bytes) noexcept;

    // Places anew something that nobody has seen yet. On kOk `*to` is live and `from` is not; on
    // failure `from` stays. Counts a moved slot and no application allocation; the requested bytes
    // of `request` are those that `from` was counted with. `to` may point to `from`.
    PlaceStatus Move(const Placement& from, const Request& request, Placement* to) noexcept;

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

    Occupancy GetOccupancy() const noexcept;

    // For tests and debug builds: walks everything (O(n)) and compares it with the counters.
    bool CheckInvariants() const noexcept;

 private:
    // How an attempt to get a block went.
    struct Attempt {
        BlockStatus status = BlockStatus::kOk;
        BlockMemory memory;          // of size 0 unless kOk
        uint64_t refused_bytes = 0;  // the last size that was too large; 0 if none was
        uint64_t failures = 0;       // calls of the source that failed
    };

    // Finds room for `fit` in the arena of `key`, waiting for a block or making one if need be, and
    // fills `*placement`. Counts blocks and their failures, but no allocation. What idles beyond
    // the allowance afterwards is in `*given_up`, for the caller to destroy without the lock.
    PlaceStatus Place(const Fit& fit, const ArenaKey& key, Placement* placement,
                      BlockList* given_up) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    // Makes a block and takes the slot in it before another thread can. Gives the lock up while the
    // source is called.
    PlaceStatus Grow(Arena& arena, const Fit& fit, Placement* placement,
                     BlockList* given_up) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    // Takes a block that the source just made into the arena and the slot in it. Returns: false
    // without host memory for that; the caller gives the block back.
    bool Admit(Arena& arena, std::unique_ptr<Block>& block, const Fit& fit,
               Placement* placement) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    // Asks the source for a block of `wish_bytes`, then for smaller ones down to `smallest_bytes`.
    Attempt TryCreate(const ArenaKey& key, uint64_t wish_bytes, uint64_t smallest_bytes) noexcept
        ABSL_LOCKS_EXCLUDED(mutex_);

    // Ends a slot. Adds the blocks that go back to the source for it to `*given_up`; the caller
    // destroys them without the lock. Requires: inside a SequencedWrite.
    void Unplace(const Placement& placement, BlockList* given_up) noexcept
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void GiveUp(Block& block, BlockList* given_up) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void Destroy(BlockList& given_up) noexcept ABSL_LOCKS_EXCLUDED(mutex_);

    // Returns: the arena of `key`, or null.
    Arena* FindArena(const ArenaKey& key) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    // Returns: a new arena for `key`, or null without host memory for it.
    Arena* AddArena(const ArenaKey& key) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    // Fills `*placement` for a range just taken.
    void Describe(Arena& arena, NodeId node, Placement* placement) noexcept
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    // Writes the largest free range into the totals. Requires: inside a SequencedWrite.
    void PublishLargest() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    bool CheckTotals() const noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    const uint32_t type_index_;
    const BlockSizes sizes_;
    const uint64_t idle_bytes_;
    BlockSource& source_;

    mutable Mutex mutex_;
    CondVar growth_finished_;
    tessera_type_totals& totals_ ABSL_GUARDED_BY(mutex_);
    std::vector<std::unique_ptr<Arena>> arenas_ ABSL_GUARDED_BY(mutex_);  // a few at most
    BlockList idle_ ABSL_GUARDED_BY(mutex_);                              // the empty blocks
};

}  // namespace tessera::pool

#endif  // TESSERA_LAYER_POOL_TYPE_POOL_H_
