// SPDX-License-Identifier: Apache-2.0
//
// What is bound to a sparse resource, seen by its bytes: the device copies through the resource,
// and the memory has to have the same. Rules: f8, e9 and the structures of vkQueueBindSparse.

#include <algorithm>

#include "session.h"

namespace tessera::test {
namespace {

constexpr VkDeviceSize kBlock = 65536;
constexpr uint32_t kDeviceType = 1;
constexpr uint32_t kHostType = 2;

SessionOptions Sparse() {
    SessionOptions options;
    options.features.sparseBinding = VK_TRUE;
    options.features.sparseResidencyBuffer = VK_TRUE;
    options.features.sparseResidencyImage2D = VK_TRUE;
    return options;
}

class SparseContents {
 public:
    SparseContents() : session_(Sparse()) {
        // Nothing that follows begins where its block does.
        for (uint32_t type : {kDeviceType, kHostType})
            memories_.push_back(session_.Allocate(kBlock, type));
    }
    ~SparseContents() {
        for (VkBuffer buffer : buffers_)
            vkDestroyBuffer(session_.device, buffer, nullptr);
        for (VkImage image : images_)
            vkDestroyImage(session_.device, image, nullptr);
        for (VkDeviceMemory memory : memories_)
            session_.Free(memory);
        session_.Close();
        EXPECT_EQ(session_.mock.Violations(), "");
    }
    Session* operator->() { return &session_; }

    VkDeviceMemory Allocate(uint32_t type, VkDeviceSize size = kBlock) {
        memories_.push_back(session_.Allocate(size, type));
        return memories_.back();
    }
    VkBuffer Buffer(VkBufferCreateFlags flags) {
        buffers_.push_back(session_.MakeBuffer(
            kBlock, VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT, flags));
        return buffers_.back();
    }
    // An image of one sparse block.
    VkImage Image(VkImageCreateFlags flags) {
        images_.push_back(session_.MakeImage(128, VK_IMAGE_TILING_OPTIMAL, flags));
        EXPECT_EQ(session_.Requirements(images_.back()).size, kBlock);
        return images_.back();
    }
    // A buffer bound to the whole of a block of memory, through which its bytes can be seen.
    VkBuffer Window(VkDeviceMemory memory) {
        const VkBuffer buffer = Buffer(0);
        EXPECT_EQ(vkBindBufferMemory(session_.device, buffer, memory, 0), VK_SUCCESS);
        return buffer;
    }
    void FillBuffer(VkBuffer buffer, uint32_t value) {
        session_.Run([&](VkCommandBuffer commands) {
            vkCmdFillBuffer(commands, buffer, 0, VK_WHOLE_SIZE, value);
        });
    }
    // Whether every byte that the device sees of a buffer has the value.
    bool HoldsOnly(VkBuffer window, uint8_t value) {
        TesseraMockBinding place = {};
        EXPECT_TRUE(session_.mock->find_buffer(session_.device, window, &place));
        std::vector<uint8_t> bytes(kBlock);
        EXPECT_TRUE(session_.mock->read_memory(session_.device, place.memory, place.offset,
                                               bytes.data(), bytes.size()));
        return std::all_of(bytes.begin(), bytes.end(),
                           [value](uint8_t byte) { return byte == value; });
    }
    void FillImage(VkImage image, uint8_t value) {
        const VkBuffer source = Window(Allocate(kDeviceType));
        FillBuffer(source, value * 0x01010101u);
        VkBufferImageCopy copy = {};
        copy.imageSubresource.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT;
        copy.imageSubresource.layerCount = 1;
        copy.imageExtent = {128, 128, 1};
        session_.Run([&](VkCommandBuffer commands) {
            vkCmdCopyBufferToImage(commands, source, image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1,
                                   &copy);
        });
    }
    VkResult Submit(const VkBindSparseInfo& info) {
        VkBindSparseInfo typed = info;
        typed.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
        const VkResult result = vkQueueBindSparse(session_.queue, 1, &typed, VK_NULL_HANDLE);
        if (result == VK_SUCCESS) {
            EXPECT_EQ(vkQueueWaitIdle(session_.queue), VK_SUCCESS);
        }
        return result;
    }

 private:
    Session session_;
    std::vector<VkDeviceMemory> memories_;
    std::vector<VkBuffer> buffers_;
    std::vector<VkImage> images_;
};

VkSparseMemoryBind Bind(VkDeviceMemory memory) {
    VkSparseMemoryBind bind = {};
    bind.size = kBlock;
    bind.memory = memory;
    return bind;
}

TEST(Sparse, BufferHasTheBytesOfItsMemory) {
    SparseContents test;
    const VkDeviceMemory memory = test.Allocate(kDeviceType);
    const VkBuffer buffer = test.Buffer(VK_BUFFER_CREATE_SPARSE_BINDING_BIT);
    const VkSparseMemoryBind bind = Bind(memory);
    const VkSparseBufferMemoryBindInfo binds = {buffer, 1, &bind};
    VkBindSparseInfo info = {};
    info.bufferBindCount = 1;
    info.pBufferBinds = &binds;
    ASSERT_EQ(test.Submit(info), VK_SUCCESS);
    test.FillBuffer(buffer, 0x5A5A5A5A);
    EXPECT_TRUE(test.HoldsOnly(test.Window(memory), 0x5A));
}

TEST(Sparse, OpaqueImageHasTheBytesOfItsMemory) {
    SparseContents test;
    const VkDeviceMemory memory = test.Allocate(kDeviceType);
    const VkImage image = test.Image(VK_IMAGE_CREATE_SPARSE_BINDING_BIT);
    const VkSparseMemoryBind bind = Bind(memory);
    const VkSparseImageOpaqueMemoryBindInfo binds = {image, 1, &bind};
    VkBindSparseInfo info = {};
    info.imageOpaqueBindCount = 1;
    info.pImageOpaqueBinds = &binds;
    ASSERT_EQ(test.Submit(info), VK_SUCCESS);
    test.FillImage(image, 0x6B);
    EXPECT_TRUE(test.HoldsOnly(test.Window(memory), 0x6B));
}

TEST(Sparse, ImageBlockHasTheBytesOfItsMemory) {
    SparseContents test;
    const VkDeviceMemory memory = test.Allocate(kDeviceType);
    const VkImage image =
        test.Image(VK_IMAGE_CREATE_SPARSE_BINDING_BIT | VK_IMAGE_CREATE_SPARSE_RESIDENCY_BIT);
    VkSparseImageMemoryBind bind = {};
    bind.subresource.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT;
    bind.extent = {128, 128, 1};
    bind.memory = memory;
    const VkSparseImageMemoryBindInfo binds = {image, 1, &bind};
    VkBindSparseInfo info = {};
    info.imageBindCount = 1;
    info.pImageBinds = &binds;
    ASSERT_EQ(test.Submit(info), VK_SUCCESS);
    test.FillImage(image, 0x7C);
    EXPECT_TRUE(test.HoldsOnly(test.Window(memory), 0x7C));
}

// f8: each resource of a submission keeps its own binds.
TEST(Sparse, BindsOfSeveralBuffersStayApart) {
    SparseContents test;
    VkDeviceMemory memories[3];
    VkSparseMemoryBind binds[3];
    VkSparseBufferMemoryBindInfo infos[3];
    for (int i = 0; i < 3; ++i) {
        memories[i] = test.Allocate(kDeviceType);
        binds[i] = Bind(memories[i]);
        infos[i] = {test.Buffer(VK_BUFFER_CREATE_SPARSE_BINDING_BIT), 1, &binds[i]};
    }
    VkBindSparseInfo info = {};
    info.bufferBindCount = 3;
    info.pBufferBinds = infos;
    ASSERT_EQ(test.Submit(info), VK_SUCCESS);
    for (uint32_t i = 0; i < 3; ++i)
        test.FillBuffer(infos[i].buffer, (i + 1) * 0x01010101u);
    for (uint8_t i = 0; i < 3; ++i)
        EXPECT_TRUE(test.HoldsOnly(test.Window(memories[i]), static_cast<uint8_t>(i + 1)));
}

// e9: memory that was mapped before anything was asked about still suits a sparse block.
TEST(Sparse, MappedMemoryIsAlignedForSparseBlocks) {
    SparseContents test;
    test.Allocate(kHostType, 700);
    const VkDeviceMemory memory = test.Allocate(kHostType);
    test->Map(memory);
    const VkBuffer buffer = test.Buffer(VK_BUFFER_CREATE_SPARSE_BINDING_BIT);
    ASSERT_EQ(test->Requirements(buffer).alignment, kBlock);
    const VkSparseMemoryBind bind = Bind(memory);
    const VkSparseBufferMemoryBindInfo binds = {buffer, 1, &bind};
    VkBindSparseInfo info = {};
    info.bufferBindCount = 1;
    info.pBufferBinds = &binds;
    EXPECT_EQ(test.Submit(info), VK_SUCCESS);
}

}  // namespace
}  // namespace tessera::test
