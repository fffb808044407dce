// SPDX-License-Identifier: Apache-2.0
//
// How numbers, names and tables are shown (tools/text.h).
#include "tools/text.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace tessera::command {
namespace {

TEST(Printable, KeepsOrdinaryTextOfAnyLanguage) {
    EXPECT_EQ(Printable("llvmpipe (LLVM 15.0.6, 256 bits)"), "llvmpipe (LLVM 15.0.6, 256 bits)");
    EXPECT_EQ(Printable("Gr\xc3\xbc\xc3\x9f"
                        "e \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x99\x82"),
              "Gr\xc3\xbc\xc3\x9f"
              "e \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x99\x82");
    EXPECT_EQ(Printable(""), "");
}

TEST(Printable, ShowsControlCharactersAsNumbers) {
    EXPECT_EQ(Printable("a\x1b[2Jb\nc\td\x7f"), "a\\x1b[2Jb\\x0ac\\x09d\\x7f");
    EXPECT_EQ(Printable(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(Printable, ShowsEightBitControlsAndDirectionMarksAsNumbers) {
    EXPECT_EQ(Printable("\xc2\x9b[m"), "\\xc2\\x9b[m");
    EXPECT_EQ(Printable("\xe2\x80\xae"
                        "abc"),
              "\\xe2\\x80\\xae"
              "abc");
    EXPECT_EQ(Printable("\xe2\x81\xa6x"), "\\xe2\\x81\\xa6x");
    EXPECT_EQ(Printable("\xd8\x9cx"), "\\xd8\\x9cx");
}

TEST(Printable, ReplacesWhatIsNotUtf8) {
    EXPECT_EQ(Printable("a\xff"
                        "b"),
              "a\xef\xbf\xbd"
              "b");
    EXPECT_EQ(Printable("\xe6\x97"), "\xef\xbf\xbd\xef\xbf\xbd");                  // cut short
    EXPECT_EQ(Printable("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd");                  // overlong
    EXPECT_EQ(Printable("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");  // surrogate
    EXPECT_EQ(Printable("\xf4\x90\x80\x80").size(), 4 * 3u);                       // too large
}

TEST(FormatCount, SeparatesThousands) {
    EXPECT_EQ(FormatCount(0), "0");
    EXPECT_EQ(FormatCount(999), "999");
    EXPECT_EQ(FormatCount(1000), "1,000");
    EXPECT_EQ(FormatCount(61250), "61,250");
    EXPECT_EQ(FormatCount(UINT64_MAX), "18,446,744,073,709,551,615");
}

TEST(FormatBytes, ChoosesTheUnit) {
    EXPECT_EQ(FormatBytes(0), "0 B");
    EXPECT_EQ(FormatBytes(1023), "1023 B");
    EXPECT_EQ(FormatBytes(1024), "1.0 KiB");
    EXPECT_EQ(FormatBytes((1 << 20) - 1), "1.0 MiB");
    EXPECT_EQ(FormatBytes(uint64_t{5} << 30), "5.0 GiB");
    EXPECT_EQ(FormatBytes(UINT64_MAX), "16.0 EiB");
}

TEST(FormatDuration, ChoosesTheUnit) {
    EXPECT_EQ(FormatDuration(0), "0 ns");
    EXPECT_EQ(FormatDuration(999), "999 ns");
    EXPECT_EQ(FormatDuration(1000), "1.0 us");
    EXPECT_EQ(FormatDuration(999'999), "1.0 ms");
    EXPECT_EQ(FormatDuration(90'000'000'000), "90.0 s");
}

TEST(FormatShare, IsNeverRoundedToAllOrNothing) {
    EXPECT_EQ(FormatShare(0, 0), "-");
    EXPECT_EQ(FormatShare(0, 10), "0 %");
    EXPECT_EQ(FormatShare(10, 10), "100 %");
    EXPECT_EQ(FormatShare(999'999, 1'000'000), "99.9 %");
    EXPECT_EQ(FormatShare(1, 1'000'000), "0.1 %");
    EXPECT_EQ(FormatShare(1, 2), "50.0 %");
}

TEST(Plural, FollowsTheNumber) {
    EXPECT_EQ(Plural(1, "device"), "1 device");
    EXPECT_EQ(Plural(0, "device"), "0 devices");
    EXPECT_EQ(Plural(2, "process"), "2 processes");
}

TEST(Table, AlignsColumnsByWhatIsSeen) {
    Table table({{"NAME", Table::Align::kLeft}, {"N"}});
    table.AddRow({"\xc3\xbc", "1"});
    table.AddRow({"longer", "1,000"});
    EXPECT_EQ(table.Format(1),
              " NAME        N\n"
              " \xc3\xbc           1\n"
              " longer  1,000\n");
}

}  // namespace
}  // namespace tessera::command
