// SPDX-License-Identifier: Apache-2.0
//
// Rounding, as sizes and extents need it everywhere. Stateless. Results that do not fit wrap
// around: callers check sizes against limits first where an application chose them.
#ifndef TESSERA_TESTS_DRIVER_ARITHMETIC_H
#define TESSERA_TESTS_DRIVER_ARITHMETIC_H

#include <cstdint>

namespace tessera::mock {

// Returns the smallest multiple of `step` that is not below `value`. **Requires** step > 0.
constexpr uint64_t RoundUp(uint64_t value, uint64_t step) {
    return (value + step - 1) / step * step;
}

// Returns value / by, rounded up. **Requires** by > 0.
constexpr uint32_t DivideUp(uint32_t value, uint32_t by) {
    return (value + by - 1) / by;
}

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_ARITHMETIC_H
