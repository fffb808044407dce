// SPDX-License-Identifier: Apache-2.0
//
// The layer's own declarations of what is newer than the oldest headers: their numbers are the
// registry's, and their layouts those of the headers where these have the names, else those that
// the mock driver was given on its own.

#include "layer/vk/late_vulkan.h"

#include <gtest/gtest.h>

#include <cstddef>

#include "tests/driver/src/late_vulkan.h"

namespace tessera {
namespace {

// Numbers as the registry has them at 1.4.360.
TEST(LateVulkan, NumbersAreTheRegistrys) {
    EXPECT_EQ(late::kMemoryMapInfo, 1000271000);
    EXPECT_EQ(late::kMemoryUnmapInfo, 1000271001);
    EXPECT_EQ(late::kMapMemoryPlacedFeatures, 1000272000);
    EXPECT_EQ(late::kBindMemoryStatus, 1000545002);
    EXPECT_EQ(late::kDedicatedAllocateInfoTensor, 1000460014);
    EXPECT_EQ(late::kTensorMemoryRequirementsInfo, 1000460007);
    EXPECT_EQ(late::kDataGraphPipelineSessionMemoryRequirementsInfo, 1000507004);
    EXPECT_EQ(late::kImportMemoryMetalHandleInfo, 1000602000);
    EXPECT_EQ(late::kImportScreenBufferInfo, 1000529002);
    EXPECT_EQ(late::kImportNativeBufferInfo, 1000452003);
    EXPECT_EQ(late::kDescriptorHeapFeatures, 1000135009);
    EXPECT_EQ(late::kLayerSettingsCreateInfo, 1000496000);
    EXPECT_EQ(late::kTileMemoryBindInfo, 1000547003);
    EXPECT_EQ(late::kBufferUsageFlags2CreateInfo, 1000470006);
    EXPECT_EQ(late::kObjectTypeTensor, 1000460000);
    EXPECT_EQ(late::kObjectTypeDataGraphPipelineSession, 1000507000);
    EXPECT_EQ(late::kMemoryAllocateZeroInitializeBit, 0x8u);
    EXPECT_EQ(late::kMemoryHeapTileMemoryBit, 0x8u);
}

#define EXPECT_SAME_MEMBER(own, other, member)                       \
    EXPECT_EQ(offsetof(late::own, member), offsetof(other, member)); \
    EXPECT_EQ(sizeof(late::own::member), sizeof(other::member))
#define EXPECT_SAME_HEAD(own, other)             \
    EXPECT_EQ(sizeof(late::own), sizeof(other)); \
    EXPECT_SAME_MEMBER(own, other, sType);       \
    EXPECT_SAME_MEMBER(own, other, pNext)

TEST(LateVulkan, MappingIsLaidOutAsDeclaredElsewhere) {
    EXPECT_SAME_HEAD(MemoryMapInfo, VkMemoryMapInfo);
    EXPECT_SAME_MEMBER(MemoryMapInfo, VkMemoryMapInfo, flags);
    EXPECT_SAME_MEMBER(MemoryMapInfo, VkMemoryMapInfo, memory);
    EXPECT_SAME_MEMBER(MemoryMapInfo, VkMemoryMapInfo, offset);
    EXPECT_SAME_MEMBER(MemoryMapInfo, VkMemoryMapInfo, size);
    EXPECT_SAME_HEAD(MemoryUnmapInfo, VkMemoryUnmapInfo);
    EXPECT_SAME_MEMBER(MemoryUnmapInfo, VkMemoryUnmapInfo, flags);
    EXPECT_SAME_MEMBER(MemoryUnmapInfo, VkMemoryUnmapInfo, memory);
    EXPECT_SAME_HEAD(MapMemoryPlacedFeatures, VkPhysicalDeviceMapMemoryPlacedFeaturesEXT);
    EXPECT_SAME_MEMBER(MapMemoryPlacedFeatures, VkPhysicalDeviceMapMemoryPlacedFeaturesEXT,
                       memoryMapPlaced);
    EXPECT_SAME_MEMBER(MapMemoryPlacedFeatures, VkPhysicalDeviceMapMemoryPlacedFeaturesEXT,
                       memoryMapRangePlaced);
    EXPECT_SAME_MEMBER(MapMemoryPlacedFeatures, VkPhysicalDeviceMapMemoryPlacedFeaturesEXT,
                       memoryUnmapReserve);
}

TEST(LateVulkan, BindsAreLaidOutAsDeclaredElsewhere) {
    EXPECT_SAME_HEAD(BindMemoryStatus, VkBindMemoryStatus);
    EXPECT_SAME_MEMBER(BindMemoryStatus, VkBindMemoryStatus, pResult);
    EXPECT_SAME_HEAD(TensorMemoryRequirementsInfo, VkTensorMemoryRequirementsInfoARM);
    EXPECT_SAME_MEMBER(TensorMemoryRequirementsInfo, VkTensorMemoryRequirementsInfoARM, tensor);
    EXPECT_SAME_HEAD(BindTensorMemoryInfo, VkBindTensorMemoryInfoARM);
    EXPECT_SAME_MEMBER(BindTensorMemoryInfo, VkBindTensorMemoryInfoARM, tensor);
    EXPECT_SAME_MEMBER(BindTensorMemoryInfo, VkBindTensorMemoryInfoARM, memory);
    EXPECT_SAME_MEMBER(BindTensorMemoryInfo, VkBindTensorMemoryInfoARM, memoryOffset);
    using Own = late::DataGraphPipelineSessionMemoryRequirementsInfo;
    using Other = VkDataGraphPipelineSessionMemoryRequirementsInfoARM;
    EXPECT_EQ(sizeof(Own), sizeof(Other));
    EXPECT_EQ(offsetof(Own, session), offsetof(Other, session));
    EXPECT_EQ(offsetof(Own, bindPoint), offsetof(Other, bindPoint));
    EXPECT_EQ(offsetof(Own, objectIndex), offsetof(Other, objectIndex));
    EXPECT_SAME_HEAD(BindDataGraphPipelineSessionMemoryInfo,
                     VkBindDataGraphPipelineSessionMemoryInfoARM);
    EXPECT_SAME_MEMBER(BindDataGraphPipelineSessionMemoryInfo,
                       VkBindDataGraphPipelineSessionMemoryInfoARM, session);
    EXPECT_SAME_MEMBER(BindDataGraphPipelineSessionMemoryInfo,
                       VkBindDataGraphPipelineSessionMemoryInfoARM, bindPoint);
    EXPECT_SAME_MEMBER(BindDataGraphPipelineSessionMemoryInfo,
                       VkBindDataGraphPipelineSessionMemoryInfoARM, objectIndex);
    EXPECT_SAME_MEMBER(BindDataGraphPipelineSessionMemoryInfo,
                       VkBindDataGraphPipelineSessionMemoryInfoARM, memory);
    EXPECT_SAME_MEMBER(BindDataGraphPipelineSessionMemoryInfo,
                       VkBindDataGraphPipelineSessionMemoryInfoARM, memoryOffset);
}

// Of other platforms. Handles and pointers have eight bytes here, so that these offsets hold.
TEST(LateVulkan, WhatOtherPlatformsHaveIsLaidOutAsTheRegistrySays) {
    static_assert(sizeof(void*) != 8 || offsetof(late::MemoryGetInfo, memory) == 16);
    static_assert(sizeof(void*) != 8 || offsetof(late::TileMemoryBindInfo, memory) == 16);
    EXPECT_SAME_MEMBER(MemoryGetInfo, MockMemoryGetInfo, memory);
    EXPECT_SAME_MEMBER(TileMemoryBindInfo, MockMemoryGetInfo, memory);
    EXPECT_SAME_HEAD(ExportMetalBufferInfo, MockExportMetalInfo);
    EXPECT_SAME_MEMBER(ExportMetalBufferInfo, MockExportMetalInfo, memory);
    EXPECT_SAME_MEMBER(ExportMetalBufferInfo, MockExportMetalInfo, mtlBuffer);
    EXPECT_SAME_HEAD(KeyedMutexInfo, MockKeyedMutexInfo);
    EXPECT_SAME_MEMBER(KeyedMutexInfo, MockKeyedMutexInfo, acquireCount);
    EXPECT_SAME_MEMBER(KeyedMutexInfo, MockKeyedMutexInfo, pAcquireSyncs);
    EXPECT_SAME_MEMBER(KeyedMutexInfo, MockKeyedMutexInfo, releaseCount);
    EXPECT_SAME_MEMBER(KeyedMutexInfo, MockKeyedMutexInfo, pReleaseSyncs);
}

// A count and its array; the elements are a name, a key, a type, and a count and its values.
TEST(LateVulkan, WhatIsDeclaredHereOnlyIsLaidOutAsTheRegistrySays) {
    if (sizeof(void*) != 8) GTEST_SKIP() << "the offsets are those of eight bytes";
    EXPECT_EQ(offsetof(late::LayerSettingsCreateInfo, settingCount), 16u);
    EXPECT_EQ(offsetof(late::LayerSettingsCreateInfo, pSettings), 24u);
    EXPECT_EQ(sizeof(late::LayerSettingsCreateInfo), 32u);
    EXPECT_EQ(offsetof(late::LayerSetting, pLayerName), 0u);
    EXPECT_EQ(offsetof(late::LayerSetting, pSettingName), 8u);
    EXPECT_EQ(offsetof(late::LayerSetting, type), 16u);
    EXPECT_EQ(offsetof(late::LayerSetting, valueCount), 20u);
    EXPECT_EQ(offsetof(late::LayerSetting, pValues), 24u);
    EXPECT_EQ(sizeof(late::LayerSetting), 32u);
    EXPECT_EQ(offsetof(late::DescriptorHeapFeatures, descriptorHeap), 16u);
    EXPECT_EQ(static_cast<int>(late::LayerSettingType::kString), 7);
}

}  // namespace
}  // namespace tessera
