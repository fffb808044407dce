// SPDX-License-Identifier: Apache-2.0
//
// Rows of the contract about vkQueueBindSparse: a submission arrives at the driver level by level
// and entry by entry as the application gave it, with nothing changed but memory and its offset.
// What arrived is what the layer below saw; where a slot lies is what the driver says of a buffer
// that is bound to the slot's start afterwards.

#include <cstring>

#include "below/below.h"
#include "session.h"

namespace tessera::test {
namespace {

constexpr VkDeviceSize kBlock = 65536;
constexpr uint32_t kType = 1;
constexpr VkDeviceSize kLarge = VkDeviceSize{80} << 20;  // too large for a block

// A submission without pointers between its levels.
template <typename Resource, typename Bind>
struct Binds {
    Resource resource;
    std::vector<Bind> entries;
};
struct Batch {
    VkBindSparseInfo info;
    std::vector<Binds<VkBuffer, VkSparseMemoryBind>> buffers;
    std::vector<Binds<VkImage, VkSparseMemoryBind>> opaque_images;
    std::vector<Binds<VkImage, VkSparseImageMemoryBind>> images;
};

std::vector<Batch> Flatten(uint32_t count, const VkBindSparseInfo* infos) {
    std::vector<Batch> batches;
    for (uint32_t i = 0; i < count; ++i) {
        Batch batch = {infos[i], {}, {}, {}};
        for (uint32_t j = 0; j < infos[i].bufferBindCount; ++j) {
            const VkSparseBufferMemoryBindInfo& binds = infos[i].pBufferBinds[j];
            batch.buffers.push_back({binds.buffer, {binds.pBinds, binds.pBinds + binds.bindCount}});
        }
        for (uint32_t j = 0; j < infos[i].imageOpaqueBindCount; ++j) {
            const VkSparseImageOpaqueMemoryBindInfo& binds = infos[i].pImageOpaqueBinds[j];
            batch.opaque_images.push_back(
                {binds.image, {binds.pBinds, binds.pBinds + binds.bindCount}});
        }
        for (uint32_t j = 0; j < infos[i].imageBindCount; ++j) {
            const VkSparseImageMemoryBindInfo& binds = infos[i].pImageBinds[j];
            batch.images.push_back({binds.image, {binds.pBinds, binds.pBinds + binds.bindCount}});
        }
        batches.push_back(batch);
    }
    return batches;
}

TesseraMockBinding StartOf(const Session& session, VkDeviceMemory memory) {
    const VkBuffer buffer = session.MakeBuffer(16);
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_SUCCESS);
    TesseraMockBinding start = {};
    EXPECT_TRUE(session.mock->find_buffer(session.device, buffer, &start));
    vkDestroyBuffer(session.device, buffer, nullptr);
    return start;
}

// All of an entry but its memory.
void ExpectSameRest(const VkSparseMemoryBind& a, const VkSparseMemoryBind& b) {
    EXPECT_EQ(a.resourceOffset, b.resourceOffset);
    EXPECT_EQ(a.size, b.size);
    EXPECT_EQ(a.flags, b.flags);
}
void ExpectSameRest(const VkSparseImageMemoryBind& a, const VkSparseImageMemoryBind& b) {
    EXPECT_EQ(std::memcmp(&a.subresource, &b.subresource, sizeof a.subresource), 0);
    EXPECT_EQ(std::memcmp(&a.offset, &b.offset, sizeof a.offset), 0);
    EXPECT_EQ(std::memcmp(&a.extent, &b.extent, sizeof a.extent), 0);
    EXPECT_EQ(a.flags, b.flags);
}

template <typename Level>
void ExpectTranslated(const Session& session, const Level& arrived, const Level& given) {
    ASSERT_EQ(arrived.size(), given.size());
    for (size_t i = 0; i < given.size(); ++i) {
        EXPECT_EQ(arrived[i].resource, given[i].resource);
        ASSERT_EQ(arrived[i].entries.size(), given[i].entries.size());
        for (size_t j = 0; j < given[i].entries.size(); ++j) {
            const auto& below = arrived[i].entries[j];
            const auto& above = given[i].entries[j];
            ExpectSameRest(below, above);
            if (above.memory == VK_NULL_HANDLE) {
                EXPECT_EQ(below.memory, above.memory) << i << ", " << j;
                EXPECT_EQ(below.memoryOffset, above.memoryOffset);
                continue;
            }
            const TesseraMockBinding start = StartOf(session, above.memory);
            EXPECT_EQ(below.memory, start.memory) << i << ", " << j;
            EXPECT_EQ(below.memoryOffset, start.offset + above.memoryOffset) << i << ", " << j;
        }
    }
}

void ExpectSame(const Session& session, const std::vector<Batch>& arrived,
                const std::vector<Batch>& given) {
    ASSERT_EQ(arrived.size(), given.size());
    for (size_t i = 0; i < given.size(); ++i) {
        const VkBindSparseInfo& below = arrived[i].info;
        const VkBindSparseInfo& above = given[i].info;
        EXPECT_EQ(below.sType, above.sType);
        EXPECT_EQ(below.pNext, above.pNext) << "the chain is the application's own";
        EXPECT_EQ(below.waitSemaphoreCount, above.waitSemaphoreCount);
        EXPECT_EQ(below.pWaitSemaphores, above.pWaitSemaphores);
        EXPECT_EQ(below.signalSemaphoreCount, above.signalSemaphoreCount);
        EXPECT_EQ(below.pSignalSemaphores, above.pSignalSemaphores);
        ExpectTranslated(session, arrived[i].buffers, given[i].buffers);
        ExpectTranslated(session, arrived[i].opaque_images, given[i].opaque_images);
        ExpectTranslated(session, arrived[i].images, given[i].images);
    }
}

SessionOptions Options() {
    SessionOptions options;
    options.features.sparseBinding = VK_TRUE;
    options.features.sparseResidencyBuffer = VK_TRUE;
    options.features.sparseResidencyImage2D = VK_TRUE;
    options.layer_below = true;
    return options;
}

// A session whose sparse submissions are watched, with resources to bind.
class Contract_vkQueueBindSparse : public testing::Test {
 protected:
    Contract_vkQueueBindSparse() : session_(Options()) {
        taps_->QueueBindSparse = [this](VkQueue queue, uint32_t count,
                                        const VkBindSparseInfo* infos, VkFence fence) {
            ++calls_;
            arrived_ = Flatten(count, infos);
            fence_below_ = fence;
            return Next().QueueBindSparse(queue, count, infos, fence);
        };
        // Of ordinary alignment, so that nothing that follows is at a good place by chance.
        for (int i = 0; i < 7; ++i)
            memories_.push_back(session_.Allocate(700, kType));
    }
    void TearDown() override {
        for (VkBuffer buffer : buffers_)
            vkDestroyBuffer(session_.device, buffer, nullptr);
        for (VkImage image : images_)
            vkDestroyImage(session_.device, image, nullptr);
        for (VkDeviceMemory memory : memories_)
            session_.Free(memory);
        session_.Close();
        EXPECT_EQ(session_.mock.Violations(), "");
    }
    VkDeviceMemory Memory(VkDeviceSize size = 3 * kBlock) {
        memories_.push_back(session_.Allocate(size, kType));
        return memories_.back();
    }
    VkBuffer Buffer(VkDeviceSize blocks) {
        buffers_.push_back(session_.MakeBuffer(
            blocks * kBlock, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
            VK_BUFFER_CREATE_SPARSE_BINDING_BIT | VK_BUFFER_CREATE_SPARSE_RESIDENCY_BIT));
        return buffers_.back();
    }
    // With all its levels. Those smaller than a block make the mip tail.
    VkImage Image(uint32_t edge, uint32_t levels, VkImageCreateFlags flags) {
        VkImageCreateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
        info.flags = flags | VK_IMAGE_CREATE_SPARSE_BINDING_BIT;
        info.imageType = VK_IMAGE_TYPE_2D;
        info.format = VK_FORMAT_R8G8B8A8_UNORM;
        info.extent = {edge, edge, 1};
        info.mipLevels = levels;
        info.arrayLayers = 1;
        info.samples = VK_SAMPLE_COUNT_1_BIT;
        info.usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;
        VkImage image = VK_NULL_HANDLE;
        EXPECT_EQ(vkCreateImage(session_.device, &info, nullptr, &image), VK_SUCCESS);
        images_.push_back(image);
        return image;
    }
    VkSparseImageMemoryRequirements SparseNeeds(VkImage image) const {
        uint32_t count = 1;
        VkSparseImageMemoryRequirements needs = {};
        vkGetImageSparseMemoryRequirements(session_.device, image, &count, &needs);
        EXPECT_EQ(count, 1u);
        return needs;
    }
    static VkSparseMemoryBind Bind(VkDeviceSize at, VkDeviceMemory memory, VkDeviceSize offset,
                                   VkDeviceSize size = kBlock) {
        return {at, size, memory, offset, 0};
    }
    // The block of the first level in this column and row.
    static VkSparseImageMemoryBind BlockBind(const VkExtent3D& block, int32_t column, int32_t row,
                                             VkDeviceMemory memory, VkDeviceSize offset) {
        VkSparseImageMemoryBind bind = {};
        bind.subresource.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT;
        bind.offset = {column * static_cast<int32_t>(block.width),
                       row * static_cast<int32_t>(block.height), 0};
        bind.extent = block;
        bind.memory = memory;
        bind.memoryOffset = offset;
        return bind;
    }
    void SubmitAndCompare(const std::vector<VkBindSparseInfo>& infos,
                          VkFence fence = VK_NULL_HANDLE) {
        const auto count = static_cast<uint32_t>(infos.size());
        const std::vector<Batch> given = Flatten(count, infos.data());
        ASSERT_EQ(vkQueueBindSparse(session_.queue, count, infos.data(), fence), VK_SUCCESS);
        EXPECT_EQ(vkQueueWaitIdle(session_.queue), VK_SUCCESS);
        EXPECT_EQ(calls_, 1);
        EXPECT_EQ(fence_below_, fence);
        ExpectSame(session_, arrived_, given);
        const std::vector<Batch> after = Flatten(count, infos.data());
        for (size_t i = 0; i < given.size(); ++i) {
            for (size_t j = 0; j < given[i].buffers.size(); ++j) {
                EXPECT_EQ(after[i].buffers[j].entries[0].memory,
                          given[i].buffers[j].entries[0].memory)
                    << "the application's array is not written";
            }
        }
    }

    Session session_;
    Taps taps_;
    std::vector<Batch> arrived_;
    VkFence fence_below_ = VK_NULL_HANDLE;
    int calls_ = 0;
    std::vector<VkDeviceMemory> memories_;
    std::vector<VkBuffer> buffers_;
    std::vector<VkImage> images_;
};

VkBindSparseInfo Info() {
    VkBindSparseInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
    return info;
}

// f8, e9: more of each level than lies in place, of all three kinds in one structure, at offsets
// inside of their memory, in slots and in what went through, and without memory.
TEST_F(Contract_vkQueueBindSparse, EveryLevelArrivesWithPlacesAndOffsets) {
    const VkDeviceMemory large = Memory(kLarge);
    std::vector<std::vector<VkSparseMemoryBind>> buffer_binds(10);
    std::vector<VkSparseBufferMemoryBindInfo> buffers;
    for (VkDeviceSize i = 0; i < buffer_binds.size(); ++i) {
        const VkDeviceMemory memory = Memory();
        buffer_binds[i] = {Bind(0, memory, (i % 3) * kBlock), Bind(kBlock, VK_NULL_HANDLE, 0),
                           Bind(2 * kBlock, i % 4 == 1 ? large : memory, kBlock)};
        buffer_binds[i].resize(1 + i % 3);
        buffers.push_back(
            {Buffer(3), static_cast<uint32_t>(buffer_binds[i].size()), buffer_binds[i].data()});
    }
    std::vector<std::vector<VkSparseMemoryBind>> opaque_binds(9);
    std::vector<VkSparseImageOpaqueMemoryBindInfo> opaque_images;
    for (VkDeviceSize i = 0; i < opaque_binds.size(); ++i) {
        opaque_binds[i] = {Bind(kBlock, Memory(), kBlock * (i % 3)), Bind(0, Memory(), kBlock)};
        opaque_images.push_back({Image(256, 1, 0), 2, opaque_binds[i].data()});
    }
    std::vector<std::vector<VkSparseImageMemoryBind>> block_binds(9);
    std::vector<VkSparseImageMemoryBindInfo> images;
    for (VkDeviceSize i = 0; i < block_binds.size(); ++i) {
        const VkImage image = Image(256, 1, VK_IMAGE_CREATE_SPARSE_RESIDENCY_BIT);
        const VkExtent3D block = SparseNeeds(image).formatProperties.imageGranularity;
        block_binds[i] = {BlockBind(block, 1, 0, Memory(), kBlock * (i % 3)),
                          BlockBind(block, 0, 1, i % 2 == 0 ? large : Memory(), 2 * kBlock),
                          BlockBind(block, 1, 1, VK_NULL_HANDLE, 0)};
        images.push_back({image, 3, block_binds[i].data()});
    }
    // All in one, then some of each in one, and one in between that binds nothing.
    std::vector<VkBindSparseInfo> infos(3, Info());
    infos[0].bufferBindCount = 7;
    infos[0].pBufferBinds = buffers.data();
    infos[0].imageOpaqueBindCount = 6;
    infos[0].pImageOpaqueBinds = opaque_images.data();
    infos[0].imageBindCount = 5;
    infos[0].pImageBinds = images.data();
    infos[2].bufferBindCount = 3;
    infos[2].pBufferBinds = buffers.data() + 7;
    infos[2].imageOpaqueBindCount = 3;
    infos[2].pImageOpaqueBinds = opaque_images.data() + 6;
    infos[2].imageBindCount = 4;
    infos[2].pImageBinds = images.data() + 5;
    SubmitAndCompare(infos);
}

// More structures in a submission than lie in place.
TEST_F(Contract_vkQueueBindSparse, ManyStructuresArriveInOrderWithTheFence) {
    VkFenceCreateInfo fence_info = {};
    fence_info.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
    VkFence fence = VK_NULL_HANDLE;
    ASSERT_EQ(vkCreateFence(session_.device, &fence_info, nullptr, &fence), VK_SUCCESS);
    std::vector<VkSparseMemoryBind> binds(12);
    std::vector<VkSparseBufferMemoryBindInfo> buffers(binds.size());
    std::vector<VkBindSparseInfo> infos(binds.size(), Info());
    for (size_t i = 0; i < binds.size(); ++i) {
        binds[i] = Bind(kBlock * (i % 2), Memory(), kBlock * (i % 3));
        buffers[i] = {Buffer(2), 1, &binds[i]};
        infos[i].bufferBindCount = 1;
        infos[i].pBufferBinds = &buffers[i];
    }
    SubmitAndCompare(infos, fence);
    vkDestroyFence(session_.device, fence, nullptr);
}

// VkSparseImageMemoryBind: the mip tail of an image of blocks is bound by bytes, beside its blocks.
TEST_F(Contract_vkQueueBindSparse, MipTailOfAResidentImageArrivesBesideItsBlocks) {
    const VkImage image = Image(256, 9, VK_IMAGE_CREATE_SPARSE_RESIDENCY_BIT);
    const VkSparseImageMemoryRequirements needs = SparseNeeds(image);
    ASSERT_LT(needs.imageMipTailFirstLod, 9u);
    ASSERT_GT(needs.imageMipTailSize, 0u);
    ASSERT_GT(needs.imageMipTailOffset, 0u);
    const VkSparseMemoryBind tail =
        Bind(needs.imageMipTailOffset, Memory(kBlock + needs.imageMipTailSize), kBlock,
             needs.imageMipTailSize);
    const VkSparseImageOpaqueMemoryBindInfo opaque = {image, 1, &tail};
    const VkSparseImageMemoryBind block =
        BlockBind(needs.formatProperties.imageGranularity, 1, 1, Memory(), 2 * kBlock);
    const VkSparseImageMemoryBindInfo blocks = {image, 1, &block};
    std::vector<VkBindSparseInfo> infos = {Info()};
    infos[0].imageOpaqueBindCount = 1;
    infos[0].pImageOpaqueBinds = &opaque;
    infos[0].imageBindCount = 1;
    infos[0].pImageBinds = &blocks;
    SubmitAndCompare(infos);
}

// Section 6: what is chained to a structure is kept, and so are its semaphores. Values count for
// timelines only; that they arrive does not depend on it.
TEST_F(Contract_vkQueueBindSparse, ChainsAndSemaphoresOfEachStructureArrive) {
    VkSemaphoreCreateInfo semaphore_info = {};
    semaphore_info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
    VkSemaphore semaphores[2] = {};
    for (VkSemaphore& semaphore : semaphores) {
        ASSERT_EQ(vkCreateSemaphore(session_.device, &semaphore_info, nullptr, &semaphore),
                  VK_SUCCESS);
    }
    const uint64_t wait = 5;
    const uint64_t signal = 9;
    VkTimelineSemaphoreSubmitInfo timelines[2] = {};
    for (VkTimelineSemaphoreSubmitInfo& timeline : timelines) {
        timeline.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
        timeline.signalSemaphoreValueCount = 1;
        timeline.pSignalSemaphoreValues = &signal;
    }
    timelines[1].waitSemaphoreValueCount = 1;
    timelines[1].pWaitSemaphoreValues = &wait;
    const VkSparseMemoryBind bind = Bind(0, Memory(), kBlock);
    const VkSparseBufferMemoryBindInfo buffer = {Buffer(1), 1, &bind};
    std::vector<VkBindSparseInfo> infos = {Info(), Info()};
    for (size_t i = 0; i < 2; ++i) {
        infos[i].pNext = &timelines[i];
        infos[i].signalSemaphoreCount = 1;
        infos[i].pSignalSemaphores = &semaphores[i];
    }
    infos[1].waitSemaphoreCount = 1;
    infos[1].pWaitSemaphores = &semaphores[0];
    infos[1].bufferBindCount = 1;
    infos[1].pBufferBinds = &buffer;
    SubmitAndCompare(infos);
    EXPECT_EQ(timelines[1].pWaitSemaphoreValues, &wait);
    EXPECT_EQ(timelines[1].pSignalSemaphoreValues, &signal);
    for (VkSemaphore semaphore : semaphores)
        vkDestroySemaphore(session_.device, semaphore, nullptr);
}

}  // namespace
}  // namespace tessera::test
