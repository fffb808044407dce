// SPDX-License-Identifier: Apache-2.0
//
// What the scene consists of: which resources there are, how large they are, what is in them.
//
// Everything here is a pure function of the seed, without Vulkan: the program can write a resource
// on one day and say on another what must be in it. A resource is named by its number; number n is
// of kind n % 6, so that object k owns the resources 6k to 6k+5 (the last object may have to share
// those of the one before it). Object k is one tile of the picture, a frame and an inner square.
//
// The frame is made of the first bytes of each of the object's resources and the square of the last
// ones, the bytes in between are noise: memory that overlaps, is too short or is bound at a wrong
// offset shows in the picture, and in the comparison of whole contents at the end.
#ifndef TESSERA_TESTS_APPS_NAIVE_SCENE_CONTENT_H_
#define TESSERA_TESTS_APPS_NAIVE_SCENE_CONTENT_H_

#include <cstdint>
#include <span>

#include "naive_scene/random.h"

namespace apps {

enum class Kind : uint32_t { kVertex, kIndex, kUniform, kStorage, kImage, kStaging };
inline constexpr uint32_t kKindCount = 6;

/// A quad's vertex as the shader reads it.
struct Vertex {
    float position[2];  ///< within the object's tile, 0 to 1
    float uv[2];        ///< within the object's image, 0 to 1
    float shade[3];     ///< factor on the colour
    float unused;
};
inline constexpr uint64_t kQuadBytes = 4 * sizeof(Vertex);
inline constexpr uint32_t kQuadIndices = 6;
/// How much of a uniform buffer one descriptor shows. As large as the largest offset alignment that
/// Vulkan lets a device ask for, so that the last window may start at size - kUniformWindow.
inline constexpr uint64_t kUniformWindow = 256;
/// Length of each of the two palettes in a storage buffer, in 32-bit words.
inline constexpr uint32_t kPaletteWords = 16;
/// Least width and height of an image, in pixels of 4 bytes.
inline constexpr uint32_t kLeastExtent = 8;

/// What a resource looks like from outside. `bytes` is the size of its content, a multiple of 4;
/// width and height are 0 unless it is an image.
struct Shape {
    Kind kind;
    uint64_t bytes;
    uint32_t width;
    uint32_t height;
};

/// Which content a resource has: replaced `generation` times, then rewritten `revision` times.
struct Version {
    uint32_t generation = 0;
    uint32_t revision = 0;
};

/// A rectangle in normalized device coordinates.
struct Cell {
    float x, y, width, height;
};

/// How the picture is divided, in pixels.
struct Grid {
    uint32_t columns, rows, tile;
    uint32_t width() const { return columns * tile; }
    uint32_t height() const { return rows * tile; }
};

/// A staging buffer's two bands, which are copied over the first and the last rows of an image.
struct Bands {
    uint32_t width, rows;  ///< of each band, in pixels; less than a row only if rows is 1
    uint64_t tail_offset;  ///< where the second band starts in the buffer, in bytes
};

/// The plan of a scene. Immutable, so any thread may ask it anything.
class Content {
 public:
    Content(uint64_t seed, uint32_t resources);

    uint32_t resources() const { return resources_; }
    uint32_t objects() const { return CountOf(Kind::kVertex); }
    const Grid& grid() const { return grid_; }

    static Kind KindOf(uint32_t resource) { return static_cast<Kind>(resource % kKindCount); }
    uint32_t CountOf(Kind kind) const;
    /// The resource of the given kind that `object` is drawn with.
    uint32_t ResourceOf(uint32_t object, Kind kind) const;
    Cell CellOf(uint32_t object) const;

    /// Size class and size of a resource. Sizes are log-uniform from 256 B to 1 MiB, but for at
    /// most seven resources of 2 to 16 MiB that are large in every generation.
    Shape ShapeOf(uint32_t resource, uint32_t generation) const;

    /// Writes a resource's whole content, `shape.bytes` of it. Only writes to `words`, each at most
    /// twice, since they may be write-combined memory of a device.
    void Fill(uint32_t resource, Version version, const Shape& shape,
              std::span<uint32_t> words) const;

    /// The bands in which `staging` updates `image`. They never overlap.
    static Bands BandsOf(const Shape& staging, const Shape& image);

 private:
    Random Stream(uint32_t resource, Version version, uint32_t purpose) const;
    void FillQuads(Random random, std::span<uint32_t> words) const;
    void FillUniform(uint32_t resource, Random random, std::span<uint32_t> words) const;
    void FillPalettes(uint32_t resource, Random random, std::span<uint32_t> words) const;
    void FillPattern(Random random, const Shape& shape, std::span<uint32_t> words) const;
    void FillBands(uint32_t resource, Random random, std::span<uint32_t> words) const;
    float HueOf(uint32_t resource) const;

    uint64_t seed_;
    uint32_t resources_;
    Grid grid_;
};

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_NAIVE_SCENE_CONTENT_H_
