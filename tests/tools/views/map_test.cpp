// SPDX-License-Identifier: Apache-2.0
//
// `tessera map`: which span lies where, and how rows are drawn in a terminal and as a picture.
#include <gtest/gtest.h>
#include <vulkan/vulkan_core.h>

#include <algorithm>
#include <chrono>

#include "tools/json.h"
#include "tools/map/json.h"
#include "tools/map/model.h"
#include "tools/map/picture.h"
#include "tools/map/terminal.h"
#include "views/made_up.h"

namespace tessera::command {
namespace {

// "buffer 0+100" of each span.
std::vector<std::string> Spans(const MapRow& row) {
    std::vector<std::string> texts;
    for (const Span& span : row.spans)
        texts.push_back(std::string(Name(span.use)) + " " + std::to_string(span.offset) + "+" +
                        std::to_string(span.bytes));
    return texts;
}
using Texts = std::vector<std::string>;

// The invariant of a row.
void ExpectCovered(const MapRow& row) {
    uint64_t end = 0;
    for (const Span& span : row.spans) {
        EXPECT_EQ(span.offset, end);
        EXPECT_GT(span.bytes, 0u);
        end += span.bytes;
    }
    EXPECT_EQ(end, row.bytes);
    uint64_t sum = 0;
    for (const uint64_t bytes : row.used)
        sum += bytes;
    EXPECT_EQ(sum, row.bytes);
}

DeviceMap MapOfFirst(const reader::Process& process) {
    const std::vector<DeviceMap> maps = MapOf(process, {});
    EXPECT_EQ(maps.size(), 1u);
    return maps.front();
}

TEST(MapModel, CoversBlocksWithResourcesPaddingAndFreeSpace) {
    const reader::Process process = MadeUpProcess();
    const DeviceMap map = MapOfFirst(process);
    ASSERT_EQ(map.rows.size(), 5u);
    EXPECT_EQ(Spans(map.rows[0]),
              (Texts{"buffer 0+100", "optimal_image 100+200", "padding 300+10", "free 310+690"}));
    EXPECT_EQ(Spans(map.rows[1]), (Texts{"free 0+400", "buffer 400+100", "unknown 500+100",
                                         "buffer 600+100", "unknown 700+100", "free 800+200"}));
    for (const MapRow& row : map.rows)
        ExpectCovered(row);
    EXPECT_EQ(map.rows[0].largest_free_bytes, 690u);
    EXPECT_EQ(map.rows[1].allocations, 1u);
}

TEST(MapModel, ShowsWhatPassedThroughAsRowsOfTheirOwnBiggestFirst) {
    const reader::Process process = MadeUpProcess();
    const DeviceMap map = MapOfFirst(process);
    EXPECT_TRUE(map.rows[2].passed_through);
    EXPECT_EQ(Spans(map.rows[2]), Texts{"linear_image 0+5000"});
    EXPECT_EQ(Spans(map.rows[3]), Texts{"unknown 0+300"});
    EXPECT_EQ(Spans(map.rows[4]), Texts{"unknown 0+200"});
    EXPECT_EQ(map.rows[2].heap, 1u);
    EXPECT_EQ(RowTitle(map, map.rows[2]), "passed: dedicated");
}

TEST(MapModel, StaysCoveredWhenRecordsContradictEachOther) {
    reader::Process process = MadeUpProcess();
    reader::Detail& detail = process.devices[0].detail;
    detail.allocations[1].offset = 50;              // over its neighbour
    detail.allocations[2].size_bytes = UINT64_MAX;  // beyond its block
    detail.allocations[2].padding_bytes = UINT64_MAX;
    detail.resources[0].offset = UINT64_MAX;
    detail.resources[3].size_bytes = UINT64_MAX;
    detail.allocations[3].size_bytes = 0;
    const DeviceMap map = MapOfFirst(process);
    for (const MapRow& row : map.rows)
        ExpectCovered(row);
    EXPECT_EQ(Spans(map.rows[0]),
              (Texts{"buffer 0+100", "optimal_image 100+150", "padding 250+10", "free 260+740"}));
}

TEST(MapModel, CountsResourcesThatLieOverOthers) {
    reader::Process process = MadeUpProcess();
    process.devices[0].detail.resources[0].offset = 50;
    const DeviceMap map = MapOfFirst(process);
    EXPECT_EQ(map.rows[1].aliased, 1u);
    EXPECT_EQ(Spans(map.rows[1]), (Texts{"free 0+400", "buffer 400+100", "buffer 500+50",
                                         "unknown 550+250", "free 800+200"}));
}

TEST(MapModel, TakesAnAllocationForWhatItWasPlacedForIfNothingIsBound) {
    reader::Process process = MadeUpProcess();
    process.devices[0].detail.resources.clear();
    process.devices[0].detail.allocations[1].flags = TESSERA_ALLOCATION_OPTIMAL;
    const DeviceMap map = MapOfFirst(process);
    EXPECT_EQ(Spans(map.rows[0]),
              (Texts{"unknown 0+100", "optimal_image 100+200", "padding 300+10", "free 310+690"}));
}

TEST(MapModel, LeavesOutOtherDevicesTypesAndWhatOnlyHasTotals) {
    reader::Process process = MadeUpProcess();
    EXPECT_EQ(MapOf(process, {.device = 2}).size(), 0u);
    EXPECT_EQ(MapOf(process, {.device = 1, .type = 0}).front().rows.size(), 2u);
    EXPECT_EQ(MapOf(process, {.type = 1}).front().rows.size(), 3u);
    process.devices[0].detail.level = TESSERA_LEVEL_totals;
    EXPECT_EQ(MapOf(process, {}).size(), 0u);
}

TEST(MapModel, PutsManyPassedAllocationsOfATypeIntoOneRow) {
    const reader::Process process = MadeUpProcess();
    const DeviceMap map = MapOfFirst(process);
    uint64_t left_out = 0;
    const std::vector<MapRow> rows = RowsToDraw(map, 1, 1, &left_out);
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(left_out, 1u);
    EXPECT_EQ(rows[2].bytes, 500u);
    EXPECT_EQ(RowTitle(map, rows[2]), "2 passed through");
    ExpectCovered(rows[2]);
}

TEST(Divide, GivesEachCellItsShareOfEverySpan) {
    const std::vector<Span> spans = {{.offset = 0, .bytes = 5, .use = Use::kBuffer},
                                     {.offset = 5, .bytes = 5, .use = Use::kFree}};
    const std::vector<Cell> cells = Divide(spans, 10, 4);
    ASSERT_EQ(cells.size(), 4u);
    std::vector<uint64_t> totals;
    uint64_t buffers = 0;
    for (const Cell& cell : cells) {
        totals.push_back(cell.Total());
        buffers += cell.bytes[0];
    }
    EXPECT_EQ(totals, (std::vector<uint64_t>{2, 3, 2, 3}));
    EXPECT_EQ(buffers, 5u);
    EXPECT_EQ(cells[0].Dominant(), Use::kBuffer);
    EXPECT_EQ(cells[3].Dominant(), Use::kFree);
    EXPECT_EQ(Divide(spans, 10, 100).size(), 10u);
    EXPECT_TRUE(Divide({}, 0, 5).empty());
}

TEST(CellText, IsAsHighAsTheCellIsFull) {
    Cell cell;
    cell.bytes[static_cast<size_t>(Use::kFree)] = 100;
    EXPECT_EQ(CellText(cell, BarStyle::kBlocks), "·");
    EXPECT_EQ(CellText(cell, BarStyle::kLetters), ".");
    cell.bytes[static_cast<size_t>(Use::kBuffer)] = 1;
    EXPECT_EQ(CellText(cell, BarStyle::kBlocks), "▁");
    EXPECT_EQ(CellText(cell, BarStyle::kLetters), "b");
    cell.bytes[static_cast<size_t>(Use::kBuffer)] = 100;
    EXPECT_EQ(CellText(cell, BarStyle::kBlocks), "▄");
    EXPECT_EQ(CellText(cell, BarStyle::kLetters), "B");
    cell.bytes[static_cast<size_t>(Use::kBuffer)] = 100'000;
    EXPECT_EQ(CellText(cell, BarStyle::kBlocks), "▇") << "not quite full is not full";
    cell.bytes[static_cast<size_t>(Use::kFree)] = 0;
    EXPECT_EQ(CellText(cell, BarStyle::kBlocks), "█");
}

TEST(StyleFor, FollowsTheTerminalAndItsUser) {
    EXPECT_EQ(StyleFor({true, "xterm", nullptr, "C.UTF-8"}), BarStyle::kColour);
    EXPECT_EQ(StyleFor({true, "xterm", "", "en_GB.utf8"}), BarStyle::kColour);
    EXPECT_EQ(StyleFor({true, "xterm", "1", "C.UTF-8"}), BarStyle::kBlocks);
    EXPECT_EQ(StyleFor({false, "xterm", nullptr, "C.UTF-8"}), BarStyle::kBlocks);
    EXPECT_EQ(StyleFor({true, "dumb", nullptr, "C.UTF-8"}), BarStyle::kLetters);
    EXPECT_EQ(StyleFor({true, "xterm", nullptr, "C"}), BarStyle::kLetters);
    EXPECT_EQ(StyleFor({true, "xterm", nullptr, nullptr}), BarStyle::kLetters);
}

TEST(MapText, HasALineForEachRowAsWideAsAsked) {
    const reader::Process process = MadeUpProcess();
    const std::string text = MapText(process, MapOf(process, {}), 80, BarStyle::kLetters);
    EXPECT_NE(text.find("game  pid 4242  live"), std::string::npos) << text;
    const size_t line = text.find("  block 0");
    ASSERT_NE(line, std::string::npos) << text;
    EXPECT_EQ(text.find('\n', line) - line, 80u) << text;
    EXPECT_NE(text.find("31.0 %"), std::string::npos) << text;
    EXPECT_NE(text.find("passed: dedicated"), std::string::npos) << text;
    EXPECT_NE(text.find("BBBOOOOOO.."), std::string::npos) << text;
    EXPECT_NE(text.find("bBBBUUBBBUUUu"), std::string::npos) << text;
    EXPECT_NE(text.find("LLLL"), std::string::npos) << text;
    EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
}

TEST(MapText, ColoursOnlyWithColourAndEndsEachOne) {
    const reader::Process process = MadeUpProcess();
    const std::vector<DeviceMap> maps = MapOf(process, {});
    EXPECT_EQ(MapText(process, maps, 80, BarStyle::kBlocks).find('\x1b'), std::string::npos);
    const std::string text = MapText(process, maps, 80, BarStyle::kColour);
    EXPECT_NE(text.find("\x1b[94m█"), std::string::npos) << text;
    for (size_t at = 0; at < text.size();) {
        const size_t end = text.find('\n', at);
        const std::string line = text.substr(at, end - at);
        const size_t last = line.rfind("\x1b[");
        if (last != std::string::npos) {
            EXPECT_EQ(line.substr(last, 4), "\x1b[0m") << line;
        }
        at = end + 1;
    }
}

TEST(MapText, LetsNoNameDriveTheTerminal) {
    reader::Process process = MadeUpProcess();
    process.name = kHostile;
    process.devices[0].name = kHostile;
    const std::string text = MapText(process, MapOf(process, {}), 80, BarStyle::kBlocks);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_NE(text.find("\\x1b[2J"), std::string::npos);
}

// XML in which every element is closed and every reference is one that we write.
void ExpectWellFormed(const std::string& xml) {
    std::vector<std::string> open;
    for (size_t at = xml.find_first_of("<&"); at != std::string::npos;
         at = xml.find_first_of("<&", at + 1)) {
        if (xml[at] == '&') {
            const std::string rest = xml.substr(at, 6);
            EXPECT_TRUE(rest.starts_with("&lt;") || rest.starts_with("&gt;") ||
                        rest.starts_with("&amp;") || rest.starts_with("&quot;") ||
                        rest.starts_with("&#39;"))
                << rest;
            continue;
        }
        const size_t end = xml.find('>', at);
        ASSERT_NE(end, std::string::npos);
        const std::string tag = xml.substr(at + 1, end - at - 1);
        if (tag.starts_with('/')) {
            ASSERT_FALSE(open.empty());
            EXPECT_EQ(tag.substr(1), open.back());
            open.pop_back();
        } else if (!tag.ends_with('/')) {
            open.push_back(tag.substr(0, tag.find(' ')));
            EXPECT_TRUE(open.back() == "svg" || open.back() == "style" || open.back() == "rect" ||
                        open.back() == "text" || open.back() == "title")
                << tag;
        }
    }
    EXPECT_TRUE(open.empty());
}

TEST(Svg, ShowsWhatLiesThereAsTooltips) {
    const reader::Process process = MadeUpProcess();
    const std::string svg = Svg(DrawMap(process, MapOf(process, {})));
    ExpectWellFormed(svg);
    EXPECT_NE(svg.find("<title>vertices\nbuffer, 100 B at offset 0\n"), std::string::npos) << svg;
    EXPECT_NE(svg.find("memory 0xa1 of 100 B, 10.0 s old"), std::string::npos) << svg;
    EXPECT_NE(svg.find("64x32"), std::string::npos) << svg;
    EXPECT_NE(svg.find("SAMPLED"), std::string::npos) << svg;
}

TEST(Svg, ReadsNoNameAsMarkup) {
    reader::Process process = MadeUpProcess();
    process.name = kHostile;
    process.devices[0].name = kHostile;
    for (reader::Allocation& allocation : process.devices[0].detail.allocations)
        allocation.name = kHostile;
    const std::string svg = Svg(DrawMap(process, MapOf(process, {})));
    ExpectWellFormed(svg);
    EXPECT_EQ(svg.find("<img"), std::string::npos);
    EXPECT_NE(svg.find("&lt;img onerror=x&gt;"), std::string::npos);
    EXPECT_EQ(svg.find('\x1b'), std::string::npos);
    EXPECT_EQ(svg.find('\xff'), std::string::npos);
}

// Many small slots of which every fourth is free.
reader::Process ManySlots(uint64_t count) {
    reader::Process process = MadeUpProcess();
    reader::Detail& detail = process.devices[0].detail;
    detail.resources.clear();
    detail.allocations.clear();
    detail.blocks.resize(1);
    detail.blocks[0].bytes = count * 256;
    for (uint64_t i = 0; i < count; ++i) {
        if (i % 4 == 3) continue;
        reader::Allocation allocation;
        allocation.memory = i + 1;
        allocation.block = 0;
        allocation.offset = i * 256;
        allocation.size_bytes = 256;
        detail.allocations.push_back(allocation);
    }
    return process;
}

TEST(Picture, HasNoMoreShapesThanCanBeToldApartHoweverManySlotsThereAre) {
    const reader::Process process = ManySlots(200'000);
    const Picture picture = DrawMap(process, MapOf(process, {}));
    EXPECT_LT(picture.shapes.size(), 1500u);
    double end = 0;
    for (const Shape& shape : picture.shapes)
        if (shape.kind == Shape::Kind::kRectangle) end = std::max(end, shape.x + shape.width);
    EXPECT_LE(end, picture.width);
    EXPECT_TRUE(std::ranges::any_of(picture.shapes, [](const Shape& shape) {
        return shape.text.find("ranges in use, mostly unknown") != std::string::npos;
    }));
}

TEST(Picture, CoversTheWholeBarOfARow) {
    const reader::Process process = MadeUpProcess();
    const Picture picture = DrawMap(process, MapOf(process, {.type = 0}));
    double covered = 0;
    double frame = 0;
    for (const Shape& shape : picture.shapes) {
        if (shape.kind == Shape::Kind::kFrame) frame += shape.width;
        if (shape.kind == Shape::Kind::kRectangle && !shape.text.empty())
            covered += shape.width + 1;
    }
    EXPECT_NEAR(covered, frame, 12) << "but for lines between neighbours";
}

TEST(Png, IsAPictureOfThatSize) {
    const reader::Process process = MadeUpProcess();
    const Picture picture = DrawMap(process, MapOf(process, {}));
    std::string error;
    const std::string bytes = Png(picture, &error);
    EXPECT_EQ(error, "");
    ASSERT_GT(bytes.size(), 24u);
    EXPECT_EQ(bytes.substr(0, 8), "\x89PNG\r\n\x1a\n");
    const auto word = [&](size_t at) {
        uint32_t value = 0;
        for (size_t i = 0; i < 4; ++i)
            value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
        return value;
    };
    EXPECT_EQ(word(16), static_cast<uint32_t>(picture.width * 2));
    EXPECT_EQ(word(20), static_cast<uint32_t>(picture.height * 2));
}

TEST(Png, ThatWouldBeTooHighIsRefusedAndNotCut) {
    Picture picture;
    picture.width = 100;
    picture.height = 32'767;
    std::string error;
    EXPECT_NE(Png(picture, &error), "");
    EXPECT_EQ(error, "");
    picture.height = 32'768;
    EXPECT_EQ(Png(picture, &error), "");
    EXPECT_NE(error.find(".svg"), std::string::npos) << error;
}

std::string MapJsonText(const reader::Process& process) {
    std::string text;
    WriteMapJson(process, MapOf(process, {}), [&](std::string_view part) {
        text += part;
        return true;
    });
    return text;
}

TEST(MapJson, HasEveryRowAndSpan) {
    const Json json = Json::parse(MapJsonText(MadeUpProcess()));
    EXPECT_EQ(json["schema"], 1);
    EXPECT_EQ(json["pid"], 4242);
    const Json& device = json["devices"][0];
    EXPECT_EQ(device["id"], 1);
    EXPECT_EQ(device["bytes_by_kind"]["buffer"], 300);
    EXPECT_EQ(device["bytes_by_kind"]["free"], 690 + 600);
    ASSERT_EQ(device["rows"].size(), 5u);
    const Json& block = device["rows"][0];
    EXPECT_EQ(block["kind"], "block");
    EXPECT_EQ(block["memory"], "0xd000");
    EXPECT_EQ(block["flags"], Json::array({"large"}));
    EXPECT_EQ(block["spans"].size(), 4u);
    EXPECT_EQ(block["spans"][0]["name"], "vertices");
    EXPECT_EQ(block["spans"][0]["age_ns"], 10'000'000'000);
    EXPECT_EQ(device["rows"][2]["reason"], "dedicated");
}

TEST(MapJson, IsValidWithHostileNames) {
    reader::Process process = MadeUpProcess();
    process.name = kHostile;
    process.devices[0].name = kHostile;
    process.devices[0].detail.allocations[0].name = kHostile;
    const Json json = Json::parse(MapJsonText(process));
    EXPECT_TRUE(json["process"].get<std::string>().starts_with("=cmd()\x1b[2J</script>"));
}

}  // namespace
}  // namespace tessera::command
