// SPDX-License-Identifier: Apache-2.0
//
// Allocation, mapping and the host's cache: what works on a correct program, what is reported on an
// incorrect one.
#include <cstring>

#include "gpu.h"
#include "late_vulkan.h"

namespace tessera::mock {
namespace {

constexpr VkDeviceSize kMiB = 1 << 20;

VkMappedMemoryRange Range(VkDeviceMemory memory, VkDeviceSize offset, VkDeviceSize size) {
    return {VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, memory, offset, size};
}

TEST(MockMemory, CorrectProgramIsSilent) {
    ScopedMock mock("preset:lavapipe_like");
    {
        Gpu gpu;
        VkDeviceMemory memory = gpu.AllocateRaw(0, 1000);
        std::byte* bytes = gpu.Map(memory, 100, 200);
        std::memset(bytes, 7, 200);
        vkUnmapMemory(gpu.device, memory);
        EXPECT_EQ(gpu.Map(memory)[150], std::byte{7});
        vkFreeMemory(gpu.device, memory, nullptr);  // implicit unmap
        vkFreeMemory(gpu.device, VK_NULL_HANDLE, nullptr);
    }
    EXPECT_EQ(mock.Violations(), "");
    TesseraMockTotals totals;
    mock->totals(VK_NULL_HANDLE, 0, &totals);
    EXPECT_EQ(totals.live, 0u);
}

TEST(MockMemory, NewMemoryIsZeroAndLargeOnesCostNothing) {
    ScopedMock mock("preset:discrete");
    Gpu gpu;
    VkDeviceMemory memory = gpu.Allocate(4, VkDeviceSize{3} << 30);
    std::byte* bytes = gpu.Map(memory);
    EXPECT_EQ(bytes[0], std::byte{0});
    bytes[(VkDeviceSize{3} << 30) - 1] = std::byte{1};
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockMemory, PointersHaveNoMoreAlignmentThanPromised) {
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    for (VkDeviceSize size : std::initializer_list<VkDeviceSize>{1, 64, 100, 5000}) {
        const auto address = reinterpret_cast<uintptr_t>(gpu.Map(gpu.Allocate(0, size)));
        EXPECT_EQ(address % 128, 64u);
    }
}

TEST(MockMemory, TotalsAreKeptPerType) {
    ScopedMock mock("preset:discrete");
    Gpu gpu;
    gpu.Allocate(1, 1000);
    VkDeviceMemory second = gpu.AllocateRaw(1, 500);
    gpu.Allocate(2, 10);
    vkFreeMemory(gpu.device, second, nullptr);
    TesseraMockTotals totals;
    mock->totals(gpu.device, 1, &totals);
    EXPECT_EQ(totals.live, 1u);
    EXPECT_EQ(totals.live_bytes, 1000u);
    EXPECT_EQ(totals.peak_live, 2u);
    EXPECT_EQ(totals.peak_bytes, 1500u);
    EXPECT_EQ(totals.allocations, 2u);
    EXPECT_EQ(totals.frees, 1u);
    EXPECT_EQ(mock->memories(gpu.device, nullptr, 0), 2u);
}

TEST(MockMemory, ObservationShowsHowItWasAllocated) {
    ScopedMock mock("preset:discrete");
    auto address = Struct<VkPhysicalDeviceBufferDeviceAddressFeatures>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES);
    address.bufferDeviceAddress = VK_TRUE;
    GpuOptions options;
    options.features = &address;
    Gpu gpu(options);
    VkMemoryPriorityAllocateInfoEXT priority{VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT,
                                             nullptr, 0.25f};
    auto flags =
        Struct<VkMemoryAllocateFlagsInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO, &priority);
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    VkDeviceMemory memory = gpu.Allocate(4, 4096, &flags);
    gpu.Map(memory, 64, 128);
    TesseraMockMemory seen;
    ASSERT_EQ(mock->memories(gpu.device, &seen, 1), 1u);
    EXPECT_EQ(seen.memory, memory);
    EXPECT_EQ(seen.type_index, 4u);
    EXPECT_EQ(seen.size_bytes, 4096u);
    EXPECT_EQ(seen.flags, VkMemoryAllocateFlags{VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT});
    EXPECT_EQ(seen.priority, 0.25f);
    EXPECT_TRUE(seen.mapped);
    EXPECT_EQ(seen.map_offset, 64u);
    EXPECT_EQ(seen.map_size, 128u);
    EXPECT_EQ(seen.chain_count, 2u);
    EXPECT_EQ(seen.chain[0], VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockMemory, FullHeapIsAnErrorAndNoViolation) {
    ScopedMock mock("preset:tiny");
    Gpu gpu;
    VkDeviceMemory first = gpu.AllocateRaw(0, 12 * kMiB);
    VkDeviceMemory second = VK_NULL_HANDLE;
    EXPECT_EQ(gpu.TryAllocate(0, 5 * kMiB, &second), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    gpu.Allocate(0, 4 * kMiB);
    vkFreeMemory(gpu.device, first, nullptr);
    gpu.Allocate(0, 12 * kMiB);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockMemory, HeapIsSharedByTheDevicesOfOneGpu) {
    ScopedMock mock("preset:tiny");
    Gpu gpu;
    Gpu other;
    gpu.Allocate(0, 12 * kMiB);
    VkDeviceMemory memory = VK_NULL_HANDLE;
    EXPECT_EQ(other.TryAllocate(0, 5 * kMiB, &memory), VK_ERROR_OUT_OF_DEVICE_MEMORY);
}

TEST(MockMemory, MoreThanTheHeapIsReported) {
    ScopedMock mock("preset:tiny");
    Gpu gpu;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    EXPECT_EQ(gpu.TryAllocate(0, 17 * kMiB, &memory), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    ExpectOneViolation(mock, "VUID-vkAllocateMemory-pAllocateInfo-01713");
}

TEST(MockMemory, MoreThanMaxAllocationSizeFails) {
    ScopedMock mock(R"({"base": "tiny", "limits": {"maxMemoryAllocationSize": "1MiB"}})");
    Gpu gpu;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    EXPECT_EQ(gpu.TryAllocate(0, kMiB + 1, &memory), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    gpu.Allocate(0, kMiB);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockMemory, TooManyAllocationsAreReported) {
    ScopedMock mock("preset:tiny");
    Gpu gpu;
    for (int i = 0; i < 64; ++i)
        gpu.Allocate(0, 64);
    VkDeviceMemory memory = VK_NULL_HANDLE;
    EXPECT_EQ(gpu.TryAllocate(0, 64, &memory), VK_ERROR_TOO_MANY_OBJECTS);
    ExpectOneViolation(mock, "VUID-vkAllocateMemory-maxMemoryAllocationCount-04101");
}

TEST(MockMemory, BadAllocateInfoIsReported) {
    ScopedMock mock("preset:noncoherent");
    Gpu gpu;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    EXPECT_NE(gpu.TryAllocate(6, 64, &memory), VK_SUCCESS);
    ExpectOneViolation(mock, "VUID-vkAllocateMemory-pAllocateInfo-01714");
    EXPECT_NE(gpu.TryAllocate(0, 0, &memory), VK_SUCCESS);
    ExpectOneViolation(mock, "VUID-VkMemoryAllocateInfo-allocationSize-00638");
    gpu.Allocate(5, 64);
    ExpectOneViolation(mock, "VUID-VkMemoryAllocateInfo-memoryTypeIndex-01872");
    auto flags = Struct<VkMemoryAllocateFlagsInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    gpu.Allocate(0, 64, &flags);
    ExpectOneViolation(mock, "VUID-VkMemoryAllocateInfo-flags-03331");
    auto dedicated =
        Struct<VkMemoryDedicatedAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
    dedicated.buffer = gpu.MakeBuffer(100);
    gpu.Allocate(0, 64, &dedicated);
    ExpectOneViolation(mock, "VUID-VkMemoryDedicatedAllocateInfo-buffer-01435");
}

TEST(MockMemory, WrongMapsAreReported) {
    ScopedMock mock("preset:discrete");
    Gpu gpu;
    void* data = nullptr;
    VkDeviceMemory device_only = gpu.Allocate(1, 64);
    EXPECT_EQ(vkMapMemory(gpu.device, device_only, 0, 64, 0, &data), VK_ERROR_MEMORY_MAP_FAILED);
    ExpectOneViolation(mock, "VUID-vkMapMemory-memory-00682");
    VkDeviceMemory memory = gpu.Allocate(2, 64);
    EXPECT_NE(vkMapMemory(gpu.device, memory, 64, VK_WHOLE_SIZE, 0, &data), VK_SUCCESS);
    ExpectOneViolation(mock, "VUID-vkMapMemory-offset-00679");
    EXPECT_NE(vkMapMemory(gpu.device, memory, 0, 0, 0, &data), VK_SUCCESS);
    ExpectOneViolation(mock, "VUID-vkMapMemory-size-00680");
    EXPECT_NE(vkMapMemory(gpu.device, memory, 32, 33, 0, &data), VK_SUCCESS);
    ExpectOneViolation(mock, "VUID-vkMapMemory-size-00681");
    gpu.Map(memory);
    EXPECT_NE(vkMapMemory(gpu.device, memory, 0, 64, 0, &data), VK_SUCCESS);
    ExpectOneViolation(mock, "VUID-vkMapMemory-memory-00678");
    vkUnmapMemory(gpu.device, memory);
    vkUnmapMemory(gpu.device, memory);
    ExpectOneViolation(mock, "VUID-vkUnmapMemory-memory-00689");
}

TEST(MockMemory, MapMemory2MapsAsMapMemory) {
    ScopedMock mock("preset:discrete");
    GpuOptions options;
    options.device_extensions = {"VK_KHR_map_memory2"};
    Gpu gpu(options);
    auto map = gpu.DeviceCommand<PFN_vkMapMemory2>("vkMapMemory2KHR");
    auto unmap = gpu.DeviceCommand<PFN_vkUnmapMemory2>("vkUnmapMemory2KHR");
    VkDeviceMemory memory = gpu.Allocate(2, 256);
    VkMemoryMapInfo info{VK_STRUCTURE_TYPE_MEMORY_MAP_INFO, nullptr, 0, memory, 64, 100};
    void* data = nullptr;
    ASSERT_EQ(map(gpu.device, &info, &data), VK_SUCCESS);
    std::memset(data, 9, 100);
    VkMemoryUnmapInfo unmap_info{VK_STRUCTURE_TYPE_MEMORY_UNMAP_INFO, nullptr, 0, memory};
    EXPECT_EQ(unmap(gpu.device, &unmap_info), VK_SUCCESS);
    EXPECT_EQ(mock.Violations(), "");
    EXPECT_EQ(gpu.Map(memory)[163], std::byte{9});
    EXPECT_EQ(map(gpu.device, &info, &data), VK_ERROR_MEMORY_MAP_FAILED);
    ExpectOneViolation(mock, "VUID-VkMemoryMapInfo-memory-07958");
    vkUnmapMemory(gpu.device, memory);
    unmap(gpu.device, &unmap_info);
    ExpectOneViolation(mock, "VUID-VkMemoryUnmapInfo-memory-07964");
}

TEST(MockMemory, WithoutFlushTheDeviceSeesOldBytes) {
    ScopedMock mock("preset:noncoherent");
    Gpu gpu;
    VkDeviceMemory memory = gpu.Allocate(1, 1024);
    std::byte* bytes = gpu.Map(memory);
    std::memset(bytes, 5, 1024);
    std::byte seen{};
    mock->read_memory(gpu.device, memory, 300, &seen, 1);
    EXPECT_EQ(seen, std::byte{0});
    VkMappedMemoryRange range = Range(memory, 256, 256);
    Check(vkFlushMappedMemoryRanges(gpu.device, 1, &range), "flush");
    mock->read_memory(gpu.device, memory, 300, &seen, 1);
    EXPECT_EQ(seen, std::byte{5});
    mock->read_memory(gpu.device, memory, 512, &seen, 1);
    EXPECT_EQ(seen, std::byte{0}) << "outside of the flushed range";
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockMemory, InvalidateBringsDeviceBytesAndDropsUnflushedOnes) {
    ScopedMock mock("preset:noncoherent");
    Gpu gpu;
    VkDeviceMemory memory = gpu.Allocate(1, 512);
    std::byte* bytes = gpu.Map(memory);
    std::memset(bytes, 1, 512);
    const std::byte written{8};
    mock->write_memory(gpu.device, memory, 10, &written, 1);
    EXPECT_EQ(bytes[10], std::byte{1});
    VkMappedMemoryRange range = Range(memory, 0, 256);
    Check(vkInvalidateMappedMemoryRanges(gpu.device, 1, &range), "invalidate");
    EXPECT_EQ(bytes[10], std::byte{8});
    EXPECT_EQ(bytes[11], std::byte{0}) << "was never flushed";
    EXPECT_EQ(bytes[256], std::byte{1});
}

TEST(MockMemory, CoherentBytesAreOneCopy) {
    ScopedMock mock("preset:noncoherent");
    Gpu gpu;
    VkDeviceMemory memory = gpu.Allocate(2, 64);
    gpu.Map(memory)[3] = std::byte{4};
    std::byte seen{};
    mock->read_memory(gpu.device, memory, 3, &seen, 1);
    EXPECT_EQ(seen, std::byte{4});
    VkMappedMemoryRange range = Range(memory, 0, VK_WHOLE_SIZE);
    EXPECT_EQ(vkFlushMappedMemoryRanges(gpu.device, 1, &range), VK_SUCCESS);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockMemory, RangesMayEndWhereTheMemoryEnds) {
    ScopedMock mock("preset:noncoherent");
    Gpu gpu;
    VkDeviceMemory memory = gpu.Allocate(1, 1000);
    std::byte* bytes = gpu.Map(memory);
    bytes[999] = std::byte{6};
    VkMappedMemoryRange ranges[] = {Range(memory, 768, 232), Range(memory, 0, VK_WHOLE_SIZE)};
    EXPECT_EQ(vkFlushMappedMemoryRanges(gpu.device, 2, ranges), VK_SUCCESS);
    EXPECT_EQ(mock.Violations(), "");
    std::byte seen{};
    mock->read_memory(gpu.device, memory, 999, &seen, 1);
    EXPECT_EQ(seen, std::byte{6});
}

TEST(MockMemory, WrongRangesAreReported) {
    ScopedMock mock("preset:noncoherent");
    Gpu gpu;
    VkDeviceMemory memory = gpu.Allocate(1, 1000);
    auto flush = [&](VkDeviceSize offset, VkDeviceSize size) {
        VkMappedMemoryRange range = Range(memory, offset, size);
        vkFlushMappedMemoryRanges(gpu.device, 1, &range);
    };
    flush(0, 256);
    ExpectOneViolation(mock, "VUID-VkMappedMemoryRange-memory-00684");
    gpu.Map(memory, 256, 500);
    flush(300, 256);
    ExpectOneViolation(mock, "VUID-VkMappedMemoryRange-offset-00687");
    flush(256, 100);
    ExpectOneViolation(mock, "VUID-VkMappedMemoryRange-size-01390");
    flush(512, 512);
    ExpectOneViolation(mock, "VUID-VkMappedMemoryRange-size-00685");
    flush(0, 256);
    ExpectOneViolation(mock, "VUID-VkMappedMemoryRange-size-00685");
    flush(0, VK_WHOLE_SIZE);
    ExpectViolations(
        mock, {"VUID-VkMappedMemoryRange-size-00686", "VUID-VkMappedMemoryRange-size-01389"});
    vkUnmapMemory(gpu.device, memory);
    gpu.Map(memory, 256, 512);
    flush(256, VK_WHOLE_SIZE);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockMemory, CommitmentIsForLazyMemory) {
    ScopedMock mock("preset:noncoherent");
    Gpu gpu;
    VkDeviceSize bytes = 0;
    vkGetDeviceMemoryCommitment(gpu.device, gpu.Allocate(4, 4096), &bytes);
    EXPECT_EQ(bytes, 4096u);
    EXPECT_EQ(mock.Violations(), "");
    vkGetDeviceMemoryCommitment(gpu.device, gpu.Allocate(0, 64), &bytes);
    ExpectOneViolation(mock, "VUID-vkGetDeviceMemoryCommitment-memory-00690");
}

TEST(MockMemory, LeakIsReportedWithTheDevice) {
    ScopedMock mock("preset:tiny");
    {
        Gpu gpu;
        gpu.AllocateRaw(0, 1000);
        auto info = Struct<VkFenceCreateInfo>(VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
        VkFence fence = VK_NULL_HANDLE;
        Check(vkCreateFence(gpu.device, &info, nullptr, &fence), "vkCreateFence");
    }
    ExpectViolations(mock, {"vkDestroyDevice: memory", "vkDestroyDevice: fence"});
    Gpu next;  // the leak is not held against the heap
    next.Allocate(0, 16 * kMiB);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockMemory, CallbacksAreAskedOnceAndMayHaveNothing) {
    struct Host {
        int taken = 0;
        int given = 0;
        bool empty = false;
    } host;
    VkAllocationCallbacks callbacks{};
    callbacks.pUserData = &host;
    callbacks.pfnAllocation = [](void* user, size_t size, size_t, VkSystemAllocationScope) {
        auto& own = *static_cast<Host*>(user);
        if (own.empty) return static_cast<void*>(nullptr);
        ++own.taken;
        return malloc(size);
    };
    callbacks.pfnReallocation = [](void*, void* old, size_t size, size_t, VkSystemAllocationScope) {
        return realloc(old, size);
    };
    callbacks.pfnFree = [](void* user, void* memory) {
        ++static_cast<Host*>(user)->given;
        free(memory);
    };
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    VkMemoryAllocateInfo info{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, nullptr, 64, 0};
    VkDeviceMemory memory = VK_NULL_HANDLE;
    Check(vkAllocateMemory(gpu.device, &info, &callbacks, &memory), "vkAllocateMemory");
    EXPECT_EQ(host.taken, 1);
    vkFreeMemory(gpu.device, memory, &callbacks);
    EXPECT_EQ(host.given, 1);
    host.empty = true;
    EXPECT_EQ(vkAllocateMemory(gpu.device, &info, &callbacks, &memory),
              VK_ERROR_OUT_OF_HOST_MEMORY);
    EXPECT_EQ(mock->live_objects(gpu.device, VK_OBJECT_TYPE_DEVICE_MEMORY), 0u);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockMemory, AllocatorMustBeTheSameKindAtBothEnds) {
    ScopedMock mock("preset:tiny");
    Gpu gpu;
    VkAllocationCallbacks callbacks{};
    callbacks.pfnAllocation = [](void*, size_t size, size_t, VkSystemAllocationScope) {
        return malloc(size);
    };
    callbacks.pfnReallocation = [](void*, void* old, size_t size, size_t, VkSystemAllocationScope) {
        return realloc(old, size);
    };
    callbacks.pfnFree = [](void*, void* memory) { free(memory); };
    vkFreeMemory(gpu.device, gpu.AllocateRaw(0, 64), &callbacks);
    ExpectOneViolation(mock, "allocation callbacks");
}

}  // namespace
}  // namespace tessera::mock
