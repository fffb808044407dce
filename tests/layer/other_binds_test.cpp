// SPDX-License-Identifier: Apache-2.0
//
// Binds of what is neither buffer nor image: the driver is asked what such a resource requires
// whenever the slot's place does not suit everything.

#include "layer/vk/late_vulkan.h"
#include "session.h"
#include "src/late_vulkan.h"

namespace tessera::test {
namespace {

// The mock driver's session has a place of 8,192 bytes that wants an alignment of 4,096.
constexpr VkDeviceSize kPlaceAlignment = 4096;
// Somewhat more than that place, so that the second of two slots lies where the session may not.
constexpr VkDeviceSize kSlotBytes = 8192 + 256;
constexpr uint32_t kType = 1;

class VideoSession {
 public:
    explicit VideoSession(const Session& session) : session_(session) {
        VkVideoSessionCreateInfoKHR info = {};
        info.sType = VK_STRUCTURE_TYPE_VIDEO_SESSION_CREATE_INFO_KHR;
        info.maxCodedExtent = {64, 64};
        EXPECT_EQ(session.Command<PFN_vkCreateVideoSessionKHR>("vkCreateVideoSessionKHR")(
                      session.device, &info, nullptr, &handle_),
                  VK_SUCCESS);
    }
    ~VideoSession() {
        session_.Command<PFN_vkDestroyVideoSessionKHR>("vkDestroyVideoSessionKHR")(
            session_.device, handle_, nullptr);
    }
    // Asks for its first place, as every application does before it binds.
    VkMemoryRequirements Place() const {
        uint32_t count = 1;
        VkVideoSessionMemoryRequirementsKHR place = {};
        place.sType = VK_STRUCTURE_TYPE_VIDEO_SESSION_MEMORY_REQUIREMENTS_KHR;
        EXPECT_GE(
            session_.Command<PFN_vkGetVideoSessionMemoryRequirementsKHR>(
                "vkGetVideoSessionMemoryRequirementsKHR")(session_.device, handle_, &count, &place),
            VK_SUCCESS);
        EXPECT_EQ(place.memoryRequirements.alignment, kPlaceAlignment);
        EXPECT_LE(place.memoryRequirements.size, kSlotBytes);
        return place.memoryRequirements;
    }
    VkResult Bind(VkDeviceMemory memory) const {
        VkBindVideoSessionMemoryInfoKHR bind = {};
        bind.sType = VK_STRUCTURE_TYPE_BIND_VIDEO_SESSION_MEMORY_INFO_KHR;
        bind.memory = memory;
        bind.memorySize = Place().size;
        return session_.Command<PFN_vkBindVideoSessionMemoryKHR>("vkBindVideoSessionMemoryKHR")(
            session_.device, handle_, 1, &bind);
    }

 private:
    const Session& session_;
    VkVideoSessionKHR handle_ = VK_NULL_HANDLE;
};

SessionOptions WithVideo() {
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_extensions": ["VK_KHR_video_queue"]})";
    options.device_extensions = {"VK_KHR_video_queue"};
    return options;
}

// Two slots of a size that is known from a buffer, so that the second lies at an odd place.
struct TwoSlots {
    explicit TwoSlots(const Session& session) {
        buffer = session.MakeBuffer(kSlotBytes);
        EXPECT_EQ(session.Requirements(buffer).size, kSlotBytes);
        first = session.Allocate(kSlotBytes, kType);
        second = session.Allocate(kSlotBytes, kType);
    }
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceMemory first = VK_NULL_HANDLE;
    VkDeviceMemory second = VK_NULL_HANDLE;
};

TEST(OtherBinds, FloatingSlotMovesToWhereASessionMayLie) {
    Session session(WithVideo());
    TwoSlots slots(session);
    {
        const VideoSession video(session);
        EXPECT_EQ(video.Bind(slots.second), VK_SUCCESS);
    }
    EXPECT_EQ(session.Totals(kType).placement_failures, 0u);
    vkDestroyBuffer(session.device, slots.buffer, nullptr);
    session.Free(slots.first);
    session.Free(slots.second);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e24: no misaligned bind goes down, even if nothing is left but to refuse it.
TEST(OtherBinds, PinnedSlotIsRefusedWhereASessionMayNotLie) {
    Session session(WithVideo());
    TwoSlots slots(session);
    ASSERT_EQ(vkBindBufferMemory(session.device, slots.buffer, slots.second, 0), VK_SUCCESS);
    TesseraMockBinding binding = {};
    ASSERT_EQ(session.mock->find_buffer(session.device, slots.buffer, &binding), 1);
    ASSERT_NE(binding.offset % kPlaceAlignment, 0u)
        << "the place must be odd for this test to mean anything";
    {
        const VideoSession video(session);
        EXPECT_EQ(video.Bind(slots.second), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    }
    EXPECT_EQ(session.Totals(kType).placement_failures, 1u);
    vkDestroyBuffer(session.device, slots.buffer, nullptr);
    session.Free(slots.first);
    session.Free(slots.second);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e23: of ray tracing before its KHR form.
TEST(OtherBinds, AccelerationStructureIsTranslated) {
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_extensions": ["VK_NV_ray_tracing"]})";
    options.device_extensions = {"VK_NV_ray_tracing"};
    Session session(options);
    VkAccelerationStructureCreateInfoNV info = {};
    info.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_CREATE_INFO_NV;
    info.info.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_INFO_NV;
    VkAccelerationStructureNV structure = VK_NULL_HANDLE;
    ASSERT_EQ(session.Command<PFN_vkCreateAccelerationStructureNV>(
                  "vkCreateAccelerationStructureNV")(session.device, &info, nullptr, &structure),
              VK_SUCCESS);
    const VkDeviceMemory neighbour = session.Allocate(8192, kType);
    VkBindAccelerationStructureMemoryInfoNV bind = {};
    bind.sType = VK_STRUCTURE_TYPE_BIND_ACCELERATION_STRUCTURE_MEMORY_INFO_NV;
    bind.accelerationStructure = structure;
    bind.memory = session.Allocate(8192, kType);
    bind.memoryOffset = 1024;
    EXPECT_EQ(session.Command<PFN_vkBindAccelerationStructureMemoryNV>(
                  "vkBindAccelerationStructureMemoryNV")(session.device, 1, &bind),
              VK_SUCCESS);
    session.Command<PFN_vkDestroyAccelerationStructureNV>("vkDestroyAccelerationStructureNV")(
        session.device, structure, nullptr);
    session.Free(bind.memory);
    session.Free(neighbour);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

SessionOptions WithTensors() {
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_extensions": ["VK_ARM_tensors"]})";
    options.device_extensions = {"VK_ARM_tensors"};
    return options;
}

// A tensor of 400 bytes, which want an alignment of 64.
class Tensor {
 public:
    Tensor(const Session& session, int32_t tiling) : session_(session) {
        const int64_t dimensions[] = {10, 10};
        VkTensorDescriptionARM description = {};
        description.tiling = tiling;
        description.format = VK_FORMAT_R32_SFLOAT;
        description.dimensionCount = 2;
        description.pDimensions = dimensions;
        VkTensorCreateInfoARM info = {};
        info.pDescription = &description;
        EXPECT_EQ(session.Command<PFN_vkCreateTensorARM>("vkCreateTensorARM")(session.device, &info,
                                                                              nullptr, &handle_),
                  VK_SUCCESS);
    }
    ~Tensor() {
        session_.Command<PFN_vkDestroyTensorARM>("vkDestroyTensorARM")(session_.device, handle_,
                                                                       nullptr);
    }
    VkResult Bind(VkDeviceMemory memory) const {
        Ask();
        return BindUnasked(memory);
    }
    void Ask() const {
        VkTensorMemoryRequirementsInfoARM query = {};
        query.sType = static_cast<VkStructureType>(late::kTensorMemoryRequirementsInfo);
        query.tensor = handle_;
        VkMemoryRequirements2 needs = {};
        needs.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
        session_.Command<PFN_vkGetTensorMemoryRequirementsARM>("vkGetTensorMemoryRequirementsARM")(
            session_.device, &query, &needs);
        EXPECT_LE(needs.memoryRequirements.size, 512u);
    }
    VkResult BindUnasked(VkDeviceMemory memory) const {
        VkBindTensorMemoryInfoARM bind = {};
        bind.sType = VK_STRUCTURE_TYPE_BIND_TENSOR_MEMORY_INFO_ARM;
        bind.tensor = handle_;
        bind.memory = memory;
        return session_.Command<PFN_vkBindTensorMemoryARM>("vkBindTensorMemoryARM")(session_.device,
                                                                                    1, &bind);
    }

 private:
    const Session& session_;
    VkTensorARM handle_ = VK_NULL_HANDLE;
};

TEST(OtherBinds, TensorIsTranslated) {
    Session session(WithTensors());
    const VkDeviceMemory memory = session.Allocate(512, kType);
    {
        const Tensor tensor(session, 1);
        EXPECT_EQ(tensor.Bind(memory), VK_SUCCESS);
    }
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e1: a size that was learned from a buffer lies among buffers. A tensor of that size that is not
// linear may not: granules have 1,024 bytes.
TEST(OtherBinds, TensorHasItsGranulesAlone) {
    Session session(WithTensors());
    std::vector<VkBuffer> buffers;
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 4; ++i) {
        buffers.push_back(session.MakeBuffer(448));
        memories.push_back(session.Allocate(session.Requirements(buffers.back()).size, kType));
        if (i == 1) continue;
        EXPECT_EQ(vkBindBufferMemory(session.device, buffers.back(), memories.back(), 0),
                  VK_SUCCESS);
    }
    {
        const Tensor tensor(session, 0);
        EXPECT_EQ(tensor.Bind(memories[1]), VK_SUCCESS);
    }
    for (VkBuffer buffer : buffers)
        vkDestroyBuffer(session.device, buffer, nullptr);
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e1, f24: nothing that is known of host memory lies otherwise than in order, and nobody asked
// about the tensor, which does.
TEST(OtherBinds, TensorThatNobodyAskedAboutHasItsGranulesAlone) {
    constexpr uint32_t kHostType = 2;
    Session session(WithTensors());
    std::vector<VkBuffer> buffers;
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 4; ++i) {
        buffers.push_back(session.MakeBuffer(448));
        memories.push_back(session.Allocate(448, kHostType));
        if (i == 1) continue;
        EXPECT_EQ(vkBindBufferMemory(session.device, buffers.back(), memories.back(), 0),
                  VK_SUCCESS);
    }
    {
        const Tensor tensor(session, 0);
        EXPECT_EQ(tensor.BindUnasked(memories[1]), VK_SUCCESS);
    }
    for (VkBuffer buffer : buffers)
        vkDestroyBuffer(session.device, buffer, nullptr);
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e1: what a tensor would require can be asked without one. Memory that is allocated afterwards,
// and that a map pins at once, suits it.
TEST(OtherBinds, TensorThatWasOnlyDescribedHasItsGranulesAlone) {
    constexpr uint32_t kHostType = 2;
    Session session(WithTensors());
    const int64_t dimensions[] = {10, 10};
    VkTensorDescriptionARM description = {};
    description.format = VK_FORMAT_R32_SFLOAT;
    description.dimensionCount = 2;
    description.pDimensions = dimensions;
    VkTensorCreateInfoARM info = {};
    info.pDescription = &description;
    VkDeviceTensorMemoryRequirementsARM query = {};
    query.pCreateInfo = &info;
    VkMemoryRequirements2 needs = {};
    needs.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
    session.Command<PFN_vkGetDeviceTensorMemoryRequirementsARM>(
        "vkGetDeviceTensorMemoryRequirementsARM")(session.device, &query, &needs);
    ASSERT_EQ(needs.memoryRequirements.size, 448u);
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 4; ++i) {
        memories.push_back(session.Allocate(448, kHostType));
        session.Map(memories.back());
    }
    for (VkDeviceMemory memory : memories) {
        const Tensor tensor(session, 0);
        EXPECT_EQ(tensor.BindUnasked(memory), VK_SUCCESS);
    }
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e26: binds are by object index.
TEST(OtherBinds, DataGraphSessionIsTranslated) {
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_extensions": ["VK_ARM_data_graph"]})";
    options.device_extensions = {"VK_ARM_data_graph"};
    Session session(options);
    VkDataGraphPipelineSessionCreateInfoARM info = {};
    VkDataGraphPipelineSessionARM graph = VK_NULL_HANDLE;
    ASSERT_EQ(session.Command<PFN_vkCreateDataGraphPipelineSessionARM>(
                  "vkCreateDataGraphPipelineSessionARM")(session.device, &info, nullptr, &graph),
              VK_SUCCESS);
    VkBindDataGraphPipelineSessionMemoryInfoARM binds[2] = {};
    for (uint32_t i = 0; i < 2; ++i) {
        binds[i].sType = VK_STRUCTURE_TYPE_BIND_DATA_GRAPH_PIPELINE_SESSION_MEMORY_INFO_ARM;
        binds[i].session = graph;
        binds[i].objectIndex = i;
        binds[i].memory = session.Allocate(20480, kType);
    }
    EXPECT_EQ(session.Command<PFN_vkBindDataGraphPipelineSessionMemoryARM>(
                  "vkBindDataGraphPipelineSessionMemoryARM")(session.device, 2, binds),
              VK_SUCCESS);
    session.Command<PFN_vkDestroyDataGraphPipelineSessionARM>(
        "vkDestroyDataGraphPipelineSessionARM")(session.device, graph, nullptr);
    for (const VkBindDataGraphPipelineSessionMemoryInfoARM& bind : binds)
        session.Free(bind.memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f0, f6: whoever binds less than the whole of an allocation may bind more later. A slot that was
// placed for a known size alone is placed for all that may come before it is pinned.
TEST(OtherBinds, FirstOfSeveralResourcesPinsTheSlotWhereOthersMayLieToo) {
    Session session(WithVideo());
    TwoSlots slots(session);
    const VkBuffer small = session.MakeBuffer(64);
    {
        // Asked about before the first bind, and bound after it.
        const VideoSession video(session);
        video.Place();
        ASSERT_EQ(vkBindBufferMemory(session.device, small, slots.second, 0), VK_SUCCESS);
        EXPECT_EQ(video.Bind(slots.second), VK_SUCCESS);
    }
    EXPECT_EQ(session.Totals(kType).placement_failures, 0u);
    vkDestroyBuffer(session.device, small, nullptr);
    vkDestroyBuffer(session.device, slots.buffer, nullptr);
    session.Free(slots.first);
    session.Free(slots.second);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
