// SPDX-License-Identifier: Apache-2.0
//
// Sparse binding: every nested array is translated, and every entry without memory is left alone.

#include "session.h"

namespace tessera::test {
namespace {

constexpr VkDeviceSize kBlock = 65536;

SessionOptions Sparse() {
    SessionOptions options;
    options.features.sparseBinding = VK_TRUE;
    options.features.sparseResidencyBuffer = VK_TRUE;
    options.features.sparseResidencyImage2D = VK_TRUE;
    return options;
}

VkSparseMemoryBind Bind(VkDeviceSize resource_offset, VkDeviceMemory memory, VkDeviceSize offset) {
    VkSparseMemoryBind bind = {};
    bind.resourceOffset = resource_offset;
    bind.size = kBlock;
    bind.memory = memory;
    bind.memoryOffset = offset;
    return bind;
}

// e9, f8: buffers bind to different slots, at offsets, and unbind with NULL.
TEST(Sparse, BufferBindsToSlotsAndUnbinds) {
    Session session(Sparse());
    const VkBuffer buffer = session.MakeBuffer(
        4 * kBlock, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
        VK_BUFFER_CREATE_SPARSE_BINDING_BIT | VK_BUFFER_CREATE_SPARSE_RESIDENCY_BIT);
    const VkMemoryRequirements requirements = session.Requirements(buffer);
    ASSERT_EQ(requirements.alignment, kBlock);
    // Small neighbours, so that a place that is not aligned on purpose would not be by chance.
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 7; ++i)
        memories.push_back(session.Allocate(700, 1));
    const VkDeviceMemory one = session.Allocate(kBlock, 1);
    memories.push_back(session.Allocate(700, 1));
    const VkDeviceMemory two = session.Allocate(2 * kBlock, 1);
    const VkSparseMemoryBind binds[] = {Bind(0, one, 0), Bind(kBlock, two, kBlock),
                                        Bind(2 * kBlock, VK_NULL_HANDLE, 0),
                                        Bind(3 * kBlock, two, 0)};
    VkSparseBufferMemoryBindInfo buffer_info = {buffer, 4, binds};
    VkBindSparseInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
    info.bufferBindCount = 1;
    info.pBufferBinds = &buffer_info;
    EXPECT_EQ(vkQueueBindSparse(session.queue, 1, &info, VK_NULL_HANDLE), VK_SUCCESS);
    EXPECT_EQ(vkQueueWaitIdle(session.queue), VK_SUCCESS);
    EXPECT_EQ(binds[0].memory, one) << "the application's array is not written";

    const VkSparseMemoryBind unbind[] = {Bind(0, VK_NULL_HANDLE, 0),
                                         Bind(kBlock, VK_NULL_HANDLE, 0),
                                         Bind(3 * kBlock, VK_NULL_HANDLE, 0)};
    buffer_info = {buffer, 3, unbind};
    EXPECT_EQ(vkQueueBindSparse(session.queue, 1, &info, VK_NULL_HANDLE), VK_SUCCESS);
    vkDestroyBuffer(session.device, buffer, nullptr);
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Free(one);
    session.Free(two);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// Opaque binds of an image, image binds, several infos of a submission, and one that names nothing.
TEST(Sparse, ImagesAndSeveralInfosAreTranslated) {
    Session session(Sparse());
    const VkImage image = session.MakeImage(
        256, VK_IMAGE_TILING_OPTIMAL,
        VK_IMAGE_CREATE_SPARSE_BINDING_BIT | VK_IMAGE_CREATE_SPARSE_RESIDENCY_BIT);
    const VkMemoryRequirements requirements = session.Requirements(image);
    uint32_t count = 1;
    VkSparseImageMemoryRequirements sparse = {};
    vkGetImageSparseMemoryRequirements(session.device, image, &count, &sparse);
    std::vector<VkDeviceMemory> memories;
    VkSparseImageMemoryBind image_bind = {};
    image_bind.subresource.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT;
    image_bind.extent = sparse.formatProperties.imageGranularity;
    image_bind.memory = session.Allocate(requirements.alignment, 1);
    memories.push_back(image_bind.memory);
    const VkSparseImageMemoryBindInfo image_info = {image, 1, &image_bind};

    const VkBuffer buffer = session.MakeBuffer(kBlock, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                                               VK_BUFFER_CREATE_SPARSE_BINDING_BIT);
    memories.push_back(session.Allocate(kBlock, 1));
    const VkSparseMemoryBind buffer_bind = Bind(0, memories.back(), 0);
    const VkSparseBufferMemoryBindInfo buffer_info = {buffer, 1, &buffer_bind};

    VkBindSparseInfo infos[3] = {};
    for (VkBindSparseInfo& info : infos)
        info.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
    infos[0].imageBindCount = 1;
    infos[0].pImageBinds = &image_info;
    infos[2].bufferBindCount = 1;
    infos[2].pBufferBinds = &buffer_info;
    EXPECT_EQ(vkQueueBindSparse(session.queue, 3, infos, VK_NULL_HANDLE), VK_SUCCESS);
    EXPECT_EQ(vkQueueWaitIdle(session.queue), VK_SUCCESS);
    vkDestroyImage(session.device, image, nullptr);
    vkDestroyBuffer(session.device, buffer, nullptr);
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

TEST(Sparse, StaleMemoryIsRefusedAndNothingIsSubmitted) {
    Session session(Sparse());
    const VkBuffer buffer = session.MakeBuffer(kBlock, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                                               VK_BUFFER_CREATE_SPARSE_BINDING_BIT);
    const VkDeviceMemory memory = session.Allocate(kBlock, 1);
    session.Free(memory);
    const VkSparseMemoryBind bind = Bind(0, memory, 0);
    const VkSparseBufferMemoryBindInfo buffer_info = {buffer, 1, &bind};
    VkBindSparseInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
    info.bufferBindCount = 1;
    info.pBufferBinds = &buffer_info;
    session.mock->reset_call_counts();
    EXPECT_EQ(vkQueueBindSparse(session.queue, 1, &info, VK_NULL_HANDLE),
              VK_ERROR_OUT_OF_DEVICE_MEMORY);
    EXPECT_EQ(session.mock->call_count("vkQueueBindSparse"), 0u);
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
