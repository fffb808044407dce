// SPDX-License-Identifier: Apache-2.0
//
// Layouts, render pass and pipeline of the scene: see renderer.h.
//
// The shaders are compiled to SPIR-V while the program is built and lie in two generated headers.
// The picture's size never changes, so viewport and scissor are part of the pipeline.
#include <array>
#include <cstddef>

#include "common/check.h"
#include "naive_scene/object_frag.h"
#include "naive_scene/object_vert.h"
#include "naive_scene/renderer.h"

namespace apps {
namespace {

/// A shader module that lives while the pipeline is made.
class Shader {
 public:
    template <size_t kWords>
    Shader(VkDevice device, const uint32_t (&code)[kWords]) : device_(device) {
        VkShaderModuleCreateInfo info{};
        info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
        info.codeSize = sizeof(code);
        info.pCode = code;
        Check(vkCreateShaderModule(device, &info, nullptr, &handle_), "vkCreateShaderModule");
    }
    ~Shader() { vkDestroyShaderModule(device_, handle_, nullptr); }
    Shader(const Shader&) = delete;
    Shader& operator=(const Shader&) = delete;

    VkPipelineShaderStageCreateInfo Stage(VkShaderStageFlagBits stage) const {
        VkPipelineShaderStageCreateInfo info{};
        info.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
        info.stage = stage;
        info.module = handle_;
        info.pName = "main";
        return info;
    }

 private:
    VkDevice device_;
    VkShaderModule handle_ = VK_NULL_HANDLE;
};

VkDescriptorSetLayoutBinding FragmentBinding(uint32_t binding, VkDescriptorType type) {
    return {.binding = binding,
            .descriptorType = type,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_FRAGMENT_BIT,
            .pImmutableSamplers = nullptr};
}

constexpr VkVertexInputBindingDescription kVertexBinding = {
    .binding = 0, .stride = sizeof(Vertex), .inputRate = VK_VERTEX_INPUT_RATE_VERTEX};
constexpr std::array<VkVertexInputAttributeDescription, 3> kVertexAttributes = {{
    {0, 0, VK_FORMAT_R32G32_SFLOAT, offsetof(Vertex, position)},
    {1, 0, VK_FORMAT_R32G32_SFLOAT, offsetof(Vertex, uv)},
    {2, 0, VK_FORMAT_R32G32B32_SFLOAT, offsetof(Vertex, shade)},
}};

}  // namespace

Pipeline::Pipeline(VkDevice device, uint32_t width, uint32_t height) : Pipeline(device) {
    CreateLayouts();
    CreateRenderPass();
    CreatePipeline(width, height);
}

Pipeline::~Pipeline() {
    vkDestroyPipeline(device_, handle_, nullptr);
    vkDestroyRenderPass(device_, render_pass_, nullptr);
    vkDestroyPipelineLayout(device_, layout_, nullptr);
    vkDestroyDescriptorSetLayout(device_, set_layout_, nullptr);
}

void Pipeline::CreateLayouts() {
    const std::array bindings = {FragmentBinding(0, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER),
                                 FragmentBinding(1, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER),
                                 FragmentBinding(2, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER),
                                 FragmentBinding(3, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER)};
    VkDescriptorSetLayoutCreateInfo set_info{};
    set_info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO;
    set_info.bindingCount = static_cast<uint32_t>(bindings.size());
    set_info.pBindings = bindings.data();
    Check(vkCreateDescriptorSetLayout(device_, &set_info, nullptr, &set_layout_),
          "vkCreateDescriptorSetLayout");

    // Both stages read the same block; one range for both keeps one push per quad enough.
    const VkPushConstantRange range{
        .stageFlags = VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT,
        .offset = 0,
        .size = sizeof(Object)};
    VkPipelineLayoutCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
    info.setLayoutCount = 1;
    info.pSetLayouts = &set_layout_;
    info.pushConstantRangeCount = 1;
    info.pPushConstantRanges = &range;
    Check(vkCreatePipelineLayout(device_, &info, nullptr, &layout_), "vkCreatePipelineLayout");
}

void Pipeline::CreateRenderPass() {
    // Cleared at the start, ready to be copied from at the end: no barrier besides the
    // dependencies.
    const VkAttachmentDescription target{.flags = 0,
                                         .format = Image::kFormat,
                                         .samples = VK_SAMPLE_COUNT_1_BIT,
                                         .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
                                         .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
                                         .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
                                         .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
                                         .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
                                         .finalLayout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL};
    const VkAttachmentReference reference{0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    VkSubpassDescription subpass{};
    subpass.pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS;
    subpass.colorAttachmentCount = 1;
    subpass.pColorAttachments = &reference;

    // The read-back of the frame before ends before this frame writes; this frame's comes after.
    const std::array<VkSubpassDependency, 2> dependencies = {{
        {VK_SUBPASS_EXTERNAL, 0, VK_PIPELINE_STAGE_TRANSFER_BIT,
         VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT, VK_ACCESS_TRANSFER_READ_BIT,
         VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT, 0},
        {0, VK_SUBPASS_EXTERNAL, VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
         VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
         VK_ACCESS_TRANSFER_READ_BIT, 0},
    }};
    VkRenderPassCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO;
    info.attachmentCount = 1;
    info.pAttachments = &target;
    info.subpassCount = 1;
    info.pSubpasses = &subpass;
    info.dependencyCount = static_cast<uint32_t>(dependencies.size());
    info.pDependencies = dependencies.data();
    Check(vkCreateRenderPass(device_, &info, nullptr, &render_pass_), "vkCreateRenderPass");
}

void Pipeline::CreatePipeline(uint32_t width, uint32_t height) {
    const Shader vertex(device_, kObjectVert);
    const Shader fragment(device_, kObjectFrag);
    const std::array stages = {vertex.Stage(VK_SHADER_STAGE_VERTEX_BIT),
                               fragment.Stage(VK_SHADER_STAGE_FRAGMENT_BIT)};

    VkPipelineVertexInputStateCreateInfo input{};
    input.sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO;
    input.vertexBindingDescriptionCount = 1;
    input.pVertexBindingDescriptions = &kVertexBinding;
    input.vertexAttributeDescriptionCount = static_cast<uint32_t>(kVertexAttributes.size());
    input.pVertexAttributeDescriptions = kVertexAttributes.data();

    VkPipelineInputAssemblyStateCreateInfo assembly{};
    assembly.sType = VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO;
    assembly.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST;

    const VkViewport viewport{0, 0, static_cast<float>(width), static_cast<float>(height), 0, 1};
    const VkRect2D scissor{{0, 0}, {width, height}};
    VkPipelineViewportStateCreateInfo view{};
    view.sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO;
    view.viewportCount = 1;
    view.pViewports = &viewport;
    view.scissorCount = 1;
    view.pScissors = &scissor;

    // No culling and no depth: the square is drawn after its frame, over it.
    VkPipelineRasterizationStateCreateInfo raster{};
    raster.sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO;
    raster.lineWidth = 1.0f;

    VkPipelineMultisampleStateCreateInfo samples{};
    samples.sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO;
    samples.rasterizationSamples = VK_SAMPLE_COUNT_1_BIT;

    VkPipelineColorBlendAttachmentState attachment{};
    attachment.colorWriteMask = VK_COLOR_COMPONENT_R_BIT | VK_COLOR_COMPONENT_G_BIT |
                                VK_COLOR_COMPONENT_B_BIT | VK_COLOR_COMPONENT_A_BIT;
    VkPipelineColorBlendStateCreateInfo blend{};
    blend.sType = VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO;
    blend.attachmentCount = 1;
    blend.pAttachments = &attachment;

    VkGraphicsPipelineCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO;
    info.stageCount = static_cast<uint32_t>(stages.size());
    info.pStages = stages.data();
    info.pVertexInputState = &input;
    info.pInputAssemblyState = &assembly;
    info.pViewportState = &view;
    info.pRasterizationState = &raster;
    info.pMultisampleState = &samples;
    info.pColorBlendState = &blend;
    info.layout = layout_;
    info.renderPass = render_pass_;
    Check(vkCreateGraphicsPipelines(device_, VK_NULL_HANDLE, 1, &info, nullptr, &handle_),
          "vkCreateGraphicsPipelines");
}

}  // namespace apps
