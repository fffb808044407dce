// SPDX-License-Identifier: Apache-2.0
//
// Schema 1 (tools/json.h): every key, in its place, from made-up processes.
#include "tools/json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tessera::command {
namespace {

using Keys = std::vector<std::string>;

TEST(Dump, EscapesWhatATerminalWouldObey) {
    const std::string name =
        "\x1b[2J \x7f \xc2\x9b[31m \xe2\x80\xae \xd8\x9c gr\xc3\xbc\xc3\x9f \xe2\x82\xac";
    const std::string text = Dump(Json{{"name", name}}, Layout::kLine);
    EXPECT_EQ(text,
              "{\"name\":\"\\u001b[2J \\u007f \\u009b[31m \\u202e \\u061c gr\xc3\xbc\xc3\x9f "
              "\xe2\x82\xac\"}\n");
    EXPECT_EQ(Json::parse(text)["name"], name);
}

Keys KeysOf(const Json& json) {
    Keys keys;
    for (const auto& [key, value] : json.items())
        keys.push_back(key);
    return keys;
}

tessera_totals Totals(uint64_t base) {
    return {.live = base,
            .live_bytes = base + 1,
            .peak_bytes = base + 2,
            .allocations = base + 3,
            .frees = base + 4,
            .failed = base + 5};
}

reader::Device FullDevice() {
    reader::Device device;
    device.id = 7;
    device.state = TESSERA_DEVICE_LIVE;
    device.name = "Some GPU";
    device.driver = "some driver";
    device.api_version = (1u << 22) | (3u << 12) | 239u;
    device.pooled = true;
    device.sample_interval = 64;
    device.heaps = {
        {.size_bytes = 100,
         .known = TESSERA_HEAP_BUDGET_KNOWN | TESSERA_HEAP_APP_USAGE_KNOWN,
         .budget_bytes = 90,
         .usage_bytes = 80,
         .app_usage_bytes = 70},
        {.size_bytes = 200, .known = 0, .budget_bytes = 1, .usage_bytes = 2, .app_usage_bytes = 3}};
    reader::MemoryType type;
    type.heap = 1;
    type.flags = 1 | 2 | 16;
    type.totals.moved_slots = 5;
    type.totals.app = Totals(10);
    type.totals.driver = Totals(20);
    type.totals.pooled = {.live = 1,
                          .live_bytes = 2,
                          .allocations = 3,
                          .blocks = 4,
                          .block_bytes = 5,
                          .free_bytes = 6,
                          .largest_free_bytes = 7};
    type.totals.pass_through[TESSERA_REASON_dedicated] = {
        .live = 8, .live_bytes = 9, .allocations = 10};
    type.totals.pass_through[TESSERA_REASON_external].live = 3;  // without ever an allocation
    device.memory_types = {type, reader::MemoryType{}};
    device.misuse[TESSERA_MISUSE_map_twice] = 16;
    device.detail.unrecorded[TESSERA_KIND_SLOTS] = 7;
    device.detail.unrecorded[TESSERA_KIND_RING] = 8;
    device.calls.resize(TESSERA_CALL_COUNT);
    device.driver_calls.resize(TESSERA_CALL_COUNT);
    tessera_call_totals& call = device.calls[TESSERA_CALL_vkMapMemory];
    call.count = 5;
    call.timed = 2;
    call.total_ns = 50;
    call.max_ns = 30;
    call.histogram[tessera_histogram_bucket(20)] = 1;
    call.histogram[tessera_histogram_bucket(30)] = 1;
    return device;
}

reader::Process FullProcess() {
    reader::Process process;
    process.pid = 4242;
    process.parent_pid = 42;
    process.name = "game";
    process.layer_version = "0.1.0";
    process.state = reader::ProcessState::kClosed;
    process.dropped_devices = 3;
    process.devices = {FullDevice()};
    return process;
}

TEST(ProcessJson, HasEveryKeyOfTheSchema) {
    const Json process = ProcessJson(FullProcess());
    EXPECT_EQ(KeysOf(process), (Keys{"pid", "parent_pid", "process", "layer_version", "state",
                                     "exit", "dropped_devices", "level", "stack_interval",
                                     "segment_bytes", "torn", "devices"}));
    const Json& device = process["devices"][0];
    EXPECT_EQ(KeysOf(device), (Keys{"id", "state", "name", "driver", "api_version", "mode", "why",
                                    "sample_interval", "heaps", "memory_types", "calls",
                                    "driver_calls", "misuse", "level", "frames", "unrecorded"}));
    EXPECT_EQ(device["unrecorded"], Json::parse(R"({"pooled_allocations": 7, "events": 8})"));
    EXPECT_EQ(KeysOf(device["misuse"]), Keys{"map_twice"});
    EXPECT_EQ(KeysOf(device["heaps"][0]),
              (Keys{"index", "size_bytes", "budget_bytes", "usage_bytes", "app_usage_bytes"}));
    const Json& type = device["memory_types"][0];
    EXPECT_EQ(KeysOf(type), (Keys{"index", "heap", "flags", "app", "driver", "pooled",
                                  "pass_through", "moved_slots", "placement_failures"}));
    const Keys totals = {"live", "live_bytes", "peak_bytes", "allocations", "frees", "failed"};
    EXPECT_EQ(KeysOf(type["app"]), totals);
    EXPECT_EQ(KeysOf(type["driver"]), totals);
    EXPECT_EQ(KeysOf(type["pooled"]), (Keys{"live", "live_bytes", "allocations", "blocks",
                                            "block_bytes", "free_bytes", "largest_free_bytes"}));
    EXPECT_EQ(KeysOf(type["pass_through"]), Keys{"dedicated"});
    EXPECT_EQ(KeysOf(type["pass_through"]["dedicated"]),
              (Keys{"live", "live_bytes", "allocations"}));
    EXPECT_EQ(KeysOf(device["calls"]), Keys{"vkMapMemory"});
    EXPECT_EQ(KeysOf(device["calls"]["vkMapMemory"]),
              (Keys{"count", "timed", "total_ns", "p50_ns", "p99_ns", "max_ns"}));
}

TEST(ProcessJson, PutsEachNumberWhereItBelongs) {
    const Json process = ProcessJson(FullProcess());
    EXPECT_EQ(process["pid"], 4242);
    EXPECT_EQ(process["parent_pid"], 42);
    EXPECT_EQ(process["process"], "game");
    EXPECT_EQ(process["layer_version"], "0.1.0");
    EXPECT_EQ(process["state"], "closed");
    EXPECT_EQ(process["dropped_devices"], 3);
    const Json& device = process["devices"][0];
    EXPECT_EQ(device["id"], 7);
    EXPECT_EQ(device["state"], "live");
    EXPECT_EQ(device["api_version"], "1.3.239");
    EXPECT_EQ(device["mode"], "pool");
    EXPECT_EQ(device["why"], "none");
    EXPECT_EQ(device["sample_interval"], 64);
    EXPECT_EQ(device["misuse"]["map_twice"], 16);
    const Json& type = device["memory_types"][0];
    EXPECT_EQ(type["index"], 0);
    EXPECT_EQ(type["heap"], 1);
    EXPECT_EQ(type["flags"], (Json{"DEVICE_LOCAL", "HOST_VISIBLE", "LAZILY_ALLOCATED"}));
    EXPECT_EQ(type["app"], Json({{"live", 10},
                                 {"live_bytes", 11},
                                 {"peak_bytes", 12},
                                 {"allocations", 13},
                                 {"frees", 14},
                                 {"failed", 15}}));
    EXPECT_EQ(type["driver"]["failed"], 25);
    EXPECT_EQ(type["pooled"]["largest_free_bytes"], 7);
    EXPECT_EQ(type["pass_through"]["dedicated"]["allocations"], 10);
    EXPECT_EQ(type["moved_slots"], 5);
    EXPECT_EQ(type["placement_failures"], 0);
    const Json& call = device["calls"]["vkMapMemory"];
    EXPECT_EQ(call["count"], 5);
    EXPECT_EQ(call["timed"], 2);
    EXPECT_EQ(call["total_ns"], 50);
    EXPECT_LE(call["p50_ns"], call["p99_ns"]);
    EXPECT_LE(call["p99_ns"], call["max_ns"]);
    EXPECT_EQ(call["max_ns"], 30);
}

TEST(ProcessJson, GivesNullForWhatIsNotKnown) {
    const Json process = ProcessJson(FullProcess());
    EXPECT_TRUE(process["exit"].is_null());
    const Json& heaps = process["devices"][0]["heaps"];
    EXPECT_EQ(heaps[0]["budget_bytes"], 90);
    EXPECT_EQ(heaps[0]["usage_bytes"], 80);
    EXPECT_EQ(heaps[0]["app_usage_bytes"], 70);
    EXPECT_EQ(heaps[1]["size_bytes"], 200);
    EXPECT_TRUE(heaps[1]["budget_bytes"].is_null());
    EXPECT_TRUE(heaps[1]["usage_bytes"].is_null());
    EXPECT_TRUE(heaps[1]["app_usage_bytes"].is_null());
}

TEST(ProcessJson, KeepsEmptyPartsAsEmptyListsAndObjects) {
    reader::Process process = FullProcess();
    const Json type = ProcessJson(process)["devices"][0]["memory_types"][1];
    EXPECT_EQ(type["flags"], Json::array());
    EXPECT_EQ(type["pass_through"], Json::object());
    EXPECT_EQ(ProcessJson(process)["devices"][0]["driver_calls"], Json::object());
    process.devices.clear();
    EXPECT_EQ(ProcessJson(process)["devices"], Json::array());
}

TEST(ProcessJson, SaysHowTheProcessEnded) {
    EXPECT_EQ(ProcessJson(FullProcess(), ExitInfo{.code = 3, .signal = {}})["exit"],
              Json({{"code", 3}, {"signal", nullptr}}));
    EXPECT_EQ(ProcessJson(FullProcess(), ExitInfo{.code = {}, .signal = 11})["exit"],
              Json({{"code", nullptr}, {"signal", 11}}));
}

TEST(ProcessJson, NamesTheSumOfRetiredDevices) {
    reader::Process process = FullProcess();
    process.devices[0].state = TESSERA_DEVICE_RETIRED;
    process.devices[0].id = 0;
    process.devices[0].name = "";
    process.devices[0].retired_devices = 12;
    const Json device = ProcessJson(process)["devices"][0];
    EXPECT_EQ(device["id"], 0);
    EXPECT_EQ(device["name"], "retired");
    EXPECT_EQ(device["state"], "destroyed");
    EXPECT_EQ(device["retired_devices"], 12);
}

TEST(ProcessJson, SaysWhyADeviceIsNotPooled) {
    reader::Process process = FullProcess();
    process.devices[0].pooled = false;
    process.devices[0].why = TESSERA_REASON_driver_pools;
    process.devices[0].state = TESSERA_DEVICE_DESTROYED;
    const Json device = ProcessJson(process)["devices"][0];
    EXPECT_EQ(device["mode"], "off");
    EXPECT_EQ(device["why"], "driver_pools");
    EXPECT_EQ(device["state"], "destroyed");
}

TEST(DocumentJson, HasTheSchemaAndAListEvenOfNothing) {
    EXPECT_EQ(Dump(DocumentJson({}), Layout::kLine), "{\"schema\":1,\"processes\":[]}\n");
    const Json document = DocumentJson({ProcessJson(FullProcess())});
    EXPECT_EQ(KeysOf(document), (Keys{"schema", "processes"}));
    EXPECT_EQ(document["processes"].size(), 1u);
}

TEST(Dump, MakesValidJsonOfHostileNames) {
    reader::Process process = FullProcess();
    process.name = "a\"\\\n\x1b\xff\xed\xa0\x80";
    const std::string text = Dump(ProcessJson(process), Layout::kLine);
    const Json parsed = Json::parse(text);
    EXPECT_TRUE(parsed["process"].get<std::string>().starts_with("a\"\\\n\x1b\xef\xbf\xbd"));
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST(MemoryFlagNames, NumbersTheBitsThatItDoesNotKnow) {
    EXPECT_EQ(MemoryFlagNames(0), Keys{});
    EXPECT_EQ(
        MemoryFlagNames(0x1ff),
        (Keys{"DEVICE_LOCAL", "HOST_VISIBLE", "HOST_COHERENT", "HOST_CACHED", "LAZILY_ALLOCATED",
              "PROTECTED", "DEVICE_COHERENT_AMD", "DEVICE_UNCACHED_AMD", "RDMA_CAPABLE_NV"}));
    EXPECT_EQ(MemoryFlagNames(0x80000200), (Keys{"0x200", "0x80000000"}));
}

TEST(ApiVersion, ShowsAVariantOnlyIfThereIsOne) {
    EXPECT_EQ(ApiVersion(0), "0.0.0");
    EXPECT_EQ(ApiVersion(UINT32_MAX), "7:127.1023.4095");
}

}  // namespace
}  // namespace tessera::command
