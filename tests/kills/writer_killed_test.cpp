// SPDX-License-Identifier: Apache-2.0
//
// The writer is killed: what readers find of it while it runs and when it is dead, and what is left
// of it in the end.
//
// Threads: the test, which kills; one that reads while the writer runs, and one that asks it for
// other levels.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "kills_fixture.h"
#include "plausible.h"
#include "tessera/reader.h"

namespace tessera::test {
namespace {

constexpr uint64_t kFewKills = 30;
// No reading may take longer, by the processor's time of the thread that reads; and by the clock,
// which on a machine with other work is only good for telling a reading that hangs.
constexpr double kMostCpuSeconds = 2;
constexpr double kMostSeconds = 20;

double Now(clockid_t clock) {
    timespec time;
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// Times one reading of one thread.
class Stopwatch {
 public:
    explicit Stopwatch(double& slowest) : slowest_(slowest) {}
    ~Stopwatch() {
        const double cpu = Now(CLOCK_THREAD_CPUTIME_ID) - cpu_;
        const double wall = Now(CLOCK_MONOTONIC) - wall_;
        EXPECT_LT(cpu, kMostCpuSeconds);
        EXPECT_LT(wall, kMostSeconds);
        slowest_ = std::max(slowest_, wall);
    }
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;

 private:
    double& slowest_;
    const double cpu_ = Now(CLOCK_THREAD_CPUTIME_ID);
    const double wall_ = Now(CLOCK_MONOTONIC);
};

// A refusal is a sentence that names the file.
void ExpectSentence(const std::string& error, const std::string& path) {
    EXPECT_TRUE(error.ends_with('.') && error.find(path) != std::string::npos) << error;
}

// Reads one process while it runs, again and again, and what happened to it as well.
class LiveReader {
 public:
    explicit LiveReader(std::string path) : path_(std::move(path)) {}
    ~LiveReader() { Stop(); }
    LiveReader(const LiveReader&) = delete;
    LiveReader& operator=(const LiveReader&) = delete;

    void Start() {
        thread_ = std::thread([this] { Run(); });
    }
    void Stop() {
        stop_ = true;
        if (thread_.joinable()) thread_.join();
    }

    uint64_t accepted = 0;
    uint64_t refused = 0;
    uint64_t events = 0;
    double slowest = 0;

 private:
    void Run() {
        const int file = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
        ASSERT_GE(file, 0) << path_;
        {
            reader::EventReader events_of(file);
            do {
                ReadOnce(file, events_of);
            } while (!stop_);
        }
        close(file);
    }

    void ReadOnce(int file, reader::EventReader& events_of) {
        {
            const Stopwatch stopwatch(slowest);
            const auto result = reader::ReadSegmentFd(file, path_, reader::Depth::kDetail);
            if (result.ok())
                EXPECT_EQ(WhatIsImplausible(result.value, true), "");
            else
                ExpectSentence(result.error, path_);
            ++(result.ok() ? accepted : refused);
        }
        const Stopwatch stopwatch(slowest);
        const auto batch = events_of.Read();
        EXPECT_TRUE(batch.ok()) << batch.error;
        EXPECT_EQ(WhatIsImplausible(batch.value), "");
        events += batch.value.events.size();
    }

    const std::string path_;
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

// Asks one process for one level after another.
class LevelChanger {
 public:
    explicit LevelChanger(std::string path)
        : path_(std::move(path)), thread_([this] {
              for (uint64_t i = 0; !stop_; ++i)
                  answered_ += reader::RequestLevel(path_, kLevels[i % 3], 0, 1000).empty();
          }) {}
    ~LevelChanger() {
        stop_ = true;
        thread_.join();
    }
    LevelChanger(const LevelChanger&) = delete;
    LevelChanger& operator=(const LevelChanger&) = delete;

    uint64_t answered() const { return answered_; }

 private:
    static constexpr tessera_level kLevels[] = {TESSERA_LEVEL_totals, TESSERA_LEVEL_events,
                                                TESSERA_LEVEL_full};
    const std::string path_;
    std::atomic<bool> stop_ = false;
    std::atomic<uint64_t> answered_ = 0;
    std::thread thread_;
};

class WriterKilled : public KillsTest {
 protected:
    struct Tally {
        uint64_t accepted = 0, torn = 0, moving = 0;
        uint64_t refused = 0, without_segment = 0;
        uint64_t live_accepted = 0, live_refused = 0, events = 0, levels = 0;
        double slowest = 0;
    };

    // Reads what a dead process left, in each way there is. `must`: it had a device.
    void JudgeDead(pid_t pid, bool must) {
        const auto path = reader::FindSegment(static_cast<uint64_t>(pid));
        if (!path.ok()) {
            EXPECT_FALSE(must) << path.error;
            ++tally_.without_segment;
            return;
        }
        reader::Result<reader::Process> result;
        {
            const Stopwatch stopwatch(tally_.slowest);
            result = reader::ReadSegment(path.value, reader::Depth::kDetail);
        }
        if (!result.ok()) {
            EXPECT_FALSE(must) << result.error;
            ExpectSentence(result.error, path.value);
            ++tally_.refused;
            return;
        }
        ++tally_.accepted;
        tally_.torn += result.value.torn;
        EXPECT_EQ(result.value.state, reader::ProcessState::kEnded);
        EXPECT_FALSE(must && result.value.devices.empty());
        EXPECT_EQ(WhatIsImplausible(result.value, false), "");
        for (const reader::Device& device : result.value.devices)
            tally_.moving += device.detail.moving;
        JudgeCopy(path.value, result.value);
    }

    // A copy is as the original, and events of the dead can be read.
    void JudgeCopy(const std::string& path, const reader::Process& original) {
        const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        ASSERT_GE(file, 0);
        const Stopwatch stopwatch(tally_.slowest);
        const auto bytes = reader::CopySegmentBytes(file);
        ASSERT_TRUE(bytes.ok()) << bytes.error;
        const auto copy = reader::ReadSegmentCopy(bytes.value, path, reader::Depth::kDetail);
        ASSERT_TRUE(copy.ok()) << copy.error;
        ASSERT_EQ(copy.value.devices.size(), original.devices.size());
        for (size_t i = 0; i < original.devices.size(); ++i)
            EXPECT_EQ(copy.value.devices[i].detail.allocations.size(),
                      original.devices[i].detail.allocations.size());
        const auto batch = reader::EventReader(file).Read();
        EXPECT_TRUE(batch.ok()) << batch.error;
        EXPECT_EQ(WhatIsImplausible(batch.value), "");
        tally_.events += batch.value.events.size();
        close(file);
    }

    // One process, killed up to `most_us` after its start: before it has a device, mostly.
    void KillAtItsBeginning(uint64_t seed, uint64_t most_us) {
        Child child(Application("forever", seed));
        SleepUpTo(most_us);
        child.Kill();
        JudgeDead(child.pid(), false);
        child.Wait();
    }

    // One process, killed up to `most_us` after it was ready.
    void KillAtWork(uint64_t seed, uint64_t most_us, bool change_levels) {
        Child child(Application("forever", seed));
        ASSERT_EQ(child.ReadLine(), "ready");
        // Whoever opens a segment has cleared away what the dead left before.
        EXPECT_LE(Look().dead_segments, 8u);
        const auto path = reader::FindSegment(static_cast<uint64_t>(child.pid()));
        ASSERT_TRUE(path.ok()) << path.error;
        LiveReader live(path.value);
        live.Start();
        {
            std::unique_ptr<LevelChanger> levels;
            if (change_levels) {
                levels = std::make_unique<LevelChanger>(path.value);
                AwaitLevels(*levels, Draw(3));
            }
            SleepUpTo(most_us);
            child.Kill();
            if (levels != nullptr) tally_.levels += levels->answered();
        }
        live.Stop();
        const bool reaped = Draw(2) == 0;  // a process counts as dead before its parent knows
        const pid_t pid = child.pid();
        int status = reaped ? child.Wait() : 0;
        JudgeDead(pid, true);
        if (!reaped) status = child.Wait();
        EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself: status " << status;
        tally_.live_accepted += live.accepted;
        tally_.live_refused += live.refused;
        tally_.events += live.events;
        tally_.slowest = std::max(tally_.slowest, live.slowest);
    }

    static void AwaitLevels(const LevelChanger& levels, uint64_t count) {
        for (int i = 0; i < 5000 && levels.answered() < count; ++i)
            usleep(1000);
    }

    Tally tally_;
};

TEST_F(WriterKilled, AtAnyMomentWhatItLeavesIsSoundAndIsCollected) {
    const uint64_t kills = KillsOf(kFewKills);
    for (uint64_t i = 0; i < kills && !HasFailure(); ++i) {
        SCOPED_TRACE("kill " + std::to_string(i));
        if (i % 8 == 7)
            KillAtItsBeginning(i, 15'000);
        else if (i % 8 == 3)
            KillAtWork(i, 260'000, true);
        else
            KillAtWork(i, 30'000, false);
    }
    std::printf(
        "killed %d: %d segments accepted, of these %d torn, with %d records left out; %d refused, "
        "%d without a segment\nwhile they ran: %d copies accepted, %d refused; %d levels changed; "
        "%d events; the slowest reading took %.0f ms\n",
        static_cast<int>(kills), static_cast<int>(tally_.accepted), static_cast<int>(tally_.torn),
        static_cast<int>(tally_.moving), static_cast<int>(tally_.refused),
        static_cast<int>(tally_.without_segment), static_cast<int>(tally_.live_accepted),
        static_cast<int>(tally_.live_refused), static_cast<int>(tally_.levels),
        static_cast<int>(tally_.events), tally_.slowest * 1000);
    EXPECT_GT(tally_.accepted, kills / 2);
    EXPECT_GT(tally_.live_accepted, 0u);
    ExpectCollected();
}

// Waits until the one device of a segment is shown at another level than totals. Returns: false if
// that takes longer than anything should.
bool AwaitDetail(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    tessera_channel_header header;
    EXPECT_EQ(pread(file, &header, sizeof(header), 0), ssize_t{sizeof(header)});
    off_t place = 0;
    for (const tessera_extent& extent : header.extents)
        if (extent.kind == TESSERA_KIND_DEVICE && extent.first == 1)
            place = static_cast<off_t>(extent.offset + offsetof(tessera_device_record, level));
    EXPECT_NE(place, 0);
    uint64_t level = TESSERA_LEVEL_totals;
    const double end = Now(CLOCK_MONOTONIC) + kMostSeconds;
    while (level == TESSERA_LEVEL_totals && Now(CLOCK_MONOTONIC) < end)
        EXPECT_EQ(pread(file, &level, sizeof(level), place), ssize_t{sizeof(level)});
    close(file);
    return level != TESSERA_LEVEL_totals;
}

TEST_F(WriterKilled, AsSoonAsALevelIsShownNothingOfAnEarlierTimeAtItIs) {
    for (int attempt = 0; attempt < 3; ++attempt) {
        Child child(Application("list", 30'000));
        ASSERT_EQ(child.ReadLine(), "ready");
        ASSERT_EQ(child.ReadLine(), "made");
        const auto path = reader::FindSegment(static_cast<uint64_t>(child.pid()));
        ASSERT_TRUE(path.ok()) << path.error;
        const auto before = reader::ReadSegment(path.value, reader::Depth::kDetail);
        ASSERT_TRUE(before.ok()) << before.error;
        ASSERT_EQ(before.value.devices.at(0).detail.resources.size(), 30'000u);
        ASSERT_EQ(reader::RequestLevel(path.value, TESSERA_LEVEL_totals, 0, 20'000), "");
        child.Send();
        ASSERT_EQ(child.ReadLine(), "gone");
        std::thread asks([&] { reader::RequestLevel(path.value, TESSERA_LEVEL_full, 0, 20'000); });
        EXPECT_TRUE(AwaitDetail(path.value));
        child.Kill();
        asks.join();
        const auto after = reader::ReadSegment(path.value, reader::Depth::kDetail);
        ASSERT_TRUE(after.ok()) << after.error;
        EXPECT_EQ(after.value.devices.at(0).detail.level, TESSERA_LEVEL_full);
        EXPECT_EQ(after.value.devices.at(0).detail.resources.size(), 0u);
        child.Wait();
    }
}

TEST_F(WriterKilled, RequestsForLevelsOfTheDeadAreCollectedHalfWrittenOnesAsWell) {
    Child dead(Application("forever", 1));
    ASSERT_EQ(dead.ReadLine(), "ready");
    const auto path = reader::FindSegment(static_cast<uint64_t>(dead.pid()));
    ASSERT_TRUE(path.ok()) << path.error;
    dead.Kill();
    dead.Wait();
    const std::string stem = path.value.substr(0, path.value.rfind('.'));
    for (const char* suffix : {".level", ".level.Ab3xYz", ".level.000000"})
        std::ofstream(stem + suffix) << "half";
    ASSERT_EQ(Look().litter.size(), 3u);
    ExpectCollected();
}

}  // namespace
}  // namespace tessera::test
