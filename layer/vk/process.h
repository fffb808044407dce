// SPDX-License-Identifier: Apache-2.0
//
// The layer's process-wide state: which instances and devices exist.
//
// Nothing here survives the library's unloading, which the loader does with the last instance.
// Globals are constant-initialised and trivially destructible.
//
// Threads: look-ups take no lock. Everything else takes the process lock, which is the outermost of
// the layer (see device.h).

#ifndef TESSERA_LAYER_VK_PROCESS_H_
#define TESSERA_LAYER_VK_PROCESS_H_

#include <memory>

#include "layer/vk/device.h"
#include "layer/vk/dispatch_map.h"
#include "layer/vk/instance.h"

namespace tessera {

using InstanceMap = DispatchMap<Instance, 64>;
using DeviceMap = DispatchMap<Device, 256>;

namespace process_internal {
extern InstanceMap instances;
extern DeviceMap devices;
}  // namespace process_internal

// The layer's object for any dispatchable handle of an instance (VkInstance, VkPhysicalDevice) or
// of a device (VkDevice, VkQueue). Null only for handles that were not made through the layer.
template <typename Handle>
inline Instance* InstanceOf(Handle handle) noexcept {
    return process_internal::instances.Find(DispatchKey(handle));
}
template <typename Handle>
inline Device& DeviceOf(Handle handle) noexcept {
    return *process_internal::devices.Find(DispatchKey(handle));
}
template <typename Handle>
inline Device* FindDevice(Handle handle) noexcept {
    return process_internal::devices.Find(DispatchKey(handle));
}

// To be called before a new instance or device becomes the layer's: notices a forked child and
// makes the process-wide state its own.
void EnterLayer() noexcept;

// Counts an instance that will be added without fail. From here on the end of another one is not
// the last, whose end resets what is set up for all: the log.
void ExpectInstance() noexcept;

// Takes over an instance or device that was created below.
// Requires: an instance was expected. The room is not empty; it is made before the creation, since
// nothing may fail after it.
void AddInstance(std::unique_ptr<Instance> instance, InstanceMap::Room room) noexcept;
void AddDevice(std::unique_ptr<Device> device, DeviceMap::Room room) noexcept;

// Hands the object back for destruction; look-ups no longer find it, nor the devices that the
// application has left behind with an instance.
std::unique_ptr<Instance> RemoveInstance(VkInstance instance) noexcept;
std::unique_ptr<Device> RemoveDevice(VkDevice device) noexcept;

// Calls `visit(Device&)` for each live device, under the process lock.
void ForEachDevice(void (*visit)(Device& device, void* context), void* context) noexcept;

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_PROCESS_H_
