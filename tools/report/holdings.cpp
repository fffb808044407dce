// SPDX-License-Identifier: Apache-2.0
//
// See holdings.h.
#include "tools/report/holdings.h"

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

#include "tools/leaks.h"
#include "tools/text.h"
#include "tools/vulkan_names.h"

namespace tessera::command::report {
namespace {

// An allocation with what is bound to it.
struct Item {
    const reader::Allocation* allocation = nullptr;
    const reader::Resource* resource = nullptr;  // the largest; null: none is known
    Use use = Use::kUnbound;
};

uint64_t AgeNs(uint64_t made_ns, uint64_t now_ns) {
    return made_ns == 0 || made_ns > now_ns ? 0 : now_ns - made_ns;
}

std::vector<Item> ItemsOf(const reader::Detail& detail) {
    std::vector<Item> items(detail.allocations.size());
    for (size_t i = 0; i < items.size(); ++i) {
        items[i].allocation = &detail.allocations[i];
        // It may have held something that is gone, or that was not recorded.
        if ((items[i].allocation->flags & TESSERA_ALLOCATION_BOUND) != 0)
            items[i].use = Use::kOther;
    }
    for (const reader::Resource& resource : detail.resources) {
        if (resource.allocation >= items.size()) continue;
        Item& item = items[resource.allocation];
        if (item.resource != nullptr && item.resource->size_bytes >= resource.size_bytes) continue;
        item.resource = &resource;
        item.use = UseOf(resource);
    }
    return items;
}

Rectangle RectangleOf(const Item& item, uint64_t offset, uint64_t now_ns) {
    const reader::Allocation& allocation = *item.allocation;
    Rectangle rectangle;
    rectangle.offset = offset;
    rectangle.bytes = allocation.size_bytes + allocation.padding_bytes;
    rectangle.used_bytes = allocation.size_bytes;
    rectangle.use = item.use;
    rectangle.age_ns = AgeNs(allocation.made_ns, now_ns);
    rectangle.thread = allocation.thread;
    rectangle.stack = allocation.stack;
    rectangle.name = Printable(allocation.name);
    if (item.resource != nullptr) rectangle.what = DescribeResource(*item.resource);
    return rectangle;
}

// Appends, merging with what is there if both are within the same cell of the block.
class Packer {
 public:
    Packer(BlockMap& block, uint64_t cell_bytes, uint64_t& merged)
        : block_(block), cell_bytes_(std::max<uint64_t>(cell_bytes, 1)), merged_(merged) {}

    void Add(const Item& item, uint64_t offset, uint64_t now_ns) {
        Rectangle next = RectangleOf(item, offset, now_ns);
        const uint64_t end = offset + next.bytes;
        if (offset > end_) NoteFree(offset - end_);
        end_ = std::max(end_, end);
        ++block_.allocations;
        block_.used_bytes += next.used_bytes;
        const bool joins = !block_.rectangles.empty() &&
                           block_.rectangles.back().offset / cell_bytes_ == end / cell_bytes_;
        if (joins) {
            Join(block_.rectangles.back(), next);
        } else {
            block_.rectangles.push_back(std::move(next));
            largest_bytes_ = item.allocation->size_bytes;
            by_use_ = {};
        }
        by_use_[static_cast<size_t>(item.use)] += item.allocation->size_bytes;
        if (joins) {
            const auto most = std::ranges::max_element(by_use_);
            block_.rectangles.back().use = static_cast<Use>(most - by_use_.begin());
        }
    }

    void Finish() {
        if (block_.bytes > end_) NoteFree(block_.bytes - end_);
    }

 private:
    void NoteFree(uint64_t bytes) {
        block_.largest_free_bytes = std::max(block_.largest_free_bytes, bytes);
    }

    void Join(Rectangle& into, Rectangle& next) {
        merged_ += into.count == 1 ? 2 : 1;
        ++into.count;
        into.bytes = std::max(into.bytes, next.offset + next.bytes - into.offset);
        into.age_ns = std::max(into.age_ns, next.age_ns);
        into.thread = into.thread == next.thread ? into.thread : reader::kNone;
        into.stack = into.stack == next.stack ? into.stack : reader::kNone;
        if ((next.used_bytes > largest_bytes_ && !next.name.empty()) || into.name.empty())
            into.name = std::move(next.name);
        if (next.used_bytes > largest_bytes_) into.what = std::move(next.what);
        largest_bytes_ = std::max(largest_bytes_, next.used_bytes);
        into.used_bytes += next.used_bytes;
    }

    BlockMap& block_;
    const uint64_t cell_bytes_;
    uint64_t& merged_;
    uint64_t end_ = 0;
    uint64_t largest_bytes_ = 0;
    std::array<uint64_t, static_cast<size_t>(Use::kCount)> by_use_ = {};
};

class Builder {
 public:
    Builder(const reader::Process& process, Holdings& holdings)
        : process_(process), holdings_(holdings) {}

    void Run() {
        size_t blocks = 0;
        for (const reader::Device& device : process_.devices)
            blocks += device.detail.blocks.size();
        // No more than two rectangles begin in a cell.
        cells_ =
            std::clamp<uint64_t>(kMaxRectangles / 2 / std::max<size_t>(blocks, 1), 16, kMaxCells);
        for (const reader::Device& device : process_.devices)
            AddDevice(device);
        KeepLargest();
        KeepHolders();
    }

 private:
    using HolderKey = std::tuple<uint64_t, uint32_t, std::string, uint8_t, uint64_t, bool>;

    // What still lives on it will never be freed.
    bool IsGone(const reader::Device& device) const {
        return device.state == TESSERA_DEVICE_DESTROYED ||
               process_.state != reader::ProcessState::kLive;
    }

    void AddDevice(const reader::Device& device) {
        const reader::Detail& detail = device.detail;
        if (detail.level == TESSERA_LEVEL_totals) return;
        holdings_.known = true;
        const std::vector<Item> items = ItemsOf(detail);
        std::vector<std::vector<const Item*>> pooled(detail.blocks.size());
        std::map<uint32_t, std::vector<const Item*>> passed;
        for (const Item& item : items) {
            Count(device, item);
            if (item.allocation->block < pooled.size()) {
                pooled[item.allocation->block].push_back(&item);
            } else {
                passed[item.allocation->type].push_back(&item);
            }
        }
        for (uint32_t i = 0; i < pooled.size(); ++i)
            AddBlock(device, i, pooled[i]);
        for (auto& [type, group] : passed)
            AddPassed(device, type, group);
    }

    void AddBlock(const reader::Device& device, uint32_t number, std::vector<const Item*>& items) {
        const reader::Block& record = device.detail.blocks[number];
        BlockMap block;
        block.device = device.id;
        block.type = record.type;
        block.number = number;
        block.bytes = record.bytes;
        block.age_ns = AgeNs(record.made_ns, process_.copied_ns);
        block.driver_ns = record.driver_ns;
        block.flags = record.flags;
        std::ranges::stable_sort(items, {}, [](const Item* i) { return i->allocation->offset; });
        Packer packer(block, record.bytes / cells_, holdings_.merged);
        for (const Item* const item : items)
            packer.Add(*item, item->allocation->offset, process_.copied_ns);
        packer.Finish();
        holdings_.blocks.push_back(std::move(block));
    }

    // What passed through has no place that would be known: drawn one beside the other, largest
    // first.
    void AddPassed(const reader::Device& device, uint32_t type, std::vector<const Item*>& items) {
        BlockMap block;
        block.device = device.id;
        block.type = type;
        block.number = reader::kNone;
        for (const Item* const item : items)
            block.bytes += item->allocation->size_bytes;
        std::ranges::stable_sort(items, std::ranges::greater{},
                                 [](const Item* i) { return i->allocation->size_bytes; });
        Packer packer(block, block.bytes / cells_, holdings_.merged);
        uint64_t offset = 0;
        for (const Item* const item : items) {
            packer.Add(*item, offset, process_.copied_ns);
            offset += item->allocation->size_bytes;
        }
        holdings_.blocks.push_back(std::move(block));
    }

    void Count(const reader::Device& device, const Item& item) {
        const reader::Allocation& allocation = *item.allocation;
        const size_t width = static_cast<size_t>(std::bit_width(allocation.size_bytes));
        ++holdings_.live[width];
        holdings_.live_bytes[width] += allocation.size_bytes;
        ++holdings_.used[static_cast<size_t>(item.use)];
        holdings_.used_bytes[static_cast<size_t>(item.use)] += allocation.size_bytes;
        const uint64_t age_ns = AgeNs(allocation.made_ns, process_.copied_ns);
        const bool leaked = IsGone(device);
        if (item.use != Use::kUnbound) holdings_.binds_known = true;
        if (leaked) {
            ++holdings_.leaked_known;
        } else if (item.use == Use::kUnbound && age_ns >= Holdings::kUnboundAgeNs) {
            ++holdings_.unbound;
            holdings_.unbound_bytes += allocation.size_bytes;
        }
        AddHolder(device, item, age_ns, leaked);
    }

    void AddHolder(const reader::Device& device, const Item& item, uint64_t age_ns, bool leaked) {
        const reader::Allocation& allocation = *item.allocation;
        const std::string name = Printable(allocation.name);
        const bool by_stack = allocation.stack != reader::kNone;
        const bool by_name = !by_stack && !name.empty();
        const bool by_size = !by_stack && !by_name;
        HolderKey key = {device.id,
                         allocation.stack,
                         by_name ? name : "",
                         by_size ? static_cast<uint8_t>(item.use) : uint8_t{0},
                         by_size ? allocation.size_bytes : 0,
                         leaked};
        auto [entry, is_new] = holders_.try_emplace(std::move(key));
        Holder& holder = entry->second;
        if (is_new) {
            holder.device = device.id;
            holder.use = item.use;
            holder.type = allocation.type;
            holder.thread = allocation.thread;
            holder.stack = allocation.stack;
            holder.size_bytes = allocation.size_bytes;
            holder.leaked = leaked;
            holder.name = name;
            holder.youngest_ns = age_ns;
            if (item.resource != nullptr) holder.what = DescribeResource(*item.resource);
        }
        if (holder.size_bytes != allocation.size_bytes) holder.size_bytes = 0;
        if (holder.type != allocation.type) holder.type = reader::kNone;
        if (holder.name.empty()) holder.name = name;
        ++holder.count;
        holder.bytes += allocation.size_bytes;
        holder.oldest_ns = std::max(holder.oldest_ns, age_ns);
        holder.youngest_ns = std::min(holder.youngest_ns, age_ns);
    }

    void KeepLargest() {
        std::vector<BlockMap>& blocks = holdings_.blocks;
        if (blocks.size() > kMaxBlocks) {
            std::ranges::stable_sort(blocks, std::ranges::greater{}, &BlockMap::used_bytes);
            holdings_.blocks_left_out = blocks.size() - kMaxBlocks;
            blocks.resize(kMaxBlocks);
        }
        // What passed through comes after the blocks of its type.
        std::ranges::stable_sort(
            blocks, {}, [](const BlockMap& b) { return std::tuple(b.device, b.type, b.number); });
    }

    void KeepHolders() {
        std::vector<Holder>& holders = holdings_.holders;
        for (auto& [key, holder] : holders_)
            holders.push_back(std::move(holder));
        std::ranges::stable_sort(holders, std::ranges::greater{}, &Holder::bytes);
        if (holders.size() <= kMaxHolders) return;
        holdings_.holders_left_out = holders.size() - kMaxHolders;
        holders.resize(kMaxHolders);
    }

    const reader::Process& process_;
    Holdings& holdings_;
    uint64_t cells_ = kMaxCells;
    std::map<HolderKey, Holder> holders_;
};

}  // namespace

Holdings HoldingsOf(const reader::Process& process) {
    Holdings holdings;
    Builder(process, holdings).Run();
    for (const DeviceLeaks& leaks : FindLeaks(process, false)) {
        holdings.leaked += leaks.count;
        uint64_t recorded = 0;
        for (const LeakGroup& group : leaks.groups)
            recorded += group.bytes;
        holdings.leaked_bytes += std::max(leaks.bytes, recorded);
    }
    return holdings;
}

}  // namespace tessera::command::report
