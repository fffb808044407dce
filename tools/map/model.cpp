// SPDX-License-Identifier: Apache-2.0
//
// See model.h. Sizes come from another process: additions are checked, and a row takes no more
// spans than there are records.
#include "tools/map/model.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "tools/text.h"

namespace tessera::command {
namespace {

uint64_t& At(std::array<uint64_t, kUses>& bytes, Use use) {
    return bytes[static_cast<size_t>(use)];
}

// Appends spans to a row in order of offset, and keeps its invariant.
class RowWriter {
 public:
    explicit RowWriter(MapRow& row) : row_(row) {}

    // Free space up to `offset`, if that is not passed yet.
    void SkipTo(uint64_t offset) { Add({.offset = end_, .use = Use::kFree}, offset); }

    // `span` up to `end`, without what lies before what was added last.
    void Add(Span span, uint64_t end) {
        end = std::min(end, row_.bytes);
        if (end <= end_) return;
        span.offset = end_;
        span.bytes = end - end_;
        At(row_.used, span.use) += span.bytes;
        if (span.use == Use::kFree)
            row_.largest_free_bytes = std::max(row_.largest_free_bytes, span.bytes);
        row_.spans.push_back(span);
        end_ = end;
    }

    uint64_t end() const { return end_; }

 private:
    MapRow& row_;
    uint64_t end_ = 0;
};

// a + b, or the largest number if that is beyond it.
uint64_t Sum(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

class MapBuilder {
 public:
    MapBuilder(const reader::Device& device, const MapFilter& filter)
        : device_(device), detail_(device.detail), index_(detail_), filter_(filter) {}

    DeviceMap Build() {
        map_.device = &device_;
        AddBlocks();
        AddPassedThrough();
        for (const MapRow& row : map_.rows) {
            for (size_t use = 0; use < kUses; ++use)
                map_.bytes[use] += row.used[use];
            for (const Span& span : row.spans)
                ++At(map_.spans, span.use);
        }
        for (const uint32_t kind :
             {TESSERA_KIND_SLOTS, TESSERA_KIND_PASSED, TESSERA_KIND_BLOCKS, TESSERA_KIND_RESOURCES})
            map_.unrecorded += detail_.unrecorded[kind];
        return std::move(map_);
    }

 private:
    bool Wanted(uint32_t type) const { return !filter_.type || *filter_.type == type; }

    uint32_t HeapOf(uint32_t type) const {
        return type < device_.memory_types.size() ? device_.memory_types[type].heap : 0;
    }

    // The allocations of each block, in order of place.
    std::vector<std::vector<uint32_t>> AllocationsOfBlocks() const {
        std::vector<std::vector<uint32_t>> of_block(detail_.blocks.size());
        for (uint32_t i = 0; i < detail_.allocations.size(); ++i) {
            const uint32_t block = detail_.allocations[i].block;
            if (block != reader::kNone) of_block[block].push_back(i);
        }
        for (std::vector<uint32_t>& allocations : of_block) {
            std::ranges::sort(allocations, {}, [&](uint32_t i) {
                return std::pair(detail_.allocations[i].offset, i);
            });
        }
        return of_block;
    }

    void AddBlocks() {
        const std::vector<std::vector<uint32_t>> of_block = AllocationsOfBlocks();
        for (uint32_t i = 0; i < detail_.blocks.size(); ++i) {
            const reader::Block& block = detail_.blocks[i];
            if (!Wanted(block.type)) continue;
            MapRow row = {.index = i,
                          .type = block.type,
                          .heap = HeapOf(block.type),
                          .memory = block.memory,
                          .bytes = block.bytes,
                          .allocations = of_block[i].size()};
            RowWriter writer(row);
            for (const uint32_t allocation : of_block[i]) {
                writer.SkipTo(detail_.allocations[allocation].offset);
                AddAllocation(row, writer, allocation);
            }
            writer.SkipTo(row.bytes);
            map_.rows.push_back(std::move(row));
        }
    }

    void AddPassedThrough() {
        std::vector<uint32_t> passed;
        for (uint32_t i = 0; i < detail_.allocations.size(); ++i)
            if (detail_.allocations[i].block == reader::kNone &&
                Wanted(detail_.allocations[i].type))
                passed.push_back(i);
        std::ranges::sort(passed, {}, [&](uint32_t i) {
            return std::pair(UINT64_MAX - detail_.allocations[i].size_bytes, i);
        });
        for (const uint32_t i : passed) {
            const reader::Allocation& allocation = detail_.allocations[i];
            MapRow row = {.passed_through = true,
                          .index = i,
                          .type = allocation.type,
                          .heap = HeapOf(allocation.type),
                          .memory = allocation.memory,
                          .bytes = allocation.size_bytes,
                          .allocations = 1};
            RowWriter writer(row);
            AddAllocation(row, writer, i);
            map_.rows.push_back(std::move(row));
        }
    }

    // What an allocation takes: its resources if they are known, the rest of it, its padding.
    void AddAllocation(MapRow& row, RowWriter& writer, uint32_t i) {
        const reader::Allocation& allocation = detail_.allocations[i];
        const uint64_t start = allocation.block == reader::kNone ? 0 : allocation.offset;
        const uint64_t end = Sum(start, allocation.size_bytes);
        const Span rest = {.use = Use::kUnknown, .allocation = i};
        const std::span<const uint32_t> resources = index_.Of(i);
        for (const uint32_t r : resources) {
            const reader::Resource& resource = detail_.resources[r];
            const uint64_t from = Sum(start, resource.offset);
            if (from >= end) continue;
            // One of unknown size is taken to fill the allocation, if it has that to itself.
            const bool fills = resource.size_bytes == 0 && resources.size() == 1;
            const uint64_t to = fills ? end : std::min(end, Sum(from, resource.size_bytes));
            if (from < writer.end()) ++row.aliased;
            writer.Add(rest, from);
            writer.Add({.use = UseOf(resource), .allocation = i, .resource = r}, to);
        }
        Span whole = rest;
        if (resources.empty()) whole.use = UseOf(detail_, index_, i);
        writer.Add(whole, end);
        writer.Add({.use = Use::kPadding, .allocation = i}, Sum(end, allocation.padding_bytes));
    }

    const reader::Device& device_;
    const reader::Detail& detail_;
    const ResourceIndex index_;
    const MapFilter& filter_;
    DeviceMap map_;
};

}  // namespace

std::vector<DeviceMap> MapOf(const reader::Process& process, const MapFilter& filter) {
    std::vector<DeviceMap> maps;
    for (const reader::Device& device : process.devices) {
        if (device.detail.level == TESSERA_LEVEL_totals) continue;
        if (filter.device && *filter.device != device.id) continue;
        maps.push_back(MapOf(device, filter));
    }
    return maps;
}

DeviceMap MapOf(const reader::Device& device, const MapFilter& filter) {
    return MapBuilder(device, filter).Build();
}

Use Cell::Dominant() const {
    const auto most = std::max_element(bytes.begin(), bytes.end() - 1);
    return *most == 0 ? Use::kFree : static_cast<Use>(most - bytes.begin());
}

uint64_t Cell::Total() const {
    return std::accumulate(bytes.begin(), bytes.end(), uint64_t{0});
}

std::vector<Cell> Divide(std::span<const Span> spans, uint64_t total, size_t count) {
    count = static_cast<size_t>(std::min<uint64_t>(count, total));
    std::vector<Cell> cells(count);
    if (count == 0) return cells;
    // Cell i ends at total * (i + 1) / count, computed without overflow.
    const uint64_t whole = total / count;
    const uint64_t rest = total % count;
    const auto end_of = [&](size_t i) { return whole * (i + 1) + rest * (i + 1) / count; };
    size_t cell = 0;
    for (const Span& span : spans) {
        uint64_t offset = span.offset;
        const uint64_t end = span.offset + span.bytes;
        while (offset < end && cell < count) {
            const uint64_t part = std::min(end, end_of(cell)) - offset;
            At(cells[cell].bytes, span.use) += part;
            offset += part;
            if (offset == end_of(cell)) ++cell;
        }
    }
    return cells;
}

std::vector<MapRow> RowsToDraw(const DeviceMap& map, size_t max_blocks, size_t max_passed,
                               uint64_t* left_out) {
    std::vector<MapRow> drawn;
    std::map<uint32_t, MapRow> together;  // by memory type
    size_t blocks = 0;
    size_t passed = 0;
    for (const MapRow& row : map.rows) {
        size_t& count = row.passed_through ? passed : blocks;
        ++count;
        if (count <= (row.passed_through ? max_passed : max_blocks)) {
            drawn.push_back(row);
        } else if (row.passed_through) {
            MapRow& sum = together[row.type];
            sum.passed_through = true;
            sum.index = reader::kNone;
            sum.type = row.type;
            sum.heap = row.heap;
            for (Span span : row.spans) {
                span.offset += sum.bytes;
                sum.spans.push_back(span);
            }
            sum.bytes += row.bytes;
            sum.allocations += row.allocations;
            sum.aliased += row.aliased;
            for (size_t use = 0; use < kUses; ++use)
                sum.used[use] += row.used[use];
        }
    }
    for (auto& [type, row] : together)
        drawn.push_back(std::move(row));
    *left_out = blocks - std::min(blocks, max_blocks);
    return drawn;
}

std::string RowTitle(const DeviceMap& map, const MapRow& row) {
    const reader::Detail& detail = map.device->detail;
    if (!row.passed_through) return "block " + std::to_string(row.index);
    if (row.index == reader::kNone) return FormatCount(row.allocations) + " passed through";
    return std::string("passed: ") + reader::ReasonName(detail.allocations[row.index].reason);
}

const std::string& NameOf(const reader::Detail& detail, const Span& span) {
    static const std::string kNothing;
    if (span.resource != reader::kNone && !detail.resources[span.resource].name.empty())
        return detail.resources[span.resource].name;
    return span.allocation != reader::kNone ? detail.allocations[span.allocation].name : kNothing;
}

}  // namespace tessera::command
