// SPDX-License-Identifier: Apache-2.0
//
// See log.h for the contract. The sink is a file descriptor in an atomic. Once opened, the log file
// keeps its number until ShutdownLog: a new file is moved onto it with dup3, so that a thread which
// has just read the number can never write into a file that the application opened meanwhile.
#include "layer/base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>

#include "layer/base/mutex.h"

namespace tessera {
namespace {

constexpr LogLevel kDefaultLevel = LogLevel::kWarning;
constexpr std::string_view kSilenced = " (more of this is silenced)";
constexpr std::string_view kCut = "...";

constinit Mutex g_configure_mutex;
constinit int g_file ABSL_GUARDED_BY(g_configure_mutex) = -1;
constinit std::atomic<LogLevel> g_level{kDefaultLevel};

// Where lines go: STDERR_FILENO or the log file. Of the file its identity is known too, because
// applications that close every descriptor they do not know (daemons, sandboxes) reuse its number.
constinit std::atomic<int> g_sink{STDERR_FILENO};
constinit std::atomic<dev_t> g_file_device{0};
constinit std::atomic<ino_t> g_file_inode{0};

const char* LevelName(LogLevel level) noexcept {
    switch (level) {
        case LogLevel::kError:
            return "error";
        case LogLevel::kWarning:
            return "warning";
        case LogLevel::kInfo:
            return "info";
        case LogLevel::kDebug:
            return "debug";
        case LogLevel::kOff:
            break;
    }
    return "off";
}

bool IsOurFile(const struct stat& status) noexcept {
    return status.st_dev == g_file_device.load(std::memory_order_relaxed) &&
           status.st_ino == g_file_inode.load(std::memory_order_relaxed);
}

// One write(2) of the whole line, if it can neither wait nor raise SIGPIPE. A reader that goes away
// between poll and write is the one case left; no caller can tell it from an earlier one.
void WriteLine(const char* line, size_t size) noexcept {
    const int sink = g_sink.load(std::memory_order_acquire);
    struct stat status;
    if (sink != STDERR_FILENO && (fstat(sink, &status) != 0 || !IsOurFile(status))) return;

    pollfd ready{.fd = sink, .events = POLLOUT, .revents = 0};
    if (poll(&ready, 1, 0) != 1 || ready.revents != POLLOUT) return;
    while (write(sink, line, size) < 0 && errno == EINTR) {
    }
}

// Returns: a descriptor of a regular file opened for appending, or -1.
int OpenLogFile(const char* path, struct stat& status) noexcept {
    // O_NONBLOCK: opening a fifo without a reader fails instead of waiting for one.
    const int file =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
             S_IRUSR | S_IWUSR);
    if (file < 0) return -1;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode)) return file;
    close(file);
    return -1;
}

// Makes the file at `path` the sink. Returns: whether it could be opened.
bool UseFileLocked(const char* path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_configure_mutex) {
    struct stat status;
    int opened = OpenLogFile(path, status);
    // A process that runs with stderr closed must not get the log file as its new stderr.
    if (opened >= 0 && opened <= STDERR_FILENO) {
        const int moved = fcntl(opened, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        close(opened);
        opened = moved;
    }
    if (opened < 0) return false;

    struct stat current;
    if (g_file >= 0 && fstat(g_file, &current) == 0 && IsOurFile(current)) {
        const int moved = dup3(opened, g_file, O_CLOEXEC);
        close(opened);
        if (moved < 0) return false;
    } else {
        g_file = opened;
    }
    g_file_device.store(status.st_dev, std::memory_order_relaxed);
    g_file_inode.store(status.st_ino, std::memory_order_relaxed);
    g_sink.store(g_file, std::memory_order_release);
    return true;
}

// Appends as much of `text` as fits. Returns: the new length.
size_t Append(std::span<char> out, size_t length, std::string_view text) noexcept {
    const size_t count = std::min(text.size(), out.size() - length);
    std::memcpy(out.data() + length, text.data(), count);
    return length + count;
}

// Whether the byte at `index` belongs to a C1 control character in UTF-8: 0xC2, then 0x80 to 0x9F.
bool IsPartOfC1(std::string_view text, size_t index) noexcept {
    const size_t first = text[index] == '\xC2' ? index : index - 1;  // wraps at 0: not below size
    return first < text.size() - 1 && text[first] == '\xC2' &&
           (static_cast<unsigned char>(text[first + 1]) & 0xE0) == 0x80;
}

}  // namespace

EscapeResult EscapeControlCharacters(std::string_view text, std::span<char> out) noexcept {
    constexpr char kHex[] = "0123456789abcdef";
    EscapeResult result{.read = 0, .written = 0};
    for (; result.read < text.size(); ++result.read) {
        const auto byte = static_cast<unsigned char>(text[result.read]);
        if (byte >= 0x20 && byte != 0x7F && !IsPartOfC1(text, result.read)) {
            if (result.written == out.size()) break;
            out[result.written++] = static_cast<char>(byte);
            continue;
        }
        const char escape[] = {'\\', 'x', kHex[byte >> 4], kHex[byte & 0xF]};
        if (out.size() - result.written < sizeof(escape)) break;
        std::memcpy(out.data() + result.written, escape, sizeof(escape));
        result.written += sizeof(escape);
    }
    return result;
}

bool LogEnabled(LogLevel level) noexcept {
    return level != LogLevel::kOff && level <= g_level.load(std::memory_order_relaxed);
}

bool ConfigureLog(LogLevel level, const char* file) noexcept {
    const int saved_errno = errno;
    const MutexLock lock(g_configure_mutex);
    g_level.store(level, std::memory_order_relaxed);
    const bool wants_file = level != LogLevel::kOff && file != nullptr && file[0] != '\0';
    const bool uses_file = wants_file && UseFileLocked(file);
    if (!uses_file) g_sink.store(STDERR_FILENO, std::memory_order_release);
    errno = saved_errno;
    return uses_file == wants_file;
}

void ShutdownLog() noexcept {
    const int saved_errno = errno;
    const MutexLock lock(g_configure_mutex);
    g_level.store(kDefaultLevel, std::memory_order_relaxed);
    g_sink.store(STDERR_FILENO, std::memory_order_release);
    struct stat status;
    if (g_file >= 0 && fstat(g_file, &status) == 0 && IsOurFile(status)) close(g_file);
    g_file = -1;
    errno = saved_errno;
}

void LogForkedChild() noexcept {
    new (&g_configure_mutex) Mutex;
}

void LogLine(LogSite& site, LogLevel level, const char* format, ...) noexcept {
    const uint32_t earlier_lines = site.lines.load(std::memory_order_relaxed);
    if (earlier_lines >= kMaxLinesPerLogSite || !LogEnabled(level)) return;
    const uint32_t line_number = site.lines.fetch_add(1, std::memory_order_relaxed) + 1;
    if (line_number > kMaxLinesPerLogSite) return;

    const int saved_errno = errno;
    char text[kMaxLogLineBytes];
    va_list arguments;
    va_start(arguments, format);
    const int wanted = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    const size_t text_size = std::min(static_cast<size_t>(std::max(wanted, 0)), sizeof(text) - 1);

    char line[kMaxLogLineBytes];
    const int prefix = snprintf(line, sizeof(line),
                                "tessera[%ld] %s: ", static_cast<long>(getpid()), LevelName(level));
    size_t length = static_cast<size_t>(std::max(prefix, 0));
    // What follows the text always fits: the text is cut to leave room for it.
    const std::span<char> room(line, sizeof(line) - kCut.size() - kSilenced.size() - 1);
    const EscapeResult escaped = EscapeControlCharacters({text, text_size}, room.subspan(length));
    length += escaped.written;
    if (escaped.read < text_size || static_cast<size_t>(std::max(wanted, 0)) > text_size) {
        length = Append(line, length, kCut);
    }
    if (line_number == kMaxLinesPerLogSite) length = Append(line, length, kSilenced);
    length = Append(line, length, "\n");
    WriteLine(line, length);
    errno = saved_errno;
}

}  // namespace tessera
