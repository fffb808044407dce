// SPDX-License-Identifier: Apache-2.0
//
// The layer against the registry: every command that leads to a memory object is hooked, and every
// structure that may extend an allocation, a mapping or a bind has been decided about. The lists
// are made by scripts/generate.py. What newer headers bring makes these tests fail until somebody
// has decided about it: hook the command, or add a case or row here, and to docs/pass-through.md.

#include <gtest/gtest.h>

#include <cstddef>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layer/vk/classify.h"
#include "layer/vk/intercept/hooks.h"
#include "layer/vk/known_extensions.h"

namespace tessera {
namespace {

constexpr std::string_view kMemoryCommands[] = {
#include "generated/memory_commands.inc"
};

constexpr std::string_view kRequirementQueries[] = {
#include "generated/requirement_queries.inc"
};

struct ChainedStructure {
    std::string_view parent;
    std::string_view name;
    int type;
};

constexpr ChainedStructure kChained[] = {
#include "generated/chained_structures.inc"
};

std::set<std::string_view> HookedNames() {
    std::set<std::string_view> names;
    for (const HookList& list :
         {ExportHooks(), KeyedMutexHooks(), TileMemoryHooks(), AllocateHooks(), BindHooks(),
          MapHooks(), QueryHooks(), SparseHooks()}) {
        for (size_t i = 0; i < list.count; ++i)
            names.insert(list.hooks[i].name);
    }
    return names;
}

// Whatever an allocation of this chain is, the layer decides by a case of its own.
tessera_reason Decide(int type) {
    // Larger than any structure of Vulkan that may stand here, and naming nothing.
    alignas(16) std::byte room[256] = {};
    auto* link = reinterpret_cast<VkBaseInStructure*>(room);
    link->sType = static_cast<VkStructureType>(type);
    VkMemoryAllocateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.pNext = link;
    info.allocationSize = 4096;
    VkPhysicalDeviceMemoryProperties memory = {};
    memory.memoryTypeCount = 1;
    memory.memoryHeapCount = 1;
    return Classify(info, Gates(), memory, 1 << 20).reason;
}

TEST(Registry, EveryCommandThatLeadsToAMemoryObjectIsHooked) {
    const std::set<std::string_view> hooked = HookedNames();
    ASSERT_GT(std::size(kMemoryCommands), 30u);
    for (std::string_view name : kMemoryCommands) {
        EXPECT_EQ(hooked.count(name), 1u) << name << ": decide about it";
    }
}

// What nobody saw asked is placed as if it had not been asked.
TEST(Registry, EveryQueryOfRequirementsIsHooked) {
    std::set<std::string_view> hooked;
    const HookList list = RequirementHooks();
    for (size_t i = 0; i < list.count; ++i)
        hooked.insert(list.hooks[i].name);
    ASSERT_GT(std::size(kRequirementQueries), 15u);
    for (std::string_view name : kRequirementQueries) {
        EXPECT_EQ(hooked.count(name), 1u) << name << ": decide about it";
    }
}

TEST(Registry, EveryStructureThatExtendsAnAllocationHasACaseOfItsOwn) {
    size_t checked = 0;
    for (const ChainedStructure& structure : kChained) {
        if (structure.parent != "VkMemoryAllocateInfo") continue;
        ++checked;
        EXPECT_NE(Decide(structure.type), TESSERA_REASON_unknown_pnext)
            << structure.name << ": decide about it";
    }
    EXPECT_GE(checked, 22u);
    EXPECT_EQ(Decide(1000999000), TESSERA_REASON_unknown_pnext);
}

// What extends a bind or a mapping goes down with its element: that is right for those below only.
TEST(Registry, EveryStructureThatExtendsABindOrAMappingHasBeenDecidedAbout) {
    using Pair = std::pair<std::string_view, std::string_view>;
    const std::set<Pair> decided = {
        // Device indices count instances of memory: of one physical device there is one.
        {"VkBindBufferMemoryInfo", "VkBindBufferMemoryDeviceGroupInfo"},
        {"VkBindImageMemoryInfo", "VkBindImageMemoryDeviceGroupInfo"},
        {"VkBindSparseInfo", "VkDeviceGroupBindSparseInfo"},
        // The driver writes the result; the layer, where it fails the element.
        {"VkBindBufferMemoryInfo", "VkBindMemoryStatus"},
        {"VkBindImageMemoryInfo", "VkBindMemoryStatus"},
        // The memory is the swapchain's: the element's is null and stays so.
        {"VkBindImageMemoryInfo", "VkBindImageMemorySwapchainInfoKHR"},
        // Each plane is bound by itself, and its requirements are asked for.
        {"VkBindImageMemoryInfo", "VkBindImagePlaneMemoryInfo"},
        // No memory in these.
        {"VkBindSparseInfo", "VkTimelineSemaphoreSubmitInfo"},
        {"VkBindSparseInfo", "VkFrameBoundaryEXT"},
        {"VkBindSparseInfo", "VkFrameBoundaryTensorsARM"},
        // Its feature keeps host-visible memory out of the pool.
        {"VkMemoryMapInfo", "VkMemoryMapPlacedInfoEXT"},
    };
    std::set<Pair> chained;
    for (const ChainedStructure& structure : kChained) {
        if (structure.parent != "VkMemoryAllocateInfo") {
            chained.insert({structure.parent, structure.name});
        }
    }
    for (const auto& [parent, name] : chained) {
        EXPECT_EQ(decided.count({parent, name}), 1u)
            << name << " extends " << parent << ": decide about it";
    }
    EXPECT_EQ(chained.size(), decided.size());
}

// docs/pass-through.md: what the names of extensions tell. Those that bring in a kind of resource,
// or an older or wider command under a new name, do not speak of memory.
TEST(Registry, OfTheExtensionsThatNameMemoryMostSaySo) {
    std::vector<std::string> silent;
    size_t speaking = 0;
    for (const KnownExtension& extension : KnownExtensions()) {
        if (!extension.names_memory) continue;
        if (SpeaksOfMemory(extension.name)) {
            ++speaking;
        } else {
            silent.emplace_back(extension.name);
        }
    }
    EXPECT_EQ(silent,
              (std::vector<std::string>{
                  "VK_ARM_data_graph", "VK_ARM_tensors", "VK_EXT_metal_objects",
                  "VK_KHR_buffer_device_address", "VK_KHR_synchronization2", "VK_KHR_video_queue",
                  "VK_KHR_win32_keyed_mutex", "VK_NV_ray_tracing", "VK_NV_win32_keyed_mutex"}));
    EXPECT_EQ(speaking, 12u);
}

}  // namespace
}  // namespace tessera
