// SPDX-License-Identifier: Apache-2.0
//
// A table of records in the segment, as its writer sees it: extents that double in size, and a
// record by its number.
//
// Threads: externally synchronised; AddExtent() takes the channel's mutex. Nothing here allocates
// from C++'s heap or throws.
//
// The one idea: extents have fixed first numbers and sizes, so that a number leads to its record by
// arithmetic, and an earlier load's extents of the process are found again by asking for the same.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "channel/counters.h"
#include "channel/tables.h"
#include "tessera/channel_abi.h"

namespace tessera::channel {

// Stores `from` in a record that readers may be copying, but for its sequence, which is the first
// word of each kind of record.
// Requires: the caller holds the lock of the table.
template <typename Record>
void WriteRecord(Record& to, const Record& from) noexcept {
    static_assert(sizeof(Record) % sizeof(uint64_t) == 0 && alignof(Record) == sizeof(uint64_t));
    const SequencedWrite write(to.sequence);
    auto* const words = reinterpret_cast<uint64_t*>(&to);
    const auto* const values = reinterpret_cast<const uint64_t*>(&from);
    for (size_t i = 1; i < sizeof(Record) / sizeof(uint64_t); ++i)
        Store(words[i], values[i]);
}

// kFirst: records of the first extent. kMax: the number of records; the last extent is cut to it.
template <typename Record, tessera_kind kKind, uint32_t kFirst, uint32_t kMax>
class RecordTable {
    static_assert(std::has_single_bit(kFirst));

 public:
    constexpr RecordTable() noexcept = default;

    // Records that there is room for.
    uint32_t capacity() const noexcept { return std::min(FirstOf(extents_in_use_), kMax); }

    // Requires: number < capacity().
    Record& At(uint32_t number) const noexcept {
        const uint32_t biased = number / kFirst + 1;
        const auto extent = static_cast<uint32_t>(std::bit_width(biased)) - 1;
        return extents_[extent][number - FirstOf(extent)];
    }

    // Makes room for more records. Those of the process may hold what an earlier load of the layer
    // left; others are zero.
    // Returns: false if there is no room. That is asked again when this is called for the second
    // time after it, the fourth, and so on, since devices that go make room, and asking takes
    // system calls.
    bool Grow(uint64_t owner) noexcept {
        const uint32_t first = capacity();
        if (first == kMax) return false;
        if (refusals_ != 0 && !std::has_single_bit(++refusals_)) return false;
        const uint32_t count = std::min(kFirst << extents_in_use_, kMax - first);
        void* const start = AddExtent(kKind, owner, first, uint64_t{count} * sizeof(Record));
        if (start == nullptr) {
            refusals_ = std::max<uint64_t>(refusals_, 1);
            return false;
        }
        extents_[extents_in_use_++] = static_cast<Record*>(start);
        refusals_ = 0;
        return true;
    }

    // What there was is gone.
    void Forget() noexcept { *this = RecordTable(); }

 private:
    // (2^extent - 1) times kFirst.
    static constexpr uint32_t FirstOf(uint32_t extent) noexcept {
        return (kFirst << extent) - kFirst;
    }
    static constexpr uint32_t kExtents = std::bit_width((kMax - 1) / kFirst + 1);
    static_assert(uint64_t{kFirst} << kExtents <= uint64_t{1} << 32);

    Record* extents_[kExtents] = {};
    uint32_t extents_in_use_ = 0;
    uint64_t refusals_ = 0;
};

}  // namespace tessera::channel
