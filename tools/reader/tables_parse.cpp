// SPDX-License-Identifier: Apache-2.0
//
// The tables of a segment: allocations, blocks, resources, and what their numbers lead to. See
// segment_parse.h for the contract.
//
// A record that its writer was changing (its sequence is odd), or that says what cannot be, is left
// out and counted: one bad record does not hide the others.
#include <algorithm>
#include <cstring>
#include <tuple>
#include <unordered_map>

#include "reader/layout.h"
#include "reader/segment_parse.h"
#include "reader/text.h"

namespace tessera::reader {
namespace {

constexpr uint32_t kDeviceMemory = 8;         // VK_OBJECT_TYPE_DEVICE_MEMORY
constexpr uint32_t kLinearTiling = 1u << 31;  // of tessera_resource_record::levels
constexpr uint32_t kMostNumbers =
    UINT16_MAX;  // of stacks and threads: records name them in 16 bits
constexpr size_t kMostModules = 65'536;

template <size_t kSize>
std::string Text(const char (&bytes)[kSize]) {
    return {bytes, strnlen(bytes, kSize)};
}

class TableParser {
 public:
    TableParser(std::span<const std::byte> bytes, const tessera_channel_header& header,
                Process& process)
        : bytes_(bytes), header_(header), process_(process) {}

    void Run();

 private:
    // Calls `each(number, record)` for all records of a table that hold still, by number.
    // Returns: how many did not.
    template <typename T, typename Each>
    uint64_t ForEach(tessera_kind kind, uint64_t owner, Each each) const;

    void TakeStacks();
    void TakeModules();
    void TakeThreads();
    void TakeDevice(Device& device);
    void TakeBlocks(Device& device);
    void TakeAllocations(Device& device, tessera_kind kind);
    void PutInBlock(const tessera_allocation_record& record, Device& device,
                    Allocation& allocation) const;
    void TakeResources(Device& device);
    void GiveNames(Device& device);

    uint64_t Ns(uint64_t ticks) const { return TicksToNs(header_.clock, ticks); }

    const std::span<const std::byte> bytes_;
    const tessera_channel_header& header_;
    Process& process_;
    std::vector<const tessera_extent*> extents_;  // of tables, by kind, owner and first number

    // Of the device at hand.
    std::vector<uint32_t> block_numbers_;                  // of its blocks, ascending
    std::unordered_map<uint64_t, uint32_t> by_memory_;     // indices of its allocations
    std::vector<std::pair<uint64_t, std::string>> names_;  // of memory itself
};

std::tuple<uint32_t, uint64_t> TableOf(const tessera_extent* extent) {
    return {extent->kind, extent->owner};
}

template <typename T, typename Each>
uint64_t TableParser::ForEach(tessera_kind kind, uint64_t owner, Each each) const {
    uint64_t moving = 0;
    const auto table = std::ranges::equal_range(
        extents_, std::tuple<uint32_t, uint64_t>(kind, owner), {}, TableOf);
    for (const tessera_extent* const extent : table) {
        const std::byte* from = bytes_.data() + extent->offset;
        const uint64_t count = RecordCount(*extent);
        for (uint64_t i = 0; i < count; ++i, from += sizeof(T)) {
            T record;
            std::memcpy(&record, from, sizeof(record));
            if (record.sequence % 2 != 0)
                ++moving;
            else
                each(static_cast<uint32_t>(extent->first + i), record);
        }
    }
    return moving;
}

void TableParser::Run() {
    for (uint64_t i = 0; i < header_.extent_count; ++i)
        if (header_.extents[i].bytes != 0 && IsTable(header_.extents[i].kind))
            extents_.push_back(&header_.extents[i]);
    std::ranges::sort(extents_, {}, [](const tessera_extent* extent) {
        return std::tuple_cat(TableOf(extent), std::tuple(extent->first));
    });
    TakeStacks();
    TakeModules();
    TakeThreads();
    // Made-up ids may be the same: a table belongs to one device, so that what is made of a segment
    // is in proportion to its bytes.
    uint64_t previous = 0;
    for (Device& device : process_.devices) {
        if (device.id != previous && device.detail.level != TESSERA_LEVEL_totals)
            TakeDevice(device);
        previous = device.id;
    }
}

void TableParser::TakeStacks() {
    ForEach<tessera_stack_record>(TESSERA_KIND_STACKS, 0,
                                  [this](uint32_t number, const tessera_stack_record& record) {
                                      if (number == 0 || number > kMostNumbers ||
                                          record.depth == 0 || record.depth > TESSERA_MAX_FRAMES)
                                          return;
                                      if (process_.stacks.size() < number)
                                          process_.stacks.resize(number);
                                      process_.stacks[number - 1].addresses.assign(
                                          record.addresses, record.addresses + record.depth);
                                  });
}

void TableParser::TakeModules() {
    ForEach<tessera_module_record>(
        TESSERA_KIND_MODULES, 0, [this](uint32_t, const tessera_module_record& record) {
            if (record.start == 0 || record.end <= record.start ||
                process_.modules.size() == kMostModules)
                return;
            Module module{.start = record.start,
                          .end = record.end,
                          .bias = record.bias,
                          .build_id = {},
                          .path = Text(record.path)};
            const uint64_t id_bytes = std::min<uint64_t>(record.id_bytes, sizeof(record.build_id));
            module.build_id.assign(record.build_id, record.build_id + id_bytes);
            process_.modules.push_back(std::move(module));
        });
    std::ranges::stable_sort(process_.modules, {}, &Module::start);
}

void TableParser::TakeThreads() {
    ForEach<tessera_thread_record>(
        TESSERA_KIND_THREADS, 0, [this](uint32_t number, const tessera_thread_record& record) {
            if (number == 0 || number > kMostNumbers || record.tid == 0) return;
            if (process_.threads.size() < number) process_.threads.resize(number);
            process_.threads[number - 1] = {.tid = record.tid, .name = SafeText(record.name)};
        });
}

void TableParser::TakeDevice(Device& device) {
    by_memory_.clear();
    TakeBlocks(device);
    TakeAllocations(device, TESSERA_KIND_SLOTS);
    // Pooled ones in order of place.
    std::ranges::stable_sort(device.detail.allocations, {}, [](const Allocation& allocation) {
        return std::tuple(allocation.block, allocation.offset);
    });
    TakeAllocations(device, TESSERA_KIND_PASSED);
    std::vector<Allocation>& allocations = device.detail.allocations;
    by_memory_.reserve(allocations.size());
    for (uint32_t i = 0; i < allocations.size(); ++i)
        by_memory_.emplace(allocations[i].memory, i);
    TakeResources(device);
    GiveNames(device);
}

void TableParser::TakeBlocks(Device& device) {
    block_numbers_.clear();
    Detail& detail = device.detail;
    detail.moving += ForEach<tessera_block_record>(
        TESSERA_KIND_BLOCKS, device.id, [&](uint32_t number, const tessera_block_record& record) {
            if (record.object == 0) return;
            if (record.type >= device.memory_types.size()) {
                ++detail.moving;
                return;
            }
            block_numbers_.push_back(number);
            detail.blocks.push_back({.memory = record.object,
                                     .bytes = record.bytes,
                                     .made_ns = Ns(record.ticks),
                                     .driver_ns = record.made_ns,
                                     .type = record.type,
                                     .flags = record.flags});
        });
}

// An allocation that says that it lies where its block does not reach is in none: the block's
// record may already tell of another one.
void TableParser::PutInBlock(const tessera_allocation_record& record, Device& device,
                             Allocation& allocation) const {
    const auto found = std::ranges::lower_bound(block_numbers_, record.block);
    if (found == block_numbers_.end() || *found != record.block) return;
    const auto index = static_cast<uint32_t>(found - block_numbers_.begin());
    const Block& block = device.detail.blocks[index];
    if (block.type != record.type || record.offset > block.bytes ||
        record.size_bytes > block.bytes - record.offset ||
        record.padding > block.bytes - record.offset - record.size_bytes)
        return;
    allocation.block = index;
}

void TableParser::TakeAllocations(Device& device, tessera_kind kind) {
    Detail& detail = device.detail;
    const auto take = [&](uint32_t, const tessera_allocation_record& record) {
        if (record.object == 0) return;
        const bool is_passed = kind == TESSERA_KIND_PASSED;
        if (record.type >= device.memory_types.size() ||
            (is_passed &&
             (record.block == TESSERA_REASON_none || record.block >= TESSERA_MAX_REASONS))) {
            ++detail.moving;
            return;
        }
        Allocation allocation;
        allocation.memory = record.object;
        allocation.size_bytes = record.size_bytes;
        allocation.offset = record.offset;
        allocation.padding_bytes = record.padding;
        allocation.made_ns = Ns(record.ticks);
        allocation.type = record.type;
        allocation.flags = static_cast<uint32_t>(record.flags);
        if (is_passed)
            allocation.reason = static_cast<tessera_reason>(record.block);
        else
            PutInBlock(record, device, allocation);
        if (record.thread != 0 && record.thread <= process_.threads.size() &&
            process_.threads[record.thread - 1].tid != 0)
            allocation.thread = record.thread - 1u;
        if (record.stack != 0 && record.stack <= process_.stacks.size() &&
            !process_.stacks[record.stack - 1].addresses.empty())
            allocation.stack = record.stack - 1u;
        detail.allocations.push_back(std::move(allocation));
    };
    detail.moving += ForEach<tessera_allocation_record>(kind, device.id, take);
}

void TableParser::TakeResources(Device& device) {
    names_.clear();
    Detail& detail = device.detail;
    const auto take = [&](uint32_t, const tessera_resource_record& record) {
        if (record.object_type == 0) return;
        if (record.object_type == kDeviceMemory) {
            names_.emplace_back(record.object, Text(record.name));
            return;
        }
        Resource resource;
        resource.object = record.object;
        resource.object_type = record.object_type;
        resource.memory = record.memory;
        if (const auto found = by_memory_.find(record.memory); found != by_memory_.end())
            resource.allocation = found->second;
        resource.offset = record.offset;
        resource.size_bytes = record.size_bytes;
        resource.usage = record.usage;
        resource.format = record.format;
        resource.width = record.width;
        resource.height = record.height;
        resource.depth_or_layers = record.depth_or_layers;
        resource.levels = record.levels & ~kLinearTiling;
        resource.linear = (record.levels & kLinearTiling) != 0;
        resource.name = Text(record.name);
        detail.resources.push_back(std::move(resource));
    };
    detail.moving += ForEach<tessera_resource_record>(TESSERA_KIND_RESOURCES, device.id, take);
}

// A name of its own comes before that of what is bound to it.
void TableParser::GiveNames(Device& device) {
    std::vector<Allocation>& allocations = device.detail.allocations;
    for (auto& [memory, name] : names_)
        if (const auto found = by_memory_.find(memory); found != by_memory_.end())
            allocations[found->second].name = std::move(name);
    for (const Resource& resource : device.detail.resources)
        if (resource.allocation != kNone && allocations[resource.allocation].name.empty())
            allocations[resource.allocation].name = resource.name;
}

}  // namespace

void ParseTables(std::span<const std::byte> bytes, const tessera_channel_header& header,
                 Process& process) {
    TableParser(bytes, header, process).Run();
}

}  // namespace tessera::reader
