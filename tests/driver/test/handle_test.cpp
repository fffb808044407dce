// SPDX-License-Identifier: Apache-2.0
//
// Handles: how their values are made, and that one which is not alive here is noticed wherever it
// comes in. This is how a layer that lets a handle of its own escape is caught.
#include <optional>
#include <set>

#include "gpu.h"
#include "late_vulkan.h"

namespace tessera::mock {
namespace {

uint64_t Bits(VkDeviceMemory memory) {
    return reinterpret_cast<uint64_t>(memory);
}

VkDeviceMemory Foreign() {
    return reinterpret_cast<VkDeviceMemory>(uint64_t{0x7E55E4A000001234});
}

TEST(MockHandles, CounterStartsAnewOnEachDevice) {
    ScopedMock mock(R"({"handles": "counter"})");
    Gpu first;
    Gpu second;
    EXPECT_EQ(Bits(first.Allocate(0, 64)), 1u);
    EXPECT_EQ(Bits(first.Allocate(0, 64)), 2u);
    EXPECT_EQ(Bits(second.Allocate(0, 64)), 1u);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockHandles, RecycleGivesTheLastFreedValueFirst) {
    ScopedMock mock(R"({"handles": "recycle"})");
    Gpu gpu;
    VkDeviceMemory first = gpu.AllocateRaw(0, 64);
    VkDeviceMemory second = gpu.Allocate(0, 64);
    vkFreeMemory(gpu.device, first, nullptr);
    EXPECT_EQ(gpu.Allocate(0, 64), first);
    EXPECT_NE(second, first);
}

TEST(MockHandles, RandomIsRepeatableAndUsesEveryBit) {
    ScopedMock mock(R"({"handles": "random", "handle_seed": 5})");
    std::vector<uint64_t> first_run;
    uint64_t ones = 0, zeros = 0;
    for (int run = 0; run < 2; ++run) {
        Gpu gpu;
        std::vector<uint64_t> values;
        for (int i = 0; i < 64; ++i)
            values.push_back(Bits(gpu.Allocate(0, 64)));
        for (uint64_t value : values) {
            ones |= value;
            zeros |= ~value;
        }
        if (run == 0) first_run = values;
        EXPECT_EQ(values, first_run);
    }
    EXPECT_EQ(ones, UINT64_MAX);
    EXPECT_EQ(zeros, UINT64_MAX);
}

TEST(MockHandles, LookalikesCarryThePattern) {
    ScopedMock mock(R"({"handles": "lookalike:7e55000000000000/ffff000000000000"})");
    Gpu gpu;
    std::set<uint64_t> values;
    for (int i = 0; i < 32; ++i)
        values.insert(Bits(gpu.Allocate(0, 64)));
    EXPECT_EQ(values.size(), 32u);
    for (uint64_t value : values)
        EXPECT_EQ(value >> 48, 0x7E55u);
}

TEST(MockHandles, LookalikeWithoutMaskCoversThePatternsBits) {
    ScopedMock mock(R"({"handles": "lookalike:5000000000000001"})");
    ASSERT_TRUE(mock.good());
    Gpu gpu;
    const uint64_t value = Bits(gpu.Allocate(0, 64));
    EXPECT_EQ(value & 0x7FFFFFFFFFFFFFFF, 0x5000000000000001u);
}

TEST(MockHandles, ForcedValuesComeNext) {
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    const uint64_t values[] = {0x42, 0x43};
    mock->set_next_handles(VK_OBJECT_TYPE_DEVICE_MEMORY, values, 2);
    gpu.MakeBuffer(64);  // another type: takes none
    EXPECT_EQ(Bits(gpu.Allocate(0, 64)), 0x42u);
    EXPECT_EQ(Bits(gpu.Allocate(0, 64)), 0x43u);
    EXPECT_GT(Bits(gpu.Allocate(0, 64)), 0x43u);
    EXPECT_EQ(mock.Violations(), "");
    mock->set_next_handles(VK_OBJECT_TYPE_DEVICE_MEMORY, values, 1);
    EXPECT_NE(Bits(gpu.Allocate(0, 64)), 0x42u);
    ExpectOneViolation(mock, "still alive");
}

TEST(MockHandles, UnknownMemoryIsReportedByEveryCommand) {
    ScopedMock mock("preset:discrete");
    GpuOptions options;
    options.instance_extensions = {"VK_EXT_debug_utils"};
    options.device_extensions = {"VK_EXT_memory_priority", "VK_EXT_pageable_device_local_memory"};
    Gpu gpu(options);
    void* data = nullptr;
    VkDeviceSize bytes = 0;
    VkMappedMemoryRange range{VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, Foreign(), 0, 64};
    VkDeviceMemoryOpaqueCaptureAddressInfo address{
        VK_STRUCTURE_TYPE_DEVICE_MEMORY_OPAQUE_CAPTURE_ADDRESS_INFO, nullptr, Foreign()};
    auto expect = [&](const char* command) {
        ExpectOneViolation(mock, std::string(command) + ": memory 0x7e55e4a000001234 was never");
    };
    vkFreeMemory(gpu.device, Foreign(), nullptr);
    expect("vkFreeMemory");
    EXPECT_NE(vkMapMemory(gpu.device, Foreign(), 0, 64, 0, &data), VK_SUCCESS);
    expect("vkMapMemory");
    vkUnmapMemory(gpu.device, Foreign());
    expect("vkUnmapMemory");
    vkFlushMappedMemoryRanges(gpu.device, 1, &range);
    expect("vkFlushMappedMemoryRanges");
    vkInvalidateMappedMemoryRanges(gpu.device, 1, &range);
    expect("vkInvalidateMappedMemoryRanges");
    vkGetDeviceMemoryCommitment(gpu.device, Foreign(), &bytes);
    expect("vkGetDeviceMemoryCommitment");
    EXPECT_NE(vkBindBufferMemory(gpu.device, gpu.MakeBuffer(64), Foreign(), 0), VK_SUCCESS);
    expect("vkBindBufferMemory");
    EXPECT_NE(vkBindImageMemory(gpu.device, gpu.MakeImage(Gpu::ImageInfo(4, 4)), Foreign(), 0),
              VK_SUCCESS);
    expect("vkBindImageMemory");
    gpu.DeviceCommand<PFN_vkSetDeviceMemoryPriorityEXT>("vkSetDeviceMemoryPriorityEXT")(
        gpu.device, Foreign(), 1.0f);
    expect("vkSetDeviceMemoryPriorityEXT");
    vkGetDeviceMemoryOpaqueCaptureAddress(gpu.device, &address);
    EXPECT_TRUE(Has(mock.Violations(), "memory 0x7e55e4a000001234 was never"));
    mock->clear_violations();
    VkDebugUtilsObjectNameInfoEXT name{VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT, nullptr,
                                       VK_OBJECT_TYPE_DEVICE_MEMORY, Bits(Foreign()), "name"};
    gpu.DeviceCommand<PFN_vkSetDebugUtilsObjectNameEXT>("vkSetDebugUtilsObjectNameEXT")(gpu.device,
                                                                                        &name);
    ExpectOneViolation(mock, "objectHandle 0x7e55e4a000001234 was never");
}

TEST(MockHandles, UnknownMemoryInAChainIsReported) {
    ScopedMock mock("preset:discrete");
    Gpu gpu;
    const VkDeviceMemory foreign = Foreign();
    MockKeyedMutexInfo mutexes{};
    mutexes.sType = VK_STRUCTURE_TYPE_WIN32_KEYED_MUTEX_ACQUIRE_RELEASE_INFO_KHR;
    mutexes.releaseCount = 1;
    mutexes.pReleaseSyncs = &foreign;
    auto submit = Struct<VkSubmitInfo>(VK_STRUCTURE_TYPE_SUBMIT_INFO, &mutexes);
    Check(vkQueueSubmit(gpu.queue, 1, &submit, VK_NULL_HANDLE), "vkQueueSubmit");
    ExpectOneViolation(mock, "vkQueueSubmit: memory 0x7e55e4a000001234 was never");

    MockMemoryGetInfo tile{};
    tile.sType = static_cast<VkStructureType>(VK_STRUCTURE_TYPE_TILE_MEMORY_BIND_INFO_QCOM);
    tile.memory = foreign;
    auto inheritance = Struct<VkCommandBufferInheritanceInfo>(
        VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO, &tile);
    auto begin = Struct<VkCommandBufferBeginInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
    begin.pInheritanceInfo = &inheritance;
    auto pool_info = Struct<VkCommandPoolCreateInfo>(VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
    VkCommandPool pool = VK_NULL_HANDLE;
    Check(vkCreateCommandPool(gpu.device, &pool_info, nullptr, &pool), "vkCreateCommandPool");
    for (const auto level : {VK_COMMAND_BUFFER_LEVEL_PRIMARY, VK_COMMAND_BUFFER_LEVEL_SECONDARY}) {
        VkCommandBufferAllocateInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, nullptr,
                                         pool, level, 1};
        VkCommandBuffer commands = VK_NULL_HANDLE;
        Check(vkAllocateCommandBuffers(gpu.device, &info, &commands), "vkAllocateCommandBuffers");
        Check(vkBeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
        if (level == VK_COMMAND_BUFFER_LEVEL_PRIMARY) {
            EXPECT_EQ(mock.Violations(), "");
        } else {
            ExpectOneViolation(mock, "vkBeginCommandBuffer: memory 0x7e55e4a000001234 was never");
        }
    }
    vkDestroyCommandPool(gpu.device, pool, nullptr);
}

TEST(MockHandles, ReportSaysWhatAHandleIs) {
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    Gpu other;
    VkDeviceMemory freed = gpu.AllocateRaw(0, 64);
    vkFreeMemory(gpu.device, freed, nullptr);
    vkFreeMemory(gpu.device, freed, nullptr);
    ExpectOneViolation(mock, "was destroyed");
    vkUnmapMemory(gpu.device, other.Allocate(0, 64));
    ExpectOneViolation(mock, "belongs to another device");
    vkUnmapMemory(gpu.device, reinterpret_cast<VkDeviceMemory>(gpu.MakeBuffer(64)));
    ExpectOneViolation(mock, "is of another object type");
}

class PrivateData : public testing::Test {
 protected:
    PrivateData() : mock_("preset:lavapipe_like") {
        features_.privateData = VK_TRUE;
        GpuOptions options;
        options.features = &features_;
        gpu_.emplace(options);
        auto info =
            Struct<VkPrivateDataSlotCreateInfo>(VK_STRUCTURE_TYPE_PRIVATE_DATA_SLOT_CREATE_INFO);
        Check(vkCreatePrivateDataSlot(gpu_->device, &info, nullptr, &slot_), "slot");
    }

    uint64_t Get(VkDeviceMemory memory) {
        uint64_t data = 77;
        vkGetPrivateData(gpu_->device, VK_OBJECT_TYPE_DEVICE_MEMORY, Bits(memory), slot_, &data);
        return data;
    }

    ScopedMock mock_;
    VkPhysicalDevicePrivateDataFeatures features_ = Struct<VkPhysicalDevicePrivateDataFeatures>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PRIVATE_DATA_FEATURES);
    std::optional<Gpu> gpu_;
    VkPrivateDataSlot slot_ = VK_NULL_HANDLE;
};

TEST_F(PrivateData, IsZeroUntilSetAndGoneWithItsObject) {
    const uint64_t value = 0x1000;
    mock_->set_next_handles(VK_OBJECT_TYPE_DEVICE_MEMORY, &value, 1);
    VkDeviceMemory memory = gpu_->AllocateRaw(0, 64);
    EXPECT_EQ(Get(memory), 0u);
    Check(vkSetPrivateData(gpu_->device, VK_OBJECT_TYPE_DEVICE_MEMORY, Bits(memory), slot_, 5),
          "vkSetPrivateData");
    EXPECT_EQ(Get(memory), 5u);
    vkFreeMemory(gpu_->device, memory, nullptr);
    mock_->set_next_handles(VK_OBJECT_TYPE_DEVICE_MEMORY, &value, 1);
    EXPECT_EQ(Get(gpu_->Allocate(0, 64)), 0u);
    vkDestroyPrivateDataSlot(gpu_->device, slot_, nullptr);
    EXPECT_EQ(mock_.Violations(), "");
}

TEST_F(PrivateData, OfAnUnknownObjectIsReported) {
    EXPECT_NE(
        vkSetPrivateData(gpu_->device, VK_OBJECT_TYPE_DEVICE_MEMORY, Bits(Foreign()), slot_, 5),
        VK_SUCCESS);
    ExpectOneViolation(mock_, "objectHandle 0x7e55e4a000001234");
    EXPECT_EQ(Get(Foreign()), 0u);
    ExpectOneViolation(mock_, "objectHandle 0x7e55e4a000001234");
    VkBuffer buffer = gpu_->MakeBuffer(64);
    EXPECT_NE(vkSetPrivateData(gpu_->device, VK_OBJECT_TYPE_IMAGE,
                               reinterpret_cast<uint64_t>(buffer), slot_, 5),
              VK_SUCCESS);
    ExpectOneViolation(mock_, "VUID-vkSetPrivateData-objectHandle-04017");
    EXPECT_EQ(vkSetPrivateData(gpu_->device, VK_OBJECT_TYPE_DEVICE,
                               reinterpret_cast<uint64_t>(gpu_->device), slot_, 5),
              VK_SUCCESS);
    vkDestroyPrivateDataSlot(gpu_->device, slot_, nullptr);
    EXPECT_EQ(mock_.Violations(), "");
}

TEST(MockHandles, NamesReachTheObservation) {
    ScopedMock mock("preset:lavapipe_like");
    GpuOptions options;
    options.instance_extensions = {"VK_EXT_debug_utils"};
    Gpu gpu(options);
    VkDeviceMemory memory = gpu.Allocate(0, 64);
    VkDebugUtilsObjectNameInfoEXT name{VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT, nullptr,
                                       VK_OBJECT_TYPE_DEVICE_MEMORY, Bits(memory), "vertices"};
    auto set_name =
        gpu.DeviceCommand<PFN_vkSetDebugUtilsObjectNameEXT>("vkSetDebugUtilsObjectNameEXT");
    EXPECT_EQ(set_name(gpu.device, &name), VK_SUCCESS);
    TesseraMockMemory seen;
    ASSERT_EQ(mock->memories(gpu.device, &seen, 1), 1u);
    EXPECT_STREQ(seen.name, "vertices");
    EXPECT_EQ(mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::mock
