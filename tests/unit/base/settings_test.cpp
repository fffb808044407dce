// SPDX-License-Identifier: Apache-2.0
//
// What the keys mean, which source wins, and what is said about a wrong one.
#include "layer/base/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "settings_reading.h"

namespace tessera {
namespace {

using test::ReadInChild;
using test::Reading;
using test::ScopedVariable;
using test::SettingsTest;
using test::WriteFile;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Environment = SettingsTest;
using Precedence = SettingsTest;
using Reports = SettingsTest;

TEST(ParseBytes, UnderstandsPlainNumbersAndSuffixes) {
    EXPECT_EQ(ParseBytes("0"), 0u);
    EXPECT_EQ(ParseBytes("4096"), 4096u);
    EXPECT_EQ(ParseBytes("64KiB"), 64 * kKiB);
    EXPECT_EQ(ParseBytes("64 MiB"), 64 * kMiB);
    EXPECT_EQ(ParseBytes("2gib"), 2 * kGiB);
    EXPECT_EQ(ParseBytes("18446744073709551615"), UINT64_MAX);
}

TEST(ParseBytes, RefusesWhatIsNoSizeOrTooLarge) {
    for (const char* const text :
         {"", " ", "-1", "+1", "0x10", "1.5MiB", "MiB", "12 apples", "1KiBi", "64MB", "1 2",
          "18446744073709551616", "17179869184GiB", "99999999999999999999999999"}) {
        EXPECT_FALSE(ParseBytes(text)) << text;
    }
}

TEST(SettingTable, DefaultsAsTextAreTheDefaultsOfTheStruct) {
    for (const SettingInfo& info : SettingTable()) {
        Settings settings;
        EXPECT_TRUE(info.initial.empty() || info.apply(settings, info.initial)) << info.key;
        EXPECT_TRUE(settings == Settings{}) << info.key;
    }
}

TEST(SettingTable, EveryChoiceThatIsListedIsValid) {
    for (const SettingInfo& info : SettingTable()) {
        if (info.kind != SettingKind::kChoice && info.kind != SettingKind::kSwitch) continue;
        std::string_view left = info.valid;
        while (!left.empty()) {
            const size_t end = std::min(left.find(", "), left.size());
            Settings settings;
            EXPECT_TRUE(info.apply(settings, left.substr(0, end))) << info.key << " " << left;
            left.remove_prefix(std::min(end + 2, left.size()));
        }
    }
}

TEST(SettingTable, RefusedValuesChangeNothing) {
    for (const SettingInfo& info : SettingTable()) {
        Settings settings;
        const std::string bad = "bad" + std::string(5000, '\x01');
        EXPECT_FALSE(info.apply(settings, bad)) << info.key;
        EXPECT_TRUE(settings == Settings{}) << info.key;
    }
}

TEST(SettingTable, NamesEnvironmentVariablesInCapitals) {
    EXPECT_EQ(SettingEnvironmentName("idle_bytes"), "TESSERA_IDLE_BYTES");
}

TEST_F(Environment, GivesDefaultsAndSilenceWhenNothingIsSet) {
    const Reading reading = ReadInChild();
    EXPECT_TRUE(reading.settings == Settings{});
    EXPECT_THAT(reading.log, IsEmpty());
}

TEST_F(Environment, SetsEveryKey) {
    const ScopedVariable mode("TESSERA_MODE", "off");
    const ScopedVariable channel("TESSERA_CHANNEL", "off");
    const ScopedVariable idle("TESSERA_IDLE_BYTES", "1GiB");
    const ScopedVariable block("TESSERA_MAX_BLOCK_BYTES", "65536");
    const ScopedVariable page("TESSERA_PAGE_ALIGN", "on");
    const ScopedVariable strict("TESSERA_STRICT", "on");
    const ScopedVariable level("TESSERA_LOG_LEVEL", "debug");
    const ScopedVariable file("TESSERA_LOG_FILE", folder_ / "log.txt");

    const Reading reading = ReadInChild();
    EXPECT_EQ(reading.settings.mode, Mode::kOff);
    EXPECT_FALSE(reading.settings.channel);
    EXPECT_EQ(reading.settings.idle_bytes, kGiB);
    EXPECT_EQ(reading.settings.max_block_bytes, 65536u);
    EXPECT_TRUE(reading.settings.page_align);
    EXPECT_TRUE(reading.settings.strict);
    EXPECT_EQ(reading.settings.log_level, LogLevel::kDebug);
    EXPECT_EQ(std::string(reading.settings.log_file.data()), folder_ / "log.txt");
    EXPECT_FALSE(reading.settings.elevated);
    EXPECT_THAT(reading.log, IsEmpty());
}

TEST_F(Environment, TreatsAnEmptyValueAsNotSet) {
    const ScopedVariable mode("TESSERA_MODE", "");
    const ScopedVariable idle("TESSERA_IDLE_BYTES", "");
    const Reading reading = ReadInChild();
    EXPECT_TRUE(reading.settings == Settings{});
    EXPECT_THAT(reading.log, IsEmpty());
}

TEST_F(Environment, UnderstandsSwitchesInTheWordsOfOtherTools) {
    for (const char* const on : {"on", "true", "TRUE", "1"}) {
        const ScopedVariable page("TESSERA_PAGE_ALIGN", on);
        EXPECT_TRUE(ReadInChild().settings.page_align) << on;
    }
    for (const char* const off : {"off", "false", "Off", "0"}) {
        const ScopedVariable channel("TESSERA_CHANNEL", off);
        EXPECT_FALSE(ReadInChild().settings.channel) << off;
    }
}

TEST_F(Environment, LeavesVariablesOfTheCommandAndTheTestsAlone) {
    const ScopedVariable run("TESSERA_RUN_ID", "1");
    const ScopedVariable mock("TESSERA_MOCK_PRESET", "x");
    const ScopedVariable bench("TESSERA_BENCH_SEED", "x");
    const ScopedVariable test("TESSERA_TEST_FAST", "1");
    const ScopedVariable other("TESSERACT_HOME", "/x");
    EXPECT_THAT(ReadInChild().log, IsEmpty());
}

TEST_F(Environment, IsNotReadByAnElevatedProcess) {
    const ScopedVariable idle("TESSERA_IDLE_BYTES", "1GiB");
    const ScopedVariable level("TESSERA_LOG_LEVEL", "debug");
    const ScopedVariable file("TESSERA_LOG_FILE", folder_ / "log.txt");
    const ScopedVariable unknown("TESSERA_NONSENSE", "x");
    WriteFile(UserFile(), "tessera_suballocator.page_align = on\n");
    const LayerSettingsFromApp api{.entries = {{"max_block_bytes", "65536"}}};

    const Reading reading = ReadInChild(&api, true);
    Settings expected;
    expected.elevated = true;
    expected.mode = Mode::kOff;
    expected.channel = false;
    EXPECT_TRUE(reading.settings == expected);
    EXPECT_THAT(reading.log, IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(folder_ / "log.txt"));
}

TEST_F(Precedence, EnvironmentBeatsFileBeatsApplication) {
    const LayerSettingsFromApp api{
        .entries = {{"idle_bytes", "1"}, {"max_block_bytes", "1MiB"}, {"mode", "off"}}};
    EXPECT_EQ(ReadInChild(&api).settings.idle_bytes, 1u);

    WriteFile(UserFile(),
              "tessera_suballocator.idle_bytes = 2\ntessera_suballocator.max_block_bytes = 2MiB\n");
    EXPECT_EQ(ReadInChild(&api).settings.idle_bytes, 2u);

    const ScopedVariable idle("TESSERA_IDLE_BYTES", "3");
    const Reading reading = ReadInChild(&api);
    EXPECT_EQ(reading.settings.idle_bytes, 3u);
    EXPECT_EQ(reading.settings.max_block_bytes, 2 * kMiB);
    EXPECT_EQ(reading.settings.mode, Mode::kOff);
    EXPECT_THAT(reading.log, IsEmpty());
}

TEST_F(Precedence, ReadsOneFileOnlyTheFirstThatThereIs) {
    const auto key_in = [](int bytes) {
        return "tessera_suballocator.idle_bytes = " + std::to_string(bytes) + "\n";
    };
    WriteFile(UserFile(), key_in(1) + "tessera_suballocator.page_align = on\n");
    EXPECT_EQ(ReadInChild().settings.idle_bytes, 1u);

    WriteFile(folder_ / "data/vulkan/settings.d/vk_layer_settings.txt", key_in(2));
    const ScopedVariable data("XDG_DATA_HOME", folder_ / "data");
    EXPECT_EQ(ReadInChild().settings.idle_bytes, 2u);
    EXPECT_FALSE(ReadInChild().settings.page_align);

    WriteFile(folder_ / "vk_layer_settings.txt", key_in(3));
    EXPECT_EQ(ReadInChild().settings.idle_bytes, 3u);

    WriteFile(folder_ / "elsewhere/mine.txt", key_in(4));
    const ScopedVariable named("VK_LAYER_SETTINGS_PATH", folder_ / "elsewhere/mine.txt");
    EXPECT_EQ(ReadInChild().settings.idle_bytes, 4u);

    WriteFile(folder_ / "folder/vk_layer_settings.txt", key_in(5));
    const ScopedVariable folder("VK_LAYER_SETTINGS_PATH", folder_ / "folder");
    EXPECT_EQ(ReadInChild().settings.idle_bytes, 5u);
}

TEST_F(Precedence, ABadStrongValueLeavesTheWeakerOneInForce) {
    WriteFile(UserFile(), "tessera_suballocator.idle_bytes = 2\n");
    const ScopedVariable idle("TESSERA_IDLE_BYTES", "plenty");
    const Reading reading = ReadInChild();
    EXPECT_EQ(reading.settings.idle_bytes, 2u);
    EXPECT_THAT(reading.log, HasSubstr("'plenty'"));
}

TEST_F(Reports, NameAWrongValueItsSourceAndTheValidOnes) {
    const ScopedVariable mode("TESSERA_MODE", "fast");
    const ScopedVariable page("TESSERA_PAGE_ALIGN", "on");
    const Reading reading = ReadInChild();
    EXPECT_THAT(reading.log, EndsWith("warning: setting mode = 'fast' from 'TESSERA_MODE' is not "
                                      "valid; use pool, off\n"));
    EXPECT_EQ(std::ranges::count(reading.log, '\n'), 1);
    EXPECT_EQ(reading.settings.mode, Mode::kPool);
    EXPECT_TRUE(reading.settings.page_align);
}

TEST_F(Reports, NameAnUnknownVariableAndTheVariablesThereAre) {
    const ScopedVariable typo("TESSERA_MODUS", "off");
    const Reading reading = ReadInChild();
    EXPECT_THAT(reading.log, HasSubstr("'TESSERA_MODUS'"));
    for (const SettingInfo& info : SettingTable()) {
        EXPECT_THAT(reading.log, HasSubstr(SettingEnvironmentName(info.key)));
    }
    EXPECT_EQ(std::ranges::count(reading.log, '\n'), 1);
}

TEST_F(Reports, NameTheVariableThatWasProbablyMeant) {
    const ScopedVariable typo("TESSERA_MOED", "off");
    EXPECT_THAT(ReadInChild().log, HasSubstr("; perhaps TESSERA_MODE is meant; there are "));
}

TEST_F(Reports, NameTheKeyThatWasProbablyMeantByTheApplication) {
    const LayerSettingsFromApp api{.entries = {{"TESSERA_Strikt", "on"}}};
    EXPECT_THAT(ReadInChild(&api).log, HasSubstr("; perhaps strict is meant; there are mode, "));
}

TEST_F(Reports, GuessNothingFromAVariableThatIsLikeNone) {
    const ScopedVariable strange("TESSERA_" + std::string(5000, 'Q'), "1");
    EXPECT_THAT(ReadInChild().log,
                AllOf(HasSubstr("is unknown; there are "), Not(HasSubstr("perhaps"))));
}

TEST_F(Reports, NameAnUnknownKeyOfTheApplication) {
    const LayerSettingsFromApp api{.entries = {{"modus", "off"}, {"page_align", "on"}}};
    const Reading reading = ReadInChild(&api);
    EXPECT_THAT(reading.log, HasSubstr("setting 'modus' from 'the application' is unknown"));
    EXPECT_TRUE(reading.settings.page_align);
}

TEST_F(Reports, RefuseABlockSizeThatIsTooSmallToBeABlock) {
    const ScopedVariable block("TESSERA_MAX_BLOCK_BYTES", "65535");
    const Reading reading = ReadInChild();
    EXPECT_EQ(reading.settings.max_block_bytes, 0u);
    EXPECT_THAT(reading.log, HasSubstr("at least 64KiB"));
}

TEST_F(Reports, CannotBeUsedToDriveTheTerminalOrForgeALine) {
    const ScopedVariable mode("TESSERA_MODE", "\x1b[2J\ntessera[1] error: forged");
    const Reading reading = ReadInChild();
    EXPECT_THAT(reading.log, AllOf(HasSubstr("\\x1b[2J\\x0atessera[1]"), Not(HasSubstr("\x1b"))));
    EXPECT_EQ(std::ranges::count(reading.log, '\n'), 1);
}

TEST_F(Reports, AreSilentWhenTheLogIsOff) {
    const ScopedVariable mode("TESSERA_MODE", "fast");
    const ScopedVariable level("TESSERA_LOG_LEVEL", "off");
    EXPECT_THAT(ReadInChild().log, IsEmpty());
}

TEST_F(Reports, GoToTheLogFile) {
    const ScopedVariable mode("TESSERA_MODE", "fast");
    const ScopedVariable file("TESSERA_LOG_FILE", folder_ / "log.txt");
    EXPECT_THAT(ReadInChild().log, IsEmpty());
    EXPECT_THAT(test::ReadFile(folder_ / "log.txt"), HasSubstr("'fast'"));
}

TEST_F(Reports, SayThatALogFileCannotBeUsed) {
    const ScopedVariable file("TESSERA_LOG_FILE", folder_ / "no/such/folder/log.txt");
    EXPECT_THAT(ReadInChild().log, HasSubstr("cannot be opened for appending"));
}

TEST_F(Reports, StopAfterThreeOfAKindWhileTheRestStillApplies) {
    LayerSettingsFromApp api;
    for (int i = 0; i < 50; ++i)
        api.entries.push_back({"unknown" + std::to_string(i), "1"});
    api.entries.push_back({"page_align", "on"});
    const Reading reading = ReadInChild(&api);
    EXPECT_EQ(std::ranges::count(reading.log, '\n'), 3);
    EXPECT_TRUE(reading.settings.page_align);
}

}  // namespace
}  // namespace tessera
