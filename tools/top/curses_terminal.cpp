// SPDX-License-Identifier: Apache-2.0
//
// See curses_terminal.h. The wide library is needed: names are UTF-8.
#include "tools/top/curses_terminal.h"

#include <curses.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

namespace tessera::top {
namespace {

constexpr short kMinePair = 1, kOtherPair = 2, kWarnPair = 3, kTitlePair = 4;

// After escape other bytes may follow that make it another key; over a slow line not at once.
constexpr int kEscapeDelayMs = 50;

std::optional<Key> KeyOf(int code) {
    switch (code) {
        case KEY_UP:
            return Key{Key::kUp, 0};
        case KEY_DOWN:
            return Key{Key::kDown, 0};
        case KEY_LEFT:
            return Key{Key::kLeft, 0};
        case KEY_RIGHT:
            return Key{Key::kRight, 0};
        case KEY_PPAGE:
            return Key{Key::kPageUp, 0};
        case KEY_NPAGE:
            return Key{Key::kPageDown, 0};
        case KEY_HOME:
            return Key{Key::kHome, 0};
        case KEY_END:
            return Key{Key::kEnd, 0};
        case KEY_ENTER:
        case '\n':
        case '\r':
            return Key{Key::kEnter, 0};
        case KEY_BACKSPACE:
        case 0x7f:
        case '\b':
            return Key{Key::kBackspace, 0};
        case 0x1b:
            return Key{Key::kEscape, 0};
        default:
            break;
    }
    if (code == '\t' || (code >= ' ' && code <= '~'))
        return Key{Key::kCharacter, static_cast<char>(code)};
    return {};
}

bool IsSet(const char* name) {
    const char* const value = getenv(name);
    return value != nullptr && *value != '\0';
}

}  // namespace

CursesTerminal::CursesTerminal() = default;

CursesTerminal::~CursesTerminal() {
    if (terminal_ != nullptr) {
        endwin();
        delscreen(terminal_);
    }
    if (signals_ >= 0) close(signals_);
}

bool CursesTerminal::IsUsable() {
    const char* const kind = getenv("TERM");
    const bool is_known = kind != nullptr && *kind != '\0' && std::string_view(kind) != "dumb";
    return is_known && isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
}

bool CursesTerminal::Open() {
    setlocale(LC_CTYPE, "");
    has_unicode_ = std::string_view(nl_langinfo(CODESET)) == "UTF-8";
    // Found out before, so that the signals that end us are never left to their default while the
    // terminal is ours.
    sigset_t ends;
    sigemptyset(&ends);
    for (const int signal_number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
        sigaddset(&ends, signal_number);
    sigprocmask(SIG_BLOCK, &ends, nullptr);
    signals_ = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    terminal_ = newterm(nullptr, stdout, stdin);
    if (terminal_ == nullptr) {
        sigprocmask(SIG_UNBLOCK, &ends, nullptr);
        return false;
    }
    set_escdelay(kEscapeDelayMs);
    cbreak();
    noecho();
    nonl();
    curs_set(0);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    has_colors_ = !IsSet("NO_COLOR") && has_colors() && start_color() == OK;
    if (has_colors_) {
        use_default_colors();
        init_pair(kMinePair, COLOR_CYAN, -1);
        init_pair(kOtherPair, COLOR_YELLOW, -1);
        init_pair(kWarnPair, COLOR_RED, -1);
        init_pair(kTitlePair, COLOR_GREEN, -1);
    }
    return true;
}

Size CursesTerminal::size() const {
    return {.rows = static_cast<size_t>(LINES), .columns = static_cast<size_t>(COLS)};
}

int CursesTerminal::Attributes(Style style) const {
    const auto color = [this](short pair) {
        return has_colors_ ? static_cast<int>(COLOR_PAIR(pair)) : 0;
    };
    switch (style) {
        case Style::kTitle:
            return static_cast<int>(A_BOLD) | color(kTitlePair);
        case Style::kBar:
        case Style::kSelected:
            return static_cast<int>(A_REVERSE);
        case Style::kDim:
            return static_cast<int>(A_DIM);
        case Style::kMine:
            return color(kMinePair);
        case Style::kOther:
            return color(kOtherPair);
        case Style::kWarn:
            return static_cast<int>(A_BOLD) | color(kWarnPair);
        case Style::kPlain:
            break;
    }
    return 0;
}

void CursesTerminal::Show(const Screen& screen) {
    erase();
    for (size_t row = 0; row < screen.size(); ++row) {
        move(static_cast<int>(row), 0);
        for (const Piece& piece : screen[row]) {
            attrset(static_cast<attr_t>(Attributes(piece.style)));
            // The locale shows nothing but ASCII: what else there is was counted as one column.
            std::string text = piece.text;
            if (!has_unicode_) {
                std::string plain;
                for (const char c : text)
                    if ((c & 0xc0) != 0x80) plain += (c & 0x80) != 0 ? '?' : c;
                text = std::move(plain);
            }
            addstr(text.c_str());
        }
    }
    attrset(A_NORMAL);
    refresh();
}

CursesTerminal::Event CursesTerminal::Wait(uint64_t timeout_ms, Key& key) {
    pollfd files[2] = {{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                       {.fd = signals_, .events = POLLIN, .revents = 0}};
    for (bool polled = false;; polled = true) {
        const int code = getch();
        if (code == KEY_RESIZE) return Event::kResized;
        if (code != ERR) {
            const std::optional<Key> known = KeyOf(code);
            if (!known) continue;
            key = *known;
            return Event::kKey;
        }
        if (polled) return Event::kTimeout;
        const int ready = poll(files, 2, static_cast<int>(timeout_ms));
        if (ready > 0 && files[1].revents != 0) return Event::kEnd;
        // The terminal is gone.
        if (ready > 0 && (files[0].revents & (POLLHUP | POLLERR)) != 0) return Event::kEnd;
        // A changed size interrupts it; then there is such a key.
        if (ready == 0) return Event::kTimeout;
    }
}

}  // namespace tessera::top
