// SPDX-License-Identifier: Apache-2.0
//
// Allocations that something in their chain keeps out of the pool, on a driver that knows all of
// it: the driver gets what the application said, and the application the driver's own handle. And
// devices that report every memory to the application, where nothing is pooled at all.
// Rules: section 6 of the contract.

#include <cstdlib>

#include "layer/vk/late_vulkan.h"
#include "session.h"
#include "src/late_vulkan.h"

namespace tessera::test {
namespace {

constexpr VkDeviceSize kSize = 65536;
constexpr uint32_t kDeviceType = 1;
constexpr uint32_t kHostType = 2;

// A device with everything that the cases need.
class Everything {
 public:
    Everything() {
        features12_.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
        features12_.bufferDeviceAddress = VK_TRUE;
        features12_.bufferDeviceAddressCaptureReplay = VK_TRUE;
        zero_.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ZERO_INITIALIZE_DEVICE_MEMORY_FEATURES_EXT;
        zero_.zeroInitializeDeviceMemory = VK_TRUE;
        zero_.pNext = &features12_;
        options.description = R"({"base": "discrete",
            "add_features": ["bufferDeviceAddressCaptureReplay", "zeroInitializeDeviceMemory"],
            "add_extensions": ["VK_KHR_external_memory_fd", "VK_EXT_external_memory_host",
                               "VK_EXT_zero_initialize_device_memory"]})";
        options.device_extensions = {"VK_KHR_external_memory_fd", "VK_EXT_external_memory_host",
                                     "VK_EXT_zero_initialize_device_memory"};
        options.device_chain = &zero_;
    }
    SessionOptions options;

 private:
    VkPhysicalDeviceVulkan12Features features12_ = {};
    VkPhysicalDeviceZeroInitializeDeviceMemoryFeaturesEXT zero_ = {};
};

// A structure for the chain, and what has to exist for it.
class Chain {
 public:
    Chain() = default;
    Chain(const Chain&) = delete;
    Chain& operator=(const Chain&) = delete;
    ~Chain() {
        if (exported_ != VK_NULL_HANDLE) session_->Free(exported_);
        std::free(pages_);
    }

    const void* Export(Session&) {
        export_.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO;
        export_.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
        return &export_;
    }
    const void* ImportFile(Session& session) {
        session_ = &session;
        exported_ = session.Allocate(kSize, kDeviceType, Export(session));
        VkMemoryGetFdInfoKHR get = {};
        get.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR;
        get.memory = exported_;
        get.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
        EXPECT_EQ(session.Command<PFN_vkGetMemoryFdKHR>("vkGetMemoryFdKHR")(session.device, &get,
                                                                            &import_file_.fd),
                  VK_SUCCESS);
        import_file_.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR;
        import_file_.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
        return &import_file_;
    }
    const void* ImportHostPointer(Session&) {
        pages_ = std::aligned_alloc(kSize, kSize);
        import_host_.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT;
        import_host_.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
        import_host_.pHostPointer = pages_;
        return &import_host_;
    }
    const void* Flags(VkMemoryAllocateFlags flags, uint32_t mask = 0) {
        flags_.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
        flags_.flags = flags;
        flags_.deviceMask = mask;
        return &flags_;
    }
    const void* CaptureReplay(Session&) {
        return Flags(VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_CAPTURE_REPLAY_BIT);
    }
    const void* ZeroInitialize(Session&) { return Flags(late::kMemoryAllocateZeroInitializeBit); }
    const void* UnknownFlag(Session&) { return Flags(0x40000000); }
    const void* DeviceMask(Session&) { return Flags(VK_MEMORY_ALLOCATE_DEVICE_MASK_BIT, 2); }

 private:
    Session* session_ = nullptr;
    VkDeviceMemory exported_ = VK_NULL_HANDLE;
    void* pages_ = nullptr;
    VkExportMemoryAllocateInfo export_ = {};
    VkImportMemoryFdInfoKHR import_file_ = {};
    VkImportMemoryHostPointerInfoEXT import_host_ = {};
    VkMemoryAllocateFlagsInfo flags_ = {};
};

struct ChainCase {
    const char* name;
    const void* (Chain::*make)(Session&);
    uint32_t type;
    tessera_reason reason;
    bool valid;  // on this device
};

class PassedChain : public testing::TestWithParam<ChainCase> {};

TEST_P(PassedChain, ReachesTheDriver) {
    const ChainCase& test = GetParam();
    const Everything everything;
    Session session(everything.options);
    {
        Chain chain;
        const void* link = (chain.*test.make)(session);
        session.mock->reset_call_counts();
        const VkDeviceMemory memory = session.Allocate(kSize, test.type, link);
        EXPECT_EQ(session.mock->call_count("vkAllocateMemory"), 1u);
        TesseraMockMemory below[4] = {};
        const uint32_t count = session.mock->memories(session.device, below, 4);
        const TesseraMockMemory* found = nullptr;
        for (uint32_t i = 0; i < count; ++i) {
            if (below[i].memory == memory) found = &below[i];
        }
        ASSERT_NE(found, nullptr) << "the driver's handle is the application's";
        EXPECT_EQ(found->size_bytes, kSize);
        EXPECT_EQ(found->type_index, test.type);
        ASSERT_EQ(found->chain_count, 1u);
        EXPECT_EQ(found->chain[0], static_cast<const VkBaseInStructure*>(link)->sType);
        EXPECT_GE(session.Totals(test.type).pass_through[test.reason].live, 1u);
        EXPECT_EQ(session.Totals(test.type).pooled.allocations, 0u);
        session.Free(memory);
    }
    session.Close();
    if (test.valid) {
        EXPECT_EQ(session.mock.Violations(), "");
    }
}

INSTANTIATE_TEST_SUITE_P(
    Chains, PassedChain,
    testing::Values(
        ChainCase{"Export", &Chain::Export, kDeviceType, TESSERA_REASON_external, true},
        ChainCase{"ImportFile", &Chain::ImportFile, kDeviceType, TESSERA_REASON_external, true},
        ChainCase{"ImportHostPointer", &Chain::ImportHostPointer, kHostType,
                  TESSERA_REASON_external, true},
        ChainCase{"CaptureReplayFlag", &Chain::CaptureReplay, kDeviceType,
                  TESSERA_REASON_capture_replay, true},
        ChainCase{"ZeroInitialize", &Chain::ZeroInitialize, kDeviceType,
                  TESSERA_REASON_zero_initialize, true},
        // What a device without a group, or of today, has no use for is the driver's to judge.
        ChainCase{"UnknownFlag", &Chain::UnknownFlag, kDeviceType, TESSERA_REASON_unknown_flags,
                  false},
        ChainCase{"DeviceMask", &Chain::DeviceMask, kDeviceType, TESSERA_REASON_device_group,
                  false}),
    [](const auto& test) { return test.param.name; });

void ExpectNothingPooled(Session& session, tessera_reason reason) {
    const VkDeviceMemory memory = session.Allocate(4096, kDeviceType);
    TesseraMockMemory below = {};
    ASSERT_EQ(session.mock->memories(session.device, &below, 1), 1u);
    EXPECT_EQ(below.memory, memory);
    EXPECT_EQ(session.Totals(kDeviceType).pass_through[reason].live, 1u);
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

struct Reported {
    uint32_t events = 0;
    uint64_t handle = 0;
    uint64_t size = 0;
};

void VKAPI_CALL Report(const VkDeviceMemoryReportCallbackDataEXT* data, void* user) {
    auto& reported = *static_cast<Reported*>(user);
    if (data->type != VK_DEVICE_MEMORY_REPORT_EVENT_TYPE_ALLOCATE_EXT) return;
    ++reported.events;
    reported.handle = data->objectHandle;
    reported.size = data->size;
}

// CTS memory.device_memory_report: the application hears of its own handles.
TEST(ReportingDevice, MemoryIsReportedUnderItsOwnHandle) {
    Reported reported;
    VkDeviceDeviceMemoryReportCreateInfoEXT report = {};
    report.sType = VK_STRUCTURE_TYPE_DEVICE_DEVICE_MEMORY_REPORT_CREATE_INFO_EXT;
    report.pfnUserCallback = Report;
    report.pUserData = &reported;
    VkPhysicalDeviceDeviceMemoryReportFeaturesEXT features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DEVICE_MEMORY_REPORT_FEATURES_EXT;
    features.deviceMemoryReport = VK_TRUE;
    features.pNext = &report;
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_features": ["deviceMemoryReport"],
                              "add_extensions": ["VK_EXT_device_memory_report"]})";
    options.device_extensions = {"VK_EXT_device_memory_report"};
    options.device_chain = &features;
    Session session(options);
    reported = {};
    const VkDeviceMemory memory = session.Allocate(1000, kDeviceType);
    EXPECT_EQ(reported.events, 1u);
    EXPECT_EQ(reported.handle, (uint64_t)memory);
    EXPECT_GE(reported.size, 1000u);
    session.Free(memory);
    ExpectNothingPooled(session, TESSERA_REASON_memory_report);
}

TEST(ReportingDevice, BindingOfAddressesIsReportedByTheDriver) {
    VkPhysicalDeviceAddressBindingReportFeaturesEXT features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ADDRESS_BINDING_REPORT_FEATURES_EXT;
    features.reportAddressBinding = VK_TRUE;
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_features": ["reportAddressBinding"],
                              "add_extensions": ["VK_EXT_device_address_binding_report"]})";
    options.instance_extensions = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
    options.device_extensions = {"VK_EXT_device_address_binding_report"};
    options.device_chain = &features;
    Session session(options);
    ExpectNothingPooled(session, TESSERA_REASON_address_binding);
}

}  // namespace
}  // namespace tessera::test
