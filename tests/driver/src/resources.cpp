// SPDX-License-Identifier: Apache-2.0
//
// Creation and destruction of buffers, images and their views.
// Create infos that the driver cannot hold to its word (an unknown format, a feature that is off)
// fail as on a real driver; what is invalid is a violation besides.
#include "resources.h"

#include "bind_rules.h"
#include "requirements.h"

namespace tessera::mock {
namespace {

// Finds an object to destroy and takes it out of the table. Returns it, for what has to be undone
// besides, or null.
template <class T, class Handle>
std::shared_ptr<T> DestroyLocked(Call& call, Handle handle, const char* what,
                                 const VkAllocationCallbacks* allocator) {
    auto object = call.Find<T>(handle, what);
    if (object == nullptr) return nullptr;
    call.CheckAllocator(*object, allocator);
    UnregisterLocked(call.device(), *object);
    return object;
}

}  // namespace

VKAPI_ATTR VkResult VKAPI_CALL CreateBuffer(VkDevice device, const VkBufferCreateInfo* pCreateInfo,
                                            const VkAllocationCallbacks* pAllocator,
                                            VkBuffer* pBuffer) {
    Call call(Command::kCreateBuffer, device);
    if (call.failed()) return call.result();
    call.Require(pCreateInfo->size > 0, "VUID-VkBufferCreateInfo-size-00912", "size is 0");
    call.Require(!(pCreateInfo->flags & VK_BUFFER_CREATE_SPARSE_BINDING_BIT) ||
                     call.device().Enabled("sparseBinding"),
                 "VUID-VkBufferCreateInfo-flags-00915", "sparseBinding is off");
    call.Require(!(pCreateInfo->flags & VK_BUFFER_CREATE_PROTECTED_BIT) ||
                     call.device().Enabled("protectedMemory"),
                 "VUID-VkBufferCreateInfo-flags-01887", "protectedMemory is off");
    auto buffer = std::make_shared<Buffer>();
    buffer->info = *pCreateInfo;
    // The application's pointers end with the call.
    buffer->info.pNext = nullptr;
    buffer->info.pQueueFamilyIndices = nullptr;
    buffer->requirements = BufferRequirements(*call.device().description, *pCreateInfo);
    buffer->backing.sparse = pCreateInfo->flags & VK_BUFFER_CREATE_SPARSE_BINDING_BIT;
    StateLock lock;
    *pBuffer = FromRaw<VkBuffer>(RegisterLocked(call.device(), std::move(buffer), pAllocator));
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyBuffer(VkDevice device, VkBuffer buffer,
                                         const VkAllocationCallbacks* pAllocator) {
    Call call(Command::kDestroyBuffer, device);
    if (buffer == VK_NULL_HANDLE) return;
    call.Enter();
    StateLock lock;
    auto object = DestroyLocked<Buffer>(call, buffer, "buffer", pAllocator);
    if (object != nullptr) UnbindLocked(call, *object, object->backing, true);
}

VKAPI_ATTR VkResult VKAPI_CALL CreateImage(VkDevice device, const VkImageCreateInfo* pCreateInfo,
                                           const VkAllocationCallbacks* pAllocator,
                                           VkImage* pImage) {
    Call call(Command::kCreateImage, device);
    if (call.failed()) return call.result();
    const Description& d = *call.device().description;
    const Format* format = FindFormat(pCreateInfo->format);
    if (!call.Require(format != nullptr, "VUID-VkImageCreateInfo-imageCreateMaxMipLevels-02251",
                      Text("format ", pCreateInfo->format, " is not supported"))) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    call.Require(!(pCreateInfo->flags & VK_IMAGE_CREATE_SPARSE_BINDING_BIT) ||
                     call.device().Enabled("sparseBinding"),
                 "VUID-VkImageCreateInfo-flags-00969", "sparseBinding is off");
    auto image = std::make_shared<Image>();
    image->info = *pCreateInfo;
    image->info.pNext = nullptr;
    image->info.pQueueFamilyIndices = nullptr;
    image->format = format;
    // Planes of a disjoint image are bound one by one, all others together.
    if (image->disjoint()) {
        for (uint32_t i = 0; i < format->planes.size(); ++i) {
            image->planes.push_back({PlaneRequirements(d, *pCreateInfo, *format, i), {}});
        }
    } else {
        image->planes.push_back({ImageRequirements(d, *pCreateInfo, *format), {}});
        image->planes[0].backing.sparse = image->sparse();
    }
    StateLock lock;
    *pImage = FromRaw<VkImage>(RegisterLocked(call.device(), std::move(image), pAllocator));
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyImage(VkDevice device, VkImage image,
                                        const VkAllocationCallbacks* pAllocator) {
    Call call(Command::kDestroyImage, device);
    if (image == VK_NULL_HANDLE) return;
    call.Enter();
    StateLock lock;
    auto object = DestroyLocked<Image>(call, image, "image", pAllocator);
    if (object == nullptr) return;
    for (const Image::Plane& plane : object->planes) {
        UnbindLocked(call, *object, plane.backing, object->linear());
    }
}

VKAPI_ATTR VkResult VKAPI_CALL CreateBufferView(VkDevice device,
                                                const VkBufferViewCreateInfo* pCreateInfo,
                                                const VkAllocationCallbacks* pAllocator,
                                                VkBufferView* pView) {
    Call call(Command::kCreateBufferView, device);
    if (call.failed()) return call.result();
    StateLock lock;
    auto buffer = call.Find<Buffer>(pCreateInfo->buffer, "VkBufferViewCreateInfo-buffer");
    if (buffer != nullptr && !buffer->backing.sparse) {
        call.Require(buffer->backing.bound(), "VUID-VkBufferViewCreateInfo-buffer-00935",
                     Text("buffer ", Hex{buffer->handle}, " is not bound"));
    }
    *pView = FromRaw<VkBufferView>(
        RegisterLocked(call.device(), std::make_shared<BufferView>(), pAllocator));
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyBufferView(VkDevice device, VkBufferView bufferView,
                                             const VkAllocationCallbacks* pAllocator) {
    Call call(Command::kDestroyBufferView, device);
    if (bufferView == VK_NULL_HANDLE) return;
    StateLock lock;
    DestroyLocked<BufferView>(call, bufferView, "bufferView", pAllocator);
}

VKAPI_ATTR VkResult VKAPI_CALL CreateImageView(VkDevice device,
                                               const VkImageViewCreateInfo* pCreateInfo,
                                               const VkAllocationCallbacks* pAllocator,
                                               VkImageView* pView) {
    Call call(Command::kCreateImageView, device);
    if (call.failed()) return call.result();
    StateLock lock;
    auto image = call.Find<Image>(pCreateInfo->image, "VkImageViewCreateInfo-image");
    if (image != nullptr && !image->sparse()) {
        for (const Image::Plane& plane : image->planes) {
            call.Require(plane.backing.bound(), "VUID-VkImageViewCreateInfo-image-01020",
                         Text("image ", Hex{image->handle}, " is not bound"));
        }
    }
    *pView = FromRaw<VkImageView>(
        RegisterLocked(call.device(), std::make_shared<ImageView>(), pAllocator));
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyImageView(VkDevice device, VkImageView imageView,
                                            const VkAllocationCallbacks* pAllocator) {
    Call call(Command::kDestroyImageView, device);
    if (imageView == VK_NULL_HANDLE) return;
    StateLock lock;
    DestroyLocked<ImageView>(call, imageView, "imageView", pAllocator);
}

VKAPI_ATTR void VKAPI_CALL GetImageSubresourceLayout(VkDevice device, VkImage image,
                                                     const VkImageSubresource* pSubresource,
                                                     VkSubresourceLayout* pLayout) {
    Call call(Command::kGetImageSubresourceLayout, device);
    *pLayout = {};
    StateLock lock;
    auto object = call.Find<Image>(image, "image");
    if (object == nullptr) return;
    call.Require(object->linear(), "VUID-vkGetImageSubresourceLayout-image-07789",
                 "the image is not linear");
    if (!call.Require(pSubresource->mipLevel < object->info.mipLevels,
                      "VUID-vkGetImageSubresourceLayout-mipLevel-01716",
                      Text("mipLevel ", pSubresource->mipLevel))) {
        return;
    }
    const uint32_t plane = pSubresource->aspectMask == VK_IMAGE_ASPECT_PLANE_1_BIT   ? 1
                           : pSubresource->aspectMask == VK_IMAGE_ASPECT_PLANE_2_BIT ? 2
                                                                                     : 0;
    const PlaneLayout layout(object->info, *object->format, plane);
    const MipPlace& mip = layout.mip(pSubresource->mipLevel);
    const VkDeviceSize base =
        object->disjoint() ? 0 : PlaneOffset(object->info, *object->format, plane);
    pLayout->offset = base + pSubresource->arrayLayer * layout.layer_bytes() + mip.offset;
    pLayout->rowPitch = mip.row_pitch;
    pLayout->arrayPitch = layout.layer_bytes();
    pLayout->depthPitch = mip.row_pitch * mip.size.height;
    pLayout->size = pLayout->depthPitch * mip.size.depth;
}

}  // namespace tessera::mock
