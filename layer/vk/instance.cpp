// SPDX-License-Identifier: Apache-2.0
//
// See instance.h.

#include "layer/vk/instance.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "layer/vk/chain.h"

namespace tessera {
namespace {

template <typename T>
T First(const late::LayerSetting& setting) noexcept {
    T value;
    std::memcpy(&value, setting.pValues, sizeof value);
    return value;
}

// The first value of a setting as it would be written in a settings file. A type that no key of
// ours can have comes out empty, which counts as not given.
std::string AsText(const late::LayerSetting& setting) {
    if (setting.valueCount == 0 || setting.pValues == nullptr) return {};
    switch (setting.type) {
        case late::LayerSettingType::kBool32:
            return First<VkBool32>(setting) != VK_FALSE ? "on" : "off";
        case late::LayerSettingType::kInt32:
            return std::to_string(First<int32_t>(setting));
        case late::LayerSettingType::kInt64:
            return std::to_string(First<int64_t>(setting));
        case late::LayerSettingType::kUint32:
            return std::to_string(First<uint32_t>(setting));
        case late::LayerSettingType::kUint64:
            return std::to_string(First<uint64_t>(setting));
        case late::LayerSettingType::kString: {
            const char* text = First<const char*>(setting);
            return text != nullptr ? text : "";
        }
        default:
            return {};
    }
}

}  // namespace

Settings ReadInstanceSettings(const VkInstanceCreateInfo& info) noexcept {
    try {
        LayerSettingsFromApp api;
        const auto* chained =
            FindInChain<late::LayerSettingsCreateInfo>(info.pNext, late::kLayerSettingsCreateInfo);
        for (uint32_t i = 0; chained != nullptr && i < chained->settingCount; ++i) {
            const late::LayerSetting& setting = chained->pSettings[i];
            if (setting.pLayerName == nullptr || setting.pSettingName == nullptr) continue;
            if (std::strcmp(setting.pLayerName, kLayerName) != 0) continue;
            api.entries.push_back({setting.pSettingName, AsText(setting)});
        }
        return ReadSettings(&api);
    } catch (...) {
        return ReadSettings(nullptr);
    }
}

PFN_vkGetPhysicalDeviceProperties2 Instance::Properties2(
    uint32_t device_api_version) const noexcept {
    if (std::min(api_version, device_api_version) >= VK_API_VERSION_1_1) {
        return dt.GetPhysicalDeviceProperties2;
    }
    return has_properties2 ? dt.GetPhysicalDeviceProperties2KHR : nullptr;
}

PFN_vkGetPhysicalDeviceMemoryProperties2 Instance::MemoryProperties2(
    uint32_t device_api_version) const noexcept {
    if (std::min(api_version, device_api_version) >= VK_API_VERSION_1_1) {
        return dt.GetPhysicalDeviceMemoryProperties2;
    }
    return has_properties2 ? dt.GetPhysicalDeviceMemoryProperties2KHR : nullptr;
}

}  // namespace tessera
