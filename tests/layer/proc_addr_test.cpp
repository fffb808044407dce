// SPDX-License-Identifier: Apache-2.0
//
// Which names answer with what: nothing looks supported that is not, nothing is hidden, and what
// the layer does not need is the next entity's own function.

#include <dlfcn.h>

#include "session.h"

namespace tessera::test {
namespace {

// The library that a function belongs to.
std::string LibraryOf(PFN_vkVoidFunction function) {
    Dl_info info = {};
    if (function == nullptr || dladdr(reinterpret_cast<void*>(function), &info) == 0) return "";
    return info.dli_fname;
}

bool IsLayers(PFN_vkVoidFunction function) {
    return LibraryOf(function).find("tessera_suballocator") != std::string::npos;
}

// LLP_LAYER_18: the driver has no map_memory2 unless it describes it.
TEST(ProcAddr, HooksExistOnlyWhereTheNextEntityHasTheCommand) {
    SessionOptions options;
    options.description = "preset:lavapipe_like";
    Session session(options);
    for (const char* name :
         {"vkMapMemory2KHR", "vkMapMemory2", "vkUnmapMemory2", "vkBindTensorMemoryARM",
          "vkBindVideoSessionMemoryKHR", "vkSetDeviceMemoryPriorityEXT",
          "vkBindAccelerationStructureMemoryNV", "vkNoSuchCommand"}) {
        EXPECT_EQ(vkGetDeviceProcAddr(session.device, name), nullptr) << name;
    }
    // What the loader knows has a trampoline of the loader's own; the rest it asks the layer for.
    for (const char* name : {"vkMapMemory2KHR", "vkBindTensorMemoryARM", "vkNoSuchCommand"}) {
        EXPECT_EQ(vkGetInstanceProcAddr(session.instance, name), nullptr) << name;
    }
}

TEST(ProcAddr, CommandsThatTheLayerNeedsAreItsOwn) {
    Session session;
    for (const char* name :
         {"vkAllocateMemory", "vkFreeMemory", "vkMapMemory", "vkBindBufferMemory",
          "vkQueueBindSparse", "vkGetBufferMemoryRequirements2"}) {
        EXPECT_TRUE(IsLayers(vkGetDeviceProcAddr(session.device, name))) << name;
    }
}

TEST(ProcAddr, CommandsThatTheLayerDoesNotNeedAreTheDrivers) {
    Session session;
    for (const char* name : {"vkQueueSubmit", "vkCreateBufferView", "vkCmdCopyBuffer",
                             "vkDestroyBufferView", "vkQueueWaitIdle", "vkBeginCommandBuffer"}) {
        const std::string library = LibraryOf(vkGetDeviceProcAddr(session.device, name));
        EXPECT_NE(library.find("mock_driver"), std::string::npos) << name << " in " << library;
    }
}

// With pooling and the channel off there is nothing left to intercept.
TEST(ProcAddr, NothingIsHookedWhenThereIsNothingToDo) {
    SessionOptions options;
    options.environment = {"TESSERA_MODE=off", "TESSERA_CHANNEL=off"};
    Session session(options);
    for (const char* name : {"vkAllocateMemory", "vkFreeMemory", "vkMapMemory"}) {
        EXPECT_FALSE(IsLayers(vkGetDeviceProcAddr(session.device, name))) << name;
    }
    session.Free(session.Allocate(4096, 1));
}

// The layer neither adds nor hides a device extension.
TEST(ProcAddr, DeviceExtensionsAreTheDrivers) {
    std::vector<std::string> lists[2];
    for (int with_layer = 0; with_layer < 2; ++with_layer) {
        SessionOptions options;
        options.use_layer = with_layer == 1;
        Session session(options);
        uint32_t count = 0;
        vkEnumerateDeviceExtensionProperties(session.physical_device, nullptr, &count, nullptr);
        std::vector<VkExtensionProperties> extensions(count);
        vkEnumerateDeviceExtensionProperties(session.physical_device, nullptr, &count,
                                             extensions.data());
        for (const VkExtensionProperties& extension : extensions) {
            lists[with_layer].push_back(extension.extensionName);
        }
    }
    EXPECT_EQ(lists[0], lists[1]);
}

}  // namespace
}  // namespace tessera::test
