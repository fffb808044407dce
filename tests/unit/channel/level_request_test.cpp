// SPDX-License-Identifier: Apache-2.0
//
// The one file that others write for this process: what of it is obeyed, and that to look for it
// costs the application nothing that it could notice.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstring>

#include "channel/level_file.h"
#include "support.h"

namespace tessera::test {
namespace {

using channel::InstanceCreated;
using channel::InstanceDestroyed;
using channel::ReadLevelRequest;

class LevelRequest : public ChannelTest {
 protected:
    LevelRequest() {
        InstanceCreated(true);
        path_ = own_path();
        path_.replace(path_.size() - channel::kSegmentSuffix.size(), std::string::npos,
                      channel::kLevelSuffix);
    }
    ~LevelRequest() override { InstanceDestroyed(); }

    static tessera_level_request Make(uint64_t serial, uint64_t level = TESSERA_LEVEL_full) {
        tessera_level_request request{};
        request.magic = TESSERA_LEVEL_MAGIC;
        request.pid = Self().pid;
        request.start_time = Self().start_time;
        request.serial = serial;
        request.level = level;
        request.stacks = 7;
        request.check = channel::CheckOf(request);
        return request;
    }
    // As the tool does: in place if it is there.
    void Write(const void* bytes, size_t size) const {
        const int file = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        ASSERT_GE(file, 0);
        ASSERT_EQ(pwrite(file, bytes, size, 0), static_cast<ssize_t>(size));
        ASSERT_EQ(ftruncate(file, static_cast<off_t>(size)), 0);
        close(file);
    }
    void Write(const tessera_level_request& request) const { Write(&request, sizeof(request)); }

    const std::string& path() const { return path_; }

 private:
    std::string path_;
};

TEST_F(LevelRequest, AWholeOneIsObeyedAndTheNextAsWell) {
    tessera_level_request read{};
    EXPECT_FALSE(ReadLevelRequest(&read)) << "there is none";
    // Many of them are written within one tick of the file system's clock.
    for (uint64_t serial = 1; serial < 1000; ++serial) {
        const tessera_level_request request = Make(serial, serial % 3);
        Write(request);
        ASSERT_TRUE(ReadLevelRequest(&read)) << serial;
        EXPECT_EQ(std::memcmp(&read, &request, sizeof(read)), 0) << serial;
    }
}

TEST_F(LevelRequest, WhatIsNotWholeIsNotObeyed) {
    tessera_level_request read{};
    const tessera_level_request good = Make(1);
    std::vector<std::byte> bytes(sizeof(good) + 8);
    std::memcpy(bytes.data(), &good, sizeof(good));
    for (const size_t size :
         {size_t{0}, size_t{1}, sizeof(good) - 1, sizeof(good) + 1, sizeof(good) + 8}) {
        Write(bytes.data(), size);
        EXPECT_FALSE(ReadLevelRequest(&read)) << size;
    }
    for (size_t word = 0; word < sizeof(good) / sizeof(uint64_t); ++word) {
        tessera_level_request bad = good;
        reinterpret_cast<uint64_t*>(&bad)[word] ^= 0x10;
        Write(bad);
        EXPECT_FALSE(ReadLevelRequest(&read)) << "word " << word << " is not what is checked";
        // Who writes the check as well has the rest to get right.
        bad.check = channel::CheckOf(bad);
        Write(bad);
        const bool may = &reinterpret_cast<uint64_t*>(&bad)[word] == &bad.serial ||
                         &reinterpret_cast<uint64_t*>(&bad)[word] == &bad.stacks ||
                         &reinterpret_cast<uint64_t*>(&bad)[word] == &bad.check;
        EXPECT_EQ(ReadLevelRequest(&read), may) << "word " << word;
    }
}

TEST_F(LevelRequest, NothingButAPlainFileIsRead) {
    tessera_level_request read{};
    Write(Make(1));
    const std::string elsewhere = path() + ".elsewhere";
    ASSERT_EQ(rename(path().c_str(), elsewhere.c_str()), 0);
    ASSERT_EQ(symlink(elsewhere.c_str(), path().c_str()), 0);
    EXPECT_FALSE(ReadLevelRequest(&read)) << "a link";
    ASSERT_EQ(unlink(path().c_str()), 0);
    ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
    EXPECT_FALSE(ReadLevelRequest(&read)) << "a fifo, at which nobody waits";
    ASSERT_EQ(unlink(path().c_str()), 0);
    ASSERT_EQ(mkdir(path().c_str(), 0700), 0);
    EXPECT_FALSE(ReadLevelRequest(&read)) << "a folder";
    ASSERT_EQ(rmdir(path().c_str()), 0);
    ASSERT_EQ(rename(elsewhere.c_str(), path().c_str()), 0);
    EXPECT_TRUE(ReadLevelRequest(&read));
}

// From here on whoever opens a file in this process dies.
bool ForbidOpening() {
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
#ifdef SYS_open
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 0, 1),
#else
        BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
#endif
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program = {static_cast<unsigned short>(std::size(filter)), filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// The lowest free descriptor is what an application gets that closes 0 and opens a file: nobody may
// take it in between.
TEST_F(LevelRequest, LookingTakesNoDescriptorWhileThereIsNothingNew) {
    const auto looks = [this](bool request) {
        return InChild([&] {
            channel::ForkedChild();
            InstanceCreated(true);
            tessera_level_request read{};
            std::string own = own_path();
            own.replace(own.size() - channel::kSegmentSuffix.size(), std::string::npos,
                        channel::kLevelSuffix);
            if (request) {
                const tessera_level_request wish = Make(1);
                const int file = open(own.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
                ASSERT_EQ(pwrite(file, &wish, sizeof(wish), 0), ssize_t{sizeof(wish)});
                close(file);
                EXPECT_TRUE(ReadLevelRequest(&read));
                // Longer than a file counts as one that may still be written.
                sleep(4);
                ReadLevelRequest(&read);
            }
            if (!ForbidOpening()) _exit(kChildSkipped);
            for (int i = 0; i < 20; ++i)
                EXPECT_FALSE(ReadLevelRequest(&read));
        });
    };
    if (!looks(false)) GTEST_SKIP() << "no filters for system calls here";
    EXPECT_TRUE(looks(true));
}

}  // namespace
}  // namespace tessera::test
