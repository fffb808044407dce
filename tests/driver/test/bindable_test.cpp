// SPDX-License-Identifier: Apache-2.0
//
// The rarer things that memory is bound to. Each kind: a correct bind is silent, a wrong placement
// and a foreign memory are reported, a leak is noticed.
#include <optional>

#include "gpu.h"
#include "late_vulkan.h"

namespace tessera::mock {
namespace {

VkDeviceMemory Foreign() {
    return reinterpret_cast<VkDeviceMemory>(uint64_t{0x7E55E4A000001234});
}

TEST(MockBindable, AccelerationStructureIsBoundWhereItMay) {
    ScopedMock mock(R"({"base": "discrete", "add_extensions": ["VK_NV_ray_tracing"]})");
    GpuOptions options;
    options.device_extensions = {"VK_NV_ray_tracing"};
    Gpu gpu(options);
    auto info = Struct<VkAccelerationStructureCreateInfoNV>(
        VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_CREATE_INFO_NV);
    info.compactedSize = 5000;
    VkAccelerationStructureNV structure = VK_NULL_HANDLE;
    Check(gpu.DeviceCommand<PFN_vkCreateAccelerationStructureNV>("vkCreateAccelerationStructureNV")(
              gpu.device, &info, nullptr, &structure),
          "vkCreateAccelerationStructureNV");
    VkAccelerationStructureMemoryRequirementsInfoNV query{
        VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_MEMORY_REQUIREMENTS_INFO_NV, nullptr,
        VK_ACCELERATION_STRUCTURE_MEMORY_REQUIREMENTS_TYPE_OBJECT_NV, structure};
    auto needs = Struct<VkMemoryRequirements2>(VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2);
    gpu.DeviceCommand<PFN_vkGetAccelerationStructureMemoryRequirementsNV>(
        "vkGetAccelerationStructureMemoryRequirementsNV")(gpu.device, &query, &needs);
    EXPECT_EQ(needs.memoryRequirements.size, 5120u);
    auto bind_info = Struct<VkBindAccelerationStructureMemoryInfoNV>(
        VK_STRUCTURE_TYPE_BIND_ACCELERATION_STRUCTURE_MEMORY_INFO_NV);
    bind_info.accelerationStructure = structure;
    auto bind = gpu.DeviceCommand<PFN_vkBindAccelerationStructureMemoryNV>(
        "vkBindAccelerationStructureMemoryNV");
    bind_info.memory = Foreign();
    EXPECT_NE(bind(gpu.device, 1, &bind_info), VK_SUCCESS);
    ExpectOneViolation(mock, "VUID-VkBindAccelerationStructureMemoryInfoNV-memory-parameter");
    bind_info.memory = gpu.Allocate(1, 8192);
    bind_info.memoryOffset = 1024;
    EXPECT_EQ(bind(gpu.device, 1, &bind_info), VK_SUCCESS);
    EXPECT_EQ(mock.Violations(), "");
    EXPECT_NE(bind(gpu.device, 1, &bind_info), VK_SUCCESS);
    ExpectOneViolation(mock, "accelerationStructure-03620");
    gpu.DeviceCommand<PFN_vkDestroyAccelerationStructureNV>("vkDestroyAccelerationStructureNV")(
        gpu.device, structure, nullptr);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockBindable, VideoSessionHasTwoPlacesForMemory) {
    ScopedMock mock(R"({"base": "discrete", "add_extensions": ["VK_KHR_video_queue"]})");
    GpuOptions options;
    options.device_extensions = {"VK_KHR_video_queue"};
    Gpu gpu(options);
    auto info =
        Struct<VkVideoSessionCreateInfoKHR>(VK_STRUCTURE_TYPE_VIDEO_SESSION_CREATE_INFO_KHR);
    info.maxCodedExtent = {64, 64};
    VkVideoSessionKHR session = VK_NULL_HANDLE;
    Check(gpu.DeviceCommand<PFN_vkCreateVideoSessionKHR>("vkCreateVideoSessionKHR")(
              gpu.device, &info, nullptr, &session),
          "vkCreateVideoSessionKHR");
    uint32_t count = 2;
    VkVideoSessionMemoryRequirementsKHR needs[2] = {};
    Check(gpu.DeviceCommand<PFN_vkGetVideoSessionMemoryRequirementsKHR>(
              "vkGetVideoSessionMemoryRequirementsKHR")(gpu.device, session, &count, needs),
          "vkGetVideoSessionMemoryRequirementsKHR");
    ASSERT_EQ(count, 2u);
    VkDeviceMemory memory = gpu.Allocate(1, 1 << 16);
    VkBindVideoSessionMemoryInfoKHR binds[2] = {};
    VkDeviceSize offset = 4096;
    for (uint32_t i = 0; i < 2; ++i) {
        binds[i] = {VK_STRUCTURE_TYPE_BIND_VIDEO_SESSION_MEMORY_INFO_KHR,
                    nullptr,
                    i,
                    memory,
                    offset,
                    needs[i].memoryRequirements.size};
        offset += needs[i].memoryRequirements.size;
    }
    auto bind = gpu.DeviceCommand<PFN_vkBindVideoSessionMemoryKHR>("vkBindVideoSessionMemoryKHR");
    EXPECT_EQ(bind(gpu.device, session, 2, binds), VK_SUCCESS);
    EXPECT_EQ(mock.Violations(), "");
    binds[0].memoryBindIndex = 2;
    EXPECT_NE(bind(gpu.device, session, 1, binds), VK_SUCCESS);
    ExpectOneViolation(mock, "no place 2");
    gpu.DeviceCommand<PFN_vkDestroyVideoSessionKHR>("vkDestroyVideoSessionKHR")(gpu.device, session,
                                                                                nullptr);
}

class Tensors : public testing::Test {
 protected:
    Tensors() : mock_(R"({"base": "discrete", "add_extensions": ["VK_ARM_tensors"]})") {
        GpuOptions options;
        options.device_extensions = {"VK_ARM_tensors"};
        gpu_.emplace(options);
    }

    VkTensorARM Make(int32_t tiling) {
        const int64_t dimensions[] = {10, 10};
        VkTensorDescriptionARM description{};
        description.tiling = tiling;
        description.format = VK_FORMAT_R32_SFLOAT;
        description.dimensionCount = 2;
        description.pDimensions = dimensions;
        VkTensorCreateInfoARM info{};
        info.pDescription = &description;
        VkTensorARM tensor = VK_NULL_HANDLE;
        Check(gpu_->DeviceCommand<PFN_vkCreateTensorARM>("vkCreateTensorARM")(gpu_->device, &info,
                                                                              nullptr, &tensor),
              "vkCreateTensorARM");
        return tensor;
    }

    VkResult Bind(VkTensorARM tensor, VkDeviceMemory memory, VkDeviceSize offset) {
        VkBindTensorMemoryInfoARM info{VK_STRUCTURE_TYPE_BIND_TENSOR_MEMORY_INFO_ARM, nullptr,
                                       tensor, memory, offset};
        return gpu_->DeviceCommand<PFN_vkBindTensorMemoryARM>("vkBindTensorMemoryARM")(gpu_->device,
                                                                                       1, &info);
    }

    void Destroy(VkTensorARM tensor) {
        gpu_->DeviceCommand<PFN_vkDestroyTensorARM>("vkDestroyTensorARM")(gpu_->device, tensor,
                                                                          nullptr);
    }

    ScopedMock mock_;
    std::optional<Gpu> gpu_;
};

TEST_F(Tensors, OptimalTensorNeedsItsGranuleAlone) {
    VkDeviceMemory memory = gpu_->Allocate(1, 1 << 16);
    Check(vkBindBufferMemory(gpu_->device, gpu_->MakeBuffer(64), memory, 0), "bind");
    VkTensorARM linear = Make(1);
    VkTensorARM optimal = Make(0);
    EXPECT_EQ(Bind(linear, memory, 64), VK_SUCCESS);
    EXPECT_EQ(mock_.Violations(), "");
    EXPECT_EQ(Bind(optimal, memory, 576), VK_SUCCESS);
    ExpectOneViolation(mock_, "bufferImageGranularity");
    Destroy(linear);
    Destroy(optimal);
}

TEST_F(Tensors, WrongPlacementIsReported) {
    VkTensorARM tensor = Make(1);
    EXPECT_EQ(Bind(tensor, gpu_->Allocate(1, 4096), 32), VK_SUCCESS);
    ExpectOneViolation(mock_, "VUID-VkBindTensorMemoryInfoARM-memoryOffset-09715");
    Destroy(tensor);
    VkTensorARM other = Make(1);
    EXPECT_NE(Bind(other, Foreign(), 0), VK_SUCCESS);
    ExpectOneViolation(mock_, "VkBindTensorMemoryInfoARM-memory-parameter");
    Destroy(other);
}

TEST(MockBindable, DataGraphSessionIsBoundByIndex) {
    ScopedMock mock(R"({"base": "discrete", "add_extensions": ["VK_ARM_data_graph"]})");
    GpuOptions options;
    options.device_extensions = {"VK_ARM_data_graph"};
    Gpu gpu(options);
    VkDataGraphPipelineSessionCreateInfoARM info{};
    VkDataGraphPipelineSessionARM session = VK_NULL_HANDLE;
    Check(gpu.DeviceCommand<PFN_vkCreateDataGraphPipelineSessionARM>(
              "vkCreateDataGraphPipelineSessionARM")(gpu.device, &info, nullptr, &session),
          "vkCreateDataGraphPipelineSessionARM");
    VkDataGraphPipelineSessionMemoryRequirementsInfoARM query{};
    query.session = session;
    query.objectIndex = 1;
    auto needs = Struct<VkMemoryRequirements2>(VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2);
    gpu.DeviceCommand<PFN_vkGetDataGraphPipelineSessionMemoryRequirementsARM>(
        "vkGetDataGraphPipelineSessionMemoryRequirementsARM")(gpu.device, &query, &needs);
    EXPECT_EQ(needs.memoryRequirements.size, 1024u);
    VkBindDataGraphPipelineSessionMemoryInfoARM bind_info{
        VK_STRUCTURE_TYPE_BIND_DATA_GRAPH_PIPELINE_SESSION_MEMORY_INFO_ARM,
        nullptr,
        session,
        0,
        1,
        gpu.Allocate(1, 1024),
        0};
    auto bind = gpu.DeviceCommand<PFN_vkBindDataGraphPipelineSessionMemoryARM>(
        "vkBindDataGraphPipelineSessionMemoryARM");
    EXPECT_EQ(bind(gpu.device, 1, &bind_info), VK_SUCCESS);
    EXPECT_EQ(mock.Violations(), "");
    bind_info.objectIndex = 0;
    EXPECT_EQ(bind(gpu.device, 1, &bind_info), VK_SUCCESS);
    ExpectOneViolation(mock, "size-09790");
    gpu.DeviceCommand<PFN_vkDestroyDataGraphPipelineSessionARM>(
        "vkDestroyDataGraphPipelineSessionARM")(gpu.device, session, nullptr);
    EXPECT_EQ(mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::mock
