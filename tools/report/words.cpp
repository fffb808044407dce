// SPDX-License-Identifier: Apache-2.0
//
// See words.h.
#include "tools/report/words.h"

#include <vulkan/vulkan_core.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "tools/text.h"

namespace tessera::command::report {
namespace {

Use UseOfBuffer(uint64_t usage) {
    if ((usage & (VK_BUFFER_USAGE_VERTEX_BUFFER_BIT | VK_BUFFER_USAGE_INDEX_BUFFER_BIT |
                  VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT)) != 0)
        return Use::kGeometry;
    if ((usage & (VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT)) !=
        0)
        return Use::kUniform;
    if ((usage & (VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_STORAGE_TEXEL_BUFFER_BIT)) !=
        0)
        return Use::kStorage;
    constexpr uint64_t kTransfers =
        VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    return usage != 0 && (usage & ~kTransfers) == 0 ? Use::kStaging : Use::kOther;
}

Use UseOfImage(uint64_t usage) {
    if ((usage &
         (VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT)) != 0)
        return Use::kTarget;
    if ((usage & VK_IMAGE_USAGE_STORAGE_BIT) != 0) return Use::kStorage;
    return (usage & VK_IMAGE_USAGE_SAMPLED_BIT) != 0 ? Use::kTexture : Use::kOther;
}

std::string Hex(uint64_t number) {
    std::array<char, 24> text;
    snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(number));
    return text.data();
}

std::string BaseName(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

const char* Name(Use use) {
    constexpr std::array<const char*, static_cast<size_t>(Use::kCount)> kNames = {
        "geometry", "uniform", "storage", "staging", "target", "texture", "other", "unbound"};
    return kNames.at(static_cast<size_t>(use));
}

const char* Text(Use use) {
    constexpr std::array<const char*, static_cast<size_t>(Use::kCount)> kTexts = {
        "Vertices, indices", "Uniforms", "Storage", "Staging",
        "Render targets",    "Textures", "Other",   "Nothing bound"};
    return kTexts.at(static_cast<size_t>(use));
}

Use UseOf(const reader::Resource& resource) {
    if (resource.object_type == VK_OBJECT_TYPE_BUFFER) return UseOfBuffer(resource.usage);
    if (resource.object_type == VK_OBJECT_TYPE_IMAGE) return UseOfImage(resource.usage);
    return Use::kOther;
}

FrameTexts ModuleFrames(const reader::Process& process) {
    return [&process](const reader::CallStack& stack) {
        std::vector<std::string> frames;
        for (const uint64_t address : stack.addresses) {
            // Modules are in order of their start.
            const auto after =
                std::ranges::upper_bound(process.modules, address, {}, &reader::Module::start);
            const reader::Module* const module =
                after == process.modules.begin() ? nullptr : &*std::prev(after);
            if (module == nullptr || address >= module->end || module->path.empty()) {
                frames.push_back(Hex(address));
            } else {
                frames.push_back(Printable(BaseName(module->path)) + "+" +
                                 Hex(address - module->bias));
            }
        }
        return frames;
    };
}

std::string Caller(const std::vector<std::string>& frames) {
    for (const std::string& frame : frames) {
        const bool ours = frame.find("VkLayer_") != std::string::npos ||
                          frame.find("libvulkan.so") != std::string::npos;
        if (!ours) return frame;
    }
    return "";
}

size_t CommonDepth(const std::vector<reader::CallStack>& stacks) {
    const reader::CallStack* first = nullptr;
    size_t depth = 0;
    size_t seen = 0;
    for (const reader::CallStack& stack : stacks) {
        // What was never filled in, or left out by its reader.
        if (stack.addresses.empty()) continue;
        ++seen;
        if (first == nullptr) {
            first = &stack;
            depth = stack.addresses.size() - 1;
            continue;
        }
        depth = std::min(depth, stack.addresses.size() - 1);
        const auto [mine, theirs] = std::ranges::mismatch(first->addresses, stack.addresses);
        depth = std::min(depth, static_cast<size_t>(mine - first->addresses.begin()));
    }
    return seen < 2 ? 0 : depth;
}

std::string ThreadText(const reader::Process& process, uint32_t index) {
    if (index >= process.threads.size()) return "";
    const reader::Thread& thread = process.threads[index];
    const std::string tid = std::to_string(thread.tid);
    return thread.name.empty() ? "thread " + tid : Printable(thread.name) + " (" + tid + ")";
}

}  // namespace tessera::command::report
