// SPDX-License-Identifier: Apache-2.0
//
// See screen.h. All texts are valid UTF-8 here: they went through Printable().
#include "tools/top/screen.h"

#include <wchar.h>

#include <algorithm>
#include <cstdint>

namespace tessera::top {
namespace {

// The bytes of the character that starts at `at`.
size_t LengthAt(const std::string& text, size_t at) {
    size_t length = 1;
    while (at + length < text.size() && (text[at + length] & 0xc0) == 0x80)
        ++length;
    return length;
}

size_t ColumnsOf(const std::string& text, size_t at, size_t length) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (length == 1) return 1;
    auto code = static_cast<uint32_t>(lead & (0xff >> (length + 1)));
    for (size_t i = 1; i < length; ++i)
        code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3f);
    const int columns = wcwidth(static_cast<wchar_t>(code));
    return columns < 0 ? 1 : static_cast<size_t>(columns);
}

// The longest beginning of `text` that takes at most `width` columns; `used` is how many it takes.
std::string Beginning(const std::string& text, size_t width, size_t& used) {
    size_t at = 0;
    used = 0;
    while (at < text.size()) {
        const size_t length = LengthAt(text, at);
        const size_t columns = ColumnsOf(text, at, length);
        if (used + columns > width) break;
        used += columns;
        at += length;
    }
    return text.substr(0, at);
}

std::string CutTo(const std::string& text, size_t width, const Glyphs& glyphs, size_t& used) {
    std::string shown = Beginning(text, width, used);
    if (shown.size() == text.size() || width == 0) return shown;
    shown = Beginning(text, width - 1, used) + glyphs.cut;
    ++used;
    return shown;
}

}  // namespace

const Glyphs& UnicodeGlyphs() {
    static const Glyphs glyphs = {.bar_mine = "█",
                                  .bar_other = "▒",
                                  .bar_free = "·",
                                  .shades = {"·", "░", "▒", "▓", "█"},
                                  .down = "▼",
                                  .up = "▲",
                                  .cut = "…"};
    return glyphs;
}

const Glyphs& AsciiGlyphs() {
    static const Glyphs glyphs = {.bar_mine = "#",
                                  .bar_other = "+",
                                  .bar_free = ".",
                                  .shades = {".", ":", "+", "%", "#"},
                                  .down = "v",
                                  .up = "^",
                                  .cut = "~"};
    return glyphs;
}

size_t WidthOf(const std::string& text) {
    size_t used = 0;
    Beginning(text, SIZE_MAX, used);
    return used;
}

std::string Fit(const std::string& text, size_t width, const Glyphs& glyphs) {
    size_t used = 0;
    const std::string shown = CutTo(text, width, glyphs, used);
    return shown + std::string(width - used, ' ');
}

std::string FitRight(const std::string& text, size_t width, const Glyphs& glyphs) {
    size_t used = 0;
    const std::string shown = CutTo(text, width, glyphs, used);
    return std::string(width - used, ' ') + shown;
}

Line Clip(const Line& line, size_t width, const Glyphs& glyphs) {
    Line clipped;
    for (const Piece& piece : line) {
        if (width == 0) break;
        size_t used = 0;
        clipped.push_back({CutTo(piece.text, width, glyphs, used), piece.style});
        width -= used;
    }
    return clipped;
}

std::string TextOf(const Screen& screen) {
    std::string text;
    for (const Line& line : screen) {
        std::string one;
        for (const Piece& piece : line)
            one += piece.text;
        one.erase(one.find_last_not_of(' ') + 1);
        text += one + '\n';
    }
    return text;
}

std::vector<size_t> Grid::Widths() const {
    std::vector<size_t> widths;
    for (size_t i = 0; i < columns_.size(); ++i) {
        size_t widest = WidthOf(columns_[i].title);
        for (const auto& row : rows_)
            widest = std::max(widest, WidthOf(row[i]));
        widths.push_back(std::min<size_t>(widest, 40));
    }
    return widths;
}

size_t Grid::WidthBeforeLast() const {
    const std::vector<size_t> widths = Widths();
    size_t sum = 2;
    for (size_t i = 0; i + 1 < widths.size(); ++i)
        sum += widths[i] + 2;
    return sum;
}

std::vector<size_t> Grid::Kept(const std::vector<size_t>& widths, size_t width) const {
    constexpr size_t kLeast = 16;  // of the last column, if it has so much to show
    const size_t wanted = std::min(widths.back(), kLeast);
    int left_out = 0;
    for (int next = 1; next > 0;) {
        size_t sum = 2 + wanted;
        next = 0;
        for (size_t i = 0; i + 1 < columns_.size(); ++i) {
            const int rank = columns_[i].leave_out;
            if (rank > 0 && rank <= left_out) continue;
            sum += widths[i] + 2;
            if (rank > 0 && (next == 0 || rank < next)) next = rank;
        }
        if (sum <= width) break;
        if (next > 0) left_out = next;
    }
    std::vector<size_t> kept;
    for (size_t i = 0; i + 1 < columns_.size(); ++i)
        if (columns_[i].leave_out == 0 || columns_[i].leave_out > left_out) kept.push_back(i);
    return kept;
}

Screen Grid::Draw(size_t selected, size_t width, const Glyphs& glyphs) const {
    const std::vector<size_t> widths = Widths();
    const std::vector<size_t> kept = Kept(widths, width);
    const auto line_of = [&](const auto& cell_of, const char* margin, Style style, Style last) {
        std::string text = margin;
        for (const size_t i : kept) {
            text += columns_[i].right ? FitRight(cell_of(i), widths[i], glyphs)
                                      : Fit(cell_of(i), widths[i], glyphs);
            text += "  ";
        }
        // The last column has what is left, however wide it is.
        const size_t left = width - std::min(width, WidthOf(text));
        return Line{{text, style}, {Fit(cell_of(columns_.size() - 1), left, glyphs), last}};
    };
    Screen screen;
    screen.push_back(line_of([&](size_t i) -> const std::string& { return columns_[i].title; },
                             "  ", Style::kTitle, Style::kTitle));
    for (size_t row = 0; row < rows_.size(); ++row) {
        const bool is_selected = row == selected;
        const Style style = is_selected ? Style::kSelected : Style::kPlain;
        screen.push_back(line_of([&](size_t i) -> const std::string& { return rows_[row][i]; },
                                 is_selected ? "> " : "  ", style,
                                 last_ == Style::kPlain ? style : last_));
    }
    return screen;
}

}  // namespace tessera::top
