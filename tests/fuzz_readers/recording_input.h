// SPDX-License-Identifier: Apache-2.0
//
// One input of the reader of recordings: a sound recording in memory, and a few things done to it.
//
// The one idea: a checksum keeps accidents from what lies behind it, but not somebody hostile. So
// there are two kinds of changes: of the file's bytes, which the checksums must notice; and of what
// a chunk holds or says before its checksum is made, which the decoders must bear.
//
// Threads: one per object.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "choices.h"

namespace tessera::fuzz_readers {

struct Damage {
    enum Kind : uint8_t {
        kFileByte,      // exclusive or of a byte of the file
        kFileCut,       // the file ends here
        kPayloadByte,   // of the unpacked payload of a chunk
        kPayloadCut,    // the unpacked payload ends here
        kPayloadGrown,  // by this many bytes
        kHeadWord,      // a word of a chunk's head (0: kind and flags, 1: stored, 2: raw)
        kRepeated,      // the chunk comes twice
        kLeftOut,
        kPacked,  // the chunk is compressed
    };
    Kind kind = kFileByte;
    uint32_t chunk = 0;   // modulo their number
    uint64_t offset = 0;  // modulo the number of bytes; of kHeadWord: modulo 3
    uint64_t value = 0;
};

using RecordingInput = std::vector<Damage>;

RecordingInput MakeRecordingInput(Choices& choices);

// The input, one change a line.
std::string Print(const RecordingInput& input);

// Reads what the input makes of the recording and throws Finding if an invariant does not hold:
//   * it is refused with a reason, or opened, and then what is whole lies within the file;
//   * samples and events are in order of time, also over chunks, and the same the second time;
//   * events that were counted are those that were given;
//   * where only bytes of the file were changed, everything before the first of them is as it was,
//     and it is said that something is wrong.
// Returns: whether it was opened and nothing was wrong with it.
bool CheckRecordingInput(const RecordingInput& input);

}  // namespace tessera::fuzz_readers
