// SPDX-License-Identifier: Apache-2.0
//
// What a presented picture means to whoever records events.
//
// Threads: any.

#ifndef TESSERA_LAYER_VK_FRAMES_H_
#define TESSERA_LAYER_VK_FRAMES_H_

#include <cstdint>

#include "layer/vk/device.h"

namespace tessera {

// The application presented; `number`: which call of vkQueuePresentKHR that was, from 1.
// Requires: InOwnProcess().
inline void NoteFrame(Device& device, uint64_t number) noexcept {
    device.slots.recorder().Note(TESSERA_EVENT_frame, 0, number);
}

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_FRAMES_H_
