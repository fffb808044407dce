// SPDX-License-Identifier: Apache-2.0
//
// Contents: what copies, fills and sparse binds do to the bytes, and what is said about resources
// that cannot be used.
#include <cstring>
#include <numeric>

#include "gpu.h"

namespace tessera::mock {
namespace {

std::vector<uint8_t> Pattern(size_t size) {
    std::vector<uint8_t> bytes(size);
    std::iota(bytes.begin(), bytes.end(), uint8_t{1});
    return bytes;
}

VkBufferImageCopy WholeImage(uint32_t width, uint32_t height) {
    VkBufferImageCopy copy{};
    copy.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    copy.imageExtent = {width, height, 1};
    return copy;
}

// A device with everything sparse.
struct SparseGpu {
    SparseGpu() {
        features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
        features.features.sparseBinding = VK_TRUE;
        features.features.sparseResidencyBuffer = VK_TRUE;
        features.features.sparseResidencyImage2D = VK_TRUE;
        options.features = &features;
    }
    VkPhysicalDeviceFeatures2 features{};
    GpuOptions options;
};

TEST(MockContents, BytesTravelThroughBuffersAndImages) {
    for (const char* preset : {"preset:lavapipe_like", "preset:discrete", "preset:noncoherent"}) {
        SCOPED_TRACE(preset);
        ScopedMock mock(preset);
        {
            Gpu gpu;
            const bool one_type = std::strstr(preset, "lavapipe") != nullptr;
            const uint32_t host = one_type ? 0 : 2;
            const uint32_t local = one_type ? 0 : 1;
            const auto bytes = Pattern(32 * 32 * 4);
            VkDeviceMemory staging_memory = VK_NULL_HANDLE, back_memory = VK_NULL_HANDLE;
            VkBuffer staging = gpu.MakeBoundBuffer(host, bytes.size(), &staging_memory);
            VkBuffer device_buffer = gpu.MakeBoundBuffer(local, bytes.size());
            VkBuffer back = gpu.MakeBoundBuffer(host, bytes.size(), &back_memory);
            VkImage image = gpu.MakeImage(Gpu::ImageInfo(32, 32));
            VkDeviceMemory image_memory = gpu.Allocate(local, gpu.Needs(image).size);
            Check(vkBindImageMemory(gpu.device, image, image_memory, 0), "vkBindImageMemory");
            std::memcpy(gpu.Map(staging_memory), bytes.data(), bytes.size());
            const VkBufferCopy all{0, 0, bytes.size()};
            const VkBufferImageCopy whole = WholeImage(32, 32);
            gpu.Run([&](VkCommandBuffer commands) {
                vkCmdCopyBuffer(commands, staging, device_buffer, 1, &all);
                vkCmdCopyBufferToImage(commands, device_buffer, image,
                                       VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &whole);
                vkCmdCopyImageToBuffer(commands, image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, back,
                                       1, &whole);
            });
            EXPECT_EQ(std::memcmp(gpu.Map(back_memory), bytes.data(), bytes.size()), 0);
        }
        EXPECT_EQ(mock.Violations(), "");
    }
}

TEST(MockContents, FillAndUpdateWriteTheirRanges) {
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkBuffer buffer = gpu.MakeBoundBuffer(0, 64, &memory);
    const uint32_t words[2] = {7, 8};
    gpu.Run([&](VkCommandBuffer commands) {
        vkCmdFillBuffer(commands, buffer, 16, VK_WHOLE_SIZE, 0xABCDABCD);
        vkCmdUpdateBuffer(commands, buffer, 32, sizeof(words), words);
    });
    uint32_t seen[16];
    std::memcpy(seen, gpu.Map(memory), sizeof(seen));
    EXPECT_EQ(seen[3], 0u);
    EXPECT_EQ(seen[4], 0xABCDABCD);
    EXPECT_EQ(seen[8], 7u);
    EXPECT_EQ(seen[9], 8u);
    EXPECT_EQ(seen[15], 0xABCDABCD);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockContents, AliasedResourcesShareBytes) {
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    VkDeviceMemory memory = gpu.Allocate(0, 4096);
    VkBuffer whole = gpu.MakeBuffer(1024);
    VkBuffer part = gpu.MakeBuffer(64);
    Check(vkBindBufferMemory(gpu.device, whole, memory, 0), "bind");
    Check(vkBindBufferMemory(gpu.device, part, memory, 512), "bind");
    gpu.Run([&](VkCommandBuffer commands) { vkCmdFillBuffer(commands, part, 0, 64, 0x55555555); });
    EXPECT_EQ(gpu.Map(memory)[512], std::byte{0x55});
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockContents, MipsLayersAndRowLengthsHitTheRightTexels) {
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    VkImageCreateInfo info = Gpu::ImageInfo(16, 8);
    info.mipLevels = 3;
    info.arrayLayers = 2;
    VkImage image = gpu.MakeImage(info);
    Check(vkBindImageMemory(gpu.device, image, gpu.Allocate(0, gpu.Needs(image).size), 0), "bind");
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkBuffer buffer = gpu.MakeBoundBuffer(0, 4096, &memory);
    std::byte* bytes = gpu.Map(memory);
    const auto pattern = Pattern(1024);
    std::memcpy(bytes, pattern.data(), pattern.size());
    // A 3x2 piece of level 1 in both layers, from rows of 5 texels and slices of 4 rows.
    VkBufferImageCopy in{};
    in.bufferRowLength = 5;
    in.bufferImageHeight = 4;
    in.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 1, 0, 2};
    in.imageOffset = {4, 1, 0};
    in.imageExtent = {3, 2, 1};
    VkBufferImageCopy out = in;
    out.bufferOffset = 2048;
    out.bufferRowLength = 0;
    out.bufferImageHeight = 0;
    gpu.Run([&](VkCommandBuffer commands) {
        vkCmdCopyBufferToImage(commands, buffer, image, VK_IMAGE_LAYOUT_GENERAL, 1, &in);
        vkCmdCopyImageToBuffer(commands, image, VK_IMAGE_LAYOUT_GENERAL, buffer, 1, &out);
    });
    for (size_t layer = 0; layer < 2; ++layer) {
        for (size_t row = 0; row < 2; ++row) {
            const size_t from = (layer * 4 + row) * 5 * 4;
            const size_t to = 2048 + (layer * 2 + row) * 3 * 4;
            EXPECT_EQ(std::memcmp(bytes + to, pattern.data() + from, 12), 0);
        }
    }
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockContents, ResourcesThatCannotBeUsedAreReported) {
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    VkBuffer unbound = gpu.MakeBuffer(64);
    gpu.Run([&](VkCommandBuffer commands) { vkCmdFillBuffer(commands, unbound, 0, 64, 1); });
    ExpectOneViolation(mock, "vkCmdFillBuffer: the resource is not bound to memory");
    VkBuffer freed = gpu.MakeBuffer(64);
    VkDeviceMemory memory = gpu.AllocateRaw(0, 64);
    Check(vkBindBufferMemory(gpu.device, freed, memory, 0), "bind");
    vkFreeMemory(gpu.device, memory, nullptr);
    EXPECT_EQ(mock.Violations(), "") << "freeing first is allowed";
    gpu.Run([&](VkCommandBuffer commands) { vkCmdFillBuffer(commands, freed, 0, 64, 1); });
    ExpectOneViolation(mock, "has been freed");
}

TEST(MockContents, RegionsOutsideAreReportedAndLeftOut) {
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    VkBuffer small = gpu.MakeBoundBuffer(0, 64);
    VkBuffer large = gpu.MakeBoundBuffer(0, 256);
    const VkBufferCopy past{0, 32, 64};
    gpu.Run([&](VkCommandBuffer commands) { vkCmdCopyBuffer(commands, large, small, 1, &past); });
    ExpectOneViolation(mock, "VUID-vkCmdCopyBuffer-size-00116");
    VkImage image = gpu.MakeImage(Gpu::ImageInfo(4, 4));
    Check(vkBindImageMemory(gpu.device, image, gpu.Allocate(0, gpu.Needs(image).size), 0), "bind");
    const VkBufferImageCopy wide = WholeImage(8, 4);
    const VkBufferImageCopy whole = WholeImage(4, 4);
    gpu.Run([&](VkCommandBuffer commands) {
        vkCmdCopyBufferToImage(commands, large, image, VK_IMAGE_LAYOUT_GENERAL, 1, &wide);
    });
    ExpectOneViolation(mock, "outside of the image");
    VkBuffer tiny = gpu.MakeBoundBuffer(0, 60);
    gpu.Run([&](VkCommandBuffer commands) {
        vkCmdCopyBufferToImage(commands, tiny, image, VK_IMAGE_LAYOUT_GENERAL, 1, &whole);
    });
    ExpectOneViolation(mock, "ends at byte 64 of a buffer of 60");
}

TEST(MockSparse, BufferPagesMoveBetweenMemories) {
    ScopedMock mock("preset:discrete");
    SparseGpu sparse;
    Gpu gpu(sparse.options);
    VkBuffer buffer = gpu.MakeBuffer(
        4 * 65536, VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
        VK_BUFFER_CREATE_SPARSE_BINDING_BIT | VK_BUFFER_CREATE_SPARSE_RESIDENCY_BIT);
    EXPECT_EQ(gpu.Needs(buffer).alignment, 65536u);
    VkDeviceMemory first = gpu.Allocate(1, 3 * 65536);
    VkDeviceMemory second = gpu.Allocate(1, 65536);
    auto bind = [&](std::vector<VkSparseMemoryBind> binds) {
        VkSparseBufferMemoryBindInfo buffer_binds{buffer, static_cast<uint32_t>(binds.size()),
                                                  binds.data()};
        auto info = Struct<VkBindSparseInfo>(VK_STRUCTURE_TYPE_BIND_SPARSE_INFO);
        info.bufferBindCount = 1;
        info.pBufferBinds = &buffer_binds;
        Check(vkQueueBindSparse(gpu.queue, 1, &info, VK_NULL_HANDLE), "vkQueueBindSparse");
    };
    bind({{0, 3 * 65536, first, 0, 0}, {65536, 65536, second, 0, 0}});
    gpu.Run([&](VkCommandBuffer commands) {
        vkCmdFillBuffer(commands, buffer, 0, VK_WHOLE_SIZE, 0x01010101);
    });
    auto byte_of = [&](VkDeviceMemory memory, VkDeviceSize offset) {
        uint8_t byte = 0xFF;
        mock->read_memory(gpu.device, memory, offset, &byte, 1);
        return byte;
    };
    EXPECT_EQ(byte_of(first, 65535), 1);
    EXPECT_EQ(byte_of(first, 65536), 0) << "replaced by the second memory";
    EXPECT_EQ(byte_of(second, 0), 1);
    EXPECT_EQ(byte_of(first, 2 * 65536), 1);
    // Unbound pages read as zero and swallow writes: the residency is strict.
    bind({{0, 65536, VK_NULL_HANDLE, 0, 0}});
    VkBuffer back = gpu.MakeBoundBuffer(2, 2 * 65536);
    TesseraMockBinding where;
    mock->find_buffer(gpu.device, back, &where);
    const VkBufferCopy copy{0, 0, 2 * 65536};
    gpu.Run([&](VkCommandBuffer commands) { vkCmdCopyBuffer(commands, buffer, back, 1, &copy); });
    EXPECT_EQ(byte_of(where.memory, 0), 0);
    EXPECT_EQ(byte_of(where.memory, 65536), 1);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockSparse, WrongRangesAreReported) {
    ScopedMock mock("preset:discrete");
    SparseGpu sparse;
    Gpu gpu(sparse.options);
    VkBuffer buffer = gpu.MakeBuffer(2 * 65536, VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                     VK_BUFFER_CREATE_SPARSE_BINDING_BIT);
    VkDeviceMemory memory = gpu.Allocate(1, 2 * 65536);
    auto bind = [&](VkSparseMemoryBind one) {
        VkSparseBufferMemoryBindInfo buffer_binds{buffer, 1, &one};
        auto info = Struct<VkBindSparseInfo>(VK_STRUCTURE_TYPE_BIND_SPARSE_INFO);
        info.bufferBindCount = 1;
        info.pBufferBinds = &buffer_binds;
        vkQueueBindSparse(gpu.queue, 1, &info, VK_NULL_HANDLE);
    };
    bind({0, 65536, memory, 1024, 0});
    ExpectOneViolation(mock, "VUID-VkSparseMemoryBind-memory-01096");
    bind({0, 2 * 65536, memory, 65536, 0});
    ExpectOneViolation(mock, "VUID-VkSparseMemoryBind-size-01102");
    bind({0, 65536, memory, 2 * 65536, 0});
    ExpectOneViolation(mock, "VUID-VkSparseMemoryBind-memoryOffset-01101");
    bind({2 * 65536, 65536, memory, 0, 0});
    ExpectOneViolation(mock, "VUID-VkSparseMemoryBind-resourceOffset-01099");
    bind({65536, 2 * 65536, memory, 0, 0});
    ExpectOneViolation(mock, "VUID-VkSparseMemoryBind-size-01100");
    bind({0, 100, memory, 0, 0});
    ExpectOneViolation(mock, "VUID-VkSparseMemoryBind-resourceOffset-09492");
    bind({0, 65536, reinterpret_cast<VkDeviceMemory>(0x1234), 0, 0});
    ExpectOneViolation(mock, "VUID-VkSparseMemoryBind-memory-parameter");
}

TEST(MockSparse, ImageBlocksAndMipTailHoldTheTexels) {
    ScopedMock mock("preset:discrete");
    SparseGpu sparse;
    Gpu gpu(sparse.options);
    VkImageCreateInfo info = Gpu::ImageInfo(256, 256);
    info.flags = VK_IMAGE_CREATE_SPARSE_BINDING_BIT | VK_IMAGE_CREATE_SPARSE_RESIDENCY_BIT;
    info.mipLevels = 9;
    VkImage image = gpu.MakeImage(info);
    uint32_t count = 1;
    VkSparseImageMemoryRequirements needs{};
    vkGetImageSparseMemoryRequirements(gpu.device, image, &count, &needs);
    ASSERT_EQ(count, 1u);
    EXPECT_EQ(needs.formatProperties.imageGranularity.width, 128u);
    EXPECT_EQ(needs.formatProperties.imageGranularity.height, 128u);
    EXPECT_EQ(needs.imageMipTailFirstLod, 2u);
    EXPECT_EQ(needs.imageMipTailSize, 65536u);

    VkDeviceMemory memory = gpu.Allocate(1, 8 * 65536);
    const VkImageSubresource level0{VK_IMAGE_ASPECT_COLOR_BIT, 0, 0};
    const VkImageSubresource level1{VK_IMAGE_ASPECT_COLOR_BIT, 1, 0};
    // The upper right block of level 0 last, so that its place shows in the memory.
    const VkSparseImageMemoryBind blocks[] = {
        {level0, {0, 0, 0}, {128, 128, 1}, memory, 0, 0},
        {level0, {0, 128, 0}, {256, 128, 1}, memory, 65536, 0},
        {level1, {0, 0, 0}, {128, 128, 1}, memory, 3 * 65536, 0},
        {level0, {128, 0, 0}, {128, 128, 1}, memory, 6 * 65536, 0}};
    const VkSparseImageMemoryBindInfo block_binds{image, 4, blocks};
    const VkSparseMemoryBind tail{needs.imageMipTailOffset, needs.imageMipTailSize, memory,
                                  4 * 65536, 0};
    const VkSparseImageOpaqueMemoryBindInfo tail_binds{image, 1, &tail};
    auto bind = Struct<VkBindSparseInfo>(VK_STRUCTURE_TYPE_BIND_SPARSE_INFO);
    bind.imageBindCount = 1;
    bind.pImageBinds = &block_binds;
    bind.imageOpaqueBindCount = 1;
    bind.pImageOpaqueBinds = &tail_binds;
    Check(vkQueueBindSparse(gpu.queue, 1, &bind, VK_NULL_HANDLE), "vkQueueBindSparse");

    const auto pattern = Pattern(256 * 256 * 4);
    VkDeviceMemory staging_memory = VK_NULL_HANDLE, back_memory = VK_NULL_HANDLE;
    VkBuffer staging = gpu.MakeBoundBuffer(2, pattern.size(), &staging_memory);
    VkBuffer back = gpu.MakeBoundBuffer(2, pattern.size(), &back_memory);
    std::memcpy(gpu.Map(staging_memory), pattern.data(), pattern.size());
    VkBufferImageCopy whole = WholeImage(256, 256);
    VkBufferImageCopy small = WholeImage(4, 4);
    small.imageSubresource.mipLevel = 6;
    gpu.Run([&](VkCommandBuffer commands) {
        vkCmdCopyBufferToImage(commands, staging, image, VK_IMAGE_LAYOUT_GENERAL, 1, &whole);
        vkCmdCopyBufferToImage(commands, staging, image, VK_IMAGE_LAYOUT_GENERAL, 1, &small);
        vkCmdCopyImageToBuffer(commands, image, VK_IMAGE_LAYOUT_GENERAL, back, 1, &whole);
    });
    EXPECT_EQ(std::memcmp(gpu.Map(back_memory), pattern.data(), pattern.size()), 0);
    uint8_t block_row[16];
    mock->read_memory(gpu.device, memory, 6 * 65536 + 128 * 4, block_row, sizeof(block_row));
    EXPECT_EQ(std::memcmp(block_row, pattern.data() + 256 * 4 + 128 * 4, sizeof(block_row)), 0)
        << "row 1 of the upper right block";
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockSparse, WrongBlocksAreReported) {
    ScopedMock mock("preset:discrete");
    SparseGpu sparse;
    Gpu gpu(sparse.options);
    VkImageCreateInfo info = Gpu::ImageInfo(256, 200);
    info.flags = VK_IMAGE_CREATE_SPARSE_BINDING_BIT | VK_IMAGE_CREATE_SPARSE_RESIDENCY_BIT;
    info.mipLevels = 4;
    VkImage image = gpu.MakeImage(info);
    VkDeviceMemory memory = gpu.Allocate(1, 4 * 65536);
    auto bind = [&](uint32_t level, VkOffset3D offset, VkExtent3D extent, VkDeviceSize at) {
        VkSparseImageMemoryBind one{
            {VK_IMAGE_ASPECT_COLOR_BIT, level, 0}, offset, extent, memory, at, 0};
        VkSparseImageMemoryBindInfo binds{image, 1, &one};
        auto sparse_info = Struct<VkBindSparseInfo>(VK_STRUCTURE_TYPE_BIND_SPARSE_INFO);
        sparse_info.imageBindCount = 1;
        sparse_info.pImageBinds = &binds;
        vkQueueBindSparse(gpu.queue, 1, &sparse_info, VK_NULL_HANDLE);
    };
    bind(0, {0, 128, 0}, {256, 72, 1}, 0);
    EXPECT_EQ(mock.Violations(), "") << "a box may end with the image";
    bind(0, {64, 0, 0}, {128, 128, 1}, 0);
    ExpectOneViolation(mock, "VUID-VkSparseImageMemoryBind-offset-01107");
    bind(0, {0, 0, 0}, {128, 100, 1}, 0);
    ExpectOneViolation(mock, "VUID-VkSparseImageMemoryBind-extent-01110");
    bind(3, {0, 0, 0}, {32, 25, 1}, 0);
    ExpectOneViolation(mock, "VUID-VkSparseImageMemoryBind-subresource-01106");
    bind(0, {0, 0, 0}, {256, 128, 1}, 3 * 65536);
    ExpectOneViolation(mock, "VUID-VkSparseMemoryBind-size-01102");
    bind(0, {0, 0, 0}, {128, 128, 1}, 512);
    ExpectOneViolation(mock, "VUID-VkSparseImageMemoryBind-memory-01105");
}

}  // namespace
}  // namespace tessera::mock
