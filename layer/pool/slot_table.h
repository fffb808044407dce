// SPDX-License-Identifier: Apache-2.0
//
// The slots of one device by number, and the names under which they are handed out.
//
// A name packs a tag, a generation and a slot's number into 64 bits; for layer/vk it is a
// VkDeviceMemory. It is ours if the slot of that number carries this generation and is live now: no
// lock, no hash. Handles of the driver (or of the next layer) may be any 64-bit value, ours among
// them:
//   * one that carries our tag is remembered as a *look-alike* for as long as it lives, and no slot
//     takes its value;
//   * one that equals a live slot's name is refused, and the caller asks the driver for another.
// So every handle that an application holds means one thing, and what carries the tag without being
// live or a look-alike can only be of ours: freed, or of another device, whose generations start
// elsewhere so that its names are not mistaken for this one's.
//
// Slots lie in chunks that double in size and never move, so that readers need no lock; chunks are
// given back with the table. A chunk's pages are touched as its slots are handed out.
//
// Threads: Find(), Retire() and the look-alikes take no lock, so that they also work in a forked
// child. Publish() is called under the lock of a shard: see AdmitForeign.

#ifndef TESSERA_LAYER_POOL_SLOT_TABLE_H_
#define TESSERA_LAYER_POOL_SLOT_TABLE_H_

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "layer/base/mutex.h"
#include "layer/channel/recorder.h"
#include "layer/pool/slot.h"

namespace tessera::pool {

// Whether a slot may still be moved. Moving is invisible until an address or a binding has been
// made from its place, so the first map or bind pins it.
enum class SlotState : uint32_t {
    kFloating,  // nobody has seen where it lies
    kSettling,  // one thread is deciding whether to pin it here or elsewhere; the others wait
    kPinned,    // it lies where it lies until it is freed
};

// What Slot::mark says.
struct Mark {
    static constexpr uint32_t kGenerationMask = (1u << 20) - 1;
    static constexpr uint32_t kLive = 1u << 20;
    static constexpr uint32_t kNameMask = kGenerationMask | kLive;
    static constexpr uint32_t kStateShift = 21;

    static constexpr SlotState StateIn(uint32_t mark) noexcept {
        return static_cast<SlotState>(mark >> kStateShift);
    }
    static constexpr uint32_t WithState(uint32_t mark, SlotState state) noexcept {
        return (mark & kNameMask) | static_cast<uint32_t>(state) << kStateShift;
    }
};

class SlotTable {
 public:
    SlotTable() noexcept;
    ~SlotTable();
    SlotTable(const SlotTable&) = delete;
    SlotTable& operator=(const SlotTable&) = delete;

    // What a name is to this device.
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
    Found Find(uint64_t name) const noexcept {
        if (!CarriesTag(name)) return {Kind::kForeign, nullptr};
        const SlotId id = IdIn(name);
        if (id < slot_count_.load(std::memory_order_acquire)) [[likely]] {
            Slot& slot = At(id);
            const uint32_t mark = slot.mark.load(std::memory_order_acquire);
            if ((mark & Mark::kNameMask) == (GenerationIn(name) | Mark::kLive)) [[likely]]
                return {Kind::kLive, &slot};
        }
        return {IsLookAlike(name) ? Kind::kForeign : Kind::kStale, nullptr};
    }

    // Requires: a number that AddSlots gave out.
    Slot& At(SlotId id) const noexcept {
        // Chunk c starts at number (2^c - 1) * first: adding `first` puts c into the top bit.
        const uint32_t biased = id + (1u << kFirstChunkBits);
        const uint32_t top = static_cast<uint32_t>(std::bit_width(biased)) - 1;
        Slot* chunk = chunks_[top - kFirstChunkBits].load(std::memory_order_acquire);
        return chunk[biased - (1u << top)];
    }

    // Makes at most `count` slots. Returns: how many; 0 without host memory. They have the numbers
    // from `*first` on and belong to the caller until the table goes.
    uint32_t AddSlots(uint32_t count, SlotId* first) noexcept;

    // Gives the slot a name that no live slot and no look-alike has, and makes it live under it.
    // Returns: the name. Requires: a lock that Fence() of AdmitForeign takes.
    uint64_t Publish(Slot& slot, SlotId id) noexcept {
        uint32_t mark = slot.mark.load(std::memory_order_relaxed);
        uint64_t name = 0;
        do {
            // A generation comes back after a million uses of one slot.
            mark = (mark + 1) & Mark::kGenerationMask;
            name = Compose(mark, id);
        } while (IsLookAlike(name));
        slot.mark.store(Mark::WithState(mark | Mark::kLive, SlotState::kFloating),
                        std::memory_order_release);
        return name;
    }

    // Ends a live name: from here on it is stale. The slot's place stays for the caller.
    static void Retire(Slot& slot) noexcept {
        const uint32_t mark = slot.mark.load(std::memory_order_relaxed);
        slot.mark.store(mark & Mark::kGenerationMask, std::memory_order_release);
    }

    // Notes a handle that the driver just made. False: a live slot has the same name, or there is
    // no host memory to note it; the caller must not give it to the application.
    // `fence` is called between the note and the look at the slots: it must take and release, one
    // after the other, every lock under which Publish is called. A Publish that did not see the
    // note has then ended, and its slot is seen here.
    template <typename Fence>
    bool AdmitForeign(uint64_t value, Fence&& fence) noexcept {
        if (!CarriesTag(value)) [[likely]]
            return true;
        if (!Remember(value)) return false;
        fence();
        if (!IsLive(value)) return true;
        ForgetForeign(value);
        return false;
    }

    // The driver's handle is about to be destroyed. Call before going down: the driver may use the
    // value again at once.
    void ForgetForeign(uint64_t value) noexcept;

    // Whether a live slot has this name.
    bool IsLive(uint64_t name) const noexcept;

    // Whether a value may be ours at all.
    static constexpr bool CarriesTag(uint64_t value) noexcept { return value >> kTagShift == kTag; }

    // The number of the slot that a name which carries the tag means, and which use of it.
    static constexpr SlotId IdIn(uint64_t name) noexcept {
        return static_cast<SlotId>(name & kIdMask);
    }
    static constexpr uint32_t GenerationIn(uint64_t name) noexcept {
        return static_cast<uint32_t>(name >> kGenerationShift) & Mark::kGenerationMask;
    }

    // The number of slots that were ever handed out.
    uint32_t SlotCount() const noexcept { return slot_count_.load(std::memory_order_acquire); }

    // The number of a slot; kNoSlot if it is none of this table's. Takes as long as there are
    // chunks.
    SlotId IdOf(const Slot& slot) const noexcept;

    // The name under which a slot is live now; 0 if it is not.
    static uint64_t NameOf(const Slot& slot, SlotId id) noexcept {
        const uint32_t mark = slot.mark.load(std::memory_order_acquire);
        return (mark & Mark::kLive) != 0 ? Compose(mark & Mark::kGenerationMask, id) : 0;
    }

    // The name under which a slot was live last.
    static uint64_t LastNameOf(const Slot& slot, SlotId id) noexcept {
        return Compose(slot.mark.load(std::memory_order_relaxed) & Mark::kGenerationMask, id);
    }

    // What is recorded of the slots, by their numbers.
    channel::Recorder& recorder() noexcept { return recorder_; }

    // The layout of a name, for tests that forge them.
    static constexpr uint64_t kTag = 0x7E55;
    static constexpr uint32_t kTagShift = 48;
    static constexpr uint32_t kGenerationShift = 28;
    static constexpr uint64_t kIdMask = (uint64_t{1} << kGenerationShift) - 1;

 private:
    // Chunk c holds kFirstChunk << c slots.
    static constexpr uint32_t kFirstChunkBits = 6;
    static constexpr uint32_t kChunks = kGenerationShift - kFirstChunkBits;

    static constexpr uint64_t Compose(uint32_t generation, SlotId id) noexcept {
        return kTag << kTagShift | uint64_t{generation} << kGenerationShift | id;
    }

    bool AddChunkLocked() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    bool IsLookAlike(uint64_t value) const noexcept {
        return look_alikes_.load(std::memory_order_acquire) != nullptr && SearchLookAlikes(value);
    }
    bool SearchLookAlikes(uint64_t value) const noexcept;
    bool Remember(uint64_t value) noexcept;

    // One value of a look-alike, or 0. Entries are used again and go with the table.
    struct LookAlike {
        std::atomic<uint64_t> value = 0;
        LookAlike* next = nullptr;  // never changes once the entry can be seen
    };

    const uint32_t first_generation_;
    std::atomic<Slot*> chunks_[kChunks] = {};
    std::atomic<uint32_t> slot_count_ = 0;  // that were handed out
    std::atomic<LookAlike*> look_alikes_ = nullptr;

    channel::Recorder recorder_;

    Mutex mutex_;
    uint32_t room_ ABSL_GUARDED_BY(mutex_) = 0;  // slots in all chunks
};

}  // namespace tessera::pool

#endif  // TESSERA_LAYER_POOL_SLOT_TABLE_H_
