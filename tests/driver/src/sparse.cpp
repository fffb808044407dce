// SPDX-License-Identifier: Apache-2.0
//
// See sparse.h. Sparse images and buffers have one plane, so planes[0] is the resource.
#include "sparse.h"

#include "arithmetic.h"
#include "text.h"

namespace tessera::mock {
namespace {

// The memory of a bind: null for "unbind" and for a handle that has been reported already.
std::shared_ptr<Memory> MemoryOf(const Call& call, VkDeviceMemory handle) {
    return call.device().objects.Find<Memory>(Raw(handle));
}

// Checks offset, alignment and type of a piece of memory. Returns false if it cannot be bound.
bool CheckMemory(const Call& call, const VkMemoryRequirements& needs, const Memory& memory,
                 VkDeviceSize offset, VkDeviceSize size, const char* match_vuid) {
    const auto where =
        Text("offset ", offset, " and size ", size, " of memory ", Hex{memory.handle}, " (type ",
             memory.type_index, ", size ", memory.size_bytes, "); the resource needs alignment ",
             needs.alignment, ", types ", Hex{needs.memoryTypeBits});
    call.Require(offset % needs.alignment == 0, match_vuid, where);
    call.Require(needs.memoryTypeBits >> memory.type_index & 1, match_vuid, where);
    call.Require(!(memory.properties & VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT),
                 "VUID-VkSparseMemoryBind-memory-01097", where);
    if (!call.Require(offset < memory.size_bytes, "VUID-VkSparseMemoryBind-memoryOffset-01101",
                      where)) {
        return false;
    }
    return call.Require(size <= memory.size_bytes - offset, "VUID-VkSparseMemoryBind-size-01102",
                        where);
}

// Buffers, opaque images and mip tails: a range of bytes.
void BindRange(const Call& call, const VkMemoryRequirements& needs, Backing& backing,
               const VkSparseMemoryBind& bind) {
    const auto where = Text("resourceOffset ", bind.resourceOffset, ", size ", bind.size,
                            " of a resource of ", needs.size, ", block ", needs.alignment);
    bool good = call.Require(bind.size > 0, "VUID-VkSparseMemoryBind-size-01098", where);
    good &= call.Require(bind.resourceOffset < needs.size,
                         "VUID-VkSparseMemoryBind-resourceOffset-01099", where);
    good &= good && call.Require(bind.size <= needs.size - bind.resourceOffset,
                                 "VUID-VkSparseMemoryBind-size-01100", where);
    if (!good) return;
    call.Require(bind.resourceOffset % needs.alignment == 0,
                 "VUID-VkSparseMemoryBind-resourceOffset-09491", where);
    call.Require(bind.size % needs.alignment == 0 || bind.resourceOffset + bind.size == needs.size,
                 "VUID-VkSparseMemoryBind-resourceOffset-09492", where);
    auto memory = MemoryOf(call, bind.memory);
    if (bind.memory != VK_NULL_HANDLE &&
        (memory == nullptr || !CheckMemory(call, needs, *memory, bind.memoryOffset, bind.size,
                                           "VUID-VkSparseMemoryBind-memory-01096"))) {
        return;
    }
    backing.BindPages(bind.resourceOffset, {std::move(memory), bind.memoryOffset, bind.size});
}

// Sizes and offsets are in texels here, as the application gives them.
//
// Checks that a bound box of an image is made of whole blocks of a level that has some.
bool CheckBox(const Call& call, const Image& image, const VkSparseImageMemoryBind& bind) {
    const VkImageSubresource& sub = bind.subresource;
    if (!call.Require(sub.mipLevel < image.info.mipLevels,
                      "VUID-VkSparseImageMemoryBindInfo-subresource-01722",
                      Text("mipLevel ", sub.mipLevel)) ||
        !call.Require(sub.arrayLayer < image.info.arrayLayers,
                      "VUID-VkSparseImageMemoryBindInfo-subresource-01723",
                      Text("arrayLayer ", sub.arrayLayer))) {
        return false;
    }
    const VkExtent3D block = SparseProperties(*image.format, image.info.imageType).imageGranularity;
    const VkExtent3D whole = {std::max(image.info.extent.width >> sub.mipLevel, 1u),
                              std::max(image.info.extent.height >> sub.mipLevel, 1u),
                              std::max(image.info.extent.depth >> sub.mipLevel, 1u)};
    auto axis = [&](int32_t offset, uint32_t extent, uint32_t step, uint32_t size,
                    const char* offset_vuid, const char* extent_vuid) {
        const auto at = static_cast<uint32_t>(offset);
        const auto where =
            Text("offset ", offset, " and extent ", extent, " of ", size, ", block ", step);
        const bool starts = call.Require(offset >= 0 && at % step == 0, offset_vuid, where);
        return call.Require(extent > 0 && (extent % step == 0 || at + extent == size) &&
                                at + extent <= RoundUp(size, step),
                            extent_vuid, where) &&
               starts;
    };
    bool good = axis(bind.offset.x, bind.extent.width, block.width, whole.width,
                     "VUID-VkSparseImageMemoryBind-offset-01107",
                     "VUID-VkSparseImageMemoryBind-extent-01108");
    good &= axis(bind.offset.y, bind.extent.height, block.height, whole.height,
                 "VUID-VkSparseImageMemoryBind-offset-01109",
                 "VUID-VkSparseImageMemoryBind-extent-01110");
    good &= axis(bind.offset.z, bind.extent.depth, block.depth, whole.depth,
                 "VUID-VkSparseImageMemoryBind-offset-01111",
                 "VUID-VkSparseImageMemoryBind-extent-01112");
    return good;
}

// The blocks of a box take the memory one after the other, x first, as the specification says.
void BindBlocks(const Call& call, Image& image, const VkSparseImageMemoryBind& bind) {
    if (!CheckBox(call, image, bind)) return;
    const PlaneLayout layout(image.info, *image.format, 0);
    const uint32_t level = bind.subresource.mipLevel;
    if (!call.Require(layout.mip(level).tiled, "VUID-VkSparseImageMemoryBind-subresource-01106",
                      Text("level ", level, " is in the mip tail"))) {
        return;
    }
    const VkExtent3D block = SparseProperties(*image.format, image.info.imageType).imageGranularity;
    const Extent count = {DivideUp(bind.extent.width, block.width),
                          DivideUp(bind.extent.height, block.height),
                          DivideUp(bind.extent.depth, block.depth)};
    const VkDeviceSize size =
        VkDeviceSize{count.width} * count.height * count.depth * kSparseBlockBytes;
    auto memory = MemoryOf(call, bind.memory);
    if (bind.memory != VK_NULL_HANDLE &&
        (memory == nullptr ||
         !CheckMemory(call, image.planes[0].requirements, *memory, bind.memoryOffset, size,
                      "VUID-VkSparseImageMemoryBind-memory-01105"))) {
        return;
    }
    const Extent first = {static_cast<uint32_t>(bind.offset.x) / block.width,
                          static_cast<uint32_t>(bind.offset.y) / block.height,
                          static_cast<uint32_t>(bind.offset.z) / block.depth};
    for (uint32_t i = 0; i < count.width * count.height * count.depth; ++i) {
        const VkDeviceSize at =
            layout.TileOffset(level, bind.subresource.arrayLayer, first.width + i % count.width,
                              first.height + i / count.width % count.height,
                              first.depth + i / count.width / count.height);
        image.planes[0].backing.BindPages(
            at, {memory, bind.memoryOffset + i * kSparseBlockBytes, kSparseBlockBytes});
    }
}

}  // namespace

void UseSparseMemories(Call& call, const VkBindSparseInfo& info) {
    auto use = [&call](uint32_t count, const auto* binds, const char* what) {
        for (uint32_t i = 0; i < count; ++i) {
            if (binds[i].memory != VK_NULL_HANDLE) {
                call.UseMemory(binds[i].memory, Access::kShared, what);
            }
        }
    };
    for (uint32_t i = 0; i < info.bufferBindCount; ++i) {
        use(info.pBufferBinds[i].bindCount, info.pBufferBinds[i].pBinds,
            "VkSparseMemoryBind-memory");
    }
    for (uint32_t i = 0; i < info.imageOpaqueBindCount; ++i) {
        use(info.pImageOpaqueBinds[i].bindCount, info.pImageOpaqueBinds[i].pBinds,
            "VkSparseMemoryBind-memory");
    }
    for (uint32_t i = 0; i < info.imageBindCount; ++i) {
        use(info.pImageBinds[i].bindCount, info.pImageBinds[i].pBinds,
            "VkSparseImageMemoryBind-memory");
    }
}

void BindSparseLocked(Call& call, const VkBindSparseInfo& info) {
    for (uint32_t i = 0; i < info.bufferBindCount; ++i) {
        const VkSparseBufferMemoryBindInfo& binds = info.pBufferBinds[i];
        auto buffer = call.Find<Buffer>(binds.buffer, "VkSparseBufferMemoryBindInfo-buffer");
        if (buffer == nullptr ||
            !call.Require(buffer->backing.sparse, "", "the buffer is not sparse")) {
            continue;
        }
        for (uint32_t j = 0; j < binds.bindCount; ++j) {
            BindRange(call, buffer->requirements, buffer->backing, binds.pBinds[j]);
        }
    }
    for (uint32_t i = 0; i < info.imageOpaqueBindCount; ++i) {
        const VkSparseImageOpaqueMemoryBindInfo& binds = info.pImageOpaqueBinds[i];
        auto image = call.Find<Image>(binds.image, "VkSparseImageOpaqueMemoryBindInfo-image");
        if (image == nullptr || !call.Require(image->sparse(), "", "the image is not sparse")) {
            continue;
        }
        for (uint32_t j = 0; j < binds.bindCount; ++j) {
            BindRange(call, image->planes[0].requirements, image->planes[0].backing,
                      binds.pBinds[j]);
        }
    }
    for (uint32_t i = 0; i < info.imageBindCount; ++i) {
        const VkSparseImageMemoryBindInfo& binds = info.pImageBinds[i];
        auto image = call.Find<Image>(binds.image, "VkSparseImageMemoryBindInfo-image");
        if (image == nullptr ||
            !call.Require(image->info.flags & VK_IMAGE_CREATE_SPARSE_RESIDENCY_BIT,
                          "VUID-VkSparseImageMemoryBindInfo-image-02901",
                          "the image has no sparse residency")) {
            continue;
        }
        for (uint32_t j = 0; j < binds.bindCount; ++j)
            BindBlocks(call, *image, binds.pBinds[j]);
    }
}

}  // namespace tessera::mock
