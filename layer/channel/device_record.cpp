// SPDX-License-Identifier: Apache-2.0
//
// See device_record.h for the contract. Counts that are read back from a record are cut to the
// capacity of its arrays: other processes of the user can write to a segment.
#include "channel/device_record.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "channel/counters.h"

namespace tessera::channel {
namespace {

template <size_t kSize>
void CopyText(char (&out)[kSize], const char* text) noexcept {
    if (text == nullptr) return;
    const size_t size = strnlen(text, kSize - 1);
    std::memcpy(out, text, size);
    std::memset(out + size, 0, kSize - size);
}

void Raise(uint64_t& highest, uint64_t value) noexcept {
    Store(highest, std::max(Load(highest), value));
}

void AddTotals(tessera_totals& sum, const tessera_totals& view) noexcept {
    Raise(sum.peak_bytes, Load(view.peak_bytes));
    Add(sum.allocations, Load(view.allocations));
    Add(sum.frees, Load(view.frees));
    Add(sum.failed, Load(view.failed));
}

void AddType(tessera_type_totals& sum, const tessera_type_totals& type) noexcept {
    const SequencedWrite write(sum.sequence);
    Add(sum.moved_slots, Load(type.moved_slots));
    Add(sum.placement_failures, Load(type.placement_failures));
    AddTotals(sum.app, type.app);
    AddTotals(sum.driver, type.driver);
    Add(sum.pooled.allocations, Load(type.pooled.allocations));
    for (uint32_t i = 0; i < TESSERA_MAX_REASONS; ++i)
        Add(sum.pass_through[i].allocations, Load(type.pass_through[i].allocations));
}

void AddCall(tessera_call_totals& sum, const tessera_call_totals& call) noexcept {
    Add(sum.count, Load(call.count));
    if (Load(call.timed) == 0) return;
    Add(sum.timed, Load(call.timed));
    Add(sum.total_ns, Load(call.total_ns));
    Raise(sum.max_ns, Load(call.max_ns));
    for (uint32_t i = 0; i < TESSERA_HISTOGRAM_BUCKETS; ++i)
        Add(sum.histogram[i], Load(call.histogram[i]));
}

// The sum has no shards: what they counted goes where it belongs.
void AddShard(tessera_device_record& sum, const tessera_shard_counters& shard) noexcept {
    const uint64_t type = Load(shard.type) - 1;
    if (type >= TESSERA_MAX_TYPES) return;
    tessera_type_totals& totals = sum.totals[type];
    const uint64_t allocations = Load(shard.allocations);
    const uint64_t frees = Load(shard.frees);
    {
        const SequencedWrite write(totals.sequence);
        Add(totals.app.allocations, allocations);
        Add(totals.app.frees, frees);
        Add(totals.pooled.allocations, allocations);
    }
    Add(sum.calls[TESSERA_CALL_vkAllocateMemory].count, allocations);
    Add(sum.calls[TESSERA_CALL_vkFreeMemory].count, frees);
}

uint64_t HeapCount(const tessera_device_record& record) noexcept {
    return std::min<uint64_t>(Load(record.heap_count), TESSERA_MAX_HEAPS);
}

uint64_t TypeCount(const tessera_device_record& record) noexcept {
    return std::min<uint64_t>(Load(record.type_count), TESSERA_MAX_TYPES);
}

// The sum has every heap and memory type that one of its devices had.
void MergeMemory(tessera_device_record& sum, const tessera_device_record& device) noexcept {
    for (uint64_t i = HeapCount(sum); i < HeapCount(device); ++i)
        Store(sum.heaps[i].size_bytes, Load(device.heaps[i].size_bytes));
    Raise(sum.heap_count, HeapCount(device));

    const uint64_t known = TypeCount(sum);
    for (uint64_t i = 0; i < TypeCount(device); ++i) {
        const tessera_memory_type_record& type = device.types[i];
        if (i >= known) {
            Store(sum.types[i].heap, Load(type.heap));
            Store(sum.types[i].flags, Load(type.flags));
        } else {
            Store(sum.types[i].flags, Load(sum.types[i].flags) & Load(type.flags));
        }
    }
    Raise(sum.type_count, TypeCount(device));
}

}  // namespace

void DescribeDevice(tessera_device_record& record, const DeviceFacts& facts, uint64_t id) noexcept {
    Store(record.id, id);
    Store(record.mode, facts.pooled ? 1 : 0);
    Store(record.why, facts.why);
    Store(record.api_version, facts.api_version);
    Store(record.driver_version, facts.driver_version);
    Store(record.vendor_id, facts.vendor_id);
    Store(record.device_id, facts.device_id);
    Store(record.sample_interval, facts.sample_interval);
    CopyText(record.name, facts.name);
    CopyText(record.driver, facts.driver);
    const size_t heap_count = std::min<size_t>(facts.heaps.size(), TESSERA_MAX_HEAPS);
    const size_t type_count = std::min<size_t>(facts.types.size(), TESSERA_MAX_TYPES);
    std::copy_n(facts.heaps.begin(), heap_count, record.heaps);
    std::copy_n(facts.types.begin(), type_count, record.types);
    Store(record.heap_count, heap_count);
    Store(record.type_count, type_count);
    Store(record.state, TESSERA_DEVICE_LIVE);
}

void AddToRetired(tessera_device_record& sum, const tessera_device_record& device) noexcept {
    Store(sum.state, TESSERA_DEVICE_RETIRED);
    CopyText(sum.name, "retired");
    MergeMemory(sum, device);
    for (uint64_t i = 0; i < TypeCount(device); ++i)
        AddType(sum.totals[i], device.totals[i]);
    for (const tessera_shard_counters& shard : device.shards)
        AddShard(sum, shard);
    for (uint32_t i = 0; i < TESSERA_MAX_CALLS; ++i) {
        AddCall(sum.calls[i], device.calls[i]);
        AddCall(sum.driver_calls[i], device.driver_calls[i]);
    }
    for (uint32_t i = 0; i < TESSERA_MAX_MISUSES; ++i)
        Add(sum.misuse[i], Load(device.misuse[i]));
    for (uint32_t i = 0; i < TESSERA_MAX_KINDS; ++i)
        Add(sum.unrecorded[i], Load(device.unrecorded[i]));
    Add(sum.frames, Load(device.frames));
    Add(sum.retired_devices, 1);
}

}  // namespace tessera::channel
