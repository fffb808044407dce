// SPDX-License-Identifier: Apache-2.0
//
// See settings_input.h: puts an input where the layer looks for it, reads, and compares.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "layer/base/log.h"
#include "layer/vk/instance.h"
#include "layer/vk/late_vulkan.h"
#include "settings_input.h"
#include "settings_model.h"
#include "system_calls.h"

namespace tessera::fuzz_readers {
namespace {

namespace fs = std::filesystem;

constexpr char kFileName[] = "vk_layer_settings.txt";

// A folder for each place, with an empty settings file in each that has one.
class Places {
 public:
    Places() : root_(fs::temp_directory_path() / "tessera_settings_XXXXXX") {
        Require(mkdtemp(root_.data()) != nullptr, "the fuzzer cannot make a folder to work in");
        for (int i = 0; i < static_cast<int>(Place::kCount); ++i) {
            const auto place = static_cast<Place>(i);
            fs::create_directories(fs::path(FileOf(place)).parent_path());
            fs::create_directories(Folder(place));
            if (place == Place::kNowhere) continue;
            const int file = open(FileOf(place).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
            Require(file >= 0, "the fuzzer cannot make a settings file");
            if (place == Place::kOpenWorkingDirectory) fchmod(file, 0666);
            files_[place] = file;
        }
    }
    Places(const Places&) = delete;
    Places& operator=(const Places&) = delete;
    ~Places() {
        std::error_code ignored;
        fs::remove_all(root_, ignored);
    }

    // Puts the file there and goes there. Returns: the variables that say where it is.
    std::vector<std::string> Use(const SettingsInput& input) {
        const Place place = input.place;
        if (chdir(Folder(place).c_str()) != 0) std::abort();
        if (place == Place::kNowhere) return {};
        const auto size = static_cast<ssize_t>(input.file.size());
        const int file = files_[place];
        if (ftruncate(file, 0) != 0 ||
            pwrite(file, input.file.data(), input.file.size(), 0) != size)
            std::abort();
        switch (place) {
            case Place::kNamed:
                return {"VK_LAYER_SETTINGS_PATH=" + FileOf(place), "HOME=/nonexistent"};
            case Place::kNamedFolder:
                return {"VK_LAYER_SETTINGS_PATH=" + Folder(place)};
            case Place::kDataHome:
                return {"XDG_DATA_HOME=" + Folder(place), "HOME=/nonexistent"};
            case Place::kHome:
                return {"HOME=" + Folder(place), "XDG_DATA_HOME="};
            default:
                return {};
        }
    }

 private:
    std::string Folder(Place place) const {
        return root_ + "/" + std::to_string(static_cast<int>(place));
    }
    std::string FileOf(Place place) const {
        const std::string settings_folder = "/vulkan/settings.d/";
        switch (place) {
            case Place::kDataHome:
                return Folder(place) + settings_folder + kFileName;
            case Place::kHome:
                return Folder(place) + "/.local/share" + settings_folder + kFileName;
            default:
                return Folder(place) + "/" + kFileName;
        }
    }

    std::string root_;
    std::map<Place, int> files_;
};

// The process's environment is another one for as long as this lives.
class ScopedEnvironment {
 public:
    explicit ScopedEnvironment(std::vector<std::string> entries)
        : entries_(std::move(entries)), previous_(environ) {
        for (std::string& entry : entries_)
            pointers_.push_back(entry.data());
        pointers_.push_back(nullptr);
        environ = pointers_.data();
    }
    ScopedEnvironment(const ScopedEnvironment&) = delete;
    ScopedEnvironment& operator=(const ScopedEnvironment&) = delete;
    ~ScopedEnvironment() { environ = previous_; }

 private:
    std::vector<std::string> entries_;
    std::vector<char*> pointers_;
    char** const previous_;
};

// The structure as an application would fill it. Values have memory of exactly their size, so that
// a sanitizer sees a read beyond them.
class AppSettings {
 public:
    explicit AppSettings(const std::vector<AppSetting>& settings) {
        for (const AppSetting& setting : settings) {
            raw_.push_back({.pLayerName = setting.layer ? setting.layer->c_str() : nullptr,
                            .pSettingName = setting.name ? setting.name->c_str() : nullptr,
                            .type = static_cast<late::LayerSettingType>(setting.type),
                            .valueCount = setting.count,
                            .pValues = ValueOf(setting)});
        }
        chained_ = {.sType = static_cast<VkStructureType>(late::kLayerSettingsCreateInfo),
                    .pNext = nullptr,
                    .settingCount = static_cast<uint32_t>(raw_.size()),
                    .pSettings = raw_.data()};
        // One that nobody knows comes before ours.
        before_ = {.sType = static_cast<VkStructureType>(2'000'000'000),
                   .pNext = reinterpret_cast<const VkBaseInStructure*>(&chained_)};
        info_.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
        info_.pNext = &before_;
    }
    AppSettings(const AppSettings&) = delete;
    AppSettings& operator=(const AppSettings&) = delete;

    const VkInstanceCreateInfo& info() const { return info_; }

 private:
    const void* ValueOf(const AppSetting& setting) {
        const bool is_text = setting.type == static_cast<int32_t>(late::LayerSettingType::kString);
        if (!is_text && !setting.number) return nullptr;
        const uint64_t number = setting.number.value_or(0);
        const char* const text = setting.text ? setting.text->c_str() : nullptr;
        const bool is_wide = is_text || setting.type == 2 || setting.type == 4 || setting.type == 6;
        const auto low = static_cast<uint32_t>(number);
        const void* const from = is_text ? static_cast<const void*>(&text)
                                         : (is_wide ? static_cast<const void*>(&number)
                                                    : static_cast<const void*>(&low));
        const size_t element = is_wide ? 8 : 4;
        values_.emplace_back(new char[element * std::max(setting.count, 1u)]());
        std::memcpy(values_.back().get(), from, element);
        return values_.back().get();
    }

    std::vector<std::unique_ptr<char[]>> values_;
    std::vector<late::LayerSetting> raw_;
    late::LayerSettingsCreateInfo chained_ = {};
    VkBaseInStructure before_ = {};
    VkInstanceCreateInfo info_ = {};
};

bool Tells(const std::string& line, const Complaint& complaint) {
    return std::ranges::all_of(
        complaint, [&](const std::string& part) { return line.find(part) != std::string::npos; });
}

void CheckLines(std::vector<std::string> lines, const std::vector<Complaint>& complaints) {
    Require(lines.size() >= complaints.size(), "something that is wrong was not told");
    Require(lines.size() <= complaints.size(), "something was told that is not wrong");
    for (const Complaint& complaint : complaints) {
        const auto told = std::ranges::find_if(
            lines, [&](const std::string& line) { return Tells(line, complaint); });
        if (told == lines.end()) throw Finding("not told as it should be: " + complaint[0]);
        lines.erase(told);
    }
}

// As the log would write it: nothing in it drives a terminal.
void CheckEscaped(const std::string& line) {
    char escaped[kMaxLogLineBytes];
    const EscapeResult result = EscapeControlCharacters(line, escaped);
    Require(result.written <= sizeof(escaped) && result.read <= line.size(),
            "escaping leaves its room");
    for (size_t i = 0; i < result.written; ++i) {
        const auto byte = static_cast<uint8_t>(escaped[i]);
        Require(byte >= 0x20 && byte != 0x7F, "a control character is logged");
        const bool is_c1 = byte >= 0x80 && byte < 0xA0 && i > 0 && escaped[i - 1] == '\xC2';
        Require(!is_c1, "a control character of eight bits is logged");
    }
}

void CheckRanges(const Settings& settings) {
    Require(settings.mode <= Mode::kOff && settings.zero <= Zero::kReuse &&
                settings.log_level <= LogLevel::kDebug && settings.shards <= Shards::kEager,
            "a setting is none of its choices");
    Require(settings.max_block_bytes == 0 || settings.max_block_bytes >= 64 * kKiB,
            "max_block_bytes is out of range");
    Require(settings.idle_ms <= 86'400'000, "idle_ms is out of range");
    Require(settings.log_file.back() == '\0', "log_file has no end");
    Require(!settings.elevated, "this process is taken for an elevated one");
}

}  // namespace

size_t CheckSettingsInput(const SettingsInput& input) {
    static Places places;
    std::vector<std::string> environment = places.Use(input);
    environment.insert(environment.end(), input.environment.begin(), input.environment.end());
    const AppSettings app(input.app);
    TakeLogged();
    Settings settings;
    Settings again;
    Logged logged;
    Logged logged_again;
    {
        const ScopedEnvironment scope(std::move(environment));
        settings = ReadInstanceSettings(app.info());
        logged = TakeLogged();
        again = ReadInstanceSettings(app.info());
        logged_again = TakeLogged();
    }
    const Outcome expected = Model(input);
    CheckRanges(settings);
    Require(settings == expected.settings, "a setting has another value than the documents say");
    CheckLines(logged.lines, expected.complaints);
    for (const std::string& line : logged.lines)
        CheckEscaped(line);
    Require(logged.configured == 1 && logged.file == settings.log_file.data(),
            "the log is not set up as the settings say");
    Require(settings == again && logged.lines == logged_again.lines,
            "the same input was read as something else the second time");
    return logged.lines.size();
}

}  // namespace tessera::fuzz_readers
