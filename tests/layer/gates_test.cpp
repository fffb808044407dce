// SPDX-License-Identifier: Apache-2.0
//
// What is decided when a device is created, through the loader: each extension and feature that
// keeps memory out of the pool keeps out what it must and nothing else, and the channel says why.

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
