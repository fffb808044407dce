// SPDX-License-Identifier: Apache-2.0
//
// The writer of the process's statistics segment (include/tessera/channel_abi.h is its contract).
//
// One Channel exists per process and per load of the layer. It opens the segment with the first
// instance, continues the segment of an earlier load of the layer in the same process, and closes
// it with the last instance. It hands out device records: in the segment when it can, else in
// private memory, so that those who count never ask whether anybody can see it.
//
// Threads: every function takes the channel's own mutex; none is on a hot path. Fork: a child never
// writes to its parent's segment; ForkedChild() makes it start over with one of its own.

#ifndef TESSERA_LAYER_CHANNEL_CHANNEL_H_
#define TESSERA_LAYER_CHANNEL_CHANNEL_H_

#include <cstdint>
#include <span>

#include "tessera/channel_abi.h"

namespace tessera::channel {

// What a device is, as known when it is created. Pointers need to live only for the call.
struct DeviceFacts {
    const char* name = "";
    const char* driver = "";
    uint32_t api_version = 0;
    uint32_t driver_version = 0;
    uint32_t vendor_id = 0;
    uint32_t device_id = 0;
    bool pooled = false;
    tessera_reason why = TESSERA_REASON_none;
    uint32_t sample_interval = 1;
    std::span<const tessera_heap_record> heaps;
    std::span<const tessera_memory_type_record> types;
};

// An instance was created. With the first one the segment is opened, unless `publish` is false (the
// setting `channel=off`, or a process with elevated rights); nothing at all is made then. A failure
// is logged and means that nothing is published; it is never an error of the caller. `max_bytes`:
// how large a new segment may become; 0: the default.
void InstanceCreated(bool publish, uint64_t max_bytes = 0) noexcept;

// An instance was destroyed. With the last one the segment is marked closed, and unmapped unless
// the application has left a device alive, which may still be counted for; the file stays for
// readers, and for a later load of the layer in this process.
void InstanceDestroyed() noexcept;

// A zeroed record that describes a live device. Never null: beyond the segment's room, or when
// nothing is published, it lies in private memory. The caller counts in it until DeviceDestroyed().
tessera_device_record* DeviceCreated(const DeviceFacts& facts) noexcept;

// The device is gone; its totals stay readable. Of the destroyed devices the last
// TESSERA_MAX_DESTROYED keep their own record, older ones are added to record 0 and make room.
void DeviceDestroyed(tessera_device_record* record) noexcept;

// What the process records from now on, and the last request for it that was dealt with, for
// readers.
void ShowLevel(tessera_level level, uint64_t stack_interval, uint64_t serial) noexcept;

// Tells readers which time the cycle counter shows now. The first call of a process takes a tenth
// of a millisecond.
void Calibrate() noexcept;

// What a reader asks for; see struct tessera_level_request. Returns: false if there is no request
// that is to be obeyed. Costs a system call where there is none.
bool ReadLevelRequest(tessera_level_request* request) noexcept;

// Forgets the parent's segment without touching it, in the child of a fork, before anything else is
// called there (from the callback of EnterProcess). Whatever lock the parent's threads held is new.
// Records that the parent handed out must not be counted in any more; what is written to them all
// the same stays in the child, and DeviceDestroyed() ignores them.
void ForkedChild() noexcept;

}  // namespace tessera::channel

#endif  // TESSERA_LAYER_CHANNEL_CHANNEL_H_
