// SPDX-License-Identifier: Apache-2.0
//
// A terminal that shows screens and gives keys, by ncurses; the only file that knows of it.
//
// The terminal is left as it was found, whatever ends the command: ctrl-C, SIGTERM and SIGHUP are
// answers of Wait(), not ends.
//
// Threads: one. Only one object may exist.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/top/screen.h"
#include "tools/top/ui.h"

struct screen;

namespace tessera::top {

class CursesTerminal {
 public:
    CursesTerminal();
    ~CursesTerminal();
    CursesTerminal(const CursesTerminal&) = delete;
    CursesTerminal& operator=(const CursesTerminal&) = delete;

    // Whether the streams are a terminal that can be drawn on. If not, do not Open().
    static bool IsUsable();

    // Returns: false if the terminal is of a kind that is not known here.
    bool Open();

    Size size() const;
    // Whether it shows signs of Unicode.
    bool has_unicode() const { return has_unicode_; }

    // Draws what differs from what is there.
    void Show(const Screen& screen);

    enum class Event { kKey, kResized, kTimeout, kEnd };
    // Waits for a key, at most `timeout_ms`.
    Event Wait(uint64_t timeout_ms, Key& key);

 private:
    int Attributes(Style style) const;

    ::screen* terminal_ = nullptr;
    int signals_ = -1;
    bool has_unicode_ = false;
    bool has_colors_ = false;
};

}  // namespace tessera::top
