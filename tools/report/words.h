// SPDX-License-Identifier: Apache-2.0
//
// Words for what allocations are used for, and for where they came from.
//
// All texts went through Printable(): they are still to be escaped for HTML and JSON, and they no
// longer hide anything. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tessera/reader.h"

namespace tessera::command::report {

// What is bound to an allocation, as the block map colours it. The order is that of the legend.
enum class Use : uint8_t {
    kGeometry,  // vertices, indices, indirect commands
    kUniform,
    kStorage,
    kStaging,  // buffers for transfers alone
    kTarget,   // images that are drawn to
    kTexture,
    kOther,
    kUnbound,
    kCount
};
const char* Name(Use use);  // "geometry"; a key in JSON
const char* Text(Use use);  // "vertices and indices"

Use UseOf(const reader::Resource& resource);

// Frames of a stack, innermost first, as texts. Where symbols are not looked up, "module+0x1234".
using FrameTexts = std::function<std::vector<std::string>(const reader::CallStack& stack)>;

// Names addresses by the modules of `process`, which must outlive it.
FrameTexts ModuleFrames(const reader::Process& process);

// The first frame that is the application's own: not of the layer and not of the Vulkan loader. ""
// if there is none.
std::string Caller(const std::vector<std::string>& frames);

// How many of the innermost addresses all stacks have in common: the way into an allocator of the
// application's own, which tells nothing. 0 of a single stack; less than the depth of any.
size_t CommonDepth(const std::vector<reader::CallStack>& stacks);

// "render (4243)"; "thread 4243" without a name; "" if `index` names none.
std::string ThreadText(const reader::Process& process, uint32_t index);

}  // namespace tessera::command::report
