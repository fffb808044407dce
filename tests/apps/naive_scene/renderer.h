// SPDX-License-Identifier: Apache-2.0
//
// Draws the scene offscreen and reads the picture back.
//
// One render pass with one colour target, one pipeline, one descriptor set per object, two quads
// per object: the frame from the first bytes of its resources, the inner square from the last. The
// picture comes back through a host-visible buffer. Everything is made once, at the size of the
// scene's grid, and used by one thread; a frame is finished when Draw() returns.
#ifndef TESSERA_TESTS_APPS_NAIVE_SCENE_RENDERER_H_
#define TESSERA_TESTS_APPS_NAIVE_SCENE_RENDERER_H_

#include <vulkan/vulkan.h>

#include <cstdint>
#include <vector>

#include "naive_scene/content.h"
#include "naive_scene/memory.h"
#include "naive_scene/resources.h"
#include "naive_scene/upload.h"

namespace apps {

/// What the scene's shaders need on a device: layouts, render pass, pipeline. Destroyed together.
class Pipeline {
 public:
    /// Throws Failure when the driver refuses a part; nothing is left behind then. `width` and
    /// `height` are the picture's.
    Pipeline(VkDevice device, uint32_t width, uint32_t height);
    ~Pipeline();
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;

    /// The shader's push constants.
    struct Object {
        Cell cell;
        uint32_t palette_words;  ///< length of the storage buffer, in words
        uint32_t is_inner;       ///< 1 for the inner square, 0 for the frame
    };

    VkDescriptorSetLayout set_layout() const { return set_layout_; }
    VkPipelineLayout layout() const { return layout_; }
    VkRenderPass render_pass() const { return render_pass_; }
    VkPipeline handle() const { return handle_; }

 private:
    explicit Pipeline(VkDevice device) : device_(device) {}

    void CreateLayouts();
    void CreateRenderPass();
    void CreatePipeline(uint32_t width, uint32_t height);

    VkDevice device_;
    VkDescriptorSetLayout set_layout_ = VK_NULL_HANDLE;
    VkPipelineLayout layout_ = VK_NULL_HANDLE;
    VkRenderPass render_pass_ = VK_NULL_HANDLE;
    VkPipeline handle_ = VK_NULL_HANDLE;
};

/// Draws a Population. Requires: everything passed in outlives it.
class Renderer {
 public:
    /// Makes the target and describes every object. Throws Failure when the driver refuses a part
    /// or the picture is larger than the device's images can be.
    Renderer(const Device& device, Allocator& allocator, Uploader& uploader,
             const Population& population);
    ~Renderer();
    Renderer(const Renderer&) = delete;
    Renderer& operator=(const Renderer&) = delete;

    /// Points the object's descriptors at its resources as they are now.
    void Describe(uint32_t object);

    /// Draws every object and returns the picture: RGBA, 8 bits a channel, top row first.
    std::vector<uint8_t> Draw();

 private:
    Renderer(const Device& device, Allocator& allocator, Uploader& uploader,
             const Population& population, const Grid& grid);

    void CreateSampler();
    void CreateDescriptorSets();
    void CreateFramebuffer();
    void RecordObjects(VkCommandBuffer commands) const;
    void RecordReadback(VkCommandBuffer commands) const;

    VkDevice device_;
    Uploader& uploader_;
    const Population& population_;
    const Grid grid_;
    Pipeline pipeline_;
    Image target_;
    Buffer readback_;
    VkSampler sampler_ = VK_NULL_HANDLE;
    VkDescriptorPool descriptor_pool_ = VK_NULL_HANDLE;
    std::vector<VkDescriptorSet> descriptor_sets_;
    VkFramebuffer framebuffer_ = VK_NULL_HANDLE;
};

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_NAIVE_SCENE_RENDERER_H_
