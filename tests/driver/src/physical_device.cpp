// SPDX-License-Identifier: Apache-2.0
//
// Queries of a physical device: the description, put into Vulkan's structures. The 1.0 forms are
// the first member of the others. Limits that no test of memory needs have ordinary values.
#include <cstdio>
#include <cstring>

#include "call.h"
#include "external.h"
#include "feature_table.h"
#include "late_vulkan.h"
#include "two_call.h"

namespace tessera::mock {
namespace {

void CopyName(char* to, size_t size, const std::string& name) {
    std::snprintf(to, size, "%s", name.c_str());
}

void FillLimits(const Description& d, VkPhysicalDeviceLimits* limits) {
    limits->maxImageDimension1D = 16384;
    limits->maxImageDimension2D = 16384;
    limits->maxImageDimension3D = 2048;
    limits->maxImageDimensionCube = 16384;
    limits->maxImageArrayLayers = 2048;
    limits->maxTexelBufferElements = 1u << 27;
    limits->maxUniformBufferRange = 65536;
    limits->maxStorageBufferRange = UINT32_MAX;
    limits->maxPushConstantsSize = 256;
    limits->maxMemoryAllocationCount = d.max_allocations;
    limits->maxSamplerAllocationCount = 4096;
    limits->bufferImageGranularity = d.granularity;
    limits->sparseAddressSpaceSize = d.sparse ? VkDeviceSize{1} << 40 : 0;
    limits->maxBoundDescriptorSets = 8;
    limits->minMemoryMapAlignment = static_cast<size_t>(d.map_alignment);
    limits->minTexelBufferOffsetAlignment = d.alignment.texel;
    limits->minUniformBufferOffsetAlignment = d.alignment.uniform;
    limits->minStorageBufferOffsetAlignment = d.alignment.storage;
    limits->maxFramebufferWidth = 16384;
    limits->maxFramebufferHeight = 16384;
    limits->maxFramebufferLayers = 2048;
    limits->framebufferColorSampleCounts = VK_SAMPLE_COUNT_1_BIT | VK_SAMPLE_COUNT_4_BIT;
    limits->framebufferDepthSampleCounts = VK_SAMPLE_COUNT_1_BIT | VK_SAMPLE_COUNT_4_BIT;
    limits->sampledImageColorSampleCounts = VK_SAMPLE_COUNT_1_BIT | VK_SAMPLE_COUNT_4_BIT;
    limits->maxColorAttachments = 8;
    limits->timestampPeriod = 1.0f;
    limits->optimalBufferCopyOffsetAlignment = 1;
    limits->optimalBufferCopyRowPitchAlignment = 1;
    limits->nonCoherentAtomSize = d.atom;
}

void FillProperties(const Description& d, VkPhysicalDeviceProperties* out) {
    *out = {};
    out->apiVersion = d.api_version;
    out->driverVersion = d.driver_version;
    out->vendorID = d.vendor_id;
    out->deviceID = 1;
    out->deviceType = d.type;
    CopyName(out->deviceName, sizeof(out->deviceName), d.name);
    std::memcpy(out->pipelineCacheUUID, d.device_uuid.data(), VK_UUID_SIZE);
    FillLimits(d, &out->limits);
    out->sparseProperties.residencyStandard2DBlockShape = d.sparse;
    out->sparseProperties.residencyStandard3DBlockShape = d.sparse;
    out->sparseProperties.residencyNonResidentStrict = d.sparse;
}

// The members that an extension's structure and VkPhysicalDeviceVulkan11Properties share.
template <class Ids>
void FillIds(const Description& d, Ids* ids) {
    std::memcpy(ids->deviceUUID, d.device_uuid.data(), VK_UUID_SIZE);
    std::memcpy(ids->driverUUID, "tessera-mock-drv", VK_UUID_SIZE);
    std::memset(ids->deviceLUID, 0, VK_LUID_SIZE);
    ids->deviceNodeMask = 0;
    ids->deviceLUIDValid = VK_FALSE;
}

template <class Limits>
void FillMaintenance3(const Description& d, Limits* limits) {
    limits->maxPerSetDescriptors = 1u << 16;
    limits->maxMemoryAllocationSize = d.max_allocation_bytes;
}

template <class Driver>
void FillDriver(const Description& d, Driver* driver) {
    driver->driverID = static_cast<VkDriverId>(d.driver_id);
    CopyName(driver->driverName, VK_MAX_DRIVER_NAME_SIZE, d.driver_name);
    CopyName(driver->driverInfo, VK_MAX_DRIVER_INFO_SIZE, d.driver_info);
    driver->conformanceVersion = {0, 0, 0, 0};  // it is not conformant and does not say so
}

// Structures that are not known are left alone, as drivers do.
void FillPropertyStructure(const Description& d, VkBaseOutStructure* out) {
    switch (out->sType) {
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES:
            FillIds(d, reinterpret_cast<VkPhysicalDeviceIDProperties*>(out));
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES:
            FillMaintenance3(d, reinterpret_cast<VkPhysicalDeviceMaintenance3Properties*>(out));
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES:
            FillDriver(d, reinterpret_cast<VkPhysicalDeviceDriverProperties*>(out));
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES: {
            auto* all = reinterpret_cast<VkPhysicalDeviceVulkan11Properties*>(out);
            FillIds(d, all);
            FillMaintenance3(d, all);
            all->protectedNoFault = VK_FALSE;
            break;
        }
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES:
            FillDriver(d, reinterpret_cast<VkPhysicalDeviceVulkan12Properties*>(out));
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES:
            reinterpret_cast<VkPhysicalDeviceVulkan13Properties*>(out)->maxBufferSize =
                d.max_allocation_bytes;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES:
            reinterpret_cast<VkPhysicalDeviceMaintenance4Properties*>(out)->maxBufferSize =
                d.max_allocation_bytes;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROTECTED_MEMORY_PROPERTIES:
            reinterpret_cast<VkPhysicalDeviceProtectedMemoryProperties*>(out)->protectedNoFault =
                VK_FALSE;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT:
            reinterpret_cast<VkPhysicalDeviceExternalMemoryHostPropertiesEXT*>(out)
                ->minImportedHostPointerAlignment = kExternalAlignment;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DESCRIPTOR_BUFFER_PROPERTIES_EXT: {
            auto* space = reinterpret_cast<VkPhysicalDeviceDescriptorBufferPropertiesEXT*>(out);
            space->descriptorBufferAddressSpaceSize = d.descriptor_space;
            space->samplerDescriptorBufferAddressSpaceSize = d.descriptor_space;
            space->resourceDescriptorBufferAddressSpaceSize = d.descriptor_space;
            break;
        }
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ROBUSTNESS_2_PROPERTIES_EXT: {
            auto* robust = reinterpret_cast<VkPhysicalDeviceRobustness2PropertiesEXT*>(out);
            robust->robustStorageBufferAccessSizeAlignment = d.robust_storage;
            robust->robustUniformBufferAccessSizeAlignment = d.robust_uniform;
            break;
        }
        default:
            if (out->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAP_MEMORY_PLACED_PROPERTIES_EXT) {
                reinterpret_cast<VkPhysicalDeviceMapMemoryPlacedPropertiesEXT*>(out)
                    ->minPlacedMemoryMapAlignment = kExternalAlignment;
            }
            break;
    }
}

// Entries past the counts stay 0.
void FillMemory(const Description& d, VkPhysicalDeviceMemoryProperties* out) {
    *out = {};
    out->memoryHeapCount = static_cast<uint32_t>(d.heaps.size());
    for (size_t i = 0; i < d.heaps.size(); ++i) {
        out->memoryHeaps[i] = {d.heaps[i].size_bytes, d.heaps[i].flags};
    }
    out->memoryTypeCount = static_cast<uint32_t>(d.types.size());
    for (size_t i = 0; i < d.types.size(); ++i) {
        out->memoryTypes[i] = {d.types[i].flags, d.types[i].heap};
    }
}

// Usage is what the whole process holds on this hardware, by whatever instance and device.
void FillBudget(const Description& d, VkPhysicalDeviceMemoryBudgetPropertiesEXT* out) {
    StateLock lock;
    const auto& usage = TheRegistry().HeapUsage(d);
    for (size_t i = 0; i < VK_MAX_MEMORY_HEAPS; ++i) {
        const bool is_heap = i < d.heaps.size();
        out->heapUsage[i] = is_heap ? usage[i] + d.budget_other_usage : 0;
        out->heapBudget[i] = is_heap ? d.heaps[i].size_bytes / 100 * d.budget_percent : 0;
    }
}

// One family for everything, and one that can only copy, so that there is a wrong choice.
std::vector<VkQueueFamilyProperties> Families(const Description& d) {
    VkQueueFamilyProperties all{};
    all.queueFlags = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT;
    if (d.sparse) all.queueFlags |= VK_QUEUE_SPARSE_BINDING_BIT;
    if (d.features.contains("protectedMemory")) all.queueFlags |= VK_QUEUE_PROTECTED_BIT;
    all.queueCount = 4;
    all.minImageTransferGranularity = {1, 1, 1};
    VkQueueFamilyProperties transfer = all;
    transfer.queueFlags &= ~VkQueueFlags{VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT};
    transfer.queueCount = 1;
    return {all, transfer};
}

}  // namespace

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceProperties(VkPhysicalDevice physicalDevice,
                                                       VkPhysicalDeviceProperties* pProperties) {
    Call call(Command::kGetPhysicalDeviceProperties);
    FillProperties(*Of(physicalDevice).description, pProperties);
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceProperties2(VkPhysicalDevice physicalDevice,
                                                        VkPhysicalDeviceProperties2* pProperties) {
    Call call(Command::kGetPhysicalDeviceProperties2);
    const Description& d = *Of(physicalDevice).description;
    FillProperties(d, &pProperties->properties);
    for (auto* item = static_cast<VkBaseOutStructure*>(pProperties->pNext); item != nullptr;
         item = item->pNext) {
        FillPropertyStructure(d, item);
    }
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceFeatures(VkPhysicalDevice physicalDevice,
                                                     VkPhysicalDeviceFeatures* pFeatures) {
    Call call(Command::kGetPhysicalDeviceFeatures);
    WriteCoreFeatures(Of(physicalDevice).description->features, pFeatures);
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceFeatures2(VkPhysicalDevice physicalDevice,
                                                      VkPhysicalDeviceFeatures2* pFeatures) {
    Call call(Command::kGetPhysicalDeviceFeatures2);
    WriteFeatureChain(Of(physicalDevice).description->features, pFeatures);
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceMemoryProperties(
    VkPhysicalDevice physicalDevice, VkPhysicalDeviceMemoryProperties* pMemoryProperties) {
    Call call(Command::kGetPhysicalDeviceMemoryProperties);
    FillMemory(*Of(physicalDevice).description, pMemoryProperties);
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceMemoryProperties2(
    VkPhysicalDevice physicalDevice, VkPhysicalDeviceMemoryProperties2* pMemoryProperties) {
    Call call(Command::kGetPhysicalDeviceMemoryProperties2);
    const Description& d = *Of(physicalDevice).description;
    FillMemory(d, &pMemoryProperties->memoryProperties);
    auto* budget = FindInOutChain<VkPhysicalDeviceMemoryBudgetPropertiesEXT>(
        pMemoryProperties->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT);
    if (budget != nullptr && d.extensions.contains("VK_EXT_memory_budget")) FillBudget(d, budget);
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceQueueFamilyProperties(
    VkPhysicalDevice physicalDevice, uint32_t* pQueueFamilyPropertyCount,
    VkQueueFamilyProperties* pQueueFamilyProperties) {
    Call call(Command::kGetPhysicalDeviceQueueFamilyProperties);
    const auto families = Families(*Of(physicalDevice).description);
    FillArray(families.size(), pQueueFamilyPropertyCount, pQueueFamilyProperties,
              [&](VkQueueFamilyProperties& out, uint32_t i) { out = families[i]; });
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceQueueFamilyProperties2(
    VkPhysicalDevice physicalDevice, uint32_t* pQueueFamilyPropertyCount,
    VkQueueFamilyProperties2* pQueueFamilyProperties) {
    Call call(Command::kGetPhysicalDeviceQueueFamilyProperties2);
    const auto families = Families(*Of(physicalDevice).description);
    FillArray(families.size(), pQueueFamilyPropertyCount, pQueueFamilyProperties,
              [&](VkQueueFamilyProperties2& out, uint32_t i) {
                  out.queueFamilyProperties = families[i];
              });
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceExternalBufferProperties(
    VkPhysicalDevice physicalDevice, const VkPhysicalDeviceExternalBufferInfo* pExternalBufferInfo,
    VkExternalBufferProperties* pExternalBufferProperties) {
    Call call(Command::kGetPhysicalDeviceExternalBufferProperties);
    pExternalBufferProperties->externalMemoryProperties =
        ExternalPropertiesOf(*Of(physicalDevice).description, pExternalBufferInfo->handleType);
}

// Fences and semaphores cannot be shared with another process or API.

VKAPI_ATTR void VKAPI_CALL
GetPhysicalDeviceExternalFenceProperties(VkPhysicalDevice, const VkPhysicalDeviceExternalFenceInfo*,
                                         VkExternalFenceProperties* pExternalFenceProperties) {
    Call call(Command::kGetPhysicalDeviceExternalFenceProperties);
    pExternalFenceProperties->exportFromImportedHandleTypes = 0;
    pExternalFenceProperties->compatibleHandleTypes = 0;
    pExternalFenceProperties->externalFenceFeatures = 0;
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceExternalSemaphoreProperties(
    VkPhysicalDevice, const VkPhysicalDeviceExternalSemaphoreInfo*,
    VkExternalSemaphoreProperties* pExternalSemaphoreProperties) {
    Call call(Command::kGetPhysicalDeviceExternalSemaphoreProperties);
    pExternalSemaphoreProperties->exportFromImportedHandleTypes = 0;
    pExternalSemaphoreProperties->compatibleHandleTypes = 0;
    pExternalSemaphoreProperties->externalSemaphoreFeatures = 0;
}

VKAPI_ATTR VkResult VKAPI_CALL GetPhysicalDeviceToolProperties(
    VkPhysicalDevice, uint32_t* pToolCount, VkPhysicalDeviceToolProperties* out) {
    Call call(Command::kGetPhysicalDeviceToolProperties);
    if (call.failed()) return call.result();
    // As a driver with a profiler of its own built in, and another one switched on.
    return FillArray(2, pToolCount, out, [](VkPhysicalDeviceToolProperties& tool, uint32_t i) {
        CopyName(tool.name, sizeof tool.name, i == 0 ? "Mock tracer" : "Mock profiler");
        CopyName(tool.version, sizeof tool.version, "1");
        tool.purposes = i == 0 ? VK_TOOL_PURPOSE_TRACING_BIT : VK_TOOL_PURPOSE_PROFILING_BIT;
        CopyName(tool.description, sizeof tool.description, "A tool of the mock driver");
        CopyName(tool.layer, sizeof tool.layer, "");
    });
}

VKAPI_ATTR VkResult VKAPI_CALL
EnumerateDeviceExtensionProperties(VkPhysicalDevice physicalDevice, const char* pLayerName,
                                   uint32_t* pPropertyCount, VkExtensionProperties* pProperties) {
    Call call(Command::kEnumerateDeviceExtensionProperties);
    if (call.failed()) {
        // Loaders (1.3.239) read the count although there is none.
        *pPropertyCount = 0;
        return call.result();
    }
    if (pLayerName != nullptr) return VK_ERROR_LAYER_NOT_PRESENT;
    const auto& names = Of(physicalDevice).description->extensions;
    auto next = names.begin();
    return FillArray(names.size(), pPropertyCount, pProperties,
                     [&](VkExtensionProperties& out, uint32_t) {
                         CopyName(out.extensionName, VK_MAX_EXTENSION_NAME_SIZE, *next++);
                         out.specVersion = 1;
                     });
}

}  // namespace tessera::mock
