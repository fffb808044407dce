// SPDX-License-Identifier: Apache-2.0
//
// See detail.h.
#include "tools/detail.h"

#include <vulkan/vulkan_core.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace tessera::command {
namespace {

constexpr std::array<const char*, 6> kAllocationFlags = {"mapped", "bound",  "solo",
                                                         "large",  "linear", "optimal"};
constexpr std::array<const char*, 5> kBlockFlags = {"solo", "large", "linear", "optimal",
                                                    "device_address"};

std::string Hex(uint64_t number) {
    std::array<char, 24> text;
    snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(number));
    return text.data();
}

std::vector<std::string> BitNames(uint64_t bits, std::span<const char* const> names) {
    std::vector<std::string> found;
    for (uint32_t bit = 0; bit < 64; ++bit) {
        if ((bits >> bit & 1u) == 0) continue;
        found.push_back(bit < names.size() ? names[bit] : Hex(uint64_t{1} << bit));
    }
    return found;
}

}  // namespace

const char* Name(Use use) {
    constexpr std::array<const char*, kUses> kNames = {"buffer",  "linear_image", "optimal_image",
                                                       "unknown", "padding",      "free"};
    return kNames[static_cast<size_t>(use)];
}

const char* Title(Use use) {
    constexpr std::array<const char*, kUses> kTitles = {"buffer",  "linear image", "optimal image",
                                                        "unknown", "padding",      "free"};
    return kTitles[static_cast<size_t>(use)];
}

Use UseOf(const reader::Resource& resource) {
    if (resource.object_type == VK_OBJECT_TYPE_BUFFER) return Use::kBuffer;
    if (resource.object_type != VK_OBJECT_TYPE_IMAGE) return Use::kUnknown;
    return resource.linear ? Use::kLinearImage : Use::kOptimalImage;
}

ResourceIndex::ResourceIndex(const reader::Detail& detail)
    : first_(detail.allocations.size() + 1, 0) {
    const auto bound = [](const reader::Resource& resource) {
        return resource.allocation != reader::kNone &&
               resource.object_type != VK_OBJECT_TYPE_DEVICE_MEMORY;
    };
    for (const reader::Resource& resource : detail.resources)
        if (bound(resource)) ++first_[resource.allocation + 1];
    for (size_t i = 1; i < first_.size(); ++i)
        first_[i] += first_[i - 1];
    resources_.resize(first_.back());
    std::vector<uint32_t> next = first_;
    for (uint32_t i = 0; i < detail.resources.size(); ++i)
        if (bound(detail.resources[i])) resources_[next[detail.resources[i].allocation]++] = i;
    for (size_t i = 0; i + 1 < first_.size(); ++i) {
        std::sort(resources_.begin() + first_[i], resources_.begin() + first_[i + 1],
                  [&](uint32_t a, uint32_t b) {
                      return std::pair(detail.resources[a].offset, a) <
                             std::pair(detail.resources[b].offset, b);
                  });
    }
}

std::span<const uint32_t> ResourceIndex::Of(size_t allocation) const {
    return std::span(resources_)
        .subspan(first_[allocation], first_[allocation + 1] - first_[allocation]);
}

Use UseOf(const reader::Detail& detail, const ResourceIndex& index, size_t allocation) {
    const std::span<const uint32_t> resources = index.Of(allocation);
    if (resources.empty()) {
        const bool optimal =
            (detail.allocations[allocation].flags & TESSERA_ALLOCATION_OPTIMAL) != 0;
        return optimal ? Use::kOptimalImage : Use::kUnknown;
    }
    const Use use = UseOf(detail.resources[resources.front()]);
    const bool same = std::ranges::all_of(
        resources, [&](uint32_t i) { return UseOf(detail.resources[i]) == use; });
    return same ? use : Use::kUnknown;
}

uint64_t AgeOf(const reader::Process& process, uint64_t made_ns) {
    return made_ns == 0 || made_ns > process.copied_ns ? 0 : process.copied_ns - made_ns;
}

std::string HandleText(uint64_t handle) {
    return Hex(handle);
}

std::string FrameText(const reader::Process& process, uint64_t address) {
    const uint64_t call = address == 0 ? 0 : address - 1;
    const auto after = std::ranges::upper_bound(process.modules, call, {}, &reader::Module::start);
    if (after == process.modules.begin()) return Hex(address);
    const reader::Module& module = *(after - 1);
    if (call >= module.end || module.path.empty()) return Hex(address);
    const std::string& path = module.path;
    return path.substr(path.rfind('/') + 1) + "+" + Hex(call - module.bias);
}

bool HasDetail(const reader::Process& process) {
    return std::ranges::any_of(process.devices, [](const reader::Device& device) {
        return device.detail.level != TESSERA_LEVEL_totals;
    });
}

std::string HowToRecord(const reader::Process& process, const std::string& options) {
    if (process.state != reader::ProcessState::kLive)
        return "`tessera run --level full" + options + "` changes that.";
    return "`tessera level " + std::to_string(process.pid) + " full" + options + "` changes that.";
}

std::vector<std::string> AllocationFlagNames(uint32_t flags) {
    return BitNames(flags, kAllocationFlags);
}

std::vector<std::string> BlockFlagNames(uint32_t flags) {
    return BitNames(flags, kBlockFlags);
}

}  // namespace tessera::command
