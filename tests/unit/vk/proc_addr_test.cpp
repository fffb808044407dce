// SPDX-License-Identifier: Apache-2.0
//
// Which pointer answers to which name, over a next entity whose commands the test chooses: the
// layer's own only where the next entity has the command and the layer needs it.

#include "layer/vk/proc_addr.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "layer/vk/intercept/hooks.h"
#include "layer/vk/process.h"

namespace tessera {
namespace {

// The commands that the next entity has.
std::set<std::string>& Commands() {
    static std::set<std::string> commands;
    return commands;
}

VKAPI_ATTR void VKAPI_CALL NextCommand() {}

VKAPI_ATTR void VKAPI_CALL PhysicalDeviceProperties(VkPhysicalDevice,
                                                    VkPhysicalDeviceProperties* properties) {
    *properties = {};
    properties->apiVersion = VK_API_VERSION_1_0;
    std::strcpy(properties->deviceName, "made up");
    properties->limits.maxMemoryAllocationCount = 4096;
}
VKAPI_ATTR void VKAPI_CALL MemoryProperties(VkPhysicalDevice,
                                            VkPhysicalDeviceMemoryProperties* memory) {
    *memory = {};
    memory->memoryHeapCount = 1;
    memory->memoryHeaps[0].size = uint64_t{1} << 30;
    memory->memoryTypeCount = 1;
}

PFN_vkVoidFunction Next(const char* name) {
    if (Commands().count(name) == 0) return nullptr;
    if (std::strcmp(name, "vkGetPhysicalDeviceProperties") == 0) {
        return reinterpret_cast<PFN_vkVoidFunction>(PhysicalDeviceProperties);
    }
    if (std::strcmp(name, "vkGetPhysicalDeviceMemoryProperties") == 0) {
        return reinterpret_cast<PFN_vkVoidFunction>(MemoryProperties);
    }
    return NextCommand;
}
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL NextInstanceCommand(VkInstance, const char* name) {
    return Next(name);
}
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL NextDeviceCommand(VkDevice, const char* name) {
    return Next(name);
}
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL NextPhysicalDeviceCommand(VkInstance, const char* name) {
    return Next(name);
}

PFN_vkVoidFunction HookOf(const HookList& list, const char* name) {
    for (size_t i = 0; i < list.count; ++i) {
        if (std::strcmp(list.hooks[i].name, name) == 0) return list.hooks[i].function;
    }
    return nullptr;
}

// An instance and its devices, without a loader: a dispatchable handle is a pointer to a word.
class ProcAddrTest : public testing::Test {
 protected:
    struct Dispatchable {
        const void* key = this;
    };

    ProcAddrTest() {
        Commands() = {"vkAllocateMemory",
                      "vkCmdDraw",
                      "vkCreateDevice",
                      "vkDestroyDevice",
                      "vkGetDeviceProcAddr",
                      "vkGetPhysicalDeviceFeatures",
                      "vkGetPhysicalDeviceMemoryProperties",
                      "vkGetPhysicalDeviceProperties"};
        EnterLayer();
        auto instance = std::make_unique<Instance>();
        instance->handle = this->instance();
        instance->dt.Load(this->instance(), NextInstanceCommand);
        instance->next_physical_device_proc_addr = NextPhysicalDeviceCommand;
        instance->epoch = ForkEpoch();
        instance->settings.channel = false;
        AddInstance(std::move(instance), InstanceMap::MakeRoom());
    }
    ~ProcAddrTest() override { RemoveInstance(instance()); }

    VkInstance instance() { return reinterpret_cast<VkInstance>(&instance_word_); }
    VkDevice device() { return reinterpret_cast<VkDevice>(&device_word_); }

    void AddDeviceWith(Mode mode, bool channel) {
        Instance& instance = *InstanceOf(this->instance());
        instance.settings.mode = mode;
        instance.settings.channel = channel;
        const VkDeviceCreateInfo info = {};
        auto made = Device::Allocate();
        ASSERT_NE(made, nullptr);
        made->TakeOver(instance, VK_NULL_HANDLE, device(), NextDeviceCommand, info);
        AddDevice(std::move(made), DeviceMap::MakeRoom());
    }

    Dispatchable instance_word_;
    Dispatchable device_word_;
};

TEST_F(ProcAddrTest, GlobalCommandsAreAnsweredWithoutAnInstance) {
    for (const char* name :
         {"vkGetInstanceProcAddr", "vkCreateInstance", "vkEnumerateInstanceLayerProperties",
          "vkEnumerateInstanceExtensionProperties"}) {
        EXPECT_NE(GetInstanceProcAddr(VK_NULL_HANDLE, name), nullptr) << name;
    }
    for (const char* name : {"vkAllocateMemory", "vkDestroyDevice", "vkNoSuchCommand", ""}) {
        EXPECT_EQ(GetInstanceProcAddr(VK_NULL_HANDLE, name), nullptr) << name;
    }
}

// Mesa's overlay, above us, creates devices with what it is told so.
TEST_F(ProcAddrTest, DevicesCanBeMadeByALayerThatAsksWithoutAnInstance) {
    EXPECT_NE(GetInstanceProcAddr(VK_NULL_HANDLE, "vkCreateDevice"), nullptr);
    EXPECT_EQ(GetInstanceProcAddr(VK_NULL_HANDLE, "vkCreateDevice"),
              GetInstanceProcAddr(instance(), "vkCreateDevice"));
}

TEST_F(ProcAddrTest, AnInstanceThatIsNotOursHasNoCommands) {
    Dispatchable other;
    EXPECT_EQ(GetInstanceProcAddr(reinterpret_cast<VkInstance>(&other), "vkAllocateMemory"),
              nullptr);
    EXPECT_EQ(GetPhysicalDeviceProcAddr(reinterpret_cast<VkInstance>(&other), "vkCreateDevice"),
              nullptr);
}

TEST_F(ProcAddrTest, AnInstanceAnswersWithHooksForWhatIsHookedBelow) {
    EXPECT_EQ(GetInstanceProcAddr(instance(), "vkAllocateMemory"),
              HookOf(AllocateHooks(), "vkAllocateMemory"));
    EXPECT_EQ(GetInstanceProcAddr(instance(), "vkCreateDevice"),
              HookOf(DeviceLifecycleHooks(), "vkCreateDevice"));
    EXPECT_EQ(GetInstanceProcAddr(instance(), "vkDestroyDevice"),
              HookOf(DeviceEndHooks(), "vkDestroyDevice"));
    EXPECT_EQ(GetInstanceProcAddr(instance(), "vkGetDeviceProcAddr"),
              reinterpret_cast<PFN_vkVoidFunction>(GetDeviceProcAddr));
}

TEST_F(ProcAddrTest, AnInstanceAnswersWithTheNextPointerForAllElse) {
    EXPECT_EQ(GetInstanceProcAddr(instance(), "vkCmdDraw"), NextCommand);
}

TEST_F(ProcAddrTest, AHookedCommandThatTheNextEntityLacksIsAbsent) {
    EXPECT_EQ(GetInstanceProcAddr(instance(), "vkMapMemory2KHR"), nullptr);
    EXPECT_EQ(GetInstanceProcAddr(instance(), "vkNoSuchCommand"), nullptr);
    EXPECT_EQ(GetPhysicalDeviceProcAddr(instance(), "vkGetPhysicalDeviceMemoryProperties2"),
              nullptr);
    AddDeviceWith(Mode::kPool, false);
    EXPECT_EQ(GetDeviceProcAddr(device(), "vkMapMemory2KHR"), nullptr);
    EXPECT_EQ(GetDeviceProcAddr(device(), "vkNoSuchCommand"), nullptr);
    RemoveDevice(device());
}

TEST_F(ProcAddrTest, ThePhysicalDevicesFunctionKnowsOnlyPhysicalDeviceCommands) {
    EXPECT_EQ(GetPhysicalDeviceProcAddr(instance(), "vkCreateDevice"),
              HookOf(DeviceLifecycleHooks(), "vkCreateDevice"));
    for (const char* name : {"vkAllocateMemory", "vkDestroyDevice", "vkGetDeviceProcAddr",
                             "vkGetInstanceProcAddr", "vkCreateInstance"}) {
        EXPECT_EQ(GetPhysicalDeviceProcAddr(instance(), name), nullptr) << name;
    }
    EXPECT_EQ(GetPhysicalDeviceProcAddr(instance(), "vkGetPhysicalDeviceFeatures"), NextCommand);
    InstanceOf(instance())->next_physical_device_proc_addr = nullptr;
    EXPECT_EQ(GetPhysicalDeviceProcAddr(instance(), "vkGetPhysicalDeviceFeatures"), nullptr);
}

TEST_F(ProcAddrTest, ADeviceThatPoolsAnswersWithHooks) {
    AddDeviceWith(Mode::kPool, false);
    EXPECT_EQ(GetDeviceProcAddr(device(), "vkAllocateMemory"),
              HookOf(AllocateHooks(), "vkAllocateMemory"));
    EXPECT_EQ(GetDeviceProcAddr(device(), "vkCmdDraw"), NextCommand);
    RemoveDevice(device());
}

TEST_F(ProcAddrTest, ADeviceThatOnlyCountsAnswersWithHooksToo) {
    AddDeviceWith(Mode::kOff, true);
    EXPECT_EQ(GetDeviceProcAddr(device(), "vkAllocateMemory"),
              HookOf(AllocateHooks(), "vkAllocateMemory"));
    RemoveDevice(device());
}

TEST_F(ProcAddrTest, ADeviceThatNeitherPoolsNorCountsCostsNothing) {
    AddDeviceWith(Mode::kOff, false);
    EXPECT_EQ(GetDeviceProcAddr(device(), "vkAllocateMemory"), NextCommand);
    EXPECT_EQ(GetDeviceProcAddr(device(), "vkDestroyDevice"),
              HookOf(DeviceEndHooks(), "vkDestroyDevice"));
    EXPECT_EQ(GetDeviceProcAddr(device(), "vkGetDeviceProcAddr"),
              reinterpret_cast<PFN_vkVoidFunction>(GetDeviceProcAddr));
    RemoveDevice(device());
}

// Negotiation with the loader.

VkNegotiateLayerInterface Offer(uint32_t version) {
    VkNegotiateLayerInterface offer = {};
    offer.sType = LAYER_NEGOTIATE_INTERFACE_STRUCT;
    offer.loaderLayerInterfaceVersion = version;
    return offer;
}

TEST(Negotiate, FillsInTheFunctionsAndVersion2) {
    for (uint32_t version : {2u, 3u, 99u}) {
        VkNegotiateLayerInterface offer = Offer(version);
        ASSERT_EQ(Negotiate(&offer), VK_SUCCESS);
        EXPECT_EQ(offer.loaderLayerInterfaceVersion, 2u);
        EXPECT_EQ(offer.pfnGetInstanceProcAddr, GetInstanceProcAddr);
        EXPECT_EQ(offer.pfnGetDeviceProcAddr, GetDeviceProcAddr);
        EXPECT_EQ(offer.pfnGetPhysicalDeviceProcAddr, GetPhysicalDeviceProcAddr);
    }
}

TEST(Negotiate, RefusesWhatIsNoOfferAndChangesNothing) {
    EXPECT_EQ(Negotiate(nullptr), VK_ERROR_INITIALIZATION_FAILED);
    VkNegotiateLayerInterface wrong = Offer(2);
    wrong.sType = LAYER_NEGOTIATE_UNINTIALIZED;
    EXPECT_EQ(Negotiate(&wrong), VK_ERROR_INITIALIZATION_FAILED);
    EXPECT_EQ(wrong.pfnGetInstanceProcAddr, nullptr);
    VkNegotiateLayerInterface old = Offer(1);
    EXPECT_EQ(Negotiate(&old), VK_ERROR_INITIALIZATION_FAILED);
    EXPECT_EQ(old.loaderLayerInterfaceVersion, 1u);
}

}  // namespace
}  // namespace tessera
