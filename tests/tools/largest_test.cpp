// SPDX-License-Identifier: Apache-2.0
//
// What `tessera stat --detail` adds (tools/largest.h), on made-up processes.
#include "tools/largest.h"

#include <gtest/gtest.h>
#include <vulkan/vulkan.h>

namespace tessera::command {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

reader::Process ProcessWithAllocations(std::vector<uint64_t> sizes) {
    reader::Process process;
    process.copied_ns = 100 * kSecond;
    process.stacks = {{{0x1000}}};
    process.threads = {{42, "render\x1b"}};
    reader::Device device;
    device.id = 7;
    device.state = TESSERA_DEVICE_LIVE;
    device.detail.level = TESSERA_LEVEL_full;
    for (const uint64_t size : sizes) {
        reader::Allocation allocation;
        allocation.size_bytes = size;
        allocation.block = 0;
        allocation.made_ns = (90 + device.detail.allocations.size()) * kSecond;
        device.detail.allocations.push_back(allocation);
    }
    process.devices = {device};
    return process;
}

std::string Describe(const reader::Process& process, size_t limit) {
    Symbolizer symbolizer(process.modules);
    ResolveLargest(process, limit, symbolizer);
    return DescribeDetail(process, symbolizer, limit);
}

TEST(LargestAllocations, ComeByTheirSizeAndThenTheirAge) {
    const reader::Process process = ProcessWithAllocations({5, 9, 7, 9, 1});
    EXPECT_EQ(LargestAllocations(process.devices[0], 3), (std::vector<size_t>{1, 3, 2}));
    EXPECT_EQ(LargestAllocations(process.devices[0], 100).size(), 5u);
    EXPECT_TRUE(LargestAllocations(reader::Device(), 3).empty());
}

TEST(DescribeDetail, TellsOfAnAllocationAllThatIsKnown) {
    reader::Process process = ProcessWithAllocations({1 << 20, 64});
    reader::Allocation& allocation = process.devices[0].detail.allocations[0];
    allocation.name = "shadow";
    allocation.type = 3;
    allocation.block = 2;
    allocation.offset = 4096;
    allocation.thread = 0;
    allocation.stack = 0;
    reader::Resource buffer;
    buffer.object_type = VK_OBJECT_TYPE_BUFFER;
    buffer.allocation = 0;
    buffer.size_bytes = 1000;
    buffer.usage = VK_BUFFER_USAGE_VERTEX_BUFFER_BIT;
    buffer.name = "mesh";
    process.devices[0].detail.resources = {buffer};
    EXPECT_EQ(
        Describe(process, 1),
        "\ndevice 7  recorded: 2 allocations, 0 blocks, 1 resource\n"
        "  #1  1.0 MiB  'shadow'  memory type 3, block 2 at 4.0 KiB, 10.0 s old, by thread 42 "
        "'render\\x1b'\n"
        "      buffer 1000 B, VERTEX_BUFFER, 'mesh'\n"
        "      from 0x1000\n"
        "  and 1 smaller allocation\n"
        "\nIn the process: 1 call stack, 1 thread, 0 modules\n");
}

TEST(DescribeDetail, SaysThatTheLevelIsTooLow) {
    reader::Process process = ProcessWithAllocations({});
    process.devices[0].detail.level = TESSERA_LEVEL_totals;
    EXPECT_NE(Describe(process, 1).find("the level is 'totals'"), std::string::npos);
}

TEST(DetailJson, HasTheLargestAllocationsWithEveryKey) {
    reader::Process process = ProcessWithAllocations({64, 128});
    process.devices[0].detail.allocations[0].block = reader::kNone;
    process.devices[0].detail.allocations[0].reason = TESSERA_REASON_dedicated;
    Json entry = ProcessJson(process);
    AddDetailJson(entry, process, Symbolizer(process.modules), 9);
    const Json& largest = entry["devices"][0]["largest"];
    ASSERT_EQ(largest.size(), 2u);
    EXPECT_EQ(largest[0], Json::parse(R"({"size_bytes": 128, "name": null, "memory_type": 0,
        "block": 0, "offset": 0, "padding_bytes": 0, "passed_through": null,
        "age_ns": 9000000000, "thread": null, "resources": [], "stack": null})"));
    EXPECT_EQ(largest[1]["passed_through"], "dedicated");
    EXPECT_TRUE(largest[1]["block"].is_null());
    EXPECT_EQ(entry["devices"][0]["recorded"]["allocations"], 2);
    EXPECT_EQ(entry["recorded"]["call_stacks"], 1);
}

}  // namespace
}  // namespace tessera::command
