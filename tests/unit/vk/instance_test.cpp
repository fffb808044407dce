// SPDX-License-Identifier: Apache-2.0
//
// What an instance is told by the application: its settings in Vulkan form, and which names of the
// physical-device queries it may use.

#include "layer/vk/instance.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "layer/base/checked.h"

namespace tessera {
namespace {

class InstanceSettingsTest : public testing::Test {
 protected:
    // Nothing but the application speaks.
    InstanceSettingsTest() {
        for (const char* name :
             {"TESSERA_MODE", "TESSERA_CHANNEL", "TESSERA_IDLE_BYTES", "TESSERA_MAX_BLOCK_BYTES",
              "TESSERA_PAGE_ALIGN", "TESSERA_LOG_LEVEL", "TESSERA_LOG_FILE",
              "VK_LAYER_SETTINGS_PATH", "XDG_DATA_HOME", "HOME"}) {
            unsetenv(name);
        }
        setenv("TESSERA_LOG_LEVEL", "off", 1);
    }

    template <typename T>
    void Pass(const char* key, late::LayerSettingType type, const T* values, uint32_t count = 1,
              const char* layer = kLayerName) {
        entries_.push_back({layer, key, type, count, values});
    }
    Settings Read() const {
        late::LayerSettingsCreateInfo chained = {};
        chained.sType = static_cast<VkStructureType>(late::kLayerSettingsCreateInfo);
        chained.settingCount = static_cast<uint32_t>(entries_.size());
        chained.pSettings = entries_.data();
        VkInstanceCreateInfo info = {};
        info.pNext = &chained;
        return ReadInstanceSettings(info);
    }
    static Settings Defaults() { return ReadInstanceSettings(VkInstanceCreateInfo{}); }

    std::vector<late::LayerSetting> entries_;
};

TEST_F(InstanceSettingsTest, WithoutTheStructureTheDefaultsHold) {
    Settings expected;
    expected.log_level = LogLevel::kOff;
    EXPECT_EQ(Defaults(), expected);
}

TEST_F(InstanceSettingsTest, TextSwitchesAndNumbersAreUnderstood) {
    const char* mode = "off";
    const VkBool32 page_align = VK_TRUE;
    const uint64_t idle = 3 * kMiB;
    const uint32_t block = 1 << 20;
    Pass("mode", late::LayerSettingType::kString, &mode);
    Pass("page_align", late::LayerSettingType::kBool32, &page_align);
    Pass("idle_bytes", late::LayerSettingType::kUint64, &idle);
    Pass("max_block_bytes", late::LayerSettingType::kUint32, &block);
    const Settings settings = Read();
    EXPECT_EQ(settings.mode, Mode::kOff);
    EXPECT_TRUE(settings.page_align);
    EXPECT_EQ(settings.idle_bytes, 3 * kMiB);
    EXPECT_EQ(settings.max_block_bytes, kMiB);
}

TEST_F(InstanceSettingsTest, SignedNumbersAreUnderstoodIfTheyArePositive) {
    const int64_t idle = int64_t{5} << 20;
    const int32_t block = -1;
    Pass("idle_bytes", late::LayerSettingType::kInt64, &idle);
    Pass("max_block_bytes", late::LayerSettingType::kInt32, &block);
    const Settings settings = Read();
    EXPECT_EQ(settings.idle_bytes, 5 * kMiB);
    EXPECT_EQ(settings.max_block_bytes, 0u);
}

TEST_F(InstanceSettingsTest, AFalseSwitchIsOff) {
    const VkBool32 channel = VK_FALSE;
    Pass("channel", late::LayerSettingType::kBool32, &channel);
    EXPECT_FALSE(Read().channel);
}

TEST_F(InstanceSettingsTest, SettingsOfOtherLayersAreNotOurs) {
    const char* mode = "off";
    Pass("mode", late::LayerSettingType::kString, &mode, 1, "VK_LAYER_KHRONOS_validation");
    Pass("mode", late::LayerSettingType::kString, &mode, 1, nullptr);
    Pass(nullptr, late::LayerSettingType::kString, &mode);
    EXPECT_EQ(Read(), Defaults());
}

TEST_F(InstanceSettingsTest, WhatHoldsNoValueCountsAsNotGiven) {
    const char* mode = "off";
    const char* nothing = nullptr;
    const float half = 0.5f;
    Pass("mode", late::LayerSettingType::kString, &mode, 0);
    Pass<char>("mode", late::LayerSettingType::kString, nullptr);
    Pass("mode", late::LayerSettingType::kString, &nothing);
    Pass("idle_bytes", late::LayerSettingType::kFloat32, &half);
    Pass("idle_bytes", static_cast<late::LayerSettingType>(99), &half);
    EXPECT_EQ(Read(), Defaults());
}

// Names of the queries.

VKAPI_ATTR void VKAPI_CALL CoreQuery(VkPhysicalDevice, VkPhysicalDeviceProperties2*) {}
VKAPI_ATTR void VKAPI_CALL KhrQuery(VkPhysicalDevice, VkPhysicalDeviceProperties2*) {}
VKAPI_ATTR void VKAPI_CALL CoreMemory(VkPhysicalDevice, VkPhysicalDeviceMemoryProperties2*) {}
VKAPI_ATTR void VKAPI_CALL KhrMemory(VkPhysicalDevice, VkPhysicalDeviceMemoryProperties2*) {}

class InstanceQueriesTest : public testing::Test {
 protected:
    InstanceQueriesTest() {
        instance_.dt.GetPhysicalDeviceProperties2 = CoreQuery;
        instance_.dt.GetPhysicalDeviceProperties2KHR = KhrQuery;
        instance_.dt.GetPhysicalDeviceMemoryProperties2 = CoreMemory;
        instance_.dt.GetPhysicalDeviceMemoryProperties2KHR = KhrMemory;
    }
    void ExpectNames(uint32_t device_version, PFN_vkGetPhysicalDeviceProperties2 properties,
                     PFN_vkGetPhysicalDeviceMemoryProperties2 memory) const {
        EXPECT_EQ(instance_.Properties2(device_version), properties);
        EXPECT_EQ(instance_.MemoryProperties2(device_version), memory);
    }

    Instance instance_;
};

TEST_F(InstanceQueriesTest, CoreNamesNeedBothSidesAt1_1) {
    instance_.api_version = VK_API_VERSION_1_3;
    ExpectNames(VK_API_VERSION_1_1, CoreQuery, CoreMemory);
    ExpectNames(VK_API_VERSION_1_0, nullptr, nullptr);
    instance_.api_version = VK_API_VERSION_1_0;
    ExpectNames(VK_API_VERSION_1_3, nullptr, nullptr);
}

TEST_F(InstanceQueriesTest, TheExtensionsNamesServeBelow1_1IfItIsEnabled) {
    instance_.has_properties2 = true;
    ExpectNames(VK_API_VERSION_1_3, KhrQuery, KhrMemory);
    instance_.api_version = VK_API_VERSION_1_1;
    ExpectNames(VK_API_VERSION_1_0, KhrQuery, KhrMemory);
    ExpectNames(VK_API_VERSION_1_1, CoreQuery, CoreMemory);
}

}  // namespace
}  // namespace tessera
