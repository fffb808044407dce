// SPDX-License-Identifier: Apache-2.0
//
// The manifests as the loader reads them (docs/contract/loader.md): every field that it wants is
// there, as text where it takes text, and nothing that would make it do more than load the layer.
// What they say of settings is in tests/unit/base; that loaders find them is in tests/install.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "layer/base/settings.h"
#include "layer/vk/layer_identity.h"

namespace tessera {
namespace {

using nlohmann::json;
using testing::MatchesRegex;

const std::string kBuild = TESSERA_TEST_BINARY_DIR;
const std::string kExplicit = kBuild + "/layer/VkLayer_tessera_suballocator.json";
const std::string kImplicit =
    kBuild + "/share/vulkan/implicit_layer.d/VkLayer_tessera_suballocator_implicit.json";

json Read(const std::string& path) {
    std::ifstream file(path);
    EXPECT_TRUE(file.is_open()) << path;
    return json::parse(file);
}

class LoaderManifest : public testing::TestWithParam<std::string> {
 protected:
    const json manifest_ = Read(GetParam());
    const json layer_ = manifest_.at("layer");
};

// A version that loaders of 1.3.239 know, so that they do not warn.
TEST_P(LoaderManifest, HasAVersionThatLoadersKnow) {
    EXPECT_EQ(manifest_.at("file_format_version"), "1.2.1");
    EXPECT_FALSE(manifest_.contains("layers"));
}

// A number in the place of a text loses its first and last digit in loaders of 1.3.239.
TEST_P(LoaderManifest, HasEveryFieldThatIsRequiredAsText) {
    for (const char* field : {"name", "type", "library_path", "api_version",
                              "implementation_version", "description", "library_arch"}) {
        ASSERT_TRUE(layer_.contains(field)) << field;
        EXPECT_TRUE(layer_[field].is_string()) << field;
        EXPECT_NE(layer_[field], "") << field;
    }
    EXPECT_EQ(layer_["name"], kLayerName);
    EXPECT_THAT(std::string(layer_["name"]), MatchesRegex("VK_LAYER_[A-Z0-9]+_[A-Za-z0-9_]+"));
    EXPECT_EQ(layer_["type"], "INSTANCE");
    EXPECT_EQ(layer_["implementation_version"], std::to_string(kLayerImplementationVersion));
    EXPECT_EQ(layer_["library_arch"], std::to_string(8 * sizeof(void*)));
    EXPECT_THAT(std::string(layer_["api_version"]), MatchesRegex("1\\.4\\.[0-9]+"));
}

// No other layer in its place, nothing before an instance, no entry points by another name, and no
// device extensions, which the loader would add to every device.
TEST_P(LoaderManifest, AsksTheLoaderForNothingMore) {
    for (const char* field :
         {"component_layers", "pre_instance_functions", "functions", "device_extensions",
          "app_keys", "override_paths", "blacklisted_layers"}) {
        EXPECT_FALSE(layer_.contains(field)) << field;
    }
    const json& extensions = layer_.at("instance_extensions");
    ASSERT_EQ(extensions.size(), 1u);
    EXPECT_EQ(extensions[0].at("name"), "VK_EXT_layer_settings");
    EXPECT_EQ(extensions[0].at("spec_version"), "2");
}

INSTANTIATE_TEST_SUITE_P(Both, LoaderManifest, testing::Values(kExplicit, kImplicit),
                         [](const auto& test) {
                             return test.param == kExplicit ? "Explicit" : "Implicit";
                         });

// LLP_LAYER_9: an implicit layer has one variable that switches it off. Ours waits for another one
// to be switched on.
TEST(ImplicitManifest, HasOneVariableForEachDirection) {
    const json layer = Read(kImplicit).at("layer");
    EXPECT_EQ(layer.at("disable_environment"), (json{{"DISABLE_TESSERA", "1"}}));
    EXPECT_EQ(layer.at("enable_environment"), (json{{"ENABLE_TESSERA", "1"}}));
    const json named = Read(kExplicit).at("layer");
    EXPECT_FALSE(named.contains("disable_environment"));
    EXPECT_FALSE(named.contains("enable_environment"));
}

}  // namespace
}  // namespace tessera
