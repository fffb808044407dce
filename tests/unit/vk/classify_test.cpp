// SPDX-License-Identifier: Apache-2.0
//
// Which allocations are pooled: one test for each structure that may extend VkMemoryAllocateInfo,
// for each flag and for each property of the memory type.
//
// The rules with their sources are docs/pass-through.md. Structures of other systems, and those
// newer than the headers, are stood for by a bare link with their type.

#include "layer/vk/classify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "layer/vk/late_vulkan.h"

namespace tessera {
namespace {

constexpr uint64_t kLimit = 1 << 20;

// Memory types by what is special about them.
enum Type : uint32_t { kPlain, kHostVisible, kLazy, kTile, kProtected, kTypes };

VkPhysicalDeviceMemoryProperties Memory() {
    VkPhysicalDeviceMemoryProperties memory = {};
    memory.memoryHeapCount = 2;
    memory.memoryHeaps[0] = {uint64_t{1} << 30, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT};
    memory.memoryHeaps[1] = {uint64_t{1} << 20, late::kMemoryHeapTileMemoryBit};
    memory.memoryTypeCount = kTypes;
    memory.memoryTypes[kPlain] = {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0};
    memory.memoryTypes[kHostVisible] = {VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, 0};
    memory.memoryTypes[kLazy] = {VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT, 0};
    memory.memoryTypes[kTile] = {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 1};
    memory.memoryTypes[kProtected] = {VK_MEMORY_PROPERTY_PROTECTED_BIT, 0};
    return memory;
}

// Puts links into a chain, in the order given, and returns its head.
const void* Chain(std::vector<VkBaseInStructure*> links) {
    const VkBaseInStructure* next = nullptr;
    for (size_t i = links.size(); i-- > 0;) {
        links[i]->pNext = next;
        next = links[i];
    }
    return next;
}
template <typename T>
VkBaseInStructure* Link(T& structure) {
    return reinterpret_cast<VkBaseInStructure*>(&structure);
}
template <typename T>
T Make(VkStructureType type) {
    T structure = {};
    structure.sType = type;
    return structure;
}

// A handle to refer to; it is never looked into.
template <typename Handle>
Handle SomeHandle() {
    return (Handle)uint64_t{0x1234};  // NOLINT: the one cast that is right for both kinds of handle
}

class ClassifyTest : public testing::Test {
 protected:
    Classification Decide(const void* chain = nullptr, uint64_t size = 1000,
                          uint32_t type = kPlain) const {
        VkMemoryAllocateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        info.pNext = chain;
        info.allocationSize = size;
        info.memoryTypeIndex = type;
        return Classify(info, gates_, memory_, kLimit);
    }
    template <typename T>
    tessera_reason With(T structure) const {
        return Decide(Chain({Link(structure)})).reason;
    }
    tessera_reason WithFlags(VkMemoryAllocateFlags flags, uint32_t device_mask = 0) const {
        auto info = Make<VkMemoryAllocateFlagsInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
        info.flags = flags;
        info.deviceMask = device_mask;
        return With(info);
    }
    Classification WithPriority(float priority) const {
        auto info = Make<VkMemoryPriorityAllocateInfoEXT>(
            VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT);
        info.priority = priority;
        return Decide(Chain({Link(info)}));
    }

    Gates gates_;
    VkPhysicalDeviceMemoryProperties memory_ = Memory();
};

TEST_F(ClassifyTest, APlainAllocationIsPooledWithTheDefaultKey) {
    const Classification what = Decide();
    EXPECT_EQ(what.reason, TESSERA_REASON_none);
    EXPECT_EQ(what.key, pool::ArenaKey());
}

// Sizes and types.

TEST_F(ClassifyTest, ASizeOfZeroIsUnusual) {
    EXPECT_EQ(Decide(nullptr, 0).reason, TESSERA_REASON_unusual_size);
}

TEST_F(ClassifyTest, OneByteIsPooledAndSoIsTheLimit) {
    EXPECT_EQ(Decide(nullptr, 1).reason, TESSERA_REASON_none);
    EXPECT_EQ(Decide(nullptr, kLimit).reason, TESSERA_REASON_none);
}

TEST_F(ClassifyTest, AboveTheLimitIsTooLargeUpToTheLargestNumber) {
    EXPECT_EQ(Decide(nullptr, kLimit + 1).reason, TESSERA_REASON_too_large);
    EXPECT_EQ(Decide(nullptr, ~uint64_t{0}).reason, TESSERA_REASON_too_large);
}

TEST_F(ClassifyTest, ATypeThatTheDeviceDoesNotHaveIsInvalid) {
    EXPECT_EQ(Decide(nullptr, 1000, kTypes).reason, TESSERA_REASON_invalid_type);
    EXPECT_EQ(Decide(nullptr, 1000, ~0u).reason, TESSERA_REASON_invalid_type);
}

TEST_F(ClassifyTest, LazilyAllocatedMemoryIsPassedThrough) {
    EXPECT_EQ(Decide(nullptr, 1000, kLazy).reason, TESSERA_REASON_lazily_allocated);
}

TEST_F(ClassifyTest, MemoryOfATileHeapIsPassedThrough) {
    EXPECT_EQ(Decide(nullptr, 1000, kTile).reason, TESSERA_REASON_tile_memory);
}

TEST_F(ClassifyTest, ProtectedMemoryIsPooled) {
    EXPECT_EQ(Decide(nullptr, 1000, kProtected).reason, TESSERA_REASON_none);
}

TEST_F(ClassifyTest, PlacedMapsKeepHostVisibleMemoryOutAndNothingElse) {
    EXPECT_EQ(Decide(nullptr, 1000, kHostVisible).reason, TESSERA_REASON_none);
    gates_.placed_map = true;
    EXPECT_EQ(Decide(nullptr, 1000, kHostVisible).reason, TESSERA_REASON_placed_map);
    EXPECT_EQ(Decide(nullptr, 1000, kPlain).reason, TESSERA_REASON_none);
}

TEST_F(ClassifyTest, ADeviceThatDoesNotPoolGivesItsOwnReason) {
    for (tessera_reason reason : {TESSERA_REASON_disabled, TESSERA_REASON_driver_pools,
                                  TESSERA_REASON_memory_report, TESSERA_REASON_elevated}) {
        gates_.off = reason;
        EXPECT_EQ(Decide().reason, reason);
    }
}

TEST_F(ClassifyTest, WhatAnAllocationIsSaysMoreThanThatTheDeviceDoesNotPool) {
    gates_.off = TESSERA_REASON_disabled;
    auto dedicated =
        Make<VkMemoryDedicatedAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
    dedicated.buffer = SomeHandle<VkBuffer>();
    EXPECT_EQ(With(dedicated), TESSERA_REASON_dedicated);
}

// VkMemoryAllocateFlagsInfo.

TEST_F(ClassifyTest, FlagsOfZeroArePooledWithTheDefaultKey) {
    EXPECT_EQ(WithFlags(0), TESSERA_REASON_none);
}

TEST_F(ClassifyTest, ADeviceAddressIsPooledInAnArenaOfItsOwn) {
    auto info = Make<VkMemoryAllocateFlagsInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
    info.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    const Classification what = Decide(Chain({Link(info)}));
    EXPECT_EQ(what.reason, TESSERA_REASON_none);
    EXPECT_EQ(what.key.allocate_flags, uint32_t{VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT});
}

TEST_F(ClassifyTest, ADeviceAddressThatMayBeCapturedIsPassedThrough) {
    gates_.capture_replay = true;
    EXPECT_EQ(WithFlags(VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT), TESSERA_REASON_capture_replay);
    EXPECT_EQ(WithFlags(0), TESSERA_REASON_none);
    EXPECT_EQ(Decide().reason, TESSERA_REASON_none);
}

TEST_F(ClassifyTest, CaptureReplayIsPassedThrough) {
    EXPECT_EQ(WithFlags(VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT |
                        VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_CAPTURE_REPLAY_BIT),
              TESSERA_REASON_capture_replay);
}

TEST_F(ClassifyTest, ZeroedMemoryIsPassedThrough) {
    EXPECT_EQ(WithFlags(late::kMemoryAllocateZeroInitializeBit), TESSERA_REASON_zero_initialize);
}

TEST_F(ClassifyTest, ADeviceMaskOfTheOnlyDeviceIsPooledAndNotPartOfTheKey) {
    auto info = Make<VkMemoryAllocateFlagsInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
    info.flags = VK_MEMORY_ALLOCATE_DEVICE_MASK_BIT;
    info.deviceMask = 1;
    const Classification what = Decide(Chain({Link(info)}));
    EXPECT_EQ(what.reason, TESSERA_REASON_none);
    EXPECT_EQ(what.key, pool::ArenaKey());
}

TEST_F(ClassifyTest, AnyOtherDeviceMaskIsPassedThroughIfItCounts) {
    EXPECT_EQ(WithFlags(VK_MEMORY_ALLOCATE_DEVICE_MASK_BIT, 0), TESSERA_REASON_device_group);
    EXPECT_EQ(WithFlags(VK_MEMORY_ALLOCATE_DEVICE_MASK_BIT, 2), TESSERA_REASON_device_group);
    EXPECT_EQ(WithFlags(VK_MEMORY_ALLOCATE_DEVICE_MASK_BIT, 3), TESSERA_REASON_device_group);
    EXPECT_EQ(WithFlags(0, 3), TESSERA_REASON_none) << "without its flag the mask is ignored";
}

TEST_F(ClassifyTest, EveryUnknownFlagIsPassedThroughWhateverIsSetBeside) {
    for (uint32_t bit = 4; bit < 32; ++bit) {
        EXPECT_EQ(WithFlags(1u << bit), TESSERA_REASON_unknown_flags) << bit;
        EXPECT_EQ(WithFlags(1u << bit | VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT),
                  TESSERA_REASON_unknown_flags)
            << bit;
    }
}

// VkMemoryPriorityAllocateInfoEXT.

TEST_F(ClassifyTest, PrioritiesAreKeptInQuarters) {
    gates_.memory_priority = true;
    const std::pair<float, int> cases[] = {{0.0f, 0},  {0.12f, 0},  {0.13f, 1},
                                           {0.25f, 1}, {0.5f, 2},   {0.74f, 3},
                                           {0.75f, 3}, {0.875f, 4}, {1.0f, 4}};
    for (const auto& [priority, quarters] : cases) {
        const Classification what = WithPriority(priority);
        EXPECT_EQ(what.reason, TESSERA_REASON_none) << priority;
        EXPECT_EQ(int{what.key.priority_quarters}, quarters) << priority;
    }
}

TEST_F(ClassifyTest, WithoutTheFeatureAPriorityChangesNothing) {
    EXPECT_EQ(WithPriority(1.0f).reason, TESSERA_REASON_none);
    EXPECT_EQ(WithPriority(1.0f).key, pool::ArenaKey());
}

TEST_F(ClassifyTest, PrioritiesOutsideOfZeroToOneArePassedThrough) {
    for (bool feature : {false, true}) {
        gates_.memory_priority = feature;
        for (float priority :
             {-1.0f, 2.0f, std::nextafter(1.0f, 2.0f), std::numeric_limits<float>::infinity(),
              -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
            EXPECT_EQ(WithPriority(priority).reason, TESSERA_REASON_unusual_priority) << priority;
        }
    }
}

// Structures that say nothing as long as they name nothing.

TEST_F(ClassifyTest, ADedicatedAllocationIsPassedThroughIfItNamesAResource) {
    auto info =
        Make<VkMemoryDedicatedAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
    EXPECT_EQ(With(info), TESSERA_REASON_none);
    info.buffer = SomeHandle<VkBuffer>();
    EXPECT_EQ(With(info), TESSERA_REASON_dedicated);
    info.buffer = VK_NULL_HANDLE;
    info.image = SomeHandle<VkImage>();
    EXPECT_EQ(With(info), TESSERA_REASON_dedicated);
}

TEST_F(ClassifyTest, ADedicatedAllocationOfTheOldExtensionToo) {
    auto info = Make<VkDedicatedAllocationMemoryAllocateInfoNV>(
        VK_STRUCTURE_TYPE_DEDICATED_ALLOCATION_MEMORY_ALLOCATE_INFO_NV);
    EXPECT_EQ(With(info), TESSERA_REASON_none);
    info.buffer = SomeHandle<VkBuffer>();
    EXPECT_EQ(With(info), TESSERA_REASON_dedicated);
    info.buffer = VK_NULL_HANDLE;
    info.image = SomeHandle<VkImage>();
    EXPECT_EQ(With(info), TESSERA_REASON_dedicated);
}

TEST_F(ClassifyTest, AnOpaqueCaptureAddressIsPassedThroughIfItIsGiven) {
    auto info = Make<VkMemoryOpaqueCaptureAddressAllocateInfo>(
        VK_STRUCTURE_TYPE_MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO);
    EXPECT_EQ(With(info), TESSERA_REASON_none);
    info.opaqueCaptureAddress = 0x10000;
    EXPECT_EQ(With(info), TESSERA_REASON_capture_replay);
}

TEST_F(ClassifyTest, AnExportIsPassedThroughIfItNamesAHandleType) {
    auto info = Make<VkExportMemoryAllocateInfo>(VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO);
    EXPECT_EQ(With(info), TESSERA_REASON_none);
    info.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
    EXPECT_EQ(With(info), TESSERA_REASON_external);
}

TEST_F(ClassifyTest, AnExportOfTheOldExtensionToo) {
    auto info =
        Make<VkExportMemoryAllocateInfoNV>(VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO_NV);
    EXPECT_EQ(With(info), TESSERA_REASON_none);
    info.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_WIN32_BIT_NV;
    EXPECT_EQ(With(info), TESSERA_REASON_external);
}

TEST_F(ClassifyTest, AnImportedFileDescriptorIsPassedThroughIfItHasAHandleType) {
    auto info = Make<VkImportMemoryFdInfoKHR>(VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR);
    info.fd = 3;
    EXPECT_EQ(With(info), TESSERA_REASON_none);
    info.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
    EXPECT_EQ(With(info), TESSERA_REASON_external);
}

TEST_F(ClassifyTest, AnImportedHostPointerIsPassedThroughIfItHasAHandleType) {
    auto info = Make<VkImportMemoryHostPointerInfoEXT>(
        VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT);
    EXPECT_EQ(With(info), TESSERA_REASON_none);
    info.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
    EXPECT_EQ(With(info), TESSERA_REASON_external);
}

// Structures whose presence is enough.

struct Presence {
    const char* name;
    int type;
    tessera_reason reason;

    friend std::ostream& operator<<(std::ostream& out, const Presence& row) {
        return out << "structure type " << row.type;
    }
};

constexpr Presence kPresence[] = {
    {"ImportMemoryWin32HandleInfoKHR", VK_STRUCTURE_TYPE_IMPORT_MEMORY_WIN32_HANDLE_INFO_KHR,
     TESSERA_REASON_external},
    {"ImportMemoryWin32HandleInfoNV", VK_STRUCTURE_TYPE_IMPORT_MEMORY_WIN32_HANDLE_INFO_NV,
     TESSERA_REASON_external},
    {"ExportMemoryWin32HandleInfoKHR", VK_STRUCTURE_TYPE_EXPORT_MEMORY_WIN32_HANDLE_INFO_KHR,
     TESSERA_REASON_external},
    {"ExportMemoryWin32HandleInfoNV", VK_STRUCTURE_TYPE_EXPORT_MEMORY_WIN32_HANDLE_INFO_NV,
     TESSERA_REASON_external},
    {"ImportMemoryZirconHandleInfoFUCHSIA",
     VK_STRUCTURE_TYPE_IMPORT_MEMORY_ZIRCON_HANDLE_INFO_FUCHSIA, TESSERA_REASON_external},
    {"ImportMemoryBufferCollectionFUCHSIA",
     VK_STRUCTURE_TYPE_IMPORT_MEMORY_BUFFER_COLLECTION_FUCHSIA, TESSERA_REASON_external},
    {"ImportAndroidHardwareBufferInfoANDROID",
     VK_STRUCTURE_TYPE_IMPORT_ANDROID_HARDWARE_BUFFER_INFO_ANDROID, TESSERA_REASON_external},
    {"ExportMetalObjectCreateInfoEXT", VK_STRUCTURE_TYPE_EXPORT_METAL_OBJECT_CREATE_INFO_EXT,
     TESSERA_REASON_external},
    {"ImportMetalBufferInfoEXT", VK_STRUCTURE_TYPE_IMPORT_METAL_BUFFER_INFO_EXT,
     TESSERA_REASON_external},
    {"ImportMemoryMetalHandleInfoEXT", 1000602000, TESSERA_REASON_external},
    {"ImportScreenBufferInfoQNX", 1000529002, TESSERA_REASON_external},
    {"ImportNativeBufferInfoOHOS", 1000452003, TESSERA_REASON_external},
    {"MemoryDedicatedAllocateInfoTensorARM", 1000460014, TESSERA_REASON_dedicated},
    // Vulkan SC only, so not known here; passed through as whatever is not known.
    {"ExportMemorySciBufInfoNV", 1000374001, TESSERA_REASON_unknown_pnext},
    {"ImportMemorySciBufInfoNV", 1000374000, TESSERA_REASON_unknown_pnext},
    // What may not extend VkMemoryAllocateInfo, and what nobody has defined yet.
    {"AnotherCommandsStructure", VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
     TESSERA_REASON_unknown_pnext},
    {"ATypeOfTheFuture", 1000999000, TESSERA_REASON_unknown_pnext},
};

class ClassifyPresence : public ClassifyTest, public testing::WithParamInterface<Presence> {};

TEST_P(ClassifyPresence, IsPassedThroughWhateverItHolds) {
    auto link = Make<VkBaseInStructure>(static_cast<VkStructureType>(GetParam().type));
    EXPECT_EQ(Decide(Chain({&link})).reason, GetParam().reason);
}

INSTANTIATE_TEST_SUITE_P(Structures, ClassifyPresence, testing::ValuesIn(kPresence),
                         [](const auto& row) { return std::string(row.param.name); });

// Chains.

TEST_F(ClassifyTest, TheOrderOfHarmlessStructuresDoesNotMatter) {
    gates_.memory_priority = true;
    auto flags = Make<VkMemoryAllocateFlagsInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    auto priority =
        Make<VkMemoryPriorityAllocateInfoEXT>(VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT);
    priority.priority = 1.0f;
    auto exported = Make<VkExportMemoryAllocateInfo>(VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO);
    std::vector<VkBaseInStructure*> links = {Link(flags), Link(priority), Link(exported)};
    std::sort(links.begin(), links.end());
    do {
        const Classification what = Decide(Chain(links));
        EXPECT_EQ(what.reason, TESSERA_REASON_none);
        EXPECT_EQ(what.key.allocate_flags, uint32_t{VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT});
        EXPECT_EQ(int{what.key.priority_quarters}, 4);
    } while (std::next_permutation(links.begin(), links.end()));
}

TEST_F(ClassifyTest, OneStructureThatForbidsPoolingIsFoundAnywhereInTheChain) {
    auto flags = Make<VkMemoryAllocateFlagsInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
    auto priority =
        Make<VkMemoryPriorityAllocateInfoEXT>(VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT);
    auto dedicated =
        Make<VkMemoryDedicatedAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
    dedicated.image = SomeHandle<VkImage>();
    std::vector<VkBaseInStructure*> links = {Link(flags), Link(priority), Link(dedicated)};
    std::sort(links.begin(), links.end());
    do {
        EXPECT_EQ(Decide(Chain(links)).reason, TESSERA_REASON_dedicated);
    } while (std::next_permutation(links.begin(), links.end()));
}

TEST_F(ClassifyTest, WithTwoReasonsTheAllocationIsPassedThroughInEitherOrder) {
    auto dedicated =
        Make<VkMemoryDedicatedAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
    dedicated.image = SomeHandle<VkImage>();
    auto exported = Make<VkExportMemoryAllocateInfo>(VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO);
    exported.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
    EXPECT_EQ(Decide(Chain({Link(dedicated), Link(exported)})).reason, TESSERA_REASON_dedicated);
    EXPECT_EQ(Decide(Chain({Link(exported), Link(dedicated)})).reason, TESSERA_REASON_external);
}

TEST_F(ClassifyTest, AnImportIsAnImportWhateverItsSizeAndType) {
    auto import = Make<VkImportMemoryFdInfoKHR>(VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR);
    import.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
    EXPECT_EQ(Decide(Chain({Link(import)}), 0, kLazy).reason, TESSERA_REASON_external);
    EXPECT_EQ(Decide(Chain({Link(import)}), ~uint64_t{0}, kTypes).reason, TESSERA_REASON_external);
}

}  // namespace
}  // namespace tessera
