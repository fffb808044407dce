// SPDX-License-Identifier: Apache-2.0
//
// See process.h for the contract. /proc is read with plain system calls into buffers on the stack:
// this runs inside of applications, and right after a fork.
#include "base/process.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

namespace tessera {
namespace {

// proc(5) numbers the fields of /proc/PID/stat from 1; the name is the second.
constexpr int kStateField = 3;
constexpr int kParentField = 4;
constexpr int kThreadsField = 20;
constexpr int kStartTimeField = 22;

// More than the longest /proc/PID/stat: 52 numbers of up to 20 digits, and the name.
constexpr size_t kMaxStatBytes = 2048;

// What the kernel appends to the path of an executable that was replaced while it runs.
constexpr std::string_view kDeleted = " (deleted)";

// Returns: how many bytes of the file were read, up to the size of `out`; 0 on failure.
size_t ReadWhole(const char* path, std::span<char> out) noexcept {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    size_t size = 0;
    while (size < out.size()) {
        const ssize_t count = read(file, out.data() + size, out.size() - size);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        size += static_cast<size_t>(count);
    }
    close(file);
    return size;
}

bool ParseNumber(std::string_view text, uint64_t& value) noexcept {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    return error == std::errc() && stop == end;
}

void CopyCut(std::string_view text, std::span<char> out) noexcept {
    const size_t size = std::min(text.size(), out.size() - 1);
    std::memcpy(out.data(), text.data(), size);
    out[size] = '\0';
}

}  // namespace

std::optional<ProcessStat> ParseProcessStat(std::string_view text) noexcept {
    const size_t name_end = text.rfind(')');
    if (name_end == std::string_view::npos) return std::nullopt;
    text.remove_prefix(name_end + 1);

    char state = '\0';
    uint64_t threads = 0;
    ProcessStat stat{};
    for (int field = kStateField; field <= kStartTimeField; ++field) {
        if (text.empty() || text.front() != ' ') return std::nullopt;
        text.remove_prefix(1);
        const std::string_view value = text.substr(0, text.find_first_of(" \n"));
        text.remove_prefix(value.size());
        bool valid = !value.empty();
        if (field == kStateField) state = valid ? value.front() : '\0';
        if (field == kParentField) valid = ParseNumber(value, stat.parent_pid);
        if (field == kThreadsField) valid = ParseNumber(value, threads);
        if (field == kStartTimeField) valid = ParseNumber(value, stat.start_time);
        if (!valid) return std::nullopt;
    }
    // The state is that of the first thread, which may end before the others do.
    stat.runs = (state != 'Z' && state != 'X') || threads > 1;
    return stat;
}

std::optional<ProcessStat> ReadProcessStat(uint64_t pid) noexcept {
    char path[64];
    std::snprintf(path, sizeof(path), "/proc/%llu/stat", static_cast<unsigned long long>(pid));
    char text[kMaxStatBytes];
    return ParseProcessStat(std::string_view(text, ReadWhole(path, text)));
}

bool ProcessRuns(uint64_t pid, uint64_t start_time) noexcept {
    const std::optional<ProcessStat> stat = ReadProcessStat(pid);
    return stat && stat->runs && stat->start_time == start_time;
}

void ReadOwnProcessName(std::span<char> out) noexcept {
    char path[4096];
    const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
    if (size > 0) {
        std::string_view whole(path, static_cast<size_t>(size));
        if (whole.ends_with(kDeleted)) whole.remove_suffix(kDeleted.size());
        CopyCut(whole.substr(whole.rfind('/') + 1), out);
        return;
    }
    const size_t short_size = ReadWhole("/proc/self/comm", std::span(path));
    const std::string_view name(path, short_size);
    CopyCut(name.substr(0, name.find('\n')), out);
}

}  // namespace tessera
