// SPDX-License-Identifier: Apache-2.0
//
// See text.h. UTF-8 is decoded here by hand because what follows a broken sequence must still be
// shown, and because the environment's locale must not decide what is safe.
#include "tools/text.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace tessera::command {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

struct Character {
    uint32_t code = 0;
    size_t length = 0;  // in bytes; 0 if the text does not start with valid UTF-8
};

// Decodes the first character; overlong forms, surrogates and what lies beyond U+10FFFF are
// invalid.
Character FirstCharacter(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80) return {lead, 1};
    size_t length = 0;
    if (lead >= 0xc2 && lead <= 0xdf) length = 2;
    if (lead >= 0xe0 && lead <= 0xef) length = 3;
    if (lead >= 0xf0 && lead <= 0xf4) length = 4;
    if (length == 0 || text.size() < length) return {};
    uint32_t code = lead & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if ((byte & 0xc0) != 0x80) return {};
        code = code << 6 | (byte & 0x3fu);
    }
    constexpr std::array<uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = code >= 0xd800 && code <= 0xdfff;
    if (code < kSmallest[length] || code > 0x10ffff || surrogate) return {};
    return {code, length};
}

std::string Formatted(const char* format, double value) {
    std::array<char, 48> text;
    const int length = snprintf(text.data(), text.size(), format, value);
    return {text.data(), static_cast<size_t>(length)};
}

// How many columns of a terminal the text takes, as far as a character is one column.
size_t Width(std::string_view text) {
    return static_cast<size_t>(
        std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

bool DrivesTerminal(uint32_t code) {
    const bool control = code < 0x20 || (code >= 0x7f && code <= 0x9f);
    const bool direction = code == 0x061c || (code >= 0x200e && code <= 0x200f) ||
                           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return control || direction;
}

std::string Printable(std::string_view text) {
    std::string shown;
    while (!text.empty()) {
        const Character character = FirstCharacter(text);
        const size_t length = std::max<size_t>(character.length, 1);
        if (character.length == 0) {
            shown += kReplacement;
        } else if (DrivesTerminal(character.code)) {
            for (const char c : text.substr(0, length)) {
                std::array<char, 5> escape;
                snprintf(escape.data(), escape.size(), "\\x%02x", static_cast<unsigned char>(c));
                shown += escape.data();
            }
        } else {
            shown += text.substr(0, length);
        }
        text.remove_prefix(length);
    }
    return shown;
}

std::string FormatCount(uint64_t count) {
    const std::string digits = std::to_string(count);
    std::string text;
    for (size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
        text += digits[i];
    }
    return text;
}

std::string FormatBytes(uint64_t bytes) {
    if (bytes < 1024) return std::to_string(bytes) + " B";
    constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = static_cast<double>(bytes) / 1024;
    size_t unit = 0;
    // 1023.95 would be shown as 1024.0.
    while (value >= 1023.95 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    return Formatted("%.1f ", value) + kUnits[unit];
}

std::string FormatDuration(uint64_t duration_ns) {
    if (duration_ns < 1000) return std::to_string(duration_ns) + " ns";
    constexpr std::array<const char*, 3> kUnits = {"us", "ms", "s"};
    double value = static_cast<double>(duration_ns) / 1000;
    size_t unit = 0;
    while (value >= 999.95 && unit + 1 < kUnits.size()) {
        value /= 1000;
        ++unit;
    }
    return Formatted("%.1f ", value) + kUnits[unit];
}

std::string FormatShare(uint64_t part, uint64_t whole) {
    if (whole == 0) return "-";
    if (part == 0) return "0 %";
    if (part == whole) return "100 %";
    const double percent = 100 * static_cast<double>(part) / static_cast<double>(whole);
    return Formatted("%.1f %%", part < whole ? std::clamp(percent, 0.1, 99.9) : percent);
}

std::string Plural(uint64_t count, std::string_view noun) {
    std::string text = FormatCount(count) + " ";
    text += noun;
    if (count != 1) text += noun.ends_with('s') ? "es" : "s";
    return text;
}

std::string Table::Format(size_t indent) const {
    std::vector<size_t> widths;
    for (size_t i = 0; i < columns_.size(); ++i) {
        size_t width = Width(columns_[i].title);
        for (const auto& row : rows_)
            width = std::max(width, Width(row[i]));
        widths.push_back(width);
    }
    std::string text;
    const auto add_line = [&](const auto& cell_of) {
        std::string line(indent, ' ');
        for (size_t i = 0; i < columns_.size(); ++i) {
            const std::string& cell = cell_of(i);
            const std::string padding(widths[i] - Width(cell), ' ');
            if (i > 0) line += "  ";
            line += columns_[i].align == Align::kLeft ? cell + padding : padding + cell;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    };
    add_line([&](size_t i) -> const std::string& { return columns_[i].title; });
    for (const auto& row : rows_)
        add_line([&](size_t i) -> const std::string& { return row[i]; });
    return text;
}

}  // namespace tessera::command
