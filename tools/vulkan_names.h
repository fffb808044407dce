// SPDX-License-Identifier: Apache-2.0
//
// Numbers of Vulkan by their names, without the prefixes that all share.
//
// Numbers come from other processes: what has no name here is written as a number.
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/reader.h"

namespace tessera::command {

// "buffer", "image", "acceleration structure nv"; "object type 77".
std::string ObjectTypeName(uint32_t object_type);

// "R8G8B8A8_UNORM"; "format 77"; "" for 0.
std::string FormatName(uint32_t format);

// {"TRANSFER_DST", "SAMPLED"}, {"0x80000000"}: of a buffer or an image. Others have none.
std::vector<std::string> UsageNames(uint32_t object_type, uint64_t usage);

// "image 1024x512x6, 10 levels, linear, R8G8B8A8_UNORM, TRANSFER_DST SAMPLED",
// "buffer 64.0 KiB, VERTEX_BUFFER": what a resource is, without its name.
std::string DescribeResource(const reader::Resource& resource);

}  // namespace tessera::command
