// SPDX-License-Identifier: Apache-2.0
//
// What other processes, and this one earlier, have left in the folder: what is continued, what is
// replaced, what is removed and what must stay.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>

#include <cstddef>

#include "channel/folder.h"
#include "support.h"

namespace tessera::test {
namespace {

using channel::InstanceCreated;
using channel::InstanceDestroyed;
using testing::SizeIs;

class ChannelRemains : public ChannelTest {
 protected:
    void SetUp() override { ASSERT_EQ(mkdir(folder().c_str(), 0700), 0); }

    // Opens the segment and closes it again.
    static void PassBy() {
        InstanceCreated(true);
        InstanceDestroyed();
    }

    // Makes a file of `bytes` that was last seen alive `age` seconds ago.
    std::string MakeFile(const std::string& name, time_t age, uint64_t bytes = 4096) {
        const std::string path = folder() + "/" + name;
        const int file = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        EXPECT_GE(file, 0);
        EXPECT_EQ(posix_fallocate(file, 0, static_cast<off_t>(bytes)), 0);
        const timespec seen{.tv_sec = time(nullptr) - age, .tv_nsec = 0};
        const timespec times[] = {seen, seen};
        EXPECT_EQ(futimens(file, times), 0);
        close(file);
        return path;
    }

    // A name that no process has: pids stay below 2^22.
    static std::string DeadName(uint64_t n) {
        return SegmentName({.pid = 1'000'000'000 + n, .start_time = 1});
    }
};

bool Exists(const std::string& path) {
    struct stat status;
    return lstat(path.c_str(), &status) == 0;
}

void PatchFile(const std::string& path, uint64_t offset, uint64_t value) {
    const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(file, 0);
    EXPECT_EQ(pwrite(file, &value, sizeof(value), static_cast<off_t>(offset)), 8);
    close(file);
}

TEST_F(ChannelRemains, ASegmentThatIsNotAsWeLeaveItIsReplaced) {
    struct {
        const char* what;
        uint64_t offset;
        uint64_t value;
    } const damages[] = {
        {"magic", offsetof(tessera_channel_header, magic), 1},
        {"version and header size", offsetof(tessera_channel_header, abi_version),
         TESSERA_CHANNEL_ABI_VERSION},
        {"record size", offsetof(tessera_channel_header, record_bytes), 8},
        {"segment size", offsetof(tessera_channel_header, segment_bytes), 1 << 20},
        {"huge segment", offsetof(tessera_channel_header, segment_bytes), ~uint64_t{0}},
        {"small cap", offsetof(tessera_channel_header, max_bytes), 4096},
        {"huge cap", offsetof(tessera_channel_header, max_bytes), ~uint64_t{0}},
        {"too many extents", offsetof(tessera_channel_header, extent_count), ~uint64_t{0} / 8},
        {"an extent too few", offsetof(tessera_channel_header, extent_count), 2},
        {"an extent elsewhere", offsetof(tessera_channel_header, extents), 40960},
        {"a large extent", offsetof(tessera_channel_header, extents) + 8, uint64_t{1} << 40},
        {"an extent of another kind", offsetof(tessera_channel_header, extents) + 16, 77},
        {"the same device twice", offsetof(tessera_channel_header, extents) + 16,
         TESSERA_KIND_DEVICE | uint64_t{1} << 32},
        {"pid", offsetof(tessera_channel_header, pid), 1},
        {"start time", offsetof(tessera_channel_header, pid_start_time), 1},
    };
    for (const auto& damage : damages) {
        SCOPED_TRACE(damage.what);
        PassBy();
        PassBy();
        ASSERT_EQ(ReadOwn().loads, 2u);
        PatchFile(own_path(), damage.offset, damage.value);
        PassBy();
        EXPECT_EQ(ReadOwn().loads, 1u);
        ASSERT_EQ(unlink(own_path().c_str()), 0);
    }
}

TEST_F(ChannelRemains, ASegmentWithHolesOrCutShortIsReplaced) {
    PassBy();
    ASSERT_EQ(truncate(own_path().c_str(), 5000), 0);
    PassBy();
    EXPECT_EQ(ReadOwn().loads, 1u);

    const auto bytes = static_cast<off_t>(std::filesystem::file_size(own_path()));
    ASSERT_EQ(truncate(own_path().c_str(), 4096), 0);
    ASSERT_EQ(truncate(own_path().c_str(), bytes), 0);
    PassBy();
    EXPECT_EQ(ReadOwn().loads, 1u);
    struct stat status;
    ASSERT_EQ(stat(own_path().c_str(), &status), 0);
    EXPECT_GE(status.st_blocks * 512, status.st_size);
}

TEST_F(ChannelRemains, ASegmentThatOthersMayReadIsReplaced) {
    PassBy();
    ASSERT_EQ(chmod(own_path().c_str(), 0644), 0);
    PassBy();
    EXPECT_EQ(ReadOwn().loads, 1u);
}

TEST_F(ChannelRemains, TheSegmentOfADeadProcessOfTheSamePidIsAnotherFile) {
    channel::SegmentOwner stale = Self();
    stale.start_time -= 1;
    const std::string path = MakeFile(SegmentName(stale), 0);
    InstanceCreated(true);
    EXPECT_TRUE(Exists(path));
    EXPECT_EQ(std::filesystem::file_size(path), 4096u);
    EXPECT_EQ(ReadOwn().start_time, Self().start_time);
    InstanceDestroyed();
}

TEST_F(ChannelRemains, OfTheDeadTheEightSeenLastAreKept) {
    std::vector<std::string> paths;
    for (uint64_t n = 0; n < 20; ++n)
        paths.push_back(MakeFile(DeadName(n), 100 + (7 * n) % 20));
    PassBy();
    for (uint64_t n = 0; n < 20; ++n)
        EXPECT_EQ(Exists(paths[n]), (7 * n) % 20 < channel::kKeptDeadSegments)
            << "the one of age " << 7 * n % 20;
}

TEST_F(ChannelRemains, OfTheDeadNoMoreThan64MiBAreKept) {
    std::vector<std::string> paths;
    for (uint64_t n = 0; n < 5; ++n)
        paths.push_back(MakeFile(DeadName(n), static_cast<time_t>(100 + n), uint64_t{15} << 20));
    PassBy();
    for (uint64_t n = 0; n < 5; ++n)
        EXPECT_EQ(Exists(paths[n]), n < 4);
}

TEST_F(ChannelRemains, WhatIsNotADeadSegmentStays) {
    std::vector<std::string> stay = {
        MakeFile("notes.txt", 1000),
        MakeFile(DeadName(100) + ".old", 1000),
        MakeFile("0" + DeadName(101), 1000),
        MakeFile("+1-1.channel", 1000),
        MakeFile("-1.channel", 1000),
        MakeFile("1000000000.channel", 1000),
        MakeFile("99999999999999999999999-1.channel", 1000),
    };
    const std::string victim = MakeFile("victim", 1000);
    const std::string linked = folder() + "/" + DeadName(102);
    ASSERT_EQ(symlink(victim.c_str(), linked.c_str()), 0);
    stay.insert(stay.end(), {victim, linked});
    const std::string named_twice = MakeFile(DeadName(103), 1000);
    ASSERT_EQ(link(named_twice.c_str(), (folder() + "/again").c_str()), 0);
    stay.push_back(named_twice);
    const std::string inner_folder = folder() + "/" + DeadName(104);
    ASSERT_EQ(mkdir(inner_folder.c_str(), 0700), 0);
    stay.push_back(inner_folder);
    const std::string fifo = folder() + "/" + DeadName(106);
    ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
    const timespec long_ago[] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, fifo.c_str(), long_ago, 0), 0);
    stay.push_back(fifo);
    if (geteuid() == 0) {
        stay.push_back(MakeFile(DeadName(105), 1000));
        ASSERT_EQ(chown(stay.back().c_str(), 65534, 65534), 0);
    }
    for (uint64_t n = 0; n < channel::kKeptDeadSegments; ++n)
        MakeFile(DeadName(n), 10);

    PassBy();
    for (const std::string& path : stay)
        EXPECT_TRUE(Exists(path)) << path;
}

TEST_F(ChannelRemains, TheSegmentOfALivingProcessStaysAndIsSeenAlive) {
    const auto parent = static_cast<uint64_t>(getppid());
    const std::string living = MakeFile(
        SegmentName({.pid = parent, .start_time = ReadProcessStat(parent)->start_time}), 1000);
    for (uint64_t n = 0; n < 2 * channel::kKeptDeadSegments; ++n)
        MakeFile(DeadName(n), 10);
    PassBy();
    ASSERT_TRUE(Exists(living));
    struct stat status;
    ASSERT_EQ(stat(living.c_str(), &status), 0);
    EXPECT_GT(status.st_mtime, time(nullptr) - 500);
}

TEST_F(ChannelRemains, ASegmentThatAProcessOfAnotherPidNamespaceMapsStays) {
    InstanceCreated(true);
    // Seen from elsewhere its name would belong to no process.
    const std::string mapped = folder() + "/" + DeadName(1000);
    ASSERT_EQ(rename(own_path().c_str(), mapped.c_str()), 0);
    const timespec long_ago[] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, mapped.c_str(), long_ago, 0), 0);
    for (uint64_t n = 0; n < 2 * channel::kKeptDeadSegments; ++n)
        MakeFile(DeadName(n), 10);
    InChild([] {
        channel::ForkedChild();
        PassBy();
    });
    EXPECT_TRUE(Exists(mapped));

    InstanceDestroyed();
    InChild([] { PassBy(); });
    EXPECT_FALSE(Exists(mapped)) << "the oldest goes once nobody maps it";
}

TEST_F(ChannelRemains, SeveralProcessesMayCleanUpAtTheSameTime) {
    constexpr int kProcesses = 6;
    constexpr int kRounds = 20;
    std::vector<pid_t> children;
    for (int i = 0; i < kProcesses; ++i) {
        const pid_t child = fork();
        if (child == 0) {
            for (int round = 0; round < kRounds; ++round) {
                InstanceCreated(true);
                const bool readable = reader::ReadProcess(static_cast<uint64_t>(getpid())).ok();
                InstanceDestroyed();
                if (!readable) _exit(1);
                const auto n = static_cast<uint64_t>(i * kRounds + round);
                close(open((folder() + "/" + DeadName(n)).c_str(), O_WRONLY | O_CREAT, 0600));
            }
            _exit(0);
        }
        children.push_back(child);
    }
    for (const pid_t child : children)
        EXPECT_EQ(Wait(child).code, 0);
    PassBy();
    EXPECT_EQ(CountEntries(folder()), channel::kKeptDeadSegments + 1);
}

}  // namespace
}  // namespace tessera::test
