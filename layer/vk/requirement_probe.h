// SPDX-License-Identifier: Apache-2.0
//
// Asking a driver up front what its resources require, so that the first allocation is already
// placed as the strictest of them needs.

#ifndef TESSERA_LAYER_VK_REQUIREMENT_PROBE_H_
#define TESSERA_LAYER_VK_REQUIREMENT_PROBE_H_

#include <vulkan/vulkan_core.h>

namespace tessera {

class Device;

// The buffer usages beyond those of Vulkan 1.0 that a device created with `info` may be asked
// about; `device_address` tells whether bufferDeviceAddress is enabled.
VkBufferUsageFlags OptionalBufferUsages(const VkDeviceCreateInfo& info,
                                        bool device_address) noexcept;

// Observes the requirements of a fixed set of buffers and images in `device.book`: every buffer
// usage of Vulkan 1.0 and of `device.optional_buffer_usages`, linear images, and optimal images of
// the kinds that are known to ask for most (attachments, depth, multisampled, three-dimensional,
// mipmapped), each at a small and a large size.
//
// Where the device has maintenance4 no object is made; else each resource is created, asked and
// destroyed. Nothing is bound, and what the device does not support is left out.
//
// Returns: false if the driver had no memory for an answer, or none about a buffer of Vulkan 1.0,
// which every device can make, so that too little is known to place anything; the rest was not
// asked. What else it cannot make for another reason nobody can, and is left out. The next call
// begins anew. Down-calls: vkGetDevice*MemoryRequirements, or vkCreate*, vkGet*MemoryRequirements,
// vkDestroy*. Threads: any; several at once observe the same.
bool ProbeRequirements(Device& device) noexcept;

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_REQUIREMENT_PROBE_H_
