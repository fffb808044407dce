// SPDX-License-Identifier: Apache-2.0
//
// `tessera top` without a terminal: what it shows, how that is drawn, and what keys do. Segments
// are made up; the rates between two of them are known.
#include <gtest/gtest.h>

#include <algorithm>
#include <clocale>
#include <cmath>

#include "segment_builder.h"
#include "tools/top/draw.h"
#include "tools/top/model.h"
#include "tools/top/plain.h"
#include "tools/top/screen.h"
#include "tools/top/ui.h"

namespace tessera::top {
namespace {

using test::SegmentBuilder;

constexpr uint64_t kSecondNs = 1'000'000'000;

reader::Process Read(const SegmentBuilder& builder, uint64_t copied_ns) {
    reader::Result<reader::Process> result =
        reader::ReadSegmentCopy(builder.Build(), "made up", reader::Depth::kDetail);
    EXPECT_TRUE(result.ok()) << result.error;
    result.value.copied_ns = copied_ns;
    return std::move(result.value);
}

std::vector<std::string> NoNames(uint32_t stack) {
    return {"stack " + std::to_string(stack) + " at src/scene.cpp:41", "main in made_up+0x1234"};
}

// The live device of SampleSegment().
size_t LiveDevice(const reader::Process& process) {
    const auto found = std::ranges::find(process.devices, uint64_t{8}, &reader::Device::id);
    return static_cast<size_t>(found - process.devices.begin());
}

bool Contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

class TopTest : public testing::Test {
 protected:
    TopTest() { setlocale(LC_CTYPE, "C.UTF-8"); }
};

// ---- The model

TEST_F(TopTest, RatesAreWhatHappenedPerSecondBetweenTwoLooks) {
    const Rates rates = Between({.time_ns = 5 * kSecondNs, .allocations = 10, .frees = 4},
                                {.time_ns = 7 * kSecondNs, .allocations = 30, .frees = 4});
    EXPECT_TRUE(rates.known);
    EXPECT_DOUBLE_EQ(rates.allocations, 10);
    EXPECT_DOUBLE_EQ(rates.frees, 0);
}

TEST_F(TopTest, RatesAreUnknownWithoutTimeBetweenAndNeverNegative) {
    EXPECT_FALSE(Between({.time_ns = 5}, {.time_ns = 5}).known);
    EXPECT_FALSE(Between({.time_ns = 6}, {.time_ns = 5}).known);
    EXPECT_DOUBLE_EQ(
        Between({.time_ns = 1, .allocations = 9}, {.time_ns = 2, .allocations = 3}).allocations, 0);
}

TEST_F(TopTest, TheListIsSortedByEveryKeyFilteredAndHasRatesOfKnownProcesses) {
    std::vector<reader::Process> now(3);
    for (size_t i = 0; i < 3; ++i) {
        now[i].pid = 100 + i;
        now[i].name = i == 1 ? "alpha" : i == 0 ? "beta" : "Gamma\x1b";
        now[i].copied_ns = 2 * kSecondNs;
        reader::Device& device = now[i].devices.emplace_back();
        device.state = TESSERA_DEVICE_LIVE;
        reader::MemoryType& type = device.memory_types.emplace_back();
        type.totals.driver.live_bytes = 10 * (i + 1);
        type.totals.app.live_bytes = 100 - i;
        type.totals.app.allocations = 1000 * i;
    }
    std::vector<reader::Process> before = {now[2]};
    before[0].copied_ns = kSecondNs;
    before[0].devices[0].memory_types[0].totals.app.allocations = 500;
    const auto pids = [&](const Order& order, const std::string& filter = "") {
        std::vector<uint64_t> list;
        for (const ProcessRow& row : ListRows(now, before, order, filter))
            list.push_back(row.pid);
        return list;
    };
    using Pids = std::vector<uint64_t>;
    EXPECT_EQ(pids({.key = 0}), (Pids{102, 101, 100})) << "driver bytes";
    EXPECT_EQ(pids({.key = 0, .reversed = true}), (Pids{100, 101, 102}));
    EXPECT_EQ(pids({.key = 1}), (Pids{100, 101, 102})) << "app bytes";
    EXPECT_EQ(pids({.key = 2}), (Pids{102, 100, 101})) << "rate";
    EXPECT_EQ(pids({.key = 3}), (Pids{100, 101, 102})) << "pid";
    EXPECT_EQ(pids({.key = 4}), (Pids{102, 101, 100})) << "name";
    EXPECT_EQ(pids({}, "gAMM"), Pids{102});
    EXPECT_EQ(pids({}, "101"), Pids{101});
    EXPECT_EQ(pids({}, "none"), Pids{});
    const auto rows = ListRows(now, before, {}, "");
    EXPECT_EQ(rows[0].name, "Gamma\\x1b");
    EXPECT_DOUBLE_EQ(rows[0].rates.allocations, 1500);
    EXPECT_FALSE(rows[1].rates.known);
}

TEST_F(TopTest, LiveProcessesStandBeforeThoseThatAreGoneInEveryOrder) {
    std::vector<reader::Process> now(4);
    for (size_t i = 0; i < now.size(); ++i) {
        now[i].pid = 100 + i;
        now[i].name = std::string(1, static_cast<char>('d' - i));
        now[i].state = reader::ProcessState::kLive;
    }
    now[0].state = reader::ProcessState::kEnded;
    now[3].state = reader::ProcessState::kClosed;
    for (size_t key = 0; key < std::size(kListKeys); ++key) {
        for (const bool reversed : {false, true}) {
            const auto rows = ListRows(now, {}, {.key = key, .reversed = reversed}, "");
            EXPECT_EQ(rows[0].state, reader::ProcessState::kLive) << key << reversed;
            EXPECT_EQ(rows[1].state, reader::ProcessState::kLive) << key << reversed;
        }
    }
}

TEST_F(TopTest, ADeviceShowsWhatItsSegmentHas) {
    const reader::Process process = Read(test::SampleSegment(), 10 * kSecondNs);
    const size_t index = LiveDevice(process);
    const DeviceView view = ViewOf(process, nullptr, index, {}, "", NoNames);
    const reader::Detail& detail = process.devices[index].detail;
    EXPECT_TRUE(view.has_detail);
    EXPECT_FALSE(view.rates.known);
    EXPECT_EQ(view.blocks.size(), detail.blocks.size());
    EXPECT_EQ(view.allocations.size(), detail.allocations.size());
    EXPECT_EQ(view.app.live, detail.allocations.size());
    ASSERT_EQ(view.heaps.size(), 2u);
    EXPECT_EQ(view.heaps[0].limit_bytes, uint64_t{8} << 30);
    EXPECT_EQ(view.heaps[0].layer_bytes, uint64_t{8} << 20);
    uint64_t in_blocks = 0;
    for (const BlockRow& block : view.blocks)
        in_blocks += block.allocations;
    EXPECT_EQ(in_blocks, view.by_block.size());
    EXPECT_TRUE(
        std::ranges::is_sorted(view.allocations, std::greater<>(), &AllocationRow::size_bytes));
    uint64_t by_stack = 0;
    for (const StackRow& stack : view.stacks)
        by_stack += stack.allocations;
    EXPECT_EQ(by_stack, detail.allocations.size());
}

TEST_F(TopTest, TheDeviceThatLivesIsShownFirst) {
    const reader::Process process = Read(test::SampleSegment(), kSecondNs);
    EXPECT_EQ(DefaultDevice(process), LiveDevice(process));
    EXPECT_EQ(ViewOf(process, nullptr, 0, {}, "", NoNames).name,
              "3 devices destroyed earlier, together");
    EXPECT_EQ(DefaultDevice({}), 0u);
}

TEST_F(TopTest, FiltersAllocationsByWhatIsBoundToThem) {
    const reader::Process process = Read(test::SampleSegment(), 10 * kSecondNs);
    const DeviceView view = ViewOf(process, nullptr, LiveDevice(process), {}, "SHADOW", NoNames);
    ASSERT_EQ(view.allocations.size(), 1u);
    EXPECT_TRUE(Contains(view.allocations[0].what, "shadow map"));
}

TEST_F(TopTest, LatenciesAreOfTheCallsSinceTheLookBefore) {
    reader::Process before = Read(test::SampleSegment(), kSecondNs);
    const size_t index = LiveDevice(before);
    before.devices[index].calls.assign(TESSERA_CALL_COUNT, {});
    tessera_call_totals& call = before.devices[index].calls[TESSERA_CALL_vkMapMemory];
    const auto add = [](tessera_call_totals& totals, uint64_t ns, uint64_t times) {
        totals.count += times;
        totals.timed += times;
        totals.histogram[tessera_histogram_bucket(ns)] += times;
        totals.max_ns = std::max(totals.max_ns, ns);
    };
    add(call, 1'000'000, 1000);
    reader::Process now = before;
    now.copied_ns = 3 * kSecondNs;
    add(now.devices[index].calls[TESSERA_CALL_vkMapMemory], 100, 50);
    const DeviceView view = ViewOf(now, &before, index, {}, "", NoNames);
    const auto row = std::ranges::find(view.calls, "vkMapMemory", &CallRow::name);
    ASSERT_NE(row, view.calls.end());
    EXPECT_DOUBLE_EQ(row->per_second, 25);
    EXPECT_LT(row->p99_ns, 200u) << "the slow calls were before";
    EXPECT_EQ(row->max_ns, 1'000'000u);
    const DeviceView first = ViewOf(now, nullptr, index, {}, "", NoNames);
    EXPECT_GE(std::ranges::find(first.calls, "vkMapMemory", &CallRow::name)->p50_ns, 1'000'000u);
}

TEST_F(TopTest, DensityIsTheShareOfEachPartThatIsTaken) {
    reader::Detail detail;
    detail.allocations.resize(2);
    detail.allocations[0].size_bytes = 50;
    detail.allocations[1].size_bytes = 1'000'000;
    detail.allocations[1].offset = 175;
    DeviceView view;
    view.by_block = {0, 1};
    const BlockRow block = {.bytes = 400, .kind = "", .first = 0, .end = 2};
    const std::vector<double> density = Density(detail, view, block, 4);
    ASSERT_EQ(density.size(), 4u);
    EXPECT_DOUBLE_EQ(density[0], 0.5);
    EXPECT_DOUBLE_EQ(density[1], 0.25);
    EXPECT_DOUBLE_EQ(density[2], 1);
    EXPECT_DOUBLE_EQ(density[3], 1) << "it reaches past the block, and counts only inside";
    EXPECT_TRUE(Density(detail, view, block, 0).empty());
}

// ---- The picture

TEST_F(TopTest, TextsFitTheirWidthWhateverTheyAreMadeOf) {
    const Glyphs& glyphs = UnicodeGlyphs();
    EXPECT_EQ(Fit("abc", 5, glyphs), "abc  ");
    EXPECT_EQ(FitRight("abc", 5, glyphs), "  abc");
    EXPECT_EQ(Fit("abcdef", 4, glyphs), "abc…");
    EXPECT_EQ(WidthOf("日本"), 4u);
    EXPECT_EQ(Fit("日本語", 4, glyphs), "日… ") << "a wide sign does not fit in half";
    EXPECT_EQ(Fit("anything", 0, glyphs), "");
}

TEST_F(TopTest, ABarIsAsWideAsItIsToBeAndShowsLittleThings) {
    for (const uint64_t used : {uint64_t{0}, uint64_t{1}, uint64_t{500}, ~uint64_t{0}}) {
        const Line bar = Bar(std::min<uint64_t>(used, 300), used, 1000, 20, AsciiGlyphs());
        EXPECT_EQ(TextOf({bar}).size(), 21u) << used;
    }
    EXPECT_EQ(TextOf({Bar(1, 500, 1000, 10, AsciiGlyphs())}), "#++++.....\n");
    EXPECT_EQ(TextOf({Bar(0, 0, 0, 3, AsciiGlyphs())}), "...\n");
}

class DrawingTest : public TopTest, public testing::WithParamInterface<std::pair<size_t, size_t>> {
 protected:
    Size size() const { return {.rows = GetParam().first, .columns = GetParam().second}; }
    void ExpectFits(const Screen& screen) const {
        EXPECT_EQ(screen.size(), size().rows);
        for (const Line& line : screen) {
            size_t width = 0;
            for (const Piece& piece : line)
                width += WidthOf(piece.text);
            EXPECT_LE(width, size().columns) << TextOf({line});
        }
    }
};

TEST_P(DrawingTest, EveryPictureFitsEverySize) {
    const reader::Process process = Read(test::SampleSegment(), 10 * kSecondNs);
    Ui ui;
    Extent extent;
    for (const Glyphs* const glyphs : {&UnicodeGlyphs(), &AsciiGlyphs()}) {
        ExpectFits(DrawHelp(size(), *glyphs));
        ui.in_process = false;
        const std::vector<reader::Process> all(50, process);
        ExpectFits(DrawList(ListRows(all, {}, {}, ""), ui, size(), *glyphs, extent));
        ExpectFits(DrawList({}, ui, size(), *glyphs, extent));
        ui.in_process = true;
        for (size_t pane = 0; pane < kPanes; ++pane) {
            for (const bool opened : {false, true}) {
                ui.pane = static_cast<Pane>(pane);
                ui.opened = opened;
                ui.device = LiveDevice(process);
                const DeviceView view =
                    ViewOf(process, &process, ui.device, ui.device_orders(), "", NoNames);
                ExpectFits(DrawProcess(process, view, ui, size(), *glyphs, NoNames, extent));
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Sizes, DrawingTest,
                         testing::Values(std::pair{24, 80}, std::pair{60, 200}, std::pair{1, 1},
                                         std::pair{2, 10}, std::pair{5, 20}, std::pair{10, 400}));

TEST_F(TopTest, AProcessAt80x24ShowsHeapsRatesAndTheChosenTable) {
    const reader::Process before = Read(test::SampleSegment(), 9 * kSecondNs);
    reader::Process now = Read(test::SampleSegment(), 10 * kSecondNs);
    Ui ui;
    ui.in_process = true;
    ui.device = LiveDevice(now);
    now.devices[ui.device].frames += 60;
    Extent extent;
    const auto draw = [&] {
        const DeviceView view =
            ViewOf(now, &before, ui.device, ui.device_orders(), ui.filter, NoNames);
        return TextOf(DrawProcess(now, view, ui, {}, AsciiGlyphs(), NoNames, extent));
    };
    const std::string types = draw();
    EXPECT_TRUE(Contains(types, "made_up (pid 1000000000)  live  level full")) << types;
    EXPECT_TRUE(Contains(types, "heap 0 device [#")) << types;
    EXPECT_TRUE(Contains(types, "60.0 frames/s")) << types;
    EXPECT_TRUE(Contains(types, "[types]")) << types;
    ui.pane = Pane::kBlocks;
    const std::string blocks = draw();
    EXPECT_TRUE(Contains(blocks, "[blocks]")) << blocks;
    EXPECT_TRUE(Contains(blocks, "1.0 MiB")) << blocks;
    ui.pane = Pane::kStacks;
    EXPECT_TRUE(Contains(draw(), "stack 0 < main")) << draw();
    EXPECT_TRUE(extent.can_open);
    ui.row() = 1;  // the first one has no call stack
    ui.opened = true;
    EXPECT_TRUE(Contains(draw(), "main")) << draw();
}

TEST_F(TopTest, TheListAt80ColumnsTellsNamesBeforeNumbersOfLesserUse) {
    ProcessRow row;
    row.pid = 4'194'304;
    row.name = "a_game_with_a_name";
    row.level = TESSERA_LEVEL_events;
    row.app_live = 123'456;
    row.app_bytes = row.driver_bytes = uint64_t{1000} << 20;
    row.driver_live = 1'234;
    row.rates = {
        .known = true, .allocations = 12'345, .frees = 0, .driver_calls = 0, .frames = 144};
    Extent extent;
    const auto draw = [&](size_t columns) {
        return TextOf(DrawList({row}, Ui{}, {24, columns}, AsciiGlyphs(), extent));
    };
    const std::string narrow = draw(80);
    EXPECT_TRUE(Contains(narrow, "a_game_with_a_n")) << narrow;
    EXPECT_TRUE(Contains(narrow, "DRIVER MEM")) << narrow;
    EXPECT_FALSE(Contains(narrow, "1,234")) << narrow;
    const std::string wide = draw(120);
    EXPECT_TRUE(Contains(wide, "a_game_with_a_name")) << wide;
    EXPECT_TRUE(Contains(wide, "123,456")) << wide;
    EXPECT_TRUE(Contains(wide, "1,234")) << wide;
    EXPECT_TRUE(Contains(wide, "events")) << wide;
}

TEST_F(TopTest, WhatIsOpenedTakesTheRoomOfTheHeadAndSaysWhatIsLeftOut) {
    const reader::Process process = Read(test::SampleSegment(), 10 * kSecondNs);
    size_t frames = 0;
    const StackLines lines = [&](uint32_t) {
        std::vector<std::string> stack;
        for (size_t i = 0; i < frames; ++i)
            stack.push_back("frame " + std::to_string(i));
        return stack;
    };
    Ui ui;
    ui.in_process = ui.opened = true;
    ui.pane = Pane::kStacks;
    ui.device = LiveDevice(process);
    Extent extent;
    const auto draw = [&] {
        const DeviceView view = ViewOf(process, nullptr, ui.device, {}, "", NoNames);
        const auto with_stack = std::ranges::find_if(
            view.stacks, [](const StackRow& row) { return row.stack != reader::kNone; });
        ui.row() = static_cast<size_t>(with_stack - view.stacks.begin());
        return TextOf(DrawProcess(process, view, ui, {}, AsciiGlyphs(), lines, extent));
    };
    frames = 4;
    EXPECT_TRUE(Contains(draw(), "heap 0")) << draw();
    frames = 20;
    EXPECT_TRUE(Contains(draw(), "frame 19")) << draw();
    EXPECT_FALSE(Contains(draw(), "more line")) << draw();
    frames = 30;
    EXPECT_TRUE(Contains(draw(), "frame 19")) << draw();
    EXPECT_TRUE(Contains(draw(), "and 10 more lines")) << draw();
}

TEST_F(TopTest, AtTheLevelTotalsItSaysWhyThereAreNoAllocations) {
    SegmentBuilder builder;
    builder.AddDevice(1).record.level = TESSERA_LEVEL_totals;
    const reader::Process process = Read(builder, kSecondNs);
    Ui ui;
    ui.in_process = true;
    ui.pane = Pane::kAllocations;
    Extent extent;
    const DeviceView view = ViewOf(process, nullptr, 0, {}, "", NoNames);
    EXPECT_TRUE(Contains(TextOf(DrawProcess(process, view, ui, {}, AsciiGlyphs(), NoNames, extent)),
                         "tessera level 1000000000 full"));
    EXPECT_FALSE(extent.can_open);
}

// ---- Keys

void Press(Ui& ui, const std::string& characters, const Extent& extent = {}) {
    for (const char c : characters)
        Handle(ui, {.name = Key::kCharacter, .character = c}, extent);
}
void Press(Ui& ui, Key::Name name, const Extent& extent = {}) {
    Handle(ui, {.name = name}, extent);
}

TEST_F(TopTest, ArrowsMoveWithinTheRowsThatThereAre) {
    Ui ui;
    const Extent extent = {.rows = 30, .page = 10};
    Press(ui, Key::kUp, extent);
    EXPECT_EQ(ui.list_row, 0u);
    Press(ui, Key::kDown, extent);
    Press(ui, Key::kPageDown, extent);
    EXPECT_EQ(ui.list_row, 11u);
    Press(ui, Key::kEnd, extent);
    Press(ui, Key::kDown, extent);
    EXPECT_EQ(ui.list_row, 29u);
    Press(ui, Key::kPageUp, {.rows = 5, .page = 3});
    EXPECT_EQ(ui.list_row, 1u) << "there are fewer rows now";
    Press(ui, Key::kDown, {.rows = 0});
    EXPECT_EQ(ui.list_row, 0u);
}

TEST_F(TopTest, EnterOpensAndEscapeGoesBackOneStepAtATime) {
    Ui ui;
    Press(ui, Key::kEnter);
    EXPECT_FALSE(ui.in_process) << "there is no process";
    Press(ui, Key::kEnter, {.rows = 1, .selected_pid = 42});
    EXPECT_TRUE(ui.in_process);
    EXPECT_EQ(ui.pid, 42u);
    Press(ui, Key::kLeft);
    EXPECT_EQ(ui.pane, Pane::kStacks);
    Press(ui, Key::kEnter, {.rows = 3, .can_open = true});
    EXPECT_TRUE(ui.opened);
    Press(ui, "/");
    EXPECT_FALSE(ui.typing) << "what is opened is not filtered";
    Press(ui, Key::kEscape);
    EXPECT_FALSE(ui.opened);
    EXPECT_TRUE(ui.in_process);
    Press(ui, Key::kEscape);
    EXPECT_FALSE(ui.in_process);
    Press(ui, Key::kEscape);
    EXPECT_FALSE(ui.quit);
}

TEST_F(TopTest, OfOneProcessThereIsNoWayBackToAList) {
    Ui ui;
    ui.in_process = true;
    ui.can_leave = false;
    Press(ui, Key::kEscape);
    EXPECT_TRUE(ui.in_process);
}

TEST_F(TopTest, TheFilterIsTypedKeptAndDropped) {
    Ui ui;
    Press(ui, "/qx");
    EXPECT_TRUE(ui.typing);
    EXPECT_FALSE(ui.quit) << "it is a letter of the filter";
    Press(ui, Key::kBackspace);
    EXPECT_EQ(ui.filter, "q");
    Press(ui, Key::kEnter);
    EXPECT_FALSE(ui.typing);
    Press(ui, "/zz");
    Press(ui, Key::kEscape);
    EXPECT_EQ(ui.filter, "q") << "as it was before";
    Press(ui, Key::kEscape);
    EXPECT_EQ(ui.filter, "");
}

TEST_F(TopTest, SortReversePauseHelpAndQuit) {
    Ui ui;
    for (size_t i = 1; i <= std::size(kListKeys); ++i) {
        Press(ui, "s");
        EXPECT_EQ(ui.list_order.key, i % std::size(kListKeys));
    }
    Press(ui, "r");
    EXPECT_TRUE(ui.list_order.reversed);
    ui.in_process = true;
    Press(ui, "sr");
    EXPECT_FALSE(ui.order().reversed) << "types stand in Vulkan's order";
    Press(ui, "\tsr");
    EXPECT_EQ(ui.pane, Pane::kCalls);
    EXPECT_TRUE(ui.order().reversed);
    EXPECT_EQ(ui.order().key, 1u);
    Press(ui, "p");
    EXPECT_TRUE(ui.paused);
    Press(ui, "h");
    EXPECT_TRUE(ui.help);
    Press(ui, Key::kEscape);
    EXPECT_FALSE(ui.help);
    ui.device = 0;
    Press(ui, "d", {.devices = 2});
    EXPECT_EQ(ui.device, 1u);
    Press(ui, "d", {.devices = 2});
    EXPECT_EQ(ui.device, 0u);
    Press(ui, "q");
    EXPECT_TRUE(ui.quit);
}

// ---- Lines

TEST_F(TopTest, LinesNameEveryProcessWithItsRates) {
    const std::vector<reader::Process> now = {Read(test::SampleSegment(), kSecondNs)};
    const auto rows = ListRows(now, {}, {}, "");
    const std::string text = PlainLines(rows);
    EXPECT_TRUE(Contains(text, "1000000000 made_up live: app 4 live")) << text;
    EXPECT_TRUE(Contains(text, "- allocations/s")) << text;
    const std::string json = JsonLine(rows, now);
    EXPECT_EQ(std::ranges::count(json, '\n'), 1);
    EXPECT_TRUE(Contains(json, R"("allocations":null)")) << json;
}

}  // namespace
}  // namespace tessera::top
