// SPDX-License-Identifier: Apache-2.0
//
// Scenarios of what memory is for: binds of every kind, sparse binds, and what is attached to a
// handle.
#include <gtest/gtest.h>

#include <array>

#include "late_vulkan.h"
#include "scenarios.h"

namespace tessera::faults {
namespace {

constexpr VkDeviceSize kKiB = 1024;
constexpr VkDeviceSize kMiB = 1024 * kKiB;

// Memory types of preset:discrete.
constexpr uint32_t kLocal = 1;
constexpr uint32_t kHost = 2;

uint64_t Raw(VkDeviceMemory memory) {
    return (uint64_t)memory;  // NOLINT: a pointer on 64-bit systems, an integer on 32-bit ones
}

// The application asks what it needs and allocates exactly that, so that places are chosen for what
// is known to fit.
void LearnedSizes(Application& app) {
    std::vector<VkDeviceMemory> memories;
    for (const uint32_t edge : {4u, 8u, 16u}) {
        const VkImage image = app.Image(edge);
        const VkImage linear = app.Image(edge, VK_IMAGE_TILING_LINEAR);
        const VkBuffer buffer = app.Buffer(edge * 300);
        const VkMemoryRequirements image_needs = app.Needs(image);
        const VkMemoryRequirements linear_needs = app.Needs(linear);
        const VkMemoryRequirements buffer_needs = app.Needs(buffer);
        memories.push_back(app.Pooled(image_needs.size, kLocal));
        app.Bind(image, memories.back());
        memories.push_back(app.Pooled(linear_needs.size, kLocal));
        app.Bind(linear, memories.back());
        memories.push_back(app.Pooled(buffer_needs.size, kLocal));
        app.Bind(buffer, memories.back());
        app.Destroy(image);
        app.Destroy(linear);
        app.Destroy(buffer);
    }
    for (const VkDeviceMemory memory : memories)
        app.Free(memory);
}

// A kind of buffer that asks for more than was known when its memory was allocated: the slot moves,
// and since the block is full, into a new block.
void Move(Application& app, uint32_t type) {
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 8; ++i)
        memories.push_back(app.Pooled(16 * kKiB, type, &flags));
    const VkBuffer buffer = app.Buffer(300, VK_BUFFER_USAGE_VIDEO_DECODE_SRC_BIT_KHR);
    EXPECT_EQ(app.Needs(buffer).alignment, 65536u);
    app.Bind(buffer, memories[1]);
    app.Destroy(buffer);
    for (const VkDeviceMemory memory : memories)
        app.Free(memory);
}

void MoveInLocalMemory(Application& app) {
    Move(app, kLocal);
}

void MoveInHostMemory(Application& app) {
    Move(app, kHost);
}

// Binds an array, and again those elements whose own results (VkBindMemoryStatus) say that they are
// not bound. Every element's result must be written, however the call ends.
template <typename Info>
void BindAll(Application& app, const char* command, std::vector<Info> infos,
             VkResult(VKAPI_PTR* bind)(VkDevice, uint32_t, const Info*)) {
    std::vector<VkResult> results(infos.size(), VK_NOT_READY);
    std::vector<VkBindMemoryStatus> status(infos.size());
    for (size_t i = 0; i < infos.size(); ++i) {
        status[i].sType = static_cast<VkStructureType>(VK_STRUCTURE_TYPE_BIND_MEMORY_STATUS);
        status[i].pNext = infos[i].pNext;
        status[i].pResult = &results[i];
        infos[i].pNext = &status[i];
    }
    app.Call(command, Kind::kPlain, [&] {
        const VkResult result = bind(app.device, static_cast<uint32_t>(infos.size()), infos.data());
        // What is bound may not be bound again.
        std::vector<Info> left;
        for (size_t i = 0; i < infos.size(); ++i) {
            const auto* own = static_cast<const VkBindMemoryStatus*>(infos[i].pNext);
            EXPECT_NE(*own->pResult, VK_NOT_READY) << "the result of element " << i;
            if (*own->pResult != VK_SUCCESS) left.push_back(infos[i]);
        }
        infos = left;
        return result;
    });
}

// Arrays that mix slots, what went through, and images of a swapchain, which have no memory.
void BufferArrays(Application& app) {
    std::vector<VkBindBufferMemoryInfo> infos;
    for (int i = 0; i < 12; ++i) {
        VkBindBufferMemoryInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO;
        info.buffer = app.Buffer(1000);
        info.memory = i % 5 == 3 ? app.Through(80 * kMiB, kLocal) : app.Pooled(2 * kKiB, kLocal);
        infos.push_back(info);
    }
    BindAll(app, "vkBindBufferMemory2", infos, vkBindBufferMemory2);
    for (const VkBindBufferMemoryInfo& info : infos) {
        app.Destroy(info.buffer);
        app.Free(info.memory);
    }
}

void ImageArrays(Application& app) {
    VkBindImageMemorySwapchainInfoKHR swapchain = {};
    swapchain.sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_SWAPCHAIN_INFO_KHR;
    swapchain.swapchain = reinterpret_cast<VkSwapchainKHR>(uintptr_t{0x5A});
    std::vector<VkBindImageMemoryInfo> infos;
    for (int i = 0; i < 10; ++i) {
        VkBindImageMemoryInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO;
        info.image = app.Image(8);
        if (i % 4 == 1) {
            info.pNext = &swapchain;
        } else {
            info.memory =
                i % 4 == 2 ? app.Through(80 * kMiB, kLocal) : app.Pooled(4 * kKiB, kLocal);
        }
        infos.push_back(info);
    }
    BindAll(app, "vkBindImageMemory2", infos, vkBindImageMemory2);
    for (const VkBindImageMemoryInfo& info : infos) {
        app.Destroy(info.image);
        if (info.memory != VK_NULL_HANDLE) app.Free(info.memory);
    }
}

void BindArrays(Application& app) {
    BufferArrays(app);
    ImageArrays(app);
}

// An array of which some elements must move, with and without room.
void MoveInArrays(Application& app) {
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 8; ++i)
        memories.push_back(app.Pooled(16 * kKiB, kLocal, &flags));
    std::vector<VkBindBufferMemoryInfo> infos;
    for (int i = 0; i < 3; ++i) {
        VkBindBufferMemoryInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO;
        info.buffer = app.Buffer(300, i == 1 ? VK_BUFFER_USAGE_VIDEO_DECODE_SRC_BIT_KHR
                                             : VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
        info.memory = memories[static_cast<size_t>(i)];
        app.Needs(info.buffer);
        infos.push_back(info);
    }
    BindAll(app, "vkBindBufferMemory2", infos, vkBindBufferMemory2);
    for (const VkBindBufferMemoryInfo& info : infos)
        app.Destroy(info.buffer);
    for (const VkDeviceMemory memory : memories)
        app.Free(memory);
}

constexpr VkDeviceSize kSparseBlock = 64 * kKiB;

void Submit(Application& app, const VkBindSparseInfo& info) {
    app.Call("vkQueueBindSparse", Kind::kPlain,
             [&] { return vkQueueBindSparse(app.queue, 1, &info, VK_NULL_HANDLE); });
    app.Call("vkQueueWaitIdle", Kind::kPlain, [&] { return vkQueueWaitIdle(app.queue); });
}

void Sparse(Application& app) {
    constexpr uint32_t kBlocks = 10;  // more than fit without host memory of the layer's
    const VkBuffer buffer =
        app.Buffer(kBlocks * kSparseBlock, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                   VK_BUFFER_CREATE_SPARSE_BINDING_BIT | VK_BUFFER_CREATE_SPARSE_RESIDENCY_BIT);
    const VkImage image =
        app.Image(128, VK_IMAGE_TILING_OPTIMAL, VK_IMAGE_CREATE_SPARSE_BINDING_BIT);
    const VkMemoryRequirements image_needs = app.Needs(image);
    const VkDeviceMemory pooled = app.Pooled(4 * kSparseBlock, kLocal);
    const VkDeviceMemory through = app.Through(80 * kMiB, kLocal);
    const VkDeviceMemory image_memory = app.Pooled(image_needs.size, kLocal);

    std::array<VkSparseMemoryBind, kBlocks> binds = {};
    for (uint32_t i = 0; i < kBlocks; ++i) {
        binds[i].resourceOffset = i * kSparseBlock;
        binds[i].size = kSparseBlock;
        binds[i].memory = i % 4 == 3 ? VK_NULL_HANDLE : i % 4 == 2 ? through : pooled;
        binds[i].memoryOffset = i % 4 * kSparseBlock;
    }
    VkSparseMemoryBind whole = {};
    whole.size = image_needs.size;
    whole.memory = image_memory;
    VkSparseBufferMemoryBindInfo buffer_info = {buffer, kBlocks, binds.data()};
    VkSparseImageOpaqueMemoryBindInfo image_info = {image, 1, &whole};
    VkBindSparseInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
    info.bufferBindCount = 1;
    info.pBufferBinds = &buffer_info;
    info.imageOpaqueBindCount = 1;
    info.pImageOpaqueBinds = &image_info;
    Submit(app, info);
    for (VkSparseMemoryBind& bind : binds)
        bind.memory = VK_NULL_HANDLE;
    whole.memory = VK_NULL_HANDLE;
    Submit(app, info);
    app.Destroy(buffer);
    app.Destroy(image);
    for (const VkDeviceMemory memory : {pooled, through, image_memory})
        app.Free(memory);
}

void Names(Application& app, VkDeviceMemory memory) {
    const auto set_name =
        app.Command<PFN_vkSetDebugUtilsObjectNameEXT>("vkSetDebugUtilsObjectNameEXT");
    const auto set_tag =
        app.Command<PFN_vkSetDebugUtilsObjectTagEXT>("vkSetDebugUtilsObjectTagEXT");
    VkDebugUtilsObjectNameInfoEXT name = {};
    name.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT;
    name.objectType = VK_OBJECT_TYPE_DEVICE_MEMORY;
    name.objectHandle = Raw(memory);
    name.pObjectName = "memory";
    app.Call("vkSetDebugUtilsObjectNameEXT", Kind::kPlain,
             [&] { return set_name(app.device, &name); });
    VkDebugUtilsObjectTagInfoEXT tag = {};
    tag.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_TAG_INFO_EXT;
    tag.objectType = VK_OBJECT_TYPE_DEVICE_MEMORY;
    tag.objectHandle = Raw(memory);
    tag.tagSize = 4;
    tag.pTag = "tag";
    app.Call("vkSetDebugUtilsObjectTagEXT", Kind::kPlain,
             [&] { return set_tag(app.device, &tag); });
}

void Markers(Application& app, VkDeviceMemory memory) {
    const auto set_name =
        app.Command<PFN_vkDebugMarkerSetObjectNameEXT>("vkDebugMarkerSetObjectNameEXT");
    const auto set_tag =
        app.Command<PFN_vkDebugMarkerSetObjectTagEXT>("vkDebugMarkerSetObjectTagEXT");
    VkDebugMarkerObjectNameInfoEXT name = {};
    name.sType = VK_STRUCTURE_TYPE_DEBUG_MARKER_OBJECT_NAME_INFO_EXT;
    name.objectType = VK_DEBUG_REPORT_OBJECT_TYPE_DEVICE_MEMORY_EXT;
    name.object = Raw(memory);
    name.pObjectName = "memory";
    app.Call("vkDebugMarkerSetObjectNameEXT", Kind::kPlain,
             [&] { return set_name(app.device, &name); });
    VkDebugMarkerObjectTagInfoEXT tag = {};
    tag.sType = VK_STRUCTURE_TYPE_DEBUG_MARKER_OBJECT_TAG_INFO_EXT;
    tag.objectType = VK_DEBUG_REPORT_OBJECT_TYPE_DEVICE_MEMORY_EXT;
    tag.object = Raw(memory);
    tag.tagSize = 4;
    tag.pTag = "tag";
    app.Call("vkDebugMarkerSetObjectTagEXT", Kind::kPlain,
             [&] { return set_tag(app.device, &tag); });
}

// What is attached to a slot stays in the layer, what is attached to the rest goes down.
void Attachments(Application& app) {
    VkPrivateDataSlotCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_PRIVATE_DATA_SLOT_CREATE_INFO;
    VkPrivateDataSlot slot = VK_NULL_HANDLE;
    app.Call("vkCreatePrivateDataSlot", Kind::kPlain,
             [&] { return vkCreatePrivateDataSlot(app.device, &info, nullptr, &slot); });
    const VkDeviceMemory pooled = app.Pooled(4 * kKiB, kLocal);
    const VkDeviceMemory through = app.Through(80 * kMiB, kLocal);
    for (const VkDeviceMemory memory : {pooled, through}) {
        Names(app, memory);
        Markers(app, memory);
        app.Call("vkSetPrivateData", Kind::kPlain, [&] {
            return vkSetPrivateData(app.device, VK_OBJECT_TYPE_DEVICE_MEMORY, Raw(memory), slot, 7);
        });
        uint64_t data = 0;
        app.Void("vkGetPrivateData", [&] {
            vkGetPrivateData(app.device, VK_OBJECT_TYPE_DEVICE_MEMORY, Raw(memory), slot, &data);
        });
        EXPECT_EQ(data, 7u);
        app.Free(memory);
    }
    app.Void("vkDestroyPrivateDataSlot",
             [&] { vkDestroyPrivateDataSlot(app.device, slot, nullptr); });
}

void SecondForms(Application& app) {
    const auto map = app.Command<PFN_vkMapMemory2>("vkMapMemory2KHR");
    const auto unmap = app.Command<PFN_vkUnmapMemory2>("vkUnmapMemory2KHR");
    for (const VkDeviceMemory memory :
         {app.Pooled(4 * kKiB, kHost), app.Through(80 * kMiB, kHost)}) {
        VkMemoryMapInfo info = {};
        info.sType = static_cast<VkStructureType>(VK_STRUCTURE_TYPE_MEMORY_MAP_INFO);
        info.memory = memory;
        info.size = VK_WHOLE_SIZE;
        void* data = nullptr;
        app.Call("vkMapMemory2", Kind::kPlain, [&] { return map(app.device, &info, &data); });
        VkMemoryUnmapInfo unmap_info = {};
        unmap_info.sType = static_cast<VkStructureType>(VK_STRUCTURE_TYPE_MEMORY_UNMAP_INFO);
        unmap_info.memory = memory;
        app.Call("vkUnmapMemory2", Kind::kPlain, [&] { return unmap(app.device, &unmap_info); });
        app.Free(memory);
    }
}

void AccelerationStructure(Application& app) {
    const auto create =
        app.Command<PFN_vkCreateAccelerationStructureNV>("vkCreateAccelerationStructureNV");
    const auto bind =
        app.Command<PFN_vkBindAccelerationStructureMemoryNV>("vkBindAccelerationStructureMemoryNV");
    VkAccelerationStructureCreateInfoNV info = {};
    info.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_CREATE_INFO_NV;
    info.compactedSize = 5000;
    VkAccelerationStructureNV structure = VK_NULL_HANDLE;
    app.Call("vkCreateAccelerationStructureNV", Kind::kPlain,
             [&] { return create(app.device, &info, nullptr, &structure); });
    VkBindAccelerationStructureMemoryInfoNV bind_info = {};
    bind_info.sType = VK_STRUCTURE_TYPE_BIND_ACCELERATION_STRUCTURE_MEMORY_INFO_NV;
    bind_info.accelerationStructure = structure;
    bind_info.memory = app.Pooled(8 * kKiB, kLocal);
    app.Call("vkBindAccelerationStructureMemoryNV", Kind::kPlain,
             [&] { return bind(app.device, 1, &bind_info); });
    app.Command<PFN_vkDestroyAccelerationStructureNV>("vkDestroyAccelerationStructureNV")(
        app.device, structure, nullptr);
    app.Free(bind_info.memory);
}

void VideoSession(Application& app) {
    const auto create = app.Command<PFN_vkCreateVideoSessionKHR>("vkCreateVideoSessionKHR");
    const auto needs_of = app.Command<PFN_vkGetVideoSessionMemoryRequirementsKHR>(
        "vkGetVideoSessionMemoryRequirementsKHR");
    const auto bind = app.Command<PFN_vkBindVideoSessionMemoryKHR>("vkBindVideoSessionMemoryKHR");
    VkVideoSessionCreateInfoKHR info = {};
    info.sType = VK_STRUCTURE_TYPE_VIDEO_SESSION_CREATE_INFO_KHR;
    info.maxCodedExtent = {64, 64};
    VkVideoSessionKHR session = VK_NULL_HANDLE;
    app.Call("vkCreateVideoSessionKHR", Kind::kPlain,
             [&] { return create(app.device, &info, nullptr, &session); });
    VkVideoSessionMemoryRequirementsKHR needs[2] = {};
    for (auto& one : needs)
        one.sType = VK_STRUCTURE_TYPE_VIDEO_SESSION_MEMORY_REQUIREMENTS_KHR;
    uint32_t count = 2;
    app.Call("vkGetVideoSessionMemoryRequirementsKHR", Kind::kPlain, [&] {
        count = 2;
        return needs_of(app.device, session, &count, needs);
    });
    VkBindVideoSessionMemoryInfoKHR binds[2] = {};
    for (uint32_t i = 0; i < 2; ++i) {
        const VkDeviceSize size = needs[i].memoryRequirements.size;
        binds[i].sType = VK_STRUCTURE_TYPE_BIND_VIDEO_SESSION_MEMORY_INFO_KHR;
        binds[i].memoryBindIndex = needs[i].memoryBindIndex;
        binds[i].memory = app.Pooled(size, kLocal);
        binds[i].memorySize = size;
    }
    app.Call("vkBindVideoSessionMemoryKHR", Kind::kPlain,
             [&] { return bind(app.device, session, 2, binds); });
    app.Command<PFN_vkDestroyVideoSessionKHR>("vkDestroyVideoSessionKHR")(app.device, session,
                                                                          nullptr);
    for (const VkBindVideoSessionMemoryInfoKHR& one : binds)
        app.Free(one.memory);
}

void Tensor(Application& app) {
    const auto create = app.Command<PFN_vkCreateTensorARM>("vkCreateTensorARM");
    const auto bind = app.Command<PFN_vkBindTensorMemoryARM>("vkBindTensorMemoryARM");
    const int64_t dimensions[] = {10, 10};
    VkTensorDescriptionARM description = {};
    description.tiling = 1;
    description.format = VK_FORMAT_R32_SFLOAT;
    description.dimensionCount = 2;
    description.pDimensions = dimensions;
    VkTensorCreateInfoARM info = {};
    info.pDescription = &description;
    VkTensorARM tensor = VK_NULL_HANDLE;
    app.Call("vkCreateTensorARM", Kind::kPlain,
             [&] { return create(app.device, &info, nullptr, &tensor); });
    VkBindTensorMemoryInfoARM bind_info = {};
    bind_info.sType = VK_STRUCTURE_TYPE_BIND_TENSOR_MEMORY_INFO_ARM;
    bind_info.tensor = tensor;
    bind_info.memory = app.Pooled(8 * kKiB, kLocal);
    app.Call("vkBindTensorMemoryARM", Kind::kPlain,
             [&] { return bind(app.device, 1, &bind_info); });
    app.Command<PFN_vkDestroyTensorARM>("vkDestroyTensorARM")(app.device, tensor, nullptr);
    app.Free(bind_info.memory);
}

void DataGraph(Application& app) {
    const auto create =
        app.Command<PFN_vkCreateDataGraphPipelineSessionARM>("vkCreateDataGraphPipelineSessionARM");
    const auto bind = app.Command<PFN_vkBindDataGraphPipelineSessionMemoryARM>(
        "vkBindDataGraphPipelineSessionMemoryARM");
    VkDataGraphPipelineSessionCreateInfoARM info = {};
    VkDataGraphPipelineSessionARM session = VK_NULL_HANDLE;
    app.Call("vkCreateDataGraphPipelineSessionARM", Kind::kPlain,
             [&] { return create(app.device, &info, nullptr, &session); });
    VkBindDataGraphPipelineSessionMemoryInfoARM bind_info = {};
    bind_info.sType = VK_STRUCTURE_TYPE_BIND_DATA_GRAPH_PIPELINE_SESSION_MEMORY_INFO_ARM;
    bind_info.session = session;
    bind_info.objectIndex = 1;
    bind_info.memory = app.Pooled(8 * kKiB, kLocal);
    app.Call("vkBindDataGraphPipelineSessionMemoryARM", Kind::kPlain,
             [&] { return bind(app.device, 1, &bind_info); });
    app.Command<PFN_vkDestroyDataGraphPipelineSessionARM>("vkDestroyDataGraphPipelineSessionARM")(
        app.device, session, nullptr);
    app.Free(bind_info.memory);
}

void RarerBinds(Application& app) {
    AccelerationStructure(app);
    VideoSession(app);
    Tensor(app);
    DataGraph(app);
}

// One kind of buffer that asks for more than any probe has shown, and blocks that eight slots fill.
Machine LateAlignment() {
    Machine machine;
    machine.description =
        R"({"base": "discrete", "alignment": {"video": 65536}, "size_below_alignment": true})";
    machine.environment = {"TESSERA_MAX_BLOCK_BYTES=128KiB"};
    machine.device_address = true;
    return machine;
}

Machine WithAttachments() {
    Machine machine;
    machine.description = R"({"base": "discrete", "add_extensions": ["VK_EXT_debug_marker"]})";
    machine.instance_extensions = {"VK_EXT_debug_utils"};
    machine.device_extensions = {"VK_EXT_debug_marker"};
    machine.private_data = true;
    return machine;
}

Machine WithRarerBinds() {
    Machine machine;
    machine.description =
        R"({"base": "discrete", "add_extensions": ["VK_NV_ray_tracing", "VK_KHR_video_queue",
                                                   "VK_ARM_tensors", "VK_ARM_data_graph"]})";
    machine.device_extensions = {"VK_NV_ray_tracing", "VK_KHR_video_queue", "VK_ARM_tensors",
                                 "VK_ARM_data_graph"};
    return machine;
}

}  // namespace

std::vector<Scenario> ObjectScenarios() {
    Machine sparse;
    sparse.sparse = true;
    Machine second_forms;
    second_forms.device_extensions = {"VK_KHR_map_memory2"};
    return {
        {"learned_sizes", {}, LearnedSizes},
        {"move_in_local_memory", LateAlignment(), MoveInLocalMemory},
        {"move_in_host_memory", LateAlignment(), MoveInHostMemory},
        {"move_in_arrays", LateAlignment(), MoveInArrays},
        {"bind_arrays", {}, BindArrays},
        {"sparse", sparse, Sparse},
        {"attachments", WithAttachments(), Attachments},
        {"second_forms", second_forms, SecondForms},
        {"rarer_binds", WithRarerBinds(), RarerBinds},
    };
}

}  // namespace tessera::faults
