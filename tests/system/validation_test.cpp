// SPDX-License-Identifier: Apache-2.0
//
// The Khronos validation layer, with synchronization validation, says the same of a program whether
// our layer lies above it, below it or not in the chain at all.
//
// Below ours it checks what we make of the application's calls; above ours it checks what the
// application is told. Programs with errors are the control: what it cannot report proves nothing.
#include <unistd.h>

#include <set>

#include "system_fixture.h"

namespace tessera::test {
namespace {

using Messages = std::set<std::string>;

constexpr char kValidation[] = "VK_LAYER_KHRONOS_validation";

enum class Place { kAlone, kAboveOurs, kBelowOurs };

class Validation : public SystemTest {
 protected:
    void SetUp() override {
        SystemTest::SetUp();
        if (IsSkipped()) return;
        if (std::string_view(TESSERA_VALIDATION_FOLDER).ends_with("-NOTFOUND"))
            GTEST_SKIP() << "The validation layer is not installed (vulkan-validationlayers).";
    }

    // Runs a program with the validation layer at a place. Returns: its messages.
    Messages Run(const Command& command, Place place, const std::string& display = "") {
        const std::string log = folder_ / "messages";
        const std::string settings = folder_ / "settings.txt";
        WriteFile(log, "");
        WriteFile(settings,
                  "khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG\n"
                  "khronos_validation.log_filename = " +
                      log +
                      "\n"
                      "khronos_validation.report_flags = error,warn,perf\n"
                      "khronos_validation.enables = "
                      "VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT\n");
        ProgramOptions options = bare();
        options.environment["VK_LAYER_SETTINGS_PATH"] = settings;
        options.environment["VK_LOADER_DEBUG"] = "layer";
        if (!display.empty()) options.environment["DISPLAY"] = display;
        // Loaders of different ages take the order from one of these or from the other.
        const auto use = [&](const std::string& names, const std::string& folders) {
            options.environment["VK_INSTANCE_LAYERS"] = names;
            options.environment["VK_LAYER_PATH"] = folders;
        };
        const std::string ours = kLayerName;
        const std::string theirs = kValidation;
        const std::string our_folder = TESSERA_LAYER_FOLDER;
        const std::string their_folder = TESSERA_VALIDATION_FOLDER;
        if (place == Place::kAlone) use(theirs, their_folder);
        if (place == Place::kAboveOurs) use(theirs + ":" + ours, their_folder + ":" + our_folder);
        if (place == Place::kBelowOurs) use(ours + ":" + theirs, our_folder + ":" + their_folder);
        const Outcome outcome = RunProgram(command, options);
        EXPECT_EQ(outcome.code, 0) << outcome.err;
        EXPECT_EQ(LinesWith(outcome.err, "tessera[").size(), 0u) << outcome.err;
        EXPECT_EQ(DeviceChain(outcome.err, {kLayerName, kValidation}), ExpectedChain(place))
            << outcome.err;
        return Normalized(ReadFile(log));
    }

    // Expects the same messages everywhere. Returns: them.
    Messages RunEverywhere(const Command& command, const std::string& display = "") {
        const Messages alone = Run(command, Place::kAlone, display);
        EXPECT_EQ(Run(command, Place::kAboveOurs, display), alone);
        ExpectPooledAndRemove();
        EXPECT_EQ(Run(command, Place::kBelowOurs, display), alone);
        ExpectPooledAndRemove();
        return alone;
    }

 private:
    static std::vector<std::string> ExpectedChain(Place place) {
        if (place == Place::kAboveOurs) return {kValidation, kLayerName};
        if (place == Place::kBelowOurs) return {kLayerName, kValidation};
        return {kValidation};
    }

    static Messages Normalized(const std::string& text) {
        const std::vector<std::string> lines = Lines(WithoutNumbersOfARun(text));
        return {lines.begin(), lines.end()};
    }

    void ExpectPooledAndRemove() {
        const Json processes = Processes();
        ASSERT_EQ(processes.size(), 1u);
        EXPECT_GT(Sum(processes[0], "pooled", "allocations"), 0u);
        EXPECT_EQ(PlacementFailures(processes[0]), 0u);
        for (const std::string& name : FilesIn(SegmentFolder()))
            unlink((SegmentFolder() + "/" + name).c_str());
    }
};

TEST_F(Validation, ReportsErrorsOfAProgramWhereverOurLayerLies) {
    const Messages messages = RunEverywhere({TESSERA_VULKAN_CLIENT, "errors"});
    const auto says = [&](const char* part) {
        for (const std::string& message : messages) {
            if (message.find(part) != std::string::npos) return true;
        }
        return false;
    };
    EXPECT_TRUE(says("VUID-VkBufferCreateInfo-usage-requiredbitmask"));
    EXPECT_TRUE(says("SYNC-HAZARD-WRITE-AFTER-WRITE"));
}

TEST_F(Validation, SaysTheSameOfAScene) {
    RunEverywhere({TESSERA_NAIVE_SCENE, "--resources", "600", "--frames", "3"});
}

TEST_F(Validation, SaysTheSameOfVkcube) {
    if (!IsInstalled("vkcube") || !IsInstalled("Xvfb"))
        GTEST_SKIP() << "vkcube or Xvfb is not installed (vulkan-tools, xvfb).";
    const Display display;
    ASSERT_NE(display.name(), "") << "Xvfb did not start.";
    RunEverywhere({"vkcube", "--c", "10"}, display.name());
}

}  // namespace
}  // namespace tessera::test
