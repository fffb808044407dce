// SPDX-License-Identifier: Apache-2.0
//
// What is decided when a device is created, through the loader: each extension and feature that
// keeps memory out of the pool keeps out what it must and nothing else, and the channel says why.

#include <algorithm>
#include <string>
#include <vector>

#include "session.h"

namespace tessera::test {
namespace {

// Of the mock driver's `discrete`: in device memory, and what the host sees of it.
constexpr uint32_t kDeviceType = 1;
constexpr uint32_t kVisibleType = 2;

struct Outcome {
    tessera_reason device_why = TESSERA_REASON_none;
    tessera_reason memory_why = TESSERA_REASON_none;  // of the memory that was allocated
};

// What the channel says of one allocation: `none` if it is pooled.
tessera_reason ReasonOf(const Session& session, uint32_t type, const void* chain = nullptr) {
    const tessera_type_totals before = session.Totals(type);
    const VkDeviceMemory memory = session.Allocate(4096, type, chain);
    const tessera_type_totals after = session.Totals(type);
    // The driver has an object of this very handle exactly if nothing was pooled.
    bool is_drivers = false;
    std::vector<TesseraMockMemory> below(64);
    below.resize(session.mock->memories(session.device, below.data(), 64));
    for (const TesseraMockMemory& object : below)
        is_drivers |= object.memory == memory;
    session.Free(memory);
    tessera_reason found = TESSERA_REASON_none;
    for (int reason = 1; reason < TESSERA_REASON_COUNT; ++reason) {
        if (after.pass_through[reason].allocations != before.pass_through[reason].allocations) {
            found = static_cast<tessera_reason>(reason);
        }
    }
    EXPECT_EQ(is_drivers, found != TESSERA_REASON_none);
    return found;
}

tessera_reason WhyOf(const Session& session) {
    const reader::Process process = session.Channel();
    if (process.devices.empty()) return TESSERA_REASON_COUNT;
    const reader::Device& device = process.devices.back();
    EXPECT_EQ(device.pooled, device.why == TESSERA_REASON_none);
    return device.why;
}

Outcome With(const SessionOptions& options, const void* memory_chain = nullptr,
             uint32_t type = kDeviceType) {
    Session session(options);
    const Outcome outcome = {WhyOf(session), ReasonOf(session, type, memory_chain)};
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
    return outcome;
}

SessionOptions Enabling(const char* extension) {
    static std::string description;
    description = std::string(R"({"base": "discrete", "add_extensions": [")") + extension + "\"]}";
    SessionOptions options;
    options.description = description.c_str();
    options.device_extensions = {extension};
    return options;
}

TEST(DeviceGate, UnknownExtensionSwitchesOffIfItSpeaksOfMemoryOrUnderStrict) {
    Outcome outcome = With(Enabling("VK_XYZ_memory_lanes"));
    EXPECT_EQ(outcome.device_why, TESSERA_REASON_unknown_extension);
    EXPECT_EQ(outcome.memory_why, TESSERA_REASON_unknown_extension);

    SessionOptions silent = Enabling("VK_XYZ_faster_triangles");
    EXPECT_EQ(With(silent).memory_why, TESSERA_REASON_none);
    silent.environment = {"TESSERA_STRICT=on"};
    outcome = With(silent);
    EXPECT_EQ(outcome.device_why, TESSERA_REASON_unknown_extension);
    EXPECT_EQ(outcome.memory_why, TESSERA_REASON_unknown_extension);
}

TEST(DeviceGate, KnownExtensionsThatNameMemoryPoolEvenUnderStrict) {
    for (const char* name :
         {"VK_KHR_map_memory2", "VK_ARM_tensors", "VK_KHR_bind_memory2", "VK_EXT_memory_budget"}) {
        SessionOptions options = Enabling(name);
        options.environment = {"TESSERA_STRICT=on"};
        const Outcome outcome = With(options);
        EXPECT_EQ(outcome.device_why, TESSERA_REASON_none) << name;
        EXPECT_EQ(outcome.memory_why, TESSERA_REASON_none) << name;
    }
}

// An extension that is there and not enabled is nothing to the application, and so to the layer.
TEST(DeviceGate, UnknownExtensionThatIsNotEnabledChangesNothing) {
    SessionOptions options = Enabling("VK_XYZ_memory_lanes");
    options.device_extensions.clear();
    options.environment = {"TESSERA_STRICT=on"};
    EXPECT_EQ(With(options).device_why, TESSERA_REASON_none);
}

TEST(DeviceGate, CaptureReplayOfTheOldExtensionSwitchesOff) {
    VkPhysicalDeviceBufferDeviceAddressFeaturesEXT features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES_EXT;
    features.bufferDeviceAddress = VK_TRUE;
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_extensions":
        ["VK_EXT_buffer_device_address"], "add_features": ["bufferDeviceAddressCaptureReplay"]})";
    options.device_extensions = {"VK_EXT_buffer_device_address"};
    options.device_chain = &features;
    EXPECT_EQ(With(options).device_why, TESSERA_REASON_none);
    features.bufferDeviceAddressCaptureReplay = VK_TRUE;
    EXPECT_EQ(With(options).device_why, TESSERA_REASON_capture_replay);
}

// In the structure that Vulkan 1.2 gathers features in: what has no address is pooled still.
TEST(DeviceGate, CaptureReplayOfVulkan12KeepsOutWhatHasAnAddress) {
    VkPhysicalDeviceVulkan12Features features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
    features.bufferDeviceAddress = VK_TRUE;
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    SessionOptions options;
    options.description =
        R"({"base": "discrete", "add_features": ["bufferDeviceAddressCaptureReplay"]})";
    options.device_chain = &features;
    EXPECT_EQ(With(options, &flags).memory_why, TESSERA_REASON_none);
    features.bufferDeviceAddressCaptureReplay = VK_TRUE;
    const Outcome outcome = With(options, &flags);
    EXPECT_EQ(outcome.device_why, TESSERA_REASON_none);
    EXPECT_EQ(outcome.memory_why, TESSERA_REASON_capture_replay);
    EXPECT_EQ(With(options).memory_why, TESSERA_REASON_none);
}

// VK_EXT_map_memory_placed: sType 1000272000, three features.
struct PlacedFeatures {
    VkStructureType sType = static_cast<VkStructureType>(1000272000);
    void* pNext = nullptr;
    VkBool32 placed = VK_FALSE;
    VkBool32 range_placed = VK_FALSE;
    VkBool32 unmap_reserve = VK_FALSE;
};

TEST(DeviceGate, PlacedMapsKeepOutWhatTheHostSees) {
    PlacedFeatures features;
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_extensions": ["VK_EXT_map_memory_placed",
        "VK_KHR_map_memory2"], "add_features": ["memoryMapPlaced", "memoryUnmapReserve"]})";
    options.device_extensions = {"VK_EXT_map_memory_placed", "VK_KHR_map_memory2"};
    options.device_chain = &features;
    EXPECT_EQ(With(options, nullptr, kVisibleType).memory_why, TESSERA_REASON_none);
    features.placed = VK_TRUE;
    const Outcome outcome = With(options, nullptr, kVisibleType);
    EXPECT_EQ(outcome.device_why, TESSERA_REASON_none);
    EXPECT_EQ(outcome.memory_why, TESSERA_REASON_placed_map);
    EXPECT_EQ(With(options).memory_why, TESSERA_REASON_none);
    features.placed = VK_FALSE;
    features.unmap_reserve = VK_TRUE;
    EXPECT_EQ(With(options, nullptr, kVisibleType).memory_why, TESSERA_REASON_placed_map);
}

// The feature alone says of no memory that it must be zero: the flag does.
TEST(DeviceGate, ZeroInitialisationKeepsOutWhatAsksForIt) {
    struct {
        VkStructureType sType = static_cast<VkStructureType>(1000620000);
        void* pNext = nullptr;
        VkBool32 zero = VK_TRUE;
    } features;
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = 0x8;  // VK_MEMORY_ALLOCATE_ZERO_INITIALIZE_BIT_EXT
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_extensions":
        ["VK_EXT_zero_initialize_device_memory"], "add_features": ["zeroInitializeDeviceMemory"]})";
    options.device_extensions = {"VK_EXT_zero_initialize_device_memory"};
    options.device_chain = &features;
    const Outcome outcome = With(options, &flags);
    EXPECT_EQ(outcome.device_why, TESSERA_REASON_none);
    EXPECT_EQ(outcome.memory_why, TESSERA_REASON_zero_initialize);
    EXPECT_EQ(With(options).memory_why, TESSERA_REASON_none);
}

// The heap's own flag says which memory is meant: that of the other heap is pooled.
TEST(DeviceGate, TileMemoryKeepsOutItsOwnHeap) {
    SessionOptions options;
    options.description = R"({"base": "discrete",
        "heaps": [{"size": "4GiB", "flags": ["DEVICE_LOCAL"]},
                  {"size": "4GiB", "flags": ["DEVICE_LOCAL", "TILE_MEMORY"]}],
        "memory_types": [{"heap": 0, "flags": ["DEVICE_LOCAL", "HOST_VISIBLE", "HOST_COHERENT"]},
                         {"heap": 0, "flags": ["DEVICE_LOCAL"]},
                         {"heap": 1, "flags": ["DEVICE_LOCAL"]}],
        "optimal_image_types": []})";
    const Outcome outcome = With(options, nullptr, 2);
    EXPECT_EQ(outcome.device_why, TESSERA_REASON_none);
    EXPECT_EQ(outcome.memory_why, TESSERA_REASON_tile_memory);
    EXPECT_EQ(With(options, nullptr, 1).memory_why, TESSERA_REASON_none);
}

// The driver's objects of a device that has pooled, and kept, all that it could.
struct Objects {
    VkDeviceSize largest_bytes = 0;
    VkDeviceSize kept_bytes = 0;  // after everything was freed
};

Objects FillAndFree(const SessionOptions& options) {
    Session session(options);
    std::vector<VkDeviceMemory> slots(400);
    for (VkDeviceMemory& slot : slots)
        slot = session.Allocate(1 << 20, kDeviceType);
    Objects objects;
    std::vector<TesseraMockMemory> below(400);
    below.resize(session.mock->memories(session.device, below.data(), 400));
    for (const TesseraMockMemory& object : below)
        objects.largest_bytes = std::max(objects.largest_bytes, object.size_bytes);
    for (VkDeviceMemory slot : slots)
        session.Free(slot);
    below.resize(400);
    below.resize(session.mock->memories(session.device, below.data(), 400));
    for (const TesseraMockMemory& object : below)
        objects.kept_bytes += object.size_bytes;
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
    return objects;
}

// e22: a driver may have little address space for the memory types of descriptor buffers, and needs
// to have found room for other things as well.
TEST(Contract_e22, BlocksTakeASmallPartOfTheAddressSpaceOfDescriptorBuffers) {
    VkPhysicalDeviceDescriptorBufferFeaturesEXT features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DESCRIPTOR_BUFFER_FEATURES_EXT;
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_extensions": ["VK_EXT_descriptor_buffer"],
        "add_features": ["descriptorBuffer"],
        "limits": {"descriptorBufferAddressSpaceSize": "64MiB"}})";
    options.device_extensions = {"VK_EXT_descriptor_buffer"};
    options.device_chain = &features;
    options.environment = {"TESSERA_HELPER=off"};  // which gives back a little later
    const Objects without = FillAndFree(options);
    EXPECT_GT(without.largest_bytes, 8u << 20);
    EXPECT_GT(without.kept_bytes, 8u << 20);
    features.descriptorBuffer = VK_TRUE;
    const Objects with = FillAndFree(options);
    EXPECT_EQ(with.largest_bytes, 8u << 20);
    EXPECT_LE(with.kept_bytes, 8u << 20);
}

// The addresses of buffers at the starts of three small allocations, or'ed.
VkDeviceAddress AddressesOfSlots(const SessionOptions& options) {
    Session session(options);
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    VkDeviceAddress all = 0;
    for (int i = 0; i < 3; ++i) {
        const VkBuffer buffer = session.MakeBuffer(64, VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT);
        const VkDeviceMemory memory = session.Allocate(64, kDeviceType, &flags);
        EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_SUCCESS);
        VkBufferDeviceAddressInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO;
        info.buffer = buffer;
        all |= vkGetBufferDeviceAddress(session.device, &info);
        vkDestroyBuffer(session.device, buffer, nullptr);
        // The memory stays, so that the next slot lies beside it.
    }
    return all;
}

// e11: the addresses that descriptor heaps are given are aligned to up to 64 KiB; without them what
// reads by address needs 256 bytes at most, which a driver's own allocations have.
TEST(Contract_e11, SlotsWithAnAddressAreAlignedForDescriptorHeaps) {
    // VK_EXT_descriptor_heap: sType 1000135009, the first of two features.
    struct {
        VkStructureType sType = static_cast<VkStructureType>(1000135009);
        void* pNext = nullptr;
        VkBool32 heap = VK_FALSE;
        VkBool32 capture_replay = VK_FALSE;
    } heaps;
    VkPhysicalDeviceBufferDeviceAddressFeatures features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES;
    features.bufferDeviceAddress = VK_TRUE;
    features.pNext = &heaps;
    SessionOptions options = Enabling("VK_EXT_descriptor_heap");
    options.device_chain = &features;
    const VkDeviceAddress without = AddressesOfSlots(options);
    EXPECT_EQ(without % 256, 0u);
    EXPECT_NE(without % (64 << 10), 0u) << "the three would be aligned by themselves";
    heaps.heap = VK_TRUE;
    EXPECT_EQ(AddressesOfSlots(options) % (64 << 10), 0u);
}

// A count of zero means the device itself (spec: VkDeviceGroupDeviceCreateInfo). Two devices:
// contract_objects_test.cpp.
TEST(DeviceGate, GroupThatNamesNoDevicePools) {
    VkDeviceGroupDeviceCreateInfo group = {};
    group.sType = VK_STRUCTURE_TYPE_DEVICE_GROUP_DEVICE_CREATE_INFO;
    SessionOptions options;
    options.device_chain = &group;
    EXPECT_EQ(With(options).device_why, TESSERA_REASON_none);
}

}  // namespace
}  // namespace tessera::test
