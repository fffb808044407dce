// SPDX-License-Identifier: Apache-2.0
//
// See recorder.h.

#include "layer/channel/recorder.h"

#include "layer/base/clock.h"

namespace tessera::channel {
namespace {

// The lane of a shard, and of what happens outside of shards: the largest of these for which there
// is room.
constexpr uint64_t kLaneEvents[] = {32768, 8192, 1024};
constexpr uint64_t kSharedLaneEvents[] = {8192, 1024};

constexpr uint64_t RingBytes(uint64_t events) noexcept {
    // Less a header's worth of events: the capacity is a power of two, and so is the extent.
    return sizeof(tessera_ring) + events * sizeof(tessera_event);
}

// Flags that tell what was done with an allocation; the others tell where it lies.
constexpr uint64_t kOfTheApplication = TESSERA_ALLOCATION_MAPPED | TESSERA_ALLOCATION_BOUND;

// A word that any thread may be changing bits of.
std::atomic_ref<uint64_t> FlagsOf(tessera_allocation_record& record) noexcept {
    return std::atomic_ref<uint64_t>(record.flags);
}

}  // namespace

void EventLane::Open(void* extent, uint64_t bytes) noexcept {
    if (is_open()) return;
    const uint64_t capacity =
        std::bit_floor((bytes - sizeof(tessera_ring)) / sizeof(tessera_event));
    auto* const ring = static_cast<tessera_ring*>(extent);
    events_ = reinterpret_cast<tessera_event*>(ring + 1);
    mask_ = capacity - 1;
    Store(ring->capacity, capacity);
    ring_.store(ring, std::memory_order_relaxed);
}

void Recorder::Open(tessera_device_record& record) noexcept {
    record_ = &record;
    owner_ = Load(record.id);
}

void Recorder::MakeRoom(uint32_t count) noexcept {
    if (!IsPublished()) return;
    MutexLock lock(mutex_);
    for (uint32_t chunk = 0, first = 0; chunk < kChunks && first < count; ++chunk) {
        const uint32_t size = 1u << (kFirstBits + chunk);
        if (chunks_[chunk].load(std::memory_order_relaxed) == nullptr) {
            void* const extent = AddExtent(TESSERA_KIND_SLOTS, owner_, first,
                                           size * sizeof(tessera_allocation_record));
            chunks_[chunk].store(static_cast<tessera_allocation_record*>(extent),
                                 std::memory_order_release);
        }
        first += size;
    }
}

void Recorder::SetLevel(tessera_level level) noexcept {
    if (!IsPublished()) return;
    const tessera_level before = level_.load(std::memory_order_relaxed);
    if (before == level) return;
    if (before == TESSERA_LEVEL_totals || level == TESSERA_LEVEL_totals)
        Store(record_->level_since, Ticks());
    // Among the events of the level that has any.
    if (before == TESSERA_LEVEL_events) Note(TESSERA_EVENT_level, 0, level);
    // After what is recorded of what was live.
    std::atomic_ref<uint64_t>(record_->level).store(level, std::memory_order_release);
    level_.store(level, std::memory_order_relaxed);
    if (level == TESSERA_LEVEL_events) Note(TESSERA_EVENT_level, 0, level);
}

void Recorder::Existed(uint32_t slot, const AllocationFacts& facts) noexcept {
    tessera_allocation_record* const record = RecordOf(slot);
    if (record == nullptr) {
        if (facts.object != 0) CountUnrecorded(TESSERA_KIND_SLOTS);
        return;
    }
    if (facts.object != 0) return WriteAllocation(*record, facts, 0, Allocator{});
    const SequencedWrite write(record->sequence);
    Store(record->object, 0);
}

void Recorder::Moved(uint32_t slot, const AllocationFacts& facts) noexcept {
    if (tessera_allocation_record* const record = RecordOf(slot); record != nullptr) {
        const SequencedWrite write(record->sequence);
        Store(record->offset, facts.offset);
        auto* const words = reinterpret_cast<uint64_t*>(record);
        Store(words[5], std::bit_cast<uint64_t>(std::array{facts.block, facts.padding}));
        // What the application did with it stays true.
        FlagsOf(*record).fetch_and(kOfTheApplication, std::memory_order_relaxed);
        FlagsOf(*record).fetch_or(facts.flags, std::memory_order_relaxed);
    }
    Note(TESSERA_EVENT_move, facts.object, facts.offset, facts.type);
}

void Recorder::AddFlags(uint32_t slot, uint32_t flags) noexcept {
    if (tessera_allocation_record* const record = RecordOf(slot); record != nullptr)
        FlagsOf(*record).fetch_or(flags, std::memory_order_relaxed);
}

void Recorder::RemoveFlags(uint32_t slot, uint32_t flags) noexcept {
    if (tessera_allocation_record* const record = RecordOf(slot); record != nullptr)
        FlagsOf(*record).fetch_and(~uint64_t{flags}, std::memory_order_relaxed);
}

uint32_t Recorder::BlockMade(const BlockFacts& facts) noexcept {
    if (!IsPublished()) return kNoRecord;
    const uint64_t ticks = Ticks();
    uint32_t number = kNoRecord;
    {
        MutexLock lock(mutex_);
        number = blocks_.Add(owner_);
        if (number != kNoRecord) {
            tessera_block_record& record = blocks_.At(number);
            const SequencedWrite write(record.sequence);
            Store(record.object, facts.object);
            Store(record.bytes, facts.bytes);
            Store(record.ticks, ticks);
            Store(record.made_ns, facts.made_ns);
            Store(reinterpret_cast<uint64_t*>(&record)[5],
                  std::bit_cast<uint64_t>(std::array{facts.type, facts.flags}));
        }
    }
    if (number == kNoRecord) CountUnrecorded(TESSERA_KIND_BLOCKS);
    Note(TESSERA_EVENT_block_made, facts.object, facts.bytes, static_cast<uint8_t>(facts.type),
         MeasuredNs(facts.made_ns));
    return number;
}

void Recorder::BlockReleased(uint32_t number, const BlockFacts& facts, bool keeps) noexcept {
    if (number != kNoRecord && !keeps) {
        MutexLock lock(mutex_);
        blocks_.Remove(number);
    }
    // How long that takes nobody knows yet.
    Note(TESSERA_EVENT_block_released, facts.object, facts.bytes, static_cast<uint8_t>(facts.type));
}

uint32_t Recorder::Passed(const AllocationFacts& facts) noexcept {
    if (!IsPublished()) return kNoRecord;
    const uint64_t ticks = Ticks();
    const Allocator by = on() ? TakeAllocator() : Allocator{};
    uint32_t number = kNoRecord;
    {
        MutexLock lock(mutex_);
        number = passed_.Add(owner_);
        if (number != kNoRecord) WriteAllocation(passed_.At(number), facts, ticks, by);
    }
    if (number == kNoRecord) CountUnrecorded(TESSERA_KIND_PASSED);
    if (!records_events()) return number;
    tessera_event event = MakeEvent(TESSERA_EVENT_pass_through, ticks, facts, facts.size_bytes);
    event.detail = static_cast<uint16_t>(facts.block);
    event.thread = by.thread;
    event.stack = by.stack;
    WriteShared(event);
    return number;
}

void Recorder::PassedFreed(uint32_t number, const AllocationFacts& facts) noexcept {
    if (number != kNoRecord) {
        MutexLock lock(mutex_);
        passed_.Remove(number);
    }
    Note(TESSERA_EVENT_free, facts.object, facts.size_bytes, facts.type);
}

void Recorder::Note(tessera_event_kind kind, uint64_t object, uint64_t value, uint8_t type,
                    uint16_t detail) noexcept {
    if (!records_events()) return;
    tessera_event event{};
    event.ticks = Ticks();
    event.kind = static_cast<uint8_t>(kind);
    event.type = type;
    event.detail = detail;
    event.thread = CurrentThread();
    event.object = object;
    event.value = value;
    WriteShared(event);
}

// Each thread keeps to one of a few lanes, so that its own events stay in order and threads seldom
// wait for each other.
void Recorder::WriteShared(const tessera_event& event) noexcept {
    noted_.fetch_add(1, std::memory_order_relaxed);
    SharedLane& shared = shared_[event.thread % kSharedLanes];
    LightLock lock(shared.mutex);
    if (!shared.lane.is_open() && !OpenShared(shared.lane))
        return CountUnrecorded(TESSERA_KIND_RING);
    shared.lane.Write(event);
}

bool Recorder::OpenLane(EventLane& lane) noexcept {
    if (!lane.MayAsk()) return false;
    for (const uint64_t events : kLaneEvents)
        if (OpenExtent(lane, RingBytes(events))) return true;
    lane.Refused();
    return false;
}

bool Recorder::OpenShared(EventLane& lane) noexcept {
    if (!lane.MayAsk()) return false;
    for (const uint64_t events : kSharedLaneEvents)
        if (OpenExtent(lane, RingBytes(events))) return true;
    lane.Refused();
    return false;
}

bool Recorder::OpenExtent(EventLane& lane, uint64_t bytes) noexcept {
    if (!IsPublished()) return false;
    MutexLock lock(mutex_);
    void* const extent = AddExtent(TESSERA_KIND_RING, owner_, lanes_, bytes);
    if (extent == nullptr) return false;
    ++lanes_;
    lane.Open(extent, bytes);
    return true;
}

}  // namespace tessera::channel
