// SPDX-License-Identifier: Apache-2.0
//
// Writing a picture to disk, by libpng's simplified interface: see png_file.h.
//
// The colour channels are packed to RGB first, since the simplified writer would otherwise treat
// alpha as coverage and change what a viewer shows.
#include "common/png_file.h"

#include <png.h>

#include <vector>

#include "common/check.h"

namespace apps {

void WritePng(const std::string& path, uint32_t width, uint32_t height,
              std::span<const uint8_t> rgba) {
    const size_t pixels = size_t{width} * height;
    if (rgba.size() != pixels * 4) throw Failure("The picture has not the size it should have.");

    std::vector<uint8_t> rgb(pixels * 3);
    for (size_t pixel = 0; pixel < pixels; ++pixel) {
        for (size_t channel = 0; channel < 3; ++channel) {
            rgb[pixel * 3 + channel] = rgba[pixel * 4 + channel];
        }
    }

    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = width;
    image.height = height;
    image.format = PNG_FORMAT_RGB;
    if (!png_image_write_to_file(&image, path.c_str(), 0, rgb.data(), 0, nullptr)) {
        throw Failure("Cannot write " + path + ": " + image.message + ".");
    }
}

}  // namespace apps
