// SPDX-License-Identifier: Apache-2.0
//
// Command pools and the life of a command buffer: initial, recording, executable. What is recorded
// is in transfer.cpp, when it runs is in queue.cpp.
#include "foreign.h"
#include "text.h"

namespace tessera::mock {

VKAPI_ATTR VkResult VKAPI_CALL CreateCommandPool(VkDevice device, const VkCommandPoolCreateInfo*,
                                                 const VkAllocationCallbacks* pAllocator,
                                                 VkCommandPool* pCommandPool) {
    Call call(Command::kCreateCommandPool, device);
    if (call.failed()) return call.result();
    StateLock lock;
    *pCommandPool = FromRaw<VkCommandPool>(
        RegisterLocked(call.device(), std::make_shared<CommandPool>(), pAllocator));
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyCommandPool(VkDevice device, VkCommandPool commandPool,
                                              const VkAllocationCallbacks* pAllocator) {
    Call call(Command::kDestroyCommandPool, device);
    if (commandPool == VK_NULL_HANDLE) return;
    StateLock lock;
    auto pool = call.Find<CommandPool>(commandPool, "commandPool");
    if (pool == nullptr) return;
    call.CheckAllocator(*pool, pAllocator);
    UnregisterLocked(call.device(), *pool);
}

VKAPI_ATTR VkResult VKAPI_CALL ResetCommandPool(VkDevice device, VkCommandPool commandPool,
                                                VkCommandPoolResetFlags) {
    Call call(Command::kResetCommandPool, device);
    if (call.failed()) return call.result();
    StateLock lock;
    auto pool = call.Find<CommandPool>(commandPool, "commandPool");
    if (pool == nullptr) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    // Buffers of the pool stay allocated and become initial.
    for (auto& [raw, buffer] : pool->buffers) {
        buffer->state = CommandBuffer::State::kInitial;
        buffer->commands.clear();
    }
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL
AllocateCommandBuffers(VkDevice device, const VkCommandBufferAllocateInfo* pAllocateInfo,
                       VkCommandBuffer* pCommandBuffers) {
    Call call(Command::kAllocateCommandBuffers, device);
    if (call.failed()) return call.result();
    StateLock lock;
    auto pool = call.Find<CommandPool>(pAllocateInfo->commandPool,
                                       "VkCommandBufferAllocateInfo-commandPool");
    if (pool == nullptr) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    for (uint32_t i = 0; i < pAllocateInfo->commandBufferCount; ++i) {
        auto buffer = std::make_unique<CommandBuffer>();
        buffer->device = &call.device();
        buffer->pool = pool.get();
        buffer->secondary = pAllocateInfo->level == VK_COMMAND_BUFFER_LEVEL_SECONDARY;
        pCommandBuffers[i] = buffer->handle();
        call.device().command_buffers.insert(Raw(pCommandBuffers[i]));
        pool->buffers.emplace(buffer.get(), std::move(buffer));
    }
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL FreeCommandBuffers(VkDevice device, VkCommandPool commandPool,
                                              uint32_t commandBufferCount,
                                              const VkCommandBuffer* pCommandBuffers) {
    Call call(Command::kFreeCommandBuffers, device);
    StateLock lock;
    auto pool = call.Find<CommandPool>(commandPool, "commandPool");
    if (pool == nullptr) return;
    for (uint32_t i = 0; i < commandBufferCount; ++i) {
        if (pCommandBuffers[i] == VK_NULL_HANDLE) continue;
        const bool known = call.device().command_buffers.erase(Raw(pCommandBuffers[i])) == 1;
        call.Require(known && pool->buffers.erase(&Of(pCommandBuffers[i])) == 1,
                     "VUID-vkFreeCommandBuffers-pCommandBuffers-00048",
                     Text("command buffer ", Hex{Raw(pCommandBuffers[i])}, " is not of the pool"));
    }
}

VKAPI_ATTR VkResult VKAPI_CALL BeginCommandBuffer(VkCommandBuffer commandBuffer,
                                                  const VkCommandBufferBeginInfo* pBeginInfo) {
    CommandBuffer& buffer = Of(commandBuffer);
    Call call(Command::kBeginCommandBuffer, buffer.device->handle());
    if (call.failed()) return call.result();
    // A primary command buffer inherits nothing, whatever its pointer holds.
    if (buffer.secondary && pBeginInfo->pInheritanceInfo != nullptr) {
        LookAtChain(call, pBeginInfo->pInheritanceInfo->pNext);
    }
    StateLock lock;
    call.Require(buffer.state != CommandBuffer::State::kRecording,
                 "VUID-vkBeginCommandBuffer-commandBuffer-00049", "it is recording already");
    buffer.state = CommandBuffer::State::kRecording;
    buffer.one_time = pBeginInfo->flags & VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    buffer.commands.clear();
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL EndCommandBuffer(VkCommandBuffer commandBuffer) {
    CommandBuffer& buffer = Of(commandBuffer);
    Call call(Command::kEndCommandBuffer, buffer.device->handle());
    if (call.failed()) return call.result();
    StateLock lock;
    call.Require(buffer.state == CommandBuffer::State::kRecording,
                 "VUID-vkEndCommandBuffer-commandBuffer-00059", "it is not recording");
    buffer.state = CommandBuffer::State::kExecutable;
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL ResetCommandBuffer(VkCommandBuffer commandBuffer,
                                                  VkCommandBufferResetFlags) {
    CommandBuffer& buffer = Of(commandBuffer);
    Call call(Command::kResetCommandBuffer, buffer.device->handle());
    if (call.failed()) return call.result();
    StateLock lock;
    buffer.state = CommandBuffer::State::kInitial;
    buffer.commands.clear();
    return VK_SUCCESS;
}

}  // namespace tessera::mock
