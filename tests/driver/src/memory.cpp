// SPDX-License-Identifier: Apache-2.0
//
// Allocation and release of device memory, and the queries on one memory. Limits act as on real
// hardware: a full heap is an ordinary error, while asking for more than the specification allows
// is a violation on top of the error.
#include <algorithm>
#include <bit>
#include <cstring>

#include "arithmetic.h"
#include "call.h"
#include "external.h"
#include "mapping.h"
#include "reports.h"
#include "requirements.h"
#include "text.h"

namespace tessera::mock {
namespace {

constexpr VkDeviceSize kAddressStep = VkDeviceSize{64} << 10;

// Checks the rules that name only the structure. Returns false if the call cannot go on.
bool CheckInfo(const Call& call, const VkMemoryAllocateInfo& info) {
    const Device& device = call.device();
    const Description& d = *device.description;
    if (!call.Require(info.memoryTypeIndex < d.types.size(),
                      "VUID-vkAllocateMemory-pAllocateInfo-01714",
                      Text("memoryTypeIndex ", info.memoryTypeIndex, " of ", d.types.size()))) {
        return false;
    }
    const VkMemoryPropertyFlags flags = d.Flags(info.memoryTypeIndex);
    call.Require(!(flags & VK_MEMORY_PROPERTY_PROTECTED_BIT) || device.Enabled("protectedMemory"),
                 "VUID-VkMemoryAllocateInfo-memoryTypeIndex-01872",
                 "the type is protected and the feature is off");
    call.Require(!(flags & VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD) ||
                     device.Enabled("deviceCoherentMemory"),
                 "VUID-vkAllocateMemory-deviceCoherentMemory-02790",
                 "the type is device-coherent and the feature is off");
    return call.Require(info.allocationSize > 0, "VUID-VkMemoryAllocateInfo-allocationSize-00638",
                        "allocationSize is 0");
}

// Reads priority and allocate flags. A flag whose feature is off is kept all the same: what the
// caller meant is then seen in the observation.
void ReadFlags(const Call& call, const VkMemoryAllocateInfo& info, Memory& memory) {
    const Device& device = call.device();
    if (auto* priority = FindInChain<VkMemoryPriorityAllocateInfoEXT>(
            info.pNext, VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT)) {
        call.Require(priority->priority >= 0 && priority->priority <= 1,
                     "VUID-VkMemoryPriorityAllocateInfoEXT-priority-02602",
                     Text("priority is ", priority->priority));
        memory.priority = priority->priority;
    }
    auto* flags = FindInChain<VkMemoryAllocateFlagsInfo>(
        info.pNext, VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
    const uint32_t everyone = (1u << device.members) - 1;
    const bool masked = flags != nullptr && flags->flags & VK_MEMORY_ALLOCATE_DEVICE_MASK_BIT;
    const uint32_t mask = masked ? flags->deviceMask : everyone;
    const Description& d = *device.description;
    if (d.heaps[d.types[info.memoryTypeIndex].heap].flags & VK_MEMORY_HEAP_MULTI_INSTANCE_BIT) {
        memory.instances = std::max(1u, static_cast<uint32_t>(std::popcount(mask & everyone)));
    }
    if (flags == nullptr) return;
    memory.flags = flags->flags;
    call.Require(!(flags->flags & VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT) ||
                     device.Enabled("bufferDeviceAddress"),
                 "VUID-VkMemoryAllocateInfo-flags-03331", "bufferDeviceAddress is off");
    call.Require(!(flags->flags & VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_CAPTURE_REPLAY_BIT) ||
                     device.Enabled("bufferDeviceAddressCaptureReplay"),
                 "VUID-VkMemoryAllocateInfo-flags-03330",
                 "bufferDeviceAddressCaptureReplay is off");
    call.Require(!(flags->flags & VK_MEMORY_ALLOCATE_ZERO_INITIALIZE_BIT_EXT) ||
                     device.Enabled("zeroInitializeDeviceMemory"),
                 "VUID-VkMemoryAllocateFlagsInfo-flags-10759", "zeroInitializeDeviceMemory is off");
    call.Require((mask & ~everyone) == 0, "VUID-VkMemoryAllocateFlagsInfo-deviceMask-00675",
                 Text("deviceMask is ", mask, " on a device with ", device.members, " members"));
    call.Require(mask != 0, "VUID-VkMemoryAllocateFlagsInfo-deviceMask-00676", "deviceMask is 0");
}

// Both structures for dedicated memory have the same members after their head.
template <class Info>
void ReadDedicatedLocked(Call& call, const VkMemoryAllocateInfo& info, VkStructureType type,
                         const char* prefix, Memory& memory) {
    auto* dedicated = FindInChain<Info>(info.pNext, type);
    if (dedicated == nullptr) return;
    const bool nv = type == VK_STRUCTURE_TYPE_DEDICATED_ALLOCATION_MEMORY_ALLOCATE_INFO_NV;
    auto vuid = [prefix](const char* tail) { return std::string("VUID-") + prefix + tail; };
    call.Require(dedicated->image == VK_NULL_HANDLE || dedicated->buffer == VK_NULL_HANDLE,
                 vuid(nv ? "-image-00649" : "-image-01432"), "both handles are set");
    auto same_size = [&](VkDeviceSize required, const char* tail) {
        call.Require(info.allocationSize == required, vuid(tail),
                     Text("allocationSize ", info.allocationSize, " differs from the resource's ",
                          required));
    };
    if (dedicated->image != VK_NULL_HANDLE) {
        auto image = call.Find<Image>(dedicated->image, (prefix + std::string("-image")).c_str());
        if (image == nullptr) return;
        memory.dedicated_image = image->handle;
        same_size(image->planes[0].requirements.size, nv ? "-image-00652" : "-image-01433");
    }
    if (dedicated->buffer != VK_NULL_HANDLE) {
        auto buffer =
            call.Find<Buffer>(dedicated->buffer, (prefix + std::string("-buffer")).c_str());
        if (buffer == nullptr) return;
        memory.dedicated_buffer = buffer->handle;
        same_size(buffer->requirements.size, nv ? "-buffer-00653" : "-buffer-01435");
    }
}

// Chooses the device address of the memory. Returns false if the requested one is taken.
bool PlaceAddressLocked(const Call& call, const VkMemoryAllocateInfo& info, Memory& memory) {
    Device& device = call.device();
    auto* request = FindInChain<VkMemoryOpaqueCaptureAddressAllocateInfo>(
        info.pNext, VK_STRUCTURE_TYPE_MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO);
    if (request == nullptr || request->opaqueCaptureAddress == 0) {
        memory.address = device.next_address;
        device.next_address += RoundUp(memory.size_bytes, kAddressStep);
        return true;
    }
    call.Require(memory.flags & VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_CAPTURE_REPLAY_BIT,
                 "VUID-VkMemoryAllocateInfo-opaqueCaptureAddress-03329",
                 "an address is requested without the capture and replay flag");
    memory.address = request->opaqueCaptureAddress;
    for (const auto& [handle, object] : device.objects.all()) {
        if (object->type != Memory::kType) continue;
        const auto& other = static_cast<const Memory&>(*object);
        if (memory.address < other.address + other.size_bytes &&
            other.address < memory.address + memory.size_bytes) {
            return false;
        }
    }
    const VkDeviceAddress end = memory.address + RoundUp(memory.size_bytes, kAddressStep);
    device.next_address = std::max(device.next_address, RoundUp(end, kAddressStep));
    return true;
}

// Checks the limits that the whole device or heap has, the ones that are the caller's fault first:
// a program that asks for too much should hear it even when the heap is full as well. Returns the
// error, if any.
VkResult CheckLimitsLocked(const Call& call, const Memory& memory) {
    const Device& device = call.device();
    const Description& d = *device.description;
    const MemoryType& type = d.types[memory.type_index];
    const VkDeviceSize heap_bytes = d.heaps[type.heap].size_bytes;
    if (!call.Require(
            memory.size_bytes <= heap_bytes, "VUID-vkAllocateMemory-pAllocateInfo-01713",
            Text("allocationSize ", memory.size_bytes, " is more than the heap's ", heap_bytes))) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    if (!call.Require(device.live_allocations < d.max_allocations,
                      "VUID-vkAllocateMemory-maxMemoryAllocationCount-04101",
                      Text(device.live_allocations, " allocations are alive already"))) {
        return VK_ERROR_TOO_MANY_OBJECTS;
    }
    // Larger is allowed to fail and not forbidden, hence no violation.
    if (memory.size_bytes > d.max_allocation_bytes) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    const VkDeviceSize used = TheRegistry().HeapUsage(d)[type.heap];
    if (memory.charged_bytes > heap_bytes - std::min(used, heap_bytes)) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    return VK_SUCCESS;
}

VkResult ObtainBytes(const Call& call, const VkMemoryAllocateInfo& info, Memory& memory) {
    bool done = false;
    const VkResult result = ObtainExternal(call, info, memory, &done);
    if (done) return result;
    const Description& d = *call.device().description;
    const auto size = static_cast<size_t>(memory.size_bytes);
    const auto alignment = static_cast<size_t>(d.map_alignment);
    if (!memory.device_view.Obtain(size, alignment)) return VK_ERROR_OUT_OF_HOST_MEMORY;
    const bool two_views = memory.HostVisible() && !memory.Coherent();
    if (two_views && !memory.host_view.Obtain(size, alignment)) return VK_ERROR_OUT_OF_HOST_MEMORY;
    if (d.fill != 0 && !(memory.flags & VK_MEMORY_ALLOCATE_ZERO_INITIALIZE_BIT_EXT)) {
        std::memset(memory.device_view.data(), d.fill, size);
        if (two_views) std::memset(memory.host_view.data(), d.fill, size);
    }
    return VK_SUCCESS;
}

// Counts and charges a memory that exists now; UncountLocked() is its reverse.
void CountLocked(Device& device, const Memory& memory) {
    MemoryTotals& totals = device.totals[memory.type_index];
    ++totals.allocations;
    ++totals.live;
    totals.live_bytes += memory.size_bytes;
    totals.peak_live = std::max(totals.peak_live, totals.live);
    totals.peak_bytes = std::max(totals.peak_bytes, totals.live_bytes);
    ++device.live_allocations;
    const uint32_t heap = device.description->types[memory.type_index].heap;
    TheRegistry().HeapUsage(*device.description)[heap] += memory.charged_bytes;
}

void UncountLocked(Device& device, const Memory& memory) {
    MemoryTotals& totals = device.totals[memory.type_index];
    ++totals.frees;
    --totals.live;
    totals.live_bytes -= memory.size_bytes;
    --device.live_allocations;
    const uint32_t heap = device.description->types[memory.type_index].heap;
    TheRegistry().HeapUsage(*device.description)[heap] -= memory.charged_bytes;
}

// Host memory for an object, from the application's callbacks as a driver takes it: once for each
// allocation. Returns false if the callback has none.
bool TakeHostMemory(const VkAllocationCallbacks* allocator, Memory& memory) {
    if (allocator == nullptr) return true;
    memory.host_memory = allocator->pfnAllocation(
        allocator->pUserData, sizeof(Memory), alignof(Memory), VK_SYSTEM_ALLOCATION_SCOPE_OBJECT);
    return memory.host_memory != nullptr;
}

void GiveHostMemory(const VkAllocationCallbacks* allocator, void* host_memory) {
    if (allocator != nullptr && host_memory != nullptr) {
        allocator->pfnFree(allocator->pUserData, host_memory);
    }
}

// Nothing outside of the new object changes before all that can fail has succeeded.
VkResult Allocate(Call& call, const VkMemoryAllocateInfo& info,
                  const VkAllocationCallbacks* allocator, std::shared_ptr<Memory> memory,
                  VkDeviceMemory* out) {
    Device& device = call.device();
    const Description& d = *device.description;
    if (!CheckInfo(call, info)) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    memory->type_index = info.memoryTypeIndex;
    memory->properties = d.Flags(info.memoryTypeIndex);
    memory->size_bytes = info.allocationSize;
    memory->charged_bytes =
        RoundUp(info.allocationSize, d.types[info.memoryTypeIndex].charge_bytes);
    for (auto* item = static_cast<const VkBaseInStructure*>(info.pNext); item != nullptr;
         item = item->pNext) {
        memory->chain.push_back(item->sType);
    }
    ReadFlags(call, info, *memory);
    StateLock lock;
    ReadDedicatedLocked<VkMemoryDedicatedAllocateInfo>(
        call, info, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
        "VkMemoryDedicatedAllocateInfo", *memory);
    ReadDedicatedLocked<VkDedicatedAllocationMemoryAllocateInfoNV>(
        call, info, VK_STRUCTURE_TYPE_DEDICATED_ALLOCATION_MEMORY_ALLOCATE_INFO_NV,
        "VkDedicatedAllocationMemoryAllocateInfoNV", *memory);
    if (VkResult result = CheckLimitsLocked(call, *memory); result != VK_SUCCESS) {
        ReportFailureLocked(call, info.allocationSize, d.types[info.memoryTypeIndex].heap);
        return result;
    }
    if (!PlaceAddressLocked(call, info, *memory)) {
        return VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS;
    }
    if (VkResult result = ObtainBytes(call, info, *memory); result != VK_SUCCESS) return result;
    CountLocked(device, *memory);
    memory->report_id = device.next_report_id++;
    *out = FromRaw<VkDeviceMemory>(RegisterLocked(device, memory, allocator));
    ReportMemoryLocked(call, *memory,
                       memory->imported ? VK_DEVICE_MEMORY_REPORT_EVENT_TYPE_IMPORT_EXT
                                        : VK_DEVICE_MEMORY_REPORT_EVENT_TYPE_ALLOCATE_EXT);
    ReportAddressLocked(call, *memory, memory->address, memory->size_bytes, true);
    return VK_SUCCESS;
}

}  // namespace

VKAPI_ATTR VkResult VKAPI_CALL AllocateMemory(VkDevice device,
                                              const VkMemoryAllocateInfo* pAllocateInfo,
                                              const VkAllocationCallbacks* pAllocator,
                                              VkDeviceMemory* pMemory) {
    Call call(Command::kAllocateMemory, device);
    *pMemory = FromRaw<VkDeviceMemory>(kPoison);
    if (call.failed()) return call.result();
    call.Enter();
    auto memory = std::make_shared<Memory>();
    if (!TakeHostMemory(pAllocator, *memory)) return VK_ERROR_OUT_OF_HOST_MEMORY;
    const VkResult result = Allocate(call, *pAllocateInfo, pAllocator, memory, pMemory);
    if (result != VK_SUCCESS) GiveHostMemory(pAllocator, memory->host_memory);
    return result;
}

VKAPI_ATTR void VKAPI_CALL FreeMemory(VkDevice device, VkDeviceMemory memory,
                                      const VkAllocationCallbacks* pAllocator) {
    Call call(Command::kFreeMemory, device);
    if (memory == VK_NULL_HANDLE) return;
    auto object = call.UseMemory(memory, Access::kExclusive);
    call.Enter();
    StateLock lock;
    // Another call may have freed it since it was found; that was reported as an overlap.
    if (object == nullptr || !object->alive) return;
    call.CheckAllocator(*object, pAllocator);
    UncountLocked(call.device(), *object);
    ReportAddressLocked(call, *object, object->address, object->size_bytes, false);
    ReportMemoryLocked(call, *object,
                       object->imported ? VK_DEVICE_MEMORY_REPORT_EVENT_TYPE_UNIMPORT_EXT
                                        : VK_DEVICE_MEMORY_REPORT_EVENT_TYPE_FREE_EXT);
    UnregisterLocked(call.device(), *object);
    ReleasePlacedMap(*object, false);
    object->device_view.Release();
    object->host_view.Release();
    call.After([allocator = pAllocator, host_memory = object->host_memory] {
        GiveHostMemory(allocator, host_memory);
    });
}

VKAPI_ATTR void VKAPI_CALL GetDeviceMemoryCommitment(VkDevice device, VkDeviceMemory memory,
                                                     VkDeviceSize* pCommittedMemoryInBytes) {
    Call call(Command::kGetDeviceMemoryCommitment, device);
    *pCommittedMemoryInBytes = 0;
    auto object = call.UseMemory(memory, Access::kShared);
    call.Enter();
    if (object == nullptr) return;
    call.Require(object->properties & VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT,
                 "VUID-vkGetDeviceMemoryCommitment-memory-00690",
                 "the memory is not lazily allocated");
    *pCommittedMemoryInBytes = object->size_bytes;
}

VKAPI_ATTR void VKAPI_CALL SetDeviceMemoryPriorityEXT(VkDevice device, VkDeviceMemory memory,
                                                      float priority) {
    Call call(Command::kSetDeviceMemoryPriorityEXT, device);
    auto object = call.UseMemory(memory, Access::kShared);
    call.Enter();
    call.Require(priority >= 0 && priority <= 1, "VUID-vkSetDeviceMemoryPriorityEXT-priority-06258",
                 Text("priority is ", priority));
    StateLock lock;
    if (object != nullptr) object->priority = priority;
}

VKAPI_ATTR uint64_t VKAPI_CALL GetDeviceMemoryOpaqueCaptureAddress(
    VkDevice device, const VkDeviceMemoryOpaqueCaptureAddressInfo* pInfo) {
    Call call(Command::kGetDeviceMemoryOpaqueCaptureAddress, device);
    auto object = call.UseMemory(pInfo->memory, Access::kShared,
                                 "VkDeviceMemoryOpaqueCaptureAddressInfo-memory");
    call.Enter();
    call.Require(call.device().Enabled("bufferDeviceAddress"),
                 "VUID-vkGetDeviceMemoryOpaqueCaptureAddress-None-03334",
                 "bufferDeviceAddress is off");
    if (object == nullptr) return 0;
    call.Require(object->flags & VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
                 "VUID-VkDeviceMemoryOpaqueCaptureAddressInfo-memory-03336",
                 "the memory was allocated without the device address flag");
    return object->address;
}

}  // namespace tessera::mock
