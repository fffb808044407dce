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

#include "layer/vk/handle.h"
#include "layer/vk/requirements.h"

namespace tessera {

class Device;

// Where a resource is really bound.
struct BindTarget {
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkDeviceSize offset = 0;
};

// What a resource that is about to be bound needs of the place. The driver is asked once, when the
// first answer is wanted.
class ResourceNeed {
 public:
    // Bytes, a power of two.
    uint64_t Alignment() noexcept { return Requirements().alignment; }

    // How many bytes of memory the bind takes. 0: not known.
    uint64_t Bytes() noexcept { return bound_bytes_ != 0 ? bound_bytes_ : Requirements().size; }

    // The same if it is known already; else 0.
    uint64_t KnownBytes() const noexcept {
        return bound_bytes_ != 0 ? bound_bytes_ : requirements_.size;
    }

    // Only this much of the resource is bound, as far as is known.
    void BindOnly(uint64_t bytes) noexcept { bound_bytes_ = bytes; }

    virtual Layout ResourceLayout() noexcept = 0;

 protected:
    ~ResourceNeed() = default;
    // The size may be 0, if it is not known.
    virtual VkMemoryRequirements Ask() noexcept = 0;

 private:
    const VkMemoryRequirements& Requirements() noexcept {
        if (!asked_) requirements_ = Ask();
        asked_ = true;
        return requirements_;
    }

    bool asked_ = false;
    VkMemoryRequirements requirements_ = {};
    uint64_t bound_bytes_ = 0;
};

// Translates a bind of `memory` at `offset`. Foreign and null handles come out as they are. A slot
// that nobody has seen is moved if its place does not suit the resource, and pinned.
//
// A resource that reaches past the end of its memory (reported as misuse) would lie in another
// allocation. It is bound if it stays within the slot's padding, or if the slot can be moved to
// where there is room for it: alone, the driver has pages behind most allocations.
//
// Returns VK_SUCCESS; or VK_ERROR_OUT_OF_DEVICE_MEMORY if the handle is stale or the resource would
// lie in another allocation (both reported), if there is no memory to move to (host memory:
// VK_ERROR_OUT_OF_HOST_MEMORY), or if the slot is pinned where the resource cannot be (logged and
// counted: it must not happen). `*target` means something only on success.
VkResult TranslateBind(Device& device, VkDeviceMemory memory, VkDeviceSize offset,
                       ResourceNeed& need, BindTarget* target) noexcept;

// Makes the place of a live slot final, as it is.
void Pin(const Device& device, Slot& slot) noexcept;

// Makes the place of a live slot final, where [offset, offset + bytes) lies within it; moves it for
// that if it can still be moved. False: it cannot, and the slot is as before.
bool PinCovering(Device& device, Slot& slot, uint64_t offset, uint64_t bytes) noexcept;

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_TRANSLATE_H_
