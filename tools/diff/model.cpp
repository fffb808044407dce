// SPDX-License-Identifier: Apache-2.0
//
// See model.h.
#include "tools/diff/model.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "tools/detail.h"

namespace tessera::command {
namespace {

using Totals = std::map<uint32_t, TotalChange>;

constexpr uint64_t kClockStepNs = 20'000'000;

// What a group has in common, in an order that sorts.
using Key = std::tuple<uint64_t, uint32_t, std::string, std::vector<std::string>>;

class DeviceComparison {
 public:
    DeviceComparison(const reader::Process& before, const reader::Process& after, GroupBy by,
                     bool same_process)
        : before_(before), after_(after), by_(by), same_process_(same_process) {}

    DeviceDiff Compare(const reader::Device* before, const reader::Device* after) const {
        DeviceDiff diff = {.before = before, .after = after};
        Totals heaps;
        Totals types;
        if (before != nullptr) AddTotals(*before, false, heaps, types);
        if (after != nullptr) AddTotals(*after, true, heaps, types);
        for (const auto& [index, change] : heaps)
            diff.heaps.push_back(change);
        for (const auto& [index, change] : types)
            diff.types.push_back(change);
        diff.detailed = Detailed(before) && Detailed(after);
        if (!diff.detailed) return diff;
        CompareGroups(diff);
        if (same_process_) CompareSingly(diff);
        return diff;
    }

 private:
    static bool Detailed(const reader::Device* device) {
        return device == nullptr || device->detail.level != TESSERA_LEVEL_totals;
    }

    static void Add(TotalChange& sum, const tessera_type_totals& totals, bool after) {
        Amount& app = after ? sum.app.after : sum.app.before;
        Amount& driver = after ? sum.driver.after : sum.driver.before;
        app.count += totals.app.live;
        app.bytes += totals.app.live_bytes;
        driver.count += totals.driver.live;
        driver.bytes += totals.driver.live_bytes;
        (after ? sum.allocations_after : sum.allocations_before) += totals.app.allocations;
        (after ? sum.frees_after : sum.frees_before) += totals.app.frees;
    }

    // Only of memory types that were ever used.
    static void AddTotals(const reader::Device& device, bool after, Totals& heaps, Totals& types) {
        for (uint32_t i = 0; i < device.memory_types.size(); ++i) {
            const reader::MemoryType& type = device.memory_types[i];
            if (type.totals.app.allocations + type.totals.driver.allocations == 0) continue;
            TotalChange& of_heap = heaps[type.heap];
            of_heap.index = type.heap;
            Add(of_heap, type.totals, after);
            TotalChange& of_type = types[i];
            of_type.index = i;
            Add(of_type, type.totals, after);
        }
    }

    Key KeyOf(const reader::Process& process, const reader::Allocation& allocation) const {
        Key key;
        const auto wanted = [&](GroupBy by) { return by_ == GroupBy::kAll || by_ == by; };
        if (wanted(GroupBy::kSize)) std::get<0>(key) = allocation.size_bytes;
        if (wanted(GroupBy::kType)) std::get<1>(key) = allocation.type;
        if (wanted(GroupBy::kName)) std::get<2>(key) = allocation.name;
        if (wanted(GroupBy::kStack) && allocation.stack < process.stacks.size())
            for (const uint64_t address : process.stacks[allocation.stack].addresses)
                std::get<3>(key).push_back(FrameText(process, address));
        return key;
    }

    GroupChange GroupOf(const Key& key, const Change& change) const {
        GroupChange group = {.change = change};
        const auto wanted = [&](GroupBy by) { return by_ == GroupBy::kAll || by_ == by; };
        if (wanted(GroupBy::kSize)) group.size_bytes = std::get<0>(key);
        if (wanted(GroupBy::kType)) group.type = std::get<1>(key);
        if (wanted(GroupBy::kName)) group.name = std::get<2>(key);
        if (wanted(GroupBy::kStack)) group.stack = std::get<3>(key);
        return group;
    }

    void CompareGroups(DeviceDiff& diff) const {
        std::map<Key, Change> groups;
        const auto add = [&](const reader::Process& process, const reader::Device* device,
                             Amount Change::*side) {
            if (device == nullptr) return;
            for (const reader::Allocation& allocation : device->detail.allocations) {
                Amount& amount = groups[KeyOf(process, allocation)].*side;
                ++amount.count;
                amount.bytes += allocation.size_bytes;
            }
        };
        add(before_, diff.before, &Change::before);
        add(after_, diff.after, &Change::after);
        for (const auto& [key, change] : groups) {
            if (change.before == change.after)
                ++diff.unchanged_groups;
            else
                diff.groups.push_back(GroupOf(key, change));
        }
        const auto weight = [](const GroupChange& group) {
            const uint64_t bytes = std::max(group.change.before.bytes, group.change.after.bytes) -
                                   std::min(group.change.before.bytes, group.change.after.bytes);
            return UINT64_MAX - bytes;
        };
        std::ranges::stable_sort(diff.groups, {}, weight);
    }

    // A handle may be given out again, so that size and time must agree as well. Times are of a
    // coarse clock, and not known of what is older than recording at this level.
    static bool SameAllocation(const reader::Allocation& a, const reader::Allocation& b) {
        if (a.size_bytes != b.size_bytes) return false;
        if (a.made_ns == 0 || b.made_ns == 0) return true;
        return std::max(a.made_ns, b.made_ns) - std::min(a.made_ns, b.made_ns) <= kClockStepNs;
    }

    static void CompareSingly(DeviceDiff& diff) {
        std::map<uint64_t, const reader::Allocation*> old;  // by handle
        if (diff.before != nullptr)
            for (const reader::Allocation& allocation : diff.before->detail.allocations)
                old.emplace(allocation.memory, &allocation);
        Amount kept, came, went;
        const auto count = [](Amount& amount, uint64_t bytes) {
            ++amount.count;
            amount.bytes += bytes;
        };
        if (diff.after != nullptr) {
            for (const reader::Allocation& allocation : diff.after->detail.allocations) {
                const auto found = old.find(allocation.memory);
                const bool same = found != old.end() && SameAllocation(*found->second, allocation);
                count(same ? kept : came, allocation.size_bytes);
                if (same) old.erase(found);
            }
        }
        for (const auto& [memory, allocation] : old)
            count(went, allocation->size_bytes);
        diff.kept = kept;
        diff.came = came;
        diff.went = went;
    }

    const reader::Process& before_;
    const reader::Process& after_;
    const GroupBy by_;
    const bool same_process_;
};

}  // namespace

const char* GroupChange::What() const {
    if (change.before.count == 0) return change.after.count == 0 ? "same" : "came";
    if (change.after.count == 0) return "went";
    const int64_t count = change.DeltaCount();
    const int64_t bytes = change.DeltaBytes();
    if (count == 0 && bytes == 0) return "same";
    if (count >= 0 && bytes >= 0) return "grew";
    return count <= 0 && bytes <= 0 ? "shrank" : "changed";
}

Diff DiffOf(const reader::Process& before, const reader::Process& after, GroupBy by) {
    Diff diff;
    diff.same_process = before.pid == after.pid && before.start_time == after.start_time;
    // Unsigned first, since a recording may say anything.
    if (diff.same_process)
        diff.elapsed_ns = static_cast<int64_t>(after.copied_ns - before.copied_ns);
    const DeviceComparison comparison(before, after, by, diff.same_process);
    std::vector<bool> matched(before.devices.size(), false);
    for (const reader::Device& device : after.devices) {
        const reader::Device* match = nullptr;
        for (size_t i = 0; i < before.devices.size() && match == nullptr; ++i) {
            const reader::Device& other = before.devices[i];
            const bool same = diff.same_process ? other.id == device.id
                                                : other.name == device.name &&
                                                      (other.id == 0) == (device.id == 0);
            if (matched[i] || !same) continue;
            matched[i] = true;
            match = &other;
        }
        diff.devices.push_back(comparison.Compare(match, &device));
    }
    for (size_t i = 0; i < before.devices.size(); ++i)
        if (!matched[i]) diff.devices.push_back(comparison.Compare(&before.devices[i], nullptr));
    return diff;
}

}  // namespace tessera::command
