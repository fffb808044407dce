// SPDX-License-Identifier: Apache-2.0
//
// See budget.h.

#include "layer/vk/budget.h"

#include <algorithm>
#include <cstring>

#include "layer/vk/process.h"

namespace tessera {
namespace {

struct HeapBytes {
    uint64_t app_live = 0;
    uint64_t unused = 0;
};

// What a visit of all devices gathers, and then hands out, for one physical device.
struct Survey {
    const Instance* instance = nullptr;
    VkPhysicalDevice physical_device = VK_NULL_HANDLE;
    bool has_uuid = false;
    uint8_t uuid[VK_UUID_SIZE] = {};
    HeapBytes heaps[VK_MAX_MEMORY_HEAPS] = {};
    VkDeviceSize driver_usage[VK_MAX_MEMORY_HEAPS] = {};
    VkPhysicalDeviceMemoryBudgetPropertiesEXT* budget = nullptr;

    // Handles of physical devices are comparable within one instance only; across instances it
    // takes the UUID.
    bool Concerns(const Device& device) const noexcept {
        if (device.instance == instance) return device.physical_device == physical_device;
        return has_uuid && device.has_uuid && std::memcmp(uuid, device.uuid, sizeof uuid) == 0;
    }
};

void Gather(Device& device, void* context) noexcept {
    Survey& survey = *static_cast<Survey*>(context);
    // Where nothing is pooled, the driver's figure is the application's.
    if (!survey.Concerns(device) || !device.pools_memory()) return;
    for (uint32_t type = 0; type < device.memory().memoryTypeCount; ++type) {
        const pool::Occupancy occupancy = device.PoolOf(type).GetOccupancy();
        HeapBytes& heap = survey.heaps[device.memory().memoryTypes[type].heapIndex];
        heap.app_live += occupancy.app_live_bytes;
        heap.unused += occupancy.unused_block_bytes;
    }
}

void Record(Device& device, void* context) noexcept {
    const Survey& survey = *static_cast<const Survey*>(context);
    if (!survey.Concerns(device)) return;
    for (uint32_t i = 0; i < device.memory().memoryHeapCount; ++i) {
        tessera_heap_record& heap = device.record().heaps[i];
        RecordBudget(heap, survey.budget->heapBudget[i], survey.driver_usage[i]);
        channel::Store(heap.app_usage_bytes, survey.budget->heapUsage[i]);
        channel::SetBits(heap.known, TESSERA_HEAP_APP_USAGE_KNOWN);
    }
}

}  // namespace

void VirtualiseBudget(const Instance& instance, VkPhysicalDevice physical_device,
                      VkPhysicalDeviceMemoryBudgetPropertiesEXT& budget) noexcept {
    // In a forked child on its parent's instance the list and its lock are the parent's.
    if (instance.epoch != ForkEpoch()) return;
    Survey survey;
    survey.instance = &instance;
    survey.physical_device = physical_device;
    survey.budget = &budget;
    VkPhysicalDeviceProperties properties;
    instance.dt.GetPhysicalDeviceProperties(physical_device, &properties);
    const auto get_properties2 = instance.Properties2(properties.apiVersion);
    if (get_properties2 != nullptr &&
        std::min(instance.api_version, properties.apiVersion) >= VK_API_VERSION_1_1) {
        VkPhysicalDeviceIDProperties ids = {};
        ids.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES;
        VkPhysicalDeviceProperties2 all = {};
        all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
        all.pNext = &ids;
        get_properties2(physical_device, &all);
        survey.has_uuid = true;
        std::memcpy(survey.uuid, ids.deviceUUID, sizeof survey.uuid);
    }
    ForEachDevice(Gather, &survey);
    for (uint32_t i = 0; i < VK_MAX_MEMORY_HEAPS; ++i) {
        survey.driver_usage[i] = budget.heapUsage[i];
        const HeapBytes& heap = survey.heaps[i];
        const uint64_t used = budget.heapUsage[i] - std::min(heap.unused, budget.heapUsage[i]);
        // Entries past the last heap stay zero: no type lives there.
        budget.heapUsage[i] = std::max(heap.app_live, used);
    }
    ForEachDevice(Record, &survey);
}

}  // namespace tessera
