// SPDX-License-Identifier: Apache-2.0
//
// See channel.h for the contract. Who uses the segment, which of its records are free, and where
// devices are counted that have none.
#include "channel/channel.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "channel/counters.h"
#include "channel/device_record.h"
#include "channel/level_file.h"
#include "channel/segment.h"
#include "channel/tables.h"

namespace tessera::channel {
namespace {

// A device's record where nobody can see it.
struct PrivateRecord {
    PrivateRecord* next;
    alignas(8) tessera_device_record record;
};

struct State {
    Segment segment;
    uint64_t instances = 0;
    PrivateRecord* private_records = nullptr;
    LevelFileLook level_look;
};

constinit Mutex g_mutex;
constinit State g_state ABSL_GUARDED_BY(g_mutex);

// Where several devices are counted together, and nobody reads it, when there is no memory at all.
constinit tessera_device_record g_discarded{};

// How long the first look at the cycle counter's pace takes. A reader's clock is off by less than a
// thousandth until the helper looks again.
constexpr uint64_t kFirstCalibrationNs = 100'000;

constexpr uint64_t kNone = 0;  // no index of a device: record 0 is the retired sum

// Returns: the index of a record without a device, or kNone.
uint64_t FindAbsent(const Segment& segment) noexcept {
    for (uint64_t i = 1; i < segment.capacity(); ++i)
        if (Load(segment.record(i).state) == TESSERA_DEVICE_ABSENT) return i;
    return kNone;
}

// What the records say of destroyed and live devices.
struct Census {
    uint64_t live = 0;
    uint64_t destroyed = 0;
    uint64_t first_destroyed = kNone;  // the index of the one that was destroyed first
};

Census Count(const Segment& segment) noexcept {
    Census census;
    uint64_t first_order = 0;
    for (uint64_t i = 1; i < segment.capacity(); ++i) {
        const tessera_device_record& record = segment.record(i);
        const uint64_t state = Load(record.state);
        if (state == TESSERA_DEVICE_LIVE) ++census.live;
        if (state != TESSERA_DEVICE_DESTROYED) continue;
        ++census.destroyed;
        const uint64_t order = Load(record.destroyed_order);
        if (census.first_destroyed != kNone && order >= first_order) continue;
        census.first_destroyed = i;
        first_order = order;
    }
    return census;
}

// Moves the numbers of a destroyed device into the retired sum, and makes its record free.
void Retire(Segment& segment, uint64_t index) noexcept {
    const SequencedWrite write(segment.header().sequence);
    tessera_device_record& record = segment.record(index);
    AddToRetired(segment.record(0), record);
    segment.FreeExtents(Load(record.id));
    std::memset(&record, 0, sizeof(record));
}

// Lets the rings go of the device that was destroyed first, of those with one of this size: no
// other could be used for it. Returns: false if there is none.
bool FreeOldestRings(Segment& segment, uint64_t bytes) noexcept {
    uint64_t oldest = 0;
    uint64_t oldest_order = ~uint64_t{0};
    for (uint64_t i = 1; i < segment.capacity(); ++i) {
        const tessera_device_record& record = segment.record(i);
        const uint64_t order = Load(record.destroyed_order);
        if (Load(record.state) != TESSERA_DEVICE_DESTROYED || order >= oldest_order ||
            !segment.HasExtent(TESSERA_KIND_RING, Load(record.id), bytes))
            continue;
        oldest = Load(record.id);
        oldest_order = order;
    }
    if (oldest == 0) return false;
    const SequencedWrite write(segment.header().sequence);
    segment.FreeExtents(oldest, TESSERA_KIND_RING);
    return true;
}

// Returns: the index of a free record; kNone if there is no room for one and no destroyed device
// that could make room.
uint64_t MakeRoom(Segment& segment) noexcept {
    if (const uint64_t index = FindAbsent(segment); index != kNone) return index;
    // Record 0 is no device's.
    if ((segment.capacity() != 0 || segment.AddRecord()) && segment.AddRecord())
        return segment.capacity() - 1;
    const uint64_t retired = Count(segment).first_destroyed;
    if (retired != kNone) Retire(segment, retired);
    return retired;
}

// Returns: a record in the segment, or null.
tessera_device_record* PublishDevice(Segment& segment, const DeviceFacts& facts) noexcept {
    if (!segment.is_open()) return nullptr;
    const uint64_t index = MakeRoom(segment);
    tessera_channel_header& header = segment.header();
    const SequencedWrite write(header.sequence);
    const uint64_t id = Load(header.next_device_id);
    Store(header.next_device_id, id + 1);
    if (index == kNone) {
        TESSERA_LOG(kWarning,
                    "No room in the segment for another device: the statistics of '%s' are not "
                    "published.",
                    facts.name);
        Add(header.dropped_devices, 1);
        return nullptr;
    }
    DescribeDevice(segment.record(index), facts, id);
    return &segment.record(index);
}

tessera_device_record* KeepPrivately(State& state, const DeviceFacts& facts) noexcept {
    auto* const kept = static_cast<PrivateRecord*>(std::calloc(1, sizeof(PrivateRecord)));
    if (kept == nullptr) return &g_discarded;
    kept->next = state.private_records;
    state.private_records = kept;
    DescribeDevice(kept->record, facts, 0);
    return &kept->record;
}

void ForgetPrivate(State& state, const tessera_device_record* record) noexcept {
    for (PrivateRecord** link = &state.private_records; *link != nullptr; link = &(*link)->next) {
        PrivateRecord* const kept = *link;
        if (&kept->record != record) continue;
        *link = kept->next;
        std::free(kept);
        return;
    }
}

// Unmaps the segment once nobody can count in it: a device may outlive the last instance, although
// an application must not let it.
void CloseIfUnused(State& state) noexcept {
    if (state.segment.is_open() && state.instances == 0 && Count(state.segment).live == 0) {
        state.segment.Close();
        ForgetTables();
    }
}

}  // namespace

void InstanceCreated(bool publish, uint64_t max_bytes) noexcept {
    const MutexLock lock(g_mutex);
    const bool is_first = g_state.instances++ == 0;
    ChooseTicks();
    Segment& segment = g_state.segment;
    if (!publish) return;
    if (!segment.is_open())
        segment.Open(max_bytes != 0 ? max_bytes : kMaxSegmentBytes);
    else if (is_first)
        segment.MarkLive();
}

void InstanceDestroyed() noexcept {
    const MutexLock lock(g_mutex);
    if (g_state.instances == 0 || --g_state.instances != 0 || !g_state.segment.is_open()) return;
    g_state.segment.MarkClosed();
    CloseIfUnused(g_state);
}

tessera_device_record* DeviceCreated(const DeviceFacts& facts) noexcept {
    const MutexLock lock(g_mutex);
    tessera_device_record* const record = PublishDevice(g_state.segment, facts);
    return record != nullptr ? record : KeepPrivately(g_state, facts);
}

void DeviceDestroyed(tessera_device_record* record) noexcept {
    const MutexLock lock(g_mutex);
    Segment& segment = g_state.segment;
    if (!segment.Contains(record)) {
        ForgetPrivate(g_state, record);
        return;
    }
    {
        tessera_channel_header& header = segment.header();
        const SequencedWrite write(header.sequence);
        Add(header.destroyed_devices, 1);
        Store(record->destroyed_order, Load(header.destroyed_devices));
        Store(record->state, TESSERA_DEVICE_DESTROYED);
    }
    for (Census census = Count(segment); census.destroyed > TESSERA_MAX_DESTROYED;
         census = Count(segment))
        Retire(segment, census.first_destroyed);
    CloseIfUnused(g_state);
}

void* AddExtent(tessera_kind kind, uint64_t owner, uint32_t first, uint64_t bytes) noexcept {
    const MutexLock lock(g_mutex);
    if (!g_state.segment.is_open()) return nullptr;
    Segment& segment = g_state.segment;
    void* extent = segment.AddExtent(kind, owner, first, bytes);
    // What happened on devices that are gone makes room for what happens; what leaked on them
    // stays.
    while (extent == nullptr && kind == TESSERA_KIND_RING && FreeOldestRings(segment, bytes))
        extent = segment.AddExtent(kind, owner, first, bytes);
    return extent;
}

void ShowLevel(tessera_level level, uint64_t stack_interval, uint64_t serial) noexcept {
    const MutexLock lock(g_mutex);
    if (!g_state.segment.is_open()) return;
    tessera_channel_header& header = g_state.segment.header();
    const SequencedWrite write(header.sequence);
    Store(header.level, level);
    Store(header.stack_interval, stack_interval);
    Store(header.level_serial, serial);
}

void Calibrate() noexcept {
    const MutexLock lock(g_mutex);
    if (!g_state.segment.is_open()) return;
    tessera_channel_header& header = g_state.segment.header();
    tessera_clock clock = Copy(header.clock);
    Moment now = Now();
    if (clock.ticks0 == 0 || now.ticks <= clock.ticks0 || now.ns <= clock.ns0) {
        clock.ns0 = now.ns;
        clock.ticks0 = now.ticks;
        while (NowNs() - clock.ns0 < kFirstCalibrationNs) {
        }
        now = Now();
    }
    const SequencedWrite write(header.sequence);
    Store(header.clock.ticks0, clock.ticks0);
    Store(header.clock.ns0, clock.ns0);
    Store(header.clock.ticks1, now.ticks);
    Store(header.clock.ns1, now.ns);
}

bool ReadLevelRequest(tessera_level_request* request) noexcept {
    char path[kMaxFolderPathBytes + kMaxSegmentNameBytes];
    SegmentOwner owner;
    LevelFileLook look;
    {
        const MutexLock lock(g_mutex);
        if (!g_state.segment.is_open() || !FormatLevelPath(g_state.segment.path(), path))
            return false;
        owner = g_state.segment.owner();
        look = g_state.level_look;
    }
    const bool wished = ReadLevelFile(path, owner, look, request);
    const MutexLock lock(g_mutex);
    g_state.level_look = look;
    return wished;
}

void ForkedChild() noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    // The mutex may be held by a thread of the parent that does not exist here.
    new (&g_mutex) Mutex();
    g_state.segment.Abandon();
    g_state.level_look = {};
    ForgetTablesInChild();
    g_state.instances = 0;
    g_state.private_records = nullptr;
}

}  // namespace tessera::channel
