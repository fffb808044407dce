// SPDX-License-Identifier: Apache-2.0
//
// The lists of hooked commands: each name once, each hash that of its name, and every command that
// can carry a pooled handle among them.

#include "layer/vk/intercept/hooks.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>
#include <vector>

namespace tessera {
namespace {

std::vector<Hook> AllHooks() {
    std::vector<Hook> all;
    for (const HookList& list :
         {ExportHooks(), KeyedMutexHooks(), TileMemoryHooks(), MessageHooks(), ToolHooks(),
          AllocateHooks(), BindHooks(), MapHooks(), NamingHooks(), ObservedHooks(),
          PrivateDataHooks(), QueryHooks(), RequirementHooks(), SparseHooks(), InstanceHooks(),
          PhysicalDeviceHooks(), DeviceLifecycleHooks(), DeviceEndHooks()}) {
        EXPECT_GT(list.count, 0u);
        all.insert(all.end(), list.hooks, list.hooks + list.count);
    }
    return all;
}

std::set<std::string> Names() {
    std::set<std::string> names;
    for (const Hook& hook : AllHooks())
        names.insert(hook.name);
    return names;
}

TEST(HashName, IsFnv1a) {
    EXPECT_EQ(HashName(""), 0x811C9DC5u);
    EXPECT_EQ(HashName("a"), 0xE40C292Cu);
    EXPECT_EQ(HashName("foobar"), 0xBF9CF968u);
}

TEST(Hooks, NoCommandIsInTwoLists) {
    EXPECT_EQ(Names().size(), AllHooks().size());
}

TEST(Hooks, EveryEntryHasAFunctionACommandsNameAndItsHash) {
    for (const Hook& hook : AllHooks()) {
        EXPECT_NE(hook.function, nullptr) << hook.name;
        EXPECT_EQ(std::strncmp(hook.name, "vk", 2), 0) << hook.name;
        EXPECT_EQ(hook.hash, HashName(hook.name)) << hook.name;
    }
}

// A command by any of its names reaches the layer, or a pooled handle would reach the driver.
TEST(Hooks, EveryCommandThatCanCarryAPooledHandleIsHookedByAllItsNames) {
    const std::set<std::string> hooked = Names();
    for (const char* name : {
             "vkAllocateMemory",
             "vkGetMemoryFdKHR",
             "vkGetMemoryWin32HandleKHR",
             "vkGetMemoryWin32HandleNV",
             "vkGetMemoryRemoteAddressNV",
             "vkGetMemoryAndroidHardwareBufferANDROID",
             "vkGetMemoryZirconHandleFUCHSIA",
             "vkGetMemoryMetalHandleEXT",
             "vkGetMemoryNativeBufferOHOS",
             "vkExportMetalObjectsEXT",
             "vkCmdBindTileMemoryQCOM",
             "vkBeginCommandBuffer",
             "vkQueueSubmit",
             "vkQueueSubmit2",
             "vkQueueSubmit2KHR",
             "vkSubmitDebugUtilsMessageEXT",
             "vkDebugReportMessageEXT",
             "vkFreeMemory",
             "vkMapMemory",
             "vkUnmapMemory",
             "vkMapMemory2",
             "vkMapMemory2KHR",
             "vkUnmapMemory2",
             "vkUnmapMemory2KHR",
             "vkFlushMappedMemoryRanges",
             "vkInvalidateMappedMemoryRanges",
             "vkBindBufferMemory",
             "vkBindImageMemory",
             "vkBindBufferMemory2",
             "vkBindBufferMemory2KHR",
             "vkBindImageMemory2",
             "vkBindImageMemory2KHR",
             "vkBindAccelerationStructureMemoryNV",
             "vkBindVideoSessionMemoryKHR",
             "vkBindTensorMemoryARM",
             "vkBindDataGraphPipelineSessionMemoryARM",
             "vkQueueBindSparse",
             "vkGetDeviceMemoryCommitment",
             "vkGetDeviceMemoryOpaqueCaptureAddress",
             "vkGetDeviceMemoryOpaqueCaptureAddressKHR",
             "vkSetDeviceMemoryPriorityEXT",
             "vkSetPrivateData",
             "vkSetPrivateDataEXT",
             "vkGetPrivateData",
             "vkGetPrivateDataEXT",
             "vkDestroyPrivateDataSlot",
             "vkDestroyPrivateDataSlotEXT",
             "vkSetDebugUtilsObjectNameEXT",
             "vkSetDebugUtilsObjectTagEXT",
             "vkDebugMarkerSetObjectNameEXT",
             "vkDebugMarkerSetObjectTagEXT",
         }) {
        EXPECT_EQ(hooked.count(name), 1u) << name;
    }
}

TEST(Hooks, WhatRunsPerDrawIsNotHooked) {
    const std::set<std::string> hooked = Names();
    for (const char* name : {"vkCmdDraw", "vkCmdBindDescriptorSets", "vkUpdateDescriptorSets"}) {
        EXPECT_EQ(hooked.count(name), 0u) << name;
    }
}

TEST(Hooks, WhatRunsPerFrameIsHookedOnSomeDevicesOnly) {
    std::set<std::string> selective;
    for (const HookList& list : {KeyedMutexHooks(), TileMemoryHooks()}) {
        EXPECT_NE(list.only_if, nullptr);
        for (size_t i = 0; i < list.count; ++i)
            selective.insert(list.hooks[i].name);
    }
    for (const char* name :
         {"vkQueueSubmit", "vkQueueSubmit2", "vkQueueSubmit2KHR", "vkBeginCommandBuffer"}) {
        EXPECT_EQ(selective.count(name), 1u) << name;
    }
}

}  // namespace
}  // namespace tessera
