// SPDX-License-Identifier: Apache-2.0
//
// Texts from applications, for terminals.
#include <gtest/gtest.h>

#include "tessera/reader.h"

namespace tessera::test {
namespace {

using reader::TerminalText;

TEST(TerminalText, OfPrintableTextIsTheTextItself) {
    for (const char* const text :
         {"", "plain", "Gr\xC3\xBC\xC3\x9F", "\xF0\x9F\x99\x82", "a\\b \"c\""})
        EXPECT_EQ(TerminalText(text), text);
}

TEST(TerminalText, ShowsControlCharactersByTheirNumbers) {
    EXPECT_EQ(TerminalText("\x1b[2J"), "\\x1b[2J");
    EXPECT_EQ(TerminalText("a\nb\tc\x7f"), "a\\x0ab\\x09c\\x7f");
    EXPECT_EQ(TerminalText(std::string("\0z", 2)), "\\x00z");
    EXPECT_EQ(TerminalText("\xC2\x9B"
                           "31m"),
              "\\x9b31m")
        << "a control sequence's other beginning";
}

TEST(TerminalText, ReplacesWhatIsNotUtf8AndWhatTurnsTheDirection) {
    const std::string replaced = "\xEF\xBF\xBD";
    EXPECT_EQ(TerminalText("a\xFFz"), "a" + replaced + "z");
    EXPECT_EQ(TerminalText("\xC0\xAF"), replaced + replaced) << "a slash in disguise";
    EXPECT_EQ(TerminalText("\xE6\x97"), replaced + replaced) << "half a character";
    EXPECT_EQ(TerminalText("\xED\xA0\x80"), replaced + replaced + replaced) << "a surrogate";
    EXPECT_EQ(TerminalText("\xE2\x80\xAEz"), replaced + "z");
    EXPECT_EQ(TerminalText("\xE2\x80\xA8"), replaced) << "a line's end";
}

}  // namespace
}  // namespace tessera::test
