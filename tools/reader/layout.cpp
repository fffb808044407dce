// SPDX-License-Identifier: Apache-2.0
//
// See layout.h for the contract.
#include "reader/layout.h"

#include <time.h>

#include <algorithm>
#include <bit>
#include <tuple>
#include <vector>

namespace tessera::reader {
namespace {

constexpr uint64_t kNumbers = uint64_t{1} << 32;  // of records: extents tell the first in 32 bits
constexpr uint64_t kLatestNs = uint64_t{1} << 63;

// Extents of a kind that is not known yet lie in the file as others do, but their numbers are
// nobody's.
std::string CheckExtent(const tessera_extent& extent, const tessera_channel_header& header) {
    if (extent.offset % kExtentAlignment != 0 || extent.offset < header.header_bytes ||
        extent.offset > header.segment_bytes || extent.bytes > header.segment_bytes - extent.offset)
        return "it is damaged: an extent lies outside of it";
    if (extent.kind == TESSERA_KIND_DEVICE && extent.owner != 0)
        return "it is damaged: a device's extent belongs to a device";
    if ((extent.kind == TESSERA_KIND_DEVICE && extent.bytes < sizeof(tessera_device_record)) ||
        (extent.kind == TESSERA_KIND_RING && extent.bytes < sizeof(tessera_ring)))
        return "it is damaged: an extent is smaller than what it holds";
    if (extent.first + RecordCount(extent) > kNumbers)
        return "it is damaged: an extent's records have numbers that there are not";
    return "";
}

// Requires: CheckExtent() was content with all of `used`.
std::string CheckOverlaps(std::vector<const tessera_extent*>& used) {
    std::ranges::sort(used, {}, &tessera_extent::offset);
    for (size_t i = 1; i < used.size(); ++i)
        if (used[i]->offset < used[i - 1]->offset + used[i - 1]->bytes)
            return "it is damaged: extents overlap";
    std::erase_if(used, [](const tessera_extent* extent) { return RecordCount(*extent) == 0; });
    std::ranges::sort(used, {}, [](const tessera_extent* extent) {
        return std::tuple(extent->kind, extent->owner, extent->first);
    });
    for (size_t i = 1; i < used.size(); ++i) {
        const tessera_extent& before = *used[i - 1];
        if (used[i]->kind == before.kind && used[i]->owner == before.owner &&
            used[i]->first < before.first + RecordCount(before))
            return "it is damaged: two records of one table have the same number";
    }
    return "";
}

}  // namespace

std::string CheckVersion(uint64_t magic, uint32_t abi_version) {
    if (magic == 0) return "it is not ready: its process has only begun to set it up";
    if (magic != TESSERA_CHANNEL_MAGIC) return "it is not a statistics segment";
    if (abi_version == TESSERA_CHANNEL_ABI_VERSION) return "";
    return "it is of version " + std::to_string(abi_version) +
           " of the channel, and this program knows version " +
           std::to_string(TESSERA_CHANNEL_ABI_VERSION) + " only";
}

std::string CheckHeader(const tessera_channel_header& header) {
    if (header.header_bytes != sizeof(tessera_channel_header) ||
        header.record_bytes != sizeof(tessera_device_record))
        return "it is damaged: its parts have sizes that its version does not have";
    if (header.max_bytes > TESSERA_CHANNEL_LIMIT_BYTES || header.segment_bytes > header.max_bytes ||
        header.segment_bytes < sizeof(tessera_channel_header))
        return "it is damaged: its sizes contradict each other";
    if (header.extent_count > TESSERA_MAX_EXTENTS)
        return "it is damaged: it has more extents than there can be";
    if (header.state != TESSERA_PROCESS_LIVE && header.state != TESSERA_PROCESS_CLOSED)
        return "it is damaged: its process is in a state that does not exist";
    std::vector<const tessera_extent*> used;
    for (uint64_t i = 0; i < header.extent_count; ++i) {
        const tessera_extent& extent = header.extents[i];
        if (extent.bytes == 0) continue;
        std::string error = CheckExtent(extent, header);
        if (!error.empty()) return error;
        used.push_back(&extent);
    }
    return CheckOverlaps(used);
}

std::string CheckDevice(const tessera_device_record& record, uint64_t number) {
    const bool is_sum = record.state == TESSERA_DEVICE_RETIRED;
    if (record.state > TESSERA_DEVICE_RETIRED || is_sum != (number == 0))
        return "it is damaged: a device is in a state that does not exist";
    if (record.heap_count > TESSERA_MAX_HEAPS || record.type_count > TESSERA_MAX_TYPES)
        return "it is damaged: a device has more memory heaps or types than there can be";
    if (record.why >= TESSERA_MAX_REASONS)
        return "it is damaged: a device has a reason that does not exist";
    for (uint64_t i = 0; i < record.type_count; ++i)
        if (record.types[i].heap >= record.heap_count)
            return "it is damaged: a memory type lies in a heap that the device does not have";
    return "";
}

std::string CheckRing(const tessera_ring& ring, uint64_t bytes) {
    if (!std::has_single_bit(ring.capacity) ||
        ring.capacity > (bytes - sizeof(tessera_ring)) / sizeof(tessera_event))
        return "it is damaged: a ring of events has a capacity that it cannot have";
    return "";
}

uint64_t RecordCount(const tessera_extent& extent) {
    if (extent.bytes == 0) return 0;
    if (extent.kind == TESSERA_KIND_DEVICE || extent.kind == TESSERA_KIND_RING) return 1;
    const uint64_t record_bytes = tessera_record_bytes(extent.kind);
    return record_bytes == 0 ? 0 : extent.bytes / record_bytes;
}

bool IsTable(uint32_t kind) {
    return kind != TESSERA_KIND_DEVICE && tessera_record_bytes(kind) != 0;
}

uint64_t TicksToNs(const tessera_clock& clock, uint64_t ticks) {
    if (ticks == 0 || clock.ticks1 <= clock.ticks0 || clock.ns1 <= clock.ns0 ||
        clock.ns1 >= kLatestNs)
        return 0;
    // Below 2^64 times below 2^63: fits.
    const auto since = static_cast<__int128>(ticks) - static_cast<__int128>(clock.ticks0);
    const auto ns =
        static_cast<__int128>(clock.ns0) + since * static_cast<__int128>(clock.ns1 - clock.ns0) /
                                               static_cast<__int128>(clock.ticks1 - clock.ticks0);
    return ns > 0 && ns < static_cast<__int128>(kLatestNs) ? static_cast<uint64_t>(ns) : 0;
}

uint64_t MonotonicNs() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace tessera::reader
