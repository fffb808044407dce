// SPDX-License-Identifier: Apache-2.0
//
// Where a segment goes, and which places are refused. A refused runtime folder means /dev/shm; the
// tests take away again what they have put there.
#include <fcntl.h>
#include <gmock/gmock.h>

#include "private_mounts.h"
#include "support.h"

namespace tessera::test {
namespace {

using channel::InstanceCreated;
using channel::InstanceDestroyed;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

std::string SharedMemoryFolder() {
    return "/dev/shm/tessera-" + std::to_string(geteuid());
}

class ChannelPlace : public ChannelTest {
 protected:
    ~ChannelPlace() override { unlink((SharedMemoryFolder() + "/" + SegmentName(Self())).c_str()); }

    // Expects that an instance publishes in /dev/shm and leaves the runtime folder alone.
    void ExpectPublishedInSharedMemory() {
        const size_t before = CountEntries(runtime_dir());
        InstanceCreated(true);
        EXPECT_EQ(ReadOwn().path, SharedMemoryFolder() + "/" + SegmentName(Self()));
        InstanceDestroyed();
        EXPECT_EQ(CountEntries(runtime_dir()), before);
    }
};

TEST_F(ChannelPlace, WithoutARuntimeFolderSharedMemoryIsUsed) {
    unsetenv("XDG_RUNTIME_DIR");
    EXPECT_THAT(reader::SegmentDirectories(), ElementsAre(SharedMemoryFolder()));
    InstanceCreated(true);
    struct stat status;
    ASSERT_EQ(lstat(SharedMemoryFolder().c_str(), &status), 0);
    EXPECT_TRUE(S_ISDIR(status.st_mode));
    EXPECT_EQ(status.st_mode & ALLPERMS, 0700u);
    EXPECT_EQ(ReadOwn().path, SharedMemoryFolder() + "/" + SegmentName(Self()));
    InstanceDestroyed();
}

TEST_F(ChannelPlace, ReadersLookInBothPlaces) {
    EXPECT_THAT(reader::SegmentDirectories(), ElementsAre(folder(), SharedMemoryFolder()));
}

TEST_F(ChannelPlace, AMissingRuntimeFolderIsSaidAndReplaced) {
    setenv("XDG_RUNTIME_DIR", (runtime_dir() + "/missing").c_str(), 1);
    testing::internal::CaptureStderr();
    ExpectPublishedInSharedMemory();
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_THAT(log, HasSubstr("warning: XDG_RUNTIME_DIR is '" + runtime_dir() + "/missing'"));
    EXPECT_THAT(log, HasSubstr("No such file or directory"));
}

TEST_F(ChannelPlace, ARelativeRuntimeFolderIsReplaced) {
    setenv("XDG_RUNTIME_DIR", "relative/path", 1);
    EXPECT_THAT(reader::SegmentDirectories(), ElementsAre(SharedMemoryFolder()));
    ExpectPublishedInSharedMemory();
}

TEST_F(ChannelPlace, ARuntimeFolderWithAnEndlessNameIsReplaced) {
    setenv("XDG_RUNTIME_DIR", ("/" + std::string(10'000, 'x')).c_str(), 1);
    ExpectPublishedInSharedMemory();
}

TEST_F(ChannelPlace, AFolderThatOthersMayLookIntoIsReplaced) {
    ASSERT_EQ(mkdir(folder().c_str(), 0700), 0);
    ASSERT_EQ(chmod(folder().c_str(), 0710), 0);
    ExpectPublishedInSharedMemory();
    EXPECT_EQ(CountEntries(folder()), 0u);
}

TEST_F(ChannelPlace, ALinkInsteadOfAFolderIsReplaced) {
    const std::string elsewhere = runtime_dir() + "/elsewhere";
    ASSERT_EQ(mkdir(elsewhere.c_str(), 0700), 0);
    ASSERT_EQ(symlink(elsewhere.c_str(), folder().c_str()), 0);
    ExpectPublishedInSharedMemory();
    EXPECT_EQ(CountEntries(elsewhere), 0u);
}

TEST_F(ChannelPlace, AFileInsteadOfAFolderIsReplaced) {
    close(open(folder().c_str(), O_WRONLY | O_CREAT, 0600));
    ExpectPublishedInSharedMemory();
}

TEST_F(ChannelPlace, AFolderOfAnotherUserIsReplaced) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can make a folder of another user";
    ASSERT_EQ(mkdir(folder().c_str(), 0700), 0);
    ASSERT_EQ(chown(folder().c_str(), 65534, 65534), 0);
    ExpectPublishedInSharedMemory();
    EXPECT_EQ(CountEntries(folder()), 0u);
}

TEST_F(ChannelPlace, AFolderOnAReadOnlyFileSystemIsReplaced) {
    ASSERT_EQ(mkdir(folder().c_str(), 0700), 0);
    if (!InChild([this] {
            EnterPrivateMounts();
            MountTmpfs(runtime_dir(), "mode=0700,ro");
            MountTmpfs("/dev/shm", "mode=1777");
            ExpectPublishedInSharedMemory();
        }))
        GTEST_SKIP() << "mounting is not permitted here";
}

TEST_F(ChannelPlace, WithoutAnyPlaceNothingIsPublishedAndAllElseWorks) {
    const bool ran = InChild([this] {
        EnterPrivateMounts();
        MountTmpfs(runtime_dir(), "mode=0700,ro");
        MountTmpfs("/dev/shm", "mode=1777,ro");
        testing::internal::CaptureStderr();
        InstanceCreated(true);
        EXPECT_THAT(testing::internal::GetCapturedStderr(),
                    HasSubstr("This process publishes no statistics"));
        tessera_device_record* const record = channel::DeviceCreated(Facts());
        CountOne(*record, 0, 4096);
        EXPECT_EQ(record->totals[0].app.live, 1u);
        EXPECT_TRUE(reader::ListSegments().empty());
        channel::DeviceDestroyed(record);
        InstanceDestroyed();
    });
    if (!ran) GTEST_SKIP() << "mounting is not permitted here";
}

TEST_F(ChannelPlace, WhatIsInTheWayOfTheSegmentIsReplacedAndNeverFollowed) {
    const std::string victim = runtime_dir() + "/victim";
    const std::string path = own_path();
    const std::function<void()> obstacles[] = {
        [&] { ASSERT_EQ(symlink(victim.c_str(), path.c_str()), 0); },
        [&] { ASSERT_EQ(mkfifo(path.c_str(), 0600), 0); },
        [&] { ASSERT_EQ(link(victim.c_str(), path.c_str()), 0); },
    };
    ASSERT_EQ(mkdir(folder().c_str(), 0700), 0);
    for (const auto& put : obstacles) {
        close(open(victim.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
        put();
        InstanceCreated(true);
        EXPECT_EQ(ReadOwn().loads, 1u);
        InstanceDestroyed();
        EXPECT_EQ(std::filesystem::file_size(victim), 0u);
        ASSERT_EQ(unlink(path.c_str()), 0);
    }
}

TEST_F(ChannelPlace, AFolderInTheWayOfTheSegmentMeansNoStatistics) {
    ASSERT_EQ(mkdir(folder().c_str(), 0700), 0);
    ASSERT_EQ(mkdir(own_path().c_str(), 0700), 0);
    testing::internal::CaptureStderr();
    InstanceCreated(true);
    EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("Is a directory"));
    tessera_device_record* const record = channel::DeviceCreated(Facts());
    CountOne(*record, 0, 1);
    channel::DeviceDestroyed(record);
    InstanceDestroyed();
}

}  // namespace
}  // namespace tessera::test
