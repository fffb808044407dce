// SPDX-License-Identifier: Apache-2.0
//
// The command with the real layer, the real loader and lavapipe: `run` with the test applications
// and `doctor`.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "support.h"
#include "tools/json.h"

namespace tessera::command {
namespace {

using test::Outcome;
using test::ProgramOptions;
using test::ReadFile;
using test::RunProgram;
using test::TempFolder;

class CommandWithLayer : public testing::Test {
 protected:
    CommandWithLayer() {
        options_.environment["XDG_RUNTIME_DIR"] = folder_.path();
        options_.environment["VK_ICD_FILENAMES"] = TESSERA_LAVAPIPE;
    }
    Outcome Tessera(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), TESSERA_COMMAND);
        return RunProgram(arguments, options_);
    }
    // Runs lifecycle_app in a mode, with statistics.
    Outcome Lifecycle(const std::string& mode) const {
        return Tessera({"run", "--stats", folder_ / "s.json", "--", TESSERA_LIFECYCLE_APP, mode});
    }
    Json Processes() const { return Json::parse(ReadFile(folder_ / "s.json"))["processes"]; }

    const TempFolder folder_;
    ProgramOptions options_;
};

TEST_F(CommandWithLayer, RunCountsAnOrdinaryApplication) {
    const Outcome outcome = Lifecycle("clean");
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    ASSERT_EQ(Processes().size(), 1u);
    const Json process = Processes()[0];
    EXPECT_EQ(process["state"], "closed");
    EXPECT_EQ(process["exit"], ExitJson({.code = 0, .signal = {}}));
    const Json& device = process["devices"][0];
    EXPECT_EQ(device["state"], "destroyed");
    EXPECT_EQ(device["mode"], "pool");
    uint64_t asked = 0;
    uint64_t made = 0;
    for (const Json& type : device["memory_types"]) {
        asked += type["app"]["allocations"].get<uint64_t>();
        made += type["driver"]["allocations"].get<uint64_t>();
        EXPECT_EQ(type["app"]["live"], 0);
        EXPECT_EQ(type["driver"]["live"], 0);
        EXPECT_EQ(type["placement_failures"], 0);
    }
    EXPECT_GE(asked, 64u);
    EXPECT_LT(made, asked);
    EXPECT_EQ(device["calls"]["vkAllocateMemory"]["count"], asked);
    EXPECT_EQ(device["driver_calls"]["vkAllocateMemory"]["count"], made);
}

TEST_F(CommandWithLayer, RunHasTheLastStateOfApplicationsThatEndBadly) {
    const Outcome left = Lifecycle("exit");
    EXPECT_EQ(left.code, 0);
    EXPECT_EQ(Processes()[0]["state"], "ended");
    EXPECT_EQ(Lifecycle("kill").code, 128 + SIGKILL);
    EXPECT_EQ(Processes()[0]["state"], "ended");
    EXPECT_EQ(Lifecycle("crash").code, 128 + SIGSEGV);
    EXPECT_EQ(Processes()[0]["state"], "ended");
    EXPECT_EQ(Processes()[0]["exit"], ExitJson({.code = {}, .signal = SIGSEGV}));
    uint64_t live = 0;
    const Json processes = Processes();
    for (const Json& type : processes[0]["devices"][0]["memory_types"])
        live += type["app"]["live"].get<uint64_t>();
    EXPECT_GE(live, 64u);
}

TEST_F(CommandWithLayer, RunFindsTheForkedChildThatUsesVulkan) {
    EXPECT_EQ(Lifecycle("fork-use").code, 0);
    const Json processes = Processes();
    ASSERT_EQ(processes.size(), 2u);
    EXPECT_EQ(processes[1]["parent_pid"], processes[0]["pid"]);
}

TEST_F(CommandWithLayer, RunPassesTheOutputOfTheApplicationOnUnchanged) {
    const Outcome bare = RunProgram({TESSERA_LIFECYCLE_APP, "clean"}, options_);
    const Outcome outcome = Lifecycle("clean");
    EXPECT_EQ(outcome.out, bare.out);
    EXPECT_EQ(outcome.code, bare.code);
}

TEST_F(CommandWithLayer, RunSaysThatStatisticsAreSwitchedOff) {
    options_.environment["TESSERA_CHANNEL"] = "off";
    const Outcome outcome = Lifecycle("clean");
    EXPECT_EQ(outcome.code, 0);
    EXPECT_NE(outcome.err.find("TESSERA_CHANNEL"), std::string::npos) << outcome.err;
}

TEST_F(CommandWithLayer, RunWorksWhereAnEmptyLayerPathHidesEveryLayer) {
    options_.environment["VK_LAYER_PATH"] = "";
    EXPECT_EQ(Lifecycle("clean").code, 0);
    EXPECT_EQ(Processes().size(), 1u);
}

TEST_F(CommandWithLayer, DoctorFindsThatItWorksAndLeavesNothingBehind) {
    const Outcome outcome = Tessera({"doctor", "--json"});
    EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
    const Json report = Json::parse(outcome.out);
    EXPECT_EQ(report["schema"], 1);
    EXPECT_EQ(report["works"], true);
    ASSERT_EQ(report["devices"].size(), 1u);
    EXPECT_EQ(report["devices"][0]["mode"], "pool");
    EXPECT_EQ(report["devices"][0]["memory_types"][0]["served"], "pooled");
    const std::string text = Tessera({"doctor"}).out;
    const size_t zero = text.find("TESSERA_ZERO=reuse");
    EXPECT_NE(zero, std::string::npos) << text;
    EXPECT_LT(zero, text.find("TESSERA_MODE=off")) << "the likeliest cure first: " << text;
    EXPECT_EQ(Json::parse(Tessera({"ps", "--json"}).out).dump().find("\"process\":\"tessera\""),
              std::string::npos);
}

TEST_F(CommandWithLayer, DoctorSaysWhatIsPassedThroughAndWhy) {
    options_.environment["TESSERA_MODE"] = "off";
    const Outcome outcome = Tessera({"doctor"});
    EXPECT_EQ(outcome.code, 0) << outcome.out;
    EXPECT_NE(outcome.out.find("disabled"), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.out.find("TESSERA_MODE=off"), std::string::npos) << outcome.out;
}

TEST_F(CommandWithLayer, DoctorPassesTheLayersOwnWarningsOnOnce) {
    options_.environment["TESSERA_MOOD"] = "good";
    options_.environment["TESSERA_LOG_LEVEL"] = "off";
    options_.environment["TESSERA_LOG_FILE"] = folder_ / "log";
    const Outcome outcome = Tessera({"doctor"});
    EXPECT_EQ(outcome.code, 0) << outcome.out;
    const size_t first = outcome.out.find("TESSERA_MOOD");
    EXPECT_NE(first, std::string::npos) << outcome.out;
    EXPECT_EQ(outcome.out.find("TESSERA_MOOD", first + 1), std::string::npos) << outcome.out;
}

TEST_F(CommandWithLayer, DoctorTellsOfAWrongLogLevel) {
    options_.environment["TESSERA_LOG_LEVEL"] = "loud";
    EXPECT_NE(Tessera({"doctor"}).out.find("loud"), std::string::npos);
}

TEST_F(CommandWithLayer, DoctorNamesTheFilterThatHidesTheLayer) {
    options_.environment["VK_LOADER_LAYERS_DISABLE"] = "*tessera*";
    const Outcome outcome = Tessera({"doctor"});
    EXPECT_EQ(outcome.code, 3);
    EXPECT_NE(outcome.out.find("VK_LOADER_LAYERS_DISABLE"), std::string::npos) << outcome.out;
}

TEST_F(CommandWithLayer, DoctorSaysThatThereIsNoDriver) {
    options_.environment["VK_ICD_FILENAMES"] = folder_ / "none.json";
    const Outcome outcome = Tessera({"doctor"});
    EXPECT_EQ(outcome.code, 3);
    EXPECT_NE(outcome.out.find("VK_DRIVER_FILES"), std::string::npos) << outcome.out;
}

TEST_F(CommandWithLayer, DoctorSaysThatTheRuntimeFolderIsOpenToOthers) {
    options_.environment["XDG_RUNTIME_DIR"] = folder_ / "open";
    std::filesystem::create_directories(folder_ / "open/tessera");
    std::filesystem::permissions(folder_ / "open/tessera", std::filesystem::perms::all);
    const Outcome outcome = Tessera({"doctor"});
    EXPECT_NE(outcome.out.find("XDG_RUNTIME_DIR"), std::string::npos) << outcome.out;
}

}  // namespace
}  // namespace tessera::command
