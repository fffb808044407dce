// SPDX-License-Identifier: Apache-2.0
//
// The ways in which a Vulkan process can live and end.
//
// Each function is one mode of lifecycle_app. It creates its own instance, device and 64 small
// allocations, lives through what its name says, and checks contents wherever it still can. It
// returns when all went well, after destroying what it made, and throws Failure otherwise. Modes
// that end the process print `ok` themselves if their end is a success, and do not return. None
// uses an inherited Vulkan object in a forked child, which Vulkan leaves undefined.
#ifndef TESSERA_TESTS_APPS_LIFECYCLE_MODES_H_
#define TESSERA_TESTS_APPS_LIFECYCLE_MODES_H_

#include <cstdint>
#include <string>

namespace apps {

/// Allocations that every mode starts with.
inline constexpr uint32_t kAllocations = 64;

/// Uses memory and destroys everything.
void RunClean(uint32_t device_index);

/// Calls exit(0) with everything alive.
[[noreturn]] void RunExit(uint32_t device_index);

/// Is killed by SIGKILL with everything alive.
[[noreturn]] void RunKill(uint32_t device_index);

/// Dies of SIGSEGV with everything alive.
[[noreturn]] void RunCrash(uint32_t device_index);

/// Forks a child that only ends, then allocates as much again.
void RunFork(uint32_t device_index);

/// Forks a child that makes an instance, a device and allocations of its own, while the parent
/// goes on with its own.
void RunForkUse(uint32_t device_index);

/// Forks four children as RunForkUse() does, while another thread of the parent allocates.
void RunForkMany(uint32_t device_index);

/// Creates and destroys everything `count` times. Prints one line of JSON: the growth of the
/// resident set and of the open file descriptors between iteration 10 (or the last, if there are
/// fewer) and the last, and whether `watched`, a part of a library's path, was ever mapped after an
/// iteration's end (null if empty).
void RunReload(uint32_t device_index, uint32_t count, const std::string& watched);

/// Uses `count` devices of one instance at once and destroys them in mixed order.
void RunDevices(uint32_t device_index, uint32_t count);

/// Uses `count` instances with a device each at once and destroys them in mixed order.
void RunInstances(uint32_t device_index, uint32_t count);

/// Prints one line of JSON with what is live per memory type, creates `path` and waits until it is
/// gone, at most ten minutes.
void RunWait(uint32_t device_index, const std::string& path);

/// Replaces allocations at random for about `seconds`, checking each one before it is freed.
void RunChurn(uint32_t device_index, uint32_t seconds);

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_LIFECYCLE_MODES_H_
