// SPDX-License-Identifier: Apache-2.0
//
// See app_file.h.
#include "tools/app_file.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <sstream>

#include "base/settings.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

// What makes the kernel set AT_SECURE, upon which the Vulkan loader ignores search paths.
bool GivesRights(const std::string& path) {
    struct stat status = {};
    if (stat(path.c_str(), &status) != 0) return false;
    const bool other_user = (status.st_mode & S_ISUID) != 0 && status.st_uid != getuid();
    const bool other_group =
        (status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && status.st_gid != getgid();
    const bool capabilities =
        getuid() != 0 && getxattr(path.c_str(), "security.capability", nullptr, 0) > 0;
    return other_user || other_group || capabilities;
}

template <typename Header, typename ProgramHeader>
bool HasDynamicLoader(const char* data, size_t size) {
    if (size < sizeof(Header)) return true;
    Header header;
    memcpy(&header, data, sizeof(header));
    for (size_t i = 0; i < header.e_phnum; ++i) {
        const size_t offset = header.e_phoff + i * sizeof(ProgramHeader);
        // What cannot be seen is taken for the usual case.
        if (offset > size || size - offset < sizeof(ProgramHeader)) return true;
        ProgramHeader segment;
        memcpy(&segment, data + offset, sizeof(segment));
        if (segment.p_type == PT_INTERP) return true;
    }
    return false;
}

void InspectElf(AppFile& app) {
    const int file = open(app.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return;
    std::array<char, 4096> start = {};
    const ssize_t count = read(file, start.data(), start.size());
    close(file);
    const size_t size = count > 0 ? static_cast<size_t>(count) : 0;
    if (size < EI_NIDENT || memcmp(start.data(), ELFMAG, SELFMAG) != 0) return;
    app.elf = true;
    app.elf32 = start[EI_CLASS] == ELFCLASS32;
    app.static_elf = app.elf32 ? !HasDynamicLoader<Elf32_Ehdr, Elf32_Phdr>(start.data(), size)
                               : !HasDynamicLoader<Elf64_Ehdr, Elf64_Phdr>(start.data(), size);
}

bool ChannelIsOff(const Environment& environment) {
    const auto value = Variable(environment, SettingEnvironmentName("channel"));
    if (!value) return false;
    const auto table = SettingTable();
    const auto info = std::ranges::find(table, "channel", &SettingInfo::key);
    Settings settings;
    return info != table.end() && info->apply(settings, *value) && !settings.channel;
}

}  // namespace

std::string FindProgram(const std::string& name, const Environment& environment, int mode) {
    if (name.empty()) return {};
    if (name.find('/') != std::string::npos) return access(name.c_str(), F_OK) == 0 ? name : "";
    std::istringstream folders(Variable(environment, "PATH").value_or("/bin:/usr/bin"));
    for (std::string folder; std::getline(folders, folder, ':');) {
        const std::string path = (folder.empty() ? "." : folder) + "/" + name;
        if (access(path.c_str(), mode) == 0) return path;
    }
    return {};
}

AppFile InspectApp(const std::string& name, const Environment& environment) {
    AppFile app;
    app.path = FindProgram(name, environment, X_OK);
    if (app.path.empty()) return app;
    app.elevated = GivesRights(app.path);
    InspectElf(app);
    return app;
}

namespace {

// What keeps the layer out of the application for certain, in sentences; empty if nothing is known.
std::string Obstacle(const AppFile& app, const Layer& layer, const Environment& environment) {
    const std::string name = "'" + Printable(app.path) + "'";
    if (LoaderFilterHidesLayer(environment)) {
        return "VK_LOADER_LAYERS_DISABLE keeps the Vulkan loader from using the layer; change it, "
               "or add " +
               std::string(kExplicitLayerName) + " to VK_LOADER_LAYERS_ENABLE.";
    }
    if (app.elevated) {
        return name +
               " runs with more rights than you have (set-user-id, set-group-id or file "
               "capabilities); the Vulkan loader then ignores the path to the layer.";
    }
    if (app.static_elf) {
        return name +
               " is statically linked, so it cannot load the Vulkan loader; if it starts "
               "another program, that one did not use Vulkan either.";
    }
    if (app.elf32 && sizeof(void*) == 8) {
        return name +
               " is a 32-bit program and the layer a 64-bit library; build the layer for 32 "
               "bits as well and name its folder with --layer-path.";
    }
    if (const std::string problem = LibraryProblem(layer); !problem.empty()) {
        return "The layer's library cannot be loaded: " + Printable(problem) + ".";
    }
    return {};
}

}  // namespace

std::string WhyNothingWasPublished(const AppFile& app, const Layer& layer,
                                   const Environment& environment) {
    const std::string obstacle = Obstacle(app, layer, environment);
    if (!obstacle.empty())
        return "no process loaded the layer, so nothing was pooled or counted. " + obstacle;
    if (ChannelIsOff(environment)) {
        return "no process published what the layer did, since TESSERA_CHANNEL switches that off; "
               "remove it to see whether the layer was loaded and what it did.";
    }
    return "no process loaded the layer, or none could publish what it did. Most likely no Vulkan "
           "instance was created. If one was, a warning of the layer or `channel` in a settings "
           "file may explain it, `tessera doctor` tells whether the layer works here, and "
           "VK_LOADER_DEBUG=layer what the loader did.";
}

}  // namespace tessera::command
