// SPDX-License-Identifier: Apache-2.0
//
// Devices and their queues. A device that is destroyed with children is a violation that names each
// of them; their memory is given back all the same.
#include "call.h"
#include "feature_table.h"
#include "text.h"
#include "violations.h"

namespace tessera::mock {
namespace {

const char* NameOf(VkObjectType type) {
    switch (type) {
        case VK_OBJECT_TYPE_DEVICE_MEMORY:
            return "memory";
        case VK_OBJECT_TYPE_BUFFER:
            return "buffer";
        case VK_OBJECT_TYPE_BUFFER_VIEW:
            return "buffer view";
        case VK_OBJECT_TYPE_IMAGE:
            return "image";
        case VK_OBJECT_TYPE_IMAGE_VIEW:
            return "image view";
        case VK_OBJECT_TYPE_FENCE:
            return "fence";
        case VK_OBJECT_TYPE_SEMAPHORE:
            return "semaphore";
        case VK_OBJECT_TYPE_EVENT:
            return "event";
        case VK_OBJECT_TYPE_COMMAND_POOL:
            return "command pool";
        case VK_OBJECT_TYPE_PRIVATE_DATA_SLOT:
            return "private data slot";
        default:
            return "object";
    }
}

// Returns the leftovers of a device to the heaps and to the process's totals.
void RetireLocked(Device& device) {
    auto& usage = TheRegistry().HeapUsage(*device.description);
    for (const auto& [handle, object] : device.objects.all()) {
        if (object->type != Memory::kType) continue;
        const auto& memory = static_cast<const Memory&>(*object);
        usage[device.description->types[memory.type_index].heap] -= memory.charged_bytes;
        device.totals[memory.type_index].live -= 1;
        device.totals[memory.type_index].live_bytes -= memory.size_bytes;
    }
    for (size_t i = 0; i < device.totals.size(); ++i) {
        TheRegistry().retired[i].allocations += device.totals[i].allocations;
        TheRegistry().retired[i].frees += device.totals[i].frees;
    }
    TheRegistry().devices.erase(&device);
}

// Queues exist from the start; an application only fetches them.
void MakeQueues(Device& device, const VkDeviceCreateInfo& info) {
    for (uint32_t i = 0; i < info.queueCreateInfoCount; ++i) {
        const VkDeviceQueueCreateInfo& family = info.pQueueCreateInfos[i];
        for (uint32_t j = 0; j < family.queueCount; ++j) {
            auto queue = std::make_unique<Queue>();
            queue->device = &device;
            queue->family = family.queueFamilyIndex;
            queue->index = j;
            queue->create_flags = family.flags;
            device.queues.push_back(std::move(queue));
        }
    }
}

// Reads of how many physical devices the device is made.
void ReadGroup(const Call& call, PhysicalDevice& physical, const VkDeviceCreateInfo& info,
               Device& device) {
    auto* group = FindInChain<VkDeviceGroupDeviceCreateInfo>(
        info.pNext, VK_STRUCTURE_TYPE_DEVICE_GROUP_DEVICE_CREATE_INFO);
    if (group == nullptr || group->physicalDeviceCount == 0) return;
    std::set<VkPhysicalDevice> members;
    for (uint32_t i = 0; i < group->physicalDeviceCount; ++i) {
        call.Require(members.insert(group->pPhysicalDevices[i]).second,
                     "VUID-VkDeviceGroupDeviceCreateInfo-pPhysicalDevices-00375",
                     "a physical device is named twice");
        call.Require(Of(group->pPhysicalDevices[i]).IsLinkedWith(physical),
                     "VUID-VkDeviceGroupDeviceCreateInfo-pPhysicalDevices-00376",
                     "the physical devices are not of one group");
    }
    call.Require(members.contains(physical.handle()), "",
                 "the physical device that the device is created from is not in its group");
    device.members = group->physicalDeviceCount;
}

// A queue is named by its family, its index and the flags that it was created with.
VkQueue FindQueue(const Call& call, uint32_t family, uint32_t index,
                  VkDeviceQueueCreateFlags flags) {
    for (const auto& queue : call.device().queues) {
        if (queue->family == family && queue->index == index && queue->create_flags == flags) {
            return queue->handle();
        }
    }
    call.Violation("", Text("the device has no queue ", index, " in family ", family));
    return VK_NULL_HANDLE;
}

}  // namespace

VKAPI_ATTR VkResult VKAPI_CALL CreateDevice(VkPhysicalDevice physicalDevice,
                                            const VkDeviceCreateInfo* pCreateInfo,
                                            const VkAllocationCallbacks* pAllocator,
                                            VkDevice* pDevice) {
    Call call(Command::kCreateDevice);
    if (call.failed()) return call.result();
    PhysicalDevice& physical = Of(physicalDevice);
    auto device = std::make_unique<Device>(physical.description);
    device->instance = physical.instance;
    device->with_allocator = pAllocator != nullptr;
    for (uint32_t i = 0; i < pCreateInfo->enabledExtensionCount; ++i) {
        const char* name = pCreateInfo->ppEnabledExtensionNames[i];
        if (!physical.description->extensions.contains(name)) {
            return VK_ERROR_EXTENSION_NOT_PRESENT;
        }
        device->extensions.insert(name);
    }
    std::string missing;
    device->features = ReadEnabledFeatures(*pCreateInfo, physical.description->features, &missing);
    if (!missing.empty()) return VK_ERROR_FEATURE_NOT_PRESENT;
    for (auto* item = static_cast<const VkBaseInStructure*>(pCreateInfo->pNext); item != nullptr;
         item = item->pNext) {
        if (item->sType != VK_STRUCTURE_TYPE_DEVICE_DEVICE_MEMORY_REPORT_CREATE_INFO_EXT) continue;
        auto* report = reinterpret_cast<const VkDeviceDeviceMemoryReportCreateInfoEXT*>(item);
        device->memory_listeners.push_back({report->pfnUserCallback, report->pUserData});
    }
    ReadGroup(call, physical, *pCreateInfo, *device);
    MakeQueues(*device, *pCreateInfo);
    call.Enter();
    StateLock lock;
    *pDevice = device->handle();
    TheRegistry().devices.insert(device.release());
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyDevice(VkDevice device, const VkAllocationCallbacks* pAllocator) {
    if (device == VK_NULL_HANDLE) return;
    std::unique_ptr<Device> doomed(&Of(device));  // outlives the Call, which marks it
    Call call(Command::kDestroyDevice, device);
    call.Enter();
    StateLock lock;
    call.Require(doomed->with_allocator == (pAllocator != nullptr),
                 pAllocator == nullptr ? "VUID-vkDestroyDevice-device-00379"
                                       : "VUID-vkDestroyDevice-device-00380",
                 "the device was created with another kind of allocation callbacks");
    for (const auto& [handle, object] : doomed->objects.all()) {
        call.Violation("VUID-vkDestroyDevice-device-00378",
                       Text(NameOf(object->type), " ", Hex{handle}, " is still alive"));
    }
    RetireLocked(*doomed);
}

VKAPI_ATTR void VKAPI_CALL GetDeviceQueue(VkDevice device, uint32_t queueFamilyIndex,
                                          uint32_t queueIndex, VkQueue* pQueue) {
    Call call(Command::kGetDeviceQueue, device);
    *pQueue = FindQueue(call, queueFamilyIndex, queueIndex, 0);
}

VKAPI_ATTR void VKAPI_CALL GetDeviceQueue2(VkDevice device, const VkDeviceQueueInfo2* pQueueInfo,
                                           VkQueue* pQueue) {
    Call call(Command::kGetDeviceQueue2, device);
    *pQueue =
        FindQueue(call, pQueueInfo->queueFamilyIndex, pQueueInfo->queueIndex, pQueueInfo->flags);
}

}  // namespace tessera::mock
