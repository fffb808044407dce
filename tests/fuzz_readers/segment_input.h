// SPDX-License-Identifier: Apache-2.0
//
// One input of the segment's reader: a segment with devices, and what somebody does to the file
// before and while it is read. Its tables and rings: see tables_input.h.
//
// The one idea: another process that changes the file is played by edits that are due before the
// reader's n-th pread(). So each moment at which it could strike is met, and the same one each
// time.
//
// Threads: one per object.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "choices.h"
#include "tessera/channel_abi.h"

namespace tessera::fuzz_readers {

enum class EditKind : uint8_t {
    kPut,     // stores a 64-bit word
    kFlip,    // inverts the bits of a 64-bit word that are set in `value`
    kText,    // stores bytes
    kResize,  // makes the file `offset` bytes long; what is new is zero
};

struct Edit {
    uint64_t before_read =
        0;  // due before the reader's pread() of this number; 0: before the first
    EditKind kind = EditKind::kPut;
    uint64_t offset = 0;
    uint64_t value = 0;
    std::string text;
};

// In the order in which they are due.
using SegmentInput = std::vector<Edit>;

SegmentInput MakeSegmentInput(Choices& choices);

// The input, one edit a line, each with the name of the place it hits.
std::string Print(const SegmentInput& input);

// How many bytes the segment has that edits start from, and what is in it: record 0 is the sum of
// devices that lost their record, 1 a live device, 2 a destroyed one, 3 absent.
// Each lies in an extent of its own, one behind the other.
inline constexpr uint64_t kBaseRecords = 4;
constexpr uint64_t RecordOffset(uint64_t index) {
    constexpr uint64_t kPages = (sizeof(tessera_device_record) + 4095) / 4096;
    return sizeof(tessera_channel_header) + index * kPages * 4096;
}
uint64_t BaseBytes();

// Reads what the input makes of the segment and throws Finding if an invariant does not hold:
//   * the reader is done after a bounded number of pauses and of bytes copied;
//   * it reports a clear error and no data, or data of which all that callers rely on is so;
//   * without edits while it reads: what it returns is what lies in the file, and twice the same;
//   * what `tessera stat` prints of the data, as text and as JSON, is fit for a terminal and valid.
// Returns: whether the reader accepted the segment.
bool CheckSegmentInput(const SegmentInput& input);

// The paths of things that are no segments: a folder, a fifo, a link, a device and the like, are
// refused by name with an error that says why, at once. Throws Finding otherwise.
void CheckOtherFiles();

}  // namespace tessera::fuzz_readers
