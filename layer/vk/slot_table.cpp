// SPDX-License-Identifier: Apache-2.0
//
// See slot_table.h. Values are compared as 64-bit integers throughout.

#include "layer/vk/slot_table.h"

#include <algorithm>
#include <bit>
#include <new>

#include "layer/base/log.h"

namespace tessera {
namespace {

bool CarriesTag(uint64_t value) noexcept {
    return (value >> SlotTable::kTagShift) == SlotTable::kTag;
}

}  // namespace

SlotTable::~SlotTable() {
    for (auto& chunk : chunks_)
        delete[] chunk.load();
}

Slot* SlotTable::At(uint64_t index) const noexcept {
    if (index >= slot_count_.load(std::memory_order_acquire)) return nullptr;
    // Chunk c starts at index (2^c - 1) * first: adding `first` puts its number into the top bit.
    const uint64_t biased = index + (uint64_t{1} << kFirstChunkBits);
    const uint32_t top = static_cast<uint32_t>(std::bit_width(biased)) - 1;
    Slot* chunk = chunks_[top - kFirstChunkBits].load(std::memory_order_acquire);
    return chunk + (biased - (uint64_t{1} << top));
}

SlotTable::Found SlotTable::Find(VkDeviceMemory memory) const noexcept {
    const uint64_t value = HandleValue(memory);
    if (!CarriesTag(value)) return {Kind::kForeign, nullptr};
    Slot* slot = At(value & kIndexMask);
    // Indices beyond the table were never handed out.
    if (slot == nullptr) return {Kind::kForeign, nullptr};
    if (slot->handle.load(std::memory_order_acquire) == value) return {Kind::kLive, slot};
    MutexLock lock(mutex_);
    if (IsLookAlikeLocked(value)) return {Kind::kForeign, nullptr};
    // A generation that this slot has not reached yet was never ours either. Generations wrap only
    // after a million uses of one slot; whether that happened is not worth knowing: from then on
    // such a value counts as stale, and a look-alike was already recognised above.
    const uint64_t generation = (value >> kGenerationShift) & kGenerationMask;
    const bool reached = generation <= slot->generation || slot->generation > kGenerationMask;
    return {reached && generation != 0 ? Kind::kStale : Kind::kForeign, nullptr};
}

bool SlotTable::AddChunkLocked() noexcept {
    const uint32_t count = slot_count_.load(std::memory_order_relaxed);
    const uint32_t chunk_index =
        static_cast<uint32_t>(std::bit_width(count + (1u << kFirstChunkBits))) - 1 -
        kFirstChunkBits;
    if (chunk_index >= kChunks) return false;
    const uint32_t size = 1u << (kFirstChunkBits + chunk_index);
    Slot* chunk = new (std::nothrow) Slot[size];
    if (chunk == nullptr) return false;
    for (uint32_t i = size; i-- > 0;) {
        chunk[i].index = count + i;
        chunk[i].next_free = free_;
        free_ = &chunk[i];
    }
    chunks_[chunk_index].store(chunk, std::memory_order_release);
    slot_count_.store(count + size, std::memory_order_release);
    return true;
}

Slot* SlotTable::Acquire() noexcept {
    MutexLock lock(mutex_);
    if (free_ == nullptr && !AddChunkLocked()) return nullptr;
    Slot* slot = free_;
    free_ = slot->next_free;
    slot->next_free = nullptr;
    slot->state.store(SlotState::kFloating, std::memory_order_relaxed);
    slot->ever_mapped = false;
    slot->mapped = false;
    return slot;
}

uint64_t SlotTable::Compose(const Slot& slot) noexcept {
    return kTag << kTagShift | (slot.generation & kGenerationMask) << kGenerationShift | slot.index;
}

VkDeviceMemory SlotTable::Publish(Slot& slot) noexcept {
    MutexLock lock(mutex_);
    uint64_t value = 0;
    do {
        // Generation 0 is never used, so that a fresh slot was never anyone's. The counter itself
        // does not wrap to a small number again: Find() reads that it passed the mask.
        ++slot.generation;
        if (slot.generation > 2 * kGenerationMask) slot.generation = kGenerationMask + 1;
        value = Compose(slot);
    } while ((slot.generation & kGenerationMask) == 0 || IsLookAlikeLocked(value));
    slot.handle.store(value, std::memory_order_release);
    return MakeHandle(value);
}

void SlotTable::Retire(Slot& slot) noexcept {
    slot.handle.store(0, std::memory_order_release);
}

void SlotTable::Release(Slot& slot) noexcept {
    MutexLock lock(mutex_);
    slot.next_free = free_;
    free_ = &slot;
}

bool SlotTable::IsLookAlikeLocked(uint64_t value) const noexcept {
    return std::find(look_alikes_.begin(), look_alikes_.end(), value) != look_alikes_.end();
}

bool SlotTable::AdmitForeign(VkDeviceMemory memory) noexcept {
    const uint64_t value = HandleValue(memory);
    if (!CarriesTag(value)) return true;
    MutexLock lock(mutex_);
    const Slot* slot = At(value & kIndexMask);
    if (slot != nullptr && slot->handle.load(std::memory_order_relaxed) == value) return false;
    try {
        look_alikes_.push_back(value);
    } catch (...) {
        // Not remembered, so not distinguishable from a stale handle of ours: the caller must not
        // hand it out.
        return false;
    }
    return true;
}

void SlotTable::ForgetForeign(VkDeviceMemory memory) noexcept {
    const uint64_t value = HandleValue(memory);
    if (!CarriesTag(value)) return;
    MutexLock lock(mutex_);
    auto found = std::find(look_alikes_.begin(), look_alikes_.end(), value);
    if (found == look_alikes_.end()) return;
    *found = look_alikes_.back();
    look_alikes_.pop_back();
}

}  // namespace tessera
