// SPDX-License-Identifier: Apache-2.0
//
// Which segments there are, whose they are, what their processes are doing, and what is refused.
#include "tessera/reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/prctl.h>

#include "support.h"

namespace tessera::test {
namespace {

using channel::DeviceCreated;
using channel::InstanceCreated;
using channel::InstanceDestroyed;
using reader::ProcessState;
using reader::ReadProcess;
using reader::ReadSegment;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Reader : public ChannelTest {
 protected:
    // Starts a process that publishes, calls `use` for its one device, and waits to be killed.
    pid_t StartWriter(const std::function<void(tessera_device_record&)>& use) {
        int ready[2];
        EXPECT_EQ(pipe(ready), 0);
        const pid_t child = fork();
        if (child == 0) {
            // A test that fails before it kills the writer must not leave it behind.
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            InstanceCreated(true);
            use(*DeviceCreated(Facts("of the child")));
            [[maybe_unused]] const ssize_t told = write(ready[1], "r", 1);
            while (true)
                pause();
        }
        char byte;
        EXPECT_EQ(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        close(ready[1]);
        return child;
    }

    static void Kill(pid_t child) {
        ASSERT_EQ(kill(child, SIGKILL), 0);
        EXPECT_EQ(Wait(child).signal, SIGKILL);
    }
};

TEST_F(Reader, AKilledProcessHasEndedAndItsNumbersStay) {
    const pid_t child = StartWriter([](tessera_device_record& device) { CountOne(device, 0, 64); });
    const auto pid = static_cast<uint64_t>(child);
    reader::Result<reader::Process> result = ReadProcess(pid);
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_EQ(result.value.state, ProcessState::kLive);
    EXPECT_EQ(result.value.parent_pid, static_cast<uint64_t>(getpid()));

    // Dead, but not yet asked for by its parent: that is how `tessera run` finds it.
    ASSERT_EQ(kill(child, SIGKILL), 0);
    siginfo_t info;
    ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
    EXPECT_EQ(ReadProcess(pid).value.state, ProcessState::kEnded);
    EXPECT_EQ(Wait(child).signal, SIGKILL);
    result = ReadProcess(pid);
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_EQ(result.value.state, ProcessState::kEnded);
    EXPECT_FALSE(result.value.torn);
    ASSERT_THAT(result.value.devices, SizeIs(1));
    EXPECT_EQ(result.value.devices[0].state, TESSERA_DEVICE_LIVE);
    EXPECT_EQ(result.value.devices[0].memory_types[0].totals.app.live_bytes, 64u);
}

TEST_F(Reader, AProcessThatClosedItsLastInstanceIsClosedEvenWhenItIsGone) {
    pid_t child = fork();
    if (child == 0) {
        InstanceCreated(true);
        InstanceDestroyed();
        _exit(0);
    }
    EXPECT_EQ(Wait(child).code, 0);
    EXPECT_EQ(ReadProcess(static_cast<uint64_t>(child)).value.state, ProcessState::kClosed);
}

TEST_F(Reader, AWriterStoppedInTheMiddleOfAChangeIsReportedAndOneKilledThereIsRead) {
    const pid_t child = StartWriter([](tessera_device_record& device) {
        CountOne(device, 0, 64);
        channel::Add(device.totals[0].sequence, 1);
    });
    const reader::Result<reader::Process> stopped = ReadProcess(static_cast<uint64_t>(child));
    EXPECT_FALSE(stopped.ok());
    EXPECT_THAT(stopped.error, HasSubstr("try again"));
    Kill(child);
    const reader::Result<reader::Process> killed = ReadProcess(static_cast<uint64_t>(child));
    ASSERT_TRUE(killed.ok()) << killed.error;
    EXPECT_TRUE(killed.value.torn);
    EXPECT_EQ(killed.value.devices[0].memory_types[0].totals.app.allocations, 1u);
}

TEST_F(Reader, AWriterStoppedWhileADeviceCameIsReportedAndOneKilledThereIsRead) {
    const pid_t child = StartWriter([](tessera_device_record&) {});
    const std::string path = ReadProcess(static_cast<uint64_t>(child)).value.path;
    const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
    uint64_t sequence = 0;
    constexpr off_t kOffset = offsetof(tessera_channel_header, sequence);
    ASSERT_EQ(pread(file, &sequence, sizeof(sequence), kOffset), 8);
    EXPECT_EQ(sequence % 2, 0u);
    ++sequence;
    ASSERT_EQ(pwrite(file, &sequence, sizeof(sequence), kOffset), 8);
    close(file);
    EXPECT_THAT(ReadSegment(path).error, HasSubstr("try again"));
    Kill(child);
    const reader::Result<reader::Process> killed = ReadSegment(path);
    ASSERT_TRUE(killed.ok()) << killed.error;
    EXPECT_TRUE(killed.value.torn);
    EXPECT_THAT(killed.value.devices, SizeIs(1));
}

TEST_F(Reader, SegmentsAreListedNewestProcessFirst) {
    InstanceCreated(true);
    const std::string own = own_path();
    const channel::SegmentOwner self = Self();
    const std::string older = folder() + "/" + SegmentName({self.pid, self.start_time - 1});
    const std::string newer = folder() + "/" + SegmentName({self.pid, self.start_time + 1});
    for (const std::string& path : {older, newer, folder() + "/notes"})
        close(open(path.c_str(), O_WRONLY | O_CREAT, 0600));
    std::vector<std::string> listed = reader::ListSegments();
    std::erase_if(listed, [this](const std::string& path) { return !path.starts_with(folder()); });
    EXPECT_THAT(listed, ElementsAre(newer, own, older));
    EXPECT_EQ(ReadOwn().path, own) << "the living process is meant, not the newest file";
    InstanceDestroyed();
}

TEST_F(Reader, OfSeveralDeadProcessesOfOnePidTheNewestIsRead) {
    const channel::SegmentOwner old_one{.pid = 1'000'000'000, .start_time = 5};
    const channel::SegmentOwner new_one{.pid = 1'000'000'000, .start_time = 6};
    InstanceCreated(true);
    InstanceDestroyed();
    const std::string content = own_path();
    for (const channel::SegmentOwner& owner : {old_one, new_one}) {
        const std::string path = folder() + "/" + SegmentName(owner);
        std::filesystem::copy_file(content, path);
        const int file = open(path.c_str(), O_WRONLY);
        const uint64_t words[] = {owner.pid, owner.start_time};
        ASSERT_EQ(pwrite(file, words, sizeof(words), offsetof(tessera_channel_header, pid)), 16);
        close(file);
    }
    EXPECT_EQ(ReadProcess(old_one.pid).value.start_time, new_one.start_time);
}

TEST_F(Reader, AProcessThatDoesNotExistIsToldFromOneWithoutTheLayer) {
    EXPECT_THAT(ReadProcess(1'000'000'000).error, HasSubstr("There is no process 1000000000"));
    EXPECT_THAT(ReadProcess(static_cast<uint64_t>(getpid())).error,
                HasSubstr("runs without the layer"));
}

TEST_F(Reader, AProcessOfAnotherUserIsNamedAsSuch) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    const auto root_process = static_cast<uint64_t>(getppid());
    InChild([root_process] {
        ASSERT_EQ(setuid(65534), 0);
        EXPECT_THAT(ReadProcess(root_process).error, HasSubstr("another user (uid 0)"));
    });
}

TEST_F(Reader, OnlyRegularFilesOfTheUserOrRootAreRead) {
    const std::string path = runtime_dir() + "/file";
    EXPECT_THAT(ReadSegment(path).error, HasSubstr("No such file or directory"));
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    EXPECT_THAT(ReadSegment(path).error, HasSubstr("not a regular file"));
    EXPECT_THAT(ReadSegment(runtime_dir()).error, HasSubstr("not a regular file"));
    EXPECT_THAT(ReadSegment("/dev/zero").error, HasSubstr("not a regular file"));
    const std::string link = runtime_dir() + "/link";
    ASSERT_EQ(symlink(path.c_str(), link.c_str()), 0);
    EXPECT_THAT(ReadSegment(link).error, HasSubstr("symbolic link"));
    if (geteuid() != 0) return;
    InstanceCreated(true);
    ASSERT_EQ(chown(own_path().c_str(), 65534, 65534), 0);
    EXPECT_THAT(ReadSegment(own_path()).error, HasSubstr("belongs to another user"));
    InstanceDestroyed();
}

TEST_F(Reader, ASegmentThatIsNotReadyIsSaidToBeSo) {
    const std::string path = runtime_dir() + "/zeroes";
    const int file = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
    ASSERT_EQ(ftruncate(file, 8192), 0);
    close(file);
    EXPECT_THAT(ReadSegment(path).error, HasSubstr("not ready"));
}

TEST_F(Reader, ASegmentUnderTheNameOfAnotherProcessIsRefused) {
    InstanceCreated(true);
    const std::string other = folder() + "/" + SegmentName({.pid = 77, .start_time = 88});
    ASSERT_EQ(rename(own_path().c_str(), other.c_str()), 0);
    EXPECT_THAT(ReadSegment(other).error, HasSubstr("another process"));
    InstanceDestroyed();
}

TEST_F(Reader, AnOpenSegmentIsReadAfterItsNameIsGone) {
    InstanceCreated(true);
    const std::string path = own_path();
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    ASSERT_EQ(unlink(path.c_str()), 0);
    const reader::Result<reader::Process> result = reader::ReadSegmentFd(file, path);
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_EQ(result.value.pid, static_cast<uint64_t>(getpid()));
    close(file);
    InstanceDestroyed();
}

TEST_F(Reader, ReadingChangesNothing) {
    InstanceCreated(true);
    tessera_device_record* const record = DeviceCreated(Facts());
    ASSERT_EQ(chmod(own_path().c_str(), 0400), 0);
    const size_t descriptors = CountEntries("/proc/self/fd");
    for (int i = 0; i < 10; ++i)
        EXPECT_THAT(ReadOwn().devices, SizeIs(1));
    EXPECT_EQ(CountEntries("/proc/self/fd"), descriptors);
    channel::DeviceDestroyed(record);
    InstanceDestroyed();
}

}  // namespace
}  // namespace tessera::test
