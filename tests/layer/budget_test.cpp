// SPDX-License-Identifier: Apache-2.0
//
// e12: the budget that an application is told counts its own allocations, not the pool's blocks.

#include "session.h"

namespace tessera::test {
namespace {

SessionOptions Budget() {
    SessionOptions options;
    options.description = "preset:budget";
    options.device_extensions = {VK_EXT_MEMORY_BUDGET_EXTENSION_NAME};
    return options;
}

VkPhysicalDeviceMemoryBudgetPropertiesEXT Query(VkPhysicalDevice physical_device) {
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {};
    budget.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT;
    VkPhysicalDeviceMemoryProperties2 all = {};
    all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
    all.pNext = &budget;
    vkGetPhysicalDeviceMemoryProperties2(physical_device, &all);
    return budget;
}

// CTS info.device_memory_budget: usage rises strictly with each allocation, by about its size.
TEST(Budget, UsageRisesWithEachAllocationAndFallsWithEachFree) {
    Session session(Budget());
    VkDeviceSize last = Query(session.physical_device).heapUsage[0];
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 10; ++i) {
        memories.push_back(session.Allocate(4 << 20, 0));
        const VkDeviceSize usage = Query(session.physical_device).heapUsage[0];
        EXPECT_EQ(usage - last, VkDeviceSize{4} << 20);
        last = usage;
    }
    for (VkDeviceMemory memory : memories) {
        session.Free(memory);
        const VkDeviceSize usage = Query(session.physical_device).heapUsage[0];
        EXPECT_EQ(last - usage, VkDeviceSize{4} << 20);
        last = usage;
    }
}

// CTS info.device_memory_budget_multi_instance: another instance sees the same.
TEST(Budget, AnotherInstanceSeesTheSameUsage) {
    Session session(Budget());
    VkInstance other = VK_NULL_HANDLE;
    ASSERT_EQ(MakeInstance(Budget(), &other), VK_SUCCESS);
    uint32_t count = 1;
    VkPhysicalDevice same_device = VK_NULL_HANDLE;
    ASSERT_GE(vkEnumeratePhysicalDevices(other, &count, &same_device), 0);
    const VkDeviceSize before = Query(same_device).heapUsage[0];
    const VkDeviceMemory memory = session.Allocate(4 << 20, 0);
    EXPECT_EQ(Query(same_device).heapUsage[0] - before, VkDeviceSize{4} << 20);
    EXPECT_EQ(Query(same_device).heapUsage[0], Query(session.physical_device).heapUsage[0]);
    session.Free(memory);
    vkDestroyInstance(other, nullptr);
}

// f21: sizes are chosen from the usage, which rises strictly with each 4 MiB, whoever asks.
TEST(Contract_f21, UsageRisesStrictlyForEveryInstance) {
    Session session(Budget());
    VkInstance other = VK_NULL_HANDLE;
    ASSERT_EQ(MakeInstance(Budget(), &other), VK_SUCCESS);
    uint32_t count = 1;
    VkPhysicalDevice seen_there = VK_NULL_HANDLE;
    ASSERT_GE(vkEnumeratePhysicalDevices(other, &count, &seen_there), 0);
    VkDeviceSize last = Query(seen_there).heapUsage[0];
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 40; ++i) {
        memories.push_back(session.Allocate(4 << 20, 0));
        const VkDeviceSize usage = Query(seen_there).heapUsage[0];
        EXPECT_GT(usage, last);
        EXPECT_EQ(usage, Query(session.physical_device).heapUsage[0]);
        last = usage;
    }
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    vkDestroyInstance(other, nullptr);
}

TEST(Budget, BudgetItselfAndUnusedEntriesAreTheDrivers) {
    Session session(Budget());
    const auto before = Query(session.physical_device);
    const VkDeviceMemory memory = session.Allocate(4096, 0);
    const auto after = Query(session.physical_device);
    for (uint32_t i = 0; i < VK_MAX_MEMORY_HEAPS; ++i) {
        EXPECT_EQ(before.heapBudget[i], after.heapBudget[i]);
        if (i >= session.memory_properties.memoryHeapCount) {
            EXPECT_EQ(after.heapUsage[i], 0u);
        }
    }
    session.Free(memory);
}

// The channel shows the driver's figure beside the application's.
TEST(Budget, ChannelShowsBothViews) {
    Session session(Budget());
    const VkDeviceMemory memory = session.Allocate(4096, 0);
    const VkDeviceSize told = Query(session.physical_device).heapUsage[0];
    const tessera_heap_record heap = session.Channel().devices.back().heaps[0];
    EXPECT_EQ(heap.known, TESSERA_HEAP_BUDGET_KNOWN | TESSERA_HEAP_APP_USAGE_KNOWN);
    EXPECT_EQ(heap.app_usage_bytes, told);
    EXPECT_GT(heap.usage_bytes, heap.app_usage_bytes) << "the block is larger than the slot";
    session.Free(memory);
}

}  // namespace
}  // namespace tessera::test
