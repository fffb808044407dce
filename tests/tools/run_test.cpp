// SPDX-License-Identifier: Apache-2.0
//
// `tessera run` towards the application and whoever started it: what the application gets, and how
// its end and its signals come through. Where it can, a test compares with the bare application.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "run_fixture.h"

namespace tessera::command {
namespace {

using test::Outcome;
using test::Program;
using test::ProgramOptions;
using test::ReadFile;
using test::RunProgram;
using test::WaitForFile;
using test::WriteFile;

class RunTest : public RunFixture {};

TEST_F(RunTest, ExitCodeIsTheApplications) {
    for (const int code : {0, 1, 2, 3, 42, 125, 126, 127, 128, 255}) {
        const Outcome outcome = Run({"sh", "-c", "exit " + std::to_string(code)});
        EXPECT_EQ(outcome.code, code);
        EXPECT_EQ(outcome.out, "");
    }
}

TEST_F(RunTest, ASignalThatEndsTheApplicationIsToldInTheExitCode) {
    for (const int number : {SIGKILL, SIGSEGV, SIGABRT, SIGTERM, SIGPIPE, SIGINT}) {
        EXPECT_EQ(Run({"sh", "-c", "ulimit -c 0; kill -" + std::to_string(number) + " $$"}).code,
                  128 + number);
    }
}

TEST_F(RunTest, WhatCannotBeStartedHasAShellsExitCodeAndASentence) {
    WriteFile(folder_ / "data", "no program");
    WriteFile(folder_ / "script", "#!/there/is/no/interpreter\n");
    std::filesystem::permissions(folder_ / "script", std::filesystem::perms::owner_all);
    const auto expect = [&](const std::string& name, int code, const std::string& part) {
        const Outcome outcome = Run({name});
        EXPECT_EQ(outcome.code, code) << name;
        EXPECT_EQ(outcome.out, "");
        EXPECT_TRUE(outcome.err.starts_with("tessera: '")) << outcome.err;
        EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
    };
    expect("there-is-no-such-program", 127, "PATH");
    expect("", 127, "PATH");
    expect(folder_ / "missing", 127, "does not exist");
    expect(folder_ / "script", 127, "interpreter");
    expect(folder_ / "data", 126, "Permission denied");
    expect(folder_.path(), 126, "cannot be executed");
}

TEST_F(RunTest, AFolderInPathThatMayNotBeLookedIntoIsPassedOver) {
    if (geteuid() == 0) GTEST_SKIP() << "root may look into every folder";
    std::filesystem::create_directory(folder_ / "closed");
    std::filesystem::permissions(folder_ / "closed", std::filesystem::perms::none);
    ProgramOptions options;
    options.environment["PATH"] = (folder_ / "closed") + ":/usr/bin:/bin";
    EXPECT_EQ(Run({"there-is-no-such-program"}, options).code, 127);
    EXPECT_EQ(Run({"true"}, options).code, 0);
}

TEST_F(RunTest, WithoutAnApplicationItIsAUsageError) {
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{}, {"--"}, {"--quiet"}, {"--stats", "x"}}) {
        std::vector<std::string> command = {TESSERA_COMMAND, "run"};
        command.insert(command.end(), arguments.begin(), arguments.end());
        const Outcome outcome = RunProgram(command);
        EXPECT_EQ(outcome.code, 2);
        EXPECT_NE(outcome.err.find("which application"), std::string::npos) << outcome.err;
    }
    EXPECT_EQ(RunProgram({TESSERA_COMMAND, "run", "--stats"}).code, 2);
}

TEST_F(RunTest, WordsAfterTheApplicationAreItsOwn) {
    const std::vector<std::string> words = {"--help", "-q",           "--", "--stats",
                                            "x",      "two words \n", "",   "run"};
    const std::string print = R"(for word; do printf '%s|' "$word"; done)";
    std::vector<std::string> bare = {"sh", "-c", print, "name"};
    bare.insert(bare.end(), words.begin(), words.end());
    const std::string expected = RunProgram(bare).out;
    EXPECT_EQ(Run(bare).out, expected);
    std::vector<std::string> marked = bare;
    marked.insert(marked.begin(), "--");
    EXPECT_EQ(Run(marked).out, expected);
    EXPECT_EQ(Run({"--", "--no-program"}).code, 127);
    EXPECT_EQ(Run({"--quiet", "--wait-all", "--stats=" + (folder_ / "s"), "echo", "--quiet"}).out,
              "--quiet\n");
}

TEST_F(RunTest, StandardStreamsAreTheApplications) {
    ProgramOptions options;
    options.input = std::string("line\n\0 and bytes \xff", 18);
    const Outcome outcome = Run({"sh", "-c", "cat; echo to stderr >&2"}, options);
    EXPECT_EQ(outcome.out, options.input);
    EXPECT_TRUE(outcome.err.starts_with("to stderr\ntessera: ")) << outcome.err;
    const Outcome quiet = Run({"--quiet", "sh", "-c", "cat; echo to stderr >&2"}, options);
    EXPECT_EQ(quiet.out, options.input);
    EXPECT_EQ(quiet.err, "to stderr\n");
}

TEST_F(RunTest, SaysThatNoProcessLoadedTheLayerAndWhy) {
    const Outcome outcome = Run({"true"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_NE(outcome.err.find("no process loaded the layer"), std::string::npos) << outcome.err;
    ProgramOptions options;
    options.environment["VK_LOADER_LAYERS_DISABLE"] = "~all~";
    EXPECT_NE(Run({"true"}, options).err.find("VK_LOADER_LAYERS_DISABLE"), std::string::npos);
    EXPECT_NE(Run({TESSERA_STATIC_PROGRAM}).err.find("statically linked"), std::string::npos);
}

TEST_F(RunTest, WhereNothingIsPublishedLeaksAreNotKnown) {
    ProgramOptions off;
    off.environment["TESSERA_CHANNEL"] = "off";
    const Outcome outcome = Run({"--leaks", "true"}, off);
    EXPECT_EQ(outcome.code, 123);
    EXPECT_EQ(outcome.err.find("no process loaded"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("TESSERA_CHANNEL"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("what leaked is not known"), std::string::npos) << outcome.err;
    const Outcome quiet = Run({"--quiet", "--leaks", "true"});
    EXPECT_EQ(quiet.code, 123);
    EXPECT_EQ(quiet.err, "");
    EXPECT_EQ(Run({"--leaks", "sh", "-c", "exit 4"}).code, 4);
}

TEST_F(RunTest, TheApplicationFindsTheLayerThroughItsEnvironment) {
    const std::string print = "echo $VK_INSTANCE_LAYERS,$VK_LAYER_PATH,$VK_ADD_LAYER_PATH";
    ProgramOptions options;
    options.unset = {"VK_INSTANCE_LAYERS", "VK_LAYER_PATH", "VK_ADD_LAYER_PATH"};
    EXPECT_EQ(Run({"sh", "-c", print}, options).out,
              "VK_LAYER_TESSERA_suballocator,," + layer_path() + "\n");
    options.environment = {{"VK_INSTANCE_LAYERS", "VK_LAYER_A"}, {"VK_LAYER_PATH", "/a"}};
    EXPECT_EQ(Run({"sh", "-c", print}, options).out,
              "VK_LAYER_A:VK_LAYER_TESSERA_suballocator," + layer_path() + ":/a,\n");
}

TEST_F(RunTest, TheApplicationGetsOurDescriptorsSignalsAndGroupAsWeGotThem) {
    const std::string look =
        "ls /proc/self/fd | wc -l; grep -E 'SigBlk|SigIgn' /proc/self/status; umask; pwd; "
        "cut -d' ' -f5-7 /proc/self/stat";
    const Outcome bare = RunProgram({"sh", "-c", look});
    EXPECT_EQ(Run({"sh", "-c", look}).out, bare.out);
    // Started by somebody who ignores signals, as nohup does.
    const std::string ignore = "trap '' HUP CHLD PIPE INT; exec ";
    const std::string again = "sh -c \"" + look + "\"";
    EXPECT_EQ(RunProgram({"sh", "-c", ignore + RunLine() + " " + again}).out,
              RunProgram({"sh", "-c", ignore + again}).out);
}

TEST_F(RunTest, SignalsReachTheApplication) {
    for (const char* const name : {"TERM", "HUP", "INT", "QUIT", "USR1", "USR2"}) {
        const std::string ready = folder_ / "ready";
        Program run = Start({"sh", "-c",
                             std::string("trap 'echo got; exit 7' ") + name + "; : >" + ready +
                                 "; while :; do sleep 0.01; done"});
        ASSERT_TRUE(WaitForFile(ready));
        const std::map<std::string, int> numbers = {{"TERM", SIGTERM}, {"HUP", SIGHUP},
                                                    {"INT", SIGINT},   {"QUIT", SIGQUIT},
                                                    {"USR1", SIGUSR1}, {"USR2", SIGUSR2}};
        run.Signal(numbers.at(name));
        const Outcome outcome = run.Wait();
        EXPECT_EQ(outcome.code, 7) << name;
        EXPECT_EQ(outcome.out, "got\n") << name;
        std::filesystem::remove(ready);
    }
}

TEST_F(RunTest, StopsAndContinuesWithTheApplicationAsAJob) {
    ProgramOptions options;
    options.own_group = true;
    Program run = Start({"sh", "-c", "kill -TSTP $$; echo continued; exit 5"}, options);
    EXPECT_EQ(run.WaitStopped(), SIGSTOP);
    run.Signal(SIGCONT);
    const Outcome outcome = run.Wait();
    EXPECT_EQ(outcome.code, 5);
    EXPECT_EQ(outcome.out, "continued\n");
}

TEST_F(RunTest, AStatisticsFileThatCannotBeWrittenIsToldBeforeTheApplicationStarts) {
    for (const std::string& path : {folder_.path(), folder_ / "missing/s.json"}) {
        const Outcome outcome = Run({"--stats", path, "touch", folder_ / "started"});
        EXPECT_EQ(outcome.code, 125);
        EXPECT_NE(outcome.err.find("cannot be written"), std::string::npos) << outcome.err;
        EXPECT_FALSE(std::filesystem::exists(folder_ / "started"));
    }
}

TEST_F(RunTest, AStatisticsFileThatFailsAtTheEndDoesNotChangeTheExitCode) {
    const Outcome outcome = Run({"--stats", "/dev/full", "sh", "-c", "exit 4"});
    EXPECT_EQ(outcome.code, 4);
    EXPECT_NE(outcome.err.find("No space"), std::string::npos) << outcome.err;
}

TEST_F(RunTest, ALayerThatIsNotThereIsToldBeforeTheApplicationStarts) {
    const Outcome outcome = RunProgram({TESSERA_COMMAND, "run", "--layer-path", folder_ / "missing",
                                        "touch", folder_ / "started"});
    EXPECT_EQ(outcome.code, 125);
    EXPECT_NE(outcome.err.find("missing"), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "started"));
}

TEST_F(RunTest, AStandardErrorThatIsClosedDoesNoHarm) {
    const Outcome outcome = RunProgram({"sh", "-c", RunLine() + " sh -c 'echo fine; exit 6' 2>&-"});
    EXPECT_EQ(outcome.code, 6);
    EXPECT_EQ(outcome.out, "fine\n");
}

}  // namespace
}  // namespace tessera::command
