// SPDX-License-Identifier: Apache-2.0
//
// Binding of non-sparse resources. This is where the placement of a suballocator is judged: the
// alignment, the memory type, the end of the memory, and linear and optimal resources that come too
// close. A bind that breaks a rule is carried out if it has a meaning (a wrong alignment has), so
// that the contents go wrong where they would on hardware; the violation says why.
//
// Both command families share the rules; their VUIDs differ in the prefix and in a few tails.
#include "call.h"
#include "requirements.h"
#include "text.h"

namespace tessera::mock {
namespace {

struct BindVuids {
    const char* prefix;
    const char* bound;
    const char* sparse;
    const char* offset_inside;
    const char* type;
    const char* alignment;
    const char* size;
    const char* dedicated_to;
    const char* requires_dedicated;
    const char* is_protected;
    const char* not_protected;
};

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

// What is bound: the parts of a buffer or image that the rules look at.
struct Resource {
    const Object& object;
    const VkMemoryRequirements& requirements;
    Backing& backing;
    bool linear;
    bool sparse;
    bool is_protected;
    uint64_t Memory::*dedicated;  // the field that names a resource of this kind
};

void CheckPlacement(const Call& call, const BindVuids& vuids, const Resource& resource,
                    const Memory& memory, VkDeviceSize offset) {
    auto require = [&](bool holds, const char* tail, const std::string& sentence) {
        call.Require(holds, std::string(vuids.prefix) + tail, sentence);
    };
    const VkMemoryRequirements& needs = resource.requirements;
    const std::string where =
        Text(resource.linear ? "linear" : "optimal", " resource ", Hex{resource.object.handle},
             " (size ", needs.size, ", alignment ", needs.alignment, ", types ",
             Hex{needs.memoryTypeBits}, ") at offset ", offset, " of memory ", Hex{memory.handle},
             " (type ", memory.type_index, ", size ", memory.size_bytes, ")");
    require(offset < memory.size_bytes, vuids.offset_inside, where);
    require(needs.memoryTypeBits >> memory.type_index & 1, vuids.type, where);
    require(offset % needs.alignment == 0, vuids.alignment, where);
    require(offset <= memory.size_bytes && needs.size <= memory.size_bytes - offset, vuids.size,
            where);
    const bool memory_protected = memory.properties & VK_MEMORY_PROPERTY_PROTECTED_BIT;
    require(!resource.is_protected || memory_protected, vuids.is_protected, where);
    require(resource.is_protected || !memory_protected, vuids.not_protected, where);
}

void CheckDedicated(const Call& call, const BindVuids& vuids, const Resource& resource,
                    const Memory& memory, VkDeviceSize offset) {
    const bool any = memory.dedicated_buffer != 0 || memory.dedicated_image != 0;
    const bool mine = memory.*resource.dedicated == resource.object.handle;
    call.Require(!any || (mine && offset == 0), std::string(vuids.prefix) + vuids.dedicated_to,
                 Text("memory ", Hex{memory.handle}, " is dedicated to another resource than ",
                      Hex{resource.object.handle}, ", or the offset ", offset, " is not 0"));
    const bool required = RequiresDedicated(*call.device().description, !resource.linear);
    call.Require(
        !required || mine, std::string(vuids.prefix) + vuids.requires_dedicated,
        Text("resource ", Hex{resource.object.handle}, " requires a dedicated allocation"));
}

// Two resources of different kinds in one granule are as good as aliased: right only if they are
// aliased on purpose, byte over byte.
void CheckGranularity(const Call& call, const Resource& resource, const Memory& memory,
                      const BoundRange& range) {
    const VkDeviceSize granule = call.device().description->granularity;
    const BoundRange* other = memory.granules.Conflict(range, resource.linear, granule);
    if (other == nullptr) return;
    call.Violation(
        "bufferImageGranularity",
        Text(resource.linear ? "linear" : "optimal", " resource ", Hex{range.resource}, " at ",
             range.begin, " to ", range.end, " and ", resource.linear ? "optimal" : "linear",
             " resource ", Hex{other->resource}, " at ", other->begin, " to ", other->end,
             " share a granule of ", granule, " bytes in memory ", Hex{memory.handle}));
}

VkResult BindLocked(const Call& call, const BindVuids& vuids, const Resource& resource,
                    const std::shared_ptr<Memory>& memory, VkDeviceSize offset) {
    if (memory == nullptr || !memory->alive) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (!call.Require(!resource.sparse, std::string(vuids.prefix) + vuids.sparse,
                      Text("resource ", Hex{resource.object.handle}, " is sparse")) ||
        !call.Require(!resource.backing.bound(), std::string(vuids.prefix) + vuids.bound,
                      Text("resource ", Hex{resource.object.handle}, " is bound already"))) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    CheckPlacement(call, vuids, resource, *memory, offset);
    CheckDedicated(call, vuids, resource, *memory, offset);
    const VkDeviceSize size = resource.requirements.size;
    const BoundRange range{resource.object.handle, offset, offset + size};
    CheckGranularity(call, resource, *memory, range);
    memory->granules.Add(range, resource.linear, call.device().description->granularity);
    ++memory->bound_count;
    resource.backing.Bind(memory, offset, size);
    return VK_SUCCESS;
}

VkResult BindBufferLocked(Call& call, const BindVuids& vuids, const char* what, VkBuffer handle,
                          const std::shared_ptr<Memory>& memory, VkDeviceSize offset) {
    auto buffer = call.Find<Buffer>(handle, what);
    if (buffer == nullptr) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    const bool needs_address = buffer->info.usage & VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT &&
                               call.device().Enabled("bufferDeviceAddress");
    if (memory != nullptr) {
        call.Require(!needs_address || memory->flags & VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
                     std::string(vuids.prefix) + "bufferDeviceAddress-03339",
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

VkResult BindPlaneLocked(const Call& call, const BindVuids& vuids, Image& image, uint32_t plane,
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

// Runs `bind(element, memory)` for each element of a bind call and reports each result where the
// element asks for it. Returns the first error.
template <class Info, class Bind>
VkResult BindAll(Call& call, uint32_t count, const Info* infos, const char* what, Bind bind) {
    std::vector<std::shared_ptr<Memory>> memories;
    for (uint32_t i = 0; i < count; ++i) {
        memories.push_back(call.UseMemory(infos[i].memory, Access::kShared, what));
    }
    call.Enter();
    StateLock lock;
    VkResult first = VK_SUCCESS;
    for (uint32_t i = 0; i < count; ++i) {
        const VkResult result = bind(infos[i], memories[i]);
        if (first == VK_SUCCESS) first = result;
        auto* status =
            FindInChain<VkBindMemoryStatus>(infos[i].pNext, VK_STRUCTURE_TYPE_BIND_MEMORY_STATUS);
        if (status != nullptr) *status->pResult = result;
    }
    return first;
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
    if (call.failed()) return call.result();
    return BindAll(call, bindInfoCount, pBindInfos, "VkBindBufferMemoryInfo-memory",
                   [&](const VkBindBufferMemoryInfo& info, const std::shared_ptr<Memory>& memory) {
                       return BindBufferLocked(call, BufferInfoVuids(),
                                               "VkBindBufferMemoryInfo-buffer", info.buffer, memory,
                                               info.memoryOffset);
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
    if (call.failed()) return call.result();
    return BindAll(call, bindInfoCount, pBindInfos, "VkBindImageMemoryInfo-memory",
                   [&](const VkBindImageMemoryInfo& info, const std::shared_ptr<Memory>& memory) {
                       return BindImageInfoLocked(call, info, memory);
                   });
}

}  // namespace tessera::mock
