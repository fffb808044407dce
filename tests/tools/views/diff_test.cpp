// SPDX-License-Identifier: Apache-2.0
//
// `tessera diff`: what changed between two made-up states.
#include <gtest/gtest.h>

#include "tools/diff/model.h"
#include "tools/diff/text.h"
#include "views/made_up.h"

namespace tessera::command {
namespace {

// The made-up process later: "vertices" is gone, two allocations of 200 came, one of 300 passed
// through stayed.
reader::Process Later() {
    reader::Process process = MadeUpProcess();
    process.copied_ns += 5'000'000'000;
    reader::Detail& detail = process.devices[0].detail;
    reader::Allocation added = detail.allocations[1];
    detail.allocations.erase(detail.allocations.begin());
    detail.resources.clear();
    for (uint64_t i = 0; i < 2; ++i) {
        added.memory = 0xf0 + i;
        added.made_ns = process.copied_ns;
        detail.allocations.push_back(added);
    }
    tessera_totals& app = process.devices[0].memory_types[0].totals.app;
    app.live += 1;
    app.live_bytes += 300;
    app.allocations += 2;
    app.frees += 1;
    return process;
}

const GroupChange* Find(const DeviceDiff& diff, uint64_t size, uint32_t type) {
    for (const GroupChange& group : diff.groups)
        if (group.size_bytes == size && group.type == type) return &group;
    return nullptr;
}

TEST(Diff, TellsTotalsAndGroupsOfOneProcess) {
    const reader::Process before = MadeUpProcess();
    const reader::Process after = Later();
    const Diff diff = DiffOf(before, after, GroupBy::kAll);
    EXPECT_TRUE(diff.same_process);
    EXPECT_EQ(diff.elapsed_ns, 5'000'000'000);
    ASSERT_EQ(diff.devices.size(), 1u);
    const DeviceDiff& device = diff.devices[0];
    ASSERT_EQ(device.types.size(), 2u);
    EXPECT_EQ(device.types[0].app.DeltaCount(), 1);
    EXPECT_EQ(device.types[0].app.DeltaBytes(), 300);
    EXPECT_EQ(device.types[0].driver.DeltaBytes(), 0);
    EXPECT_EQ(device.types[0].frees_after - device.types[0].frees_before, 1u);
    ASSERT_EQ(device.heaps.size(), 2u);
    EXPECT_EQ(device.heaps[1].app.after.bytes, 5500u);

    ASSERT_EQ(device.groups.size(), 2u);
    EXPECT_EQ(device.groups[0].size_bytes, 200u) << "the biggest change first";
    const GroupChange* const grown = Find(device, 200, 0);
    ASSERT_NE(grown, nullptr);
    EXPECT_STREQ(grown->What(), "grew");
    EXPECT_EQ(grown->change.before, (Amount{1, 200}));
    EXPECT_EQ(grown->change.after, (Amount{3, 600}));
    const GroupChange* const gone = Find(device, 100, 0);
    ASSERT_NE(gone, nullptr);
    EXPECT_STREQ(gone->What(), "went");
    EXPECT_EQ(gone->name, "vertices");
    EXPECT_EQ(gone->stack->front(), "libengine.so+0x10") << "the call itself, not its return";
    EXPECT_EQ(device.unchanged_groups, 4u);
    EXPECT_EQ(device.kept, (Amount{5, 6100}));
    EXPECT_EQ(device.came, (Amount{2, 400}));
    EXPECT_EQ(device.went, (Amount{1, 100}));
}

TEST(Diff, TellsThatTheSecondStateIsTheEarlierOne) {
    const reader::Process before = MadeUpProcess();
    const reader::Process after = Later();
    const Diff diff = DiffOf(after, before, GroupBy::kAll);
    EXPECT_EQ(diff.elapsed_ns, -5'000'000'000);
    EXPECT_NE(DiffText(after, before, diff).find("5.0 s earlier"), std::string::npos);
}

TEST(Diff, TellsWhatItCannotCompare) {
    const reader::Process before = MadeUpProcess();
    reader::Process after = Later();
    const auto text = [&] { return DiffText(before, after, DiffOf(before, after, GroupBy::kAll)); };
    const std::string whole = text();
    EXPECT_EQ(whole.find("Not compared"), std::string::npos) << whole;
    after.devices[0].detail.unrecorded[TESSERA_KIND_SLOTS] = 3;
    EXPECT_NE(text().find("Not compared: after, 3 records"), std::string::npos) << text();
}

TEST(Diff, FindsNothingBetweenAStateAndItself) {
    const reader::Process process = MadeUpProcess();
    const Diff diff = DiffOf(process, process, GroupBy::kAll);
    EXPECT_TRUE(diff.devices[0].groups.empty());
    EXPECT_EQ(diff.devices[0].kept, (Amount{6, 6200}));
    EXPECT_EQ(diff.devices[0].came, Amount{});
    EXPECT_NE(DiffText(process, process, diff).find("look the same"), std::string::npos);
}

TEST(Diff, TellsAHandleThatWasGivenOutAgainFromOneThatStayed) {
    const reader::Process before = MadeUpProcess();
    reader::Process after = MadeUpProcess();
    after.devices[0].detail.allocations[0].made_ns += 1'000'000'000;
    after.devices[0].detail.allocations[1].made_ns += 5'000'000;  // the clock is coarse
    after.devices[0].detail.allocations[2].made_ns = 0;           // recording began anew
    const Diff diff = DiffOf(before, after, GroupBy::kAll);
    EXPECT_EQ(diff.devices[0].came, (Amount{1, 100}));
    EXPECT_EQ(diff.devices[0].went, (Amount{1, 100}));
}

TEST(Diff, GroupsByOneThingAlone) {
    const reader::Process before = MadeUpProcess();
    const reader::Process after = Later();
    const Diff by_type = DiffOf(before, after, GroupBy::kType);
    ASSERT_EQ(by_type.devices[0].groups.size(), 1u);
    EXPECT_EQ(by_type.devices[0].groups[0].type, 0u);
    EXPECT_FALSE(by_type.devices[0].groups[0].size_bytes.has_value());
    EXPECT_EQ(by_type.devices[0].groups[0].change.DeltaBytes(), 300);
    const Diff by_name = DiffOf(before, after, GroupBy::kName);
    ASSERT_EQ(by_name.devices[0].groups.size(), 2u);
    EXPECT_EQ(by_name.devices[0].groups[0].name, "");
    EXPECT_EQ(by_name.devices[0].groups[1].name, "vertices");
    const Diff by_stack = DiffOf(before, after, GroupBy::kStack);
    EXPECT_EQ(by_stack.devices[0].groups[1].stack->size(), 2u);
    const Diff by_size = DiffOf(before, after, GroupBy::kSize);
    EXPECT_EQ(by_size.devices[0].groups[0].size_bytes, 200u);
    EXPECT_EQ(by_size.devices[0].groups[0].change.before.count, 2u) << "of both memory types";
}

TEST(Diff, MatchesDevicesOfTwoProcessesByNameAndCallsByModule) {
    const reader::Process before = MadeUpProcess();
    reader::Process after = MadeUpProcess();
    after.pid = 4343;
    after.devices[0].id = 9;
    reader::Device second = after.devices[0];
    second.id = 10;
    second.name = "Other GPU";
    after.devices.push_back(second);
    // Loaded elsewhere.
    after.modules[0].start += 0x70000;
    after.modules[0].end += 0x70000;
    after.modules[0].bias += 0x70000;
    after.stacks[0].addresses[0] += 0x70000;
    const Diff diff = DiffOf(before, after, GroupBy::kStack);
    EXPECT_FALSE(diff.same_process);
    ASSERT_EQ(diff.devices.size(), 2u);
    EXPECT_EQ(diff.devices[0].before, &before.devices[0]);
    EXPECT_TRUE(diff.devices[0].groups.empty());
    EXPECT_FALSE(diff.devices[0].kept.has_value());
    EXPECT_EQ(diff.devices[1].before, nullptr);
    EXPECT_STREQ(diff.devices[1].groups[0].What(), "came");
    const Diff back = DiffOf(after, before, GroupBy::kAll);
    EXPECT_EQ(back.devices[1].after, nullptr);
    EXPECT_STREQ(back.devices[1].groups[0].What(), "went");
}

TEST(Diff, ComparesTotalsWhereSingleAllocationsAreNotKnown) {
    const reader::Process before = MadeUpProcess();
    reader::Process after = Later();
    after.devices[0].detail = {};
    const Diff diff = DiffOf(before, after, GroupBy::kAll);
    EXPECT_FALSE(diff.devices[0].detailed);
    EXPECT_TRUE(diff.devices[0].groups.empty());
    EXPECT_EQ(diff.devices[0].types[0].app.DeltaBytes(), 300);
    EXPECT_NE(DiffText(before, after, diff).find("not known on both sides"), std::string::npos);
}

TEST(DiffText, TellsEachChangeOnALine) {
    const reader::Process before = MadeUpProcess();
    const reader::Process after = Later();
    const std::string text = DiffText(before, after, DiffOf(before, after, GroupBy::kAll));
    EXPECT_NE(text.find("game (pid 4242, live), 5.0 s later"), std::string::npos) << text;
    EXPECT_NE(text.find("+300 B"), std::string::npos) << text;
    EXPECT_NE(text.find("-100 B"), std::string::npos) << text;
    EXPECT_NE(text.find("vertices  from libengine.so+0x10"), std::string::npos) << text;
    EXPECT_NE(text.find("kept 5 allocations (6.0 KiB), new 2 allocations (400 B), gone 1 "
                        "allocation (100 B)"),
              std::string::npos)
        << text;
}

TEST(DiffText, SaysHowManyGroupsItLeavesOut) {
    const reader::Process before = MadeUpProcess();
    reader::Process after = MadeUpProcess();
    for (uint64_t i = 0; i < kMaxGroups + 3; ++i) {
        reader::Allocation added;
        added.memory = 0x1000 + i;
        added.size_bytes = 10'000 + i;
        after.devices[0].detail.allocations.push_back(added);
    }
    const Diff diff = DiffOf(before, after, GroupBy::kAll);
    EXPECT_NE(DiffText(before, after, diff).find("and 3 further groups"), std::string::npos);
    EXPECT_EQ(DiffJson(before, after, diff)["devices"][0]["groups"].size(), kMaxGroups + 3);
}

TEST(DiffText, LetsNoNameDriveTheTerminal) {
    const reader::Process before = MadeUpProcess();
    reader::Process after = Later();
    after.name = kHostile;
    after.modules[0].path = kHostile;
    after.devices[0].name = kHostile;
    for (reader::Allocation& allocation : after.devices[0].detail.allocations) {
        allocation.name = kHostile;
        allocation.stack = 0;
    }
    const Diff diff = DiffOf(before, after, GroupBy::kAll);
    const std::string text = DiffText(before, after, diff);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_NE(text.find("\\x1b[2J"), std::string::npos);
    const Json json = Json::parse(Dump(DiffJson(before, after, diff), Layout::kLine));
    EXPECT_TRUE(json["after"]["process"].get<std::string>().starts_with("=cmd()\x1b"));
}

TEST(DiffJson, HasEveryKeyOfTheSchema) {
    const reader::Process before = MadeUpProcess();
    const reader::Process after = Later();
    const Json json = DiffJson(before, after, DiffOf(before, after, GroupBy::kAll));
    EXPECT_EQ(json["schema"], 1);
    EXPECT_EQ(json["same_process"], true);
    EXPECT_EQ(json["elapsed_ns"], 5'000'000'000);
    const Json& device = json["devices"][0];
    EXPECT_EQ(device["memory_types"][0]["app"]["delta"]["bytes"], 300);
    EXPECT_EQ(device["memory_types"][0]["allocations"], Json::array({5, 7}));
    EXPECT_EQ(device["groups"][0]["what"], "grew");
    EXPECT_EQ(device["groups"][0]["after"]["count"], 3);
    EXPECT_EQ(device["kept"]["count"], 5);
}

}  // namespace
}  // namespace tessera::command
