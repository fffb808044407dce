// SPDX-License-Identifier: Apache-2.0
//
// What is rare in the pool of one memory type: threads that collide, a shard that has no room,
// blocks that are made, empty blocks that go. What is not rare is in fast_path.cpp. Whatever
// reaches the driver does so without a lock.

#include "layer/pool/type_pool.h"

#include <algorithm>
#include <new>
#include <utility>

#include "layer/base/clock.h"
#include "layer/channel/counters.h"

namespace tessera::pool {
namespace {

using channel::Add;
using channel::CountAllocation;
using channel::CountFree;
using channel::Load;
using channel::SequencedWrite;
using channel::Store;
using channel::Subtract;

// Threads that had to wait for each other this often get another shard.
constexpr uint32_t kContentionsPerShard = 16;

// A shard that had no room for this many of its thread's last allocations gets a block, although
// others have room: its thread would go on disturbing them, and would have to ask them at the end
// of each of these slots again.
constexpr uint32_t kMissesPerGrowth = 4;
constexpr uint64_t kMissWindow = 1024 * kMissesPerGrowth;

// The application is growing if it fills a block in less than this, or by more than 16 MiB a
// second: then the next one is made in advance.
constexpr uint64_t kGrowingMs = 250;
constexpr uint64_t kGrowingBytesPerMs = 16 << 10;
uint64_t GrowingMs(uint64_t block_bytes) noexcept {
    return std::max(kGrowingMs, block_bytes / kGrowingBytesPerMs);
}

// A block made in advance that nobody wanted for this long goes back; but not before one who grows
// had to have come for it.
constexpr uint64_t kLeastSpareMs = 1000;
uint64_t SpareMs(uint64_t block_bytes) noexcept {
    return std::max(kLeastSpareMs, block_bytes / kGrowingBytesPerMs);
}

// So many slots that were left for others to free are freed without letting the lock go.
constexpr uint32_t kFreesAtOnce = 16;

// What threads left for others to free, and nobody did, is freed after this long.
constexpr uint64_t kReturnedMs = 20;

// How far a new peak may stay unnoticed in each of several shards, which do not know what the
// others allocate meanwhile: these together. Bytes.
constexpr int64_t kPeakSlack = 16 << 10;
constexpr int64_t kMostPeakGrant = 1 << 20;

// Returns: what the caller is told of a block that could not be had.
PlaceStatus StatusOf(BlockStatus status) noexcept {
    return status == BlockStatus::kObjectLimit ? PlaceStatus::kObjectLimit : PlaceStatus::kNoBlock;
}

}  // namespace

// What is to be done in a shard that may have room.
class TypePool::Placing {
 public:
    explicit Placing(const Ask& wanted) noexcept : ask(wanted) {}
    virtual PlaceStatus In(Shard& shard) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex()) = 0;
    const Ask& ask;

 protected:
    ~Placing() = default;
};

class TypePool::NewSlot final : public Placing {
 public:
    NewSlot(const Ask& wanted, SlotRef* out) noexcept : Placing(wanted), out_(out) {}
    PlaceStatus In(Shard& shard) noexcept override { return shard.Allocate(ask, out_); }

 private:
    SlotRef* out_;
};

class TypePool::NewPlace final : public Placing {
 public:
    NewPlace(const Ask& wanted, Slot* place) noexcept : Placing(wanted), place_(place) {}
    PlaceStatus In(Shard& shard) noexcept override { return shard.Take(ask, place_); }

 private:
    Slot* place_;
};

class TypePool::NewSolo final : public Placing {
 public:
    NewSolo(const Ask& wanted, SlotRef* out) noexcept : Placing(wanted), out_(out) {}
    PlaceStatus In(Shard& shard) noexcept override { return shard.AllocateSolo(ask, out_); }

 private:
    SlotRef* out_;
};

TypePool::TypePool(uint32_t type_index, const PoolLimits& limits, SlotTable& table,
                   BlockSource& source, tessera_type_totals& totals,
                   tessera_shard_counters& line) noexcept
    : type_index_(type_index),
      sizes_(BlockSizes::Of(limits.min_block_bytes, limits.max_block_bytes)),
      limits_(limits),
      source_(source),
      table_(table),
      defers_(limits.helped && limits.idle_bytes != 0),
      totals_(totals),
      first_(*this, table, line, idle_total_) {
    Store(line.type, uint64_t{type_index} + 1);
    shards_[0].store(&first_, std::memory_order_relaxed);
}

TypePool::~TypePool() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    FreeAllReturned();
    for (uint32_t i = 0; i < ShardCount(); ++i)
        shards_[i].load(std::memory_order_relaxed)->CountNoBlocks();
    // The blocks are counted as freed first, since the source must not be called under a lock.
    std::vector<std::unique_ptr<Growth>> growths;
    BlockList doomed;
    {
        MutexLock lock(mutex_);
        growths.swap(growths_);
        doomed = std::exchange(doomed_, BlockList());
        SequencedWrite write(totals_.sequence);
        Store(totals_.driver.frees, Load(totals_.driver.frees) + Load(totals_.pooled.blocks));
        Subtract(totals_.driver.live, Load(totals_.pooled.blocks));
        Subtract(totals_.driver.live_bytes, Load(totals_.pooled.block_bytes));
        Store(totals_.pooled.blocks, 0);
        Store(totals_.pooled.block_bytes, 0);
        Store(totals_.pooled.free_bytes, 0);
    }
    for (const auto& growth : growths)
        if (growth->spare != nullptr) source_.DestroyBlock(type_index_, growth->spare->memory);
    for (Block* block = doomed.Oldest(); block != nullptr; block = doomed.Oldest()) {
        doomed.Remove(*block);
        source_.DestroyBlock(type_index_, block->memory);
        delete block;
    }
    for (uint32_t i = 0; i < ShardCount(); ++i) {
        Shard* const shard = shards_[i].load(std::memory_order_relaxed);
        for (const auto& arena : shard->Arenas()) {
            for (Block* const block : arena->Blocks()) {
                if (block == nullptr) continue;
                BlockMemory memory = block->memory;
                memory.leaked = block->live_slots != 0;
                source_.DestroyBlock(type_index_, memory);
                delete block;
            }
        }
        if (shard != &first_) delete shard;
    }
}

// ---- threads that collide -----------------------------------------------------------------------

// Frees what other threads left in a shard. The lock is let go now and then: whoever works there
// must not have to sleep for it.
void TypePool::DrainReturned(Shard& shard,
                             BlockList& given_up) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    for (SlotId id = shard.TakeReturned(); id != kNoSlot;) {
        shard.mutex().Lock();
        for (uint32_t i = 0; i < kFreesAtOnce && id != kNoSlot; ++i) {
            Slot& slot = table_.At(id);
            const SlotId next = Shard::NextReturned(slot);
            // It lies in the cache of the thread that left it.
            if (next != kNoSlot) __builtin_prefetch(&table_.At(next), 1);
            if (Block* const emptied = shard.Free(slot, id); emptied != nullptr)
                Emptied(shard, *emptied, given_up);
            id = next;
        }
        shard.mutex().Unlock();
    }
}

void TypePool::FreeReturned(Shard& shard) noexcept {
    BlockList given_up;
    DrainReturned(shard, given_up);
    GiveBack(given_up);
}

void TypePool::FreeAllReturned() noexcept {
    BlockList given_up;
    for (uint32_t i = 0; i < ShardCount(); ++i) {
        Shard& shard = *shards_[i].load(std::memory_order_acquire);
        if (shard.HasReturned()) DrainReturned(shard, given_up);
    }
    GiveBack(given_up);
}

// Leaves a slot to the thread that allocates in its shard. If that one does so no more, whoever
// leaves the next slots frees them, and the helper the last ones.
void TypePool::Return(Shard& shard, Slot& slot, SlotId id) noexcept {
    const uint32_t waiting = shard.Return(slot, id);
    if (waiting % kMostReturned == 0) {
        FreeReturned(shard);
    } else if (waiting == 1 && !returns_noted_.load() && !returns_noted_.exchange(true) &&
               !source_.WantService()) {
        // Nobody will come.
        returns_noted_.store(false);
        FreeReturned(shard);
    }
}

uint64_t TypePool::UnlockEmptied(Shard& shard,
                                 Block& block) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    BlockList given_up;
    Emptied(shard, block, given_up);
    shard.mutex().Unlock();
    return GiveBack(given_up);
}

// Another thread holds the lock of this thread's home. If that is one which frees what it has from
// here, or the helper, it will be gone soon: what is freed here does not come from here again. But
// if it allocates here as well, and that happens often, this thread gets a home of its own.
Shard& TypePool::LockContended(Shard& home) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    Shard* chosen = &home;
    if (home.allocator.load(std::memory_order_relaxed) != ThreadNumber() &&
        contentions_.fetch_add(1, std::memory_order_relaxed) % kContentionsPerShard ==
            kContentionsPerShard - 1) {
        const uint32_t index = FindQuietShard(home);
        chosen = shards_[index].load(std::memory_order_acquire);
        if (chosen != &home)
            HomeOfThread().store(static_cast<uint8_t>(index), std::memory_order_release);
        // What a shard may have before it looks for a new peak, when it is alone, is too much now.
        LowerPeakLooks();
    }
    chosen->mutex().Lock();
    return *chosen;
}

// Returns: the number of a shard in which nobody has allocated since this was called last: an old
// one, whose thread ended or does other things, or a new one. That of `home` if there may be no
// more.
uint32_t TypePool::FindQuietShard(const Shard& home) noexcept {
    MutexLock lock(mutex_);
    uint32_t quiet = kMostShards;
    uint32_t own = 0;
    for (uint32_t i = 0; i < ShardCount(); ++i) {
        const Shard& shard = *shards_[i].load(std::memory_order_acquire);
        const uint64_t seen = Load(shard.counters().allocations);
        if (&shard == &home) {
            own = i;
        } else if (seen == allocations_seen_[i]) {
            quiet = i;
        }
        allocations_seen_[i] = seen;
    }
    if (quiet != kMostShards) return quiet;
    const uint32_t count = ShardCount();
    AddShardLocked();
    return ShardCount() > count ? count : own;
}

void TypePool::AddShardLocked() noexcept {
    const uint32_t count = ShardCount();
    if (count >= std::min(limits_.max_shards, kMostShards)) return;
    tessera_shard_counters* const line = source_.AddCounters(type_index_);
    if (line == nullptr) return;
    auto* const shard = new (std::nothrow) Shard(*this, table_, *line, idle_total_);
    if (shard == nullptr) return;
    Store(line->type, uint64_t{type_index_} + 1);
    shards_[count].store(shard, std::memory_order_release);
    shard_count_.store(count + 1, std::memory_order_release);
}

void TypePool::AddShardInAdvance() noexcept {
    {
        MutexLock lock(mutex_);
        AddShardLocked();
    }
    for (uint32_t i = 0; i < kHomes; ++i)
        homes_[i].store(static_cast<uint8_t>(i % ShardCount()), std::memory_order_relaxed);
}

// ---- a shard without room -----------------------------------------------------------------------

// Whether a shard without room takes from others before it gets a block.
bool TypePool::PrefersOthers(Shard& home) noexcept {
    LightLock lock(home.mutex());
    if (++home.misses < kMissesPerGrowth) return true;
    const uint64_t now = Load(home.counters().allocations);
    const bool often = now - home.window_start < kMissWindow;
    home.misses = 0;
    home.window_start = now;
    return !often;
}

// Tries the home shard, and all others if told to. Returns: kNoBlock if none has room.
PlaceStatus TypePool::TryShards(Shard& home, Placing& placing,
                                bool others) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    PlaceStatus status = PlaceStatus::kNoBlock;
    for (uint32_t i = 0; i <= ShardCount() && status == PlaceStatus::kNoBlock; ++i) {
        Shard& shard = i == 0 ? home : *shards_[i - 1].load(std::memory_order_acquire);
        if (i > 0 && (!others || &shard == &home)) continue;
        if (shard.HasReturned()) FreeReturned(shard);
        shard.mutex().Lock();
        status = placing.In(shard);
        if (status == PlaceStatus::kOk) NotePeak(shard);
        shard.mutex().Unlock();
    }
    return status;
}

PlaceStatus TypePool::AllocateSlowly(Shard& home, const Ask& ask, SlotRef* out) noexcept {
    out->slow_since_ns = tessera::NowNs();
    NewSlot placing(ask, out);
    return PlaceSlowly(home, placing);
}

PlaceStatus TypePool::PlaceSlowly(Shard& home, Placing& placing) noexcept {
    const bool others = ShardCount() > 1 && PrefersOthers(home);
    MutexLock lock(mutex_);
    Growth* const growth = GrowthOf(placing.ask.key);
    if (growth == nullptr) return PlaceStatus::kNoHostMemory;
    for (bool waited = false;;) {
        // What was made since this look began is looked at again.
        const uint64_t seen = growth->finished;
        mutex_.Unlock();
        const PlaceStatus status = TryShards(home, placing, others || waited);
        mutex_.Lock();
        if (status != PlaceStatus::kNoBlock) return status;
        if (growth->finished != seen) {
            waited = true;
            continue;
        }
        if (!growth->running) {
            // What another thread was refused while this one waited would be refused again: it is
            // not worth a call. A thread that did not wait always asks for itself.
            if (waited && growth->last != BlockStatus::kOk &&
                growth->refused_bytes <= SmallestBlockBytes(sizes_, placing.ask.fit.size.Bytes()))
                return StatusOf(growth->last);
            return Grow(*growth, home, placing, /*alone=*/ShardCount() > 1 && !others);
        }
        while (growth->finished == seen)
            growth_finished_.Wait(mutex_);
        waited = true;
    }
}

// Nobody waits for anybody here: a block that another thread gets for itself helps no one else.
PlaceStatus TypePool::AllocateSolo(const Request& request, SlotRef* out) noexcept {
    Ask ask;
    if (!ask.Take(request)) return PlaceStatus::kNoBlock;
    ask.key.solo = true;
    NewSolo placing(ask, out);
    Shard& home = HomeShard();
    PlaceStatus status = TryShards(home, placing, true);
    if (status != PlaceStatus::kNoBlock) return status;

    std::unique_ptr<Block> block(new (std::nothrow) Block);
    if (block == nullptr) return PlaceStatus::kNoHostMemory;
    const uint64_t need = ask.fit.size.Bytes();
    const Attempt attempt = TryCreate(ask.key, SoloBlockBytes(need), need);
    if (attempt.failures > 0) {
        MutexLock lock(mutex_);
        SequencedWrite write(totals_.sequence);
        Add(totals_.driver.failed, attempt.failures);
    }
    if (attempt.status != BlockStatus::kOk) return StatusOf(attempt.status);
    block->memory = attempt.memory;
    block->key = ask.key;
    block->type_index = type_index_;
    CountBlock(block->memory.size_bytes);
    return Admit(home, block, placing);
}

TypePool::Growth* TypePool::GrowthOf(const ArenaKey& key) noexcept {
    for (const auto& growth : growths_)
        if (growth->key == key) return growth.get();
    try {
        growths_.push_back(std::make_unique<Growth>());
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
    growths_.back()->key = key;
    return growths_.back().get();
}

// Of one shard, or of all if `only` is null.
uint64_t TypePool::LiveBytesOf(const ArenaKey& key, const Shard* only) const noexcept {
    uint64_t units = 0;
    for (uint32_t i = 0; i < ShardCount(); ++i) {
        const Shard& shard = *shards_[i].load(std::memory_order_acquire);
        if (only != nullptr && only != &shard) continue;
        LightLock lock(shard.mutex());
        for (const auto& arena : shard.Arenas())
            if (arena->Key() == key) units += arena->LiveUnits();
    }
    return units * kUnitBytes;
}

// `alone`: the block is for this shard, which prefers not to take from others.
PlaceStatus TypePool::Grow(Growth& growth, Shard& home, Placing& placing, bool alone) noexcept {
    const uint64_t need = placing.ask.fit.size.Bytes();
    const uint64_t smallest = SmallestBlockBytes(sizes_, need);
    // From here to the lock's return other threads wait for `finished` to change, whatever happens.
    growth.running = true;
    const uint64_t ceiling = growth.ceiling_bytes;
    std::unique_ptr<Block> block;
    if (growth.spare != nullptr && growth.spare->memory.size_bytes >= need)
        block = std::move(growth.spare);
    const bool made_before = block != nullptr;
    mutex_.Unlock();

    Attempt attempt;
    // Host memory before driver memory: what fails early need not be given back.
    if (!made_before) block.reset(new (std::nothrow) Block);
    PlaceStatus status = block != nullptr ? PlaceStatus::kOk : PlaceStatus::kNoHostMemory;
    const uint64_t live = LiveBytesOf(growth.key, alone ? &home : nullptr);
    if (status == PlaceStatus::kOk && !made_before) {
        const uint64_t wish = NextBlockBytes(sizes_, limits_.growth_share, live, need);
        attempt = TryCreate(growth.key, std::max(std::min(wish, ceiling), smallest), smallest);
        block->memory = attempt.memory;
        block->key = growth.key;
        block->type_index = type_index_;
        if (attempt.status != BlockStatus::kOk) status = StatusOf(attempt.status);
    }
    const uint64_t bytes = status == PlaceStatus::kOk ? block->memory.size_bytes : 0;
    if (status == PlaceStatus::kOk) {
        if (!made_before) CountBlock(bytes);
        // The slot is taken under the same lock that admits the block: were it left for another
        // round, the waiting threads could fill the block first, and this one would have to make
        // the next.
        status = Admit(home, block, placing);
    }

    mutex_.Lock();
    growth.running = false;
    ++growth.finished;
    // Of a block that was there already: kOk, and nothing was refused.
    growth.last = attempt.status;
    growth.refused_bytes = attempt.refused_bytes;
    if (!made_before) {
        growth.ceiling_bytes =
            NextCeilingBytes(sizes_, ceiling, attempt.memory.size_bytes, attempt.refused_bytes);
    }
    growth_finished_.NotifyAll();
    if (attempt.failures > 0) {
        SequencedWrite write(totals_.sequence);
        Add(totals_.driver.failed, attempt.failures);
    }
    // Where nothing may idle, nothing is made in advance.
    if (defers_ && status == PlaceStatus::kOk) {
        const uint64_t now = source_.NowMs();
        // Where sizes differ the next need may be a larger one than the last.
        growth.need_bytes = std::max(need, growth.need_bytes - growth.need_bytes / 8);
        if (made_before ||
            (growth.last_ms != 0 && now - growth.last_ms < GrowingMs(growth.last_bytes))) {
            growth.wants_spare = true;
            growth.spare_bytes =
                NextBlockBytes(sizes_, limits_.growth_share, live, growth.need_bytes);
            source_.WantService();
        }
        growth.last_ms = std::max<uint64_t>(now, 1);
        growth.last_bytes = bytes;
    }
    return status;
}

// Takes a block that exists into the shard, and the slot in it.
PlaceStatus TypePool::Admit(Shard& home, std::unique_ptr<Block>& block,
                            Placing& placing) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    BlockList given_up;
    PlaceStatus status = PlaceStatus::kNoHostMemory;
    home.mutex().Lock();
    if (home.ReserveBlock(block->key)) {
        home.AddBlock(*block.release());
        status = placing.In(home);
        if (status == PlaceStatus::kOk) NotePeak(home);
        // Room may have come free meanwhile, and been taken: then the new block is one too many.
        if (home.Idle().Oldest() != nullptr) TrimIdle(home, *home.Idle().Oldest(), given_up);
    } else {
        given_up.Add(*block.release());
    }
    home.mutex().Unlock();
    Destroy(given_up);
    return status;
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

void TypePool::CountBlock(uint64_t bytes) noexcept {
    MutexLock lock(mutex_);
    SequencedWrite write(totals_.sequence);
    CountAllocation(totals_.driver, bytes);
    Add(totals_.pooled.blocks, 1);
    Add(totals_.pooled.block_bytes, bytes);
    Add(totals_.pooled.free_bytes, Units::FromBytesDown(bytes).Bytes());
}

PlaceStatus TypePool::Move(Slot& slot,
                           const Request& request) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    Ask ask;
    if (!ask.Take(request)) return PlaceStatus::kNoBlock;
    Slot place;
    NewPlace placing(ask, &place);
    Shard& old_shard = *slot.block->shard;
    PlaceStatus status = TryShards(old_shard, placing, false);
    if (status == PlaceStatus::kNoBlock) status = PlaceSlowly(old_shard, placing);
    if (status != PlaceStatus::kOk) return status;

    Slot old_place;
    old_place.CopyPlace(slot);
    {
        // The new place is its shard's to tell about; and with all locks held, a slot that is live
        // lies in a block that exists.
        LightLock lock(place.block->shard->mutex());
        slot.CopyPlace(place);
        if (table_.recorder().on()) {
            const SlotId id = table_.IdOf(slot);
            table_.recorder().Moved(id, Shard::FactsOf(slot, SlotTable::LastNameOf(slot, id)));
        }
    }
    BlockList given_up;
    old_shard.mutex().Lock();
    if (Block* const emptied = old_shard.Release(old_place); emptied != nullptr)
        Emptied(old_shard, *emptied, given_up);
    old_shard.mutex().Unlock();
    {
        MutexLock lock(mutex_);
        SequencedWrite write(totals_.sequence);
        Add(totals_.moved_slots, 1);
    }
    GiveBack(given_up);
    return PlaceStatus::kOk;
}

// ---- blocks that go -----------------------------------------------------------------------------

// A block became empty: its time begins anew.
// Requires: the shard's lock is held, and the block is in its idle list.
void TypePool::Emptied(Shard& shard, Block& block, BlockList& given_up) noexcept {
    block.idle_since = 0;
    TrimIdle(shard, block, given_up);
}

// Keeps empty blocks within the allowance. Oldest first: what was emptied lately is what is wanted
// next. A block beyond the allowance by itself goes alone.
// Requires: the shard's lock is held, and the block is in its idle list.
void TypePool::TrimIdle(Shard& shard, Block& block,
                        BlockList& given_up) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const uint64_t bytes = block.memory.size_bytes;
    const auto give_up = [&](Block& goes) ABSL_NO_THREAD_SAFETY_ANALYSIS {
        shard.RemoveBlock(goes);
        given_up.Add(goes);
    };
    if (bytes > limits_.idle_bytes) give_up(block);
    while (idle_total_.load(std::memory_order_relaxed) > limits_.idle_bytes &&
           shard.Idle().Oldest() != nullptr)
        give_up(*shard.Idle().Oldest());
    if (limits_.helped && limits_.idle_ms != 0 && shard.Idle().Oldest() != nullptr)
        source_.WantService();
}

// What to do with blocks that are in no shard any more: the helper gives them back, if there is one
// and the settings do not ask for all of it at once.
// Returns: when this thread began to do it itself, in NowNs(); 0: it did not.
uint64_t TypePool::GiveBack(BlockList& given_up) noexcept {
    if (given_up.Oldest() == nullptr) return 0;
    if (!defers_) {
        const uint64_t since_ns = tessera::NowNs();
        Destroy(given_up);
        return since_ns;
    }
    {
        MutexLock lock(mutex_);
        while (Block* const oldest = given_up.Oldest()) {
            given_up.Remove(*oldest);
            doomed_.Add(*oldest);
        }
    }
    if (source_.WantService()) return 0;
    const uint64_t since_ns = tessera::NowNs();
    DestroyDoomed();
    return since_ns;
}

// Gives back what waits for the helper. Whoever needs the memory meanwhile waits for it.
// Returns: how many bytes that were.
uint64_t TypePool::DestroyDoomed() noexcept {
    BlockList doomed;
    {
        MutexLock lock(mutex_);
        doomed = std::exchange(doomed_, BlockList());
        destroying_bytes_ += doomed.Bytes();
    }
    const uint64_t bytes = doomed.Bytes();
    Drop(doomed);
    return bytes;
}

void TypePool::Destroy(BlockList& given_up) noexcept {
    if (given_up.Oldest() == nullptr) return;
    {
        MutexLock lock(mutex_);
        destroying_bytes_ += given_up.Bytes();
    }
    Drop(given_up);
}

// Requires: destroying_bytes_ counts them.
void TypePool::Drop(BlockList& given_up) noexcept {
    while (Block* const oldest = given_up.Oldest()) {
        given_up.Remove(*oldest);
        DropBlock(*oldest);
    }
}

void TypePool::DropBlock(Block& block) noexcept {
    const uint64_t bytes = block.memory.size_bytes;
    source_.DestroyBlock(type_index_, block.memory);
    delete &block;
    MutexLock lock(mutex_);
    SequencedWrite write(totals_.sequence);
    CountFree(totals_.driver, bytes);
    Subtract(totals_.pooled.blocks, 1);
    Subtract(totals_.pooled.block_bytes, bytes);
    Subtract(totals_.pooled.free_bytes, Units::FromBytesDown(bytes).Bytes());
    destroying_bytes_ -= bytes;
    if (destroying_bytes_ == 0) destroyed_.NotifyAll();
}

uint64_t TypePool::ReleaseEmptyBlocks() noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    FreeAllReturned();
    BlockList given_up;
    for (uint32_t i = 0; i < ShardCount(); ++i) {
        Shard& shard = *shards_[i].load(std::memory_order_acquire);
        shard.mutex().Lock();
        while (Block* const block = shard.Idle().Oldest()) {
            shard.RemoveBlock(*block);
            given_up.Add(*block);
        }
        shard.mutex().Unlock();
    }
    {
        MutexLock lock(mutex_);
        for (const auto& growth : growths_) {
            growth->wants_spare = false;
            if (growth->spare != nullptr) given_up.Add(*growth->spare.release());
        }
    }
    uint64_t bytes = given_up.Bytes() + DestroyDoomed();
    Destroy(given_up);
    // What others are giving back just now counts as well: whoever asks needs the memory.
    MutexLock lock(mutex_);
    bytes += destroying_bytes_;
    while (destroying_bytes_ != 0)
        destroyed_.Wait(mutex_);
    return bytes;
}

// ---- the helper ---------------------------------------------------------------------------------

uint64_t TypePool::Service(uint64_t now_ms) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    uint64_t next = kNever;
    if (returns_noted_.load()) {
        if (returns_due_ms_ == 0) returns_due_ms_ = now_ms + kReturnedMs;
        if (now_ms >= returns_due_ms_) {
            // In this order: what is left from here on is noted anew.
            returns_due_ms_ = 0;
            returns_noted_.store(false);
            FreeAllReturned();
        } else {
            next = returns_due_ms_;
        }
    }
    DestroyDoomed();
    BlockList given_up;
    for (size_t i = 0;; ++i) {
        Growth* growth = nullptr;
        uint64_t bytes = 0;
        {
            MutexLock lock(mutex_);
            if (i >= growths_.size()) break;
            growth = growths_[i].get();
            if (growth->spare != nullptr) {
                const uint64_t due =
                    growth->spare_since_ms + SpareMs(growth->spare->memory.size_bytes);
                if (now_ms >= due) {
                    given_up.Add(*growth->spare.release());
                } else {
                    next = std::min(next, due);
                }
                growth->wants_spare = false;
            }
            if (!std::exchange(growth->wants_spare, false)) continue;
            bytes = std::min(growth->spare_bytes, growth->ceiling_bytes);
        }
        std::unique_ptr<Block> block(new (std::nothrow) Block);
        if (block == nullptr || bytes == 0) continue;
        block->key = growth->key;
        block->type_index = type_index_;
        // A refusal is not told to anybody: whoever needs the block asks again and hears it.
        if (source_.CreateBlock(type_index_, block->key, bytes, &block->memory) != BlockStatus::kOk)
            continue;
        CountBlock(bytes);
        MutexLock lock(mutex_);
        growth->spare = std::move(block);
        growth->spare_since_ms = now_ms;
        next = std::min(next, now_ms + SpareMs(bytes));
    }
    for (uint32_t i = 0; limits_.idle_ms != 0 && i < ShardCount(); ++i) {
        Shard& shard = *shards_[i].load(std::memory_order_acquire);
        shard.mutex().Lock();
        for (Block* block = shard.Idle().Oldest(); block != nullptr;) {
            Block* const newer = block->newer;
            if (block->idle_since == 0) block->idle_since = std::max<uint64_t>(now_ms, 1);
            if (now_ms - block->idle_since >= limits_.idle_ms) {
                shard.RemoveBlock(*block);
                given_up.Add(*block);
            } else {
                next = std::min(next, block->idle_since + limits_.idle_ms);
            }
            block = newer;
        }
        shard.mutex().Unlock();
    }
    Destroy(given_up);
    return next;
}

// ---- numbers ------------------------------------------------------------------------------------

void TypePool::Fence() noexcept {
    for (uint32_t i = 0; i < ShardCount(); ++i)
        LightLock lock(shards_[i].load(std::memory_order_acquire)->mutex());
}

void TypePool::LockAll() noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    for (;;) {
        const uint32_t count = ShardCount();
        for (uint32_t i = 0; i < count; ++i)
            shards_[i].load(std::memory_order_acquire)->mutex().Lock();
        mutex_.Lock();
        if (ShardCount() == count) return;
        mutex_.Unlock();
        for (uint32_t i = 0; i < count; ++i)
            shards_[i].load(std::memory_order_acquire)->mutex().Unlock();
    }
}

void TypePool::UnlockAll() noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    for (uint32_t i = 0; i < ShardCount(); ++i)
        shards_[i].load(std::memory_order_acquire)->mutex().Unlock();
    mutex_.Unlock();
}

void TypePool::ForgetThreads() noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    for (uint32_t i = 0; i < ShardCount(); ++i)
        shards_[i].load(std::memory_order_acquire)->ForgetThread();
}

// The application's view may have reached a new peak: the sum over all shards says so. Until the
// shard has this much more there is no new one. With several shards they share what is left below
// the peak, a megabyte each at most, and so much of it may be missed.
// Requires: the shard's lock is held.
void TypePool::NotePeak(Shard& shard) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const uint32_t count = ShardCount();
    auto live = static_cast<int64_t>(Load(totals_.app.live_bytes));
    for (uint32_t i = 0; i < count; ++i)
        live += shards_[i].load(std::memory_order_acquire)->LiveBytes();
    std::atomic_ref<uint64_t> peak(totals_.app.peak_bytes);
    uint64_t seen = peak.load(std::memory_order_relaxed);
    while (
        static_cast<int64_t>(seen) < live &&
        !peak.compare_exchange_weak(seen, static_cast<uint64_t>(live), std::memory_order_relaxed)) {
    }
    const int64_t below = std::max<int64_t>(static_cast<int64_t>(seen) - live, 0);
    shard.peak_look =
        shard.LiveBytes() +
        (count == 1 ? below : std::min<int64_t>(below / count, kMostPeakGrant) + kPeakSlack);
}

// Something passed through: every shard looks again at its next allocation.
void TypePool::LowerPeakLooks() noexcept {
    for (uint32_t i = 0; i < ShardCount(); ++i) {
        Shard& shard = *shards_[i].load(std::memory_order_acquire);
        LightLock lock(shard.mutex());
        shard.peak_look = shard.LiveBytes() - 1;
        if (i == 0) NotePeak(shard);
    }
}

void TypePool::CountPassThrough(tessera_reason reason, uint64_t size_bytes) noexcept {
    {
        MutexLock lock(mutex_);
        SequencedWrite write(totals_.sequence);
        Add(totals_.app.live, 1);
        Add(totals_.app.live_bytes, size_bytes);
        Add(totals_.app.allocations, 1);
        CountAllocation(totals_.driver, size_bytes);
        tessera_pass_through& passed = totals_.pass_through[reason];
        Add(passed.live, 1);
        Add(passed.live_bytes, size_bytes);
        Add(passed.allocations, 1);
    }
    LowerPeakLooks();
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

tessera_type_totals TypePool::Totals() const noexcept {
    tessera_type_totals totals;
    {
        MutexLock lock(mutex_);
        totals = channel::Copy(totals_);
    }
    for (uint32_t i = 0; i < ShardCount(); ++i) {
        const Shard& shard = *shards_[i].load(std::memory_order_acquire);
        LightLock lock(shard.mutex());
        tessera_add_shard(&totals, &shard.counters());
    }
    return totals;
}

Occupancy TypePool::GetOccupancy() noexcept {
    FreeAllReturned();
    const tessera_type_totals totals = Totals();
    return {.app_live_bytes = totals.app.live_bytes,
            .unused_block_bytes = totals.pooled.free_bytes};
}

bool TypePool::CheckShards() const noexcept {
    for (uint32_t i = 0; i < ShardCount(); ++i) {
        const Shard& shard = *shards_[i].load(std::memory_order_acquire);
        LightLock lock(shard.mutex());
        if (!shard.CheckInvariants()) return false;
    }
    return true;
}

bool TypePool::CheckInvariants() const noexcept {
    if (!CheckShards()) return false;
    // A peak is exact in a single shard only.
    if (ShardCount() > 1) return true;
    uint64_t idle_bytes = 0;
    {
        LightLock lock(first_.mutex());
        idle_bytes = first_.Idle().Bytes();
    }
    return idle_bytes == idle_total_.load() && idle_bytes <= limits_.idle_bytes &&
           CheckTotals(Totals());
}

// The equations of the channel's header, on the totals alone.
bool TypePool::CheckTotals(const tessera_type_totals& totals) const noexcept {
    tessera_pass_through passed{};
    for (const tessera_pass_through& reason : totals.pass_through) {
        passed.live += reason.live;
        passed.live_bytes += reason.live_bytes;
        passed.allocations += reason.allocations;
    }
    const tessera_totals& app = totals.app;
    const tessera_totals& driver = totals.driver;
    const tessera_pooled& pooled = totals.pooled;
    for (const tessera_totals* view : {&app, &driver}) {
        if (view->live != view->allocations - view->frees) return false;
        if (view->peak_bytes < view->live_bytes) return false;
    }
    return totals.sequence % 2 == 0 && app.live == pooled.live + passed.live &&
           app.live_bytes == pooled.live_bytes + passed.live_bytes &&
           app.allocations == pooled.allocations + passed.allocations &&
           driver.live == pooled.blocks + passed.live &&
           driver.live_bytes == pooled.block_bytes + passed.live_bytes &&
           pooled.block_bytes >= pooled.live_bytes + pooled.free_bytes;
}

}  // namespace tessera::pool
