// SPDX-License-Identifier: Apache-2.0
//
// The formats that the driver knows, and where each texel of an image lies in the image's bytes.
//
// The model is plain on purpose: rows after rows, depth slices after them, mip levels after mip
// levels, then array layers, then planes. Images with sparse residency are cut into the standard
// 64 KiB blocks of the specification instead, since there a block is what is bound; their small mip
// levels form a tail that is laid out plainly. Nothing here has state; any thread.
//
// Units: x, y, z and widths are in *blocks* of the format (a block is a texel unless the format is
// compressed); offsets and sizes are in bytes from the start of the plane.
#ifndef TESSERA_TESTS_DRIVER_FORMATS_H
#define TESSERA_TESTS_DRIVER_FORMATS_H

#include <vulkan/vulkan_core.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tessera::mock {

struct FormatPlane {
    uint32_t block_bytes;        // of one block and one sample
    uint32_t width_divisor = 1;  // chroma planes are smaller than the image
    uint32_t height_divisor = 1;
};

struct Format {
    VkFormat format;
    uint32_t block_width;  // in texels
    uint32_t block_height;
    VkImageAspectFlags aspects;  // color, depth or stencil; planes of a color format count as color
    std::vector<FormatPlane> planes;  // more than one for multi-planar formats
};

// Returns what is known of a format, or null if the driver does not support it.
const Format* FindFormat(VkFormat format);

// Size of a sparse block: standard block shapes all have it.
inline constexpr VkDeviceSize kSparseBlockBytes = 64 * 1024;

// Returns the sparse block shape of a format, in texels. **Requires** a single-plane format.
VkSparseImageFormatProperties SparseProperties(const Format& format, VkImageType type);

struct Extent {
    uint32_t width, height, depth;
};

// Where one mip level lies inside each array layer.
struct MipPlace {
    VkDeviceSize offset;     // from the start of the layer
    Extent size;             // in blocks
    VkDeviceSize row_pitch;  // plain levels only
    bool tiled;              // cut into sparse blocks
    Extent tiles;            // tiled levels only: how many blocks in each direction
};

// The layout of one plane of an image. Cheap to make: it is computed anew wherever it is needed, so
// it cannot disagree with the image. The bytes are an address space of their own: memory is bound
// to it whole, or block by block for sparse images.
class PlaneLayout {
 public:
    PlaneLayout(const VkImageCreateInfo& info, const Format& format, uint32_t plane);

    // All array layers, which lie one after the other, `layer_bytes` apart.
    VkDeviceSize size_bytes() const { return layer_bytes_ * layers_; }
    VkDeviceSize layer_bytes() const { return layer_bytes_; }
    // Bytes of one block with all its samples.
    uint32_t block_bytes() const { return block_bytes_; }
    // Requires level < mipLevels of the create info.
    const MipPlace& mip(uint32_t level) const { return mips_[level]; }

    // Sparse residency only. The first mip level in the tail; the number of levels if all are
    // tiled.
    uint32_t tail_first_mip() const { return tail_first_mip_; }
    VkDeviceSize tail_offset() const { return tail_offset_; }  // in the first layer
    VkDeviceSize tail_bytes() const { return tail_bytes_; }    // per layer, whole sparse blocks
    // The offset of a sparse block of a tiled level.
    VkDeviceSize TileOffset(uint32_t level, uint32_t layer, uint32_t x, uint32_t y,
                            uint32_t z) const;

    // Calls visit(offset in the plane, first block of the run, blocks in the run) for the pieces of
    // a row of `count` blocks that starts at (x, y, z). Plain levels have one piece.
    template <class Visit>
    void ForEachRun(uint32_t level, uint32_t layer, uint32_t x, uint32_t y, uint32_t z,
                    uint32_t count, Visit visit) const {
        const MipPlace& place = mips_[level];
        const VkDeviceSize base = layer * layer_bytes_ + place.offset;
        if (!place.tiled) {
            const VkDeviceSize row = VkDeviceSize{z} * place.size.height + y;
            visit(base + row * place.row_pitch + VkDeviceSize{x} * block_bytes_, 0u, count);
            return;
        }
        for (uint32_t done = 0; done < count;) {
            const uint32_t at = x + done;
            const uint32_t in_x = at % tile_.width;
            const uint32_t run = std::min(count - done, tile_.width - in_x);
            const VkDeviceSize in_tile =
                (VkDeviceSize{z % tile_.depth} * tile_.height + y % tile_.height) * tile_.width +
                in_x;
            visit(TileOffset(level, layer, at / tile_.width, y / tile_.height, z / tile_.depth) +
                      in_tile * block_bytes_,
                  done, run);
            done += run;
        }
    }

 private:
    void PlaceMips(const VkImageCreateInfo& info, const Format& format, const FormatPlane& shape,
                   bool residency);

    uint32_t block_bytes_;
    uint32_t layers_;
    Extent tile_{1, 1, 1};
    VkDeviceSize layer_bytes_ = 0;
    uint32_t tail_first_mip_ = 0;
    VkDeviceSize tail_offset_ = 0;
    VkDeviceSize tail_bytes_ = 0;
    std::vector<MipPlace> mips_;
};

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_FORMATS_H
