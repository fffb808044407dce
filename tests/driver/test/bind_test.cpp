// SPDX-License-Identifier: Apache-2.0
//
// Binding: placement, memory types, dedicated and protected memory, device addresses, and linear
// and optimal resources side by side.
#include "gpu.h"
#include "late_vulkan.h"

namespace tessera::mock {
namespace {

VkBindBufferMemoryInfo BindInfo(VkBuffer buffer, VkDeviceMemory memory, VkDeviceSize offset) {
    return {VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO, nullptr, buffer, memory, offset};
}

VkBindImageMemoryInfo BindInfo(VkImage image, VkDeviceMemory memory, VkDeviceSize offset) {
    return {VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO, nullptr, image, memory, offset};
}

TEST(MockBind, CorrectPlacementsAreSilent) {
    ScopedMock mock("preset:discrete");
    {
        Gpu gpu;
        VkDeviceMemory memory = gpu.Allocate(1, 1 << 20);
        VkBuffer first = gpu.MakeBuffer(1000);
        VkBuffer second = gpu.MakeBuffer(1000, VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT);
        VkImage image = gpu.MakeImage(Gpu::ImageInfo(64, 64));
        EXPECT_EQ(vkBindBufferMemory(gpu.device, first, memory, 16), VK_SUCCESS);
        EXPECT_EQ(vkBindBufferMemory(gpu.device, second, memory, 1024), VK_SUCCESS);
        EXPECT_EQ(vkBindImageMemory(gpu.device, image, memory, 4096), VK_SUCCESS);
        TesseraMockBinding where;
        ASSERT_EQ(mock->find_buffer(gpu.device, second, &where), 1);
        EXPECT_EQ(where.memory, memory);
        EXPECT_EQ(where.offset, 1024u);
        EXPECT_EQ(where.alignment, 64u);
        ASSERT_EQ(mock->find_image(gpu.device, image, 0, &where), 1);
        EXPECT_EQ(where.offset, 4096u);
    }
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockBind, WrongBufferPlacementsAreReported) {
    ScopedMock mock("preset:noncoherent");
    Gpu gpu;
    VkDeviceMemory memory = gpu.Allocate(0, 4096);
    vkBindBufferMemory(gpu.device, gpu.MakeBuffer(100), memory, 32);
    ExpectOneViolation(mock, "VUID-vkBindBufferMemory-memoryOffset-01036");
    vkBindBufferMemory(gpu.device, gpu.MakeBuffer(100), memory, 4032);
    ExpectOneViolation(mock, "VUID-vkBindBufferMemory-size-01037");
    vkBindBufferMemory(gpu.device, gpu.MakeBuffer(100), memory, 4096);
    ExpectViolations(
        mock, {"VUID-vkBindBufferMemory-memoryOffset-01031", "VUID-vkBindBufferMemory-size-01037"});
    vkBindBufferMemory(gpu.device, gpu.MakeBuffer(100), memory, UINT64_MAX - 63);
    ExpectViolations(mock, {"memoryOffset-01031", "size-01037"});
    vkBindBufferMemory(gpu.device, gpu.MakeBuffer(100), gpu.Allocate(4, 4096), 0);
    ExpectOneViolation(mock, "VUID-vkBindBufferMemory-memory-01035");
}

TEST(MockBind, WrongImagePlacementsAreReported) {
    ScopedMock mock("preset:discrete");
    Gpu gpu;
    VkDeviceMemory memory = gpu.Allocate(1, 1 << 16);
    vkBindImageMemory(gpu.device, gpu.MakeImage(Gpu::ImageInfo(16, 16)), memory, 512);
    ExpectOneViolation(mock, "VUID-vkBindImageMemory-memoryOffset-01048");
    vkBindImageMemory(gpu.device, gpu.MakeImage(Gpu::ImageInfo(256, 256)), memory, 1024);
    ExpectOneViolation(mock, "VUID-vkBindImageMemory-size-01049");
    vkBindImageMemory(gpu.device, gpu.MakeImage(Gpu::ImageInfo(16, 16)), gpu.Allocate(2, 4096), 0);
    ExpectOneViolation(mock, "VUID-vkBindImageMemory-memory-01047");
    VkBindImageMemoryInfo info =
        BindInfo(gpu.MakeImage(Gpu::ImageInfo(16, 16)), gpu.Allocate(1, 4096), 64);
    vkBindImageMemory2(gpu.device, 1, &info);
    ExpectOneViolation(mock, "VUID-VkBindImageMemoryInfo-pNext-01616");
}

TEST(MockBind, SecondBindIsReportedAndChangesNothing) {
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    VkDeviceMemory memory = gpu.Allocate(0, 4096);
    VkBuffer buffer = gpu.MakeBuffer(64);
    Check(vkBindBufferMemory(gpu.device, buffer, memory, 0), "vkBindBufferMemory");
    EXPECT_NE(vkBindBufferMemory(gpu.device, buffer, memory, 64), VK_SUCCESS);
    ExpectOneViolation(mock, "VUID-vkBindBufferMemory-buffer-07459");
    TesseraMockBinding where;
    mock->find_buffer(gpu.device, buffer, &where);
    EXPECT_EQ(where.offset, 0u);
}

TEST(MockBind, SparseResourceCannotBeBoundPlainly) {
    ScopedMock mock("preset:discrete");
    auto features = Struct<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
    features.features.sparseBinding = VK_TRUE;
    GpuOptions options;
    options.features = &features;
    Gpu gpu(options);
    VkBuffer buffer = gpu.MakeBuffer(65536, VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                     VK_BUFFER_CREATE_SPARSE_BINDING_BIT);
    EXPECT_NE(vkBindBufferMemory(gpu.device, buffer, gpu.Allocate(1, 65536), 0), VK_SUCCESS);
    ExpectOneViolation(mock, "VUID-vkBindBufferMemory-buffer-01030");
}

TEST(MockBind, ElementsOfABind2AreJudgedEach) {
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    VkDeviceMemory memory = gpu.Allocate(0, 4096);
    VkBuffer twice = gpu.MakeBuffer(64);
    VkResult results[3] = {VK_NOT_READY, VK_NOT_READY, VK_NOT_READY};
    VkBindMemoryStatus status[3];
    VkBindBufferMemoryInfo infos[3] = {BindInfo(twice, memory, 0), BindInfo(twice, memory, 64),
                                       BindInfo(gpu.MakeBuffer(64), memory, 128)};
    for (int i = 0; i < 3; ++i) {
        status[i] = {VK_STRUCTURE_TYPE_BIND_MEMORY_STATUS, nullptr, &results[i]};
        infos[i].pNext = &status[i];
    }
    EXPECT_NE(vkBindBufferMemory2(gpu.device, 3, infos), VK_SUCCESS);
    EXPECT_EQ(results[0], VK_SUCCESS);
    EXPECT_NE(results[1], VK_SUCCESS);
    EXPECT_EQ(results[2], VK_SUCCESS);
    ExpectOneViolation(mock, "VUID-VkBindBufferMemoryInfo-buffer-07459");
}

TEST(MockBind, ElementWithASwapchainNamesNoMemory) {
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    auto swapchain = Struct<VkBindImageMemorySwapchainInfoKHR>(
        VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_SWAPCHAIN_INFO_KHR);
    swapchain.swapchain = reinterpret_cast<VkSwapchainKHR>(uintptr_t{0x5A});
    VkBindImageMemoryInfo info{VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO, &swapchain,
                               gpu.MakeImage(Gpu::ImageInfo(4, 4)), VK_NULL_HANDLE, 0};
    EXPECT_EQ(vkBindImageMemory2(gpu.device, 1, &info), VK_SUCCESS);
    EXPECT_EQ(mock.Violations(), "");
    info.memory = gpu.Allocate(0, 4096);
    vkBindImageMemory2(gpu.device, 1, &info);
    ExpectOneViolation(mock, "pNext-01631");
}

TEST(MockBind, DedicatedMemoryIsForItsResourceAlone) {
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    VkBuffer owner = gpu.MakeBuffer(100);
    auto dedicated =
        Struct<VkMemoryDedicatedAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
    dedicated.buffer = owner;
    VkDeviceMemory memory = gpu.Allocate(0, gpu.Needs(owner).size, &dedicated);
    EXPECT_EQ(vkBindBufferMemory(gpu.device, owner, memory, 0), VK_SUCCESS);
    EXPECT_EQ(mock.Violations(), "");
    vkBindBufferMemory(gpu.device, gpu.MakeBuffer(10), memory, 0);
    ExpectOneViolation(mock, "VUID-vkBindBufferMemory-memory-01508");
}

TEST(MockBind, RequiredDedicatedAllocationIsAskedForAndChecked) {
    ScopedMock mock(R"({"base": "discrete", "dedicated": {"requires_optimal": true}})");
    Gpu gpu;
    VkImage image = gpu.MakeImage(Gpu::ImageInfo(16, 16));
    auto dedicated =
        Struct<VkMemoryDedicatedRequirements>(VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS);
    VkMemoryRequirements2 needs{VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2, &dedicated, {}};
    VkImageMemoryRequirementsInfo2 info{VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2, nullptr,
                                        image};
    vkGetImageMemoryRequirements2(gpu.device, &info, &needs);
    EXPECT_TRUE(dedicated.requiresDedicatedAllocation);
    EXPECT_TRUE(dedicated.prefersDedicatedAllocation);
    vkBindImageMemory(gpu.device, image, gpu.Allocate(1, needs.memoryRequirements.size), 0);
    ExpectOneViolation(mock, "VUID-vkBindImageMemory-image-01445");
}

TEST(MockBind, DedicatedCanBePreferredFromASizeOn) {
    ScopedMock mock(R"({"base": "discrete", "dedicated": {"prefers_from": "1MiB"}})");
    Gpu gpu;
    auto prefers = [&](uint32_t side) {
        VkImageCreateInfo info = Gpu::ImageInfo(side, side);
        VkDeviceImageMemoryRequirements query{VK_STRUCTURE_TYPE_DEVICE_IMAGE_MEMORY_REQUIREMENTS,
                                              nullptr, &info, VK_IMAGE_ASPECT_COLOR_BIT};
        auto dedicated =
            Struct<VkMemoryDedicatedRequirements>(VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS);
        VkMemoryRequirements2 needs{VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2, &dedicated, {}};
        vkGetDeviceImageMemoryRequirements(gpu.device, &query, &needs);
        EXPECT_FALSE(dedicated.requiresDedicatedAllocation);
        return dedicated.prefersDedicatedAllocation == VK_TRUE;
    };
    EXPECT_FALSE(prefers(256));
    EXPECT_TRUE(prefers(512));
}

TEST(MockBind, ProtectedMemoryIsForProtectedResources) {
    ScopedMock mock("preset:noncoherent");
    VkPhysicalDeviceProtectedMemoryFeatures features{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROTECTED_MEMORY_FEATURES, nullptr, VK_TRUE};
    GpuOptions options;
    options.features = &features;
    Gpu gpu(options);
    VkDeviceMemory memory = gpu.Allocate(5, 4096);
    VkBuffer secret =
        gpu.MakeBuffer(64, VK_BUFFER_USAGE_TRANSFER_DST_BIT, VK_BUFFER_CREATE_PROTECTED_BIT);
    EXPECT_EQ(vkBindBufferMemory(gpu.device, secret, memory, 0), VK_SUCCESS);
    EXPECT_EQ(mock.Violations(), "");
    vkBindBufferMemory(gpu.device, gpu.MakeBuffer(64), memory, 256);
    ExpectViolations(mock, {"memory-01035", "VUID-vkBindBufferMemory-None-01899"});
}

TEST(MockBind, DeviceAddressNeedsItsFlagAndFollowsTheBinding) {
    ScopedMock mock("preset:discrete");
    auto features = Struct<VkPhysicalDeviceBufferDeviceAddressFeatures>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES);
    features.bufferDeviceAddress = VK_TRUE;
    GpuOptions options;
    options.features = &features;
    Gpu gpu(options);
    auto flags = Struct<VkMemoryAllocateFlagsInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    VkDeviceMemory good = gpu.Allocate(1, 4096, &flags);
    VkBuffer buffer = gpu.MakeBuffer(64, VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT);
    VkBufferDeviceAddressInfo info{VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO, nullptr, buffer};
    EXPECT_EQ(vkGetBufferDeviceAddress(gpu.device, &info), 0u);
    ExpectOneViolation(mock, "VUID-VkBufferDeviceAddressInfo-buffer-02600");
    Check(vkBindBufferMemory(gpu.device, buffer, good, 1024), "vkBindBufferMemory");
    VkDeviceMemoryOpaqueCaptureAddressInfo whole{
        VK_STRUCTURE_TYPE_DEVICE_MEMORY_OPAQUE_CAPTURE_ADDRESS_INFO, nullptr, good};
    const uint64_t base = vkGetDeviceMemoryOpaqueCaptureAddress(gpu.device, &whole);
    EXPECT_NE(base, 0u);
    EXPECT_EQ(vkGetBufferDeviceAddress(gpu.device, &info), base + 1024);
    EXPECT_EQ(mock.Violations(), "");

    VkDeviceMemory plain = gpu.Allocate(1, 4096);
    vkBindBufferMemory(gpu.device, gpu.MakeBuffer(64, VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT),
                       plain, 0);
    ExpectOneViolation(mock, "VUID-vkBindBufferMemory-bufferDeviceAddress-03339");
    whole.memory = plain;
    vkGetDeviceMemoryOpaqueCaptureAddress(gpu.device, &whole);
    ExpectOneViolation(mock, "VUID-VkDeviceMemoryOpaqueCaptureAddressInfo-memory-03336");
}

TEST(MockBind, CapturedAddressIsHonouredOrRefused) {
    ScopedMock mock(R"({"base": "discrete",
                        "add_features": ["bufferDeviceAddressCaptureReplay"]})");
    auto features = Struct<VkPhysicalDeviceBufferDeviceAddressFeatures>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES);
    features.bufferDeviceAddress = VK_TRUE;
    features.bufferDeviceAddressCaptureReplay = VK_TRUE;
    GpuOptions options;
    options.features = &features;
    Gpu gpu(options);
    VkMemoryOpaqueCaptureAddressAllocateInfo address{
        VK_STRUCTURE_TYPE_MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO, nullptr, 0x500000000000};
    auto flags =
        Struct<VkMemoryAllocateFlagsInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO, &address);
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT |
                  VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_CAPTURE_REPLAY_BIT;
    VkDeviceMemory memory = gpu.Allocate(1, 65536, &flags);
    VkDeviceMemoryOpaqueCaptureAddressInfo whole{
        VK_STRUCTURE_TYPE_DEVICE_MEMORY_OPAQUE_CAPTURE_ADDRESS_INFO, nullptr, memory};
    EXPECT_EQ(vkGetDeviceMemoryOpaqueCaptureAddress(gpu.device, &whole), 0x500000000000u);
    VkDeviceMemory second = VK_NULL_HANDLE;
    EXPECT_EQ(gpu.TryAllocate(1, 65536, &second, &flags), VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockGranularity, LinearAndOptimalInOneGranuleAreReported) {
    ScopedMock mock("preset:discrete");
    Gpu gpu;
    VkDeviceMemory memory = gpu.Allocate(1, 1 << 16);
    VkBuffer buffer = gpu.MakeBuffer(100);
    VkImage image = gpu.MakeImage(Gpu::ImageInfo(16, 16));
    Check(vkBindBufferMemory(gpu.device, buffer, memory, 1024), "vkBindBufferMemory");
    EXPECT_EQ(mock.Violations(), "");
    Check(vkBindImageMemory(gpu.device, image, memory, 2048), "vkBindImageMemory");
    EXPECT_EQ(mock.Violations(), "");
    vkBindBufferMemory(gpu.device, gpu.MakeBuffer(100), memory, 2048 + 1024 - 112);
    // Inside of the image: aliased in bytes, hence on purpose.
    EXPECT_EQ(mock.Violations(), "");
    VkImage next = gpu.MakeImage(Gpu::ImageInfo(8, 8));
    Check(vkBindImageMemory(gpu.device, next, memory, 0), "vkBindImageMemory");
    EXPECT_EQ(mock.Violations(), "");
    vkBindBufferMemory(gpu.device, gpu.MakeBuffer(16), memory, 4096);
    EXPECT_EQ(mock.Violations(), "");
}

// With granules of 4 KiB and optimal images aligned to 64 bytes, neighbours can get too close.
constexpr const char* kLooseImages =
    R"({"base": "discrete", "limits": {"bufferImageGranularity": 4096},
        "alignment": {"optimal_image": 64}})";

TEST(MockGranularity, NeighbourBelowIsFound) {
    ScopedMock mock(kLooseImages);
    Gpu gpu;
    VkDeviceMemory memory = gpu.Allocate(1, 1 << 16);
    Check(vkBindBufferMemory(gpu.device, gpu.MakeBuffer(64), memory, 4096), "bind");
    vkBindImageMemory(gpu.device, gpu.MakeImage(Gpu::ImageInfo(4, 4)), memory, 4096 + 64);
    ExpectOneViolation(mock, "bufferImageGranularity");
}

TEST(MockGranularity, NeighbourAboveIsFound) {
    ScopedMock mock(kLooseImages);
    Gpu gpu;
    VkDeviceMemory memory = gpu.Allocate(1, 1 << 16);
    Check(vkBindImageMemory(gpu.device, gpu.MakeImage(Gpu::ImageInfo(4, 4)), memory, 8128), "bind");
    vkBindBufferMemory(gpu.device, gpu.MakeBuffer(5000), memory, 2048);
    ExpectOneViolation(mock, "bufferImageGranularity");
}

TEST(MockGranularity, LinearImageCountsAsLinear) {
    ScopedMock mock(kLooseImages);
    Gpu gpu;
    VkDeviceMemory memory = gpu.Allocate(1, 1 << 16);
    VkImage linear = gpu.MakeImage(Gpu::ImageInfo(4, 4, VK_IMAGE_TILING_LINEAR));
    Check(vkBindImageMemory(gpu.device, linear, memory, 0), "bind");
    Check(vkBindBufferMemory(gpu.device, gpu.MakeBuffer(64), memory, 1024), "bind");
    EXPECT_EQ(mock.Violations(), "");
    vkBindImageMemory(gpu.device, gpu.MakeImage(Gpu::ImageInfo(4, 4)), memory, 2048);
    ExpectOneViolation(mock, "bufferImageGranularity");
}

TEST(MockGranularity, DestroyedResourceIsForgotten) {
    ScopedMock mock(kLooseImages);
    Gpu gpu;
    VkDeviceMemory memory = gpu.AllocateRaw(1, 1 << 16);
    Check(vkBindBufferMemory(gpu.device, gpu.MakeBuffer(64), memory, 0), "bind");
    gpu.DestroyAll();
    vkBindImageMemory(gpu.device, gpu.MakeImage(Gpu::ImageInfo(4, 4)), memory, 64);
    gpu.DestroyAll();
    vkFreeMemory(gpu.device, memory, nullptr);
    EXPECT_EQ(mock.Violations(), "");
}

TEST(MockBind, DisjointPlanesBindOneByOne) {
    ScopedMock mock("preset:discrete");
    Gpu gpu;
    VkImageCreateInfo info = Gpu::ImageInfo(64, 64);
    info.format = VK_FORMAT_G8_B8_R8_3PLANE_420_UNORM;
    info.flags = VK_IMAGE_CREATE_DISJOINT_BIT;
    VkImage image = gpu.MakeImage(info);
    const VkImageAspectFlagBits aspects[] = {
        VK_IMAGE_ASPECT_PLANE_0_BIT, VK_IMAGE_ASPECT_PLANE_1_BIT, VK_IMAGE_ASPECT_PLANE_2_BIT};
    VkDeviceMemory memory = gpu.Allocate(1, 1 << 16);
    VkBindImagePlaneMemoryInfo planes[3];
    VkBindImageMemoryInfo binds[3];
    VkDeviceSize offset = 0;
    for (int i = 0; i < 3; ++i) {
        VkImagePlaneMemoryRequirementsInfo plane{
            VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO, nullptr, aspects[i]};
        VkImageMemoryRequirementsInfo2 query{VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2,
                                             &plane, image};
        VkMemoryRequirements2 needs{VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2, nullptr, {}};
        vkGetImageMemoryRequirements2(gpu.device, &query, &needs);
        EXPECT_EQ(needs.memoryRequirements.size, i == 0 ? 4096u : 1024u);
        planes[i] = {VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO, nullptr, aspects[i]};
        binds[i] = BindInfo(image, memory, offset);
        binds[i].pNext = &planes[i];
        offset += needs.memoryRequirements.size;
    }
    EXPECT_EQ(vkBindImageMemory2(gpu.device, 3, binds), VK_SUCCESS);
    EXPECT_EQ(mock.Violations(), "");
    TesseraMockBinding where;
    ASSERT_EQ(mock->find_image(gpu.device, image, 2, &where), 1);
    EXPECT_EQ(where.offset, 5120u);
    vkBindImageMemory(gpu.device, image, memory, 0);
    ExpectViolations(mock, {"VUID-vkBindImageMemory-image-01608", "image-07460"});
}

TEST(MockRequirements, EveryFormOfTheQueryAgrees) {
    ScopedMock mock("preset:discrete");
    Gpu gpu;
    auto buffer_info = Struct<VkBufferCreateInfo>(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
    buffer_info.size = 1000;
    buffer_info.usage = VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT;
    VkBuffer buffer = gpu.MakeBuffer(buffer_info.size, buffer_info.usage);
    const VkMemoryRequirements plain = gpu.Needs(buffer);
    EXPECT_EQ(plain.size, 1024u);
    VkMemoryRequirements2 second{VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2, nullptr, {}};
    VkBufferMemoryRequirementsInfo2 by_handle{VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2,
                                              nullptr, buffer};
    vkGetBufferMemoryRequirements2(gpu.device, &by_handle, &second);
    VkMemoryRequirements2 third{VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2, nullptr, {}};
    VkDeviceBufferMemoryRequirements by_info{VK_STRUCTURE_TYPE_DEVICE_BUFFER_MEMORY_REQUIREMENTS,
                                             nullptr, &buffer_info};
    vkGetDeviceBufferMemoryRequirements(gpu.device, &by_info, &third);
    for (const VkMemoryRequirements& other :
         {second.memoryRequirements, third.memoryRequirements}) {
        EXPECT_EQ(other.size, plain.size);
        EXPECT_EQ(other.alignment, plain.alignment);
        EXPECT_EQ(other.memoryTypeBits, plain.memoryTypeBits);
    }
}

TEST(MockRequirements, LinearImageLayoutIsPaddedByRows) {
    ScopedMock mock("preset:lavapipe_like");
    Gpu gpu;
    VkImage image = gpu.MakeImage(Gpu::ImageInfo(10, 3, VK_IMAGE_TILING_LINEAR));
    VkImageSubresource sub{VK_IMAGE_ASPECT_COLOR_BIT, 0, 0};
    VkSubresourceLayout layout{};
    vkGetImageSubresourceLayout(gpu.device, image, &sub, &layout);
    EXPECT_EQ(layout.offset, 0u);
    EXPECT_EQ(layout.rowPitch, 64u);
    EXPECT_EQ(layout.size, 192u);
    EXPECT_EQ(gpu.Needs(image).size, 192u);
    EXPECT_EQ(mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::mock
