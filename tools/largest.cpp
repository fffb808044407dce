// SPDX-License-Identifier: Apache-2.0
//
// See largest.h.
#include "tools/largest.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <ranges>
#include <set>
#include <tuple>
#include <utility>

#include "tools/leaks.h"
#include "tools/text.h"
#include "tools/vulkan_names.h"

namespace tessera::command {
namespace {

constexpr size_t kMaxFrames = 8;

uint64_t Age(const reader::Process& process, const reader::Allocation& allocation) {
    return process.copied_ns - std::min(process.copied_ns, allocation.made_ns);
}

using Bound = std::multimap<uint32_t, const reader::Resource*>;

// What is bound to each allocation.
Bound ByAllocation(const reader::Detail& detail) {
    Bound bound;
    for (const reader::Resource& resource : detail.resources)
        bound.emplace(resource.allocation, &resource);
    return bound;
}

auto ResourcesOf(const Bound& bound, size_t allocation) {
    const auto [first, last] = bound.equal_range(static_cast<uint32_t>(allocation));
    return std::ranges::subrange(first, last);
}

std::string ThreadText(const reader::Process& process, uint32_t index) {
    if (index >= process.threads.size()) return {};
    const reader::Thread& thread = process.threads[index];
    std::string text = ", by thread " + std::to_string(thread.tid);
    return thread.name.empty() ? text : text + " '" + Printable(thread.name) + "'";
}

std::string PlaceOf(const reader::Allocation& allocation) {
    if (allocation.block == reader::kNone)
        return std::string("passed through (") + reader::ReasonName(allocation.reason) + ")";
    return "block " + std::to_string(allocation.block) + " at " + FormatBytes(allocation.offset);
}

std::string AllocationText(const reader::Process& process, const reader::Device& device,
                           const Bound& bound, size_t index, const Symbolizer& symbolizer) {
    const reader::Allocation& allocation = device.detail.allocations[index];
    std::string text = FormatBytes(allocation.size_bytes);
    if (!allocation.name.empty()) text += "  '" + Printable(allocation.name) + "'";
    text += "  memory type " + std::to_string(allocation.type) + ", " + PlaceOf(allocation);
    if (allocation.made_ns != 0) text += ", " + FormatDuration(Age(process, allocation)) + " old";
    text += ThreadText(process, allocation.thread) + "\n";
    for (const auto& [ignored, resource] : ResourcesOf(bound, index)) {
        text += "      " + DescribeResource(*resource);
        if (!resource->name.empty()) text += ", '" + Printable(resource->name) + "'";
        text += "\n";
    }
    if (allocation.stack >= process.stacks.size()) return text;
    const std::vector<std::string> lines = StackText(symbolizer, process.stacks[allocation.stack]);
    for (size_t i = 0; i < std::min(kMaxFrames, lines.size()); ++i)
        text += (i == 0 ? "      from " : "        by ") + lines[i] + "\n";
    if (lines.size() > kMaxFrames)
        text += "        and " + Plural(lines.size() - kMaxFrames, "caller") + " more\n";
    return text;
}

std::string DeviceText(const reader::Process& process, const reader::Device& device,
                       const Symbolizer& symbolizer, size_t limit) {
    const reader::Detail& detail = device.detail;
    std::string text = "device " + std::to_string(device.id) + "  recorded: ";
    if (detail.level == TESSERA_LEVEL_totals && detail.allocations.empty())
        return text + "nothing by itself, since the level is 'totals'\n";
    text += Plural(detail.allocations.size(), "allocation") + ", " +
            Plural(detail.blocks.size(), "block") + ", " +
            Plural(detail.resources.size(), "resource");
    if (detail.moving > 0) text += ", and " + FormatCount(detail.moving) + " that kept changing";
    text += "\n";
    const std::vector<size_t> largest = LargestAllocations(device, limit);
    const Bound bound = ByAllocation(detail);
    for (size_t i = 0; i < largest.size(); ++i) {
        text += "  #" + std::to_string(i + 1) + "  " +
                AllocationText(process, device, bound, largest[i], symbolizer);
    }
    if (largest.size() < detail.allocations.size()) {
        text += "  and " +
                Plural(detail.allocations.size() - largest.size(), "smaller allocation") + "\n";
    }
    return text;
}

Json AllocationJson(const reader::Process& process, const reader::Device& device,
                    const Bound& bound, size_t index, const Symbolizer& symbolizer) {
    const reader::Allocation& allocation = device.detail.allocations[index];
    const bool passed = allocation.block == reader::kNone;
    Json resources = Json::array();
    for (const auto& [ignored, resource] : ResourcesOf(bound, index)) {
        Json entry = ResourceJson(*resource);
        entry["name"] = resource->name.empty() ? Json() : Json(resource->name);
        entry["offset"] = resource->offset;
        resources.push_back(std::move(entry));
    }
    Json thread;
    if (allocation.thread < process.threads.size()) {
        const reader::Thread& found = process.threads[allocation.thread];
        thread = {{"tid", found.tid}, {"name", found.name}};
    }
    return {{"size_bytes", allocation.size_bytes},
            {"name", allocation.name.empty() ? Json() : Json(allocation.name)},
            {"memory_type", allocation.type},
            {"block", passed ? Json() : Json(allocation.block)},
            {"offset", passed ? Json() : Json(allocation.offset)},
            {"padding_bytes", allocation.padding_bytes},
            {"passed_through", passed ? Json(reader::ReasonName(allocation.reason)) : Json()},
            {"age_ns", allocation.made_ns != 0 ? Json(Age(process, allocation)) : Json()},
            {"thread", std::move(thread)},
            {"resources", std::move(resources)},
            {"stack", StackJson(process, allocation.stack, symbolizer)}};
}

}  // namespace

std::vector<size_t> LargestAllocations(const reader::Device& device, size_t limit) {
    const std::vector<reader::Allocation>& allocations = device.detail.allocations;
    std::vector<size_t> order(allocations.size());
    std::iota(order.begin(), order.end(), size_t{0});
    const auto middle = order.begin() + static_cast<ptrdiff_t>(std::min(limit, order.size()));
    std::partial_sort(order.begin(), middle, order.end(), [&](size_t a, size_t b) {
        return std::tie(allocations[b].size_bytes, allocations[a].made_ns, a) <
               std::tie(allocations[a].size_bytes, allocations[b].made_ns, b);
    });
    order.erase(middle, order.end());
    return order;
}

void ResolveLargest(const reader::Process& process, size_t limit, Symbolizer& symbolizer) {
    std::set<uint32_t> wanted;
    for (const reader::Device& device : process.devices)
        for (const size_t index : LargestAllocations(device, limit))
            wanted.insert(device.detail.allocations[index].stack);
    std::vector<reader::CallStack> stacks;
    for (const uint32_t stack : wanted)
        if (stack < process.stacks.size()) stacks.push_back(process.stacks[stack]);
    symbolizer.Resolve(stacks);
}

std::string DescribeDetail(const reader::Process& process, const Symbolizer& symbolizer,
                           size_t limit) {
    std::string text;
    for (const reader::Device& device : process.devices) {
        if (device.state == TESSERA_DEVICE_RETIRED) continue;
        text += "\n" + DeviceText(process, device, symbolizer, limit);
    }
    text += "\nIn the process: " + Plural(process.stacks.size(), "call stack") + ", " +
            Plural(process.threads.size(), "thread") + ", " +
            Plural(process.modules.size(), "module") + "\n";
    for (const std::string& remark : symbolizer.remarks())
        text += "Note: " + remark + "\n";
    return text;
}

void AddDetailJson(Json& entry, const reader::Process& process, const Symbolizer& symbolizer,
                   size_t limit) {
    entry["recorded"] = {{"call_stacks", process.stacks.size()},
                         {"threads", process.threads.size()},
                         {"modules", process.modules.size()}};
    for (size_t i = 0; i < process.devices.size(); ++i) {
        const reader::Device& device = process.devices[i];
        const Bound bound = ByAllocation(device.detail);
        Json largest = Json::array();
        for (const size_t index : LargestAllocations(device, limit))
            largest.push_back(AllocationJson(process, device, bound, index, symbolizer));
        Json& json = entry["devices"][i];
        json["recorded"] = {{"allocations", device.detail.allocations.size()},
                            {"blocks", device.detail.blocks.size()},
                            {"resources", device.detail.resources.size()},
                            {"moving", device.detail.moving}};
        json["largest"] = std::move(largest);
    }
}

}  // namespace tessera::command
