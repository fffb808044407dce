// SPDX-License-Identifier: Apache-2.0
//
// What a described device says about itself, through the real loader: presets, changes by JSON,
// several devices, and descriptions that are wrong.
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>

#include "gpu.h"

namespace tessera::mock {
namespace {

VkPhysicalDeviceMemoryProperties MemoryOf(const Gpu& gpu) {
    VkPhysicalDeviceMemoryProperties memory{};
    vkGetPhysicalDeviceMemoryProperties(gpu.physical, &memory);
    return memory;
}

VkPhysicalDeviceProperties PropertiesOf(const Gpu& gpu) {
    VkPhysicalDeviceProperties properties{};
    vkGetPhysicalDeviceProperties(gpu.physical, &properties);
    return properties;
}

std::vector<VkMemoryPropertyFlags> FlagsOf(const Gpu& gpu) {
    const VkPhysicalDeviceMemoryProperties memory = MemoryOf(gpu);
    std::vector<VkMemoryPropertyFlags> flags;
    for (uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
        flags.push_back(memory.memoryTypes[i].propertyFlags);
    }
    return flags;
}

std::set<std::string> ExtensionsOf(const Gpu& gpu) {
    uint32_t count = 0;
    vkEnumerateDeviceExtensionProperties(gpu.physical, nullptr, &count, nullptr);
    std::vector<VkExtensionProperties> all(count);
    vkEnumerateDeviceExtensionProperties(gpu.physical, nullptr, &count, all.data());
    std::set<std::string> names;
    for (const VkExtensionProperties& one : all)
        names.insert(one.extensionName);
    return names;
}

TEST(MockDescription, LavapipeLikeHasOneTypeWithEverything) {
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    EXPECT_EQ(FlagsOf(gpu), std::vector<VkMemoryPropertyFlags>{0xF});
    const VkPhysicalDeviceLimits limits = PropertiesOf(gpu).limits;
    EXPECT_EQ(limits.bufferImageGranularity, 64u);
    EXPECT_EQ(limits.nonCoherentAtomSize, 64u);
    EXPECT_EQ(limits.minMemoryMapAlignment, 64u);
    VkMemoryRequirements needs = gpu.Needs(gpu.MakeBuffer(1));
    EXPECT_EQ(needs.size, 1u);
    EXPECT_EQ(needs.alignment, 64u);
}

TEST(MockDescription, DiscreteAdmitsOptimalImagesInTwoOfFiveTypes) {
    ScopedMock mock("preset:discrete");
    Gpu gpu;
    EXPECT_EQ(FlagsOf(gpu), (std::vector<VkMemoryPropertyFlags>{0, 1, 6, 14, 7}));
    EXPECT_EQ(PropertiesOf(gpu).limits.bufferImageGranularity, 1024u);
    EXPECT_EQ(gpu.Needs(gpu.MakeImage(Gpu::ImageInfo(16, 16))).memoryTypeBits, 0b00011u);
    EXPECT_EQ(gpu.Needs(gpu.MakeBuffer(100)).memoryTypeBits, 0b11111u);
    EXPECT_TRUE(ExtensionsOf(gpu).contains("VK_EXT_memory_budget"));
}

TEST(MockDescription, NonCoherentHasLazyAndProtectedTypes) {
    ScopedMock mock("preset:noncoherent");
    Gpu gpu;
    const auto flags = FlagsOf(gpu);
    ASSERT_EQ(flags.size(), 6u);
    EXPECT_EQ(flags[1] & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, 0u);
    EXPECT_TRUE(flags[4] & VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT);
    EXPECT_TRUE(flags[5] & VK_MEMORY_PROPERTY_PROTECTED_BIT);
    EXPECT_EQ(PropertiesOf(gpu).limits.nonCoherentAtomSize, 256u);
    // Neither kind is for ordinary buffers, and only transient attachments may be lazy.
    EXPECT_EQ(gpu.Needs(gpu.MakeBuffer(100)).memoryTypeBits, 0b001111u);
    VkImageCreateInfo transient = Gpu::ImageInfo(16, 16);
    transient.usage = VK_IMAGE_USAGE_TRANSIENT_ATTACHMENT_BIT | VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT;
    EXPECT_EQ(gpu.Needs(gpu.MakeImage(transient)).memoryTypeBits, 0b011111u);
}

TEST(MockDescription, OtherPresetsCarryTheirPoint) {
    {
        ScopedMock mock("preset:granularity64k");
        Gpu gpu;
        EXPECT_EQ(PropertiesOf(gpu).limits.bufferImageGranularity, 65536u);
        EXPECT_EQ(gpu.Needs(gpu.MakeImage(Gpu::ImageInfo(4, 4))).alignment, 65536u);
    }
    {
        ScopedMock mock("preset:tiny");
        Gpu gpu;
        EXPECT_EQ(PropertiesOf(gpu).limits.maxMemoryAllocationCount, 64u);
        EXPECT_EQ(MemoryOf(gpu).memoryHeaps[0].size, VkDeviceSize{16} << 20);
    }
}

// Every type of every preset follows the order that the specification asks of memory types: one
// whose flags are contained in another's comes first, unless they are AMD's.
TEST(MockDescription, EveryPresetIsAMachineThatVulkanAllows) {
    uint32_t count = 0;
    for (; Control().preset_name(count) != nullptr; ++count) {
        const std::string name = Control().preset_name(count);
        SCOPED_TRACE(name);
        ScopedMock mock(("preset:" + name).c_str());
        ASSERT_TRUE(mock.good());
        mock->clear_faults();
        Gpu gpu;
        EXPECT_TRUE(Has(PropertiesOf(gpu).deviceName, name));
        const std::vector<VkMemoryPropertyFlags> flags = FlagsOf(gpu);
        constexpr VkMemoryPropertyFlags kAmd = VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD;
        for (size_t later = 0; later < flags.size(); ++later) {
            for (size_t earlier = 0; earlier < later; ++earlier) {
                const VkMemoryPropertyFlags both = flags[earlier] & flags[later];
                const bool backwards = both == flags[later] && flags[earlier] != flags[later];
                EXPECT_FALSE(backwards && !((flags[earlier] | flags[later]) & kAmd))
                    << "types " << earlier << " and " << later;
            }
        }
        // What the specification promises: a type that is visible and coherent, and one local type.
        bool coherent = false;
        bool local = false;
        for (VkMemoryPropertyFlags one : flags) {
            coherent |= (one & 0b110) == 0b110;
            local |= one & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
        }
        EXPECT_TRUE(coherent);
        EXPECT_TRUE(local);
        EXPECT_EQ(mock.Violations(), "");
    }
    EXPECT_GE(count, 12u);
}

TEST(MockDescription, LinkedDevicesFormAGroup) {
    ScopedMock mock("preset:linked,preset:discrete,preset:linked");
    Gpu gpu;
    uint32_t count = 0;
    Check(vkEnumeratePhysicalDeviceGroups(gpu.instance, &count, nullptr), "groups");
    ASSERT_EQ(count, 2u);
    VkPhysicalDeviceGroupProperties groups[2] = {};
    for (auto& group : groups)
        group.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_GROUP_PROPERTIES;
    Check(vkEnumeratePhysicalDeviceGroups(gpu.instance, &count, groups), "groups");
    const VkPhysicalDeviceGroupProperties& linked =
        groups[groups[0].physicalDeviceCount == 2 ? 0 : 1];
    ASSERT_EQ(linked.physicalDeviceCount, 2u);
    EXPECT_TRUE(linked.subsetAllocation);

    auto info =
        Struct<VkDeviceGroupDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_GROUP_DEVICE_CREATE_INFO);
    info.physicalDeviceCount = 2;
    info.pPhysicalDevices = linked.physicalDevices;
    const float priority = 1;
    auto queue = Struct<VkDeviceQueueCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    auto device_info = Struct<VkDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, &info);
    device_info.queueCreateInfoCount = 1;
    device_info.pQueueCreateInfos = &queue;
    VkDevice device = VK_NULL_HANDLE;
    Check(vkCreateDevice(linked.physicalDevices[0], &device_info, nullptr, &device), "device");

    // Memory of the device's own heap has two instances, unless it is asked for on one of them.
    auto flags = Struct<VkMemoryAllocateFlagsInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_MASK_BIT;
    for (const uint32_t mask : {0b11u, 0b10u, 0b100u}) {
        flags.deviceMask = mask;
        VkMemoryAllocateInfo allocate{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, &flags, 64, 2};
        VkDeviceMemory memory = VK_NULL_HANDLE;
        Check(vkAllocateMemory(device, &allocate, nullptr, &memory), "vkAllocateMemory");
        void* data = nullptr;
        const VkResult mapped = vkMapMemory(device, memory, 0, 64, 0, &data);
        if (mask == 0b11) {
            EXPECT_NE(mapped, VK_SUCCESS);
            ExpectOneViolation(mock, "VUID-vkMapMemory-memory-00683");
        } else if (mask == 0b10) {
            EXPECT_EQ(mapped, VK_SUCCESS);
            EXPECT_EQ(mock.Violations(), "");
        } else {
            ExpectOneViolation(mock, "deviceMask-00675");
        }
        vkFreeMemory(device, memory, nullptr);
    }
    vkDestroyDevice(device, nullptr);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockDescription, ImagesMayNeedLessThanTheirAlignment) {
    ScopedMock mock("preset:odd_sizes");
    Gpu gpu;
    const VkMemoryRequirements needs = gpu.Needs(gpu.MakeImage(Gpu::ImageInfo(3, 3)));
    EXPECT_EQ(needs.alignment, 16384u);
    EXPECT_EQ(needs.size, 64u);  // 36 bytes of texels; planes are multiples of 64
}

TEST(MockDescription, ExtendedQueriesAnswerTheChainsTheyKnow) {
    ScopedMock mock("preset:discrete");
    Gpu gpu;
    auto limits = Struct<VkPhysicalDeviceMaintenance3Properties>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES);
    auto driver = Struct<VkPhysicalDeviceDriverProperties>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES, &limits);
    auto all = Struct<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                                   &driver);
    vkGetPhysicalDeviceProperties2(gpu.physical, &all);
    EXPECT_EQ(limits.maxMemoryAllocationSize, 0xffe00000u);
    EXPECT_STREQ(driver.driverName, "tessera_mock");

    auto twelve = Struct<VkPhysicalDeviceVulkan12Features>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES);
    twelve.shaderInt8 = VK_TRUE;  // not supported: must become false
    auto features =
        Struct<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &twelve);
    vkGetPhysicalDeviceFeatures2(gpu.physical, &features);
    EXPECT_TRUE(twelve.bufferDeviceAddress);
    EXPECT_FALSE(twelve.shaderInt8);
    EXPECT_TRUE(features.features.sparseBinding);
    EXPECT_FALSE(features.features.geometryShader);
}

TEST(MockDescription, JsonReplacesWhatItNames) {
    ScopedMock mock(R"({
        "base": "discrete", "name": "changed", "api_version": "1.2.100",
        "driver": {"id": 22, "name": "venus"},
        "device_uuid": "000102030405060708090a0b0c0d0e0f",
        "heaps": [{"size": "64MiB", "flags": ["DEVICE_LOCAL"]}],
        "memory_types": [{"heap": 0, "flags": ["DEVICE_LOCAL"]},
                         {"heap": 0, "flags": ["HOST_VISIBLE", "HOST_COHERENT"]}],
        "optimal_image_types": [0],
        "limits": {"bufferImageGranularity": 4096, "maxMemoryAllocationCount": 7},
        "alignment": {"uniform": 128, "optimal_image": "64KiB"},
        "add_extensions": ["VK_EXT_made_up"]})");
    ASSERT_TRUE(mock.good());
    Gpu gpu;
    const VkPhysicalDeviceProperties properties = PropertiesOf(gpu);
    EXPECT_STREQ(properties.deviceName, "changed");
    EXPECT_EQ(properties.apiVersion, VK_MAKE_API_VERSION(0, 1, 2, 100));
    EXPECT_EQ(properties.limits.maxMemoryAllocationCount, 7u);
    EXPECT_EQ(properties.limits.minUniformBufferOffsetAlignment, 128u);
    auto twelve = Struct<VkPhysicalDeviceVulkan12Properties>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES);
    auto ids = Struct<VkPhysicalDeviceIDProperties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
                                                    &twelve);
    auto all =
        Struct<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &ids);
    vkGetPhysicalDeviceProperties2(gpu.physical, &all);
    EXPECT_EQ(twelve.driverID, VK_DRIVER_ID_MESA_VENUS);
    EXPECT_EQ(ids.deviceUUID[15], 15);
    EXPECT_EQ(MemoryOf(gpu).memoryHeaps[0].size, VkDeviceSize{64} << 20);
    EXPECT_EQ(gpu.Needs(gpu.MakeImage(Gpu::ImageInfo(4, 4))).alignment, 65536u);
    EXPECT_EQ(gpu.Needs(gpu.MakeBuffer(4, VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT)).alignment, 128u);
    EXPECT_TRUE(ExtensionsOf(gpu).contains("VK_EXT_made_up"));
}

TEST(MockDescription, ListGivesSeveralPhysicalDevices) {
    ScopedMock mock("preset:discrete,preset:tiny");
    Gpu first;
    GpuOptions options;
    options.physical_device = 1;
    Gpu second(options);
    EXPECT_STREQ(PropertiesOf(first).deviceName, "Tessera Mock (discrete)");
    EXPECT_STREQ(PropertiesOf(second).deviceName, "Tessera Mock (tiny)");
}

TEST(MockDescription, EnvironmentIsReadWhenTheControlGivesNothing) {
    ScopedMock mock("");
    const std::string path = testing::TempDir() + "/tessera_mock_description.json";
    std::ofstream(path) << R"({"base": "tiny", "name": "from a file"})";
    setenv("TESSERA_MOCK_DESCRIPTION", path.c_str(), 1);
    Gpu from_file;
    EXPECT_STREQ(PropertiesOf(from_file).deviceName, "from a file");
    setenv("TESSERA_MOCK_DESCRIPTION", "preset:budget", 1);
    Gpu from_preset;
    EXPECT_STREQ(PropertiesOf(from_preset).deviceName, "Tessera Mock (budget)");
    unsetenv("TESSERA_MOCK_DESCRIPTION");
}

TEST(MockDescription, WrongTextIsRefused) {
    for (const char* text :
         {"preset:nothing", "{\"base\": \"nothing\"}", "{\"colour\": 1}",
          "{\"limits\": {\"x\": 1}}", "{not json", "[]", "{\"heaps\": []}",
          "{\"limits\": {\"nonCoherentAtomSize\": 3}}", "{\"memory_types\": [{\"heap\": 9}]}",
          "{\"heaps\": [{\"size\": \"1MB\"}]}", "{\"handles\": \"sideways\"}",
          "{\"features\": [\"madeUp\"]}", "{\"cost_ns\": {\"vkNothing\": 1}}",
          "{\"optimal_image_types\": [4]}", "{\"memory_types\": [{\"flags\": [\"SHINY\"]}]}",
          "{\"name\": 3}"}) {
        ScopedMock mock(text);
        EXPECT_FALSE(mock.good()) << text;
    }
}

TEST(MockDescription, WrongEnvironmentMakesNoDevice) {
    ScopedMock mock("");
    setenv("TESSERA_MOCK_DESCRIPTION", "preset:nothing", 1);
    auto info = Struct<VkInstanceCreateInfo>(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
    VkInstance instance = VK_NULL_HANDLE;
    EXPECT_EQ(vkCreateInstance(&info, nullptr, &instance), VK_ERROR_INCOMPATIBLE_DRIVER);
    unsetenv("TESSERA_MOCK_DESCRIPTION");
}

TEST(MockDescription, DeviceRefusesWhatIsNotDescribed) {
    ScopedMock mock("preset:tiny");
    GpuOptions extension;
    extension.device_extensions = {"VK_EXT_memory_budget"};
    EXPECT_THROW(Gpu{extension}, std::runtime_error);
    VkPhysicalDeviceMemoryPriorityFeaturesEXT priority{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PRIORITY_FEATURES_EXT, nullptr, VK_TRUE};
    GpuOptions feature;
    feature.features = &priority;
    EXPECT_THROW(Gpu{feature}, std::runtime_error);
    auto core = Struct<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
    core.features.geometryShader = VK_TRUE;
    feature.features = &core;
    EXPECT_THROW(Gpu{feature}, std::runtime_error);
}

TEST(MockDescription, CommandsExistOnlyWhereDescribedAndEnabled) {
    ScopedMock mock("preset:discrete");
    {
        Gpu plain;
        EXPECT_EQ(vkGetDeviceProcAddr(plain.device, "vkMapMemory2KHR"), nullptr);
        EXPECT_EQ(vkGetDeviceProcAddr(plain.device, "vkSetDeviceMemoryPriorityEXT"), nullptr);
        EXPECT_EQ(vkGetDeviceProcAddr(plain.device, "vkCmdDraw"), nullptr);
        EXPECT_NE(vkGetDeviceProcAddr(plain.device, "vkBindBufferMemory2"), nullptr);
        EXPECT_EQ(vkGetDeviceProcAddr(plain.device, "vkBindBufferMemory2KHR"), nullptr);
    }
    GpuOptions options;
    options.device_extensions = {"VK_KHR_map_memory2", "VK_KHR_bind_memory2"};
    Gpu extended(options);
    EXPECT_NE(vkGetDeviceProcAddr(extended.device, "vkMapMemory2KHR"), nullptr);
    EXPECT_NE(vkGetDeviceProcAddr(extended.device, "vkBindBufferMemory2KHR"), nullptr);

    mock->set_description(R"({"base": "tiny", "api_version": "1.0.0"})");
    Gpu old;
    EXPECT_EQ(vkGetDeviceProcAddr(old.device, "vkBindBufferMemory2"), nullptr);
    EXPECT_NE(vkGetDeviceProcAddr(old.device, "vkBindBufferMemory"), nullptr);
}

TEST(MockDescription, SparseCanBeSwitchedOff) {
    ScopedMock mock(R"({"base": "discrete", "sparse": false})");
    Gpu gpu;
    VkPhysicalDeviceFeatures features{};
    vkGetPhysicalDeviceFeatures(gpu.physical, &features);
    EXPECT_FALSE(features.sparseBinding);
    EXPECT_EQ(PropertiesOf(gpu).limits.sparseAddressSpaceSize, 0u);
}

TEST(MockDescription, BudgetFollowsTheProcess) {
    ScopedMock mock("preset:budget");
    Gpu gpu;
    Gpu other;  // another instance and device of the same hardware
    auto usage = [&] {
        auto budget = Struct<VkPhysicalDeviceMemoryBudgetPropertiesEXT>(
            VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT);
        auto memory = Struct<VkPhysicalDeviceMemoryProperties2>(
            VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, &budget);
        vkGetPhysicalDeviceMemoryProperties2(gpu.physical, &memory);
        EXPECT_GT(budget.heapBudget[0], 0u);
        EXPECT_LE(budget.heapBudget[0], memory.memoryProperties.memoryHeaps[0].size);
        EXPECT_EQ(budget.heapUsage[5], 0u);
        return budget.heapUsage[0];
    };
    const VkDeviceSize before = usage();
    EXPECT_EQ(before, VkDeviceSize{5} << 20);
    VkDeviceMemory memory = other.AllocateRaw(0, 1 << 20);
    EXPECT_EQ(usage(), before + (1 << 20));
    vkFreeMemory(other.device, memory, nullptr);
    EXPECT_EQ(usage(), before);
}

TEST(MockDescription, ChargeIsRoundedPerType) {
    ScopedMock mock("preset:discrete");
    Gpu gpu;
    auto budget = Struct<VkPhysicalDeviceMemoryBudgetPropertiesEXT>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT);
    auto memory = Struct<VkPhysicalDeviceMemoryProperties2>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, &budget);
    gpu.Allocate(1, 256);
    gpu.Allocate(2, 256);
    vkGetPhysicalDeviceMemoryProperties2(gpu.physical, &memory);
    EXPECT_EQ(budget.heapUsage[0], 65536u);
    EXPECT_EQ(budget.heapUsage[1], 4096u);
}

}  // namespace
}  // namespace tessera::mock
