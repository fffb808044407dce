// SPDX-License-Identifier: Apache-2.0
//
// What the layer does when an application breaks a rule of Vulkan with pooled memory. The command
// itself answers with the mildest thing that it may; here the breach becomes visible: counted in
// the channel by its kind (TESSERA_MISUSES), and logged, at most three lines for each kind.
//
// Threads: any. In a forked child nothing is counted.

#ifndef TESSERA_LAYER_VK_MISUSE_H_
#define TESSERA_LAYER_VK_MISUSE_H_

#include <vulkan/vulkan_core.h>

#include "layer/vk/device.h"
#include "tessera/channel_abi.h"

namespace tessera {

// `command` did this to `memory`; a phrase that starts a sentence ("vkMapMemory", "a bind").
void ReportMisuse(Device& device, tessera_misuse which, const char* command,
                  VkDeviceMemory memory) noexcept;

// What `memory` is to the device, for a command that uses it. A stale handle is reported.
inline SlotTable::Found FindUsed(Device& device, const char* command,
                                 VkDeviceMemory memory) noexcept {
    const SlotTable::Found found = device.Find(memory);
    if (found.kind == SlotTable::Kind::kStale) {
        ReportMisuse(device, TESSERA_MISUSE_use_after_free, command, memory);
    }
    return found;
}

// Whether a command that pooled memory cannot legally reach was given pooled memory all the same,
// live or stale: it must not go down then. Reported.
bool IsMisplaced(Device& device, const char* command, VkDeviceMemory memory) noexcept;

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_MISUSE_H_
