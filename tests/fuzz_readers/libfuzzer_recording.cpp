// SPDX-License-Identifier: Apache-2.0
//
// Recordings made of bytes that libFuzzer chooses by the code that they reach.
#include <cstdio>
#include <cstdlib>

#include "recording_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace tessera::fuzz_readers;
    Choices choices(data, size);
    const RecordingInput input = MakeRecordingInput(choices);
    try {
        CheckRecordingInput(input);
    } catch (const Finding& finding) {
        std::fprintf(stderr, "found: %s\n%s", finding.what(), Print(input).c_str());
        std::abort();
    }
    return 0;
}
