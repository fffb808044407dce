// SPDX-License-Identifier: Apache-2.0
//
// See setting_spelling.h.
#include "layer/base/setting_spelling.h"

#include <algorithm>
#include <vector>

#include "layer/base/nearest.h"
#include "layer/base/settings.h"

namespace tessera {
namespace {

// What variables start with, in the letters of keys.
constexpr std::string_view kSmallEnvPrefix = "tessera_";

}  // namespace

std::string Spelled(std::string_view key, Spelling spelling) {
    if (spelling == Spelling::kVariable) return SettingEnvironmentName(key);
    const bool in_file = spelling == Spelling::kFile;
    return (in_file ? std::string(kSettingsFilePrefix) : std::string()) + std::string(key);
}

std::string AllKeys(Spelling spelling) {
    const bool as_variable = spelling == Spelling::kVariable;
    std::string keys;
    for (const SettingInfo& info : SettingTable()) {
        if (!keys.empty()) keys += ", ";
        keys += Spelled(info.key, as_variable ? spelling : Spelling::kKey);
    }
    return keys;
}

std::string_view NearestKey(std::string_view word) {
    // What is longer than any name with its prefix is like none; a byte more tells so.
    std::string small(word.substr(0, kSettingsFilePrefix.size() + kLongestNearName + 1));
    for (char& c : small)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    std::string_view rest = small;
    if (rest.starts_with(kSettingsFilePrefix)) {
        rest.remove_prefix(kSettingsFilePrefix.size());
    } else if (rest.starts_with(kSmallEnvPrefix)) {
        rest.remove_prefix(kSmallEnvPrefix.size());
    }
    std::vector<std::string_view> keys;
    for (const SettingInfo& info : SettingTable())
        keys.push_back(info.key);
    return NearestName(rest, keys);
}

}  // namespace tessera
