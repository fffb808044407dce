// SPDX-License-Identifier: Apache-2.0
//
// See json.h.
#include "tools/map/json.h"

#include "tools/json.h"

namespace tessera::command {
namespace {

std::string Line(const Json& json) {
    std::string text = Dump(json, Layout::kLine);
    text.pop_back();  // its line end
    return text;
}

Json UsesJson(const std::array<uint64_t, kUses>& bytes) {
    Json json = Json::object();
    for (size_t i = 0; i < kUses; ++i)
        json[Name(static_cast<Use>(i))] = bytes[i];
    return json;
}

Json SpanJson(const reader::Process& process, const reader::Detail& detail, const Span& span) {
    Json json = {{"offset", span.offset}, {"bytes", span.bytes}, {"kind", Name(span.use)}};
    if (span.allocation == reader::kNone) return json;
    const reader::Allocation& allocation = detail.allocations[span.allocation];
    json["memory"] = HandleText(allocation.memory);
    if (const std::string& name = NameOf(detail, span); !name.empty()) json["name"] = name;
    if (allocation.made_ns != 0) json["age_ns"] = AgeOf(process, allocation.made_ns);
    if (span.resource != reader::kNone)
        json["object"] = HandleText(detail.resources[span.resource].object);
    return json;
}

Json RowJson(const reader::Process& process, const reader::Detail& detail, const MapRow& row) {
    Json spans = Json::array();
    for (const Span& span : row.spans)
        spans.push_back(SpanJson(process, detail, span));
    Json json = {{"kind", row.passed_through ? "passed_through" : "block"},
                 {"index", row.index},
                 {"memory", HandleText(row.memory)},
                 {"type", row.type},
                 {"heap", row.heap},
                 {"bytes", row.bytes}};
    if (row.passed_through)
        json["reason"] = reader::ReasonName(detail.allocations[row.index].reason);
    else
        json["flags"] = BlockFlagNames(detail.blocks[row.index].flags);
    json["allocations"] = row.allocations;
    json["bytes_by_kind"] = UsesJson(row.used);
    json["largest_free_bytes"] = row.largest_free_bytes;
    json["aliased"] = row.aliased;
    json["spans"] = std::move(spans);
    return json;
}

}  // namespace

void WriteMapJson(const reader::Process& process, const std::vector<DeviceMap>& maps,
                  const std::function<bool(std::string_view)>& write) {
    const std::string head =
        Line({{"schema", kSchema}, {"pid", process.pid}, {"process", process.name}});
    if (!write(head.substr(0, head.size() - 1) + ",\"devices\":[")) return;
    for (size_t i = 0; i < maps.size(); ++i) {
        const DeviceMap& map = maps[i];
        const std::string device = Line({{"id", map.device->id},
                                         {"name", map.device->name},
                                         {"bytes_by_kind", UsesJson(map.bytes)},
                                         {"ranges_by_kind", UsesJson(map.spans)},
                                         {"unrecorded", map.unrecorded},
                                         {"moving", map.device->detail.moving}});
        if (!write((i == 0 ? "\n" : ",\n") + device.substr(0, device.size() - 1) + ",\"rows\":["))
            return;
        for (size_t row = 0; row < map.rows.size(); ++row)
            if (!write((row == 0 ? "\n" : ",\n") +
                       Line(RowJson(process, map.device->detail, map.rows[row]))))
                return;
        if (!write("]}")) return;
    }
    write("]}\n");
}

}  // namespace tessera::command
