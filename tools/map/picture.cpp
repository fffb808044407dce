// SPDX-License-Identifier: Apache-2.0
//
// See picture.h. Lengths are in pixels; all come from the constants below.
#include "tools/map/picture.h"

#include <algorithm>
#include <map>

#include "tools/text.h"
#include "tools/vulkan_names.h"

namespace tessera::command {
namespace {

constexpr double kWidth = 1280;
constexpr double kMargin = 28;
constexpr double kInner = kWidth - 2 * kMargin;
constexpr double kBarHeight = 26;
constexpr double kLineStep = 50;  // a title, its bar, and what parts it from the next line
constexpr double kGap = 8;        // between bars of a line
constexpr double kMinBar = 3;
constexpr double kMinPixels = 1.5;  // narrower spans share a rectangle
constexpr double kSmallFont = 11;
constexpr double kFont = 12;
constexpr double kCharacter = 0.62;  // of a font's height: as wide as characters are, or wider
constexpr size_t kMaxBlocks = 4000;
constexpr size_t kMaxPassed = 200;

class Painter {
 public:
    Painter(const reader::Process& process, const std::vector<DeviceMap>& maps)
        : process_(process), maps_(maps) {}

    Picture Paint() {
        picture_.width = kWidth;
        y_ = kMargin + 16;
        Text(kMargin, 18, Ink::kText, Printable(process_.name), true);
        y_ += 20;
        Text(kMargin, kFont, Ink::kFaint,
             "pid " + std::to_string(process_.pid) + ", " + reader::Name(process_.state) +
                 ", layer " + Printable(process_.layer_version));
        y_ += 26;
        Legend();
        for (const DeviceMap& map : maps_)
            Device(map);
        picture_.height = y_ + kMargin - 8;
        return std::move(picture_);
    }

 private:
    void Text(double x, double font, Ink ink, std::string text, bool bold = false,
              bool to_left = false) {
        picture_.shapes.push_back({.kind = Shape::Kind::kText,
                                   .ink = ink,
                                   .x = x,
                                   .y = y_,
                                   .font = font,
                                   .bold = bold,
                                   .to_left = to_left,
                                   .text = std::move(text)});
    }

    // Sums over all devices, each beside a patch of its colour.
    void Legend() {
        constexpr double kEntry = kInner / static_cast<double>(kUses);
        for (size_t i = 0; i < kUses; ++i) {
            uint64_t bytes = 0;
            uint64_t ranges = 0;
            for (const DeviceMap& map : maps_) {
                bytes += map.bytes[i];
                ranges += map.spans[i];
            }
            const double x = kMargin + static_cast<double>(i) * kEntry;
            picture_.shapes.push_back(
                {.ink = static_cast<Ink>(i), .x = x, .y = y_ - 10, .width = 12, .height = 26});
            Text(x + 20, kFont, Ink::kText, Title(static_cast<Use>(i)), true);
            y_ += 15;
            Text(x + 20, kSmallFont, Ink::kFaint,
                 FormatBytes(bytes) + " in " + FormatCount(ranges));
            y_ -= 15;
        }
        y_ += 34;
    }

    void Device(const DeviceMap& map) {
        uint64_t left_out = 0;
        const std::vector<MapRow> rows = RowsToDraw(map, kMaxBlocks, kMaxPassed, &left_out);
        y_ += 20;
        Text(kMargin, 14, Ink::kText,
             "Device " + std::to_string(map.device->id) + "  " + Printable(map.device->name), true);
        if (rows.empty()) {
            y_ += 20;
            Text(kMargin, kFont, Ink::kFaint, "no memory is allocated");
        }
        std::map<std::pair<uint32_t, bool>, std::vector<const MapRow*>> groups;
        uint64_t largest = 1;
        for (const MapRow& row : rows) {
            groups[{row.type, row.passed_through}].push_back(&row);
            largest = std::max(largest, row.bytes);
        }
        for (const auto& [key, group] : groups)
            Group(map, group, kInner / static_cast<double>(largest));
        if (left_out > 0) {
            y_ += 16;
            Text(kMargin, kFont, Ink::kFaint, Plural(left_out, "further block") + " not drawn");
        }
        y_ += 14;
    }

    // The blocks of a memory type, or what passed through it: bars side by side, by one scale.
    void Group(const DeviceMap& map, const std::vector<const MapRow*>& rows, double scale) {
        const MapRow& first = *rows.front();
        uint64_t bytes = 0;
        uint64_t free = 0;
        for (const MapRow* const row : rows) {
            bytes += row->bytes;
            free += row->FreeBytes();
        }
        y_ += 26;
        std::string text = "Memory type " + std::to_string(first.type) + ", heap " +
                           std::to_string(first.heap) + ": " + FormatBytes(bytes);
        if (first.passed_through)
            text += " passed through";
        else
            text += " in " + Plural(rows.size(), "block") + ", " +
                    FormatShare(bytes - free, bytes) + " used";
        Text(kMargin, kFont, Ink::kText, text, true);
        double x = kMargin;
        y_ += 26;
        for (const MapRow* const row : rows) {
            const double width = std::max(kMinBar, scale * static_cast<double>(row->bytes));
            if (x > kMargin && x + width > kMargin + kInner + 0.01) {
                x = kMargin;
                y_ += kLineStep;
            }
            Bar(map, *row, x, width);
            x += width + kGap;
        }
        y_ += kLineStep - 18;
    }

    // A row under as much of its title as has room above it.
    void Bar(const DeviceMap& map, const MapRow& row, double x, double width) {
        const std::string title = RowTitle(map, row);
        const std::string size = FormatBytes(row.bytes);
        const std::string used = FormatShare(row.bytes - row.FreeBytes(), row.bytes) + " used";
        const auto fits = [&](const std::string& text) {
            return static_cast<double>(text.size()) * kSmallFont * kCharacter <= width;
        };
        for (const std::string& text :
             {title + ", " + size + ", " + used, title + ", " + size, size}) {
            if (!fits(text)) continue;
            Text(x, kSmallFont, Ink::kFaint, text);
            break;
        }
        const double top = y_ + 5;
        Spans(map, row, x, top, width);
        picture_.shapes.push_back({.kind = Shape::Kind::kFrame,
                                   .ink = row.passed_through ? Ink::kPassed : Ink::kFrame,
                                   .x = x,
                                   .y = top,
                                   .width = width,
                                   .height = kBarHeight});
    }

    void Spans(const DeviceMap& map, const MapRow& row, double x, double top, double width) {
        const double scale = row.bytes == 0 ? 0 : width / static_cast<double>(row.bytes);
        const auto at = [&](uint64_t offset) { return x + scale * static_cast<double>(offset); };
        for (size_t i = 0; i < row.spans.size();) {
            size_t end = i + 1;
            uint64_t bytes = row.spans[i].bytes;
            if (scale * static_cast<double>(bytes) < kMinPixels) {
                while (end < row.spans.size() && scale * static_cast<double>(bytes) < kMinPixels) {
                    // One that can be told apart stays by itself.
                    if (scale * static_cast<double>(row.spans[end].bytes) >= kMinPixels) break;
                    bytes += row.spans[end++].bytes;
                }
            }
            Shape shape = {.x = at(row.spans[i].offset),
                           .y = top,
                           .width = scale * static_cast<double>(bytes),
                           .height = kBarHeight};
            if (end == i + 1) {
                shape.ink = static_cast<Ink>(row.spans[i].use);
                shape.text = Tooltip(map, row, row.spans[i]);
                // A line between neighbours, where there is room for it.
                if (shape.width >= 4 && row.spans[i].use != Use::kFree) shape.width -= 0.75;
            } else {
                Together(std::span(row.spans).subspan(i, end - i), shape);
            }
            picture_.shapes.push_back(std::move(shape));
            i = end;
        }
    }

    // A rectangle for several spans: the paler, the emptier.
    static void Together(std::span<const Span> spans, Shape& shape) {
        Cell cell;
        uint64_t used = 0;
        for (const Span& span : spans) {
            cell.bytes[static_cast<size_t>(span.use)] += span.bytes;
            used += span.use != Use::kFree && span.use != Use::kPadding ? 1 : 0;
        }
        shape.ink = static_cast<Ink>(cell.Dominant());
        shape.opacity = cell.Dominant() == Use::kFree
                            ? 1
                            : 0.35 + 0.65 * static_cast<double>(cell.Taken()) /
                                         static_cast<double>(cell.Total());
        shape.text = Plural(used, "range") + " in use, mostly " + Title(cell.Dominant()) + "\n" +
                     FormatBytes(cell.Taken()) + " of " + FormatBytes(cell.Total()) +
                     " from offset " + FormatCount(spans.front().offset);
    }

    std::string Tooltip(const DeviceMap& map, const MapRow& row, const Span& span) const {
        const reader::Detail& detail = map.device->detail;
        std::string text = Printable(NameOf(detail, span));
        if (text.empty() && span.use == Use::kFree) text = RowTitle(map, row);
        text += (text.empty() ? "" : "\n") + std::string(Title(span.use)) + ", " +
                FormatBytes(span.bytes);
        if (row.index != reader::kNone || !row.passed_through)
            text += " at offset " + FormatCount(span.offset);
        if (span.resource != reader::kNone) {
            const reader::Resource& resource = detail.resources[span.resource];
            text += "\n" + DescribeResource(resource);
        }
        if (span.allocation == reader::kNone) return text;
        const reader::Allocation& allocation = detail.allocations[span.allocation];
        text += "\nmemory " + HandleText(allocation.memory) + " of " +
                FormatBytes(allocation.size_bytes);
        if (allocation.made_ns != 0)
            text += ", " + FormatDuration(AgeOf(process_, allocation.made_ns)) + " old";
        if (allocation.block == reader::kNone)
            text += "\npassed through: " + std::string(reader::ReasonText(allocation.reason));
        return text;
    }

    const reader::Process& process_;
    const std::vector<DeviceMap>& maps_;
    Picture picture_;
    double y_ = 0;
};

}  // namespace

Picture DrawMap(const reader::Process& process, const std::vector<DeviceMap>& maps) {
    return Painter(process, maps).Paint();
}

}  // namespace tessera::command
