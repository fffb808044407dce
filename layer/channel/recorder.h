// SPDX-License-Identifier: Apache-2.0
//
// What a device records at the levels `full` and `events`: a record for each allocation, block and
// passed-through allocation, and rings of events.
//
// The one idea: the record of a slot has the slot's number, so that it is found without a search
// and made without an allocation; and it is written under the lock that the slot's place is written
// under anyway. At `totals` all of this is one load and a branch.
//
// Threads: Allocated(), Freed() and Moved() are called under the lock of the slot's shard; each
// names its groups of callers otherwise. Nothing is recorded in a forked child, since nothing is
// allocated there.

#ifndef TESSERA_LAYER_CHANNEL_RECORDER_H_
#define TESSERA_LAYER_CHANNEL_RECORDER_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <vector>

#include "layer/base/clock.h"
#include "layer/base/light_mutex.h"
#include "layer/base/mutex.h"
#include "layer/channel/counters.h"
#include "layer/channel/record_table.h"
#include "layer/channel/threads.h"
#include "tessera/channel_abi.h"

namespace tessera::channel {

// Ticks that are a few milliseconds old, for the price of a load: enough for an age. Whoever serves
// the devices that record sets them (0: nobody does); until then they are looked up.
inline constinit std::atomic<uint64_t> coarse_ticks = 0;
inline uint64_t CoarseTicks() noexcept {
    const uint64_t ticks = coarse_ticks.load(std::memory_order_relaxed);
    return ticks != 0 ? ticks : Ticks();
}

// A ring of events that one thread at a time writes to.
class EventLane {
 public:
    // `extent`: of `bytes`, zeroed.
    void Open(void* extent, uint64_t bytes) noexcept;

    // Threads: externally synchronised.
    void Write(const tessera_event& event) noexcept {
        tessera_ring* const ring = ring_.load(std::memory_order_relaxed);
        if (ring == nullptr) return;
        tessera_event& place = events_[written_ & mask_];
        __builtin_prefetch(&events_[(written_ + 2 * kLinesAhead) & mask_], 1);
        // Whoever sees a part of this event has seen that the one in its place is gone.
        OrderWrites();
        auto* const words = reinterpret_cast<uint64_t*>(&place);
        static_assert(offsetof(tessera_event, type) == 9 && offsetof(tessera_event, detail) == 10 &&
                      offsetof(tessera_event, thread) == 12 &&
                      offsetof(tessera_event, stack) == 14);
        Store(words[0], event.ticks);
        Store(words[1], event.kind | uint64_t{event.type} << 8 | uint64_t{event.detail} << 16 |
                            uint64_t{event.thread} << 32 | uint64_t{event.stack} << 48);
        Store(words[2], event.object);
        Store(words[3], event.value);
        std::atomic_ref<uint64_t>(ring->written).store(++written_, std::memory_order_release);
    }
    bool is_open() const noexcept { return ring_.load(std::memory_order_relaxed) != nullptr; }

    // The time of the next event: the cycle counter is read once for some events that follow each
    // other closely, since a read takes as long as all else about them. It is at most so many
    // events old, and, with somebody who sets coarse_ticks, at most as old as these. `others`:
    // another number once an event was written elsewhere, which read the counter: this one comes
    // after it.
    uint64_t TicksOfNext(uint32_t others) noexcept {
        const uint64_t coarse = coarse_ticks.load(std::memory_order_relaxed);
        if (written_ % kEventsPerRead == 0 || coarse != coarse_seen_ || coarse == 0 ||
            others != others_seen_) {
            coarse_seen_ = coarse;
            others_seen_ = others;
            ticks_ = Ticks();
        }
        return ticks_;
    }

    // Who wrote an allocation last, for the frees that follow by the same thread: the number that
    // tells threads apart, and the thread's record. 0: nobody yet.
    uint64_t thread_key = 0;
    uint16_t thread = 0;

    // Whether room for it should be asked for now: not each time after it was refused.
    bool MayAsk() noexcept { return refusals_ == 0 || std::has_single_bit(++refusals_); }
    void Refused() noexcept { refusals_ = std::max<uint64_t>(refusals_, 1); }

 private:
    static constexpr uint64_t kEventsPerRead = 8;
    static constexpr uint64_t kLinesAhead = 4;
    uint64_t coarse_seen_ = 0;
    uint64_t refusals_ = 0;
    uint32_t others_seen_ = 0;
    uint64_t ticks_ = 0;
    std::atomic<tessera_ring*> ring_ = nullptr;
    tessera_event* events_ = nullptr;
    // What the segment says of itself is not believed.
    uint64_t written_ = 0;
    uint64_t mask_ = 0;
};

// What is to be told of an allocation.
struct AllocationFacts {
    uint64_t object = 0;
    uint64_t size_bytes = 0;
    uint64_t offset = 0;
    uint32_t block = 0;  // or the reason
    uint32_t padding = 0;
    uint32_t flags = 0;
    uint8_t type = 0;
};

struct BlockFacts {
    uint64_t object = 0;
    uint64_t bytes = 0;
    uint64_t made_ns = 0;
    uint32_t type = 0;
    uint32_t flags = 0;
};

inline tessera_event MakeEvent(tessera_event_kind kind, uint64_t ticks,
                               const AllocationFacts& facts, uint64_t value) noexcept {
    tessera_event event{};
    event.ticks = ticks;
    event.kind = static_cast<uint8_t>(kind);
    event.type = facts.type;
    event.object = facts.object;
    event.value = value;
    return event;
}

// Differs between threads that live at the same time.
inline uint64_t ThreadKey() noexcept {
#if defined(__x86_64__) || defined(__aarch64__)
    return reinterpret_cast<uintptr_t>(__builtin_thread_pointer());
#else
    return uint64_t{CurrentThread()} + 1;
#endif
}

// The `detail` of an event for a time that was measured.
inline uint16_t MeasuredNs(uint64_t ns) noexcept {
    return static_cast<uint16_t>(1 + tessera_histogram_bucket(ns));
}

// A table whose records come and go one by one. Numbers are used again, the last one that came free
// first. Threads: externally synchronised. Host memory is asked for when a record begins, so that
// none is needed for its end.
template <typename Record, tessera_kind kKind>
class NumberedTable {
 public:
    static constexpr uint32_t kNoRecord = ~uint32_t{0};

    // Returns: the number of a record that nobody has; kNoRecord if there is no room.
    uint32_t Add(uint64_t owner) noexcept {
        if (!free_.empty()) {
            const uint32_t number = free_.back();
            free_.pop_back();
            return number;
        }
        if (used_ == table_.capacity() && !table_.Grow(owner)) return kNoRecord;
        if (used_ == free_.capacity()) {
            try {
                free_.reserve(table_.capacity());
            } catch (...) {
                return kNoRecord;
            }
        }
        return used_++;
    }

    // The record is empty. Requires: a number that Add returned and that was not removed since.
    void Remove(uint32_t number) noexcept {
        Record& record = table_.At(number);
        {
            const SequencedWrite write(record.sequence);
            Store(record.object, 0);
        }
        free_.push_back(number);
    }

    // Requires: a number that Add returned.
    Record& At(uint32_t number) const noexcept { return table_.At(number); }

 private:
    // One page to begin with.
    RecordTable<Record, kKind, 64, 1u << 20> table_;
    uint32_t used_ = 0;
    std::vector<uint32_t> free_;  // has room for all numbers in use
};

class Recorder {
 public:
    static constexpr uint32_t kNoRecord = ~uint32_t{0};
    static constexpr uint8_t kNoType = 255;

    Recorder() = default;
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    // `record`: of a live device, in the segment or not. To be called once, before all else.
    void Open(tessera_device_record& record) noexcept;

    // The process is a forked child, or the device is gone: nothing is recorded any more.
    void Stop() noexcept { level_.store(TESSERA_LEVEL_totals, std::memory_order_relaxed); }

    // Whether allocations are recorded one by one; whether events are. Threads: any.
    bool on() const noexcept {
        return level_.load(std::memory_order_relaxed) != TESSERA_LEVEL_totals;
    }
    bool records_events() const noexcept {
        return level_.load(std::memory_order_relaxed) == TESSERA_LEVEL_events;
    }
    tessera_level level() const noexcept { return level_.load(std::memory_order_relaxed); }

    // Makes room for the records of slots [0, count), as far as there is room.
    // Threads: any.
    void MakeRoom(uint32_t count) noexcept;

    // Takes another level, and notes it among the events. From totals on, the caller calls
    // Existed() for each slot before. Requires: the locks of all shards are held.
    void SetLevel(tessera_level level) noexcept;

    // A slot begins, was there when recording began (`is_new` false), or ends.
    // `lane`: of its shard. Requires: its shard's lock.
    void Allocated(uint32_t slot, const AllocationFacts& facts, EventLane& lane) noexcept;
    void Existed(uint32_t slot, const AllocationFacts& facts) noexcept;
    // Freed() returns whether the slot had a record.
    bool Freed(uint32_t slot) noexcept;
    // The event of it, if records_events().
    void NoteFree(const AllocationFacts& facts, EventLane& lane) noexcept;
    void Moved(uint32_t slot, const AllocationFacts& facts) noexcept;
    // Changes flags of a live slot. Threads: any that use it.
    void AddFlags(uint32_t slot, uint32_t flags) noexcept;
    void RemoveFlags(uint32_t slot, uint32_t flags) noexcept;

    // Blocks, at every level. Returns: the number of its record, or kNoRecord. Threads: any.
    uint32_t BlockMade(const BlockFacts& facts) noexcept;
    // `keeps`: the record stays, to show where leaked allocations lay.
    // To be told before the driver is, which may use the handle again at once.
    void BlockReleased(uint32_t number, const BlockFacts& facts, bool keeps) noexcept;

    // What was passed through, at every level; `facts.block` is the reason. `stack`: as below.
    // Returns: the number of its record, or kNoRecord. Threads: any.
    uint32_t Passed(const AllocationFacts& facts) noexcept;
    void PassedFreed(uint32_t number, const AllocationFacts& facts) noexcept;

    // Any other event. Threads: any; does nothing below the level `events`.
    void Note(tessera_event_kind kind, uint64_t object, uint64_t value, uint8_t type = kNoType,
              uint16_t detail = 0) noexcept;

    void CountUnrecorded(tessera_kind kind) noexcept {
        if (record_ != nullptr) AddShared(record_->unrecorded[kind], 1);
    }

 private:
    static constexpr uint32_t kFirstBits = 6;
    static constexpr uint32_t kChunks = 22;
    static constexpr uint32_t kSharedLanes = 4;

    struct SharedLane {
        LightMutex mutex;
        EventLane lane ABSL_GUARDED_BY(mutex);
    };

    tessera_allocation_record* RecordOf(uint32_t slot) const noexcept {
        const uint32_t biased = slot + (1u << kFirstBits);
        const uint32_t top = static_cast<uint32_t>(std::bit_width(biased)) - 1;
        tessera_allocation_record* const chunk =
            chunks_[top - kFirstBits].load(std::memory_order_acquire);
        return chunk != nullptr ? chunk + (biased - (1u << top)) : nullptr;
    }
    void WriteAllocation(tessera_allocation_record& record, const AllocationFacts& facts,
                         uint64_t ticks, Allocator by) noexcept;
    void WriteShared(const tessera_event& event) noexcept;
    // Makes room for a lane, the larger the better. Returns: false if there is none, or if it is
    // not asked for again yet. Requires: the lane's lock.
    bool OpenLane(EventLane& lane) noexcept;
    bool OpenShared(EventLane& lane) noexcept;
    bool OpenExtent(EventLane& lane, uint64_t bytes) noexcept;
    bool IsPublished() const noexcept { return owner_ != 0; }

    std::atomic<tessera_level> level_ = TESSERA_LEVEL_totals;
    uint64_t owner_ = 0;  // the device's id; 0: nobody can read what is recorded
    tessera_device_record* record_ = nullptr;
    std::atomic<tessera_allocation_record*> chunks_[kChunks] = {};
    // Goes up with each event that is written to a shared lane.
    std::atomic<uint32_t> noted_ = 0;

    Mutex mutex_;
    uint32_t lanes_ ABSL_GUARDED_BY(mutex_) = 0;  // that have room
    NumberedTable<tessera_block_record, TESSERA_KIND_BLOCKS> blocks_ ABSL_GUARDED_BY(mutex_);
    NumberedTable<tessera_allocation_record, TESSERA_KIND_PASSED> passed_ ABSL_GUARDED_BY(mutex_);
    SharedLane shared_[kSharedLanes];
};

// ---- what each allocation and each free pays at the levels above the totals: inlined into the
// shard's two functions for it ----

[[gnu::always_inline]] inline void Recorder::WriteAllocation(tessera_allocation_record& record,
                                                             const AllocationFacts& facts,
                                                             uint64_t ticks,
                                                             Allocator by) noexcept {
    const SequencedWrite write(record.sequence);
    Store(record.object, facts.object);
    Store(record.size_bytes, facts.size_bytes);
    Store(record.offset, facts.offset);
    Store(record.ticks, ticks);
    // Whole words, so that a reader finds their parts together.
    static_assert(std::endian::native == std::endian::little);
    static_assert(offsetof(tessera_allocation_record, block) == 40 &&
                  offsetof(tessera_allocation_record, padding) == 44 &&
                  offsetof(tessera_allocation_record, type) == 56 &&
                  offsetof(tessera_allocation_record, thread) == 60 &&
                  offsetof(tessera_allocation_record, stack) == 62);
    auto* const words = reinterpret_cast<uint64_t*>(&record);
    Store(words[5], facts.block | uint64_t{facts.padding} << 32);
    Store(record.flags, facts.flags);
    Store(words[7], facts.type | uint64_t{by.thread} << 32 | uint64_t{by.stack} << 48);
}

[[gnu::always_inline]] inline void Recorder::Allocated(uint32_t slot, const AllocationFacts& facts,
                                                       EventLane& lane) noexcept {
    const uint64_t ticks =
        records_events() ? lane.TicksOfNext(noted_.load(std::memory_order_relaxed)) : CoarseTicks();
    const Allocator by = TakeAllocator();
    if (tessera_allocation_record* const record = RecordOf(slot); record != nullptr) [[likely]] {
        WriteAllocation(*record, facts, ticks, by);
    } else {
        CountUnrecorded(TESSERA_KIND_SLOTS);
    }
    if (!records_events()) return;
    lane.thread_key = ThreadKey();
    lane.thread = by.thread;
    tessera_event event = MakeEvent(TESSERA_EVENT_allocate, ticks, facts, facts.size_bytes);
    event.thread = by.thread;
    event.stack = by.stack;
    if (!lane.is_open() && !OpenLane(lane)) [[unlikely]]
        return WriteShared(event);
    lane.Write(event);
}

[[gnu::always_inline]] inline bool Recorder::Freed(uint32_t slot) noexcept {
    tessera_allocation_record* const record = RecordOf(slot);
    if (record == nullptr) [[unlikely]]
        return false;
    const SequencedWrite write(record->sequence);
    const bool recorded = Load(record->object) != 0;
    Store(record->object, 0);
    return recorded;
}

[[gnu::always_inline]] inline void Recorder::NoteFree(const AllocationFacts& facts,
                                                      EventLane& lane) noexcept {
    tessera_event event =
        MakeEvent(TESSERA_EVENT_free, lane.TicksOfNext(noted_.load(std::memory_order_relaxed)),
                  facts, facts.size_bytes);
    event.thread = lane.thread_key == ThreadKey() ? lane.thread : CurrentThread();
    if (!lane.is_open() && !OpenLane(lane)) [[unlikely]]
        return WriteShared(event);
    lane.Write(event);
}

}  // namespace tessera::channel

#endif  // TESSERA_LAYER_CHANNEL_RECORDER_H_
