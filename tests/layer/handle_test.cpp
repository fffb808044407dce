// SPDX-License-Identifier: Apache-2.0
//
// Handles: ours, the driver's, those of the driver that look like ours, and those that were ours.

#include <sys/wait.h>
#include <unistd.h>

#include "layer/vk/handle.h"
#include "session.h"

namespace tessera::test {
namespace {

constexpr VkDeviceSize kLarge = 80u << 20;  // goes through: too large for a block
constexpr uint32_t kType = 1;

uint64_t Value(VkDeviceMemory memory) {
    return HandleValue(memory);
}

void MakeNextHandle(Session& session, uint64_t value) {
    session.mock->set_next_handles(VK_OBJECT_TYPE_DEVICE_MEMORY, &value, 1);
}

TEST(Handle, DriverHandleWithOurTagIsTheDrivers) {
    Session session;
    const VkDeviceMemory slot = session.Allocate(4096, kType);
    const uint64_t look_alike = Value(slot) + (uint64_t{5} << SlotTable::kGenerationShift);
    MakeNextHandle(session, look_alike);
    const VkDeviceMemory large = session.Allocate(kLarge, kType);
    ASSERT_EQ(Value(large), look_alike);
    const VkBuffer buffer = session.MakeBuffer(4096);
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, large, 0), VK_SUCCESS);
    TesseraMockBinding binding = {};
    ASSERT_TRUE(session.mock->find_buffer(session.device, buffer, &binding));
    EXPECT_EQ(binding.memory, large);
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Free(large);
    session.Free(slot);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// Unique handles: a driver's handle that equals a live slot's is never handed out.
TEST(Handle, DriverHandleEqualToALiveSlotIsReplaced) {
    Session session;
    const VkDeviceMemory slot = session.Allocate(4096, kType);
    MakeNextHandle(session, Value(slot));
    const VkDeviceMemory large = session.Allocate(kLarge, kType);
    EXPECT_NE(large, slot);
    TesseraMockTotals totals = {};
    session.mock->totals(session.device, kType, &totals);
    EXPECT_EQ(totals.live, 2u) << "the block and the replacement; what was refused is freed";
    session.Free(large);
    session.Free(slot);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// An import takes what it is given: made twice, it would take what is gone already.
TEST(Handle, ImportWhoseHandleEqualsALiveSlotFailsAndIsNotRepeated) {
    SessionOptions options;
    options.description = R"({"base": "discrete",
        "add_extensions": ["VK_KHR_external_memory", "VK_KHR_external_memory_fd"]})";
    options.device_extensions = {"VK_KHR_external_memory_fd"};
    Session session(options);
    constexpr auto kOpaque = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
    constexpr uint32_t kVisible = 2;
    VkExportMemoryAllocateInfo exported{VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO, nullptr,
                                        kOpaque};
    const VkDeviceMemory source = session.Allocate(8192, kVisible, &exported);
    VkMemoryGetFdInfoKHR get{VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR, nullptr, source, kOpaque};
    int fds[2] = {-1, -1};
    const auto get_fd = session.Command<PFN_vkGetMemoryFdKHR>("vkGetMemoryFdKHR");
    for (int& fd : fds)
        ASSERT_EQ(get_fd(session.device, &get, &fd), VK_SUCCESS);
    const VkDeviceMemory slot = session.Allocate(4096, kVisible);
    const uint64_t driver_objects = session.DriverLive(kVisible);

    MakeNextHandle(session, Value(slot));
    session.mock->reset_call_counts();
    VkImportMemoryFdInfoKHR import{VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR, nullptr, kOpaque,
                                   fds[0]};
    VkDeviceMemory imported = VK_NULL_HANDLE;
    EXPECT_EQ(session.TryAllocate(8192, kVisible, &imported, &import),
              VK_ERROR_INVALID_EXTERNAL_HANDLE);
    EXPECT_EQ(session.mock->call_count("vkAllocateMemory"), 1u);
    EXPECT_EQ(session.mock->call_count("vkFreeMemory"), 1u);
    EXPECT_EQ(session.DriverLive(kVisible), driver_objects);
    EXPECT_NE(session.Map(slot), nullptr) << "the slot is untouched";

    import.fd = fds[1];
    ASSERT_EQ(session.TryAllocate(8192, kVisible, &imported, &import), VK_SUCCESS)
        << "without a clash it is an import like any other";
    for (VkDeviceMemory memory : {imported, slot, source})
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

TEST(Handle, SlotDoesNotTakeTheValueOfALiveLookAlike) {
    Session session;
    const VkDeviceMemory slot = session.Allocate(4096, kType);
    // The value that the slot would get next: the same index, one generation on.
    const uint64_t next = Value(slot) + (uint64_t{1} << SlotTable::kGenerationShift);
    MakeNextHandle(session, next);
    const VkDeviceMemory large = session.Allocate(kLarge, kType);
    ASSERT_EQ(Value(large), next);
    session.Free(slot);
    const VkDeviceMemory again = session.Allocate(4096, kType);
    EXPECT_NE(again, large);
    session.Free(again);
    session.Free(large);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// A handle that was ever ours is never forwarded: each command has its own refusal.
TEST(Handle, StaleHandleReachesNoDriver) {
    Session session;
    const uint32_t type = 2;  // host-visible
    const VkDeviceMemory memory = session.Allocate(4096, type);
    session.Free(memory);
    const VkBuffer buffer = session.MakeBuffer(256);
    void* data = nullptr;
    EXPECT_EQ(vkMapMemory(session.device, memory, 0, 256, 0, &data), VK_ERROR_MEMORY_MAP_FAILED);
    vkUnmapMemory(session.device, memory);
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    VkMappedMemoryRange range = {VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, memory, 0, 256};
    EXPECT_EQ(vkFlushMappedMemoryRanges(session.device, 1, &range), VK_ERROR_OUT_OF_HOST_MEMORY);
    EXPECT_EQ(vkInvalidateMappedMemoryRanges(session.device, 1, &range),
              VK_ERROR_OUT_OF_HOST_MEMORY);
    session.Free(memory);
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// A child of a fork uses its parent's device: the driver's handles there may look like ours too.
TEST(Handle, DriverHandleWithOurTagIsTheDriversInAForkedChild) {
    Session session;
    const VkDeviceMemory slot = session.Allocate(4096, kType);
    const uint64_t look_alike = Value(slot) + (uint64_t{5} << SlotTable::kGenerationShift);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const uint64_t values[] = {Value(slot), look_alike};
        session.mock->set_next_handles(VK_OBJECT_TYPE_DEVICE_MEMORY, values, 2);
        VkDeviceMemory memory = VK_NULL_HANDLE;
        bool good = session.TryAllocate(4096, kType, &memory) == VK_SUCCESS;
        good = good && Value(memory) == look_alike;
        session.mock->reset_call_counts();
        session.Free(memory);
        good = good && session.mock->call_count("vkFreeMemory") == 1;
        session.Free(memory);  // a second time it is nobody's
        good = good && session.mock->call_count("vkFreeMemory") == 1;
        _exit(good ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    session.Free(slot);
}

VkDevice MakeSecondDevice(const Session& session) {
    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue = {};
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkDeviceCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    VkDevice device = VK_NULL_HANDLE;
    EXPECT_EQ(vkCreateDevice(session.physical_device, &info, nullptr, &device), VK_SUCCESS);
    return device;
}

// A handle means something on its device only, and on another one it is taken for nothing else.
TEST(Handle, SlotOfAnotherDeviceReachesNeitherASlotNorTheDriver) {
    Session first;
    const VkDevice second = MakeSecondDevice(first);
    VkMemoryAllocateInfo allocate = {};
    allocate.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    allocate.allocationSize = 4096;
    allocate.memoryTypeIndex = 2;
    const VkDeviceMemory a = first.Allocate(4096, 2);
    VkDeviceMemory b = VK_NULL_HANDLE;
    ASSERT_EQ(vkAllocateMemory(second, &allocate, nullptr, &b), VK_SUCCESS);
    vkFreeMemory(second, a, nullptr);  // the wrong device
    void* data = nullptr;
    EXPECT_EQ(vkMapMemory(second, a, 0, VK_WHOLE_SIZE, 0, &data), VK_ERROR_MEMORY_MAP_FAILED);
    EXPECT_EQ(vkMapMemory(second, b, 0, VK_WHOLE_SIZE, 0, &data), VK_SUCCESS);
    EXPECT_NE(first.Map(a), nullptr);
    vkFreeMemory(second, b, nullptr);
    vkDestroyDevice(second, nullptr);
    first.Free(a);
    first.Close();
    EXPECT_EQ(first.mock.Violations(), "");
}

TEST(Handle, SlotsOfTwoDevicesDoNotMeet) {
    Session first;
    const VkDevice second = MakeSecondDevice(first);
    VkMemoryAllocateInfo allocate = {};
    allocate.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    allocate.allocationSize = 4096;
    allocate.memoryTypeIndex = 2;
    VkDeviceMemory a = first.Allocate(4096, 2);
    VkDeviceMemory b = VK_NULL_HANDLE;
    ASSERT_EQ(vkAllocateMemory(second, &allocate, nullptr, &b), VK_SUCCESS);
    void* data_a = first.Map(a);
    void* data_b = nullptr;
    ASSERT_EQ(vkMapMemory(second, b, 0, VK_WHOLE_SIZE, 0, &data_b), VK_SUCCESS);
    EXPECT_NE(data_a, data_b);
    vkFreeMemory(second, b, nullptr);
    vkDestroyDevice(second, nullptr);
    *static_cast<int*>(data_a) = 1;  // still there
    first.Free(a);
    first.Close();
    EXPECT_EQ(first.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
