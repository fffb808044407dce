// SPDX-License-Identifier: Apache-2.0
//
// How processes live and end: with the layer as without it, and what the statistics say of them
// while they run and afterwards.
#include <signal.h>

#include <filesystem>

#include "system_fixture.h"

namespace tessera::test {
namespace {

class Ends : public SystemTest {
 protected:
    // Runs lifecycle_app in a mode, bare and with the layer, and compares the two.
    // `devices`: how many the mode makes. Returns: what the statistics say of the second.
    Json Compare(const Command& mode, size_t devices = 1) {
        Command command = {TESSERA_LIFECYCLE_APP};
        command.insert(command.end(), mode.begin(), mode.end());
        const Outcome without = RunProgram(command, bare());
        const Ended with = RunToEnd(command, Layered());
        ExpectSame(with.outcome, without);
        ExpectPooling(with.outcome, devices);
        outcome_ = with.outcome;
        return Stat(with.pid);
    }

    // Expects that the process kept what one client holds.
    static void ExpectLeftAlive(const Json& process) {
        EXPECT_EQ(process["state"], "ended");
        EXPECT_EQ(Sum(process, "app", "allocations"), kClientAllocations);
        EXPECT_EQ(Sum(process, "app", "live"), kClientAllocations);
        EXPECT_GT(Sum(process, "app", "live_bytes"), 0u);
    }

    static void ExpectClosed(const Json& process, uint64_t allocations) {
        EXPECT_EQ(process["state"], "closed");
        EXPECT_EQ(Sum(process, "app", "allocations"), allocations);
        EXPECT_EQ(Sum(process, "app", "frees"), allocations);
        EXPECT_EQ(Sum(process, "app", "live"), 0u);
        EXPECT_EQ(Sum(process, "app", "live_bytes"), 0u);
        EXPECT_EQ(Sum(process, "driver", "live"), 0u);
        EXPECT_EQ(PlacementFailures(process), 0u);
    }

    // The entries of `tessera ps` whose parent is the process, but not the process.
    Json ChildrenOf(const Json& parent) const {
        Json children = Json::array();
        for (const Json& process : Processes()) {
            if (process["parent_pid"] == parent["pid"]) children.push_back(process);
        }
        return children;
    }

    Outcome outcome_;
};

TEST_F(Ends, AProcessThatDestroysEverythingIsClosedWithNothingAlive) {
    ExpectClosed(Compare({"clean"}), kClientAllocations);
    EXPECT_EQ(outcome_.code, 0);
}

TEST_F(Ends, AProcessThatExitsWithEverythingAliveHasItCounted) {
    ExpectLeftAlive(Compare({"exit"}));
    EXPECT_EQ(outcome_.code, 0);
}

TEST_F(Ends, AKilledProcessHasItsLastNumbersRead) {
    ExpectLeftAlive(Compare({"kill"}));
    EXPECT_EQ(outcome_.signal, SIGKILL);
}

TEST_F(Ends, ACrashedProcessHasItsLastNumbersRead) {
    ExpectLeftAlive(Compare({"crash"}));
    EXPECT_EQ(outcome_.signal, SIGSEGV);
}

TEST_F(Ends, AForkedChildThatOnlyEndsLeavesTheParentsNumbersExact) {
    // Those before the fork and as many after it.
    ExpectClosed(Compare({"fork"}), 2 * kClientAllocations);
    EXPECT_EQ(FilesIn(SegmentFolder()).size(), 1u);
}

TEST_F(Ends, AForkedChildThatUsesVulkanHasASegmentOfItsOwn) {
    // The parent works on while the child runs, and once more afterwards.
    const Json parent = Compare({"fork-use"}, 2);
    ExpectClosed(parent, 3 * kClientAllocations);
    const Json children = ChildrenOf(parent);
    ASSERT_EQ(children.size(), 1u);
    ExpectClosed(children[0], kClientAllocations);
    EXPECT_EQ(FilesIn(SegmentFolder()).size(), 2u);
}

TEST_F(Ends, ChildrenForkedWhileAnotherThreadAllocatesAllCountForThemselves) {
    const Json parent = Compare({"fork-many"}, 5);
    const uint64_t allocations = Sum(parent, "app", "allocations");
    EXPECT_GE(allocations, 2 * kClientAllocations);
    ExpectClosed(parent, allocations);
    const Json children = ChildrenOf(parent);
    ASSERT_EQ(children.size(), 4u);
    for (const Json& child : children)
        ExpectClosed(child, kClientAllocations);
}

TEST_F(Ends, AHundredReloadsLeaveNothingBehindInTheProcess) {
    // The C library otherwise changes its mind once about which freed memory it keeps: a step of a
    // megabyte within a few iterations, after which nothing grows.
    ProgramOptions options = Layered();
    ProgramOptions without = bare();
    for (ProgramOptions* either : {&options, &without})
        either->environment["MALLOC_MMAP_THRESHOLD_"] = "131072";
    const Command command = {TESSERA_LIFECYCLE_APP, "reload", "100", "--watch-lib",
                             "tessera_suballocator"};
    const Ended ended = RunToEnd(command, options);
    ASSERT_EQ(ended.outcome.code, 0) << ended.outcome.err;
    // Some drivers keep a little of each load, more or less from run to run.
    const Json driver = Json::parse(Lines(RunProgram(command, without).out).at(0));
    const std::vector<std::string> lines = Lines(ended.outcome.out);
    ASSERT_EQ(lines.size(), 2u) << ended.outcome.out;
    const Json report = Json::parse(lines[0]);
    EXPECT_EQ(report["iterations"], 100);
    EXPECT_EQ(report["watched_library_absent"], true);
    EXPECT_EQ(report["fd_growth"], 0);
    EXPECT_LT(report["rss_growth_bytes"].get<int64_t>(),
              2 * driver["rss_growth_bytes"].get<int64_t>() + (1 << 20));
    // One process is one segment, however often the layer was loaded.
    EXPECT_EQ(FilesIn(SegmentFolder()).size(), 1u);
    ExpectClosed(Stat(ended.pid), 100 * kClientAllocations);
}

TEST_F(Ends, ALiveProcessHasTheNumbersThatItGivesItself) {
    const std::string file = folder_ / "ready";
    Program program({TESSERA_LIFECYCLE_APP, "wait", file}, Layered());
    ASSERT_TRUE(WaitForFile(file));
    const Json said = Json::parse(Lines(ReadFile(program.output_path())).at(0))["memory_types"];
    ASSERT_FALSE(said.empty());

    const Json process = Stat(program.pid());
    EXPECT_EQ(process["state"], "live");
    ASSERT_EQ(process["devices"].size(), 1u);
    const Json types = process["devices"][0]["memory_types"];
    uint64_t allocations = 0;
    for (const Json& type : said) {
        const Json app = types.at(type["index"].get<size_t>())["app"];
        EXPECT_EQ(app["live"], type["allocations"]);
        EXPECT_EQ(app["live_bytes"], type["bytes"]);
        allocations += type["allocations"].get<uint64_t>();
    }
    EXPECT_EQ(Sum(process, "app", "live"), allocations);
    const Json listed = Processes();
    ASSERT_EQ(listed.size(), 1u);
    EXPECT_EQ(listed[0]["pid"], program.pid());
    EXPECT_EQ(listed[0]["state"], "live");

    std::filesystem::remove(file);
    const pid_t pid = program.pid();
    const Outcome outcome = program.Wait();
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    ExpectClosed(Stat(pid), allocations);
}

}  // namespace
}  // namespace tessera::test
