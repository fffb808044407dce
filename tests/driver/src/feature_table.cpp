// SPDX-License-Identifier: Apache-2.0
//
// The table of features and its two readers. A row says where one VkBool32 lies; rows of one
// structure share its sType and size.
#include "feature_table.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>

#include "late_vulkan.h"

namespace tessera::mock {
namespace {

struct Row {
    VkStructureType type;  // VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2 for core 1.0
    size_t struct_bytes;
    size_t offset;  // of the member
    const char* name;
};

#define CORE_ROW(member)                                                                 \
    Row {                                                                                \
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, sizeof(VkPhysicalDeviceFeatures2), \
            offsetof(VkPhysicalDeviceFeatures2, features) +                              \
                offsetof(VkPhysicalDeviceFeatures, member),                              \
            #member                                                                      \
    }
#define ROW(structure, type, member)                                                              \
    Row {                                                                                         \
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_##type, sizeof(structure), offsetof(structure, member), \
            #member                                                                               \
    }

const std::array kRows = {
    CORE_ROW(robustBufferAccess),
    CORE_ROW(sparseBinding),
    CORE_ROW(sparseResidencyBuffer),
    CORE_ROW(sparseResidencyImage2D),
    CORE_ROW(sparseResidencyImage3D),
    CORE_ROW(sparseResidencyAliased),
    ROW(VkPhysicalDeviceVulkan11Features, VULKAN_1_1_FEATURES, protectedMemory),
    ROW(VkPhysicalDeviceVulkan11Features, VULKAN_1_1_FEATURES, samplerYcbcrConversion),
    ROW(VkPhysicalDeviceProtectedMemoryFeatures, PROTECTED_MEMORY_FEATURES, protectedMemory),
    ROW(VkPhysicalDeviceSamplerYcbcrConversionFeatures, SAMPLER_YCBCR_CONVERSION_FEATURES,
        samplerYcbcrConversion),
    ROW(VkPhysicalDeviceVulkan12Features, VULKAN_1_2_FEATURES, bufferDeviceAddress),
    ROW(VkPhysicalDeviceVulkan12Features, VULKAN_1_2_FEATURES, bufferDeviceAddressCaptureReplay),
    ROW(VkPhysicalDeviceBufferDeviceAddressFeatures, BUFFER_DEVICE_ADDRESS_FEATURES,
        bufferDeviceAddress),
    ROW(VkPhysicalDeviceBufferDeviceAddressFeatures, BUFFER_DEVICE_ADDRESS_FEATURES,
        bufferDeviceAddressCaptureReplay),
    ROW(VkPhysicalDeviceBufferDeviceAddressFeaturesEXT, BUFFER_DEVICE_ADDRESS_FEATURES_EXT,
        bufferDeviceAddress),
    ROW(VkPhysicalDeviceBufferDeviceAddressFeaturesEXT, BUFFER_DEVICE_ADDRESS_FEATURES_EXT,
        bufferDeviceAddressCaptureReplay),
    ROW(VkPhysicalDeviceVulkan13Features, VULKAN_1_3_FEATURES, privateData),
    ROW(VkPhysicalDeviceVulkan13Features, VULKAN_1_3_FEATURES, maintenance4),
    ROW(VkPhysicalDevicePrivateDataFeatures, PRIVATE_DATA_FEATURES, privateData),
    ROW(VkPhysicalDeviceMaintenance4Features, MAINTENANCE_4_FEATURES, maintenance4),
    ROW(VkPhysicalDeviceMemoryPriorityFeaturesEXT, MEMORY_PRIORITY_FEATURES_EXT, memoryPriority),
    ROW(VkPhysicalDevicePageableDeviceLocalMemoryFeaturesEXT,
        PAGEABLE_DEVICE_LOCAL_MEMORY_FEATURES_EXT, pageableDeviceLocalMemory),
    ROW(VkPhysicalDeviceVulkan13Features, VULKAN_1_3_FEATURES, synchronization2),
    ROW(VkPhysicalDeviceSynchronization2Features, SYNCHRONIZATION_2_FEATURES, synchronization2),
    ROW(VkPhysicalDeviceDeviceMemoryReportFeaturesEXT, DEVICE_MEMORY_REPORT_FEATURES_EXT,
        deviceMemoryReport),
    ROW(VkPhysicalDeviceAddressBindingReportFeaturesEXT, ADDRESS_BINDING_REPORT_FEATURES_EXT,
        reportAddressBinding),
    ROW(VkPhysicalDeviceMapMemoryPlacedFeaturesEXT, MAP_MEMORY_PLACED_FEATURES_EXT,
        memoryMapPlaced),
    ROW(VkPhysicalDeviceMapMemoryPlacedFeaturesEXT, MAP_MEMORY_PLACED_FEATURES_EXT,
        memoryMapRangePlaced),
    ROW(VkPhysicalDeviceMapMemoryPlacedFeaturesEXT, MAP_MEMORY_PLACED_FEATURES_EXT,
        memoryUnmapReserve),
    ROW(VkPhysicalDeviceZeroInitializeDeviceMemoryFeaturesEXT,
        ZERO_INITIALIZE_DEVICE_MEMORY_FEATURES_EXT, zeroInitializeDeviceMemory),
    ROW(VkPhysicalDeviceDescriptorBufferFeaturesEXT, DESCRIPTOR_BUFFER_FEATURES_EXT,
        descriptorBuffer),
    ROW(VkPhysicalDeviceCoherentMemoryFeaturesAMD, COHERENT_MEMORY_FEATURES_AMD,
        deviceCoherentMemory),
};

#undef CORE_ROW
#undef ROW

VkBool32* MemberOf(void* structure, const Row& row) {
    return reinterpret_cast<VkBool32*>(static_cast<std::byte*>(structure) + row.offset);
}

void WriteStructure(const std::set<std::string>& supported, VkBaseOutStructure* structure) {
    bool cleared = false;
    for (const Row& row : kRows) {
        if (row.type != structure->sType) continue;
        if (!cleared) {
            std::memset(structure + 1, 0, row.struct_bytes - sizeof(*structure));
            cleared = true;
        }
        *MemberOf(structure, row) = supported.contains(row.name) ? VK_TRUE : VK_FALSE;
    }
}

// The core features as a plain array, in the order of the structure.
std::span<const VkBool32> AsArray(const VkPhysicalDeviceFeatures& features) {
    return {&features.robustBufferAccess, sizeof(features) / sizeof(VkBool32)};
}

}  // namespace

void WriteCoreFeatures(const std::set<std::string>& supported, VkPhysicalDeviceFeatures* out) {
    VkPhysicalDeviceFeatures2 whole{};
    whole.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    WriteStructure(supported, reinterpret_cast<VkBaseOutStructure*>(&whole));
    *out = whole.features;
}

void WriteFeatureChain(const std::set<std::string>& supported, void* chain) {
    for (auto* item = static_cast<VkBaseOutStructure*>(chain); item != nullptr;
         item = item->pNext) {
        WriteStructure(supported, item);
    }
}

std::set<std::string> ReadEnabledFeatures(const VkDeviceCreateInfo& info,
                                          const std::set<std::string>& supported,
                                          std::string* missing) {
    std::set<std::string> enabled;
    auto read = [&](void* structure, VkStructureType type) {
        for (const Row& row : kRows) {
            if (row.type != type || *MemberOf(structure, row) == VK_FALSE) continue;
            enabled.insert(row.name);
            if (!supported.contains(row.name) && missing->empty()) *missing = row.name;
        }
        if (type != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2) return;
        VkPhysicalDeviceFeatures can{};
        WriteCoreFeatures(supported, &can);
        auto wanted = AsArray(static_cast<VkPhysicalDeviceFeatures2*>(structure)->features);
        auto offered = AsArray(can);
        for (size_t i = 0; i < wanted.size(); ++i) {
            if (wanted[i] && !offered[i] && missing->empty()) *missing = "a feature of Vulkan 1.0";
        }
    };
    if (info.pEnabledFeatures != nullptr) {
        VkPhysicalDeviceFeatures2 whole{};
        whole.features = *info.pEnabledFeatures;
        read(&whole, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
    }
    for (auto* item = static_cast<const VkBaseInStructure*>(info.pNext); item != nullptr;
         item = item->pNext) {
        read(const_cast<VkBaseInStructure*>(item), item->sType);
    }
    return enabled;
}

bool IsKnownFeature(const std::string& name) {
    return std::any_of(kRows.begin(), kRows.end(),
                       [&](const Row& row) { return name == row.name; });
}

}  // namespace tessera::mock
