// SPDX-License-Identifier: Apache-2.0
//
// How the test applications fail: by an exception whose text is a whole sentence.
//
// The applications are ordinary Vulkan programs. None of them recovers from a failed call, so every
// result goes through Check() and main() turns the exception into a sentence on stderr and exit
// code 1. Nothing here is thread-aware: an exception must not leave a thread, so threads catch it.
#ifndef TESSERA_TESTS_APPS_COMMON_CHECK_H_
#define TESSERA_TESTS_APPS_COMMON_CHECK_H_

#include <vulkan/vulkan.h>

#include <stdexcept>
#include <string>

namespace apps {

/// A failed Vulkan call or a broken expectation. `what()` is a sentence meant for the user.
class Failure : public std::runtime_error {
 public:
    using std::runtime_error::runtime_error;
};

/// Throws Failure unless `result` is VK_SUCCESS.
///
/// `command` is the name of the Vulkan command that returned it. Success codes other than
/// VK_SUCCESS count as failures too: no command used here gives one in normal operation.
inline void Check(VkResult result, const char* command) {
    if (result == VK_SUCCESS) return;
    throw Failure(std::string(command) + " failed with VkResult " + std::to_string(result) + ".");
}

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_COMMON_CHECK_H_
