// SPDX-License-Identifier: Apache-2.0
//
// Validation above and below our layer at once: the upper one sees what the application does and is
// told, the lower one what we make of it. Compared with the same two without us between them, there
// is no difference in what they say.
//
// The lower one is a copy of the library under another name. Both write to standard output, since
// they read the same settings and would write over each other in a file.
#include <algorithm>
#include <map>

#include "system_fixture.h"

namespace tessera::test {
namespace {

constexpr char kUpper[] = "VK_LAYER_KHRONOS_validation";
constexpr char kLower[] = "VK_LAYER_TESSERA_test_validation_copy";

// How often each message was said.
using Messages = std::map<std::string, size_t>;

class Sandwich : public SystemTest {
 protected:
    void SetUp() override {
        SystemTest::SetUp();
        if (IsSkipped()) return;
        if (FilesIn(TESSERA_VALIDATION_COPY_FOLDER).size() != 2)
            GTEST_SKIP() << "The validation layer is not installed (vulkan-validationlayers).";
    }

    Messages Run(const Command& command, bool with_ours, const std::string& display) {
        const std::string settings = folder_ / "settings.txt";
        WriteFile(settings,
                  "khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG\n"
                  "khronos_validation.report_flags = error,warn,perf\n"
                  "khronos_validation.duplicate_message_limit = 100000\n"
                  "khronos_validation.enables = "
                  "VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT\n");
        ProgramOptions options = bare();
        options.environment["VK_LAYER_SETTINGS_PATH"] = settings;
        options.environment["VK_LOADER_DEBUG"] = "layer";
        options.environment["TESSERA_LOG_LEVEL"] = "info";
        if (!display.empty()) options.environment["DISPLAY"] = display;
        // Loaders of different ages take the order from one of these or from the other.
        const std::string ours = with_ours ? std::string(kLayerName) + ":" : "";
        const std::string our_folder = with_ours ? TESSERA_LAYER_FOLDER ":" : "";
        options.environment["VK_INSTANCE_LAYERS"] = std::string(kUpper) + ":" + ours + kLower;
        options.environment["VK_LAYER_PATH"] =
            TESSERA_VALIDATION_FOLDER ":" + our_folder + TESSERA_VALIDATION_COPY_FOLDER;
        const Outcome outcome = RunProgram(command, options);
        EXPECT_EQ(outcome.code, 0) << outcome.err;
        std::vector<std::string> chain = {kUpper, kLower};
        if (with_ours) {
            chain.insert(chain.begin() + 1, kLayerName);
            EXPECT_GT(LinesWith(outcome.err, ": pooling").size(), 0u) << outcome.err;
        }
        EXPECT_EQ(DeviceChain(outcome.err, {kUpper, kLayerName, kLower}), chain) << outcome.err;
        Messages messages;
        for (const std::string& line : LinesWith(WithoutNumbersOfARun(outcome.out), "msgNum"))
            ++messages[line];
        return messages;
    }

    // Returns: what both say of a program, with ours between them or not.
    Messages Compare(const Command& command, const std::string& display = "") {
        const Messages without = Run(command, false, display);
        EXPECT_EQ(Run(command, true, display), without);
        return without;
    }
};

// The control: what both can report, both do.
TEST_F(Sandwich, DeliberateErrorsAreReportedByBoth) {
    const Messages messages = Compare({TESSERA_VULKAN_CLIENT, "errors"});
    for (const char* part :
         {"VUID-VkBufferCreateInfo-usage-requiredbitmask", "SYNC-HAZARD-WRITE-AFTER-WRITE"}) {
        const auto found = std::ranges::find_if(messages, [part](const auto& message) {
            return message.first.find(part) != std::string::npos;
        });
        ASSERT_NE(found, messages.end()) << part;
        EXPECT_EQ(found->second, 2u) << part;
    }
}

TEST_F(Sandwich, NothingIsSaidOfAScene) {
    EXPECT_EQ(Compare({TESSERA_NAIVE_SCENE, "--resources", "300", "--frames", "2", "--all-types",
                       "--sparse"}),
              Messages());
}

TEST_F(Sandwich, NothingIsSaidOfManyDevices) {
    EXPECT_EQ(Compare({TESSERA_LIFECYCLE_APP, "devices", "8"}), Messages());
}

TEST_F(Sandwich, TheSameIsSaidOfVkcube) {
    if (!IsInstalled("vkcube") || !IsInstalled("Xvfb"))
        GTEST_SKIP() << "vkcube or Xvfb is not installed (vulkan-tools, xvfb).";
    const Display display;
    ASSERT_NE(display.name(), "") << "Xvfb did not start.";
    Compare({"vkcube", "--c", "10"}, display.name());
}

}  // namespace
}  // namespace tessera::test
