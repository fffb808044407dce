// SPDX-License-Identifier: Apache-2.0
//
// What switches pooling off for a device, and what its features keep out of the pool: one test for
// each condition, read from a device's create info as an application writes it.

#include "layer/vk/gates.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "layer/vk/known_extensions.h"
#include "layer/vk/late_vulkan.h"

namespace tessera {
namespace {

template <typename T>
T Make(int type) {
    T structure = {};
    structure.sType = static_cast<VkStructureType>(type);
    return structure;
}

constexpr uint32_t MesaVersion(uint32_t major, uint32_t minor) {
    return VK_MAKE_API_VERSION(0, major, minor, 0);
}

class GatesTest : public testing::Test {
 protected:
    GatesTest() {
        driver_.has_driver_id = true;
        driver_.driver_id = VK_DRIVER_ID_MESA_LLVMPIPE;
        driver_.device_name = "llvmpipe";
    }

    Gates Evaluate(const void* chain = nullptr,
                   const VkPhysicalDeviceFeatures* features = nullptr) const {
        VkDeviceCreateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
        info.pNext = chain;
        info.pEnabledFeatures = features;
        return EvaluateGates(info, driver_, settings_);
    }
    Gates WithExtensions(const std::vector<const char*>& names) const {
        VkDeviceCreateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
        info.enabledExtensionCount = static_cast<uint32_t>(names.size());
        info.ppEnabledExtensionNames = names.data();
        return EvaluateGates(info, driver_, settings_);
    }
    // What the one gate is with its feature off and on; nothing else may change.
    template <typename T>
    void ExpectGate(T structure, VkBool32 T::*feature, bool Gates::*gate) const {
        structure.*feature = VK_FALSE;
        EXPECT_FALSE(Evaluate(&structure).*gate);
        structure.*feature = VK_TRUE;
        EXPECT_TRUE(Evaluate(&structure).*gate);
        EXPECT_EQ(Evaluate(&structure).off, TESSERA_REASON_none);
    }
    template <typename T>
    void ExpectOff(T structure, VkBool32 T::*feature, tessera_reason reason) const {
        structure.*feature = VK_FALSE;
        EXPECT_EQ(Evaluate(&structure).off, TESSERA_REASON_none);
        structure.*feature = VK_TRUE;
        EXPECT_EQ(Evaluate(&structure).off, reason);
    }

    DriverIdentity driver_;
    Settings settings_;
};

TEST_F(GatesTest, ADeviceWithoutAnythingSpecialPools) {
    const Gates gates = Evaluate();
    EXPECT_EQ(gates.off, TESSERA_REASON_none);
    EXPECT_FALSE(gates.capture_replay);
    EXPECT_FALSE(gates.placed_map);
    EXPECT_FALSE(gates.sparse_binding);
    EXPECT_FALSE(gates.descriptor_heap);
    EXPECT_FALSE(gates.descriptor_buffer);
    EXPECT_FALSE(gates.memory_priority);
}

// Extensions that the layer has never heard of.

TEST_F(GatesTest, KnownExtensionsChangeNothingHoweverStrict) {
    for (const KnownExtension& extension : KnownExtensions()) {
        for (bool strict : {false, true}) {
            settings_.strict = strict;
            EXPECT_EQ(WithExtensions({extension.name.data()}).off, TESSERA_REASON_none)
                << extension.name;
        }
    }
}

TEST_F(GatesTest, AnUnknownExtensionSwitchesOffIfItSpeaksOfMemory) {
    EXPECT_EQ(WithExtensions({"VK_KHR_map_memory9"}).off, TESSERA_REASON_unknown_extension);
    EXPECT_EQ(WithExtensions({"VK_XYZ_external_memory_box"}).off, TESSERA_REASON_unknown_extension);
}

TEST_F(GatesTest, AnyOtherUnknownExtensionSwitchesOffOnlyUnderStrict) {
    EXPECT_EQ(WithExtensions({"VK_XYZ_faster_triangles"}).off, TESSERA_REASON_none);
    settings_.strict = true;
    EXPECT_EQ(WithExtensions({"VK_XYZ_faster_triangles"}).off, TESSERA_REASON_unknown_extension);
}

TEST_F(GatesTest, AnUnknownExtensionIsFoundAmongKnownOnes) {
    EXPECT_EQ(WithExtensions({"VK_KHR_swapchain", "VK_XYZ_faster_triangles", "VK_XYZ_memory",
                              "VK_EXT_memory_budget"})
                  .off,
              TESSERA_REASON_unknown_extension);
}

TEST_F(GatesTest, AnUnknownExtensionIsTheLastOfADevicesReasons) {
    settings_.mode = Mode::kOff;
    EXPECT_EQ(WithExtensions({"VK_XYZ_memory"}).off, TESSERA_REASON_disabled);
}

TEST_F(GatesTest, NamesThatOnlyBeginOrEndLikeAKnownOneAreUnknown) {
    settings_.strict = true;
    for (const char* name : {"VK_KHR_swapchai", "VK_KHR_swapchain2", "vk_khr_swapchain", ""}) {
        EXPECT_EQ(WithExtensions({name}).off, TESSERA_REASON_unknown_extension) << name;
    }
}

// Features and structures that switch the device off.

TEST_F(GatesTest, AMemoryReportFeatureSwitchesOff) {
    ExpectOff(Make<VkPhysicalDeviceDeviceMemoryReportFeaturesEXT>(
                  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DEVICE_MEMORY_REPORT_FEATURES_EXT),
              &VkPhysicalDeviceDeviceMemoryReportFeaturesEXT::deviceMemoryReport,
              TESSERA_REASON_memory_report);
}

TEST_F(GatesTest, AMemoryReportCallbackSwitchesOff) {
    const auto callback = Make<VkDeviceDeviceMemoryReportCreateInfoEXT>(
        VK_STRUCTURE_TYPE_DEVICE_DEVICE_MEMORY_REPORT_CREATE_INFO_EXT);
    EXPECT_EQ(Evaluate(&callback).off, TESSERA_REASON_memory_report);
}

TEST_F(GatesTest, AnAddressBindingReportSwitchesOff) {
    ExpectOff(Make<VkPhysicalDeviceAddressBindingReportFeaturesEXT>(
                  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ADDRESS_BINDING_REPORT_FEATURES_EXT),
              &VkPhysicalDeviceAddressBindingReportFeaturesEXT::reportAddressBinding,
              TESSERA_REASON_address_binding);
}

TEST_F(GatesTest, CaptureReplayOfTheOldExtensionSwitchesOff) {
    ExpectOff(Make<VkPhysicalDeviceBufferDeviceAddressFeaturesEXT>(
                  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES_EXT),
              &VkPhysicalDeviceBufferDeviceAddressFeaturesEXT::bufferDeviceAddressCaptureReplay,
              TESSERA_REASON_capture_replay);
}

TEST_F(GatesTest, DeviceAddressesOfTheOldExtensionAloneChangeNothing) {
    auto features = Make<VkPhysicalDeviceBufferDeviceAddressFeaturesEXT>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES_EXT);
    features.bufferDeviceAddress = VK_TRUE;
    EXPECT_EQ(Evaluate(&features).off, TESSERA_REASON_none);
}

TEST_F(GatesTest, SeveralPhysicalDevicesSwitchOffAndOneDoesNot) {
    auto group =
        Make<VkDeviceGroupDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_GROUP_DEVICE_CREATE_INFO);
    for (uint32_t count : {0u, 1u}) {
        group.physicalDeviceCount = count;
        EXPECT_EQ(Evaluate(&group).off, TESSERA_REASON_none) << count;
    }
    group.physicalDeviceCount = 2;
    EXPECT_EQ(Evaluate(&group).off, TESSERA_REASON_device_group);
}

// Features that keep some allocations out, or ask more of their places.

TEST_F(GatesTest, CaptureReplayOfCoreIsNoticed) {
    ExpectGate(Make<VkPhysicalDeviceVulkan12Features>(
                   VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES),
               &VkPhysicalDeviceVulkan12Features::bufferDeviceAddressCaptureReplay,
               &Gates::capture_replay);
}

TEST_F(GatesTest, CaptureReplayOfTheExtensionIsNoticed) {
    ExpectGate(Make<VkPhysicalDeviceBufferDeviceAddressFeatures>(
                   VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES),
               &VkPhysicalDeviceBufferDeviceAddressFeatures::bufferDeviceAddressCaptureReplay,
               &Gates::capture_replay);
}

TEST_F(GatesTest, DeviceAddressesAloneAreNoCaptureReplay) {
    auto features = Make<VkPhysicalDeviceVulkan12Features>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES);
    features.bufferDeviceAddress = VK_TRUE;
    EXPECT_FALSE(Evaluate(&features).capture_replay);
}

TEST_F(GatesTest, PlacedMapsAreNoticed) {
    ExpectGate(Make<late::MapMemoryPlacedFeatures>(1000272000),
               &late::MapMemoryPlacedFeatures::memoryMapPlaced, &Gates::placed_map);
}

TEST_F(GatesTest, UnmapsThatReserveTheirAddressesAreNoticedAsPlacedMaps) {
    ExpectGate(Make<late::MapMemoryPlacedFeatures>(1000272000),
               &late::MapMemoryPlacedFeatures::memoryUnmapReserve, &Gates::placed_map);
}

TEST_F(GatesTest, DescriptorBuffersAreNoticed) {
    ExpectGate(Make<VkPhysicalDeviceDescriptorBufferFeaturesEXT>(
                   VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DESCRIPTOR_BUFFER_FEATURES_EXT),
               &VkPhysicalDeviceDescriptorBufferFeaturesEXT::descriptorBuffer,
               &Gates::descriptor_buffer);
}

TEST_F(GatesTest, DescriptorHeapsAreNoticed) {
    ExpectGate(Make<late::DescriptorHeapFeatures>(1000135009),
               &late::DescriptorHeapFeatures::descriptorHeap, &Gates::descriptor_heap);
}

TEST_F(GatesTest, MemoryPriorityIsNoticed) {
    ExpectGate(Make<VkPhysicalDeviceMemoryPriorityFeaturesEXT>(
                   VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PRIORITY_FEATURES_EXT),
               &VkPhysicalDeviceMemoryPriorityFeaturesEXT::memoryPriority, &Gates::memory_priority);
}

TEST_F(GatesTest, SparseBindingIsNoticedInEitherPlaceOfCoreFeatures) {
    VkPhysicalDeviceFeatures features = {};
    EXPECT_FALSE(Evaluate(nullptr, &features).sparse_binding);
    features.sparseBinding = VK_TRUE;
    EXPECT_TRUE(Evaluate(nullptr, &features).sparse_binding);
    auto features2 = Make<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
    EXPECT_FALSE(Evaluate(&features2).sparse_binding);
    features2.features = features;
    EXPECT_TRUE(Evaluate(&features2).sparse_binding);
}

TEST_F(GatesTest, EveryStructureOfAChainIsReadInAnyOrder) {
    auto placed = Make<late::MapMemoryPlacedFeatures>(late::kMapMemoryPlacedFeatures);
    placed.memoryMapPlaced = VK_TRUE;
    auto report = Make<VkPhysicalDeviceAddressBindingReportFeaturesEXT>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ADDRESS_BINDING_REPORT_FEATURES_EXT);
    report.reportAddressBinding = VK_TRUE;
    auto unknown = Make<VkBaseInStructure>(1000999000);
    unknown.pNext = reinterpret_cast<VkBaseInStructure*>(&placed);
    placed.pNext = &report;
    EXPECT_TRUE(Evaluate(&unknown).placed_map);
    EXPECT_EQ(Evaluate(&unknown).off, TESSERA_REASON_address_binding);
    placed.pNext = nullptr;
    report.pNext = &unknown;
    EXPECT_TRUE(Evaluate(&report).placed_map);
    EXPECT_EQ(Evaluate(&report).off, TESSERA_REASON_address_binding);
}

TEST_F(GatesTest, AStructureNobodyKnowsChangesNothing) {
    const auto unknown = Make<VkBaseInStructure>(1000999000);
    EXPECT_EQ(Evaluate(&unknown).off, TESSERA_REASON_none);
}

// Settings and rights.

TEST_F(GatesTest, TheSettingSwitchesOff) {
    settings_.mode = Mode::kOff;
    EXPECT_EQ(Evaluate().off, TESSERA_REASON_disabled);
}

TEST_F(GatesTest, ElevatedRightsComeBeforeTheSettingTheDriverAndTheFeatures) {
    settings_.elevated = true;
    settings_.mode = Mode::kOff;
    driver_.driver_id = VK_DRIVER_ID_MESA_VENUS;
    const auto callback = Make<VkDeviceDeviceMemoryReportCreateInfoEXT>(
        VK_STRUCTURE_TYPE_DEVICE_DEVICE_MEMORY_REPORT_CREATE_INFO_EXT);
    EXPECT_EQ(Evaluate(&callback).off, TESSERA_REASON_elevated);
    settings_.elevated = false;
    EXPECT_EQ(Evaluate(&callback).off, TESSERA_REASON_disabled);
    settings_.mode = Mode::kPool;
    EXPECT_EQ(Evaluate(&callback).off, TESSERA_REASON_driver_pools);
    driver_.driver_id = VK_DRIVER_ID_MESA_RADV;
    EXPECT_EQ(Evaluate(&callback).off, TESSERA_REASON_memory_report);
}

// Drivers that pool.

TEST_F(GatesTest, VenusPoolsByItselfInEveryVersion) {
    driver_.driver_id = VK_DRIVER_ID_MESA_VENUS;
    driver_.driver_version = 0;
    EXPECT_EQ(Evaluate().off, TESSERA_REASON_driver_pools);
}

TEST_F(GatesTest, WithoutADriverIdVenusIsKnownByItsName) {
    driver_.has_driver_id = false;
    driver_.device_name = "Virtio-GPU Venus (AMD Radeon RX 6800)";
    EXPECT_EQ(Evaluate().off, TESSERA_REASON_driver_pools);
    driver_.device_name = "Virtio-GPU Venu";
    EXPECT_EQ(Evaluate().off, TESSERA_REASON_none);
    driver_.device_name = "";
    EXPECT_EQ(Evaluate().off, TESSERA_REASON_none);
}

TEST_F(GatesTest, WithADriverIdTheNameDoesNotCount) {
    driver_.device_name = "Virtio-GPU Venus";
    EXPECT_EQ(Evaluate().off, TESSERA_REASON_none);
}

TEST_F(GatesTest, AnvPoolsByItselfSince25_1) {
    driver_.driver_id = VK_DRIVER_ID_INTEL_OPEN_SOURCE_MESA;
    driver_.vendor_id = 0x8086;
    for (uint32_t version : {MesaVersion(22, 3), MesaVersion(24, 3), MesaVersion(25, 1) - 1}) {
        driver_.driver_version = version;
        EXPECT_EQ(Evaluate().off, TESSERA_REASON_none) << version;
    }
    for (uint32_t version : {MesaVersion(25, 1), MesaVersion(25, 3), MesaVersion(26, 0)}) {
        driver_.driver_version = version;
        EXPECT_EQ(Evaluate().off, TESSERA_REASON_driver_pools) << version;
    }
}

TEST_F(GatesTest, WithoutADriverIdAnvIsKnownByItsVendor) {
    driver_.has_driver_id = false;
    driver_.vendor_id = 0x8086;
    driver_.driver_version = MesaVersion(25, 1);
    EXPECT_EQ(Evaluate().off, TESSERA_REASON_driver_pools);
    driver_.driver_version = MesaVersion(24, 3);
    EXPECT_EQ(Evaluate().off, TESSERA_REASON_none);
    driver_.vendor_id = 0x1002;
    driver_.driver_version = MesaVersion(25, 1);
    EXPECT_EQ(Evaluate().off, TESSERA_REASON_none);
}

TEST_F(GatesTest, OtherDriversOfIntelsVendorAreNotAnv) {
    driver_.driver_id = VK_DRIVER_ID_INTEL_PROPRIETARY_WINDOWS;
    driver_.vendor_id = 0x8086;
    driver_.driver_version = ~0u;
    EXPECT_EQ(Evaluate().off, TESSERA_REASON_none);
}

TEST_F(GatesTest, AllOtherDriversPool) {
    for (VkDriverId driver :
         {VK_DRIVER_ID_NVIDIA_PROPRIETARY, VK_DRIVER_ID_MESA_RADV, VK_DRIVER_ID_AMD_OPEN_SOURCE,
          VK_DRIVER_ID_MESA_LLVMPIPE, VK_DRIVER_ID_GOOGLE_SWIFTSHADER, VK_DRIVER_ID_MESA_TURNIP}) {
        driver_.driver_id = driver;
        driver_.driver_version = MesaVersion(26, 0);
        EXPECT_EQ(Evaluate().off, TESSERA_REASON_none) << driver;
    }
}

}  // namespace
}  // namespace tessera
