// SPDX-License-Identifier: Apache-2.0
//
// The built-in descriptions. Each stands for a kind of machine that the layer must be right on, and
// is as hostile as the specification lets such a machine be. Tests that need something in between
// start from one of these and change single values with JSON.
#include "description.h"

namespace tessera::mock {
namespace {

constexpr VkDeviceSize kKiB = 1024;
constexpr VkDeviceSize kMiB = 1024 * kKiB;
constexpr VkDeviceSize kGiB = 1024 * kMiB;

constexpr VkMemoryPropertyFlags kDeviceLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
constexpr VkMemoryPropertyFlags kVisible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
constexpr VkMemoryPropertyFlags kCoherent = VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr VkMemoryPropertyFlags kCached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
constexpr VkMemoryPropertyFlags kLazy = VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT;
constexpr VkMemoryPropertyFlags kProtected = VK_MEMORY_PROPERTY_PROTECTED_BIT;

// What every preset has: the features and extensions that an ordinary driver of 1.3 reports.
std::shared_ptr<Description> Common(const std::string& name, uint8_t uuid_tail) {
    auto d = std::make_shared<Description>();
    d->name = "Tessera Mock (" + name + ")";
    d->driver_info = name;
    d->device_uuid = {'t', 'e', 's', 's', 'e', 'r', 'a', 'm', 'o', 'c', 'k'};
    d->device_uuid.back() = uuid_tail;
    d->features = {"robustBufferAccess", "bufferDeviceAddress", "privateData",
                   "maintenance4",       "synchronization2",    "samplerYcbcrConversion"};
    d->extensions = {"VK_KHR_bind_memory2",         "VK_KHR_buffer_device_address",
                     "VK_KHR_dedicated_allocation", "VK_KHR_get_memory_requirements2",
                     "VK_KHR_maintenance3",         "VK_KHR_maintenance4",
                     "VK_EXT_private_data"};
    return d;
}

// lavapipe 22.3: one type with everything, one heap, requirements smaller than their alignment.
std::shared_ptr<Description> LavapipeLike() {
    auto d = Common("lavapipe_like", 1);
    d->type = VK_PHYSICAL_DEVICE_TYPE_CPU;
    d->heaps = {{2 * kGiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}};
    d->types = {{0, kDeviceLocal | kVisible | kCoherent | kCached, 1}};
    d->granularity = 64;
    d->max_allocations = UINT32_MAX;
    d->max_allocation_bytes = 2 * kGiB;
    d->alignment = {64, 64, 64, 64, 64, 64, 64};
    d->size_below_alignment = true;
    return d;
}

// An NVIDIA H200 as measured: five types, optimal images in the first two only, sparse binding.
std::shared_ptr<Description> Discrete() {
    auto d = Common("discrete", 2);
    d->type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    d->heaps = {{140 * kGiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {94 * kGiB, 0}};
    d->types = {{1, 0, 64 * kKiB},
                {0, kDeviceLocal, 64 * kKiB},
                {1, kVisible | kCoherent, 4 * kKiB},
                {1, kVisible | kCoherent | kCached, 4 * kKiB},
                {0, kDeviceLocal | kVisible | kCoherent, 64 * kKiB}};
    d->granularity = 1024;
    d->max_allocation_bytes = 0xffe00000;
    d->alignment = {16, 64, 16, 16, 16, 128, 1024};
    d->optimal_image_types = 0b11;
    d->sparse = true;
    d->features.insert({"sparseBinding", "sparseResidencyBuffer", "sparseResidencyImage2D",
                        "sparseResidencyAliased", "memoryPriority", "pageableDeviceLocalMemory"});
    d->extensions.insert({"VK_EXT_memory_budget", "VK_EXT_memory_priority",
                          "VK_EXT_pageable_device_local_memory", "VK_KHR_map_memory2"});
    return d;
}

// An integrated or mobile part: non-coherent host memory, tile memory, protected memory.
std::shared_ptr<Description> NonCoherent() {
    auto d = Common("noncoherent", 3);
    d->type = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    d->heaps = {{4 * kGiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {256 * kMiB, 0}};
    d->types = {{0, kDeviceLocal, 4 * kKiB},
                {0, kDeviceLocal | kVisible | kCached, 4 * kKiB},
                {0, kDeviceLocal | kVisible | kCoherent, 4 * kKiB},
                {1, kVisible | kCached, 4 * kKiB},
                {0, kDeviceLocal | kLazy, 4 * kKiB},
                {0, kDeviceLocal | kProtected, 4 * kKiB}};
    d->granularity = 4096;
    d->atom = 256;
    d->max_allocation_bytes = 2 * kGiB;
    d->robust_uniform = 256;
    d->alignment = {64, 256, 64, 64, 64, 64, 4096};
    d->features.insert("protectedMemory");
    return d;
}

// The largest granularity that hardware is known for.
std::shared_ptr<Description> Granularity64K() {
    auto d = Common("granularity64k", 4);
    d->type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    d->heaps = {{8 * kGiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {8 * kGiB, 0}};
    d->types = {{0, kDeviceLocal, 4 * kKiB},
                {1, kVisible | kCoherent, 4 * kKiB},
                {0, kDeviceLocal | kVisible | kCoherent, 4 * kKiB}};
    d->granularity = 64 * kKiB;
    d->max_allocation_bytes = 4 * kGiB;
    d->alignment = {256, 256, 256, 256, 256, 256, 64 * kKiB};
    return d;
}

// Little of everything: heaps that fill, and few allocations.
std::shared_ptr<Description> Tiny() {
    auto d = Common("tiny", 5);
    d->type = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    d->heaps = {{16 * kMiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {8 * kMiB, 0}};
    d->types = {{0, kDeviceLocal, 1}, {1, kVisible | kCoherent, 1}};
    d->granularity = 1024;
    d->max_allocations = 64;
    d->max_allocation_bytes = 16 * kMiB;
    d->alignment = {16, 64, 16, 16, 16, 64, 1024};
    return d;
}

// A discrete part whose budget can be asked for, and whose heap is partly used elsewhere.
std::shared_ptr<Description> Budget() {
    auto d = Common("budget", 6);
    d->type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    d->heaps = {{1 * kGiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {1 * kGiB, 0}};
    d->types = {{0, kDeviceLocal, 1}, {1, kVisible | kCoherent, 1}};
    d->granularity = 1024;
    d->alignment = {16, 64, 16, 16, 16, 64, 1024};
    d->budget_other_usage = 5 * kMiB;
    d->extensions.insert("VK_EXT_memory_budget");
    return d;
}

}  // namespace

std::shared_ptr<Description> MakePreset(const std::string& name) {
    if (name == "lavapipe_like") return LavapipeLike();
    if (name == "discrete") return Discrete();
    if (name == "noncoherent") return NonCoherent();
    if (name == "granularity64k") return Granularity64K();
    if (name == "tiny") return Tiny();
    if (name == "budget") return Budget();
    return nullptr;
}

}  // namespace tessera::mock
