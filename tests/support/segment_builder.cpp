// SPDX-License-Identifier: Apache-2.0
//
// See segment_builder.h for the contract.
#include "segment_builder.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <stdexcept>

namespace tessera::test {
namespace {

constexpr uint64_t kPage = 4096;

// Places extents one behind the other.
class Layout {
 public:
    explicit Layout(tessera_channel_header& header)
        : header_(header), bytes_(sizeof(tessera_channel_header)) {}

    void Add(tessera_kind kind, uint64_t owner, uint32_t first, std::span<const std::byte> bytes) {
        if (header_.extent_count == TESSERA_MAX_EXTENTS)
            throw std::length_error("a made-up segment has too many extents");
        bytes_.resize((bytes_.size() + kPage - 1) / kPage * kPage);
        header_.extents[header_.extent_count++] = {.offset = bytes_.size(),
                                                   .bytes = bytes.size(),
                                                   .kind = kind,
                                                   .first = first,
                                                   .owner = owner};
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }

    template <typename T>
    void AddTable(tessera_kind kind, uint64_t owner, const std::vector<T>& records,
                  uint64_t at_once) {
        if (at_once == 0) at_once = records.size();
        for (size_t done = 0; done < records.size(); done += at_once)
            Add(kind, owner, static_cast<uint32_t>(done),
                std::as_bytes(
                    std::span(records).subspan(done, std::min(at_once, records.size() - done))));
    }

    void AddRing(uint64_t owner, uint32_t number, const SegmentBuilder::Ring& ring) {
        const tessera_ring head{.written = ring.written, .capacity = ring.capacity, .reserved = {}};
        std::vector<std::byte> bytes(sizeof(head) + ring.capacity * sizeof(tessera_event));
        Put(bytes, 0, head);
        for (size_t i = 0; i < ring.events.size() && i < ring.capacity; ++i)
            Put(bytes, sizeof(head) + i * sizeof(tessera_event), ring.events[i]);
        Add(TESSERA_KIND_RING, owner, number, bytes);
    }

    std::vector<std::byte> Finish() {
        header_.segment_bytes = bytes_.size();
        header_.max_bytes = std::max(header_.max_bytes, header_.segment_bytes);
        Put(bytes_, 0, header_);
        return std::move(bytes_);
    }

 private:
    tessera_channel_header& header_;
    std::vector<std::byte> bytes_;
};

// The first ring has gone round, so that its oldest events are gone. The second one is half full,
// and its events lie between those of the first.
void AddEvents(SegmentBuilder::Device& device) {
    device.record.level = TESSERA_LEVEL_events;
    device.rings.resize(2);
    tessera_event event{.ticks = 0,
                        .kind = 0,
                        .type = 1,
                        .detail = 0,
                        .thread = 1,
                        .stack = 1,
                        .object = 0x1000,
                        .value = 4096};
    for (uint64_t i = 0; i < 20; ++i) {
        event.ticks = TicksAt(2'000'000 + i * 1000);
        event.kind = i % 2 == 0 ? TESSERA_EVENT_allocate : TESSERA_EVENT_free;
        device.rings[0].AddEvent(event);
    }
    event = {.ticks = 0,
             .kind = TESSERA_EVENT_frame,
             .type = 255,
             .detail = 0,
             .thread = 2,
             .stack = 0,
             .object = 0,
             .value = 0};
    for (uint64_t i = 0; i < 8; ++i) {
        event.ticks = TicksAt(2'010'500 + i * 1000);
        event.value = i + 1;
        device.rings[1].AddEvent(event);
    }
}

void AddTables(SegmentBuilder::Device& device) {
    device.blocks.resize(3);
    device.blocks[1] = {.sequence = 2,
                        .object = 0xB1,
                        .bytes = 1 << 20,
                        .ticks = TicksAt(1'500'000),
                        .made_ns = 250'000,
                        .type = 1,
                        .flags = TESSERA_BLOCK_LINEAR,
                        .reserved = {}};
    device.blocks[2] = device.blocks[1];
    device.blocks[2].object = 0xB2;
    device.slots.resize(4);
    for (uint32_t i = 0; i < 3; ++i)  // the last one is not in use
        device.slots[i] = {.sequence = 4,
                           .object = 0x1000 + i,
                           .size_bytes = 4096,
                           .offset = 65536u * (2 - i),
                           .ticks = TicksAt(1'600'000 + i),
                           .block = i == 2 ? 2u : 1u,
                           .padding = 64,
                           .flags = TESSERA_ALLOCATION_BOUND,
                           .type = 1,
                           .reserved = {},
                           .thread = 1,
                           .stack = 1};
    device.passed.push_back({.sequence = 2,
                             .object = 0x3000,
                             .size_bytes = 8 << 20,
                             .offset = 0,
                             .ticks = 0,
                             .block = TESSERA_REASON_dedicated,
                             .padding = 0,
                             .flags = TESSERA_ALLOCATION_BOUND,
                             .type = 0,
                             .reserved = {},
                             .thread = 0,
                             .stack = 0});
    tessera_resource_record buffer{};
    buffer.sequence = 2;
    buffer.object = 0xC1;
    buffer.memory = 0x1000;
    buffer.size_bytes = 4000;
    buffer.usage = 0x80;
    buffer.object_type = 9;  // VK_OBJECT_TYPE_BUFFER
    SetText(buffer.name, "vertices");
    tessera_resource_record image = buffer;
    image.object = 0xC2;
    image.memory = 0x3000;
    image.object_type = 10;  // VK_OBJECT_TYPE_IMAGE
    image.format = 37;
    image.width = 1024;
    image.height = 512;
    image.depth_or_layers = 1;
    image.levels = 1u << 31 | 3;
    SetText(image.name, "shadow map");
    tessera_resource_record name{};
    name.sequence = 2;
    name.object = 0x1001;
    name.object_type = 8;  // VK_OBJECT_TYPE_DEVICE_MEMORY
    SetText(name.name, "staging");
    device.resources = {buffer, image, name, {}};
}

// Totals of memory types 0 and 1 that agree with AddTables().
void CountTables(SegmentBuilder::Device& device) {
    tessera_type_totals& passed = device.record.totals[0];
    passed.app = {.live = 1,
                  .live_bytes = 8 << 20,
                  .peak_bytes = 8 << 20,
                  .allocations = 1,
                  .frees = 0,
                  .failed = 0};
    passed.driver = passed.app;
    passed.pass_through[TESSERA_REASON_dedicated] = {1, 8 << 20, 1};
    tessera_type_totals& pooled = device.record.totals[1];
    pooled.driver = {.live = 2,
                     .live_bytes = 2 << 20,
                     .peak_bytes = 2 << 20,
                     .allocations = 2,
                     .frees = 0,
                     .failed = 0};
    pooled.app.peak_bytes = 3 * 4096;
    pooled.pooled.blocks = 2;
    pooled.pooled.block_bytes = 2 << 20;
    pooled.pooled.free_bytes = 2 << 20;
    device.record.shards[0] = {.sequence = 6,
                               .type = 2,
                               .allocations = 10,
                               .frees = 7,
                               .allocated_bytes = 10 * 4096,
                               .freed_bytes = 7 * 4096,
                               .occupied_bytes = 3 * 4160,
                               .largest_free_bytes = 1 << 19};
}

}  // namespace

void SegmentBuilder::Ring::AddEvent(const tessera_event& event) {
    events.resize(capacity);
    events[written % capacity] = event;
    ++written;
}

SegmentBuilder::SegmentBuilder() {
    header.magic = TESSERA_CHANNEL_MAGIC;
    header.abi_version = TESSERA_CHANNEL_ABI_VERSION;
    header.header_bytes = sizeof(tessera_channel_header);
    header.record_bytes = sizeof(tessera_device_record);
    header.max_bytes = uint64_t{64} << 20;
    header.pid = kDeadPid;
    header.pid_start_time = 12345;
    header.parent_pid = 1;
    header.created_ns = uint64_t{1'700'000'000} * 1'000'000'000;
    header.created_monotonic_ns = kClockStartNs;
    header.state = TESSERA_PROCESS_LIVE;
    header.loads = 1;
    header.next_device_id = 1;
    header.sequence = 2;
    header.level = TESSERA_LEVEL_full;
    header.clock = {
        .ticks0 = 0, .ns0 = kClockStartNs, .ticks1 = TicksAt(3'000'000), .ns1 = 3'000'000};
    SetText(header.process, "made_up");
    SetText(header.layer_version, "0.1.0");
}

SegmentBuilder::Device& SegmentBuilder::AddDevice(uint64_t id) {
    Device& device = *devices_.emplace_back(std::make_unique<Device>());
    device.number = static_cast<uint32_t>(
        1 + std::ranges::count_if(devices_, [](const auto& other) { return other->number != 0; }));
    header.next_device_id = std::max(header.next_device_id, id + 1);
    tessera_device_record& record = device.record;
    record.state = TESSERA_DEVICE_LIVE;
    record.id = id;
    record.mode = 1;
    record.api_version = (1u << 22) | (3u << 12) | 239u;
    record.sample_interval = 64;
    record.heap_count = 2;
    record.heaps[0].size_bytes = uint64_t{8} << 30;
    record.heaps[1].size_bytes = uint64_t{16} << 30;
    record.type_count = 3;
    record.types[0] = {.heap = 0, .flags = 1};
    record.types[1] = {.heap = 1, .flags = 6};
    record.types[2] = {.heap = 1, .flags = 14};
    record.level = TESSERA_LEVEL_full;
    record.level_since = TicksAt(1'200'000);
    SetText(record.name, "Test device");
    SetText(record.driver, "Test driver");
    return device;
}

SegmentBuilder::Device& SegmentBuilder::AddRetiredSum() {
    Device& device = AddDevice(0);
    device.number = 0;
    device.record.state = TESSERA_DEVICE_RETIRED;
    device.record.retired_devices = 3;
    device.record.level = TESSERA_LEVEL_totals;
    return device;
}

SegmentBuilder SegmentBuilder::WithDevice(uint64_t id) const {
    SegmentBuilder one;
    one.header = header;
    one.stacks = stacks;
    one.modules = modules;
    one.threads = threads;
    one.records_per_extent = records_per_extent;
    for (const auto& device : devices_)
        if (device->record.id == id) one.devices_.push_back(std::make_unique<Device>(*device));
    if (one.devices_.size() != 1) throw std::out_of_range("no device, or several, have this id");
    return one;
}

std::vector<std::byte> SegmentBuilder::Build() const {
    const auto copy = std::make_unique<tessera_channel_header>(header);
    Layout layout(*copy);
    for (const auto& device : devices_) {
        const uint64_t id = device->record.id;
        layout.Add(TESSERA_KIND_DEVICE, 0, device->number,
                   std::as_bytes(std::span(&device->record, 1)));
        layout.AddTable(TESSERA_KIND_SLOTS, id, device->slots, records_per_extent);
        layout.AddTable(TESSERA_KIND_PASSED, id, device->passed, records_per_extent);
        layout.AddTable(TESSERA_KIND_BLOCKS, id, device->blocks, records_per_extent);
        layout.AddTable(TESSERA_KIND_RESOURCES, id, device->resources, records_per_extent);
        for (size_t i = 0; i < device->rings.size(); ++i)
            layout.AddRing(id, static_cast<uint32_t>(i), device->rings[i]);
    }
    layout.AddTable(TESSERA_KIND_STACKS, 0, stacks, records_per_extent);
    layout.AddTable(TESSERA_KIND_MODULES, 0, modules, records_per_extent);
    layout.AddTable(TESSERA_KIND_THREADS, 0, threads, records_per_extent);
    return layout.Finish();
}

SegmentBuilder SampleSegment() {
    SegmentBuilder builder;
    builder.AddRetiredSum();
    SegmentBuilder::Device& live = builder.AddDevice(8);
    AddTables(live);
    CountTables(live);
    AddEvents(live);
    live.record.frames = 8;
    SegmentBuilder::Device& destroyed = builder.AddDevice(7);
    destroyed.record.state = TESSERA_DEVICE_DESTROYED;
    destroyed.record.destroyed_order = 1;
    AddTables(destroyed);
    CountTables(destroyed);
    destroyed.record.misuse[TESSERA_MISUSE_leaked] = 4;
    builder.header.destroyed_devices = 1;

    builder.stacks.resize(2);
    builder.stacks[1] = {.sequence = 2, .depth = 3, .addresses = {0x401000, 0x402000, 0x7f0001000}};
    builder.modules.resize(2);
    for (size_t i = 0; i < 2; ++i) {
        tessera_module_record& module = builder.modules[i];
        module.sequence = 2;
        module.start = i == 0 ? 0x7f0000000 : 0x400000;  // not in order
        module.end = module.start + 0x10000;
        module.bias = i == 0 ? module.start : 0;
        module.id_bytes = 20;
        std::fill_n(module.build_id, 20, static_cast<uint8_t>(0xA0 + i));
        SetText(module.path, i == 0 ? "/usr/lib/libexample.so" : "/usr/bin/made_up");
    }
    builder.threads.resize(3);
    for (size_t i = 1; i < 3; ++i) {
        builder.threads[i].sequence = 2;
        builder.threads[i].tid = 100 + i;
        SetText(builder.threads[i].name, i == 1 ? "main" : "render");
    }
    return builder;
}

ExtentPlace ExtentOf(std::span<const std::byte> bytes, tessera_kind kind, uint64_t owner,
                     size_t nth) {
    for (size_t i = 0; i < TESSERA_MAX_EXTENTS; ++i) {
        const size_t entry = offsetof(tessera_channel_header, extents) + i * sizeof(tessera_extent);
        const auto extent = Get<tessera_extent>(bytes, entry);
        if (extent.bytes == 0 || extent.kind != static_cast<uint32_t>(kind) ||
            extent.owner != owner)
            continue;
        if (nth-- == 0) return {.entry = entry, .extent = extent};
    }
    throw std::out_of_range("the made-up segment has no such extent");
}

SegmentFile::SegmentFile(std::span<const std::byte> bytes)
    : fd_(memfd_create("segment", MFD_CLOEXEC)) {
    if (fd_ < 0) throw std::runtime_error("no file can be made in memory");
    Write(0, bytes);
}

SegmentFile::~SegmentFile() {
    close(fd_);
}

void SegmentFile::Write(uint64_t offset, std::span<const std::byte> bytes) const {
    if (pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(bytes.size()))
        throw std::runtime_error("a file in memory cannot be written");
}

void SegmentFile::Resize(uint64_t bytes) const {
    if (ftruncate(fd_, static_cast<off_t>(bytes)) != 0)
        throw std::runtime_error("a file in memory cannot be resized");
}

}  // namespace tessera::test
