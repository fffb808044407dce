// SPDX-License-Identifier: Apache-2.0
//
// Which live images of a device have linear tiling.
//
// A requirement query and a bind name an image but not its tiling, and granularity depends on it.
// Linear images are rare, so the set is a short list; an image that is not in it is not linear. An
// image leaves the set before the driver may use its handle again.
//
// Threads: any. Contains() takes no lock while there are no linear images.

#ifndef TESSERA_LAYER_VK_LINEAR_IMAGES_H_
#define TESSERA_LAYER_VK_LINEAR_IMAGES_H_

#include <vulkan/vulkan_core.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "layer/base/mutex.h"

namespace tessera {

class LinearImages {
 public:
    // Without host memory the image is not noted, and then treated as the more careful kind.
    void Add(VkImage image) noexcept {
        MutexLock lock(mutex_);
        try {
            images_.push_back(image);
        } catch (...) {
            return;
        }
        count_.store(images_.size(), std::memory_order_release);
    }

    void Remove(VkImage image) noexcept {
        if (count_.load(std::memory_order_acquire) == 0) return;
        MutexLock lock(mutex_);
        auto found = std::find(images_.begin(), images_.end(), image);
        if (found == images_.end()) return;
        *found = images_.back();
        images_.pop_back();
        count_.store(images_.size(), std::memory_order_release);
    }

    bool Contains(VkImage image) const noexcept {
        if (count_.load(std::memory_order_acquire) == 0) return false;
        MutexLock lock(mutex_);
        return std::find(images_.begin(), images_.end(), image) != images_.end();
    }

 private:
    mutable Mutex mutex_;
    std::atomic<size_t> count_ = 0;
    std::vector<VkImage> images_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_LINEAR_IMAGES_H_
