// SPDX-License-Identifier: Apache-2.0
//
// See vulkan_names.h. The names are those of the Vulkan headers that this was built with.
#include "tools/vulkan_names.h"

#include <vulkan/vulkan.h>
// The helper needs the types above.
#include <vulkan/vk_enum_string_helper.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <string_view>

#include "tools/text.h"

namespace tessera::command {
namespace {

// `name` without `prefix` and without the first `infix`; empty if it does not start so, as what
// the headers do not know does not.
std::string Stem(std::string name, std::string_view prefix, std::string_view infix = {}) {
    if (!name.starts_with(prefix)) return {};
    name.erase(0, prefix.size());
    const size_t at = infix.empty() ? std::string::npos : name.find(infix);
    if (at != std::string::npos) name.erase(at, infix.size());
    return name;
}

std::string Hex(uint64_t number) {
    std::array<char, 24> text;
    snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(number));
    return text.data();
}

// Both enumerations have 32 bits; what lies beyond them has no name.
std::string UsageName(uint32_t object_type, uint64_t bit) {
    if (bit > UINT32_MAX) return {};
    if (object_type == VK_OBJECT_TYPE_BUFFER) {
        return Stem(string_VkBufferUsageFlagBits(static_cast<VkBufferUsageFlagBits>(bit)),
                    "VK_BUFFER_USAGE_", "_BIT");
    }
    return Stem(string_VkImageUsageFlagBits(static_cast<VkImageUsageFlagBits>(bit)),
                "VK_IMAGE_USAGE_", "_BIT");
}

std::string ImageExtent(const reader::Resource& resource) {
    std::string text = std::to_string(resource.width) + "x" + std::to_string(resource.height);
    if (resource.depth_or_layers > 1) text += "x" + std::to_string(resource.depth_or_layers);
    if (resource.levels > 1) text += ", " + Plural(resource.levels, "level");
    return text;
}

}  // namespace

std::string ObjectTypeName(uint32_t object_type) {
    std::string name =
        Stem(string_VkObjectType(static_cast<VkObjectType>(object_type)), "VK_OBJECT_TYPE_");
    if (name.empty()) return "object type " + std::to_string(object_type);
    for (char& letter : name)
        letter = letter == '_' ? ' ' : static_cast<char>(tolower(letter));
    return name;
}

std::string FormatName(uint32_t format) {
    if (format == VK_FORMAT_UNDEFINED) return {};
    const std::string name = Stem(string_VkFormat(static_cast<VkFormat>(format)), "VK_FORMAT_");
    return name.empty() ? "format " + std::to_string(format) : name;
}

std::vector<std::string> UsageNames(uint32_t object_type, uint64_t usage) {
    std::vector<std::string> names;
    if (object_type != VK_OBJECT_TYPE_BUFFER && object_type != VK_OBJECT_TYPE_IMAGE) return names;
    for (uint32_t shift = 0; shift < 64; ++shift) {
        const uint64_t bit = usage & uint64_t{1} << shift;
        if (bit == 0) continue;
        std::string name = UsageName(object_type, bit);
        names.push_back(name.empty() ? Hex(bit) : std::move(name));
    }
    return names;
}

std::string DescribeResource(const reader::Resource& resource) {
    std::string text = ObjectTypeName(resource.object_type);
    if (resource.width > 0) {
        text += " " + ImageExtent(resource);
    } else if (resource.size_bytes > 0) {
        text += " " + FormatBytes(resource.size_bytes);
    }
    if (resource.object_type == VK_OBJECT_TYPE_IMAGE && resource.linear) text += ", linear";
    if (const std::string format = FormatName(resource.format); !format.empty())
        text += ", " + format;
    std::string usage;
    for (const std::string& name : UsageNames(resource.object_type, resource.usage))
        usage += (usage.empty() ? "" : " ") + name;
    return usage.empty() ? text : text + ", " + usage;
}

}  // namespace tessera::command
