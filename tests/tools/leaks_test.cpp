// SPDX-License-Identifier: Apache-2.0
//
// What is left of a process (tools/leaks.h), on made-up processes.
#include "tools/leaks.h"

#include <gtest/gtest.h>
#include <vulkan/vulkan.h>

#include "tools/vulkan_names.h"

namespace tessera::command {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kStart = 100 * kSecond;

reader::Allocation Allocation(uint64_t memory, uint64_t size_bytes, uint64_t made_ns,
                              const std::string& name = {}, uint32_t stack = reader::kNone) {
    reader::Allocation allocation;
    allocation.memory = memory;
    allocation.size_bytes = size_bytes;
    allocation.made_ns = made_ns;
    allocation.block = 0;
    allocation.type = 1;
    allocation.stack = stack;
    allocation.name = name;
    return allocation;
}

reader::Resource Image(uint32_t allocation, const std::string& name) {
    reader::Resource image;
    image.object = 0x100 + allocation;
    image.object_type = VK_OBJECT_TYPE_IMAGE;
    image.allocation = allocation;
    image.usage = VK_IMAGE_USAGE_TRANSFER_DST_BIT | VK_IMAGE_USAGE_SAMPLED_BIT;
    image.format = VK_FORMAT_R8G8B8A8_UNORM;
    image.width = 1024;
    image.height = 512;
    image.depth_or_layers = 1;
    image.levels = 11;
    image.name = name;
    return image;
}

// Three images of a megabyte of one place, a large buffer of another, and a small thing.
reader::Process ProcessWithDetail(tessera_device_state state, reader::ProcessState process_state) {
    reader::Process process;
    process.pid = 4242;
    process.name = "game";
    process.state = process_state;
    process.monotonic_created_ns = kStart;
    process.copied_ns = kStart + 60 * kSecond;
    process.stacks = {{{0x1000, 0x2000}}, {{0x3000}}};
    reader::Device device;
    device.id = 1;
    device.name = "GPU one";
    device.state = state;
    device.memory_types.resize(2);
    device.memory_types[1].flags = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    device.memory_types[1].totals.app.live = 5;
    device.memory_types[1].totals.app.live_bytes = (3 << 20) + (4 << 20) + 100;
    reader::Detail& detail = device.detail;
    detail.level = TESSERA_LEVEL_full;
    detail.allocations = {Allocation(1, 1 << 20, kStart + 5 * kSecond, "shadow", 0),
                          Allocation(2, 100, kStart + kSecond),
                          Allocation(3, 1 << 20, kStart + 2 * kSecond, "shadow", 0),
                          Allocation(4, 4 << 20, 0, "", 1),
                          Allocation(5, 1 << 20, kStart + 9 * kSecond, "shadow", 0)};
    detail.allocations[3].block = reader::kNone;
    detail.resources = {Image(4, "map c"), Image(0, "map a"), Image(2, "map b")};
    process.devices = {device};
    return process;
}

std::string Describe(const reader::Process& process, size_t limit = 20) {
    const std::vector<DeviceLeaks> leaks = FindLeaks(process, true);
    return DescribeLeaks(process, leaks, SymbolizeLeaks(process, leaks, limit, {}), limit);
}

TEST(FindLeaks, GroupsByTypeSizeNameAndStackAndPutsTheMostBytesFirst) {
    const reader::Process process =
        ProcessWithDetail(TESSERA_DEVICE_DESTROYED, reader::ProcessState::kLive);
    const std::vector<DeviceLeaks> leaks = FindLeaks(process, false);
    ASSERT_EQ(leaks.size(), 1u);
    EXPECT_EQ(leaks[0].moment, LeakMoment::kDestroyed);
    EXPECT_EQ(leaks[0].count, 5u);
    EXPECT_EQ(leaks[0].in_groups, 5u);
    ASSERT_EQ(leaks[0].groups.size(), 3u);
    EXPECT_EQ(leaks[0].groups[0].bytes, 4u << 20);
    EXPECT_EQ(leaks[0].groups[0].passed_through, 1u);
    EXPECT_EQ(leaks[0].groups[0].oldest_ns, 0u);
    const LeakGroup& shadows = leaks[0].groups[1];
    EXPECT_EQ(shadows.count, 3u);
    EXPECT_EQ(shadows.bytes, 3u << 20);
    EXPECT_EQ(shadows.oldest_ns, kStart + 2 * kSecond);
    ASSERT_EQ(shadows.resources.size(), 1u);
    EXPECT_EQ(shadows.resources[0].count, 3u);
    EXPECT_EQ(shadows.resources[0].names, (std::vector<std::string>{"map a", "map b", "map c"}));
    EXPECT_EQ(leaks[0].groups[2].size_bytes, 100u);
    EXPECT_TRUE(AnythingLeaked(leaks));
}

TEST(FindLeaks, OfTwoThatDifferInOneThingOnlyMakesTwoGroups) {
    const auto groups = [](const reader::Allocation& other) {
        reader::Process process =
            ProcessWithDetail(TESSERA_DEVICE_DESTROYED, reader::ProcessState::kLive);
        process.devices[0].detail.allocations = {Allocation(1, 64, kStart, "a", 0), other};
        return FindLeaks(process, false).at(0).groups.size();
    };
    EXPECT_EQ(groups(Allocation(2, 64, kStart + 1, "a", 0)), 1u);
    EXPECT_EQ(groups(Allocation(2, 65, kStart, "a", 0)), 2u);
    EXPECT_EQ(groups(Allocation(2, 64, kStart, "b", 0)), 2u);
    EXPECT_EQ(groups(Allocation(2, 64, kStart, "a", 1)), 2u);
    reader::Allocation of_other_type = Allocation(2, 64, kStart, "a", 0);
    of_other_type.type = 0;
    EXPECT_EQ(groups(of_other_type), 2u);
}

TEST(FindLeaks, TellsWhatMayStillBeFreedFromWhatIsLost) {
    const auto moment = [](tessera_device_state device, reader::ProcessState process) {
        return FindLeaks(ProcessWithDetail(device, process), true).at(0).moment;
    };
    using enum reader::ProcessState;
    EXPECT_EQ(moment(TESSERA_DEVICE_LIVE, kLive), LeakMoment::kNow);
    EXPECT_EQ(moment(TESSERA_DEVICE_LIVE, kClosed), LeakMoment::kEnd);
    EXPECT_EQ(moment(TESSERA_DEVICE_LIVE, kEnded), LeakMoment::kEnd);
    EXPECT_EQ(moment(TESSERA_DEVICE_DESTROYED, kEnded), LeakMoment::kDestroyed);
    const reader::Process process = ProcessWithDetail(TESSERA_DEVICE_LIVE, kLive);
    EXPECT_TRUE(FindLeaks(process, false).empty());
    EXPECT_FALSE(AnythingLeaked(FindLeaks(process, true)));
}

TEST(FindLeaks, NothingIsLeftWhereEverythingWasFreed) {
    reader::Process process =
        ProcessWithDetail(TESSERA_DEVICE_DESTROYED, reader::ProcessState::kEnded);
    process.devices[0].detail = {};
    process.devices[0].memory_types[1].totals.app = {};
    EXPECT_TRUE(FindLeaks(process, true).empty());
    EXPECT_EQ(Describe(process), "game (pid 4242): nothing is left.\n");
}

TEST(DescribeLeaks, TellsEachGroupWithWhatIsBoundAndWhereItCameFrom) {
    const std::string text =
        Describe(ProcessWithDetail(TESSERA_DEVICE_DESTROYED, reader::ProcessState::kEnded));
    EXPECT_EQ(
        text,
        "game (pid 4242): 5 allocations, 7.0 MiB left\n"
        "device 1  GPU one  leaked at vkDestroyDevice: 5 allocations, 7.0 MiB\n"
        "  #1  4.0 MiB  memory type 1 (DEVICE_LOCAL), passed through\n"
        "      from 0x3000\n"
        "  #2  3.0 MiB in 3 of 1.0 MiB  'shadow'  memory type 1 (DEVICE_LOCAL), the oldest made "
        "2.0 s after the start\n"
        "      bound: 3 of image 1024x512, 11 levels, R8G8B8A8_UNORM, TRANSFER_DST SAMPLED, "
        "'map a', 'map b', 'map c'\n"
        "      from 0x1000\n"
        "        by 0x2000\n"
        "  #3  100 B  memory type 1 (DEVICE_LOCAL), made 1.0 s after the start\n");
}

TEST(DescribeLeaks, TellsAgesWhileTheProcessRuns) {
    const std::string text =
        Describe(ProcessWithDetail(TESSERA_DEVICE_LIVE, reader::ProcessState::kLive));
    for (const char* const part :
         {"7.0 MiB in use\n", "allocated now: ", "the oldest 58.0 s old\n", ", 59.0 s old\n"})
        EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
}

TEST(DescribeLeaks, TellsACallStackOnceAndNotAllOfALongOne) {
    reader::Process process =
        ProcessWithDetail(TESSERA_DEVICE_DESTROYED, reader::ProcessState::kEnded);
    process.devices[0].detail.allocations[1].stack = 1;
    process.stacks[1].addresses.assign(11, 0x3000);
    const std::string text = Describe(process);
    EXPECT_NE(text.find("      from 0x3000\n        by 0x3000\n"), std::string::npos) << text;
    EXPECT_NE(text.find("        and 3 callers more\n"), std::string::npos) << text;
    EXPECT_NE(text.find("      from where #1 is from\n"), std::string::npos) << text;
}

TEST(DescribeLeaks, SumsUpWhatIsBeyondTheLimit) {
    const std::string text =
        Describe(ProcessWithDetail(TESSERA_DEVICE_DESTROYED, reader::ProcessState::kEnded), 1);
    EXPECT_EQ(text.find("shadow"), std::string::npos) << text;
    EXPECT_NE(text.find("  and 2 smaller groups: 4 allocations, 3.0 MiB\n"), std::string::npos)
        << text;
}

TEST(DescribeLeaks, OfTotalsAloneTellsHowManyOfWhichType) {
    reader::Process process = ProcessWithDetail(TESSERA_DEVICE_LIVE, reader::ProcessState::kEnded);
    process.devices[0].detail = {};
    EXPECT_EQ(Describe(process),
              "game (pid 4242): 5 allocations, 7.0 MiB left\n"
              "device 1  GPU one  still allocated at the end: 5 allocations, 7.0 MiB\n"
              "  7.0 MiB in 5 allocations  memory type 1 (DEVICE_LOCAL)\n"
              "  Which they are is not known at the level 'totals'. `tessera run --level full` "
              "changes that.\n");
    process = ProcessWithDetail(TESSERA_DEVICE_LIVE, reader::ProcessState::kLive);
    process.devices[0].detail = {};
    EXPECT_NE(Describe(process).find("`tessera level 4242 full` changes that.\n"),
              std::string::npos)
        << Describe(process);
}

TEST(DescribeLeaks, WithoutAnyCallStackTellsHowToKeepThem) {
    reader::Process process = ProcessWithDetail(TESSERA_DEVICE_LIVE, reader::ProcessState::kEnded);
    EXPECT_EQ(Describe(process).find("No call stacks"), std::string::npos);
    for (reader::Allocation& allocation : process.devices[0].detail.allocations)
        allocation.stack = reader::kNone;
    EXPECT_TRUE(Describe(process).ends_with(
        "\n  No call stacks were kept. `tessera run --level full --stacks all` changes that.\n"))
        << Describe(process);
    process.state = reader::ProcessState::kLive;
    EXPECT_NE(Describe(process).find("`tessera level 4242 full --stacks all` changes that."),
              std::string::npos)
        << Describe(process);
}

TEST(DescribeLeaks, TellsWhatTheTablesHadNoRoomFor) {
    reader::Process process = ProcessWithDetail(TESSERA_DEVICE_LIVE, reader::ProcessState::kEnded);
    process.devices[0].memory_types[1].totals.app.live = 1005;
    const std::string text = Describe(process);
    EXPECT_NE(text.find("1,000 allocations more, for which the tables had no room"),
              std::string::npos)
        << text;
}

TEST(DescribeLeaks, KnowsOfDevicesThatLostTheirRecordHowManyThereWere) {
    reader::Process process;
    process.name = "game";
    process.devices.resize(1);
    process.devices[0].state = TESSERA_DEVICE_RETIRED;
    process.devices[0].retired_devices = 3;
    process.devices[0].misuse[TESSERA_MISUSE_leaked] = 7;
    EXPECT_NE(Describe(process).find(
                  "devices destroyed earlier  leaked at vkDestroyDevice: 7 allocations\n"),
              std::string::npos)
        << Describe(process);
}

TEST(DescribeLeaks, SaysOfHowManyDevicesNothingIsKnown) {
    reader::Process process;
    process.name = "game";
    process.pid = 4242;
    process.state = reader::ProcessState::kEnded;
    EXPECT_FALSE(MayHaveLeaked(process, FindLeaks(process, true)));
    process.dropped_devices = 1;
    EXPECT_TRUE(MayHaveLeaked(process, FindLeaks(process, true)));
    EXPECT_EQ(Describe(process),
              "game (pid 4242): nothing is left on the devices that were counted\n"
              "not known: what was left on 1 device, for which the statistics had no room\n");
    process = ProcessWithDetail(TESSERA_DEVICE_DESTROYED, reader::ProcessState::kEnded);
    process.dropped_devices = 2;
    EXPECT_TRUE(Describe(process).ends_with(
        "\nnot known: what was left on 2 devices, for which the statistics had no room\n"))
        << Describe(process);
}

TEST(DescribeLeaks, CannotBeForgedByNames) {
    reader::Process process =
        ProcessWithDetail(TESSERA_DEVICE_DESTROYED, reader::ProcessState::kEnded);
    process.name = "game\x1b[2J";
    process.devices[0].name = "GPU\none";
    process.devices[0].detail.allocations[0].name = "a\nb\x9b";
    process.devices[0].detail.resources[1].name = "\xe2\x80\xaeright to left";
    const std::string text = Describe(process);
    EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
    EXPECT_EQ(text.find("GPU\n"), std::string::npos) << text;
    EXPECT_EQ(text.find("a\nb"), std::string::npos) << text;
    EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos) << text;
}

TEST(LeaksJson, HasEveryGroupAndItsFrames) {
    const reader::Process process =
        ProcessWithDetail(TESSERA_DEVICE_DESTROYED, reader::ProcessState::kEnded);
    const std::vector<DeviceLeaks> leaks = FindLeaks(process, true);
    const Json json = LeaksJson(process, leaks, SymbolizeLeaks(process, leaks, 20, {}));
    ASSERT_EQ(json.size(), 1u);
    EXPECT_EQ(json[0]["moment"], "device_destroyed");
    EXPECT_EQ(json[0]["count"], 5);
    EXPECT_EQ(json[0]["memory_types"], Json::parse(R"([{"memory_type": 1, "count": 5,
                                                        "bytes": 7340132}])"));
    ASSERT_EQ(json[0]["groups"].size(), 3u);
    EXPECT_TRUE(json[0]["groups"][0]["name"].is_null());
    EXPECT_TRUE(json[0]["groups"][0]["oldest_age_ns"].is_null());
    const Json& shadows = json[0]["groups"][1];
    EXPECT_EQ(shadows["name"], "shadow");
    EXPECT_EQ(shadows["oldest_after_start_ns"], 2 * kSecond);
    EXPECT_EQ(shadows["oldest_age_ns"], 58 * kSecond);
    EXPECT_EQ(shadows["resources"][0]["usage"], Json::parse(R"(["TRANSFER_DST", "SAMPLED"])"));
    EXPECT_EQ(shadows["resources"][0]["names"].size(), 3u);
    ASSERT_EQ(shadows["stack"].size(), 2u);
    EXPECT_EQ(shadows["stack"][1]["address"], 0x2000);
    EXPECT_TRUE(shadows["stack"][1]["function"].is_null());
    EXPECT_TRUE(json[0]["groups"][2]["stack"].is_null());
}

TEST(VulkanNames, NameWhatIsKnownAndNumberTheRest) {
    EXPECT_EQ(ObjectTypeName(VK_OBJECT_TYPE_BUFFER), "buffer");
    EXPECT_EQ(ObjectTypeName(VK_OBJECT_TYPE_ACCELERATION_STRUCTURE_NV),
              "acceleration structure nv");
    EXPECT_EQ(ObjectTypeName(123456), "object type 123456");
    EXPECT_EQ(FormatName(VK_FORMAT_UNDEFINED), "");
    EXPECT_EQ(FormatName(VK_FORMAT_BC7_SRGB_BLOCK), "BC7_SRGB_BLOCK");
    EXPECT_EQ(FormatName(987654), "format 987654");
    using Names = std::vector<std::string>;
    EXPECT_EQ(UsageNames(VK_OBJECT_TYPE_BUFFER, VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT |
                                                    VK_BUFFER_USAGE_INDEX_BUFFER_BIT),
              (Names{"INDEX_BUFFER", "SHADER_DEVICE_ADDRESS"}));
    EXPECT_EQ(UsageNames(VK_OBJECT_TYPE_IMAGE, uint64_t{1} << 31 | uint64_t{1} << 40),
              (Names{"0x80000000", "0x10000000000"}));
    EXPECT_EQ(UsageNames(VK_OBJECT_TYPE_DEVICE_MEMORY, 1), Names{});
}

}  // namespace
}  // namespace tessera::command
