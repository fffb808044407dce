// SPDX-License-Identifier: Apache-2.0
//
// What the driver knows across instances and devices. There is one registry per process; the
// library is never unloaded, so it outlives the loader's closing of the driver with each last
// instance.
//
// Locking. One mutex, the *state mutex*, guards the registry and every object; it is held for parts
// of a command, never while a hook runs or a cost is spent. Under it only the violation store's own
// mutex is taken. Commands overlap in time all the same as far as a caller can tell, and the use
// markers see it.
#ifndef TESSERA_TESTS_DRIVER_REGISTRY_H
#define TESSERA_TESTS_DRIVER_REGISTRY_H

#include <array>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "objects.h"

namespace tessera::mock {

struct Registry {
    std::mutex mutex;
    std::condition_variable fence_signaled;  // with `mutex`

    std::set<Instance*> instances;  // alive; owned
    std::set<Device*> devices;      // alive; owned
    TypeTotals retired{};           // of destroyed devices
    // Bytes charged to the heaps of each physical device, by device UUID: what the hardware counts.
    std::map<std::array<uint8_t, VK_UUID_SIZE>, std::array<VkDeviceSize, VK_MAX_MEMORY_HEAPS>>
        heap_usage;
    std::map<VkObjectType, std::deque<uint64_t>> forced_handles;  // next first
    std::string description_text;  // given by the control; wins over the environment if not empty

    std::array<VkDeviceSize, VK_MAX_MEMORY_HEAPS>& HeapUsage(const Description& description) {
        return heap_usage[description.device_uuid];
    }
};

// Returns the registry. It is never destroyed.
Registry& TheRegistry();

// Holds the state mutex.
class StateLock {
 public:
    StateLock() : lock_(TheRegistry().mutex) {}
    std::unique_lock<std::mutex>& lock() { return lock_; }

 private:
    std::unique_lock<std::mutex> lock_;
};

// All of the following need the state mutex.

// Takes the object in, gives it a handle (a forced one if the control asked for it) and remembers
// whether an allocator came with it. Returns the handle.
uint64_t RegisterLocked(Device& device, std::shared_ptr<Object> object,
                        const VkAllocationCallbacks* allocator);

// Forgets the object with its name and private data.
void UnregisterLocked(Device& device, Object& object);

// Whether a handle of this type names something alive on the device: a child of any kind, one of
// its queues or command buffers, or the device itself.
bool IsAliveLocked(Device& device, VkObjectType type, uint64_t handle);

// Returns a sentence's end that says what an unknown handle may be: "was destroyed", "belongs to
// another device", "was never created by this driver" and the like.
std::string ExplainHandleLocked(const Device& device, VkObjectType type, uint64_t handle);

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_REGISTRY_H
