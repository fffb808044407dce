// SPDX-License-Identifier: Apache-2.0
//
// See recording_input.h: how inputs are made up and told.
#include "recording_input.h"

#include <cinttypes>
#include <cstdio>

namespace tessera::fuzz_readers {
namespace {

constexpr const char* kNames[] = {"file byte",   "file cut",      "payload byte",
                                  "payload cut", "payload grown", "head word",
                                  "repeated",    "left out",      "packed"};

// Numbers at which readers decide.
uint64_t Number(Choices& choices) {
    constexpr uint64_t kEdges[] = {
        0,        1,       2,          4,          0x7f,     0x80,
        4096,     1 << 16, 1 << 20,    4 << 20,    1u << 29, (1u << 29) + 1,
        1u << 31, ~0u,     1ull << 32, 1ull << 63, ~0ull};
    return choices.OneIn(4) ? choices.Word() : choices.Of(kEdges);
}

}  // namespace

RecordingInput MakeRecordingInput(Choices& choices) {
    RecordingInput input(1 + choices.Below(3));
    for (Damage& damage : input) {
        damage.kind = static_cast<Damage::Kind>(choices.Below(std::size(kNames)));
        damage.chunk = static_cast<uint32_t>(choices.Below(16));
        // Near the beginning of a payload lies what the rest is read by.
        damage.offset = choices.Below(choices.OneIn(2) ? 128 : 1 << 16);
        damage.value = damage.kind == Damage::kHeadWord ? Number(choices) : 1 + choices.Below(255);
    }
    return input;
}

std::string Print(const RecordingInput& input) {
    std::string text;
    for (const Damage& damage : input) {
        char line[128];
        snprintf(line, sizeof(line), "  %s, chunk %u, offset %" PRIu64 ", value 0x%" PRIx64 "\n",
                 kNames[damage.kind], damage.chunk, damage.offset, damage.value);
        text += line;
    }
    return text;
}

}  // namespace tessera::fuzz_readers
