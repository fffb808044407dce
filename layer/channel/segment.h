// SPDX-License-Identifier: Apache-2.0
//
// The file behind the statistics channel and its mapping: made, continued, grown, given up.
//
// Threads: externally synchronised. Nothing here allocates from C++'s heap or throws.
//
// The one idea: no page is touched that the file system has not promised. The address range for the
// largest segment is taken at once, so that records never move; pages behind it are reserved first
// and used then, an extent at a time: records of one kind that belong together. No descriptor is
// kept: an application that closes those which it does not know, or passes them on, finds none of
// ours.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "channel/segment_name.h"
#include "tessera/channel_abi.h"

namespace tessera::channel {

// The largest segment that this writer makes, unless the settings say otherwise.
inline constexpr uint64_t kMaxSegmentBytes = uint64_t{32} << 20;

// Records that a new segment has room for, if there is space: the retired sum and two devices.
inline constexpr uint64_t kFirstRecords = 3;

// Devices whose records find room however much else is recorded.
inline constexpr uint64_t kReservedRecords = 16;

// No more devices have records at a time.
inline constexpr uint64_t kMostRecords = 384;

// Extents are whole pages of the smallest size that there is.
inline constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t ExtentBytes(uint64_t bytes) noexcept {
    return (bytes + (kPageBytes - 1)) / kPageBytes * kPageBytes;
}

// Returns: the size of a segment with room for `records` devices and nothing else.
constexpr uint64_t SegmentBytes(uint64_t records) noexcept {
    return sizeof(tessera_channel_header) + records * ExtentBytes(sizeof(tessera_device_record));
}

// Makes the file `to` bytes long and reserves what backs [from, to).
// Requires: the file is at least `from` bytes long.
// Returns: 0, or an errno; the file is then as long as it was.
int ReserveFile(int file, uint64_t from, uint64_t to) noexcept;

// The same by writing zeroes, for file systems that cannot reserve.
int ReserveFileByWriting(int file, uint64_t from, uint64_t to) noexcept;

// Constant-initialised and trivially destructible, as it lives in a global.
class Segment {
 public:
    constexpr Segment() noexcept = default;

    // Opens this process's segment: the one that an earlier load of the layer in this process left,
    // if it is sound, else a new one. What an earlier load left in the middle of a change is made
    // readable again. On success it is marked live.
    // `max_bytes`: how large a new one may become.
    // Requires: !is_open(). Returns: false, after one logged line, if there can be none.
    bool Open(uint64_t max_bytes) noexcept;

    // Makes room for one more device record, all zero.
    // Requires: is_open(). Returns: false, with everything as it was, if there is no room.
    bool AddRecord() noexcept;

    // Makes an extent; see tables.h. Returns: its zeroed bytes, or null.
    void* AddExtent(tessera_kind kind, uint64_t owner, uint32_t first, uint64_t bytes) noexcept;

    // Lets go all extents of an owner other than 0, or those of one kind. Requires: nobody uses
    // them any more; the header's sequence is odd.
    void FreeExtents(uint64_t owner, tessera_kind only = TESSERA_KIND_FREE) noexcept;

    // Returns: whether an owner has an extent of a kind that is as large as one of `bytes`.
    bool HasExtent(tessera_kind kind, uint64_t owner, uint64_t bytes) const noexcept;

    // Where the file lies, and whose it is.
    const char* path() const noexcept { return path_; }
    const SegmentOwner& owner() const noexcept { return owner_; }

    // A first instance exists, or the last one is gone. Requires: is_open().
    void MarkLive() noexcept;
    void MarkClosed() noexcept;

    // Unmaps the segment; the file stays.
    void Close() noexcept;

    // In the child of a fork: puts private zeroes where the parent's segment was, so that nothing
    // the child writes there reaches anybody.
    void Abandon() noexcept;

    bool is_open() const noexcept { return header_ != nullptr; }

    // Requires: is_open().
    tessera_channel_header& header() const noexcept { return *header_; }

    // How many records there is room for; record 0 is the retired sum. 0 if not open.
    uint64_t capacity() const noexcept { return capacity_; }

    // Requires: index < capacity().
    tessera_device_record& record(uint64_t index) const noexcept;

    // Returns: whether `record` is one of the segment's.
    bool Contains(const tessera_device_record* record) const noexcept;

 private:
    bool OpenIn(int folder, const char* name) noexcept;
    int OpenFile(int folder, const char* name, bool& is_new) noexcept;
    bool Map(int file, uint64_t max_bytes) noexcept;
    void Forget() noexcept;
    bool TakeExtents(const tessera_channel_header& found) noexcept;
    bool GrowFile(uint64_t bytes) noexcept;
    uint64_t RoomFor(uint32_t kind) const noexcept;
    void RepairTable(const tessera_extent& extent) noexcept;
    void SetExtent(uint32_t index, const tessera_extent& extent) noexcept;
    void* AddExtentUnannounced(const tessera_extent& wanted) noexcept;
    void Describe(bool is_new) noexcept;
    void Repair() noexcept;

    tessera_channel_header* header_ = nullptr;

    // What the file says of itself is not believed twice: these are ours.
    uint64_t capacity_ = 0;  // device records
    uint64_t max_bytes_ = 0;
    uint64_t bytes_ = 0;  // of the file
    uint32_t extent_count_ = 0;
    tessera_extent extents_[TESSERA_MAX_EXTENTS] = {};
    tessera_device_record* records_[kMostRecords] = {};
    dev_t device_ = 0;
    ino_t inode_ = 0;
    SegmentOwner owner_{};
    char path_[kMaxFolderPathBytes + kMaxSegmentNameBytes] = {};
};

}  // namespace tessera::channel
