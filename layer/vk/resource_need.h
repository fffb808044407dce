// SPDX-License-Identifier: Apache-2.0
//
// What a resource needs of the place it is bound to, asked of the driver at the bind.
//
// The answer is not remembered by handle: drivers recycle handles at once, and the query costs
// about as much as a look-up would (15 ns on an NVIDIA driver).
//
// Threads: one object serves one call.

#ifndef TESSERA_LAYER_VK_RESOURCE_NEED_H_
#define TESSERA_LAYER_VK_RESOURCE_NEED_H_

#include <vulkan/vulkan_core.h>

#include "layer/vk/device.h"
#include "layer/vk/translate.h"

namespace tessera {

class BufferNeed final : public ResourceNeed {
 public:
    BufferNeed(const Device& device, VkBuffer buffer) noexcept : device_(device), buffer_(buffer) {}

    uint64_t Alignment() noexcept override {
        VkMemoryRequirements requirements = {};
        device_.dt.GetBufferMemoryRequirements(device_.handle, buffer_, &requirements);
        return requirements.alignment;
    }
    Layout ResourceLayout() noexcept override { return Layout::kLinear; }

 private:
    const Device& device_;
    VkBuffer buffer_;
};

// A whole image, or with a plane aspect and the second form of the query one plane of a disjoint
// image (VUID-vkGetImageMemoryRequirements-image-01588).
class ImageNeed final : public ResourceNeed {
 public:
    ImageNeed(const Device& device, VkImage image,
              VkImageAspectFlagBits plane = VK_IMAGE_ASPECT_NONE,
              PFN_vkGetImageMemoryRequirements2 query = nullptr) noexcept
        : device_(device), image_(image), plane_(plane), query_(query) {}

    uint64_t Alignment() noexcept override {
        if (query_ == nullptr) {
            VkMemoryRequirements requirements = {};
            device_.dt.GetImageMemoryRequirements(device_.handle, image_, &requirements);
            return requirements.alignment;
        }
        VkImagePlaneMemoryRequirementsInfo plane = {};
        plane.sType = VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO;
        plane.planeAspect = plane_;
        VkImageMemoryRequirementsInfo2 info = {};
        info.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2;
        info.pNext = &plane;
        info.image = image_;
        VkMemoryRequirements2 requirements = {};
        requirements.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
        query_(device_.handle, &info, &requirements);
        return requirements.memoryRequirements.alignment;
    }
    Layout ResourceLayout() noexcept override { return device_.LayoutOf(image_); }

 private:
    const Device& device_;
    VkImage image_;
    VkImageAspectFlagBits plane_;
    PFN_vkGetImageMemoryRequirements2 query_;
};

// A resource whose requirement is not asked for again at the bind: an acceleration structure, a
// video session, a tensor. Valid use queries it before, and what was learned then is in the largest
// alignment of its types, which a slot that can be moved is given. In a slot that is pinned already
// 256 bytes must do: they suit all of these on known drivers.
class UnknownNeed final : public ResourceNeed {
 public:
    uint64_t Alignment() noexcept override { return kMinimumAlignment; }
    uint64_t PreferredAlignment(uint64_t largest) noexcept override { return largest; }
    Layout ResourceLayout() noexcept override { return Layout::kOptimal; }
};

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_RESOURCE_NEED_H_
