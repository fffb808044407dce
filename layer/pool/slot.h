// SPDX-License-Identifier: Apache-2.0
//
// A slot: what the engine knows of one placed allocation.
//
// The one idea: half a cache line says everything. What follows from the block (its handle, its
// mapping, its memory type) stays with the block; sizes are units, and what the application asked
// for is kept as the difference to them.
//
// Threads: `mark` is atomic. The place (all else but `owner_flags`) is written under the lock of
// the shard that the block belongs to, before the slot is published or while its owner keeps all
// others away, and read by whoever holds the published name. `owner_flags` belongs to the owner,
// under the rules that it states.

#ifndef TESSERA_LAYER_POOL_SLOT_H_
#define TESSERA_LAYER_POOL_SLOT_H_

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "layer/pool/block.h"
#include "layer/pool/units.h"

namespace tessera::pool {

// Names a slot in the table; see slot_table.h.
using SlotId = uint32_t;
inline constexpr SlotId kNoSlot = ~SlotId{0};

// How a slot's range was had.
enum class Origin : uint8_t {
    kRange,  // `ref` is a node of the arena's ranges
    kRun,    // `ref` is a run of the arena, `position` the place in it
};

struct Slot {
    // Generation, liveness and the owner's state; see slot_table.h.
    std::atomic<uint32_t> mark = 0;
    uint32_t ref = 0;  // while taken: see Origin; while free: the slot's own number
    Units offset;      // in the block
    Units size;        // padded
    // size.Bytes() less what the application asked for.
    uint32_t slack_bytes = 0;
    uint8_t alignment_log2 = 0;  // what the place was chosen for, in bytes
    uint8_t position = 0;
    Origin origin = Origin::kRange;
    uint8_t reused : 1 = 0;       // a part of it may hold what an earlier slot left there
    uint8_t owner_flags : 7 = 0;  // layer/vk: mapped, ever mapped
    union {
        Block* block = nullptr;
        Slot* next_free;  // while free: of the shard
    };

    uint64_t OffsetBytes() const noexcept { return offset.Bytes(); }
    uint64_t SizeBytes() const noexcept { return size.Bytes(); }
    uint64_t RequestedBytes() const noexcept { return size.Bytes() - slack_bytes; }
    uint64_t AlignmentBytes() const noexcept { return uint64_t{1} << alignment_log2; }
    uint64_t Handle() const noexcept { return block->memory.handle; }
    // The address of the slot itself, or null.
    std::byte* Host() const noexcept {
        return block->memory.host != nullptr ? block->memory.host + offset.Bytes() : nullptr;
    }
    // Makes the slot lie where another record says.
    void CopyPlace(const Slot& from) noexcept {
        ref = from.ref;
        offset = from.offset;
        size = from.size;
        slack_bytes = from.slack_bytes;
        alignment_log2 = from.alignment_log2;
        position = from.position;
        origin = from.origin;
        reused = from.reused;
        block = from.block;
    }
    const ArenaKey& Key() const noexcept { return block->key; }
    uint32_t TypeIndex() const noexcept { return block->type_index; }
};
static_assert(sizeof(void*) != 8 || sizeof(Slot) == 32, "two slots share a cache line");

}  // namespace tessera::pool

#endif  // TESSERA_LAYER_POOL_SLOT_H_
