// SPDX-License-Identifier: Apache-2.0
//
// Reads the images of one swapchain back, just before they are presented.
//
// The image is copied to a host-visible buffer by a submission of our own on the queue that
// presents, which waits for the semaphores that the present would have waited for; then the queue
// is drained. The image leaves in the layout in which it came. A reader is used by one thread at a
// time: presenting is externally synchronized on both the queue and the swapchain.
#ifndef TESSERA_TESTS_LAYERS_PRESENT_JUDGE_SWAPCHAIN_READER_H_
#define TESSERA_TESTS_LAYERS_PRESENT_JUDGE_SWAPCHAIN_READER_H_

#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace present_judge {

/// The next entity's commands that reading takes. All are core commands of Vulkan 1.0 but
/// GetSwapchainImagesKHR.
struct ReaderCommands {
    PFN_vkGetSwapchainImagesKHR GetSwapchainImagesKHR;
    PFN_vkCreateCommandPool CreateCommandPool;
    PFN_vkDestroyCommandPool DestroyCommandPool;
    PFN_vkAllocateCommandBuffers AllocateCommandBuffers;
    PFN_vkBeginCommandBuffer BeginCommandBuffer;
    PFN_vkEndCommandBuffer EndCommandBuffer;
    PFN_vkCmdPipelineBarrier CmdPipelineBarrier;
    PFN_vkCmdCopyImageToBuffer CmdCopyImageToBuffer;
    PFN_vkCreateBuffer CreateBuffer;
    PFN_vkDestroyBuffer DestroyBuffer;
    PFN_vkGetBufferMemoryRequirements GetBufferMemoryRequirements;
    PFN_vkAllocateMemory AllocateMemory;
    PFN_vkFreeMemory FreeMemory;
    PFN_vkBindBufferMemory BindBufferMemory;
    PFN_vkMapMemory MapMemory;
    PFN_vkQueueSubmit QueueSubmit;
    PFN_vkQueueWaitIdle QueueWaitIdle;
};

/// What a reader needs of its device. `set_loader_data` is the loader's callback for dispatchable
/// objects that a layer creates.
struct ReaderDevice {
    VkDevice handle;
    ReaderCommands commands;
    PFN_vkSetDeviceLoaderData set_loader_data;
    VkPhysicalDeviceMemoryProperties memory;
};

/// What a swapchain's images are.
struct SwapchainShape {
    VkFormat format;
    VkExtent2D extent;
    uint32_t layers;
    /// False when the images cannot be a copy's source: no TRANSFER_SRC usage, or protected.
    bool readable;
};

/// The reader of one swapchain. Requires: `device` outlives it; it is destroyed before the
/// swapchain, when no present is in flight.
class SwapchainReader {
 public:
    SwapchainReader(const ReaderDevice& device, VkSwapchainKHR swapchain,
                    const SwapchainShape& shape);
    ~SwapchainReader();
    SwapchainReader(const SwapchainReader&) = delete;
    SwapchainReader& operator=(const SwapchainReader&) = delete;

    const SwapchainShape& shape() const { return shape_; }

    /// Waits for `semaphores` on `queue`, of family `family`, and reads the image at `index`, which
    /// the application is about to present.
    ///
    /// Returns the 64-bit hash of its texels, or nothing if the image cannot be read. Sets
    /// `semaphores_consumed` once a submission has waited for the semaphores, whatever is returned:
    /// the present must not wait for them again then.
    std::optional<uint64_t> Hash(VkQueue queue, uint32_t family, uint32_t index,
                                 std::span<const VkSemaphore> semaphores,
                                 bool& semaphores_consumed);

 private:
    bool Prepare(uint32_t family);
    bool CreateBuffer();
    bool Record(VkImage image);
    std::optional<uint32_t> FindHostMemoryType(uint32_t allowed_types) const;

    const ReaderDevice& device_;
    const VkSwapchainKHR swapchain_;
    const SwapchainShape shape_;
    uint64_t bytes_ = 0;
    std::vector<VkImage> images_;
    uint32_t family_ = 0;
    VkCommandPool pool_ = VK_NULL_HANDLE;
    VkCommandBuffer commands_ = VK_NULL_HANDLE;
    VkBuffer buffer_ = VK_NULL_HANDLE;
    VkDeviceMemory memory_ = VK_NULL_HANDLE;
    const std::byte* mapped_ = nullptr;
};

}  // namespace present_judge

#endif  // TESSERA_TESTS_LAYERS_PRESENT_JUDGE_SWAPCHAIN_READER_H_
