// SPDX-License-Identifier: Apache-2.0
//
// The layer's table of settings is the truth; what people and tools read instead of it, the page in
// docs/ and the schema in the loader's manifests, must say the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "layer/base/settings.h"
#include "scratch.h"

namespace tessera {
namespace {

using nlohmann::json;
using testing::ElementsAreArray;

const std::string kSourceFolder = TESSERA_TEST_SOURCE_DIR;

// The row of docs/settings.md that describes a key.
std::string DocumentRow(const SettingInfo& info) {
    std::string row = "| `";
    row.append(info.key).append("` | `").append(SettingEnvironmentName(info.key)).append("` | ");
    row.append(info.valid).append(" | ");
    if (!info.initial.empty()) row.append("`").append(info.initial).append("`");
    return row.append(" | ").append(info.summary).append(" |");
}

std::string ManifestType(SettingKind kind) {
    switch (kind) {
        case SettingKind::kChoice:
            return "ENUM";
        case SettingKind::kSwitch:
            return "BOOL";
        case SettingKind::kBytes:
        case SettingKind::kWord:
            return "STRING";
        case SettingKind::kNumber:
            return "INT";
        case SettingKind::kFile:
            return "SAVE_FILE";
    }
    return "";
}

json ManifestDefault(const SettingInfo& info) {
    if (info.kind == SettingKind::kSwitch) return info.initial == "on";
    if (info.kind == SettingKind::kNumber) return std::stoull(std::string(info.initial));
    return std::string(info.initial);
}

TEST(SettingsDocument, HasOneRowForEachKeyInTheTablesWords) {
    std::vector<std::string> expected;
    for (const SettingInfo& info : SettingTable())
        expected.push_back(DocumentRow(info));

    std::vector<std::string> rows;
    std::istringstream page(test::ReadFile(kSourceFolder + "/docs/settings.md"));
    for (std::string line; std::getline(page, line);) {
        if (line.starts_with("| `") && line.find("` | `TESSERA_") != std::string::npos) {
            rows.push_back(line);
        }
    }
    EXPECT_THAT(rows, ElementsAreArray(expected));
}

TEST(ManifestSettings, DescribeEachKeyInTheTablesWords) {
    const json settings = json::parse(test::ReadFile(kSourceFolder + "/manifest/settings.json"));
    ASSERT_EQ(settings.size(), SettingTable().size());
    for (size_t i = 0; i < settings.size(); ++i) {
        const SettingInfo& info = SettingTable()[i];
        const json& setting = settings[i];
        EXPECT_EQ(setting.at("key"), std::string(info.key));
        EXPECT_EQ(setting.at("env"), SettingEnvironmentName(info.key));
        EXPECT_EQ(setting.at("description"), std::string(info.summary));
        EXPECT_EQ(setting.at("type"), ManifestType(info.kind)) << info.key;
        EXPECT_EQ(setting.at("default"), ManifestDefault(info)) << info.key;
    }
}

TEST(ManifestSettings, ListTheChoicesThatTheTableKnows) {
    const json settings = json::parse(test::ReadFile(kSourceFolder + "/manifest/settings.json"));
    for (const SettingInfo& info : SettingTable()) {
        if (info.kind != SettingKind::kChoice) continue;
        std::string choices;
        for (const json& setting : settings) {
            if (setting.at("key") != std::string(info.key)) continue;
            for (const json& flag : setting.at("flags")) {
                choices += (choices.empty() ? "" : ", ") + flag.at("key").get<std::string>();
            }
        }
        EXPECT_EQ(choices, std::string(info.valid)) << info.key;
    }
}

}  // namespace
}  // namespace tessera
