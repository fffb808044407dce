// SPDX-License-Identifier: Apache-2.0
//
// A set of small, mapped, written device allocations: see allocations.h.
//
// The word at position n of an allocation with key k is k * kSpread + n, so a word tells whose it
// is and where it belongs.
#include "lifecycle/allocations.h"

#include <map>
#include <string>

#include "common/check.h"

namespace apps {
namespace {

// Odd, so that no two keys share a pattern.
constexpr uint32_t kSpread = 0x9E3779B1u;
// Replacing an allocation leads to a key that no set starts with.
constexpr uint32_t kNextGeneration = 1u << 20;

/// 256 B to 64 KiB, in words, small ones as likely as large ones.
uint32_t WordsOf(uint32_t key) {
    const uint32_t bits = key * kSpread;
    const uint32_t octave = 64u << (bits >> 29);
    return octave + (bits >> 8) % octave;
}

}  // namespace

AllocationSet::AllocationSet(const Device& device, uint32_t count, uint32_t key)
    : AllocationSet(device) {
    slots_.resize(count);
    for (uint32_t index = 0; index < count; ++index) {
        slots_[index].key = key * count + index;
        Make(index);
    }
}

AllocationSet::~AllocationSet() {
    for (uint32_t index = 0; index < size(); ++index)
        Destroy(index);
}

// Fills slots_[index] from its key. A failure leaves the slot half made; Destroy() copes, since
// Vulkan ignores null handles.
void AllocationSet::Make(uint32_t index) {
    Slot& slot = slots_[index];
    slot.words = WordsOf(slot.key);
    VkBufferCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.size = slot.words * sizeof(uint32_t);
    info.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    Check(vkCreateBuffer(device_.handle(), &info, nullptr, &slot.buffer), "vkCreateBuffer");
    VkMemoryRequirements requirements{};
    vkGetBufferMemoryRequirements(device_.handle(), slot.buffer, &requirements);
    Allocate(slot, requirements);

    const auto bind = [&] {
        Check(vkBindBufferMemory(device_.handle(), slot.buffer, slot.memory, 0),
              "vkBindBufferMemory");
    };
    // More than half of real applications map before they bind.
    const bool map_first = index % 2 == 1;
    if (!map_first) bind();
    void* mapped = nullptr;
    Check(vkMapMemory(device_.handle(), slot.memory, 0, VK_WHOLE_SIZE, 0, &mapped), "vkMapMemory");
    slot.mapped = static_cast<uint32_t*>(mapped);
    if (map_first) bind();
    for (uint32_t word = 0; word < slot.words; ++word) {
        slot.mapped[word] = slot.key * kSpread + word;
    }
}

void AllocationSet::Allocate(Slot& slot, const VkMemoryRequirements& requirements) const {
    slot.bytes = requirements.size;
    slot.memory_type = device_.FindMemoryType(requirements.memoryTypeBits, kHostMemory);
    VkMemoryAllocateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.allocationSize = slot.bytes;
    info.memoryTypeIndex = slot.memory_type;
    Check(vkAllocateMemory(device_.handle(), &info, nullptr, &slot.memory), "vkAllocateMemory");
}

// The buffer goes before its memory. vkFreeMemory unmaps by itself, and many applications rely on
// it.
void AllocationSet::Destroy(uint32_t index) {
    Slot& slot = slots_[index];
    const bool free_mapped = index % 3 == 0;
    if (slot.mapped != nullptr && !free_mapped) vkUnmapMemory(device_.handle(), slot.memory);
    vkDestroyBuffer(device_.handle(), slot.buffer, nullptr);
    vkFreeMemory(device_.handle(), slot.memory, nullptr);
    slot = Slot{.key = slot.key};
}

void AllocationSet::VerifySlot(uint32_t index) const {
    const Slot& slot = slots_[index];
    for (uint32_t word = 0; word < slot.words; ++word) {
        if (slot.mapped[word] == slot.key * kSpread + word) continue;
        throw Failure("Allocation " + std::to_string(index) + " of " + std::to_string(slot.bytes) +
                      " bytes has a wrong word at byte " + std::to_string(word * 4) + ".");
    }
}

void AllocationSet::Verify() const {
    for (uint32_t index = 0; index < size(); ++index)
        VerifySlot(index);
}

void AllocationSet::Replace(uint32_t index) {
    // Only a right content may be forgotten.
    VerifySlot(index);
    Destroy(index);
    slots_[index].key += kNextGeneration;
    Make(index);
}

std::vector<LiveMemory> AllocationSet::Live() const {
    std::map<uint32_t, LiveMemory> by_type;
    for (const Slot& slot : slots_) {
        LiveMemory& live = by_type[slot.memory_type];
        live.memory_type = slot.memory_type;
        ++live.allocations;
        live.bytes += slot.bytes;
    }
    std::vector<LiveMemory> live;
    for (const auto& [type, entry] : by_type)
        live.push_back(entry);
    return live;
}

}  // namespace apps
