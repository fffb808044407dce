// SPDX-License-Identifier: Apache-2.0
//
// Every form of requirement query: of an object, of a create info, plain, extended, sparse. All of
// them end in the pure functions of requirements.h.
#include "requirements.h"

#include "call.h"
#include "two_call.h"

namespace tessera::mock {
namespace {

uint32_t PlaneIndex(const void* chain) {
    auto* plane = FindInChain<VkImagePlaneMemoryRequirementsInfo>(
        chain, VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO);
    if (plane == nullptr) return 0;
    if (plane->planeAspect == VK_IMAGE_ASPECT_PLANE_1_BIT) return 1;
    return plane->planeAspect == VK_IMAGE_ASPECT_PLANE_2_BIT ? 2 : 0;
}

void Answer(const Device& device, bool optimal, const VkMemoryRequirements& requirements,
            VkMemoryRequirements2* out) {
    out->memoryRequirements = requirements;
    AnswerDedicated(*device.description, optimal, requirements.size, out->pNext);
}

}  // namespace

VKAPI_ATTR void VKAPI_CALL GetBufferMemoryRequirements(VkDevice device, VkBuffer buffer,
                                                       VkMemoryRequirements* pMemoryRequirements) {
    Call call(Command::kGetBufferMemoryRequirements, device);
    *pMemoryRequirements = {};
    StateLock lock;
    if (auto object = call.Find<Buffer>(buffer, "buffer")) {
        *pMemoryRequirements = object->requirements;
    }
}

VKAPI_ATTR void VKAPI_CALL
GetBufferMemoryRequirements2(VkDevice device, const VkBufferMemoryRequirementsInfo2* pInfo,
                             VkMemoryRequirements2* pMemoryRequirements) {
    Call call(Command::kGetBufferMemoryRequirements2, device);
    StateLock lock;
    auto object = call.Find<Buffer>(pInfo->buffer, "VkBufferMemoryRequirementsInfo2-buffer");
    if (object == nullptr) return;
    Answer(call.device(), false, object->requirements, pMemoryRequirements);
}

VKAPI_ATTR void VKAPI_CALL
GetDeviceBufferMemoryRequirements(VkDevice device, const VkDeviceBufferMemoryRequirements* pInfo,
                                  VkMemoryRequirements2* pMemoryRequirements) {
    Call call(Command::kGetDeviceBufferMemoryRequirements, device);
    Answer(call.device(), false,
           BufferRequirements(*call.device().description, *pInfo->pCreateInfo),
           pMemoryRequirements);
}

VKAPI_ATTR void VKAPI_CALL GetImageMemoryRequirements(VkDevice device, VkImage image,
                                                      VkMemoryRequirements* pMemoryRequirements) {
    Call call(Command::kGetImageMemoryRequirements, device);
    *pMemoryRequirements = {};
    StateLock lock;
    auto object = call.Find<Image>(image, "image");
    if (object == nullptr) return;
    call.Require(!object->disjoint(), "VUID-vkGetImageMemoryRequirements-image-01588",
                 "the image is disjoint");
    *pMemoryRequirements = object->planes[0].requirements;
}

VKAPI_ATTR void VKAPI_CALL GetImageMemoryRequirements2(VkDevice device,
                                                       const VkImageMemoryRequirementsInfo2* pInfo,
                                                       VkMemoryRequirements2* pMemoryRequirements) {
    Call call(Command::kGetImageMemoryRequirements2, device);
    StateLock lock;
    auto object = call.Find<Image>(pInfo->image, "VkImageMemoryRequirementsInfo2-image");
    if (object == nullptr) return;
    const uint32_t plane = PlaneIndex(pInfo->pNext);
    if (!call.Require(plane < object->planes.size(),
                      "VUID-VkImageMemoryRequirementsInfo2-image-01590",
                      "the image has no such memory plane")) {
        return;
    }
    Answer(call.device(), !object->linear(), object->planes[plane].requirements,
           pMemoryRequirements);
}

VKAPI_ATTR void VKAPI_CALL
GetDeviceImageMemoryRequirements(VkDevice device, const VkDeviceImageMemoryRequirements* pInfo,
                                 VkMemoryRequirements2* pMemoryRequirements) {
    Call call(Command::kGetDeviceImageMemoryRequirements, device);
    const Description& d = *call.device().description;
    const VkImageCreateInfo& info = *pInfo->pCreateInfo;
    const Format* format = FindFormat(info.format);
    if (format == nullptr) return;
    const bool disjoint = info.flags & VK_IMAGE_CREATE_DISJOINT_BIT;
    const uint32_t plane = pInfo->planeAspect == VK_IMAGE_ASPECT_PLANE_1_BIT   ? 1
                           : pInfo->planeAspect == VK_IMAGE_ASPECT_PLANE_2_BIT ? 2
                                                                               : 0;
    Answer(
        call.device(), info.tiling == VK_IMAGE_TILING_OPTIMAL,
        disjoint ? PlaneRequirements(d, info, *format, plane) : ImageRequirements(d, info, *format),
        pMemoryRequirements);
}

VKAPI_ATTR void VKAPI_CALL GetImageSparseMemoryRequirements(
    VkDevice device, VkImage image, uint32_t* pSparseMemoryRequirementCount,
    VkSparseImageMemoryRequirements* pSparseMemoryRequirements) {
    Call call(Command::kGetImageSparseMemoryRequirements, device);
    StateLock lock;
    auto object = call.Find<Image>(image, "image");
    std::vector<VkSparseImageMemoryRequirements> all;
    if (object != nullptr) all = SparseRequirements(object->info, *object->format);
    FillArray(all.size(), pSparseMemoryRequirementCount, pSparseMemoryRequirements,
              [&](VkSparseImageMemoryRequirements& out, uint32_t i) { out = all[i]; });
}

VKAPI_ATTR void VKAPI_CALL GetImageSparseMemoryRequirements2(
    VkDevice device, const VkImageSparseMemoryRequirementsInfo2* pInfo,
    uint32_t* pSparseMemoryRequirementCount,
    VkSparseImageMemoryRequirements2* pSparseMemoryRequirements) {
    Call call(Command::kGetImageSparseMemoryRequirements2, device);
    StateLock lock;
    auto object = call.Find<Image>(pInfo->image, "VkImageSparseMemoryRequirementsInfo2-image");
    std::vector<VkSparseImageMemoryRequirements> all;
    if (object != nullptr) all = SparseRequirements(object->info, *object->format);
    FillArray(all.size(), pSparseMemoryRequirementCount, pSparseMemoryRequirements,
              [&](VkSparseImageMemoryRequirements2& out, uint32_t i) {
                  out.memoryRequirements = all[i];
              });
}

VKAPI_ATTR void VKAPI_CALL GetDeviceImageSparseMemoryRequirements(
    VkDevice device, const VkDeviceImageMemoryRequirements* pInfo,
    uint32_t* pSparseMemoryRequirementCount,
    VkSparseImageMemoryRequirements2* pSparseMemoryRequirements) {
    Call call(Command::kGetDeviceImageSparseMemoryRequirements, device);
    const Format* format = FindFormat(pInfo->pCreateInfo->format);
    std::vector<VkSparseImageMemoryRequirements> all;
    if (format != nullptr) all = SparseRequirements(*pInfo->pCreateInfo, *format);
    FillArray(all.size(), pSparseMemoryRequirementCount, pSparseMemoryRequirements,
              [&](VkSparseImageMemoryRequirements2& out, uint32_t i) {
                  out.memoryRequirements = all[i];
              });
}

}  // namespace tessera::mock
