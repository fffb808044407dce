// SPDX-License-Identifier: Apache-2.0
//
// What `tessera doctor` tries with Vulkan, as a small application would do it.
//
// These functions load the Vulkan loader and drivers into the calling process, and never unload
// them: call them in a process made for it (probe.h). Threads: one.
#pragma once

#include <cstdint>

#include "tools/probe.h"

namespace tessera::command {

// Looks at the loader, the layers that it finds, and creates an instance.
// Returns: {"error": TEXT} if there is no usable loader, else {"version", "layers": [NAME..],
// "instance": NAME OF A VkResult, "layer_loaded": BOOL, "devices": [{"name", "api_version"}..]},
// where the last two are missing unless the instance could be created.
Json ProbeLoader(const TellStep& tell);

// Creates device number `index` of those that ProbeLoader listed, allocates a little in each of its
// memory types, and reads from this process's statistics what became of it.
// Returns: {"error": TEXT} if it could not be created, else {"statistics": PATH, "mode", "why",
// "memory_types": [{"index", "flags": [..], "served"}..]} where "served" is "pooled", the name of
// the reason for which it passed through, "failed" or "not tried", and where all but "memory_types"
// are missing if the layer publishes nothing; "no_statistics" then says why.
Json ProbeDevice(const TellStep& tell, uint32_t index);

}  // namespace tessera::command
