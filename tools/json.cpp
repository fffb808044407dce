// SPDX-License-Identifier: Apache-2.0
//
// See json.h. Each function writes one level of the schema, in the order of the document.
#include "tools/json.h"

#include <array>
#include <cstdio>
#include <utility>

#include "tools/text.h"

namespace tessera::command {
namespace {

// VkMemoryPropertyFlagBits, in the order of the bits.
constexpr std::array<const char*, 9> kMemoryFlags = {
    "DEVICE_LOCAL",        "HOST_VISIBLE",        "HOST_COHERENT",
    "HOST_CACHED",         "LAZILY_ALLOCATED",    "PROTECTED",
    "DEVICE_COHERENT_AMD", "DEVICE_UNCACHED_AMD", "RDMA_CAPABLE_NV"};

Json TotalsJson(const tessera_totals& totals) {
    return {{"live", totals.live},
            {"live_bytes", totals.live_bytes},
            {"peak_bytes", totals.peak_bytes},
            {"allocations", totals.allocations},
            {"frees", totals.frees},
            {"failed", totals.failed}};
}

Json PooledJson(const tessera_pooled& pooled) {
    return {{"live", pooled.live},
            {"live_bytes", pooled.live_bytes},
            {"allocations", pooled.allocations},
            {"blocks", pooled.blocks},
            {"block_bytes", pooled.block_bytes},
            {"free_bytes", pooled.free_bytes},
            {"largest_free_bytes", pooled.largest_free_bytes}};
}

// Only the reasons that ever occurred.
Json PassThroughJson(const tessera_type_totals& totals) {
    Json reasons = Json::object();
    for (uint32_t reason = 0; reason < TESSERA_REASON_COUNT; ++reason) {
        const tessera_pass_through& passed = totals.pass_through[reason];
        if (passed.allocations == 0) continue;
        reasons[reader::ReasonName(reason)] = {{"live", passed.live},
                                               {"live_bytes", passed.live_bytes},
                                               {"allocations", passed.allocations}};
    }
    return reasons;
}

Json MemoryTypeJson(size_t index, const reader::MemoryType& type) {
    return {{"index", index},
            {"heap", type.heap},
            {"flags", MemoryFlagNames(type.flags)},
            {"app", TotalsJson(type.totals.app)},
            {"driver", TotalsJson(type.totals.driver)},
            {"pooled", PooledJson(type.totals.pooled)},
            {"pass_through", PassThroughJson(type.totals)},
            {"moved_slots", type.totals.moved_slots},
            {"placement_failures", type.totals.placement_failures}};
}

Json HeapJson(size_t index, const tessera_heap_record& heap) {
    const bool budget = (heap.known & TESSERA_HEAP_BUDGET_KNOWN) != 0;
    const bool app_usage = (heap.known & TESSERA_HEAP_APP_USAGE_KNOWN) != 0;
    return {{"index", index},
            {"size_bytes", heap.size_bytes},
            {"budget_bytes", budget ? Json(heap.budget_bytes) : Json()},
            {"usage_bytes", budget ? Json(heap.usage_bytes) : Json()},
            {"app_usage_bytes", app_usage ? Json(heap.app_usage_bytes) : Json()}};
}

// Only the commands that were ever called.
Json CallsJson(const std::vector<tessera_call_totals>& calls) {
    Json commands = Json::object();
    for (uint32_t i = 0; i < calls.size(); ++i) {
        const tessera_call_totals& call = calls[i];
        if (call.count == 0) continue;
        commands[reader::CallName(i)] = {{"count", call.count},
                                         {"timed", call.timed},
                                         {"total_ns", call.total_ns},
                                         {"p50_ns", reader::Percentile(call, 0.50)},
                                         {"p99_ns", reader::Percentile(call, 0.99)},
                                         {"max_ns", call.max_ns}};
    }
    return commands;
}

// Only the rules that were ever broken.
Json MisuseJson(const reader::Device& device) {
    Json kinds = Json::object();
    for (uint32_t i = 0; i < device.misuse.size(); ++i)
        if (device.misuse[i] > 0) kinds[reader::MisuseName(i)] = device.misuse[i];
    return kinds;
}

// Only kinds of records for which there was no room.
Json UnrecordedJson(const reader::Device& device) {
    Json kinds = Json::object();
    for (uint32_t kind = 0; kind < device.detail.unrecorded.size(); ++kind) {
        const uint64_t count = device.detail.unrecorded[kind];
        if (count == 0) continue;
        std::string key = RecordKindName(kind);
        for (char& letter : key)
            if (letter == ' ' || letter == '-') letter = '_';
        kinds[key] = count;
    }
    return kinds;
}

Json DeviceJson(const reader::Device& device) {
    const bool retired = device.state == TESSERA_DEVICE_RETIRED;
    Json heaps = Json::array();
    for (size_t i = 0; i < device.heaps.size(); ++i)
        heaps.push_back(HeapJson(i, device.heaps[i]));
    Json types = Json::array();
    for (size_t i = 0; i < device.memory_types.size(); ++i)
        types.push_back(MemoryTypeJson(i, device.memory_types[i]));
    Json json = {{"id", device.id},
                 {"state", device.state == TESSERA_DEVICE_LIVE ? "live" : "destroyed"},
                 {"name", retired ? "retired" : device.name},
                 {"driver", device.driver},
                 {"api_version", ApiVersion(device.api_version)},
                 {"mode", device.pooled ? "pool" : "off"},
                 {"why", reader::ReasonName(device.why)},
                 {"sample_interval", device.sample_interval},
                 {"heaps", std::move(heaps)},
                 {"memory_types", std::move(types)},
                 {"calls", CallsJson(device.calls)},
                 {"driver_calls", CallsJson(device.driver_calls)},
                 {"misuse", MisuseJson(device)},
                 {"level", reader::LevelName(device.detail.level)},
                 {"frames", device.frames},
                 {"unrecorded", UnrecordedJson(device)}};
    if (retired) json["retired_devices"] = device.retired_devices;
    return json;
}

// JSON has no need to escape DEL, C1 controls and marks that change the writing direction, and a
// terminal obeys them. They occur in texts alone, where \u says the same.
std::string EscapeForTerminal(const std::string& json) {
    std::string safe;
    safe.reserve(json.size());
    for (size_t i = 0; i < json.size(); ++i) {
        const auto byte = [&](size_t ahead) {
            return i + ahead < json.size() ? static_cast<unsigned char>(json[i + ahead]) : 0u;
        };
        // The text is valid UTF-8 of shortest forms.
        uint32_t code = 0;
        size_t length = 1;
        if (byte(0) == 0x7f) {
            code = 0x7f;
        } else if (byte(0) == 0xc2 || byte(0) == 0xd8) {
            length = 2;
            code = (byte(0) & 0x1fu) << 6 | (byte(1) & 0x3fu);
        } else if (byte(0) == 0xe2) {
            length = 3;
            code = (byte(0) & 0xfu) << 12 | (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu);
        }
        if (code != 0 && DrivesTerminal(code)) {
            std::array<char, 8> escape;
            snprintf(escape.data(), escape.size(), "\\u%04x", code);
            safe += escape.data();
            i += length - 1;
        } else {
            safe += json[i];
        }
    }
    return safe;
}

}  // namespace

std::vector<std::string> MemoryFlagNames(uint32_t flags) {
    std::vector<std::string> names;
    for (uint32_t bit = 0; bit < 32; ++bit) {
        if ((flags >> bit & 1u) == 0) continue;
        if (bit < kMemoryFlags.size()) {
            names.emplace_back(kMemoryFlags[bit]);
        } else {
            std::array<char, 16> number;
            snprintf(number.data(), number.size(), "0x%x", 1u << bit);
            names.emplace_back(number.data());
        }
    }
    return names;
}

std::string ApiVersion(uint32_t version) {
    // VK_MAKE_API_VERSION: 3 bits of variant, 7 of major, 10 of minor, 12 of patch.
    const uint32_t variant = version >> 29;
    const std::string number = std::to_string(version >> 22 & 0x7fu) + "." +
                               std::to_string(version >> 12 & 0x3ffu) + "." +
                               std::to_string(version & 0xfffu);
    return variant == 0 ? number : std::to_string(variant) + ":" + number;
}

Json ExitJson(const ExitInfo& exit) {
    return {{"code", exit.code ? Json(*exit.code) : Json()},
            {"signal", exit.signal ? Json(*exit.signal) : Json()}};
}

Json ProcessJson(const reader::Process& process, const std::optional<ExitInfo>& exit) {
    Json devices = Json::array();
    for (const reader::Device& device : process.devices)
        devices.push_back(DeviceJson(device));
    return {{"pid", process.pid},
            {"parent_pid", process.parent_pid},
            {"process", process.name},
            {"layer_version", process.layer_version},
            {"state", reader::Name(process.state)},
            {"exit", exit ? ExitJson(*exit) : Json()},
            {"dropped_devices", process.dropped_devices},
            {"level", reader::LevelName(process.level)},
            {"stack_interval", process.stack_interval},
            {"segment_bytes", process.segment_bytes},
            {"torn", process.torn},
            {"devices", std::move(devices)}};
}

std::string RecordKindName(uint32_t kind) {
    switch (kind) {
        case TESSERA_KIND_SLOTS:
            return "pooled allocations";
        case TESSERA_KIND_PASSED:
            return "passed-through allocations";
        case TESSERA_KIND_BLOCKS:
            return "blocks";
        case TESSERA_KIND_RESOURCES:
            return "resources";
        case TESSERA_KIND_RING:
            return "events";
        case TESSERA_KIND_STACKS:
            return "call stacks";
        case TESSERA_KIND_MODULES:
            return "modules";
        case TESSERA_KIND_THREADS:
            return "threads";
        default:
            return "records of kind " + std::to_string(kind);
    }
}

Json DocumentJson(std::vector<Json> processes) {
    return {{"schema", kSchema}, {"processes", Json(std::move(processes))}};
}

std::string Dump(const Json& json, Layout layout) {
    const int indent = layout == Layout::kPretty ? 1 : -1;
    return EscapeForTerminal(json.dump(indent, ' ', false, Json::error_handler_t::replace)) + "\n";
}

}  // namespace tessera::command
