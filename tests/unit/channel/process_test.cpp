// SPDX-License-Identifier: Apache-2.0
//
// Which process runs: what /proc says of the living, the dead, and those in between.
#include "base/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace tessera {
namespace {

constexpr char kFieldsAfterTheName[] =
    " S 77 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1 18446744073709551615 0 0\n";

TEST(ProcessStat, NamesWithSpacesAndParenthesesAreSkipped) {
    for (const char* const name : {"sh", "a b", "evil) S 1 1", "((", "))", "a)\n(b", ""}) {
        const auto stat =
            ParseProcessStat("1234 (" + std::string(name) + ")" + kFieldsAfterTheName);
        ASSERT_TRUE(stat.has_value()) << name;
        EXPECT_EQ(stat->parent_pid, 77u);
        EXPECT_EQ(stat->start_time, 4242u);
        EXPECT_TRUE(stat->runs);
    }
}

TEST(ProcessStat, AZombieRunsOnlyWhileItHasOtherThreads) {
    const auto text = [](const char* state, const char* threads) {
        return std::string("1 (x) ") + state + " 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 " + threads +
               " 0 99 1\n";
    };
    EXPECT_FALSE(ParseProcessStat(text("Z", "1"))->runs);
    EXPECT_TRUE(ParseProcessStat(text("Z", "2"))->runs);
    EXPECT_FALSE(ParseProcessStat(text("X", "0"))->runs);
    EXPECT_TRUE(ParseProcessStat(text("T", "1"))->runs);
}

TEST(ProcessStat, WhatIsCutShortOrNoNumberIsRefused) {
    const std::string whole = std::string("1 (x)") + kFieldsAfterTheName;
    const size_t start_time = whole.find("4242");
    for (size_t size = 0; size < start_time; ++size)
        EXPECT_FALSE(ParseProcessStat(whole.substr(0, size)).has_value()) << size;
    std::string letters = whole;
    letters.replace(start_time, 4, "4x42");
    EXPECT_FALSE(ParseProcessStat(letters).has_value());
    EXPECT_FALSE(ParseProcessStat("no parenthesis at all").has_value());
}

TEST(ProcessRuns, ThisProcessDoesAndOneOfAnotherStartTimeDoesNot) {
    const auto pid = static_cast<uint64_t>(getpid());
    const auto stat = ReadProcessStat(pid);
    ASSERT_TRUE(stat.has_value());
    EXPECT_EQ(stat->parent_pid, static_cast<uint64_t>(getppid()));
    EXPECT_TRUE(ProcessRuns(pid, stat->start_time));
    EXPECT_FALSE(ProcessRuns(pid, stat->start_time + 1));
    EXPECT_FALSE(ProcessRuns(uint64_t{1} << 40, 1));
}

TEST(ProcessRuns, AProcessThatOnlyWaitsToBeReapedDoesNot) {
    const pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause();
        _exit(0);
    }
    const auto stat = ReadProcessStat(static_cast<uint64_t>(child));
    ASSERT_TRUE(stat.has_value());
    EXPECT_TRUE(ProcessRuns(static_cast<uint64_t>(child), stat->start_time));
    ASSERT_EQ(kill(child, SIGKILL), 0);
    siginfo_t info;
    ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
    EXPECT_FALSE(ProcessRuns(static_cast<uint64_t>(child), stat->start_time));
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    EXPECT_FALSE(ReadProcessStat(static_cast<uint64_t>(child)).has_value());
}

TEST(OwnProcessName, IsTheBaseNameOfTheExecutableAndIsCutToFit) {
    char name[256];
    ReadOwnProcessName(name);
    EXPECT_STREQ(name, "channel_test");
    char small[5];
    ReadOwnProcessName(small);
    EXPECT_STREQ(small, "chan");
}

}  // namespace
}  // namespace tessera
