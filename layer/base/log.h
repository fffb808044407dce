// SPDX-License-Identifier: Apache-2.0
//
// The layer's log: short lines for the person who runs the application, to stderr or to a file and
// never to stdout, which belongs to the application.
//
// Threading: TESSERA_LOG may be used by any thread at any time, also in a forked child; it takes no
// lock. ConfigureLog may be called while others log. ShutdownLog may not. After a fork, see
// LogForkedChild.
//
// The one idea: a guest in somebody else's process. A line costs no heap memory and one write(2);
// it is dropped rather than waited for (a full pipe must not stop the application) and is never
// sent to a pipe that nobody reads (SIGPIPE would end the application). Each place in the code
// writes three lines, and then is silent, so that a fault per frame does not fill a disk. errno is
// left as it was. What is printed may hold text from outside: control characters are escaped here,
// for all callers, so that no settings file can drive the user's terminal or forge a second line.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace tessera {

// What a line is about; a configured level shows its own lines and those above it in this list.
enum class LogLevel : uint8_t {
    kOff,      // as configuration only: nothing is written
    kError,    // something of ours is broken; the application goes on without it
    kWarning,  // something is not as the user asked or expects; the default
    kInfo,     // what was decided, once per instance or device
    kDebug,    // for people who work on the layer
};

// One place in the code that logs, counting how often it did. Use it through TESSERA_LOG.
struct LogSite {
    std::atomic<uint32_t> lines{0};
};

// How many lines one place may write while the library is loaded; the last one says that it is.
inline constexpr uint32_t kMaxLinesPerLogSite = 3;

// The longest line in bytes, newline included; what is longer is cut and ends in "...". Below
// PIPE_BUF, so that lines of several processes into one pipe are not mixed.
inline constexpr size_t kMaxLogLineBytes = 1024;

// Returns: whether lines of `level` are written at present. Relaxed: a change may be seen late.
bool LogEnabled(LogLevel level) noexcept;

// Sets what is written and where, for the whole process, until the next call or ShutdownLog.
// `file`: a path that is opened for appending (created with mode 0600 if absent, never through a
// symbolic link, regular files only); empty means stderr.
// Ownership: neither path is kept.
// Returns: true if lines go where they were asked to; false if the file cannot be used, and then
// they go to stderr.
// Threads: any; calls exclude each other.
bool ConfigureLog(LogLevel level, const char* file) noexcept;

// Closes the log file, if there is one, and goes back to the default: warnings to stderr.
// Requires: no other thread of this library logs or configures at the same time. Call it when the
// last instance is gone; the loader then unloads the library.
void ShutdownLog() noexcept;

// For a forked child, before it configures its log: a thread that does not exist here may hold the
// lock that ConfigureLog takes. What the parent configured stays.
// Requires: the child has one thread.
void LogForkedChild() noexcept;

// Writes one line "tessera[PID] LEVEL: TEXT". Use TESSERA_LOG, which keeps `site`.
// Threads: any; lock-free. errno is preserved.
void LogLine(LogSite& site, LogLevel level, const char* format, ...) noexcept
    __attribute__((format(printf, 3, 4)));

struct EscapeResult {
    size_t read;     // bytes of the text that were taken; all of them unless there was no room
    size_t written;  // bytes of the output that were filled
};

// Copies `text` into `out` with every control character (C0, DEL, and C1 in UTF-8) written as \xNN.
// Everything else, UTF-8 included, stays. An escape that does not fit whole ends the copy. Writes
// no terminating zero.
EscapeResult EscapeControlCharacters(std::string_view text, std::span<char> out) noexcept;

// Logs a line: TESSERA_LOG(kWarning, "heap %u is full", heap). The format is checked as printf's,
// is a literal without newline, and its arguments are not evaluated if the level is not shown.
#define TESSERA_LOG(level, ...)                                                            \
    do {                                                                                   \
        if (::tessera::LogEnabled(::tessera::LogLevel::level)) {                           \
            static constinit ::tessera::LogSite tessera_log_site;                          \
            ::tessera::LogLine(tessera_log_site, ::tessera::LogLevel::level, __VA_ARGS__); \
        }                                                                                  \
    } while (false)

}  // namespace tessera
