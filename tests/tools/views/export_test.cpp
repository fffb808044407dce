// SPDX-License-Identifier: Apache-2.0
//
// `tessera export`: each format as its readers need it, from a made-up process.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "tools/export/format.h"
#include "tools/json.h"
#include "views/made_up.h"

namespace tessera::command {
namespace {

template <typename Write>
std::string Written(Write write) {
    std::string text;
    write([&](std::string_view part) {
        text += part;
        return true;
    });
    return text;
}

std::string Csv(const reader::Process& process) {
    return Written([&](const Sink& sink) { WriteCsv(process, sink); });
}

// The cells of RFC 4180.
std::vector<std::vector<std::string>> ParseCsv(const std::string& text) {
    std::vector<std::vector<std::string>> lines;
    std::vector<std::string> line = {""};
    bool quoted = false;
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            if (c != '"')
                line.back() += c;
            else if (i + 1 < text.size() && text[i + 1] == '"')
                line.back() += text[++i];
            else
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == ',') {
            line.emplace_back();
        } else if (c == '\r' && text[i + 1] == '\n') {
            lines.push_back(line);
            line = {""};
            ++i;
        } else {
            line.back() += c;
        }
    }
    return lines;
}

TEST(ExportCsv, HasALineForEachAllocationUnderNamedColumns) {
    const auto lines = ParseCsv(Csv(MadeUpProcess()));
    ASSERT_EQ(lines.size(), 7u);
    std::map<std::string, size_t> column;
    for (size_t i = 0; i < lines[0].size(); ++i)
        column[lines[0][i]] = i;
    for (const auto& line : lines)
        EXPECT_EQ(line.size(), lines[0].size());
    const auto cell = [&](size_t line, const char* name) { return lines[line][column.at(name)]; };
    EXPECT_EQ(cell(1, "memory"), "0xa1");
    EXPECT_EQ(cell(1, "kind"), "buffer");
    EXPECT_EQ(cell(1, "name"), "vertices");
    EXPECT_EQ(cell(1, "size_bytes"), "100");
    EXPECT_EQ(cell(1, "block"), "0");
    EXPECT_EQ(cell(1, "age_ns"), "10000000000");
    EXPECT_EQ(cell(1, "tid"), "4243");
    EXPECT_EQ(cell(1, "usage"), "TRANSFER_DST VERTEX_BUFFER");
    EXPECT_EQ(cell(1, "call"), "libengine.so+0x10");
    EXPECT_EQ(cell(2, "padding_bytes"), "10");
    EXPECT_EQ(cell(3, "resources"), "2");
    EXPECT_EQ(cell(5, "passed_through"), "dedicated");
    EXPECT_EQ(cell(5, "block"), "");
    EXPECT_EQ(cell(5, "heap"), "1");
}

TEST(ExportCsv, CellsStayWhatTheyAre) {
    EXPECT_EQ(CsvCell("plain text"), "\"plain text\"");
    EXPECT_EQ(CsvCell("plain"), "plain");
    EXPECT_EQ(CsvCell(""), "");
    EXPECT_EQ(CsvCell("a,b"), "\"a,b\"");
    EXPECT_EQ(CsvCell("a\"b"), "\"a\"\"b\"");
    EXPECT_EQ(CsvCell("a=b+c-d@e"), "a=b+c-d@e");
}

TEST(ExportCsv, NoCellIsAFormulaForAnySpreadsheet) {
    EXPECT_EQ(CsvCell("=cmd()"), "\"'=cmd()\"");
    EXPECT_EQ(CsvCell("+1"), "\"'+1\"");
    EXPECT_EQ(CsvCell("-1"), "\"'-1\"");
    EXPECT_EQ(CsvCell("@SUM(1)"), "\"'@SUM(1)\"");
    EXPECT_EQ(CsvCell("\t=1"), "\"'\\x09'=1\"");
    EXPECT_EQ(CsvCell("\r=1"), "\"'\\x0d'=1\"");
    EXPECT_EQ(CsvCell("a;=1"), "\"a;'=1\"") << "cells may be parted by semicolons";
    EXPECT_EQ(CsvCell("a; \"=1"), "\"a; \"\"'=1\"");
    EXPECT_EQ(CsvCell("a\n=1"), "\"a\\x0a'=1\"");
}

TEST(ExportCsv, HostileNamesStayInTheirCell) {
    reader::Process process = MadeUpProcess();
    process.devices[0].detail.allocations[0].name = kHostile;
    process.threads[0].name = kHostile;
    process.modules[0].path = kHostile;
    const std::string text = Csv(process);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(text.find('\xff'), std::string::npos);
    const auto lines = ParseCsv(text);
    ASSERT_EQ(lines.size(), 7u);
    EXPECT_EQ(lines[1].size(), lines[0].size());
    EXPECT_TRUE(lines[1][5].starts_with("'=cmd()\\x1b[2J</script>")) << lines[1][5];
}

TEST(ExportJson, HasEverythingOfTheProcess) {
    const reader::Process process = MadeUpProcess();
    const Json json =
        Json::parse(Written([&](const Sink& sink) { WriteDetailJson(process, sink); }));
    EXPECT_EQ(json["schema"], 1);
    ASSERT_EQ(json["processes"].size(), 1u);
    const Json& entry = json["processes"][0];
    EXPECT_EQ(entry["devices"][0]["memory_types"][0]["app"]["live"], 3);
    const Json& detail = entry["detail"];
    EXPECT_EQ(detail["level"], "full");
    EXPECT_EQ(detail["copied_ns"], 100'000'000'000);
    EXPECT_EQ(detail["stacks"], Json::array({Json::array({"0x5011", "0x9999"})}));
    EXPECT_EQ(detail["modules"][0]["build_id"], "ab01");
    EXPECT_EQ(detail["threads"][0]["name"], "render");
    const Json& device = detail["devices"][0];
    EXPECT_EQ(device["id"], 1);
    ASSERT_EQ(device["allocations"].size(), 6u);
    const Json& pooled = device["allocations"][0];
    EXPECT_EQ(pooled["name"], "vertices");
    EXPECT_EQ(pooled["block"], 0);
    EXPECT_EQ(pooled["stack"], 0);
    EXPECT_TRUE(pooled["passed_through"].is_null());
    EXPECT_EQ(pooled["flags"], Json::array({"bound"}));
    const Json& passed = device["allocations"][4];
    EXPECT_EQ(passed["passed_through"], "dedicated");
    EXPECT_TRUE(passed["block"].is_null());
    EXPECT_TRUE(passed["made_ns"].is_null());
    EXPECT_EQ(device["blocks"][1]["memory"], "0xd001");
    EXPECT_EQ(device["resources"][2]["width"], 64);
    EXPECT_EQ(device["resources"][2]["usage"], Json::array({"SAMPLED"}));
    EXPECT_EQ(device["resources"].size(), 5u);
}

TEST(ExportJson, IsValidWithHostileNamesAndWithNothing) {
    reader::Process process = MadeUpProcess();
    process.name = kHostile;
    process.threads[0].name = kHostile;
    process.modules[0].path = kHostile;
    process.devices[0].detail.allocations[0].name = kHostile;
    process.devices[0].detail.resources[0].name = kHostile;
    const std::string text = Written([&](const Sink& sink) { WriteDetailJson(process, sink); });
    EXPECT_TRUE(Json::accept(text));
    const reader::Process empty;
    EXPECT_TRUE(Json::accept(Written([&](const Sink& sink) { WriteDetailJson(empty, sink); })));
}

TEST(ExportJson, StopsWhenNobodyReads) {
    int parts = 0;
    WriteDetailJson(MadeUpProcess(), [&](std::string_view) { return ++parts < 4; });
    EXPECT_EQ(parts, 4);
}

// What GpuMemDumpVis asks of a block or an allocation.
void ExpectVmaPiece(const Json& piece, bool dedicated) {
    static const std::set<std::string> kTypes = {"FREE",         "UNKNOWN",       "BUFFER",
                                                 "IMAGE_LINEAR", "IMAGE_OPTIMAL", "IMAGE_UNKNOWN"};
    static const std::set<std::string> kKeys = {"Offset", "Type", "Size", "Usage", "Name"};
    EXPECT_TRUE(kTypes.contains(piece["Type"].get<std::string>())) << piece;
    EXPECT_TRUE(piece["Size"].is_number_unsigned());
    EXPECT_EQ(piece.contains("Offset"), !dedicated);
    if (piece["Type"] != "FREE") {
        EXPECT_TRUE(piece["Usage"].is_number_unsigned()) << piece;
    }
    for (const auto& [key, value] : piece.items())
        EXPECT_TRUE(kKeys.contains(key)) << key;
}

TEST(ExportVma, HasTheKeysThatItsToolReads) {
    const reader::Process process = MadeUpProcess();
    const Json json =
        Json::parse(Written([&](const Sink& sink) { WriteVma(process.devices[0], sink); }));
    EXPECT_EQ(json["General"]["API"], "Vulkan");
    EXPECT_EQ(json["General"]["GPU"], "Some GPU");
    EXPECT_EQ(json["CustomPools"], Json::object());
    EXPECT_EQ(json["Total"], Json({{"BlockCount", 5},
                                   {"BlockBytes", 7500},
                                   {"AllocationCount", 6},
                                   {"AllocationBytes", 6200},
                                   {"UnusedRangeCount", 3},
                                   {"AllocationSizeMin", 100},
                                   {"AllocationSizeMax", 5000},
                                   {"UnusedRangeSizeMin", 200},
                                   {"UnusedRangeSizeMax", 700}}));
    const Json& heap = json["MemoryInfo"]["Heap 0"];
    EXPECT_EQ(heap["Flags"], Json::array({"DEVICE_LOCAL"}));
    EXPECT_EQ(heap["Budget"]["UsageBytes"], 7500);
    EXPECT_EQ(heap["MemoryPools"]["Type 0"]["Stats"]["BlockCount"], 2);
    EXPECT_EQ(json["MemoryInfo"]["Heap 1"]["Budget"]["UsageBytes"], 5500);
    const Json& pool = json["DefaultPools"]["Type 0"];
    EXPECT_EQ(pool["DedicatedAllocations"].size(), 0u);
    for (const auto& [id, block] : pool["Blocks"].items()) {
        uint64_t end = 0;
        uint64_t unused = 0;
        for (const Json& piece : block["Suballocations"]) {
            ExpectVmaPiece(piece, false);
            EXPECT_EQ(piece["Offset"], end);
            end += piece["Size"].get<uint64_t>();
            if (piece["Type"] == "FREE") unused += piece["Size"].get<uint64_t>();
        }
        EXPECT_EQ(block["TotalBytes"], end) << id;
        EXPECT_EQ(block["UnusedBytes"], unused) << id;
    }
    EXPECT_EQ(pool["Blocks"]["0"]["Suballocations"].size(), 3u) << "padding joins what is free";
    EXPECT_EQ(pool["Blocks"]["1"]["Allocations"], 1) << "one, whatever is bound to it";
    EXPECT_EQ(pool["Blocks"]["0"]["Suballocations"][0]["Name"], "vertices");
    const Json& dedicated = json["DefaultPools"]["Type 1"]["DedicatedAllocations"];
    ASSERT_EQ(dedicated.size(), 3u);
    for (const Json& piece : dedicated)
        ExpectVmaPiece(piece, true);
    EXPECT_EQ(dedicated[0]["Type"], "IMAGE_LINEAR");
}

reader::Event MadeEvent(tessera_event_kind kind, uint64_t time_ns, uint64_t duration_ns) {
    reader::Event event;
    event.time_ns = time_ns;
    event.device = 1;
    event.kind = static_cast<uint8_t>(kind);
    event.detail = duration_ns == 0
                       ? uint16_t{0}
                       : static_cast<uint16_t>(1 + tessera_histogram_bucket(duration_ns));
    event.thread = 1;
    event.stack = 1;
    event.value = 64;
    return event;
}

Json Trace(MadeUpSource& source, uint64_t slow_ns) {
    return Json::parse(Written(
        [&](const Sink& sink) { EXPECT_EQ(WriteTrace(source, slow_ns, sink), source.problem_); }));
}

// The events of a phase: "X" slices, "C" counters, "i" instants, "M" names.
std::vector<Json> OfPhase(const Json& trace, const char* phase) {
    std::vector<Json> events;
    for (const Json& event : trace["traceEvents"])
        if (event["ph"] == phase) events.push_back(event);
    return events;
}

TEST(ExportTrace, HasCountersSlicesAndInstants) {
    MadeUpSource source(MadeUpProcess());
    Sample sample;
    sample.time_ns = 1'000'000'001;
    sample.device = 1;
    sample.types.resize(2);
    sample.types[0] = {.app_live = 3, .app_live_bytes = 700, .driver_live_bytes = 2000};
    sample.types[1].app_live_bytes = 5500;
    sample.heaps = {{.budget_bytes = 10, .usage_bytes = 5}};
    source.samples_ = {sample, sample};
    source.events_ = {MadeEvent(TESSERA_EVENT_allocate, 2'000'000'000, 1 << 20),
                      MadeEvent(TESSERA_EVENT_allocate, 2'000'000'000, 1000),
                      MadeEvent(TESSERA_EVENT_free, 2'000'000'000, 0),
                      MadeEvent(TESSERA_EVENT_frame, 3'000'000'000, 0),
                      MadeEvent(TESSERA_EVENT_failure, 3'000'000'000, 0)};
    source.events_[4].value = static_cast<uint64_t>(-2);
    source.lost_ = 7;
    const Json trace = Trace(source, 100'000);
    EXPECT_EQ(trace["lost_events"], 7);
    const std::vector<Json> counters = OfPhase(trace, "C");
    ASSERT_EQ(counters.size(), 10u) << "of each sample two of each heap, and a budget";
    EXPECT_EQ(counters[0]["name"], "heap 0 bytes");
    EXPECT_EQ(counters[0]["args"], Json({{"app", 700}, {"driver", 2000}}));
    EXPECT_EQ(counters[2]["args"]["app"], 5500);
    EXPECT_NEAR(counters[0]["ts"].get<double>(), 1'000'000.001, 1e-6);
    const std::vector<Json> slices = OfPhase(trace, "X");
    ASSERT_EQ(slices.size(), 1u) << "only what was slow";
    EXPECT_EQ(slices[0]["name"], "allocate");
    EXPECT_EQ(slices[0]["tid"], 4243);
    EXPECT_EQ(slices[0]["args"]["from"], "libengine.so+0x10");
    EXPECT_DOUBLE_EQ(slices[0]["dur"].get<double>(), 1048.576);
    EXPECT_DOUBLE_EQ(slices[0]["ts"].get<double>() + slices[0]["dur"].get<double>(), 2'000'000.0);
    const std::vector<Json> instants = OfPhase(trace, "i");
    ASSERT_EQ(instants.size(), 2u);
    EXPECT_EQ(instants[0]["name"], "frame");
    EXPECT_EQ(instants[1]["args"]["result"], -2);
    EXPECT_EQ(OfPhase(trace, "M").size(), 2u);
}

TEST(ExportTrace, ShowsThePresentTotalsWhereThereAreNoSamples) {
    MadeUpSource source(MadeUpProcess());
    const std::vector<Json> counters = OfPhase(Trace(source, 0), "C");
    ASSERT_EQ(counters.size(), 5u);
    EXPECT_EQ(counters[0]["args"], Json({{"app", 700}, {"driver", 2000}}));
    EXPECT_EQ(counters[4]["args"], Json({{"budget", 1 << 19}, {"usage", 7500}}));
}

TEST(ExportTrace, IsValidWithHostileNamesAndUnknownNumbers) {
    reader::Process process = MadeUpProcess();
    process.name = kHostile;
    process.threads[0].name = kHostile;
    process.modules[0].path = kHostile;
    MadeUpSource source(process);
    for (uint32_t kind = 0; kind < 256; ++kind) {
        reader::Event event = MadeEvent(static_cast<tessera_event_kind>(kind), 5, 0);
        event.detail = static_cast<uint16_t>(0xffff - kind);
        event.thread = 0xffff;
        event.stack = 0xffff;
        event.device = kind;
        event.value = UINT64_MAX;
        source.events_.push_back(event);
    }
    source.problem_ = "cut short";
    EXPECT_TRUE(Trace(source, 0)["traceEvents"].is_array());
}

}  // namespace
}  // namespace tessera::command
