// SPDX-License-Identifier: Apache-2.0
//
// The rules of binding a non-sparse resource, whatever it is. This is where the placement of a
// suballocator is judged: the alignment, the memory type, the end of the memory, and linear and
// optimal resources that come too close. A bind that breaks a rule is carried out if it has a
// meaning (a wrong alignment has), so that contents go wrong where they would on hardware; the
// violation says why.
//
// Each kind of resource brings the numbers of its rules. A tail that is null: no such rule there.
#ifndef TESSERA_TESTS_DRIVER_BIND_RULES_H
#define TESSERA_TESTS_DRIVER_BIND_RULES_H

#include <memory>
#include <vector>

#include "call.h"
#include "text.h"

namespace tessera::mock {

// VUIDs of one kind of resource and one command family: prefix + tail.
struct BindVuids {
    const char* prefix;
    const char* bound;          // bound already
    const char* sparse;         // created sparse
    const char* offset_inside;  // offset < size of the memory
    const char* type;           // memoryTypeBits
    const char* alignment;
    const char* size;                // offset + size <= size of the memory
    const char* dedicated_to;        // memory is dedicated to another resource
    const char* requires_dedicated;  // the resource must have memory of its own
    const char* is_protected;        // protected resource, unprotected memory
    const char* not_protected;       // the reverse
};

// What is bound: the parts of a resource that the rules look at.
struct Resource {
    const Object& object;
    const VkMemoryRequirements& requirements;
    Backing& backing;
    bool linear;
    bool sparse = false;
    bool is_protected = false;
    // The field of a memory that names a resource of this kind; null: no memory can be dedicated.
    uint64_t Memory::*dedicated = nullptr;
};

// Checks all rules and binds. `memory` may be null: its handle has been reported then. **Requires**
// the state mutex. Returns VK_ERROR_OUT_OF_DEVICE_MEMORY if nothing was bound.
VkResult BindLocked(Call& call, const BindVuids& vuids, const Resource& resource,
                    const std::shared_ptr<Memory>& memory, VkDeviceSize offset);

// Undoes a bind when the resource is destroyed. **Requires** the state mutex.
void UnbindLocked(Call& call, const Object& object, const Backing& backing, bool linear);

// Whether an element of an image bind takes its memory from a swapchain: then it names none. The
// driver has no swapchains and believes the handle.
template <class Info>
bool TakesSwapchainMemory(const Call& call, const Info& info) {
    auto* swapchain = FindInChain<VkBindImageMemorySwapchainInfoKHR>(
        info.pNext, VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_SWAPCHAIN_INFO_KHR);
    if (swapchain == nullptr || swapchain->swapchain == VK_NULL_HANDLE) return false;
    return call.Require(info.memory == VK_NULL_HANDLE, "VUID-VkBindImageMemoryInfo-pNext-01631",
                        "an element with a swapchain names memory as well");
}

// Runs `bind(element, memory)` for each element of a bind call, under the state mutex, and reports
// each result where the element asks for it (VkBindMemoryStatus). `what` names the elements' memory
// for a violation. Returns the first error.
template <class Info, class Bind>
VkResult BindEach(Call& call, uint32_t count, const Info* infos, const char* what, Bind bind) {
    std::vector<std::shared_ptr<Memory>> memories;
    std::vector<bool> without(count);
    for (uint32_t i = 0; i < count; ++i) {
        without[i] = TakesSwapchainMemory(call, infos[i]);
        memories.push_back(without[i] ? nullptr
                                      : call.UseMemory(infos[i].memory, Access::kShared, what));
    }
    call.Enter();
    StateLock lock;
    VkResult first = VK_SUCCESS;
    for (uint32_t i = 0; i < count; ++i) {
        const VkResult result = without[i] ? VK_SUCCESS : bind(infos[i], memories[i]);
        if (first == VK_SUCCESS) first = result;
        auto* status =
            FindInChain<VkBindMemoryStatus>(infos[i].pNext, VK_STRUCTURE_TYPE_BIND_MEMORY_STATUS);
        if (status != nullptr) *status->pResult = result;
    }
    return first;
}

// The answer of a bind call that fails on request: nothing is bound, and every element that asks
// for its own result hears the call's.
template <class Info>
VkResult FailEach(const Call& call, uint32_t count, const Info* infos) {
    for (uint32_t i = 0; i < count; ++i) {
        auto* status =
            FindInChain<VkBindMemoryStatus>(infos[i].pNext, VK_STRUCTURE_TYPE_BIND_MEMORY_STATUS);
        if (status != nullptr) *status->pResult = call.result();
    }
    return call.result();
}

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_BIND_RULES_H
