// SPDX-License-Identifier: Apache-2.0
//
// See leaks.h: the finding and grouping. What people and programs read of it is leaks_text.cpp.
#include "tools/leaks.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace tessera::command {
namespace {

// More kinds of resources and more names than these tell nothing more.
constexpr size_t kMaxKinds = 8;
constexpr size_t kMaxNames = 3;

LeakMoment MomentOf(const reader::Process& process, const reader::Device& device) {
    if (device.state == TESSERA_DEVICE_DESTROYED) return LeakMoment::kDestroyed;
    return process.state == reader::ProcessState::kLive ? LeakMoment::kNow : LeakMoment::kEnd;
}

auto KindKey(const reader::Resource& resource) {
    return std::tie(resource.object_type, resource.usage, resource.format, resource.width,
                    resource.height, resource.depth_or_layers, resource.levels, resource.linear,
                    resource.size_bytes);
}

void AddResource(LeakGroup& group, const reader::Resource& resource) {
    auto kind = std::ranges::find_if(group.resources, [&](const BoundKind& known) {
        return KindKey(known.example) == KindKey(resource);
    });
    if (kind == group.resources.end()) {
        if (group.resources.size() >= kMaxKinds) return;
        kind = group.resources.insert(kind, BoundKind{.example = resource, .names = {}});
        kind->example.name.clear();
        kind->example.object = kind->example.memory = kind->example.offset = 0;
        kind->example.allocation = reader::kNone;
    }
    ++kind->count;
    const bool known = std::ranges::find(kind->names, resource.name) != kind->names.end();
    if (!resource.name.empty() && !known && kind->names.size() < kMaxNames)
        kind->names.push_back(resource.name);
}

// Indices of resources, those of one allocation beside each other.
std::vector<size_t> ResourcesByAllocation(const reader::Detail& detail) {
    std::vector<size_t> order;
    for (size_t i = 0; i < detail.resources.size(); ++i)
        if (detail.resources[i].allocation < detail.allocations.size()) order.push_back(i);
    std::ranges::stable_sort(order, {}, [&](size_t i) { return detail.resources[i].allocation; });
    return order;
}

std::vector<LeakGroup> Group(const reader::Detail& detail) {
    using Key = std::tuple<uint32_t, uint64_t, std::string, uint32_t>;
    std::map<Key, size_t> places;
    std::vector<LeakGroup> groups;
    const std::vector<size_t> by_allocation = ResourcesByAllocation(detail);
    auto next = by_allocation.begin();
    for (size_t i = 0; i < detail.allocations.size(); ++i) {
        const reader::Allocation& allocation = detail.allocations[i];
        const Key key = {allocation.type, allocation.size_bytes, allocation.name, allocation.stack};
        const auto [place, fresh] = places.try_emplace(key, groups.size());
        if (fresh) {
            groups.push_back({.type = allocation.type,
                              .size_bytes = allocation.size_bytes,
                              .name = allocation.name,
                              .stack = allocation.stack,
                              .resources = {}});
        }
        LeakGroup& group = groups[place->second];
        ++group.count;
        group.bytes += allocation.size_bytes;
        group.passed_through += allocation.block == reader::kNone ? 1 : 0;
        const bool older = allocation.made_ns != 0 &&
                           (group.oldest_ns == 0 || allocation.made_ns < group.oldest_ns);
        if (older) group.oldest_ns = allocation.made_ns;
        for (; next != by_allocation.end() && detail.resources[*next].allocation == i; ++next)
            AddResource(group, detail.resources[*next]);
    }
    for (LeakGroup& group : groups)
        std::ranges::stable_sort(group.resources, std::greater<>(), &BoundKind::count);
    std::ranges::stable_sort(groups, std::greater<>(), &LeakGroup::bytes);
    return groups;
}

// What the application was still served of when its device was destroyed is also counted apart,
// as a broken rule.
DeviceLeaks LeaksOf(const reader::Process& process, size_t index) {
    const reader::Device& device = process.devices[index];
    DeviceLeaks leaks;
    leaks.device = index;
    leaks.moment = MomentOf(process, device);
    for (size_t i = 0; i < device.memory_types.size(); ++i) {
        const tessera_totals& app = device.memory_types[i].totals.app;
        if (app.live == 0) continue;
        leaks.count += app.live;
        leaks.bytes += app.live_bytes;
        leaks.types.push_back({static_cast<uint32_t>(i), app.live, app.live_bytes});
    }
    std::ranges::stable_sort(leaks.types, std::greater<>(), &LeaksOfType::bytes);
    leaks.groups = Group(device.detail);
    leaks.in_groups = device.detail.allocations.size();
    leaks.count = std::max({leaks.count, leaks.in_groups, device.misuse[TESSERA_MISUSE_leaked]});
    return leaks;
}

}  // namespace

const char* Name(LeakMoment moment) {
    switch (moment) {
        case LeakMoment::kDestroyed:
            return "device_destroyed";
        case LeakMoment::kEnd:
            return "process_ended";
        case LeakMoment::kNow:
            break;
    }
    return "now";
}

std::vector<DeviceLeaks> FindLeaks(const reader::Process& process, bool include_live) {
    std::vector<DeviceLeaks> all;
    for (size_t i = 0; i < process.devices.size(); ++i) {
        DeviceLeaks leaks = LeaksOf(process, i);
        if (process.devices[i].state == TESSERA_DEVICE_RETIRED)
            leaks.moment = LeakMoment::kDestroyed;
        const bool wanted = include_live || leaks.moment != LeakMoment::kNow;
        if (leaks.count > 0 && wanted) all.push_back(std::move(leaks));
    }
    return all;
}

bool AnythingLeaked(const std::vector<DeviceLeaks>& leaks) {
    return std::ranges::any_of(
        leaks, [](const DeviceLeaks& device) { return device.moment != LeakMoment::kNow; });
}

bool MayHaveLeaked(const reader::Process& process, const std::vector<DeviceLeaks>& leaks) {
    return process.dropped_devices > 0 || AnythingLeaked(leaks);
}

Symbolizer SymbolizeLeaks(const reader::Process& process, const std::vector<DeviceLeaks>& leaks,
                          size_t limit, Symbolizer::Options options) {
    Symbolizer symbolizer(process.modules, std::move(options));
    std::set<uint32_t> wanted;
    for (const DeviceLeaks& device : leaks)
        for (size_t i = 0; i < std::min(limit, device.groups.size()); ++i)
            wanted.insert(device.groups[i].stack);
    std::vector<reader::CallStack> stacks;
    for (const uint32_t stack : wanted)
        if (stack < process.stacks.size()) stacks.push_back(process.stacks[stack]);
    symbolizer.Resolve(stacks);
    return symbolizer;
}

}  // namespace tessera::command
