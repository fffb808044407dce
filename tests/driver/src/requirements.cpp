// SPDX-License-Identifier: Apache-2.0
//
// See requirements.h.
#include "requirements.h"

#include <algorithm>

#include "arithmetic.h"
#include "objects.h"

namespace tessera::mock {
namespace {

constexpr VkDeviceSize kPlaneAlignment = 64;

// Types that lack all of `without` and have all of `with`.
uint32_t TypesWith(const Description& d, VkMemoryPropertyFlags with,
                   VkMemoryPropertyFlags without) {
    uint32_t mask = 0;
    for (uint32_t i = 0; i < d.types.size(); ++i) {
        if ((d.Flags(i) & with) == with && (d.Flags(i) & without) == 0) mask |= 1u << i;
    }
    return mask;
}

// Protected memory is for protected resources alone, lazily allocated memory for transient
// attachments besides ordinary types.
uint32_t TypesFor(const Description& d, bool is_protected, bool transient) {
    if (is_protected) return TypesWith(d, VK_MEMORY_PROPERTY_PROTECTED_BIT, 0);
    VkMemoryPropertyFlags without = VK_MEMORY_PROPERTY_PROTECTED_BIT;
    if (!transient) without |= VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT;
    return TypesWith(d, 0, without);
}

VkMemoryRequirements ImageBytes(const Description& d, const VkImageCreateInfo& info,
                                VkDeviceSize size_bytes) {
    const bool linear = info.tiling == VK_IMAGE_TILING_LINEAR;
    VkMemoryRequirements out{};
    out.alignment = linear ? d.alignment.linear_image : d.alignment.optimal_image;
    if (!linear && info.arrayLayers > 1)
        out.alignment = std::max(out.alignment, d.alignment.layered_image);
    if (info.samples != VK_SAMPLE_COUNT_1_BIT)
        out.alignment = std::max(out.alignment, d.alignment.multisampled_image);
    const bool sparse = info.flags & VK_IMAGE_CREATE_SPARSE_BINDING_BIT;
    if (sparse) out.alignment = std::max({out.alignment, kSparseBlockBytes, d.alignment.sparse});
    out.size =
        d.image_size_below_alignment && !sparse ? size_bytes : RoundUp(size_bytes, out.alignment);
    out.memoryTypeBits = TypesFor(d, info.flags & VK_IMAGE_CREATE_PROTECTED_BIT,
                                  info.usage & VK_IMAGE_USAGE_TRANSIENT_ATTACHMENT_BIT);
    if (!linear && d.optimal_image_types != 0) out.memoryTypeBits &= d.optimal_image_types;
    return out;
}

}  // namespace

VkMemoryRequirements BufferRequirements(const Description& d, const VkBufferCreateInfo& info) {
    const Alignments& a = d.alignment;
    VkMemoryRequirements out{};
    out.alignment = a.buffer;
    auto raise = [&](VkBufferUsageFlags usage, VkDeviceSize alignment) {
        if (info.usage & usage) out.alignment = std::max(out.alignment, alignment);
    };
    raise(VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT, a.uniform);
    raise(VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, a.storage);
    raise(VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT | VK_BUFFER_USAGE_STORAGE_TEXEL_BUFFER_BIT,
          a.texel);
    raise(VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT, a.device_address);
    raise(VK_BUFFER_USAGE_VIDEO_DECODE_SRC_BIT_KHR, a.video);
    const bool sparse = info.flags & VK_BUFFER_CREATE_SPARSE_BINDING_BIT;
    if (sparse) out.alignment = std::max({out.alignment, kSparseBlockBytes, a.sparse});
    out.size = d.size_below_alignment && !sparse ? info.size : RoundUp(info.size, out.alignment);
    out.memoryTypeBits = TypesFor(d, info.flags & VK_BUFFER_CREATE_PROTECTED_BIT, false);
    return out;
}

VkDeviceSize PlaneOffset(const VkImageCreateInfo& info, const Format& format, uint32_t plane) {
    VkDeviceSize offset = 0;
    for (uint32_t i = 0; i < plane; ++i) {
        offset += RoundUp(PlaneLayout(info, format, i).size_bytes(), kPlaneAlignment);
    }
    return offset;
}

VkMemoryRequirements ImageRequirements(const Description& d, const VkImageCreateInfo& info,
                                       const Format& format) {
    return ImageBytes(d, info,
                      PlaneOffset(info, format, static_cast<uint32_t>(format.planes.size())));
}

VkMemoryRequirements PlaneRequirements(const Description& d, const VkImageCreateInfo& info,
                                       const Format& format, uint32_t plane) {
    return ImageBytes(d, info, PlaneLayout(info, format, plane).size_bytes());
}

std::vector<VkSparseImageMemoryRequirements> SparseRequirements(const VkImageCreateInfo& info,
                                                                const Format& format) {
    if ((info.flags & VK_IMAGE_CREATE_SPARSE_RESIDENCY_BIT) == 0) return {};
    const PlaneLayout layout(info, format, 0);
    VkSparseImageMemoryRequirements out{};
    out.formatProperties = SparseProperties(format, info.imageType);
    out.imageMipTailFirstLod = layout.tail_first_mip();
    if (layout.tail_bytes() != 0) {
        out.imageMipTailSize = layout.tail_bytes();
        out.imageMipTailOffset = layout.tail_offset();
        out.imageMipTailStride = layout.layer_bytes();
    }
    return {out};
}

bool RequiresDedicated(const Description& d, bool optimal_image) {
    return optimal_image && d.dedicated.requires_optimal;
}

void AnswerDedicated(const Description& d, bool optimal_image, VkDeviceSize size_bytes,
                     void* chain) {
    auto* out = FindInOutChain<VkMemoryDedicatedRequirements>(
        chain, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS);
    if (out == nullptr) return;
    out->requiresDedicatedAllocation = RequiresDedicated(d, optimal_image);
    const VkDeviceSize from = d.dedicated.prefers_from_bytes;
    out->prefersDedicatedAllocation =
        out->requiresDedicatedAllocation || (optimal_image && from != 0 && size_bytes >= from);
}

}  // namespace tessera::mock
