// SPDX-License-Identifier: Apache-2.0
//
// The built-in descriptions. Each stands for a kind of machine that the layer must be right on, and
// is as hostile as the specification lets such a machine be. Tests that need something in between
// start from one of these and change single values with JSON. What must hold on every machine is
// tested on all of them: kPresets below is the list, `preset_name` of mock_control.h reads it.
#include <algorithm>
#include <initializer_list>
#include <iterator>

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
                {1, kVisible | kCoherent | kCached, 4 * kKiB},
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

// Optimal images start at multiples of 64 KiB, as with tiling that follows pages, and linear images
// at pages, while buffers lie anywhere. Buffers and images may share a page.
std::shared_ptr<Description> Images64K() {
    auto d = Common("images64k", 7);
    d->type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    d->heaps = {{4 * kGiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {4 * kGiB, 0}};
    d->types = {{0, kDeviceLocal, 64 * kKiB},
                {1, kVisible | kCoherent, 4 * kKiB},
                {1, kVisible | kCoherent | kCached, 4 * kKiB},
                {0, kDeviceLocal | kVisible | kCoherent, 64 * kKiB}};
    d->alignment = {1, 16, 4, 4, 8, 4 * kKiB, 64 * kKiB};
    d->sparse = true;
    d->features.insert({"sparseBinding", "sparseResidencyBuffer", "sparseResidencyImage2D",
                        "sparseResidencyAliased", "memoryPriority"});
    d->extensions.insert({"VK_EXT_memory_priority", "VK_KHR_map_memory2"});
    return d;
}

// The largest pages: optimal images at multiples of 2 MiB, and large ones prefer memory of their
// own. Granules are the largest as well.
std::shared_ptr<Description> Images2M() {
    auto d = Common("images2m", 8);
    d->type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    d->heaps = {{16 * kGiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {4 * kGiB, 0}};
    d->types = {{0, kDeviceLocal, 64 * kKiB},
                {1, kVisible | kCoherent, 4 * kKiB},
                {0, kDeviceLocal | kVisible | kCoherent, 64 * kKiB}};
    d->granularity = 64 * kKiB;
    d->alignment = {256, 256, 256, 256, 64 * kKiB, 64 * kKiB, 2 * kMiB};
    d->dedicated.prefers_from_bytes = 4 * kMiB;
    return d;
}

// Nothing is rounded: buffers and images need less than their alignment, host memory is flushed in
// large atoms and mapped at pages, and new memory is full of old bytes.
std::shared_ptr<Description> OddSizes() {
    auto d = Common("odd_sizes", 9);
    d->type = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    d->heaps = {{2 * kGiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}};
    d->types = {{0, kDeviceLocal, 1},
                {0, kDeviceLocal | kVisible | kCached, 1},
                {0, kDeviceLocal | kVisible | kCoherent | kCached, 1}};
    d->granularity = 256;
    d->atom = 256;
    d->map_alignment = 4 * kKiB;
    d->robust_uniform = 256;
    d->robust_storage = 64;
    d->alignment = {1, 256, 128, 64, 4 * kKiB, 4 * kKiB, 16 * kKiB};
    d->size_below_alignment = true;
    d->image_size_below_alignment = true;
    d->fill = 0xA5;
    return d;
}

// Room for everything, but for 64 memory objects only.
std::shared_ptr<Description> FewObjects() {
    auto d = Common("few_objects", 10);
    d->type = VK_PHYSICAL_DEVICE_TYPE_OTHER;
    d->heaps = {{8 * kGiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {8 * kGiB, 0}};
    d->types = {{0, kDeviceLocal, 1},
                {1, kVisible | kCoherent, 1},
                {0, kDeviceLocal | kVisible | kCoherent, 1}};
    d->granularity = 256;
    d->max_allocations = 64;
    d->handles.style = HandleStyle::kCounter;
    return d;
}

// Heaps that no block of the usual size fits into, and that charge for more than was asked.
std::shared_ptr<Description> SmallHeaps() {
    auto d = Common("small_heaps", 11);
    d->type = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    d->heaps = {{6 * kMiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT},
                {2 * kMiB, 0},
                {512 * kKiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}};
    d->types = {{0, kDeviceLocal, 64 * kKiB},
                {1, kVisible | kCoherent, 4 * kKiB},
                {1, kVisible | kCached, 4 * kKiB},
                {2, kDeviceLocal | kVisible | kCoherent, 64 * kKiB}};
    d->granularity = 4 * kKiB;
    d->atom = 128;
    d->max_allocation_bytes = 3 * kMiB;
    d->alignment = {16, 64, 16, 16, 16, 64, 4 * kKiB};
    d->extensions.insert("VK_EXT_memory_budget");
    return d;
}

// A type of every kind that there is, most of them twice; six heaps.
std::shared_ptr<Description> ManyTypes() {
    auto d = Common("many_types", 12);
    d->type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    d->heaps = {{1 * kGiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT},  {1 * kGiB, 0},
                {64 * kMiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {128 * kMiB, 0},
                {32 * kMiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {256 * kMiB, 0}};
    constexpr VkMemoryPropertyFlags kAmd = VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD;
    for (VkMemoryPropertyFlags flags :
         {VkMemoryPropertyFlags{0}, kDeviceLocal, kVisible | kCoherent, kVisible | kCached,
          kVisible | kCoherent | kCached, kDeviceLocal | kVisible,
          kDeviceLocal | kVisible | kCoherent, kDeviceLocal | kVisible | kCached,
          kDeviceLocal | kLazy, kDeviceLocal | kProtected}) {
        const uint32_t heap = flags & kDeviceLocal ? 0 : 1;
        d->types.push_back({heap, flags, 1});
        d->types.push_back({heap + 2, flags, 1});
    }
    d->types.insert(d->types.end(), {{4, kDeviceLocal | kAmd, 1},
                                     {5, kVisible | kCoherent | kAmd, 1},
                                     {4, kDeviceLocal | kVisible | kCoherent | kCached, 1}});
    d->granularity = 512;
    d->atom = 256;
    d->alignment = {16, 256, 64, 64, 64, 256, 4 * kKiB};
    d->features.insert({"protectedMemory", "deviceCoherentMemory", "memoryPriority"});
    d->extensions.insert({"VK_AMD_device_coherent_memory", "VK_EXT_memory_priority"});
    return d;
}

// Handles that are random in every bit, on a machine like the measured one.
std::shared_ptr<Description> RandomHandles() {
    auto d = Discrete();
    d->name = "Tessera Mock (random_handles)";
    d->driver_info = "random_handles";
    d->device_uuid.back() = 13;
    d->handles.style = HandleStyle::kRandom;
    return d;
}

// Every handle carries the tag of the layer's own handles, and sometimes the generation and index
// of one that is live, will be live or was live: 2 bits of the generation and 14 of the index are
// random. Hence no more than 65,535 objects on a device.
std::shared_ptr<Description> LookalikeHandles() {
    auto d = NonCoherent();
    d->name = "Tessera Mock (lookalike_handles)";
    d->driver_info = "lookalike_handles";
    d->device_uuid.back() = 14;
    ParseHandleRule("lookalike:7e55000000000000/ffffffffcfffc000", &d->handles);
    return d;
}

// The value freed last is the next handle, of whatever type, and two devices hand out the same.
std::shared_ptr<Description> RecycledHandles() {
    auto d = Granularity64K();
    d->name = "Tessera Mock (recycled_handles)";
    d->driver_info = "recycled_handles";
    d->device_uuid.back() = 15;
    d->handles.style = HandleStyle::kRecycle;
    return d;
}

// Memory is slow, as where the kernel clears it: what overlaps with an allocation has time to.
std::shared_ptr<Description> Slow() {
    auto d = Common("slow", 16);
    d->heaps = {{1 * kGiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {1 * kGiB, 0}};
    d->types = {{0, kDeviceLocal, 1}, {1, kVisible | kCached, 1}, {1, kVisible | kCoherent, 1}};
    d->granularity = 1024;
    d->atom = 256;
    d->cost_ns = {{"vkAllocateMemory", 200'000},
                  {"vkFreeMemory", 100'000},
                  {"vkMapMemory", 50'000},
                  {"vkBindBufferMemory", 10'000},
                  {"vkBindImageMemory", 10'000}};
    return d;
}

// A driver that now and then refuses: each of these calls fails a few times in the life of an
// instance, early and late.
std::shared_ptr<Description> Refusing() {
    auto d = Common("refusing", 17);
    d->heaps = {{1 * kGiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {1 * kGiB, 0}};
    d->types = {{0, kDeviceLocal, 1}, {1, kVisible | kCached, 1}, {1, kVisible | kCoherent, 1}};
    d->granularity = 1024;
    d->atom = 128;
    for (uint64_t nth : std::initializer_list<uint64_t>{1, 3, 4, 5, 6, 7, 8, 13, 21, 34}) {
        d->faults.push_back({"vkAllocateMemory", nth, VK_ERROR_OUT_OF_DEVICE_MEMORY, false});
        d->faults.push_back({"vkMapMemory", nth, VK_ERROR_MEMORY_MAP_FAILED, false});
    }
    for (uint64_t nth : std::initializer_list<uint64_t>{2, 5, 13, 34, 89}) {
        d->faults.push_back({"vkCreateBuffer", nth, VK_ERROR_OUT_OF_HOST_MEMORY, false});
        d->faults.push_back({"vkCreateImage", nth, VK_ERROR_OUT_OF_DEVICE_MEMORY, false});
    }
    return d;
}

// A driver of 2016: Vulkan 1.0 and not one extension, hence no query without an object.
std::shared_ptr<Description> Vulkan10() {
    auto d = Common("vulkan10", 18);
    d->type = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    d->api_version = VK_MAKE_API_VERSION(0, 1, 0, 3);
    d->extensions.clear();
    d->features = {"robustBufferAccess"};
    d->heaps = {{1 * kGiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}};
    d->types = {{0, kDeviceLocal, 1},
                {0, kDeviceLocal | kVisible | kCoherent, 1},
                {0, kDeviceLocal | kVisible | kCached, 1}};
    d->granularity = 128;
    d->atom = 64;
    d->alignment = {64, 64, 64, 64, 64, 128, 8 * kKiB};
    d->handles.style = HandleStyle::kCounter;
    return d;
}

// One of several linked adapters: "preset:linked,preset:linked" is a group of two. Memory in the
// device's own heap has an instance on each.
std::shared_ptr<Description> Linked() {
    auto d = Common("linked", 19);
    d->type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    d->group = "linked";
    d->heaps = {{1 * kGiB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT | VK_MEMORY_HEAP_MULTI_INSTANCE_BIT},
                {1 * kGiB, 0}};
    d->types = {{0, kDeviceLocal, 4 * kKiB},
                {1, kVisible | kCoherent, 4 * kKiB},
                {0, kDeviceLocal | kVisible | kCoherent, 4 * kKiB}};
    d->granularity = 1024;
    return d;
}

struct Preset {
    const char* name;
    std::shared_ptr<Description> (*make)();
};

constexpr Preset kPresets[] = {{"lavapipe_like", LavapipeLike},
                               {"discrete", Discrete},
                               {"noncoherent", NonCoherent},
                               {"granularity64k", Granularity64K},
                               {"tiny", Tiny},
                               {"budget", Budget},
                               {"images64k", Images64K},
                               {"images2m", Images2M},
                               {"odd_sizes", OddSizes},
                               {"few_objects", FewObjects},
                               {"small_heaps", SmallHeaps},
                               {"many_types", ManyTypes},
                               {"random_handles", RandomHandles},
                               {"lookalike_handles", LookalikeHandles},
                               {"recycled_handles", RecycledHandles},
                               {"slow", Slow},
                               {"refusing", Refusing},
                               {"vulkan10", Vulkan10},
                               {"linked", Linked}};

}  // namespace

std::shared_ptr<Description> MakePreset(const std::string& name) {
    const Preset* found = std::find_if(std::begin(kPresets), std::end(kPresets),
                                       [&name](const Preset& p) { return name == p.name; });
    return found == std::end(kPresets) ? nullptr : found->make();
}

const char* PresetName(uint32_t index) {
    return index < std::size(kPresets) ? kPresets[index].name : nullptr;
}

}  // namespace tessera::mock
