// SPDX-License-Identifier: Apache-2.0
//
// Requests for another level: what is written, and what is said of each end that they can come to.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "base/process.h"
#include "segment_builder.h"
#include "tessera/reader.h"

namespace tessera::test {
namespace {

using reader::RequestLevel;
using testing::HasSubstr;

constexpr uint64_t kLongMs = 60'000;  // that no healthy machine needs
constexpr uint64_t kShortMs = 30;

class Level : public testing::Test {
 protected:
    Level() {
        std::string name = std::filesystem::temp_directory_path() / "tessera_level_XXXXXX";
        if (mkdtemp(name.data()) == nullptr) abort();
        folder_ = name;
        builder_.header.pid = static_cast<uint64_t>(getpid());
        builder_.header.pid_start_time = ReadProcessStat(builder_.header.pid)->start_time;
        builder_.header.level_serial = 17;
        stem_ = folder_ + "/" + std::to_string(builder_.header.pid) + "-" +
                std::to_string(builder_.header.pid_start_time);
        Publish();
    }
    ~Level() override {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    std::string path() const { return stem_ + ".channel"; }
    std::string request_path() const { return stem_ + ".level"; }

    void Publish() {
        const std::vector<std::byte> bytes = builder_.Build();
        std::ofstream(path(), std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()),
                   static_cast<std::streamsize>(bytes.size()));
    }

    void PutHeader(size_t offset, uint64_t word) const {
        const int file = open(path().c_str(), O_WRONLY | O_CLOEXEC);
        EXPECT_EQ(pwrite(file, &word, sizeof(word), static_cast<off_t>(offset)), 8);
        close(file);
    }

    // Plays the process: waits for a request and calls `answer` with it.
    void WithProcess(const std::function<void(const tessera_level_request&)>& answer,
                     const std::function<void()>& body) {
        std::atomic<bool> stop = false;
        std::thread process([&] {
            struct stat status;
            while (!stop && stat(request_path().c_str(), &status) != 0)
                std::this_thread::yield();
            if (stop) return;
            EXPECT_TRUE(S_ISREG(status.st_mode));
            EXPECT_EQ(status.st_mode & 0777, 0600u);
            EXPECT_EQ(status.st_size, static_cast<off_t>(sizeof(tessera_level_request)))
                << "it appears whole";
            tessera_level_request request{};
            std::ifstream(request_path(), std::ios::binary)
                .read(reinterpret_cast<char*>(&request), sizeof(request));
            answer(request);
        });
        body();
        stop = true;
        process.join();
    }
    void Obey(const tessera_level_request& request) const {
        PutHeader(offsetof(tessera_channel_header, level), request.level);
        PutHeader(offsetof(tessera_channel_header, level_serial), request.serial);
    }

    std::string folder_;
    std::string stem_;
    SegmentBuilder builder_ = SampleSegment();
};

TEST_F(Level, IsInEffectOnceTheProcessSaysSo) {
    WithProcess(
        [this](const tessera_level_request& request) {
            EXPECT_EQ(request.magic, TESSERA_LEVEL_MAGIC);
            EXPECT_EQ(request.pid, builder_.header.pid);
            EXPECT_EQ(request.start_time, builder_.header.pid_start_time);
            EXPECT_NE(request.serial, builder_.header.level_serial);
            EXPECT_EQ(request.level, uint64_t{TESSERA_LEVEL_events});
            EXPECT_EQ(request.stacks, 10u);
            EXPECT_EQ(request.check, request.magic ^ request.pid ^ request.start_time ^
                                         request.serial ^ request.level ^ request.stacks);
            Obey(request);
        },
        [this] { EXPECT_EQ(RequestLevel(path(), TESSERA_LEVEL_events, 10, kLongMs), ""); });
    EXPECT_FALSE(std::filesystem::exists(request_path())) << "it has been dealt with";
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1)
        << "the segment alone is left";
}

TEST_F(Level, ThatTheProcessDoesNotTakeIsSaidToBeSo) {
    WithProcess(
        [this](tessera_level_request request) {
            request.level = TESSERA_LEVEL_totals;  // it had no room
            Obey(request);
        },
        [this] {
            EXPECT_THAT(RequestLevel(path(), TESSERA_LEVEL_events, TESSERA_STACKS_AS_IS, kLongMs),
                        HasSubstr("stays at level totals"));
        });
}

TEST_F(Level, IsTakenBackFromAProcessThatDoesNotAnswer) {
    EXPECT_THAT(RequestLevel(path(), TESSERA_LEVEL_full, 0, kShortMs),
                HasSubstr("does not answer: it is stopped, or runs with helper=off"));
    EXPECT_FALSE(std::filesystem::exists(request_path()));
}

// It is the devices' work that gives a process the occasion to look for requests.
TEST_F(Level, OfAProcessWithoutADeviceIsSaidToWaitForOne) {
    SegmentBuilder without;
    without.header = builder_.header;
    builder_ = std::move(without);
    Publish();
    EXPECT_THAT(RequestLevel(path(), TESSERA_LEVEL_full, 0, kShortMs),
                HasSubstr("does not answer: it has no device yet, is stopped, or runs with "
                          "helper=off"));
    builder_.AddDevice(3).record.state = TESSERA_DEVICE_DESTROYED;
    Publish();
    EXPECT_THAT(RequestLevel(path(), TESSERA_LEVEL_full, 0, kShortMs),
                HasSubstr("does not answer: it has no device now, is stopped, or runs with "
                          "helper=off"));
    // One that has no record may live, for all that is known.
    builder_.header.dropped_devices = 1;
    Publish();
    EXPECT_THAT(RequestLevel(path(), TESSERA_LEVEL_full, 0, kShortMs),
                HasSubstr("does not answer: it is stopped, or runs with helper=off"));
}

TEST_F(Level, OfAnotherRequestIsLeftAlone) {
    WithProcess(
        [this](const tessera_level_request&) {
            std::ofstream(request_path() + "2", std::ios::binary)
                << std::string(sizeof(tessera_level_request), 'x');
            std::filesystem::rename(request_path() + "2", request_path());
        },
        // Long enough for the other thread to come first, whatever the machine.
        [this] { EXPECT_NE(RequestLevel(path(), TESSERA_LEVEL_full, 0, 1000), ""); });
    EXPECT_TRUE(std::filesystem::exists(request_path()));
}

TEST_F(Level, ReplacesWhatLiesInTheRequestsPlace) {
    // A link is not followed, and what somebody left is no obstacle.
    const std::string target = folder_ + "/target";
    std::ofstream(target) << "kept";
    ASSERT_EQ(symlink(target.c_str(), request_path().c_str()), 0);
    EXPECT_THAT(RequestLevel(path(), TESSERA_LEVEL_full, 0, kShortMs), HasSubstr("not answer"));
    std::string text;
    std::ifstream(target) >> text;
    EXPECT_EQ(text, "kept");
}

TEST_F(Level, ThatThereIsNotIsRefused) {
    EXPECT_THAT(RequestLevel(path(), static_cast<tessera_level>(3), 0, kShortMs),
                HasSubstr("There is no level of number 3"));
    EXPECT_FALSE(std::filesystem::exists(request_path()));
}

TEST_F(Level, OfAProcessThatIsGoneIsRefused) {
    builder_.header.pid = kDeadPid;
    Publish();
    EXPECT_THAT(RequestLevel(path(), TESSERA_LEVEL_full, 0, kShortMs), HasSubstr("has ended"));
}

TEST_F(Level, OfAProcessWithoutAnInstanceIsRefused) {
    builder_.header.state = TESSERA_PROCESS_CLOSED;
    Publish();
    EXPECT_THAT(RequestLevel(path(), TESSERA_LEVEL_full, 0, kShortMs),
                HasSubstr("no Vulkan instance"));
}

TEST_F(Level, OfWhatIsNoSegmentIsRefused) {
    EXPECT_THAT(RequestLevel(folder_, TESSERA_LEVEL_full, 0, kShortMs), HasSubstr("not named"));
    EXPECT_THAT(RequestLevel(folder_ + "/1-2.channel", TESSERA_LEVEL_full, 0, kShortMs),
                HasSubstr("No such file"));
    PutHeader(0, 1);
    EXPECT_THAT(RequestLevel(path(), TESSERA_LEVEL_full, 0, kShortMs),
                HasSubstr("not a statistics segment"));
}

TEST_F(Level, InAFolderThatCannotBeWrittenIsAnError) {
    if (geteuid() == 0) GTEST_SKIP() << "root writes everywhere";
    ASSERT_EQ(chmod(folder_.c_str(), 0500), 0);
    EXPECT_THAT(RequestLevel(path(), TESSERA_LEVEL_full, 0, kShortMs), HasSubstr("cannot be made"));
    chmod(folder_.c_str(), 0700);
}

TEST(Names, OfLevelsAndEventsAreThoseOfTheAbi) {
    EXPECT_STREQ(reader::LevelName(TESSERA_LEVEL_totals), "totals");
    EXPECT_STREQ(reader::LevelName(TESSERA_LEVEL_full), "full");
    EXPECT_STREQ(reader::LevelName(TESSERA_LEVEL_events), "events");
    EXPECT_STREQ(reader::LevelName(3), "unknown");
    EXPECT_STREQ(reader::EventName(0), "unknown");
    EXPECT_STREQ(reader::EventName(TESSERA_EVENT_block_made), "block_made");
    EXPECT_STREQ(reader::EventName(TESSERA_EVENT_COUNT), "unknown");
}

}  // namespace
}  // namespace tessera::test
