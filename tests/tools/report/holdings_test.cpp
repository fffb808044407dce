// SPDX-License-Identifier: Apache-2.0
//
// Holdings and words: what lies where, and who holds it.
#include "tools/report/holdings.h"

#include <gtest/gtest.h>
#include <vulkan/vulkan_core.h>

#include <string>
#include <vector>

#include "tests/tools/report/scenes.h"
#include "tools/report/words.h"

namespace tessera::command::report {
namespace {

using test::AddAllocation;
using test::EmptyScene;
using test::LargeScene;

reader::Device& DeviceOf(test::MadeSource& source) {
    return source.process().devices[0];
}

void AddBlock(reader::Device& device, uint64_t bytes) {
    reader::Block block;
    block.bytes = bytes;
    device.detail.blocks.push_back(block);
}

TEST(Holdings, PutEachAllocationInItsPlace) {
    const auto source = EmptyScene();
    reader::Device& device = DeviceOf(*source);
    AddBlock(device, 1 << 20);
    AddAllocation(device, 0, 524'288, 65'536).name = "second";
    AddAllocation(device, 0, 0, 131'072).name = "first";
    const Holdings holdings = HoldingsOf(source->process());
    ASSERT_EQ(holdings.blocks.size(), 1u);
    const BlockMap& block = holdings.blocks[0];
    ASSERT_EQ(block.rectangles.size(), 2u);
    EXPECT_EQ(block.rectangles[0].name, "first");
    EXPECT_EQ(block.rectangles[1].offset, 524'288u);
    EXPECT_EQ(block.rectangles[1].age_ns, 20'000'000'000u);
    EXPECT_EQ(block.used_bytes, 196'608u);
    EXPECT_EQ(block.largest_free_bytes, (1u << 20) - 589'824u);
    EXPECT_EQ(holdings.merged, 0u);
}

TEST(Holdings, ShowWhatPassedThroughWithoutABlock) {
    const auto source = EmptyScene();
    AddAllocation(DeviceOf(*source), reader::kNone, 0, 100);
    AddAllocation(DeviceOf(*source), reader::kNone, 0, 900);
    const Holdings holdings = HoldingsOf(source->process());
    ASSERT_EQ(holdings.blocks.size(), 1u);
    EXPECT_EQ(holdings.blocks[0].number, reader::kNone);
    EXPECT_EQ(holdings.blocks[0].bytes, 1'000u);
    EXPECT_EQ(holdings.blocks[0].rectangles[0].used_bytes, 900u);
}

TEST(Holdings, AreNotKnownAtLevelTotals) {
    const auto source = EmptyScene();
    DeviceOf(*source).detail.level = TESSERA_LEVEL_totals;
    EXPECT_FALSE(HoldingsOf(source->process()).known);
}

// However many there are, the map is bounded, and no byte of it is lost.
TEST(Holdings, MergeWhatIsTooSmallToBeSeen) {
    const auto source = LargeScene(100'000, 0);
    const Holdings holdings = HoldingsOf(source->process());
    size_t rectangles = 0;
    uint64_t count = 0;
    uint64_t bytes = 0;
    for (const BlockMap& block : holdings.blocks) {
        rectangles += block.rectangles.size();
        uint64_t end = 0;
        for (const Rectangle& rectangle : block.rectangles) {
            EXPECT_GE(rectangle.offset, end);
            end = rectangle.offset + rectangle.bytes;
            EXPECT_LE(end, block.bytes);
            count += rectangle.count;
            bytes += rectangle.used_bytes;
        }
    }
    EXPECT_LE(rectangles, kMaxRectangles + 2 * holdings.blocks.size());
    EXPECT_EQ(count, 100'000u);
    uint64_t live_bytes = 0;
    for (const reader::MemoryType& type : DeviceOf(*source).memory_types)
        live_bytes += type.totals.app.live_bytes;
    EXPECT_EQ(bytes, live_bytes);
    EXPECT_GT(holdings.merged, 0u);
    EXPECT_LE(holdings.holders.size(), kMaxHolders);
    EXPECT_EQ(holdings.holders_left_out, 500u);
}

// Numbers of a hostile segment: places beyond the block, sizes that wrap.
TEST(Holdings, SurviveForgedNumbers) {
    const auto source = EmptyScene();
    reader::Device& device = DeviceOf(*source);
    AddBlock(device, 0);
    AddAllocation(device, 0, UINT64_MAX, UINT64_MAX).padding_bytes = UINT64_MAX;
    AddAllocation(device, 0, 5, 0).stack = 77;
    device.detail.allocations[0].type = 4'000;
    device.detail.allocations[0].block = 4'000;
    reader::Resource resource;
    resource.allocation = 99;
    device.detail.resources.push_back(resource);
    const Holdings holdings = HoldingsOf(source->process());
    EXPECT_EQ(holdings.blocks.size(), 2u);
}

TEST(Holdings, GroupByStackElseByNameElseByUseAndSize) {
    const auto source = EmptyScene();
    reader::Device& device = DeviceOf(*source);
    AddBlock(device, 1 << 20);
    for (uint32_t i = 0; i < 3; ++i)
        AddAllocation(device, 0, i * 4'096, 100 + i).stack = 5;
    for (uint32_t i = 3; i < 5; ++i)
        AddAllocation(device, 0, i * 4'096, 1'000).name = "named";
    for (uint32_t i = 5; i < 9; ++i)
        AddAllocation(device, 0, i * 4'096, 2'000 + i % 2);
    const Holdings holdings = HoldingsOf(source->process());
    ASSERT_EQ(holdings.holders.size(), 4u);
    EXPECT_EQ(holdings.holders[0].bytes, 4'002u);  // most bytes first
    EXPECT_EQ(holdings.holders[2].name, "named");
    EXPECT_EQ(holdings.holders[2].size_bytes, 1'000u);
    EXPECT_EQ(holdings.holders[3].stack, 5u);
    EXPECT_EQ(holdings.holders[3].size_bytes, 0u);  // they differ
    EXPECT_EQ(holdings.leaked, 0u);
}

TEST(Holdings, CallLeaksWhatOutlivesItsDeviceOrProcess) {
    for (const bool process_ended : {false, true}) {
        const auto source = EmptyScene();
        AddAllocation(DeviceOf(*source), reader::kNone, 0, 64);
        if (process_ended) {
            source->process().state = reader::ProcessState::kEnded;
        } else {
            DeviceOf(*source).state = TESSERA_DEVICE_DESTROYED;
        }
        const Holdings holdings = HoldingsOf(source->process());
        EXPECT_EQ(holdings.leaked, 1u);
        EXPECT_EQ(holdings.leaked_bytes, 64u);
        EXPECT_TRUE(holdings.holders.at(0).leaked);
    }
}

TEST(Holdings, ShowEmptyBlocksAsTheTotalsDoAlsoOfAProcessThatEnded) {
    const auto source = EmptyScene();
    AddBlock(DeviceOf(*source), 1 << 20);
    AddBlock(DeviceOf(*source), 1 << 20);
    AddAllocation(DeviceOf(*source), 1, 0, 64);
    EXPECT_EQ(HoldingsOf(source->process()).blocks.size(), 2u);
    source->process().state = reader::ProcessState::kEnded;
    EXPECT_EQ(HoldingsOf(source->process()).blocks.size(), 2u);
}

TEST(Holdings, OfSeveralMemoryTypesAreOfNone) {
    const auto source = EmptyScene();
    for (uint32_t i = 0; i < 4; ++i) {
        AddAllocation(DeviceOf(*source), reader::kNone, 0, 64 + i);
        DeviceOf(*source).detail.allocations[i].stack = i / 2;
        DeviceOf(*source).detail.allocations[i].type = i == 0 ? 2 : 1;
    }
    const Holdings holdings = HoldingsOf(source->process());
    ASSERT_EQ(holdings.holders.size(), 2u);
    EXPECT_EQ(holdings.holders[0].type, 1u);
    EXPECT_EQ(holdings.holders[1].type, reader::kNone);
}

TEST(Words, TellUsesFromFlags) {
    const auto use_of = [](uint32_t object_type, uint64_t usage) {
        reader::Resource resource;
        resource.object_type = object_type;
        resource.usage = usage;
        return UseOf(resource);
    };
    EXPECT_EQ(use_of(VK_OBJECT_TYPE_BUFFER, VK_BUFFER_USAGE_VERTEX_BUFFER_BIT), Use::kGeometry);
    EXPECT_EQ(use_of(VK_OBJECT_TYPE_BUFFER, VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT), Use::kUniform);
    EXPECT_EQ(use_of(VK_OBJECT_TYPE_BUFFER, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT), Use::kStorage);
    EXPECT_EQ(use_of(VK_OBJECT_TYPE_BUFFER, VK_BUFFER_USAGE_TRANSFER_SRC_BIT), Use::kStaging);
    EXPECT_EQ(use_of(VK_OBJECT_TYPE_BUFFER, 0), Use::kOther);
    EXPECT_EQ(use_of(VK_OBJECT_TYPE_IMAGE, VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT), Use::kTarget);
    EXPECT_EQ(use_of(VK_OBJECT_TYPE_IMAGE, VK_IMAGE_USAGE_SAMPLED_BIT), Use::kTexture);
    EXPECT_EQ(use_of(77, 1), Use::kOther);
}

TEST(Words, NameFramesByModule) {
    reader::Process process;
    process.modules = {
        {.start = 0x1000, .end = 0x2000, .bias = 0x1000, .build_id = {}, .path = "/a/lib\x1b.so"}};
    const FrameTexts frames = ModuleFrames(process);
    const reader::CallStack stack = {.addresses = {0x1234, 0x2000, 0x10}};
    EXPECT_EQ(frames(stack), (std::vector<std::string>{"lib\\x1b.so+0x234", "0x2000", "0x10"}));
}

TEST(Words, TakeTheFirstFrameOfTheApplicationAsTheCaller) {
    EXPECT_EQ(
        Caller({"libVkLayer_tessera.so+0x1", "libvulkan.so.1+0x2", "game+0x3", "libc.so+0x4"}),
        "game+0x3");
    EXPECT_EQ(Caller({}), "");
}

TEST(Words, FindWhereStacksBeginToDiffer) {
    EXPECT_EQ(CommonDepth({}), 0u);
    EXPECT_EQ(CommonDepth({{.addresses = {1, 2, 3}}}), 0u);
    EXPECT_EQ(CommonDepth({{.addresses = {1, 2, 3}}, {.addresses = {1, 2, 4}}}), 2u);
    EXPECT_EQ(CommonDepth({{.addresses = {1, 2, 3}}, {}, {.addresses = {1, 2}}}), 1u);
    EXPECT_EQ(CommonDepth({{.addresses = {1, 2}}, {.addresses = {5, 2}}}), 0u);
}

}  // namespace
}  // namespace tessera::command::report
