// SPDX-License-Identifier: Apache-2.0
//
// See kills_fixture.h.
#include "kills_fixture.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <optional>

#include "base/process.h"
#include "channel/segment_name.h"

namespace tessera::test {
namespace {

// What the layer keeps of the dead, as docs/channel-abi.md has it.
constexpr uint64_t kKeptSegments = 8;
constexpr uint64_t kKeptBytes = uint64_t{64} << 20;

// The process that a file's name begins with: `PID-STARTTIME.`
std::optional<channel::SegmentOwner> OwnerOf(const std::string& name) {
    const std::string stem = name.substr(0, name.find('.'));
    return channel::ParseSegmentName(stem + std::string(channel::kSegmentSuffix));
}

}  // namespace

uint64_t KillsOf(uint64_t few) {
    const char* const text = std::getenv("TESSERA_TEST_KILLS");
    return text == nullptr ? few : std::strtoull(text, nullptr, 10);
}

KillsTest::KillsTest() {
    std::string path = testing::TempDir() + "tessera-kills-XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    folder_ = std::filesystem::canonical(path);
    for (const auto& [name, value] : std::initializer_list<std::pair<const char*, std::string>>{
             {"XDG_RUNTIME_DIR", folder_},
             {"XDG_DATA_HOME", folder_},
             {"VK_LAYER_PATH", TESSERA_LAYER_DIR},
             {"VK_INSTANCE_LAYERS", "VK_LAYER_TESSERA_suballocator"},
             {"VK_ICD_FILENAMES", TESSERA_MOCK_ICD},
             {"VK_DRIVER_FILES", TESSERA_MOCK_ICD},
             {"TESSERA_MOCK_DESCRIPTION", "preset:discrete"},
             {"TESSERA_LEVEL", "events"},
             {"TESSERA_HELPER", "on"}})
        setenv(name, value.c_str(), 1);
}

KillsTest::~KillsTest() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

std::vector<std::string> KillsTest::Application(const std::string& mode, uint64_t seed) {
    return {TESSERA_BUSY_APPLICATION, mode, std::to_string(seed)};
}

void KillsTest::SleepUpTo(uint64_t most_us) {
    usleep(static_cast<useconds_t>(Draw(most_us + 1)));
}

FolderContents KillsTest::Look() const {
    FolderContents contents;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(segments(), error)) {
        const std::string name = entry.path().filename();
        const std::optional<channel::SegmentOwner> owner = OwnerOf(name);
        const bool runs = owner && ProcessRuns(owner->pid, owner->start_time);
        struct stat status;
        if (lstat(entry.path().c_str(), &status) != 0) continue;  // gone meanwhile
        if (!channel::ParseSegmentName(name)) {
            if (!runs) contents.litter.push_back(name);
        } else if (runs) {
            ++contents.segments;
        } else {
            ++contents.dead_segments;
            contents.dead_bytes += static_cast<uint64_t>(status.st_blocks) * 512;
        }
    }
    return contents;
}

void KillsTest::ExpectCollected() {
    Child next(Application("idle", 0));
    ASSERT_EQ(next.ReadLine(), "ready");
    const FolderContents contents = Look();
    EXPECT_EQ(contents.segments, 1u);
    EXPECT_LE(contents.dead_segments, kKeptSegments);
    EXPECT_LE(contents.dead_bytes, kKeptBytes);
    EXPECT_EQ(contents.litter, std::vector<std::string>());
    next.EndInput();
    EXPECT_EQ(next.Wait(), 0);
}

}  // namespace tessera::test
