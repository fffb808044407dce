// SPDX-License-Identifier: Apache-2.0
//
// What the driver tells an application that asked to be told: VK_EXT_device_memory_report and
// VK_EXT_device_address_binding_report. Both name the driver's own objects, which is why a layer
// that shares one memory among many must stand aside when they are on.
//
// The callbacks run at the end of the call, on its thread, with no lock held.
#ifndef TESSERA_TESTS_DRIVER_REPORTS_H
#define TESSERA_TESTS_DRIVER_REPORTS_H

#include "call.h"

namespace tessera::mock {

// Reports an event of a memory (allocate, free, import, unimport) to the device's callbacks.
// **Requires** the state mutex.
void ReportMemoryLocked(Call& call, const Memory& memory, VkDeviceMemoryReportEventTypeEXT event);

// Reports that an allocation of this size did not come about. **Requires** the state mutex.
void ReportFailureLocked(Call& call, VkDeviceSize size_bytes, uint32_t heap);

// Reports that an object got (`bound`) or lost a range of the device's address space, to the
// messengers that listen for it. **Requires** the state mutex.
void ReportAddressLocked(Call& call, const Object& object, VkDeviceAddress address,
                         VkDeviceSize size_bytes, bool bound);

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_REPORTS_H
