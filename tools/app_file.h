// SPDX-License-Identifier: Apache-2.0
//
// What the file of an application tells about whether the layer can reach it.
//
// Only its first kilobytes are read, and nothing in them is trusted. Threads: no shared state.
#pragma once

#include <string>

#include "tools/environment.h"

namespace tessera::command {

struct AppFile {
    std::string path;       // empty if there is no such file
    bool elevated = false;  // starting it gives it more rights than its caller has
    bool elf = false;       // it is a program and not a script; the fields below are known
    bool elf32 = false;
    bool static_elf = false;  // it has no dynamic loader, hence cannot load the Vulkan loader
};

// The file that execvp(3) would find for `name`: the name itself if it has a slash, else the first
// of that name in the folders of PATH for which access(2) grants `mode` (X_OK, F_OK). Returns: an
// empty string if there is none.
std::string FindProgram(const std::string& name, const Environment& environment, int mode);

// Looks at the file that a shell would start for `name` with the PATH of `environment`.
AppFile InspectApp(const std::string& name, const Environment& environment);

// What there is to say when no process of the application published anything: whether the layer was
// there, as far as that can be known, and the likely reason; in sentences, without a capital at the
// beginning.
std::string WhyNothingWasPublished(const AppFile& app, const Layer& layer,
                                   const Environment& environment);

}  // namespace tessera::command
