// SPDX-License-Identifier: Apache-2.0
//
// A block as the pool keeps it, and the list of those that are empty.
//
// The one idea: a block becomes empty and is used again without a search or an allocation, since
// it carries the links of the list itself. Threads that only use a slot do not touch the cache line
// that placement writes.
//
// Threads: the lock of the shard that the block belongs to guards all of it, but for `memory`,
// `key` and `type_index`, which do not change between the block's publication and its end, and
// `hinted`. One thing does change: a block for one slot may be mapped late, by whoever has that
// slot to itself (vkMapMemory), and is looked at by nobody else meanwhile.

#ifndef TESSERA_LAYER_POOL_BLOCK_H_
#define TESSERA_LAYER_POOL_BLOCK_H_

#include <atomic>
#include <cstdint>

#include "layer/pool/block_source.h"
#include "layer/pool/units.h"

namespace tessera::pool {

class Arena;
class Shard;

struct alignas(64) Block {
    // First line: what does not change while a slot lives, and threads read that use or free one.
    BlockMemory memory;
    Arena* arena = nullptr;
    Shard* shard = nullptr;  // whose lock guards the rest
    ArenaKey key;
    uint32_t type_index = 0;
    uint32_t index = 0;  // its number in the arena, and in the nodes of its ranges
    // Second line: what changes with each slot, and with the block.
    alignas(64) Units live;   // in slots
    Units used;               // no slot ever lay behind this
    uint32_t live_slots = 0;  // the block is empty when this is 0
    Units size;               // whole units of it
    uint32_t whole = 0;       // while empty: its one free range (a NodeId)
    uint64_t idle_since = 0;  // while empty: when it became so, in the pool's time
    Block* older = nullptr;   // while empty, or given up: neighbours in a BlockList
    Block* newer = nullptr;
    // layer/vk: the driver was told a priority for it, beside that of the key.
    std::atomic<bool> hinted = false;
};

// Blocks in the order in which they were added. Owns nothing.
class BlockList {
 public:
    // Requires: the block is in no list.
    void Add(Block& block) noexcept {
        block.older = newest_;
        block.newer = nullptr;
        (newest_ != nullptr ? newest_->newer : oldest_) = &block;
        newest_ = &block;
        bytes_ += block.memory.size_bytes;
    }

    // Requires: the block is in this list.
    void Remove(Block& block) noexcept {
        (block.older != nullptr ? block.older->newer : oldest_) = block.newer;
        (block.newer != nullptr ? block.newer->older : newest_) = block.older;
        bytes_ -= block.memory.size_bytes;
    }

    // Returns: the block added first, or null. The next one is its `newer`.
    Block* Oldest() const noexcept { return oldest_; }

    // The sizes of all blocks in the list.
    uint64_t Bytes() const noexcept { return bytes_; }

 private:
    Block* oldest_ = nullptr;
    Block* newest_ = nullptr;
    uint64_t bytes_ = 0;
};

}  // namespace tessera::pool

#endif  // TESSERA_LAYER_POOL_BLOCK_H_
