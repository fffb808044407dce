// SPDX-License-Identifier: Apache-2.0
//
// See text.h for the contract.
#include "reader/text.h"

#include <cstdint>
#include <string_view>

#include "tessera/reader.h"

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

// What a text begins with.
enum class Kind {
    kPrintable,
    kControl,  // C0, DEL or C1
    kMark,     // it ends a line or changes the direction of writing
    kNotUtf8,  // a byte that is not part of a valid character
};
struct Character {
    Kind kind;
    size_t length;
    uint32_t code_point;
};

// Requires: `text` is not empty.
Character FirstOf(std::string_view text) {
    const auto lead = static_cast<uint8_t>(text.front());
    const size_t length = SequenceLength(lead);
    if (length == 0 || length > text.size()) return {Kind::kNotUtf8, 1, lead};
    if (length == 1)
        return {lead >= 0x20 && lead != 0x7F ? Kind::kPrintable : Kind::kControl, 1, lead};

    // Below these a shorter sequence says the same.
    constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t code_point = lead & (0x7Fu >> length);
    for (const char next : text.substr(1, length - 1)) {
        const auto byte = static_cast<uint8_t>(next);
        if ((byte & 0xC0) != 0x80) return {Kind::kNotUtf8, 1, lead};
        code_point = code_point << 6 | (byte & 0x3Fu);
    }
    const bool is_surrogate = code_point >= kFirstSurrogate && code_point <= kLastSurrogate;
    const bool in_range = code_point >= kSmallest[length] && code_point <= kLastCodePoint;
    if (!in_range || is_surrogate) return {Kind::kNotUtf8, 1, lead};
    if (code_point < 0xA0) return {Kind::kControl, length, code_point};
    const bool is_mark = code_point == 0x061C || code_point == 0x200E || code_point == 0x200F ||
                         (code_point >= 0x2028 && code_point <= 0x202E) ||
                         (code_point >= 0x2066 && code_point <= 0x2069);
    return {is_mark ? Kind::kMark : Kind::kPrintable, length, code_point};
}

}  // namespace

std::string SafeText(std::span<const char> bytes) {
    std::string_view rest(bytes.data(), bytes.size());
    rest = rest.substr(0, rest.find('\0'));
    std::string safe;
    safe.reserve(rest.size());
    while (!rest.empty()) {
        const Character first = FirstOf(rest);
        const bool is_printable = first.kind == Kind::kPrintable;
        const size_t length = is_printable ? first.length : 1;
        if (is_printable)
            safe += rest.substr(0, length);
        else
            safe += '?';
        rest.remove_prefix(length);
    }
    return safe;
}

std::string TerminalText(const std::string& text) {
    constexpr char kReplacement[] = "\xEF\xBF\xBD";  // U+FFFD
    constexpr char kDigits[] = "0123456789abcdef";
    std::string safe;
    safe.reserve(text.size());
    for (std::string_view rest = text; !rest.empty();) {
        const Character first = FirstOf(rest);
        if (first.kind == Kind::kPrintable) {
            safe += rest.substr(0, first.length);
        } else if (first.kind == Kind::kControl) {
            safe += "\\x";
            safe += kDigits[first.code_point >> 4];
            safe += kDigits[first.code_point & 0xF];
        } else {
            safe += kReplacement;
        }
        rest.remove_prefix(first.length);
    }
    return safe;
}

}  // namespace tessera::reader
