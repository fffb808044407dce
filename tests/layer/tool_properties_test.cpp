// SPDX-License-Identifier: Apache-2.0
//
// vkGetPhysicalDeviceToolProperties: the layer is one tool more, whatever array the application
// brings.

#include <cstring>

#include "session.h"

namespace tessera::test {
namespace {

constexpr uint32_t kBelow = 2;  // tools that the mock driver names
constexpr uint32_t kAll = kBelow + 1;

using Query = PFN_vkGetPhysicalDeviceToolProperties;

Query InstanceCommand(const Session& session, const char* name) {
    return reinterpret_cast<Query>(vkGetInstanceProcAddr(session.instance, name));
}

std::vector<VkPhysicalDeviceToolProperties> MakeArray(size_t count) {
    VkPhysicalDeviceToolProperties empty = {};
    empty.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TOOL_PROPERTIES;
    return std::vector<VkPhysicalDeviceToolProperties>(count, empty);
}

void ExpectOurs(const VkPhysicalDeviceToolProperties& tool) {
    EXPECT_STREQ(tool.name, "Tessera");
    EXPECT_STREQ(tool.version, TESSERA_TEST_VERSION);
    EXPECT_STREQ(tool.layer, "VK_LAYER_TESSERA_suballocator");
    EXPECT_NE(std::strlen(tool.description), 0u);
    EXPECT_EQ(tool.purposes,
              static_cast<VkToolPurposeFlags>(VK_TOOL_PURPOSE_MODIFYING_FEATURES_BIT |
                                              VK_TOOL_PURPOSE_ADDITIONAL_FEATURES_BIT));
}

TEST(ToolProperties, CountIsThatOfTheDriverAndOneMore) {
    Session session;
    const auto query = InstanceCommand(session, "vkGetPhysicalDeviceToolProperties");
    ASSERT_NE(query, nullptr);
    uint32_t count = 99;
    EXPECT_EQ(query(session.physical_device, &count, nullptr), VK_SUCCESS);
    EXPECT_EQ(count, kAll);
}

// Every size of array from none to one too many: what is written, what is not, and what is said.
TEST(ToolProperties, EveryArraySizeGetsAsMuchAsItHolds) {
    Session session;
    const auto query = InstanceCommand(session, "vkGetPhysicalDeviceToolProperties");
    for (uint32_t size = 0; size <= kAll + 1; ++size) {
        auto tools = MakeArray(kAll + 2);
        uint32_t count = size;
        const VkResult result = query(session.physical_device, &count, tools.data());
        EXPECT_EQ(result, size < kAll ? VK_INCOMPLETE : VK_SUCCESS) << size;
        ASSERT_EQ(count, std::min(size, kAll)) << size;
        const char* const names[] = {"Mock tracer", "Mock profiler", "Tessera"};
        for (uint32_t i = 0; i < tools.size(); ++i) {
            EXPECT_STREQ(tools[i].name, i < count ? names[i] : "") << size << ": " << i;
            EXPECT_EQ(tools[i].sType, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TOOL_PROPERTIES);
        }
        if (count == kAll) {
            ExpectOurs(tools[kBelow]);
            EXPECT_EQ(tools[1].purposes,
                      static_cast<VkToolPurposeFlags>(VK_TOOL_PURPOSE_PROFILING_BIT));
        }
    }
}

TEST(ToolProperties, TheExtensionsNameAnswersTheSame) {
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_extensions": ["VK_EXT_tooling_info"]})";
    options.device_extensions = {"VK_EXT_tooling_info"};
    Session session(options);
    const auto query = InstanceCommand(session, "vkGetPhysicalDeviceToolPropertiesEXT");
    ASSERT_NE(query, nullptr);
    auto tools = MakeArray(kAll);
    uint32_t count = kAll;
    EXPECT_EQ(query(session.physical_device, &count, tools.data()), VK_SUCCESS);
    ASSERT_EQ(count, kAll);
    ExpectOurs(tools[kBelow]);
}

// What the application chained to its array stays where it was.
TEST(ToolProperties, ChainsStayTheApplications) {
    Session session;
    const auto query = InstanceCommand(session, "vkGetPhysicalDeviceToolProperties");
    auto tools = MakeArray(kAll);
    VkBaseOutStructure chained[kAll] = {};
    for (uint32_t i = 0; i < kAll; ++i)
        tools[i].pNext = &chained[i];
    uint32_t count = kAll;
    EXPECT_EQ(query(session.physical_device, &count, tools.data()), VK_SUCCESS);
    for (uint32_t i = 0; i < kAll; ++i)
        EXPECT_EQ(tools[i].pNext, &chained[i]);
}

TEST(ToolProperties, AnErrorOfTheDriverIsTold) {
    Session session;
    const auto query = InstanceCommand(session, "vkGetPhysicalDeviceToolProperties");
    for (uint64_t nth : {1, 2}) {
        session.mock->fail_call("vkGetPhysicalDeviceToolProperties", nth,
                                VK_ERROR_OUT_OF_HOST_MEMORY, 0);
        auto tools = MakeArray(kAll);
        uint32_t count = kAll;
        EXPECT_EQ(query(session.physical_device, &count, tools.data()),
                  VK_ERROR_OUT_OF_HOST_MEMORY);
        session.mock->clear_faults();
    }
}

}  // namespace
}  // namespace tessera::test
