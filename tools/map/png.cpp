// SPDX-License-Identifier: Apache-2.0
//
// A picture as PNG, painted with cairo at twice its size: see picture.h. In the light colours of
// svg.cpp.
#include <cairo.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>

#include "tools/map/picture.h"

namespace tessera::command {
namespace {

constexpr int kMaxPixels = 32'767;  // of a side of cairo's images

constexpr std::array<uint32_t, kInks> kColours = {0x3f78c9, 0x1f9e89, 0xe08a2e, 0x8b8f9c, 0xc7a2d8,
                                                  0xeceef3, 0x1b1f27, 0x667085, 0xc3c8d4, 0x1b1f27};

void SetColour(cairo_t* context, uint32_t colour, double opacity) {
    const auto part = [&](int shift) { return static_cast<double>(colour >> shift & 0xffu) / 255; };
    cairo_set_source_rgba(context, part(16), part(8), part(0), opacity);
}

void PaintText(cairo_t* context, const Shape& shape) {
    cairo_select_font_face(context, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           shape.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(context, shape.font);
    double x = shape.x;
    if (shape.to_left) {
        cairo_text_extents_t extents;
        cairo_text_extents(context, shape.text.c_str(), &extents);
        x -= extents.x_advance;
    }
    cairo_move_to(context, x, shape.y);
    cairo_show_text(context, shape.text.c_str());
}

void PaintShape(cairo_t* context, const Shape& shape) {
    SetColour(context, kColours[static_cast<size_t>(shape.ink)], shape.opacity);
    switch (shape.kind) {
        case Shape::Kind::kText:
            PaintText(context, shape);
            break;
        case Shape::Kind::kRectangle:
            cairo_rectangle(context, shape.x, shape.y, shape.width, shape.height);
            cairo_fill(context);
            break;
        case Shape::Kind::kFrame: {
            constexpr std::array<double, 2> kDashes = {4, 3};
            cairo_set_dash(context, kDashes.data(), shape.ink == Ink::kPassed ? 2 : 0, 0);
            cairo_rectangle(context, shape.x, shape.y, shape.width, shape.height);
            cairo_stroke(context);
            break;
        }
    }
}

cairo_status_t Append(void* closure, const unsigned char* data, unsigned int length) {
    // Called from C, through which no exception may go.
    try {
        static_cast<std::string*>(closure)->append(reinterpret_cast<const char*>(data), length);
    } catch (const std::bad_alloc&) {
        return CAIRO_STATUS_NO_MEMORY;
    }
    return CAIRO_STATUS_SUCCESS;
}

}  // namespace

std::string Png(const Picture& picture, std::string* error) {
    // As sharp as screens are, if that is not too large.
    const double scale = picture.height * 2 <= kMaxPixels ? 2 : 1;
    const auto pixels = [&](double length) {
        return static_cast<int>(std::clamp(length * scale, 1.0, double{kMaxPixels}));
    };
    if (picture.height * scale > kMaxPixels) {
        *error =
            "there are too many blocks for a PNG, which can have 32,767 lines: write an .svg, or "
            "choose with --device or --type.";
        return {};
    }
    const std::unique_ptr<cairo_surface_t, decltype(&cairo_surface_destroy)> surface(
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, pixels(picture.width),
                                   pixels(picture.height)),
        cairo_surface_destroy);
    const std::unique_ptr<cairo_t, decltype(&cairo_destroy)> context(cairo_create(surface.get()),
                                                                     cairo_destroy);
    cairo_scale(context.get(), scale, scale);
    cairo_set_source_rgb(context.get(), 1, 1, 1);
    cairo_paint(context.get());
    cairo_set_line_width(context.get(), 1);
    for (const Shape& shape : picture.shapes)
        PaintShape(context.get(), shape);
    std::string bytes;
    cairo_status_t status = cairo_status(context.get());
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_write_to_png_stream(surface.get(), Append, &bytes);
    if (status == CAIRO_STATUS_SUCCESS) return bytes;
    *error = std::string("the picture cannot be painted: ") + cairo_status_to_string(status) + ".";
    return {};
}

}  // namespace tessera::command
