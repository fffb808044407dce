// SPDX-License-Identifier: Apache-2.0
//
// See process_text.h. One function for each level of the schema; what is zero is left out where a
// line or a column would only say so.
#include "tools/process_text.h"

#include "tools/account.h"
#include "tools/json.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

using Align = Table::Align;

std::string Flags(uint32_t flags) {
    std::string text;
    for (const std::string& name : MemoryFlagNames(flags))
        text += (text.empty() ? "" : " ") + name;
    return text.empty() ? "-" : text;
}

std::string Known(uint64_t value, const tessera_heap_record& heap, uint64_t bit) {
    return (heap.known & bit) != 0 ? FormatBytes(value) : "-";
}

std::string Heaps(const reader::Device& device) {
    Table table({{"heap"}, {"size"}, {"budget"}, {"driver's usage"}, {"usage told to the app"}});
    for (size_t i = 0; i < device.heaps.size(); ++i) {
        const tessera_heap_record& heap = device.heaps[i];
        table.AddRow({std::to_string(i), FormatBytes(heap.size_bytes),
                      Known(heap.budget_bytes, heap, TESSERA_HEAP_BUDGET_KNOWN),
                      Known(heap.usage_bytes, heap, TESSERA_HEAP_BUDGET_KNOWN),
                      Known(heap.app_usage_bytes, heap, TESSERA_HEAP_APP_USAGE_KNOWN)});
    }
    return table.empty() ? "" : table.Format(2);
}

// The memory types that were ever used.
std::string MemoryTypes(const reader::Device& device) {
    Table table({{"type"},
                 {"heap"},
                 {"asked for"},
                 {"live"},
                 {"bytes"},
                 {"peak"},
                 {"driver live"},
                 {"bytes"},
                 {"peak"},
                 {"pooled"},
                 {"blocks"},
                 {"bytes"},
                 {"free"},
                 {"flags", Align::kLeft}});
    for (size_t i = 0; i < device.memory_types.size(); ++i) {
        const reader::MemoryType& type = device.memory_types[i];
        const auto& [app, driver, pooled] =
            std::tie(type.totals.app, type.totals.driver, type.totals.pooled);
        if (app.allocations + app.failed + driver.allocations == 0) continue;
        table.AddRow(
            {std::to_string(i), std::to_string(type.heap), FormatCount(app.allocations),
             FormatCount(app.live), FormatBytes(app.live_bytes), FormatBytes(app.peak_bytes),
             FormatCount(driver.live), FormatBytes(driver.live_bytes),
             FormatBytes(driver.peak_bytes), FormatCount(pooled.live), FormatCount(pooled.blocks),
             FormatBytes(pooled.block_bytes), FormatBytes(pooled.free_bytes), Flags(type.flags)});
    }
    return table.empty() ? "  no memory was allocated\n" : table.Format(2);
}

// The allocations that passed through, each memory type and reason on a line.
std::string PassedThrough(const reader::Device& device) {
    Table table({{"type"},
                 {"passed through"},
                 {"live"},
                 {"bytes"},
                 {"reason", Align::kLeft},
                 {"", Align::kLeft}});
    for (size_t i = 0; i < device.memory_types.size(); ++i) {
        for (uint32_t reason = 0; reason < TESSERA_REASON_COUNT; ++reason) {
            const tessera_pass_through& passed = device.memory_types[i].totals.pass_through[reason];
            if (passed.allocations == 0) continue;
            table.AddRow({std::to_string(i), FormatCount(passed.allocations),
                          FormatCount(passed.live), FormatBytes(passed.live_bytes),
                          reader::ReasonName(reason), reader::ReasonText(reason)});
        }
    }
    return table.empty() ? "" : table.Format(2);
}

std::string Calls(const std::string& title, const std::vector<tessera_call_totals>& calls) {
    Table table(
        {{title, Align::kLeft}, {"count"}, {"timed"}, {"total"}, {"p50"}, {"p99"}, {"max"}});
    for (uint32_t i = 0; i < calls.size(); ++i) {
        const tessera_call_totals& call = calls[i];
        if (call.count == 0) continue;
        table.AddRow({reader::CallName(i), FormatCount(call.count), FormatCount(call.timed),
                      FormatDuration(call.total_ns), FormatDuration(reader::Percentile(call, 0.50)),
                      FormatDuration(reader::Percentile(call, 0.99)), FormatDuration(call.max_ns)});
    }
    return table.empty() ? "" : table.Format(2);
}

std::string Heading(const reader::Device& device) {
    if (device.state == TESSERA_DEVICE_RETIRED) {
        return Plural(device.retired_devices, "device") + " destroyed earlier, together\n";
    }
    std::string text = "device " + std::to_string(device.id) + "  " + Printable(device.name);
    if (!device.driver.empty()) text += "  driver " + Printable(device.driver);
    text += "  Vulkan " + ApiVersion(device.api_version);
    if (device.state == TESSERA_DEVICE_DESTROYED) text += "  destroyed";
    text += device.pooled ? "  pooled" : "  everything passes through";
    if (device.why != TESSERA_REASON_none) {
        text += std::string(": ") + reader::ReasonName(device.why) + " (" +
                reader::ReasonText(device.why) + ")";
    }
    return text + "\n";
}

// What is recorded beside the totals, and what there was no room for.
std::string Recorded(const reader::Device& device) {
    if (device.state == TESSERA_DEVICE_RETIRED) return {};
    std::string text = std::string("  level ") + reader::LevelName(device.detail.level);
    if (device.frames > 0) text += ", " + Plural(device.frames, "frame") + " presented";
    for (uint32_t kind = 0; kind < device.detail.unrecorded.size(); ++kind) {
        const uint64_t count = device.detail.unrecorded[kind];
        if (count > 0) text += ", no room for " + FormatCount(count) + " " + RecordKindName(kind);
    }
    return text + "\n";
}

// The rules that the application broke.
std::string Misuse(const reader::Device& device) {
    Table table({{"misused by the app"}, {"rule", Align::kLeft}, {"", Align::kLeft}});
    for (uint32_t i = 0; i < device.misuse.size(); ++i) {
        if (device.misuse[i] == 0) continue;
        table.AddRow({FormatCount(device.misuse[i]), reader::MisuseName(i), reader::MisuseText(i)});
    }
    return table.empty() ? "" : table.Format(2);
}

std::string Defects(const reader::Device& device) {
    uint64_t failures = 0;
    for (const reader::MemoryType& type : device.memory_types)
        failures += type.totals.placement_failures;
    if (failures == 0) return {};
    return "  DEFECT: " + Plural(failures, "bind") +
           " failed because of where the layer had placed the memory; please report it\n";
}

}  // namespace

std::string DescribeProcess(const reader::Process& process) {
    std::string text = Printable(process.name) + "  pid " + std::to_string(process.pid) +
                       "  parent " + std::to_string(process.parent_pid) + "  " +
                       reader::Name(process.state) + "  layer " + Printable(process.layer_version) +
                       "  segment " + FormatBytes(process.segment_bytes) + "\n";
    if (process.torn) {
        text += "It ended in the middle of a change: one of the numbers may be off by that.\n";
    }
    for (const reader::Device& device : process.devices) {
        text += "\n" + Heading(device) + Recorded(device) + MemoryTypes(device) +
                PassedThrough(device) + Heaps(device) + Calls("called by the app", device.calls) +
                Calls("called by the layer", device.driver_calls) + Misuse(device) +
                Defects(device);
    }
    if (process.devices.empty()) text += "No device was created yet.\n";
    if (process.dropped_devices > 0) {
        text += "\nNot counted: " + Plural(process.dropped_devices, "device") +
                ", for which the statistics had no room.\n";
    }
    return text;
}

}  // namespace tessera::command
