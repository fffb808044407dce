// SPDX-License-Identifier: Apache-2.0
//
// See output_check.h. The JSON validator descends recursively; the command's documents are a few
// levels deep, and one that is deeper than kMostLevels is a finding by itself.
#include "output_check.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "choices.h"

namespace tessera::fuzz_readers {
namespace {

constexpr int kMostLevels = 32;

bool IsDirectionMark(uint32_t code) {
    return code == 0x061C || code == 0x200E || code == 0x200F ||
           (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

void CheckCharacter(uint32_t code, bool line_ends) {
    if (code == '\n' && line_ends) return;
    Require(code >= 0x20 && (code < 0x7F || code > 0x9F), "a control character is printed");
    Require(!IsDirectionMark(code), "a mark that changes the direction of writing is printed");
}

// Takes one character off `text`, as the table of well-formed sequences in Unicode's chapter 3 has
// them.
uint32_t TakeCharacter(std::string_view& text) {
    const auto byte = [&](size_t i) -> uint32_t {
        return i < text.size() ? static_cast<uint8_t>(text[i]) : 0;
    };
    const auto follows = [&](size_t i, uint32_t low = 0x80, uint32_t high = 0xBF) {
        return byte(i) >= low && byte(i) <= high;
    };
    const uint32_t lead = byte(0);
    size_t length = 0;
    uint32_t code = lead;
    if (lead < 0x80) {
        length = 1;
    } else if (lead >= 0xC2 && lead <= 0xDF && follows(1)) {
        length = 2;
        code = (lead & 0x1F) << 6 | (byte(1) & 0x3F);
    } else if (lead >= 0xE0 && lead <= 0xEF &&
               follows(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF) && follows(2)) {
        length = 3;
        code = (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    } else if (lead >= 0xF0 && lead <= 0xF4 &&
               follows(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF) && follows(2) &&
               follows(3)) {
        length = 4;
        code =
            (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
    }
    Require(length > 0, "what is printed is not UTF-8");
    text.remove_prefix(length);
    return code;
}

class JsonCheck {
 public:
    explicit JsonCheck(std::string_view text) : rest_(text) {}

    void Document() {
        Value(0);
        Require(rest_ == "\n", "a JSON document does not end in one line end");
    }

 private:
    bool Has(char c) {
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void Expect(char c) { Require(Has(c), "JSON: a bracket, colon, comma or quote is missing"); }
    void Blank() {
        while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n'))
            rest_.remove_prefix(1);
    }

    void Value(int level) {
        Require(level < kMostLevels, "JSON: nested deeper than any document of the command");
        Require(!rest_.empty(), "JSON: a value is missing");
        switch (rest_.front()) {
            case '{':
                return Object(level);
            case '[':
                return Array(level);
            case '"':
                String();
                return;
            case 't':
                return Word("true");
            case 'f':
                return Word("false");
            case 'n':
                return Word("null");
            default:
                return Integer();
        }
    }

    void Object(int level) {
        Expect('{');
        std::vector<std::string_view> keys;
        Blank();
        if (Has('}')) return;
        do {
            Blank();
            const std::string_view key = String();
            Require(std::ranges::find(keys, key) == keys.end(), "JSON: a key comes twice");
            keys.push_back(key);
            Blank();
            Expect(':');
            Blank();
            Value(level + 1);
            Blank();
        } while (Has(','));
        Expect('}');
    }

    void Array(int level) {
        Expect('[');
        Blank();
        if (Has(']')) return;
        do {
            Blank();
            Value(level + 1);
            Blank();
        } while (Has(','));
        Expect(']');
    }

    // Returns: what stands between the quotes. The command's strings need no escapes but these two:
    // a number (\u001b) would be a control character that was let through, in disguise.
    std::string_view String() {
        Expect('"');
        const char* const start = rest_.data();
        while (!rest_.empty() && rest_.front() != '"') {
            if (Has('\\')) {
                Require(Has('"') || Has('\\'), "JSON: a string has an escape that it needs not");
            } else {
                CheckCharacter(TakeCharacter(rest_), false);
            }
        }
        const std::string_view content(start, static_cast<size_t>(rest_.data() - start));
        Expect('"');
        return content;
    }

    void Word(std::string_view word) {
        Require(rest_.starts_with(word), "JSON: neither true, false nor null");
        rest_.remove_prefix(word.size());
    }

    // The schema has no other numbers.
    void Integer() {
        Has('-');
        const size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
        Require(digits > 0, "JSON: not a value");
        Require(digits == 1 || rest_.front() != '0', "JSON: a number starts with 0");
        rest_.remove_prefix(digits);
    }

    std::string_view rest_;
};

}  // namespace

void CheckPrintable(std::string_view text, bool line_ends) {
    while (!text.empty())
        CheckCharacter(TakeCharacter(text), line_ends);
}

void CheckJson(std::string_view text) {
    JsonCheck(text).Document();
}

}  // namespace tessera::fuzz_readers
