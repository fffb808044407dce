// SPDX-License-Identifier: Apache-2.0
//
// VkDeviceMemory as a number, and the names by which this part knows the engine's slots.

#ifndef TESSERA_LAYER_VK_HANDLE_H_
#define TESSERA_LAYER_VK_HANDLE_H_

#include <vulkan/vulkan_core.h>

#include <cstdint>

#include "layer/pool/slot.h"
#include "layer/pool/slot_table.h"

namespace tessera {

using pool::Slot;
using pool::SlotId;
using pool::SlotState;
using pool::SlotTable;

// VkDeviceMemory is a pointer on 64-bit systems and an integer on 32-bit ones.
inline uint64_t HandleValue(VkDeviceMemory memory) noexcept {
    return (uint64_t)memory;  // NOLINT: the one cast that is right for both
}
inline VkDeviceMemory MakeHandle(uint64_t value) noexcept {
    return (VkDeviceMemory)value;  // NOLINT: as above
}

// The same of any object that is not dispatchable.
template <typename Handle>
uint64_t ObjectValue(Handle object) noexcept {
    return (uint64_t)object;  // NOLINT: as above
}

// Slot::owner_flags: what the application did with the memory. Under the external synchronisation
// of `memory` that Vulkan asks for in map, unmap and free.
inline constexpr uint8_t kSlotMapped = 1;
inline constexpr uint8_t kSlotEverMapped = 2;
inline constexpr uint8_t kSlotPartMapped = 4;  // of it only a part, which map_ranges.h tells

inline SlotState StateOf(const Slot& slot) noexcept {
    return pool::Mark::StateIn(slot.mark.load(std::memory_order_acquire));
}

// Ends the settling of a live slot. Requires: the caller is the thread that settles it.
inline void SetState(Slot& slot, SlotState state) noexcept {
    const uint32_t mark = slot.mark.load(std::memory_order_relaxed);
    slot.mark.store(pool::Mark::WithState(mark, state), std::memory_order_release);
}

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_HANDLE_H_
