// SPDX-License-Identifier: Apache-2.0
//
// See gates.h. One function reads the feature structures, one the extensions, one knows the
// drivers.

#include "layer/vk/gates.h"

#include <cstring>

#include "layer/base/log.h"
#include "layer/vk/chain.h"
#include "layer/vk/known_extensions.h"
#include "layer/vk/late_vulkan.h"

namespace tessera {
namespace {

template <typename T>
const T& As(const VkBaseInStructure* link) noexcept {
    return *reinterpret_cast<const T*>(link);
}

void ReadStructure(const VkBaseInStructure* link, Gates& gates) noexcept {
    const auto switch_off = [&gates](VkBool32 condition, tessera_reason reason) {
        if (condition != VK_FALSE && gates.off == TESSERA_REASON_none) gates.off = reason;
    };
    switch (static_cast<int>(link->sType)) {
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2:
            gates.sparse_binding |=
                As<VkPhysicalDeviceFeatures2>(link).features.sparseBinding != VK_FALSE;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES:
            gates.capture_replay |=
                As<VkPhysicalDeviceVulkan12Features>(link).bufferDeviceAddressCaptureReplay != 0;
            gates.device_address |=
                As<VkPhysicalDeviceVulkan12Features>(link).bufferDeviceAddress != 0;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES:
            gates.capture_replay |= As<VkPhysicalDeviceBufferDeviceAddressFeatures>(link)
                                        .bufferDeviceAddressCaptureReplay != 0;
            gates.device_address |=
                As<VkPhysicalDeviceBufferDeviceAddressFeatures>(link).bufferDeviceAddress != 0;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES_EXT:
            gates.device_address |=
                As<VkPhysicalDeviceBufferDeviceAddressFeaturesEXT>(link).bufferDeviceAddress != 0;
            // The EXT form has no flag on memory that would tell which allocations are meant.
            switch_off(As<VkPhysicalDeviceBufferDeviceAddressFeaturesEXT>(link)
                           .bufferDeviceAddressCaptureReplay,
                       TESSERA_REASON_capture_replay);
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DEVICE_MEMORY_REPORT_FEATURES_EXT:
            switch_off(As<VkPhysicalDeviceDeviceMemoryReportFeaturesEXT>(link).deviceMemoryReport,
                       TESSERA_REASON_memory_report);
            break;
        case VK_STRUCTURE_TYPE_DEVICE_DEVICE_MEMORY_REPORT_CREATE_INFO_EXT:
            switch_off(VK_TRUE, TESSERA_REASON_memory_report);
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ADDRESS_BINDING_REPORT_FEATURES_EXT:
            switch_off(
                As<VkPhysicalDeviceAddressBindingReportFeaturesEXT>(link).reportAddressBinding,
                TESSERA_REASON_address_binding);
            break;
        case VK_STRUCTURE_TYPE_DEVICE_GROUP_DEVICE_CREATE_INFO:
            switch_off(As<VkDeviceGroupDeviceCreateInfo>(link).physicalDeviceCount > 1,
                       TESSERA_REASON_device_group);
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DESCRIPTOR_BUFFER_FEATURES_EXT:
            gates.descriptor_buffer |=
                As<VkPhysicalDeviceDescriptorBufferFeaturesEXT>(link).descriptorBuffer != 0;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PRIORITY_FEATURES_EXT:
            gates.memory_priority |=
                As<VkPhysicalDeviceMemoryPriorityFeaturesEXT>(link).memoryPriority != 0;
            break;
        case late::kMapMemoryPlacedFeatures:
            // A range that an unmap reserves is the application's to unmap for good: not a slot's.
            gates.placed_map |= As<late::MapMemoryPlacedFeatures>(link).memoryMapPlaced != 0 ||
                                As<late::MapMemoryPlacedFeatures>(link).memoryUnmapReserve != 0;
            break;
        case late::kDescriptorHeapFeatures:
            gates.descriptor_heap |= As<late::DescriptorHeapFeatures>(link).descriptorHeap != 0;
            break;
        default:
            break;
    }
}

// Drivers that already pool what applications allocate; see docs/pass-through.md for the sources.
bool DriverPools(const DriverIdentity& driver) noexcept {
    // Mesa venus keeps pools of small host-visible memory and forwards the rest to another driver.
    if (driver.has_driver_id && driver.driver_id == VK_DRIVER_ID_MESA_VENUS) return true;
    if (!driver.has_driver_id && std::strncmp(driver.device_name, "Virtio-GPU Venus", 16) == 0) {
        return true;
    }
    // Mesa anv serves up to 1 MiB from slabs since 25.1. Without a driver id (Vulkan 1.0
    // applications) Intel's vendor id must do: on Linux it has no other driver.
    constexpr uint32_t kIntelVendor = 0x8086;
    constexpr uint32_t kFirstWithSlabs = VK_MAKE_API_VERSION(0, 25, 1, 0);
    const bool anv = driver.has_driver_id ? driver.driver_id == VK_DRIVER_ID_INTEL_OPEN_SOURCE_MESA
                                          : driver.vendor_id == kIntelVendor;
    return anv && driver.driver_version >= kFirstWithSlabs;
}

// An extension nobody here has heard of may bring in a command that takes a pooled handle to the
// driver. Its name is all there is to judge it by.
void ReadExtensions(const VkDeviceCreateInfo& info, bool strict, Gates& gates) noexcept {
    const char* unknown = nullptr;
    for (uint32_t i = 0; i < info.enabledExtensionCount; ++i) {
        const char* name = info.ppEnabledExtensionNames[i];
        if (IsKnownExtension(name)) continue;
        const bool off = strict || SpeaksOfMemory(name);
        // The one that decides is the one to tell.
        if (unknown == nullptr || off) unknown = name;
        if (!off) continue;
        if (gates.off == TESSERA_REASON_none) gates.off = TESSERA_REASON_unknown_extension;
        break;
    }
    if (unknown == nullptr) return;
    if (gates.off == TESSERA_REASON_none) {
        TESSERA_LOG(kWarning,
                    "the device extension %s is not known to the layer, which pools all the same; "
                    "if something goes wrong, try TESSERA_STRICT=on",
                    unknown);
    } else if (gates.off == TESSERA_REASON_unknown_extension) {
        TESSERA_LOG(kWarning,
                    "the device extension %s is not known to the layer, which therefore pools "
                    "nothing on this device",
                    unknown);
    }
}

}  // namespace

Gates EvaluateGates(const VkDeviceCreateInfo& info, const DriverIdentity& driver,
                    const Settings& settings) noexcept {
    Gates gates;
    if (settings.elevated) {
        gates.off = TESSERA_REASON_elevated;
    } else if (settings.mode == Mode::kOff) {
        gates.off = TESSERA_REASON_disabled;
    } else if (DriverPools(driver)) {
        gates.off = TESSERA_REASON_driver_pools;
    }
    if (info.pEnabledFeatures != nullptr) {
        gates.sparse_binding = info.pEnabledFeatures->sparseBinding != VK_FALSE;
    }
    for (auto* link = static_cast<const VkBaseInStructure*>(info.pNext); link != nullptr;
         link = link->pNext) {
        ReadStructure(link, gates);
    }
    ReadExtensions(info, settings.strict, gates);
    return gates;
}

}  // namespace tessera
