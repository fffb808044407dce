// SPDX-License-Identifier: Apache-2.0
//
// A picture as SVG: see picture.h. Colours are classes of a style sheet, with a second set for a
// reader who prefers dark.
#include <array>
#include <cstdio>

#include "tools/map/picture.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

constexpr char kHead[] = R"(<style>
text{font-family:system-ui,"Segoe UI","DejaVu Sans",sans-serif;white-space:pre}
.page{fill:#fff}.k0{fill:#3f78c9}.k1{fill:#1f9e89}.k2{fill:#e08a2e}.k3{fill:#8b8f9c}.k4{fill:#c7a2d8}
.k5{fill:#eceef3}.k6{fill:#1b1f27}.k7{fill:#667085}.k8{fill:none;stroke:#c3c8d4}
.k9{fill:none;stroke:#1b1f27;stroke-dasharray:4 3}rect:hover{stroke:#1b1f27;stroke-width:1.5}
@media (prefers-color-scheme:dark){.page{fill:#14171d}.k0{fill:#5b93e6}.k1{fill:#2fb89f}
.k2{fill:#eda04c}.k3{fill:#8e94a3}.k4{fill:#a883bb}.k5{fill:#262b35}.k6{fill:#e8eaf0}.k7{fill:#9aa3b5}
.k8{stroke:#3b4250}.k9{stroke:#e8eaf0}rect:hover{stroke:#fff}}
</style>
)";

std::string Number(double value) {
    std::array<char, 40> text;
    snprintf(text.data(), text.size(), "%.2f", value);
    std::string number = text.data();
    number.erase(number.find_last_not_of('0') + 1);
    if (number.ends_with('.')) number.pop_back();
    return number;
}

std::string Attribute(const char* name, double value) {
    return std::string(" ") + name + "=\"" + Number(value) + "\"";
}

std::string ShapeText(const Shape& shape) {
    const std::string place = Attribute("x", shape.x) + Attribute("y", shape.y);
    const std::string look = " class=\"k" + std::to_string(static_cast<int>(shape.ink)) + "\"";
    if (shape.kind == Shape::Kind::kText) {
        return "<text" + place + look + Attribute("font-size", shape.font) +
               (shape.bold ? " font-weight=\"600\"" : "") +
               (shape.to_left ? " text-anchor=\"end\"" : "") + ">" + XmlText(shape.text) +
               "</text>\n";
    }
    std::string text = "<rect" + place + Attribute("width", shape.width) +
                       Attribute("height", shape.height) + look;
    // A frame lets the tooltips under it through.
    if (shape.kind == Shape::Kind::kFrame) return text + " pointer-events=\"none\"/>\n";
    if (shape.opacity < 1) text += Attribute("fill-opacity", shape.opacity);
    if (shape.text.empty()) return text + "/>\n";
    return text + "><title>" + XmlText(shape.text) + "</title></rect>\n";
}

}  // namespace

std::string XmlText(const std::string& text) {
    std::string safe;
    size_t line = 0;
    // Line ends are ours: they part the lines of a tooltip. Everything else is made printable.
    while (true) {
        const size_t end = text.find('\n', line);
        for (const char c : Printable(text.substr(line, end - line))) {
            switch (c) {
                case '&':
                    safe += "&amp;";
                    break;
                case '<':
                    safe += "&lt;";
                    break;
                case '>':
                    safe += "&gt;";
                    break;
                case '"':
                    safe += "&quot;";
                    break;
                case '\'':
                    safe += "&#39;";
                    break;
                default:
                    safe += c;
            }
        }
        if (end == std::string::npos) break;
        safe += '\n';
        line = end + 1;
    }
    // Characters that UTF-8 has and XML has not.
    for (const char* const none : {"\xef\xbf\xbe", "\xef\xbf\xbf"})
        for (size_t at = safe.find(none); at != std::string::npos; at = safe.find(none, at))
            safe.replace(at, 3, "\xef\xbf\xbd");
    return safe;
}

std::string Svg(const Picture& picture) {
    const std::string size = Number(picture.width) + " " + Number(picture.height);
    std::string text = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + size + "\"" +
                       Attribute("width", picture.width) + Attribute("height", picture.height) +
                       ">\n" + kHead + "<rect class=\"page\" pointer-events=\"none\"" +
                       Attribute("width", picture.width) + Attribute("height", picture.height) +
                       "/>\n";
    for (const Shape& shape : picture.shapes)
        text += ShapeText(shape);
    return text + "</svg>\n";
}

}  // namespace tessera::command
