// SPDX-License-Identifier: Apache-2.0
//
// Small help for messages: joins values into one string, when it is needed. The driver's messages
// are written for a person who reads a failed test, so each names the command, the handle and both
// numbers that did not fit. Stateless, any thread.
#ifndef TESSERA_TESTS_DRIVER_TEXT_H
#define TESSERA_TESTS_DRIVER_TEXT_H

#include <cstdint>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>

namespace tessera::mock {

// Wraps a value that is to be printed as 0x...
struct Hex {
    uint64_t value;
};

inline std::ostream& operator<<(std::ostream& out, Hex hex) {
    return out << "0x" << std::hex << hex.value << std::dec;
}

// Values that become a string when one is needed, and cost nothing before. Values given as lvalues
// are referred to, others kept.
template <class... Parts>
class LazyText {
 public:
    explicit LazyText(Parts... parts) : parts_(static_cast<Parts&&>(parts)...) {}

    operator std::string() const {
        std::ostringstream out;
        std::apply([&out](const auto&... part) { (out << ... << part); }, parts_);
        return out.str();
    }

 private:
    std::tuple<Parts...> parts_;
};

// Returns the parts, to be printed one after the other without separators.
template <class... Parts>
LazyText<Parts...> Text(Parts&&... parts) {
    return LazyText<Parts...>(std::forward<Parts>(parts)...);
}

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_TEXT_H
