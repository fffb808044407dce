// SPDX-License-Identifier: Apache-2.0
//
// Binding of buffers and images, in both command families. The rules are in bind_rules.h; the
// families differ in the numbers of these rules only.
#include "bind_rules.h"

namespace tessera::mock {
namespace {

constexpr BindVuids kBuffer = {"VUID-vkBindBufferMemory-",
                               "buffer-07459",
                               "buffer-01030",
                               "memoryOffset-01031",
                               "memory-01035",
                               "memoryOffset-01036",
                               "size-01037",
                               "memory-01508",
                               "buffer-01444",
                               "None-01898",
                               "None-01899"};

constexpr BindVuids kImage = {"VUID-vkBindImageMemory-",
                              "image-07460",
                              "image-01045",
                              "memoryOffset-01046",
                              "memory-01047",
                              "memoryOffset-01048",
                              "size-01049",
                              "memory-02628",
                              "image-01445",
                              "None-01901",
                              "None-01902"};

BindVuids BufferInfoVuids() {
    BindVuids vuids = kBuffer;
    vuids.prefix = "VUID-VkBindBufferMemoryInfo-";
    return vuids;
}

BindVuids ImageInfoVuids(bool plane) {
    BindVuids vuids = kImage;
    vuids.prefix = "VUID-VkBindImageMemoryInfo-";
    vuids.type = plane ? "pNext-01619" : "pNext-01615";
    vuids.alignment = plane ? "pNext-01620" : "pNext-01616";
    vuids.size = plane ? "pNext-01621" : "pNext-01617";
    return vuids;
}

VkResult BindBufferLocked(Call& call, const BindVuids& vuids, const char* what, VkBuffer handle,
                          const std::shared_ptr<Memory>& memory, VkDeviceSize offset) {
    auto buffer = call.Find<Buffer>(handle, what);
    if (buffer == nullptr) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    const bool needs_address = buffer->info.usage & VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT &&
                               call.device().Enabled("bufferDeviceAddress");
    if (memory != nullptr) {
        call.Require(!needs_address || memory->flags & VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
                     Text(vuids.prefix, "bufferDeviceAddress-03339"),
                     Text("memory ", Hex{memory->handle}, " lacks the device address flag"));
    }
    const Resource resource{*buffer,
                            buffer->requirements,
                            buffer->backing,
                            true,
                            buffer->backing.sparse,
                            (buffer->info.flags & VK_BUFFER_CREATE_PROTECTED_BIT) != 0,
                            &Memory::dedicated_buffer};
    return BindLocked(call, vuids, resource, memory, offset);
}

VkResult BindPlaneLocked(Call& call, const BindVuids& vuids, Image& image, uint32_t plane,
                         const std::shared_ptr<Memory>& memory, VkDeviceSize offset) {
    const Resource resource{image,
                            image.planes[plane].requirements,
                            image.planes[plane].backing,
                            image.linear(),
                            image.sparse(),
                            (image.info.flags & VK_IMAGE_CREATE_PROTECTED_BIT) != 0,
                            &Memory::dedicated_image};
    return BindLocked(call, vuids, resource, memory, offset);
}

VkResult BindImageInfoLocked(Call& call, const VkBindImageMemoryInfo& info,
                             const std::shared_ptr<Memory>& memory) {
    auto image = call.Find<Image>(info.image, "VkBindImageMemoryInfo-image");
    if (image == nullptr) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    auto* aspect = FindInChain<VkBindImagePlaneMemoryInfo>(
        info.pNext, VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO);
    call.Require(aspect != nullptr || !image->disjoint(), "VUID-VkBindImageMemoryInfo-image-07736",
                 "the image is disjoint");
    call.Require(aspect == nullptr || image->disjoint(), "VUID-VkBindImageMemoryInfo-pNext-01618",
                 "the image is not disjoint");
    uint32_t plane = 0;
    if (aspect != nullptr && aspect->planeAspect == VK_IMAGE_ASPECT_PLANE_1_BIT) plane = 1;
    if (aspect != nullptr && aspect->planeAspect == VK_IMAGE_ASPECT_PLANE_2_BIT) plane = 2;
    if (plane >= image->planes.size()) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    return BindPlaneLocked(call, ImageInfoVuids(aspect != nullptr), *image, plane, memory,
                           info.memoryOffset);
}

}  // namespace

VKAPI_ATTR VkResult VKAPI_CALL BindBufferMemory(VkDevice device, VkBuffer buffer,
                                                VkDeviceMemory memory, VkDeviceSize memoryOffset) {
    Call call(Command::kBindBufferMemory, device);
    if (call.failed()) return call.result();
    auto object = call.UseMemory(memory, Access::kShared);
    call.Enter();
    StateLock lock;
    return BindBufferLocked(call, kBuffer, "buffer", buffer, object, memoryOffset);
}

VKAPI_ATTR VkResult VKAPI_CALL BindBufferMemory2(VkDevice device, uint32_t bindInfoCount,
                                                 const VkBindBufferMemoryInfo* pBindInfos) {
    Call call(Command::kBindBufferMemory2, device);
    if (call.failed()) return FailEach(call, bindInfoCount, pBindInfos);
    return BindEach(call, bindInfoCount, pBindInfos, "VkBindBufferMemoryInfo-memory",
                    [&](const VkBindBufferMemoryInfo& info, const std::shared_ptr<Memory>& memory) {
                        return BindBufferLocked(call, BufferInfoVuids(),
                                                "VkBindBufferMemoryInfo-buffer", info.buffer,
                                                memory, info.memoryOffset);
                    });
}

VKAPI_ATTR VkResult VKAPI_CALL BindImageMemory(VkDevice device, VkImage image,
                                               VkDeviceMemory memory, VkDeviceSize memoryOffset) {
    Call call(Command::kBindImageMemory, device);
    if (call.failed()) return call.result();
    auto object = call.UseMemory(memory, Access::kShared);
    call.Enter();
    StateLock lock;
    auto target = call.Find<Image>(image, "image");
    if (target == nullptr) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    call.Require(!target->disjoint(), "VUID-vkBindImageMemory-image-01608",
                 "the image is disjoint");
    return BindPlaneLocked(call, kImage, *target, 0, object, memoryOffset);
}

VKAPI_ATTR VkResult VKAPI_CALL BindImageMemory2(VkDevice device, uint32_t bindInfoCount,
                                                const VkBindImageMemoryInfo* pBindInfos) {
    Call call(Command::kBindImageMemory2, device);
    if (call.failed()) return FailEach(call, bindInfoCount, pBindInfos);
    return BindEach(call, bindInfoCount, pBindInfos, "VkBindImageMemoryInfo-memory",
                    [&](const VkBindImageMemoryInfo& info, const std::shared_ptr<Memory>& memory) {
                        return BindImageInfoLocked(call, info, memory);
                    });
}

}  // namespace tessera::mock
