// SPDX-License-Identifier: Apache-2.0
//
// See slot_table.h.

#include "layer/pool/slot_table.h"

#include <algorithm>
#include <new>

namespace tessera::pool {
namespace {

// Where the generations of the nth table start: the first at 0, the others far apart.
constinit std::atomic<uint32_t> table_count = 0;
constexpr uint32_t kGenerationStep = 0x9E377;

}  // namespace

SlotTable::SlotTable() noexcept
    : first_generation_(table_count.fetch_add(1, std::memory_order_relaxed) * kGenerationStep &
                        Mark::kGenerationMask) {}

SlotTable::~SlotTable() {
    for (auto& chunk : chunks_)
        ::operator delete (chunk.load(), std::align_val_t{64});
    for (LookAlike* entry = look_alikes_.load(); entry != nullptr;) {
        LookAlike* next = entry->next;
        delete entry;
        entry = next;
    }
}

bool SlotTable::AddChunkLocked() noexcept {
    const uint32_t chunk_index =
        static_cast<uint32_t>(std::bit_width(room_ + (1u << kFirstChunkBits))) - 1 -
        kFirstChunkBits;
    if (chunk_index >= kChunks) return false;
    const uint32_t size = 1u << (kFirstChunkBits + chunk_index);
    void* const memory = ::operator new (size * sizeof(Slot), std::align_val_t{64}, std::nothrow);
    if (memory == nullptr) return false;
    chunks_[chunk_index].store(static_cast<Slot*>(memory), std::memory_order_release);
    room_ += size;
    return true;
}

uint32_t SlotTable::AddSlots(uint32_t count, SlotId* first) noexcept {
    MutexLock lock(mutex_);
    const uint32_t made = slot_count_.load(std::memory_order_relaxed);
    if (made == room_) {
        if (!AddChunkLocked()) return 0;
        if (recorder_.on()) recorder_.MakeRoom(room_);
    }
    count = std::min(count, room_ - made);
    for (SlotId id = made; id < made + count; ++id) {
        Slot* const slot = new (&At(id)) Slot;
        slot->mark.store(first_generation_, std::memory_order_relaxed);
    }
    slot_count_.store(made + count, std::memory_order_release);
    *first = made;
    return count;
}

SlotId SlotTable::IdOf(const Slot& slot) const noexcept {
    for (uint32_t chunk = 0; chunk < kChunks; ++chunk) {
        const Slot* const first = chunks_[chunk].load(std::memory_order_acquire);
        const uint32_t size = 1u << (kFirstChunkBits + chunk);
        if (first == nullptr) break;
        const auto distance = static_cast<uint64_t>(&slot - first);
        if (&slot >= first && distance < size)
            return static_cast<SlotId>(distance) + size - (1u << kFirstChunkBits);
    }
    return kNoSlot;
}

bool SlotTable::IsLive(uint64_t name) const noexcept {
    const SlotId id = IdIn(name);
    if (!CarriesTag(name) || id >= slot_count_.load(std::memory_order_acquire)) return false;
    const uint32_t mark = At(id).mark.load(std::memory_order_acquire);
    return (mark & Mark::kNameMask) == (GenerationIn(name) | Mark::kLive);
}

bool SlotTable::SearchLookAlikes(uint64_t value) const noexcept {
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

void SlotTable::ForgetForeign(uint64_t value) noexcept {
    if (!CarriesTag(value)) return;
    for (LookAlike* entry = look_alikes_.load(std::memory_order_acquire); entry != nullptr;
         entry = entry->next) {
        // A driver may use one value for several objects: each has an entry.
        uint64_t expected = value;
        if (entry->value.compare_exchange_strong(expected, 0)) return;
    }
}

}  // namespace tessera::pool
