// SPDX-License-Identifier: Apache-2.0
//
// The pooled VkDeviceMemory handles of one device: what they look like, and what they stand for.
//
// A pooled handle packs a tag, a generation and a slot index into 64 bits. It is ours if the slot
// at that index holds this exact value now: no lock, no hash. The handles of the driver (or of the
// next layer) may be any 64-bit value, ours among them:
//   * one that carries our tag is remembered as a *look-alike* for as long as it lives, and no slot
//     takes its value;
//   * one that equals a live slot's value is refused, and the caller asks the driver for another.
// So every handle that an application holds means one thing, and what carries the tag without being
// live or a look-alike can only be of ours: freed, or of another device, whose generations start
// elsewhere so that its handles are not mistaken for this one's.
//
// Slots lie in chunks that double in size and never move, so that readers need no lock; chunks are
// given back with the table.
//
// Threads: Find(), Retire() and ForgetForeign() take no lock, so that they also work in a forked
// child, where a thread that does not exist may hold the mutex. Acquire, Publish, Release and
// AdmitForeign take it. The fields of a live slot follow the rules stated beside them.

#ifndef TESSERA_LAYER_VK_SLOT_TABLE_H_
#define TESSERA_LAYER_VK_SLOT_TABLE_H_

#include <vulkan/vulkan_core.h>

#include <atomic>
#include <cstdint>

#include "layer/base/mutex.h"
#include "layer/pool/type_pool.h"

namespace tessera {

// Whether a slot may still be moved. Moving is invisible until an address or a binding has been
// made from its place, so the first map or bind pins it.
enum class SlotState : uint32_t {
    kFloating,  // nobody has seen where it lies
    kSettling,  // one thread is deciding whether to pin it here or elsewhere; the others wait
    kPinned,    // it lies where it lies until it is freed
};

// One pooled allocation. `place`, `key` and `alignment_bytes` change only while `state` is
// kSettling, by the thread that set it, and are read after kPinned was seen (acquire) or by an
// owner whom Vulkan's external synchronisation of `memory` protects (map, unmap, free).
struct Slot {
    std::atomic<uint64_t> handle = 0;  // the live handle's value, else 0
    std::atomic<SlotState> state = SlotState::kFloating;
    uint32_t index = 0;        // of this slot; never changes
    uint32_t generation = 0;   // of the last handle made here; guarded by the table's mutex
    uint32_t type_index = 0;   // memory type
    bool ever_mapped = false;  // externally synchronised, like the next three
    bool mapped = false;
    uint64_t map_offset_bytes = 0;  // as the application mapped it, relative to the slot
    uint64_t map_size_bytes = 0;
    uint64_t requested_bytes = 0;  // VkMemoryAllocateInfo::allocationSize
    uint64_t alignment_bytes = 0;  // what the place was chosen for
    pool::ArenaKey key;
    pool::Placement place;
    Slot* next_free = nullptr;  // guarded by the table's mutex
};

class SlotTable {
 public:
    SlotTable() noexcept;
    ~SlotTable();
    SlotTable(const SlotTable&) = delete;
    SlotTable& operator=(const SlotTable&) = delete;

    // What a handle is to this device.
    enum class Kind {
        kForeign,  // never ours: it goes down as it is
        kLive,     // a slot
        kStale,    // was ours and is freed, or is another device's: it goes nowhere
    };
    struct Found {
        Kind kind;
        Slot* slot;  // only with kLive
    };

    // Threads: any, no lock. Costs more for values that carry the tag and are not live: these are
    // compared with every look-alike.
    Found Find(VkDeviceMemory memory) const noexcept;

    // A slot for a new allocation, in its initial state but for `index`; null without host memory.
    // It is not live yet: the caller fills it in and calls Publish().
    Slot* Acquire() noexcept;

    // Gives the slot a handle that no live handle has, of ours or of the driver's, makes it live
    // and returns the handle.
    VkDeviceMemory Publish(Slot& slot) noexcept;

    // Ends a live handle: from here on it is stale. The slot's other fields stay for the caller,
    // who hands it back with Release() when it needs them no more.
    void Retire(Slot& slot) noexcept;
    void Release(Slot& slot) noexcept;

    // Notes a handle that the driver just made. False: a live slot has the same value; the caller
    // must not give it to the application.
    bool AdmitForeign(VkDeviceMemory memory) noexcept;

    // As AdmitForeign, without the lock.
    // Requires: a forked child, where no slot gets a handle any more.
    bool AdmitForeignInChild(VkDeviceMemory memory) noexcept;

    // The driver's handle is about to be destroyed. Call before going down: the driver may use the
    // value again at once.
    void ForgetForeign(VkDeviceMemory memory) noexcept;

    // Whether a value may be ours at all.
    static bool CarriesTag(uint64_t value) noexcept { return value >> kTagShift == kTag; }

    // The layout of a handle, for tests that forge them.
    static constexpr uint64_t kTag = 0x7E55;
    static constexpr uint32_t kTagShift = 48;
    static constexpr uint32_t kGenerationShift = 28;
    static constexpr uint64_t kGenerationMask = (uint64_t{1} << 20) - 1;
    static constexpr uint64_t kIndexMask = (uint64_t{1} << kGenerationShift) - 1;

 private:
    // Chunk c holds kFirstChunk << c slots.
    static constexpr uint32_t kFirstChunkBits = 6;
    static constexpr uint32_t kChunks = kGenerationShift - kFirstChunkBits;

    Slot* At(uint64_t index) const noexcept;
    bool AddChunkLocked() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    bool IsLookAlike(uint64_t value) const noexcept;
    bool Remember(uint64_t value) noexcept;
    static uint64_t Compose(const Slot& slot) noexcept;

    // One value of a look-alike, or 0. Entries are used again and go with the table.
    struct LookAlike {
        std::atomic<uint64_t> value = 0;
        LookAlike* next = nullptr;  // never changes once the entry can be seen
    };

    const uint32_t first_generation_;
    std::atomic<Slot*> chunks_[kChunks] = {};
    std::atomic<uint32_t> slot_count_ = 0;  // over all chunks

    mutable Mutex mutex_;
    Slot* free_ ABSL_GUARDED_BY(mutex_) = nullptr;
    std::atomic<LookAlike*> look_alikes_ = nullptr;
};

// VkDeviceMemory is a pointer on 64-bit systems and an integer on 32-bit ones.
inline uint64_t HandleValue(VkDeviceMemory memory) noexcept {
    return (uint64_t)memory;  // NOLINT: the one cast that is right for both
}
inline VkDeviceMemory MakeHandle(uint64_t value) noexcept {
    return (VkDeviceMemory)value;  // NOLINT: as above
}

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_SLOT_TABLE_H_
