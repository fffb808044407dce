// SPDX-License-Identifier: Apache-2.0
//
// See slot_table.h. Values are compared as 64-bit integers throughout.

#include "layer/vk/slot_table.h"

#include <bit>
#include <new>

namespace tessera {
namespace {

// Where the generations of the nth table start: the first at 0, the others far apart.
constinit std::atomic<uint32_t> table_count = 0;
constexpr uint32_t kGenerationStep = 0x9E377;

}  // namespace

SlotTable::SlotTable() noexcept
    : first_generation_(table_count.fetch_add(1, std::memory_order_relaxed) * kGenerationStep &
                        kGenerationMask) {}

SlotTable::~SlotTable() {
    for (auto& chunk : chunks_)
        delete[] chunk.load();
    for (LookAlike* entry = look_alikes_.load(); entry != nullptr;) {
        LookAlike* next = entry->next;
        delete entry;
        entry = next;
    }
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
    if (slot != nullptr && slot->handle.load(std::memory_order_acquire) == value) {
        return {Kind::kLive, slot};
    }
    return {IsLookAlike(value) ? Kind::kForeign : Kind::kStale, nullptr};
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
        chunk[i].generation = first_generation_;
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
    return kTag << kTagShift | uint64_t{slot.generation} << kGenerationShift | slot.index;
}

VkDeviceMemory SlotTable::Publish(Slot& slot) noexcept {
    MutexLock lock(mutex_);
    uint64_t value = 0;
    do {
        // A generation comes back after a million uses of one slot.
        slot.generation = (slot.generation + 1) & kGenerationMask;
        value = Compose(slot);
    } while (IsLookAlike(value));
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

bool SlotTable::IsLookAlike(uint64_t value) const noexcept {
    for (const LookAlike* entry = look_alikes_.load(std::memory_order_acquire); entry != nullptr;
         entry = entry->next) {
        if (entry->value.load(std::memory_order_acquire) == value) return true;
    }
    return false;
}

bool SlotTable::Remember(uint64_t value) noexcept {
    for (LookAlike* entry = look_alikes_.load(std::memory_order_acquire); entry != nullptr;
         entry = entry->next) {
        uint64_t empty = 0;
        if (entry->value.compare_exchange_strong(empty, value)) return true;
    }
    auto* fresh = new (std::nothrow) LookAlike;
    if (fresh == nullptr) return false;
    fresh->value.store(value, std::memory_order_relaxed);
    fresh->next = look_alikes_.load(std::memory_order_relaxed);
    while (!look_alikes_.compare_exchange_weak(fresh->next, fresh, std::memory_order_release,
                                               std::memory_order_relaxed)) {
    }
    return true;
}

// What cannot be remembered cannot be told from a stale handle of ours: the caller must not hand it
// out.
bool SlotTable::AdmitForeignInChild(VkDeviceMemory memory) noexcept {
    const uint64_t value = HandleValue(memory);
    if (!CarriesTag(value)) return true;
    const Slot* slot = At(value & kIndexMask);
    if (slot != nullptr && slot->handle.load(std::memory_order_acquire) == value) return false;
    return Remember(value);
}

bool SlotTable::AdmitForeign(VkDeviceMemory memory) noexcept {
    if (!CarriesTag(HandleValue(memory))) return true;
    // Against Publish(), which must see the look-alike or be seen here.
    MutexLock lock(mutex_);
    return AdmitForeignInChild(memory);
}

void SlotTable::ForgetForeign(VkDeviceMemory memory) noexcept {
    const uint64_t value = HandleValue(memory);
    if (!CarriesTag(value)) return;
    for (LookAlike* entry = look_alikes_.load(std::memory_order_acquire); entry != nullptr;
         entry = entry->next) {
        // A driver may use one value for several objects: each has an entry.
        uint64_t expected = value;
        if (entry->value.compare_exchange_strong(expected, 0)) return;
    }
}

}  // namespace tessera
