// SPDX-License-Identifier: Apache-2.0
//
// See settings_model.h. It is written for plainness: one list of keys, one pass for each source
// from the weakest to the strongest.
#include "settings_model.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "system_calls.h"

namespace tessera::fuzz_readers {
namespace {

constexpr std::string_view kBlank = " \t\n\v\f\r";

std::string Stripped(std::string text) {
    text.erase(0, std::min(text.find_first_not_of(kBlank), text.size()));
    text.erase(text.find_last_not_of(kBlank) + 1);
    return text;
}

std::string Small(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
}

// Returns: whether `text` is a size of 64 bits.
bool IsSize(const std::string& text, uint64_t* size) {
    const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    unsigned __int128 number = 0;
    for (size_t i = 0; i < digits; ++i) {
        number = number * 10 + static_cast<unsigned>(text[i] - '0');
        if (number >> 64 != 0) return false;
    }
    const std::map<std::string, int> shifts = {{"", 0}, {"kib", 10}, {"mib", 20}, {"gib", 30}};
    const auto shift = shifts.find(Small(Stripped(text.substr(digits))));
    if (digits == 0 || shift == shifts.end()) return false;
    number <<= shift->second;
    *size = static_cast<uint64_t>(number);
    return number >> 64 == 0;
}

// Digits and nothing else, and at most `most`.
bool IsNumber(const std::string& text, uint64_t most, uint64_t* number) {
    if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) return false;
    unsigned __int128 sum = 0;
    for (const char digit : text)
        sum = std::min<unsigned __int128>(sum * 10 + static_cast<unsigned>(digit - '0'),
                                          static_cast<unsigned __int128>(most) + 1);
    if (sum > most) return false;
    *number = static_cast<uint64_t>(sum);
    return true;
}

template <typename T>
bool Choose(const std::map<std::string, T>& choices, const std::string& value, T* field) {
    const auto found = choices.find(Small(value));
    if (found == choices.end()) return false;
    *field = found->second;
    return true;
}

bool Switch(const std::string& value, bool* field) {
    return Choose<bool>(
        {{"on", true}, {"true", true}, {"1", true}, {"off", false}, {"false", false}, {"0", false}},
        value, field);
}

const std::vector<std::string>& Keys() {
    static const std::vector<std::string> keys = {
        "mode",    "channel", "idle_bytes", "max_block_bytes", "page_align", "helper",
        "strict",  "zero",    "log_level",  "log_file",        "shards",     "idle_ms",
        "recycle", "level",   "stacks",     "channel_bytes"};
    return keys;
}

bool IsKey(const std::string& key) {
    return std::ranges::find(Keys(), key) != Keys().end();
}

// Returns: whether the value is one that the key may have; then it is set.
bool SetValue(Settings* settings, const std::string& key, const std::string& value) {
    Settings& s = *settings;
    if (key == "mode")
        return Choose<Mode>({{"pool", Mode::kPool}, {"off", Mode::kOff}}, value, &s.mode);
    if (key == "channel") return Switch(value, &s.channel);
    if (key == "level")
        return Choose<uint32_t>({{"totals", 0}, {"full", 1}, {"events", 2}}, value, &s.level);
    if (key == "stacks") {
        if (Choose<uint64_t>({{"off", 0}, {"all", 1}}, value, &s.stacks)) return true;
        return IsNumber(value, 1'000'000'000, &s.stacks);
    }
    if (key == "channel_bytes") {
        uint64_t size = 0;
        if (!IsSize(value, &size) || size < 1 << 20 || size > 512 << 20) return false;
        s.channel_bytes = size;
        return true;
    }
    if (key == "page_align") return Switch(value, &s.page_align);
    if (key == "strict") return Switch(value, &s.strict);
    if (key == "helper") return Switch(value, &s.helper);
    if (key == "recycle") return Switch(value, &s.recycle);
    if (key == "idle_ms") return IsNumber(value, 86'400'000, &s.idle_ms);
    if (key == "shards")
        return Choose<Shards>(
            {{"on", Shards::kOn}, {"off", Shards::kOff}, {"eager", Shards::kEager}}, value,
            &s.shards);
    if (key == "zero")
        return Choose<Zero>({{"off", Zero::kOff}, {"reuse", Zero::kReuse}}, value, &s.zero);
    if (key == "log_level")
        return Choose<LogLevel>({{"off", LogLevel::kOff},
                                 {"error", LogLevel::kError},
                                 {"warning", LogLevel::kWarning},
                                 {"info", LogLevel::kInfo},
                                 {"debug", LogLevel::kDebug}},
                                value, &s.log_level);
    if (key == "log_file") {
        if (value.size() > 4095 || value.find('\0') != std::string::npos) return false;
        s.log_file = {};
        std::ranges::copy(value, s.log_file.begin());
        return true;
    }
    uint64_t size = 0;
    if (!IsSize(value, &size)) return false;
    if (key == "max_block_bytes" && size != 0 && size < (64u << 10)) return false;
    (key == "idle_bytes" ? s.idle_bytes : s.max_block_bytes) = size;
    return true;
}

std::string ValidOf(const std::string& key) {
    for (const SettingInfo& info : SettingTable())
        if (info.key == key) return std::string(info.valid);
    return "(the layer lacks this key)";
}

void Set(Outcome* outcome, const std::string& key, const std::string& value) {
    if (!IsKey(key)) {
        outcome->complaints.push_back({"setting '", "is unknown", "idle_bytes"});
    } else if (!value.empty() && !SetValue(&outcome->settings, key, value)) {
        outcome->complaints.push_back({"setting " + key + " = '", "is not valid", ValidOf(key)});
    }
}

struct Line {
    std::string key;
    std::string value;
};

std::vector<Line> OurLines(std::string text) {
    const std::string prefix = "tessera_suballocator.";
    std::vector<Line> ours;
    if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
    text += '\n';
    for (size_t end = text.find('\n'), start = 0; end != std::string::npos;
         start = end + 1, end = text.find('\n', start)) {
        std::string line = text.substr(start, end - start);
        line = Stripped(line.substr(0, line.find('#')));
        if (line.starts_with(prefix))
            line.erase(0, prefix.size());
        else if (!line.starts_with("TESSERA_"))
            continue;
        const size_t equals = line.find('=');
        const bool has_value = equals != std::string::npos;
        ours.push_back(
            {Stripped(line.substr(0, equals)), has_value ? Stripped(line.substr(equals + 1)) : ""});
    }
    return ours;
}

void ReadFile(Outcome* outcome, const SettingsInput& input) {
    std::string text = input.file;
    if (input.place == Place::kNowhere) return;
    const bool is_cut = text.size() > (64u << 10);
    if (is_cut) text.resize(text.rfind('\n', (64u << 10) - 1) + 1);
    const std::vector<Line> lines = OurLines(text);
    if (input.place == Place::kOpenWorkingDirectory) {
        if (!lines.empty())
            outcome->complaints.push_back({"./vk_layer_settings.txt", "is ignored"});
        return;
    }
    if (is_cut) outcome->complaints.push_back({"settings file '", "is too long"});
    for (const Line& line : lines) {
        if (line.key == "log_file" && input.place == Place::kWorkingDirectory)
            outcome->complaints.push_back({"./vk_layer_settings.txt", "may not set log_file"});
        else
            Set(outcome, line.key, line.value);
    }
}

void ReadApp(Outcome* outcome, const SettingsInput& input) {
    for (const AppSetting& setting : input.app) {
        if (setting.layer != "VK_LAYER_TESSERA_suballocator" || !setting.name) continue;
        std::string value;
        const uint64_t number = setting.number.value_or(0);
        const bool is_given = setting.count > 0;
        const bool is_number = is_given && setting.number.has_value();
        const auto low = static_cast<uint32_t>(number);
        if (setting.type == 0 && is_number) value = low != 0 ? "on" : "off";
        if (setting.type == 1 && is_number) value = std::to_string(static_cast<int32_t>(low));
        if (setting.type == 2 && is_number) value = std::to_string(static_cast<int64_t>(number));
        if (setting.type == 3 && is_number) value = std::to_string(low);
        if (setting.type == 4 && is_number) value = std::to_string(number);
        if (setting.type == 7 && is_given) value = setting.text.value_or("");
        Set(outcome, *setting.name, value);
    }
}

std::string VariableOf(const std::string& key) {
    std::string name = "TESSERA_";
    for (const char c : key)
        name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return name;
}

void ReadEnvironment(Outcome* outcome, const SettingsInput& input) {
    for (const std::string& key : Keys()) {
        for (const std::string& entry : input.environment) {
            if (!entry.starts_with(VariableOf(key) + "=")) continue;
            Set(outcome, key, entry.substr(entry.find('=') + 1));
            break;  // getenv(3) takes the first
        }
    }
    for (const std::string& entry : input.environment) {
        const std::string name = entry.substr(0, entry.find('='));
        if (!name.starts_with("TESSERA_")) continue;
        const auto is_meant = [&](const std::string& key) { return VariableOf(key) == name; };
        const auto is_reserved = [&](const char* prefix) { return name.starts_with(prefix); };
        const char* const reserved[] = {"TESSERA_RUN_", "TESSERA_MOCK_", "TESSERA_BENCH_",
                                        "TESSERA_TEST_"};
        if (std::ranges::any_of(Keys(), is_meant) || std::ranges::any_of(reserved, is_reserved))
            continue;
        outcome->complaints.push_back(
            {"setting '", "'the environment' is unknown", "TESSERA_IDLE_BYTES"});
    }
}

}  // namespace

Outcome Model(const SettingsInput& input) {
    Outcome outcome;
    ReadApp(&outcome, input);
    ReadFile(&outcome, input);
    ReadEnvironment(&outcome, input);
    if (RefusesLogFile(outcome.settings.log_file.data()))
        outcome.complaints.push_back({"log_file '", "cannot be opened"});
    return outcome;
}

}  // namespace tessera::fuzz_readers
