// SPDX-License-Identifier: Apache-2.0
//
// See summary.h.
#include "tools/summary.h"

#include <algorithm>

#include "tools/text.h"

namespace tessera::command {
namespace {

// More processes than these are not told one by one; the sum is.
constexpr size_t kMaxParagraphs = 16;

std::string Line(const std::string& text) {
    return "tessera: " + text + "\n";
}

std::string DeviceNames(const Account& account) {
    std::string names;
    for (const std::string& name : account.device_names) {
        if (!names.empty()) names += ", ";
        names += Printable(name);
    }
    return names;
}

std::string Time(uint64_t time_ns, bool estimated) {
    return (estimated ? "about " : "") + FormatDuration(time_ns);
}

// What went on, without saying in which process.
std::string Numbers(const Account& account) {
    const View& app = account.app;
    const View& driver = account.driver;
    std::string text;
    const std::string at_once = account.devices > 1 ? " at once on a device, in " : " at once, in ";
    text +=
        Line("  asked for      " + Plural(app.allocations, "allocation") + ", at most " +
             FormatBytes(app.peak_bytes) + at_once + Time(app.time_ns, account.app_time_estimated));
    // Blocks are also made and given back by the layer's helper, and given back with their device.
    const bool outside = driver.time_ns > app.time_ns;
    text += Line("  driver made    " + Plural(driver.allocations, "allocation") + ", at most " +
                 FormatBytes(driver.peak_bytes) + at_once + FormatDuration(driver.time_ns) +
                 (outside ? ", partly outside of the application's calls" : ""));
    text += Line("  pooled         " + FormatShare(account.pooled_allocations, app.allocations));
    if (const std::string passed = DescribePassThrough(account); !passed.empty()) {
        text += Line("  passed through " + passed);
    }
    if (app.failed > 0) {
        text +=
            Line("  failed         " + Plural(app.failed, "allocation") + ", as the driver said");
    }
    if (const std::string misuse = DescribeMisuse(account); !misuse.empty()) {
        text += Line("  app's mistakes " + misuse);
    }
    if (account.dropped_devices > 0) {
        text += Line("  not counted    " + Plural(account.dropped_devices, "device") +
                     ", for which the statistics had no room");
    }
    if (account.placement_failures > 0) {
        text += Line("  DEFECT         " + Plural(account.placement_failures, "bind") +
                     " failed because of where the layer had placed the memory; please report it, "
                     "and set TESSERA_MODE=off meanwhile");
    }
    return text;
}

std::string Heading(const Followed& process) {
    std::string text = Printable(process.name) + " (pid " + std::to_string(process.pid) + ")";
    if (!process.error.empty()) {
        return text +
               " loaded the layer, but its numbers cannot be read: " + Printable(process.error);
    }
    if (process.account.devices == 0) return text + " loaded the layer and created no device.";
    text += " used " + Plural(process.account.devices, "device");
    const std::string names = DeviceNames(process.account);
    if (!names.empty()) text += ": " + names;
    return text;
}

}  // namespace

std::string Summary(const std::vector<Followed>& processes) {
    std::string text;
    Account sum;
    size_t with_devices = 0;
    for (const Followed& process : processes) {
        sum.Add(process.account);
        if (process.account.devices > 0) ++with_devices;
    }
    for (size_t i = 0; i < std::min(processes.size(), kMaxParagraphs); ++i) {
        text += Line(Heading(processes[i]));
        if (processes[i].account.devices > 0) text += Numbers(processes[i].account);
    }
    if (processes.size() > kMaxParagraphs) {
        text += Line("and " + Plural(processes.size() - kMaxParagraphs, "more process"));
    }
    if (with_devices > 1) {
        text += Line("all " + FormatCount(with_devices) + " processes together");
        text += Numbers(sum);
    }
    const auto running = static_cast<uint64_t>(std::ranges::count_if(processes, &Followed::runs));
    if (running > 0) {
        text += Line(Plural(running, "process") +
                     " of these still ran when the application ended; the numbers are as of then "
                     "(--wait-all waits for them).");
    }
    return text;
}

}  // namespace tessera::command
