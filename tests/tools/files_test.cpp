// SPDX-License-Identifier: Apache-2.0
//
// The file that `run --stats` writes, and the application's file that it looks at
// (tools/stats_file.h, tools/app_file.h).
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "support.h"
#include "tools/app_file.h"
#include "tools/stats_file.h"

namespace tessera::command {
namespace {

using test::ReadFile;
using test::TempFolder;
using test::WriteFile;

size_t Entries(const TempFolder& folder) {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(folder.path()), {}));
}

TEST(StatsFile, IsWrittenWholeAndLeavesNothingBeside) {
    const TempFolder folder;
    StatsFile file;
    ASSERT_EQ(file.Prepare(folder / "s.json"), "");
    EXPECT_EQ(Entries(folder), 0u);
    ASSERT_EQ(file.Write("text"), "");
    EXPECT_EQ(ReadFile(folder / "s.json"), "text");
    EXPECT_EQ(Entries(folder), 1u);
}

TEST(StatsFile, ReplacesAnOldFile) {
    const TempFolder folder;
    WriteFile(folder / "s.json", "old and longer");
    StatsFile file;
    ASSERT_EQ(file.Prepare(folder / "s.json"), "");
    EXPECT_EQ(ReadFile(folder / "s.json"), "old and longer");
    ASSERT_EQ(file.Write("new"), "");
    EXPECT_EQ(ReadFile(folder / "s.json"), "new");
}

TEST(StatsFile, WritesWhatALinkLeadsToAndKeepsTheLink) {
    const TempFolder folder;
    WriteFile(folder / "real.json", "old");
    std::filesystem::create_symlink("real.json", folder / "link.json");
    StatsFile file;
    ASSERT_EQ(file.Prepare(folder / "link.json"), "");
    ASSERT_EQ(file.Write("new"), "");
    EXPECT_TRUE(std::filesystem::is_symlink(folder / "link.json"));
    EXPECT_EQ(ReadFile(folder / "real.json"), "new");
}

TEST(StatsFile, GivesTheFileTheRightsOfANewOne) {
    const TempFolder folder;
    const mode_t mask = umask(027);
    StatsFile file;
    EXPECT_EQ(file.Prepare(folder / "s.json"), "");
    EXPECT_EQ(file.Write("x"), "");
    umask(mask);
    struct stat status = {};
    ASSERT_EQ(stat((folder / "s.json").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(StatsFile, WritesToADeviceWithoutReplacingIt) {
    StatsFile file;
    ASSERT_EQ(file.Prepare("/dev/null"), "");
    EXPECT_EQ(file.Write("x"), "");
    EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST(StatsFile, RefusesAPipeThatNobodyReadsInsteadOfWaiting) {
    const TempFolder folder;
    ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
    StatsFile file;
    ASSERT_EQ(file.Prepare(folder / "fifo"), "");
    EXPECT_NE(file.Write("x"), "");
}

TEST(StatsFile, SaysBeforehandWhatCannotBeWritten) {
    const TempFolder folder;
    WriteFile(folder / "file", "");
    for (const std::string& path : {folder.path(), folder / "missing/s.json",
                                    folder / "file/s.json", std::string("/proc/s.json")}) {
        const std::string problem = StatsFile().Prepare(path);
        EXPECT_NE(problem.find("cannot be written"), std::string::npos) << path << ": " << problem;
    }
}

TEST(StatsFile, SaysThatTheDiskIsFull) {
    StatsFile file;
    ASSERT_EQ(file.Prepare("/dev/full"), "");
    EXPECT_NE(file.Write("x").find("No space"), std::string::npos);
}

TEST(InspectApp, FindsProgramsAsAShellDoes) {
    const TempFolder folder;
    std::filesystem::copy_file("/bin/sh", folder / "sh");
    WriteFile(folder / "data", "no program");
    const Environment environment = {"PATH=/nowhere:" + folder.path()};
    EXPECT_EQ(InspectApp("sh", environment).path, folder / "sh");
    EXPECT_EQ(InspectApp("data", environment).path, "");
    EXPECT_EQ(InspectApp(folder / "sh", {}).path, folder / "sh");
    EXPECT_EQ(InspectApp(folder / "missing", {}).path, "");
}

TEST(InspectApp, KnowsAnOrdinaryProgram) {
    const AppFile app = InspectApp("/bin/sh", {});
    EXPECT_TRUE(app.elf);
    EXPECT_FALSE(app.static_elf);
    EXPECT_FALSE(app.elevated);
    EXPECT_EQ(app.elf32, sizeof(void*) == 4);
}

TEST(InspectApp, KnowsAStaticProgram) {
    const AppFile app = InspectApp(TESSERA_STATIC_PROGRAM, {});
    EXPECT_TRUE(app.elf);
    EXPECT_TRUE(app.static_elf);
}

TEST(InspectApp, TakesAScriptForWhatItIs) {
    const TempFolder folder;
    WriteFile(folder / "script", "#!/bin/sh\nexit 0\n");
    EXPECT_FALSE(InspectApp(folder / "script", {}).elf);
}

TEST(InspectApp, BelievesNoDamagedProgram) {
    const TempFolder folder;
    const std::string program = ReadFile("/bin/sh");
    for (const size_t size : {4u, 16u, 40u, 64u, 100u}) {
        WriteFile(folder / "cut", program.substr(0, size));
        EXPECT_FALSE(InspectApp(folder / "cut", {}).static_elf) << size;
    }
    // Program headers that lie beyond the end of what is read.
    std::string far = program.substr(0, 4096);
    far.replace(32, 8, "\xff\xff\xff\xff\xff\xff\xff\x7f");
    WriteFile(folder / "far", far);
    EXPECT_FALSE(InspectApp(folder / "far", {}).static_elf);
}

TEST(WhyNothingWasPublished, NamesTheSurestReason) {
    Layer layer;
    layer.library = "libc.so.6";
    const AppFile ordinary = {.path = "/bin/app", .elf = true};
    EXPECT_NE(WhyNothingWasPublished(ordinary, layer, {}).find("Vulkan instance"),
              std::string::npos);

    AppFile app = ordinary;
    app.static_elf = true;
    EXPECT_NE(WhyNothingWasPublished(app, layer, {}).find("statically linked"), std::string::npos);
    app = ordinary;
    app.elevated = true;
    EXPECT_NE(WhyNothingWasPublished(app, layer, {}).find("more rights"), std::string::npos);
    app = ordinary;
    app.elf32 = true;
    EXPECT_NE(WhyNothingWasPublished(app, layer, {}).find("32-bit"), std::string::npos);

    EXPECT_NE(WhyNothingWasPublished(ordinary, layer, {"VK_LOADER_LAYERS_DISABLE=~all~"})
                  .find("VK_LOADER_LAYERS_DISABLE"),
              std::string::npos);
    EXPECT_NE(
        WhyNothingWasPublished(ordinary, layer, {"TESSERA_CHANNEL=off"}).find("TESSERA_CHANNEL"),
        std::string::npos);
    // Whether the layer was there is not claimed where nobody can know.
    EXPECT_EQ(WhyNothingWasPublished(ordinary, layer, {"TESSERA_CHANNEL=off"}).find("so nothing"),
              std::string::npos);
    EXPECT_EQ(WhyNothingWasPublished(ordinary, layer, {}).find("so nothing"), std::string::npos);
    EXPECT_NE(WhyNothingWasPublished(app, layer, {"TESSERA_CHANNEL=off"}).find("so nothing"),
              std::string::npos);
    layer.library = "libthere-is-no-such-library.so";
    EXPECT_NE(WhyNothingWasPublished(ordinary, layer, {}).find("libthere-is-no-such-library"),
              std::string::npos);
}

}  // namespace
}  // namespace tessera::command
