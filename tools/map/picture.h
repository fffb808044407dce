// SPDX-License-Identifier: Apache-2.0
//
// The map as a picture: a bar for each row, as long as it is large, and a legend.
//
// The one idea: what is drawn is decided once, as a list of rectangles and texts, and then written
// as SVG (with a tooltip on each rectangle) or painted as PNG. A row has as many rectangles as can
// be told apart, however many spans it has: neighbours narrower than kMinPixels become one.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/reader.h"
#include "tools/map/model.h"

namespace tessera::command {

// What colour a shape has; the first are those of Use.
enum class Ink : uint8_t {
    kBuffer,
    kLinearImage,
    kOptimalImage,
    kUnknown,
    kPadding,
    kFree,
    kText,
    kFaint,   // text of less weight
    kFrame,   // around a block
    kPassed,  // around what passed through
};
inline constexpr size_t kInks = 10;

struct Shape {
    enum class Kind : uint8_t { kRectangle, kFrame, kText };
    Kind kind = Kind::kRectangle;
    Ink ink = Ink::kFree;
    double x = 0, y = 0;  // of a text where its base line begins
    double width = 0, height = 0;
    double opacity = 1;
    double font = 0;  // height of a text
    bool bold = false;
    bool to_left = false;   // the text ends at x
    std::string text = {};  // or tooltip; not escaped
};

struct Picture {
    double width = 0;
    double height = 0;
    std::vector<Shape> shapes = {};
};

Picture DrawMap(const reader::Process& process, const std::vector<DeviceMap>& maps);

// Escaped: any text is shown, none is read as markup.
std::string Svg(const Picture& picture);

// Returns: the bytes of a PNG file; or none, with a sentence in `*error`.
std::string Png(const Picture& picture, std::string* error);

// Text as XML takes it: markup escaped, what XML cannot hold replaced.
std::string XmlText(const std::string& text);

}  // namespace tessera::command
