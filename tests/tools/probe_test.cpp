// SPDX-License-Identifier: Apache-2.0
//
// What `doctor` learns from a child process that works, crashes or hangs, and from the environment
// (tools/probe.h, tools/findings.h).
#include "tools/probe.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "support.h"
#include "tools/findings.h"

namespace tessera::command {
namespace {

constexpr std::chrono::seconds kAmple{60};

TEST(RunProbe, ReturnsWhatTheWorkReports) {
    const ProbeResult result = RunProbe({}, kAmple, [](const TellStep& tell) -> Json {
        tell("one");
        tell("two");
        return {{"answer", 42}, {"text", "line\nbreak \xff"}};
    });
    ASSERT_TRUE(result.Finished());
    EXPECT_EQ(result.report["answer"], 42);
    EXPECT_EQ(result.report["text"], "line\nbreak \xef\xbf\xbd");
    EXPECT_EQ(result.step, "two");
    EXPECT_FALSE(result.signal);
    EXPECT_FALSE(result.timed_out);
}

TEST(RunProbe, SaysWhereTheWorkCrashed) {
    const ProbeResult result = RunProbe({}, kAmple, [](const TellStep& tell) -> Json {
        tell("harmless");
        tell("crashing");
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
        return 1;
    });
    EXPECT_FALSE(result.Finished());
    EXPECT_EQ(result.signal, SIGSEGV);
    EXPECT_EQ(result.step, "crashing");
    EXPECT_FALSE(result.timed_out);
}

TEST(RunProbe, EndsWorkThatHangs) {
    const ProbeResult result =
        RunProbe({}, std::chrono::seconds(0), [](const TellStep& tell) -> Json {
            tell("hanging");
            while (true)
                pause();
        });
    EXPECT_FALSE(result.Finished());
    EXPECT_TRUE(result.timed_out);
    EXPECT_EQ(kill(result.pid, 0), -1);
}

TEST(RunProbe, NoticesWorkThatEndsTheProcess) {
    const ProbeResult result = RunProbe({}, kAmple, [](const TellStep&) -> Json { _exit(0); });
    EXPECT_FALSE(result.Finished());
    EXPECT_FALSE(result.signal);
    EXPECT_FALSE(result.timed_out);
}

TEST(RunProbe, GivesTheWorkItsEnvironmentAndNoOther) {
    ASSERT_EQ(setenv("TESSERA_TEST_OURS", "1", 1), 0);
    const ProbeResult result =
        RunProbe({"TESSERA_TEST_GIVEN=yes"}, kAmple, [](const TellStep&) -> Json {
            const char* const given = getenv("TESSERA_TEST_GIVEN");
            return {{"given", given != nullptr ? given : ""},
                    {"ours", getenv("TESSERA_TEST_OURS") != nullptr}};
        });
    EXPECT_EQ(result.report, Json({{"given", "yes"}, {"ours", false}}));
    EXPECT_EQ(getenv("TESSERA_TEST_GIVEN"), nullptr);
    unsetenv("TESSERA_TEST_OURS");
}

TEST(RunProbe, KeepsTheLayersLinesAndNothingElseOfItsOutput) {
    const ProbeResult result = RunProbe({}, kAmple, [](const TellStep&) -> Json {
        dprintf(STDERR_FILENO, "driver chatter\ntessera[12] warning: something is odd\n");
        dprintf(STDOUT_FILENO, "tessera[12] warning: not on stdout\n");
        return true;
    });
    EXPECT_EQ(result.log, std::vector<std::string>{"something is odd"});
}

TEST(RunProbe, CopesWithMoreOutputThanItKeeps) {
    const ProbeResult result = RunProbe({}, kAmple, [](const TellStep&) -> Json {
        const std::string line(4000, 'x');
        for (int i = 0; i < 1000; ++i)
            dprintf(STDERR_FILENO, "%s\n", line.c_str());
        return true;
    });
    EXPECT_EQ(result.report, true);
}

const Finding* FindText(const Findings& findings, const std::string& part) {
    for (const Finding& finding : findings)
        if (finding.text.find(part) != std::string::npos) return &finding;
    return nullptr;
}

TEST(CheckSettings, TellsOnlyThoseInEffect) {
    const Findings findings =
        CheckSettings({"TESSERA_MODE=off", "TESSERA_MOOD=good", "TESSERA_IDLE_BYTES=many",
                       "TESSERA_LOG_LEVEL=", "PATH=/bin"});
    ASSERT_EQ(findings.size(), 1u);
    EXPECT_EQ(findings[0].level, Level::kNote);
    EXPECT_TRUE(findings[0].text.starts_with("TESSERA_MODE=off is in effect."));
}

TEST(CheckLoaderVariables, FindsNothingWhereNothingIsSet) {
    EXPECT_TRUE(CheckLoaderVariables({}).empty());
}

TEST(CheckLoaderVariables, TellsWhatHidesTheLayer) {
    const Findings hidden = CheckLoaderVariables({"VK_LOADER_LAYERS_DISABLE=~all~"});
    ASSERT_EQ(hidden.size(), 1u);
    EXPECT_EQ(hidden[0].level, Level::kError);
    EXPECT_NE(hidden[0].advice, "");
    const Findings path = CheckLoaderVariables({"VK_LAYER_PATH=/mine\x1b", "VK_DRIVER_FILES=/d"});
    ASSERT_EQ(path.size(), 2u);
    EXPECT_NE(path[0].text.find("'/mine\\x1b'"), std::string::npos);
    EXPECT_EQ(path[1].level, Level::kNote);
}

TEST(CheckLoaderVariables, TellsThatTheSystemsDriversAreHidden) {
    const std::string folder = "/usr/share/vulkan/icd.d";
    std::error_code error;
    if (std::filesystem::is_empty(folder, error) || error)
        GTEST_SKIP() << "no driver in " << folder;
    const Findings hidden = CheckLoaderVariables({"XDG_DATA_DIRS=/mine/share"});
    ASSERT_EQ(hidden.size(), 1u);
    EXPECT_EQ(hidden[0].level, Level::kWarning);
    EXPECT_NE(hidden[0].text.find("'" + folder + "'"), std::string::npos) << hidden[0].text;
    EXPECT_NE(hidden[0].advice.find("XDG_DATA_DIRS=/mine/share:"), std::string::npos);
    EXPECT_TRUE(CheckLoaderVariables({"XDG_DATA_DIRS=/mine/share:/usr/share"}).empty());
    EXPECT_TRUE(CheckLoaderVariables({"XDG_DATA_DIRS="}).empty());
    const Findings named = CheckLoaderVariables({"XDG_DATA_DIRS=/a", "VK_DRIVER_FILES=/d"});
    ASSERT_EQ(named.size(), 1u);
    EXPECT_EQ(named[0].text.find("XDG_DATA_DIRS"), std::string::npos);
}

class CheckFilesTest : public testing::Test {
 protected:
    CheckFilesTest() {
        layer_.directory = folder_ / "layer";
        layer_.manifest = folder_ / "layer/VkLayer_tessera_suballocator.json";
        layer_.library = "libc.so.6";
    }
    Findings Check(Environment environment) const {
        environment.push_back("XDG_DATA_HOME=" + (folder_ / "data"));
        environment.push_back("XDG_DATA_DIRS=" + (folder_ / "none"));
        return CheckFiles({.layer = layer_, .error = {}}, environment);
    }
    void InstallImplicitLayer() const {
        const std::string folder = folder_ / "data/vulkan/implicit_layer.d";
        std::filesystem::create_directories(folder);
        test::WriteFile(folder + "/" + kImplicitManifest, "{}");
    }

    const test::TempFolder folder_;
    Layer layer_;
};

TEST_F(CheckFilesTest, IsContentWithALibraryThatLoads) {
    const Findings findings = Check({});
    EXPECT_EQ(findings[0].level, Level::kOk);
}

TEST_F(CheckFilesTest, SaysWhatToDoAboutALibraryThatDoesNotLoad) {
    layer_.library = "libthere-is-no-such-library.so";
    const Findings bare = Check({});
    EXPECT_EQ(bare[0].level, Level::kError);
    EXPECT_NE(bare[0].advice.find("ldconfig"), std::string::npos);
    layer_.library = folder_ / "missing.so";
    const Findings path = Check({});
    EXPECT_EQ(path[0].level, Level::kError);
    EXPECT_NE(path[0].advice.find("Build or install"), std::string::npos);
}

TEST_F(CheckFilesTest, SaysThatThereIsNoLayer) {
    const Findings findings = CheckFiles({.layer = {}, .error = "nowhere."}, {});
    ASSERT_EQ(findings.size(), 1u);
    EXPECT_EQ(findings[0].level, Level::kError);
}

TEST_F(CheckFilesTest, WarnsWhereTheImplicitLayerIsEnabledInVain) {
    EXPECT_EQ(FindText(Check({"ENABLE_TESSERA=1"}), "not installed")->level, Level::kWarning);
    InstallImplicitLayer();
    EXPECT_EQ(FindText(Check({"ENABLE_TESSERA=yes"}), "'yes'")->level, Level::kWarning);
    EXPECT_EQ(FindText(Check({"ENABLE_TESSERA=1"}), "every Vulkan application")->level,
              Level::kNote);
    EXPECT_EQ(FindText(Check({"ENABLE_TESSERA=1", "DISABLE_TESSERA="}), "beats")->level,
              Level::kNote);
    EXPECT_EQ(Check({}).size(), 1u);
}

TEST_F(CheckFilesTest, TellsOfAnotherInstallation) {
    const std::string folder = folder_ / "data/vulkan/explicit_layer.d";
    std::filesystem::create_directories(folder);
    test::WriteFile(folder + "/" + kExplicitManifest, "{}");
    EXPECT_EQ(FindText(Check({}), "Another manifest")->level, Level::kNote);
}

TEST(DescribeFindings, PutsTheAdviceBelowItsFinding) {
    EXPECT_EQ(DescribeFindings(
                  {{Level::kOk, "a", "Fine.", ""}, {Level::kWarning, "b", "Odd.", "Do this."}}),
              "ok       Fine.\nwarning  Odd.\n         Do this.\n");
}

TEST(FindingsJson, HasEveryKey) {
    EXPECT_EQ(
        FindingsJson({{Level::kError, "check", "Text.", ""}}),
        Json({Json(
            {{"level", "error"}, {"check", "check"}, {"text", "Text."}, {"advice", nullptr}})}));
}

}  // namespace
}  // namespace tessera::command
