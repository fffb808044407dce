// SPDX-License-Identifier: Apache-2.0
//
// The map on a terminal: a line for each row, with a bar whose characters are equal parts of it.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tessera/reader.h"
#include "tools/map/model.h"

namespace tessera::command {

// How a part of a row is shown.
enum class BarStyle {
    kColour,   // as high as it is full, in the colour of what is most in it
    kBlocks,   // only as high as it is full
    kLetters,  // in ASCII: the letter of what is most in it, a capital if it is at least half full
};

// What decides on the style: the variables as the environment has them, null if it has not.
struct TerminalFacts {
    bool is_terminal = false;
    const char* term = nullptr;      // TERM
    const char* no_color = nullptr;  // NO_COLOR: any text but the empty one means yes
    const char* locale = nullptr;    // the first of LC_ALL, LC_CTYPE and LANG that is not empty
};
BarStyle StyleFor(const TerminalFacts& facts);

// One part of a bar, without the escape sequences of colours.
std::string CellText(const Cell& cell, BarStyle style);

// The whole map: a heading, a line for each row, sums. Lines are at most `width` columns wide where
// that leaves the bars 16 columns.
std::string MapText(const reader::Process& process, const std::vector<DeviceMap>& maps,
                    size_t width, BarStyle style);

}  // namespace tessera::command
