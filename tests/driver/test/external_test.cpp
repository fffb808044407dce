// SPDX-License-Identifier: Apache-2.0
//
// Memory with a life outside of the driver: imported host pointers, file descriptors that two
// devices share, and mappings at an address that the application chose.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "gpu.h"
#include "late_vulkan.h"

namespace tessera::mock {
namespace {

constexpr size_t kPage = 4096;

struct FreeDeleter {
    void operator()(void* pointer) const { std::free(pointer); }
};
using Pages = std::unique_ptr<std::byte, FreeDeleter>;

Pages MakePages(size_t count) {
    return Pages(static_cast<std::byte*>(std::aligned_alloc(kPage, count * kPage)));
}

constexpr const char* kExternal =
    R"({"base": "discrete",
        "add_extensions": ["VK_KHR_external_memory", "VK_KHR_external_memory_fd",
                           "VK_EXT_external_memory_host"]})";

GpuOptions ExternalOptions() {
    GpuOptions options;
    options.device_extensions = {"VK_KHR_external_memory_fd", "VK_EXT_external_memory_host"};
    return options;
}

TEST(MockExternal, HostPointerIsTheMemory) {
    ScopedMock mock(kExternal);
    Gpu gpu(ExternalOptions());
    Pages pages = MakePages(2);
    auto properties = Struct<VkMemoryHostPointerPropertiesEXT>(
        VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT);
    Check(gpu.DeviceCommand<PFN_vkGetMemoryHostPointerPropertiesEXT>(
              "vkGetMemoryHostPointerPropertiesEXT")(
              gpu.device, VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT, pages.get(),
              &properties),
          "vkGetMemoryHostPointerPropertiesEXT");
    EXPECT_EQ(properties.memoryTypeBits, 0b11100u);
    VkImportMemoryHostPointerInfoEXT import{
        VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT, nullptr,
        VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT, pages.get()};
    VkDeviceMemory memory = gpu.Allocate(2, 2 * kPage, &import);
    EXPECT_EQ(gpu.Map(memory), pages.get());
    VkBuffer buffer = gpu.MakeBuffer(2 * kPage);
    Check(vkBindBufferMemory(gpu.device, buffer, memory, 0), "vkBindBufferMemory");
    gpu.Run([&](VkCommandBuffer commands) {
        vkCmdFillBuffer(commands, buffer, kPage, 16, 0x09090909);
    });
    EXPECT_EQ(pages.get()[kPage], std::byte{9});
    EXPECT_EQ(mock.Violations(), "");
    gpu.DestroyAll();
    EXPECT_EQ(pages.get()[kPage], std::byte{9}) << "the application keeps its pages";

    import.pHostPointer = pages.get() + 64;
    gpu.Allocate(2, kPage, &import);
    ExpectOneViolation(mock, "VUID-VkImportMemoryHostPointerInfoEXT-pHostPointer-01749");
}

TEST(MockExternal, FileDescriptorSharesThePayload) {
    ScopedMock mock(kExternal);
    Gpu first(ExternalOptions());
    Gpu second(ExternalOptions());
    VkExportMemoryAllocateInfo exported{VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO, nullptr,
                                        VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT};
    VkDeviceMemory memory = first.Allocate(2, 5000, &exported);
    VkMemoryGetFdInfoKHR get{VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR, nullptr, memory,
                             VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT};
    auto get_fd = first.DeviceCommand<PFN_vkGetMemoryFdKHR>("vkGetMemoryFdKHR");
    int fd = -1;
    Check(get_fd(first.device, &get, &fd), "vkGetMemoryFdKHR");
    VkImportMemoryFdInfoKHR import{VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR, nullptr,
                                   VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT, fd};
    VkDeviceMemory other = second.Allocate(2, 5000, &import);  // owns fd from here
    first.Map(memory)[4999] = std::byte{3};
    EXPECT_EQ(second.Map(other)[4999], std::byte{3});
    EXPECT_EQ(mock.Violations(), "");

    get.memory = first.Allocate(2, 64);
    EXPECT_NE(get_fd(first.device, &get, &fd), VK_SUCCESS);
    ExpectOneViolation(mock, "VUID-VkMemoryGetFdInfoKHR-handleType-00671");
}

TEST(MockExternal, StrangeDescriptorIsRefusedAndStaysWithTheCaller) {
    ScopedMock mock(kExternal);
    Gpu gpu(ExternalOptions());
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    VkImportMemoryFdInfoKHR import{VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR, nullptr,
                                   VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT, pipe_ends[0]};
    VkDeviceMemory memory = VK_NULL_HANDLE;
    EXPECT_EQ(gpu.TryAllocate(2, 4096, &memory, &import), VK_ERROR_INVALID_EXTERNAL_HANDLE);
    EXPECT_EQ(close(pipe_ends[0]), 0);
    close(pipe_ends[1]);
}

TEST(MockExternal, CapabilitiesFollowTheDescription) {
    ScopedMock mock(kExternal);
    Gpu gpu(ExternalOptions());
    auto features = [&](VkExternalMemoryHandleTypeFlagBits type) {
        auto info = Struct<VkPhysicalDeviceExternalBufferInfo>(
            VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO);
        info.usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT;
        info.handleType = type;
        auto properties =
            Struct<VkExternalBufferProperties>(VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES);
        vkGetPhysicalDeviceExternalBufferProperties(gpu.physical, &info, &properties);
        return properties.externalMemoryProperties.externalMemoryFeatures;
    };
    EXPECT_EQ(features(VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT),
              VkExternalMemoryFeatureFlags{VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT |
                                           VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT});
    EXPECT_EQ(features(VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT),
              VkExternalMemoryFeatureFlags{VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT});
    EXPECT_EQ(features(VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT), 0u);
}

TEST(MockExternal, PlacedMapLiesWhereItWasAskedTo) {
    ScopedMock mock(R"({"base": "noncoherent",
        "add_extensions": ["VK_KHR_map_memory2", "VK_EXT_map_memory_placed"],
        "add_features": ["memoryMapPlaced", "memoryMapRangePlaced", "memoryUnmapReserve"]})");
    auto features = Struct<VkPhysicalDeviceMapMemoryPlacedFeaturesEXT>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAP_MEMORY_PLACED_FEATURES_EXT);
    features.memoryMapPlaced = VK_TRUE;
    features.memoryUnmapReserve = VK_TRUE;
    GpuOptions options;
    options.device_extensions = {"VK_KHR_map_memory2", "VK_EXT_map_memory_placed"};
    options.features = &features;
    Gpu gpu(options);
    auto map = gpu.DeviceCommand<PFN_vkMapMemory2>("vkMapMemory2KHR");
    auto unmap = gpu.DeviceCommand<PFN_vkUnmapMemory2>("vkUnmapMemory2KHR");
    void* wanted = mmap(nullptr, 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(wanted, MAP_FAILED);

    VkDeviceMemory memory = gpu.Allocate(1, 2 * kPage);
    VkMemoryMapPlacedInfoEXT placed{VK_STRUCTURE_TYPE_MEMORY_MAP_PLACED_INFO_EXT, nullptr, wanted};
    VkMemoryMapInfo info{VK_STRUCTURE_TYPE_MEMORY_MAP_INFO,
                         &placed,
                         VK_MEMORY_MAP_PLACED_BIT_EXT,
                         memory,
                         0,
                         VK_WHOLE_SIZE};
    void* data = nullptr;
    ASSERT_EQ(map(gpu.device, &info, &data), VK_SUCCESS);
    EXPECT_EQ(data, wanted);
    static_cast<std::byte*>(data)[10] = std::byte{7};
    VkMappedMemoryRange range{VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, memory, 0,
                              VK_WHOLE_SIZE};
    Check(vkFlushMappedMemoryRanges(gpu.device, 1, &range), "vkFlushMappedMemoryRanges");
    std::byte seen{};
    mock->read_memory(gpu.device, memory, 10, &seen, 1);
    EXPECT_EQ(seen, std::byte{7});
    VkMemoryUnmapInfo unmap_info{VK_STRUCTURE_TYPE_MEMORY_UNMAP_INFO, nullptr,
                                 VK_MEMORY_UNMAP_RESERVE_BIT_EXT, memory};
    EXPECT_EQ(unmap(gpu.device, &unmap_info), VK_SUCCESS);
    EXPECT_EQ(mprotect(wanted, 2 * kPage, PROT_READ), 0) << "the range is still reserved";
    EXPECT_EQ(mock.Violations(), "");

    placed.pPlacedAddress = static_cast<std::byte*>(wanted) + 100;
    EXPECT_NE(map(gpu.device, &info, &data), VK_SUCCESS);
    ExpectOneViolation(mock, "VUID-VkMemoryMapPlacedInfoEXT-pPlacedAddress-09577");
    munmap(wanted, 2 * kPage);
}

}  // namespace
}  // namespace tessera::mock
