// SPDX-License-Identifier: Apache-2.0
//
// Memory that is shared with the outside: imports of host pointers and file descriptors, exports as
// file descriptors, and memory that can be mapped where the application wants it. All of it is
// real: the bytes lie in a memfd that the other side maps, or in the application's own pages.
#ifndef TESSERA_TESTS_DRIVER_EXTERNAL_H
#define TESSERA_TESTS_DRIVER_EXTERNAL_H

#include "call.h"

namespace tessera::mock {

// Alignment of placed maps and of imported host pointers, reported as the limits for both.
inline constexpr VkDeviceSize kExternalAlignment = 4096;

// Gives a new memory its bytes if the chain of its VkMemoryAllocateInfo, or the device, asks for
// anything but ordinary ones. *done tells whether it did. Returns VK_SUCCESS,
// VK_ERROR_INVALID_EXTERNAL_HANDLE or VK_ERROR_OUT_OF_HOST_MEMORY. An imported file descriptor is
// owned by the memory only after VK_SUCCESS.
VkResult ObtainExternal(const Call& call, const VkMemoryAllocateInfo& info, Memory& memory,
                        bool* done);

// What can be done with a handle type on this device: for the external properties queries.
VkExternalMemoryProperties ExternalPropertiesOf(const Description& description,
                                                VkExternalMemoryHandleTypeFlagBits type);

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_EXTERNAL_H
