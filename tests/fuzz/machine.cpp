// SPDX-License-Identifier: Apache-2.0
//
// See machine.h. Here: choosing, allocating, mapping and the bytes; resources and binds are in
// machine_binds.cpp, what the device does and the rest in machine_device.cpp.
#include "machine.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "machine_choice.h"

namespace tessera::fuzz {
namespace {

constexpr size_t kMostAllocations = 160;
// Allocations above these share no block, or are never pooled; such ones are rare.
constexpr VkDeviceSize kLargeBytes = 33u << 20;
constexpr VkDeviceSize kPassedBytes = 65u << 20;
// Of the smaller heaps, a machine leaves most to the others.
constexpr VkDeviceSize kHeapShare = 8;

// Handles of the layer's own making carry this tag. Drivers may use it too, so this is for
// statistics only.
bool LooksPooled(VkDeviceMemory memory) {
    return (uint64_t)memory >> 48 == 0x7E55;  // NOLINT: a pointer or an integer
}

}  // namespace

void Statistics::Add(const Statistics& other) {
    for (size_t kind = 0; kind < kKinds; ++kind)
        done[kind] += other.done[kind];
    operations += other.operations;
    on_pooled += other.on_pooled;
    on_memory += other.on_memory;
}

Machine::Machine(Gpu& gpu, uint64_t seed)
    : gpu_(gpu), last_seed_(seed << 32), asks_about_demanding_(seed % 2 == 0) {
    VkCommandPoolCreateInfo pool = {};
    pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
    Require(vkCreateCommandPool(gpu_.device, &pool, nullptr, &pool_), "vkCreateCommandPool");
    VkCommandBufferAllocateInfo commands = {};
    commands.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    commands.commandPool = pool_;
    commands.commandBufferCount = 1;
    Require(vkAllocateCommandBuffers(gpu_.device, &commands, &commands_),
            "vkAllocateCommandBuffers");
    VkFenceCreateInfo fence = {};
    fence.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
    Require(vkCreateFence(gpu_.device, &fence, nullptr, &fence_), "vkCreateFence");
    if (!gpu_.Has("VK_EXT_private_data")) return;
    const auto create = gpu_.Command<PFN_vkCreatePrivateDataSlotEXT>("vkCreatePrivateDataSlotEXT");
    VkPrivateDataSlotCreateInfoEXT slot = {};
    slot.sType = VK_STRUCTURE_TYPE_PRIVATE_DATA_SLOT_CREATE_INFO_EXT;
    for (VkPrivateDataSlot& made : private_slots_)
        Require(create(gpu_.device, &slot, nullptr, &made), "vkCreatePrivateDataSlotEXT");
}

Machine::~Machine() {
    if (failed_) return;  // The process ends with what was found.
    const auto destroy =
        gpu_.Command<PFN_vkDestroyPrivateDataSlotEXT>("vkDestroyPrivateDataSlotEXT");
    for (const VkPrivateDataSlot slot : private_slots_) {
        if (slot != VK_NULL_HANDLE) destroy(gpu_.device, slot, nullptr);
    }
    vkDestroyFence(gpu_.device, fence_, nullptr);
    vkDestroyCommandPool(gpu_.device, pool_, nullptr);
}

void Machine::Run(const Op& op) {
    bool done = false;
    try {
        switch (op.kind) {
            case Kind::kAllocate:
                done = Allocate(op);
                break;
            case Kind::kFree:
                done = Free(op);
                break;
            case Kind::kMap:
                done = Map(op);
                break;
            case Kind::kUnmap:
                done = Unmap(op);
                break;
            case Kind::kWrite:
                done = Write(op);
                break;
            case Kind::kRead:
                done = Read(op);
                break;
            case Kind::kFlush:
                done = Ranges(op, true);
                break;
            case Kind::kInvalidate:
                done = Ranges(op, false);
                break;
            case Kind::kCreateBuffer:
                done = CreateBuffer(op);
                break;
            case Kind::kCreateImage:
                done = CreateImage(op);
                break;
            case Kind::kDestroy:
                done = Destroy(op);
                break;
            case Kind::kQuery:
                done = Query(op);
                break;
            case Kind::kBind:
                done = Bind(op);
                break;
            case Kind::kBindMany:
                done = BindMany(op);
                break;
            case Kind::kSparse:
                done = Sparse(op);
                break;
            case Kind::kUpdate:
                done = Update(op);
                break;
            case Kind::kCopy:
                done = Copy(op);
                break;
            case Kind::kInspect:
                done = Inspect(op);
                break;
            case Kind::kPrivateData:
                done = PrivateData(op);
                break;
            case Kind::kName:
                done = Name(op);
                break;
            case Kind::kHint:
                done = Hint(op);
                break;
            case Kind::kCount:
                break;
        }
        gpu_.CheckViolations();
    } catch (const Finding&) {
        failed_ = true;
        throw;
    }
    if (!done) return;
    ++statistics_.done[static_cast<size_t>(op.kind)];
    ++statistics_.operations;
}

void Machine::Clear() {
    try {
        while (!resources_.empty()) {
            DestroyResource(*resources_.back());
            resources_.pop_back();
        }
        while (!allocations_.empty())
            FreeMemory(*allocations_.back());
        gpu_.CheckViolations();
    } catch (const Finding&) {
        failed_ = true;
        throw;
    }
}

void Machine::Require(VkResult result, const char* what) const {
    if (result != VK_SUCCESS) {
        throw Finding(std::string(what) + " returned " + std::to_string(result));
    }
}

void Machine::CountUse(const Allocation& allocation) {
    ++statistics_.on_memory;
    if (allocation.pooled) ++statistics_.on_pooled;
}

bool Machine::IsHostVisible(uint32_t type) const {
    return (gpu_.Flags(type) & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0;
}
bool Machine::IsCoherent(uint32_t type) const {
    return !IsHostVisible(type) || (gpu_.Flags(type) & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0;
}
// Types that any resource may use without a feature of its own.
bool Machine::IsOrdinary(uint32_t type) const {
    constexpr VkMemoryPropertyFlags kSpecial =
        VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |
        VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;
    return (gpu_.Flags(type) & kSpecial) == 0;
}

std::optional<uint32_t> Machine::ChooseType(uint32_t operand, uint32_t bits) const {
    for (uint32_t i = 0; i < gpu_.memory.memoryTypeCount; ++i) {
        const uint32_t type = (operand + i) % gpu_.memory.memoryTypeCount;
        if ((bits >> type & 1) != 0 && IsOrdinary(type)) return type;
    }
    return std::nullopt;
}

// Null if there is no room for it by the model's own account, or if the driver refuses where it
// may.
Machine::Allocation* Machine::NewAllocation(VkDeviceSize size, uint32_t type, const void* chain,
                                            bool device_address) {
    const VkDeviceSize room = gpu_.HeapBytes(type) / kHeapShare;
    if (allocations_.size() >= kMostAllocations || live_bytes_ + size > room) return nullptr;
    if (allocations_.size() >= gpu_.limits.maxMemoryAllocationCount / 2) return nullptr;
    if (size > gpu_.HeapBytes(type)) return nullptr;
    VkMemoryAllocateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.pNext = chain;
    info.allocationSize = size;
    info.memoryTypeIndex = type;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    const VkResult result = vkAllocateMemory(gpu_.device, &info, nullptr, &memory);
    if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY && gpu_.refuses) return nullptr;
    Require(result, "vkAllocateMemory");
    auto allocation = std::make_unique<Allocation>();
    allocation->memory = memory;
    allocation->size = size;
    allocation->type = type;
    allocation->device_address = device_address;
    allocation->pooled = LooksPooled(memory);
    allocation->contents = Contents(size, IsCoherent(type));
    for (const auto& other : allocations_) {
        if (other->memory == memory) throw Finding("two live allocations have one handle");
    }
    live_bytes_ += size;
    CountUse(*allocation);
    allocations_.push_back(std::move(allocation));
    return allocations_.back().get();
}

namespace {

// The structures that may come with an allocation that stays an ordinary one.
struct Chains {
    VkMemoryAllocateFlagsInfo flags = {};
    VkMemoryPriorityAllocateInfoEXT priority = {};
    VkMemoryDedicatedAllocateInfo dedicated = {};
    VkExportMemoryAllocateInfo exported = {};
    const void* head = nullptr;

    template <typename Structure>
    void Link(Structure& structure, VkStructureType type) {
        structure.sType = type;
        structure.pNext = const_cast<void*>(head);
        head = &structure;
    }
};

VkDeviceSize SizeFrom(const Op& op) {
    const VkDeviceSize fine = op.c * 65536ull + op.d;
    if (op.b % 64 == 0) return kPassedBytes + fine % 4096;
    if (op.b % 64 == 32) return kLargeBytes + fine % 4096;
    const uint32_t bits = op.b % 5 == 0 ? 20 : (op.b % 5 == 1 ? 9 : 14);
    return 1 + fine % (VkDeviceSize{1} << (1 + (op.b >> 4) % bits));
}

}  // namespace

bool Machine::Allocate(const Op& op) {
    const auto type = ChooseType(op.a, ~0u);
    if (!type) return false;
    Chains chains;
    bool device_address = false;
    if (gpu_.device_address && op.a >> 8 & 1) {
        chains.flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
        device_address = true;
        chains.Link(chains.flags, VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
    }
    if (gpu_.Has("VK_EXT_memory_priority") && op.a >> 9 & 1) {
        chains.priority.priority = static_cast<float>(op.d % 101) / 100;
        chains.Link(chains.priority, VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT);
    }
    // Structures that say nothing: no resource, no handle type.
    if (gpu_.Has("VK_KHR_dedicated_allocation") && (op.a >> 10) % 4 == 0) {
        chains.Link(chains.dedicated, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
    }
    // Half of all allocations are of a size that was asked for.
    const Resource* resource =
        op.b & 1 ? ChooseResource(op.c, [](const Resource& r) { return !r.bound && !r.sparse; })
                 : nullptr;
    const VkDeviceSize size = resource != nullptr ? resource->requirements.size : SizeFrom(op);
    return NewAllocation(size, *type, chains.head, device_address) != nullptr;
}

bool Machine::Free(const Op& op) {
    if (op.b % 32 == 0) {
        vkFreeMemory(gpu_.device, VK_NULL_HANDLE, nullptr);
        return true;
    }
    Allocation* allocation = ChooseAllocation(op.a, [](const Allocation&) { return true; });
    // Enough must live for the other operations to find something.
    if (allocation == nullptr || allocations_.size() < 8 + op.c % 64u) return false;
    CountUse(*allocation);
    FreeMemory(*allocation);
    return true;
}

void Machine::FreeMemory(Allocation& allocation) {
    if (allocation.mapped) CompareMapped(allocation, 16);
    CompareDevice(allocation, 16);
    if (allocation.place) gpu_.places.Remove(*allocation.place);
    for (const auto& resource : resources_) {
        if (resource->allocation == &allocation) {
            resource->allocation = nullptr;
            Mock().abandon(gpu_.device, resource->buffer, resource->image);
        }
        for (Page& page : resource->pages) {
            if (page.allocation == &allocation) page = Page();
        }
    }
    live_bytes_ -= allocation.size;
    vkFreeMemory(gpu_.device, allocation.memory, nullptr);
    const auto found = std::ranges::find_if(
        allocations_, [&allocation](const auto& own) { return own.get() == &allocation; });
    std::swap(*found, allocations_.back());
    allocations_.pop_back();
}

bool Machine::Map(const Op& op) {
    Allocation* allocation = ChooseAllocation(
        op.a, [this](const Allocation& a) { return IsHostVisible(a.type) && !a.mapped; });
    if (allocation == nullptr) return false;
    CountUse(*allocation);
    VkDeviceSize offset = op.b & 1 ? 0 : (op.b * 65536ull + op.c) % allocation->size;
    // Where a flush is needed, a mapping that starts at an atom can be flushed whole.
    if (!IsCoherent(allocation->type) && op.d & 2)
        offset -= offset % gpu_.limits.nonCoherentAtomSize;
    VkDeviceSize size = VK_WHOLE_SIZE;
    if (op.c & 1) size = 1 + (op.d * 65536ull + op.b) % (allocation->size - offset);
    void* data = nullptr;
    if (gpu_.Has("VK_KHR_map_memory2") && op.d & 1) {
        const late::MemoryMapInfo info{late::kMemoryMapInfo, nullptr, 0,
                                       allocation->memory,   offset,  size};
        Require(gpu_.Command<late::PfnMapMemory2>("vkMapMemory2KHR")(gpu_.device, &info, &data),
                "vkMapMemory2KHR");
    } else {
        const VkResult result =
            vkMapMemory(gpu_.device, allocation->memory, offset, size, 0, &data);
        if (result == VK_ERROR_MEMORY_MAP_FAILED && gpu_.refuses) return false;
        Require(result, "vkMapMemory");
    }
    uint8_t* host = static_cast<uint8_t*>(data) - offset;
    if ((uint64_t)host % gpu_.limits.minMemoryMapAlignment != 0) {  // NOLINT: an address
        throw Finding("a mapping is not aligned to minMemoryMapAlignment");
    }
    if (allocation->pooled && allocation->host != nullptr && allocation->host != host) {
        throw Finding("an allocation is mapped somewhere else than before");
    }
    allocation->host = host;
    allocation->mapped = true;
    allocation->map_offset = offset;
    allocation->map_size = size == VK_WHOLE_SIZE ? allocation->size - offset : size;
    return true;
}

bool Machine::Unmap(const Op& op) {
    Allocation* allocation =
        ChooseAllocation(op.a, [](const Allocation& a) { return a.mapped && a.shared == nullptr; });
    if (allocation == nullptr) return false;
    CountUse(*allocation);
    if (op.b & 1) CompareMapped(*allocation, 4);
    if (gpu_.Has("VK_KHR_map_memory2") && op.d & 1) {
        const late::MemoryUnmapInfo info{late::kMemoryUnmapInfo, nullptr, 0, allocation->memory};
        Require(gpu_.Command<late::PfnUnmapMemory2>("vkUnmapMemory2KHR")(gpu_.device, &info),
                "vkUnmapMemory2KHR");
    } else {
        vkUnmapMemory(gpu_.device, allocation->memory);
    }
    allocation->mapped = false;
    return true;
}

bool Machine::Write(const Op& op) {
    Allocation* allocation = ChooseAllocation(op.a, [](const Allocation& a) { return a.mapped; });
    if (allocation == nullptr) return false;
    CountUse(*allocation);
    const uint64_t first = (allocation->map_offset + kCellBytes - 1) / kCellBytes;
    const uint64_t end = allocation->map_offset + allocation->map_size;
    const uint64_t cells = allocation->contents.CellCount();
    // The ends of the mapping are where mistakes show.
    const uint64_t wanted[] = {first, cells - 1, end / kCellBytes == 0 ? 0 : end / kCellBytes - 1,
                               first + op.b % 64u};
    for (const uint64_t cell : wanted) {
        if (cell < first || cell >= cells) continue;
        const uint64_t bytes = allocation->contents.BytesOf(cell);
        if (cell * kCellBytes + bytes > end) continue;
        const uint64_t seed = NewSeed();
        const CellBytes pattern = PatternOf(seed);
        std::memcpy(allocation->host + cell * kCellBytes, pattern.data(), bytes);
        allocation->contents.HostWrites(cell, seed);
    }
    return true;
}

bool Machine::Read(const Op& op) {
    Allocation* allocation = ChooseAllocation(op.a, [](const Allocation& a) { return a.mapped; });
    if (allocation == nullptr) return false;
    CountUse(*allocation);
    CompareMapped(*allocation, 64);
    return true;
}

void Machine::CompareMapped(Allocation& allocation, uint64_t most_cells) {
    for (const auto& [number, cell] : allocation.contents.cells()) {
        const uint64_t begin = number * kCellBytes;
        const uint64_t bytes = allocation.contents.BytesOf(number);
        if (cell.host == 0 || begin < allocation.map_offset ||
            begin + bytes > allocation.map_offset + allocation.map_size)
            continue;
        const CellBytes pattern = PatternOf(cell.host);
        if (std::memcmp(allocation.host + begin, pattern.data(), bytes) != 0) {
            throw Finding("the host sees other bytes than were written, in cell " +
                          std::to_string(number) + " of an allocation of " +
                          std::to_string(allocation.size) + " bytes of type " +
                          std::to_string(allocation.type));
        }
        if (--most_cells == 0) return;
    }
}

// Up to four ranges of mapped memory, each as the specification wants it: at atoms, but for the end
// of the allocation.
bool Machine::Ranges(const Op& op, bool flush) {
    const VkDeviceSize atom = gpu_.limits.nonCoherentAtomSize;
    std::vector<VkMappedMemoryRange> ranges;
    std::vector<Allocation*> of;
    for (uint32_t i = 0; i <= op.d % 4u; ++i) {
        Allocation* allocation =
            ChooseAllocation(op.a + i * 7, [](const Allocation& a) { return a.mapped; });
        if (allocation == nullptr || std::ranges::find(of, allocation) != of.end()) continue;
        const VkDeviceSize map_end = allocation->map_offset + allocation->map_size;
        VkMappedMemoryRange range = {};
        range.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE;
        range.memory = allocation->memory;
        range.offset = (allocation->map_offset + atom - 1) / atom * atom;
        if (op.c >> i & 1) range.offset += (op.b >> i) % 8u * atom;
        if (range.offset >= map_end) continue;
        const bool end_is_whole = map_end % atom == 0 || map_end == allocation->size;
        if (end_is_whole && (op.b >> i & 1)) {
            range.size = VK_WHOLE_SIZE;
        } else if (end_is_whole && (op.b >> i & 2)) {
            range.size = map_end - range.offset;
        } else {
            range.size = (map_end - range.offset) / atom * atom;
            if (op.c >> 8 & 1) range.size = std::min(range.size, atom * (1 + op.c % 16u));
        }
        if (range.size == 0) continue;
        ranges.push_back(range);
        of.push_back(allocation);
    }
    if (ranges.empty()) return false;
    const auto count = static_cast<uint32_t>(ranges.size());
    Require(flush ? vkFlushMappedMemoryRanges(gpu_.device, count, ranges.data())
                  : vkInvalidateMappedMemoryRanges(gpu_.device, count, ranges.data()),
            flush ? "vkFlushMappedMemoryRanges" : "vkInvalidateMappedMemoryRanges");
    for (size_t i = 0; i < ranges.size(); ++i) {
        Allocation& allocation = *of[i];
        CountUse(allocation);
        const VkDeviceSize end = ranges[i].size == VK_WHOLE_SIZE
                                     ? allocation.map_offset + allocation.map_size
                                     : ranges[i].offset + ranges[i].size;
        if (flush) {
            allocation.contents.Flush(ranges[i].offset, end);
        } else {
            allocation.contents.Invalidate(ranges[i].offset, end);
            CompareMapped(allocation, 4);
        }
    }
    return true;
}

}  // namespace tessera::fuzz
