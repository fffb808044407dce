// SPDX-License-Identifier: Apache-2.0
//
// A reader is killed: the application that it looked at comes to the same result as without, and
// nothing of the reader's is left.
//
// Threads: one.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "kills_fixture.h"
#include "sound.h"
#include "tessera/reader.h"
#include "tools/source.h"

namespace tessera::test {
namespace {

constexpr uint64_t kFewKills = 32;
constexpr uint64_t kKillsOfAnApplication = 128;
constexpr uint64_t kSeed = 5;

// What busy_application says at its end.
struct Result {
    std::string of_a_round;
    uint64_t allocations = 0;
    int status = -1;  // of waitpid
};

class ReaderKilled : public KillsTest {
 protected:
    static Result End(Child& application) {
        application.EndInput();
        Result result;
        const std::string line = application.ReadLine();
        const size_t word = line.rfind(" allocations ");
        result.of_a_round = line.substr(0, word);
        if (word != std::string::npos)
            std::istringstream(line.substr(word + 13)) >> result.allocations;
        result.status = application.Wait();
        return result;
    }

    // The application by itself.
    Result Undisturbed() const {
        Child application(Application("rounds", kSeed));
        EXPECT_EQ(application.ReadLine(), "ready");
        return End(application);
    }

    // Ends an application that was disturbed, and holds what it says and what its segment says
    // against one that was not.
    void ExpectAsUndisturbed(Child& application, const Result& undisturbed) {
        const auto path = reader::FindSegment(static_cast<uint64_t>(application.pid()));
        const Result result = End(application);
        EXPECT_EQ(result.status, 0);
        EXPECT_EQ(result.of_a_round, undisturbed.of_a_round);
        ASSERT_TRUE(path.ok()) << path.error;
        const auto process = reader::ReadSegment(path.value, reader::Depth::kDetail);
        ASSERT_TRUE(process.ok()) << process.error;
        EXPECT_EQ(process.value.state, reader::ProcessState::kClosed);
        EXPECT_FALSE(process.value.torn);
        ASSERT_EQ(process.value.devices.size(), 1u);
        uint64_t allocations = 0;
        for (const reader::MemoryType& type : process.value.devices[0].memory_types) {
            allocations += type.totals.app.allocations;
            EXPECT_EQ(type.totals.app.live, 0u);
            EXPECT_EQ(type.totals.app.frees, type.totals.app.allocations);
            EXPECT_EQ(type.totals.driver.live, 0u);
            EXPECT_EQ(type.totals.placement_failures, 0u);
        }
        EXPECT_EQ(allocations, result.allocations);
        for (const uint64_t misuse : process.value.devices[0].misuse)
            EXPECT_EQ(misuse, 0u);
        EXPECT_EQ(process.value.devices[0].detail.moving, 0u);
    }

    std::string recording() const { return folder() + "/a.rec"; }

    // The i-th reader: one command after the other.
    std::vector<std::string> Reader(uint64_t i, pid_t pid) const {
        const std::string number = std::to_string(pid);
        static const char* const kLevels[] = {"full", "totals", "events"};
        switch (i % 4) {
            case 0:
                return {TESSERA_COMMAND, "record", "-q", "-o", recording(), number};
            case 1:
                return {TESSERA_COMMAND, "top", "--interval", "0.05", number};
            case 2:
                return {TESSERA_COMMAND, "stat", "--watch=0.05", "--detail", number};
            default:
                return {TESSERA_COMMAND, "level", number, kLevels[i / 4 % 3]};
        }
    }

    // What a recorder wrote until it was killed can be read, or is refused with a sentence.
    void JudgeRecording() {
        if (!std::filesystem::exists(recording())) return;
        std::string error;
        const auto source = command::Source::Open(recording(), &error);
        if (source == nullptr) {
            EXPECT_TRUE(error.ends_with('.')) << error;
            ++recordings_refused_;
        } else {
            EXPECT_EQ(WhatIsUnsound(source->process()), "");
            EXPECT_NE(source->remark(), "") << "nobody ended it";
            EXPECT_EQ(source->ForEachEvents([](auto) {}), "");
            ++recordings_read_;
        }
        std::filesystem::remove(recording());
    }

    uint64_t recordings_read_ = 0;
    uint64_t recordings_refused_ = 0;
};

TEST_F(ReaderKilled, AtAnyMomentTheApplicationComesToItsResultAndNothingIsLeft) {
    const uint64_t kills = KillsOf(kFewKills);
    const Result undisturbed = Undisturbed();
    ASSERT_EQ(undisturbed.status, 0);
    uint64_t killed = 0;
    uint64_t ended_before = 0;
    while (killed + ended_before < kills && !HasFailure()) {
        Child application(Application("rounds", kSeed));
        ASSERT_EQ(application.ReadLine(), "ready");
        for (uint64_t i = 0; i < kKillsOfAnApplication && killed + ended_before < kills; ++i) {
            Child reader(Reader(i, application.pid()), true);
            // Now while it starts or reads for the first time, now while it waits for an answer.
            SleepUpTo(Draw(4) == 0 ? 350'000 : 40'000);
            reader.Kill();
            const int status = reader.Wait();
            ++(WIFSIGNALED(status) ? killed : ended_before);
            // Only the one that asks for a level ends by itself.
            EXPECT_TRUE(WIFSIGNALED(status) || i % 4 == 3) << "status " << status;
            if (i % 4 == 0) JudgeRecording();
        }
        ExpectAsUndisturbed(application, undisturbed);
    }
    std::printf("killed %d readers, %d had ended before; of their recordings %d read, %d refused\n",
                static_cast<int>(killed), static_cast<int>(ended_before),
                static_cast<int>(recordings_read_), static_cast<int>(recordings_refused_));
    EXPECT_GT(killed, kills / 2);
    ExpectCollected();
}

// The requests that lie in the folder, whole or not.
size_t CountRequests(const std::string& folder) {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        count += entry.path().filename().string().find(".level") != std::string::npos;
    return count;
}

// Runs a command, and kills it at the n-th end of a system call (and begin of one) after it has
// made a request. Returns: whether it came so far; nothing can be traced: -1.
int KillAtStep(const std::vector<std::string>& command, const std::string& folder, int steps) {
    const pid_t pid = fork();
    if (pid == 0) {
        const int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        std::vector<char*> arguments;
        for (const std::string& word : command)
            arguments.push_back(const_cast<char*>(word.c_str()));
        arguments.push_back(nullptr);
        if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(125);
        execv(arguments[0], arguments.data());
        _exit(126);
    }
    if (pid < 0) return -1;
    const size_t before = CountRequests(folder);
    bool begun = false;
    int status = 0;
    while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
        begun = begun || CountRequests(folder) != before;
        if (begun && steps-- == 0) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return 1;
        }
        ptrace(PTRACE_SYSCALL, pid, nullptr, nullptr);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 125 ? -1 : 0;
}

TEST_F(ReaderKilled, AtEachStepOfARequestTheNextOneIsAnsweredAndNothingIsLeft) {
    const Result undisturbed = Undisturbed();
    Child application(Application("rounds", kSeed));
    ASSERT_EQ(application.ReadLine(), "ready");
    const auto path = reader::FindSegment(static_cast<uint64_t>(application.pid()));
    ASSERT_TRUE(path.ok()) << path.error;
    size_t left_over = 0;
    // Made, written, renamed, closed, and the first looks for the answer: begins and ends.
    for (int step = 0; step < 14; ++step) {
        const int came =
            KillAtStep({TESSERA_COMMAND, "level", std::to_string(application.pid()), "full"},
                       segments(), step);
        if (came < 0) GTEST_SKIP() << "nothing can be traced here";
        ASSERT_EQ(came, 1) << "step " << step;
        left_over = std::max(left_over, CountRequests(segments()));
        EXPECT_EQ(
            reader::RequestLevel(path.value, TESSERA_LEVEL_events, TESSERA_STACKS_AS_IS, 20'000),
            "");
    }
    EXPECT_GT(left_over, 0u) << "no step was in the middle of a request";
    ExpectAsUndisturbed(application, undisturbed);
    ExpectCollected();
}

// Waits until somebody who may only read the file has opened and closed it.
bool AwaitLook(int notifications) {
    pollfd poll_for = {.fd = notifications, .events = POLLIN, .revents = 0};
    return poll(&poll_for, 1, 20'000) == 1;
}

TEST_F(ReaderKilled, ARequestThatIsHalfWrittenIsLookedAtAndIgnored) {
    Child application(Application("rounds", kSeed));
    ASSERT_EQ(application.ReadLine(), "ready");
    const auto path = reader::FindSegment(static_cast<uint64_t>(application.pid()));
    ASSERT_TRUE(path.ok()) << path.error;
    const std::string request = path.value.substr(0, path.value.rfind('.')) + ".level";
    const auto before = reader::ReadSegment(path.value);
    ASSERT_TRUE(before.ok()) << before.error;
    ASSERT_EQ(before.value.level, TESSERA_LEVEL_events);

    tessera_level_request whole = {.magic = TESSERA_LEVEL_MAGIC,
                                   .pid = before.value.pid,
                                   .start_time = before.value.start_time,
                                   .serial = 77,
                                   .level = TESSERA_LEVEL_totals,
                                   .stacks = 0,
                                   .check = 0};
    // As long as it should be, or it is not even opened, of words that were not all written yet.
    for (size_t words = 0; words < sizeof(whole) / 8; ++words) {
        std::string text(reinterpret_cast<const char*>(&whole), words * 8);
        text.resize(sizeof(whole));
        const std::string temporary = folder() + "/request";
        std::ofstream(temporary, std::ios::binary) << text;
        const int notifications = inotify_init1(IN_CLOEXEC);
        ASSERT_GE(notifications, 0);
        ASSERT_GE(inotify_add_watch(notifications, temporary.c_str(), IN_CLOSE_NOWRITE), 0);
        std::filesystem::rename(temporary, request);
        EXPECT_TRUE(AwaitLook(notifications)) << words << " words";
        close(notifications);
        const auto after = reader::ReadSegment(path.value);
        ASSERT_TRUE(after.ok()) << after.error;
        EXPECT_EQ(after.value.level, TESSERA_LEVEL_events) << words << " words";
        EXPECT_EQ(after.value.level_serial, before.value.level_serial);
    }
    // The whole one is obeyed: the others were ignored for what they lacked.
    EXPECT_EQ(reader::RequestLevel(path.value, TESSERA_LEVEL_totals, 0, 20'000), "");
    EXPECT_EQ(End(application).status, 0);
}

}  // namespace
}  // namespace tessera::test
