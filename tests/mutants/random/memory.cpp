// SPDX-License-Identifier: Apache-2.0
//
// See program.h: allocations, mappings, and the bytes that the host sees.

#include <algorithm>
#include <cstdlib>

#include "layer/vk/late_vulkan.h"
#include "program.h"

namespace tessera::test {
namespace {

constexpr size_t kMostMemories = 120;
// Bytes of larger memory are not followed.
constexpr VkDeviceSize kFollowed = 128 << 10;

VKAPI_ATTR void* VKAPI_CALL HostAllocate(void*, size_t size, size_t alignment,
                                         VkSystemAllocationScope) {
    return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
VKAPI_ATTR void* VKAPI_CALL HostReallocate(void*, void*, size_t, size_t, VkSystemAllocationScope) {
    return nullptr;
}
VKAPI_ATTR void VKAPI_CALL HostFree(void*, void* memory) {
    std::free(memory);
}
const VkAllocationCallbacks kCallbacks = {nullptr,  HostAllocate, HostReallocate,
                                          HostFree, nullptr,      nullptr};

bool IsMapped(const Memory& memory) {
    return memory.mapped != nullptr;
}
bool CanBeMapped(const Memory& memory) {
    return memory.visible() && memory.mapped == nullptr;
}
bool IsMappedAndFollowed(const Memory& memory) {
    return memory.mapped != nullptr && !memory.host.empty();
}

}  // namespace

VkDeviceSize Program::RandomSize() {
    switch (Random(8)) {
        case 0:
            return 1 + Random(256);
        case 1:
            return VkDeviceSize{256} << Random(10);
        case 2:
            return 65536 * (1 + Random(2));
        case 3:
            return OneIn(8) ? VkDeviceSize{40} << 20 : 1 + Random(1 << 20);
        default:
            return 1 + Random(16384);
    }
}

uint32_t Program::RandomType(uint32_t bits) {
    std::vector<uint32_t> types;
    for (uint32_t i = 0; i < session_->memory_properties.memoryTypeCount; ++i) {
        const auto flags = session_->memory_properties.memoryTypes[i].propertyFlags;
        constexpr VkMemoryPropertyFlags kNot =
            VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |
            VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;
        if ((bits >> i & 1) != 0 && (flags & kNot) == 0) types.push_back(i);
    }
    return types.empty() ? VK_MAX_MEMORY_TYPES : types[Random(types.size())];
}

void Program::NoteAllocated(Memory& memory, bool exported) {
    for (const auto& other : memories_)
        Expect(other->handle != memory.handle, "two memories have the same handle");
    if (exported || memory.dedicated) {
        // These are the driver's own objects, or the file that is exported is not this memory.
        std::vector<TesseraMockMemory> below(1000);
        below.resize(
            std::min(session_->mock->memories(session_->device, below.data(), 1000), 1000u));
        Expect(std::any_of(below.begin(), below.end(),
                           [&](const TesseraMockMemory& m) { return m.memory == memory.handle; }),
               "memory that must be the driver's own is not");
    }
    if (memory.size > kFollowed) return;
    memory.device.assign(memory.size, kUnknown);
    if (memory.visible()) memory.host.assign(memory.size, kUnknown);
}

std::shared_ptr<Memory> Program::AllocateAs(VkDeviceSize size, uint32_t type, bool address,
                                            const Resource* dedicated) {
    if (memories_.size() >= kMostMemories) Free();
    const VkMemoryType& kind = session_->memory_properties.memoryTypes[type];
    if (size > session_->memory_properties.memoryHeaps[kind.heapIndex].size) return nullptr;
    auto memory = std::make_shared<Memory>();
    memory->size = size;
    memory->type = type;
    memory->properties = kind.propertyFlags;
    memory->has_address = address;
    memory->dedicated = dedicated != nullptr;
    memory->with_callbacks = OneIn(8);
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = address ? VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT : 0;
    VkMemoryPriorityAllocateInfoEXT priority = {};
    priority.sType = VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT;
    VkMemoryDedicatedAllocateInfo whole = {};
    whole.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO;
    VkExportMemoryAllocateInfo exported = {};
    exported.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO;
    exported.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
    const void* chain = address ? &flags : nullptr;
    if (abilities_.Has("VK_EXT_memory_priority") && OneIn(3)) {
        memory->priority = priority.priority = static_cast<float>(Random(5)) / 4.0f;
        priority.pNext = chain;
        chain = &priority;
    }
    if (dedicated != nullptr) {
        whole.buffer = dedicated->buffer;
        whole.image = dedicated->image;
        whole.pNext = chain;
        chain = &whole;
    }
    const bool is_exported = abilities_.Has("VK_KHR_external_memory_fd") && OneIn(20);
    if (is_exported) {
        exported.pNext = chain;
        chain = &exported;
    }
    VkMemoryAllocateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.pNext = chain;
    info.allocationSize = size;
    info.memoryTypeIndex = type;
    const VkResult result = vkAllocateMemory(
        session_->device, &info, memory->with_callbacks ? &kCallbacks : nullptr, &memory->handle);
    if (result != VK_SUCCESS) {
        Expect(may_fail_ && result == VK_ERROR_OUT_OF_DEVICE_MEMORY, "an allocation fails");
        return nullptr;
    }
    NoteAllocated(*memory, is_exported);
    memories_.push_back(memory);
    return memory;
}

void Program::Allocate() {
    const bool address = OneIn(4);
    AllocateAs(RandomSize(), RandomType(~0u), address, nullptr);
}

void Program::FreeMemory(size_t index) {
    const std::shared_ptr<Memory> memory = memories_[index];
    memories_[index] = memories_.back();
    memories_.pop_back();
    const bool resources_first = OneIn(2);
    const auto destroy = [&] {
        for (const auto& resource : memory->bound)
            Destroy(*resource);
    };
    if (resources_first) destroy();
    vkFreeMemory(session_->device, memory->handle, memory->with_callbacks ? &kCallbacks : nullptr);
    if (!resources_first) destroy();
}

void Program::Free() {
    if (OneIn(30)) vkFreeMemory(session_->device, VK_NULL_HANDLE, nullptr);
    if (!memories_.empty()) FreeMemory(Random(memories_.size()));
}

void Program::CheckPointer(const Memory& memory, VkDeviceSize offset, const void* data) {
    const auto address = reinterpret_cast<uintptr_t>(data) - offset;
    Expect(address % abilities_.properties.limits.minMemoryMapAlignment == 0,
           "a mapping is not aligned");
    for (const auto& other : memories_) {
        if (other.get() == &memory || other->mapped == nullptr) continue;
        const auto begin = reinterpret_cast<uintptr_t>(other->mapped);
        Expect(address + memory.size <= begin || begin + other->size <= address,
               "two memories are mapped to the same bytes");
    }
}

void Program::MapWith(Memory& memory, VkDeviceSize offset, VkDeviceSize size) {
    void* data = nullptr;
    VkResult result = VK_SUCCESS;
    const auto second = session_->Command<late::PfnMapMemory2>("vkMapMemory2KHR");
    if (second != nullptr && abilities_.Has("VK_KHR_map_memory2") && OneIn(2)) {
        late::MemoryMapInfo info = {};
        info.sType = static_cast<VkStructureType>(late::kMemoryMapInfo);
        info.memory = memory.handle;
        info.offset = offset;
        info.size = size;
        result = second(session_->device, &info, &data);
    } else {
        result = vkMapMemory(session_->device, memory.handle, offset, size, 0, &data);
    }
    if (result != VK_SUCCESS) {
        Expect(may_fail_ && result == VK_ERROR_MEMORY_MAP_FAILED, "a mapping fails");
        return;
    }
    CheckPointer(memory, offset, data);
    memory.mapped = static_cast<uint8_t*>(data) - offset;
    memory.map_begin = offset;
    memory.map_end = size == VK_WHOLE_SIZE ? memory.size : offset + size;
}

void Program::Map() {
    Memory* memory = AnyMemory(CanBeMapped);
    if (memory == nullptr) return;
    // VK_WHOLE_SIZE in a flush wants the mapping to end at an atom, or with the memory.
    const VkDeviceSize atom = abilities_.properties.limits.nonCoherentAtomSize;
    const VkDeviceSize atoms = memory->size / atom;
    if (atoms < 2 || OneIn(2)) {
        MapWith(*memory, 0, OneIn(2) ? VK_WHOLE_SIZE : memory->size);
        return;
    }
    const VkDeviceSize begin = Random(atoms - 1) * atom;
    const VkDeviceSize end = begin + (1 + Random(atoms - begin / atom)) * atom;
    MapWith(*memory, begin, std::min(end, memory->size) - begin);
}

void Program::Unmap() {
    Memory* memory = AnyMemory(IsMapped);
    if (memory == nullptr) return;
    const auto second = session_->Command<late::PfnUnmapMemory2>("vkUnmapMemory2KHR");
    if (second != nullptr && abilities_.Has("VK_KHR_map_memory2") && OneIn(2)) {
        late::MemoryUnmapInfo info = {};
        info.sType = static_cast<VkStructureType>(late::kMemoryUnmapInfo);
        info.memory = memory->handle;
        Expect(second(session_->device, &info) == VK_SUCCESS, "an unmapping fails");
    } else {
        vkUnmapMemory(session_->device, memory->handle);
    }
    memory->mapped = nullptr;
}

void Program::Write() {
    Memory* memory = AnyMemory(IsMappedAndFollowed);
    if (memory == nullptr) return;
    const VkDeviceSize begin =
        memory->map_begin + (OneIn(2) ? 0 : Random(memory->map_end - memory->map_begin));
    const VkDeviceSize end =
        begin + (OneIn(2) ? memory->map_end - begin : 1 + Random(memory->map_end - begin));
    const auto value = static_cast<uint8_t>(random_());
    for (VkDeviceSize i = begin; i < end; ++i) {
        memory->mapped[i] = value;
        memory->host[i] = value;
        if (memory->coherent()) memory->device[i] = value;
    }
}

void Program::Read() {
    Memory* memory = AnyMemory(IsMappedAndFollowed);
    if (memory == nullptr) return;
    for (VkDeviceSize i = memory->map_begin; i < memory->map_end; ++i) {
        if (memory->host[i] == kUnknown || memory->host[i] == memory->mapped[i]) continue;
        Tell("a mapping shows other bytes than were written");
        return;
    }
}

// Flushes or invalidates up to three ranges in one call.
void Program::SyncRange(bool flush) {
    const VkDeviceSize atom = abilities_.properties.limits.nonCoherentAtomSize;
    std::vector<VkMappedMemoryRange> ranges;
    std::vector<Memory*> owners;
    for (uint64_t i = 1 + Random(3); i > 0; --i) {
        Memory* memory = AnyMemory(IsMapped);
        if (memory == nullptr) return;
        if (std::find(owners.begin(), owners.end(), memory) != owners.end()) continue;
        const VkDeviceSize first = (memory->map_begin + atom - 1) / atom * atom;
        if (first >= memory->map_end) continue;
        const VkDeviceSize begin =
            first + Random((memory->map_end - first + atom - 1) / atom) * atom;
        VkMappedMemoryRange range = {};
        range.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE;
        range.memory = memory->handle;
        range.offset = begin;
        range.size = VK_WHOLE_SIZE;
        if (OneIn(2)) {
            const VkDeviceSize end = begin + (1 + Random(8)) * atom;
            range.size = std::min(end, memory->map_end) - begin;
        }
        ranges.push_back(range);
        owners.push_back(memory);
    }
    const auto count = static_cast<uint32_t>(ranges.size());
    if (count == 0) return;
    const auto command = flush ? vkFlushMappedMemoryRanges : vkInvalidateMappedMemoryRanges;
    Expect(command(session_->device, count, ranges.data()) == VK_SUCCESS, "a flush fails");
    for (size_t i = 0; i < ranges.size(); ++i) {
        Memory& memory = *owners[i];
        if (memory.host.empty()) continue;
        const VkDeviceSize begin = ranges[i].offset;
        const VkDeviceSize end =
            ranges[i].size == VK_WHOLE_SIZE ? memory.map_end : begin + ranges[i].size;
        auto& from = flush ? memory.host : memory.device;
        auto& to = flush ? memory.device : memory.host;
        std::copy(from.begin() + static_cast<ptrdiff_t>(begin),
                  from.begin() + static_cast<ptrdiff_t>(end),
                  to.begin() + static_cast<ptrdiff_t>(begin));
    }
}

void Program::Flush() {
    SyncRange(true);
}
void Program::Invalidate() {
    SyncRange(false);
}

}  // namespace tessera::test
