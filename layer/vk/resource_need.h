// SPDX-License-Identifier: Apache-2.0
//
// What a resource needs of the place it is bound to, asked of the driver at the bind.
//
// The answer is not remembered by handle: drivers recycle handles at once, and the query costs
// about as much as a look-up would (15 ns on an NVIDIA driver). Every bind to a slot asks, since
// only the driver knows whether the resource ends within its memory: another allocation follows.
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

    Layout ResourceLayout() noexcept override { return Layout::kLinear; }

 private:
    VkMemoryRequirements Ask() noexcept override;

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

    Layout ResourceLayout() noexcept override { return device_.LayoutOf(image_); }

 private:
    VkMemoryRequirements Ask() noexcept override;

    const Device& device_;
    VkImage image_;
    VkImageAspectFlagBits plane_;
    PFN_vkGetImageMemoryRequirements2 query_;
};

// What is neither buffer nor image. How such a resource lies is nobody's business but the driver's,
// so it is taken for the more careful layout.
class OtherNeed : public ResourceNeed {
 public:
    Layout ResourceLayout() noexcept final { return Layout::kOptimal; }

 protected:
    explicit OtherNeed(const Device& device) noexcept : device_(device) {}
    ~OtherNeed() = default;
    const Device& device_;
};

class AccelerationStructureNeed final : public OtherNeed {
 public:
    AccelerationStructureNeed(const Device& device, VkAccelerationStructureNV structure) noexcept
        : OtherNeed(device), structure_(structure) {}

 private:
    VkMemoryRequirements Ask() noexcept override;

    VkAccelerationStructureNV structure_;
};

// One of the places for memory that a video session has.
class VideoSessionNeed final : public OtherNeed {
 public:
    VideoSessionNeed(const Device& device, VkVideoSessionKHR session, uint32_t bind_index) noexcept
        : OtherNeed(device), session_(session), bind_index_(bind_index) {}

 private:
    VkMemoryRequirements Ask() noexcept override;

    VkVideoSessionKHR session_;
    uint32_t bind_index_;
};

class TensorNeed final : public OtherNeed {
 public:
    TensorNeed(const Device& device, uint64_t tensor) noexcept
        : OtherNeed(device), tensor_(tensor) {}

 private:
    VkMemoryRequirements Ask() noexcept override;

    uint64_t tensor_;
};

// One object of one bind point of a data graph pipeline session.
class DataGraphNeed final : public OtherNeed {
 public:
    DataGraphNeed(const Device& device,
                  const late::BindDataGraphPipelineSessionMemoryInfo& bind) noexcept
        : OtherNeed(device), bind_(bind) {}

 private:
    VkMemoryRequirements Ask() noexcept override;

    const late::BindDataGraphPipelineSessionMemoryInfo& bind_;
};

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_RESOURCE_NEED_H_
