// SPDX-License-Identifier: Apache-2.0
//
// See terminal.h. Everything that an application named goes through Printable(); the only escape
// sequences are the colours below.
#include "tools/map/terminal.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "tools/text.h"

namespace tessera::command {
namespace {

constexpr size_t kMinBar = 16;
constexpr size_t kMaxPassed = 8;
constexpr std::string_view kReset = "\x1b[0m";

// By Use. Of the sixteen colours that every terminal lets its user choose.
constexpr std::array<std::string_view, kUses> kColours = {"\x1b[94m", "\x1b[96m", "\x1b[93m",
                                                          "\x1b[37m", "\x1b[95m", "\x1b[90m"};
constexpr std::array<char, kUses> kLetters = {'b', 'l', 'o', 'u', 'p', '.'};
constexpr std::array<std::string_view, 9> kEighths = {"·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

bool Contains(const char* text, std::string_view part) {
    for (; text != nullptr && *text != '\0'; ++text)
        if (strncasecmp(text, part.data(), part.size()) == 0) return true;
    return false;
}

std::string Bar(const MapRow& row, size_t width, BarStyle style) {
    std::string bar;
    std::string_view colour;
    for (const Cell& cell : Divide(row.spans, row.bytes, width)) {
        if (style == BarStyle::kColour) {
            const std::string_view wanted = kColours[static_cast<size_t>(cell.Dominant())];
            if (wanted != colour) bar += wanted;
            colour = wanted;
        }
        bar += CellText(cell, style);
    }
    if (!colour.empty()) bar += kReset;
    return bar;
}

// The columns beside the bars. With `bar_width` 0 without bars, to find out how wide they are.
std::string Rows(const DeviceMap& map, const std::vector<MapRow>& rows, size_t bar_width,
                 BarStyle style) {
    Table table({{"memory", Table::Align::kLeft},
                 {"type"},
                 {"size"},
                 {"used"},
                 {"slots"},
                 {"", Table::Align::kLeft}});
    for (const MapRow& row : rows) {
        table.AddRow({RowTitle(map, row), std::to_string(row.type), FormatBytes(row.bytes),
                      FormatShare(row.bytes - row.FreeBytes(), row.bytes),
                      FormatCount(row.allocations),
                      bar_width == 0 ? "|" : Bar(row, bar_width, style)});
    }
    return table.Format(2);
}

// A sign for each use as the bars show it, with what there is of it.
std::string Legend(const DeviceMap& map, BarStyle style) {
    Table table(
        {{"", Table::Align::kLeft}, {"", Table::Align::kLeft}, {"ranges"}, {"bytes"}, {""}});
    uint64_t all = 0;
    for (const uint64_t bytes : map.bytes)
        all += bytes;
    for (size_t i = 0; i < kUses; ++i) {
        Cell full;
        full.bytes[i] = 1;
        const std::string sign = style == BarStyle::kBlocks ? "" : CellText(full, style);
        table.AddRow({sign, Title(static_cast<Use>(i)), FormatCount(map.spans[i]),
                      FormatBytes(map.bytes[i]), FormatShare(map.bytes[i], all)});
    }
    std::string text = table.Format(2);
    if (style != BarStyle::kColour) return text;
    // Colours are put in last, since a table would count their bytes as columns.
    size_t line = text.find('\n') + 1;
    for (size_t i = 0; i < kUses; ++i) {
        const std::string_view sign = i + 1 == kUses ? kEighths.front() : kEighths.back();
        const size_t at = text.find(sign, line);
        const std::string coloured =
            std::string(kColours[i]) + std::string(sign) + std::string(kReset);
        text.replace(at, sign.size(), coloured);
        line = text.find('\n', at) + 1;
    }
    return text;
}

std::string DeviceText(const DeviceMap& map, size_t width, BarStyle style) {
    std::string text = "\ndevice " + std::to_string(map.device->id) + "  " +
                       Printable(map.device->name) +
                       (map.device->state == TESSERA_DEVICE_LIVE ? "" : "  destroyed") + "\n";
    if (map.rows.empty()) return text + "  no memory is allocated\n";
    uint64_t left_out = 0;
    const std::vector<MapRow> rows = RowsToDraw(map, map.rows.size(), kMaxPassed, &left_out);
    const std::string bare = Rows(map, rows, 0, style);
    size_t columns = 0;  // beside the bars
    const size_t first = bare.find('\n') + 1;
    columns = bare.find('|', first) - first;
    const size_t bar = std::max(kMinBar, width > columns ? width - columns : 0);
    text += Rows(map, rows, bar, style) + "\n" + Legend(map, style);
    uint64_t aliased = 0;
    for (const MapRow& row : map.rows)
        aliased += row.aliased;
    if (aliased > 0)
        text += "  Not shown: " + Plural(aliased, "resource") + " bound over others.\n";
    if (map.unrecorded > 0)
        text += "  Not shown: " + Plural(map.unrecorded, "record") +
                " for which the statistics had no room.\n";
    if (map.device->detail.moving > 0)
        text += "  Not shown: " + Plural(map.device->detail.moving, "record") +
                " that changed while they were read.\n";
    return text;
}

}  // namespace

BarStyle StyleFor(const TerminalFacts& facts) {
    const bool dumb = facts.term != nullptr && std::string_view(facts.term) == "dumb";
    const bool utf8 = Contains(facts.locale, "utf-8") || Contains(facts.locale, "utf8");
    if (dumb || !utf8) return BarStyle::kLetters;
    const bool plain = facts.no_color != nullptr && *facts.no_color != '\0';
    if (!facts.is_terminal || facts.term == nullptr || plain) return BarStyle::kBlocks;
    return BarStyle::kColour;
}

std::string CellText(const Cell& cell, BarStyle style) {
    const Use use = cell.Dominant();
    const uint64_t total = std::max<uint64_t>(cell.Total(), 1);
    const uint64_t taken = cell.Taken();
    if (style == BarStyle::kLetters) {
        const char letter = kLetters[static_cast<size_t>(use)];
        const bool capital = use != Use::kFree && taken >= total - taken;
        return {capital ? static_cast<char>(letter - 'a' + 'A') : letter};
    }
    if (taken == 0) return std::string(kEighths.front());
    const double share = static_cast<double>(taken) / static_cast<double>(total);
    // Full only if it is, and never empty.
    const auto eighths =
        taken == total ? size_t{8} : std::clamp<size_t>(static_cast<size_t>(share * 8 + 0.5), 1, 7);
    return std::string(kEighths[eighths]);
}

std::string MapText(const reader::Process& process, const std::vector<DeviceMap>& maps,
                    size_t width, BarStyle style) {
    std::string text = Printable(process.name) + "  pid " + std::to_string(process.pid) + "  " +
                       reader::Name(process.state) + "\n";
    for (const DeviceMap& map : maps)
        text += DeviceText(map, width, style);
    return text;
}

}  // namespace tessera::command
