// SPDX-License-Identifier: Apache-2.0
//
// See settings.h for the sources and their order. Everything read here was written by somebody else
// and may be hostile: files are opened without waiting and read up to a limit, values are parsed
// from counted text, and what is wrong is reported only after the log is set up as the rest says.
#include "layer/base/settings.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "layer/base/setting_spelling.h"

namespace tessera {
namespace {

constexpr uint64_t kMinBlockBytes = 64 * kKiB;
constexpr char kSettingsFileName[] = "vk_layer_settings.txt";
constexpr char kWorkingDirectoryFile[] = "./vk_layer_settings.txt";

// What some editors put before the first character of a text in UTF-8.
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Variables with our prefix that are not settings: they belong to the command and to the tests.
constexpr std::string_view kReservedEnvPrefixes[] = {"TESSERA_RUN_", "TESSERA_MOCK_",
                                                     "TESSERA_BENCH_", "TESSERA_TEST_"};

// Not <cctype>: the application's locale must not change what a setting means.
constexpr char ToLower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
constexpr char ToUpper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return ToLower(x) == ToLower(y); });
}

std::string_view Trim(std::string_view text) noexcept {
    constexpr std::string_view kBlank = " \t\r\n\v\f";
    const size_t first = text.find_first_not_of(kBlank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

template <typename T>
struct Choice {
    std::string_view name;
    T value;
};

constexpr Choice<Mode> kModes[] = {{"pool", Mode::kPool}, {"off", Mode::kOff}};
constexpr Choice<Shards> kShards[] = {
    {"on", Shards::kOn}, {"off", Shards::kOff}, {"eager", Shards::kEager}};
constexpr Choice<uint32_t> kLevels[] = {{"totals", 0}, {"full", 1}, {"events", 2}};
constexpr Choice<Zero> kZeroes[] = {{"off", Zero::kOff}, {"reuse", Zero::kReuse}};
constexpr Choice<bool> kSwitch[] = {{"on", true},     {"off", false}, {"true", true},
                                    {"false", false}, {"1", true},    {"0", false}};
constexpr Choice<LogLevel> kLogLevels[] = {{"off", LogLevel::kOff},
                                           {"error", LogLevel::kError},
                                           {"warning", LogLevel::kWarning},
                                           {"info", LogLevel::kInfo},
                                           {"debug", LogLevel::kDebug}};

template <typename T>
bool SetChoice(std::span<const Choice<T>> choices, std::string_view value, T& field) noexcept {
    for (const Choice<T>& choice : choices) {
        if (!EqualsIgnoringCase(choice.name, value)) continue;
        field = choice.value;
        return true;
    }
    return false;
}

bool SetBytes(std::string_view value, uint64_t& field, uint64_t minimum) noexcept {
    const std::optional<uint64_t> bytes = ParseBytes(value);
    if (!bytes || (*bytes != 0 && *bytes < minimum)) return false;
    field = *bytes;
    return true;
}

bool SetNumber(std::string_view value, uint64_t& field, uint64_t most) noexcept {
    uint64_t number = 0;
    const char* const end = value.data() + value.size();
    const auto [rest, error] = std::from_chars(value.data(), end, number);
    if (error != std::errc() || rest != end || number > most) return false;
    field = number;
    return true;
}

// A number of allocations, or what stands for none and each.
bool SetStacks(std::string_view value, uint64_t& field) noexcept {
    constexpr Choice<uint64_t> kWords[] = {{"off", 0}, {"all", 1}};
    return SetChoice<uint64_t>(kWords, value, field) || SetNumber(value, field, 1'000'000'000);
}

bool SetPath(std::string_view value, std::array<char, kMaxSettingPathBytes>& field) noexcept {
    if (value.size() >= field.size() || value.find('\0') != std::string_view::npos) return false;
    field.fill('\0');
    std::ranges::copy(value, field.begin());
    return true;
}

constexpr SettingInfo kTable[] = {
    {"mode", SettingKind::kChoice, "pool, off", "pool",
     "Whether allocations are pooled, or all passed on to the driver and only counted.",
     [](Settings& s, std::string_view v) noexcept { return SetChoice<Mode>(kModes, v, s.mode); }},
    {"channel", SettingKind::kSwitch, "on, off", "on",
     "Whether the process publishes its numbers for the tessera command.",
     [](Settings& s, std::string_view v) noexcept {
         return SetChoice<bool>(kSwitch, v, s.channel);
     }},
    {"level", SettingKind::kChoice, "totals, full, events", "totals",
     "What it publishes: totals; each allocation by itself; and what happens, event by event.",
     [](Settings& s, std::string_view v) noexcept {
         return SetChoice<uint32_t>(kLevels, v, s.level);
     }},
    {"stacks", SettingKind::kWord, "off, all, or a number N up to 1000000000", "off",
     "Whether allocations keep their call stack, all or one in N; at the levels full and events.",
     [](Settings& s, std::string_view v) noexcept { return SetStacks(v, s.stacks); }},
    {"channel_bytes", SettingKind::kBytes, "a size from 1MiB to 512MiB", "32MiB",
     "How large what it publishes may become; what finds no room is counted.",
     [](Settings& s, std::string_view v) noexcept {
         uint64_t bytes = 0;
         if (!SetBytes(v, bytes, kMiB) || bytes == 0 || bytes > 512 * kMiB) return false;
         s.channel_bytes = bytes;
         return true;
     }},
    {"idle_bytes", SettingKind::kBytes, "a size such as 67108864, 65536KiB or 64MiB", "64MiB",
     "How many bytes of empty blocks each memory type keeps for the next allocation.",
     [](Settings& s, std::string_view v) noexcept { return SetBytes(v, s.idle_bytes, 0); }},
    {"idle_ms", SettingKind::kNumber, "a number of milliseconds up to 86400000", "10000",
     "How long an empty block is kept; 0 keeps it as long as the device lives.",
     [](Settings& s, std::string_view v) noexcept { return SetNumber(v, s.idle_ms, 86400000); }},
    {"helper", SettingKind::kSwitch, "on, off", "on",
     "Whether a thread of the layer makes blocks in advance and gives them back.",
     [](Settings& s, std::string_view v) noexcept {
         return SetChoice<bool>(kSwitch, v, s.helper);
     }},
    {"shards", SettingKind::kChoice, "on, off, eager", "on",
     "Whether threads that wait for each other get parts of the pool of their own; eager: at once.",
     [](Settings& s, std::string_view v) noexcept {
         return SetChoice<Shards>(kShards, v, s.shards);
     }},
    {"recycle", SettingKind::kSwitch, "on, off", "on",
     "Whether large allocations that were freed are kept for the next ones, within idle_bytes.",
     [](Settings& s, std::string_view v) noexcept {
         return SetChoice<bool>(kSwitch, v, s.recycle);
     }},
    {"max_block_bytes", SettingKind::kBytes, "0 for automatic, or a size of at least 64KiB", "0",
     "The largest block of driver memory that the layer makes; 0 lets the layer choose.",
     [](Settings& s, std::string_view v) noexcept {
         return SetBytes(v, s.max_block_bytes, kMinBlockBytes);
     }},
    {"page_align", SettingKind::kSwitch, "on, off", "off",
     "Whether each allocation that the application can map starts on a memory page of its own.",
     [](Settings& s, std::string_view v) noexcept {
         return SetChoice<bool>(kSwitch, v, s.page_align);
     }},
    {"strict", SettingKind::kSwitch, "on, off", "off",
     "Whether nothing is pooled on a device with an extension that the layer does not know.",
     [](Settings& s, std::string_view v) noexcept {
         return SetChoice<bool>(kSwitch, v, s.strict);
     }},
    {"zero", SettingKind::kChoice, "off, reuse", "off",
     "Whether memory that the application can map is cleared before it is given out again.",
     [](Settings& s, std::string_view v) noexcept { return SetChoice<Zero>(kZeroes, v, s.zero); }},
    {"log_level", SettingKind::kChoice, "off, error, warning, info, debug", "warning",
     "Which log lines are written.",
     [](Settings& s, std::string_view v) noexcept {
         return SetChoice<LogLevel>(kLogLevels, v, s.log_level);
     }},
    {"log_file", SettingKind::kFile, "a path of less than 4096 bytes", "",
     "The file that log lines are appended to; without one they go to standard error.",
     [](Settings& s, std::string_view v) noexcept { return SetPath(v, s.log_file); }},
};

const SettingInfo* FindSetting(std::string_view key) noexcept {
    const auto* const found = std::ranges::find(kTable, key, &SettingInfo::key);
    return found == std::end(kTable) ? nullptr : found;
}

// `text` in quotes, short and printable, so that what follows it in a log line is not lost.
std::string Quoted(std::string_view text) {
    char printable[96];
    const EscapeResult escaped = EscapeControlCharacters(text, printable);
    std::string quoted = "'";
    quoted.append(printable, escaped.written).append(escaped.read < text.size() ? "...'" : "'");
    return quoted;
}

const char* NonEmptyVariable(const char* name) noexcept {
    const char* const value = getenv(name);
    return value != nullptr && value[0] != '\0' ? value : nullptr;
}

struct SettingsText {
    std::string text;
    bool is_cut = false;           // the file is longer than kMaxSettingsFileBytes
    bool only_user_wrote = false;  // owned by the user or root, writable by nobody else
};

// Reads up to `limit` bytes. Returns: false if reading failed, with errno set.
bool ReadUpTo(int file, size_t limit, std::string& text) {
    text.resize(limit);
    size_t length = 0;
    while (length < limit) {
        const ssize_t count = read(file, text.data() + length, limit - length);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return false;
        if (count == 0) break;
        length += static_cast<size_t>(count);
    }
    text.resize(length);
    return true;
}

// Returns: what the file holds, or nothing with errno set (ENOTSUP if it is no regular file).
std::optional<SettingsText> ReadSettingsText(const char* path, int extra_flags) {
    // O_NONBLOCK: a fifo or a device under this name must not hold the application up.
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | extra_flags);
    if (file < 0) return std::nullopt;
    struct Closer {
        int file;
        ~Closer() {
            const int saved_errno = errno;
            close(file);
            errno = saved_errno;
        }
    } const closer{file};

    struct stat status;
    if (fstat(file, &status) != 0) return std::nullopt;
    if (!S_ISREG(status.st_mode)) {
        errno = ENOTSUP;
        return std::nullopt;
    }
    SettingsText result;
    if (!ReadUpTo(file, kMaxSettingsFileBytes + 1, result.text)) return std::nullopt;
    result.is_cut = result.text.size() > kMaxSettingsFileBytes;
    // Of a longer file, the last line may be torn; only whole lines count.
    if (result.is_cut) result.text.resize(result.text.rfind('\n', kMaxSettingsFileBytes - 1) + 1);
    result.only_user_wrote = (status.st_uid == geteuid() || status.st_uid == 0) &&
                             (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    return result;
}

struct KeyAndValue {
    std::string_view key;
    std::string_view value;
};

// Returns: our settings in the text of a settings file, in order. A line of ours without "=" comes
// back as a key, whole, which no table knows; and so does what is named as in the environment.
std::vector<KeyAndValue> ParseSettingsText(std::string_view text) {
    std::vector<KeyAndValue> ours;
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        line = Trim(line.substr(0, line.find('#')));
        const bool is_ours = line.starts_with(kSettingsFilePrefix);
        if (!is_ours && !line.starts_with(kSettingsEnvPrefix)) continue;
        if (is_ours) line.remove_prefix(kSettingsFilePrefix.size());
        const size_t equals = std::min(line.find('='), line.size());
        ours.push_back({.key = Trim(line.substr(0, equals)),
                        .value = Trim(line.substr(std::min(equals + 1, line.size())))});
    }
    return ours;
}

// Gathers settings from the weakest source to the strongest, and what is wrong with them.
class Reader {
 public:
    void ReadFromApp(const LayerSettingsFromApp& api) {
        for (const auto& [key, value] : api.entries)
            Set(key, value, "the application", Spelling::kKey);
    }

    void ReadFromFile() {
        if (const char* const named = NonEmptyVariable("VK_LAYER_SETTINGS_PATH")) {
            ReadNamedFile(named);
        } else if (!ReadWorkingDirectoryFile()) {
            ReadUserFile();
        }
    }

    void ReadFromEnvironment() {
        for (const SettingInfo& info : kTable) {
            const std::string name = SettingEnvironmentName(info.key);
            if (const char* const value = getenv(name.c_str()))
                Set(info.key, value, name, Spelling::kVariable);
        }
        for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
            CheckVariableName(std::string_view(*entry).substr(0, strcspn(*entry, "=")));
        }
    }

    // Sets the log up and reports. Returns: what was gathered.
    Settings Finish() {
        if (!ConfigureLog(settings_.log_level, settings_.log_file.data())) {
            file_problems_.push_back("log_file " + Quoted(settings_.log_file.data()) +
                                     " cannot be opened for appending; lines go to stderr");
        }
        for (const std::string& problem : file_problems_)
            TESSERA_LOG(kWarning, "%s", problem.c_str());
        for (const std::string& problem : key_problems_)
            TESSERA_LOG(kWarning, "%s", problem.c_str());
        for (const std::string& problem : value_problems_) {
            TESSERA_LOG(kWarning, "%s", problem.c_str());
        }
        return settings_;
    }

 private:
    void Set(std::string_view key, std::string_view value, std::string_view source,
             Spelling spelling) {
        const SettingInfo* const info = FindSetting(key);
        if (info == nullptr) {
            ReportUnknownKey(key, source, spelling);
        } else if (!value.empty() && !info->apply(settings_, value)) {
            value_problems_.push_back("setting " + std::string(key) + " = " + Quoted(value) +
                                      " from " + Quoted(source) + " is not valid; use " +
                                      std::string(info->valid));
        }
    }

    void ReportUnknownKey(std::string_view key, std::string_view source, Spelling spelling) {
        const std::string_view nearest = NearestKey(key);
        const std::string guess =
            nearest.empty() ? "" : "perhaps " + Spelled(nearest, spelling) + " is meant; ";
        key_problems_.push_back("setting " + Quoted(key) + " from " + Quoted(source) +
                                " is unknown; " + guess + "there are " + AllKeys(spelling));
    }

    void ReportFile(std::string_view path, std::string_view problem) {
        file_problems_.push_back("settings file " + Quoted(path) + " " + std::string(problem));
    }

    void ReportUnreadable(std::string_view path, int error) {
        const char* const reason =
            error == ENOTSUP ? "it is not a regular file" : strerrordesc_np(error);
        ReportFile(path, "cannot be read: " + std::string(reason != nullptr ? reason : "?"));
    }

    void Apply(const SettingsText& file, std::string_view path) {
        if (file.is_cut) ReportFile(path, "is too long; only its first 64 KiB are read");
        for (const auto& [key, value] : ParseSettingsText(file.text))
            Set(key, value, path, Spelling::kFile);
    }

    void ReadNamedFile(std::string path) {
        struct stat status;
        if (stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
            path.append("/").append(kSettingsFileName);
        }
        if (const auto file = ReadSettingsText(path.c_str(), 0)) {
            Apply(*file, path);
        } else {
            ReportUnreadable(path, errno);
        }
    }

    // Returns: whether this is the settings file, so that no further one is looked for.
    bool ReadWorkingDirectoryFile() {
        // No link is followed: what it leads to may belong to the user, but not the choice of it.
        const auto file = ReadSettingsText(kWorkingDirectoryFile, O_NOFOLLOW);
        if (!file) return false;
        if (!file->only_user_wrote) {
            if (!ParseSettingsText(file->text).empty()) {
                ReportFile(kWorkingDirectoryFile,
                           "is ignored: somebody other than the user and root can write it");
            }
            return false;
        }
        if (file->is_cut) ReportFile(kWorkingDirectoryFile, "is too long; only its start is read");
        for (const auto& [key, value] : ParseSettingsText(file->text)) {
            const SettingInfo* const info = FindSetting(key);
            if (info != nullptr && info->kind == SettingKind::kFile) {
                ReportFile(kWorkingDirectoryFile, "may not set " + std::string(key) +
                                                      ": it lies in the working directory");
            } else {
                Set(key, value, kWorkingDirectoryFile, Spelling::kFile);
            }
        }
        return true;
    }

    void ReadUserFile() {
        std::string path;
        if (const char* const data_home = NonEmptyVariable("XDG_DATA_HOME")) {
            path = data_home;
        } else if (const char* const home = NonEmptyVariable("HOME")) {
            path = std::string(home) + "/.local/share";
        } else {
            return;
        }
        path.append("/vulkan/settings.d/").append(kSettingsFileName);
        if (const auto file = ReadSettingsText(path.c_str(), 0)) {
            Apply(*file, path);
        } else if (errno != ENOENT && errno != ENOTDIR) {
            ReportUnreadable(path, errno);
        }
    }

    void CheckVariableName(std::string_view name) {
        if (!name.starts_with(kSettingsEnvPrefix)) return;
        for (const std::string_view reserved : kReservedEnvPrefixes) {
            if (name.starts_with(reserved)) return;
        }
        for (const SettingInfo& info : kTable) {
            if (name == SettingEnvironmentName(info.key)) return;
        }
        ReportUnknownKey(name, "the environment", Spelling::kVariable);
    }

    Settings settings_;
    std::vector<std::string> file_problems_;
    std::vector<std::string> key_problems_;
    std::vector<std::string> value_problems_;
};

}  // namespace

std::span<const SettingInfo> SettingTable() noexcept {
    return kTable;
}

std::string SettingEnvironmentName(std::string_view key) {
    std::string name(kSettingsEnvPrefix);
    for (const char c : key)
        name += ToUpper(c);
    return name;
}

std::optional<uint64_t> ParseBytes(std::string_view text) noexcept {
    uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{}) return std::nullopt;

    constexpr Choice<uint64_t> kUnits[] = {{"", 1}, {"KiB", kKiB}, {"MiB", kMiB}, {"GiB", kGiB}};
    const std::string_view suffix = Trim({rest, static_cast<size_t>(end - rest)});
    uint64_t unit = 0;
    if (!SetChoice<uint64_t>(kUnits, suffix, unit)) return std::nullopt;
    return CheckedMul(number, unit);
}

Settings ReadSettings(const LayerSettingsFromApp* api, bool elevated) noexcept {
    if (elevated) {
        Settings settings;
        settings.mode = Mode::kOff;
        settings.channel = false;
        settings.elevated = true;
        return settings;
    }
    const int saved_errno = errno;
    try {
        Reader reader;
        if (api != nullptr) reader.ReadFromApp(*api);
        reader.ReadFromFile();
        reader.ReadFromEnvironment();
        const Settings settings = reader.Finish();
        errno = saved_errno;
        return settings;
    } catch (...) {  // bad_alloc is the only thing thrown here
        errno = saved_errno;
        TESSERA_LOG(kWarning, "memory is too short to read the settings; the defaults apply");
        return Settings{};
    }
}

}  // namespace tessera
