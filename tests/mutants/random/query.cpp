// SPDX-License-Identifier: Apache-2.0
//
// See program.h: private data, names, budgets, addresses and hints.

#include <algorithm>

#include "program.h"

namespace tessera::test {
namespace {

bool HasAddressedBuffer(const Memory& memory) {
    return memory.has_address &&
           std::any_of(memory.bound.begin(), memory.bound.end(),
                       [](const auto& resource) { return resource->has_address; });
}

uint64_t Value(VkDeviceMemory memory) {
    return (uint64_t)memory;
}

VkDeviceSize UsageOf(VkPhysicalDevice physical_device) {
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {};
    budget.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT;
    VkPhysicalDeviceMemoryProperties2 all = {};
    all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
    all.pNext = &budget;
    vkGetPhysicalDeviceMemoryProperties2(physical_device, &all);
    return budget.heapUsage[0];
}

}  // namespace

void Program::PrivateData() {
    Memory* memory = AnyMemory();
    if (memory == nullptr) return;
    const size_t index = Random(slots_.size());
    const uint32_t key = slot_keys_[index];
    uint64_t data = 99;
    vkGetPrivateData(session_->device, VK_OBJECT_TYPE_DEVICE_MEMORY, Value(memory->handle),
                     slots_[index], &data);
    const auto known = memory->private_data.find(key);
    Expect(data == (known == memory->private_data.end() ? 0 : known->second),
           "private data is not what was set");
    const uint64_t value = random_();
    Expect(vkSetPrivateData(session_->device, VK_OBJECT_TYPE_DEVICE_MEMORY, Value(memory->handle),
                            slots_[index], value) == VK_SUCCESS,
           "private data cannot be set");
    memory->private_data[key] = value;
}

// A new slot is another key of the model, also if its handle is the old one's.
void Program::ReplacePrivateDataSlot() {
    const size_t index = Random(slots_.size());
    for (size_t i = 0; i < slots_.size(); ++i) {
        if (slots_[i] != VK_NULL_HANDLE && i != index) continue;
        if (slots_[i] != VK_NULL_HANDLE) {
            vkDestroyPrivateDataSlot(session_->device, slots_[i], nullptr);
        }
        VkPrivateDataSlotCreateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_PRIVATE_DATA_SLOT_CREATE_INFO;
        Expect(vkCreatePrivateDataSlot(session_->device, &info, nullptr, &slots_[i]) == VK_SUCCESS,
               "a private data slot cannot be made");
        slot_keys_[i] = ++next_slot_key_;
    }
}

void Program::Name() {
    Memory* memory = AnyMemory();
    if (memory == nullptr) return;
    VkDebugUtilsObjectNameInfoEXT info = {};
    info.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT;
    info.objectType = VK_OBJECT_TYPE_DEVICE_MEMORY;
    info.objectHandle = Value(memory->handle);
    info.pObjectName = "named";
    Expect(session_->Command<PFN_vkSetDebugUtilsObjectNameEXT>("vkSetDebugUtilsObjectNameEXT")(
               session_->device, &info) == VK_SUCCESS,
           "memory cannot be named");
    // What lies beside the memory was not named, so no object of the driver that holds more than it
    // may have the name.
    std::vector<TesseraMockMemory> below(1000);
    below.resize(std::min(session_->mock->memories(session_->device, below.data(), 1000), 1000u));
    for (const TesseraMockMemory& object : below) {
        Expect(object.name[0] == '\0' || object.memory == memory->handle ||
                   std::any_of(memories_.begin(), memories_.end(),
                               [&](const auto& m) { return m->handle == object.memory; }),
               "the name of a memory is that of a whole block");
    }
}

// e12: on a device that charges what was asked for, usage is what the program has, rounded up to
// granules, and what is used elsewhere, seen from any instance.
void Program::Budget() {
    if (!budget_is_exact_) return;
    const VkDeviceSize usage = UsageOf(session_->physical_device);
    if (used_elsewhere_ == 0) used_elsewhere_ = usage;
    const VkDeviceSize granule =
        std::max<VkDeviceSize>(abilities_.properties.limits.bufferImageGranularity, 256);
    VkDeviceSize rounded = 0;
    VkDeviceSize exact = 0;
    for (const auto& memory : memories_) {
        if (session_->memory_properties.memoryTypes[memory->type].heapIndex != 0) continue;
        exact += memory->size;
        rounded += (memory->size + granule - 1) / granule * granule;
    }
    Expect(usage >= used_elsewhere_ + exact && usage <= used_elsewhere_ + rounded,
           "the budget does not follow the program");
    Expect(UsageOf(second_view_) == usage, "another instance sees another budget");
}

// The address of a buffer is that of its memory and its offset, for every memory.
void Program::Addresses() {
    Memory* memory = AnyMemory(HasAddressedBuffer);
    if (memory == nullptr) return;
    VkDeviceMemoryOpaqueCaptureAddressInfo capture = {};
    capture.sType = VK_STRUCTURE_TYPE_DEVICE_MEMORY_OPAQUE_CAPTURE_ADDRESS_INFO;
    capture.memory = memory->handle;
    const uint64_t start = vkGetDeviceMemoryOpaqueCaptureAddress(session_->device, &capture);
    for (const auto& resource : memory->bound) {
        if (!resource->has_address || resource->buffer == VK_NULL_HANDLE) continue;
        VkBufferDeviceAddressInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO;
        info.buffer = resource->buffer;
        Expect(vkGetBufferDeviceAddress(session_->device, &info) == start + resource->offset,
               "the capture address of a memory is not where its buffers are");
    }
}

void Program::Hints() {
    Memory* memory = AnyMemory();
    const auto set =
        session_->Command<PFN_vkSetDeviceMemoryPriorityEXT>("vkSetDeviceMemoryPriorityEXT");
    if (memory == nullptr || set == nullptr ||
        !abilities_.Has("VK_EXT_pageable_device_local_memory")) {
        return;
    }
    // The same again: what is passed through takes it, and the model need not follow.
    set(session_->device, memory->handle, memory->priority);
}

}  // namespace tessera::test
