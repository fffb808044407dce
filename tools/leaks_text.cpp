// SPDX-License-Identifier: Apache-2.0
//
// What people and programs read of leaks.h.
#include <algorithm>

#include "tools/detail.h"
#include "tools/leaks.h"
#include "tools/text.h"
#include "tools/vulkan_names.h"

namespace tessera::command {
namespace {

const char* Phrase(LeakMoment moment) {
    switch (moment) {
        case LeakMoment::kDestroyed:
            return "leaked at vkDestroyDevice";
        case LeakMoment::kEnd:
            return "still allocated at the end";
        case LeakMoment::kNow:
            break;
    }
    return "allocated now";
}

std::string CountAndBytes(uint64_t count, uint64_t bytes) {
    return Plural(count, "allocation") + ", " + FormatBytes(bytes);
}

std::string TypeText(const reader::Device& device, uint32_t type) {
    std::string text = "memory type " + std::to_string(type);
    if (type >= device.memory_types.size()) return text;
    std::string flags;
    for (const std::string& name : MemoryFlagNames(device.memory_types[type].flags))
        flags += (flags.empty() ? "" : " ") + name;
    return flags.empty() ? text : text + " (" + flags + ")";
}

// How old it is while the process runs; afterwards an age would only say when one looked.
std::string MadeText(const reader::Process& process, LeakMoment moment, const LeakGroup& group) {
    const std::string which = group.count > 1 ? "the oldest " : "";
    if (group.oldest_ns == 0) return {};
    if (moment == LeakMoment::kNow) {
        const uint64_t age = process.copied_ns - std::min(process.copied_ns, group.oldest_ns);
        return which + FormatDuration(age) + " old";
    }
    const uint64_t start = std::min(process.monotonic_created_ns, group.oldest_ns);
    return which + "made " + FormatDuration(group.oldest_ns - start) + " after the start";
}

std::string Names(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names)
        text += (text.empty() ? "'" : ", '") + Printable(name) + "'";
    return text;
}

std::string BoundText(const BoundKind& kind) {
    std::string text = "      bound: ";
    if (kind.count > 1) text += FormatCount(kind.count) + " of ";
    text += DescribeResource(kind.example);
    if (!kind.names.empty()) text += ", " + Names(kind.names);
    return text + "\n";
}

// The call stack of group `index` of a device; where another group before it has the same, a word
// about that.
std::string Origin(const reader::Process& process, const DeviceLeaks& leaks, size_t index,
                   const Symbolizer& symbolizer) {
    constexpr size_t kMaxLines = 8;
    const uint32_t stack = leaks.groups[index].stack;
    if (stack >= process.stacks.size()) return {};
    for (size_t i = 0; i < index; ++i)
        if (leaks.groups[i].stack == stack)
            return "      from where #" + std::to_string(i + 1) + " is from\n";
    const std::vector<std::string> lines = StackText(symbolizer, process.stacks[stack]);
    std::string text;
    for (size_t i = 0; i < std::min(kMaxLines, lines.size()); ++i)
        text += (i == 0 ? "      from " : "        by ") + lines[i] + "\n";
    if (lines.size() > kMaxLines)
        text += "        and " + Plural(lines.size() - kMaxLines, "caller") + " more\n";
    return text;
}

std::string GroupText(const reader::Process& process, const DeviceLeaks& leaks, size_t index,
                      const Symbolizer& symbolizer) {
    const LeakGroup& group = leaks.groups[index];
    std::string text = "  #" + std::to_string(index + 1) + "  " + FormatBytes(group.bytes);
    if (group.count > 1)
        text += " in " + FormatCount(group.count) + " of " + FormatBytes(group.size_bytes);
    if (!group.name.empty()) text += "  '" + Printable(group.name) + "'";
    text += "  " + TypeText(process.devices[leaks.device], group.type);
    if (group.passed_through == group.count) text += ", passed through";
    if (const std::string made = MadeText(process, leaks.moment, group); !made.empty())
        text += ", " + made;
    text += "\n";
    for (const BoundKind& kind : group.resources)
        text += BoundText(kind);
    return text + Origin(process, leaks, index, symbolizer);
}

// What is known without the single allocations.
std::string TypesText(const reader::Process& process, const DeviceLeaks& leaks) {
    std::string text;
    for (const LeaksOfType& type : leaks.types) {
        text += "  " + FormatBytes(type.bytes) + " in " + Plural(type.count, "allocation") + "  " +
                TypeText(process.devices[leaks.device], type.type) + "\n";
    }
    return text;
}

std::string DeviceText(const reader::Process& process, const DeviceLeaks& leaks,
                       const Symbolizer& symbolizer, size_t limit) {
    const reader::Device& device = process.devices[leaks.device];
    const bool retired = device.state == TESSERA_DEVICE_RETIRED;
    std::string text = retired
                           ? "devices destroyed earlier"
                           : "device " + std::to_string(device.id) + "  " + Printable(device.name);
    if (leaks.types.empty() && leaks.groups.empty()) {
        // A device that lost its own record.
        return text + "  " + Phrase(leaks.moment) + ": " + Plural(leaks.count, "allocation") + "\n";
    }
    text += std::string("  ") + Phrase(leaks.moment) + ": " +
            CountAndBytes(leaks.count, leaks.bytes) + "\n";
    if (leaks.groups.empty()) {
        return text + TypesText(process, leaks) +
               "  Which they are is not known at the level 'totals'. " + HowToRecord(process) +
               "\n";
    }
    const size_t shown = std::min(limit, leaks.groups.size());
    for (size_t i = 0; i < shown; ++i)
        text += GroupText(process, leaks, i, symbolizer);
    if (shown < leaks.groups.size()) {
        uint64_t count = 0;
        uint64_t bytes = 0;
        for (size_t i = shown; i < leaks.groups.size(); ++i) {
            count += leaks.groups[i].count;
            bytes += leaks.groups[i].bytes;
        }
        text += "  and " + Plural(leaks.groups.size() - shown, "smaller group") + ": " +
                CountAndBytes(count, bytes) + "\n";
    }
    if (leaks.in_groups < leaks.count) {
        text += "  " + Plural(leaks.count - leaks.in_groups, "allocation") +
                " more, for which the tables had no room\n";
    }
    return text;
}

// Whether there are groups, and no allocation in any of them has a call stack.
bool LacksStacks(const std::vector<DeviceLeaks>& leaks) {
    bool any = false;
    for (const DeviceLeaks& device : leaks) {
        for (const LeakGroup& group : device.groups) {
            if (group.stack != reader::kNone) return false;
            any = true;
        }
    }
    return any;
}

Json NamesJson(const std::vector<std::string>& names) {
    Json json = Json::array();
    for (const std::string& name : names)
        json.push_back(name);
    return json;
}

Json GroupJson(const reader::Process& process, const LeakGroup& group,
               const Symbolizer& symbolizer) {
    Json resources = Json::array();
    for (const BoundKind& kind : group.resources) {
        Json resource = ResourceJson(kind.example);
        resource["count"] = kind.count;
        resource["names"] = NamesJson(kind.names);
        resources.push_back(std::move(resource));
    }
    const bool timed = group.oldest_ns != 0;
    const uint64_t start = std::min(process.monotonic_created_ns, group.oldest_ns);
    const uint64_t now = std::max(process.copied_ns, group.oldest_ns);
    return {{"memory_type", group.type},
            {"size_bytes", group.size_bytes},
            {"name", group.name.empty() ? Json() : Json(group.name)},
            {"count", group.count},
            {"bytes", group.bytes},
            {"passed_through", group.passed_through},
            {"oldest_after_start_ns", timed ? Json(group.oldest_ns - start) : Json()},
            {"oldest_age_ns", timed ? Json(now - group.oldest_ns) : Json()},
            {"resources", std::move(resources)},
            {"stack", StackJson(process, group.stack, symbolizer)}};
}

}  // namespace

std::string DescribeLeaks(const reader::Process& process, const std::vector<DeviceLeaks>& leaks,
                          const Symbolizer& symbolizer, size_t limit) {
    std::string text = Printable(process.name) + " (pid " + std::to_string(process.pid) + "): ";
    uint64_t count = 0;
    uint64_t bytes = 0;
    for (const DeviceLeaks& device : leaks) {
        count += device.count;
        bytes += device.bytes;
    }
    const bool all_known = process.dropped_devices == 0;
    if (count == 0 && all_known) return text + "nothing is left.\n";
    if (count == 0)
        text += "nothing is left on the devices that were counted\n";
    else
        text += CountAndBytes(count, bytes) + (AnythingLeaked(leaks) ? " left\n" : " in use\n");
    for (const DeviceLeaks& device : leaks)
        text += DeviceText(process, device, symbolizer, limit);
    if (LacksStacks(leaks))
        text += "  No call stacks were kept. " + HowToRecord(process, " --stacks all") + "\n";
    for (const std::string& remark : symbolizer.remarks())
        text += "  Note: " + remark + "\n";
    if (!all_known) {
        text += "not known: what was left on " + Plural(process.dropped_devices, "device") +
                ", for which the statistics had no room\n";
    }
    return text;
}

Json ResourceJson(const reader::Resource& resource) {
    const std::string format = FormatName(resource.format);
    return {{"kind", ObjectTypeName(resource.object_type)},
            {"usage", NamesJson(UsageNames(resource.object_type, resource.usage))},
            {"format", format.empty() ? Json() : Json(format)},
            {"width", resource.width},
            {"height", resource.height},
            {"depth_or_layers", resource.depth_or_layers},
            {"levels", resource.levels},
            {"linear", resource.linear},
            {"size_bytes", resource.size_bytes}};
}

Json StackJson(const reader::Process& process, uint32_t stack, const Symbolizer& symbolizer) {
    if (stack >= process.stacks.size()) return {};
    Json frames = Json::array();
    for (const uint64_t address : process.stacks[stack].addresses) {
        const Place place = symbolizer.At(address);
        const Json where = {{"address", address},
                            {"module", place.module.empty() ? Json() : Json(place.module)},
                            {"offset", place.offset}};
        std::vector<SourceLine> lines = place.lines;
        if (lines.empty()) lines.emplace_back();
        for (const SourceLine& line : lines) {
            Json frame = where;
            frame["function"] = line.function.empty() ? Json() : Json(line.function);
            frame["file"] = line.file.empty() ? Json() : Json(line.file);
            frame["line"] = line.line > 0 ? Json(line.line) : Json();
            frame["inlined"] = line.inlined;
            frames.push_back(std::move(frame));
        }
    }
    return frames;
}

Json LeaksJson(const reader::Process& process, const std::vector<DeviceLeaks>& leaks,
               const Symbolizer& symbolizer) {
    Json devices = Json::array();
    for (const DeviceLeaks& device : leaks) {
        Json types = Json::array();
        for (const LeaksOfType& type : device.types) {
            types.push_back(
                {{"memory_type", type.type}, {"count", type.count}, {"bytes", type.bytes}});
        }
        Json groups = Json::array();
        for (const LeakGroup& group : device.groups)
            groups.push_back(GroupJson(process, group, symbolizer));
        devices.push_back({{"device", process.devices[device.device].id},
                           {"moment", Name(device.moment)},
                           {"count", device.count},
                           {"bytes", device.bytes},
                           {"memory_types", std::move(types)},
                           {"in_groups", device.in_groups},
                           {"groups", std::move(groups)}});
    }
    return devices;
}

}  // namespace tessera::command
