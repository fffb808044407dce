// SPDX-License-Identifier: Apache-2.0
//
// See switch.h. The names are generated from mutants.toml.

#include "switch.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tessera::mutants {
namespace {

constexpr const char* kNames[] = {
#include "mutant_names.inc"
};

int Choose() noexcept {
    const char* wanted = std::getenv("TESSERA_TEST_MUTANT");
    if (wanted == nullptr || *wanted == '\0') return 0;
    int number = 0;
    for (const char* name : kNames) {
        ++number;
        if (std::strcmp(name, wanted) == 0) return number;
    }
    std::fprintf(stderr, "there is no mutant '%s'\n", wanted);
    return 0;
}

}  // namespace

int Chosen() noexcept {
    static const int chosen = Choose();
    return chosen;
}

}  // namespace tessera::mutants
