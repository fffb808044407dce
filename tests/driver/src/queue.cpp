// SPDX-License-Identifier: Apache-2.0
//
// Queues execute what is submitted before the submission returns: the simplest machine that is
// still a legal one. A wait on a semaphore that nobody has signalled is therefore a violation.
#include "executor.h"
#include "foreign.h"
#include "sparse.h"

namespace tessera::mock {
namespace {

// Takes the signals that a submission waits for.
void WaitLocked(Call& call, uint32_t count, const VkSemaphore* semaphores) {
    for (uint32_t i = 0; i < count; ++i) {
        auto semaphore = call.Find<Semaphore>(semaphores[i], "pWaitSemaphores");
        if (semaphore == nullptr) continue;
        call.Require(semaphore->signaled, "VUID-vkQueueSubmit-pWaitSemaphores-03238",
                     Text("semaphore ", Hex{semaphore->handle}, " has no signal to wait for"));
        semaphore->signaled = false;
    }
}

// Gives the signals that others wait for; a signal that nobody took may not be given again.
void SignalLocked(Call& call, uint32_t count, const VkSemaphore* semaphores) {
    for (uint32_t i = 0; i < count; ++i) {
        auto semaphore = call.Find<Semaphore>(semaphores[i], "pSignalSemaphores");
        if (semaphore == nullptr) continue;
        call.Require(!semaphore->signaled, "VUID-vkQueueSubmit-pSignalSemaphores-00067",
                     Text("semaphore ", Hex{semaphore->handle}, " is signaled already"));
        semaphore->signaled = true;
    }
}

// Ends a submission for the host, which may be waiting in vkWaitForFences.
void SignalFenceLocked(Call& call, VkFence handle) {
    if (handle == VK_NULL_HANDLE) return;
    auto fence = call.Find<Fence>(handle, "fence");
    if (fence == nullptr) return;
    call.Require(!fence->signaled, "VUID-vkQueueSubmit-fence-00063",
                 Text("fence ", Hex{fence->handle}, " is signaled already"));
    fence->signaled = true;
    TheRegistry().fence_signaled.notify_all();
}

// Runs a command buffer. Its handle is looked up first: the driver would follow it anywhere.
void ExecuteLocked(Call& call, Executor& executor, VkCommandBuffer handle) {
    if (!IsAliveLocked(call.device(), VK_OBJECT_TYPE_COMMAND_BUFFER, Raw(handle))) {
        call.Violation("VUID-VkSubmitInfo-pCommandBuffers-parameter",
                       Text("command buffer ", Hex{Raw(handle)}, " is not alive"));
        return;
    }
    CommandBuffer& buffer = Of(handle);
    if (!call.Require(buffer.state == CommandBuffer::State::kExecutable,
                      "VUID-vkQueueSubmit-pCommandBuffers-00070",
                      Text("command buffer ", Hex{Raw(handle)}, " is not executable"))) {
        return;
    }
    for (const RecordedCommand& command : buffer.commands)
        command(executor);
    if (buffer.one_time) buffer.state = CommandBuffer::State::kInitial;
}

}  // namespace

VKAPI_ATTR VkResult VKAPI_CALL QueueSubmit(VkQueue queue, uint32_t submitCount,
                                           const VkSubmitInfo* pSubmits, VkFence fence) {
    Queue& target = Of(queue);
    Call call(Command::kQueueSubmit, target.device->handle());
    if (call.failed()) return call.result();
    call.UseQueue(target);
    for (uint32_t i = 0; i < submitCount; ++i)
        LookAtChain(call, pSubmits[i].pNext);
    call.Enter();
    StateLock lock;
    Executor executor(call);
    for (uint32_t i = 0; i < submitCount; ++i) {
        const VkSubmitInfo& submit = pSubmits[i];
        WaitLocked(call, submit.waitSemaphoreCount, submit.pWaitSemaphores);
        for (uint32_t j = 0; j < submit.commandBufferCount; ++j) {
            ExecuteLocked(call, executor, submit.pCommandBuffers[j]);
        }
        SignalLocked(call, submit.signalSemaphoreCount, submit.pSignalSemaphores);
    }
    SignalFenceLocked(call, fence);
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL QueueSubmit2(VkQueue queue, uint32_t submitCount,
                                            const VkSubmitInfo2* pSubmits, VkFence fence) {
    Queue& target = Of(queue);
    Call call(Command::kQueueSubmit2, target.device->handle());
    if (call.failed()) return call.result();
    call.UseQueue(target);
    for (uint32_t i = 0; i < submitCount; ++i)
        LookAtChain(call, pSubmits[i].pNext);
    call.Enter();
    StateLock lock;
    call.Require(target.device->Enabled("synchronization2"),
                 "VUID-vkQueueSubmit2-synchronization2-03866", "synchronization2 is off");
    Executor executor(call);
    for (uint32_t i = 0; i < submitCount; ++i) {
        const VkSubmitInfo2& submit = pSubmits[i];
        for (uint32_t j = 0; j < submit.waitSemaphoreInfoCount; ++j) {
            WaitLocked(call, 1, &submit.pWaitSemaphoreInfos[j].semaphore);
        }
        for (uint32_t j = 0; j < submit.commandBufferInfoCount; ++j) {
            ExecuteLocked(call, executor, submit.pCommandBufferInfos[j].commandBuffer);
        }
        for (uint32_t j = 0; j < submit.signalSemaphoreInfoCount; ++j) {
            SignalLocked(call, 1, &submit.pSignalSemaphoreInfos[j].semaphore);
        }
    }
    SignalFenceLocked(call, fence);
    return VK_SUCCESS;
}

// There are no surfaces, so that pictures go nowhere: what is presented to is not looked at.
VKAPI_ATTR VkResult VKAPI_CALL QueuePresentKHR(VkQueue queue,
                                               const VkPresentInfoKHR* pPresentInfo) {
    Queue& target = Of(queue);
    Call call(Command::kQueuePresentKHR, target.device->handle());
    if (call.failed()) return call.result();
    call.UseQueue(target);
    call.Enter();
    StateLock lock;
    WaitLocked(call, pPresentInfo->waitSemaphoreCount, pPresentInfo->pWaitSemaphores);
    for (uint32_t i = 0; pPresentInfo->pResults != nullptr && i < pPresentInfo->swapchainCount; ++i)
        pPresentInfo->pResults[i] = VK_SUCCESS;
    return VK_SUCCESS;
}

// Nor are there swapchains: what is taken for one is the handle of an image, the only one it has.
VKAPI_ATTR VkResult VKAPI_CALL GetSwapchainImagesKHR(VkDevice device, VkSwapchainKHR swapchain,
                                                     uint32_t* pSwapchainImageCount,
                                                     VkImage* pSwapchainImages) {
    Call call(Command::kGetSwapchainImagesKHR, device);
    if (call.failed()) return call.result();
    if (pSwapchainImages != nullptr) {
        if (*pSwapchainImageCount == 0) return VK_INCOMPLETE;
        pSwapchainImages[0] = reinterpret_cast<VkImage>(swapchain);
    }
    *pSwapchainImageCount = 1;
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroySwapchainKHR(VkDevice device, VkSwapchainKHR,
                                               const VkAllocationCallbacks*) {
    Call call(Command::kDestroySwapchainKHR, device);
}

VKAPI_ATTR VkResult VKAPI_CALL QueueWaitIdle(VkQueue queue) {
    Queue& target = Of(queue);
    Call call(Command::kQueueWaitIdle, target.device->handle());
    if (call.failed()) return call.result();
    call.UseQueue(target);
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL DeviceWaitIdle(VkDevice device) {
    Call call(Command::kDeviceWaitIdle, device);
    if (call.failed()) return call.result();
    for (const auto& queue : call.device().queues)
        call.UseQueue(*queue);
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL QueueBeginDebugUtilsLabelEXT(VkQueue queue,
                                                        const VkDebugUtilsLabelEXT*) {
    Call call(Command::kQueueBeginDebugUtilsLabelEXT, Of(queue).device->handle());
}

VKAPI_ATTR void VKAPI_CALL QueueEndDebugUtilsLabelEXT(VkQueue queue) {
    Call call(Command::kQueueEndDebugUtilsLabelEXT, Of(queue).device->handle());
}

VKAPI_ATTR void VKAPI_CALL QueueInsertDebugUtilsLabelEXT(VkQueue queue,
                                                         const VkDebugUtilsLabelEXT*) {
    Call call(Command::kQueueInsertDebugUtilsLabelEXT, Of(queue).device->handle());
}

// Sparse binds share the queue's order: see sparse.cpp for what a bind does.
VKAPI_ATTR VkResult VKAPI_CALL QueueBindSparse(VkQueue queue, uint32_t bindInfoCount,
                                               const VkBindSparseInfo* pBindInfo, VkFence fence) {
    Queue& target = Of(queue);
    Call call(Command::kQueueBindSparse, target.device->handle());
    if (call.failed()) return call.result();
    call.UseQueue(target);
    for (uint32_t i = 0; i < bindInfoCount; ++i)
        UseSparseMemories(call, pBindInfo[i]);
    call.Enter();
    StateLock lock;
    call.Require(target.device->description->sparse && target.family == 0,
                 "VUID-vkQueueBindSparse-queuetype", "the queue has no sparse binding");
    for (uint32_t i = 0; i < bindInfoCount; ++i) {
        const VkBindSparseInfo& info = pBindInfo[i];
        WaitLocked(call, info.waitSemaphoreCount, info.pWaitSemaphores);
        BindSparseLocked(call, info);
        SignalLocked(call, info.signalSemaphoreCount, info.pSignalSemaphores);
    }
    SignalFenceLocked(call, fence);
    return VK_SUCCESS;
}

}  // namespace tessera::mock
