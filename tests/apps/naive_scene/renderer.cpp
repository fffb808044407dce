// SPDX-License-Identifier: Apache-2.0
//
// Draws the scene offscreen and reads the picture back: see renderer.h.
//
// The one idea: each object is drawn with its own buffers, image and descriptor set, bound one
// after the other, so that a resource that another one overwrote cannot hide.
#include "naive_scene/renderer.h"

#include <algorithm>
#include <array>
#include <string>

#include "common/check.h"

namespace apps {
namespace {

Image MakeTarget(const Device& device, Allocator& allocator, const Grid& grid) {
    const uint32_t limit = device.properties().limits.maxImageDimension2D;
    if (grid.width() > limit || grid.height() > limit) {
        throw Failure("The picture would be larger than the device's images can be (" +
                      std::to_string(limit) + " pixels); ask for fewer resources.");
    }
    return Image(allocator, grid.width(), grid.height(),
                 VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT);
}

}  // namespace

// What throws in the second constructor's body meets a complete object, whose destructor runs.
Renderer::Renderer(const Device& device, Allocator& allocator, Uploader& uploader,
                   const Population& population, const Grid& grid)
    : device_(device.handle()),
      uploader_(uploader),
      population_(population),
      grid_(grid),
      pipeline_(device_, grid_.width(), grid_.height()),
      target_(MakeTarget(device, allocator, grid_)),
      readback_(allocator, uint64_t{4} * grid_.width() * grid_.height(),
                VK_BUFFER_USAGE_TRANSFER_DST_BIT, kHostMemory) {}

Renderer::Renderer(const Device& device, Allocator& allocator, Uploader& uploader,
                   const Population& population)
    : Renderer(device, allocator, uploader, population, population.content().grid()) {
    CreateSampler();
    CreateDescriptorSets();
    CreateFramebuffer();
    for (uint32_t object = 0; object < population.content().objects(); ++object)
        Describe(object);
}

Renderer::~Renderer() {
    vkDestroyFramebuffer(device_, framebuffer_, nullptr);
    vkDestroyDescriptorPool(device_, descriptor_pool_, nullptr);
    vkDestroySampler(device_, sampler_, nullptr);
}

void Renderer::CreateSampler() {
    VkSamplerCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO;
    info.magFilter = VK_FILTER_LINEAR;
    info.minFilter = VK_FILTER_LINEAR;
    info.addressModeU = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE;
    info.addressModeV = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE;
    info.addressModeW = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE;
    Check(vkCreateSampler(device_, &info, nullptr, &sampler_), "vkCreateSampler");
}

void Renderer::CreateDescriptorSets() {
    const uint32_t objects = population_.content().objects();
    const std::array<VkDescriptorPoolSize, 3> sizes = {{
        {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, objects * 2},
        {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, objects},
        {VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, objects},
    }};
    VkDescriptorPoolCreateInfo pool{};
    pool.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO;
    pool.maxSets = objects;
    pool.poolSizeCount = static_cast<uint32_t>(sizes.size());
    pool.pPoolSizes = sizes.data();
    Check(vkCreateDescriptorPool(device_, &pool, nullptr, &descriptor_pool_),
          "vkCreateDescriptorPool");

    // One set per object, all at once; sets are rewritten but never freed.
    const std::vector<VkDescriptorSetLayout> layouts(objects, pipeline_.set_layout());
    descriptor_sets_.resize(objects);
    VkDescriptorSetAllocateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO;
    info.descriptorPool = descriptor_pool_;
    info.descriptorSetCount = objects;
    info.pSetLayouts = layouts.data();
    Check(vkAllocateDescriptorSets(device_, &info, descriptor_sets_.data()),
          "vkAllocateDescriptorSets");
}

void Renderer::CreateFramebuffer() {
    const VkImageView view = target_.view();
    VkFramebufferCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO;
    info.renderPass = pipeline_.render_pass();
    info.attachmentCount = 1;
    info.pAttachments = &view;
    info.width = grid_.width();
    info.height = grid_.height();
    info.layers = 1;
    Check(vkCreateFramebuffer(device_, &info, nullptr, &framebuffer_), "vkCreateFramebuffer");
}

void Renderer::Describe(uint32_t object) {
    const Buffer& uniform = population_.Of(object, Kind::kUniform).buffer;
    const Buffer& storage = population_.Of(object, Kind::kStorage).buffer;
    const Image& image = population_.Of(object, Kind::kImage).image;
    // The first and the last window of the uniform buffer, and the whole of the storage buffer.
    const std::array<VkDescriptorBufferInfo, 3> buffers = {{
        {uniform.handle(), 0, kUniformWindow},
        {uniform.handle(), uniform.bytes() - kUniformWindow, kUniformWindow},
        {storage.handle(), 0, VK_WHOLE_SIZE},
    }};
    const VkDescriptorImageInfo sampled{sampler_, image.view(),
                                        VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL};
    constexpr std::array<VkDescriptorType, 4> kTypes = {
        VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
        VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER};

    std::array<VkWriteDescriptorSet, 4> writes{};
    for (uint32_t binding = 0; binding < writes.size(); ++binding) {
        writes[binding].sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
        writes[binding].dstSet = descriptor_sets_[object];
        writes[binding].dstBinding = binding;
        writes[binding].descriptorCount = 1;
        writes[binding].descriptorType = kTypes[binding];
        if (binding < buffers.size()) {
            writes[binding].pBufferInfo = &buffers[binding];
        } else {
            writes[binding].pImageInfo = &sampled;
        }
    }
    vkUpdateDescriptorSets(device_, static_cast<uint32_t>(writes.size()), writes.data(), 0,
                           nullptr);
}

void Renderer::RecordObjects(VkCommandBuffer commands) const {
    const Content& content = population_.content();
    for (uint32_t object = 0; object < content.objects(); ++object) {
        const Buffer& vertex = population_.Of(object, Kind::kVertex).buffer;
        const Buffer& index = population_.Of(object, Kind::kIndex).buffer;
        const Buffer& storage = population_.Of(object, Kind::kStorage).buffer;
        const VkBuffer vertex_handle = vertex.handle();
        const VkDeviceSize no_offset = 0;
        vkCmdBindVertexBuffers(commands, 0, 1, &vertex_handle, &no_offset);
        vkCmdBindIndexBuffer(commands, index.handle(), 0, VK_INDEX_TYPE_UINT32);
        vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline_.layout(), 0, 1,
                                &descriptor_sets_[object], 0, nullptr);

        Pipeline::Object constants{
            .cell = content.CellOf(object),
            .palette_words = static_cast<uint32_t>(storage.bytes() / sizeof(uint32_t)),
            .is_inner = 0};
        const auto push = [&] {
            vkCmdPushConstants(commands, pipeline_.layout(),
                               VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT, 0,
                               sizeof(constants), &constants);
        };
        push();
        vkCmdDrawIndexed(commands, kQuadIndices, 1, 0, 0, 0);
        constants.is_inner = 1;
        push();
        // The last quad's indices count from its own first vertex, so they work for any buffer
        // size.
        const auto last_indices =
            static_cast<uint32_t>(index.bytes() / sizeof(uint32_t)) - kQuadIndices;
        const auto last_vertices =
            static_cast<int32_t>((vertex.bytes() - kQuadBytes) / sizeof(Vertex));
        vkCmdDrawIndexed(commands, kQuadIndices, 1, last_indices, last_vertices, 0);
    }
}

void Renderer::RecordReadback(VkCommandBuffer commands) const {
    const VkBufferImageCopy region = WholeImage(grid_.width(), grid_.height());
    vkCmdCopyImageToBuffer(commands, target_.handle(), VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
                           readback_.handle(), 1, &region);
    VkBufferMemoryBarrier barrier{};
    barrier.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER;
    barrier.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
    barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
    barrier.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    barrier.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    barrier.buffer = readback_.handle();
    barrier.size = VK_WHOLE_SIZE;
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 0,
                         nullptr, 1, &barrier, 0, nullptr);
}

std::vector<uint8_t> Renderer::Draw() {
    uploader_.RunOnce([&](VkCommandBuffer commands) {
        VkClearValue background{};
        background.color = {{0.05f, 0.05f, 0.07f, 1.0f}};
        VkRenderPassBeginInfo begin{};
        begin.sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO;
        begin.renderPass = pipeline_.render_pass();
        begin.framebuffer = framebuffer_;
        begin.renderArea = {{0, 0}, {grid_.width(), grid_.height()}};
        begin.clearValueCount = 1;
        begin.pClearValues = &background;
        vkCmdBeginRenderPass(commands, &begin, VK_SUBPASS_CONTENTS_INLINE);
        vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline_.handle());
        RecordObjects(commands);
        vkCmdEndRenderPass(commands);
        RecordReadback(commands);
    });

    // RunOnce() has waited, and the barrier above made the copy visible to the processor.
    std::vector<uint8_t> picture(readback_.bytes());
    const auto* mapped = reinterpret_cast<const uint8_t*>(readback_.Map());
    std::copy_n(mapped, picture.size(), picture.begin());
    readback_.Unmap();
    return picture;
}

}  // namespace apps
