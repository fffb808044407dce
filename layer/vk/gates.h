// SPDX-License-Identifier: Apache-2.0
//
// What is decided once, when a device is created: whether it pools at all, and which kinds of
// allocation its enabled features keep out of the pool. The rules are those that
// docs/pass-through.md lists, each with its source in the specification.

#ifndef TESSERA_LAYER_VK_GATES_H_
#define TESSERA_LAYER_VK_GATES_H_

#include <vulkan/vulkan_core.h>

#include "layer/base/settings.h"
#include "tessera/channel_abi.h"

namespace tessera {

struct Gates {
    // `none`: the device pools. Else the reason why every allocation on it is passed through.
    tessera_reason off = TESSERA_REASON_none;

    // bufferDeviceAddressCaptureReplay: any memory with a device address may be asked for its
    // opaque capture address (VUID-VkDeviceMemoryOpaqueCaptureAddressInfo-memory-03336), and must
    // be reproducible.
    bool capture_replay = false;
    // memoryMapPlaced or memoryUnmapReserve: the application has a say in where host-visible memory
    // is mapped, or keeps the addresses when it is unmapped.
    bool placed_map = false;
    // sparseBinding: memory is bound in blocks of 64 KiB (spec: "Standard Sparse Image Block
    // Shapes").
    bool sparse_binding = false;
    // bufferDeviceAddress: buffers may be created to have one.
    bool device_address = false;
    // descriptorHeap: heap addresses are aligned to up to 64 KiB.
    bool descriptor_heap = false;
    // descriptorBuffer: some memory types may lie in a small address space of their own.
    bool descriptor_buffer = false;
    // memoryPriority: VkMemoryPriorityAllocateInfoEXT has an effect.
    bool memory_priority = false;
};

// What is known of the driver; enough to tell the ones that suballocate by themselves.
struct DriverIdentity {
    bool has_driver_id = false;  // VkPhysicalDeviceDriverProperties could be read
    VkDriverId driver_id = static_cast<VkDriverId>(0);
    uint32_t vendor_id = 0;
    uint32_t driver_version = 0;
    const char* device_name = "";
};

// Reads what the application enables. Only looks, and logs what it has never heard of; the create
// info goes down untouched.
Gates EvaluateGates(const VkDeviceCreateInfo& info, const DriverIdentity& driver,
                    const Settings& settings) noexcept;

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_GATES_H_
