// SPDX-License-Identifier: Apache-2.0
//
// Reads the rings of events. See include/tessera/reader.h for the contract.
//
// The one idea: what was read of each ring is remembered by number, and of what was copied only
// that counts which cannot have been overwritten while it was copied. Each call copies no event
// twice, so that its work is bounded by the size of the rings.
#include <algorithm>
#include <cstring>

#include "base/process.h"
#include "reader/layout.h"
#include "reader/open_segment.h"
#include "reader/segment_copy.h"
#include "tessera/reader.h"

namespace tessera::reader {
namespace {

// A ring as it was when it was last read.
struct Lane {
    tessera_extent extent = {};
    uint64_t capacity = 0;
    uint64_t next = 0;  // number of the first event that was not read yet
};

// Returns: the number of the first event that cannot have been overwritten when `written` are. The
// one that lies where the next one is being written may be half of each.
uint64_t OldestOf(uint64_t written, uint64_t capacity) {
    return written >= capacity ? written - capacity + 1 : 0;
}

constexpr char kTooShort[] = "it is cut short: the file ends before its data do";

// Copies the events from `from` to before `to`, which are at most as many as the ring has room for.
bool CopyEvents(int fd, const Lane& lane, uint64_t from, uint64_t to,
                std::vector<tessera_event>& out) {
    out.resize(to - from);
    const uint64_t events = lane.extent.offset + sizeof(tessera_ring);
    for (uint64_t number = from; number < to;) {
        const uint64_t place = number % lane.capacity;
        const uint64_t count = std::min(to - number, lane.capacity - place);
        if (!ReadFileAt(fd, events + place * sizeof(tessera_event), &out[number - from],
                        count * sizeof(tessera_event)))
            return false;
        number += count;
    }
    return true;
}

}  // namespace

struct EventReader::State {
    int fd = -1;
    bool has_read = false;
    std::vector<Lane> lanes;
    std::vector<tessera_event> copied;

    Lane LaneOf(const tessera_extent& extent) const;
    std::string ReadLane(Lane& lane, const tessera_clock& clock, EventBatch& batch);
    bool StillThere(const tessera_channel_header& header, uint64_t index) const;
};

Lane EventReader::State::LaneOf(const tessera_extent& extent) const {
    for (const Lane& lane : lanes)
        if (std::memcmp(&lane.extent, &extent, sizeof(extent)) == 0) return lane;
    return {.extent = extent, .capacity = 0, .next = 0};
}

std::string EventReader::State::ReadLane(Lane& lane, const tessera_clock& clock,
                                         EventBatch& batch) {
    tessera_ring ring;
    const uint64_t at = lane.extent.offset;
    if (!ReadFileAt(fd, at, &ring, sizeof(ring))) return kTooShort;
    if (ring.capacity == 0) return "";  // its writer has only begun to set it up
    std::string error = CheckRing(ring, lane.extent.bytes);
    if (!error.empty()) return error;

    // What was lost before the first call is not ours. A ring that went back is another one.
    const bool is_same = lane.capacity == ring.capacity && lane.next <= ring.written;
    const bool counts_lost = is_same || (has_read && lane.capacity == 0);
    if (!is_same) lane.next = 0;
    lane.capacity = ring.capacity;
    uint64_t from = std::max(lane.next, OldestOf(ring.written, ring.capacity));
    if (counts_lost) batch.lost += from - lane.next;
    lane.next = ring.written;

    OrderReads();
    if (!CopyEvents(fd, lane, from, ring.written, copied)) return kTooShort;
    OrderReads();
    uint64_t written = 0;
    if (!ReadFileAt(fd, at + offsetof(tessera_ring, written), &written, sizeof(written)))
        return kTooShort;
    if (written < ring.written) return "";  // see above, next time
    const uint64_t sure = std::min(std::max(from, OldestOf(written, ring.capacity)), ring.written);
    batch.lost += sure - from;
    for (uint64_t number = sure; number < ring.written; ++number) {
        const tessera_event& event = copied[number - from];
        batch.events.push_back({.time_ns = TicksToNs(clock, event.ticks),
                                .device = lane.extent.owner,
                                .kind = event.kind,
                                .type = event.type,
                                .detail = event.detail,
                                .thread = event.thread,
                                .stack = event.stack,
                                .object = event.object,
                                .value = event.value});
    }
    return "";
}

// Device ids are not used again, so that an extent that came to another use has another entry.
bool EventReader::State::StillThere(const tessera_channel_header& header, uint64_t index) const {
    OrderReads();
    tessera_extent now;
    const uint64_t entry = offsetof(tessera_channel_header, extents) + index * sizeof(now);
    return ReadFileAt(fd, entry, &now, sizeof(now)) &&
           std::memcmp(&now, &header.extents[index], sizeof(now)) == 0;
}

EventReader::EventReader(int fd) : state_(std::make_unique<State>()) {
    state_->fd = fd;
}

EventReader::~EventReader() = default;

Result<EventBatch> EventReader::Read() {
    const auto refuse = [](const std::string& reason) -> Result<EventBatch> {
        return {.value = {}, .error = "The segment's events cannot be read: " + reason + "."};
    };
    const std::string refusal = WhyNotReadable(state_->fd);
    if (!refusal.empty()) return refuse(refusal);
    bool runs = false;
    const auto copy = CopyHeader(state_->fd, ProcessRuns, &runs);
    if (!copy.ok()) return refuse(copy.error);
    const tessera_channel_header& header = *copy.value;

    EventBatch batch;
    std::vector<Lane> lanes;
    for (uint64_t i = 0; i < header.extent_count; ++i) {
        const tessera_extent& extent = header.extents[i];
        if (extent.bytes == 0 || extent.kind != TESSERA_KIND_RING) continue;
        Lane lane = state_->LaneOf(extent);
        const uint64_t lost_before = batch.lost;
        const size_t events_before = batch.events.size();
        const std::string error = state_->ReadLane(lane, header.clock, batch);
        if (!state_->StillThere(header, i)) {
            batch.events.resize(events_before);
            batch.lost = lost_before;
            continue;
        }
        if (!error.empty()) return refuse(error);
        lanes.push_back(lane);
    }
    state_->lanes = std::move(lanes);
    state_->has_read = true;
    std::ranges::stable_sort(batch.events, {}, &Event::time_ns);
    return {.value = std::move(batch), .error = {}};
}

}  // namespace tessera::reader
