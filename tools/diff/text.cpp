// SPDX-License-Identifier: Apache-2.0
//
// See text.h.
#include "tools/diff/text.h"

#include "tools/text.h"

namespace tessera::command {
namespace {

using Align = Table::Align;

std::string SignedBytes(const Change& change) {
    const int64_t delta = change.DeltaBytes();
    if (delta == 0) return "0 B";
    const auto magnitude = delta < 0 ? change.before.bytes - change.after.bytes
                                     : change.after.bytes - change.before.bytes;
    return (delta < 0 ? "-" : "+") + FormatBytes(magnitude);
}

std::string SignedCount(const Change& change) {
    const int64_t delta = change.DeltaCount();
    if (delta == 0) return "0";
    const auto magnitude = delta < 0 ? change.before.count - change.after.count
                                     : change.after.count - change.before.count;
    return (delta < 0 ? "-" : "+") + FormatCount(magnitude);
}

std::string Totals(const char* title, const std::vector<TotalChange>& totals) {
    Table table({{title},
                 {"live before"},
                 {"after"},
                 {"change"},
                 {"bytes before"},
                 {"after"},
                 {"change"},
                 {"driver before"},
                 {"after"},
                 {"change"}});
    for (const TotalChange& total : totals) {
        table.AddRow({std::to_string(total.index), FormatCount(total.app.before.count),
                      FormatCount(total.app.after.count), SignedCount(total.app),
                      FormatBytes(total.app.before.bytes), FormatBytes(total.app.after.bytes),
                      SignedBytes(total.app), FormatBytes(total.driver.before.bytes),
                      FormatBytes(total.driver.after.bytes), SignedBytes(total.driver)});
    }
    return table.empty() ? "" : table.Format(2);
}

// What a group is, in one cell: its name first, and the innermost call.
std::string GroupTitle(const GroupChange& group) {
    std::string text;
    const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "  ") + part; };
    if (group.name) add(group.name->empty() ? "(no name)" : Printable(*group.name));
    if (group.stack && !group.stack->empty())
        add("from " + Printable(group.stack->front()));
    else if (group.stack && !group.name)
        add("(no call stack)");
    return text;
}

std::string Groups(const std::vector<GroupChange>& groups) {
    Table table({{"", Align::kLeft},
                 {"type"},
                 {"size"},
                 {"before"},
                 {"after"},
                 {"change"},
                 {"bytes"},
                 {"what", Align::kLeft}});
    for (size_t i = 0; i < groups.size() && i < kMaxGroups; ++i) {
        const GroupChange& group = groups[i];
        table.AddRow({group.What(), group.type ? std::to_string(*group.type) : "-",
                      group.size_bytes ? FormatBytes(*group.size_bytes) : "-",
                      FormatCount(group.change.before.count), FormatCount(group.change.after.count),
                      SignedCount(group.change), SignedBytes(group.change), GroupTitle(group)});
    }
    return table.Format(2);
}

std::string Heading(const DeviceDiff& diff) {
    const reader::Device& device = diff.after != nullptr ? *diff.after : *diff.before;
    std::string text = device.id == 0
                           ? "devices destroyed earlier, together"
                           : "device " + std::to_string(device.id) + "  " + Printable(device.name);
    if (diff.before == nullptr) text += "  only after";
    if (diff.after == nullptr) text += "  only before";
    return "\n" + text + "\n";
}

std::string AmountText(const Amount& amount) {
    return Plural(amount.count, "allocation") + " (" + FormatBytes(amount.bytes) + ")";
}

// What no group has, since it was not recorded.
std::string Missing(const char* when, const reader::Device* device) {
    if (device == nullptr) return {};
    const uint64_t count = device->detail.unrecorded[TESSERA_KIND_SLOTS] +
                           device->detail.unrecorded[TESSERA_KIND_PASSED] + device->detail.moving;
    if (count == 0) return {};
    return std::string("  Not compared: ") + when + ", " + Plural(count, "record") +
           " for which there was no room, or that changed while they were read.\n";
}

std::string DeviceText(const DeviceDiff& diff) {
    std::string text = Heading(diff);
    if (diff.types.empty()) return text + "  no memory was allocated\n";
    text += Totals("heap", diff.heaps) + Totals("type", diff.types);
    const reader::Device& device = diff.after != nullptr ? *diff.after : *diff.before;
    if (!diff.detailed) {
        if (device.id != 0) text += "  Single allocations are not known on both sides.\n";
        return text;
    }
    if (diff.kept) {
        text += "  kept " + AmountText(*diff.kept) + ", new " + AmountText(*diff.came) + ", gone " +
                AmountText(*diff.went) + "\n";
    }
    text += Missing("before", diff.before) + Missing("after", diff.after);
    if (diff.groups.empty()) return text + "  Live allocations look the same.\n";
    text += Groups(diff.groups);
    if (diff.groups.size() > kMaxGroups)
        text += "  and " + Plural(diff.groups.size() - kMaxGroups, "further group") +
                " that changed less (all of them: --json)\n";
    return text;
}

Json AmountJson(const Amount& amount) {
    return {{"count", amount.count}, {"bytes", amount.bytes}};
}

Json ChangeJson(const Change& change) {
    return {{"before", AmountJson(change.before)},
            {"after", AmountJson(change.after)},
            {"delta", {{"count", change.DeltaCount()}, {"bytes", change.DeltaBytes()}}}};
}

Json TotalsJson(const std::vector<TotalChange>& totals) {
    Json list = Json::array();
    for (const TotalChange& total : totals) {
        list.push_back({{"index", total.index},
                        {"app", ChangeJson(total.app)},
                        {"driver", ChangeJson(total.driver)},
                        {"allocations", {total.allocations_before, total.allocations_after}},
                        {"frees", {total.frees_before, total.frees_after}}});
    }
    return list;
}

Json GroupJson(const GroupChange& group) {
    Json json = {{"what", group.What()}};
    if (group.type) json["type"] = *group.type;
    if (group.size_bytes) json["size_bytes"] = *group.size_bytes;
    if (group.name) json["name"] = *group.name;
    if (group.stack) json["stack"] = *group.stack;
    json.update(ChangeJson(group.change));
    return json;
}

Json SideJson(const reader::Process& process) {
    return {
        {"pid", process.pid}, {"process", process.name}, {"state", reader::Name(process.state)}};
}

std::string SideText(const reader::Process& process) {
    return Printable(process.name) + " (pid " + std::to_string(process.pid) + ", " +
           reader::Name(process.state) + ")";
}

}  // namespace

std::string DiffText(const reader::Process& before, const reader::Process& after,
                     const Diff& diff) {
    const bool back = diff.elapsed_ns < 0;
    const uint64_t elapsed_ns =
        back ? 0 - static_cast<uint64_t>(diff.elapsed_ns) : static_cast<uint64_t>(diff.elapsed_ns);
    std::string text = diff.same_process ? SideText(after) + ", " + FormatDuration(elapsed_ns) +
                                               (back ? " earlier\n" : " later\n")
                                         : SideText(before) + " against " + SideText(after) + "\n";
    for (const DeviceDiff& device : diff.devices)
        text += DeviceText(device);
    if (diff.devices.empty()) text += "No device was created in either.\n";
    return text;
}

Json DiffJson(const reader::Process& before, const reader::Process& after, const Diff& diff) {
    Json devices = Json::array();
    for (const DeviceDiff& device : diff.devices) {
        const reader::Device& named = device.after != nullptr ? *device.after : *device.before;
        Json groups = Json::array();
        for (const GroupChange& group : device.groups)
            groups.push_back(GroupJson(group));
        Json json = {{"before", device.before != nullptr ? Json(device.before->id) : Json()},
                     {"after", device.after != nullptr ? Json(device.after->id) : Json()},
                     {"name", named.name},
                     {"heaps", TotalsJson(device.heaps)},
                     {"memory_types", TotalsJson(device.types)},
                     {"detailed", device.detailed}};
        if (device.kept) {
            json["kept"] = AmountJson(*device.kept);
            json["came"] = AmountJson(*device.came);
            json["went"] = AmountJson(*device.went);
        }
        json["groups"] = std::move(groups);
        json["unchanged_groups"] = device.unchanged_groups;
        devices.push_back(std::move(json));
    }
    return {{"schema", kSchema},
            {"before", SideJson(before)},
            {"after", SideJson(after)},
            {"same_process", diff.same_process},
            {"elapsed_ns", diff.same_process ? Json(diff.elapsed_ns) : Json()},
            {"devices", std::move(devices)}};
}

}  // namespace tessera::command
