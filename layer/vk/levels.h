// SPDX-License-Identifier: Apache-2.0
//
// How much the process records, and what it records at the levels above the totals.
//
// The one idea: a level is a wish of the process, from the settings or from a reader, and each
// device takes it when its turn comes: when it is made, or when the helper next serves it. A device
// that begins to record first writes down what is live, with all its shards' locks held, so that
// what readers find is whole from then on.
//
// Threads: any, but for what says otherwise. Without a helper no reader's wish is noticed.

#ifndef TESSERA_LAYER_VK_LEVELS_H_
#define TESSERA_LAYER_VK_LEVELS_H_

#include <vulkan/vulkan.h>

#include <cstdint>

#include "layer/base/settings.h"
#include "layer/vk/device.h"

namespace tessera {

// The settings of an instance speak for the process, until a reader asked for something else.
void WishLevel(const Settings& settings) noexcept;

// In the child of a fork: nobody has asked for anything.
void ForgetLevelRequests() noexcept;

// A device that others can read takes the process's level, for the first time, or is about to end.
// Requires, of the first: its pools exist, and nobody uses them yet.
void BeginLevel(Device& device) noexcept;
void EndLevel(Device& device) noexcept;

// Takes the process's level. Requires: between the two above; one caller at a time.
void TakeLevel(Device& device) noexcept;

// The helper's part: looks whether a reader wishes another level, and takes it.
// Returns: when to be called again, in the helper's time.
uint64_t ServeLevel(Device& device, uint64_t now_ms) noexcept;

// Before an allocation of a device that records: takes its call stack if it is its turn.
void TakeCallStack(Device& device) noexcept;

// What happens to memory of either kind. To be called only if the device records.
void NoteMap(Device& device, VkDeviceMemory memory, uint64_t size_bytes) noexcept;
void NoteUnmap(Device& device, VkDeviceMemory memory) noexcept;
void NoteBind(Device& device, VkDeviceMemory memory, uint64_t offset) noexcept;

// A call that binds or maps memory failed for the application. Threads: any, in any process; costs
// a load unless events are recorded.
void NoteFailure(Device& device, tessera_call call, VkDeviceMemory memory,
                 VkResult result) noexcept;

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_LEVELS_H_
