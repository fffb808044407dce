// SPDX-License-Identifier: Apache-2.0
//
// Walking pNext chains, with structures that are known, unknown, repeated or absent.

#include "layer/vk/chain.h"

#include <gtest/gtest.h>

#include "layer/vk/late_vulkan.h"

namespace tessera {
namespace {

VkBaseInStructure Bare(int type, const void* next) {
    return {static_cast<VkStructureType>(type), static_cast<const VkBaseInStructure*>(next)};
}

const VkMemoryAllocateFlagsInfo* FindFlags(const void* head) {
    return FindInChain<VkMemoryAllocateFlagsInfo>(head,
                                                  VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
}

TEST(FindInChain, AnEmptyChainHoldsNothing) {
    EXPECT_EQ(FindFlags(nullptr), nullptr);
}

TEST(FindInChain, AnAbsentTypeIsNotFound) {
    const VkBaseInStructure last = Bare(1000999001, nullptr);
    const VkBaseInStructure first = Bare(1000999000, &last);
    EXPECT_EQ(FindFlags(&first), nullptr);
}

TEST(FindInChain, TheFirstOfItsTypeIsFoundBehindOthers) {
    VkMemoryAllocateFlagsInfo second = {};
    second.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    VkMemoryAllocateFlagsInfo first = second;
    first.pNext = &second;
    const VkBaseInStructure head = Bare(1000999000, &first);
    EXPECT_EQ(FindFlags(&head), &first);
    EXPECT_EQ(FindFlags(first.pNext), &second);
    EXPECT_EQ(FindFlags(second.pNext), nullptr);
}

TEST(FindInChain, ATypeNewerThanTheHeadersIsFoundByItsNumber) {
    VkResult result = VK_SUCCESS;
    late::BindMemoryStatus status = {static_cast<VkStructureType>(late::kBindMemoryStatus), nullptr,
                                     &result};
    const VkBaseInStructure head = Bare(1000999000, &status);
    const auto* found = FindInChain<late::BindMemoryStatus>(&head, late::kBindMemoryStatus);
    ASSERT_EQ(found, &status);
    EXPECT_EQ(found->pResult, &result);
}

TEST(FindLinkInfo, TheLinkIsFoundBehindTheLoadersOtherStructures) {
    VkLayerDeviceCreateInfo link = {};
    link.sType = VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO;
    link.function = VK_LAYER_LINK_INFO;
    VkLayerDeviceCreateInfo callback = {};
    callback.sType = VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO;
    callback.function = VK_LOADER_DATA_CALLBACK;
    callback.pNext = &link;
    const VkBaseInStructure head = Bare(1000999000, &callback);
    EXPECT_EQ(
        FindLinkInfo<VkLayerDeviceCreateInfo>(&head, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO),
        &link);
}

TEST(FindLinkInfo, WithoutALinkThereIsNone) {
    VkLayerInstanceCreateInfo callback = {};
    callback.sType = VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO;
    callback.function = VK_LOADER_DATA_CALLBACK;
    const auto find = [](const void* head) {
        return FindLinkInfo<VkLayerInstanceCreateInfo>(
            head, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO);
    };
    EXPECT_EQ(find(&callback), nullptr);
    EXPECT_EQ(find(nullptr), nullptr);
}

}  // namespace
}  // namespace tessera
