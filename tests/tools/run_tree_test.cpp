// SPDX-License-Identifier: Apache-2.0
//
// Whose numbers `tessera run` collects, and that it has their last state however the processes end.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <set>

#include "run_fixture.h"
#include "tools/exit_codes.h"

namespace tessera::command {
namespace {

using test::Outcome;
using test::Program;
using test::ProgramOptions;
using test::RunProgram;
using test::WaitForFile;
using test::WaitUntilOpen;

const std::string kPublisher = TESSERA_PUBLISHER;

class RunTreeTest : public RunFixture {
 protected:
    // Runs a shell script with statistics.
    Outcome RunScript(const std::string& script, std::vector<std::string> options = {}) const {
        options.insert(options.end(), {"--stats", stats_path(), "sh", "-c", script});
        return Run(options);
    }
};

Json Exit(std::optional<int> code, std::optional<int> signal_number) {
    return ExitJson({.code = code, .signal = signal_number});
}

TEST_F(RunTreeTest, AnApplicationWithoutVulkanHasAnEmptyList) {
    EXPECT_EQ(RunScript("exit 3").code, 3);
    EXPECT_EQ(Processes(), Json::array());
}

TEST_F(RunTreeTest, TheApplicationsNumbersAndItsEndAreWritten) {
    const Outcome outcome = Run({"--stats", stats_path(), kPublisher, "close"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_NE(outcome.err.find("asked for      12 allocations"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("driver made    3 allocations"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("passed through 2 dedicated"), std::string::npos) << outcome.err;
    const Json processes = Processes();
    ASSERT_EQ(processes.size(), 1u);
    EXPECT_EQ(processes[0]["process"], "publisher");
    EXPECT_EQ(processes[0]["state"], "closed");
    EXPECT_EQ(processes[0]["exit"], Exit(0, {}));
    EXPECT_EQ(processes[0]["devices"][0]["memory_types"][0]["app"]["allocations"], 12);
}

TEST_F(RunTreeTest, AnApplicationThatLeavesEverythingBehindHasItsLastState) {
    EXPECT_EQ(Run({"--stats", stats_path(), kPublisher, "exit", "9"}).code, 9);
    EXPECT_EQ(Processes()[0]["state"], "ended");
    EXPECT_EQ(Processes()[0]["exit"], Exit(9, {}));
    EXPECT_EQ(Processes()[0]["devices"][0]["memory_types"][0]["app"]["live"], 12);
}

TEST_F(RunTreeTest, AnApplicationThatCrashesOrIsKilledHasItsLastState) {
    for (const int number : {SIGSEGV, SIGKILL}) {
        EXPECT_EQ(Run({"--stats", stats_path(), kPublisher, "signal", std::to_string(number)}).code,
                  128 + number);
        EXPECT_EQ(Processes()[0]["state"], "ended");
        EXPECT_EQ(Processes()[0]["exit"], Exit({}, number));
    }
}

TEST_F(RunTreeTest, TheFileIsWrittenWhenRunIsAskedToEnd) {
    const std::string wait = folder_ / "wait";
    Program run = Start({"--stats", stats_path(), kPublisher, "wait", wait});
    ASSERT_TRUE(WaitForFile(wait));
    run.Signal(SIGTERM);
    EXPECT_EQ(run.Wait().code, 128 + SIGTERM);
    EXPECT_EQ(Processes()[0]["exit"], Exit({}, SIGTERM));
}

TEST_F(RunTreeTest, ManyShortProcessesAreAllThereInTheirOrder) {
    // Of the dead only eight segments are kept by the processes that follow. The shell's parent is
    // the command: each process ends once that has its segment open.
    const std::string wait = folder_ / "wait";
    const Outcome outcome =
        RunScript("i=0; while [ $i -lt 20 ]; do " + kPublisher + " wait " + wait +
                  " & "
                  "until ls -l /proc/$PPID/fd | grep -q /$!-; do sleep 0.01; done; "
                  "until rm " +
                  wait + " 2>/dev/null; do sleep 0.01; done; wait; i=$((i+1)); done");
    EXPECT_EQ(outcome.code, 0);
    const Json processes = Processes();
    EXPECT_EQ(processes.size(), 20u);
    std::set<int> pids;
    for (const Json& process : processes) {
        EXPECT_EQ(process["state"], "closed");
        pids.insert(process["pid"].get<int>());
    }
    EXPECT_EQ(pids.size(), processes.size());
    EXPECT_NE(outcome.err.find("all 20 processes together"), std::string::npos) << outcome.err;
}

TEST_F(RunTreeTest, GrandchildrenAreFoundAndTheirEndIsTheirParentsAffair) {
    const std::string wait = folder_ / "wait";
    Program run = Start({"--stats", stats_path(), "sh", "-c",
                         "sh -c 'sh -c \"" + kPublisher + " wait " + wait + "; :\"; :'; :"});
    ASSERT_TRUE(WaitForFile(wait));
    ASSERT_TRUE(WaitUntilOpen(run.pid(), ".channel"));
    std::filesystem::remove(wait);
    EXPECT_EQ(run.Wait().code, 0);
    ASSERT_EQ(Processes().size(), 1u);
    EXPECT_EQ(Processes()[0]["state"], "closed");
    EXPECT_TRUE(Processes()[0]["exit"].is_null());
}

TEST_F(RunTreeTest, AnOrphanThatStillRunsIsReadAsItIs) {
    const std::string wait = folder_ / "wait";
    const Outcome outcome = RunScript("setsid " + kPublisher + " wait " + wait +
                                      " & while [ ! -e " + wait + " ]; do sleep 0.01; done");
    EXPECT_EQ(outcome.code, 0);
    EXPECT_NE(outcome.err.find("still ran"), std::string::npos) << outcome.err;
    ASSERT_EQ(Processes().size(), 1u);
    EXPECT_EQ(Processes()[0]["state"], "live");
    EXPECT_TRUE(Processes()[0]["exit"].is_null());
    std::filesystem::remove(wait);
}

TEST_F(RunTreeTest, WaitAllWaitsForOrphans) {
    const std::string wait = folder_ / "wait";
    const std::string app_ended = folder_ / "app_ended";
    Program run = Start({"--wait-all", "--stats", stats_path(), "sh", "-c",
                         "(setsid " + kPublisher + " wait " + wait + " &) ; while [ ! -e " + wait +
                             " ]; do sleep 0.01; done; : >" + app_ended + "; exit 3"});
    ASSERT_TRUE(WaitForFile(app_ended));
    EXPECT_FALSE(std::filesystem::exists(stats_path()));
    std::filesystem::remove(wait);
    EXPECT_EQ(run.Wait().code, 3);
    ASSERT_EQ(Processes().size(), 1u);
    EXPECT_EQ(Processes()[0]["state"], "closed");
    EXPECT_EQ(Processes()[0]["exit"], Exit(0, {}));
}

TEST_F(RunTreeTest, ProcessesThatAreNotTheApplicationsAreLeftOut) {
    ProgramOptions options;
    options.environment["XDG_RUNTIME_DIR"] = folder_.path();
    EXPECT_EQ(RunProgram({kPublisher, "exit", "0"}, options).code, 0);

    const std::string wait = folder_ / "wait";
    Program run = Start({"--stats", stats_path(), kPublisher, "wait", wait});
    ASSERT_TRUE(WaitForFile(wait));
    Program stranger({kPublisher, "wait", folder_ / "stranger"}, options);
    ASSERT_TRUE(WaitForFile(folder_ / "stranger"));
    std::filesystem::remove(wait);
    EXPECT_EQ(run.Wait().code, 0);
    std::filesystem::remove(folder_ / "stranger");
    EXPECT_EQ(stranger.Wait().code, 0);
    ASSERT_EQ(Processes().size(), 1u);
    EXPECT_NE(Processes()[0]["pid"], stranger.pid());
}

TEST_F(RunTreeTest, RunInsideOfRunIsSeenByBoth) {
    const std::string inner = folder_ / "inner.json";
    const std::string wait = folder_ / "wait";
    Program run =
        Start({"--stats", stats_path(), "sh", "-c",
               RunLine() + " --stats " + inner + " " + kPublisher + " wait " + wait + "; exit 4"});
    ASSERT_TRUE(WaitForFile(wait));
    ASSERT_TRUE(WaitUntilOpen(run.pid(), ".channel"));
    std::filesystem::remove(wait);
    EXPECT_EQ(run.Wait().code, 4);
    EXPECT_EQ(Processes().size(), 1u);
    EXPECT_EQ(Json::parse(test::ReadFile(inner))["processes"].size(), 1u);
}

TEST_F(RunTreeTest, WithoutARuntimeFolderTheFallbackIsUsed) {
    ProgramOptions options;
    options.unset = {"XDG_RUNTIME_DIR"};
    const Outcome outcome = RunProgram({TESSERA_COMMAND, "run", "--layer-path", layer_path(),
                                        "--stats", stats_path(), kPublisher, "close"},
                                       options);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(Processes().size(), 1u);
}

TEST_F(RunTreeTest, AForgedSegmentOfTheApplicationIsToldAndLeftOut) {
    const std::string forge = "mkdir -p -m 700 " + (folder_ / "tessera") +
                              "; set -- $(cat /proc/$$/stat); head -c 8192 /dev/zero >" +
                              (folder_ / "tessera/") + "$$-${22}.channel; exit 5";
    const Outcome outcome = RunScript(forge);
    EXPECT_EQ(outcome.code, 5);
    EXPECT_NE(outcome.err.find("cannot be read"), std::string::npos) << outcome.err;
    EXPECT_EQ(Processes(), Json::array());
}

TEST_F(RunTreeTest, LeaksOfDevicesThatWereNotCountedAreNotKnown) {
    const Outcome outcome = Run({"--leaks", "--stats", stats_path(), kPublisher, "crowd"});
    const auto dropped = Processes().at(0).at("dropped_devices").get<uint64_t>();
    ASSERT_GE(dropped, 2u);
    EXPECT_EQ(Processes()[0]["leaks"], Json::array());
    EXPECT_EQ(outcome.code, kLeaks);
    const std::string said = "not known: what was left on " + std::to_string(dropped) +
                             " devices, for which the statistics had no room\n";
    EXPECT_NE(outcome.err.find(said), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find("nothing leaked"), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find("nothing is left."), std::string::npos) << outcome.err;

    const Outcome quiet = Run({"--leaks", "--quiet", kPublisher, "crowd"});
    EXPECT_EQ(quiet.code, kLeaks);
    EXPECT_EQ(quiet.err.find("not known"), std::string::npos) << quiet.err;
    EXPECT_EQ(Run({kPublisher, "crowd"}).code, 0) << "without --leaks nobody asked";
}

TEST_F(RunTreeTest, LeaksOfAProcessThatCannotBeReadAreNotKnown) {
    const std::string forge = "mkdir -p -m 700 " + (folder_ / "tessera") +
                              "; set -- $(cat /proc/$$/stat); head -c 8192 /dev/zero >" +
                              (folder_ / "tessera/") + "$$-${22}.channel; echo $$; exit ";
    const Outcome outcome = RunScript(forge + "0", {"--leaks"});
    EXPECT_EQ(outcome.code, kLeaks);
    const std::string pid = outcome.out.substr(0, outcome.out.find('\n'));
    EXPECT_NE(outcome.err.find("process " + pid + ": what it leaked is not known: "),
              std::string::npos)
        << outcome.err;
    EXPECT_EQ(outcome.err.find("nothing leaked"), std::string::npos) << outcome.err;
    EXPECT_EQ(RunScript(forge + "5", {"--leaks"}).code, 5) << "the code of what failed stays";
}

TEST_F(RunTreeTest, WhereAllIsKnownAndFreedNothingLeaked) {
    const std::string nothing = "exec " + kPublisher + " empty";
    const Outcome outcome = RunScript(nothing, {"--leaks"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_NE(outcome.err.find("nothing leaked."), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace tessera::command
