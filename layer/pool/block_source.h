// SPDX-License-Identifier: Apache-2.0
//
// What the pool needs from the world below it: driver memory in blocks.
//
// The pool knows no Vulkan. Whoever owns a pool (layer/vk, or a test) implements BlockSource and
// hands out driver memory as an opaque handle plus, for host-visible memory, the address at which
// the whole block is mapped for as long as it lives. A block for one slot may be mapped later.

#ifndef TESSERA_LAYER_POOL_BLOCK_SOURCE_H_
#define TESSERA_LAYER_POOL_BLOCK_SOURCE_H_

#include <bit>
#include <cstddef>
#include <cstdint>

#include "tessera/channel_abi.h"

namespace tessera::pool {

// Which resources may share a block.
enum class Kind : uint8_t {
    kAny,     // anything may be bound: slots are isolated from each other by whole granules
    kLinear,  // only linear resources (buffers, linear images): no granule needs isolating
};

// Properties of driver memory that differ between blocks of one memory type. Slots of different
// keys never share a block.
struct ArenaKey {
    uint32_t allocate_flags = 0;    // VkMemoryAllocateFlags that every block carries
    uint8_t priority_quarters = 2;  // VK_EXT_memory_priority in quarters (0 to 4); 2 is the default
    Kind kind = Kind::kAny;
    bool large = false;  // the pool's own: large slots keep to themselves, see type_pool.cpp
    bool solo = false;   // and: a block for one slot, see TypePool::AllocateSolo

    // The same key for another kind, or for large slots. In a register: fields written one by one
    // and read as a whole at once cost every allocation a stall.
    ArenaKey With(Kind other) const noexcept {
        return Patched(offsetof(ArenaKey, kind), static_cast<uint8_t>(other));
    }
    ArenaKey ForLarge(bool is_large) const noexcept {
        return Patched(offsetof(ArenaKey, large), static_cast<uint8_t>(is_large));
    }

    // One comparison, since every allocation makes one.
    friend bool operator==(const ArenaKey& a, const ArenaKey& b) noexcept {
        return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
    }

 private:
    ArenaKey Patched(size_t byte, uint8_t value) const noexcept {
        const size_t shift = 8 * (std::endian::native == std::endian::little ? byte : 7 - byte);
        const uint64_t bits = std::bit_cast<uint64_t>(*this) & ~(uint64_t{0xFF} << shift);
        return std::bit_cast<ArenaKey>(bits | uint64_t{value} << shift);
    }
};

// A piece of driver memory. A plain value; the pool owns what it stands for from CreateBlock to
// DestroyBlock.
struct BlockMemory {
    uint64_t handle = 0;        // opaque to the pool; for layer/vk the driver's VkDeviceMemory
    std::byte* host = nullptr;  // start of the whole-block mapping; null unless it is mapped
    uint64_t size_bytes = 0;
    uint32_t record = ~uint32_t{0};  // the source's: the number under which it is recorded
    bool leaked = false;             // it goes with slots in it: the pool is at its end
};

enum class BlockStatus : uint8_t {
    kOk,
    kOutOfMemory,  // the driver has none of this size left; a smaller block may work
    kObjectLimit,  // the driver's limit of memory objects is reached; a smaller block is no help
    kNotAsked,  // as kObjectLimit, but known without asking the driver: counts as no failure of its
    kUnusable,  // memory was had but cannot serve (its map failed, say); it was given back
};

// Threads: the pool calls from any application thread, never with a pool lock held, and from
// several threads at once for different memory types. Implementations must not call back into the
// pool.
class BlockSource {
 public:
    // Gets `size_bytes` (> 0) of memory type `type_index`. On kOk fills `*memory`, whose host
    // address is mapped before this returns if the type is host-visible; with `key.solo` it may
    // stay null, and the source's owner maps the block when it likes. On failure `*memory` is
    // untouched and nothing is held.
    virtual BlockStatus CreateBlock(uint32_t type_index, const ArenaKey& key, uint64_t size_bytes,
                                    BlockMemory* memory) noexcept = 0;

    // Gives back what CreateBlock returned, mapped or not. Cannot fail.
    virtual void DestroyBlock(uint32_t type_index, const BlockMemory& memory) noexcept = 0;

    // A further line of counters for a memory type, or null: the pool then does without another
    // shard. It stays the pool's until the pool ends.
    virtual tessera_shard_counters* AddCounters(uint32_t) noexcept { return nullptr; }

    // Asks for TypePool::Service to be called soon, by a thread that is not the application's.
    // Called only of pools whose limits say that they are helped.
    // Called with locks of the pool held or not. Returns: false if nobody will come.
    virtual bool WantService() noexcept { return false; }

    // Milliseconds of the clock that Service is called with. May be coarse.
    virtual uint64_t NowMs() noexcept { return 0; }

 protected:
    ~BlockSource() = default;
};

}  // namespace tessera::pool

#endif  // TESSERA_LAYER_POOL_BLOCK_SOURCE_H_
