// SPDX-License-Identifier: Apache-2.0
//
// How an operand chooses among what exists, and names that the oldest headers do not know. Included
// by the machine's sources only.
#ifndef TESSERA_TESTS_FUZZ_MACHINE_CHOICE_H
#define TESSERA_TESTS_FUZZ_MACHINE_CHOICE_H

#include "late_vulkan.h"
#include "machine.h"

namespace tessera::fuzz {

// The first from the operand's on that is accepted; a few are looked at.
template <typename Accept>
Machine::Allocation* Machine::ChooseAllocation(uint32_t operand, Accept accept) {
    constexpr size_t kMostLooks = 24;
    const size_t count = allocations_.size();
    for (size_t i = 0; i < std::min(count, kMostLooks); ++i) {
        Allocation* allocation = allocations_[(operand + i) % count].get();
        if (accept(*allocation)) return allocation;
    }
    return nullptr;
}

template <typename Accept>
Machine::Resource* Machine::ChooseResource(uint32_t operand, Accept accept) {
    constexpr size_t kMostLooks = 24;
    const size_t count = resources_.size();
    for (size_t i = 0; i < std::min(count, kMostLooks); ++i) {
        Resource* resource = resources_[(operand + i) % count].get();
        if (accept(*resource)) return resource;
    }
    return nullptr;
}

}  // namespace tessera::fuzz

#endif  // TESSERA_TESTS_FUZZ_MACHINE_CHOICE_H
