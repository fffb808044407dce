// SPDX-License-Identifier: Apache-2.0
//
// Questions and hints about memory: commitment, opaque capture address, priority; and the budget of
// a physical device, which is told from the application's point of view.

#include <vulkan/vulkan.h>

#include "layer/base/log.h"
#include "layer/vk/budget.h"
#include "layer/vk/call_scope.h"
#include "layer/vk/chain.h"
#include "layer/vk/intercept/hooks.h"
#include "layer/vk/misuse.h"
#include "layer/vk/process.h"
#include "layer/vk/translate.h"

namespace tessera {
namespace {

// Spec: vkGetDeviceMemoryCommitment is for lazily allocated memory only, which is never pooled
// (VUID-vkGetDeviceMemoryCommitment-memory-00690); a slot is committed whole.
VKAPI_ATTR void VKAPI_CALL GetDeviceMemoryCommitment(
    VkDevice device, VkDeviceMemory memory, VkDeviceSize* pCommittedMemoryInBytes) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkGetDeviceMemoryCommitment);
    const SlotTable::Found found = FindUsed(d, "vkGetDeviceMemoryCommitment", memory);
    if (found.kind == SlotTable::Kind::kForeign) {
        DriverCall driver_timer(d, TESSERA_CALL_vkGetDeviceMemoryCommitment);
        d.dt.GetDeviceMemoryCommitment(device, memory, pCommittedMemoryInBytes);
        return;
    }
    *pCommittedMemoryInBytes = 0;
    if (found.kind == SlotTable::Kind::kStale) return;
    ReportMisuse(d, TESSERA_MISUSE_wrong_use, "vkGetDeviceMemoryCommitment", memory);
    *pCommittedMemoryInBytes = found.slot->RequestedBytes();
}

// Spec: vkGetDeviceMemoryOpaqueCaptureAddress. Memory that must be reproducible is never pooled;
// before 1.4.313 any memory with a device address could be asked all the same, and then the answer
// is the block's and the place in it.
template <PFN_vkGetDeviceMemoryOpaqueCaptureAddress DeviceDispatch::*kDown>
VKAPI_ATTR uint64_t VKAPI_CALL GetDeviceMemoryOpaqueCaptureAddress(
    VkDevice device, const VkDeviceMemoryOpaqueCaptureAddressInfo* pInfo) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkGetDeviceMemoryOpaqueCaptureAddress);
    const SlotTable::Found found =
        FindUsed(d, "vkGetDeviceMemoryOpaqueCaptureAddress", pInfo->memory);
    if (found.kind == SlotTable::Kind::kStale) return 0;
    VkDeviceMemoryOpaqueCaptureAddressInfo info = *pInfo;
    uint64_t base = 0;
    if (found.kind == SlotTable::Kind::kLive) {
        TESSERA_LOG(kWarning,
                    "an opaque capture address was asked of pooled memory: a replay may "
                    "not find it again");
        Pin(d, *found.slot);
        info.memory = MakeHandle(found.slot->Handle());
        base = found.slot->OffsetBytes();
    }
    DriverCall driver_timer(d, TESSERA_CALL_vkGetDeviceMemoryOpaqueCaptureAddress);
    return base + (d.dt.*kDown)(device, &info);
}

// Spec: vkSetDeviceMemoryPriorityEXT. A hint per memory object: a block serves many, so a slot's is
// dropped, unless it has its block to itself.
VKAPI_ATTR void VKAPI_CALL SetDeviceMemoryPriorityEXT(VkDevice device, VkDeviceMemory memory,
                                                      float priority) noexcept {
    Device& d = DeviceOf(device);
    AppCall timer(d, TESSERA_CALL_vkSetDeviceMemoryPriorityEXT);
    const SlotTable::Found found = FindUsed(d, "vkSetDeviceMemoryPriorityEXT", memory);
    VkDeviceMemory below = memory;
    if (found.kind != SlotTable::Kind::kForeign) {
        if (found.kind == SlotTable::Kind::kStale || !found.slot->Key().solo) return;
        found.slot->block->hinted.store(true, std::memory_order_relaxed);
        below = MakeHandle(found.slot->Handle());
    }
    DriverCall driver_timer(d, TESSERA_CALL_vkSetDeviceMemoryPriorityEXT);
    d.dt.SetDeviceMemoryPriorityEXT(device, below, priority);
}

// Spec: vkGetPhysicalDeviceMemoryProperties2, VkPhysicalDeviceMemoryBudgetPropertiesEXT.
template <PFN_vkGetPhysicalDeviceMemoryProperties2 InstanceDispatch::*kDown>
VKAPI_ATTR void VKAPI_CALL
GetPhysicalDeviceMemoryProperties2(VkPhysicalDevice physicalDevice,
                                   VkPhysicalDeviceMemoryProperties2* pMemoryProperties) noexcept {
    const Instance& instance = *InstanceOf(physicalDevice);
    (instance.dt.*kDown)(physicalDevice, pMemoryProperties);
    const auto* budget = FindInChain<VkPhysicalDeviceMemoryBudgetPropertiesEXT>(
        pMemoryProperties->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT);
    // A budget of zero means that the driver does not know the structure.
    if (budget == nullptr || budget->heapBudget[0] == 0) return;
    // An output structure: the application gave it to be written.
    VirtualiseBudget(instance, physicalDevice,
                     *const_cast<VkPhysicalDeviceMemoryBudgetPropertiesEXT*>(budget));
}

const Hook kHooks[] = {
    TESSERA_HOOK(GetDeviceMemoryCommitment, GetDeviceMemoryCommitment),
    TESSERA_HOOK(
        GetDeviceMemoryOpaqueCaptureAddress,
        GetDeviceMemoryOpaqueCaptureAddress<&DeviceDispatch::GetDeviceMemoryOpaqueCaptureAddress>),
    TESSERA_HOOK(GetDeviceMemoryOpaqueCaptureAddressKHR,
                 GetDeviceMemoryOpaqueCaptureAddress<
                     &DeviceDispatch::GetDeviceMemoryOpaqueCaptureAddressKHR>),
    TESSERA_HOOK(SetDeviceMemoryPriorityEXT, SetDeviceMemoryPriorityEXT),
};

const Hook kPhysicalDeviceHooks[] = {
    TESSERA_HOOK(
        GetPhysicalDeviceMemoryProperties2,
        GetPhysicalDeviceMemoryProperties2<&InstanceDispatch::GetPhysicalDeviceMemoryProperties2>),
    TESSERA_HOOK(GetPhysicalDeviceMemoryProperties2KHR,
                 GetPhysicalDeviceMemoryProperties2<
                     &InstanceDispatch::GetPhysicalDeviceMemoryProperties2KHR>),
};

}  // namespace

HookList QueryHooks() noexcept {
    return {kHooks, std::size(kHooks)};
}
HookList PhysicalDeviceHooks() noexcept {
    return {kPhysicalDeviceHooks, std::size(kPhysicalDeviceHooks)};
}

}  // namespace tessera
