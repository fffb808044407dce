// SPDX-License-Identifier: Apache-2.0
//
// The writer is killed at each instruction of the layer, one after the other, while it allocates,
// names, binds, maps and frees.
//
// The one idea: an application that is stepped through by its parent is, between two instructions,
// as it would be if it were killed there. So its segment is copied whenever an instruction changed
// it, and the copy is made one of a process that does not exist.
//
// Threads: one, here and in the application.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "kills_fixture.h"
#include "plausible.h"
#include "tessera/reader.h"

#if defined(__x86_64__)

namespace tessera::test {
namespace {

// An operation is as long as some kills: each of its instructions is one.
constexpr uint64_t kFewKills = 64;
constexpr uint64_t kKillsOfAnOperation = 16;

// The addresses of the layer's code in a process.
struct Code {
    uint64_t begin = 0;
    uint64_t end = 0;
};

Code LayerCodeOf(pid_t pid) {
    std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
    Code code;
    for (std::string line; std::getline(maps, line);) {
        if (line.find("libVkLayer_tessera") == std::string::npos ||
            line.find(" r-xp ") == std::string::npos)
            continue;
        char dash;
        std::istringstream(line) >> std::hex >> code.begin >> dash >> code.end;
    }
    return code;
}

// The segment of a process that stands still, and what it held when that was asked last.
class Watched {
 public:
    explicit Watched(const std::string& path) : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
        EXPECT_GE(file_, 0);
        Map();
    }
    ~Watched() {
        munmap(place_, held_.size());
        close(file_);
    }
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;

    // Returns: whether it holds something else than the last time.
    bool HasChanged() {
        if (std::memcmp(place_, held_.data(), held_.size()) == 0) return false;
        munmap(place_, held_.size());  // it may have grown
        Map();
        return true;
    }

    // Writes what it held as the segment of a process that is dead.
    void WriteAsDead(const std::string& path) {
        tessera_channel_header header;
        std::memcpy(&header, held_.data(), sizeof(header));
        header.pid_start_time = 1;
        std::ofstream file(path, std::ios::binary);
        file.write(reinterpret_cast<const char*>(&header), sizeof(header));
        file.write(held_.data() + sizeof(header),
                   static_cast<std::streamsize>(held_.size() - sizeof(header)));
    }

 private:
    void Map() {
        struct stat status;
        ASSERT_EQ(fstat(file_, &status), 0);
        const auto bytes = static_cast<size_t>(status.st_size);
        place_ = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file_, 0);
        ASSERT_NE(place_, MAP_FAILED);
        held_.assign(static_cast<const char*>(place_), bytes);
    }

    const int file_;
    void* place_ = nullptr;
    std::string held_;  // as long as what is mapped
};

class EachInstruction : public KillsTest {
 protected:
    // Goes on by one instruction. Returns: false once the application stops by itself, or is gone.
    static bool Step(pid_t pid) {
        int status = 0;
        return ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr) == 0 &&
               waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
    }
    static bool Contains(const Code& code, uint64_t address) {
        return address >= code.begin && address < code.end;
    }
    static uint64_t Peek(pid_t pid, size_t place) {
        return static_cast<uint64_t>(ptrace(PTRACE_PEEKUSER, pid, place, nullptr));
    }

    // The layer has called somebody, who fills memory, for example: that is not stepped through,
    // but goes on until it returns. Returns: false, at once, if it was no call.
    static bool RunToReturn(pid_t pid, const Code& layer) {
        const uint64_t stack = Peek(pid, offsetof(user_regs_struct, rsp));
        const auto back = static_cast<uint64_t>(ptrace(PTRACE_PEEKDATA, pid, stack, nullptr));
        if (!Contains(layer, back)) return false;
        const long code = ptrace(PTRACE_PEEKTEXT, pid, back, nullptr);
        ptrace(PTRACE_POKETEXT, pid, back, (code & ~0xffL) | 0xcc);  // int3
        int status = 0;
        ptrace(PTRACE_CONT, pid, nullptr, nullptr);
        EXPECT_EQ(waitpid(pid, &status, 0), pid);
        EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
        ptrace(PTRACE_POKETEXT, pid, back, code);
        ptrace(PTRACE_POKEUSER, pid, offsetof(user_regs_struct, rip), back);
        return true;
    }

    void Judge(Watched& segment, pid_t pid) {
        const std::string path = folder() + "/" + std::to_string(pid) + "-1.channel";
        segment.WriteAsDead(path);
        const auto result = reader::ReadSegment(path, reader::Depth::kDetail);
        ASSERT_TRUE(result.ok()) << result.error;
        EXPECT_EQ(result.value.state, reader::ProcessState::kEnded);
        ASSERT_EQ(result.value.devices.size(), 1u);
        EXPECT_EQ(WhatIsImplausible(result.value, false), "");
        // One thread is in the middle of one change at a time.
        EXPECT_LE(result.value.devices[0].detail.moving, 1u);
        ++states_;
        torn_ += result.value.torn || result.value.devices[0].detail.moving != 0;
    }

    uint64_t states_ = 0;
    uint64_t torn_ = 0;
    uint64_t instructions_ = 0;
};

TEST_F(EachInstruction, LeavesASoundSegmentIfItIsTheLast) {
    setenv("TESSERA_HELPER", "off", 1);
    setenv("TESSERA_LEVEL", "full", 1);  // without rings it is small, and soon compared
    const uint64_t operations = KillsOf(kFewKills) / kKillsOfAnOperation;
    Child child(Application("traced", operations));
    ASSERT_EQ(child.ReadLine(), "ready");
    int status = 0;
    ASSERT_EQ(waitpid(child.pid(), &status, WUNTRACED), child.pid());
    if (!WIFSTOPPED(status)) GTEST_SKIP() << "nothing can be traced here";
    const auto path = reader::FindSegment(static_cast<uint64_t>(child.pid()));
    ASSERT_TRUE(path.ok()) << path.error;
    const Code layer = LayerCodeOf(child.pid());
    ASSERT_LT(layer.begin, layer.end);
    Watched segment(path.value);
    // What others do on the layer's behalf is seen with its next instruction.
    bool was_inside = false;
    while (!HasFailure() && Step(child.pid())) {
        const uint64_t instruction = Peek(child.pid(), offsetof(user_regs_struct, rip));
        const bool inside = Contains(layer, instruction);
        // After a call it is back inside: the next instruction is stepped over as any other.
        if (was_inside && !inside && RunToReturn(child.pid(), layer)) continue;
        was_inside = inside;
        if (!inside) continue;
        ++instructions_;
        if (segment.HasChanged()) Judge(segment, child.pid());
    }
    std::printf(
        "%d operations: %d instructions of the layer, %d states of the segment, %d of them "
        "in the middle of a change\n",
        static_cast<int>(operations), static_cast<int>(instructions_), static_cast<int>(states_),
        static_cast<int>(torn_));
    EXPECT_GT(states_, operations * 20);
    EXPECT_GT(torn_, operations * 5);
    ptrace(PTRACE_DETACH, child.pid(), nullptr, nullptr);
    EXPECT_EQ(child.Wait(), 0);
}

}  // namespace
}  // namespace tessera::test

#endif
