// SPDX-License-Identifier: Apache-2.0
//
// Settings files as they should be, and as somebody who means harm, or a broken disk, makes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <random>

#include "settings_reading.h"

namespace tessera {
namespace {

using test::ReadInChild;
using test::Reading;
using test::ScopedOrdinaryUser;
using test::ScopedVariable;
using test::SettingsTest;
using test::WriteFile;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kPageAlignOn[] = "tessera_suballocator.page_align = on\n";

// The one file that VK_LAYER_SETTINGS_PATH names.
class SettingsFile : public SettingsTest {
 protected:
    const std::string path_ = folder_ / "settings.txt";
    ScopedVariable named_{"VK_LAYER_SETTINGS_PATH", path_};
};

using WorkingDirectoryFile = SettingsTest;
using UserSettingsFile = SettingsTest;

TEST_F(SettingsFile, UnderstandsCommentsBlanksAndCarriageReturns) {
    WriteFile(path_,
              "# a comment\r\n"
              "\r\n"
              "   tessera_suballocator.idle_bytes=\t128 MiB   # how much\r\n"
              "\ttessera_suballocator.page_align   =   on\r\n"
              "#tessera_suballocator.mode = off\r\n"
              "tessera_suballocator.channel = off");
    const Reading reading = ReadInChild();
    EXPECT_EQ(reading.settings.idle_bytes, 128 * kMiB);
    EXPECT_TRUE(reading.settings.page_align);
    EXPECT_EQ(reading.settings.mode, Mode::kPool);
    EXPECT_FALSE(reading.settings.channel);
    EXPECT_THAT(reading.log, IsEmpty());
}

TEST_F(SettingsFile, UnderstandsAFirstLineBehindAByteOrderMark) {
    WriteFile(path_, std::string("\xEF\xBB\xBF") + kPageAlignOn);
    const Reading reading = ReadInChild();
    EXPECT_TRUE(reading.settings.page_align);
    EXPECT_THAT(reading.log, IsEmpty());
}

TEST_F(SettingsFile, LetsTheLastOfTwoEqualKeysWin) {
    WriteFile(path_,
              "tessera_suballocator.idle_bytes = 1\n"
              "tessera_suballocator.idle_bytes = 2\n");
    EXPECT_EQ(ReadInChild().settings.idle_bytes, 2u);
}

TEST_F(SettingsFile, PassesOverTheLinesOfOtherLayers) {
    WriteFile(path_,
              "khronos_validation.mode = off\n"
              "mode = off\n"
              "xtessera_suballocator.mode = off\n"
              "tessera_suballocatorxmode = off\n");
    const Reading reading = ReadInChild();
    EXPECT_TRUE(reading.settings == Settings{});
    EXPECT_THAT(reading.log, IsEmpty());
}

TEST_F(SettingsFile, ReportsALineThatIsSpelledAsAVariable) {
    WriteFile(path_, "TESSERA_MODE=off\nTESSERA_RUNNING\n");
    const Reading reading = ReadInChild();
    EXPECT_TRUE(reading.settings == Settings{});
    EXPECT_THAT(reading.log, HasSubstr("'TESSERA_MODE'"));
    EXPECT_THAT(reading.log, HasSubstr("; perhaps tessera_suballocator.mode is meant; there are "));
    EXPECT_THAT(reading.log, HasSubstr("'TESSERA_RUNNING'"));
}

TEST_F(SettingsFile, NamesTheKeyThatWasProbablyMeant) {
    WriteFile(path_, "tessera_suballocator.Page_Aling = on\n");
    EXPECT_THAT(ReadInChild().log, HasSubstr("perhaps tessera_suballocator.page_align is meant"));
}

TEST_F(SettingsFile, ReportsALineWithoutAnEqualsSign) {
    WriteFile(path_, "tessera_suballocator.mode off\n");
    const Reading reading = ReadInChild();
    EXPECT_THAT(reading.log, HasSubstr("setting 'mode off'"));
    EXPECT_TRUE(reading.settings == Settings{});
}

TEST_F(SettingsFile, TakesAPathWithSpacesAsItStands) {
    WriteFile(path_, "tessera_suballocator.log_file = " + (folder_ / "my log.txt") + "\n");
    EXPECT_EQ(std::string(ReadInChild().settings.log_file.data()), folder_ / "my log.txt");
}

TEST_F(SettingsFile, RefusesAPathWithAZeroByteInIt) {
    WriteFile(path_, std::string("tessera_suballocator.log_file = /tmp/a\0b\n", 41));
    const Reading reading = ReadInChild();
    EXPECT_STREQ(reading.settings.log_file.data(), "");
    EXPECT_THAT(reading.log, HasSubstr("a\\x00b"));
}

TEST_F(SettingsFile, RefusesAPathThatIsTooLong) {
    WriteFile(path_, "tessera_suballocator.log_file = /" + std::string(4095, 'a') + "\n");
    const Reading reading = ReadInChild();
    EXPECT_STREQ(reading.settings.log_file.data(), "");
    EXPECT_THAT(reading.log, HasSubstr("less than 4096 bytes"));
}

TEST_F(SettingsFile, SurvivesBinaryGarbageAroundAGoodLine) {
    std::mt19937 random(1);
    std::string garbage(20'000, '\0');
    for (char& c : garbage)
        c = static_cast<char>(random());
    WriteFile(path_, garbage + "\n" + kPageAlignOn + garbage);
    EXPECT_TRUE(ReadInChild().settings.page_align);
}

TEST_F(SettingsFile, SurvivesGarbageAfterItsOwnPrefix) {
    WriteFile(path_, std::string("tessera_suballocator.\0\x01\xff\x1b[2J = \0\n", 33) +
                         "tessera_suballocator.\ntessera_suballocator.=\n" + kPageAlignOn);
    const Reading reading = ReadInChild();
    EXPECT_TRUE(reading.settings.page_align);
    EXPECT_THAT(reading.log, Not(HasSubstr("\x1b")));
}

TEST_F(SettingsFile, ReadsNoMoreThan64KiBOfAHugeLine) {
    WriteFile(path_, kPageAlignOn + std::string("tessera_suballocator.idle_bytes = 1") +
                         std::string(10 << 20, '0') + "\n");
    const Reading reading = ReadInChild();
    EXPECT_TRUE(reading.settings.page_align);
    EXPECT_EQ(reading.settings.idle_bytes, Settings{}.idle_bytes) << "half a line was believed";
    EXPECT_THAT(reading.log, HasSubstr("too long"));
}

TEST_F(SettingsFile, ReadsAFileOfExactly64KiBWhole) {
    std::string text = "#" + std::string(kMaxSettingsFileBytes - 2 - strlen(kPageAlignOn), 'x');
    text += "\n";
    text += kPageAlignOn;
    ASSERT_EQ(text.size(), kMaxSettingsFileBytes);
    WriteFile(path_, text);
    const Reading reading = ReadInChild();
    EXPECT_TRUE(reading.settings.page_align);
    EXPECT_THAT(reading.log, IsEmpty());
}

TEST_F(SettingsFile, IsReportedAndReplacedByNoOtherWhenItIsMissing) {
    WriteFile(UserFile(), kPageAlignOn);
    const Reading reading = ReadInChild();
    EXPECT_TRUE(reading.settings == Settings{});
    EXPECT_THAT(reading.log, HasSubstr("cannot be read: No such file or directory"));
}

TEST_F(SettingsFile, IsReportedWhenTheUserMayNotReadIt) {
    WriteFile(path_, kPageAlignOn, 0000);
    ASSERT_EQ(chmod((folder_ / ".").c_str(), 0755), 0);
    const ScopedOrdinaryUser user;
    const Reading reading = ReadInChild();
    EXPECT_TRUE(reading.settings == Settings{});
    EXPECT_THAT(reading.log, HasSubstr("Permission denied"));
}

TEST_F(SettingsFile, DoesNotHoldTheApplicationUpWhenItIsAFifo) {
    ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
    EXPECT_THAT(ReadInChild().log, HasSubstr("not a regular file"));
}

TEST_F(SettingsFile, IsRefusedWhenItIsADeviceOrASocket) {
    const ScopedVariable device("VK_LAYER_SETTINGS_PATH", "/dev/zero");
    EXPECT_THAT(ReadInChild().log, HasSubstr("not a regular file"));

    const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = "socket"};
    ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    const ScopedVariable path("VK_LAYER_SETTINGS_PATH", folder_ / "socket");
    EXPECT_THAT(ReadInChild().log, HasSubstr("cannot be read"));
    close(listener);
}

TEST_F(SettingsFile, IsFollowedThroughALinkThatTheUserNamed) {
    WriteFile(folder_ / "target.txt", kPageAlignOn);
    ASSERT_EQ(symlink("target.txt", path_.c_str()), 0);
    EXPECT_TRUE(ReadInChild().settings.page_align);
}

TEST_F(SettingsFile, IsReportedWhenALinkLeadsInACircle) {
    ASSERT_EQ(symlink(path_.c_str(), path_.c_str()), 0);
    EXPECT_THAT(ReadInChild().log, HasSubstr("cannot be read"));
}

TEST_F(SettingsFile, IsReportedWhenTheNamedFolderHasNone) {
    const ScopedVariable folder("VK_LAYER_SETTINGS_PATH", folder_ / "");
    EXPECT_THAT(ReadInChild().log, HasSubstr("vk_layer_settings.txt' cannot be read"));
}

TEST_F(WorkingDirectoryFile, IsReadWhenOnlyTheUserCanWriteIt) {
    WriteFile("vk_layer_settings.txt", kPageAlignOn, 0644);
    EXPECT_TRUE(ReadInChild().settings.page_align);
}

TEST_F(WorkingDirectoryFile, IsIgnoredWithALineWhenOthersCanWriteIt) {
    for (const mode_t rights : {0666u, 0664u, 0646u, 0777u}) {
        WriteFile("vk_layer_settings.txt", kPageAlignOn, rights);
        const Reading reading = ReadInChild();
        EXPECT_FALSE(reading.settings.page_align) << std::oct << rights;
        EXPECT_THAT(reading.log, HasSubstr("'./vk_layer_settings.txt' is ignored"));
    }
}

TEST_F(WorkingDirectoryFile, IsIgnoredWhenItBelongsToSomebodyElse) {
    WriteFile("vk_layer_settings.txt", kPageAlignOn);
    if (chown("vk_layer_settings.txt", 12345, 12345) != 0) {
        // An ordinary user cannot give files away; the file stays the user's own and counts.
        EXPECT_TRUE(ReadInChild().settings.page_align);
        return;
    }
    EXPECT_FALSE(ReadInChild().settings.page_align);
}

TEST_F(WorkingDirectoryFile, ThatIsNotTrustedLetsTheUsersOwnFileCount) {
    WriteFile("vk_layer_settings.txt", "tessera_suballocator.mode = off\n", 0666);
    WriteFile(UserFile(), kPageAlignOn);
    const Reading reading = ReadInChild();
    EXPECT_TRUE(reading.settings.page_align);
    EXPECT_EQ(reading.settings.mode, Mode::kPool);
}

TEST_F(WorkingDirectoryFile, OfAnotherLayerIsNoReasonForAWarning) {
    WriteFile("vk_layer_settings.txt", "khronos_validation.enables = x\n", 0666);
    EXPECT_THAT(ReadInChild().log, IsEmpty());
}

TEST_F(WorkingDirectoryFile, IsIgnoredWhenItIsALink) {
    WriteFile("target.txt", kPageAlignOn);
    ASSERT_EQ(symlink("target.txt", "vk_layer_settings.txt"), 0);
    EXPECT_FALSE(ReadInChild().settings.page_align);
}

TEST_F(WorkingDirectoryFile, IsIgnoredWhenItIsAFolderOrAFifo) {
    ASSERT_EQ(mkdir("vk_layer_settings.txt", 0755), 0);
    EXPECT_TRUE(ReadInChild().settings == Settings{});
    ASSERT_EQ(rmdir("vk_layer_settings.txt"), 0);
    ASSERT_EQ(mkfifo("vk_layer_settings.txt", 0644), 0);
    EXPECT_TRUE(ReadInChild().settings == Settings{});
}

TEST_F(WorkingDirectoryFile, MayNotNameFiles) {
    WriteFile("vk_layer_settings.txt",
              "tessera_suballocator.log_file = " + (folder_ / "log.txt") + "\n" + kPageAlignOn);
    const Reading reading = ReadInChild();
    EXPECT_STREQ(reading.settings.log_file.data(), "");
    EXPECT_FALSE(std::filesystem::exists(folder_ / "log.txt"));
    EXPECT_TRUE(reading.settings.page_align);
    EXPECT_THAT(reading.log, HasSubstr("may not set log_file"));
}

TEST_F(UserSettingsFile, IsReportedWhenItExistsButCannotBeRead) {
    ASSERT_TRUE(std::filesystem::create_directories(UserFile()));
    EXPECT_THAT(ReadInChild().log, HasSubstr("cannot be read"));
}

TEST_F(UserSettingsFile, IsNotLookedForWithoutAHome) {
    const ScopedVariable home("HOME", std::nullopt);
    const Reading reading = ReadInChild();
    EXPECT_TRUE(reading.settings == Settings{});
    EXPECT_THAT(reading.log, IsEmpty());
}

}  // namespace
}  // namespace tessera
