// SPDX-License-Identifier: Apache-2.0
//
// Calls as such: counting, failing, hooks, costs, overlapping use of one object, and the record
// that outlives instances. No test here depends on the speed of the machine or on luck between
// threads: hooks decide who is where.
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "gpu.h"
#include "late_vulkan.h"

namespace tessera::mock {
namespace {

TEST(MockCalls, AreCountedByCommand) {
    ScopedMock mock("preset:tiny");
    GpuOptions options;
    options.device_extensions = {"VK_KHR_bind_memory2"};
    Gpu gpu(options);
    mock->reset_call_counts();
    VkDeviceMemory memory = gpu.Allocate(0, 4096);
    gpu.Allocate(0, 64);
    VkBindBufferMemoryInfo info{VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO, nullptr,
                                gpu.MakeBuffer(64), memory, 0};
    gpu.DeviceCommand<PFN_vkBindBufferMemory2>("vkBindBufferMemory2KHR")(gpu.device, 1, &info);
    EXPECT_EQ(mock->call_count("vkAllocateMemory"), 2u);
    EXPECT_EQ(mock->call_count("vkBindBufferMemory2"), 1u);
    EXPECT_EQ(mock->call_count("vkBindBufferMemory2KHR"), 1u);
    EXPECT_EQ(mock->call_count("vkFreeMemory"), 0u);
    EXPECT_EQ(mock->call_count("vkNoSuchCommand"), 0u);
}

TEST(MockCalls, NthCallFailsOnce) {
    ScopedMock mock("preset:tiny");
    Gpu gpu;
    ASSERT_EQ(mock->fail_call("vkAllocateMemory", 3, VK_ERROR_OUT_OF_HOST_MEMORY, 0), 1);
    VkDeviceMemory memory = VK_NULL_HANDLE;
    for (int call = 1; call <= 5; ++call) {
        const VkResult result = gpu.TryAllocate(0, 64, &memory);
        EXPECT_EQ(result, call == 3 ? VK_ERROR_OUT_OF_HOST_MEMORY : VK_SUCCESS) << call;
        if (result == VK_SUCCESS) vkFreeMemory(gpu.device, memory, nullptr);
    }
    EXPECT_EQ(mock->call_count("vkAllocateMemory"), 5u);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockCalls, AllCallsFromTheNthFail) {
    ScopedMock mock("preset:tiny");
    Gpu gpu;
    mock->fail_call("vkMapMemory", 2, VK_ERROR_MEMORY_MAP_FAILED, 1);
    VkDeviceMemory memory = gpu.Allocate(1, 64);
    void* data = nullptr;
    EXPECT_EQ(vkMapMemory(gpu.device, memory, 0, 64, 0, &data), VK_SUCCESS);
    vkUnmapMemory(gpu.device, memory);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(vkMapMemory(gpu.device, memory, 0, 64, 0, &data), VK_ERROR_MEMORY_MAP_FAILED);
    }
    mock->clear_faults();
    EXPECT_EQ(vkMapMemory(gpu.device, memory, 0, 64, 0, &data), VK_SUCCESS);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockCalls, FailingCallChangesNothing) {
    ScopedMock mock("preset:tiny");
    Gpu gpu;
    mock->fail_call("vkBindBufferMemory", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY, 0);
    mock->fail_call("vkCreateBuffer", 2, VK_ERROR_OUT_OF_HOST_MEMORY, 0);
    VkBuffer buffer = gpu.MakeBuffer(64);
    VkDeviceMemory memory = gpu.Allocate(0, 64);
    EXPECT_EQ(vkBindBufferMemory(gpu.device, buffer, memory, 0), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    EXPECT_EQ(vkBindBufferMemory(gpu.device, buffer, memory, 0), VK_SUCCESS);
    EXPECT_THROW(gpu.MakeBuffer(64), std::runtime_error);
    EXPECT_EQ(mock->live_objects(gpu.device, VK_OBJECT_TYPE_BUFFER), 1u);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockCalls, EveryCommandWithAResultCanBeFailed) {
    ScopedMock mock("preset:lavapipe_like");
    uint32_t count = 0;
    for (; mock->result_command(count) != nullptr; ++count) {
        EXPECT_EQ(mock->fail_call(mock->result_command(count), 1, VK_ERROR_UNKNOWN, 0), 1)
            << mock->result_command(count);
    }
    EXPECT_GE(count, 50u);
}

// As a driver with maintenance6: every element has its own result, also when the call fails whole.
TEST(MockCalls, FailingBindTellsEachElement) {
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    VkResult results[2] = {VK_SUCCESS, VK_SUCCESS};
    VkBindMemoryStatus status[2] = {};
    VkBindBufferMemoryInfo infos[2] = {};
    for (int i = 0; i < 2; ++i) {
        status[i].sType = static_cast<VkStructureType>(VK_STRUCTURE_TYPE_BIND_MEMORY_STATUS);
        status[i].pResult = &results[i];
        infos[i] = {VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO, &status[i], gpu.MakeBuffer(64),
                    gpu.Allocate(0, 64), 0};
    }
    mock->fail_call("vkBindBufferMemory2", 1, VK_ERROR_OUT_OF_HOST_MEMORY, 0);
    EXPECT_EQ(vkBindBufferMemory2(gpu.device, 2, infos), VK_ERROR_OUT_OF_HOST_MEMORY);
    EXPECT_EQ(results[0], VK_ERROR_OUT_OF_HOST_MEMORY);
    EXPECT_EQ(results[1], VK_ERROR_OUT_OF_HOST_MEMORY);
    EXPECT_EQ(vkBindBufferMemory2(gpu.device, 2, infos), VK_SUCCESS);
    EXPECT_EQ(results[1], VK_SUCCESS);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockCalls, ImpossibleFaultsAreRefused) {
    ScopedMock mock("preset:tiny");
    EXPECT_EQ(mock->fail_call("vkNoSuchCommand", 1, VK_ERROR_DEVICE_LOST, 0), 0);
    EXPECT_EQ(mock->fail_call("vkFreeMemory", 1, VK_ERROR_DEVICE_LOST, 0), 0) << "returns void";
    EXPECT_EQ(mock->fail_call("vkMapMemory", 0, VK_ERROR_DEVICE_LOST, 0), 0);
    EXPECT_EQ(mock->fail_call("vkMapMemory", 1, VK_SUCCESS, 0), 0);
    EXPECT_EQ(mock->set_cost_ns("vkNoSuchCommand", 1), 0);
    EXPECT_EQ(mock->set_hook("vkNoSuchCommand", nullptr, nullptr), 0);
}

// Gives a capturing lambda the shape of a hook.
template <class Function>
void SetHook(const ScopedMock& mock, const char* command, Function& function) {
    mock->set_hook(
        command, [](void* user, const char*) { (*static_cast<Function*>(user))(); }, &function);
}

// What happens in the middle of `outer` while `inner` is called by the hook.
class Overlap : public testing::Test {
 protected:
    Overlap() : mock_("preset:discrete") {
        memory_ = gpu_.Allocate(2, 4096);
        other_ = gpu_.Allocate(2, 4096);
        buffer_ = gpu_.MakeBuffer(64);
    }

    void During(const char* command, const std::function<void()>& outer,
                std::function<void()> inner) {
        SetHook(mock_, command, inner);
        outer();
        mock_->set_hook(command, nullptr, nullptr);
    }

    ScopedMock mock_;
    Gpu gpu_;
    VkDeviceMemory memory_ = VK_NULL_HANDLE;
    VkDeviceMemory other_ = VK_NULL_HANDLE;
    VkBuffer buffer_ = VK_NULL_HANDLE;
};

TEST_F(Overlap, MapDuringBindOfTheSameMemoryIsReported) {
    During(
        "vkBindBufferMemory", [&] { vkBindBufferMemory(gpu_.device, buffer_, memory_, 0); },
        [&] { gpu_.Map(memory_); });
    ExpectOneViolation(mock_, "vkMapMemory: memory");
}

TEST_F(Overlap, BindDuringMapOfTheSameMemoryIsReported) {
    During(
        "vkMapMemory", [&] { gpu_.Map(memory_); },
        [&] { vkBindBufferMemory(gpu_.device, buffer_, memory_, 0); });
    ExpectOneViolation(mock_, "vkBindBufferMemory: memory");
}

TEST_F(Overlap, TwoMemoriesDoNotDisturbEachOther) {
    During(
        "vkMapMemory", [&] { gpu_.Map(memory_); },
        [&] { vkBindBufferMemory(gpu_.device, buffer_, other_, 0); });
    EXPECT_EQ(mock_.Violations(), "");
}

TEST_F(Overlap, TwoBindsToOneMemoryMayOverlap) {
    VkBuffer second = gpu_.MakeBuffer(64);
    std::atomic<bool> inside = false;
    During(
        "vkBindBufferMemory", [&] { vkBindBufferMemory(gpu_.device, buffer_, memory_, 0); },
        [&] {
            if (inside.exchange(true)) return;
            vkBindBufferMemory(gpu_.device, second, memory_, 64);
        });
    EXPECT_EQ(mock_.Violations(), "");
}

TEST_F(Overlap, FreeDuringFlushIsReportedAndSurvived) {
    VkDeviceMemory memory = gpu_.AllocateRaw(2, 4096);
    gpu_.Map(memory);
    VkMappedMemoryRange range{VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, memory, 0, 64};
    During(
        "vkFlushMappedMemoryRanges", [&] { vkFlushMappedMemoryRanges(gpu_.device, 1, &range); },
        [&] { vkFreeMemory(gpu_.device, memory, nullptr); });
    ExpectOneViolation(mock_, "vkFreeMemory: memory");
}

TEST_F(Overlap, TwoSubmissionsToOneQueueAreReported) {
    std::atomic<bool> inside = false;
    During(
        "vkQueueSubmit", [&] { vkQueueSubmit(gpu_.queue, 0, nullptr, VK_NULL_HANDLE); },
        [&] {
            if (inside.exchange(true)) return;
            vkQueueSubmit(gpu_.queue, 0, nullptr, VK_NULL_HANDLE);
        });
    ExpectOneViolation(mock_, "vkQueueSubmit: queue");
}

TEST_F(Overlap, AnotherThreadInTheMiddleIsReportedTheSameWay) {
    During(
        "vkUnmapMemory",
        [&] {
            gpu_.Map(memory_);
            vkUnmapMemory(gpu_.device, memory_);
        },
        [&] { std::thread([&] { vkBindBufferMemory(gpu_.device, buffer_, memory_, 0); }).join(); });
    ExpectOneViolation(mock_, "vkBindBufferMemory: memory");
}

TEST(MockCalls, ManyThreadsWithOwnObjectsAreSilent) {
    ScopedMock mock("preset:discrete");
    {
        Gpu gpu;
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&gpu] {
                for (int i = 0; i < 200; ++i) {
                    VkDeviceMemory memory = gpu.AllocateRaw(2, 256);
                    gpu.Map(memory)[i] = std::byte{1};
                    vkFreeMemory(gpu.device, memory, nullptr);
                }
            });
        }
        for (std::thread& thread : threads)
            thread.join();
        TesseraMockTotals totals;
        mock->totals(gpu.device, 2, &totals);
        EXPECT_EQ(totals.allocations, 800u);
        EXPECT_EQ(totals.live, 0u);
    }
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockCalls, CostIsSpentInTheCall) {
    ScopedMock mock(R"({"base": "tiny", "cost_ns": {"vkAllocateMemory": 2000000}})");
    Gpu gpu;
    auto time = [&](VkDeviceSize size) {
        const auto begin = std::chrono::steady_clock::now();
        gpu.Allocate(0, size);
        return std::chrono::steady_clock::now() - begin;
    };
    EXPECT_GE(time(64), std::chrono::milliseconds(2));
    mock->set_cost_ns("vkAllocateMemory", 5000000);
    EXPECT_GE(time(64), std::chrono::milliseconds(5));
}

TEST(MockCalls, RecordOutlivesTheInstance) {
    ScopedMock mock("preset:tiny");
    TesseraMockTotals before;
    mock->totals(VK_NULL_HANDLE, 0, &before);
    for (int i = 0; i < 3; ++i) {
        Gpu gpu;
        gpu.Allocate(0, 64);
        vkUnmapMemory(gpu.device, gpu.Allocate(0, 64));
    }
    EXPECT_EQ(mock->violation_count(), 3u);
    EXPECT_EQ(mock->call_count("vkCreateDevice"), 3u);
    TesseraMockTotals after;
    mock->totals(VK_NULL_HANDLE, 0, &after);
    EXPECT_EQ(after.allocations - before.allocations, 6u);
}

TEST(MockCalls, ViolationsGoToTheLogFileToo) {
    ScopedMock mock("preset:tiny");
    const std::string path = testing::TempDir() + "/tessera_mock_violations.txt";
    std::remove(path.c_str());
    setenv("TESSERA_MOCK_LOG", path.c_str(), 1);
    {
        Gpu gpu;
        vkUnmapMemory(gpu.device, gpu.Allocate(0, 64));
    }
    unsetenv("TESSERA_MOCK_LOG");
    std::string line;
    std::getline(std::ifstream(path), line);
    EXPECT_EQ(line + "\n", mock.Violations());
}

TEST(MockSync, FencesAndSemaphoresFollowTheQueue) {
    ScopedMock mock("preset:tiny");
    Gpu gpu;
    auto fence_info = Struct<VkFenceCreateInfo>(VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
    auto semaphore_info = Struct<VkSemaphoreCreateInfo>(VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO);
    VkFence fence = VK_NULL_HANDLE;
    VkSemaphore semaphore = VK_NULL_HANDLE;
    Check(vkCreateFence(gpu.device, &fence_info, nullptr, &fence), "vkCreateFence");
    Check(vkCreateSemaphore(gpu.device, &semaphore_info, nullptr, &semaphore), "semaphore");
    EXPECT_EQ(vkGetFenceStatus(gpu.device, fence), VK_NOT_READY);
    EXPECT_EQ(vkWaitForFences(gpu.device, 1, &fence, VK_TRUE, 1000), VK_TIMEOUT);
    auto signal = Struct<VkSubmitInfo>(VK_STRUCTURE_TYPE_SUBMIT_INFO);
    signal.signalSemaphoreCount = 1;
    signal.pSignalSemaphores = &semaphore;
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    auto wait = Struct<VkSubmitInfo>(VK_STRUCTURE_TYPE_SUBMIT_INFO);
    wait.waitSemaphoreCount = 1;
    wait.pWaitSemaphores = &semaphore;
    wait.pWaitDstStageMask = &stage;
    const VkSubmitInfo both[] = {signal, wait};
    EXPECT_EQ(vkQueueSubmit(gpu.queue, 2, both, fence), VK_SUCCESS);
    EXPECT_EQ(vkWaitForFences(gpu.device, 1, &fence, VK_TRUE, UINT64_MAX), VK_SUCCESS);
    EXPECT_EQ(mock.Violations(), "");
    EXPECT_EQ(vkQueueSubmit(gpu.queue, 1, &wait, VK_NULL_HANDLE), VK_SUCCESS);
    ExpectOneViolation(mock, "has no signal to wait for");
    vkDestroyFence(gpu.device, fence, nullptr);
    vkDestroySemaphore(gpu.device, semaphore, nullptr);
}

TEST(MockSync, WaitEndsWhenAnotherThreadSubmitsTheFence) {
    ScopedMock mock("preset:tiny");
    Gpu gpu;
    auto fence_info = Struct<VkFenceCreateInfo>(VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
    VkFence fence = VK_NULL_HANDLE;
    Check(vkCreateFence(gpu.device, &fence_info, nullptr, &fence), "vkCreateFence");
    std::thread other([&] { vkQueueSubmit(gpu.queue, 0, nullptr, fence); });
    EXPECT_EQ(vkWaitForFences(gpu.device, 1, &fence, VK_TRUE, UINT64_MAX), VK_SUCCESS);
    other.join();
    vkDestroyFence(gpu.device, fence, nullptr);
    EXPECT_EQ(mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::mock
