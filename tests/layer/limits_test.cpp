// SPDX-License-Identifier: Apache-2.0
//
// The driver's limit of memory objects over many failures and frees, callbacks of the application,
// handles that were freed, and what a forked child may not do to its parent's memory.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "session.h"

namespace tessera::test {
namespace {

constexpr VkDeviceSize kLarge = 80u << 20;  // goes through: too large for a block
constexpr uint32_t kHostType = 2;

SessionOptions FewObjects() {
    SessionOptions options;
    options.description = "preset:few_objects";
    return options;
}

// e5, f20: what could not be had uses nothing up, neither blocks nor what goes through.
TEST(Fallback, FailedAllocationsDoNotUseUpTheLimit) {
    Session session(FewObjects());
    session.mock->fail_call("vkAllocateMemory", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY, /*sticky=*/1);
    for (int i = 0; i < 200; ++i) {
        VkDeviceMemory memory = VK_NULL_HANDLE;
        EXPECT_EQ(session.TryAllocate(i % 2 == 0 ? kLarge : 4096, 0, &memory),
                  VK_ERROR_OUT_OF_DEVICE_MEMORY);
    }
    session.mock->clear_faults();
    for (VkDeviceSize size : {VkDeviceSize{4096}, kLarge})
        session.Free(session.Allocate(size, 0));
    EXPECT_EQ(session.Totals(0).pooled.allocations, 1u);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

TEST(Fallback, FreedAllocationsDoNotUseUpTheLimit) {
    SessionOptions options = FewObjects();
    options.environment = {"TESSERA_IDLE_BYTES=0"};
    Session session(options);
    for (int i = 0; i < 200; ++i)
        session.Free(session.Allocate(i % 2 == 0 ? kLarge : 4096, 0));
    EXPECT_EQ(session.Totals(0).pooled.allocations, 100u);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

VKAPI_ATTR void* VKAPI_CALL HostAllocate(void*, size_t size, size_t alignment,
                                         VkSystemAllocationScope) {
    return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
VKAPI_ATTR void* VKAPI_CALL HostReallocate(void*, void*, size_t, size_t, VkSystemAllocationScope) {
    return nullptr;
}
VKAPI_ATTR void VKAPI_CALL HostFree(void*, void* memory) {
    std::free(memory);
}

// Allocates and frees with callbacks, which are gone when the device is destroyed.
void AllocateWithCallbacks(VkDeviceSize size) {
    Session session;
    {
        const VkAllocationCallbacks callbacks = {nullptr,  HostAllocate, HostReallocate,
                                                 HostFree, nullptr,      nullptr};
        VkMemoryAllocateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        info.allocationSize = size;
        info.memoryTypeIndex = 1;
        VkDeviceMemory memory = VK_NULL_HANDLE;
        ASSERT_EQ(vkAllocateMemory(session.device, &info, &callbacks, &memory), VK_SUCCESS);
        vkFreeMemory(session.device, memory, &callbacks);
    }
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f17: the driver judges whether what was allocated with callbacks is freed with some.
TEST(Allocate, BlocksOutliveTheCallbacksOfTheirFirstUser) {
    AllocateWithCallbacks(4096);
}
TEST(Allocate, CallbacksOfPassedMemoryArriveBelow) {
    AllocateWithCallbacks(kLarge);
}

// Freeing twice is an error of the application. It frees nobody else's memory.
TEST(Handle, FreedHandleIsNotGivenOutAgain) {
    Session session;
    const VkDeviceMemory freed = session.Allocate(4096, kHostType);
    session.Free(freed);
    session.Free(freed);
    const VkDeviceMemory one = session.Allocate(4096, kHostType);
    const VkDeviceMemory two = session.Allocate(4096, kHostType);
    EXPECT_NE(one, freed);
    EXPECT_NE(two, freed);
    session.Free(freed);
    EXPECT_EQ(session.Totals(kHostType).pooled.live, 2u);
    auto* first = static_cast<uint8_t*>(session.Map(one));
    auto* second = static_cast<uint8_t*>(session.Map(two));
    EXPECT_GE(first < second ? second - first : first - second, 4096);
    session.Free(one);
    session.Free(two);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// What a child frees of its parent's devices stays: the parent goes on using it.
TEST(Fork, ChildFreesNothingOfItsParent) {
    SessionOptions options;
    options.environment = {"TESSERA_IDLE_BYTES=0"};
    Session session(options);
    const VkDeviceMemory memory = session.Allocate(4096, kHostType);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        session.mock->reset_call_counts();
        session.Free(memory);
        _exit(session.mock->call_count("vkFreeMemory") == 0 ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(session.DriverLive(kHostType), 1u);
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
