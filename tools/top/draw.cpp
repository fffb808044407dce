// SPDX-License-Identifier: Apache-2.0
//
// See draw.h: the list of processes, help, and what all pictures have in common.
#include "tools/top/draw.h"

#include <algorithm>
#include <cstdio>

#include "tools/text.h"
#include "tools/top/draw_parts.h"

namespace tessera::top {

using command::FormatBytes;
using command::FormatCount;

Line Bar(uint64_t mine, uint64_t used, uint64_t limit, size_t width, const Glyphs& glyphs) {
    const auto cells = [&](uint64_t bytes) -> size_t {
        if (limit == 0 || bytes == 0) return 0;
        const double share = static_cast<double>(bytes) / static_cast<double>(limit);
        const auto count = static_cast<size_t>(std::min(share, 1.0) * static_cast<double>(width));
        // What is there can be seen, however little it is.
        return std::clamp<size_t>(count, 1, width);
    };
    const size_t mine_cells = width == 0 ? 0 : cells(mine);
    const size_t used_cells = width == 0 ? 0 : std::max(cells(std::max(used, mine)), mine_cells);
    const auto repeat = [](const char* glyph, size_t count) {
        std::string text;
        for (size_t i = 0; i < count; ++i)
            text += glyph;
        return text;
    };
    return {{repeat(glyphs.bar_mine, mine_cells), Style::kMine},
            {repeat(glyphs.bar_other, used_cells - mine_cells), Style::kOther},
            {repeat(glyphs.bar_free, width - used_cells), Style::kDim}};
}

std::string RateText(bool known, double per_second) {
    if (!known) return "-";
    if (per_second >= 100) return FormatCount(static_cast<uint64_t>(per_second + 0.5));
    char text[32];
    snprintf(text, sizeof(text), per_second == 0 ? "0" : "%.1f", per_second);
    return text;
}

Line BarLine(const std::string& left, const std::string& right, size_t width,
             const Glyphs& glyphs) {
    const size_t room = width - std::min(width, WidthOf(right) + 1);
    return {{Fit(Fit(" " + left, room, glyphs) + right + " ", width, glyphs), Style::kBar}};
}

Line Footer(const Ui& ui, size_t width, const Glyphs& glyphs) {
    if (ui.typing)
        return {{Fit("filter: " + ui.filter + "_   enter: keep   esc: as before", width, glyphs),
                 Style::kTitle}};
    std::string text = "h help  q quit  p " + std::string(ui.paused ? "go on" : "pause");
    if (const SortKeys keys = SortKeysOf(ui); keys.count != 0) {
        const Order& order =
            ui.in_process ? ui.pane_order[static_cast<size_t>(ui.pane)] : ui.list_order;
        text += std::string("  s sort: ") + keys.names[order.key] + " " +
                (order.reversed ? glyphs.up : glyphs.down) + "  r reverse";
    }
    text += "  / filter";
    if (!ui.filter.empty()) text += ": " + ui.filter;
    text += ui.in_process ? "  esc back" : "  enter open";
    return {{Fit(text, width, glyphs), Style::kDim}};
}

size_t FirstShown(size_t selected, size_t rows, size_t page) {
    if (rows <= page) return 0;
    const size_t above = std::min(selected, page / 2);
    return std::min(selected - above, rows - page);
}

Screen Finish(Screen screen, const Line& footer, Size size, const Glyphs& glyphs) {
    screen.resize(size.rows == 0 ? 0 : size.rows - 1);
    screen.push_back(footer);
    for (Line& line : screen)
        line = Clip(line, size.columns, glyphs);
    if (size.rows == 0) screen.clear();
    return screen;
}

Screen DrawList(const std::vector<ProcessRow>& rows, const Ui& ui, Size size, const Glyphs& glyphs,
                Extent& extent) {
    constexpr size_t kAround = 3;  // title, heads of columns, keys
    const size_t page = size.rows > kAround ? size.rows - kAround : 1;
    const size_t selected = rows.empty() ? 0 : std::min(ui.list_row, rows.size() - 1);
    extent = {.rows = rows.size(), .page = page};
    extent.selected_pid = rows.empty() ? 0 : rows[selected].pid;

    Screen screen = {BarLine("tessera top  " + command::Plural(rows.size(), "process"),
                             ui.paused ? "PAUSED" : "", size.columns, glyphs)};
    if (rows.empty()) {
        screen.push_back({});
        screen.push_back(
            {{ui.filter.empty() ? "  No process of this user has loaded the layer. Start one with "
                                  "`tessera run APP`."
                                : "  No process contains that in its name or number.",
              Style::kPlain}});
        return Finish(std::move(screen), Footer(ui, size.columns, glyphs), size, glyphs);
    }
    // The name tells which process it is: it has room before numbers of lesser use.
    Grid grid({{"PID"},
               {"STATE", false},
               {"LEVEL", false, 2},
               {"APP", true, 3},
               {"APP MEM"},
               {"DRIVER", true, 1},
               {"DRIVER MEM"},
               {"ALLOC/S"},
               {"FRAME/S", true, 4},
               {"NAME", false}});
    const size_t first = FirstShown(selected, rows.size(), page);
    for (size_t i = first; i < rows.size() && i < first + page; ++i) {
        const ProcessRow& row = rows[i];
        grid.AddRow({std::to_string(row.pid), reader::Name(row.state), reader::LevelName(row.level),
                     FormatCount(row.app_live), FormatBytes(row.app_bytes),
                     FormatCount(row.driver_live), FormatBytes(row.driver_bytes),
                     RateText(row.rates.known, row.rates.allocations),
                     RateText(row.rates.known, row.rates.frames), row.name});
    }
    for (Line& line : grid.Draw(selected - first, size.columns, glyphs))
        screen.push_back(std::move(line));
    return Finish(std::move(screen), Footer(ui, size.columns, glyphs), size, glyphs);
}

Screen DrawHelp(Size size, const Glyphs& glyphs) {
    Screen screen = {BarLine("tessera top: help", "any of h, esc: back", size.columns, glyphs)};
    const std::string mine = glyphs.bar_mine, other = glyphs.bar_other, free = glyphs.bar_free;
    std::string shades;
    for (const char* const shade : glyphs.shades)
        shades += shade;
    for (const std::string& line : {
             std::string(),
             std::string("up down pgup pgdn home end   choose a row"),
             std::string("enter                        open a process, an allocation, a stack"),
             std::string("esc                          back; drops the filter first"),
             std::string("left right tab               the next table of a process"),
             std::string("d                            the next device of a process"),
             std::string("s  r                         sort by another column; reverse the order"),
             std::string("/                            show only what contains a text"),
             std::string("p                            pause: the numbers stay as they are"),
             std::string("q                            quit"),
             std::string(),
             "heaps    " + mine + " what the layer has from the driver  " + other +
                 " what else the process uses",
             "         " + free + " free; the bar is as long as the budget, or the heap",
             "blocks   each sign is an equal part of a block: " + shades + " empty to full",
             std::string(
                 "app      what the application asked for    driver   what was asked of it"),
             std::string("calls    p50 and p99 of the calls since the last look, max of all"),
             std::string("-        not known, or nothing happened since the last look"),
         })
        screen.push_back({{"  " + line, Style::kPlain}});
    return Finish(std::move(screen), {}, size, glyphs);
}

}  // namespace tessera::top
