// SPDX-License-Identifier: Apache-2.0
//
// Scenarios of memory alone: allocating, mapping, growing, giving back, and what goes through.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "scenarios.h"

namespace tessera::faults {
namespace {

constexpr VkDeviceSize kKiB = 1024;
constexpr VkDeviceSize kMiB = 1024 * kKiB;

// Memory types of preset:discrete.
constexpr uint32_t kLocal = 1;
constexpr uint32_t kHost = 2;

VkMappedMemoryRange Range(VkDeviceMemory memory, VkDeviceSize offset, VkDeviceSize size) {
    VkMappedMemoryRange range = {};
    range.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE;
    range.memory = memory;
    range.offset = offset;
    range.size = size;
    return range;
}

// The first allocation of a device asks the driver what resources need; then the plainest use.
void Plain(Application& app) {
    const VkDeviceMemory memory = app.Pooled(4 * kKiB, kLocal);
    const VkBuffer buffer = app.Buffer(1000);
    app.Bind(buffer, memory, 1024);
    const VkDeviceMemory host = app.Pooled(5000, kHost);
    std::memset(app.Map(host, 100), 1, 4000);
    app.Unmap(host);
    app.Map(host);  // freed while mapped
    app.Destroy(buffer);
    app.Free(host);
    app.Free(memory);
    app.Free(VK_NULL_HANDLE);
}

// A driver of Vulkan 1.0 is asked through objects. What it says is above the least alignment, and
// memory is mapped before it is bound: it cannot be moved any more.
void ProbingByObjects(Application& app) {
    for (const uint32_t type : {1u, 2u}) {
        const VkDeviceMemory small = app.Pooled(100, type);
        const VkDeviceMemory memory = app.Pooled(300, type);
        app.Map(memory);
        const VkBuffer buffer = app.Buffer(300);
        app.Bind(buffer, memory);
        app.Destroy(buffer);
        app.Free(memory);
        app.Free(small);
    }
}

void Ranges(Application& app) {
    constexpr uint32_t kCached = 1;  // of preset:noncoherent: visible, not coherent
    std::vector<VkDeviceMemory> memories;
    std::vector<VkMappedMemoryRange> ranges;
    for (int i = 0; i < 20; ++i) {
        memories.push_back(app.Pooled(1000, kCached));
        if (std::byte* bytes = app.Map(memories.back())) std::memset(bytes, i, 1000);
        ranges.push_back(Range(memories.back(), 256, VK_WHOLE_SIZE));
    }
    app.Flush(ranges);  // more than fit without host memory of the layer's
    app.Invalidate(ranges);
    ranges.resize(2);
    app.Flush(ranges);
    const VkDeviceMemory large = app.Through(80 * kMiB, kCached);
    app.Map(large);
    ranges.push_back(Range(large, 0, 512));
    app.Flush(ranges);
    app.Invalidate(ranges);
    app.Free(large);
    for (const VkDeviceMemory memory : memories)
        app.Free(memory);  // flushes what the application did not
}

// Blocks are small and so is what may idle: blocks come and go.
void Growth(Application& app) {
    for (const uint32_t type : {kLocal, kHost}) {
        std::vector<VkDeviceMemory> memories;
        for (int i = 0; i < 9; ++i)
            memories.push_back(app.Pooled(40 * kKiB, type));
        for (const VkDeviceMemory memory : memories)
            app.Free(memory);
    }
    // Something idles now, which an allocation that the driver refuses gets.
    const VkDeviceMemory large = app.Through(kMiB, kLocal);
    const VkDeviceMemory pooled = app.Pooled(64 * kKiB, 0);
    app.Free(pooled);
    app.Free(large);
}

// Nothing is kept: every block goes with its last slot.
void NothingIdles(Application& app) {
    for (int i = 0; i < 2; ++i) {
        const VkDeviceMemory first = app.Pooled(kMiB, kLocal);
        const VkDeviceMemory second = app.Pooled(2 * kMiB, kHost);
        app.Map(second);
        app.Free(first);
        app.Free(second);
    }
}

// A large allocation has a block to itself, which is mapped when the application maps it, and which
// the next of its size gets.
void Recycled(Application& app) {
    constexpr uint32_t kCached = 1;  // of preset:noncoherent: visible, not coherent
    for (const VkDeviceSize size : {40 * kMiB, 39 * kMiB}) {
        const VkDeviceMemory memory = app.Pooled(size, kCached);
        const VkBuffer buffer = app.Buffer(1000);
        app.Bind(buffer, memory);
        if (std::byte* bytes = app.Map(memory)) std::memset(bytes, 1, 1000);
        app.Destroy(buffer);
        app.Free(memory);  // flushes what the application did not
    }
    // One that the idle block does not suit: it goes if the driver has no room for both.
    const VkDeviceMemory other = app.Pooled(20 * kMiB, kCached);
    app.Free(other);
}

// Eight memory objects, of which blocks leave four to the rest. The application keeps to eight
// itself.
void ObjectLimit(Application& app) {
    const VkDeviceMemory pooled = app.Pooled(60 * kKiB, 0);
    std::vector<VkDeviceMemory> through;
    for (int i = 0; i < 4; ++i)
        through.push_back(app.Through(200 * kKiB, 0));
    const VkDeviceMemory second = app.Pooled(60 * kKiB, 0);  // the rest of the first block
    // No block may be made any more, so what would be pooled goes through.
    for (int i = 0; i < 2; ++i)
        through.push_back(app.Through(60 * kKiB, 0));
    app.Free(second);
    app.Free(pooled);
    // At the limit, the idle block gives its place away.
    for (int i = 0; i < 2; ++i)
        through.push_back(app.Through(200 * kKiB, 0));
    for (const VkDeviceMemory memory : through)
        app.Free(memory);
}

void DedicatedMemory(Application& app) {
    const VkBuffer buffer = app.Buffer(3000);
    VkMemoryDedicatedAllocateInfo dedicated = {};
    dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO;
    dedicated.buffer = buffer;
    const VkDeviceMemory memory = app.Through(app.Needs(buffer).size, 0, &dedicated);
    app.Bind(buffer, memory);
    app.Destroy(buffer);
    app.Free(memory);
}

void ExportedMemory(Application& app) {
    VkExportMemoryAllocateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO;
    info.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
    const VkDeviceMemory memory = app.Through(64 * kKiB, 0, &info);
    const auto get = app.Command<PFN_vkGetMemoryFdKHR>("vkGetMemoryFdKHR");
    VkMemoryGetFdInfoKHR query = {};
    query.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR;
    query.memory = memory;
    query.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
    int file = -1;
    app.Call("vkGetMemoryFdKHR", Kind::kPlain, [&] { return get(app.device, &query, &file); });
    close(file);
    app.Free(memory);
}

// What is not pooled, each for its own reason.
void PassThrough(Application& app) {
    DedicatedMemory(app);
    ExportedMemory(app);
    const VkDeviceMemory large = app.Through(80 * kMiB, 0);
    const VkDeviceMemory lazy = app.Through(4 * kKiB, 4);
    app.Free(lazy);
    app.Free(large);
    const VkDeviceMemory visible = app.Through(80 * kMiB, 2);
    app.Map(visible);
    app.Unmap(visible);
    app.Free(visible);
}

// Driver handles look like the layer's own: each that goes through has to be remembered.
void LookAlikes(Application& app) {
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 6; ++i) {
        memories.push_back(app.Through(80 * kMiB, 0));
        memories.push_back(app.Pooled(4 * kKiB, 0));
    }
    for (const VkDeviceMemory memory : memories)
        app.Free(memory);
}

// A range that is given out again is cleared, as a setting asks.
void ReusedMemory(Application& app) {
    for (const uint32_t type : {1u, 2u}) {
        for (int i = 0; i < 3; ++i) {
            const VkDeviceMemory memory = app.Pooled(4 * kKiB, type);
            if (std::byte* bytes = app.Map(memory)) {
                EXPECT_EQ(bytes[7], std::byte{0});
                bytes[7] = std::byte{1};
            }
            app.Free(memory);
        }
    }
}

// Every arena is a block of its own, and host memory: priorities, addresses, types.
void Arenas(Application& app) {
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    std::vector<VkDeviceMemory> memories;
    for (uint32_t type = 0; type < 5; ++type) {
        memories.push_back(app.Pooled(4 * kKiB, type));
        memories.push_back(app.Pooled(4 * kKiB, type, &flags));
    }
    // More slots than the first chunk of the table holds, and more ranges than its list.
    for (int i = 0; i < 70; ++i)
        memories.push_back(app.Pooled(256, kLocal));
    for (const VkDeviceMemory memory : memories)
        app.Free(memory);
}

}  // namespace

std::vector<Scenario> MemoryScenarios() {
    Machine look_alikes;
    look_alikes.description = "preset:lookalike_handles";
    look_alikes.look_alikes = true;
    return {
        {"plain", {}, Plain},
        {"probing_by_objects",
         {R"({"base": "vulkan10", "alignment": {"storage": 4096}, "size_below_alignment": true})"},
         ProbingByObjects},
        {"ranges", {"preset:noncoherent"}, Ranges},
        {"growth",
         {"preset:discrete", {"TESSERA_MAX_BLOCK_BYTES=128KiB", "TESSERA_IDLE_BYTES=128KiB"}},
         Growth},
        {"nothing_idles", {"preset:discrete", {"TESSERA_IDLE_BYTES=0"}}, NothingIdles},
        {"object_limit",
         {R"({"base": "few_objects", "limits": {"maxMemoryAllocationCount": 8}})",
          {"TESSERA_MAX_BLOCK_BYTES=128KiB", "TESSERA_RECYCLE=off"}},
         ObjectLimit},
        {"recycled", {"preset:noncoherent", {"TESSERA_RECYCLE=on"}}, Recycled},
        {"recycled_cleared",
         {"preset:noncoherent", {"TESSERA_RECYCLE=on", "TESSERA_ZERO=reuse"}},
         Recycled},
        {"pass_through",
         {R"({"base": "noncoherent", "add_extensions": ["VK_KHR_external_memory_fd"]})",
          {},
          {},
          {"VK_KHR_external_memory_fd"}},
         PassThrough},
        {"look_alikes", look_alikes, LookAlikes},
        {"reused_memory", {"preset:noncoherent", {"TESSERA_ZERO=reuse"}}, ReusedMemory},
        {"arenas", {"preset:discrete", {}, {}, {}, false, true}, Arenas},
    };
}

}  // namespace tessera::faults
