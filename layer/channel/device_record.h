// SPDX-License-Identifier: Apache-2.0
//
// What happens to a device's record as a whole: it is filled in, and added to the retired sum.
//
// Threads: externally synchronised; for a record in a segment the caller holds the header's
// sequence odd meanwhile. Nothing here allocates or throws.
#pragma once

#include "channel/channel.h"
#include "tessera/channel_abi.h"

namespace tessera::channel {

// Says in a zeroed record what the device is. Lists and strings are cut to what the record can
// hold.
void DescribeDevice(tessera_device_record& record, const DeviceFacts& facts, uint64_t id) noexcept;

// Adds what a destroyed device has done to the retired sum, as the ABI defines that.
void AddToRetired(tessera_device_record& sum, const tessera_device_record& device) noexcept;

}  // namespace tessera::channel
