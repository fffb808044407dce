// SPDX-License-Identifier: Apache-2.0
//
// See account.h. Sums saturate nowhere: a forged segment may make them wrap, which is harmless.
#include "tools/account.h"

#include <algorithm>

#include "tools/text.h"

namespace tessera::command {
namespace {

void AddTotals(View& view, const tessera_totals& totals) {
    view.live += totals.live;
    view.live_bytes += totals.live_bytes;
    view.allocations += totals.allocations;
    view.failed += totals.failed;
}

void AddView(View& view, const View& other) {
    view.live += other.live;
    view.live_bytes += other.live_bytes;
    view.peak_bytes = std::max(view.peak_bytes, other.peak_bytes);
    view.allocations += other.allocations;
    view.failed += other.failed;
    view.time_ns += other.time_ns;
}

void AddName(std::vector<std::string>& names, const std::string& name) {
    if (name.empty() || std::ranges::find(names, name) != names.end()) return;
    names.push_back(name);
}

void AddTimes(Account& account, const reader::Device& device) {
    for (const uint32_t call : {TESSERA_CALL_vkAllocateMemory, TESSERA_CALL_vkFreeMemory}) {
        if (call >= device.calls.size() || call >= device.driver_calls.size()) continue;
        const tessera_call_totals& app = device.calls[call];
        const tessera_call_totals& driver = device.driver_calls[call];
        account.app.time_ns += EstimatedTime(app, driver);
        account.driver.time_ns += driver.total_ns;
        account.app_time_estimated = account.app_time_estimated || app.timed != app.count;
    }
}

}  // namespace

uint64_t EstimatedTime(const tessera_call_totals& app, const tessera_call_totals& driver) {
    const uint64_t in_driver = std::min(driver.count, app.timed);
    if (app.timed == app.count || app.timed == in_driver) return app.total_ns;
    // Calls that stay in the layer are the fastest, so that their median is this quantile.
    const double share =
        static_cast<double>(app.timed - in_driver) / static_cast<double>(app.timed);
    const auto typical_ns = static_cast<double>(reader::Percentile(app, share / 2));
    const double missing = static_cast<double>(app.count) - static_cast<double>(app.timed);
    const double total_ns = static_cast<double>(app.total_ns) + missing * typical_ns;
    return std::max(app.max_ns, static_cast<uint64_t>(std::max(0.0, total_ns)));
}

void Account::Add(const Account& other) {
    AddView(app, other.app);
    AddView(driver, other.driver);
    devices += other.devices;
    pooled_allocations += other.pooled_allocations;
    moved_slots += other.moved_slots;
    placement_failures += other.placement_failures;
    dropped_devices += other.dropped_devices;
    app_time_estimated = app_time_estimated || other.app_time_estimated;
    for (size_t i = 0; i < passed.size(); ++i)
        passed[i] += other.passed[i];
    for (size_t i = 0; i < misuse.size(); ++i)
        misuse[i] += other.misuse[i];
    for (const std::string& name : other.device_names)
        AddName(device_names, name);
}

Account AccountOf(const reader::Process& process) {
    Account account;
    account.dropped_devices = process.dropped_devices;
    for (const reader::Device& device : process.devices) {
        const bool retired = device.state == TESSERA_DEVICE_RETIRED;
        account.devices += retired ? device.retired_devices : 1;
        if (!retired) AddName(account.device_names, device.name);
        uint64_t app_peak_bytes = 0;
        uint64_t driver_peak_bytes = 0;
        for (const reader::MemoryType& type : device.memory_types) {
            app_peak_bytes += type.totals.app.peak_bytes;
            driver_peak_bytes += type.totals.driver.peak_bytes;
            AddTotals(account.app, type.totals.app);
            AddTotals(account.driver, type.totals.driver);
            account.pooled_allocations += type.totals.pooled.allocations;
            account.moved_slots += type.totals.moved_slots;
            account.placement_failures += type.totals.placement_failures;
            for (size_t i = 0; i < account.passed.size(); ++i)
                account.passed[i] += type.totals.pass_through[i].allocations;
        }
        account.app.peak_bytes = std::max(account.app.peak_bytes, app_peak_bytes);
        account.driver.peak_bytes = std::max(account.driver.peak_bytes, driver_peak_bytes);
        for (size_t i = 0; i < account.misuse.size(); ++i)
            account.misuse[i] += device.misuse[i];
        AddTimes(account, device);
    }
    return account;
}

std::string DescribeMisuse(const Account& account) {
    std::string text;
    for (uint32_t misuse = 0; misuse < account.misuse.size(); ++misuse) {
        if (account.misuse[misuse] == 0) continue;
        if (!text.empty()) text += ", ";
        text += FormatCount(account.misuse[misuse]) + " " + reader::MisuseName(misuse) + " (" +
                reader::MisuseText(misuse) + ")";
    }
    return text;
}

std::string DescribePassThrough(const Account& account) {
    std::vector<uint32_t> reasons;
    for (uint32_t reason = 0; reason < account.passed.size(); ++reason)
        if (account.passed[reason] > 0) reasons.push_back(reason);
    std::ranges::stable_sort(
        reasons, [&](uint32_t a, uint32_t b) { return account.passed[a] > account.passed[b]; });
    std::string text;
    for (const uint32_t reason : reasons) {
        if (!text.empty()) text += ", ";
        text += FormatCount(account.passed[reason]) + " " + reader::ReasonName(reason) + " (" +
                reader::ReasonText(reason) + ")";
    }
    return text;
}

}  // namespace tessera::command
