// SPDX-License-Identifier: Apache-2.0
//
// Asks a process for another level. See include/tessera/reader.h for the contract, and struct
// tessera_level_request for what is written.
//
// The one idea: the request appears whole or not at all, as a file that is renamed into its place,
// and is taken back when it was not answered: a process that is stopped must not obey hours later.
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/process.h"
#include "channel/segment_name.h"
#include "reader/layout.h"
#include "reader/open_segment.h"
#include "reader/segment_copy.h"
#include "tessera/reader.h"

namespace tessera::reader {
namespace {

constexpr timespec kPause = {.tv_sec = 0, .tv_nsec = 5'000'000};
constexpr std::string_view kLevelSuffix = ".level";

uint64_t CheckOf(const tessera_level_request& request) {
    return request.magic ^ request.pid ^ request.start_time ^ request.serial ^ request.level ^
           request.stacks;
}

// Returns: what went wrong; empty if the request is in its place.
std::string Place(const std::string& path, const tessera_level_request& request) {
    std::string temporary = path + ".XXXXXX";  // mkostemp: exclusively, mode 0600
    const OpenFile file(mkostemp(temporary.data(), O_CLOEXEC));
    if (file.get() < 0) return std::strerror(errno);
    errno = ENOSPC;  // of a write that was cut short
    if (write(file.get(), &request, sizeof(request)) == static_cast<ssize_t>(sizeof(request)) &&
        rename(temporary.c_str(), path.c_str()) == 0)
        return "";
    const std::string error = std::strerror(errno);
    unlink(temporary.c_str());
    return error;
}

// Removes the request if it still is this one.
void TakeBack(const std::string& path, const tessera_level_request& request) {
    const OpenFile file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    tessera_level_request now;
    if (file.get() >= 0 && ReadFileAt(file.get(), 0, &now, sizeof(now)) &&
        std::memcmp(&now, &request, sizeof(now)) == 0)
        unlink(path.c_str());
}

// What the segment's header says of levels, word by word.
struct Answer {
    uint64_t level = 0;
    uint64_t stack_interval = 0;
    uint64_t serial = 0;
};

bool ReadAnswer(int file, Answer& answer) {
    static_assert(offsetof(tessera_channel_header, level_serial) ==
                  offsetof(tessera_channel_header, level) + 16);
    // The serial first: it is written last.
    uint64_t serial = 0;
    if (!ReadFileAt(file, offsetof(tessera_channel_header, level_serial), &serial, sizeof(serial)))
        return false;
    OrderReads();
    if (!ReadFileAt(file, offsetof(tessera_channel_header, level), &answer, sizeof(answer)))
        return false;
    answer.serial = serial;
    return true;
}

// What may keep a process from answering. Without a device nothing in it looks for requests; one
// that was not counted may live.
std::string WhySilent(int file, const std::string& path) {
    constexpr char kAlways[] = "is stopped, or runs with helper=off";
    const Result<Process> process = ReadSegmentFd(file, path);
    const bool has_device = !process.ok() || process.value.dropped_devices > 0 ||
                            std::ranges::any_of(process.value.devices, [](const Device& device) {
                                return device.state == TESSERA_DEVICE_LIVE;
                            });
    if (has_device) return std::string("it ") + kAlways;
    const char* const when = process.value.devices.empty() ? "yet" : "now";
    return std::string("it has no device ") + when + ", " + kAlways;
}

// Waits for the answer. Returns: what went wrong; empty if the level is in effect.
std::string Await(int file, const std::string& path, const tessera_level_request& request,
                  uint64_t timeout_ms) {
    const std::string process = "The process " + std::to_string(request.pid);
    const uint64_t start = MonotonicNs();
    while (true) {
        const bool runs = ProcessRuns(request.pid, request.start_time);
        const bool is_over = (MonotonicNs() - start) / 1'000'000 >= timeout_ms;
        Answer answer;
        if (!ReadAnswer(file, answer)) return process + " has cut its segment short.";
        if (answer.serial == request.serial) {
            if (answer.level == request.level) return "";
            return process + " stays at level " +
                   LevelName(static_cast<uint32_t>(std::min<uint64_t>(answer.level, UINT32_MAX))) +
                   ": it could not record more. Its log says why.";
        }
        if (!runs) return process + " ended before it changed its level.";
        if (is_over)
            return process + " does not answer: " + WhySilent(file, path) +
                   ". Its level is as it was.";
        nanosleep(&kPause, nullptr);
    }
}

}  // namespace

std::string RequestLevel(const std::string& path, tessera_level level, uint64_t stack_interval,
                         uint64_t timeout_ms) {
    if (level != TESSERA_LEVEL_totals && level != TESSERA_LEVEL_full &&
        level != TESSERA_LEVEL_events)
        return "There is no level of number " + std::to_string(static_cast<uint64_t>(level)) +
               ": the levels are totals, full and events.";
    if (!std::string_view(path).ends_with(channel::kSegmentSuffix))
        return "The file '" + path + "' is not named as a process's segment is.";
    const Result<OpenFile> file = OpenSegment(path);
    if (!file.ok()) return file.error;
    bool runs = false;
    const auto header = CopyHeader(file.value.get(), ProcessRuns, &runs);
    if (!header.ok()) return "The segment '" + path + "' cannot be read: " + header.error + ".";
    const std::string process = "The process " + std::to_string(header.value->pid);
    if (!runs) return process + " has ended; its level cannot be changed.";
    if (header.value->state == TESSERA_PROCESS_CLOSED)
        return process + " has no Vulkan instance now; its level cannot be changed.";

    tessera_level_request request{.magic = TESSERA_LEVEL_MAGIC,
                                  .pid = header.value->pid,
                                  .start_time = header.value->pid_start_time,
                                  .serial = MonotonicNs() ^ static_cast<uint64_t>(getpid()) << 48,
                                  .level = static_cast<uint64_t>(level),
                                  .stacks = stack_interval,
                                  .check = 0};
    if (request.serial == 0 || request.serial == header.value->level_serial) ++request.serial;
    request.check = CheckOf(request);
    const std::string request_path =
        path.substr(0, path.size() - channel::kSegmentSuffix.size()).append(kLevelSuffix);
    std::string error = Place(request_path, request);
    if (!error.empty()) return "The file '" + request_path + "' cannot be made: " + error + ".";
    error = Await(file.value.get(), path, request, timeout_ms);
    TakeBack(request_path, request);
    return error;
}

}  // namespace tessera::reader
