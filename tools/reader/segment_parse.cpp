// SPDX-License-Identifier: Apache-2.0
//
// See segment_parse.h for the contract. Here: the header and the devices; their tables are in
// tables_parse.cpp.
#include "reader/segment_parse.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "reader/layout.h"
#include "reader/text.h"

namespace tessera::reader {
namespace {

// Of a process that works, a type's totals and its shards' lines are copied one after the other:
// what was freed, or taken from a new block, meanwhile makes a sum negative, which is told as none.
void RaiseToZero(tessera_type_totals& totals) {
    for (uint64_t* const sum : {&totals.app.live, &totals.app.live_bytes, &totals.pooled.live,
                                &totals.pooled.live_bytes, &totals.pooled.free_bytes})
        if (*sum >> 63 != 0) *sum = 0;
}

class SegmentParser {
 public:
    SegmentParser(std::span<const std::byte> bytes, bool runs) : bytes_(bytes), runs_(runs) {}

    Result<Process> Run(Depth depth);

 private:
    // Each returns what is wrong; empty if nothing is.
    std::string TakeHeader();
    std::string TakeDevice(const tessera_extent& extent);
    std::string TakeShards(Device& device);
    void TakeTypes(Device& device);

    const std::span<const std::byte> bytes_;
    const bool runs_;
    // On the heap, as they are large. Nothing of them is read before it was copied.
    std::unique_ptr<tessera_channel_header> header_ =
        std::make_unique_for_overwrite<tessera_channel_header>();
    std::unique_ptr<tessera_device_record> record_ =
        std::make_unique_for_overwrite<tessera_device_record>();
    Process process_;
};

Result<Process> SegmentParser::Run(Depth depth) {
    std::string error = TakeHeader();
    for (uint64_t i = 0; error.empty() && i < header_->extent_count; ++i)
        if (header_->extents[i].bytes != 0 && header_->extents[i].kind == TESSERA_KIND_DEVICE)
            error = TakeDevice(header_->extents[i]);
    if (!error.empty()) return {.value = {}, .error = std::move(error)};
    // Records are used again: their order is not that of creation. The retired sum's id is 0.
    std::ranges::stable_sort(process_.devices, {}, &Device::id);
    if (depth == Depth::kDetail) ParseTables(bytes_, *header_, process_);
    return {.value = std::move(process_), .error = {}};
}

std::string SegmentParser::TakeHeader() {
    constexpr char kTooShort[] = "it is cut short: the file ends before its data do";
    constexpr size_t kStart = offsetof(tessera_channel_header, record_bytes);
    if (bytes_.size() < kStart) return kTooShort;
    std::memcpy(header_.get(), bytes_.data(), kStart);
    std::string error = CheckVersion(header_->magic, header_->abi_version);
    if (!error.empty()) return error;
    if (bytes_.size() < sizeof(*header_)) return kTooShort;
    std::memcpy(header_.get(), bytes_.data(), sizeof(*header_));
    error = CheckHeader(*header_);
    if (!error.empty()) return error;
    if (bytes_.size() < header_->segment_bytes) return kTooShort;

    process_.pid = header_->pid;
    process_.start_time = header_->pid_start_time;
    process_.parent_pid = header_->parent_pid;
    process_.created_ns = header_->created_ns;
    process_.monotonic_created_ns = header_->created_monotonic_ns;
    process_.copied_ns = std::max(header_->created_monotonic_ns, header_->clock.ns1);
    process_.name = SafeText(header_->process);
    process_.layer_version = SafeText(header_->layer_version);
    process_.loads = header_->loads;
    process_.dropped_devices = header_->dropped_devices;
    process_.level =
        static_cast<tessera_level>(std::min<uint64_t>(header_->level, TESSERA_LEVEL_events));
    process_.stack_interval = header_->stack_interval;
    process_.level_serial = header_->level_serial;
    process_.segment_bytes = header_->segment_bytes;
    process_.torn = header_->sequence % 2 != 0;
    process_.state = header_->state == TESSERA_PROCESS_CLOSED ? ProcessState::kClosed
                     : runs_                                  ? ProcessState::kLive
                                                              : ProcessState::kEnded;
    return "";
}

std::string SegmentParser::TakeDevice(const tessera_extent& extent) {
    std::memcpy(record_.get(), bytes_.data() + extent.offset, sizeof(*record_));
    const tessera_device_record& record = *record_;
    if (record.state == TESSERA_DEVICE_ABSENT) return "";
    std::string error = CheckDevice(record, extent.first);
    if (!error.empty()) return error;

    Device device;
    device.id = record.id;
    device.state = static_cast<tessera_device_state>(record.state);
    device.retired_devices = extent.first == 0 ? record.retired_devices : 0;
    device.name = SafeText(record.name);
    device.driver = SafeText(record.driver);
    device.api_version = static_cast<uint32_t>(record.api_version);
    device.pooled = record.mode != 0;
    device.why = static_cast<tessera_reason>(record.why);
    device.sample_interval = std::max<uint64_t>(record.sample_interval, 1);
    device.heaps.assign(record.heaps, record.heaps + record.heap_count);
    device.calls.assign(record.calls, record.calls + TESSERA_CALL_COUNT);
    device.driver_calls.assign(record.driver_calls, record.driver_calls + TESSERA_CALL_COUNT);
    std::copy_n(record.misuse, device.misuse.size(), device.misuse.begin());
    device.frames = record.frames;
    device.detail.level =
        static_cast<tessera_level>(std::min<uint64_t>(record.level, TESSERA_LEVEL_events));
    device.detail.since_ns = TicksToNs(header_->clock, record.level_since);
    std::ranges::copy(record.unrecorded, device.detail.unrecorded.begin());
    TakeTypes(device);
    error = TakeShards(device);
    if (!error.empty()) return error;
    process_.devices.push_back(std::move(device));
    return "";
}

void SegmentParser::TakeTypes(Device& device) {
    for (uint64_t i = 0; i < record_->type_count; ++i) {
        MemoryType type;
        type.heap = static_cast<uint32_t>(record_->types[i].heap);
        type.flags = static_cast<uint32_t>(record_->types[i].flags);
        type.totals = record_->totals[i];
        process_.torn = process_.torn || type.totals.sequence % 2 != 0;
        device.memory_types.push_back(type);
    }
}

std::string SegmentParser::TakeShards(Device& device) {
    for (const tessera_shard_counters& shard : record_->shards) {
        process_.torn = process_.torn || shard.sequence % 2 != 0;
        if (shard.type == 0) continue;
        if (shard.type > device.memory_types.size())
            return "it is damaged: a shard belongs to a memory type that does not exist";
        tessera_add_shard(&device.memory_types[shard.type - 1].totals, &shard);
        device.calls[TESSERA_CALL_vkAllocateMemory].count += shard.allocations;
        device.calls[TESSERA_CALL_vkFreeMemory].count += shard.frees;
    }
    for (MemoryType& type : device.memory_types) {
        RaiseToZero(type.totals);
        // The shards of several threads may note a peak a little late.
        type.totals.app.peak_bytes =
            std::max(type.totals.app.peak_bytes, type.totals.app.live_bytes);
    }
    return "";
}

}  // namespace

Result<Process> ParseSegment(std::span<const std::byte> bytes, bool runs, Depth depth) {
    return SegmentParser(bytes, runs).Run(depth);
}

}  // namespace tessera::reader
