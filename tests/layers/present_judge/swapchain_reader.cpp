// SPDX-License-Identifier: Apache-2.0
//
// Reads the images of one swapchain back: see swapchain_reader.h.
//
// Buffer and command pool are made at the first read and kept until the swapchain goes, so that the
// judge adds one allocation per swapchain to what it observes, not one per picture.
#include "present_judge/swapchain_reader.h"

#include "common/checksum.h"

namespace present_judge {
namespace {

constexpr VkImageLayout kPresentLayout = VK_IMAGE_LAYOUT_PRESENT_SRC_KHR;
constexpr VkImageLayout kCopyLayout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;

/// Size of a texel of the formats that surfaces offer; 0 for others, which are not read.
uint64_t TexelBytes(VkFormat format) {
    switch (format) {
        case VK_FORMAT_R5G6B5_UNORM_PACK16:
        case VK_FORMAT_B5G6R5_UNORM_PACK16:
        case VK_FORMAT_A1R5G5B5_UNORM_PACK16:
            return 2;
        case VK_FORMAT_R8G8B8A8_UNORM:
        case VK_FORMAT_R8G8B8A8_SRGB:
        case VK_FORMAT_B8G8R8A8_UNORM:
        case VK_FORMAT_B8G8R8A8_SRGB:
        case VK_FORMAT_A8B8G8R8_UNORM_PACK32:
        case VK_FORMAT_A8B8G8R8_SRGB_PACK32:
        case VK_FORMAT_A2R10G10B10_UNORM_PACK32:
        case VK_FORMAT_A2B10G10R10_UNORM_PACK32:
            return 4;
        case VK_FORMAT_R16G16B16A16_SFLOAT:
            return 8;
        default:
            return 0;
    }
}

}  // namespace

SwapchainReader::SwapchainReader(const ReaderDevice& device, VkSwapchainKHR swapchain,
                                 const SwapchainShape& shape)
    : device_(device),
      swapchain_(swapchain),
      shape_(shape),
      bytes_(TexelBytes(shape.format) * shape.extent.width * shape.extent.height * shape.layers) {}

SwapchainReader::~SwapchainReader() {
    const ReaderCommands& next = device_.commands;
    next.DestroyCommandPool(device_.handle, pool_, nullptr);
    next.DestroyBuffer(device_.handle, buffer_, nullptr);
    next.FreeMemory(device_.handle, memory_, nullptr);
}

std::optional<uint32_t> SwapchainReader::FindHostMemoryType(uint32_t allowed_types) const {
    constexpr VkMemoryPropertyFlags kWanted =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    for (uint32_t type = 0; type < device_.memory.memoryTypeCount; ++type) {
        const VkMemoryPropertyFlags flags = device_.memory.memoryTypes[type].propertyFlags;
        if ((allowed_types & (1u << type)) != 0 && (flags & kWanted) == kWanted) return type;
    }
    return std::nullopt;
}

// A failure leaves what exists to the destructor and is final: Prepare() does not try again.
bool SwapchainReader::CreateBuffer() {
    const ReaderCommands& next = device_.commands;
    VkBufferCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.size = bytes_;
    info.usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    if (next.CreateBuffer(device_.handle, &info, nullptr, &buffer_) != VK_SUCCESS) return false;

    VkMemoryRequirements requirements{};
    next.GetBufferMemoryRequirements(device_.handle, buffer_, &requirements);
    const std::optional<uint32_t> type = FindHostMemoryType(requirements.memoryTypeBits);
    if (!type) return false;
    VkMemoryAllocateInfo allocate{};
    allocate.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    allocate.allocationSize = requirements.size;
    allocate.memoryTypeIndex = *type;
    void* mapped = nullptr;
    const bool ready =
        next.AllocateMemory(device_.handle, &allocate, nullptr, &memory_) == VK_SUCCESS &&
        next.BindBufferMemory(device_.handle, buffer_, memory_, 0) == VK_SUCCESS &&
        next.MapMemory(device_.handle, memory_, 0, VK_WHOLE_SIZE, 0, &mapped) == VK_SUCCESS;
    if (ready) mapped_ = static_cast<const std::byte*>(mapped);
    return ready;
}

bool SwapchainReader::Prepare(uint32_t family) {
    const ReaderCommands& next = device_.commands;
    if (images_.empty()) {
        uint32_t count = 0;
        next.GetSwapchainImagesKHR(device_.handle, swapchain_, &count, nullptr);
        images_.resize(count);
        next.GetSwapchainImagesKHR(device_.handle, swapchain_, &count, images_.data());
    }
    if (mapped_ == nullptr && (buffer_ != VK_NULL_HANDLE || !CreateBuffer())) return false;
    if (commands_ != VK_NULL_HANDLE && family_ == family) return true;

    // The queue was drained by the read before, so the pool of another family is not in use.
    next.DestroyCommandPool(device_.handle, pool_, nullptr);
    pool_ = VK_NULL_HANDLE;
    commands_ = VK_NULL_HANDLE;
    family_ = family;
    VkCommandPoolCreateInfo pool{};
    pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
    pool.queueFamilyIndex = family;
    if (next.CreateCommandPool(device_.handle, &pool, nullptr, &pool_) != VK_SUCCESS) return false;
    VkCommandBufferAllocateInfo allocate{};
    allocate.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    allocate.commandPool = pool_;
    allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    allocate.commandBufferCount = 1;
    return next.AllocateCommandBuffers(device_.handle, &allocate, &commands_) == VK_SUCCESS &&
           device_.set_loader_data(device_.handle, commands_) == VK_SUCCESS;
}

bool SwapchainReader::Record(VkImage image) {
    const ReaderCommands& next = device_.commands;
    VkCommandBufferBeginInfo begin{};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    if (next.BeginCommandBuffer(commands_, &begin) != VK_SUCCESS) return false;

    // The submission's semaphore wait is at the transfer stage, which the first barrier follows.
    VkImageMemoryBarrier barrier{};
    barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER;
    barrier.dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT;
    barrier.oldLayout = kPresentLayout;
    barrier.newLayout = kCopyLayout;
    barrier.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    barrier.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    barrier.image = image;
    barrier.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, shape_.layers};
    next.CmdPipelineBarrier(commands_, VK_PIPELINE_STAGE_TRANSFER_BIT,
                            VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, nullptr, 0, nullptr, 1, &barrier);

    VkBufferImageCopy region{};
    region.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, shape_.layers};
    region.imageExtent = {shape_.extent.width, shape_.extent.height, 1};
    next.CmdCopyImageToBuffer(commands_, image, kCopyLayout, buffer_, 1, &region);

    // Back to the layout of the present. A present needs no access mask: it sees what is available.
    barrier.srcAccessMask = 0;
    barrier.dstAccessMask = 0;
    barrier.oldLayout = kCopyLayout;
    barrier.newLayout = kPresentLayout;
    VkBufferMemoryBarrier written{};
    written.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER;
    written.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
    written.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
    written.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    written.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    written.buffer = buffer_;
    written.size = VK_WHOLE_SIZE;
    next.CmdPipelineBarrier(commands_, VK_PIPELINE_STAGE_TRANSFER_BIT,
                            VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, 0, 0,
                            nullptr, 1, &written, 1, &barrier);
    return next.EndCommandBuffer(commands_) == VK_SUCCESS;
}

std::optional<uint64_t> SwapchainReader::Hash(VkQueue queue, uint32_t family, uint32_t index,
                                              std::span<const VkSemaphore> semaphores,
                                              bool& semaphores_consumed) {
    const bool ready = shape_.readable && bytes_ != 0 && Prepare(family) &&
                       index < images_.size() && Record(images_[index]);
    if (!ready) return std::nullopt;

    const std::vector<VkPipelineStageFlags> stages(semaphores.size(),
                                                   VK_PIPELINE_STAGE_TRANSFER_BIT);
    VkSubmitInfo submit{};
    submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    submit.waitSemaphoreCount = static_cast<uint32_t>(semaphores.size());
    submit.pWaitSemaphores = semaphores.data();
    submit.pWaitDstStageMask = stages.data();
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands_;
    const ReaderCommands& next = device_.commands;
    if (next.QueueSubmit(queue, 1, &submit, VK_NULL_HANDLE) != VK_SUCCESS) return std::nullopt;
    semaphores_consumed = true;
    if (next.QueueWaitIdle(queue) != VK_SUCCESS) return std::nullopt;

    // Mapped for life and coherent; the barrier made the copy visible to the processor.
    apps::Checksum checksum;
    checksum.Add({mapped_, bytes_});
    return checksum.value();
}

}  // namespace present_judge
