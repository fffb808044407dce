// SPDX-License-Identifier: Apache-2.0
//
// Numbers, names and tables as people read them on a terminal.
//
// The one idea: whatever comes from another process (names of programs, devices and drivers) may be
// hostile, and reaches a terminal only through Printable().
//
// Threads: pure functions; a Table belongs to one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::command {

// `text` without anything that could drive a terminal or hide what is shown: control characters
// (C0, DEL, C1) and marks that change the writing direction become \xNN, one for each byte; bytes
// that are not UTF-8 become U+FFFD.
std::string Printable(std::string_view text);

// Whether a terminal obeys this character, or it hides what is shown: those that Printable()
// escapes.
bool DrivesTerminal(uint32_t code);

// "61,250"
std::string FormatCount(uint64_t count);

// "812 B", "612.4 MiB": binary units, one decimal from KiB upward.
std::string FormatBytes(uint64_t bytes);

// "812 ns", "7.1 us", "2.4 ms", "1.5 s".
std::string FormatDuration(uint64_t duration_ns);

// "99.9 %". Never rounded to 0 or 100 unless it is exactly that; "-" if `whole` is 0.
std::string FormatShare(uint64_t part, uint64_t whole);

// "1 device", "3 devices".
std::string Plural(uint64_t count, std::string_view noun);

// Columns that are as wide as their widest cell, two spaces apart.
class Table {
 public:
    enum class Align { kLeft, kRight };
    struct Column {
        std::string title;
        Align align = Align::kRight;
    };

    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    // Requires: as many cells as there are columns. What came from elsewhere went through
    // Printable().
    void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

    bool empty() const { return rows_.empty(); }

    // The titles and the rows, each line with `indent` spaces before it and a line end after it.
    std::string Format(size_t indent) const;

 private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace tessera::command
