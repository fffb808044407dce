// SPDX-License-Identifier: Apache-2.0
//
// VMA's JSON: see format.h. Its readers add up the sizes in a block and do not look at offsets, so
// that what lies in one must follow each other without gap: a map row's spans do. Padding counts as
// free, as VMA counts what its alignments leave.
#include <algorithm>

#include "tools/detail.h"
#include "tools/export/format.h"
#include "tools/json.h"
#include "tools/map/model.h"

namespace tessera::command {
namespace {

// VmaDetailedStatistics.
struct Statistics {
    uint64_t blocks = 0, block_bytes = 0, allocations = 0, allocation_bytes = 0, unused = 0;
    uint64_t allocation_min = UINT64_MAX, allocation_max = 0;
    uint64_t unused_min = UINT64_MAX, unused_max = 0;

    void AddAllocation(uint64_t bytes) {
        ++allocations;
        allocation_bytes += bytes;
        allocation_min = std::min(allocation_min, bytes);
        allocation_max = std::max(allocation_max, bytes);
    }
    void AddUnused(uint64_t bytes) {
        ++unused;
        unused_min = std::min(unused_min, bytes);
        unused_max = std::max(unused_max, bytes);
    }
    void Add(const Statistics& other) {
        blocks += other.blocks;
        block_bytes += other.block_bytes;
        allocations += other.allocations;
        allocation_bytes += other.allocation_bytes;
        unused += other.unused;
        allocation_min = std::min(allocation_min, other.allocation_min);
        allocation_max = std::max(allocation_max, other.allocation_max);
        unused_min = std::min(unused_min, other.unused_min);
        unused_max = std::max(unused_max, other.unused_max);
    }
    // The extremes only where there are several, as VMA does.
    Json ToJson() const {
        Json json = {{"BlockCount", blocks},
                     {"BlockBytes", block_bytes},
                     {"AllocationCount", allocations},
                     {"AllocationBytes", allocation_bytes},
                     {"UnusedRangeCount", unused}};
        if (allocations > 1) {
            json["AllocationSizeMin"] = allocation_min;
            json["AllocationSizeMax"] = allocation_max;
        }
        if (unused > 1) {
            json["UnusedRangeSizeMin"] = unused_min;
            json["UnusedRangeSizeMax"] = unused_max;
        }
        return json;
    }
};

const char* TypeName(Use use) {
    switch (use) {
        case Use::kBuffer:
            return "BUFFER";
        case Use::kLinearImage:
            return "IMAGE_LINEAR";
        case Use::kOptimalImage:
            return "IMAGE_OPTIMAL";
        default:
            return "UNKNOWN";
    }
}

// What lies in a block, in one piece each: an allocation, or what is free between two.
struct Piece {
    uint64_t offset = 0;
    uint64_t bytes = 0;
    uint32_t allocation = reader::kNone;
};

std::vector<Piece> PiecesOf(const MapRow& row) {
    std::vector<Piece> pieces;
    for (const Span& span : row.spans) {
        const uint32_t allocation = span.use == Use::kPadding ? reader::kNone : span.allocation;
        if (!pieces.empty() && pieces.back().allocation == allocation)
            pieces.back().bytes += span.bytes;
        else
            pieces.push_back({span.offset, span.bytes, allocation});
    }
    return pieces;
}

class VmaDocument {
 public:
    explicit VmaDocument(const reader::Device& device)
        : device_(device), detail_(device.detail), index_(detail_) {
        types_.resize(device.memory_types.size());
    }

    Json Build(const std::vector<MapRow>& rows) {
        for (const MapRow& row : rows) {
            if (row.type >= types_.size()) continue;
            row.passed_through ? AddDedicated(row) : AddBlock(row);
        }
        Json general = {{"API", "Vulkan"},
                        {"apiVersion", ApiVersion(device_.api_version)},
                        {"GPU", device_.name},
                        {"memoryHeapCount", device_.heaps.size()},
                        {"memoryTypeCount", types_.size()}};
        Statistics total;
        for (const PerType& type : types_)
            total.Add(type.statistics);
        Json memory = Json::object();
        for (uint32_t heap = 0; heap < device_.heaps.size(); ++heap)
            memory["Heap " + std::to_string(heap)] = HeapJson(heap);
        Json pools = Json::object();
        for (size_t i = 0; i < types_.size(); ++i) {
            pools["Type " + std::to_string(i)] = {
                {"PreferredBlockSize", types_[i].largest_block},
                {"Blocks", std::move(types_[i].blocks)},
                {"DedicatedAllocations", std::move(types_[i].dedicated)}};
        }
        return {{"General", std::move(general)},
                {"Total", total.ToJson()},
                {"MemoryInfo", std::move(memory)},
                {"DefaultPools", std::move(pools)},
                {"CustomPools", Json::object()}};
    }

 private:
    struct PerType {
        Statistics statistics;
        uint64_t largest_block = 0;
        Json blocks = Json::object();
        Json dedicated = Json::array();
    };

    // Type, size, usage and name, which VMA writes of each allocation.
    void Describe(uint32_t i, uint64_t bytes, Json& json) const {
        const Use use = UseOf(detail_, index_, i);
        uint64_t usage = 0;
        if (use != Use::kUnknown)
            for (const uint32_t resource : index_.Of(i))
                usage |= detail_.resources[resource].usage;
        json["Type"] = TypeName(use);
        json["Size"] = bytes;
        json["Usage"] = usage;
        if (!detail_.allocations[i].name.empty()) json["Name"] = detail_.allocations[i].name;
    }

    void AddBlock(const MapRow& row) {
        PerType& type = types_[row.type];
        Statistics statistics = {.blocks = 1, .block_bytes = row.bytes};
        Json pieces = Json::array();
        uint64_t mapped = 0;
        for (const Piece& piece : PiecesOf(row)) {
            Json json = {{"Offset", piece.offset}};
            if (piece.allocation == reader::kNone) {
                json["Type"] = "FREE";
                json["Size"] = piece.bytes;
                statistics.AddUnused(piece.bytes);
            } else {
                Describe(piece.allocation, piece.bytes, json);
                mapped += detail_.allocations[piece.allocation].flags & TESSERA_ALLOCATION_MAPPED;
                statistics.AddAllocation(piece.bytes);
            }
            pieces.push_back(std::move(json));
        }
        type.blocks[std::to_string(row.index)] = {
            {"MapRefCount", mapped},
            {"TotalBytes", row.bytes},
            {"UnusedBytes", row.bytes - statistics.allocation_bytes},
            {"Allocations", statistics.allocations},
            {"UnusedRanges", statistics.unused},
            {"Suballocations", std::move(pieces)}};
        type.statistics.Add(statistics);
        type.largest_block = std::max(type.largest_block, row.bytes);
    }

    void AddDedicated(const MapRow& row) {
        PerType& type = types_[row.type];
        Json json = Json::object();
        Describe(row.index, row.bytes, json);
        type.dedicated.push_back(std::move(json));
        Statistics statistics = {.blocks = 1, .block_bytes = row.bytes};
        statistics.AddAllocation(row.bytes);
        type.statistics.Add(statistics);
    }

    Json HeapJson(uint32_t heap) const {
        Statistics statistics;
        Json types = Json::object();
        bool local = false;
        for (size_t i = 0; i < types_.size(); ++i) {
            const reader::MemoryType& type = device_.memory_types[i];
            if (type.heap != heap) continue;
            statistics.Add(types_[i].statistics);
            types["Type " + std::to_string(i)] = {{"Flags", MemoryFlagNames(type.flags)},
                                                  {"Stats", types_[i].statistics.ToJson()}};
            // A heap is local to the device if its memory types are.
            local = local || (type.flags & 1u) != 0;
        }
        const tessera_heap_record& record = device_.heaps[heap];
        const bool known = (record.known & TESSERA_HEAP_BUDGET_KNOWN) != 0;
        return {{"Flags", local ? Json({"DEVICE_LOCAL"}) : Json::array()},
                {"Size", record.size_bytes},
                // Without the driver's figures what VMA takes instead: four fifths of the heap, and
                // what is allocated.
                {"Budget",
                 {{"BudgetBytes", known ? record.budget_bytes : record.size_bytes / 10 * 8},
                  {"UsageBytes", known ? record.usage_bytes : statistics.block_bytes}}},
                {"Stats", statistics.ToJson()},
                {"MemoryPools", std::move(types)}};
    }

    const reader::Device& device_;
    const reader::Detail& detail_;
    const ResourceIndex index_;
    std::vector<PerType> types_;
};

}  // namespace

void WriteVma(const reader::Device& device, const Sink& sink) {
    sink(Dump(VmaDocument(device).Build(MapOf(device, {}).rows), Layout::kPretty));
}

}  // namespace tessera::command
