// SPDX-License-Identifier: Apache-2.0
//
// What the scene consists of: see content.h.
//
// Every question is answered from a stream of random numbers that is keyed by the seed, the
// resource, its version and the purpose. So no answer depends on what was asked before.
#include "naive_scene/content.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace apps {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint32_t kPixelBytes = 4;
// One large resource of each kind and a second vertex buffer, if the scene is not tiny.
constexpr std::array<uint64_t, 7> kLargeBytes = {2 * kMiB,  3 * kMiB, 4 * kMiB, 8 * kMiB,
                                                 16 * kMiB, 6 * kMiB, 12 * kMiB};
constexpr uint32_t kLeastResourcesPerLarge = 50;

enum Purpose : uint32_t { kSize, kNoise, kMeaning };

struct Colour {
    float red, green, blue;
};

/// The colour of a hue (any number, period 1) on a wheel without dark or harsh spots.
Colour Wheel(float hue, float strength) {
    const auto channel = [&](float phase) {
        const float wave = 0.5f + 0.5f * std::cos(6.2831853f * (hue + phase));
        return 1.0f - strength * (1.0f - wave);
    };
    return {channel(0.0f), channel(0.667f), channel(0.333f)};
}

uint32_t Pack(const Colour& colour, float alpha = 1.0f) {
    const auto byte = [](float value) {
        return static_cast<uint32_t>(std::clamp(value, 0.0f, 1.0f) * 255.0f + 0.5f);
    };
    return byte(colour.red) | byte(colour.green) << 8 | byte(colour.blue) << 16 | byte(alpha) << 24;
}

/// Random words; the same length gives the same words, a shorter one a prefix.
void FillNoise(Random random, std::span<uint32_t> words) {
    for (size_t index = 0; index + 1 < words.size(); index += 2) {
        const uint64_t bits = random.Next();
        words[index] = static_cast<uint32_t>(bits);
        words[index + 1] = static_cast<uint32_t>(bits >> 32);
    }
    if (words.size() % 2 != 0) words.back() = static_cast<uint32_t>(random.Next());
}

template <typename T>
void Store(std::span<uint32_t> words, const T& value) {
    std::memcpy(words.data(), &value, sizeof(T));
}

/// A square around the middle of the tile: the image upright, corners `reach` from the middle.
std::array<Vertex, 4> Quad(Random& random, float reach, float turn) {
    std::array<Vertex, 4> quad{};
    for (uint32_t corner = 0; corner < quad.size(); ++corner) {
        const float u = static_cast<float>(corner % 2);
        const float v = static_cast<float>(corner / 2);
        const float x = (u * 2 - 1) * reach;
        const float y = (v * 2 - 1) * reach;
        quad[corner] = {.position = {0.5f + x * std::cos(turn) - y * std::sin(turn),
                                     0.5f + x * std::sin(turn) + y * std::cos(turn)},
                        .uv = {u, v},
                        .shade = {},
                        .unused = 0};
        for (float& factor : quad[corner].shade)
            factor = random.Between(0.72f, 1.0f);
    }
    return quad;
}

/// One of four pictures, as brightness 0 to 255 at x, y of 0 to 255.
uint32_t PatternAt(uint32_t style, uint32_t scale, uint32_t x, uint32_t y) {
    // Whole numbers only, and fast: a default run computes some 30 million of these.
    const auto distance = [](uint32_t value) { return value > 127 ? value - 127 : 127 - value; };
    const uint32_t dx = distance(x);
    const uint32_t dy = distance(y);
    switch (style) {
        case 0:
            return ((dx * dx + dy * dy) * scale >> 7) & 255;
        case 1:
            return ((x * scale >> 8) + (y * scale >> 8)) % 2 == 0 ? 220 : 60;
        case 2:
            return ((x + y) * scale >> 1) & 255;
        default:
            return (std::max(dx, dy) * scale) & 255;
    }
}

/// The division near the wanted aspect that leaves the fewest tiles empty.
Grid MakeGrid(uint32_t objects) {
    constexpr double kAspect = 1.6;
    constexpr uint32_t kWidth = 1280;
    const auto ideal =
        static_cast<uint32_t>(std::ceil(std::sqrt(static_cast<double>(objects) * kAspect)));
    const auto rows_of = [&](uint32_t columns) { return (objects + columns - 1) / columns; };
    uint32_t best = ideal;
    for (uint32_t columns = ideal - ideal / 8; columns <= ideal + ideal / 8; ++columns) {
        if (columns * rows_of(columns) < best * rows_of(best)) best = columns;
    }
    return {.columns = best, .rows = rows_of(best), .tile = std::clamp(kWidth / best, 16u, 160u)};
}

}  // namespace

Content::Content(uint64_t seed, uint32_t resources)
    : seed_(seed), resources_(resources), grid_(MakeGrid(CountOf(Kind::kVertex))) {}

uint32_t Content::CountOf(Kind kind) const {
    return (resources_ + kKindCount - 1 - static_cast<uint32_t>(kind)) / kKindCount;
}

uint32_t Content::ResourceOf(uint32_t object, Kind kind) const {
    return std::min(object, CountOf(kind) - 1) * kKindCount + static_cast<uint32_t>(kind);
}

Cell Content::CellOf(uint32_t object) const {
    const float width = 2.0f / static_cast<float>(grid_.columns);
    const float height = 2.0f / static_cast<float>(grid_.rows);
    return {.x = -1.0f + width * static_cast<float>(object % grid_.columns),
            .y = -1.0f + height * static_cast<float>(object / grid_.columns),
            .width = width,
            .height = height};
}

// Colours change slowly from tile to tile, in rings around the middle of the picture.
float Content::HueOf(uint32_t resource) const {
    const uint32_t object = resource / kKindCount;
    const auto x =
        static_cast<float>(object % grid_.columns) / static_cast<float>(grid_.columns) - 0.5f;
    const auto y =
        static_cast<float>(object / grid_.columns) / static_cast<float>(grid_.rows) - 0.5f;
    return 0.1f + 0.9f * std::sqrt(x * x * 1.5f + y * y) + 0.3f * x;
}

Random Content::Stream(uint32_t resource, Version version, uint32_t purpose) const {
    uint64_t key = Random(seed_).Next();
    for (const uint32_t part : {resource, version.generation, version.revision, purpose}) {
        key = Random(key ^ part).Next();
    }
    return Random(key);
}

Shape Content::ShapeOf(uint32_t resource, uint32_t generation) const {
    Random random = Stream(resource, {.generation = generation, .revision = 0}, kSize);
    // Large resources are spread over the objects and take turns among the kinds; the draw of the
    // random number above them does not depend on that.
    double wanted = 256.0 * std::exp2(12.0 * static_cast<double>(random.Unit()));
    const uint32_t large_count = std::min<uint32_t>(static_cast<uint32_t>(kLargeBytes.size()),
                                                    resources_ / kLeastResourcesPerLarge);
    for (uint32_t large = 0; large < large_count; ++large) {
        const uint32_t object = objects() / large_count * large;
        if (resource == object * kKindCount + large % kKindCount) {
            wanted = static_cast<double>(kLargeBytes[large]);
        }
    }

    Shape shape{.kind = KindOf(resource), .bytes = 0, .width = 0, .height = 0};
    // Neither powers of two nor square: sizes of images are as odd as those of buffers.
    if (shape.kind == Kind::kImage) {
        const double pixels = wanted / kPixelBytes;
        const double width = std::sqrt(pixels) * static_cast<double>(random.Between(0.7f, 1.4f));
        shape.width = std::max(kLeastExtent, static_cast<uint32_t>(width));
        shape.height = std::max(kLeastExtent, static_cast<uint32_t>(pixels / shape.width));
        shape.bytes = uint64_t{shape.width} * shape.height * kPixelBytes;
        return shape;
    }
    // Whole quads, so that the last one is well placed; whole windows, so that the last one is
    // aligned.
    const uint64_t unit = shape.kind == Kind::kVertex    ? kQuadBytes
                          : shape.kind == Kind::kUniform ? kUniformWindow
                                                         : sizeof(uint32_t);
    const uint64_t least = 256 / unit;
    shape.bytes = unit * std::max(least, static_cast<uint64_t>(wanted) / unit);
    return shape;
}

void Content::Fill(uint32_t resource, Version version, const Shape& shape,
                   std::span<uint32_t> words) const {
    const Random meaning = Stream(resource, version, kMeaning);
    if (shape.kind == Kind::kImage) return FillPattern(meaning, shape, words);
    if (shape.kind == Kind::kStaging) return FillBands(resource, meaning, words);

    FillNoise(Stream(resource, version, kNoise), words);
    if (shape.kind == Kind::kVertex) FillQuads(meaning, words);
    if (shape.kind == Kind::kUniform) FillUniform(resource, meaning, words);
    if (shape.kind == Kind::kStorage) FillPalettes(resource, meaning, words);
    if (shape.kind == Kind::kIndex) {
        constexpr std::array<uint32_t, kQuadIndices> kTwoTriangles = {0, 1, 2, 2, 1, 3};
        Store(words.first(kQuadIndices), kTwoTriangles);
        Store(words.last(kQuadIndices), kTwoTriangles);
    }
}

// The first quad fills the tile, the last one is the smaller and turned square on top of it.
void Content::FillQuads(Random random, std::span<uint32_t> words) const {
    constexpr size_t kWords = kQuadBytes / sizeof(uint32_t);
    Store(words.first(kWords), Quad(random, 0.47f, 0.0f));
    Store(words.last(kWords), Quad(random, 0.30f, random.Between(-0.25f, 0.25f)));
}

// Per window: a tint, then how much of the palette is mixed in. If there is only one window, the
// frame and the square share it.
void Content::FillUniform(uint32_t resource, Random random, std::span<uint32_t> words) const {
    constexpr size_t kWords = kUniformWindow / sizeof(uint32_t);
    const auto tint = [&](float hue, float mix) {
        const Colour colour = Wheel(hue, 0.75f);
        return std::array<float, 8>{colour.red, colour.green, colour.blue, 1.0f,
                                    mix,        0.0f,         0.0f,        0.0f};
    };
    const float hue = HueOf(resource) + random.Between(-0.04f, 0.04f);
    Store(words.first(kWords), tint(hue, random.Between(0.5f, 0.8f)));
    Store(words.last(kWords), tint(hue + 0.08f, random.Between(0.2f, 0.6f)));
}

// Sixteen steps from dark to light at the start and at the end. The words between stay noise, of
// which the shader makes the grain.
void Content::FillPalettes(uint32_t resource, Random random, std::span<uint32_t> words) const {
    for (const auto palette : {words.first(kPaletteWords), words.last(kPaletteWords)}) {
        const float hue = HueOf(resource) + random.Between(-0.1f, 0.1f);
        for (uint32_t step = 0; step < kPaletteWords; ++step) {
            const float level = (static_cast<float>(step) + 0.5f) / kPaletteWords;
            const Colour colour = Wheel(hue + 0.25f * level, 0.35f);
            const float light = 0.35f + 0.65f * level;
            palette[step] = Pack({colour.red * light, colour.green * light, colour.blue * light});
        }
    }
}

// The low three bits of every channel are noise: no two images are equal, and no row repeats.
void Content::FillPattern(Random random, const Shape& shape, std::span<uint32_t> words) const {
    const uint32_t style = random.Below(4);
    const uint32_t scale = 2 + random.Below(5);
    for (uint32_t row = 0; row < shape.height; ++row) {
        const uint32_t y = row * 256 / shape.height;
        for (uint32_t column = 0; column < shape.width; ++column) {
            const uint32_t light = PatternAt(style, scale, column * 256 / shape.width, y);
            const auto noise = static_cast<uint32_t>(random.Next());
            const uint32_t grey = light | light << 8 | light << 16 | 0xFF000000u;
            words[size_t{row} * shape.width + column] =
                (grey & 0xF8F8F8F8u) | (noise & 0x07070707u);
        }
    }
}

void Content::FillBands(uint32_t resource, Random random, std::span<uint32_t> words) const {
    const Colour colour = Wheel(HueOf(resource) + random.Between(0.4f, 0.6f), 0.6f);
    const uint32_t base = Pack(colour);
    for (uint32_t& word : words) {
        word = (base & 0xF0F0F0F0u) | (static_cast<uint32_t>(random.Next()) & 0x0F0F0F0Fu);
    }
}

// Each band is at most half of the buffer and an eighth of the image. One that is shorter than a
// row starts at the image's first pixel, or ends at its last.
Bands Content::BandsOf(const Shape& staging, const Shape& image) {
    const auto pixels = static_cast<uint32_t>(staging.bytes / 2 / kPixelBytes);
    Bands bands{.width = image.width, .rows = 1, .tail_offset = 0};
    if (pixels < image.width) {
        bands.width = pixels;
    } else {
        bands.rows = std::clamp(pixels / image.width, 1u, image.height / kLeastExtent);
    }
    bands.tail_offset = staging.bytes - uint64_t{bands.width} * bands.rows * kPixelBytes;
    return bands;
}

}  // namespace apps
