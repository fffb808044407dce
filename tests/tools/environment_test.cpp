// SPDX-License-Identifier: Apache-2.0
//
// Where the layer is found and the environment that is made of it (tools/environment.h).
#include "tools/environment.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "support.h"

namespace tessera::command {
namespace {

using test::TempFolder;
using test::WriteFile;

const std::string kName = kExplicitLayerName;
const Layer kLayer = {.directory = "/tessera/layer",
                      .manifest = "/tessera/layer/VkLayer_tessera_suballocator.json",
                      .library = "/tessera/layer/libVkLayer_tessera_suballocator.so"};

std::string Value(const Environment& environment, std::string_view name) {
    return Variable(environment, name).value_or("(not set)");
}

void WriteManifest(const std::string& folder, const std::string& library) {
    std::filesystem::create_directories(folder);
    WriteFile(folder + "/" + kExplicitManifest,
              R"({"layer": {"name": "x", "library_path": ")" + library + "\"}}");
}

TEST(WithLayer, NamesTheLayerAndItsFolderWhereNothingIsSet) {
    const Environment environment = WithLayer({"HOME=/home/me"}, kLayer);
    EXPECT_EQ(Value(environment, "VK_INSTANCE_LAYERS"), kName);
    EXPECT_EQ(Value(environment, "VK_ADD_LAYER_PATH"), "/tessera/layer");
    EXPECT_FALSE(Variable(environment, "VK_LAYER_PATH"));
    EXPECT_EQ(Value(environment, "HOME"), "/home/me");
}

TEST(WithLayer, AppendsToTheUsersLayersSoThatItIsNearestTheDriver) {
    const Environment environment = WithLayer({"VK_INSTANCE_LAYERS=VK_LAYER_A:VK_LAYER_B"}, kLayer);
    EXPECT_EQ(Value(environment, "VK_INSTANCE_LAYERS"), "VK_LAYER_A:VK_LAYER_B:" + kName);
}

TEST(WithLayer, LeavesTheUsersOrderWhereTheLayerIsNamedAlready) {
    const Environment environment =
        WithLayer({"VK_INSTANCE_LAYERS=" + kName + ":VK_LAYER_B"}, kLayer);
    EXPECT_EQ(Value(environment, "VK_INSTANCE_LAYERS"), kName + ":VK_LAYER_B");
}

TEST(WithLayer, DoesNotTakeALongerNameForTheLayers) {
    const Environment environment = WithLayer({"VK_INSTANCE_LAYERS=" + kName + "_2"}, kLayer);
    EXPECT_EQ(Value(environment, "VK_INSTANCE_LAYERS"), kName + "_2:" + kName);
}

TEST(WithLayer, PrependsToALayerPathSinceItHidesEverythingElse) {
    const Environment environment =
        WithLayer({"VK_LAYER_PATH=/mine", "VK_ADD_LAYER_PATH=/more"}, kLayer);
    EXPECT_EQ(Value(environment, "VK_LAYER_PATH"), "/tessera/layer:/mine");
    EXPECT_EQ(Value(environment, "VK_ADD_LAYER_PATH"), "/more");
}

TEST(WithLayer, TakesAnEmptyLayerPathForOne) {
    const Environment environment = WithLayer({"VK_LAYER_PATH="}, kLayer);
    EXPECT_EQ(Value(environment, "VK_LAYER_PATH"), "/tessera/layer");
    EXPECT_FALSE(Variable(environment, "VK_ADD_LAYER_PATH"));
}

TEST(WithLayer, PrependsToAnAddedLayerPath) {
    EXPECT_EQ(Value(WithLayer({"VK_ADD_LAYER_PATH=/a:/b"}, kLayer), "VK_ADD_LAYER_PATH"),
              "/tessera/layer:/a:/b");
    EXPECT_EQ(Value(WithLayer({"VK_ADD_LAYER_PATH="}, kLayer), "VK_ADD_LAYER_PATH"),
              "/tessera/layer");
}

TEST(WithLayer, AppliedTwiceChangesNothingMore) {
    const Environment once = WithLayer({"VK_ADD_LAYER_PATH=/a"}, kLayer);
    EXPECT_EQ(WithLayer(once, kLayer), once);
}

TEST(WithLayer, ReplacesEverySettingOfAVariableThatIsSetTwice) {
    const Environment environment =
        WithLayer({"VK_INSTANCE_LAYERS=first", "VK_INSTANCE_LAYERS=second"}, kLayer);
    EXPECT_EQ(Value(environment, "VK_INSTANCE_LAYERS"), "first:" + kName);
    EXPECT_EQ(std::ranges::count_if(environment,
                                    [](const std::string& entry) {
                                        return entry.starts_with("VK_INSTANCE_LAYERS=");
                                    }),
              1);
}

TEST(WithoutLayer, TakesTheLayerOutAndKeepsTheOthers) {
    EXPECT_EQ(Value(WithoutLayer({"VK_INSTANCE_LAYERS=A:" + kName + ":B"}), "VK_INSTANCE_LAYERS"),
              "A:B");
    EXPECT_FALSE(Variable(WithoutLayer({"VK_INSTANCE_LAYERS=" + kName}), "VK_INSTANCE_LAYERS"));
}

TEST(LoaderFilter, FollowsTheLoadersRules) {
    const auto hides = [](const std::string& disable, const std::string& enable = "") {
        return LoaderFilterHidesLayer(
            {"VK_LOADER_LAYERS_DISABLE=" + disable, "VK_LOADER_LAYERS_ENABLE=" + enable});
    };
    EXPECT_FALSE(LoaderFilterHidesLayer({}));
    EXPECT_FALSE(hides(""));
    EXPECT_TRUE(hides("~all~"));
    EXPECT_TRUE(hides("~EXPLICIT~"));
    EXPECT_FALSE(hides("~implicit~"));
    EXPECT_TRUE(hides("vk_layer_tessera_suballocator"));
    EXPECT_TRUE(hides("other,*tessera*"));
    EXPECT_TRUE(hides("VK_LAYER_TESSERA*"));
    EXPECT_TRUE(hides("*suballocator"));
    EXPECT_TRUE(hides("*"));
    EXPECT_FALSE(hides("*KHRONOS*,VK_LAYER_TESSERA"));
    EXPECT_FALSE(hides("~all~", "*tessera*"));
    EXPECT_TRUE(hides("~all~", "*khronos*,~all~"));
}

TEST(FindLayer, FindsTheBuildTreesLayerBesideTheCommand) {
    const TempFolder folder;
    std::filesystem::create_directories(folder / "bin");
    WriteManifest(folder / "layer", "./libx.so");
    WriteManifest(folder / "share/vulkan/explicit_layer.d", "liby.so");
    const LayerSearch search = FindLayer(folder / "bin/tessera", "", {});
    ASSERT_TRUE(search.layer) << search.error;
    EXPECT_EQ(search.layer->directory, folder / "layer");
    EXPECT_EQ(search.layer->library, folder / "layer/libx.so");
}

TEST(FindLayer, FindsTheInstalledLayerBesideTheCommand) {
    const TempFolder folder;
    std::filesystem::create_directories(folder / "bin");
    WriteManifest(folder / "share/vulkan/explicit_layer.d", "liby.so");
    const LayerSearch search = FindLayer(folder / "bin/tessera", "", {});
    ASSERT_TRUE(search.layer) << search.error;
    EXPECT_EQ(search.layer->directory, folder / "share/vulkan/explicit_layer.d");
    EXPECT_EQ(search.layer->library, "liby.so");
}

TEST(FindLayer, FindsALayerWhereTheLoaderLooks) {
    const TempFolder folder;
    WriteManifest(folder / "data/vulkan/explicit_layer.d", "liby.so");
    const LayerSearch search =
        FindLayer(folder / "bin/tessera", "", {"XDG_DATA_HOME=" + (folder / "data")});
    ASSERT_TRUE(search.layer) << search.error;
    EXPECT_EQ(search.layer->directory, folder / "data/vulkan/explicit_layer.d");
}

TEST(FindLayer, TakesTheLayerFromTheNamedFolderAndNoOther) {
    const TempFolder folder;
    WriteManifest(folder / "layer", "./libx.so");
    WriteManifest(folder / "mine", "./libz.so");
    std::filesystem::create_directories(folder / "empty");
    const std::string executable = folder / "bin/tessera";
    EXPECT_EQ(FindLayer(executable, folder / "mine/../mine", {}).layer->directory, folder / "mine");
    for (const char* const wrong : {"empty", "missing", "mine/VkLayer_tessera_suballocator.json"}) {
        const LayerSearch search = FindLayer(executable, folder / wrong, {});
        EXPECT_FALSE(search.layer) << wrong;
        EXPECT_NE(search.error.find(folder / wrong), std::string::npos) << search.error;
    }
}

TEST(FindLayer, RefusesAFolderThatASearchPathCannotName) {
    const TempFolder folder;
    WriteManifest(folder / "a:b", "./libx.so");
    const LayerSearch search = FindLayer("/nowhere/bin/tessera", folder / "a:b", {});
    EXPECT_FALSE(search.layer);
    EXPECT_NE(search.error.find("colon"), std::string::npos) << search.error;
}

TEST(ReadManifest, RefusesWhatIsNone) {
    const TempFolder folder;
    const std::string path = folder / "x.json";
    EXPECT_FALSE(ReadManifest(path));
    for (const char* const text :
         {"", "not json", "[]", "{}", R"({"layer": []})", R"({"layer": {}})",
          R"({"layer": {"library_path": 7}})", R"({"layer": {"library_path": "x")"}) {
        WriteFile(path, text);
        EXPECT_FALSE(ReadManifest(path)) << text;
    }
}

TEST(ReadManifest, DoesNotWaitForAFifo) {
    const TempFolder folder;
    const std::string path = folder / kExplicitManifest;
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    alarm(30);  // ends this test if nobody else does
    EXPECT_FALSE(ReadManifest(path));
    const LayerSearch search = FindLayer("/nowhere/bin/tessera", folder / ".", {});
    alarm(0);
    EXPECT_FALSE(search.layer);
    EXPECT_NE(search.error.find("cannot be read"), std::string::npos) << search.error;
    EXPECT_FALSE(ReadManifest("/dev/zero"));
    EXPECT_FALSE(ReadManifest(folder / "."));
}

TEST(ReadManifest, RefusesWhatIsTooLargeForOne) {
    const TempFolder folder;
    const std::string good = R"({"layer": {"library_path": "./libx.so"}})";
    WriteFile(folder / "x.json", good + std::string((1 << 20) - good.size(), ' '));
    EXPECT_TRUE(ReadManifest(folder / "x.json"));
    WriteFile(folder / "x.json", good + std::string((1 << 20) - good.size() + 1, ' '));
    EXPECT_FALSE(ReadManifest(folder / "x.json"));
}

TEST(LibraryProblem, SaysWhatTheDynamicLoaderSays) {
    const TempFolder folder;
    WriteFile(folder / "broken.so", "this is no library");
    Layer layer = kLayer;
    layer.library = folder / "broken.so";
    EXPECT_NE(LibraryProblem(layer).find("broken.so"), std::string::npos);
    layer.library = "libc.so.6";
    EXPECT_EQ(LibraryProblem(layer), "");
}

}  // namespace
}  // namespace tessera::command
