// SPDX-License-Identifier: Apache-2.0
//
// The loader's interface to a layer at the ends of instances: the chain is advanced before the call
// goes down, the create info goes down as it came, nothing is refused for its name, and the layer
// enumerates itself and nothing else.
//
// Threads: one. The next entity is a few functions of this file; what they were called with is kept
// in one object of the fixture.

#include <gtest/gtest.h>
#include <vulkan/vulkan.h>

#include <vulkan/vk_layer.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <utility>

#include "layer/base/log.h"
#include "layer/vk/intercept/hooks.h"
#include "layer/vk/layer_identity.h"
#include "layer/vk/process.h"

namespace tessera {
namespace {

struct Dispatchable {
    const void* key = this;
};

// What the next entity saw, and what it answers.
struct Next {
    const VkInstanceCreateInfo* create_info = nullptr;
    const VkLayerInstanceLink* link_at_call = nullptr;
    VkInstance handle_at_call = VK_NULL_HANDLE;
    uint32_t creations = 0;
    uint32_t destructions = 0;
    std::string enumerated_layer;
    std::function<void()> meanwhile;  // called once when a command is asked for by name
    VkLayerInstanceCreateInfo* chain = nullptr;
    VkResult result = VK_SUCCESS;
    Dispatchable instance;
    Dispatchable* made = &instance;  // what the next creation returns
};
Next* g_next = nullptr;

VKAPI_ATTR VkResult VKAPI_CALL CreateBelow(const VkInstanceCreateInfo* info,
                                           const VkAllocationCallbacks*, VkInstance* instance) {
    ++g_next->creations;
    g_next->create_info = info;
    g_next->link_at_call = g_next->chain->u.pLayerInfo;
    g_next->handle_at_call = *instance;
    if (g_next->result == VK_SUCCESS) *instance = reinterpret_cast<VkInstance>(g_next->made);
    return g_next->result;
}
VKAPI_ATTR void VKAPI_CALL DestroyBelow(VkInstance, const VkAllocationCallbacks*) {
    ++g_next->destructions;
}
VKAPI_ATTR VkResult VKAPI_CALL EnumerateBelow(VkPhysicalDevice, const char* layer, uint32_t* count,
                                              VkExtensionProperties*) {
    g_next->enumerated_layer = layer != nullptr ? layer : "(null)";
    *count = 7;
    return VK_SUCCESS;
}
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL Below(VkInstance instance, const char* name) {
    if (instance != VK_NULL_HANDLE && g_next->meanwhile) std::exchange(g_next->meanwhile, {})();
    if (std::strcmp(name, "vkCreateInstance") == 0) {
        return reinterpret_cast<PFN_vkVoidFunction>(CreateBelow);
    }
    if (std::strcmp(name, "vkDestroyInstance") == 0) {
        return reinterpret_cast<PFN_vkVoidFunction>(DestroyBelow);
    }
    if (std::strcmp(name, "vkEnumerateDeviceExtensionProperties") == 0) {
        return reinterpret_cast<PFN_vkVoidFunction>(EnumerateBelow);
    }
    return nullptr;
}
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL HasNothing(VkInstance, const char*) {
    return nullptr;
}

template <typename Pfn>
Pfn Hooked(const HookList& list, const char* name) {
    for (size_t i = 0; i < list.count; ++i) {
        if (std::strcmp(list.hooks[i].name, name) == 0) {
            return reinterpret_cast<Pfn>(list.hooks[i].function);
        }
    }
    return nullptr;
}

class LifecycleTest : public testing::Test {
 protected:
    LifecycleTest() {
        g_next = &next_;
        next_.chain = &chain_;
        links_[0].pNext = &links_[1];
        links_[0].pfnNextGetInstanceProcAddr = Below;
        chain_.sType = VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO;
        chain_.function = VK_LAYER_LINK_INFO;
        chain_.u.pLayerInfo = &links_[0];
        info_.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
        info_.pNext = &chain_;
    }
    ~LifecycleTest() override { g_next = nullptr; }

    VkResult Create() {
        return Hooked<PFN_vkCreateInstance>(InstanceHooks(), "vkCreateInstance")(&info_, nullptr,
                                                                                 &instance_);
    }
    void Destroy() {
        Hooked<PFN_vkDestroyInstance>(InstanceHooks(), "vkDestroyInstance")(instance_, nullptr);
    }

    Next next_;
    VkLayerInstanceLink links_[2] = {};
    VkLayerInstanceCreateInfo chain_ = {};
    VkInstanceCreateInfo info_ = {};
    VkInstance instance_ = reinterpret_cast<VkInstance>(uintptr_t{0x1234});
};

// LLP_LAYER_21 and 22.
TEST_F(LifecycleTest, TheChainIsAdvancedAndTheHandleUntouchedBeforeTheCall) {
    ASSERT_EQ(Create(), VK_SUCCESS);
    EXPECT_EQ(next_.link_at_call, &links_[1]);
    EXPECT_EQ(next_.handle_at_call, reinterpret_cast<VkInstance>(uintptr_t{0x1234}));
    EXPECT_EQ(next_.create_info, &info_);
    Destroy();
    EXPECT_EQ(next_.destructions, 1u);
}

TEST_F(LifecycleTest, NamesThatNobodyKnowsGoDown) {
    const char* const extension = "VK_XYZ_no_such_extension";
    const char* const layer = "VK_LAYER_XYZ_no_such_layer";
    info_.enabledExtensionCount = 1;
    info_.ppEnabledExtensionNames = &extension;
    info_.enabledLayerCount = 1;
    info_.ppEnabledLayerNames = &layer;
    ASSERT_EQ(Create(), VK_SUCCESS);
    ASSERT_EQ(next_.create_info, &info_);
    EXPECT_EQ(next_.create_info->ppEnabledExtensionNames[0], extension);
    EXPECT_EQ(next_.create_info->ppEnabledLayerNames[0], layer);
    Destroy();
}

TEST_F(LifecycleTest, ARefusalFromBelowComesBackAndLeavesNothing) {
    for (VkResult result : {VK_ERROR_EXTENSION_NOT_PRESENT, VK_ERROR_LAYER_NOT_PRESENT,
                            VK_ERROR_INCOMPATIBLE_DRIVER, VK_ERROR_OUT_OF_HOST_MEMORY}) {
        chain_.u.pLayerInfo = &links_[0];
        next_.result = result;
        EXPECT_EQ(Create(), result);
    }
    EXPECT_EQ(InstanceOf(reinterpret_cast<VkInstance>(&next_.instance)), nullptr);
    EXPECT_EQ(next_.destructions, 0u);
}

// A layer above may fail after the instance was made here, and end it without a word. The loader
// uses the address of its dispatch table again.
TEST_F(LifecycleTest, AnInstanceThatTakesTheKeyOfAForgottenOneIsFoundAlone) {
    ASSERT_EQ(Create(), VK_SUCCESS);
    Instance* const forgotten = InstanceOf(instance_);
    Dispatchable reborn{next_.instance.key};
    chain_.u.pLayerInfo = &links_[0];
    ASSERT_EQ(Create(), VK_SUCCESS);
    instance_ = reinterpret_cast<VkInstance>(&reborn);
    ASSERT_NE(InstanceOf(instance_), nullptr);
    EXPECT_NE(InstanceOf(instance_), forgotten);
    Destroy();
    EXPECT_EQ(InstanceOf(instance_), nullptr);
    EXPECT_EQ(next_.destructions, 1u);
    delete forgotten;
}

// Another thread may destroy the last instance that there is while this one is being made: with it
// the log goes back to its default, which would be this one's then.
TEST_F(LifecycleTest, TheEndOfAnotherInstanceKeepsTheLogOfTheOneThatIsBeingMade) {
    ASSERT_EQ(setenv("TESSERA_LOG_LEVEL", "error", 1), 0);
    ASSERT_EQ(Create(), VK_SUCCESS);
    const VkInstance first = instance_;
    Dispatchable second;
    chain_.u.pLayerInfo = &links_[0];
    next_.meanwhile = [this, first] {
        EXPECT_FALSE(LogEnabled(LogLevel::kWarning));
        Hooked<PFN_vkDestroyInstance>(InstanceHooks(), "vkDestroyInstance")(first, nullptr);
        EXPECT_EQ(next_.destructions, 1u);
    };
    next_.made = &second;
    ASSERT_EQ(Create(), VK_SUCCESS);
    EXPECT_EQ(next_.destructions, 1u);
    EXPECT_FALSE(LogEnabled(LogLevel::kWarning));
    Destroy();
    EXPECT_TRUE(LogEnabled(LogLevel::kWarning)) << "the default, once the last one is gone";
    unsetenv("TESSERA_LOG_LEVEL");
}

TEST_F(LifecycleTest, WithoutALinkOrANextCommandNothingIsCreated) {
    links_[0].pfnNextGetInstanceProcAddr = HasNothing;
    EXPECT_EQ(Create(), VK_ERROR_INITIALIZATION_FAILED);
    chain_.function = VK_LOADER_DATA_CALLBACK;
    EXPECT_EQ(Create(), VK_ERROR_INITIALIZATION_FAILED);
    info_.pNext = nullptr;
    EXPECT_EQ(Create(), VK_ERROR_INITIALIZATION_FAILED);
    EXPECT_EQ(next_.creations, 0u);
}

TEST_F(LifecycleTest, ALinkIsFoundBehindTheLoadersOtherStructures) {
    VkLayerInstanceCreateInfo callback = {};
    callback.sType = VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO;
    callback.function = VK_LOADER_LAYER_CREATE_DEVICE_CALLBACK;
    callback.pNext = &chain_;
    info_.pNext = &callback;
    ASSERT_EQ(Create(), VK_SUCCESS);
    EXPECT_EQ(next_.link_at_call, &links_[1]);
    Destroy();
}

// What may be called without an instance.

TEST(Enumeration, ALayerEnumeratesOnlyItself) {
    const auto enumerate = Hooked<PFN_vkEnumerateInstanceLayerProperties>(
        InstanceHooks(), "vkEnumerateInstanceLayerProperties");
    uint32_t count = 0;
    ASSERT_EQ(enumerate(&count, nullptr), VK_SUCCESS);
    ASSERT_EQ(count, 1u);
    VkLayerProperties properties = {};
    ASSERT_EQ(enumerate(&count, &properties), VK_SUCCESS);
    EXPECT_STREQ(properties.layerName, kLayerName);
    EXPECT_EQ(properties.implementationVersion, kLayerImplementationVersion);
    count = 0;
    EXPECT_EQ(enumerate(&count, &properties), VK_INCOMPLETE);
}

// LLP_LAYER_15.
TEST(Enumeration, InstanceExtensionsAreThoseOfTheOwnNameAndOfNoOther) {
    const auto enumerate = Hooked<PFN_vkEnumerateInstanceExtensionProperties>(
        InstanceHooks(), "vkEnumerateInstanceExtensionProperties");
    uint32_t count = 0;
    ASSERT_EQ(enumerate(kLayerName, &count, nullptr), VK_SUCCESS);
    ASSERT_EQ(count, 1u);
    VkExtensionProperties extension = {};
    ASSERT_EQ(enumerate(kLayerName, &count, &extension), VK_SUCCESS);
    EXPECT_STREQ(extension.extensionName, "VK_EXT_layer_settings");
    EXPECT_EQ(extension.specVersion, 2u);
    for (const char* other : {static_cast<const char*>(nullptr), "", "VK_LAYER_XYZ_other"}) {
        EXPECT_EQ(enumerate(other, &count, nullptr), VK_ERROR_LAYER_NOT_PRESENT);
    }
}

// LLP_LAYER_16.
TEST_F(LifecycleTest, DeviceExtensionsOfTheOwnNameAreNoneAndOthersAreAskedBelow) {
    ASSERT_EQ(Create(), VK_SUCCESS);
    const auto enumerate = Hooked<PFN_vkEnumerateDeviceExtensionProperties>(
        DeviceLifecycleHooks(), "vkEnumerateDeviceExtensionProperties");
    // A physical device has its instance's dispatch key.
    Dispatchable word{&next_.instance};
    const auto physical = reinterpret_cast<VkPhysicalDevice>(&word);
    uint32_t count = 5;
    EXPECT_EQ(enumerate(physical, kLayerName, &count, nullptr), VK_SUCCESS);
    EXPECT_EQ(count, 0u);
    EXPECT_EQ(next_.enumerated_layer, "");
    EXPECT_EQ(enumerate(physical, nullptr, &count, nullptr), VK_SUCCESS);
    EXPECT_EQ(count, 7u);
    EXPECT_EQ(next_.enumerated_layer, "(null)");
    EXPECT_EQ(enumerate(physical, "VK_LAYER_XYZ_other", &count, nullptr), VK_SUCCESS);
    EXPECT_EQ(next_.enumerated_layer, "VK_LAYER_XYZ_other");
    Destroy();
}

}  // namespace
}  // namespace tessera
