// SPDX-License-Identifier: Apache-2.0
//
// Getting contents into device-local resources and back, one staging buffer and one submission at a
// time, as tutorials teach it.
//
// Each call records a command buffer of its own, submits it and waits until the queue is idle, so a
// resource may be used, changed or destroyed as soon as the call returns. Barriers at the end of
// each submission make what was written visible to the draws and copies that follow. Of the staging
// buffers, every fourth is freed while it is still mapped, as many applications do.
#ifndef TESSERA_TESTS_APPS_NAIVE_SCENE_UPLOAD_H_
#define TESSERA_TESTS_APPS_NAIVE_SCENE_UPLOAD_H_

#include <vulkan/vulkan.h>

#include <cstdint>
#include <functional>
#include <span>

#include "common/device.h"
#include "naive_scene/memory.h"

namespace apps {

/// Copies to and from resources of one device. Belongs to one thread. Every call throws Failure
/// when a command fails.
class Uploader {
 public:
    using Fill = std::function<void(std::span<uint32_t>)>;
    using Read = std::function<void(std::span<const uint32_t>)>;
    using Record = std::function<void(VkCommandBuffer)>;

    Uploader(const Device& device, Allocator& allocator);
    ~Uploader();
    Uploader(const Uploader&) = delete;
    Uploader& operator=(const Uploader&) = delete;

    /// Fills a buffer with what `fill` writes. Requires: usage TRANSFER_DST, whole words.
    void ToBuffer(const Buffer& target, const Fill& fill);

    /// Fills an image, whatever was in it, and leaves it ready to be sampled.
    void ToImage(const Image& target, const Fill& fill);

    /// Copies parts of `source` over parts of an image that is ready to be sampled, and leaves it
    /// so. `regions` must not overlap in the image.
    void OverImage(const Buffer& source, const Image& target,
                   std::span<const VkBufferImageCopy> regions);

    /// Shows the whole content of a resource to `read`. Requires: usage TRANSFER_SRC; an image must
    /// be ready to be sampled, and stays so.
    void FromBuffer(const Buffer& source, const Read& read);
    void FromImage(const Image& source, const Read& read);

    /// Records with `record`, submits, and waits for the queue.
    void RunOnce(const Record& record);

 private:
    void WithStaging(uint64_t bytes, const Fill& fill,
                     const std::function<void(VkCommandBuffer, const Buffer&)>& record);
    void WithReadback(uint64_t bytes, const Read& read,
                      const std::function<void(VkCommandBuffer, const Buffer&)>& record);

    const Device& device_;
    Allocator& allocator_;
    VkCommandPool pool_ = VK_NULL_HANDLE;
    uint64_t staging_buffers_ = 0;
};

/// The whole of an image's only level, as a copy region from or to offset 0 of a buffer.
VkBufferImageCopy WholeImage(uint32_t width, uint32_t height);

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_NAIVE_SCENE_UPLOAD_H_
