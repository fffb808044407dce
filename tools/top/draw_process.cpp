// SPDX-License-Identifier: Apache-2.0
//
// See draw.h: one device of one process. Heaps and rates stand above; below them is the table that
// was chosen, and as many of the others as there is room for.
#include <algorithm>
#include <array>
#include <span>

#include "tools/detail.h"
#include "tools/text.h"
#include "tools/top/draw.h"
#include "tools/top/draw_parts.h"

namespace tessera::top {
namespace {

using command::FormatBytes;
using command::FormatCount;
using command::FormatDuration;
using command::Printable;

// A table and which of its rows are shown.
struct Shown {
    size_t rows = 0;  // there are
    Screen screen;
};

std::string AgeText(uint64_t age_ns) {
    return age_ns == 0 ? "-" : FormatDuration(age_ns);
}

Line HeapLine(const HeapBar& heap, size_t width, const Glyphs& glyphs) {
    const std::string label =
        "heap " + std::to_string(heap.index) + (heap.device_local ? " device " : " host   ");
    const std::string text =
        " " + FormatBytes(heap.usage_bytes) + " of " + FormatBytes(heap.limit_bytes) +
        (heap.has_budget ? " budget" : " heap") + ", layer " + FormatBytes(heap.layer_bytes);
    constexpr size_t kTextWidth = 48;
    const size_t taken = label.size() + kTextWidth + 2;
    const size_t bar_width = std::clamp<size_t>(width - std::min(width, taken), 8, 100);
    Line line = {{label}, {"["}};
    for (Piece& piece :
         Bar(heap.layer_bytes, heap.usage_bytes, heap.limit_bytes, bar_width, glyphs))
        line.push_back(std::move(piece));
    const bool is_over = heap.has_budget && heap.usage_bytes > heap.limit_bytes;
    line.push_back({"]"});
    line.push_back({text, Style::kPlain});
    if (is_over) line.push_back({" OVER", Style::kWarn});
    return line;
}

Screen Head(const reader::Process& process, const DeviceView& view, const Ui& ui, Size size,
            const Glyphs& glyphs) {
    Screen screen = {BarLine("tessera top  " + Printable(process.name) + " (pid " +
                                 std::to_string(process.pid) + ")  " + reader::Name(process.state) +
                                 "  level " + reader::LevelName(process.level),
                             ui.paused ? "PAUSED" : "", size.columns, glyphs)};
    if (process.devices.empty()) {
        screen.push_back({{"No device was created yet."}});
        return screen;
    }
    screen.push_back({{"device " + std::to_string(ui.device + 1) + " of " +
                       std::to_string(process.devices.size()) + ": " + view.name + ", " +
                       command::Plural(view.frames, "frame")}});
    const size_t most_heaps = std::max<size_t>(size.rows / 6, 2);
    for (size_t i = 0; i < view.heaps.size() && i < most_heaps; ++i)
        screen.push_back(HeapLine(view.heaps[i], size.columns, glyphs));
    if (view.heaps.size() > most_heaps)
        screen.push_back({{command::Plural(view.heaps.size() - most_heaps, "more heap")}});
    screen.push_back(
        {{"app ", Style::kTitle},
         {FormatCount(view.app.live) + " live, " + FormatBytes(view.app.live_bytes) + "   "},
         {"driver ", Style::kTitle},
         {FormatCount(view.driver.live) + " live, " + FormatBytes(view.driver.live_bytes) + "   "},
         {"pooled ", Style::kTitle},
         {command::FormatShare(view.pooled, view.app.allocations)}});
    const Rates& rates = view.rates;
    screen.push_back({{RateText(rates.known, rates.allocations) + " allocations/s   " +
                       RateText(rates.known, rates.frees) + " frees/s   " +
                       RateText(rates.known, rates.driver_calls) + " driver calls/s   " +
                       RateText(rates.known, rates.frames) + " frames/s"}});
    if (view.unrecorded > 0)
        screen.push_back({{command::Plural(view.unrecorded, "record") +
                               " found no room: tables and events are not complete",
                           Style::kWarn}});
    return screen;
}

// Only the rows that are shown are made: there may be a hundred thousand.
template <typename Row>
std::span<const Row> Part(const std::vector<Row>& rows, size_t first, size_t count) {
    const size_t start = std::min(first, rows.size());
    return std::span(rows).subspan(start, std::min(count, rows.size() - start));
}

Grid TypesGrid(const DeviceView& view, size_t first, size_t count) {
    Grid grid({{"TYPE"},
               {"HEAP"},
               {"APP"},
               {"APP MEM"},
               {"PEAK", true, 3},
               {"DRIVER", true, 1},
               {"DRIVER MEM"},
               {"BLOCKS", true, 2},
               {"FREE"},
               {"FLAGS", false}});
    for (const TypeRow& row : Part(view.types, first, count))
        grid.AddRow({std::to_string(row.index), std::to_string(row.heap), FormatCount(row.app.live),
                     FormatBytes(row.app.live_bytes), FormatBytes(row.app.peak_bytes),
                     FormatCount(row.driver.live), FormatBytes(row.driver.live_bytes),
                     FormatCount(row.pooled.blocks), FormatBytes(row.pooled.free_bytes),
                     row.flags});
    return grid;
}

Grid CallsGrid(const DeviceView& view, size_t first, size_t count) {
    Grid grid({{"CALLS/S"}, {"COUNT"}, {"P50"}, {"P99"}, {"MAX"}, {"BY", false}, {"CALL", false}});
    for (const CallRow& row : Part(view.calls, first, count))
        grid.AddRow({RateText(row.has_rate, row.per_second), FormatCount(row.count),
                     row.timed ? FormatDuration(row.p50_ns) : "-",
                     row.timed ? FormatDuration(row.p99_ns) : "-", FormatDuration(row.max_ns),
                     row.by_layer ? "layer" : "app", row.name});
    return grid;
}

Grid BlocksGrid(const DeviceView& view, size_t first, size_t count) {
    Grid grid(
        {{"BLOCK"}, {"TYPE"}, {"SIZE"}, {"USED"}, {"ALLOCS"}, {"KIND", false}, {"FULL", false}},
        Style::kMine);
    for (const BlockRow& row : Part(view.blocks, first, count))
        grid.AddRow({std::to_string(row.index), std::to_string(row.type), FormatBytes(row.bytes),
                     command::FormatShare(row.used_bytes, row.bytes), FormatCount(row.allocations),
                     row.kind, ""});
    return grid;
}

Grid AllocationsGrid(const DeviceView& view, size_t first, size_t count) {
    Grid grid({{"SIZE"}, {"TYPE"}, {"AGE"}, {"PLACE", false}, {"WHAT", false}});
    for (const AllocationRow& row : Part(view.allocations, first, count))
        grid.AddRow({FormatBytes(row.size_bytes), std::to_string(row.type), AgeText(row.age_ns),
                     row.place, row.what});
    return grid;
}

Grid StacksGrid(const DeviceView& view, size_t first, size_t count) {
    Grid grid({{"BYTES"}, {"SHARE"}, {"ALLOCS"}, {"ALLOCATED BY", false}});
    for (const StackRow& row : Part(view.stacks, first, count))
        grid.AddRow({FormatBytes(row.bytes), command::FormatShare(row.bytes, view.app.live_bytes),
                     FormatCount(row.allocations), row.place});
    return grid;
}

Grid GridOf(const DeviceView& view, Pane pane, size_t first, size_t count) {
    switch (pane) {
        case Pane::kTypes:
            return TypesGrid(view, first, count);
        case Pane::kCalls:
            return CallsGrid(view, first, count);
        case Pane::kBlocks:
            return BlocksGrid(view, first, count);
        case Pane::kAllocations:
            return AllocationsGrid(view, first, count);
        case Pane::kStacks:
            break;
    }
    return StacksGrid(view, first, count);
}

size_t RowsOf(const DeviceView& view, Pane pane) {
    const std::array<size_t, kPanes> rows = {view.types.size(), view.calls.size(),
                                             view.blocks.size(), view.allocations.size(),
                                             view.stacks.size()};
    return rows[static_cast<size_t>(pane)];
}

std::string DensityText(const std::vector<double>& density, const Glyphs& glyphs) {
    std::string text;
    const size_t most = glyphs.shades.size() - 1;
    for (const double value : density) {
        // Only what is empty looks empty, and only what is full looks full.
        const auto inner = 1 + static_cast<size_t>(value * static_cast<double>(most - 1));
        const size_t shade = value <= 0 ? 0 : value >= 1 ? most : std::min(inner, most - 1);
        text += glyphs.shades[shade];
    }
    return text;
}

// Why a table is empty, for the user who wonders.
std::string WhyEmpty(const reader::Process& process, const DeviceView& view, Pane pane) {
    const bool wants_detail = pane != Pane::kTypes && pane != Pane::kCalls;
    if (wants_detail && !view.has_detail)
        return "Not recorded at the level totals. " + command::HowToRecord(process);
    return "Nothing.";
}

Shown Table(const reader::Process& process, const DeviceView& view, const Ui& ui, Pane pane,
            size_t height, size_t width, const Glyphs& glyphs) {
    const size_t rows = RowsOf(view, pane);
    if (rows == 0) return {.rows = 0, .screen = {{{"  " + WhyEmpty(process, view, pane)}}}};
    const size_t page = height > 1 ? height - 1 : 1;
    const bool is_chosen = pane == ui.pane;
    const size_t selected = std::min(ui.pane_row[static_cast<size_t>(pane)], rows - 1);
    const size_t first = FirstShown(selected, rows, page);
    Grid grid = GridOf(view, pane, first, page);
    if (pane == Pane::kBlocks) {
        const size_t before = grid.WidthBeforeLast();
        const size_t cells = std::min<size_t>(width - std::min(width, before), 128);
        const reader::Detail& detail = process.devices[ui.device].detail;
        for (size_t i = 0; i < grid.rows(); ++i)
            grid.SetLast(i,
                         DensityText(Density(detail, view, view.blocks[first + i], cells), glyphs));
    }
    return {.rows = rows,
            .screen = grid.Draw(is_chosen ? selected - first : grid.rows(), width, glyphs)};
}

Line Tabs(const Ui& ui) {
    Line line;
    for (size_t i = 0; i < kPanes; ++i) {
        const bool is_chosen = i == static_cast<size_t>(ui.pane);
        line.push_back({is_chosen ? std::string("[") + kPaneNames[i] + "]"
                                  : std::string(" ") + kPaneNames[i] + " ",
                        is_chosen ? Style::kSelected : Style::kDim});
        line.push_back({" "});
    }
    line.push_back({"left right: next", Style::kDim});
    return line;
}

// The row that was opened, by itself.
Screen Opened(const reader::Process& process, const DeviceView& view, const Ui& ui,
              const StackLines& lines) {
    const size_t row = ui.pane_row[static_cast<size_t>(ui.pane)];
    std::vector<std::string> text;
    if (ui.pane == Pane::kAllocations && !view.allocations.empty()) {
        const size_t shown = std::min(row, view.allocations.size() - 1);
        text = DescribeAllocation(process, process.devices[ui.device],
                                  view.allocations[shown].index, lines);
    } else if (ui.pane == Pane::kStacks && !view.stacks.empty()) {
        const StackRow& stack = view.stacks[std::min(row, view.stacks.size() - 1)];
        text = {command::Plural(stack.allocations, "allocation") + ", " + FormatBytes(stack.bytes)};
        const std::vector<std::string> frames = stack.stack == reader::kNone
                                                    ? std::vector<std::string>{stack.place}
                                                    : lines(stack.stack);
        text.insert(text.end(), frames.begin(), frames.end());
    }
    Screen screen;
    for (std::string& line : text)
        screen.push_back({{"  " + std::move(line)}});
    return screen;
}

void Append(Screen& screen, Screen part) {
    for (Line& line : part)
        screen.push_back(std::move(line));
}

// All of what was opened, if need be in place of the numbers above it; what has no room even so is
// said.
void AppendOpened(Screen& screen, Screen opened, Size size) {
    const auto room = [&] { return size.rows - std::min(size.rows, screen.size() + 1); };
    if (opened.size() > room()) screen.resize(1);
    if (opened.size() > room() && room() > 0) {
        const size_t shown = room() - 1;
        const size_t left = opened.size() - shown;
        opened.resize(shown);
        opened.push_back(
            {{"  and " + command::Plural(left, "more line") + ", for which the terminal is too low",
              Style::kDim}});
    }
    Append(screen, std::move(opened));
}

}  // namespace

Screen DrawProcess(const reader::Process& process, const DeviceView& view, const Ui& ui, Size size,
                   const Glyphs& glyphs, const StackLines& lines, Extent& extent) {
    extent = {.rows = 0, .page = 1, .devices = process.devices.size()};
    Screen screen = Head(process, view, ui, size, glyphs);
    const Line footer = Footer(ui, size.columns, glyphs);
    if (process.devices.empty()) return Finish(std::move(screen), footer, size, glyphs);
    screen.push_back(Tabs(ui));
    const size_t room = size.rows - std::min(size.rows, screen.size() + 1);
    const Shown chosen = Table(process, view, ui, ui.pane, room, size.columns, glyphs);
    extent.rows = chosen.rows;
    extent.page = room > 1 ? room - 1 : 1;
    extent.can_open =
        chosen.rows > 0 && (ui.pane == Pane::kAllocations || ui.pane == Pane::kStacks);
    if (ui.opened) {
        AppendOpened(screen, Opened(process, view, ui, lines), size);
        return Finish(std::move(screen), footer, size, glyphs);
    }
    Append(screen, chosen.screen);
    // The other tables in their order, as far as there is room for some rows of them.
    constexpr size_t kLeast = 5;
    constexpr size_t kMost = 12;
    for (size_t i = 0; i < kPanes; ++i) {
        const size_t left = size.rows - std::min(size.rows, screen.size() + 1);
        if (i == static_cast<size_t>(ui.pane) || left < kLeast) continue;
        screen.push_back({});
        screen.push_back({{kPaneNames[i], Style::kDim}});
        Append(screen, Table(process, view, ui, static_cast<Pane>(i), std::min(left - 2, kMost),
                             size.columns, glyphs)
                           .screen);
    }
    return Finish(std::move(screen), footer, size, glyphs);
}

}  // namespace tessera::top
