// SPDX-License-Identifier: Apache-2.0
//
// A picture of text: lines of styled pieces, with columns counted as a terminal counts them.
//
// The one idea: what is on the screen is a value. It is made without a terminal, compared in tests,
// and put on a terminal (curses_terminal.h) by something that knows nothing of what it means. No
// style carries a meaning alone: whoever has no colours loses none.
//
// Threads: pure values. Widths depend on the locale's character set (LC_CTYPE).
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace tessera::top {

enum class Style {
    kPlain,
    kTitle,     // of a column or a part
    kBar,       // a line over the whole width, reversed
    kSelected,  // reversed too; such a line starts with '>' besides
    kDim,
    kMine,   // memory that the layer got from the driver
    kOther,  // what else is used
    kWarn,
};

struct Piece {
    std::string text;
    Style style = Style::kPlain;
};
using Line = std::vector<Piece>;

struct Size {
    size_t rows = 24;
    size_t columns = 80;
};

using Screen = std::vector<Line>;

// What drawings are made of: signs of Unicode, or of ASCII where the locale has no others.
struct Glyphs {
    const char* bar_mine;   // of a bar: what the layer has
    const char* bar_other;  // what else is used
    const char* bar_free;
    std::vector<const char*> shades;  // of a block: from empty to full
    const char* down;                 // an order: the largest first
    const char* up;
    const char* cut;  // where a text was cut
};
const Glyphs& UnicodeGlyphs();
const Glyphs& AsciiGlyphs();

// Columns that `text` takes. What the locale cannot show counts as one.
size_t WidthOf(const std::string& text);

// `text` in exactly `width` columns: cut, with a sign for it, or filled up with spaces on the right
// (or on the left).
std::string Fit(const std::string& text, size_t width, const Glyphs& glyphs);
std::string FitRight(const std::string& text, size_t width, const Glyphs& glyphs);

// The line cut to `width` columns.
Line Clip(const Line& line, size_t width, const Glyphs& glyphs);

// The text of a screen, without styles and spaces at ends of lines: for tests.
std::string TextOf(const Screen& screen);

// Columns of cells; the last one takes the rest of the width.
class Grid {
 public:
    struct Column {
        std::string title;
        bool right = true;
        // Not 0: it is left out where the last column would have no room, those with 1 first.
        int leave_out = 0;
    };
    // `last`: the style of cells of the last column where they are bars, which look the same in a
    // line that is selected; kPlain: they look as their line.
    explicit Grid(std::vector<Column> columns, Style last = Style::kPlain)
        : columns_(std::move(columns)), last_(last) {}
    void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    size_t rows() const { return rows_.size(); }
    // Columns before the last one, with the margin.
    size_t WidthBeforeLast() const;
    void SetLast(size_t row, std::string cell) { rows_[row].back() = std::move(cell); }

    // The titles and the rows with two columns of margin; the row `selected` is marked. Columns are
    // as wide as their widest cell; some are left out where there is no room.
    Screen Draw(size_t selected, size_t width, const Glyphs& glyphs) const;

 private:
    std::vector<size_t> Widths() const;
    // The columns before the last one that stand on `width` columns of the terminal.
    std::vector<size_t> Kept(const std::vector<size_t>& widths, size_t width) const;

    std::vector<Column> columns_;
    Style last_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace tessera::top
