// SPDX-License-Identifier: Apache-2.0
//
// The same programs, made of bytes that libFuzzer chooses by the code that they reach. The variable
// TESSERA_FUZZ_DESCRIPTION says on what device.
#include <cstdio>
#include <cstdlib>

#include "run.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const char* chosen = std::getenv("TESSERA_FUZZ_DESCRIPTION");
    const tessera::fuzz::Program program = tessera::fuzz::Decode(data, size);
    try {
        tessera::fuzz::RunPrograms(chosen != nullptr ? chosen : "preset:discrete", {program}, 1);
    } catch (const tessera::fuzz::Finding& finding) {
        std::fprintf(stderr, "found: %s\n%s", finding.what(),
                     tessera::fuzz::Print(program).c_str());
        std::abort();
    }
    return 0;
}
