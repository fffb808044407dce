// SPDX-License-Identifier: Apache-2.0
//
// See program.h: the beginning and the end of a program, and the choice of what it does.

#include "program.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace tessera::test {
namespace {

// What a session enables: everything that the device has and programs know how to use.
struct Wishes {
    explicit Wishes(const Abilities& abilities) {
        constexpr const char* kKnown[] = {"VK_EXT_memory_budget",
                                          "VK_EXT_memory_priority",
                                          "VK_KHR_map_memory2",
                                          "VK_ARM_tensors",
                                          "VK_NV_ray_tracing",
                                          "VK_KHR_external_memory_fd",
                                          "VK_EXT_pageable_device_local_memory"};
        for (const char* extension : kKnown) {
            if (abilities.Has(extension)) options.device_extensions.push_back(extension);
        }
        options.instance_extensions = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
        options.features.sparseBinding = abilities.features.sparseBinding;
        options.features.sparseResidencyBuffer = abilities.features.sparseResidencyBuffer;
        address_.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES;
        address_.bufferDeviceAddress = VK_TRUE;
        private_data_.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PRIVATE_DATA_FEATURES;
        private_data_.privateData = VK_TRUE;
        private_data_.pNext = &address_;
        ycbcr_.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SAMPLER_YCBCR_CONVERSION_FEATURES;
        ycbcr_.samplerYcbcrConversion = VK_TRUE;
        ycbcr_.pNext = &private_data_;
        options.device_chain = &ycbcr_;
        if (!abilities.Has("VK_EXT_memory_priority")) return;
        priority_.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PRIORITY_FEATURES_EXT;
        priority_.memoryPriority = VK_TRUE;
        priority_.pNext = &ycbcr_;
        options.device_chain = &priority_;
    }
    SessionOptions options;

 private:
    VkPhysicalDeviceBufferDeviceAddressFeatures address_ = {};
    VkPhysicalDevicePrivateDataFeatures private_data_ = {};
    VkPhysicalDeviceSamplerYcbcrConversionFeatures ycbcr_ = {};
    VkPhysicalDeviceMemoryPriorityFeaturesEXT priority_ = {};
};

bool Contains(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

bool Abilities::Has(const char* extension) const {
    return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

Abilities AskAbilities(const std::string& description) {
    const mock::ScopedMock driver(description.c_str());
    SessionOptions options;
    options.use_layer = false;
    Abilities abilities;
    VkInstance instance = VK_NULL_HANDLE;
    if (!driver.good() || MakeInstance(options, &instance) != VK_SUCCESS) return abilities;
    uint32_t count = 1;
    VkPhysicalDevice physical_device = VK_NULL_HANDLE;
    if (vkEnumeratePhysicalDevices(instance, &count, &physical_device) >= 0) {
        vkGetPhysicalDeviceFeatures(physical_device, &abilities.features);
        vkGetPhysicalDeviceProperties(physical_device, &abilities.properties);
        vkEnumerateDeviceExtensionProperties(physical_device, nullptr, &count, nullptr);
        std::vector<VkExtensionProperties> extensions(count);
        vkEnumerateDeviceExtensionProperties(physical_device, nullptr, &count, extensions.data());
        for (const VkExtensionProperties& extension : extensions)
            abilities.extensions.emplace_back(extension.extensionName);
    }
    vkDestroyInstance(instance, nullptr);
    return abilities;
}

Program::Program(const std::string& description, uint64_t seed)
    : abilities_(AskAbilities(description)), random_(seed) {
    Wishes wishes(abilities_);
    wishes.options.description = description.c_str();
    // Half of the programs keep no empty blocks, so that blocks come and go.
    if (seed % 2 == 0) wishes.options.environment = {"TESSERA_IDLE_BYTES=0"};
    session_ = std::make_unique<Session>(wishes.options);
    may_fail_ = Contains(description, "small_heaps") || Contains(description, "tiny") ||
                Contains(description, "many_types") || Contains(description, "few_objects");
    budget_is_exact_ = Contains(description, "budget");
    for (int i = 0; i < 3; ++i) {
        slots_.push_back(VK_NULL_HANDLE);
        slot_keys_.push_back(0);
        ReplacePrivateDataSlot();
    }
    if (!budget_is_exact_) return;
    uint32_t count = 1;
    EXPECT_EQ(MakeInstance(wishes.options, &second_instance_), VK_SUCCESS);
    EXPECT_GE(vkEnumeratePhysicalDevices(second_instance_, &count, &second_view_), 0);
    Budget();
}

Program::~Program() {
    if (session_ != nullptr) Finish();
}

void Program::Tell(const std::string& complaint) {
    complaints_ += complaint + "\n";
}

void Program::Expect(bool condition, const char* what) {
    if (!condition) Tell(what);
}

void Program::CheckViolations() {
    if (session_->mock->violation_count() == 0) return;
    Tell("the driver complains: " + session_->mock.Violations());
}

Memory* Program::AnyMemory(bool (*suits)(const Memory&)) {
    if (memories_.empty()) return nullptr;
    const size_t start = Random(memories_.size());
    for (size_t i = 0; i < memories_.size(); ++i) {
        Memory& memory = *memories_[(start + i) % memories_.size()];
        if (suits == nullptr || suits(memory)) return &memory;
    }
    return nullptr;
}

void Program::Step() {
    struct Choice {
        const char* name;
        Operation operation;
        uint32_t weight;
    };
    static constexpr Choice kChoices[] = {
        {"allocate", &Program::Allocate, 14},
        {"free", &Program::Free, 13},
        {"map", &Program::Map, 8},
        {"unmap", &Program::Unmap, 5},
        {"write", &Program::Write, 8},
        {"read", &Program::Read, 8},
        {"flush", &Program::Flush, 6},
        {"invalidate", &Program::Invalidate, 6},
        {"bind", &Program::BindSomething, 12},
        {"bind several", &Program::BindSeveral, 5},
        {"bind planes", &Program::BindPlanes, 2},
        {"bind a tensor", &Program::BindTensor, 2},
        {"bind a structure", &Program::BindStructure, 2},
        {"bind sparse", &Program::SparseBind, 4},
        {"fill on the device", &Program::DeviceFill, 5},
        {"read on the device", &Program::DeviceRead, 5},
        {"private data", &Program::PrivateData, 4},
        {"replace a private data slot", &Program::ReplacePrivateDataSlot, 2},
        {"name", &Program::Name, 2},
        {"budget", &Program::Budget, 3},
        {"addresses", &Program::Addresses, 3},
        {"hints", &Program::Hints, 2},
    };
    uint32_t total = 0;
    for (const Choice& choice : kChoices)
        total += choice.weight;
    uint64_t pick = Random(total);
    const Choice* choice = kChoices;
    for (; pick >= choice->weight; ++choice)
        pick -= choice->weight;
    if (print_) std::printf("%s\n", choice->name);
    (this->*choice->operation)();
    CheckViolations();
}

void Program::Finish() {
    while (!memories_.empty())
        FreeMemory(memories_.size() - 1);
    for (VkPrivateDataSlot slot : slots_)
        vkDestroyPrivateDataSlot(session_->device, slot, nullptr);
    for (const reader::MemoryType& type : session_->Channel().devices.back().memory_types) {
        Expect(type.totals.placement_failures == 0, "the layer could not place a resource");
        Expect(type.totals.app.live == 0, "memory is left that the program does not have");
    }
    if (second_instance_ != VK_NULL_HANDLE) vkDestroyInstance(second_instance_, nullptr);
    session_->Close();
    CheckViolations();
    Expect(session_->mock->live_objects(VK_NULL_HANDLE, VK_OBJECT_TYPE_DEVICE_MEMORY) == 0,
           "memory of the driver is left");
    session_.reset();
}

}  // namespace tessera::test
