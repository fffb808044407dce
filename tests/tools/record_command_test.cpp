// SPDX-License-Identifier: Apache-2.0
//
// `tessera record` as its users meet it: exit codes, ends of every kind, and that what it leaves
// can be read. The processes are publishers (publisher.cpp), which publish made-up statistics.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "run_fixture.h"
#include "tools/source.h"

namespace tessera::command {
namespace {

class RecordTest : public RunFixture {
 protected:
    std::string recording() const { return folder_ / "a.rec"; }
    std::string wait_file() const { return folder_ / "wait"; }

    test::ProgramOptions Options() const {
        test::ProgramOptions options;
        options.environment["XDG_RUNTIME_DIR"] = folder_.path();
        return options;
    }
    test::Program StartRecord(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), {TESSERA_COMMAND, "record"});
        return test::Program(arguments, Options());
    }
    test::Outcome Record(const std::vector<std::string>& arguments) const {
        return StartRecord(arguments).Wait();
    }
    std::vector<std::string> App(std::vector<std::string> publisher) const {
        publisher.insert(publisher.begin(), {"-o", recording(), "--layer-path", layer_path(), "--",
                                             TESSERA_PUBLISHER});
        return publisher;
    }
    test::Program StartPublisher() const {
        return test::Program({TESSERA_PUBLISHER, "wait", wait_file()}, Options());
    }
    std::unique_ptr<Source> Open() const {
        std::string error;
        auto source = Source::Open(recording(), &error);
        EXPECT_NE(source, nullptr) << error;
        return source;
    }
};

TEST_F(RecordTest, AnApplicationsCodeIsOursAndItsRecordingIsWhole) {
    const test::Outcome outcome = Record(App({"exit", "7"}));
    EXPECT_EQ(outcome.code, 7) << outcome.err;
    EXPECT_NE(outcome.err.find("recorded publisher"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("none lost"), std::string::npos) << outcome.err;
    const auto source = Open();
    EXPECT_EQ(source->remark(), "");
    ASSERT_EQ(source->process().devices.size(), 1u);
    EXPECT_EQ(source->process().devices[0].memory_types[0].totals.app.allocations, 12u);
    EXPECT_FALSE(source->samples().empty());
    EXPECT_EQ(source->process().state, reader::ProcessState::kEnded);
}

TEST_F(RecordTest, AnApplicationThatCrashesIsRecordedToItsEnd) {
    const test::Outcome outcome = Record(App({"signal", std::to_string(SIGKILL)}));
    EXPECT_EQ(outcome.code, 128 + SIGKILL) << outcome.err;
    const auto source = Open();
    EXPECT_EQ(source->remark(), "");
    EXPECT_EQ(source->process().devices.size(), 1u);
}

TEST_F(RecordTest, AskedToEndItEndsTheRecordingAndNotTheProcess) {
    for (const int signal_number : {SIGINT, SIGTERM}) {
        test::Program publisher = StartPublisher();
        ASSERT_TRUE(test::WaitForFile(wait_file()));
        test::Program record = StartRecord({"-o", recording(), std::to_string(publisher.pid())});
        ASSERT_TRUE(test::WaitForText(recording()));
        record.Signal(signal_number);
        const test::Outcome outcome = record.Wait();
        EXPECT_EQ(outcome.code, 0) << outcome.err;
        EXPECT_EQ(Open()->remark(), "");
        std::filesystem::remove(recording());
        std::filesystem::remove(wait_file());
        EXPECT_EQ(publisher.Wait().code, 0);
    }
}

TEST_F(RecordTest, EndsWithTheProcessAndAfterItsDuration) {
    test::Program publisher = StartPublisher();
    ASSERT_TRUE(test::WaitForFile(wait_file()));
    const std::string pid = std::to_string(publisher.pid());
    const test::Outcome timed =
        Record({pid, "--duration", "0.2", "--json", "-q", "-o", recording()});
    EXPECT_EQ(timed.code, 0) << timed.err;
    const Json json = Json::parse(timed.out);
    EXPECT_EQ(json["schema"], 1);
    EXPECT_EQ(json["recording"]["ended"], "duration");
    EXPECT_EQ(json["recording"]["pid"], publisher.pid());
    EXPECT_EQ(json["recording"]["bytes"], std::filesystem::file_size(recording()));

    test::Program record = StartRecord({"-o", recording(), "--json", pid});
    ASSERT_TRUE(test::WaitForText(recording()));
    std::filesystem::remove(wait_file());
    EXPECT_EQ(publisher.Wait().code, 0);
    const test::Outcome ended = record.Wait();
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(Json::parse(ended.out)["recording"]["ended"], "process_ended");
}

TEST_F(RecordTest, TheRecorderKilledAtAnyMomentLeavesWhatCanBeRead) {
    test::Program publisher = StartPublisher();
    ASSERT_TRUE(test::WaitForFile(wait_file()));
    test::Program record = StartRecord({"-o", recording(), std::to_string(publisher.pid())});
    ASSERT_TRUE(test::WaitForText(recording()));
    // The head is there; the first state is written next.
    while (std::filesystem::file_size(recording()) < 1000)
        usleep(1000);
    record.Signal(SIGKILL);
    EXPECT_EQ(record.Wait().signal, SIGKILL);
    EXPECT_NE(Open()->remark(), "");
    std::filesystem::remove(wait_file());
    EXPECT_EQ(publisher.Wait().code, 0);
}

TEST_F(RecordTest, AFullDiskIsSaidAndIsAFailure) {
    if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
    test::Program publisher = StartPublisher();
    ASSERT_TRUE(test::WaitForFile(wait_file()));
    const test::Outcome outcome = Record({"-o", "/dev/full", std::to_string(publisher.pid())});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_NE(outcome.err.find("No space left"), std::string::npos) << outcome.err;
    std::filesystem::remove(wait_file());
    EXPECT_EQ(publisher.Wait().code, 0);
}

TEST_F(RecordTest, AFileThatMayNotGrowIsSaidAndIsAFailure) {
    test::Program publisher = StartPublisher();
    ASSERT_TRUE(test::WaitForFile(wait_file()));
    const test::Outcome outcome =
        test::RunProgram({"sh", "-c", "ulimit -f 1; exec \"$0\" record -o \"$1\" \"$2\"",
                          TESSERA_COMMAND, recording(), std::to_string(publisher.pid())},
                         Options());
    EXPECT_EQ(outcome.code, 1) << outcome.signal;
    EXPECT_NE(outcome.err.find("cannot be written any further: File too large"), std::string::npos)
        << outcome.err;
    std::filesystem::remove(wait_file());
    EXPECT_EQ(publisher.Wait().code, 0);
}

TEST_F(RecordTest, WhatIsMeantForPeopleNeverGetsIntoTheRecording) {
    test::Program publisher = StartPublisher();
    ASSERT_TRUE(test::WaitForFile(wait_file()));
    for (const std::string closed : {">&- 2>&-", "<&- >&- 2>&-"}) {
        const test::Outcome outcome = test::RunProgram(
            {"sh", "-c", "exec \"$0\" record --json --duration 0.05 -o \"$1\" \"$2\" " + closed,
             TESSERA_COMMAND, recording(), std::to_string(publisher.pid())},
            Options());
        EXPECT_EQ(outcome.code, 1) << closed << ": the summary cannot be printed";
        const auto source = Open();
        ASSERT_NE(source, nullptr) << closed;
        EXPECT_EQ(source->remark(), "") << closed;
    }
    std::filesystem::remove(wait_file());
    EXPECT_EQ(publisher.Wait().code, 0);
}

TEST_F(RecordTest, OfAnApplicationThatSucceedsAFailedRecordingIsAFailure) {
    std::vector<std::string> arguments = App({"close"});
    arguments[1] = "/dev/full";
    const test::Outcome outcome = Record(arguments);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_NE(outcome.err.find("No space left"), std::string::npos) << outcome.err;
}

TEST_F(RecordTest, AClosedPipeIsSaidAndIsAFailure) {
    test::Program publisher = StartPublisher();
    ASSERT_TRUE(test::WaitForFile(wait_file()));
    test::ProgramOptions options = Options();
    options.close_output = true;
    const test::Outcome outcome =
        test::RunProgram({"sh", "-c", "exec \"$0\" record -o /dev/stdout \"$1\"", TESSERA_COMMAND,
                          std::to_string(publisher.pid())},
                         options);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_NE(outcome.err.find("recording '/dev/stdout' cannot be written"), std::string::npos)
        << outcome.err;
    std::filesystem::remove(wait_file());
    EXPECT_EQ(publisher.Wait().code, 0);
}

TEST_F(RecordTest, APipeThatNobodyReadsIsWaitedForUntilItIsAskedToEnd) {
    test::Program publisher = StartPublisher();
    ASSERT_TRUE(test::WaitForFile(wait_file()));
    // Full, and held open.
    ASSERT_EQ(mkfifo(recording().c_str(), 0600), 0);
    const int pipe = open(recording().c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    while (write(pipe, "full", 4) > 0) {
    }
    test::Program record = StartRecord({"-o", recording(), std::to_string(publisher.pid())});
    ASSERT_TRUE(test::WaitUntilOpen(record.pid(), "[signalfd]"));
    record.Signal(SIGINT);
    const test::Outcome outcome = record.Wait();
    EXPECT_EQ(outcome.code, 1) << outcome.signal;
    EXPECT_NE(outcome.err.find("nobody reads it"), std::string::npos) << outcome.err;
    close(pipe);
    std::filesystem::remove(wait_file());
    EXPECT_EQ(publisher.Wait().code, 0);
}

TEST_F(RecordTest, TheFirstProcessWithADeviceIsRecordedAndTheOthersAreNamed) {
    const std::string line =
        std::string(TESSERA_PUBLISHER) + " close; " + TESSERA_PUBLISHER + " exit 3";
    const test::Outcome outcome =
        Record({"-o", recording(), "--layer-path", layer_path(), "sh", "-c", line});
    EXPECT_EQ(outcome.code, 3) << outcome.err;
    EXPECT_NE(outcome.err.find("not recorded: publisher"), std::string::npos) << outcome.err;
    EXPECT_EQ(Open()->process().state, reader::ProcessState::kClosed);
}

TEST_F(RecordTest, WithoutADeviceThereIsNoFileAndItIsSaid) {
    const test::Outcome outcome = Record({"-o", recording(), "--layer-path", layer_path(), "true"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_NE(outcome.err.find("nothing was recorded"), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(recording()));
}

TEST_F(RecordTest, ASegmentThatCannotBeOpenedIsSaidWithItsReason) {
    std::filesystem::create_directory(folder_ / "tessera");
    std::filesystem::create_symlink("/dev/null", folder_ / "tessera/4194305-5.channel");
    const test::Outcome outcome = Record({"-o", recording(), "4194305"});
    EXPECT_EQ(outcome.code, 3);
    EXPECT_NE(outcome.err.find("symbolic link"), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(recording()));
}

TEST_F(RecordTest, WrongCommandLinesAreRefused) {
    EXPECT_EQ(Record({"4194305"}).code, 2) << "without -o";
    EXPECT_EQ(Record({"-o", recording()}).code, 2) << "without anything to record";
    EXPECT_EQ(Record({"-o", recording(), "--stacks", "some", "4194305"}).code, 2);
    EXPECT_EQ(Record({"-o", recording(), "--level", "totals", "4194305"}).code, 2);
    EXPECT_EQ(Record({"-o", recording(), "--duration", "-1", "4194305"}).code, 2);
    EXPECT_EQ(Record({"-o", recording(), "4194305"}).code, 3);
    EXPECT_EQ(Record({"-o", folder_ / "no/folder", "--layer-path", layer_path(), "true"}).code,
              125);
    EXPECT_EQ(Record({"-o", recording(), "--layer-path", layer_path(), "./no-such"}).code, 127);
    EXPECT_FALSE(std::filesystem::exists(recording()));
}

}  // namespace
}  // namespace tessera::command
