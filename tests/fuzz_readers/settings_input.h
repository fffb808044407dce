// SPDX-License-Identifier: Apache-2.0
//
// One input of the settings: a settings file and where it lies, the environment, and what the
// application passes with VkLayerSettingsCreateInfoEXT.
//
// Threads: one per object.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "choices.h"

namespace tessera::fuzz_readers {

// Which of the places that docs/settings.md lists the file lies in.
enum class Place : uint8_t {
    kNowhere,
    kNamed,        // VK_LAYER_SETTINGS_PATH is the file
    kNamedFolder,  // VK_LAYER_SETTINGS_PATH is its folder
    kWorkingDirectory,
    kOpenWorkingDirectory,  // everybody may write it: ignored
    kDataHome,              // below XDG_DATA_HOME
    kHome,                  // below HOME
    kCount,
};

// One setting of the application's.
struct AppSetting {
    std::optional<std::string> layer;
    std::optional<std::string> name;
    int32_t type = 0;  // VkLayerSettingTypeEXT, or none of them
    uint32_t count = 0;
    std::optional<uint64_t> number;   // the value of a type that is none of text
    std::optional<std::string> text;  // the value of the type for text
};

struct SettingsInput {
    Place place = Place::kNowhere;
    std::string file;
    std::vector<std::string> environment;  // as in environ; none decides where the file is
    std::vector<AppSetting> app;
};

SettingsInput MakeSettingsInput(Choices& choices);

// The input as it would be written in C.
std::string Print(const SettingsInput& input);

// Reads the settings as the layer does when an instance is created, and throws Finding unless
//   * each has the value that docs/settings.md says, worked out here once more, and so lies in its
//     range or is the default;
//   * each wrong key, value and file has one line in the log, which names it, and nothing else has;
//   * the lines, as the log would write them, cannot drive a terminal;
//   * a second reading gives the same.
// Returns: how many lines the log had.
size_t CheckSettingsInput(const SettingsInput& input);

}  // namespace tessera::fuzz_readers
