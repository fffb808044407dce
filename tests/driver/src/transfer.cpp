// SPDX-License-Identifier: Apache-2.0
//
// The recordable commands: copies, fills, updates, barriers and labels. Regions are checked while
// recording, against sizes that cannot change; memory is looked at when the command runs, since a
// bind may still come and a free may come too early. A region that does not fit is dropped.
#include <algorithm>
#include <cstring>

#include "arithmetic.h"
#include "executor.h"
#include "requirements.h"

namespace tessera::mock {
namespace {

// Opens a recording command: its Call, its command buffer, and the state mutex.
class Recording {
 public:
    Recording(Command command, VkCommandBuffer handle)
        : buffer(Of(handle)), call(command, buffer.device->handle()) {
        call.Require(buffer.state == CommandBuffer::State::kRecording,
                     Text("VUID-", EntryOf(command).name, "-commandBuffer-recording"),
                     "the command buffer is not recording");
    }

    void Add(RecordedCommand command) { buffer.commands.push_back(std::move(command)); }

    std::shared_ptr<Buffer> FindBuffer(VkBuffer handle, const char* what, VkBufferUsageFlags usage,
                                       const char* vuid) {
        auto found = call.Find<Buffer>(handle, what);
        if (found != nullptr) {
            call.Require(found->info.usage & usage, vuid,
                         Text(what, " ", Hex{found->handle}, " lacks the usage"));
        }
        return found;
    }

    CommandBuffer& buffer;
    Call call;
    StateLock lock;
};

// Whether a range lies inside of `total`, whatever its numbers are.
bool Fits(VkDeviceSize offset, VkDeviceSize size, VkDeviceSize total) {
    return offset <= total && size <= total - offset;
}

// One region of a copy between a buffer and an image, in blocks of the format.
struct ImageRegion {
    uint32_t plane, level, first_layer, layers;
    uint32_t x, y, z, width, height, depth;
    VkDeviceSize buffer_offset;
    VkDeviceSize row_bytes, slice_bytes;  // between rows and slices in the buffer

    VkDeviceSize SliceOffset(uint32_t layer, uint32_t slice) const {
        return buffer_offset + (VkDeviceSize{layer} * depth + slice) * slice_bytes;
    }
};

uint32_t PlaneOf(VkImageAspectFlags aspect) {
    if (aspect & VK_IMAGE_ASPECT_PLANE_1_BIT) return 1;
    return aspect & VK_IMAGE_ASPECT_PLANE_2_BIT ? 2 : 0;
}

// A row length or height of 0 means that the buffer is packed as tightly as the region.
ImageRegion ToBlocks(const Image& image, const VkBufferImageCopy& copy) {
    const Format& format = *image.format;
    const uint32_t plane = PlaneOf(copy.imageSubresource.aspectMask);
    const VkDeviceSize bytes = PlaneLayout(image.info, format, plane).block_bytes();
    const uint32_t row = copy.bufferRowLength ? copy.bufferRowLength : copy.imageExtent.width;
    const uint32_t rows = copy.bufferImageHeight ? copy.bufferImageHeight : copy.imageExtent.height;
    const VkDeviceSize row_bytes = DivideUp(row, format.block_width) * bytes;
    return {plane,
            copy.imageSubresource.mipLevel,
            copy.imageSubresource.baseArrayLayer,
            copy.imageSubresource.layerCount,
            static_cast<uint32_t>(copy.imageOffset.x) / format.block_width,
            static_cast<uint32_t>(copy.imageOffset.y) / format.block_height,
            static_cast<uint32_t>(copy.imageOffset.z),
            DivideUp(copy.imageExtent.width, format.block_width),
            DivideUp(copy.imageExtent.height, format.block_height),
            copy.imageExtent.depth,
            copy.bufferOffset,
            row_bytes,
            row_bytes * DivideUp(rows, format.block_height)};
}

// Checks a region against both resources.
bool RegionFits(const Call& call, const Image& image, const Buffer& buffer,
                const VkBufferImageCopy& copy) {
    const uint32_t plane = PlaneOf(copy.imageSubresource.aspectMask);
    const VkImageSubresourceLayers& sub = copy.imageSubresource;
    const bool exists = plane < image.format->planes.size() &&
                        sub.mipLevel < image.info.mipLevels && sub.layerCount > 0 &&
                        sub.baseArrayLayer < image.info.arrayLayers &&
                        sub.layerCount <= image.info.arrayLayers - sub.baseArrayLayer;
    if (!call.Require(exists, "", "the subresource of a region is not in the image")) return false;
    const ImageRegion region = ToBlocks(image, copy);
    const PlaneLayout layout(image.info, *image.format, plane);
    const Extent size = layout.mip(region.level).size;
    const bool inside = copy.imageOffset.x >= 0 && copy.imageOffset.y >= 0 &&
                        copy.imageOffset.z >= 0 && Fits(region.x, region.width, size.width) &&
                        Fits(region.y, region.height, size.height) &&
                        Fits(region.z, region.depth, size.depth);
    if (!call.Require(inside, "", "a region reaches outside of the image")) return false;
    const VkDeviceSize end = region.SliceOffset(region.layers - 1, region.depth - 1) +
                             (region.height - 1) * region.row_bytes +
                             VkDeviceSize{region.width} * layout.block_bytes();
    return call.Require(end <= buffer.info.size, "",
                        Text("a region ends at byte ", end, " of a buffer of ", buffer.info.size));
}

// Copies row by row, since that is what lies together on the image's side.
void CopyRegion(Executor& executor, const char* command, const Image& image, const Buffer& buffer,
                const ImageRegion& region, bool to_image) {
    const PlaneLayout layout(image.info, *image.format, region.plane);
    const Backing& texels =
        image.disjoint() ? image.planes[region.plane].backing : image.planes[0].backing;
    const VkDeviceSize base =
        image.disjoint() ? 0 : PlaneOffset(image.info, *image.format, region.plane);
    for (uint32_t layer = 0; layer < region.layers; ++layer) {
        for (uint32_t row = 0; row < region.height * region.depth; ++row) {
            const uint32_t y = row % region.height;
            const uint32_t slice = row / region.height;
            const VkDeviceSize in_buffer = region.SliceOffset(layer, slice) + y * region.row_bytes;
            layout.ForEachRun(
                region.level, region.first_layer + layer, region.x, region.y + y, region.z + slice,
                region.width, [&](VkDeviceSize in_image, uint32_t first, uint32_t count) {
                    const VkDeviceSize at = in_buffer + VkDeviceSize{first} * layout.block_bytes();
                    const VkDeviceSize bytes = VkDeviceSize{count} * layout.block_bytes();
                    if (to_image) {
                        executor.Copy(command, buffer.backing, at, texels, base + in_image, bytes);
                    } else {
                        executor.Copy(command, texels, base + in_image, buffer.backing, at, bytes);
                    }
                });
        }
    }
}

void RecordImageCopy(Recording& recording, const char* command, VkBuffer buffer_handle,
                     const std::shared_ptr<Buffer>& buffer, VkImage image_handle,
                     const char* image_name, uint32_t count, const VkBufferImageCopy* copies,
                     bool to_image) {
    auto image = recording.call.Find<Image>(image_handle, image_name);
    if (buffer == nullptr || image == nullptr) return;
    std::vector<ImageRegion> regions;
    for (uint32_t i = 0; i < count; ++i) {
        if (RegionFits(recording.call, *image, *buffer, copies[i])) {
            regions.push_back(ToBlocks(*image, copies[i]));
        }
    }
    recording.Add([=, regions = std::move(regions)](Executor& executor) {
        auto bytes = executor.Find<Buffer>(command, buffer_handle);
        auto texels = executor.Find<Image>(command, image_handle);
        if (bytes == nullptr || texels == nullptr) return;
        for (const ImageRegion& region : regions) {
            CopyRegion(executor, command, *texels, *bytes, region, to_image);
        }
    });
}

}  // namespace

VKAPI_ATTR void VKAPI_CALL CmdCopyBuffer(VkCommandBuffer commandBuffer, VkBuffer srcBuffer,
                                         VkBuffer dstBuffer, uint32_t regionCount,
                                         const VkBufferCopy* pRegions) {
    Recording recording(Command::kCmdCopyBuffer, commandBuffer);
    auto from = recording.FindBuffer(srcBuffer, "srcBuffer", VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
                                     "VUID-vkCmdCopyBuffer-srcBuffer-00118");
    auto to = recording.FindBuffer(dstBuffer, "dstBuffer", VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                   "VUID-vkCmdCopyBuffer-dstBuffer-00120");
    if (from == nullptr || to == nullptr) return;
    std::vector<VkBufferCopy> regions;
    for (uint32_t i = 0; i < regionCount; ++i) {
        const VkBufferCopy& region = pRegions[i];
        const bool reads = recording.call.Require(
            Fits(region.srcOffset, region.size, from->info.size), "VUID-vkCmdCopyBuffer-size-00115",
            Text("a region reads past ", from->info.size));
        const bool writes = recording.call.Require(
            Fits(region.dstOffset, region.size, to->info.size), "VUID-vkCmdCopyBuffer-size-00116",
            Text("a region writes past ", to->info.size));
        if (reads && writes) regions.push_back(region);
    }
    recording.Add([=, regions = std::move(regions)](Executor& executor) {
        constexpr const char* kName = "vkCmdCopyBuffer";
        auto source = executor.Find<Buffer>(kName, srcBuffer);
        auto target = executor.Find<Buffer>(kName, dstBuffer);
        if (source == nullptr || target == nullptr) return;
        for (const VkBufferCopy& region : regions) {
            executor.Copy(kName, source->backing, region.srcOffset, target->backing,
                          region.dstOffset, region.size);
        }
    });
}

VKAPI_ATTR void VKAPI_CALL CmdFillBuffer(VkCommandBuffer commandBuffer, VkBuffer dstBuffer,
                                         VkDeviceSize dstOffset, VkDeviceSize size, uint32_t data) {
    Recording recording(Command::kCmdFillBuffer, commandBuffer);
    auto to = recording.FindBuffer(dstBuffer, "dstBuffer", VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                   "VUID-vkCmdFillBuffer-dstBuffer-00029");
    if (to == nullptr) return;
    const Call& call = recording.call;
    if (!call.Require(dstOffset < to->info.size, "VUID-vkCmdFillBuffer-dstOffset-00024",
                      Text("dstOffset ", dstOffset, " of ", to->info.size))) {
        return;
    }
    call.Require(dstOffset % 4 == 0, "VUID-vkCmdFillBuffer-dstOffset-00025",
                 Text("dstOffset ", dstOffset));
    const VkDeviceSize rest = to->info.size - dstOffset;
    if (!call.Require(size == VK_WHOLE_SIZE || size <= rest, "VUID-vkCmdFillBuffer-size-00027",
                      Text("size ", size, " of ", rest))) {
        return;
    }
    const VkDeviceSize words = (size == VK_WHOLE_SIZE ? rest : size) / 4;
    recording.Add([=](Executor& executor) {
        constexpr const char* kName = "vkCmdFillBuffer";
        auto target = executor.Find<Buffer>(kName, dstBuffer);
        if (target == nullptr) return;
        const std::vector<uint32_t> pattern(static_cast<size_t>(words), data);
        executor.Write(kName, target->backing, dstOffset, pattern.data(), pattern.size() * 4);
    });
}

VKAPI_ATTR void VKAPI_CALL CmdUpdateBuffer(VkCommandBuffer commandBuffer, VkBuffer dstBuffer,
                                           VkDeviceSize dstOffset, VkDeviceSize dataSize,
                                           const void* pData) {
    Recording recording(Command::kCmdUpdateBuffer, commandBuffer);
    auto to = recording.FindBuffer(dstBuffer, "dstBuffer", VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                   "VUID-vkCmdUpdateBuffer-dstBuffer-00034");
    if (to == nullptr) return;
    recording.call.Require(dataSize <= 65536, "VUID-vkCmdUpdateBuffer-dataSize-00037",
                           Text("dataSize ", dataSize));
    recording.call.Require(dstOffset % 4 == 0, "VUID-vkCmdUpdateBuffer-dstOffset-00036",
                           Text("dstOffset ", dstOffset));
    if (!recording.call.Require(
            Fits(dstOffset, dataSize, to->info.size), "VUID-vkCmdUpdateBuffer-dataSize-00033",
            Text("offset ", dstOffset, " and size ", dataSize, " of ", to->info.size))) {
        return;
    }
    const auto* bytes = static_cast<const std::byte*>(pData);
    // The application may reuse its data as soon as the command is recorded.
    recording.Add([=, copy = std::vector<std::byte>(bytes, bytes + dataSize)](Executor& executor) {
        constexpr const char* kName = "vkCmdUpdateBuffer";
        auto target = executor.Find<Buffer>(kName, dstBuffer);
        if (target == nullptr) return;
        executor.Write(kName, target->backing, dstOffset, copy.data(), copy.size());
    });
}

VKAPI_ATTR void VKAPI_CALL CmdCopyBufferToImage(VkCommandBuffer commandBuffer, VkBuffer srcBuffer,
                                                VkImage dstImage, VkImageLayout,
                                                uint32_t regionCount,
                                                const VkBufferImageCopy* pRegions) {
    Recording recording(Command::kCmdCopyBufferToImage, commandBuffer);
    auto from = recording.FindBuffer(srcBuffer, "srcBuffer", VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
                                     "VUID-vkCmdCopyBufferToImage-srcBuffer-00174");
    RecordImageCopy(recording, "vkCmdCopyBufferToImage", srcBuffer, from, dstImage, "dstImage",
                    regionCount, pRegions, true);
}

VKAPI_ATTR void VKAPI_CALL CmdCopyImageToBuffer(VkCommandBuffer commandBuffer, VkImage srcImage,
                                                VkImageLayout, VkBuffer dstBuffer,
                                                uint32_t regionCount,
                                                const VkBufferImageCopy* pRegions) {
    Recording recording(Command::kCmdCopyImageToBuffer, commandBuffer);
    auto to = recording.FindBuffer(dstBuffer, "dstBuffer", VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                   "VUID-vkCmdCopyImageToBuffer-dstBuffer-00191");
    RecordImageCopy(recording, "vkCmdCopyImageToBuffer", dstBuffer, to, srcImage, "srcImage",
                    regionCount, pRegions, false);
}

// Commands run one after the other and see all earlier writes, so a barrier has nothing to do but
// to name live objects.
VKAPI_ATTR void VKAPI_CALL CmdPipelineBarrier(VkCommandBuffer commandBuffer, VkPipelineStageFlags,
                                              VkPipelineStageFlags, VkDependencyFlags, uint32_t,
                                              const VkMemoryBarrier*,
                                              uint32_t bufferMemoryBarrierCount,
                                              const VkBufferMemoryBarrier* pBufferMemoryBarriers,
                                              uint32_t imageMemoryBarrierCount,
                                              const VkImageMemoryBarrier* pImageMemoryBarriers) {
    Recording recording(Command::kCmdPipelineBarrier, commandBuffer);
    for (uint32_t i = 0; i < bufferMemoryBarrierCount; ++i) {
        recording.call.Find<Buffer>(pBufferMemoryBarriers[i].buffer,
                                    "VkBufferMemoryBarrier-buffer");
    }
    for (uint32_t i = 0; i < imageMemoryBarrierCount; ++i) {
        recording.call.Find<Image>(pImageMemoryBarriers[i].image, "VkImageMemoryBarrier-image");
    }
}

VKAPI_ATTR void VKAPI_CALL CmdPipelineBarrier2(VkCommandBuffer commandBuffer,
                                               const VkDependencyInfo* pDependencyInfo) {
    Recording recording(Command::kCmdPipelineBarrier2, commandBuffer);
    for (uint32_t i = 0; i < pDependencyInfo->bufferMemoryBarrierCount; ++i) {
        recording.call.Find<Buffer>(pDependencyInfo->pBufferMemoryBarriers[i].buffer,
                                    "VkBufferMemoryBarrier2-buffer");
    }
    for (uint32_t i = 0; i < pDependencyInfo->imageMemoryBarrierCount; ++i) {
        recording.call.Find<Image>(pDependencyInfo->pImageMemoryBarriers[i].image,
                                   "VkImageMemoryBarrier2-image");
    }
}

// Labels are for tools that record; the driver does not.
VKAPI_ATTR void VKAPI_CALL CmdBeginDebugUtilsLabelEXT(VkCommandBuffer commandBuffer,
                                                      const VkDebugUtilsLabelEXT*) {
    Recording recording(Command::kCmdBeginDebugUtilsLabelEXT, commandBuffer);
}

VKAPI_ATTR void VKAPI_CALL CmdEndDebugUtilsLabelEXT(VkCommandBuffer commandBuffer) {
    Recording recording(Command::kCmdEndDebugUtilsLabelEXT, commandBuffer);
}

VKAPI_ATTR void VKAPI_CALL CmdInsertDebugUtilsLabelEXT(VkCommandBuffer commandBuffer,
                                                       const VkDebugUtilsLabelEXT*) {
    Recording recording(Command::kCmdInsertDebugUtilsLabelEXT, commandBuffer);
}

VKAPI_ATTR void VKAPI_CALL CmdDebugMarkerBeginEXT(VkCommandBuffer commandBuffer,
                                                  const VkDebugMarkerMarkerInfoEXT*) {
    Recording recording(Command::kCmdDebugMarkerBeginEXT, commandBuffer);
}

VKAPI_ATTR void VKAPI_CALL CmdDebugMarkerEndEXT(VkCommandBuffer commandBuffer) {
    Recording recording(Command::kCmdDebugMarkerEndEXT, commandBuffer);
}

VKAPI_ATTR void VKAPI_CALL CmdDebugMarkerInsertEXT(VkCommandBuffer commandBuffer,
                                                   const VkDebugMarkerMarkerInfoEXT*) {
    Recording recording(Command::kCmdDebugMarkerInsertEXT, commandBuffer);
}

}  // namespace tessera::mock
