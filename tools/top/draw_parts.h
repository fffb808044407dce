// SPDX-License-Identifier: Apache-2.0
//
// What the pictures of `tessera top` have in common; for draw.cpp and draw_process.cpp.
//
// Threads: pure functions.
#pragma once

#include <string>

#include "tools/top/draw.h"

namespace tessera::top {

// The first line: `left` and `right` at their ends.
Line BarLine(const std::string& left, const std::string& right, size_t width, const Glyphs& glyphs);

// The last line: what keys do, or the filter while it is typed.
Line Footer(const Ui& ui, size_t width, const Glyphs& glyphs);

// The first of `rows` rows to be shown on a page, so that the selected one is in its middle if it
// can be.
size_t FirstShown(size_t selected, size_t rows, size_t page);

// Makes the screen as high and wide as it is to be, with `footer` as its last line.
Screen Finish(Screen screen, const Line& footer, Size size, const Glyphs& glyphs);

}  // namespace tessera::top
