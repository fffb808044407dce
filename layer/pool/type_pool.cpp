// SPDX-License-Identifier: Apache-2.0
//
// The pool of one memory type: what happens under its lock, and what happens without it.
//
// Allocate and Free are the paths to read: check, lock, place, count. Below them lie the two things
// that reach the driver: Grow, which makes a block, and the giving up of empty ones. Both let go of
// the lock for the call itself.

#include "layer/pool/type_pool.h"

#include <algorithm>
#include <new>
#include <utility>

#include "layer/channel/counters.h"
#include "layer/pool/arena.h"

namespace tessera::pool {
namespace {

using channel::Add;
using channel::CountAllocation;
using channel::CountFree;
using channel::Load;
using channel::SequencedWrite;
using channel::Store;
using channel::Subtract;

// Puts the request into units. Returns: false if no pool could serve it.
bool FitOf(const Request& request, Fit* fit) noexcept {
    const uint64_t size = request.size_bytes;
    const uint64_t alignment = std::max(request.alignment_bytes, kUnitBytes);
    if (size == 0 || size > Units::kMostBytes || alignment > Units::kMostBytes) return false;
    // Not std::has_single_bit: without a machine instruction for it, that is a call.
    if ((alignment & (alignment - 1)) != 0) return false;
    fit->size = Units::FromBytesUp(size);
    fit->alignment_units = Units::FromBytesUp(alignment).Count();
    return true;
}

// Returns: what the caller is told of a block that could not be had.
PlaceStatus StatusOf(BlockStatus status) noexcept {
    return status == BlockStatus::kObjectLimit ? PlaceStatus::kObjectLimit : PlaceStatus::kNoBlock;
}

}  // namespace

TypePool::TypePool(uint32_t type_index, const PoolLimits& limits, BlockSource& source,
                   tessera_type_totals& totals) noexcept
    : type_index_(type_index),
      sizes_(BlockSizes::Of(limits.min_block_bytes, limits.max_block_bytes)),
      idle_bytes_(limits.idle_bytes),
      source_(source),
      totals_(totals) {}

TypePool::~TypePool() {
    // The blocks are counted as freed first, since the source must not be called under the lock.
    std::vector<std::unique_ptr<Arena>> arenas;
    {
        MutexLock lock(mutex_);
        arenas.swap(arenas_);
        SequencedWrite write(totals_.sequence);
        for (const auto& arena : arenas) {
            for (const auto& block : arena->Blocks())
                if (block != nullptr) CountFree(totals_.driver, block->memory.size_bytes);
        }
        Store(totals_.pooled.blocks, 0);
        Store(totals_.pooled.block_bytes, 0);
        Store(totals_.pooled.free_bytes, 0);
        Store(totals_.pooled.largest_free_bytes, 0);
    }
    for (const auto& arena : arenas) {
        for (const auto& block : arena->Blocks())
            if (block != nullptr) source_.DestroyBlock(type_index_, block->memory);
    }
}

// An application uses one key or a few, so that a look at each beats any table.
inline Arena* TypePool::FindArena(const ArenaKey& key) noexcept {
    for (const auto& arena : arenas_)
        if (arena->Key() == key) return arena.get();
    return nullptr;
}

inline void TypePool::Describe(Arena& arena, NodeId node, Placement* placement) noexcept {
    Block& block = arena.BlockOf(node);
    if (block.live_slots == 1) idle_.Remove(block);  // its first slot: it was empty until now
    const Node& range = arena.Index().Look(node);
    const uint64_t offset = range.offset.Bytes();
    *placement = Placement{
        .block = &block,
        .node = node,
        .handle = block.memory.handle,
        .host = block.memory.host != nullptr ? block.memory.host + offset : nullptr,
        .offset_bytes = offset,
        .size_bytes = range.size.Bytes(),
        .reused = range.offset < block.used,
    };
    block.used = std::max(block.used, range.offset + range.size);
}

// The free bytes are counted where they change; the largest range has to be asked for.
inline void TypePool::PublishLargest() noexcept {
    Units largest;
    for (const auto& arena : arenas_)
        largest = std::max(largest, arena->Index().LargestFree());
    Store(totals_.pooled.largest_free_bytes, largest.Bytes());
}

PlaceStatus TypePool::Allocate(const Request& request, Placement* placement) noexcept {
    Fit fit;
    if (!FitOf(request, &fit)) return PlaceStatus::kNoBlock;
    BlockList given_up;
    {
        MutexLock lock(mutex_);
        const PlaceStatus status = Place(fit, request.key, placement, &given_up);
        if (status != PlaceStatus::kOk) return status;

        SequencedWrite write(totals_.sequence);
        CountAllocation(totals_.app, request.requested_bytes);
        Add(totals_.pooled.live, 1);
        Add(totals_.pooled.live_bytes, request.requested_bytes);
        Add(totals_.pooled.allocations, 1);
        Subtract(totals_.pooled.free_bytes, placement->size_bytes);
        PublishLargest();
    }
    Destroy(given_up);
    return PlaceStatus::kOk;
}

void TypePool::Free(const Placement& placement, uint64_t requested_bytes) noexcept {
    BlockList given_up;
    {
        MutexLock lock(mutex_);
        SequencedWrite write(totals_.sequence);
        Unplace(placement, &given_up);
        CountFree(totals_.app, requested_bytes);
        Subtract(totals_.pooled.live, 1);
        Subtract(totals_.pooled.live_bytes, requested_bytes);
        PublishLargest();
    }
    Destroy(given_up);
}

PlaceStatus TypePool::Move(const Placement& from, const Request& request, Placement* to) noexcept {
    Fit fit;
    if (!FitOf(request, &fit)) return PlaceStatus::kNoBlock;
    BlockList given_up;
    {
        MutexLock lock(mutex_);
        const Placement old = from;  // the caller may have `to` stand where `from` does
        const PlaceStatus status = Place(fit, request.key, to, &given_up);
        if (status != PlaceStatus::kOk) return status;
        SequencedWrite write(totals_.sequence);
        Unplace(old, &given_up);
        Add(totals_.moved_slots, 1);
        Subtract(totals_.pooled.free_bytes, to->size_bytes);
        PublishLargest();
    }
    Destroy(given_up);
    return PlaceStatus::kOk;
}

PlaceStatus TypePool::Place(const Fit& fit, const ArenaKey& key, Placement* placement,
                            BlockList* given_up) noexcept {
    Arena* arena = FindArena(key);
    if (arena == nullptr) arena = AddArena(key);
    if (arena == nullptr) return PlaceStatus::kNoHostMemory;
    const Arena::Growth& growth = arena->GrowthState();
    for (bool waited = false;;) {
        if (!arena->Reserve()) return PlaceStatus::kNoHostMemory;
        if (const NodeId node = arena->Take(fit); node != kNoNode) {
            Describe(*arena, node, placement);
            return PlaceStatus::kOk;
        }
        if (!growth.running) {
            // What another thread was refused while this one waited would be refused again: it is
            // not worth a call. A thread that did not wait always asks for itself.
            if (waited && growth.last != BlockStatus::kOk &&
                growth.refused_bytes <= SmallestBlockBytes(sizes_, fit.size.Bytes()))
                return StatusOf(growth.last);
            return Grow(*arena, fit, placement, given_up);
        }
        for (const uint64_t before = growth.finished; growth.finished == before;)
            growth_finished_.Wait(mutex_);
        waited = true;
    }
}

PlaceStatus TypePool::Grow(Arena& arena, const Fit& fit, Placement* placement,
                           BlockList* given_up) noexcept {
    // Host memory before driver memory: what fails early need not be given back.
    std::unique_ptr<Block> block(new (std::nothrow) Block);
    if (block == nullptr) return PlaceStatus::kNoHostMemory;
    Arena::Growth& growth = arena.GrowthState();
    const uint64_t need = fit.size.Bytes();
    const uint64_t smallest = SmallestBlockBytes(sizes_, need);
    const uint64_t wish = NextBlockBytes(sizes_, arena.LiveUnits() * kUnitBytes, need);

    // From here to the lock's return other threads wait for `finished` to change, whatever happens.
    growth.running = true;
    const uint64_t ceiling = growth.ceiling_bytes;
    mutex_.Unlock();
    const Attempt attempt =
        TryCreate(arena.Key(), std::max(std::min(wish, ceiling), smallest), smallest);
    mutex_.Lock();
    growth.running = false;
    ++growth.finished;
    growth.last = attempt.status;
    growth.refused_bytes = attempt.refused_bytes;
    growth.ceiling_bytes =
        NextCeilingBytes(sizes_, ceiling, attempt.memory.size_bytes, attempt.refused_bytes);
    growth_finished_.NotifyAll();

    if (attempt.failures > 0) {
        SequencedWrite write(totals_.sequence);
        Add(totals_.driver.failed, attempt.failures);
    }
    if (attempt.status != BlockStatus::kOk) return StatusOf(attempt.status);
    block->memory = attempt.memory;
    // The slot is taken under the same lock that admits the block: were it left for another round,
    // the waiting threads could fill the block first, and this one would have to make the next.
    if (Admit(arena, block, fit, placement)) {
        // Room may have come free meanwhile, and been taken: then the new block is one too many.
        if (idle_.Bytes() > idle_bytes_) {
            SequencedWrite write(totals_.sequence);
            while (idle_.Bytes() > idle_bytes_)
                GiveUp(*idle_.Oldest(), given_up);
        }
        return PlaceStatus::kOk;
    }
    mutex_.Unlock();
    source_.DestroyBlock(type_index_, attempt.memory);
    mutex_.Lock();
    return PlaceStatus::kNoHostMemory;
}

TypePool::Attempt TypePool::TryCreate(const ArenaKey& key, uint64_t wish_bytes,
                                      uint64_t smallest_bytes) noexcept {
    Attempt attempt;
    bool released = false;
    for (uint64_t size = wish_bytes;;) {
        attempt.status = source_.CreateBlock(type_index_, key, size, &attempt.memory);
        if (attempt.status == BlockStatus::kOk) return attempt;
        if (attempt.status == BlockStatus::kNotAsked) {
            attempt.status = BlockStatus::kObjectLimit;
        } else {
            ++attempt.failures;
        }
        if (attempt.status == BlockStatus::kUnusable) return attempt;
        uint64_t next = 0;
        if (attempt.status == BlockStatus::kOutOfMemory) {
            attempt.refused_bytes = size;
            next = SmallerBlockBytes(size, smallest_bytes);
        }
        if (next == 0) {
            // The last thing to try: what this pool keeps in reserve may be what is missing.
            if (released || ReleaseEmptyBlocks() == 0) return attempt;
            released = true;
            next = size;
        }
        size = next;
    }
}

bool TypePool::Admit(Arena& arena, std::unique_ptr<Block>& block, const Fit& fit,
                     Placement* placement) noexcept {
    const uint64_t bytes = block->memory.size_bytes;
    const bool admitted = arena.ReserveBlock();
    // The driver did make the block, so it is counted even if it has to go again.
    SequencedWrite write(totals_.sequence);
    CountAllocation(totals_.driver, bytes);
    if (!admitted) {
        CountFree(totals_.driver, bytes);
        return false;
    }
    Add(totals_.pooled.blocks, 1);
    Add(totals_.pooled.block_bytes, bytes);
    Add(totals_.pooled.free_bytes, Units::FromBytesDown(bytes).Bytes());
    idle_.Add(arena.AddBlock(std::move(block)));
    PublishLargest();
    Describe(arena, arena.Take(fit), placement);
    return true;
}

void TypePool::Unplace(const Placement& placement, BlockList* given_up) noexcept {
    Block& block = *placement.block;
    Add(totals_.pooled.free_bytes, placement.size_bytes);
    block.arena->Release(block, placement.node);
    if (block.live_slots > 0) return;
    idle_.Add(block);
    // Oldest first: what was emptied lately is what is wanted next. A block beyond the allowance by
    // itself goes alone.
    if (block.memory.size_bytes > idle_bytes_) GiveUp(block, given_up);
    while (idle_.Bytes() > idle_bytes_)
        GiveUp(*idle_.Oldest(), given_up);
}

// The block leaves the pool and its numbers now and the driver later, in Destroy: for that moment
// the driver's view says less than the driver holds.
void TypePool::GiveUp(Block& block, BlockList* given_up) noexcept {
    idle_.Remove(block);
    const uint64_t bytes = block.memory.size_bytes;
    CountFree(totals_.driver, bytes);
    Subtract(totals_.pooled.blocks, 1);
    Subtract(totals_.pooled.block_bytes, bytes);
    Subtract(totals_.pooled.free_bytes, Units::FromBytesDown(bytes).Bytes());
    given_up->Add(*block.arena->RemoveBlock(block).release());
}

void TypePool::Destroy(BlockList& given_up) noexcept {
    while (Block* const oldest = given_up.Oldest()) {
        given_up.Remove(*oldest);
        const std::unique_ptr<Block> block(oldest);
        source_.DestroyBlock(type_index_, block->memory);
    }
}

uint64_t TypePool::ReleaseEmptyBlocks() noexcept {
    BlockList given_up;
    {
        MutexLock lock(mutex_);
        if (idle_.Oldest() == nullptr) return 0;
        SequencedWrite write(totals_.sequence);
        while (Block* const block = idle_.Oldest())
            GiveUp(*block, &given_up);
        PublishLargest();
    }
    const uint64_t bytes = given_up.Bytes();
    Destroy(given_up);
    return bytes;
}

Arena* TypePool::AddArena(const ArenaKey& key) noexcept {
    try {
        auto arena = std::make_unique<Arena>(key);
        if (!arena->Reserve()) return nullptr;
        arenas_.push_back(std::move(arena));
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
    return arenas_.back().get();
}

void TypePool::CountPassThrough(tessera_reason reason, uint64_t size_bytes) noexcept {
    MutexLock lock(mutex_);
    SequencedWrite write(totals_.sequence);
    CountAllocation(totals_.app, size_bytes);
    CountAllocation(totals_.driver, size_bytes);
    tessera_pass_through& passed = totals_.pass_through[reason];
    Add(passed.live, 1);
    Add(passed.live_bytes, size_bytes);
    Add(passed.allocations, 1);
}

void TypePool::CountPassThroughFree(tessera_reason reason, uint64_t size_bytes) noexcept {
    MutexLock lock(mutex_);
    SequencedWrite write(totals_.sequence);
    CountFree(totals_.app, size_bytes);
    CountFree(totals_.driver, size_bytes);
    tessera_pass_through& passed = totals_.pass_through[reason];
    Subtract(passed.live, 1);
    Subtract(passed.live_bytes, size_bytes);
}

void TypePool::CountFailure() noexcept {
    MutexLock lock(mutex_);
    SequencedWrite write(totals_.sequence);
    Add(totals_.app.failed, 1);
}

void TypePool::CountDriverFailure() noexcept {
    MutexLock lock(mutex_);
    SequencedWrite write(totals_.sequence);
    Add(totals_.driver.failed, 1);
}

void TypePool::CountPlacementFailure() noexcept {
    MutexLock lock(mutex_);
    SequencedWrite write(totals_.sequence);
    Add(totals_.placement_failures, 1);
}

Occupancy TypePool::GetOccupancy() const noexcept {
    MutexLock lock(mutex_);
    Occupancy occupancy{.app_live_bytes = Load(totals_.app.live_bytes)};
    for (const auto& arena : arenas_)
        occupancy.unused_block_bytes += arena->Index().FreeUnits() * kUnitBytes;
    return occupancy;
}

bool TypePool::CheckInvariants() const noexcept {
    MutexLock lock(mutex_);
    uint64_t blocks = 0;
    uint64_t block_bytes = 0;
    uint64_t slots = 0;
    uint64_t empty_bytes = 0;
    uint64_t free_units = 0;
    Units largest;
    for (const auto& arena : arenas_) {
        if (!arena->CheckInvariants()) return false;
        free_units += arena->Index().FreeUnits();
        largest = std::max(largest, arena->Index().LargestFree());
        for (const auto& block : arena->Blocks()) {
            if (block == nullptr) continue;
            ++blocks;
            block_bytes += block->memory.size_bytes;
            slots += block->live_slots;
            if (block->live_slots == 0) empty_bytes += block->memory.size_bytes;
        }
    }
    const tessera_pooled& pooled = totals_.pooled;
    return empty_bytes == idle_.Bytes() && empty_bytes <= idle_bytes_ && pooled.live == slots &&
           pooled.blocks == blocks && pooled.block_bytes == block_bytes &&
           pooled.free_bytes == free_units * kUnitBytes &&
           pooled.largest_free_bytes == largest.Bytes() && CheckTotals();
}

// The equations of the channel's header, on the totals alone.
bool TypePool::CheckTotals() const noexcept {
    tessera_pass_through passed{};
    for (const tessera_pass_through& reason : totals_.pass_through) {
        passed.live += reason.live;
        passed.live_bytes += reason.live_bytes;
        passed.allocations += reason.allocations;
    }
    const tessera_totals& app = totals_.app;
    const tessera_totals& driver = totals_.driver;
    const tessera_pooled& pooled = totals_.pooled;
    for (const tessera_totals* view : {&app, &driver}) {
        if (view->live != view->allocations - view->frees) return false;
        if (view->peak_bytes < view->live_bytes) return false;
    }
    return totals_.sequence % 2 == 0 && app.live == pooled.live + passed.live &&
           app.live_bytes == pooled.live_bytes + passed.live_bytes &&
           app.allocations == pooled.allocations + passed.allocations &&
           driver.live == pooled.blocks + passed.live &&
           driver.live_bytes == pooled.block_bytes + passed.live_bytes &&
           pooled.block_bytes >= pooled.live_bytes + pooled.free_bytes;
}

}  // namespace tessera::pool
