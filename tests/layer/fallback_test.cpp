// SPDX-License-Identifier: Apache-2.0
//
// When the driver refuses: a smaller block, what is idle given back, the application's exact
// request, and only then the driver's own error.

#include "session.h"

namespace tessera::test {
namespace {

TEST(Fallback, RefusedBlockIsFollowedByASmallerOne) {
    Session session;
    session.mock->fail_call("vkAllocateMemory", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY, 0);
    const VkDeviceMemory memory = session.Allocate(4096, 1);
    const tessera_type_totals totals = session.Totals(1);
    EXPECT_EQ(totals.pooled.live, 1u);
    EXPECT_EQ(totals.driver.failed, 1u);
    EXPECT_EQ(totals.app.failed, 0u);
    EXPECT_LT(totals.pooled.block_bytes, uint64_t{1} << 20);
    session.Free(memory);
}

TEST(Fallback, WithoutAnyBlockTheExactRequestGoesThrough) {
    // A heap of 1 MiB less than the smallest block would leave: blocks fail, 4,096 bytes do not.
    SessionOptions options;
    Session session(options);
    // Blocks are at least 64 KiB, so three refusals (256, 128, 64 KiB) end them.
    for (uint64_t nth = 1; nth <= 3; ++nth) {
        session.mock->fail_call("vkAllocateMemory", nth, VK_ERROR_OUT_OF_DEVICE_MEMORY, 0);
    }
    const VkDeviceMemory memory = session.Allocate(4096, 1);
    const tessera_type_totals totals = session.Totals(1);
    EXPECT_EQ(totals.pass_through[TESSERA_REASON_no_block].live, 1u);
    EXPECT_EQ(totals.app.failed, 0u);
    TesseraMockMemory below = {};
    ASSERT_EQ(session.mock->memories(session.device, &below, 1), 1u);
    EXPECT_EQ(below.memory, memory);
    EXPECT_EQ(below.size_bytes, 4096u);
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

TEST(Fallback, TheDriversErrorIsTheApplications) {
    for (VkResult error : {VK_ERROR_OUT_OF_DEVICE_MEMORY, VK_ERROR_OUT_OF_HOST_MEMORY}) {
        Session session;
        session.mock->fail_call("vkAllocateMemory", 1, error, /*sticky=*/1);
        VkDeviceMemory memory = VK_NULL_HANDLE;
        EXPECT_EQ(session.TryAllocate(4096, 1, &memory), error);
        EXPECT_EQ(session.Totals(1).app.failed, 1u);
        EXPECT_EQ(session.Totals(1).app.live, 0u);
        EXPECT_EQ(session.Totals(1).driver.failed, session.mock->call_count("vkAllocateMemory"))
            << "the driver's view counts each of its refusals";
        session.mock->clear_faults();
        session.Free(session.Allocate(4096, 1));
        session.Close();
        EXPECT_EQ(session.mock.Violations(), "");
    }
}

// A driver that can only be asked about a resource by making it.
SessionOptions WithoutMaintenance4() {
    SessionOptions options;
    options.api_version = VK_API_VERSION_1_0;
    options.description = R"({"base": "discrete", "api_version": "1.0.100"})";
    return options;
}

TEST(Fallback, AResourceThatTheDriverRefusesToMakeIsNotAskedAbout) {
    Session session(WithoutMaintenance4());
    session.mock->fail_call("vkCreateImage", 1, VK_ERROR_FORMAT_NOT_SUPPORTED, /*sticky=*/1);
    session.Free(session.Allocate(4096, 1));
    EXPECT_EQ(session.Totals(1).pooled.allocations, 1u);
    const uint64_t asked = session.mock->call_count("vkCreateImage");
    for (int i = 0; i < 10; ++i)
        session.Free(session.Allocate(4096, 1));
    EXPECT_EQ(session.Totals(1).pooled.allocations, 11u);
    EXPECT_EQ(session.mock->call_count("vkCreateImage"), asked) << "it was asked once";
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

TEST(Fallback, ADriverWithoutMemoryIsAskedAgainMoreAndMoreRarely) {
    for (VkResult error : {VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_OUT_OF_DEVICE_MEMORY}) {
        Session session(WithoutMaintenance4());
        session.mock->fail_call("vkCreateImage", 1, error, /*sticky=*/1);
        session.mock->reset_call_counts();
        for (int i = 0; i < 100; ++i)
            session.Free(session.Allocate(4096, 1));
        EXPECT_EQ(session.Totals(1).pass_through[TESSERA_REASON_no_block].allocations, 100u);
        // At allocations 1, 2, 4, 8, 16, 32, 64.
        EXPECT_EQ(session.mock->call_count("vkCreateImage"), 7u);
        session.mock->clear_faults();
        for (int i = 0; i < 64; ++i)
            session.Free(session.Allocate(4096, 1));
        EXPECT_GE(session.Totals(1).pooled.allocations, 1u);
        session.Close();
        EXPECT_EQ(session.mock.Violations(), "");
    }
}

// A block that cannot be mapped serves nobody; the allocation is the application's to map.
TEST(Fallback, RefusedMapOfABlockGoesThrough) {
    Session session;
    const uint32_t type = 2;  // host-visible
    session.mock->fail_call("vkMapMemory", 1, VK_ERROR_MEMORY_MAP_FAILED, 0);
    const VkDeviceMemory memory = session.Allocate(4096, type);
    EXPECT_EQ(session.Totals(type).pass_through[TESSERA_REASON_no_block].live, 1u);
    EXPECT_NE(session.Map(memory), nullptr);
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e13: what idles in one type is given back before an allocation of another type in the same heap
// fails.
TEST(Fallback, IdleBlocksAreGivenBackBeforeAnErrorIsTold) {
    SessionOptions options;
    options.description = "preset:tiny";
    options.environment = {"TESSERA_IDLE_BYTES=64MiB", "TESSERA_RECYCLE=off"};
    Session session(options);
    // Fill most of the 16 MiB heap with pooled slots, free them all, and ask for 15 MiB.
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 28; ++i)
        memories.push_back(session.Allocate(512 << 10, 0));
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    EXPECT_GT(session.DriverLive(0), 0u) << "something must idle for this test to mean anything";
    const VkDeviceMemory large = session.Allocate(15 << 20, 0);
    session.Free(large);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e5: blocks and what goes through count alike; the limit is never passed, and what idles goes
// first.
TEST(Fallback, TheLimitOfObjectsIsRespected) {
    SessionOptions options;
    options.description = "preset:tiny";
    options.environment = {"TESSERA_MAX_BLOCK_BYTES=128KiB", "TESSERA_RECYCLE=off"};
    Session session(options);
    // Blocks of 128 KiB serve up to 64 KiB; what is larger goes through and takes an object each.
    std::vector<VkDeviceMemory> memories;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    for (int i = 0; i < 60; ++i) {
        if (session.TryAllocate(100 << 10, 0, &memory) == VK_SUCCESS) memories.push_back(memory);
    }
    for (int i = 0; i < 200; ++i) {
        if (session.TryAllocate(60 << 10, 0, &memory) == VK_SUCCESS) memories.push_back(memory);
    }
    EXPECT_EQ(session.mock.Violations(), "");
    for (VkDeviceMemory live : memories)
        session.Free(live);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
