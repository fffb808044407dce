// SPDX-License-Identifier: Apache-2.0
//
// What the machine lets the device do with memory, what it asks, and what it attaches to handles.
// See machine.h.
#include <algorithm>
#include <string>

#include "machine_choice.h"

namespace tessera::fuzz {

template <typename Record>
void Machine::Submit(Record record) {
    VkCommandBufferBeginInfo begin = {};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    Require(vkBeginCommandBuffer(commands_, &begin), "vkBeginCommandBuffer");
    record();
    Require(vkEndCommandBuffer(commands_), "vkEndCommandBuffer");
    VkSubmitInfo submit = {};
    submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands_;
    {
        const std::lock_guard lock(gpu_.queue_mutex);
        Require(vkQueueSubmit(gpu_.queue, 1, &submit, fence_), "vkQueueSubmit");
    }
    Require(vkWaitForFences(gpu_.device, 1, &fence_, VK_TRUE, UINT64_MAX), "vkWaitForFences");
    Require(vkResetFences(gpu_.device, 1, &fence_), "vkResetFences");
}

// A whole cell of an allocation inside of a bound buffer, or of a page of a sparse one.
std::optional<Machine::Window> Machine::ChooseWindow(uint32_t operand, uint32_t which) {
    Resource* resource = ChooseResource(operand, [](const Resource& r) {
        if (r.buffer == VK_NULL_HANDLE) return false;
        return r.allocation != nullptr ||
               std::ranges::any_of(r.pages, [](const Page& p) { return p.allocation != nullptr; });
    });
    if (resource == nullptr) return std::nullopt;
    Window window{resource, resource->allocation, 0, 0};
    VkDeviceSize begin = resource->offset;  // in the allocation
    VkDeviceSize bytes = resource->size;
    VkDeviceSize in_buffer = 0;  // of `begin`
    if (resource->sparse) {
        const size_t count = resource->pages.size();
        for (size_t i = 0; i < count && window.allocation == nullptr; ++i) {
            const Page& page = resource->pages[(which + i) % count];
            window.allocation = page.allocation;
            begin = page.offset;
            bytes = resource->requirements.alignment;
            in_buffer = (which + i) % count * resource->requirements.alignment;
        }
    }
    const VkDeviceSize first = (begin + kCellBytes - 1) / kCellBytes;
    const VkDeviceSize cells = (begin + bytes) / kCellBytes;
    if (first >= cells) return std::nullopt;
    // The last one often: what lies behind it belongs to somebody else.
    window.cell = which & 1 ? cells - 1 : first + (which >> 1) % (cells - first);
    window.offset = in_buffer + window.cell * kCellBytes - begin;
    if (window.offset % 4 != 0 || window.allocation->contents.BytesOf(window.cell) != kCellBytes)
        return std::nullopt;
    return window;
}

bool Machine::Update(const Op& op) {
    const auto window = ChooseWindow(op.a, op.b);
    if (!window || !window->allocation->contents.DeviceMayWrite(window->cell)) return false;
    CountUse(*window->allocation);
    const uint64_t seed = NewSeed();
    const CellBytes bytes = PatternOf(seed);
    Submit([&] {
        vkCmdUpdateBuffer(commands_, window->resource->buffer, window->offset, kCellBytes,
                          bytes.data());
    });
    window->allocation->contents.DeviceWrites(window->cell, seed);
    if (op.c & 1) Discover(*window->allocation);
    return true;
}

bool Machine::Copy(const Op& op) {
    const auto from = ChooseWindow(op.a, op.b);
    const auto to = ChooseWindow(op.c, op.d);
    if (!from || !to || !to->allocation->contents.DeviceMayWrite(to->cell)) return false;
    if (from->allocation == to->allocation && from->cell == to->cell) return false;
    CountUse(*from->allocation);
    CountUse(*to->allocation);
    const VkBufferCopy region{from->offset, to->offset, kCellBytes};
    Submit([&] {
        vkCmdCopyBuffer(commands_, from->resource->buffer, to->resource->buffer, 1, &region);
    });
    to->allocation->contents.DeviceWrites(to->cell,
                                          from->allocation->contents.Look(from->cell).device);
    return true;
}

bool Machine::Inspect(const Op& op) {
    Allocation* allocation =
        ChooseAllocation(op.a, [](const Allocation& a) { return !a.contents.cells().empty(); });
    if (allocation == nullptr) return false;
    CountUse(*allocation);
    Discover(*allocation);
    CompareDevice(*allocation, 64);
    return true;
}

void Machine::CompareDevice(Allocation& allocation, uint64_t most_cells) {
    if (!allocation.place) return;
    for (const auto& [number, cell] : allocation.contents.cells()) {
        if (cell.device == 0) continue;
        const uint64_t bytes = allocation.contents.BytesOf(number);
        CellBytes seen = {};
        if (Mock().read_memory(gpu_.device, allocation.place->block,
                               allocation.place->offset + number * kCellBytes, seen.data(),
                               bytes) != 1) {
            throw Finding("an allocation lies outside of the driver's memory");
        }
        const CellBytes pattern = PatternOf(cell.device);
        if (!std::equal(seen.begin(), seen.begin() + static_cast<long>(bytes), pattern.begin())) {
            throw Finding("the device sees other bytes than were written, in cell " +
                          std::to_string(number) + " of an allocation of " +
                          std::to_string(allocation.size) + " bytes of type " +
                          std::to_string(allocation.type));
        }
        if (--most_cells == 0) return;
    }
}

bool Machine::Query(const Op& op) {
    if (op.b % 8 == 0 && gpu_.Has("VK_EXT_memory_budget")) {
        VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {};
        budget.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT;
        VkPhysicalDeviceMemoryProperties2 properties = {};
        properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
        properties.pNext = &budget;
        vkGetPhysicalDeviceMemoryProperties2(gpu_.physical, &properties);
        VkDeviceSize used = 0;
        for (uint32_t heap = 0; heap < gpu_.memory.memoryHeapCount; ++heap) {
            used += budget.heapUsage[heap];
            if (budget.heapBudget[heap] == 0 ||
                budget.heapBudget[heap] > gpu_.memory.memoryHeaps[heap].size)
                throw Finding("a heap's budget is zero or above the heap");
        }
        if (used < live_bytes_) throw Finding("less is told to be used than this thread holds");
        return true;
    }
    Resource* resource = ChooseResource(
        op.a, [this](const Resource& r) { return !r.demanding || asks_about_demanding_; });
    if (resource == nullptr) return false;
    VkMemoryRequirements2 answer = {};
    answer.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
    const bool second = gpu_.Has("VK_KHR_get_memory_requirements2") && op.b & 1;
    if (resource->buffer != VK_NULL_HANDLE) {
        VkBufferMemoryRequirementsInfo2 info = {};
        info.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2;
        info.buffer = resource->buffer;
        if (second) {
            gpu_.Command<PFN_vkGetBufferMemoryRequirements2KHR>(
                "vkGetBufferMemoryRequirements2KHR")(gpu_.device, &info, &answer);
        } else {
            vkGetBufferMemoryRequirements(gpu_.device, resource->buffer,
                                          &answer.memoryRequirements);
        }
    } else {
        VkImageMemoryRequirementsInfo2 info = {};
        info.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2;
        info.image = resource->image;
        if (second) {
            gpu_.Command<PFN_vkGetImageMemoryRequirements2KHR>("vkGetImageMemoryRequirements2KHR")(
                gpu_.device, &info, &answer);
        } else {
            vkGetImageMemoryRequirements(gpu_.device, resource->image, &answer.memoryRequirements);
        }
    }
    const VkMemoryRequirements& now = answer.memoryRequirements;
    const VkMemoryRequirements& before = resource->requirements;
    if (now.size != before.size || now.alignment != before.alignment ||
        now.memoryTypeBits != before.memoryTypeBits)
        throw Finding("a requirement has changed");
    return true;
}

// Data of one object must not be seen by another, nor by a later one of the same handle.
bool Machine::PrivateData(const Op& op) {
    if (!gpu_.Has("VK_EXT_private_data")) return false;
    Allocation* allocation = ChooseAllocation(op.a, [](const Allocation&) { return true; });
    if (allocation == nullptr) return false;
    CountUse(*allocation);
    const size_t slot = op.b % private_slots_.size();
    const auto handle = (uint64_t)allocation->memory;  // NOLINT: a pointer or an integer
    uint64_t seen = ~uint64_t{0};
    gpu_.Command<PFN_vkGetPrivateDataEXT>("vkGetPrivateDataEXT")(
        gpu_.device, VK_OBJECT_TYPE_DEVICE_MEMORY, handle, private_slots_[slot], &seen);
    if (seen != allocation->private_data[slot]) {
        throw Finding("private data is " + std::to_string(seen) + ", not " +
                      std::to_string(allocation->private_data[slot]));
    }
    if (op.c % 16 == 0) {
        // A slot that goes takes what was in it along.
        const auto destroy =
            gpu_.Command<PFN_vkDestroyPrivateDataSlotEXT>("vkDestroyPrivateDataSlotEXT");
        destroy(gpu_.device, private_slots_[slot], nullptr);
        VkPrivateDataSlotCreateInfoEXT info = {};
        info.sType = VK_STRUCTURE_TYPE_PRIVATE_DATA_SLOT_CREATE_INFO_EXT;
        Require(gpu_.Command<PFN_vkCreatePrivateDataSlotEXT>("vkCreatePrivateDataSlotEXT")(
                    gpu_.device, &info, nullptr, &private_slots_[slot]),
                "vkCreatePrivateDataSlotEXT");
        for (const auto& each : allocations_)
            each->private_data[slot] = 0;
        return true;
    }
    allocation->private_data[slot] = NewSeed();
    Require(gpu_.Command<PFN_vkSetPrivateDataEXT>("vkSetPrivateDataEXT")(
                gpu_.device, VK_OBJECT_TYPE_DEVICE_MEMORY, handle, private_slots_[slot],
                allocation->private_data[slot]),
            "vkSetPrivateDataEXT");
    return true;
}

bool Machine::Name(const Op& op) {
    Allocation* allocation = ChooseAllocation(op.a, [](const Allocation&) { return true; });
    if (allocation == nullptr) return false;
    CountUse(*allocation);
    const auto handle = (uint64_t)allocation->memory;  // NOLINT: a pointer or an integer
    if (op.b & 1) {
        const std::string name = "memory " + std::to_string(op.c);
        const VkDebugUtilsObjectNameInfoEXT info{VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT,
                                                 nullptr, VK_OBJECT_TYPE_DEVICE_MEMORY, handle,
                                                 name.c_str()};
        Require(gpu_.Command<PFN_vkSetDebugUtilsObjectNameEXT>("vkSetDebugUtilsObjectNameEXT")(
                    gpu_.device, &info),
                "vkSetDebugUtilsObjectNameEXT");
        return true;
    }
    const VkDebugUtilsObjectTagInfoEXT info{VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_TAG_INFO_EXT,
                                            nullptr,
                                            VK_OBJECT_TYPE_DEVICE_MEMORY,
                                            handle,
                                            op.c,
                                            sizeof handle,
                                            &handle};
    Require(gpu_.Command<PFN_vkSetDebugUtilsObjectTagEXT>("vkSetDebugUtilsObjectTagEXT")(
                gpu_.device, &info),
            "vkSetDebugUtilsObjectTagEXT");
    return true;
}

bool Machine::Hint(const Op& op) {
    if (op.b & 1 && BindRarer(op)) return true;
    Allocation* allocation = ChooseAllocation(op.a, [](const Allocation&) { return true; });
    if (allocation == nullptr) return false;
    if (gpu_.Has("VK_EXT_pageable_device_local_memory")) {
        CountUse(*allocation);
        gpu_.Command<PFN_vkSetDeviceMemoryPriorityEXT>("vkSetDeviceMemoryPriorityEXT")(
            gpu_.device, allocation->memory, static_cast<float>(op.c % 101) / 100);
        return true;
    }
    if (!gpu_.device_address) return false;
    allocation = ChooseAllocation(op.a, [](const Allocation& a) { return a.device_address; });
    if (allocation == nullptr) return false;
    CountUse(*allocation);
    allocation->addressed = true;
    const VkDeviceMemoryOpaqueCaptureAddressInfo info{
        VK_STRUCTURE_TYPE_DEVICE_MEMORY_OPAQUE_CAPTURE_ADDRESS_INFO, nullptr, allocation->memory};
    const auto ask = gpu_.Command<PFN_vkGetDeviceMemoryOpaqueCaptureAddressKHR>(
        "vkGetDeviceMemoryOpaqueCaptureAddressKHR");
    if (ask(gpu_.device, &info) != ask(gpu_.device, &info))
        throw Finding("an opaque capture address has changed");
    return true;
}

// Makes memory for something rarer. Null if there is none.
void Machine::TagRarer(const Op& op, const VkMemoryRequirements& needs, VkDeviceMemory* memory) {
    const auto type = ChooseType(op.c, needs.memoryTypeBits);
    if (!type) return;
    VkMemoryAllocateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.allocationSize = needs.size * (1 + op.d % 2u);
    info.memoryTypeIndex = *type;
    Require(vkAllocateMemory(gpu_.device, &info, nullptr, memory), "vkAllocateMemory");
}

// An acceleration structure or a video session, from its creation to its end.
bool Machine::BindRarer(const Op& op) {
    if (gpu_.Has("VK_NV_ray_tracing") && op.b & 2) {
        VkAccelerationStructureCreateInfoNV info = {};
        info.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_CREATE_INFO_NV;
        info.info.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_INFO_NV;
        info.compactedSize = 1 + op.c;
        VkAccelerationStructureNV structure = VK_NULL_HANDLE;
        Require(gpu_.Command<PFN_vkCreateAccelerationStructureNV>(
                    "vkCreateAccelerationStructureNV")(gpu_.device, &info, nullptr, &structure),
                "vkCreateAccelerationStructureNV");
        const VkAccelerationStructureMemoryRequirementsInfoNV query{
            VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_MEMORY_REQUIREMENTS_INFO_NV, nullptr,
            VK_ACCELERATION_STRUCTURE_MEMORY_REQUIREMENTS_TYPE_OBJECT_NV, structure};
        VkMemoryRequirements2 needs = {};
        needs.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
        gpu_.Command<PFN_vkGetAccelerationStructureMemoryRequirementsNV>(
            "vkGetAccelerationStructureMemoryRequirementsNV")(gpu_.device, &query, &needs);
        VkDeviceMemory memory = VK_NULL_HANDLE;
        TagRarer(op, needs.memoryRequirements, &memory);
        VkBindAccelerationStructureMemoryInfoNV bind = {};
        bind.sType = VK_STRUCTURE_TYPE_BIND_ACCELERATION_STRUCTURE_MEMORY_INFO_NV;
        bind.accelerationStructure = structure;
        bind.memory = memory;
        bind.memoryOffset = op.d % 2 == 1 ? needs.memoryRequirements.size /
                                                needs.memoryRequirements.alignment *
                                                needs.memoryRequirements.alignment
                                          : 0;
        Require(gpu_.Command<PFN_vkBindAccelerationStructureMemoryNV>(
                    "vkBindAccelerationStructureMemoryNV")(gpu_.device, 1, &bind),
                "vkBindAccelerationStructureMemoryNV");
        gpu_.Command<PFN_vkDestroyAccelerationStructureNV>("vkDestroyAccelerationStructureNV")(
            gpu_.device, structure, nullptr);
        vkFreeMemory(gpu_.device, memory, nullptr);
        return true;
    }
    if (!gpu_.Has("VK_KHR_video_queue")) return false;
    VkVideoSessionCreateInfoKHR info = {};
    info.sType = VK_STRUCTURE_TYPE_VIDEO_SESSION_CREATE_INFO_KHR;
    info.maxCodedExtent = {16 + op.c % 256u, 16 + op.d % 256u};
    VkVideoSessionKHR session = VK_NULL_HANDLE;
    Require(gpu_.Command<PFN_vkCreateVideoSessionKHR>("vkCreateVideoSessionKHR")(gpu_.device, &info,
                                                                                 nullptr, &session),
            "vkCreateVideoSessionKHR");
    const auto query = gpu_.Command<PFN_vkGetVideoSessionMemoryRequirementsKHR>(
        "vkGetVideoSessionMemoryRequirementsKHR");
    uint32_t count = 0;
    Require(query(gpu_.device, session, &count, nullptr), "a query of a video session");
    std::vector<VkVideoSessionMemoryRequirementsKHR> needs(count);
    for (auto& need : needs)
        need.sType = VK_STRUCTURE_TYPE_VIDEO_SESSION_MEMORY_REQUIREMENTS_KHR;
    Require(query(gpu_.device, session, &count, needs.data()), "a query of a video session");
    std::vector<VkBindVideoSessionMemoryInfoKHR> binds;
    for (const auto& need : needs) {
        VkDeviceMemory memory = VK_NULL_HANDLE;
        TagRarer(op, need.memoryRequirements, &memory);
        binds.push_back({VK_STRUCTURE_TYPE_BIND_VIDEO_SESSION_MEMORY_INFO_KHR, nullptr,
                         need.memoryBindIndex, memory, 0, need.memoryRequirements.size});
    }
    Require(gpu_.Command<PFN_vkBindVideoSessionMemoryKHR>("vkBindVideoSessionMemoryKHR")(
                gpu_.device, session, static_cast<uint32_t>(binds.size()), binds.data()),
            "vkBindVideoSessionMemoryKHR");
    gpu_.Command<PFN_vkDestroyVideoSessionKHR>("vkDestroyVideoSessionKHR")(gpu_.device, session,
                                                                           nullptr);
    for (const auto& bind : binds)
        vkFreeMemory(gpu_.device, bind.memory, nullptr);
    return true;
}

}  // namespace tessera::fuzz
