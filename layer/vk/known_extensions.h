// SPDX-License-Identifier: Apache-2.0
//
// The device extensions that the layer knows, and what it thinks of those that it does not.
//
// The list is made from the registry (scripts/generate.py), so "known" means: published when the
// list was made, every command and structure of it that names memory decided about. Of an extension
// that is not in the list there is only its name to go by.
//
// Threads: any; constant data.

#ifndef TESSERA_LAYER_VK_KNOWN_EXTENSIONS_H_
#define TESSERA_LAYER_VK_KNOWN_EXTENSIONS_H_

#include <span>
#include <string_view>

namespace tessera {

struct KnownExtension {
    std::string_view name;
    // It brings in a command or structure that leads to a VkDeviceMemory. The layer translates
    // those, or they can name only memory that is not pooled: docs/pass-through.md.
    bool names_memory;
};

// Returns: all of them, sorted by name.
std::span<const KnownExtension> KnownExtensions() noexcept;

// Returns: whether the list has a device extension of this name.
bool IsKnownExtension(std::string_view name) noexcept;

// Returns: whether the name of an unknown extension says that it is about memory. Extensions that
// let commands name memory mostly say so ("map_memory2", "external_memory_metal",
// "tile_memory_heap"); those that bring in a new kind of resource do not ("tensors").
bool SpeaksOfMemory(std::string_view name) noexcept;

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_KNOWN_EXTENSIONS_H_
