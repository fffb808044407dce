// SPDX-License-Identifier: Apache-2.0
//
// Every command of a device that the registry knows: the layer answers with the very pointer that
// the application would get without it, but for those that the layer needs, which are named here
// with the reason. The layer below answers each name with a pointer of its own, so that none is
// left out for want of a driver that has it; none of them is called.

#include <dlfcn.h>

#include <map>
#include <set>
#include <string>

#include "below/below.h"
#include "session.h"

namespace tessera::test {
namespace {

constexpr const char* kCommands[] = {
#include "device_commands.inc"
};

// Commands that the layer watches for whoever reads the channel: beginnings and ends of what takes
// memory, and presented pictures. Of the registry that is installed, those that it knows.
const std::set<std::string> kObserved = {
    "vkCreateBuffer",        "vkDestroyBuffer",          "vkDestroyAccelerationStructureNV",
    "vkDestroySwapchainKHR", "vkDestroyVideoSessionKHR", "vkQueuePresentKHR"};

// A command that the layer needs, and its aliases.
const std::set<std::string>& NeededUnobserved() {
    static const std::set<std::string> needed = {
        // Allocations are pooled.
        "vkAllocateMemory", "vkFreeMemory",
        // A pooled handle means nothing below: it is translated, with the offset.
        "vkMapMemory", "vkUnmapMemory", "vkFlushMappedMemoryRanges",
        "vkInvalidateMappedMemoryRanges", "vkBindBufferMemory", "vkBindBufferMemory2",
        "vkBindBufferMemory2KHR", "vkBindImageMemory", "vkBindImageMemory2",
        "vkBindImageMemory2KHR", "vkBindAccelerationStructureMemoryNV",
        "vkBindVideoSessionMemoryKHR", "vkQueueBindSparse", "vkGetDeviceMemoryCommitment",
        "vkGetDeviceMemoryOpaqueCaptureAddress", "vkGetDeviceMemoryOpaqueCaptureAddressKHR",
        "vkSetDeviceMemoryPriorityEXT", "vkDebugMarkerSetObjectNameEXT",
        "vkDebugMarkerSetObjectTagEXT", "vkSetDebugUtilsObjectNameEXT",
        "vkSetDebugUtilsObjectTagEXT", "vkSetPrivateData", "vkSetPrivateDataEXT",
        "vkGetPrivateData", "vkGetPrivateDataEXT", "vkDestroyPrivateDataSlot",
        "vkDestroyPrivateDataSlotEXT",
        // A pooled handle cannot be exported; one that comes all the same must not go down.
        "vkGetMemoryAndroidHardwareBufferANDROID", "vkGetMemoryFdKHR", "vkGetMemoryRemoteAddressNV",
        "vkGetMemoryWin32HandleKHR", "vkGetMemoryWin32HandleNV", "vkGetMemoryZirconHandleFUCHSIA",
        "vkExportMetalObjectsEXT",
        // What is told here is what a later allocation will be used for.
        "vkGetBufferMemoryRequirements", "vkGetBufferMemoryRequirements2",
        "vkGetBufferMemoryRequirements2KHR", "vkGetImageMemoryRequirements",
        "vkGetImageMemoryRequirements2", "vkGetImageMemoryRequirements2KHR",
        "vkGetDeviceBufferMemoryRequirements", "vkGetDeviceBufferMemoryRequirementsKHR",
        "vkGetDeviceImageMemoryRequirements", "vkGetDeviceImageMemoryRequirementsKHR",
        "vkGetAccelerationStructureMemoryRequirementsNV",
        "vkGetGeneratedCommandsMemoryRequirementsNV", "vkGetVideoSessionMemoryRequirementsKHR",
        // Which images are linear: what may lie beside what.
        "vkCreateImage", "vkDestroyImage"};
    return needed;
}

std::set<std::string> Needed() {
    std::set<std::string> needed = NeededUnobserved();
    needed.insert(kObserved.begin(), kObserved.end());
    return needed;
}

// Where memory objects come along with submissions: VK_KHR_win32_keyed_mutex.
const std::set<std::string> kWithKeyedMutexes = {"vkQueueSubmit", "vkQueueSubmit2",
                                                 "vkQueueSubmit2KHR"};

struct Answer {
    PFN_vkVoidFunction function = nullptr;
    bool layers = false;  // it lies in the layer's library, which is there only now
};
using Answers = std::map<std::string, Answer>;

Answers AskFor(VkDevice device) {
    Answers answers;
    for (const char* name : kCommands) {
        const PFN_vkVoidFunction function = vkGetDeviceProcAddr(device, name);
        Dl_info info = {};
        const bool known =
            function != nullptr && dladdr(reinterpret_cast<void*>(function), &info) != 0;
        answers[name] = {
            function,
            known && std::string(info.dli_fname).find("tessera_suballocator") != std::string::npos};
    }
    return answers;
}

// What an application gets for each name.
Answers Ask(SessionOptions options) {
    static char marks[std::size(kCommands)];
    options.layer_below = true;
    Session session(options);
    Taps taps;
    for (size_t i = 0; i < std::size(kCommands); ++i)
        TheBelow().offered[kCommands[i]] = reinterpret_cast<PFN_vkVoidFunction>(&marks[i]);
    return AskFor(session.device);
}

// Some loaders take these from the instance's commands, where no device is known yet.
bool IsAskedOfTheInstance(const std::string& name) {
    return name == "vkSetDebugUtilsObjectNameEXT" || name == "vkSetDebugUtilsObjectTagEXT";
}

void Compare(const SessionOptions& options, const std::set<std::string>& needed) {
    SessionOptions bare = options;
    bare.use_layer = false;
    const Answers without = Ask(bare);
    const Answers with = Ask(options);
    std::set<std::string> seen;
    for (const char* name : kCommands) {
        ASSERT_NE(without.at(name).function, nullptr) << name;
        if (needed.empty() && IsAskedOfTheInstance(name)) continue;
        if (needed.count(name) == 0) {
            EXPECT_EQ(with.at(name).function, without.at(name).function)
                << name << " need not be the layer's";
        } else {
            EXPECT_TRUE(with.at(name).layers) << name;
            seen.insert(name);
        }
    }
    EXPECT_EQ(seen, needed) << "the registry lacks some of them";
}

class SamePointer : public testing::Test {
 protected:
    void SetUp() override {
        if (std::size(kCommands) < 2) GTEST_SKIP() << "the registry or Python is not installed";
        ASSERT_GT(std::size(kCommands), 500u);
    }
};

TEST_F(SamePointer, EveryCommandThatTheLayerDoesNotNeedIsTheOneThatIsThereWithoutIt) {
    Compare({}, Needed());
}

TEST_F(SamePointer, SubmissionsAreTheLayersOnlyWhereMemoryComesAlongWithThem) {
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_extensions": ["VK_KHR_win32_keyed_mutex"]})";
    options.device_extensions = {"VK_KHR_win32_keyed_mutex"};
    std::set<std::string> needed = Needed();
    needed.insert(kWithKeyedMutexes.begin(), kWithKeyedMutexes.end());
    Compare(options, needed);
}

TEST_F(SamePointer, WhatIsWatchedForReadersIsTheLayersOnlyWhereThereCanBeAny) {
    SessionOptions options;
    options.environment = {"TESSERA_CHANNEL=off"};
    Compare(options, NeededUnobserved());
}

TEST_F(SamePointer, WithPoolingAndTheChannelOffEveryCommandIsTheOneThatIsThereWithoutTheLayer) {
    SessionOptions options;
    options.environment = {"TESSERA_MODE=off", "TESSERA_CHANNEL=off"};
    Compare(options, {});
}

// The real driver's functions, of all commands that it has.
TEST_F(SamePointer, TheDriversOwnFunctionsAreCalledDirectly) {
    Answers answers[2];
    for (const bool with_layer : {false, true}) {
        SessionOptions options;
        options.use_layer = with_layer;
        Session session(options);
        answers[with_layer] = AskFor(session.device);
    }
    const std::set<std::string> needed = Needed();
    size_t same = 0;
    for (const char* name : kCommands) {
        if (needed.count(name) != 0) continue;
        EXPECT_EQ(answers[1][name].function, answers[0][name].function) << name;
        same += answers[0][name].function != nullptr;
    }
    EXPECT_GT(same, 50u);
    for (const char* name : {"vkQueueSubmit", "vkQueueWaitIdle", "vkCmdCopyBuffer",
                             "vkBeginCommandBuffer", "vkCreateBuffer", "vkDestroyBuffer"})
        EXPECT_NE(answers[1][name].function, nullptr) << name;
}

}  // namespace
}  // namespace tessera::test
