// SPDX-License-Identifier: Apache-2.0
//
// Images that are bound to their memory by vkQueueBindSparse: see sparse_image.h.
//
// The memory of a tiled image is handed out in blocks, in the order in which binds are made. There
// is enough of it: the image's size counts its tiles and its mip tail.
#include "naive_scene/sparse_image.h"

#include <algorithm>
#include <vector>

#include "common/check.h"

namespace apps {
namespace {

constexpr VkImageCreateFlags kTiled =
    VK_IMAGE_CREATE_SPARSE_BINDING_BIT | VK_IMAGE_CREATE_SPARSE_RESIDENCY_BIT;

bool HasTiles(const Device& device, const VkImageCreateInfo& info) {
    uint32_t count = 0;
    vkGetPhysicalDeviceSparseImageFormatProperties(device.physical(), info.format, info.imageType,
                                                   info.samples, info.usage, info.tiling, &count,
                                                   nullptr);
    return count != 0;
}

/// The binds of one image, in blocks of its memory that follow one another.
struct Binds {
    std::vector<VkSparseMemoryBind> ranges;
    std::vector<VkSparseImageMemoryBind> tiles;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkDeviceSize used = 0;

    VkDeviceSize Take(VkDeviceSize bytes) {
        used += bytes;
        return used - bytes;
    }
};

/// The tiles of the image's only level, unless it is in the mip tail.
void AddTiles(const VkSparseImageMemoryRequirements& sparse, const VkExtent3D& extent,
              VkDeviceSize block_bytes, Binds& binds) {
    if (sparse.imageMipTailFirstLod == 0) return;
    const VkExtent3D tile = sparse.formatProperties.imageGranularity;
    const uint32_t columns = (extent.width + tile.width - 1) / tile.width;
    const uint32_t rows = (extent.height + tile.height - 1) / tile.height;
    for (uint32_t n = columns * rows; n-- > 0;) {
        const uint32_t x = n % columns * tile.width;
        const uint32_t y = n / columns * tile.height;
        VkSparseImageMemoryBind bind{};
        bind.subresource = {sparse.formatProperties.aspectMask, 0, 0};
        bind.offset = {static_cast<int32_t>(x), static_cast<int32_t>(y), 0};
        bind.extent = {std::min(tile.width, extent.width - x),
                       std::min(tile.height, extent.height - y), 1};
        bind.memory = binds.memory;
        bind.memoryOffset = binds.Take(block_bytes);
        binds.tiles.push_back(bind);
    }
}

void AddMipTail(const VkSparseImageMemoryRequirements& sparse, Binds& binds) {
    if (sparse.imageMipTailFirstLod != 0 || sparse.imageMipTailSize == 0) return;
    VkSparseMemoryBind bind{};
    bind.resourceOffset = sparse.imageMipTailOffset;
    bind.size = sparse.imageMipTailSize;
    bind.memory = binds.memory;
    bind.memoryOffset = binds.Take(sparse.imageMipTailSize);
    // Metadata is bound like a mip tail, and says so.
    if (sparse.formatProperties.aspectMask & VK_IMAGE_ASPECT_METADATA_BIT) {
        bind.flags = VK_SPARSE_MEMORY_BIND_METADATA_BIT;
    }
    binds.ranges.push_back(bind);
}

void AddPieces(VkDevice device, VkImage image, const VkExtent3D& extent, VkDeviceSize block_bytes,
               Binds& binds) {
    uint32_t count = 0;
    vkGetImageSparseMemoryRequirements(device, image, &count, nullptr);
    std::vector<VkSparseImageMemoryRequirements> requirements(count);
    vkGetImageSparseMemoryRequirements(device, image, &count, requirements.data());
    for (const VkSparseImageMemoryRequirements& sparse : requirements) {
        AddTiles(sparse, extent, block_bytes, binds);
        AddMipTail(sparse, binds);
    }
}

}  // namespace

VkImageCreateFlags SparseFlags(const Device& device, const VkImageCreateInfo& info,
                               Binding binding) {
    if (binding == Binding::kPlain || !device.binds_sparsely()) return 0;
    if (binding == Binding::kSparseOpaque) return VK_IMAGE_CREATE_SPARSE_BINDING_BIT;
    return device.binds_tiles() && HasTiles(device, info) ? kTiled : 0;
}

void BindSparsely(const Device& device, VkImage image, const VkImageCreateInfo& info,
                  const VkMemoryRequirements& requirements, VkDeviceMemory memory) {
    Binds binds;
    binds.memory = memory;
    if (info.flags == kTiled) {
        AddPieces(device.handle(), image, info.extent, requirements.alignment, binds);
    } else {
        binds.ranges.push_back({.resourceOffset = 0,
                                .size = requirements.size,
                                .memory = memory,
                                .memoryOffset = 0,
                                .flags = 0});
    }
    const VkSparseImageOpaqueMemoryBindInfo ranges{
        image, static_cast<uint32_t>(binds.ranges.size()), binds.ranges.data()};
    const VkSparseImageMemoryBindInfo tiles{image, static_cast<uint32_t>(binds.tiles.size()),
                                            binds.tiles.data()};
    VkBindSparseInfo bind{};
    bind.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
    bind.imageOpaqueBindCount = binds.ranges.empty() ? 0 : 1;
    bind.pImageOpaqueBinds = &ranges;
    bind.imageBindCount = binds.tiles.empty() ? 0 : 1;
    bind.pImageBinds = &tiles;
    Check(vkQueueBindSparse(device.queue(), 1, &bind, VK_NULL_HANDLE), "vkQueueBindSparse");
    Check(vkQueueWaitIdle(device.queue()), "vkQueueWaitIdle");
}

}  // namespace apps
