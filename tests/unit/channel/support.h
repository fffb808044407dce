// SPDX-License-Identifier: Apache-2.0
//
// What tests of the channel need: a runtime folder of their own, a child process to do in what
// changes a process for good, and a small device to count for.
//
// Threading: none; the fixture changes the environment, so these tests run one at a time.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/process.h"
#include "channel/channel.h"
#include "channel/counters.h"
#include "channel/segment.h"
#include "channel/segment_name.h"
#include "tessera/channel_abi.h"
#include "tessera/reader.h"

namespace tessera::test {

// Heap and memory types of the device that Facts() describes.
inline constexpr std::array<tessera_heap_record, 2> kHeaps{{{.size_bytes = uint64_t{8} << 30,
                                                             .known = 0,
                                                             .budget_bytes = 0,
                                                             .usage_bytes = 0,
                                                             .app_usage_bytes = 0},
                                                            {.size_bytes = uint64_t{16} << 30,
                                                             .known = 0,
                                                             .budget_bytes = 0,
                                                             .usage_bytes = 0,
                                                             .app_usage_bytes = 0}}};
inline constexpr std::array<tessera_memory_type_record, 3> kTypes{
    {{.heap = 0, .flags = 1}, {.heap = 1, .flags = 6}, {.heap = 1, .flags = 14}}};

inline channel::DeviceFacts Facts(const char* name = "Test device") {
    channel::DeviceFacts facts;
    facts.name = name;
    facts.driver = "Test driver";
    facts.api_version = (1u << 22) | (3u << 12) | 239u;
    facts.pooled = true;
    facts.sample_interval = 64;
    facts.heaps = kHeaps;
    facts.types = kTypes;
    return facts;
}

// Counts an allocation, or its end, of one memory type from the application's view.
inline void CountOne(tessera_device_record& record, uint32_t type, uint64_t bytes) {
    const channel::SequencedWrite write(record.totals[type].sequence);
    channel::CountAllocation(record.totals[type].app, bytes);
}
inline void UncountOne(tessera_device_record& record, uint32_t type, uint64_t bytes) {
    const channel::SequencedWrite write(record.totals[type].sequence);
    channel::CountFree(record.totals[type].app, bytes);
}

inline channel::SegmentOwner Self() {
    const auto pid = static_cast<uint64_t>(getpid());
    return {.pid = pid, .start_time = ReadProcessStat(pid)->start_time};
}

inline std::string SegmentName(const channel::SegmentOwner& owner) {
    char name[channel::kMaxSegmentNameBytes];
    channel::FormatSegmentName(owner, name);
    return name;
}

// Returns: this process's segment as a reader sees it. Fails the test if it cannot be read.
inline reader::Process ReadOwn() {
    reader::Result<reader::Process> result = reader::ReadProcess(static_cast<uint64_t>(getpid()));
    EXPECT_TRUE(result.ok()) << result.error;
    return std::move(result.value);
}

inline size_t CountEntries(const std::string& folder) {
    std::error_code error;
    size_t count = 0;
    for (auto entry = std::filesystem::directory_iterator(folder, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
        ++count;
    return count;
}

// How a child process ended.
struct Ending {
    int code = -1;  // -1: by a signal
    int signal = 0;
};
inline Ending Wait(pid_t child) {
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) return {.code = -1, .signal = WTERMSIG(status)};
    return {.code = WEXITSTATUS(status), .signal = 0};
}

inline constexpr int kChildSkipped = 77;

// Runs `body` in a forked child, whose failed expectations become this process's. A body that finds
// that it cannot do its work here leaves with _exit(kChildSkipped).
// Returns: false if it did so.
inline bool InChild(const std::function<void()>& body) {
    fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        try {
            body();
        } catch (const std::exception& error) {
            ADD_FAILURE() << error.what();
        }
        fflush(nullptr);
        _exit(testing::Test::HasFailure() ? 1 : 0);
    }
    const Ending ending = Wait(child);
    if (ending.code == kChildSkipped) return false;
    EXPECT_EQ(ending.code, 0) << "the child failed, or died of signal " << ending.signal;
    return true;
}

// Each test has a runtime folder of its own, in which `folder()` is where segments go.
class ChannelTest : public testing::Test {
 protected:
    ChannelTest() {
        std::string name = std::filesystem::temp_directory_path() / "tessera_channel_XXXXXX";
        if (mkdtemp(name.data()) == nullptr) abort();
        runtime_dir_ = name;
        if (const char* const previous = getenv("XDG_RUNTIME_DIR")) previous_ = previous;
        setenv("XDG_RUNTIME_DIR", runtime_dir_.c_str(), 1);
    }
    ~ChannelTest() override {
        // What a failed test left open must not fail the next one.
        if (HasFailure()) channel::ForkedChild();
        if (previous_.empty())
            unsetenv("XDG_RUNTIME_DIR");
        else
            setenv("XDG_RUNTIME_DIR", previous_.c_str(), 1);
        std::error_code ignored;
        std::filesystem::remove_all(runtime_dir_, ignored);
    }

    const std::string& runtime_dir() const { return runtime_dir_; }
    std::string folder() const { return runtime_dir_ + "/" + channel::kRuntimeFolder; }
    std::string own_path() const { return folder() + "/" + SegmentName(Self()); }

 private:
    std::string runtime_dir_;
    std::string previous_;
};

}  // namespace tessera::test
