// SPDX-License-Identifier: Apache-2.0
//
// The helper: one thread of the process that makes blocks before they are needed and gives back
// those that are not, so that the application's threads need not wait for the driver.
//
// It starts when a device first has something for it to do and ends with the last such device, or
// when the process exits: before a driver is torn down, since its exit handler is younger than
// those of the drivers that it calls. The end of the process waits for it a second at most. It
// blocks all signals. Where no thread can be made the application's threads go on doing everything
// themselves. A forked child has no helper until it makes a device of its own.
//
// Threads: any. No lock of it is held while the driver is called.

#ifndef TESSERA_LAYER_VK_HELPER_H_
#define TESSERA_LAYER_VK_HELPER_H_

namespace tessera {

class Device;

// Asks for device.Service() to be called soon. Takes the helper's own lock, under which no other is
// taken: whoever calls may hold one. Returns: false if there can be no helper.
bool WantHelper(Device& device) noexcept;

// The device is about to go. Returns once the helper is not at work for it and will not be again.
void ForgetHelped(Device& device) noexcept;

// In a forked child, while no other thread runs: as if there had never been a helper.
void RestartHelperInChild() noexcept;

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_HELPER_H_
