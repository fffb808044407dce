// SPDX-License-Identifier: Apache-2.0
//
// What applications draw and compute with the layer is what they draw and compute without it, with
// few driver allocations behind it.
#include <set>

#include "system_fixture.h"

namespace tessera::test {
namespace {

class Pictures : public SystemTest {
 protected:
    // The last line of the program's output.
    static std::string Checksum(const Outcome& outcome) {
        const std::vector<std::string> lines = LinesWith(outcome.out, "checksum ");
        return lines.size() == 1 ? lines.front() : "no checksum: " + outcome.out + outcome.err;
    }
};

TEST_F(Pictures, FiveThousandResourcesLookTheSameWithAFewDriverAllocations) {
    const std::string bare_png = folder_ / "bare.png";
    const std::string layered_png = folder_ / "layered.png";
    const std::string stats = folder_ / "stats.json";
    const auto scene = [](const std::string& png) {
        return Command{TESSERA_NAIVE_SCENE, "--resources", "5000", "--png", png};
    };
    const Outcome without = RunProgram(scene(bare_png), bare());
    ASSERT_EQ(without.code, 0) << without.err;
    Command run = {"run", "--stats", stats, "--"};
    for (const std::string& word : scene(layered_png))
        run.push_back(word);
    const Outcome with = Tessera(run);
    ASSERT_EQ(with.code, 0) << with.err;

    EXPECT_EQ(Checksum(with), Checksum(without));
    EXPECT_GT(ReadFile(bare_png).size(), 1000u);
    EXPECT_TRUE(ReadFile(layered_png) == ReadFile(bare_png)) << "The pictures differ.";

    const Json document = Json::parse(ReadFile(stats));
    ASSERT_EQ(document["processes"].size(), 1u);
    const Json process = document["processes"][0];
    EXPECT_EQ(process["state"], "closed");
    EXPECT_EQ(process["exit"]["code"], 0);
    const uint64_t asked = Sum(process, "app", "allocations");
    EXPECT_GE(asked, 5000u);
    // A block is a small share of what is live: about 170 of them for half a gigabyte.
    EXPECT_LE(Sum(process, "driver", "allocations") * 40, asked);
    EXPECT_GT(Sum(process, "driver", "allocations"), 0u);
    EXPECT_GE(Sum(process, "pooled", "allocations") * 100, asked * 99);
    EXPECT_EQ(PlacementFailures(process), 0u);
    EXPECT_EQ(Sum(process, "app", "live"), 0u);
    EXPECT_EQ(Sum(process, "app", "frees"), asked);
    EXPECT_EQ(Sum(process, "app", "failed"), 0u);
    EXPECT_EQ(Sum(process, "driver", "live"), 0u);
}

TEST_F(Pictures, VkcubePresentsTheSameFortyFrames) {
    if (!IsInstalled("vkcube") || !IsInstalled("Xvfb"))
        GTEST_SKIP() << "vkcube or Xvfb is not installed (vulkan-tools, xvfb).";
    const Display display;
    ASSERT_NE(display.name(), "") << "Xvfb did not start.";
    constexpr char kJudge[] = "VK_LAYER_TESSERA_test_present_judge";
    const auto present = [&](const std::string& file, bool with_layer) {
        ProgramOptions options = with_layer ? Layered() : bare();
        options.environment["DISPLAY"] = display.name();
        options.environment["PRESENT_JUDGE_FILE"] = file;
        // The judge comes first, so that its own memory goes through our layer too.
        const std::string folder = TESSERA_JUDGE_FOLDER;
        options.environment["VK_LAYER_PATH"] =
            with_layer ? folder + ":" TESSERA_LAYER_FOLDER : folder;
        options.environment["VK_INSTANCE_LAYERS"] =
            with_layer ? std::string(kJudge) + ":" + kLayerName : kJudge;
        return RunProgram({"vkcube", "--c", "40"}, options);
    };
    const Outcome without = present(folder_ / "bare", false);
    ASSERT_EQ(without.code, 0) << without.err;
    const Outcome with = present(folder_ / "layered", true);
    ExpectSame(with, without);
    ExpectPooling(with);

    const std::vector<std::string> frames = Lines(ReadFile(folder_ / "bare"));
    EXPECT_EQ(frames.size(), 40u);
    EXPECT_EQ(Lines(ReadFile(folder_ / "layered")), frames);
    EXPECT_EQ(LinesWith(ReadFile(folder_ / "bare"), "unreadable").size(), 0u);
    std::set<std::string> hashes;
    for (const std::string& frame : frames)
        hashes.insert(frame.substr(frame.rfind(' ')));
    EXPECT_GT(hashes.size(), 1u) << "Nothing moves: equal frames would prove nothing.";

    const Json processes = Processes();
    ASSERT_EQ(processes.size(), 1u);
    EXPECT_GT(Sum(processes[0], "pooled", "allocations"), 0u);
    EXPECT_EQ(PlacementFailures(processes[0]), 0u);
}

}  // namespace
}  // namespace tessera::test
