// SPDX-License-Identifier: Apache-2.0
//
// What every mode starts with: an instance, a device and a set of allocations.
//
// One object, so that a mode's whole Vulkan state is made by one line and destroyed in the right
// order at the end of a scope. Belongs to one thread.
#ifndef TESSERA_TESTS_APPS_LIFECYCLE_CLIENT_H_
#define TESSERA_TESTS_APPS_LIFECYCLE_CLIENT_H_

#include "common/device.h"
#include "lifecycle/allocations.h"
#include "lifecycle/modes.h"

namespace apps {

/// Members are destroyed from the last to the first: allocations, device, instance.
struct Client {
    /// `key` tells the allocations' contents from those of other clients.
    explicit Client(uint32_t device_index, uint32_t key = 0)
        : instance("lifecycle_app"),
          device(instance, device_index),
          allocations(device, kAllocations, key) {}

    Instance instance;
    Device device;
    AllocationSet allocations;
};

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_LIFECYCLE_CLIENT_H_
