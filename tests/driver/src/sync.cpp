// SPDX-License-Identifier: Apache-2.0
//
// Fences, semaphores and events. The queue executes at submission, so a fence that was submitted is
// signalled; waiting for one that was not blocks until another thread submits it or the time is up.
#include <chrono>

#include "call.h"
#include "text.h"

namespace tessera::mock {
namespace {

template <class T, class Handle>
VkResult Create(Call& call, std::shared_ptr<T> object, const VkAllocationCallbacks* allocator,
                Handle* out) {
    StateLock lock;
    *out = FromRaw<Handle>(RegisterLocked(call.device(), std::move(object), allocator));
    return VK_SUCCESS;
}

template <class T, class Handle>
void Destroy(Call& call, Handle handle, const char* what, const VkAllocationCallbacks* allocator) {
    if (handle == VK_NULL_HANDLE) return;
    StateLock lock;
    auto object = call.Find<T>(handle, what);
    if (object == nullptr) return;
    call.CheckAllocator(*object, allocator);
    UnregisterLocked(call.device(), *object);
}

// A fence that is not alive counts as signalled: it has been reported, and waiting would not end.
bool AreSignaledLocked(Call& call, uint32_t count, const VkFence* fences, bool all) {
    uint32_t signaled = 0;
    for (uint32_t i = 0; i < count; ++i) {
        auto fence = call.Find<Fence>(fences[i], "pFences");
        if (fence == nullptr || fence->signaled) ++signaled;
    }
    return all ? signaled == count : signaled > 0;
}

}  // namespace

VKAPI_ATTR VkResult VKAPI_CALL CreateFence(VkDevice device, const VkFenceCreateInfo* pCreateInfo,
                                           const VkAllocationCallbacks* pAllocator,
                                           VkFence* pFence) {
    Call call(Command::kCreateFence, device);
    if (call.failed()) return call.result();
    auto fence = std::make_shared<Fence>();
    fence->signaled = pCreateInfo->flags & VK_FENCE_CREATE_SIGNALED_BIT;
    return Create(call, std::move(fence), pAllocator, pFence);
}

VKAPI_ATTR void VKAPI_CALL DestroyFence(VkDevice device, VkFence fence,
                                        const VkAllocationCallbacks* pAllocator) {
    Call call(Command::kDestroyFence, device);
    Destroy<Fence>(call, fence, "fence", pAllocator);
}

VKAPI_ATTR VkResult VKAPI_CALL ResetFences(VkDevice device, uint32_t fenceCount,
                                           const VkFence* pFences) {
    Call call(Command::kResetFences, device);
    if (call.failed()) return call.result();
    StateLock lock;
    for (uint32_t i = 0; i < fenceCount; ++i) {
        if (auto fence = call.Find<Fence>(pFences[i], "pFences")) fence->signaled = false;
    }
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL GetFenceStatus(VkDevice device, VkFence fence) {
    Call call(Command::kGetFenceStatus, device);
    if (call.failed()) return call.result();
    StateLock lock;
    auto object = call.Find<Fence>(fence, "fence");
    return object != nullptr && object->signaled ? VK_SUCCESS : VK_NOT_READY;
}

VKAPI_ATTR VkResult VKAPI_CALL WaitForFences(VkDevice device, uint32_t fenceCount,
                                             const VkFence* pFences, VkBool32 waitAll,
                                             uint64_t timeout) {
    Call call(Command::kWaitForFences, device);
    if (call.failed()) return call.result();
    call.Enter();
    // Clocks cannot count to UINT64_MAX; from an hour on, a wait is taken as one without an end.
    constexpr uint64_t kLongest = uint64_t{3600} * 1'000'000'000;
    const auto until =
        std::chrono::steady_clock::now() + std::chrono::nanoseconds(std::min(timeout, kLongest));
    StateLock lock;
    while (!AreSignaledLocked(call, fenceCount, pFences, waitAll == VK_TRUE)) {
        const bool late = std::chrono::steady_clock::now() >= until;
        if (late && timeout < kLongest) return VK_TIMEOUT;
        TheRegistry().fence_signaled.wait_until(lock.lock(), until);
    }
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL CreateSemaphore(VkDevice device,
                                               const VkSemaphoreCreateInfo* pCreateInfo,
                                               const VkAllocationCallbacks* pAllocator,
                                               VkSemaphore* pSemaphore) {
    Call call(Command::kCreateSemaphore, device);
    if (call.failed()) return call.result();
    auto* type = FindInChain<VkSemaphoreTypeCreateInfo>(
        pCreateInfo->pNext, VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO);
    call.Require(type == nullptr || type->semaphoreType == VK_SEMAPHORE_TYPE_BINARY,
                 "VUID-VkSemaphoreTypeCreateInfo-timelineSemaphore-03252",
                 "timelineSemaphore is off");
    return Create(call, std::make_shared<Semaphore>(), pAllocator, pSemaphore);
}

VKAPI_ATTR void VKAPI_CALL DestroySemaphore(VkDevice device, VkSemaphore semaphore,
                                            const VkAllocationCallbacks* pAllocator) {
    Call call(Command::kDestroySemaphore, device);
    Destroy<Semaphore>(call, semaphore, "semaphore", pAllocator);
}

VKAPI_ATTR VkResult VKAPI_CALL CreateEvent(VkDevice device, const VkEventCreateInfo*,
                                           const VkAllocationCallbacks* pAllocator,
                                           VkEvent* pEvent) {
    Call call(Command::kCreateEvent, device);
    if (call.failed()) return call.result();
    return Create(call, std::make_shared<Event>(), pAllocator, pEvent);
}

VKAPI_ATTR void VKAPI_CALL DestroyEvent(VkDevice device, VkEvent event,
                                        const VkAllocationCallbacks* pAllocator) {
    Call call(Command::kDestroyEvent, device);
    Destroy<Event>(call, event, "event", pAllocator);
}

VKAPI_ATTR VkResult VKAPI_CALL GetEventStatus(VkDevice device, VkEvent event) {
    Call call(Command::kGetEventStatus, device);
    if (call.failed()) return call.result();
    StateLock lock;
    auto object = call.Find<Event>(event, "event");
    return object != nullptr && object->set ? VK_EVENT_SET : VK_EVENT_RESET;
}

VKAPI_ATTR VkResult VKAPI_CALL SetEvent(VkDevice device, VkEvent event) {
    Call call(Command::kSetEvent, device);
    if (call.failed()) return call.result();
    StateLock lock;
    if (auto object = call.Find<Event>(event, "event")) object->set = true;
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL ResetEvent(VkDevice device, VkEvent event) {
    Call call(Command::kResetEvent, device);
    if (call.failed()) return call.result();
    StateLock lock;
    if (auto object = call.Find<Event>(event, "event")) object->set = false;
    return VK_SUCCESS;
}

}  // namespace tessera::mock
