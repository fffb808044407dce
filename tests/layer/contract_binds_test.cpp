// SPDX-License-Identifier: Apache-2.0
//
// Rows of the contract about binds: each element arrives at the driver with the block and the
// offset of its slot, in its own order, and with everything else as the application gave it. What
// arrived is what the layer below saw; where a slot lies is what the driver says of a small buffer
// that is bound to the slot's start afterwards.

#include <cstring>
#include <utility>

#include "below/below.h"
#include "session.h"

namespace tessera::test {
namespace {

constexpr uint32_t kType = 1;                            // of the device
constexpr uint32_t kHostType = 2;                        // host-visible
constexpr VkDeviceSize kLarge = VkDeviceSize{80} << 20;  // too large for a block
constexpr uint32_t kOnlyDevice = 0;
// More than any array that lies in place.
constexpr size_t kElements = 30;

SessionOptions Watched() {
    SessionOptions options;
    options.layer_below = true;
    return options;
}

TesseraMockBinding Find(const Session& session, VkBuffer buffer) {
    TesseraMockBinding binding = {};
    EXPECT_TRUE(session.mock->find_buffer(session.device, buffer, &binding));
    return binding;
}

// Where the start of an allocation lies in the driver's memory. Pins it.
TesseraMockBinding StartOf(const Session& session, VkDeviceMemory memory) {
    const VkBuffer buffer = session.MakeBuffer(16);
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_SUCCESS);
    const TesseraMockBinding start = Find(session, buffer);
    vkDestroyBuffer(session.device, buffer, nullptr);
    return start;
}

// A slot that is not the first of its block, so that its place is not zero. Neither is freed here.
VkDeviceMemory BehindANeighbour(const Session& session, VkDeviceSize size,
                                std::vector<VkDeviceMemory>* all, uint32_t type = kType) {
    all->push_back(session.Allocate(700, type));
    all->push_back(session.Allocate(size, type));
    return all->back();
}

// The memory and offset of one element that arrived, against those that the application gave.
template <typename Info>
void ExpectTranslated(const Session& session, const Info& arrived, const Info& given) {
    EXPECT_EQ(arrived.sType, given.sType);
    EXPECT_EQ(arrived.pNext, given.pNext) << "the chain is the application's own";
    if (given.memory == VK_NULL_HANDLE) {
        EXPECT_EQ(arrived.memory, given.memory);
        EXPECT_EQ(arrived.memoryOffset, given.memoryOffset);
        return;
    }
    const TesseraMockBinding start = StartOf(session, given.memory);
    EXPECT_EQ(arrived.memory, start.memory);
    EXPECT_EQ(arrived.memoryOffset, start.offset + given.memoryOffset);
}

// Whether any memory was translated at all.
template <typename Info>
bool SomeAreInBlocks(const std::vector<Info>& arrived, const std::vector<Info>& given) {
    for (size_t i = 0; i < given.size(); ++i) {
        if (arrived[i].memory != given[i].memory) return true;
    }
    return false;
}

void Finish(Session& session, const std::vector<VkDeviceMemory>& memories) {
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// Section 2. The pointer of a mapping says independently where the slot lies.
TEST(Contract_vkBindBufferMemory, ArrivesAtTheSlotsPlacePlusTheOffset) {
    Session session(Watched());
    Taps taps;
    VkDeviceMemory memory_below = VK_NULL_HANDLE;
    VkDeviceSize offset_below = 0;
    taps->BindBufferMemory = [&](VkDevice device, VkBuffer buffer, VkDeviceMemory memory,
                                 VkDeviceSize offset) {
        memory_below = memory;
        offset_below = offset;
        return Next().BindBufferMemory(device, buffer, memory, offset);
    };
    std::vector<VkDeviceMemory> memories;
    const VkDeviceMemory memory = BehindANeighbour(session, 8192, &memories, kHostType);
    const VkBuffer buffer = session.MakeBuffer(1000);
    ASSERT_EQ(vkBindBufferMemory(session.device, buffer, memory, 2048), VK_SUCCESS);
    EXPECT_NE(memory_below, memory);
    EXPECT_GE(offset_below, 2048u + 700u) << "the neighbour lies before";
    auto* bytes = static_cast<uint8_t*>(session.Map(memory));
    for (size_t i = 0; i < 8192; ++i)
        bytes[i] = static_cast<uint8_t>(i * 7 + i / 256);
    std::vector<uint8_t> seen(1000);
    ASSERT_TRUE(session.mock->read_memory(session.device, memory_below, offset_below, seen.data(),
                                          seen.size()));
    EXPECT_EQ(std::memcmp(seen.data(), bytes + 2048, seen.size()), 0);
    vkDestroyBuffer(session.device, buffer, nullptr);
    Finish(session, memories);
}

TEST(Contract_vkBindImageMemory, ArrivesAtTheSlotsPlacePlusTheOffset) {
    Session session(Watched());
    Taps taps;
    VkDeviceMemory memory_below = VK_NULL_HANDLE;
    VkDeviceSize offset_below = 0;
    taps->BindImageMemory = [&](VkDevice device, VkImage image, VkDeviceMemory memory,
                                VkDeviceSize offset) {
        memory_below = memory;
        offset_below = offset;
        return Next().BindImageMemory(device, image, memory, offset);
    };
    std::vector<VkDeviceMemory> memories;
    const VkDeviceMemory memory = BehindANeighbour(session, 3 * 65536, &memories);
    const VkImage image = session.MakeImage(16);
    ASSERT_EQ(vkBindImageMemory(session.device, image, memory, 65536), VK_SUCCESS);
    const TesseraMockBinding start = StartOf(session, memory);
    EXPECT_NE(start.memory, memory);
    EXPECT_EQ(memory_below, start.memory);
    EXPECT_EQ(offset_below, start.offset + 65536);
    vkDestroyImage(session.device, image, nullptr);
    Finish(session, memories);
}

// Section 3, and VkBindBufferMemoryDeviceGroupInfo of section 6.
TEST(Contract_VkBindBufferMemoryInfo, EachElementArrivesWithItsPlaceAndItsChain) {
    Session session(Watched());
    Taps taps;
    std::vector<VkBindBufferMemoryInfo> arrived;
    taps->BindBufferMemory2 = [&](VkDevice device, uint32_t count,
                                  const VkBindBufferMemoryInfo* infos) {
        arrived.insert(arrived.end(), infos, infos + count);
        return Next().BindBufferMemory2(device, count, infos);
    };
    std::vector<VkBindBufferMemoryDeviceGroupInfo> groups(kElements);
    std::vector<VkBindBufferMemoryInfo> given(kElements);
    std::vector<VkDeviceMemory> memories;
    for (size_t i = 0; i < kElements; ++i) {
        groups[i].sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_DEVICE_GROUP_INFO;
        groups[i].deviceIndexCount = 1;
        groups[i].pDeviceIndices = &kOnlyDevice;
        given[i].sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO;
        given[i].pNext = i % 3 == 1 ? nullptr : &groups[i];
        given[i].buffer = session.MakeBuffer(1024);
        given[i].memory = session.Allocate(i % 7 == 3 ? kLarge : 4096, kType);
        given[i].memoryOffset = 1024 * (i % 4);
        memories.push_back(given[i].memory);
    }
    const std::vector<VkBindBufferMemoryInfo> before = given;
    ASSERT_EQ(vkBindBufferMemory2(session.device, kElements, given.data()), VK_SUCCESS);
    ASSERT_EQ(arrived.size(), kElements);
    EXPECT_TRUE(SomeAreInBlocks(arrived, given));
    EXPECT_EQ(std::memcmp(before.data(), given.data(), kElements * sizeof given[0]), 0)
        << "the application's array is not written";
    for (size_t i = 0; i < kElements; ++i) {
        EXPECT_EQ(arrived[i].buffer, given[i].buffer) << i;
        ExpectTranslated(session, arrived[i], given[i]);
    }
    EXPECT_EQ(groups[0].deviceIndexCount, 1u);
    EXPECT_EQ(groups[0].pDeviceIndices, &kOnlyDevice);
    for (const VkBindBufferMemoryInfo& info : given)
        vkDestroyBuffer(session.device, info.buffer, nullptr);
    Finish(session, memories);
}

// Section 3, VkBindImageMemoryDeviceGroupInfo and VkBindImageMemorySwapchainInfoKHR of section 6.
TEST(Contract_VkBindImageMemoryInfo, EachElementArrivesWithItsPlaceAndItsChain) {
    Session session(Watched());
    Taps taps;
    std::vector<VkBindImageMemoryInfo> arrived;
    taps->BindImageMemory2 = [&](VkDevice device, uint32_t count,
                                 const VkBindImageMemoryInfo* infos) {
        arrived.insert(arrived.end(), infos, infos + count);
        return Next().BindImageMemory2(device, count, infos);
    };
    std::vector<VkBindImageMemoryDeviceGroupInfo> groups(kElements);
    VkBindImageMemorySwapchainInfoKHR swapchain = {};
    swapchain.sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_SWAPCHAIN_INFO_KHR;
    swapchain.swapchain = (VkSwapchainKHR)uintptr_t{0x5A};
    std::vector<VkBindImageMemoryInfo> given(kElements);
    std::vector<VkDeviceMemory> memories;
    for (size_t i = 0; i < kElements; ++i) {
        groups[i].sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_DEVICE_GROUP_INFO;
        groups[i].deviceIndexCount = 1;
        groups[i].pDeviceIndices = &kOnlyDevice;
        given[i].sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO;
        given[i].image = session.MakeImage(16);
        if (i == 12) {
            given[i].pNext = &swapchain;
            continue;
        }
        given[i].pNext = i % 3 == 1 ? nullptr : &groups[i];
        given[i].memory = session.Allocate(i % 7 == 3 ? kLarge : 3 * 65536, kType);
        given[i].memoryOffset = 65536 * (i % 3);
        memories.push_back(given[i].memory);
    }
    ASSERT_EQ(vkBindImageMemory2(session.device, kElements, given.data()), VK_SUCCESS);
    ASSERT_EQ(arrived.size(), kElements);
    EXPECT_TRUE(SomeAreInBlocks(arrived, given));
    for (size_t i = 0; i < kElements; ++i) {
        EXPECT_EQ(arrived[i].image, given[i].image) << i;
        ExpectTranslated(session, arrived[i], given[i]);
        vkDestroyImage(session.device, given[i].image, nullptr);
    }
    Finish(session, memories);
}

// e23. Device indices are the application's own array.
TEST(Contract_VkBindAccelerationStructureMemoryInfoNV, ArrivesWithItsPlaceAndItsDeviceIndices) {
    SessionOptions options = Watched();
    options.description = R"({"base": "discrete", "add_extensions": ["VK_NV_ray_tracing"]})";
    options.device_extensions = {"VK_NV_ray_tracing"};
    Session session(options);
    Taps taps;
    using Info = VkBindAccelerationStructureMemoryInfoNV;
    std::vector<Info> arrived;
    taps->BindAccelerationStructureMemoryNV = [&](VkDevice device, uint32_t count,
                                                  const Info* infos) {
        arrived.insert(arrived.end(), infos, infos + count);
        return Next().BindAccelerationStructureMemoryNV(device, count, infos);
    };
    VkAccelerationStructureCreateInfoNV create = {};
    create.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_CREATE_INFO_NV;
    create.info.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_INFO_NV;
    std::vector<VkDeviceMemory> memories;
    std::vector<Info> given(11);
    for (size_t i = 0; i < given.size(); ++i) {
        given[i].sType = VK_STRUCTURE_TYPE_BIND_ACCELERATION_STRUCTURE_MEMORY_INFO_NV;
        ASSERT_EQ(
            session.Command<PFN_vkCreateAccelerationStructureNV>("vkCreateAccelerationStructureNV")(
                session.device, &create, nullptr, &given[i].accelerationStructure),
            VK_SUCCESS);
        given[i].memory = BehindANeighbour(session, 8192, &memories);
        given[i].memoryOffset = 256 * i;
        given[i].deviceIndexCount = i % 2 == 0 ? 1 : 0;
        given[i].pDeviceIndices = i % 2 == 0 ? &kOnlyDevice : nullptr;
    }
    ASSERT_EQ(session.Command<PFN_vkBindAccelerationStructureMemoryNV>(
                  "vkBindAccelerationStructureMemoryNV")(
                  session.device, static_cast<uint32_t>(given.size()), given.data()),
              VK_SUCCESS);
    ASSERT_EQ(arrived.size(), given.size());
    EXPECT_TRUE(SomeAreInBlocks(arrived, given));
    for (size_t i = 0; i < given.size(); ++i) {
        EXPECT_EQ(arrived[i].accelerationStructure, given[i].accelerationStructure);
        EXPECT_EQ(arrived[i].deviceIndexCount, given[i].deviceIndexCount);
        EXPECT_EQ(arrived[i].pDeviceIndices, given[i].pDeviceIndices);
        ExpectTranslated(session, arrived[i], given[i]);
        session.Command<PFN_vkDestroyAccelerationStructureNV>("vkDestroyAccelerationStructureNV")(
            session.device, given[i].accelerationStructure, nullptr);
    }
    Finish(session, memories);
}

// e24. A session has two places, which may lie in two slots; the size stays what it was.
TEST(Contract_VkBindVideoSessionMemoryInfoKHR, ArrivesWithItsPlaceItsIndexAndItsSize) {
    SessionOptions options = Watched();
    options.description = R"({"base": "discrete", "add_extensions": ["VK_KHR_video_queue"]})";
    options.device_extensions = {"VK_KHR_video_queue"};
    Session session(options);
    Taps taps;
    using Info = VkBindVideoSessionMemoryInfoKHR;
    std::vector<Info> arrived;
    VkVideoSessionKHR session_below = VK_NULL_HANDLE;
    taps->BindVideoSessionMemoryKHR = [&](VkDevice device, VkVideoSessionKHR video, uint32_t count,
                                          const Info* infos) {
        session_below = video;
        arrived.insert(arrived.end(), infos, infos + count);
        return Next().BindVideoSessionMemoryKHR(device, video, count, infos);
    };
    VkVideoSessionCreateInfoKHR create = {};
    create.sType = VK_STRUCTURE_TYPE_VIDEO_SESSION_CREATE_INFO_KHR;
    create.maxCodedExtent = {64, 64};
    VkVideoSessionKHR video = VK_NULL_HANDLE;
    ASSERT_EQ(session.Command<PFN_vkCreateVideoSessionKHR>("vkCreateVideoSessionKHR")(
                  session.device, &create, nullptr, &video),
              VK_SUCCESS);
    uint32_t count = 2;
    VkVideoSessionMemoryRequirementsKHR needs[2] = {};
    for (VkVideoSessionMemoryRequirementsKHR& need : needs)
        need.sType = VK_STRUCTURE_TYPE_VIDEO_SESSION_MEMORY_REQUIREMENTS_KHR;
    ASSERT_EQ(session.Command<PFN_vkGetVideoSessionMemoryRequirementsKHR>(
                  "vkGetVideoSessionMemoryRequirementsKHR")(session.device, video, &count, needs),
              VK_SUCCESS);
    ASSERT_EQ(count, 2u);
    std::vector<VkDeviceMemory> memories;
    std::vector<Info> given(2);
    for (size_t i = 0; i < 2; ++i) {
        const VkMemoryRequirements& need = needs[i].memoryRequirements;
        given[i].sType = VK_STRUCTURE_TYPE_BIND_VIDEO_SESSION_MEMORY_INFO_KHR;
        given[i].memoryBindIndex = needs[i].memoryBindIndex;
        given[i].memoryOffset = 3 * need.alignment;
        given[i].memorySize = need.size;
        given[i].memory = BehindANeighbour(session, need.size + 3 * need.alignment, &memories);
    }
    std::swap(given[0], given[1]);  // any order
    ASSERT_EQ(session.Command<PFN_vkBindVideoSessionMemoryKHR>("vkBindVideoSessionMemoryKHR")(
                  session.device, video, 2, given.data()),
              VK_SUCCESS);
    EXPECT_EQ(session_below, video);
    ASSERT_EQ(arrived.size(), 2u);
    EXPECT_TRUE(SomeAreInBlocks(arrived, given));
    for (size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(arrived[i].memoryBindIndex, given[i].memoryBindIndex);
        EXPECT_EQ(arrived[i].memorySize, given[i].memorySize);
        ExpectTranslated(session, arrived[i], given[i]);
    }
    session.Command<PFN_vkDestroyVideoSessionKHR>("vkDestroyVideoSessionKHR")(session.device, video,
                                                                              nullptr);
    Finish(session, memories);
}

VkTensorARM MakeTensor(const Session& session) {
    const int64_t dimensions[] = {10, 10};
    VkTensorDescriptionARM description = {};
    description.tiling = 1;  // linear
    description.format = VK_FORMAT_R32_SFLOAT;
    description.dimensionCount = 2;
    description.pDimensions = dimensions;
    VkTensorCreateInfoARM info = {};
    info.pDescription = &description;
    VkTensorARM tensor = VK_NULL_HANDLE;
    EXPECT_EQ(session.Command<PFN_vkCreateTensorARM>("vkCreateTensorARM")(session.device, &info,
                                                                          nullptr, &tensor),
              VK_SUCCESS);
    return tensor;
}

// e25.
TEST(Contract_VkBindTensorMemoryInfoARM, ArrivesWithItsPlace) {
    SessionOptions options = Watched();
    options.description = R"({"base": "discrete", "add_extensions": ["VK_ARM_tensors"]})";
    options.device_extensions = {"VK_ARM_tensors"};
    Session session(options);
    Taps taps;
    using Info = VkBindTensorMemoryInfoARM;
    std::vector<Info> arrived;
    taps->BindTensorMemoryARM = [&](VkDevice device, uint32_t count, const Info* infos) {
        arrived.insert(arrived.end(), infos, infos + count);
        return Next().BindTensorMemoryARM(device, count, infos);
    };
    std::vector<VkDeviceMemory> memories;
    std::vector<Info> given(12);
    for (size_t i = 0; i < given.size(); ++i) {
        given[i].sType = VK_STRUCTURE_TYPE_BIND_TENSOR_MEMORY_INFO_ARM;
        given[i].tensor = MakeTensor(session);
        given[i].memory = BehindANeighbour(session, 2048, &memories);
        given[i].memoryOffset = 64 * i;
    }
    ASSERT_EQ(session.Command<PFN_vkBindTensorMemoryARM>("vkBindTensorMemoryARM")(
                  session.device, static_cast<uint32_t>(given.size()), given.data()),
              VK_SUCCESS);
    ASSERT_EQ(arrived.size(), given.size());
    EXPECT_TRUE(SomeAreInBlocks(arrived, given));
    for (size_t i = 0; i < given.size(); ++i) {
        EXPECT_EQ(arrived[i].tensor, given[i].tensor);
        ExpectTranslated(session, arrived[i], given[i]);
        session.Command<PFN_vkDestroyTensorARM>("vkDestroyTensorARM")(session.device,
                                                                      given[i].tensor, nullptr);
    }
    Finish(session, memories);
}

// e26.
TEST(Contract_VkBindDataGraphPipelineSessionMemoryInfoARM, ArrivesWithItsPlaceAndItsIndex) {
    SessionOptions options = Watched();
    options.description = R"({"base": "discrete", "add_extensions": ["VK_ARM_data_graph"]})";
    options.device_extensions = {"VK_ARM_data_graph"};
    Session session(options);
    Taps taps;
    using Info = VkBindDataGraphPipelineSessionMemoryInfoARM;
    std::vector<Info> arrived;
    taps->BindDataGraphPipelineSessionMemoryARM = [&](VkDevice device, uint32_t count,
                                                      const Info* infos) {
        arrived.insert(arrived.end(), infos, infos + count);
        return Next().BindDataGraphPipelineSessionMemoryARM(device, count, infos);
    };
    const VkDataGraphPipelineSessionCreateInfoARM create = {};
    VkDataGraphPipelineSessionARM graph = VK_NULL_HANDLE;
    ASSERT_EQ(session.Command<PFN_vkCreateDataGraphPipelineSessionARM>(
                  "vkCreateDataGraphPipelineSessionARM")(session.device, &create, nullptr, &graph),
              VK_SUCCESS);
    std::vector<VkDeviceMemory> memories;
    std::vector<Info> given(2);
    for (uint32_t i = 0; i < 2; ++i) {
        given[i].sType = VK_STRUCTURE_TYPE_BIND_DATA_GRAPH_PIPELINE_SESSION_MEMORY_INFO_ARM;
        given[i].session = graph;
        given[i].objectIndex = 1 - i;
        given[i].memory = BehindANeighbour(session, 24576, &memories);
        given[i].memoryOffset = 256 * (i + 1);
    }
    ASSERT_EQ(session.Command<PFN_vkBindDataGraphPipelineSessionMemoryARM>(
                  "vkBindDataGraphPipelineSessionMemoryARM")(session.device, 2, given.data()),
              VK_SUCCESS);
    ASSERT_EQ(arrived.size(), 2u);
    EXPECT_TRUE(SomeAreInBlocks(arrived, given));
    for (size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(arrived[i].session, given[i].session);
        EXPECT_EQ(arrived[i].bindPoint, given[i].bindPoint);
        EXPECT_EQ(arrived[i].objectIndex, given[i].objectIndex);
        ExpectTranslated(session, arrived[i], given[i]);
    }
    session.Command<PFN_vkDestroyDataGraphPipelineSessionARM>(
        "vkDestroyDataGraphPipelineSessionARM")(session.device, graph, nullptr);
    Finish(session, memories);
}

}  // namespace
}  // namespace tessera::test
