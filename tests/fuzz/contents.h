// SPDX-License-Identifier: Apache-2.0
//
// What must be in an allocation: the reference that real memory is compared with.
//
// Contents are known in cells of 256 bytes, which no atom of non-coherent memory crosses; the last
// cell may be shorter. A cell holds a pattern that its seed tells; seed 0 means that nobody can say
// what is there. The host's view and the device's view differ in non-coherent memory until a flush
// or an invalidation makes them agree.
//
// Threads: none of its own.
#ifndef TESSERA_TESTS_FUZZ_CONTENTS_H
#define TESSERA_TESTS_FUZZ_CONTENTS_H

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <unordered_map>
#include <vector>

namespace tessera::fuzz {

inline constexpr uint64_t kCellBytes = 256;
using CellBytes = std::array<uint8_t, kCellBytes>;

// The bytes of a cell with this seed.
inline CellBytes PatternOf(uint64_t seed) {
    CellBytes bytes;
    uint64_t word = seed * 0x9E3779B97F4A7C15u + 1;
    for (size_t i = 0; i < kCellBytes; i += 8) {
        word = word * 6364136223846793005u + 1442695040888963407u;
        std::memcpy(&bytes[i], &word, 8);
    }
    return bytes;
}

class Contents {
 public:
    struct Cell {
        uint64_t host = 0;    // the seed that the host must see
        uint64_t device = 0;  // the seed that the device must see
        bool dirty = false;   // written by the host and not flushed
    };

    Contents() = default;
    Contents(uint64_t size_bytes, bool coherent) : size_(size_bytes), coherent_(coherent) {}

    uint64_t CellCount() const { return (size_ + kCellBytes - 1) / kCellBytes; }
    uint64_t BytesOf(uint64_t cell) const {
        return std::min(kCellBytes, size_ - cell * kCellBytes);
    }
    Cell Look(uint64_t cell) const {
        const auto found = cells_.find(cell);
        return found == cells_.end() ? Cell() : found->second;
    }

    void HostWrites(uint64_t cell, uint64_t seed) {
        cells_[cell] = {seed, coherent_ ? seed : 0, !coherent_};
    }

    // Whether a write of the device to this cell has a defined outcome.
    bool DeviceMayWrite(uint64_t cell) const { return !Look(cell).dirty; }
    void DeviceWrites(uint64_t cell, uint64_t seed) { cells_[cell] = {coherent_ ? seed : 0, seed}; }

    // Of bytes [begin, end). A flush may carry over what the host last saw whether it wrote it or
    // not: some implementations keep a copy for the host. Of cells that the range covers only
    // partly nothing is known afterwards, unless both saw the same.
    void Flush(uint64_t begin, uint64_t end) {
        if (coherent_) return;
        for (auto& [number, cell] : cells_) {
            if (!Touches(number, begin, end)) continue;
            if (Covers(number, begin, end)) {
                cell.device = cell.host;
                cell.dirty = false;
            } else if (cell.device != cell.host) {
                cell.device = 0;
            }
        }
    }
    void Invalidate(uint64_t begin, uint64_t end) {
        if (coherent_) return;
        for (auto& [number, cell] : cells_) {
            if (!Touches(number, begin, end)) continue;
            if (Covers(number, begin, end)) {
                cell.host = cell.dirty ? 0 : cell.device;
                if (cell.dirty) cell.device = 0;
                cell.dirty = false;
            } else {
                // A part of what the host wrote may be gone.
                cell.host = cell.host == cell.device ? cell.host : 0;
                if (cell.dirty) cell.device = 0;
            }
        }
    }

    const std::unordered_map<uint64_t, Cell>& cells() const { return cells_; }

 private:
    bool Covers(uint64_t cell, uint64_t begin, uint64_t end) const {
        return cell * kCellBytes >= begin && cell * kCellBytes + BytesOf(cell) <= end;
    }
    bool Touches(uint64_t cell, uint64_t begin, uint64_t end) const {
        return cell * kCellBytes < end && cell * kCellBytes + BytesOf(cell) > begin;
    }

    uint64_t size_ = 0;
    bool coherent_ = true;
    std::unordered_map<uint64_t, Cell> cells_;
};

}  // namespace tessera::fuzz

#endif  // TESSERA_TESTS_FUZZ_CONTENTS_H
