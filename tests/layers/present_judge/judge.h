// SPDX-License-Identifier: Apache-2.0
//
// What the judge knows of one device: its queues and its swapchains.
//
// One Judge per VkDevice, made when the device is. It writes one line per presented image,
//   present INDEX WIDTHxHEIGHT FORMAT HASH
// to the file that PRESENT_JUDGE_FILE names, appended and closed each time, so that a test may read
// it after any end of the process. INDEX counts from 0 in each process since the layer was loaded;
// HASH is 16 hexadecimal digits, or `unreadable`. Any thread may call any function; the judge's own
// lock is held while it reads an image, since a test has time.
#ifndef TESSERA_TESTS_LAYERS_PRESENT_JUDGE_JUDGE_H_
#define TESSERA_TESTS_LAYERS_PRESENT_JUDGE_JUDGE_H_

#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "present_judge/swapchain_reader.h"

namespace present_judge {

/// Observes the presents of one device.
class Judge {
 public:
    explicit Judge(const ReaderDevice& device) : device_(device) {}

    const ReaderDevice& device() const { return device_; }

    /// Remembers which family a queue belongs to, as the application asks for the queue.
    void AddQueue(VkQueue queue, uint32_t family);

    /// Starts to observe a swapchain that the application created with these properties.
    void AddSwapchain(VkSwapchainKHR swapchain, const SwapchainShape& shape);

    /// Ends it, before the swapchain is destroyed.
    void RemoveSwapchain(VkSwapchainKHR swapchain);

    /// Reads every image of a present and writes its line. Returns true if the present's semaphores
    /// were waited for, so that it must be forwarded without them.
    bool Observe(VkQueue queue, const VkPresentInfoKHR& present);

 private:
    const ReaderDevice device_;
    std::mutex mutex_;
    std::map<VkQueue, uint32_t> families_;
    std::map<VkSwapchainKHR, std::unique_ptr<SwapchainReader>> swapchains_;
};

}  // namespace present_judge

#endif  // TESSERA_TESTS_LAYERS_PRESENT_JUDGE_JUDGE_H_
