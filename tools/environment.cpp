// SPDX-License-Identifier: Apache-2.0
//
// See environment.h. What is said here about the Vulkan loader was tried with version 1.3.239.
#include "tools/environment.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

namespace tessera::command {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> Split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    while (true) {
        const size_t end = text.find(separator);
        parts.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

bool Contains(const std::string& list, char separator, const std::string& item) {
    const std::vector<std::string> parts = Split(list, separator);
    return std::ranges::find(parts, item) != parts.end();
}

bool IsSettingOf(const std::string& entry, std::string_view name) {
    return entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name);
}

std::string Lower(std::string_view text) {
    std::string lower(text);
    for (char& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return lower;
}

// The loader's patterns: a star at the start, at the end or at both; case does not matter.
bool PatternMatches(std::string_view pattern, std::string_view name) {
    const bool open_start = pattern.starts_with('*');
    if (open_start) pattern.remove_prefix(1);
    const bool open_end = pattern.ends_with('*');
    if (open_end) pattern.remove_suffix(1);
    if (open_start && open_end) return name.find(pattern) != std::string_view::npos;
    if (open_start) return name.ends_with(pattern);
    if (open_end) return name.starts_with(pattern) || pattern.empty();
    return name == pattern;
}

bool FilterNamesLayer(const std::string& filter) {
    const std::string name = Lower(kExplicitLayerName);
    return std::ranges::any_of(Split(filter, ','), [&](const std::string& item) {
        return !item.empty() && PatternMatches(Lower(item), name);
    });
}

// The words for whole groups are understood by the filter that disables, and by that alone.
bool FilterNamesExplicitLayers(const std::string& filter) {
    const std::string lower = Lower(filter);
    return Contains(lower, ',', "~all~") || Contains(lower, ',', "~explicit~");
}

// Adds FOLDER/vulkan/KIND for each folder in the variable's list, or in the fallback's.
void AddDirectories(std::vector<std::string>& directories,
                    const std::optional<std::string>& variable, const std::string& fallback,
                    const std::string& suffix) {
    const std::string& list = variable && !variable->empty() ? *variable : fallback;
    for (const std::string& folder : Split(list, ':'))
        if (!folder.empty()) directories.push_back(folder + suffix);
}

// Far more than a manifest needs.
constexpr size_t kMaxManifestBytes = 1 << 20;

// Returns: what the file holds; nothing if it cannot be read, is no regular file or is larger than
// kMaxManifestBytes.
std::optional<std::string> ReadManifestText(const std::string& path) {
    // O_NONBLOCK: a fifo or a device under this name must not hold the command up.
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0) return std::nullopt;
    struct Closer {
        int file;
        ~Closer() { close(file); }
    } const closer{file};

    struct stat status;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
    std::string text(kMaxManifestBytes + 1, '\0');
    size_t length = 0;
    while (length < text.size()) {
        const ssize_t count = read(file, text.data() + length, text.size() - length);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return std::nullopt;
        if (count == 0) break;
        length += static_cast<size_t>(count);
    }
    if (length > kMaxManifestBytes) return std::nullopt;
    text.resize(length);
    return text;
}

LayerSearch Found(std::optional<Layer> layer) {
    return {.layer = std::move(layer), .error = {}};
}

LayerSearch NotFound(std::string error) {
    return {.layer = std::nullopt, .error = std::move(error)};
}

LayerSearch FindLayerIn(const std::string& directory) {
    std::error_code error;
    const fs::path folder = fs::canonical(directory, error);
    if (error) {
        return NotFound("the folder '" + directory +
                        "' cannot be used as layer path: " + error.message() + ".");
    }
    if (folder.string().find(':') != std::string::npos) {
        return NotFound("the layer's folder '" + folder.string() +
                        "' has a colon in its name, which the Vulkan loader takes as the end of "
                        "it; put the layer elsewhere.");
    }
    const std::string manifest = folder / kExplicitManifest;
    if (auto layer = ReadManifest(manifest)) return Found(std::move(layer));
    return NotFound("the layer's manifest '" + manifest +
                    "' is missing or cannot be read; build or install Tessera, or name its folder "
                    "with --layer-path.");
}

}  // namespace

Environment CurrentEnvironment() {
    Environment environment;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
        environment.emplace_back(*entry);
    return environment;
}

std::optional<std::string> Variable(const Environment& environment, std::string_view name) {
    for (const std::string& entry : environment)
        if (IsSettingOf(entry, name)) return entry.substr(name.size() + 1);
    return std::nullopt;
}

void SetVariable(Environment& environment, std::string_view name,
                 const std::optional<std::string>& value) {
    std::erase_if(environment, [&](const std::string& entry) { return IsSettingOf(entry, name); });
    if (value) environment.push_back(std::string(name) + "=" + *value);
}

std::optional<Layer> ReadManifest(const std::string& path) {
    const std::optional<std::string> text = ReadManifestText(path);
    if (!text) return std::nullopt;
    const auto json = nlohmann::json::parse(*text, nullptr, false);
    if (!json.is_object() || !json.contains("layer") || !json["layer"].is_object()) {
        return std::nullopt;
    }
    const auto library = json["layer"].find("library_path");
    if (library == json["layer"].end() || !library->is_string()) return std::nullopt;

    const fs::path directory = fs::path(path).parent_path();
    std::string library_path = *library;
    // Only a path with a slash is relative to the manifest; a bare name is for the dynamic loader.
    if (library_path.find('/') != std::string::npos) {
        library_path = (directory / library_path).lexically_normal();
    }
    return Layer{.directory = directory, .manifest = path, .library = library_path};
}

std::string OwnExecutable() {
    std::array<char, PATH_MAX> path;
    const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
    return length > 0 ? std::string(path.data(), static_cast<size_t>(length)) : std::string();
}

LayerSearch FindLayer(const std::string& executable, const std::string& layer_path,
                      const Environment& environment) {
    if (!layer_path.empty()) return FindLayerIn(layer_path);

    const fs::path folder = fs::path(executable).parent_path();
    std::vector<std::string> places = {folder / "../layer",
                                       folder / "../share/vulkan/explicit_layer.d"};
    for (const std::string& directory : LoaderDirectories(environment, ManifestKind::kExplicit))
        places.push_back(directory);
    for (const std::string& place : places) {
        std::error_code ignored;
        if (fs::exists(fs::path(place) / kExplicitManifest, ignored)) return FindLayerIn(place);
    }
    return NotFound("the layer is neither in the build tree of this command (" +
                    fs::path(places[0]).lexically_normal().string() +
                    ") nor installed; build it, install it, or name its folder with --layer-path.");
}

std::vector<std::string> LoaderDirectories(const Environment& environment, ManifestKind kind) {
    const std::string suffix = kind == ManifestKind::kExplicit   ? "/vulkan/explicit_layer.d"
                               : kind == ManifestKind::kImplicit ? "/vulkan/implicit_layer.d"
                                                                 : "/vulkan/icd.d";
    const std::string home = Variable(environment, "HOME").value_or("");
    std::vector<std::string> directories;
    AddDirectories(directories, Variable(environment, "XDG_CONFIG_HOME"),
                   home.empty() ? "" : home + "/.config", suffix);
    AddDirectories(directories, Variable(environment, "XDG_CONFIG_DIRS"), "/etc/xdg", suffix);
    directories.push_back("/etc" + suffix);
    AddDirectories(directories, Variable(environment, "XDG_DATA_HOME"),
                   home.empty() ? "" : home + "/.local/share", suffix);
    AddDirectories(directories, Variable(environment, "XDG_DATA_DIRS"),
                   "/usr/local/share:/usr/share", suffix);
    return directories;
}

std::string HiddenDrivers(const Environment& environment) {
    for (const char* const name : {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"})
        if (Variable(environment, name)) return {};
    Environment without = environment;
    SetVariable(without, "XDG_DATA_DIRS", std::nullopt);
    const std::vector<std::string> seen = LoaderDirectories(environment, ManifestKind::kDriver);
    for (const std::string& folder : LoaderDirectories(without, ManifestKind::kDriver)) {
        std::error_code error;
        if (std::ranges::find(seen, folder) != seen.end() || fs::is_empty(folder, error) || error)
            continue;
        return folder;
    }
    return {};
}

Environment WithLayer(Environment environment, const Layer& layer) {
    std::string layers = Variable(environment, "VK_INSTANCE_LAYERS").value_or("");
    if (!Contains(layers, ':', kExplicitLayerName)) {
        if (!layers.empty()) layers += ':';
        layers += kExplicitLayerName;
    }
    SetVariable(environment, "VK_INSTANCE_LAYERS", layers);

    const bool exclusive = Variable(environment, "VK_LAYER_PATH").has_value();
    const std::string_view name = exclusive ? "VK_LAYER_PATH" : "VK_ADD_LAYER_PATH";
    std::string path = Variable(environment, name).value_or("");
    // First, so that no other build of the layer comes before; the loader reads a folder only once.
    if (path != layer.directory && !path.starts_with(layer.directory + ":")) {
        path = path.empty() ? layer.directory : layer.directory + ":" + path;
    }
    SetVariable(environment, name, path);
    return environment;
}

Environment WithoutLayer(Environment environment) {
    std::string layers;
    for (const std::string& name :
         Split(Variable(environment, "VK_INSTANCE_LAYERS").value_or(""), ':')) {
        if (name.empty() || name == kExplicitLayerName) continue;
        layers += layers.empty() ? name : ":" + name;
    }
    SetVariable(environment, "VK_INSTANCE_LAYERS",
                layers.empty() ? std::nullopt : std::optional(layers));
    return environment;
}

bool LoaderFilterHidesLayer(const Environment& environment) {
    const std::string disable = Variable(environment, "VK_LOADER_LAYERS_DISABLE").value_or("");
    const std::string enable = Variable(environment, "VK_LOADER_LAYERS_ENABLE").value_or("");
    return (FilterNamesLayer(disable) || FilterNamesExplicitLayers(disable)) &&
           !FilterNamesLayer(enable);
}

std::string LibraryProblem(const Layer& layer) {
    void* const library = dlopen(layer.library.c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (library == nullptr) {
        const char* const problem = dlerror();
        return problem != nullptr ? problem : "the dynamic loader refuses it";
    }
    dlclose(library);
    return {};
}

}  // namespace tessera::command
