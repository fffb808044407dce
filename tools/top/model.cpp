// SPDX-License-Identifier: Apache-2.0
//
// See model.h: the list of processes, and what a device has in totals.
#include "tools/top/model.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "tools/json.h"
#include "tools/text.h"
#include "tools/top/model_detail.h"

namespace tessera::top {
namespace {

using command::Printable;

uint64_t Sum(const std::vector<tessera_call_totals>& calls) {
    return std::accumulate(
        calls.begin(), calls.end(), uint64_t{0},
        [](uint64_t sum, const tessera_call_totals& call) { return sum + call.count; });
}

void Add(Counters& counters, const reader::Device& device) {
    for (const reader::MemoryType& type : device.memory_types) {
        counters.allocations += type.totals.app.allocations;
        counters.frees += type.totals.app.frees;
    }
    counters.driver_calls += Sum(device.driver_calls);
    counters.frames += device.frames;
}

void Add(tessera_totals& sum, const tessera_totals& part) {
    sum.live += part.live;
    sum.live_bytes += part.live_bytes;
    sum.peak_bytes += part.peak_bytes;
    sum.allocations += part.allocations;
    sum.frees += part.frees;
    sum.failed += part.failed;
}

// A device that was retired takes its counts into another record, which may be copied sooner.
double PerSecond(uint64_t before, uint64_t now, uint64_t ns) {
    return now <= before ? 0 : static_cast<double>(now - before) * 1e9 / static_cast<double>(ns);
}

ProcessRow RowOf(const reader::Process& process) {
    ProcessRow row;
    row.pid = process.pid;
    row.name = Printable(process.name);
    row.state = process.state;
    row.level = process.level;
    for (const reader::Device& device : process.devices) {
        row.devices += device.state == TESSERA_DEVICE_LIVE ? 1 : 0;
        for (const reader::MemoryType& type : device.memory_types) {
            if (device.state != TESSERA_DEVICE_LIVE) continue;
            row.app_live += type.totals.app.live;
            row.app_bytes += type.totals.app.live_bytes;
            row.driver_live += type.totals.driver.live;
            row.driver_bytes += type.totals.driver.live_bytes;
        }
    }
    return row;
}

// The largest first, but names in their order. Equal rows stand in order of their number.
bool Precedes(const ProcessRow& a, const ProcessRow& b, size_t key) {
    switch (key) {
        case 1:
            return std::tie(b.app_bytes, a.pid) < std::tie(a.app_bytes, b.pid);
        case 2:
            return std::tie(b.rates.allocations, a.pid) < std::tie(a.rates.allocations, b.pid);
        case 3:
            return a.pid < b.pid;
        case 4:
            return std::tie(a.name, a.pid) < std::tie(b.name, b.pid);
        default:
            return std::tie(b.driver_bytes, a.pid) < std::tie(a.driver_bytes, b.pid);
    }
}

std::vector<HeapBar> HeapsOf(const reader::Device& device) {
    constexpr uint32_t kDeviceLocal = 1;  // VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
    std::vector<HeapBar> bars;
    for (size_t i = 0; i < device.heaps.size(); ++i) {
        const tessera_heap_record& heap = device.heaps[i];
        HeapBar bar = {.index = i, .size_bytes = heap.size_bytes, .limit_bytes = heap.size_bytes};
        for (const reader::MemoryType& type : device.memory_types) {
            if (type.heap != i) continue;
            bar.layer_bytes += type.totals.driver.live_bytes;
            bar.device_local = bar.device_local || (type.flags & kDeviceLocal) != 0;
        }
        bar.has_budget = (heap.known & TESSERA_HEAP_BUDGET_KNOWN) != 0;
        if (bar.has_budget) bar.limit_bytes = heap.budget_bytes;
        bar.usage_bytes = bar.has_budget ? heap.usage_bytes : bar.layer_bytes;
        bars.push_back(bar);
    }
    return bars;
}

std::string FlagsText(uint32_t flags) {
    std::string text;
    for (const std::string& name : command::MemoryFlagNames(flags))
        text += (text.empty() ? "" : " ") + name;
    return text;
}

// What happened between two copies of the same counters.
tessera_call_totals Difference(const tessera_call_totals& now, const tessera_call_totals& before) {
    tessera_call_totals difference = now;
    difference.count -= std::min(before.count, now.count);
    difference.timed -= std::min(before.timed, now.timed);
    for (size_t i = 0; i < TESSERA_HISTOGRAM_BUCKETS; ++i)
        difference.histogram[i] -= std::min(before.histogram[i], now.histogram[i]);
    return difference;
}

void AddCalls(std::vector<CallRow>& rows, const std::vector<tessera_call_totals>& now,
              const std::vector<tessera_call_totals>* before, uint64_t ns, bool by_layer) {
    for (uint32_t i = 0; i < now.size(); ++i) {
        if (now[i].count == 0) continue;
        const bool has_before = before != nullptr && i < before->size() && ns != 0;
        const tessera_call_totals shown = has_before ? Difference(now[i], (*before)[i]) : now[i];
        CallRow row = {.name = reader::CallName(i), .by_layer = by_layer, .count = now[i].count};
        row.has_rate = has_before;
        if (has_before) row.per_second = PerSecond((*before)[i].count, now[i].count, ns);
        row.timed = shown.timed != 0;
        row.p50_ns = reader::Percentile(shown, 0.50);
        row.p99_ns = reader::Percentile(shown, 0.99);
        row.max_ns = now[i].max_ns;
        rows.push_back(row);
    }
}

void SortCalls(std::vector<CallRow>& rows, const Order& order) {
    std::ranges::stable_sort(rows, [&](const CallRow& a, const CallRow& b) {
        const CallRow& first = order.reversed ? b : a;
        const CallRow& second = order.reversed ? a : b;
        if (order.key == 1) return first.count > second.count;
        if (order.key == 2) return first.p99_ns > second.p99_ns;
        return std::tie(first.per_second, first.count) > std::tie(second.per_second, second.count);
    });
}

const reader::Device* Find(const reader::Process* process, uint64_t id) {
    if (process == nullptr) return nullptr;
    const auto found = std::ranges::find(process->devices, id, &reader::Device::id);
    return found == process->devices.end() ? nullptr : &*found;
}

std::string NameOf(const reader::Device& device) {
    if (device.state == TESSERA_DEVICE_RETIRED)
        return command::Plural(device.retired_devices, "device") + " destroyed earlier, together";
    return Printable(device.name) +
           (device.state == TESSERA_DEVICE_DESTROYED ? " (destroyed)" : "");
}

void TakeTotals(DeviceView& view, const reader::Device& device) {
    for (size_t i = 0; i < device.memory_types.size(); ++i) {
        const reader::MemoryType& type = device.memory_types[i];
        Add(view.app, type.totals.app);
        Add(view.driver, type.totals.driver);
        view.pooled += type.totals.pooled.allocations;
        if (type.totals.app.allocations + type.totals.driver.allocations == 0) continue;
        view.types.push_back({.index = i,
                              .heap = type.heap,
                              .flags = FlagsText(type.flags),
                              .app = type.totals.app,
                              .driver = type.totals.driver,
                              .pooled = type.totals.pooled});
    }
}

}  // namespace

Counters CountersOf(const reader::Process& process) {
    Counters counters = {.time_ns = process.copied_ns};
    for (const reader::Device& device : process.devices)
        Add(counters, device);
    return counters;
}

Counters CountersOf(const reader::Process& process, const reader::Device& device) {
    Counters counters = {.time_ns = process.copied_ns};
    Add(counters, device);
    return counters;
}

Rates Between(const Counters& before, const Counters& now) {
    if (now.time_ns <= before.time_ns) return {};
    const uint64_t ns = now.time_ns - before.time_ns;
    return {.known = true,
            .allocations = PerSecond(before.allocations, now.allocations, ns),
            .frees = PerSecond(before.frees, now.frees, ns),
            .driver_calls = PerSecond(before.driver_calls, now.driver_calls, ns),
            .frames = PerSecond(before.frames, now.frames, ns)};
}

std::vector<ProcessRow> ListRows(std::span<const reader::Process> now,
                                 std::span<const reader::Process> before, const Order& order,
                                 const std::string& filter) {
    std::vector<ProcessRow> rows;
    for (const reader::Process& process : now) {
        ProcessRow row = RowOf(process);
        if (!Matches(row.name, filter) && !Matches(std::to_string(row.pid), filter)) continue;
        const auto earlier = std::ranges::find_if(before, [&](const reader::Process& other) {
            return other.pid == process.pid && other.start_time == process.start_time;
        });
        if (earlier != before.end()) row.rates = Between(CountersOf(*earlier), CountersOf(process));
        rows.push_back(std::move(row));
    }
    std::ranges::stable_sort(rows, [&](const ProcessRow& a, const ProcessRow& b) {
        const bool lives = a.state == reader::ProcessState::kLive;
        if (lives != (b.state == reader::ProcessState::kLive)) return lives;
        return order.reversed ? Precedes(b, a, order.key) : Precedes(a, b, order.key);
    });
    return rows;
}

size_t DefaultDevice(const reader::Process& process) {
    for (size_t i = 0; i < process.devices.size(); ++i)
        if (process.devices[i].state == TESSERA_DEVICE_LIVE) return i;
    return process.devices.empty() ? 0 : process.devices.size() - 1;
}

DeviceView ViewOf(const reader::Process& now, const reader::Process* before, size_t device_index,
                  const DeviceOrders& orders, const std::string& filter, const StackLines& lines) {
    DeviceView view;
    if (device_index >= now.devices.size()) return view;
    const reader::Device& device = now.devices[device_index];
    const reader::Device* const earlier = Find(before, device.id);
    view.name = NameOf(device);
    view.id = device.id;
    view.frames = device.frames;
    view.heaps = HeapsOf(device);
    TakeTotals(view, device);
    uint64_t ns = 0;
    if (earlier != nullptr) {
        const Counters first = CountersOf(*before, *earlier);
        const Counters second = CountersOf(now, device);
        view.rates = Between(first, second);
        ns = view.rates.known ? second.time_ns - first.time_ns : 0;
    }
    AddCalls(view.calls, device.calls, earlier != nullptr ? &earlier->calls : nullptr, ns, false);
    AddCalls(view.calls, device.driver_calls, earlier != nullptr ? &earlier->driver_calls : nullptr,
             ns, true);
    SortCalls(view.calls, orders.calls);
    AddDetail(view, now, device, orders, filter, lines);
    return view;
}

}  // namespace tessera::top
