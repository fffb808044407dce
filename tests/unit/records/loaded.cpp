// SPDX-License-Identifier: Apache-2.0
//
// A file with code of which nobody knows before it is loaded.

#include <cstdint>

extern "C" __attribute__((visibility("default"))) uint16_t CallThrough(uint16_t (*function)());

uint16_t CallThrough(uint16_t (*function)()) {
    const volatile uint16_t result = function();  // so that the call is not the last thing done
    return result;
}
