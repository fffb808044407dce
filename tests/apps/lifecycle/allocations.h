// SPDX-License-Identifier: Apache-2.0
//
// A set of small, mapped, written device allocations whose contents can be checked at any time.
//
// Each allocation has a buffer bound to it, is mapped for life and holds a pattern of its own, so
// that a neighbour's write or a lost page shows. Odd ones are mapped before the buffer is bound and
// every third is freed while mapped, as applications do. A set belongs to one thread at a time;
// different sets on one device may be used by different threads.
#ifndef TESSERA_TESTS_APPS_LIFECYCLE_ALLOCATIONS_H_
#define TESSERA_TESTS_APPS_LIFECYCLE_ALLOCATIONS_H_

#include <vulkan/vulkan.h>

#include <cstdint>
#include <vector>

#include "common/device.h"

namespace apps {

/// What is live in one memory type.
struct LiveMemory {
    uint32_t memory_type = 0;
    uint64_t allocations = 0;
    uint64_t bytes = 0;  ///< as passed to vkAllocateMemory
};

/// The set. Requires: the device outlives it. Destroys everything it made.
class AllocationSet {
 public:
    /// Makes `count` allocations of 256 B to 64 KiB. `key` decides sizes and contents, so that two
    /// sets with different keys hold different bytes. Throws Failure when the driver refuses;
    /// nothing is left behind then.
    AllocationSet(const Device& device, uint32_t count, uint32_t key);
    ~AllocationSet();
    AllocationSet(const AllocationSet&) = delete;
    AllocationSet& operator=(const AllocationSet&) = delete;

    uint32_t size() const { return static_cast<uint32_t>(slots_.size()); }

    /// Throws Failure unless every allocation holds what was written to it.
    void Verify() const;

    /// Checks the allocation at `index`, frees it and makes another of the next size and content.
    void Replace(uint32_t index);

    /// What is live now, for each memory type that is in use.
    std::vector<LiveMemory> Live() const;

 private:
    explicit AllocationSet(const Device& device) : device_(device) {}

    struct Slot {
        uint32_t key = 0;  ///< decides size and content
        uint32_t words = 0;
        VkBuffer buffer = VK_NULL_HANDLE;
        VkDeviceMemory memory = VK_NULL_HANDLE;
        uint64_t bytes = 0;
        uint32_t memory_type = 0;
        uint32_t* mapped = nullptr;
    };

    void Make(uint32_t index);
    void Allocate(Slot& slot, const VkMemoryRequirements& requirements) const;
    void Destroy(uint32_t index);
    void VerifySlot(uint32_t index) const;

    const Device& device_;
    std::vector<Slot> slots_;
};

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_LIFECYCLE_ALLOCATIONS_H_
