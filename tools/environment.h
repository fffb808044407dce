// SPDX-License-Identifier: Apache-2.0
//
// Where the layer lies, and the environment that makes the Vulkan loader load it.
//
// The one idea: an environment is a plain list of "NAME=value", so that composing one is a function
// that tests can call, and the command never changes its own.
//
// Threads: no shared state.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::command {

inline constexpr char kExplicitLayerName[] = "VK_LAYER_TESSERA_suballocator";
inline constexpr char kExplicitManifest[] = "VkLayer_tessera_suballocator.json";
inline constexpr char kImplicitManifest[] = "VkLayer_tessera_suballocator_implicit.json";

using Environment = std::vector<std::string>;

// A copy of this process's environment.
Environment CurrentEnvironment();

// The value of a variable, as getenv(3) would find it; nothing if it is not set.
std::optional<std::string> Variable(const Environment& environment, std::string_view name);

// Sets a variable in place of every earlier setting of it; an empty optional removes it.
void SetVariable(Environment& environment, std::string_view name,
                 const std::optional<std::string>& value);

// The layer as its manifest describes it.
struct Layer {
    std::string directory;  // absolute; what the loader's search path names
    std::string manifest;   // the file in it
    std::string library;    // "library_path": absolute, or a bare name to be found as libraries are
};

// Reads a manifest, without waiting for anybody. Returns: nothing if it cannot be read, is no
// regular file, is larger than a megabyte, is not JSON or names no library.
std::optional<Layer> ReadManifest(const std::string& path);

struct LayerSearch {
    std::optional<Layer> layer;
    std::string error;  // a sentence, if there is no layer
};

// Finds the explicit layer. `layer_path`: the folder to take it from and no other; empty to look
// beside `executable` (as the build tree and an installation lay them out), then where the loader
// looks by itself.
LayerSearch FindLayer(const std::string& executable, const std::string& layer_path,
                      const Environment& environment);

// Absolute path of the running command.
std::string OwnExecutable();

enum class ManifestKind { kExplicit, kImplicit, kDriver };

// The folders in which the loader looks for manifests without being told, in its order.
// Spec: the loader's LoaderLayerInterface, "Linux Layer Discovery", and LoaderDriverInterface,
// "Driver Discovery on Linux".
std::vector<std::string> LoaderDirectories(const Environment& environment, ManifestKind kind);

// A folder of the system with drivers in which the loader does not look because XDG_DATA_DIRS names
// others; empty if there is none, or if other variables name the drivers.
std::string HiddenDrivers(const Environment& environment);

// The environment of an application that shall run with the layer. The user's VK_INSTANCE_LAYERS
// are kept and ours is appended, which puts it nearest to the driver. The layer's folder is put in
// front of VK_LAYER_PATH if that is set, even to nothing (the loader then looks nowhere else), and
// of VK_ADD_LAYER_PATH otherwise.
Environment WithLayer(Environment environment, const Layer& layer);

// The same environment without our layer's name in VK_INSTANCE_LAYERS.
Environment WithoutLayer(Environment environment);

// Whether VK_LOADER_LAYERS_DISABLE keeps the loader from using the explicit layer, and
// VK_LOADER_LAYERS_ENABLE does not bring it back.
bool LoaderFilterHidesLayer(const Environment& environment);

// Why the layer's library would not load, as the dynamic loader says; empty if it would.
// Side effect: the library is loaded into this process and unloaded again.
std::string LibraryProblem(const Layer& layer);

}  // namespace tessera::command
