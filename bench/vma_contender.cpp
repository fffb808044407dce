// SPDX-License-Identifier: Apache-2.0
//
// The Vulkan Memory Allocator with its defaults: what an application would call that uses it. Its
// header is not part of this project; see TESSERA_BENCH_PEERS.

#include <atomic>

#include "contender.h"

#define VMA_IMPLEMENTATION
#define VMA_STATIC_VULKAN_FUNCTIONS 1
#define VMA_DYNAMIC_VULKAN_FUNCTIONS 0
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include "vk_mem_alloc.h"
#pragma GCC diagnostic pop

namespace bench {
namespace {

struct Vma {
    VmaAllocator allocator;
    VkMemoryRequirements requirements;
    VmaAllocationCreateInfo info;

    bool Allocate(uint64_t bytes, Slot& slot) const {
        VkMemoryRequirements wanted = requirements;
        wanted.size = bytes;
        VmaAllocation allocation = VK_NULL_HANDLE;
        if (vmaAllocateMemory(allocator, &wanted, &info, &allocation, nullptr) != VK_SUCCESS) {
            return false;
        }
        slot.handle = reinterpret_cast<uintptr_t>(allocation);
        return true;
    }
    void Free(const Slot& slot) const {
        vmaFreeMemory(allocator, reinterpret_cast<VmaAllocation>(slot.handle));
    }
};

class VmaContender final : public Contender {
 public:
    explicit VmaContender(const Machine& machine) {
        VmaAllocatorCreateInfo info = {};
        info.instance = machine.instance();
        info.physicalDevice = machine.physical();
        info.device = machine.device();
        info.vulkanApiVersion = VK_API_VERSION_1_1;
        VmaDeviceMemoryCallbacks callbacks = {};
        callbacks.pfnAllocate = CountAllocation;
        callbacks.pfnFree = CountFree;
        callbacks.pUserData = &driver_calls_;
        info.pDeviceMemoryCallbacks = &callbacks;
        if (vmaCreateAllocator(&info, &vma_.allocator) != VK_SUCCESS) {
            throw std::runtime_error("vmaCreateAllocator failed");
        }
        // The alignment that the application would pass on.
        vma_.requirements = machine.BufferRequirements(1);
        vma_.requirements.memoryTypeBits = 1u << machine.type();
        vma_.info.memoryTypeBits = 1u << machine.type();
    }
    ~VmaContender() override { vmaDestroyAllocator(vma_.allocator); }
    const char* name() const override { return "vma"; }
    void Run(std::span<const Op> ops, std::span<Slot> slots) override { RunOps(vma_, ops, slots); }
    Usage Measure() const override {
        VmaTotalStatistics statistics = {};
        vmaCalculateStatistics(vma_.allocator, &statistics);
        return {statistics.total.statistics.blockBytes, driver_calls_.load()};
    }

 private:
    static void VKAPI_CALL CountAllocation(VmaAllocator, uint32_t, VkDeviceMemory, VkDeviceSize,
                                           void* calls) {
        ++*static_cast<std::atomic<uint64_t>*>(calls);
    }
    static void VKAPI_CALL CountFree(VmaAllocator, uint32_t, VkDeviceMemory, VkDeviceSize,
                                     void* calls) {
        ++*static_cast<std::atomic<uint64_t>*>(calls);
    }

    std::atomic<uint64_t> driver_calls_ = 0;
    Vma vma_ = {};
};

}  // namespace

std::unique_ptr<Contender> MakeVma(const Machine& bare) {
    return std::make_unique<VmaContender>(bare);
}

}  // namespace bench
