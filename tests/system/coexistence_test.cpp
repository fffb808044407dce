// SPDX-License-Identifier: Apache-2.0
//
// Together with the layers that people have installed: MangoHud, Mesa's overlay and, always, Mesa's
// choice of devices. Ours is enabled as an explicit or as an implicit layer, above or below.
//
// What such layers draw changes from frame to frame. So pictures are compared with the drawing off,
// or from a place above it; with the drawing on, the program has to end as it does without us.
#include <filesystem>

#include "system_fixture.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

constexpr char kMangoHud[] = "VK_LAYER_MANGOHUD_overlay";
constexpr char kOverlay[] = "VK_LAYER_MESA_overlay";
constexpr char kJudge[] = "VK_LAYER_TESSERA_test_present_judge";
constexpr char kMangoHudManifest[] = "/usr/share/vulkan/implicit_layer.d/MangoHud.json";
constexpr char kOverlayManifest[] = "/usr/share/vulkan/explicit_layer.d/VkLayer_MESA_overlay.json";

class Coexistence : public SystemTest {
 protected:
    void SetUp() override {
        SystemTest::SetUp();
        if (IsSkipped()) return;
        if (!IsInstalled("vkcube") || !IsInstalled("Xvfb"))
            GTEST_SKIP() << "vkcube or Xvfb is not installed (vulkan-tools, xvfb).";
        display_ = std::make_unique<Display>();
        ASSERT_NE(display_->name(), "") << "Xvfb did not start.";
    }

    // A run whose frames are judged, so far without ours.
    ProgramOptions Judged(const std::string& hashes) const {
        ProgramOptions options = bare();
        options.environment["DISPLAY"] = display_->name();
        options.environment["PRESENT_JUDGE_FILE"] = folder_ / hashes;
        options.environment["VK_LOADER_DEBUG"] = "layer";
        options.environment["TESSERA_LOG_LEVEL"] = "info";
        options.environment["VK_INSTANCE_LAYERS"] = kJudge;
        options.environment["VK_LAYER_PATH"] = TESSERA_JUDGE_FOLDER;
        // What an overlay finds out of the machine is no business of this test.
        options.environment["MANGOHUD_CONFIG"] = "no_display";
        options.environment["VK_LAYER_MESA_OVERLAY_CONFIG"] = "no_display";
        return options;
    }

    // Adds an explicit layer below what is there.
    static void AddExplicit(ProgramOptions& options, const std::string& name,
                            const std::string& folder) {
        options.environment["VK_INSTANCE_LAYERS"] += ":" + name;
        options.environment["VK_LAYER_PATH"] += ":" + folder;
    }

    // Makes an implicit layer known in one of two places, of which the first is searched first:
    // implicit layers lie in that order, and above all explicit ones.
    void AddImplicit(const std::string& manifest, int place) const {
        const std::string home = place == 0 ? folder_ / "config" : folder_ / "data";
        const std::string folder = home + "/vulkan/implicit_layer.d";
        fs::create_directories(folder);
        Json document = Json::parse(ReadFile(manifest));
        const fs::path library = document["layer"]["library_path"].get<std::string>();
        if (!library.is_absolute() && library.has_parent_path())
            document["layer"]["library_path"] = fs::path(manifest).parent_path() / library;
        WriteFile(folder + "/" + fs::path(manifest).filename().string(), document.dump());
    }
    void UseImplicit(ProgramOptions& options) const {
        options.environment["XDG_CONFIG_HOME"] = folder_ / "config";
        options.environment["XDG_DATA_HOME"] = folder_ / "data";
        // The installed manifest of the other one would be found as well.
        options.environment["XDG_DATA_DIRS"] = folder_ / "nowhere";
    }

    // The judge writes behind what is there.
    static Outcome Cube(const ProgramOptions& options) {
        fs::remove(options.environment.at("PRESENT_JUDGE_FILE"));
        return RunProgram({"vkcube", "--c", "20"}, options);
    }

    // The frames that a run presented. Expects them all.
    std::vector<std::string> Frames(const std::string& hashes) const {
        std::vector<std::string> frames = Lines(ReadFile(folder_ / hashes));
        EXPECT_EQ(frames.size(), 20u);
        return frames;
    }

    // Compares a run with ours and one without, both with a companion.
    void Compare(const ProgramOptions& without_ours, const ProgramOptions& with_ours,
                 const std::vector<std::string>& expected_chain) {
        const Outcome without = Cube(without_ours);
        ASSERT_EQ(without.code, 0) << without.err;
        fs::remove_all(SegmentFolder());
        const Outcome with = Cube(with_ours);
        EXPECT_EQ(with.code, 0) << with.err;
        EXPECT_EQ(with.out, without.out);
        EXPECT_EQ(DeviceChain(with.err, expected_chain), expected_chain) << with.err;
        EXPECT_GT(LinesWith(with.err, ": pooling").size(), 0u) << with.err;
        EXPECT_EQ(Frames("with"), Frames("without"));
        const Json processes = Processes();
        ASSERT_EQ(processes.size(), 1u);
        EXPECT_GT(Sum(processes[0], "pooled", "allocations"), 0u);
        EXPECT_EQ(PlacementFailures(processes[0]), 0u);
    }

    std::unique_ptr<Display> display_;
};

TEST_F(Coexistence, MangoHudAboveAnExplicitLayer) {
    if (!fs::exists(kMangoHudManifest)) GTEST_SKIP() << "MangoHud is not installed (mangohud).";
    ProgramOptions without = Judged("without");
    ProgramOptions with = Judged("with");
    without.environment["MANGOHUD"] = "1";
    with.environment["MANGOHUD"] = "1";
    AddExplicit(with, kLayerName, TESSERA_LAYER_FOLDER);
    Compare(without, with, {kMangoHud, kLayerName});
}

// Both implicit, in either order.
TEST_F(Coexistence, MangoHudAndAnImplicitLayerInBothOrders) {
    if (!fs::exists(kMangoHudManifest)) GTEST_SKIP() << "MangoHud is not installed (mangohud).";
    for (const bool ours_above : {true, false}) {
        SCOPED_TRACE(ours_above ? "ours above" : "ours below");
        fs::remove_all(folder_ / "config");
        fs::remove_all(folder_ / "data");
        AddImplicit(TESSERA_IMPLICIT_MANIFEST, ours_above ? 0 : 1);
        AddImplicit(kMangoHudManifest, ours_above ? 1 : 0);
        ProgramOptions without = Judged("without");
        UseImplicit(without);
        without.environment["MANGOHUD"] = "1";
        ProgramOptions with = without;
        with.environment["PRESENT_JUDGE_FILE"] = folder_ / "with";
        with.environment["ENABLE_TESSERA"] = "1";
        std::vector<std::string> chain = {kMangoHud, kLayerName};
        if (ours_above) std::swap(chain[0], chain[1]);
        Compare(without, with, chain);
    }
}

// With its display on, pictures differ by what it shows, and nothing else may.
TEST_F(Coexistence, MangoHudDrawsOverALayeredProgram) {
    if (!fs::exists(kMangoHudManifest)) GTEST_SKIP() << "MangoHud is not installed (mangohud).";
    ProgramOptions options = Judged("with");
    options.environment["MANGOHUD"] = "1";
    options.environment["MANGOHUD_CONFIG"] = "fps";
    AddExplicit(options, kLayerName, TESSERA_LAYER_FOLDER);
    const Outcome outcome = Cube(options);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_GT(LinesWith(outcome.err, ": pooling").size(), 0u) << outcome.err;
    ProgramOptions plain = Judged("plain");
    ASSERT_EQ(Cube(plain).code, 0);
    EXPECT_NE(Frames("with"), Frames("plain")) << "Nothing was drawn over the program.";
}

// The judge lies above the overlay and sees what the program presents.
TEST_F(Coexistence, MesasOverlayInBothOrders) {
    if (!fs::exists(kOverlayManifest)) GTEST_SKIP() << "Mesa's overlay is not installed.";
    const std::string folder = fs::path(kOverlayManifest).parent_path();
    for (const bool ours_above : {true, false}) {
        SCOPED_TRACE(ours_above ? "ours above" : "ours below");
        ProgramOptions without = Judged("without");
        AddExplicit(without, kOverlay, folder);
        ProgramOptions with = Judged("with");
        if (ours_above) AddExplicit(with, kLayerName, TESSERA_LAYER_FOLDER);
        AddExplicit(with, kOverlay, folder);
        if (!ours_above) AddExplicit(with, kLayerName, TESSERA_LAYER_FOLDER);
        std::vector<std::string> chain = {kOverlay, kLayerName};
        if (ours_above) std::swap(chain[0], chain[1]);
        Compare(without, with, chain);
    }
}

// Mesa's choice of devices is an implicit layer that is always there unless it is told not to be.
TEST_F(Coexistence, WithAndWithoutMesasChoiceOfDevices) {
    for (const bool choice : {true, false}) {
        SCOPED_TRACE(choice ? "with" : "without");
        ProgramOptions without = Judged("without");
        if (!choice) without.environment["NODEVICE_SELECT"] = "1";
        ProgramOptions with = without;
        with.environment["PRESENT_JUDGE_FILE"] = folder_ / "with";
        AddExplicit(with, kLayerName, TESSERA_LAYER_FOLDER);
        Compare(without, with, {kLayerName});
    }
}

}  // namespace
}  // namespace tessera::test
