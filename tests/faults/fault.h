// SPDX-License-Identifier: Apache-2.0
//
// One thing that goes wrong: the nth call of a driver's command, the nth host allocation of the
// layer or the nth call of a system function by the layer; once, or from then on.
//
// Threads: one.
#ifndef TESSERA_TESTS_FAULTS_FAULT_H_
#define TESSERA_TESTS_FAULTS_FAULT_H_

#include <vulkan/vulkan.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::faults {

enum class Source { kDriver, kHostMemory, kSystem };

struct Fault {
    Source source = Source::kDriver;
    std::string function;  // a Vulkan command, kHostMemory, or a system function
    uint64_t nth = 1;      // from the start of what is counted
    bool sticky = false;
    VkResult result = VK_SUCCESS;  // of a driver's command
    int error = 0;                 // errno of a system function

    // How often the function has been called since the start.
    uint64_t Calls() const;

    // Whether a call failed because of this between two readings of Calls().
    bool FiredBetween(uint64_t before, uint64_t after) const {
        return after > before && nth <= after && (sticky || before < nth);
    }

    // Starts to count, and to fail.
    void Arm() const;

    // "vkAllocateMemory call 3 returns -2, sticky": for messages.
    std::string Text() const;
};

// Starts to count calls of all sources; nothing fails.
void StartCounting();

// Nothing fails any more. Counts go on.
void ClearFaults();

// The errors that a command may return, by the registry. Empty for a command that has none, or that
// the table does not have.
const std::vector<VkResult>& ErrorsOf(const std::string& command);
bool IsInTable(const std::string& command);

}  // namespace tessera::faults

#endif  // TESSERA_TESTS_FAULTS_FAULT_H_
