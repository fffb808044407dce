// SPDX-License-Identifier: Apache-2.0
//
// Rows of the contract (docs/contract.md) about single objects: where they lie in the driver's
// memory, what is left of them when they are freed, and what is kept for their handles. The mock
// driver is asked for places and bytes, and judges every call.

#include <cstring>
#include <string>

#include "session.h"

namespace tessera::test {
namespace {

constexpr VkDeviceSize kLarge = VkDeviceSize{80} << 20;  // too large for a block
constexpr VkDeviceSize kSparseBlock = 65536;

TesseraMockBinding Find(const Session& session, VkBuffer buffer) {
    TesseraMockBinding binding = {};
    EXPECT_TRUE(session.mock->find_buffer(session.device, buffer, &binding));
    return binding;
}

TesseraMockBinding Find(const Session& session, VkImage image) {
    TesseraMockBinding binding = {};
    EXPECT_TRUE(session.mock->find_image(session.device, image, 0, &binding));
    return binding;
}

// e6: blocks grow with what is allocated, but never above the driver's largest allocation.
TEST(Contract_e6, NoBlockIsLargerThanTheDriverAllows) {
    SessionOptions options;
    options.description = R"({"base": "discrete", "limits": {"maxMemoryAllocationSize": 3145728}})";
    Session session(options);
    VkPhysicalDeviceMaintenance3Properties limits = {};
    limits.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES;
    VkPhysicalDeviceProperties2 properties = {};
    properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    properties.pNext = &limits;
    vkGetPhysicalDeviceProperties2(session.physical_device, &properties);
    ASSERT_EQ(limits.maxMemoryAllocationSize, 3145728u);
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 600; ++i)
        memories.push_back(session.Allocate(65536, 1));
    std::vector<TesseraMockMemory> below(600);
    const uint32_t count = session.mock->memories(session.device, below.data(), 600);
    EXPECT_LT(count, 100u);
    for (uint32_t i = 0; i < count; ++i)
        EXPECT_LE(below[i].size_bytes, limits.maxMemoryAllocationSize);
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f5: a flush of coherent memory is not needed, and allowed.
TEST(Contract_f5, CoherentMemoryMayBeFlushed) {
    Session session;
    const VkDeviceMemory memory = session.Allocate(1000, 2);
    std::memset(session.Map(memory), 1, 1000);
    const VkMappedMemoryRange range = {VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, memory, 0,
                                       VK_WHOLE_SIZE};
    EXPECT_EQ(vkFlushMappedMemoryRanges(session.device, 1, &range), VK_SUCCESS);
    EXPECT_EQ(vkInvalidateMappedMemoryRanges(session.device, 1, &range), VK_SUCCESS);
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// Section 5: a tag of a slot stays in the layer, a tag of what went through goes down.
TEST(Contract_vkSetDebugUtilsObjectTagEXT, TagOfASlotReachesNoDriver) {
    SessionOptions options;
    options.instance_extensions = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
    Session session(options);
    const auto set_tag =
        session.Command<PFN_vkSetDebugUtilsObjectTagEXT>("vkSetDebugUtilsObjectTagEXT");
    ASSERT_NE(set_tag, nullptr);
    const int tag = 1;
    VkDebugUtilsObjectTagInfoEXT info = {};
    info.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_TAG_INFO_EXT;
    info.objectType = VK_OBJECT_TYPE_DEVICE_MEMORY;
    info.tagSize = sizeof tag;
    info.pTag = &tag;
    session.mock->reset_call_counts();
    const VkDeviceMemory memories[] = {session.Allocate(4096, 1), session.Allocate(kLarge, 1)};
    for (uint64_t i : {0, 1}) {
        info.objectHandle = (uint64_t)memories[i];
        EXPECT_EQ(set_tag(session.device, &info), VK_SUCCESS);
        EXPECT_EQ(session.mock->call_count("vkSetDebugUtilsObjectTagEXT"), i);
        session.Free(memories[i]);
    }
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e10: with robustBufferAccess2 a driver may round the bound range up to 256 bytes.
TEST(Contract_e10, SlotsOfAFewBytesLie256BytesApart) {
    SessionOptions options;
    options.description = "preset:lavapipe_like";
    Session session(options);
    std::vector<VkBuffer> buffers;
    std::vector<VkDeviceMemory> memories;
    VkDeviceSize last = 0;
    for (int i = 0; i < 16; ++i) {
        buffers.push_back(session.MakeBuffer(4));
        memories.push_back(session.Allocate(session.Requirements(buffers.back()).size, 0));
        ASSERT_EQ(vkBindBufferMemory(session.device, buffers.back(), memories.back(), 0),
                  VK_SUCCESS);
        const VkDeviceSize offset = Find(session, buffers.back()).offset;
        EXPECT_EQ(offset % 256, 0u);
        if (i > 0) {
            EXPECT_NE(offset, last);
        }
        last = offset;
    }
    for (VkBuffer buffer : buffers)
        vkDestroyBuffer(session.device, buffer, nullptr);
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e16: some types may be used only with a feature; the layer uses none on its own account.
TEST(Contract_e16, NoTypeIsAllocatedThatWasNotAskedFor) {
    SessionOptions options;
    options.description = "preset:noncoherent";
    Session session(options);
    const VkDeviceMemory memory = session.Allocate(4096, 0);
    for (uint32_t type = 0; type < session.memory_properties.memoryTypeCount; ++type) {
        TesseraMockTotals totals = {};
        session.mock->totals(session.device, type, &totals);
        EXPECT_EQ(totals.allocations, type == 0 ? 1u : 0u) << type;
    }
    session.Free(memory);
}

// e17: memory of a device that is made of several physical devices is the driver's, under its own
// handle, with whatever mask it has.
TEST(Contract_VkDeviceGroup, MemoryOfSeveralDevicesIsTheDrivers) {
    SessionOptions options;
    options.description = "preset:linked,preset:linked";
    Session session(options);
    uint32_t count = 1;
    VkPhysicalDeviceGroupProperties group = {};
    group.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_GROUP_PROPERTIES;
    ASSERT_GE(vkEnumeratePhysicalDeviceGroups(session.instance, &count, &group), 0);
    ASSERT_EQ(group.physicalDeviceCount, 2u);
    VkDeviceGroupDeviceCreateInfo group_info = {};
    group_info.sType = VK_STRUCTURE_TYPE_DEVICE_GROUP_DEVICE_CREATE_INFO;
    group_info.physicalDeviceCount = 2;
    group_info.pPhysicalDevices = group.physicalDevices;
    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue = {};
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkDeviceCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.pNext = &group_info;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    VkDevice device = VK_NULL_HANDLE;
    ASSERT_EQ(vkCreateDevice(group.physicalDevices[0], &info, nullptr, &device), VK_SUCCESS);
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_MASK_BIT;
    for (uint32_t mask : {0u, 1u, 2u, 3u}) {
        flags.deviceMask = mask;
        VkMemoryAllocateInfo allocate = {};
        allocate.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        allocate.pNext = mask == 0 ? nullptr : &flags;
        allocate.allocationSize = 4096;
        allocate.memoryTypeIndex = 1;
        VkDeviceMemory memory = VK_NULL_HANDLE;
        ASSERT_EQ(vkAllocateMemory(device, &allocate, nullptr, &memory), VK_SUCCESS);
        TesseraMockMemory below = {};
        ASSERT_EQ(session.mock->memories(device, &below, 1), 1u);
        EXPECT_EQ(below.memory, memory);
        EXPECT_EQ(below.size_bytes, 4096u);
        vkFreeMemory(device, memory, nullptr);
    }
    vkDestroyDevice(device, nullptr);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f7: aliases are the same memory because they are bound to the same handle and offset, however
// they were bound.
TEST(Contract_f7, AliasesLieAtTheSamePlace) {
    Session session;
    const VkImage one = session.MakeImage(16, VK_IMAGE_TILING_OPTIMAL, VK_IMAGE_CREATE_ALIAS_BIT);
    const VkImage two = session.MakeImage(16, VK_IMAGE_TILING_OPTIMAL, VK_IMAGE_CREATE_ALIAS_BIT);
    const VkMemoryRequirements needs = session.Requirements(one);
    const VkDeviceMemory before = session.Allocate(700, 1);
    const VkDeviceMemory memory = session.Allocate(needs.size + 2 * needs.alignment, 1);
    ASSERT_EQ(vkBindImageMemory(session.device, one, memory, 2 * needs.alignment), VK_SUCCESS);
    const VkDeviceMemory after = session.Allocate(700, 1);
    VkBindImageMemoryInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO;
    info.image = two;
    info.memory = memory;
    info.memoryOffset = 2 * needs.alignment;
    ASSERT_EQ(vkBindImageMemory2(session.device, 1, &info), VK_SUCCESS);
    EXPECT_EQ(Find(session, one).memory, Find(session, two).memory);
    EXPECT_EQ(Find(session, one).offset, Find(session, two).offset);
    for (VkImage image : {one, two})
        vkDestroyImage(session.device, image, nullptr);
    for (VkDeviceMemory freed : {before, memory, after})
        session.Free(freed);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

void BindSparse(const Session& session, VkBuffer buffer, VkDeviceMemory memory) {
    VkSparseMemoryBind bind = {};
    bind.size = kSparseBlock;
    bind.memory = memory;
    const VkSparseBufferMemoryBindInfo buffer_info = {buffer, 1, &bind};
    VkBindSparseInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
    info.bufferBindCount = 1;
    info.pBufferBinds = &buffer_info;
    EXPECT_EQ(vkQueueBindSparse(session.queue, 1, &info, VK_NULL_HANDLE), VK_SUCCESS);
    EXPECT_EQ(vkQueueWaitIdle(session.queue), VK_SUCCESS);
}

// f9: memory may be freed while it is bound to sparse resources, even the last of its block.
TEST(Contract_f9, MemoryIsFreedWhileSparseResourcesAreBoundToIt) {
    SessionOptions options;
    options.features.sparseBinding = VK_TRUE;
    options.features.sparseResidencyBuffer = VK_TRUE;
    options.environment = {"TESSERA_IDLE_BYTES=0"};
    Session session(options);
    const VkBuffer buffer = session.MakeBuffer(
        kSparseBlock, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
        VK_BUFFER_CREATE_SPARSE_BINDING_BIT | VK_BUFFER_CREATE_SPARSE_RESIDENCY_BIT);
    const VkDeviceMemory first = session.Allocate(kSparseBlock, 1);
    BindSparse(session, buffer, first);
    session.Free(first);
    EXPECT_EQ(session.DriverLive(1), 0u) << "the block went with its last slot";
    BindSparse(session, buffer, VK_NULL_HANDLE);
    const VkDeviceMemory second = session.Allocate(kSparseBlock, 1);
    BindSparse(session, buffer, second);
    session.Free(second);
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

std::vector<uint8_t> BytesAt(const Session& session, const TesseraMockBinding& place, size_t size) {
    std::vector<uint8_t> bytes(size);
    EXPECT_TRUE(
        session.mock->read_memory(session.device, place.memory, place.offset, bytes.data(), size));
    return bytes;
}

// f12, f13: what the host wrote and did not flush is written back before the place is used again,
// and never after: the next owner, who does not map at all, keeps what its device wrote.
TEST(Contract_f13, WritesOfAFreedSlotNeverReachTheNextOwner) {
    SessionOptions options;
    options.description = "preset:noncoherent";
    Session session(options);
    const uint32_t type =
        session.TypeWith(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                         VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    const VkDeviceMemory neighbour = session.Allocate(4096, type);
    std::memset(session.Map(neighbour), 0x11, 4096);
    VkBuffer buffer = session.MakeBuffer(4096);
    VkDeviceMemory memory = session.Allocate(4096, type);
    ASSERT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_SUCCESS);
    std::memset(session.Map(memory), 0x33, 4096);
    const TesseraMockBinding place = Find(session, buffer);
    ASSERT_NE(BytesAt(session, place, 1)[0], 0x33) << "nothing was flushed yet";
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Free(memory);
    EXPECT_EQ(BytesAt(session, place, 4096), std::vector<uint8_t>(4096, 0x33));

    buffer = session.MakeBuffer(4096);
    memory = session.Allocate(4096, type);
    ASSERT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_SUCCESS);
    ASSERT_EQ(Find(session, buffer).memory, place.memory);
    ASSERT_EQ(Find(session, buffer).offset, place.offset) << "the place is used again";
    const std::vector<uint8_t> written(4096, 0x44);
    ASSERT_TRUE(session.mock->write_memory(session.device, place.memory, place.offset,
                                           written.data(), written.size()));
    const VkMappedMemoryRange range = {VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, neighbour, 0,
                                       VK_WHOLE_SIZE};
    EXPECT_EQ(vkFlushMappedMemoryRanges(session.device, 1, &range), VK_SUCCESS);
    session.Free(neighbour);
    EXPECT_EQ(BytesAt(session, place, 4096), written);
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Free(memory);
    EXPECT_EQ(BytesAt(session, place, 4096), written) << "what was never mapped is not flushed";
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f28: one call with pooled memory, memory that went through, and an image of a swapchain.
TEST(Contract_f28, OneCallBindsPooledAndOtherMemoryAndASwapchainsImage) {
    Session session;
    VkBindImageMemorySwapchainInfoKHR swapchain = {};
    swapchain.sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_SWAPCHAIN_INFO_KHR;
    swapchain.swapchain = (VkSwapchainKHR)uintptr_t{0x5A};
    const VkDeviceMemory memories[] = {session.Allocate(65536, 1), session.Allocate(kLarge, 1),
                                       VK_NULL_HANDLE};
    VkBindImageMemoryInfo infos[3] = {};
    for (int i = 0; i < 3; ++i) {
        infos[i].sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO;
        infos[i].pNext = i == 2 ? &swapchain : nullptr;
        infos[i].image = session.MakeImage(16);
        infos[i].memory = memories[i];
    }
    session.mock->reset_call_counts();
    EXPECT_EQ(vkBindImageMemory2(session.device, 3, infos), VK_SUCCESS);
    EXPECT_EQ(session.mock->call_count("vkBindImageMemory2"), 1u);
    EXPECT_NE(Find(session, infos[0].image).memory, memories[0]) << "a block, not our handle";
    EXPECT_EQ(Find(session, infos[1].image).memory, memories[1]);
    EXPECT_EQ(Find(session, infos[1].image).offset, 0u);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(infos[i].memory, memories[i]) << "the application's array is not written";
        vkDestroyImage(session.device, infos[i].image, nullptr);
    }
    session.Free(memories[0]);
    session.Free(memories[1]);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// Section 5, as the conformance tests ask it: 100 slots of private data for 4 live objects.
TEST(Contract_vkSetPrivateData, AHundredSlotsAndFourObjectsAreIndependent) {
    VkPhysicalDevicePrivateDataFeatures features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PRIVATE_DATA_FEATURES;
    features.privateData = VK_TRUE;
    SessionOptions options;
    options.device_chain = &features;
    Session session(options);
    VkPrivateDataSlotCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_PRIVATE_DATA_SLOT_CREATE_INFO;
    std::vector<VkPrivateDataSlot> slots(100);
    for (VkPrivateDataSlot& slot : slots)
        ASSERT_EQ(vkCreatePrivateDataSlot(session.device, &info, nullptr, &slot), VK_SUCCESS);
    std::vector<VkDeviceMemory> memories = {session.Allocate(4096, 1), session.Allocate(4096, 1),
                                            session.Allocate(kLarge, 1), session.Allocate(1, 1)};
    const auto get = [&](size_t memory, size_t slot) {
        uint64_t data = 99;
        vkGetPrivateData(session.device, VK_OBJECT_TYPE_DEVICE_MEMORY, (uint64_t)memories[memory],
                         slots[slot], &data);
        return data;
    };
    const auto value = [](size_t memory, size_t slot) { return 1000 * (memory + 1) + slot; };
    for (size_t slot = 0; slot < slots.size(); ++slot) {
        for (size_t memory = 0; memory < memories.size(); ++memory) {
            EXPECT_EQ(get(memory, slot), 0u);
            EXPECT_EQ(
                vkSetPrivateData(session.device, VK_OBJECT_TYPE_DEVICE_MEMORY,
                                 (uint64_t)memories[memory], slots[slot], value(memory, slot)),
                VK_SUCCESS);
        }
    }
    session.Free(memories[0]);
    memories[0] = session.Allocate(4096, 1);
    for (size_t slot = 0; slot < slots.size(); ++slot) {
        EXPECT_EQ(get(0, slot), 0u) << "a new object starts empty";
        for (size_t memory = 1; memory < memories.size(); ++memory)
            EXPECT_EQ(get(memory, slot), value(memory, slot));
    }
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    for (VkPrivateDataSlot slot : slots)
        vkDestroyPrivateDataSlot(session.device, slot, nullptr);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
