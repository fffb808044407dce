// SPDX-License-Identifier: Apache-2.0
//
// Buffer device addresses: the address of the memory plus the offset of the binding, so that a test
// can see where a buffer was put from its address alone.
#include "call.h"
#include "text.h"

namespace tessera::mock {
namespace {

std::shared_ptr<Buffer> AddressableLocked(Call& call, const VkBufferDeviceAddressInfo& info) {
    call.Require(call.device().Enabled("bufferDeviceAddress"),
                 "VUID-vkGetBufferDeviceAddress-bufferDeviceAddress-03324",
                 "bufferDeviceAddress is off");
    auto buffer = call.Find<Buffer>(info.buffer, "VkBufferDeviceAddressInfo-buffer");
    if (buffer == nullptr) return nullptr;
    call.Require(buffer->info.usage & VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT,
                 "VUID-VkBufferDeviceAddressInfo-buffer-02601",
                 Text("buffer ", Hex{buffer->handle}, " lacks the usage"));
    const bool ready = call.Require(buffer->backing.sparse || buffer->backing.bound(),
                                    "VUID-VkBufferDeviceAddressInfo-buffer-02600",
                                    Text("buffer ", Hex{buffer->handle}, " is not bound"));
    return ready ? buffer : nullptr;
}

// Sparse buffers get a range of the address space of their own when first asked.
VkDeviceAddress AddressOfLocked(Device& device, Buffer& buffer) {
    if (!buffer.backing.sparse) {
        return buffer.backing.whole().memory->address + buffer.backing.whole().offset;
    }
    if (buffer.sparse_address == 0) {
        buffer.sparse_address = device.next_address;
        device.next_address += buffer.requirements.size;
    }
    return buffer.sparse_address;
}

}  // namespace

VKAPI_ATTR VkDeviceAddress VKAPI_CALL
GetBufferDeviceAddress(VkDevice device, const VkBufferDeviceAddressInfo* pInfo) {
    Call call(Command::kGetBufferDeviceAddress, device);
    StateLock lock;
    auto buffer = AddressableLocked(call, *pInfo);
    return buffer == nullptr ? 0 : AddressOfLocked(call.device(), *buffer);
}

VKAPI_ATTR uint64_t VKAPI_CALL
GetBufferOpaqueCaptureAddress(VkDevice device, const VkBufferDeviceAddressInfo* pInfo) {
    Call call(Command::kGetBufferOpaqueCaptureAddress, device);
    StateLock lock;
    auto buffer = AddressableLocked(call, *pInfo);
    return buffer == nullptr ? 0 : AddressOfLocked(call.device(), *buffer);
}

}  // namespace tessera::mock
