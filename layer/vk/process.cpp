// SPDX-License-Identifier: Apache-2.0
//
// See process.h. Live devices also form a list, for what concerns all of them (the budget).

#include "layer/vk/process.h"
#include "layer/vk/levels.h"

#include <new>
#include <utility>

#include "layer/base/log.h"
#include "layer/base/mutex.h"
#include "layer/channel/channel.h"
#include "layer/vk/helper.h"

namespace tessera {

namespace process_internal {
constinit InstanceMap instances;
constinit DeviceMap devices;
}  // namespace process_internal

namespace {

using process_internal::devices;
using process_internal::instances;

constinit Mutex process_mutex;
constinit Device* first_device ABSL_GUARDED_BY(process_mutex) = nullptr;
// Devices that were left behind, until the library goes; linked in the same way.
constinit Device* first_abandoned ABSL_GUARDED_BY(process_mutex) = nullptr;
constinit uint32_t instance_count ABSL_GUARDED_BY(process_mutex) = 0;
// In a forked child that inherited objects: the maps are never cleared.
constinit bool has_inherited ABSL_GUARDED_BY(process_mutex) = false;

void Unlink(const Device* device) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(process_mutex) {
    for (Device** link = &first_device; *link != nullptr; link = &(*link)->next_in_process) {
        if (*link != device) continue;
        *link = device->next_in_process;
        return;
    }
}

// Nobody may use the device any more, and nobody told of its end. A thread that breaks the rules
// may still be in it, so it stays until the last instance goes. Requires: it is in no list, and no
// look-up finds it.
void LeaveBehind(Device& device) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(process_mutex) {
    ForgetHelped(device);
    // Nobody waits for it to take another level.
    if (device.is_published()) EndLevel(device);
    device.next_in_process = first_abandoned;
    first_abandoned = &device;
}

// The application destroys an instance and leaves devices of it behind. Nobody may use them any
// more, and the loader frees their dispatch tables, whose addresses come back as other devices'
// keys. The objects are abandoned: what they hold below is the application's leak.
void ForgetDevicesOf(const Instance* instance) noexcept
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(process_mutex) {
    for (Device** link = &first_device; *link != nullptr;) {
        Device* device = *link;
        if (device->instance != instance) {
            link = &device->next_in_process;
            continue;
        }
        *link = device->next_in_process;
        devices.EraseValue(device);
        LeaveBehind(*device);
        TESSERA_LOG(kWarning,
                    "the application breaks a rule of Vulkan: it destroys an instance of which a "
                    "device is not destroyed");
    }
}

void DeleteAbandoned() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(process_mutex) {
    while (first_abandoned != nullptr) {
        Device* device = first_abandoned;
        first_abandoned = device->next_in_process;
        device->Abandon();
        delete device;
    }
}

// In a forked child: locks may be held by threads that do not exist here. What the parent created
// stays findable, since the application may still destroy it, but belongs to no list any more.
void RestartInChild() noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    new (&process_mutex) Mutex;
    first_device = nullptr;
    first_abandoned = nullptr;
    instance_count = 0;
    has_inherited = true;
    RestartHelperInChild();
    channel::ForkedChild();
    ForgetLevelRequests();
}

}  // namespace

void EnterLayer() noexcept {
    EnterProcess(RestartInChild);
}

void ExpectInstance() noexcept {
    MutexLock lock(process_mutex);
    ++instance_count;
}

void AddInstance(std::unique_ptr<Instance> instance, InstanceMap::Room room) noexcept {
    MutexLock lock(process_mutex);
    // One that the layer was not told the end of: a layer above failed after it was made.
    Instance* stale = instances.Find(DispatchKey(instance->handle));
    if (stale != nullptr) ForgetDevicesOf(stale);
    const bool counted = stale != nullptr && stale->epoch == ForkEpoch();
    instances.Insert(DispatchKey(instance->handle), instance.get(), std::move(room));
    channel::InstanceCreated(instance->settings.channel && !instance->settings.elevated,
                             instance->settings.channel_bytes);
    WishLevel(instance->settings);
    if (counted) {
        channel::InstanceDestroyed();
        --instance_count;
    }
    instance.release();
}

std::unique_ptr<Instance> RemoveInstance(VkInstance handle) noexcept {
    Instance* instance = InstanceOf(handle);
    if (instance == nullptr) return nullptr;
    if (instance->epoch != ForkEpoch()) {
        // The parent's: no lock of the parent's is taken, and the channel never knew it here.
        instances.Erase(DispatchKey(handle));
        return std::unique_ptr<Instance>(instance);
    }
    MutexLock lock(process_mutex);
    instances.Erase(DispatchKey(handle));
    ForgetDevicesOf(instance);
    // The library goes with the last instance, and the records of devices with the channel's.
    if (instance_count == 1 && !has_inherited) DeleteAbandoned();
    channel::InstanceDestroyed();
    if (--instance_count == 0 && !has_inherited) {
        // The loader unloads the library next.
        instances.Clear();
        devices.Clear();
        first_device = nullptr;
        ShutdownLog();
    }
    return std::unique_ptr<Instance>(instance);
}

void AddDevice(std::unique_ptr<Device> device, DeviceMap::Room room) noexcept {
    MutexLock lock(process_mutex);
    // One that the layer was not told the end of, as for an instance. Its instance may end any
    // time.
    Device* const stale = devices.Find(DispatchKey(device->handle));
    devices.Insert(DispatchKey(device->handle), device.get(), std::move(room));
    if (stale != nullptr && stale->InOwnProcess()) {
        Unlink(stale);
        LeaveBehind(*stale);
    }
    device->next_in_process = first_device;
    first_device = device.release();
}

std::unique_ptr<Device> RemoveDevice(VkDevice handle) noexcept {
    Device* device = FindDevice(handle);
    if (device == nullptr) return nullptr;
    if (!device->InOwnProcess()) {
        devices.Erase(DispatchKey(handle));
        return std::unique_ptr<Device>(device);
    }
    MutexLock lock(process_mutex);
    devices.Erase(DispatchKey(handle));
    Unlink(device);
    return std::unique_ptr<Device>(device);
}

void ForEachDevice(void (*visit)(Device& device, void* context), void* context) noexcept {
    MutexLock lock(process_mutex);
    for (Device* device = first_device; device != nullptr; device = device->next_in_process) {
        visit(*device, context);
    }
}

}  // namespace tessera
