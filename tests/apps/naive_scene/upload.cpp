// SPDX-License-Identifier: Apache-2.0
//
// Getting contents into device-local resources and back: see upload.h.
//
// The one idea: RunOnce() is the only submission. Every barrier names the stages on both of its
// sides, so that the program is also right where a queue does not drain between two submissions.
#include "naive_scene/upload.h"

#include <vector>

#include "common/check.h"

namespace apps {
namespace {

constexpr VkPipelineStageFlags kDrawStages = VK_PIPELINE_STAGE_VERTEX_INPUT_BIT |
                                             VK_PIPELINE_STAGE_VERTEX_SHADER_BIT |
                                             VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT;

/// One side of a layout transition.
struct ImageUse {
    VkImageLayout layout;
    VkPipelineStageFlags stages;
    VkAccessFlags access;
};

constexpr ImageUse kFresh = {VK_IMAGE_LAYOUT_UNDEFINED, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, 0};
constexpr ImageUse kWritten = {VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, VK_PIPELINE_STAGE_TRANSFER_BIT,
                               VK_ACCESS_TRANSFER_WRITE_BIT};
constexpr ImageUse kCopied = {VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, VK_PIPELINE_STAGE_TRANSFER_BIT,
                              VK_ACCESS_TRANSFER_READ_BIT};
constexpr ImageUse kSampled = {VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL,
                               VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT, VK_ACCESS_SHADER_READ_BIT};

/// Changes the layout of an image between two uses, each of which waits for the other.
void Transition(VkCommandBuffer commands, VkImage image, const ImageUse& from, const ImageUse& to) {
    VkImageMemoryBarrier barrier{};
    barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER;
    barrier.srcAccessMask = from.access;
    barrier.dstAccessMask = to.access;
    barrier.oldLayout = from.layout;
    barrier.newLayout = to.layout;
    barrier.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    barrier.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    barrier.image = image;
    barrier.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    vkCmdPipelineBarrier(commands, from.stages, to.stages, 0, 0, nullptr, 0, nullptr, 1, &barrier);
}

/// Makes what a copy wrote to the buffer visible to `access` in `stages`.
void BufferBarrier(VkCommandBuffer commands, const Buffer& buffer, VkPipelineStageFlags stages,
                   VkAccessFlags access) {
    VkBufferMemoryBarrier barrier{};
    barrier.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER;
    barrier.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
    barrier.dstAccessMask = access;
    barrier.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    barrier.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    barrier.buffer = buffer.handle();
    barrier.size = VK_WHOLE_SIZE;
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, stages, 0, 0, nullptr, 1,
                         &barrier, 0, nullptr);
}

uint64_t BytesOf(const Image& image) {
    return uint64_t{4} * image.width() * image.height();
}

}  // namespace

VkBufferImageCopy WholeImage(uint32_t width, uint32_t height) {
    VkBufferImageCopy region{};
    region.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    region.imageExtent = {width, height, 1};
    return region;
}

Uploader::Uploader(const Device& device, Allocator& allocator)
    : device_(device), allocator_(allocator) {
    VkCommandPoolCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    info.flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT;
    info.queueFamilyIndex = device.queue_family();
    Check(vkCreateCommandPool(device.handle(), &info, nullptr, &pool_), "vkCreateCommandPool");
}

Uploader::~Uploader() {
    vkDestroyCommandPool(device_.handle(), pool_, nullptr);
}

void Uploader::RunOnce(const Record& record) {
    VkCommandBufferAllocateInfo allocate{};
    allocate.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    allocate.commandPool = pool_;
    allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    allocate.commandBufferCount = 1;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    Check(vkAllocateCommandBuffers(device_.handle(), &allocate, &commands),
          "vkAllocateCommandBuffers");

    VkCommandBufferBeginInfo begin{};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    Check(vkBeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
    record(commands);
    Check(vkEndCommandBuffer(commands), "vkEndCommandBuffer");

    VkSubmitInfo submit{};
    submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands;
    Check(vkQueueSubmit(device_.queue(), 1, &submit, VK_NULL_HANDLE), "vkQueueSubmit");
    // Slow and simple. It is what makes every resource free to change when a call returns.
    Check(vkQueueWaitIdle(device_.queue()), "vkQueueWaitIdle");
    vkFreeCommandBuffers(device_.handle(), pool_, 1, &commands);
}

void Uploader::WithStaging(uint64_t bytes, const Fill& fill,
                           const std::function<void(VkCommandBuffer, const Buffer&)>& record) {
    Buffer staging(allocator_, bytes, VK_BUFFER_USAGE_TRANSFER_SRC_BIT, kHostMemory);
    fill({staging.Map(), bytes / sizeof(uint32_t)});
    // vkFreeMemory unmaps by itself; some applications leave it to that.
    const bool stays_mapped = ++staging_buffers_ % 4 == 0;
    if (!stays_mapped) staging.Unmap();
    RunOnce([&](VkCommandBuffer commands) { record(commands, staging); });
}

void Uploader::WithReadback(uint64_t bytes, const Read& read,
                            const std::function<void(VkCommandBuffer, const Buffer&)>& record) {
    Buffer readback(allocator_, bytes, VK_BUFFER_USAGE_TRANSFER_DST_BIT, kHostMemory);
    RunOnce([&](VkCommandBuffer commands) {
        record(commands, readback);
        BufferBarrier(commands, readback, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
    });
    // A plain copy first: the memory may be uncached, and readers look at every byte.
    const uint32_t* mapped = readback.Map();
    const std::vector<uint32_t> words(mapped, mapped + bytes / sizeof(uint32_t));
    readback.Unmap();
    read(words);
}

void Uploader::ToBuffer(const Buffer& target, const Fill& fill) {
    WithStaging(target.bytes(), fill, [&](VkCommandBuffer commands, const Buffer& staging) {
        const VkBufferCopy region{.srcOffset = 0, .dstOffset = 0, .size = target.bytes()};
        vkCmdCopyBuffer(commands, staging.handle(), target.handle(), 1, &region);
        BufferBarrier(commands, target, kDrawStages | VK_PIPELINE_STAGE_TRANSFER_BIT,
                      VK_ACCESS_VERTEX_ATTRIBUTE_READ_BIT | VK_ACCESS_INDEX_READ_BIT |
                          VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT);
    });
}

void Uploader::ToImage(const Image& target, const Fill& fill) {
    WithStaging(BytesOf(target), fill, [&](VkCommandBuffer commands, const Buffer& staging) {
        const VkBufferImageCopy region = WholeImage(target.width(), target.height());
        Transition(commands, target.handle(), kFresh, kWritten);
        vkCmdCopyBufferToImage(commands, staging.handle(), target.handle(), kWritten.layout, 1,
                               &region);
        Transition(commands, target.handle(), kWritten, kSampled);
    });
}

void Uploader::OverImage(const Buffer& source, const Image& target,
                         std::span<const VkBufferImageCopy> regions) {
    RunOnce([&](VkCommandBuffer commands) {
        Transition(commands, target.handle(), kSampled, kWritten);
        vkCmdCopyBufferToImage(commands, source.handle(), target.handle(), kWritten.layout,
                               static_cast<uint32_t>(regions.size()), regions.data());
        Transition(commands, target.handle(), kWritten, kSampled);
    });
}

void Uploader::FromBuffer(const Buffer& source, const Read& read) {
    WithReadback(source.bytes(), read, [&](VkCommandBuffer commands, const Buffer& readback) {
        const VkBufferCopy region{.srcOffset = 0, .dstOffset = 0, .size = source.bytes()};
        vkCmdCopyBuffer(commands, source.handle(), readback.handle(), 1, &region);
    });
}

void Uploader::FromImage(const Image& source, const Read& read) {
    WithReadback(BytesOf(source), read, [&](VkCommandBuffer commands, const Buffer& readback) {
        const VkBufferImageCopy region = WholeImage(source.width(), source.height());
        Transition(commands, source.handle(), kSampled, kCopied);
        vkCmdCopyImageToBuffer(commands, source.handle(), kCopied.layout, readback.handle(), 1,
                               &region);
        Transition(commands, source.handle(), kCopied, kSampled);
    });
}

}  // namespace apps
