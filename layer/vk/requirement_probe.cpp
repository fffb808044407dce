// SPDX-License-Identifier: Apache-2.0
//
// See requirement_probe.h.

#include "layer/vk/requirement_probe.h"

#include <cstring>
#include <span>

#include "layer/vk/device.h"

namespace tessera {
namespace {

// A kind of image to ask about. Which of them a device supports is asked first.
struct ImageProbe {
    VkFormat format;
    VkImageType type;
    VkImageUsageFlags usage;
    VkSampleCountFlagBits samples;
    uint32_t edge;  // of every dimension that the type has; 1 for the rest
    bool mipmapped;
    VkImageTiling tiling = VK_IMAGE_TILING_OPTIMAL;
    uint32_t layers = 1;
    VkImageCreateFlags flags = 0;
};

constexpr VkImageUsageFlags kSampled =
    VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;
constexpr VkImageUsageFlags kColor = kSampled | VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT;
constexpr VkImageUsageFlags kStorage = kSampled | VK_IMAGE_USAGE_STORAGE_BIT;
constexpr VkImageUsageFlags kTransient =
    VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSIENT_ATTACHMENT_BIT;
constexpr VkImageUsageFlags kDepth = VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT;

constexpr ImageProbe kImageProbes[] = {
    {VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_2D, kSampled, VK_SAMPLE_COUNT_1_BIT, 1, false,
     VK_IMAGE_TILING_LINEAR},
    {VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_2D, kSampled, VK_SAMPLE_COUNT_1_BIT, 256, false,
     VK_IMAGE_TILING_LINEAR},
    {VK_FORMAT_R8_UNORM, VK_IMAGE_TYPE_2D, kSampled, VK_SAMPLE_COUNT_1_BIT, 1, false},
    {VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_1D, kSampled, VK_SAMPLE_COUNT_1_BIT, 1, false},
    {VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_2D, kColor, VK_SAMPLE_COUNT_1_BIT, 1, false},
    {VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_2D, kColor, VK_SAMPLE_COUNT_1_BIT, 2048, true},
    {VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_2D, kStorage, VK_SAMPLE_COUNT_1_BIT, 256, false},
    {VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_2D, kColor, VK_SAMPLE_COUNT_4_BIT, 1, false},
    {VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_2D, kColor, VK_SAMPLE_COUNT_8_BIT, 2048, false},
    {VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_3D, kSampled, VK_SAMPLE_COUNT_1_BIT, 128, true},
    {VK_FORMAT_R32G32B32A32_SFLOAT, VK_IMAGE_TYPE_2D, kColor, VK_SAMPLE_COUNT_1_BIT, 2048, true},
    {VK_FORMAT_R32G32B32A32_SFLOAT, VK_IMAGE_TYPE_2D, kStorage, VK_SAMPLE_COUNT_1_BIT, 64, false},
    {VK_FORMAT_D16_UNORM, VK_IMAGE_TYPE_2D, kDepth, VK_SAMPLE_COUNT_1_BIT, 1, false},
    {VK_FORMAT_D32_SFLOAT, VK_IMAGE_TYPE_2D, kDepth, VK_SAMPLE_COUNT_1_BIT, 2048, false},
    {VK_FORMAT_D24_UNORM_S8_UINT, VK_IMAGE_TYPE_2D, kDepth, VK_SAMPLE_COUNT_4_BIT, 2048, false},
    {VK_FORMAT_D32_SFLOAT_S8_UINT, VK_IMAGE_TYPE_2D, kDepth, VK_SAMPLE_COUNT_4_BIT, 2048, false},
    {VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_2D, kColor, VK_SAMPLE_COUNT_2_BIT, 2048, false},
    {VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_2D, kColor, VK_SAMPLE_COUNT_16_BIT, 2048, false},
    {VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_2D, kTransient, VK_SAMPLE_COUNT_4_BIT, 2048, false},
    {VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_2D, kColor, VK_SAMPLE_COUNT_1_BIT, 256, true,
     VK_IMAGE_TILING_OPTIMAL, 6, VK_IMAGE_CREATE_CUBE_COMPATIBLE_BIT},
    {VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_2D, kColor, VK_SAMPLE_COUNT_1_BIT, 16, false,
     VK_IMAGE_TILING_OPTIMAL, 4},
    {VK_FORMAT_D32_SFLOAT, VK_IMAGE_TYPE_2D, kDepth, VK_SAMPLE_COUNT_1_BIT, 1024, false,
     VK_IMAGE_TILING_OPTIMAL, 4},
    {VK_FORMAT_R8G8B8A8_SRGB, VK_IMAGE_TYPE_2D, kColor, VK_SAMPLE_COUNT_1_BIT, 256, true,
     VK_IMAGE_TILING_OPTIMAL, 1, VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT},
    {VK_FORMAT_R16G16B16A16_SFLOAT, VK_IMAGE_TYPE_3D, kSampled, VK_SAMPLE_COUNT_1_BIT, 64, false},
    {VK_FORMAT_BC1_RGBA_UNORM_BLOCK, VK_IMAGE_TYPE_2D, kSampled, VK_SAMPLE_COUNT_1_BIT, 2048, true},
    {VK_FORMAT_BC7_UNORM_BLOCK, VK_IMAGE_TYPE_2D, kSampled, VK_SAMPLE_COUNT_1_BIT, 64, true},
    {VK_FORMAT_ASTC_4x4_UNORM_BLOCK, VK_IMAGE_TYPE_2D, kSampled, VK_SAMPLE_COUNT_1_BIT, 2048, true},
    {VK_FORMAT_ETC2_R8G8B8A8_UNORM_BLOCK, VK_IMAGE_TYPE_2D, kSampled, VK_SAMPLE_COUNT_1_BIT, 2048,
     true},
};

// What sparse binding adds, on devices that enable it. What may be resident in parts takes a
// feature for each kind of image, and has the alignment of its blocks: of the same size.
constexpr ImageProbe kSparseProbes[] = {
    {VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_TYPE_2D, kColor, VK_SAMPLE_COUNT_1_BIT, 2048, true,
     VK_IMAGE_TILING_OPTIMAL, 1, VK_IMAGE_CREATE_SPARSE_BINDING_BIT},
    {VK_FORMAT_R32G32B32A32_SFLOAT, VK_IMAGE_TYPE_2D, kSampled, VK_SAMPLE_COUNT_1_BIT, 64, false,
     VK_IMAGE_TILING_OPTIMAL, 1, VK_IMAGE_CREATE_SPARSE_BINDING_BIT},
};

constexpr VkBufferUsageFlags kBufferProbes[] = {
    VK_BUFFER_USAGE_TRANSFER_SRC_BIT,         VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT, VK_BUFFER_USAGE_STORAGE_TEXEL_BUFFER_BIT,
    VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT,       VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
    VK_BUFFER_USAGE_INDEX_BUFFER_BIT,         VK_BUFFER_USAGE_VERTEX_BUFFER_BIT,
    VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT,
};
constexpr VkDeviceSize kBufferSizes[] = {1, 65536};

// Usages that come with an extension and need nothing else to be described.
struct OptionalUsage {
    VkBufferUsageFlags usage;
    const char* extension;
};
constexpr OptionalUsage kOptionalUsages[] = {
    {VK_BUFFER_USAGE_ACCELERATION_STRUCTURE_STORAGE_BIT_KHR |
         VK_BUFFER_USAGE_ACCELERATION_STRUCTURE_BUILD_INPUT_READ_ONLY_BIT_KHR,
     VK_KHR_ACCELERATION_STRUCTURE_EXTENSION_NAME},
    {VK_BUFFER_USAGE_SHADER_BINDING_TABLE_BIT_KHR, VK_KHR_RAY_TRACING_PIPELINE_EXTENSION_NAME},
    {VK_BUFFER_USAGE_RAY_TRACING_BIT_NV, VK_NV_RAY_TRACING_EXTENSION_NAME},
    {VK_BUFFER_USAGE_TRANSFORM_FEEDBACK_BUFFER_BIT_EXT |
         VK_BUFFER_USAGE_TRANSFORM_FEEDBACK_COUNTER_BUFFER_BIT_EXT,
     VK_EXT_TRANSFORM_FEEDBACK_EXTENSION_NAME},
    {VK_BUFFER_USAGE_CONDITIONAL_RENDERING_BIT_EXT, VK_EXT_CONDITIONAL_RENDERING_EXTENSION_NAME},
};

uint32_t MipLevels(uint32_t edge) noexcept {
    uint32_t levels = 1;
    for (; edge > 1; edge >>= 1)
        ++levels;
    return levels;
}

VkImageCreateInfo Describe(const ImageProbe& probe) noexcept {
    VkImageCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
    info.imageType = probe.type;
    info.format = probe.format;
    info.extent = {probe.edge, probe.type == VK_IMAGE_TYPE_1D ? 1 : probe.edge,
                   probe.type == VK_IMAGE_TYPE_3D ? probe.edge : 1};
    info.mipLevels = probe.mipmapped ? MipLevels(probe.edge) : 1;
    info.arrayLayers = probe.layers;
    info.flags = probe.flags;
    info.samples = probe.samples;
    info.tiling = probe.tiling;
    info.usage = probe.usage;
    info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    info.initialLayout = VK_IMAGE_LAYOUT_UNDEFINED;
    return info;
}

bool IsWithin(const VkImageCreateInfo& info, const VkImageFormatProperties& limits) noexcept {
    return info.extent.width <= limits.maxExtent.width &&
           info.extent.height <= limits.maxExtent.height &&
           info.extent.depth <= limits.maxExtent.depth && info.mipLevels <= limits.maxMipLevels &&
           info.arrayLayers <= limits.maxArrayLayers && (limits.sampleCounts & info.samples) != 0;
}

// Whether a result says that the driver may answer another time. After any other error this
// resource cannot be made, neither by the layer nor by the application.
bool IsOutOfMemory(VkResult result) noexcept {
    return result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY;
}

// Returns: false if the driver, for want of memory, gave no answer.
bool ProbeImage(Device& device, const VkImageCreateInfo& info) noexcept {
    // VUID-VkImageCreateInfo-imageCreateMaxMipLevels-02251 and its like: an image may only be
    // described as its format allows.
    VkImageFormatProperties limits = {};
    const VkResult supported = device.instance->dt.GetPhysicalDeviceImageFormatProperties(
        device.physical_device, info.format, info.imageType, info.tiling, info.usage, info.flags,
        &limits);
    if (IsOutOfMemory(supported)) return false;
    if (supported != VK_SUCCESS || !IsWithin(info, limits)) return true;
    VkMemoryRequirements2 requirements = {};
    requirements.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
    if (device.get_device_image_requirements != nullptr) {
        VkDeviceImageMemoryRequirements query = {};
        query.sType = VK_STRUCTURE_TYPE_DEVICE_IMAGE_MEMORY_REQUIREMENTS;
        query.pCreateInfo = &info;
        device.get_device_image_requirements(device.handle, &query, &requirements);
    } else {
        VkImage image = VK_NULL_HANDLE;
        const VkResult made = device.dt.CreateImage(device.handle, &info, nullptr, &image);
        if (made != VK_SUCCESS) return !IsOutOfMemory(made);
        device.dt.GetImageMemoryRequirements(device.handle, image,
                                             &requirements.memoryRequirements);
        device.dt.DestroyImage(device.handle, image, nullptr);
    }
    const Layout layout =
        info.tiling == VK_IMAGE_TILING_LINEAR ? Layout::kLinear : Layout::kOptimal;
    device.book.Observe(requirements.memoryRequirements, layout, /*learn=*/false);
    return true;
}

// Returns: why the driver gave no answer, if it gave none.
VkResult ProbeBuffer(Device& device, VkBufferUsageFlags usage, VkDeviceSize size,
                     VkBufferCreateFlags flags = 0) noexcept {
    VkBufferCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.flags = flags;
    info.size = size;
    info.usage = usage;
    info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    VkMemoryRequirements2 requirements = {};
    requirements.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
    if (device.get_device_buffer_requirements != nullptr) {
        VkDeviceBufferMemoryRequirements query = {};
        query.sType = VK_STRUCTURE_TYPE_DEVICE_BUFFER_MEMORY_REQUIREMENTS;
        query.pCreateInfo = &info;
        device.get_device_buffer_requirements(device.handle, &query, &requirements);
    } else {
        VkBuffer buffer = VK_NULL_HANDLE;
        const VkResult made = device.dt.CreateBuffer(device.handle, &info, nullptr, &buffer);
        if (made != VK_SUCCESS) return made;
        device.dt.GetBufferMemoryRequirements(device.handle, buffer,
                                              &requirements.memoryRequirements);
        device.dt.DestroyBuffer(device.handle, buffer, nullptr);
    }
    device.book.Observe(requirements.memoryRequirements, Layout::kLinear, /*learn=*/false);
    return VK_SUCCESS;
}

// Return: false if the driver, for want of memory, gave no answer.
bool ProbeImages(Device& device, std::span<const ImageProbe> probes) noexcept {
    for (const ImageProbe& probe : probes) {
        if (!ProbeImage(device, Describe(probe))) return false;
    }
    return true;
}
bool ProbeSparse(Device& device) noexcept {
    const VkResult made = ProbeBuffer(device, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, 65536,
                                      VK_BUFFER_CREATE_SPARSE_BINDING_BIT);
    return !IsOutOfMemory(made) && ProbeImages(device, kSparseProbes);
}

}  // namespace

VkBufferUsageFlags OptionalBufferUsages(const VkDeviceCreateInfo& info,
                                        bool device_address) noexcept {
    VkBufferUsageFlags usages =
        device_address ? VkBufferUsageFlags{VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT} : 0;
    for (const OptionalUsage& optional : kOptionalUsages) {
        for (uint32_t i = 0; i < info.enabledExtensionCount; ++i) {
            if (std::strcmp(info.ppEnabledExtensionNames[i], optional.extension) == 0) {
                usages |= optional.usage;
            }
        }
    }
    return usages;
}

bool ProbeRequirements(Device& device) noexcept {
    for (VkBufferUsageFlags usage : kBufferProbes) {
        for (VkDeviceSize size : kBufferSizes) {
            // Every device can make these: whatever the driver says, it may answer another time.
            if (ProbeBuffer(device, usage, size) != VK_SUCCESS) return false;
        }
    }
    for (VkBufferUsageFlags rest = device.optional_buffer_usages; rest != 0; rest &= rest - 1) {
        const VkBufferUsageFlags usage = rest & ~(rest - 1);
        for (VkDeviceSize size : kBufferSizes) {
            if (IsOutOfMemory(ProbeBuffer(device, usage, size))) return false;
        }
    }
    if (!ProbeImages(device, kImageProbes)) return false;
    return !device.gates().sparse_binding || ProbeSparse(device);
}

}  // namespace tessera
