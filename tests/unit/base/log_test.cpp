// SPDX-License-Identifier: Apache-2.0
//
// The log as a guest: what it writes, and above all when it must not.
#include "layer/base/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>
#include <vector>

#include "scratch.h"

namespace tessera {
namespace {

using test::ReadFile;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string Prefix(const char* level) {
    return "tessera[" + std::to_string(getpid()) + "] " + level + ": ";
}

std::string Escape(std::string_view text, size_t room = 256) {
    std::string out(room, '?');
    out.resize(EscapeControlCharacters(text, out).written);
    return out;
}

// Each test logs to a file of its own.
class Log : public testing::Test {
 protected:
    void SetUp() override { ASSERT_TRUE(ConfigureLog(LogLevel::kWarning, path_.c_str())); }
    void TearDown() override { ShutdownLog(); }
    std::string Written() const { return ReadFile(path_); }

    test::ScratchFolder folder_;
    const std::string path_ = folder_ / "log.txt";
    LogSite site_;
};

TEST_F(Log, WritesPidLevelAndTextInOneLine) {
    LogLine(site_, LogLevel::kWarning, "heap %d is %s", 3, "full");
    EXPECT_EQ(Written(), Prefix("warning") + "heap 3 is full\n");
}

TEST_F(Log, NamesEachLevel) {
    ConfigureLog(LogLevel::kDebug, path_.c_str());
    TESSERA_LOG(kError, "a");
    TESSERA_LOG(kWarning, "b");
    TESSERA_LOG(kInfo, "c");
    TESSERA_LOG(kDebug, "d");
    EXPECT_EQ(Written(), Prefix("error") + "a\n" + Prefix("warning") + "b\n" + Prefix("info") +
                             "c\n" + Prefix("debug") + "d\n");
}

TEST_F(Log, WritesNothingBelowTheConfiguredLevel) {
    bool evaluated = false;
    TESSERA_LOG(kInfo, "%d", static_cast<int>(evaluated = true));
    EXPECT_FALSE(evaluated);
    EXPECT_THAT(Written(), IsEmpty());
}

TEST_F(Log, WritesNotEvenErrorsWhenOff) {
    ConfigureLog(LogLevel::kOff, path_.c_str());
    TESSERA_LOG(kError, "unheard");
    EXPECT_THAT(Written(), IsEmpty());
}

TEST_F(Log, FallsSilentAfterThreeLinesFromOnePlaceAndSaysSo) {
    for (int i = 1; i <= 10; ++i)
        TESSERA_LOG(kWarning, "line %d", i);
    EXPECT_EQ(Written(), Prefix("warning") + "line 1\n" + Prefix("warning") + "line 2\n" +
                             Prefix("warning") + "line 3 (more of this is silenced)\n");
    TESSERA_LOG(kWarning, "another place");
    EXPECT_THAT(Written(), EndsWith(Prefix("warning") + "another place\n"));
}

TEST_F(Log, KeepsTheLimitWhenThreadsLogAtOnce) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([this] {
            for (int j = 0; j < 50; ++j)
                LogLine(site_, LogLevel::kWarning, "same place");
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    const std::string written = Written();
    EXPECT_EQ(std::ranges::count(written, '\n'), kMaxLinesPerLogSite);
}

TEST_F(Log, CutsALineThatIsTooLongAndStillEndsIt) {
    const std::string text(5000, 'x');
    LogLine(site_, LogLevel::kWarning, "%s", text.c_str());
    EXPECT_LE(Written().size(), kMaxLogLineBytes);
    EXPECT_THAT(Written(), EndsWith("xxx...\n"));

    LogLine(site_, LogLevel::kWarning, "second");
    LogLine(site_, LogLevel::kWarning, "%s", text.c_str());
    EXPECT_THAT(Written(), EndsWith("xxx... (more of this is silenced)\n"));
}

TEST_F(Log, EscapesControlCharactersOfItsArguments) {
    LogLine(site_, LogLevel::kWarning, "name '%s'", "a\nb\x1b[31mc\x7f");
    EXPECT_EQ(Written(), Prefix("warning") + "name 'a\\x0ab\\x1b[31mc\\x7f'\n");
}

TEST_F(Log, LeavesErrnoAlone) {
    errno = EXDEV;
    LogLine(site_, LogLevel::kWarning, "%s", "text");
    EXPECT_EQ(errno, EXDEV);
    EXPECT_FALSE(ConfigureLog(LogLevel::kWarning, "no/such/folder/log.txt"));
    EXPECT_EQ(errno, EXDEV);
}

TEST_F(Log, AppendsToAFileThatExists) {
    LogLine(site_, LogLevel::kWarning, "first");
    ASSERT_TRUE(ConfigureLog(LogLevel::kWarning, path_.c_str()));
    LogLine(site_, LogLevel::kWarning, "second");
    EXPECT_EQ(Written(), Prefix("warning") + "first\n" + Prefix("warning") + "second\n");
}

TEST_F(Log, MovesToAnotherFileWithoutKeepingTheFirstOpen) {
    const std::string other = folder_ / "other.txt";
    ASSERT_TRUE(ConfigureLog(LogLevel::kWarning, other.c_str()));
    LogLine(site_, LogLevel::kWarning, "here");
    EXPECT_THAT(Written(), IsEmpty());
    EXPECT_THAT(ReadFile(other), HasSubstr("here"));

    const int next = open(other.c_str(), O_RDONLY);
    for (int i = 0; i < 20; ++i)
        ConfigureLog(LogLevel::kWarning, path_.c_str());
    const int after = open(other.c_str(), O_RDONLY);
    EXPECT_EQ(after, next + 1) << "reconfiguring leaked descriptors";
    close(after);
    close(next);
}

TEST_F(Log, CreatesTheFileForTheUserAlone) {
    struct stat status;
    ASSERT_EQ(stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(Log, RefusesLinksFoldersFifosAndDevices) {
    ASSERT_EQ(symlink(path_.c_str(), (folder_ / "link").c_str()), 0);
    ASSERT_EQ(mkfifo((folder_ / "fifo").c_str(), 0600), 0);
    EXPECT_FALSE(ConfigureLog(LogLevel::kWarning, (folder_ / "link").c_str()));
    EXPECT_FALSE(ConfigureLog(LogLevel::kWarning, (folder_ / "fifo").c_str()));
    EXPECT_FALSE(ConfigureLog(LogLevel::kWarning, (folder_ / "").c_str()));
    EXPECT_FALSE(ConfigureLog(LogLevel::kWarning, "/dev/null"));
}

// Runs `body` in a child whose stderr is `sink`. Returns: how the child ended, as waitpid says.
template <typename Body>
int RunInChild(int sink, Body body) {
    const pid_t child = fork();
    if (child == 0) {
        LogForkedChild();
        dup2(sink, STDERR_FILENO);
        ShutdownLog();
        body();
        _exit(0);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
}

TEST_F(Log, WritesNothingIntoAFileThatTookOverItsDescriptor) {
    const std::string other = folder_ / "application.txt";
    const int status = RunInChild(STDERR_FILENO, [&] {
        ConfigureLog(LogLevel::kWarning, path_.c_str());
        // What a daemon does: close everything, then open files of its own.
        for (int fd = STDERR_FILENO + 1; fd < 64; ++fd)
            close(fd);
        int last = -1;
        while (last < 63)
            last = open(other.c_str(), O_WRONLY | O_CREAT, 0600);
        LogLine(site_, LogLevel::kWarning, "lost");
        ShutdownLog();
        for (int fd = STDERR_FILENO + 1; fd < 64; ++fd) {
            if (close(fd) != 0) _exit(1);  // ShutdownLog closed a file that is not ours
        }
    });
    EXPECT_EQ(status, 0);
    EXPECT_THAT(ReadFile(other), IsEmpty());
    EXPECT_THAT(Written(), IsEmpty());
}

TEST_F(Log, DropsLinesInsteadOfWaitingForAFullPipe) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
    const std::string page(4096, 'x');
    while (write(ends[1], page.data(), page.size()) > 0) {
    }
    ASSERT_EQ(fcntl(ends[1], F_SETFL, 0), 0);  // blocking again, as applications have it
    EXPECT_EQ(RunInChild(ends[1], [] { TESSERA_LOG(kWarning, "dropped"); }), 0);
    close(ends[0]);
    close(ends[1]);
}

TEST_F(Log, DoesNotKillTheApplicationWhenNobodyReadsItsStderr) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    close(ends[0]);
    const int status = RunInChild(ends[1], [] {
        signal(SIGPIPE, SIG_DFL);
        TESSERA_LOG(kWarning, "dropped");
    });
    EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
    close(ends[1]);
}

TEST_F(Log, NeverBecomesTheStderrOfAProcessThatHasNone) {
    const int status = RunInChild(STDERR_FILENO, [this] {
        close(STDERR_FILENO);
        ConfigureLog(LogLevel::kWarning, (folder_ / "new.txt").c_str());
        if (fcntl(STDERR_FILENO, F_GETFD) != -1) _exit(1);
        LogLine(site_, LogLevel::kWarning, "written");
    });
    EXPECT_EQ(status, 0);
    EXPECT_THAT(ReadFile(folder_ / "new.txt"), EndsWith("written\n"));
}

TEST_F(Log, WritesThePidOfAForkedChild) {
    EXPECT_EQ(RunInChild(STDERR_FILENO,
                         [this] {
                             ConfigureLog(LogLevel::kWarning, path_.c_str());
                             LogLine(site_, LogLevel::kWarning, "from the child");
                         }),
              0);
    EXPECT_THAT(Written(), EndsWith("from the child\n"));
    EXPECT_THAT(Written(), Not(HasSubstr(Prefix("warning"))));
}

TEST_F(Log, CanBeConfiguredInAChildForkedWhileAnotherThreadConfigured) {
    std::atomic<bool> done{false};
    std::thread configuring([&] {
        while (!done)
            ConfigureLog(LogLevel::kWarning, path_.c_str());
    });
    for (int i = 0; i < 50; ++i) {
        const int status =
            RunInChild(STDERR_FILENO, [this] { ConfigureLog(LogLevel::kWarning, path_.c_str()); });
        EXPECT_EQ(status, 0);
    }
    done = true;
    configuring.join();
}

TEST(EscapeControlCharacters, KeepsPrintableTextAndUtf8) {
    EXPECT_EQ(Escape("plain ~ text"), "plain ~ text");
    EXPECT_EQ(Escape("Gr\xC3\xBC\xC3\x9F"
                     "e \xE2\x82\xAC \xC2\xA9"),
              "Gr\xC3\xBC\xC3\x9F"
              "e \xE2\x82\xAC \xC2\xA9");
}

TEST(EscapeControlCharacters, WritesC0AndDelAndC1AsHex) {
    EXPECT_EQ(Escape(std::string_view("\0\t\r\x1b", 4)), "\\x00\\x09\\x0d\\x1b");
    EXPECT_EQ(Escape("\x7f"), "\\x7f");
    EXPECT_EQ(Escape("a\xC2\x9B"
                     "1m"),
              "a\\xc2\\x9b1m");
}

TEST(EscapeControlCharacters, LooksNoFurtherThanItsText) {
    EXPECT_EQ(Escape(""), "");
    EXPECT_EQ(Escape("\xC2"), "\xC2");
    EXPECT_EQ(Escape("\x9B"), "\x9B");
}

TEST(EscapeControlCharacters, NeverWritesHalfAnEscape) {
    EXPECT_EQ(Escape("ab\n", 6), "ab\\x0a");
    EXPECT_EQ(Escape("ab\n", 5), "ab");
    char room[2];
    const EscapeResult result = EscapeControlCharacters("abc", room);
    EXPECT_EQ(result.read, 2u);
    EXPECT_EQ(result.written, 2u);
}

}  // namespace
}  // namespace tessera
