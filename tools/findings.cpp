// SPDX-License-Identifier: Apache-2.0
//
// See findings.h.
#include "tools/findings.h"

#include <unistd.h>

#include <utility>

#include "base/secure.h"
#include "base/settings.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

std::string Quoted(const std::string& text) {
    return "'" + Printable(text) + "'";
}

std::vector<std::string> ExistingFiles(const std::vector<std::string>& directories,
                                       const std::string& name) {
    std::vector<std::string> files;
    for (const std::string& directory : directories) {
        std::string path = directory + "/" + name;
        if (access(path.c_str(), F_OK) == 0) files.push_back(std::move(path));
    }
    return files;
}

// What the Vulkan loader finds without being told where: other installations, the implicit layer.
void CheckInstallations(const Layer& layer, const Environment& environment, Findings& findings) {
    const auto others =
        ExistingFiles(LoaderDirectories(environment, ManifestKind::kExplicit), kExplicitManifest);
    for (const std::string& path : others) {
        if (path == layer.manifest) continue;
        findings.push_back({Level::kNote, "files",
                            "Another manifest of the layer is installed: " + Quoted(path) + ".",
                            "`tessera run` uses " + Quoted(layer.manifest) +
                                "; what enables the layer by name alone uses the other."});
    }
    const auto implicit =
        ExistingFiles(LoaderDirectories(environment, ManifestKind::kImplicit), kImplicitManifest);
    const auto enable = Variable(environment, "ENABLE_TESSERA");
    const bool disabled = Variable(environment, "DISABLE_TESSERA").has_value();
    if (enable && implicit.empty()) {
        findings.push_back({Level::kWarning, "implicit_layer",
                            "ENABLE_TESSERA is set, but the implicit layer is not installed.",
                            "Install Tessera to have it in every application, or use `tessera "
                            "run`, which does not need it."});
    } else if (enable && *enable != "1") {
        findings.push_back(
            {Level::kWarning, "implicit_layer",
             "ENABLE_TESSERA is " + Quoted(*enable) + ", which does not enable the implicit layer.",
             "Set it to 1."});
    } else if (enable && disabled) {
        findings.push_back({Level::kNote, "implicit_layer",
                            "DISABLE_TESSERA is set and beats ENABLE_TESSERA.",
                            "`tessera run` is not affected."});
    } else if (enable) {
        findings.push_back({Level::kNote, "implicit_layer",
                            "ENABLE_TESSERA=1: every Vulkan application that is started here uses "
                            "the layer, also without `tessera run`.",
                            ""});
    } else if (implicit.empty()) {
        findings.push_back({Level::kNote, "implicit_layer",
                            "The implicit layer is not installed; only ENABLE_TESSERA=1 needs it.",
                            ""});
    }
}

}  // namespace

const char* Name(Level level) {
    switch (level) {
        case Level::kOk:
            return "ok";
        case Level::kNote:
            return "note";
        case Level::kWarning:
            return "warning";
        case Level::kError:
            break;
    }
    return "error";
}

Findings CheckFiles(const LayerSearch& search, const Environment& environment) {
    Findings findings;
    if (!search.layer) {
        findings.push_back({Level::kError, "files", "Not found: " + Printable(search.error), ""});
        return findings;
    }
    const std::string problem = LibraryProblem(*search.layer);
    if (problem.empty()) {
        findings.push_back({Level::kOk, "files",
                            "The layer is described by " + Quoted(search.layer->manifest) +
                                ", and its library loads.",
                            ""});
    } else {
        const bool bare = search.layer->library.find('/') == std::string::npos;
        findings.push_back(
            {Level::kError, "files",
             "The library that " + Quoted(search.layer->manifest) +
                 " names cannot be loaded: " + Printable(problem) + ".",
             bare ? "The manifest leaves the place to the dynamic loader: install to a folder that "
                    "it searches and run ldconfig, or set LD_LIBRARY_PATH to the folder of " +
                        Quoted(search.layer->library) + "."
                  : "Build or install the layer again."});
    }
    CheckInstallations(*search.layer, environment, findings);
    return findings;
}

Findings CheckLoaderVariables(const Environment& environment) {
    Findings findings;
    if (ProcessIsElevated()) {
        findings.push_back({Level::kWarning, "rights",
                            "This command runs with elevated rights; in such processes the Vulkan "
                            "loader ignores search paths and the layer passes everything through.",
                            "Run it as the user who runs the applications."});
    }
    if (LoaderFilterHidesLayer(environment)) {
        findings.push_back(
            {Level::kError, "loader_variables",
             "VK_LOADER_LAYERS_DISABLE keeps the Vulkan loader from using the layer.",
             "Change it, or add " + std::string(kExplicitLayerName) +
                 " to VK_LOADER_LAYERS_ENABLE."});
    }
    if (const auto path = Variable(environment, "VK_LAYER_PATH")) {
        findings.push_back({Level::kNote, "loader_variables",
                            "VK_LAYER_PATH is " + Quoted(*path) +
                                ": the Vulkan loader finds explicit layers nowhere else.",
                            "`tessera run` puts the layer's folder in front of it."});
    }
    if (const std::string folder = HiddenDrivers(environment); !folder.empty()) {
        const std::string data = Variable(environment, "XDG_DATA_DIRS").value_or("");
        findings.push_back({Level::kWarning, "loader_variables",
                            "XDG_DATA_DIRS is " + Quoted(data) + " and hides the drivers in " +
                                Quoted(folder) + " from the Vulkan loader.",
                            "Add the system's folders: XDG_DATA_DIRS=" + Printable(data) +
                                ":/usr/local/share:/usr/share."});
    }
    for (const char* const name : {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"}) {
        const auto drivers = Variable(environment, name);
        if (!drivers) continue;
        findings.push_back(
            {Level::kNote, "loader_variables",
             std::string(name) + " is " + Quoted(*drivers) +
                 ": the Vulkan loader uses these drivers only.",
             "Programs that open a driver by themselves, past the loader, are out of "
             "the layer's reach."});
    }
    return findings;
}

Findings CheckSettings(const Environment& environment) {
    Findings findings;
    for (const SettingInfo& info : SettingTable()) {
        const std::string name = SettingEnvironmentName(info.key);
        const std::string value = Variable(environment, name).value_or("");
        Settings scratch;
        if (value.empty() || !info.apply(scratch, value)) continue;
        findings.push_back(
            {Level::kNote, "settings",
             name + "=" + Printable(value) + " is in effect. " + std::string(info.summary), ""});
    }
    return findings;
}

Json FindingsJson(const Findings& findings) {
    Json list = Json::array();
    for (const Finding& finding : findings) {
        list.push_back({{"level", Name(finding.level)},
                        {"check", finding.check},
                        {"text", finding.text},
                        {"advice", finding.advice.empty() ? Json() : Json(finding.advice)}});
    }
    return list;
}

std::string DescribeFindings(const Findings& findings) {
    constexpr size_t kTextColumn = 9;  // after the longest level
    std::string text;
    for (const Finding& finding : findings) {
        std::string level = Name(finding.level);
        level.resize(kTextColumn, ' ');
        text += level + finding.text + "\n";
        if (!finding.advice.empty()) text += std::string(kTextColumn, ' ') + finding.advice + "\n";
    }
    return text;
}

}  // namespace tessera::command
