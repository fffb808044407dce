// SPDX-License-Identifier: Apache-2.0
//
// See model_detail.h. Sizes and offsets come from a process that runs meanwhile: an allocation may
// reach past its block, and nothing here may mind.
#include "tools/top/model_detail.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "tools/text.h"

namespace tessera::top {
namespace {

using command::FormatBytes;
using command::FormatDuration;
using command::Printable;
using reader::kNone;

char Lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

uint64_t AgeOf(const reader::Process& process, uint64_t made_ns) {
    return made_ns == 0 || made_ns > process.copied_ns ? 0 : process.copied_ns - made_ns;
}

std::string KindOf(const reader::Block& block) {
    constexpr std::pair<uint32_t, const char*> kNames[] = {
        {TESSERA_BLOCK_SOLO, "solo"},
        {TESSERA_BLOCK_LARGE, "large"},
        {TESSERA_BLOCK_LINEAR, "linear"},
        {TESSERA_BLOCK_OPTIMAL, "optimal"},
        {TESSERA_BLOCK_DEVICE_ADDRESS, "address"}};
    std::string text;
    for (const auto& [flag, name] : kNames)
        if ((block.flags & flag) != 0) text += (text.empty() ? "" : " ") + std::string(name);
    return text.empty() ? "shared" : text;
}

// "image 1024x512", "buffer".
std::string WhatIs(const reader::Resource& resource) {
    constexpr uint32_t kBuffer = 9, kImage = 10;  // VkObjectType
    if (!resource.name.empty()) return Printable(resource.name);
    if (resource.object_type == kBuffer) return "buffer";
    if (resource.object_type == kImage)
        return "image " + std::to_string(resource.width) + "x" + std::to_string(resource.height);
    return "object of type " + std::to_string(resource.object_type);
}

// What is bound to each allocation: the first thing, and how many more.
std::map<uint32_t, std::pair<const reader::Resource*, size_t>> BoundTo(
    const reader::Detail& detail) {
    std::map<uint32_t, std::pair<const reader::Resource*, size_t>> bound;
    for (const reader::Resource& resource : detail.resources) {
        constexpr uint32_t kMemory = 8;  // VK_OBJECT_TYPE_DEVICE_MEMORY: a name alone
        if (resource.allocation == kNone || resource.object_type == kMemory) continue;
        auto& [first, count] = bound[resource.allocation];
        if (first == nullptr) first = &resource;
        ++count;
    }
    return bound;
}

void AddBlocks(DeviceView& view, const reader::Detail& detail, const Order& order) {
    for (size_t i = 0; i < detail.allocations.size(); ++i)
        if (detail.allocations[i].block < detail.blocks.size()) view.by_block.push_back(i);
    std::ranges::sort(view.by_block, {}, [&](size_t i) {
        return std::tuple(detail.allocations[i].block, detail.allocations[i].offset, i);
    });
    size_t next = 0;
    for (size_t i = 0; i < detail.blocks.size(); ++i) {
        const reader::Block& block = detail.blocks[i];
        BlockRow row;
        row.index = i;
        row.type = block.type;
        row.bytes = block.bytes;
        row.kind = KindOf(block);
        row.first = next;
        for (; next < view.by_block.size(); ++next) {
            const reader::Allocation& allocation = detail.allocations[view.by_block[next]];
            if (allocation.block != i) break;
            row.used_bytes += allocation.size_bytes + allocation.padding_bytes;
        }
        row.end = next;
        row.allocations = row.end - row.first;
        row.used_bytes = std::min(row.used_bytes, row.bytes);
        view.blocks.push_back(std::move(row));
    }
    std::ranges::stable_sort(view.blocks, [&](const BlockRow& a, const BlockRow& b) {
        const BlockRow& first = order.reversed ? b : a;
        const BlockRow& second = order.reversed ? a : b;
        if (order.key == 1)
            return first.bytes - first.used_bytes > second.bytes - second.used_bytes;
        if (order.key == 2) return first.bytes > second.bytes;
        return std::tie(first.type, first.index) < std::tie(second.type, second.index);
    });
}

void AddAllocations(DeviceView& view, const reader::Process& process, const reader::Detail& detail,
                    const Order& order, const std::string& filter) {
    const auto bound = BoundTo(detail);
    for (size_t i = 0; i < detail.allocations.size(); ++i) {
        const reader::Allocation& allocation = detail.allocations[i];
        AllocationRow row;
        row.index = i;
        row.size_bytes = allocation.size_bytes;
        row.type = allocation.type;
        row.age_ns = AgeOf(process, allocation.made_ns);
        row.place = allocation.block == kNone ? reader::ReasonName(allocation.reason)
                                              : "block " + std::to_string(allocation.block);
        row.what = Printable(allocation.name);
        if (const auto found = bound.find(static_cast<uint32_t>(i)); found != bound.end()) {
            const auto& [first, count] = found->second;
            if (row.what.empty()) row.what = WhatIs(*first);
            if (count > 1) row.what += " +" + std::to_string(count - 1);
        }
        if (Matches(row.what, filter) || Matches(row.place, filter))
            view.allocations.push_back(std::move(row));
    }
    std::ranges::stable_sort(view.allocations, [&](const AllocationRow& a, const AllocationRow& b) {
        const AllocationRow& first = order.reversed ? b : a;
        const AllocationRow& second = order.reversed ? a : b;
        if (order.key == 1) return first.age_ns > second.age_ns;
        if (order.key == 2) return first.type < second.type;
        if (order.key == 3) return first.what < second.what;
        return first.size_bytes > second.size_bytes;
    });
}

// "Allocate < CreateBuffer < LoadMesh": who called whom, without where that stands in files.
std::string Callers(const std::vector<std::string>& lines) {
    constexpr size_t kMost = 6;
    std::string text;
    for (size_t i = 0; i < lines.size() && i < kMost; ++i) {
        const size_t end = std::min(lines[i].find(" at "), lines[i].find(" in "));
        text += (i == 0 ? "" : " < ") + lines[i].substr(0, end);
    }
    return text;
}

void AddStacks(DeviceView& view, const reader::Detail& detail, const Order& order,
               const std::string& filter, const StackLines& lines) {
    std::map<uint32_t, StackRow> by_stack;
    for (const reader::Allocation& allocation : detail.allocations) {
        StackRow& row = by_stack[allocation.stack];
        row.stack = allocation.stack;
        row.bytes += allocation.size_bytes;
        ++row.allocations;
    }
    for (auto& [stack, row] : by_stack) {
        row.place = stack == kNone ? "no call stack was taken" : Callers(lines(stack));
        if (Matches(row.place, filter)) view.stacks.push_back(std::move(row));
    }
    std::ranges::stable_sort(view.stacks, [&](const StackRow& a, const StackRow& b) {
        const StackRow& first = order.reversed ? b : a;
        const StackRow& second = order.reversed ? a : b;
        if (order.key == 1) return first.allocations > second.allocations;
        return first.bytes > second.bytes;
    });
}

}  // namespace

bool Matches(const std::string& text, const std::string& filter) {
    const auto found = std::ranges::search(text, filter, {}, Lower, Lower);
    return filter.empty() || !found.empty();
}

void AddDetail(DeviceView& view, const reader::Process& process, const reader::Device& device,
               const DeviceOrders& orders, const std::string& filter, const StackLines& lines) {
    const reader::Detail& detail = device.detail;
    view.has_detail = detail.level != TESSERA_LEVEL_totals;
    for (const uint64_t count : detail.unrecorded)
        view.unrecorded += count;
    if (!view.has_detail) return;
    AddBlocks(view, detail, orders.blocks);
    AddAllocations(view, process, detail, orders.allocations, filter);
    AddStacks(view, detail, orders.stacks, filter, lines);
}

std::vector<double> Density(const reader::Detail& detail, const DeviceView& view,
                            const BlockRow& block, size_t cells) {
    std::vector<double> density(cells);
    if (cells == 0 || block.bytes == 0) return density;
    const double cell_bytes = static_cast<double>(block.bytes) / static_cast<double>(cells);
    for (size_t i = block.first; i < block.end; ++i) {
        const reader::Allocation& allocation = detail.allocations[view.by_block[i]];
        const uint64_t start = std::min(allocation.offset, block.bytes);
        const uint64_t bytes =
            std::min(allocation.size_bytes + allocation.padding_bytes, block.bytes - start);
        const double from = static_cast<double>(start) / cell_bytes;
        const double to = static_cast<double>(start + bytes) / cell_bytes;
        for (auto cell = static_cast<size_t>(from); cell < cells; ++cell) {
            const auto left = static_cast<double>(cell);
            if (left >= to) break;
            density[cell] += std::min(to, left + 1) - std::max(from, left);
        }
    }
    for (double& value : density)
        value = std::min(value, 1.0);
    return density;
}

std::vector<std::string> DescribeAllocation(const reader::Process& process,
                                            const reader::Device& device, size_t index,
                                            const StackLines& lines) {
    const reader::Allocation& allocation = device.detail.allocations.at(index);
    std::vector<std::string> text;
    text.push_back("size     " + FormatBytes(allocation.size_bytes) + ", padding " +
                   FormatBytes(allocation.padding_bytes) + ", memory type " +
                   std::to_string(allocation.type));
    if (!allocation.name.empty()) text.push_back("name     " + Printable(allocation.name));
    text.push_back(allocation.block == kNone
                       ? std::string("passed   through: ") + reader::ReasonText(allocation.reason)
                       : "place    block " + std::to_string(allocation.block) + ", offset " +
                             command::FormatCount(allocation.offset));
    const uint64_t age_ns = AgeOf(process, allocation.made_ns);
    text.push_back("age      " + (age_ns == 0 ? std::string("not known") : FormatDuration(age_ns)));
    if (allocation.thread < process.threads.size()) {
        const reader::Thread& thread = process.threads[allocation.thread];
        text.push_back("thread   " + Printable(thread.name) + " (" + std::to_string(thread.tid) +
                       ")");
    }
    for (const reader::Resource& resource : device.detail.resources) {
        if (resource.allocation != index) continue;
        text.push_back("bound    " + WhatIs(resource) + ", " + FormatBytes(resource.size_bytes) +
                       " at " + command::FormatCount(resource.offset));
    }
    if (allocation.stack != kNone) {
        for (const std::string& line : lines(allocation.stack))
            text.push_back((text.back().starts_with("called") || text.back().starts_with("     ")
                                ? "         "
                                : "called   ") +
                           line);
    }
    return text;
}

}  // namespace tessera::top
