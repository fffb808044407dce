// SPDX-License-Identifier: Apache-2.0
//
// See formats.h. Formats with one component of depth or stencil only: combined ones would need a
// rule for copies by aspect that nothing here is about.
#include "formats.h"

#include <bit>
#include <unordered_map>

#include "arithmetic.h"

namespace tessera::mock {
namespace {

constexpr VkImageAspectFlags kColor = VK_IMAGE_ASPECT_COLOR_BIT;
constexpr VkImageAspectFlags kDepth = VK_IMAGE_ASPECT_DEPTH_BIT;
constexpr VkImageAspectFlags kStencil = VK_IMAGE_ASPECT_STENCIL_BIT;
constexpr VkDeviceSize kLinearRowAlignment = 64;

std::vector<Format> MakeFormats() {
    auto texel = [](VkFormat format, uint32_t bytes, VkImageAspectFlags aspects = kColor) {
        return Format{format, 1, 1, aspects, {{bytes}}};
    };
    auto block = [](VkFormat format, uint32_t bytes) {
        return Format{format, 4, 4, kColor, {{bytes}}};
    };
    return {texel(VK_FORMAT_R8_UNORM, 1),
            texel(VK_FORMAT_R8_UINT, 1),
            texel(VK_FORMAT_R8G8_UNORM, 2),
            texel(VK_FORMAT_R5G6B5_UNORM_PACK16, 2),
            texel(VK_FORMAT_R8G8B8A8_UNORM, 4),
            texel(VK_FORMAT_R8G8B8A8_SRGB, 4),
            texel(VK_FORMAT_R8G8B8A8_UINT, 4),
            texel(VK_FORMAT_B8G8R8A8_UNORM, 4),
            texel(VK_FORMAT_B8G8R8A8_SRGB, 4),
            texel(VK_FORMAT_A2B10G10R10_UNORM_PACK32, 4),
            texel(VK_FORMAT_R16_SFLOAT, 2),
            texel(VK_FORMAT_R16_UINT, 2),
            texel(VK_FORMAT_R16G16_SFLOAT, 4),
            texel(VK_FORMAT_R16G16B16A16_SFLOAT, 8),
            texel(VK_FORMAT_R16G16B16A16_UNORM, 8),
            texel(VK_FORMAT_R32_SFLOAT, 4),
            texel(VK_FORMAT_R32_UINT, 4),
            texel(VK_FORMAT_R32G32_SFLOAT, 8),
            texel(VK_FORMAT_R32G32B32A32_SFLOAT, 16),
            texel(VK_FORMAT_R32G32B32A32_UINT, 16),
            texel(VK_FORMAT_D16_UNORM, 2, kDepth),
            texel(VK_FORMAT_D32_SFLOAT, 4, kDepth),
            texel(VK_FORMAT_S8_UINT, 1, kStencil),
            block(VK_FORMAT_BC1_RGBA_UNORM_BLOCK, 8),
            block(VK_FORMAT_BC3_UNORM_BLOCK, 16),
            block(VK_FORMAT_BC7_UNORM_BLOCK, 16),
            {VK_FORMAT_G8_B8_R8_3PLANE_420_UNORM, 1, 1, kColor, {{1, 1, 1}, {1, 2, 2}, {1, 2, 2}}},
            {VK_FORMAT_G8_B8R8_2PLANE_420_UNORM, 1, 1, kColor, {{1, 1, 1}, {2, 2, 2}}}};
}

// The standard sparse block shapes: 64 KiB, each direction a power of two, x the longest.
Extent TileShape(uint32_t block_bytes, bool three_dimensional) {
    const uint32_t log_blocks =
        16 - static_cast<uint32_t>(std::bit_width(std::bit_floor(block_bytes)) - 1);
    if (!three_dimensional) {
        const uint32_t log_height = log_blocks / 2;
        return {1u << (log_blocks - log_height), 1u << log_height, 1};
    }
    const uint32_t log_depth = log_blocks / 3;
    const uint32_t log_height = (log_blocks - log_depth) / 2;
    return {1u << (log_blocks - log_depth - log_height), 1u << log_height, 1u << log_depth};
}

}  // namespace

const Format* FindFormat(VkFormat format) {
    using Index = std::unordered_map<int, Format>;
    static const Index& index = *[] {
        auto* made = new Index;
        for (Format& known : MakeFormats())
            made->emplace(known.format, known);
        return made;
    }();
    auto found = index.find(format);
    return found == index.end() ? nullptr : &found->second;
}

VkSparseImageFormatProperties SparseProperties(const Format& format, VkImageType type) {
    const Extent tile = TileShape(format.planes[0].block_bytes, type == VK_IMAGE_TYPE_3D);
    return {format.aspects,
            {tile.width * format.block_width, tile.height * format.block_height, tile.depth},
            0};
}

PlaneLayout::PlaneLayout(const VkImageCreateInfo& info, const Format& format, uint32_t plane)
    : block_bytes_(format.planes[plane].block_bytes * info.samples), layers_(info.arrayLayers) {
    const bool residency = info.flags & VK_IMAGE_CREATE_SPARSE_RESIDENCY_BIT;
    if (residency) tile_ = TileShape(block_bytes_, info.imageType == VK_IMAGE_TYPE_3D);
    PlaceMips(info, format, format.planes[plane], residency);
}

void PlaneLayout::PlaceMips(const VkImageCreateInfo& info, const Format& format,
                            const FormatPlane& shape, bool residency) {
    auto blocks = [](uint32_t texels, uint32_t level, uint32_t divisor, uint32_t block) {
        return DivideUp(DivideUp(std::max(texels >> level, 1u), divisor), block);
    };
    // Levels are tiled until the first that is smaller than a tile in any direction; from there on
    // they share a tail of plain levels.
    tail_first_mip_ = info.mipLevels;
    for (uint32_t level = 0; level < info.mipLevels; ++level) {
        MipPlace place{};
        place.size = {blocks(info.extent.width, level, shape.width_divisor, format.block_width),
                      blocks(info.extent.height, level, shape.height_divisor, format.block_height),
                      std::max(info.extent.depth >> level, 1u)};
        place.offset = layer_bytes_;
        place.tiled = residency && tail_first_mip_ == info.mipLevels &&
                      place.size.width >= tile_.width && place.size.height >= tile_.height &&
                      place.size.depth >= tile_.depth;
        if (place.tiled) {
            place.tiles = {DivideUp(place.size.width, tile_.width),
                           DivideUp(place.size.height, tile_.height),
                           DivideUp(place.size.depth, tile_.depth)};
            layer_bytes_ += VkDeviceSize{place.tiles.width} * place.tiles.height *
                            place.tiles.depth * kSparseBlockBytes;
        } else {
            if (residency && tail_first_mip_ == info.mipLevels) {
                tail_first_mip_ = level;
                tail_offset_ = layer_bytes_;
            }
            place.row_pitch = VkDeviceSize{place.size.width} * block_bytes_;
            if (info.tiling == VK_IMAGE_TILING_LINEAR) {
                place.row_pitch = RoundUp(place.row_pitch, kLinearRowAlignment);
            }
            layer_bytes_ += place.row_pitch * place.size.height * place.size.depth;
        }
        mips_.push_back(place);
    }
    if (residency && tail_first_mip_ < info.mipLevels) {
        tail_bytes_ = RoundUp(layer_bytes_ - tail_offset_, kSparseBlockBytes);
        layer_bytes_ = tail_offset_ + tail_bytes_;
    }
}

VkDeviceSize PlaneLayout::TileOffset(uint32_t level, uint32_t layer, uint32_t x, uint32_t y,
                                     uint32_t z) const {
    const MipPlace& place = mips_[level];
    const VkDeviceSize index = (VkDeviceSize{z} * place.tiles.height + y) * place.tiles.width + x;
    return layer * layer_bytes_ + place.offset + index * kSparseBlockBytes;
}

}  // namespace tessera::mock
