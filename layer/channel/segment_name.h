// SPDX-License-Identifier: Apache-2.0
//
// What the files and folders of the statistics channel are called: shared by the writer and the
// readers, so that both look in the same places.
//
// Threads: pure functions. Nothing here allocates or throws.
#pragma once

#include <sys/types.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string_view>

namespace tessera::channel {

// The folder inside of $XDG_RUNTIME_DIR.
inline constexpr char kRuntimeFolder[] = "tessera";

inline constexpr std::string_view kSegmentSuffix = ".channel";

// Of the file in which readers ask a process for another level: its name begins as the segment's.
inline constexpr std::string_view kLevelSuffix = ".level";

// Room for the name of any segment, with its terminating zero: two numbers of 20 digits.
inline constexpr size_t kMaxSegmentNameBytes = 2 * 20 + 1 + kSegmentSuffix.size() + 1;

// Room for the path of a folder of segments. A longer $XDG_RUNTIME_DIR is not used.
inline constexpr size_t kMaxFolderPathBytes = 4096;

// The process that a segment belongs to.
struct SegmentOwner {
    uint64_t pid;
    uint64_t start_time;  // clock ticks since boot
    bool operator==(const SegmentOwner&) const = default;
};

// Writes the name of a process's segment, zero-terminated.
inline void FormatSegmentName(const SegmentOwner& owner,
                              std::span<char, kMaxSegmentNameBytes> out) noexcept {
    std::snprintf(out.data(), out.size(), "%llu-%llu%s", static_cast<unsigned long long>(owner.pid),
                  static_cast<unsigned long long>(owner.start_time), kSegmentSuffix.data());
}

// Returns: whose segment a file of this name is; nothing unless FormatSegmentName would spell the
// name exactly so.
inline std::optional<SegmentOwner> ParseSegmentName(std::string_view name) noexcept {
    const char* end = name.data() + name.size();
    SegmentOwner owner{};
    const auto pid = std::from_chars(name.data(), end, owner.pid);
    if (pid.ec != std::errc() || pid.ptr == end || *pid.ptr != '-') return std::nullopt;
    const auto start_time = std::from_chars(pid.ptr + 1, end, owner.start_time);
    if (start_time.ec != std::errc()) return std::nullopt;
    char exact[kMaxSegmentNameBytes];
    FormatSegmentName(owner, exact);
    if (name != std::string_view(exact)) return std::nullopt;
    return owner;
}

// Writes the path of the folder of segments in the user's runtime folder.
// Returns: false if `runtime_dir` ($XDG_RUNTIME_DIR) is not an absolute path or too long.
inline bool FormatRuntimeFolder(std::string_view runtime_dir,
                                std::span<char, kMaxFolderPathBytes> out) noexcept {
    if (!runtime_dir.starts_with('/')) return false;
    const int size = std::snprintf(out.data(), out.size(), "%.*s/%s",
                                   static_cast<int>(std::min(runtime_dir.size(), out.size())),
                                   runtime_dir.data(), kRuntimeFolder);
    return size > 0 && static_cast<size_t>(size) < out.size();
}

// Writes the path of the folder that is used where there is no runtime folder.
inline void FormatSharedMemoryFolder(uid_t user,
                                     std::span<char, kMaxFolderPathBytes> out) noexcept {
    std::snprintf(out.data(), out.size(), "/dev/shm/tessera-%u", static_cast<unsigned>(user));
}

}  // namespace tessera::channel
