// SPDX-License-Identifier: Apache-2.0
//
// Where a process cannot publish its statistics, or only in the second place, the application does
// not notice and memory is pooled all the same. What could be published is taken away by the tests;
// nothing else may be left behind.
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "system_fixture.h"

namespace tessera::test {
namespace {

class Surroundings : public SystemTest {
 protected:
    // Expects that a run with the layer was as one without, but for its log, and that it pooled.
    void ExpectUnnoticed(const Outcome& outcome) const {
        ExpectSame(outcome, RunProgram(command_, bare()));
        ExpectPooling(outcome);
    }

    // Removes the segment of a process that published in shared memory.
    // Returns: whether there was one.
    static bool RemoveShared(pid_t pid) {
        const std::string prefix = std::to_string(pid) + "-";
        for (const std::string& name : FilesIn(SharedFolder())) {
            if (!name.starts_with(prefix)) continue;
            return unlink((SharedFolder() + "/" + name).c_str()) == 0;
        }
        return false;
    }
    static std::string SharedFolder() { return "/dev/shm/tessera-" + std::to_string(geteuid()); }

    // Runs the application with mounts of its own; shared memory is one that it has for itself.
    // Returns: how it ended, and in `left` what lies in shared memory and in the runtime folder.
    Outcome RunMounted(const std::string& mount_runtime, const std::string& shared_options,
                       std::vector<std::string>& left) const {
        const std::string list = folder_ / "left";
        const Outcome outcome = RunProgram(
            WithPrivateMounts(
                "mount -t tmpfs -o " + shared_options + " none /dev/shm && " + mount_runtime,
                command_, "find /dev/shm " + RuntimeFolder() + " ! -type d > " + list),
            Layered());
        left = Lines(ReadFile(list));
        return outcome;
    }

    const Command command_ = {TESSERA_LIFECYCLE_APP, "clean"};
};

TEST_F(Surroundings, WithoutARuntimeFolderSharedMemoryIsUsed) {
    ProgramOptions options = Layered();
    options.environment.erase("XDG_RUNTIME_DIR");
    options.unset.emplace_back("XDG_RUNTIME_DIR");
    const Ended ended = RunToEnd(command_, options);
    ExpectUnnoticed(ended.outcome);
    EXPECT_EQ(LinesWith(ended.outcome.err, "warning").size(), 0u) << ended.outcome.err;
    EXPECT_EQ(Stat(ended.pid)["state"], "closed");
    EXPECT_TRUE(RemoveShared(ended.pid));
    EXPECT_EQ(FilesIn(RuntimeFolder()).size(), 0u);
}

TEST_F(Surroundings, ALinkInPlaceOfOurFolderIsNotFollowed) {
    const std::string elsewhere = folder_ / "elsewhere";
    std::filesystem::create_directory(elsewhere);
    std::filesystem::permissions(elsewhere, std::filesystem::perms::owner_all);
    std::filesystem::create_directory_symlink(elsewhere, SegmentFolder());
    const Ended ended = RunToEnd(command_, Layered());
    ExpectUnnoticed(ended.outcome);
    EXPECT_EQ(LinesWith(ended.outcome.err, "XDG_RUNTIME_DIR").size(), 1u) << ended.outcome.err;
    EXPECT_EQ(FilesIn(elsewhere).size(), 0u);
    EXPECT_TRUE(RemoveShared(ended.pid));
}

TEST_F(Surroundings, AReadOnlyRuntimeFolderIsNotUsed) {
    if (!PrivateMountsPermitted()) GTEST_SKIP() << "Private mounts are not permitted here.";
    std::vector<std::string> left;
    const Outcome outcome =
        RunMounted("mount -t tmpfs -o ro none " + RuntimeFolder(), "size=16m,mode=1777", left);
    ExpectUnnoticed(outcome);
    EXPECT_EQ(LinesWith(outcome.err, "XDG_RUNTIME_DIR").size(), 1u) << outcome.err;
    // The segment of the process, which is gone, and no other file.
    ASSERT_EQ(left.size(), 1u);
    EXPECT_TRUE(left[0].starts_with("/dev/shm/tessera-")) << left[0];
}

TEST_F(Surroundings, AFullFileSystemCostsOnlyTheStatistics) {
    if (!PrivateMountsPermitted()) GTEST_SKIP() << "Private mounts are not permitted here.";
    const std::string runtime_file = RuntimeFolder() + "/full";
    const std::string shared_file = "/dev/shm/full";
    std::vector<std::string> left;
    const Outcome outcome =
        RunMounted("mount -t tmpfs -o size=4k,mode=0700 none " + RuntimeFolder() +
                       " && echo full > " + runtime_file + " && echo full > " + shared_file,
                   "size=4k,mode=1777", left);
    ExpectUnnoticed(outcome);
    EXPECT_GE(LinesWith(outcome.err, "warning: ").size(), 1u) << outcome.err;
    std::ranges::sort(left);
    EXPECT_EQ(left, (std::vector<std::string>{shared_file, runtime_file}));
}

TEST_F(Surroundings, AFileSystemThatFillsUpCostsOnlyTheStatisticsOfTheDevice) {
    if (!PrivateMountsPermitted()) GTEST_SKIP() << "Private mounts are not permitted here.";
    std::vector<std::string> left;
    const Outcome outcome = RunMounted(
        "mount -t tmpfs -o size=64k,mode=0700 none " + RuntimeFolder(), "size=64k,mode=1777", left);
    ExpectUnnoticed(outcome);
    EXPECT_EQ(LinesWith(outcome.err, "warning: No room").size(), 1u) << outcome.err;
    // The segment of the process, without the device, and no other file.
    ASSERT_EQ(left.size(), 1u);
    EXPECT_TRUE(left[0].starts_with(SegmentFolder())) << left[0];
}

TEST_F(Surroundings, ReadOnlyFileSystemsEverywhereLeaveNothingPublished) {
    if (!PrivateMountsPermitted()) GTEST_SKIP() << "Private mounts are not permitted here.";
    std::vector<std::string> left;
    const Outcome outcome = RunMounted("mount -t tmpfs -o ro none " + RuntimeFolder(), "ro", left);
    ExpectUnnoticed(outcome);
    EXPECT_EQ(LinesWith(outcome.err, "publishes no statistics").size(), 1u) << outcome.err;
    EXPECT_EQ(left, std::vector<std::string>());
}

}  // namespace
}  // namespace tessera::test
