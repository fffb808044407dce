// SPDX-License-Identifier: Apache-2.0
//
// The command as its users meet it: exit codes, what goes to which stream, `ps` and `stat` of
// processes that publish statistics.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>

#include "support.h"
#include "tools/environment.h"
#include "tools/json.h"

namespace tessera::command {
namespace {

using test::Outcome;
using test::Program;
using test::ProgramOptions;
using test::RunProgram;
using test::TempFolder;

class CommandTest : public testing::Test {
 protected:
    CommandTest() {
        std::filesystem::create_directory(folder_ / "layer");
        test::WriteFile(folder_ / "layer/" + kExplicitManifest,
                        R"({"layer": {"library_path": "libc.so.6"}})");
    }
    Outcome Tessera(std::vector<std::string> arguments, ProgramOptions options = {}) const {
        arguments.insert(arguments.begin(), TESSERA_COMMAND);
        options.environment["XDG_RUNTIME_DIR"] = folder_.path();
        return RunProgram(arguments, options);
    }
    Program Publisher(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), TESSERA_PUBLISHER);
        return Program(arguments, Options());
    }
    ProgramOptions Options() const {
        ProgramOptions options;
        options.environment["XDG_RUNTIME_DIR"] = folder_.path();
        return options;
    }
    // A publisher that lives until the file is removed.
    std::string WaitFile() const { return folder_ / "wait"; }

    const TempFolder folder_;
};

// Nothing on stdout, one sentence on stderr that contains `part`.
void ExpectComplaint(const Outcome& outcome, int code, const std::string& part) {
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_TRUE(outcome.err.starts_with("tessera: ")) << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

TEST_F(CommandTest, HelpIsPrintedForEveryCommandWithExamples) {
    for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--help"},
                                                      {"run", "--help"},
                                                      {"ps", "-h"},
                                                      {"stat", "--help"},
                                                      {"doctor", "--help"},
                                                      {"record", "--help"},
                                                      {"top", "--help"}}) {
        const Outcome outcome = Tessera(arguments);
        EXPECT_EQ(outcome.code, 0);
        EXPECT_NE(outcome.out.find("Examples:"), std::string::npos) << outcome.out;
        EXPECT_NE(outcome.out.find("Exit code"), std::string::npos) << outcome.out;
        EXPECT_EQ(outcome.err, "");
    }
}

TEST_F(CommandTest, VersionIsPrinted) {
    const Outcome outcome = Tessera({"--version"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_TRUE(outcome.out.starts_with("tessera ")) << outcome.out;
}

TEST_F(CommandTest, WrongCommandLinesAreUsageErrors) {
    ExpectComplaint(Tessera({}), 2, "run, ps, stat, ");
    ExpectComplaint(Tessera({"dance"}), 2, "dance");
    ExpectComplaint(Tessera({"ps", "--loud"}), 2, "--loud");
    ExpectComplaint(Tessera({"ps", "extra"}), 2, "extra");
    ExpectComplaint(Tessera({"stat"}), 2, "tessera ps");
    ExpectComplaint(Tessera({"stat", "1", "2"}), 2, "2");
    ExpectComplaint(Tessera({"stat", "1", "--watch=fast"}), 2, "--watch");
    ExpectComplaint(Tessera({"stat", "1", "--watch=0"}), 2, "--watch");
    ExpectComplaint(Tessera({"stat", "1", "--watch=nan"}), 2, "--watch");
    ExpectComplaint(Tessera({"stat", "1", "--detail=0"}), 2, "--detail");
    ExpectComplaint(Tessera({"stat", "1", "--detail=x"}), 2, "--detail");
    ExpectComplaint(Tessera({"run", "--loud", "true"}), 2, "--loud");
    ExpectComplaint(Tessera({"run", "--level", "most", "true"}), 2, "--level");
    ExpectComplaint(Tessera({"run", "--stacks", "0", "true"}), 2, "--stacks");
    ExpectComplaint(Tessera({"run", "--stacks", "1x", "true"}), 2, "--stacks");
    ExpectComplaint(Tessera({"run", "--leaks=0", "true"}), 2, "--leaks");
    ExpectComplaint(Tessera({"leaks"}), 2, "which process");
    ExpectComplaint(Tessera({"leaks", "1", "--limit", "x"}), 2, "limit");
    ExpectComplaint(Tessera({"leaks", "4194305"}), 3, "4194305");
    ExpectComplaint(Tessera({"leaks", "no-such-file"}), 3, "No such file");
    ExpectComplaint(Tessera({"\x1b[2J"}), 2, "\\x1b[2J");
}

TEST_F(CommandTest, AWordThatIsNoCommandIsAnsweredWithTheNearestOne) {
    ExpectComplaint(Tessera({"runn", "./game"}), 2,
                    "there is no command 'runn'; perhaps 'run' is meant. `tessera --help`");
    ExpectComplaint(Tessera({"stats", "--json"}), 2, "perhaps 'stat' is meant");
    const Outcome unlike = Tessera({"dance"});
    ExpectComplaint(unlike, 2, "there is no command 'dance'. ");
}

TEST_F(CommandTest, AWrongOptionPointsToTheHelpOfItsCommand) {
    ExpectComplaint(Tessera({"ps", "--loud"}), 2, "`tessera ps --help`");
    ExpectComplaint(Tessera({"run", "--loud", "true"}), 2, "`tessera run --help`");
    ExpectComplaint(Tessera({"--loud"}), 2, "`tessera --help`");
}

TEST_F(CommandTest, StatRefusesWhatIsNoProcessNumber) {
    for (const char* const pid : {"", "0", "99999999999999999999999"})
        ExpectComplaint(Tessera({"stat", pid}), 2, *pid == '\0' ? "which process" : "number");
    ExpectComplaint(Tessera({"stat", "game", "--watch"}), 2, "needs a process");
    for (const char* const file : {"game", "12x", "1.5", " 1"})
        ExpectComplaint(Tessera({"stat", file}), 3, "No such file");
}

TEST_F(CommandTest, StatSaysWhyAProcessCannotBeShown) {
    ExpectComplaint(Tessera({"stat", "4194305"}), 3, "4194305");
    ExpectComplaint(Tessera({"stat", "18446744073709551615"}), 3, "18446744073709551615");
    ExpectComplaint(Tessera({"stat", std::to_string(getpid())}), 3, "tessera run");
}

TEST_F(CommandTest, StatNamesTheProcessThatAProcessWithoutStatisticsStarted) {
    Program run({TESSERA_COMMAND, "run", "--layer-path", folder_ / "layer", "sh", "-c",
                 std::string(TESSERA_PUBLISHER) + " wait " + WaitFile() + "; true"},
                Options());
    ASSERT_TRUE(test::WaitForFile(WaitFile()));
    const Json listed = Json::parse(Tessera({"ps", "--json"}).out)["processes"];
    // Others of this user may be listed as well.
    const std::string name = std::filesystem::path(TESSERA_PUBLISHER).filename();
    const auto publisher = std::ranges::find_if(
        listed, [&](const Json& process) { return process["process"] == name; });
    ASSERT_NE(publisher, listed.end()) << listed.dump(1);
    const Outcome of_run = Tessera({"stat", std::to_string(run.pid())});
    const Outcome of_shell = Tessera({"leaks", (*publisher)["parent_pid"].dump()});
    std::filesystem::remove(WaitFile());
    EXPECT_EQ(run.Wait().code, 0);
    const std::string application = "process " + (*publisher)["pid"].dump() + ".";
    ExpectComplaint(of_run, 3, "the command 'tessera' itself; what it started is " + application);
    ExpectComplaint(of_shell, 3, "what it started does: " + application);
}

TEST_F(CommandTest, ANameThatIsNoFileIsAnsweredWithWhereNumbersAre) {
    ExpectComplaint(Tessera({"stat", "game"}), 3, "`tessera ps` lists them");
    const Outcome path = Tessera({"stat", "./game"});
    ExpectComplaint(path, 3, "No such file");
    EXPECT_EQ(path.err.find("tessera ps"), std::string::npos) << path.err;
}

TEST_F(CommandTest, StatSaysThatAProcessIsAnothers) {
    if (geteuid() == 0) GTEST_SKIP() << "root owns process 1";
    ExpectComplaint(Tessera({"stat", "1"}), 3, "another user");
}

TEST_F(CommandTest, StatShowsALivingProcess) {
    Program publisher = Publisher({"wait", WaitFile()});
    ASSERT_TRUE(test::WaitForFile(WaitFile()));
    const std::string pid = std::to_string(publisher.pid());
    const Outcome text = Tessera({"stat", pid});
    const Outcome json = Tessera({"stat", "--json", pid});
    std::filesystem::remove(WaitFile());
    EXPECT_EQ(publisher.Wait().code, 0);

    EXPECT_EQ(text.code, 0) << text.err;
    EXPECT_NE(text.out.find("Test device"), std::string::npos) << text.out;
    EXPECT_NE(text.out.find("dedicated"), std::string::npos) << text.out;
    ASSERT_EQ(json.code, 0) << json.err;
    const Json document = Json::parse(json.out);
    EXPECT_EQ(document["schema"], 1);
    ASSERT_EQ(document["processes"].size(), 1u);
    const Json& process = document["processes"][0];
    EXPECT_EQ(process["pid"], publisher.pid());
    EXPECT_EQ(process["parent_pid"], getpid());
    EXPECT_EQ(process["state"], "live");
    EXPECT_TRUE(process["exit"].is_null());
    const Json& type = process["devices"][0]["memory_types"][0];
    EXPECT_EQ(type["app"]["live"], 12);
    EXPECT_EQ(type["pooled"]["live"], 10);
    EXPECT_EQ(type["pass_through"]["dedicated"]["allocations"], 2);
    EXPECT_EQ(process["devices"][0]["heaps"][0]["usage_bytes"], 1 << 20);
    EXPECT_TRUE(process["devices"][0]["heaps"][0]["app_usage_bytes"].is_null());
}

TEST_F(CommandTest, StatShowsWhatACrashedProcessLeft) {
    Program publisher = Publisher({"signal", std::to_string(SIGKILL)});
    EXPECT_EQ(publisher.Wait().signal, SIGKILL);
    const Outcome outcome = Tessera({"stat", std::to_string(publisher.pid()), "--json"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const Json process = Json::parse(outcome.out)["processes"][0];
    EXPECT_EQ(process["state"], "ended");
    EXPECT_EQ(process["devices"][0]["memory_types"][0]["app"]["live"], 12);
}

TEST_F(CommandTest, StatWatchesUntilTheProcessEnds) {
    Program publisher = Publisher({"wait", WaitFile()});
    ASSERT_TRUE(test::WaitForFile(WaitFile()));
    Program watch(
        {TESSERA_COMMAND, "stat", "--watch=0.05", "--json", std::to_string(publisher.pid())},
        Options());
    ASSERT_TRUE(test::WaitForText(watch.output_path()));
    std::filesystem::remove(WaitFile());
    EXPECT_EQ(publisher.Wait().code, 0);
    const Outcome outcome = watch.Wait();
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    std::istringstream lines(outcome.out);
    Json last;
    size_t samples = 0;
    for (std::string line; std::getline(lines, line); ++samples)
        last = Json::parse(line);
    EXPECT_GE(samples, 1u);
    EXPECT_EQ(last["processes"][0]["state"], "closed");
}

TEST_F(CommandTest, PsListsLivingAndEndedProcesses) {
    EXPECT_EQ(Publisher({"exit", "3"}).Wait().code, 3);
    Program publisher = Publisher({"wait", WaitFile()});
    ASSERT_TRUE(test::WaitForFile(WaitFile()));
    const Outcome text = Tessera({"ps"});
    const Outcome json = Tessera({"ps", "--json"});
    std::filesystem::remove(WaitFile());
    publisher.Wait();

    EXPECT_EQ(text.code, 0) << text.err;
    EXPECT_NE(text.out.find("PID"), std::string::npos);
    EXPECT_NE(text.out.find(std::to_string(publisher.pid()) + "  live"), std::string::npos)
        << text.out;
    EXPECT_NE(text.out.find("ended"), std::string::npos) << text.out;
    std::map<int, std::string> states;
    const Json document = Json::parse(json.out);
    for (const Json& process : document["processes"])
        states[process["pid"].get<int>()] = process["state"];
    EXPECT_EQ(states[publisher.pid()], "live");
}

TEST_F(CommandTest, PsComplainsOfASegmentThatIsForgedAndShowsTheOthers) {
    EXPECT_EQ(Publisher({"close"}).Wait().code, 0);
    const std::string forged = folder_ / "tessera/77-88.channel";
    test::WriteFile(forged, std::string(8192, 'x'));
    chmod(forged.c_str(), 0600);
    const Outcome outcome = Tessera({"ps"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_NE(outcome.err.find("77-88.channel"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.out.find("publisher"), std::string::npos) << outcome.out;
}

TEST_F(CommandTest, AReaderThatLeftIsNoFailure) {
    EXPECT_EQ(Publisher({"close"}).Wait().code, 0);
    ProgramOptions options;
    options.close_output = true;
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"ps"}, {"ps", "--json"}, {"--help"}}) {
        const Outcome outcome = Tessera(arguments, options);
        EXPECT_EQ(outcome.code, 0);
        EXPECT_EQ(outcome.signal, 0);
        EXPECT_EQ(outcome.err, "");
    }
}

TEST_F(CommandTest, AFullDiskIsAFailureAndSaidSo) {
    const Outcome outcome =
        RunProgram({"/bin/sh", "-c", std::string(TESSERA_COMMAND) + " --version >/dev/full"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_NE(outcome.err.find("No space"), std::string::npos) << outcome.err;
}

TEST_F(CommandTest, DoctorSaysThatTheNamedFolderHasNoLayer) {
    const Outcome outcome = Tessera({"doctor", "--layer-path", folder_.path()});
    EXPECT_EQ(outcome.code, 3);
    EXPECT_NE(outcome.out.find("error"), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.out.find("does not work here"), std::string::npos) << outcome.out;
    const Outcome json = Tessera({"doctor", "--json", "--layer-path", folder_.path()});
    EXPECT_EQ(json.code, 3);
    EXPECT_EQ(Json::parse(json.out)["works"], false);
}

}  // namespace
}  // namespace tessera::command
