// SPDX-License-Identifier: Apache-2.0
//
// What can be done with each format: the format and image queries of a physical device. They are
// narrower than a real driver's, and exactly what vkCreateImage here accepts.
#include "call.h"
#include "external.h"
#include "two_call.h"

namespace tessera::mock {
namespace {

// Every known format can be sampled and copied; plain ones can be rendered to.
VkFormatProperties FormatPropertiesOf(VkFormat format) {
    const Format* known = FindFormat(format);
    if (known == nullptr) return {};
    VkFormatFeatureFlags features = VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT |
                                    VK_FORMAT_FEATURE_TRANSFER_SRC_BIT |
                                    VK_FORMAT_FEATURE_TRANSFER_DST_BIT;
    if (known->planes.size() > 1) features |= VK_FORMAT_FEATURE_DISJOINT_BIT;
    const bool plain = known->planes.size() == 1 && known->block_width == 1;
    VkFormatFeatureFlags attachment = 0;
    if (plain && known->aspects == VK_IMAGE_ASPECT_COLOR_BIT) {
        attachment = VK_FORMAT_FEATURE_COLOR_ATTACHMENT_BIT | VK_FORMAT_FEATURE_STORAGE_IMAGE_BIT;
    } else if (plain) {
        attachment = VK_FORMAT_FEATURE_DEPTH_STENCIL_ATTACHMENT_BIT;
    }
    const VkFormatFeatureFlags texel_buffer =
        plain ? VK_FORMAT_FEATURE_UNIFORM_TEXEL_BUFFER_BIT : 0;
    return {features, features | attachment, texel_buffer};
}

// Linear images are kept to the minimum that the specification grants: 2D, one level, one layer.
VkResult ImageFormatPropertiesOf(const VkPhysicalDeviceImageFormatInfo2& info,
                                 VkImageFormatProperties* out) {
    const Format* format = FindFormat(info.format);
    const bool three = info.type == VK_IMAGE_TYPE_3D;
    const bool linear = info.tiling == VK_IMAGE_TILING_LINEAR;
    *out = {};
    if (format == nullptr || (info.tiling != VK_IMAGE_TILING_OPTIMAL && !linear)) {
        return VK_ERROR_FORMAT_NOT_SUPPORTED;
    }
    const bool sparse = info.flags & VK_IMAGE_CREATE_SPARSE_BINDING_BIT;
    if (linear && (info.type != VK_IMAGE_TYPE_2D || sparse)) return VK_ERROR_FORMAT_NOT_SUPPORTED;
    const bool depth_or_planes =
        format->aspects != VK_IMAGE_ASPECT_COLOR_BIT || format->planes.size() > 1;
    if (depth_or_planes && (linear || three) && format->planes.size() == 1) {
        return VK_ERROR_FORMAT_NOT_SUPPORTED;
    }
    const uint32_t side = three ? 2048 : 16384;
    out->maxExtent = {side, info.type == VK_IMAGE_TYPE_1D ? 1 : side, three ? side : 1};
    out->maxMipLevels = linear || format->planes.size() > 1 ? 1 : (three ? 12 : 15);
    out->maxArrayLayers = three || linear ? 1 : 2048;
    out->sampleCounts = linear || info.type != VK_IMAGE_TYPE_2D || format->block_width > 1 ||
                                format->planes.size() > 1
                            ? VkSampleCountFlags{VK_SAMPLE_COUNT_1_BIT}
                            : VkSampleCountFlags{VK_SAMPLE_COUNT_1_BIT | VK_SAMPLE_COUNT_4_BIT};
    out->maxResourceSize = VkDeviceSize{1} << 40;
    return VK_SUCCESS;
}

// Sparse residency is offered for plain 2D and 3D formats with one sample.
bool SparseFormat(const Description& d, VkFormat format, VkImageType type,
                  VkSampleCountFlagBits samples, VkSparseImageFormatProperties* out) {
    const Format* known = FindFormat(format);
    const bool three = type == VK_IMAGE_TYPE_3D;
    const bool residency =
        d.features.contains(three ? "sparseResidencyImage3D" : "sparseResidencyImage2D");
    if (!residency || known == nullptr || known->planes.size() > 1 ||
        samples != VK_SAMPLE_COUNT_1_BIT || type == VK_IMAGE_TYPE_1D) {
        return false;
    }
    *out = SparseProperties(*known, type);
    return true;
}

}  // namespace

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceFormatProperties(
    VkPhysicalDevice, VkFormat format, VkFormatProperties* pFormatProperties) {
    Call call(Command::kGetPhysicalDeviceFormatProperties);
    *pFormatProperties = FormatPropertiesOf(format);
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceFormatProperties2(
    VkPhysicalDevice, VkFormat format, VkFormatProperties2* pFormatProperties) {
    Call call(Command::kGetPhysicalDeviceFormatProperties2);
    pFormatProperties->formatProperties = FormatPropertiesOf(format);
}

VKAPI_ATTR VkResult VKAPI_CALL GetPhysicalDeviceImageFormatProperties(
    VkPhysicalDevice, VkFormat format, VkImageType type, VkImageTiling tiling,
    VkImageUsageFlags usage, VkImageCreateFlags flags,
    VkImageFormatProperties* pImageFormatProperties) {
    Call call(Command::kGetPhysicalDeviceImageFormatProperties);
    if (call.failed()) return call.result();
    VkPhysicalDeviceImageFormatInfo2 info{};
    info.format = format;
    info.type = type;
    info.tiling = tiling;
    info.usage = usage;
    info.flags = flags;
    return ImageFormatPropertiesOf(info, pImageFormatProperties);
}

VKAPI_ATTR VkResult VKAPI_CALL GetPhysicalDeviceImageFormatProperties2(
    VkPhysicalDevice physicalDevice, const VkPhysicalDeviceImageFormatInfo2* pImageFormatInfo,
    VkImageFormatProperties2* pImageFormatProperties) {
    Call call(Command::kGetPhysicalDeviceImageFormatProperties2);
    if (call.failed()) return call.result();
    auto* external = FindInChain<VkPhysicalDeviceExternalImageFormatInfo>(
        pImageFormatInfo->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO);
    if (external != nullptr && external->handleType != 0) {
        const VkExternalMemoryProperties can =
            ExternalPropertiesOf(*Of(physicalDevice).description, external->handleType);
        if (can.externalMemoryFeatures == 0) return VK_ERROR_FORMAT_NOT_SUPPORTED;
        auto* answer = FindInOutChain<VkExternalImageFormatProperties>(
            pImageFormatProperties->pNext, VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES);
        if (answer != nullptr) answer->externalMemoryProperties = can;
    }
    return ImageFormatPropertiesOf(*pImageFormatInfo,
                                   &pImageFormatProperties->imageFormatProperties);
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceSparseImageFormatProperties(
    VkPhysicalDevice physicalDevice, VkFormat format, VkImageType type,
    VkSampleCountFlagBits samples, VkImageUsageFlags, VkImageTiling tiling,
    uint32_t* pPropertyCount, VkSparseImageFormatProperties* pProperties) {
    Call call(Command::kGetPhysicalDeviceSparseImageFormatProperties);
    VkSparseImageFormatProperties one{};
    const bool has = tiling == VK_IMAGE_TILING_OPTIMAL &&
                     SparseFormat(*Of(physicalDevice).description, format, type, samples, &one);
    FillArray(has ? 1 : 0, pPropertyCount, pProperties,
              [&](VkSparseImageFormatProperties& out, uint32_t) { out = one; });
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceSparseImageFormatProperties2(
    VkPhysicalDevice physicalDevice, const VkPhysicalDeviceSparseImageFormatInfo2* pFormatInfo,
    uint32_t* pPropertyCount, VkSparseImageFormatProperties2* pProperties) {
    Call call(Command::kGetPhysicalDeviceSparseImageFormatProperties2);
    VkSparseImageFormatProperties one{};
    const bool has = pFormatInfo->tiling == VK_IMAGE_TILING_OPTIMAL &&
                     SparseFormat(*Of(physicalDevice).description, pFormatInfo->format,
                                  pFormatInfo->type, pFormatInfo->samples, &one);
    FillArray(has ? 1 : 0, pPropertyCount, pProperties,
              [&](VkSparseImageFormatProperties2& out, uint32_t) { out.properties = one; });
}

}  // namespace tessera::mock
