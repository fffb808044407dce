// SPDX-License-Identifier: Apache-2.0
//
// From what the application names (a pooled handle and an offset in it) to what the driver knows (a
// block and an offset in that), and the one transition that makes a slot's place final.
//
// Threads: any. `memory` is not externally synchronised in vkBind*Memory, so two binds may find the
// same slot unpinned at the same time: one of them settles it, the other waits for the outcome.

#ifndef TESSERA_LAYER_VK_TRANSLATE_H_
#define TESSERA_LAYER_VK_TRANSLATE_H_

#include <vulkan/vulkan_core.h>

#include <cstdint>

#include "layer/vk/requirements.h"
#include "layer/vk/slot_table.h"

namespace tessera {

class Device;

// Where a resource is really bound.
struct BindTarget {
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkDeviceSize offset = 0;
};

// What a resource that is about to be bound needs of the place. Asked for only when the place does
// not suit everything anyway, since it costs a down-call.
class ResourceNeed {
 public:
    // Bytes, a power of two.
    virtual uint64_t Alignment() noexcept = 0;
    virtual Layout ResourceLayout() noexcept = 0;

 protected:
    ~ResourceNeed() = default;
};

// Translates a bind of `memory` at `offset`. Foreign and null handles come out as they are. A slot
// that nobody has seen is moved if its place does not suit the resource, and pinned.
// Returns VK_SUCCESS; or VK_ERROR_OUT_OF_DEVICE_MEMORY if the handle is stale (logged), if there is
// no memory to move to, or if the slot is pinned where the resource cannot be (logged and counted:
// it must not happen). `*target` means something only on success.
VkResult TranslateBind(Device& device, VkDeviceMemory memory, VkDeviceSize offset,
                       ResourceNeed& need, BindTarget* target) noexcept;

// Makes the place of a live slot final, as it is.
void Pin(const Device& device, Slot& slot) noexcept;

// One line, limited, about a handle that was ours and is used after it was freed.
void LogStale(const char* command, VkDeviceMemory memory) noexcept;

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_TRANSLATE_H_
