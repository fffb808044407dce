// SPDX-License-Identifier: Apache-2.0
//
// See system_calls.h. The names are what the linker's --wrap makes of the functions' own.
#include "system_calls.h"

#include <time.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <utility>

#include "choices.h"
#include "layer/base/log.h"

namespace tessera::fuzz_readers {
namespace {

std::function<void(uint64_t)> g_before_read;
ReaderCosts g_costs;
Logged g_logged;

}  // namespace

void WatchReader(std::function<void(uint64_t)> before_read) {
    g_before_read = std::move(before_read);
    g_costs = {};
}

ReaderCosts CostsOfReader() {
    return g_costs;
}

Logged TakeLogged() {
    return std::exchange(g_logged, {});
}

bool RefusesLogFile(const std::string& path) {
    return path.size() % 4 == 3;
}

extern "C" {

ssize_t __real_pread(int file, void* buffer, size_t size, off_t offset);
ssize_t __wrap_pread(int file, void* buffer, size_t size, off_t offset);
ssize_t __wrap_pread(int file, void* buffer, size_t size, off_t offset) {
    if (g_before_read) g_before_read(g_costs.reads);
    ++g_costs.reads;
    g_costs.bytes += size;
    return __real_pread(file, buffer, size, offset);
}

int __wrap_nanosleep(const timespec* duration, timespec* rest);
int __wrap_nanosleep(const timespec* duration, timespec*) {
    Require(duration->tv_sec == 0 && duration->tv_nsec <= 1'000'000, "a pause is longer than 1 ms");
    ++g_costs.pauses;
    return 0;
}

// tessera::LogLine and tessera::ConfigureLog.
void __wrap__ZN7tessera7LogLineERNS_7LogSiteENS_8LogLevelEPKcz(LogSite& site, LogLevel level,
                                                               const char* format, ...) noexcept
    __attribute__((format(printf, 3, 4)));
void __wrap__ZN7tessera7LogLineERNS_7LogSiteENS_8LogLevelEPKcz(LogSite&, LogLevel,
                                                               const char* format, ...) noexcept {
    va_list arguments;
    va_start(arguments, format);
    std::string line(16 << 10, '\0');
    const int length = vsnprintf(line.data(), line.size(), format, arguments);
    va_end(arguments);
    line.resize(length < 0 ? 0 : std::min(static_cast<size_t>(length), line.size() - 1));
    g_logged.lines.push_back(std::move(line));
}

bool __wrap__ZN7tessera12ConfigureLogENS_8LogLevelEPKc(LogLevel level, const char* file) noexcept;
bool __wrap__ZN7tessera12ConfigureLogENS_8LogLevelEPKc(LogLevel, const char* file) noexcept {
    ++g_logged.configured;
    g_logged.file = file;
    return !RefusesLogFile(g_logged.file);
}

}  // extern "C"

}  // namespace tessera::fuzz_readers
