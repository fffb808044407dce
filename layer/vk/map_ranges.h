// SPDX-License-Identifier: Apache-2.0
//
// Which part of a pooled allocation the application mapped, for those that it maps at all: beside
// the slots, so that the others do not pay for it.
//
// Threads: At() from any; one mutex for what is rare. An entry belongs to the slot of its number,
// under the external synchronisation of `memory` in map, unmap, flush and invalidate.

#ifndef TESSERA_LAYER_VK_MAP_RANGES_H_
#define TESSERA_LAYER_VK_MAP_RANGES_H_

#include <atomic>
#include <bit>
#include <cstdint>
#include <new>

#include "layer/base/mutex.h"
#include "layer/vk/handle.h"

namespace tessera {

// Bytes, relative to the slot.
struct MapRange {
    uint64_t offset;
    uint64_t size;
};

class MapRanges {
 public:
    MapRanges() = default;
    ~MapRanges() {
        for (auto& chunk : chunks_)
            ::operator delete(chunk.load());
    }
    MapRanges(const MapRanges&) = delete;
    MapRanges& operator=(const MapRanges&) = delete;

    // The entry of a slot; null without host memory, unless Make() succeeded for it before.
    MapRange* At(SlotId id) const noexcept {
        const Place place = PlaceOf(id);
        MapRange* const chunk = chunks_[place.chunk].load(std::memory_order_acquire);
        return chunk == nullptr ? nullptr : chunk + place.index;
    }

    // As At(), and makes the entry if there is none yet: it holds anything then.
    MapRange* Make(SlotId id) noexcept {
        if (MapRange* const range = At(id); range != nullptr) return range;
        const Place place = PlaceOf(id);
        MutexLock lock(mutex_);
        if (chunks_[place.chunk].load(std::memory_order_relaxed) == nullptr) {
            // Its pages are touched as its entries are used.
            void* const memory =
                ::operator new((sizeof(MapRange) << kFirstBits) << place.chunk, std::nothrow);
            chunks_[place.chunk].store(static_cast<MapRange*>(memory), std::memory_order_release);
        }
        return At(id);
    }

 private:
    // Chunk c holds kFirst << c entries, as the slots do.
    static constexpr uint32_t kFirstBits = 6;
    static constexpr uint32_t kChunks = SlotTable::kGenerationShift - kFirstBits;
    struct Place {
        uint32_t chunk;
        uint32_t index;
    };
    static Place PlaceOf(SlotId id) noexcept {
        const uint32_t biased = id + (1u << kFirstBits);
        const uint32_t top = static_cast<uint32_t>(std::bit_width(biased)) - 1;
        return {top - kFirstBits, biased - (1u << top)};
    }

    Mutex mutex_;
    std::atomic<MapRange*> chunks_[kChunks] = {};
};

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_MAP_RANGES_H_
