// SPDX-License-Identifier: Apache-2.0
//
// What the driver tells applications that ask (memory reports, address bindings), and what a
// description can add: names of the older extension, newer submissions, contents of new memory.
#include "gpu.h"
#include "late_vulkan.h"

namespace tessera::mock {
namespace {

uint64_t Bits(VkDeviceMemory memory) {
    return reinterpret_cast<uint64_t>(memory);
}

TEST(MockReports, MemoryReportNamesTheDriversObject) {
    ScopedMock mock(R"({"base": "discrete", "add_extensions": ["VK_EXT_device_memory_report"],
                        "add_features": ["deviceMemoryReport"]})");
    std::vector<VkDeviceMemoryReportCallbackDataEXT> events;
    auto report = Struct<VkDeviceDeviceMemoryReportCreateInfoEXT>(
        VK_STRUCTURE_TYPE_DEVICE_DEVICE_MEMORY_REPORT_CREATE_INFO_EXT);
    report.pfnUserCallback = [](const VkDeviceMemoryReportCallbackDataEXT* data, void* user) {
        static_cast<decltype(events)*>(user)->push_back(*data);
    };
    report.pUserData = &events;
    auto feature = Struct<VkPhysicalDeviceDeviceMemoryReportFeaturesEXT>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DEVICE_MEMORY_REPORT_FEATURES_EXT, &report);
    feature.deviceMemoryReport = VK_TRUE;
    GpuOptions options;
    options.device_extensions = {"VK_EXT_device_memory_report"};
    options.features = &feature;
    Gpu gpu(options);
    VkDeviceMemory memory = gpu.AllocateRaw(1, 100);
    vkFreeMemory(gpu.device, memory, nullptr);
    VkDeviceMemory none = VK_NULL_HANDLE;
    gpu.TryAllocate(1, VkDeviceSize{139} << 30, &none);
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(events[0].type, VK_DEVICE_MEMORY_REPORT_EVENT_TYPE_ALLOCATE_EXT);
    EXPECT_EQ(events[0].objectHandle, Bits(memory));
    EXPECT_GE(events[0].size, 100u);
    EXPECT_EQ(events[0].heapIndex, 0u);
    EXPECT_EQ(events[1].type, VK_DEVICE_MEMORY_REPORT_EVENT_TYPE_FREE_EXT);
    EXPECT_EQ(events[1].memoryObjectId, events[0].memoryObjectId);
    EXPECT_EQ(events[2].type, VK_DEVICE_MEMORY_REPORT_EVENT_TYPE_ALLOCATION_FAILED_EXT);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockReports, AddressBindingFollowsBindAndDestroy) {
    ScopedMock mock(R"({"base": "discrete",
                        "add_extensions": ["VK_EXT_device_address_binding_report"],
                        "add_features": ["reportAddressBinding"]})");
    auto feature = Struct<VkPhysicalDeviceAddressBindingReportFeaturesEXT>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ADDRESS_BINDING_REPORT_FEATURES_EXT);
    feature.reportAddressBinding = VK_TRUE;
    GpuOptions options;
    options.instance_extensions = {"VK_EXT_debug_utils"};
    options.device_extensions = {"VK_EXT_device_address_binding_report"};
    options.features = &feature;
    Gpu gpu(options);
    struct Event {
        VkObjectType type;
        VkDeviceSize size;
        bool bound;
    };
    std::vector<Event> events;
    auto info = Struct<VkDebugUtilsMessengerCreateInfoEXT>(
        VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT);
    info.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_INFO_BIT_EXT;
    info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_DEVICE_ADDRESS_BINDING_BIT_EXT;
    info.pUserData = &events;
    info.pfnUserCallback =
        [](VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
           const VkDebugUtilsMessengerCallbackDataEXT* data, void* user) -> VkBool32 {
        auto* binding = static_cast<const VkDeviceAddressBindingCallbackDataEXT*>(data->pNext);
        static_cast<std::vector<Event>*>(user)->push_back(
            {data->pObjects[0].objectType, binding->size,
             binding->bindingType == VK_DEVICE_ADDRESS_BINDING_TYPE_BIND_EXT});
        return VK_FALSE;
    };
    auto create = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
        vkGetInstanceProcAddr(gpu.instance, "vkCreateDebugUtilsMessengerEXT"));
    auto destroy = reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(
        vkGetInstanceProcAddr(gpu.instance, "vkDestroyDebugUtilsMessengerEXT"));
    VkDebugUtilsMessengerEXT messenger = VK_NULL_HANDLE;
    Check(create(gpu.instance, &info, nullptr, &messenger), "vkCreateDebugUtilsMessengerEXT");
    VkBuffer buffer = gpu.MakeBuffer(64);
    VkDeviceMemory memory = gpu.AllocateRaw(1, 4096);
    Check(vkBindBufferMemory(gpu.device, buffer, memory, 0), "vkBindBufferMemory");
    gpu.DestroyAll();
    vkFreeMemory(gpu.device, memory, nullptr);
    ASSERT_EQ(events.size(), 4u);
    EXPECT_EQ(events[0].type, VK_OBJECT_TYPE_DEVICE_MEMORY);
    EXPECT_EQ(events[1].type, VK_OBJECT_TYPE_BUFFER);
    EXPECT_EQ(events[1].size, 64u);
    EXPECT_TRUE(events[1].bound);
    EXPECT_FALSE(events[2].bound);
    EXPECT_EQ(events[3].type, VK_OBJECT_TYPE_DEVICE_MEMORY);
    destroy(gpu.instance, messenger, nullptr);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockReports, DebugMarkerNamesAreNames) {
    ScopedMock mock(R"({"base": "tiny", "add_extensions": ["VK_EXT_debug_marker"]})");
    GpuOptions options;
    options.instance_extensions = {"VK_EXT_debug_report"};
    options.device_extensions = {"VK_EXT_debug_marker"};
    Gpu gpu(options);
    auto set_name =
        gpu.DeviceCommand<PFN_vkDebugMarkerSetObjectNameEXT>("vkDebugMarkerSetObjectNameEXT");
    ASSERT_NE(set_name, nullptr);
    VkDebugMarkerObjectNameInfoEXT info{VK_STRUCTURE_TYPE_DEBUG_MARKER_OBJECT_NAME_INFO_EXT,
                                        nullptr, VK_DEBUG_REPORT_OBJECT_TYPE_DEVICE_MEMORY_EXT,
                                        Bits(gpu.Allocate(0, 64)), "indices"};
    EXPECT_EQ(set_name(gpu.device, &info), VK_SUCCESS);
    TesseraMockMemory seen;
    ASSERT_EQ(mock->memories(gpu.device, &seen, 1), 1u);
    EXPECT_STREQ(seen.name, "indices");
    EXPECT_EQ(mock.Violations(), "");
    info.object = 0x1234;
    set_name(gpu.device, &info);
    ExpectOneViolation(mock, "0x1234 was never");
}

TEST(MockReports, QueueSubmit2RunsCommands) {
    ScopedMock mock("preset:lavapipe_like");
    auto feature = Struct<VkPhysicalDeviceSynchronization2Features>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES);
    feature.synchronization2 = VK_TRUE;
    GpuOptions options;
    options.features = &feature;
    Gpu gpu(options);
    auto fence_info = Struct<VkFenceCreateInfo>(VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
    VkFence fence = VK_NULL_HANDLE;
    Check(vkCreateFence(gpu.device, &fence_info, nullptr, &fence), "vkCreateFence");
    auto submit = Struct<VkSubmitInfo2>(VK_STRUCTURE_TYPE_SUBMIT_INFO_2);
    EXPECT_EQ(vkQueueSubmit2(gpu.queue, 1, &submit, fence), VK_SUCCESS);
    EXPECT_EQ(vkGetFenceStatus(gpu.device, fence), VK_SUCCESS);
    vkDestroyFence(gpu.device, fence, nullptr);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockReports, FillAndZeroFlagDecideWhatNewMemoryHolds) {
    ScopedMock mock(R"({"base": "noncoherent", "fill": 165,
                        "add_extensions": ["VK_EXT_zero_initialize_device_memory"],
                        "add_features": ["zeroInitializeDeviceMemory"]})");
    auto feature = Struct<VkPhysicalDeviceZeroInitializeDeviceMemoryFeaturesEXT>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ZERO_INITIALIZE_DEVICE_MEMORY_FEATURES_EXT);
    feature.zeroInitializeDeviceMemory = VK_TRUE;
    GpuOptions options;
    options.device_extensions = {"VK_EXT_zero_initialize_device_memory"};
    options.features = &feature;
    Gpu gpu(options);
    EXPECT_EQ(gpu.Map(gpu.Allocate(1, 1000))[999], std::byte{165});
    auto flags = Struct<VkMemoryAllocateFlagsInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
    flags.flags = VK_MEMORY_ALLOCATE_ZERO_INITIALIZE_BIT_EXT;
    EXPECT_EQ(gpu.Map(gpu.Allocate(1, 1000, &flags))[999], std::byte{0});
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockReports, FaultsCanComeWithTheDescription) {
    ScopedMock mock(R"({"base": "tiny", "faults": [
        {"command": "vkAllocateMemory", "nth": 2, "result": -1}]})");
    Gpu gpu;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    gpu.Allocate(0, 64);
    EXPECT_EQ(gpu.TryAllocate(0, 64, &memory), VK_ERROR_OUT_OF_HOST_MEMORY);
    gpu.Allocate(0, 64);
    for (const char* text : {R"({"faults": [{"command": "vkFreeMemory"}]})",
                             R"({"faults": [{"command": "vkNothing"}]})",
                             R"({"faults": [{"command": "vkMapMemory", "result": 0}]})"}) {
        EXPECT_EQ(mock->set_description(text), 0) << text;
    }
}

}  // namespace
}  // namespace tessera::mock
