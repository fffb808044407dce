// SPDX-License-Identifier: Apache-2.0
//
// See settings_input.h: how inputs are made up, and how they are told. Most keys and values are
// good or nearly so; random bytes alone would not come past the first comparison.
#include "settings_input.h"

#include <cstdio>

#include "layer/base/settings.h"

namespace tessera::fuzz_readers {
namespace {

const char* const kKeys[] = {"mode",   "channel", "idle_bytes", "max_block_bytes", "page_align",
                             "strict", "zero",    "log_level",  "log_file",        "helper",
                             "shards", "idle_ms", "recycle"};
const char* const kValues[] = {
    "pool",
    "off",
    "on",
    "true",
    "false",
    "1",
    "0",
    "reuse",
    "error",
    "warning",
    "info",
    "debug",
    "OFF",
    "rEuSe",
    "o\xc3\xa4",
    "offf",
    "64MiB",
    "64 MiB",
    "64KiB",
    "63KiB",
    "65535",
    "65536",
    "1GiB",
    "0x10",
    "-1",
    "+1",
    " 1",
    "1 ",
    "1e3",
    "1.5GiB",
    "1 GiB ",
    "1gIb",
    "007",
    "1KiBx",
    "KiB",
    "1\tKiB",
    "1\vKiB",
    "\x1b[2J",
    "'",
    "/tmp/x y",
    "a#b",
    "a=b",
    "=",
    "#",
    "%s%n",
    "\xff",
    "\xef\xbb\xbf",
    "18446744073709551615",
    "18446744073709551616",
    "18014398509481983KiB",
    "18014398509481984KiB",
    "17179869183GiB",
    "17179869184GiB",
    "99999999999999999999999999999999999999999999999999",
};
constexpr uint64_t kStringType = 7;  // VK_LAYER_SETTING_TYPE_STRING_EXT
const char* const kBlanks[] = {"", " ", "\t", "  \t ", "\r", "\v", "\f"};
const char* const kLineEnds[] = {"\n", "\n", "\n", "\r\n", "\r", "\n\n", "", " # told\n"};

std::string Mangled(std::string text, Choices& choices) {
    if (text.empty()) return text;
    const uint64_t at = choices.Below(text.size());
    switch (choices.Below(4)) {
        case 0:
            text[at] = static_cast<char>(choices.Below(256));
            break;
        case 1:
            text.erase(at, 1 + choices.Below(3));
            break;
        case 2:
            text.insert(at, choices.Bytes(4));
            break;
        default:
            text.insert(at, text);
    }
    return text;
}

std::string MakeKey(Choices& choices) {
    std::string key = choices.Of(kKeys);
    return choices.OneIn(24) ? Mangled(std::move(key), choices) : key;
}

std::string MakeGoodValue(Choices& choices, std::string_view key) {
    const char* const modes[] = {"pool", "off", "Pool"};
    const char* const switches[] = {"on", "off", "TRUE", "false", "1", "0"};
    const char* const sizes[] = {"0", "65536", "64MiB", "1 gib", "65537", "18446744073709551615"};
    const char* const shards[] = {"on", "off", "eager", "EAGER", "1"};
    const char* const times[] = {"0", "10000", "86400000", "86400001", "007", "1 s", "-1", "+1"};
    const char* const zeroes[] = {"off", "reuse"};
    const char* const levels[] = {"off", "error", "warning", "info", "debug"};
    if (key == "mode") return choices.Of(modes);
    if (key == "zero") return choices.Of(zeroes);
    if (key == "shards") return choices.Of(shards);
    if (key == "idle_ms") return choices.Of(times);
    if (key == "log_level") return choices.Of(levels);
    if (key == "log_file") return std::string(choices.Below(12), '/');
    return key.ends_with("bytes") ? choices.Of(sizes) : choices.Of(switches);
}

std::string MakeValue(Choices& choices, std::string_view key) {
    switch (choices.Below(24)) {
        case 0:
            return choices.Bytes(24);
        case 1:
            return std::to_string(choices.Word());
        case 2:  // around the longest path
            return std::string(4090 + choices.Below(12), choices.Below(2) == 0 ? 'p' : '/');
        case 3:
            return Mangled(choices.Of(kValues), choices);
        case 4:
            return "";
        case 5:
        case 6:
        case 7:
            return choices.Of(kValues);
        default:
            return MakeGoodValue(choices, key);
    }
}

std::string MakeLine(Choices& choices) {
    switch (choices.Below(12)) {
        case 0:
            return choices.Bytes(40);
        case 1:
            return "khronos_validation." + MakeKey(choices) + " = off";
        case 2:
            return "# " + std::string(kSettingsFilePrefix) + MakeKey(choices) + " = off";
        case 3:
            return SettingEnvironmentName(MakeKey(choices)) + (choices.OneIn(8) ? "" : "=off");
        default:
            break;
    }
    std::string line = choices.Of(kBlanks);
    line += kSettingsFilePrefix;
    const std::string key = MakeKey(choices);
    line += key;
    line += choices.Of(kBlanks);
    line += choices.OneIn(24) ? "" : "=";
    line += choices.Of(kBlanks);
    line += MakeValue(choices, key);
    line += choices.Of(kBlanks);
    return choices.OneIn(24) ? Mangled(std::move(line), choices) : line;
}

std::string MakeFile(Choices& choices) {
    std::string file;
    if (choices.OneIn(12)) file = "\xef\xbb\xbf";
    for (uint64_t lines = choices.Below(6); lines > 0; --lines) {
        file += MakeLine(choices);
        file += choices.Of(kLineEnds);
    }
    if (choices.OneIn(64)) {  // around the limit
        const uint64_t filler = kMaxSettingsFileBytes - 40 + choices.Below(80);
        file.resize(std::max<size_t>(file.size(), filler), choices.Below(2) == 0 ? '\n' : 'x');
        file += '\n' + MakeLine(choices) + '\n' + MakeLine(choices);
    }
    if (choices.OneIn(12)) file = Mangled(std::move(file), choices);
    return file;
}

std::string MakeVariable(Choices& choices) {
    std::string name(kSettingsEnvPrefix);
    std::string key;
    const char* const reserved[] = {"RUN_X", "MOCK_X", "BENCH_X", "TEST_X"};
    if (choices.OneIn(8)) {
        name += choices.Of(reserved);
    } else {
        key = MakeKey(choices);
        for (const char c : key)
            name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    }
    if (choices.OneIn(12)) name = Mangled(std::move(name), choices);
    std::string entry = name + (choices.OneIn(12) ? "" : "=") + MakeValue(choices, key);
    // What a process is given ends at the first zero.
    entry.resize(std::min(entry.find('\0'), entry.size()));
    return entry;
}

bool DecidesWhereTheFileIs(const std::string& entry) {
    return entry.starts_with("VK_LAYER_SETTINGS_PATH=") || entry.starts_with("XDG_DATA_HOME=") ||
           entry.starts_with("HOME=");
}

std::string CText(std::string text) {
    text.resize(std::min(text.find('\0'), text.size()));
    return text;
}

AppSetting MakeAppSetting(Choices& choices) {
    AppSetting setting;
    if (!choices.OneIn(16))
        setting.layer = choices.OneIn(8) ? CText(Mangled(kLayerName, choices)) : kLayerName;
    if (!choices.OneIn(16)) setting.name = CText(MakeKey(choices));
    setting.type = static_cast<int32_t>(choices.OneIn(12)  ? choices.Word()
                                        : choices.OneIn(2) ? kStringType
                                                           : choices.Below(9));
    setting.count = choices.OneIn(12) ? 0 : 1 + static_cast<uint32_t>(choices.Below(2));
    if (!choices.OneIn(12)) {
        const uint64_t numbers[] = {
            0, 1, 2, 65535, 65536, 1u << 31, uint64_t{1} << 63, choices.Word()};
        setting.number = choices.Of(numbers);
    }
    if (!choices.OneIn(12)) {
        setting.text = CText(MakeValue(choices, setting.name.value_or("")));
    }
    return setting;
}

std::string Quoted(const std::string& text) {
    std::string quoted = "\"";
    for (const char c : text) {
        char octal[8];
        if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
            quoted += c;
        } else {
            snprintf(octal, sizeof(octal), "\\%03o", static_cast<unsigned>(c) & 0xFF);
            quoted += octal;
        }
    }
    return quoted + "\"";
}

std::string Quoted(const std::optional<std::string>& text) {
    return text ? Quoted(*text) : "null";
}

}  // namespace

SettingsInput MakeSettingsInput(Choices& choices) {
    SettingsInput input;
    input.place = static_cast<Place>(choices.Below(static_cast<uint64_t>(Place::kCount)));
    if (input.place != Place::kNowhere) input.file = MakeFile(choices);
    for (uint64_t count = choices.Below(4); count > 0; --count) {
        std::string entry = MakeVariable(choices);
        if (!DecidesWhereTheFileIs(entry)) input.environment.push_back(std::move(entry));
    }
    for (uint64_t count = choices.Below(4); count > 0; --count)
        input.app.push_back(MakeAppSetting(choices));
    return input;
}

std::string Print(const SettingsInput& input) {
    std::string text = "place " + std::to_string(static_cast<int>(input.place)) + ", file " +
                       Quoted(input.file) + "\n";
    for (const std::string& entry : input.environment)
        text += "variable " + Quoted(entry) + "\n";
    for (const AppSetting& setting : input.app) {
        text += "application: layer " + Quoted(setting.layer) + ", key " + Quoted(setting.name) +
                ", type " + std::to_string(setting.type) + ", count " +
                std::to_string(setting.count) + ", number " +
                (setting.number ? std::to_string(*setting.number) : "null") + ", text " +
                Quoted(setting.text) + "\n";
    }
    return text;
}

}  // namespace tessera::fuzz_readers
