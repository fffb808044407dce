// SPDX-License-Identifier: Apache-2.0
//
// See text.h for the contract.
#include "reader/text.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace tessera::reader {
namespace {

constexpr uint32_t kFirstSurrogate = 0xD800;
constexpr uint32_t kLastSurrogate = 0xDFFF;
constexpr uint32_t kLastCodePoint = 0x10FFFF;

// Returns: how many bytes the UTF-8 sequence has that starts with `lead`; 0 if none does.
size_t SequenceLength(uint8_t lead) {
    if (lead < 0x80) return 1;
    if ((lead & 0xE0) == 0xC0) return 2;
    if ((lead & 0xF0) == 0xE0) return 3;
    if ((lead & 0xF8) == 0xF0) return 4;
    return 0;
}

// Returns: the length of the printable character that `text` starts with; 0 if it starts with none.
size_t PrintableLength(std::string_view text) {
    const auto lead = static_cast<uint8_t>(text.front());
    const size_t length = SequenceLength(lead);
    if (length == 0 || length > text.size()) return 0;
    if (length == 1) return lead >= 0x20 && lead != 0x7F ? 1 : 0;

    // Below these a shorter sequence says the same.
    constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t code_point = lead & (0x7Fu >> length);
    for (const char next : text.substr(1, length - 1)) {
        const auto byte = static_cast<uint8_t>(next);
        if ((byte & 0xC0) != 0x80) return 0;
        code_point = code_point << 6 | (byte & 0x3Fu);
    }
    const bool is_control = code_point >= 0x80 && code_point < 0xA0;
    const bool is_direction = code_point == 0x061C || code_point == 0x200E ||
                              code_point == 0x200F ||
                              (code_point >= 0x2028 && code_point <= 0x202E) ||
                              (code_point >= 0x2066 && code_point <= 0x2069);
    const bool is_surrogate = code_point >= kFirstSurrogate && code_point <= kLastSurrogate;
    const bool in_range = code_point >= kSmallest[length] && code_point <= kLastCodePoint;
    return in_range && !is_surrogate && !is_control && !is_direction ? length : 0;
}

}  // namespace

std::string SafeText(std::span<const char> bytes) {
    std::string_view rest(bytes.data(), bytes.size());
    rest = rest.substr(0, rest.find('\0'));
    std::string safe;
    safe.reserve(rest.size());
    while (!rest.empty()) {
        const size_t length = PrintableLength(rest);
        if (length == 0)
            safe += '?';
        else
            safe += rest.substr(0, length);
        rest.remove_prefix(std::max<size_t>(length, 1));
    }
    return safe;
}

}  // namespace tessera::reader
