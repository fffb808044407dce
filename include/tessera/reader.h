// SPDX-License-Identifier: Apache-2.0
//
// Reading the statistics channel from outside of the process that writes it.
//
// A reader finds the segments of the calling user, copies one with pread() and validates the copy:
// it never maps a segment, so that a writer that cuts its file short cannot kill it, and it trusts
// no number in it. Everything returned is plain data that the caller owns.
//
// Threads: the functions share no state and may be called from any thread.
// Errors: Result::error is empty on success, else one sentence that says what is wrong.

#ifndef TESSERA_READER_H_
#define TESSERA_READER_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tessera/channel_abi.h"

namespace tessera::reader {

// Where segments lie for the calling user: $XDG_RUNTIME_DIR/tessera, else /dev/shm/tessera-UID.
// Both are searched when the first is set, since a process may have been started without it.
std::vector<std::string> SegmentDirectories();

// What the process is doing, as far as the segment and the system tell.
enum class ProcessState {
    kLive,    // it runs and has an instance
    kClosed,  // its last instance was destroyed (it may still run)
    kEnded,   // it is gone without having destroyed its last instance
};
const char* Name(ProcessState state);  // "live", "closed", "ended"

// One memory type of one device, copied consistently.
struct MemoryType {
    uint32_t heap = 0;
    uint32_t flags = 0;  // VkMemoryPropertyFlags
    tessera_type_totals totals = {};
};

struct Device {
    uint64_t id = 0;  // 0 in the entry that sums retired devices
    tessera_device_state state = TESSERA_DEVICE_ABSENT;
    uint64_t retired_devices = 0;  // only in that entry
    std::string name;
    std::string driver;
    uint32_t api_version = 0;
    bool pooled = false;
    tessera_reason why = TESSERA_REASON_none;
    uint64_t sample_interval = 1;
    std::vector<tessera_heap_record> heaps;
    std::vector<MemoryType> memory_types;
    std::vector<tessera_call_totals> calls;                  // TESSERA_CALL_COUNT of them
    std::vector<tessera_call_totals> driver_calls;           // likewise
    std::array<uint64_t, TESSERA_MISUSE_COUNT> misuse = {};  // by enum tessera_misuse
};

struct Process {
    std::string path;  // of the segment
    uint64_t pid = 0;
    uint64_t start_time = 0;  // clock ticks since boot
    uint64_t parent_pid = 0;
    uint64_t created_ns = 0;  // CLOCK_REALTIME
    std::string name;
    std::string layer_version;
    ProcessState state = ProcessState::kEnded;
    uint64_t loads = 0;
    uint64_t dropped_devices = 0;  // devices whose numbers are nowhere: there was no room for them
    // The process is gone and was in the middle of a change: one of the numbers may be off by that.
    bool torn = false;
    std::vector<Device> devices;  // in order of creation; the retired sum, if any, first
};

template <typename T>
struct Result {
    T value = {};
    std::string error;  // empty: `value` is valid
    bool ok() const { return error.empty(); }
};

// Paths of all files in the segment directories whose names are segments' names, newest first.
std::vector<std::string> ListSegments();

// Copies and validates the segment at `path`. Refuses what is not a regular file of the calling
// user (or root's own), is too short, of another version, or stays torn after a bounded number of
// copies.
Result<Process> ReadSegment(const std::string& path);

// As ReadSegment, from a descriptor that stays open and the caller's; `path` is only told. The file
// may have been unlinked since it was opened: who wants the last state of a process that may end,
// and whose segment may then be cleared away, opens it early.
Result<Process> ReadSegmentFd(int fd, const std::string& path);

// The segment of process `pid`: the live one if there is one, else the newest left behind. The
// error says whether there is no such process, one of another user, or one that did not load the
// layer.
Result<Process> ReadProcess(uint64_t pid);

// Percentile of the timed calls in ns: the upper end of the bucket in which it falls, never more
// than max_ns. 0 if none was timed. `fraction` lies in [0, 1].
uint64_t Percentile(const tessera_call_totals& call, double fraction);

const char* ReasonName(uint32_t reason);  // "dedicated"; "unknown" beyond the known ones
const char* ReasonText(uint32_t reason);  // a phrase; "" beyond the known ones
const char* CallName(uint32_t call);      // "vkAllocateMemory"
const char* MisuseName(uint32_t misuse);  // "double_free"; "unknown" beyond the known ones
const char* MisuseText(uint32_t misuse);  // a sentence without its point; "" likewise

}  // namespace tessera::reader

#endif  // TESSERA_READER_H_
