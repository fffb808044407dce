// SPDX-License-Identifier: Apache-2.0
//
// Small help for messages: joins values into one string. The driver's messages are written for a
// person who reads a failed test, so each names the command, the handle and both numbers that did
// not fit. Stateless, any thread.
#ifndef TESSERA_TESTS_DRIVER_TEXT_H
#define TESSERA_TESTS_DRIVER_TEXT_H

#include <cstdint>
#include <sstream>
#include <string>

namespace tessera::mock {

// Wraps a value that is to be printed as 0x...
struct Hex {
    uint64_t value;
};

inline std::ostream& operator<<(std::ostream& out, Hex hex) {
    return out << "0x" << std::hex << hex.value << std::dec;
}

// Returns the parts, printed one after the other without separators.
template <class... Parts>
std::string Text(const Parts&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
}

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_TEXT_H
