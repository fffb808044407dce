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
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
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

// A number that means none.
inline constexpr uint32_t kNone = ~uint32_t{0};

// ---- What the levels `full` and `events` add: each allocation by itself. Times are ns of
// CLOCK_MONOTONIC, 0 where they are not known.

// One live vkAllocateMemory of the application.
struct Allocation {
    uint64_t memory = 0;  // the VkDeviceMemory that the application has
    uint64_t size_bytes = 0;
    uint64_t offset = 0;         // in its block
    uint64_t padding_bytes = 0;  // that it takes beyond size_bytes
    uint64_t made_ns = 0;
    // Index into Detail::blocks. kNone: passed through, or in a block that is not recorded. Where
    // there is one, the allocation and its padding lie within it.
    uint32_t block = kNone;
    tessera_reason reason = TESSERA_REASON_none;  // why it was passed through; none: it was not
    uint32_t type = 0;                            // index of the memory type
    uint32_t flags = 0;                           // enum tessera_allocation_flag
    uint32_t thread = kNone;                      // index into Process::threads
    uint32_t stack = kNone;                       // index into Process::stacks
    // Of its own, else of the first resource with a name that is bound to it. As it came from the
    // application: to be escaped for where it goes.
    std::string name;
};

struct Block {
    uint64_t memory = 0;  // the driver's VkDeviceMemory
    uint64_t bytes = 0;
    uint64_t made_ns = 0;
    uint64_t driver_ns = 0;  // that the driver took to make it
    uint32_t type = 0;
    uint32_t flags = 0;  // enum tessera_block_flag
};

struct Resource {
    uint64_t object = 0;
    uint32_t object_type = 0;     // VkObjectType
    uint64_t memory = 0;          // that it is bound to; 0: none yet
    uint32_t allocation = kNone;  // index into Detail::allocations
    uint64_t offset = 0;          // in the allocation
    uint64_t size_bytes = 0;      // 0: not known
    uint64_t usage = 0;           // VkBufferUsageFlags or VkImageUsageFlags
    uint32_t format = 0;          // VkFormat
    uint32_t width = 0, height = 0, depth_or_layers = 0, levels = 0;
    bool linear = false;
    std::string name;  // as it came from the application
};

// What a device's tables hold.
struct Detail {
    tessera_level level = TESSERA_LEVEL_totals;  // totals: nothing of the following is known
    uint64_t since_ns = 0;                       // when recording began at this level
    std::vector<Allocation> allocations;         // live ones, pooled first, in order of place
    std::vector<Block> blocks;  // of a destroyed device those in which something was left
    std::vector<Resource> resources;
    // Of each kind, what there was no room to record, by enum tessera_kind.
    std::array<uint64_t, TESSERA_MAX_KINDS> unrecorded = {};
    // Records left out because their writer kept changing them (or died while it did), or because
    // they say what cannot be. At rest 0.
    uint64_t moving = 0;
};

struct CallStack {
    std::vector<uint64_t> addresses;  // where calls return to, innermost first; empty: not known
};

struct Module {
    uint64_t start = 0, end = 0, bias = 0;
    std::vector<uint8_t> build_id;
    std::string path;  // as the process saw it
};

struct Thread {
    uint64_t tid = 0;  // 0: nothing is known of it
    std::string name;  // safe to print
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
    uint64_t frames = 0;                                     // calls of vkQueuePresentKHR
    Detail detail;                                           // if it was asked for
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
    tessera_level level = TESSERA_LEVEL_totals;  // of devices that are created from now on
    uint64_t stack_interval = 0;  // one in this many allocations keeps its call stack; 0: none
    uint64_t level_serial = 0;    // of the last request for a level that was dealt with
    uint64_t monotonic_created_ns = 0;  // CLOCK_MONOTONIC at created_ns
    // CLOCK_MONOTONIC when this copy was taken. Of ReadSegmentCopy(), the latest time that the
    // bytes know of: whoever knows better sets it.
    uint64_t copied_ns = 0;
    uint64_t segment_bytes = 0;
    // The process is gone and was in the middle of a change: one of the numbers may be off by that.
    bool torn = false;
    std::vector<Device> devices;  // in order of creation; the retired sum, if any, first
    // If detail was asked for; what indices in it lead to. The record with number N of the segment
    // is stacks[N - 1], threads[N - 1].
    std::vector<CallStack> stacks;
    std::vector<Module> modules;  // by start
    std::vector<Thread> threads;
};

template <typename T>
struct Result {
    T value = {};
    std::string error;  // empty: `value` is valid
    bool ok() const { return error.empty(); }
};

// Paths of all files in the segment directories whose names are segments' names, newest first.
std::vector<std::string> ListSegments();

// Whether a file that ListSegments() told of is there no more: processes come and go meanwhile.
bool IsGone(const std::string& path);

// How much is copied.
enum class Depth {
    kTotals,  // everything but Device::detail and what that leads to
    kDetail,
};

// Copies and validates the segment at `path`. Refuses what is not a regular file of the calling
// user (or root's own), is too short, of another version, or stays torn after a bounded number of
// copies.
Result<Process> ReadSegment(const std::string& path, Depth depth = Depth::kTotals);

// As ReadSegment, from a descriptor that stays open and the caller's; `path` is only told. The file
// may have been unlinked since it was opened: who wants the last state of a process that may end,
// and whose segment may then be cleared away, opens it early.
Result<Process> ReadSegmentFd(int fd, const std::string& path, Depth depth = Depth::kTotals);

// As ReadSegment, of a copy in memory: of a recording, for example. Whether the process still runs
// is not asked: a live one counts as live.
Result<Process> ReadSegmentCopy(std::span<const std::byte> bytes, const std::string& path,
                                Depth depth = Depth::kTotals);

// A copy of the segment behind `fd`, to be given to ReadSegmentCopy() later: consistent as far as
// ReadSegment() would take it, without its event rings, and smaller: its extents lie elsewhere.
Result<std::vector<std::byte>> CopySegmentBytes(int fd);

// The segment of process `pid`: the live one if there is one, else the newest left behind. The
// error says whether there is no such process, one of another user, or one that did not load the
// layer.
Result<Process> ReadProcess(uint64_t pid, Depth depth = Depth::kTotals);

// The path of the segment that ReadProcess() would read.
Result<std::string> FindSegment(uint64_t pid);

// ---- Events

struct Event {
    uint64_t time_ns = 0;  // CLOCK_MONOTONIC
    uint64_t device = 0;   // its id
    uint8_t kind = 0;      // enum tessera_event_kind; ones that are not known may occur
    uint8_t type = 0;      // 255: none
    uint16_t detail = 0;   // see struct tessera_event
    uint16_t thread = 0;   // number of its record in the segment: threads[thread - 1]; 0: not known
    uint16_t stack = 0;    // likewise: stacks[stack - 1]
    uint64_t object = 0;
    uint64_t value = 0;
};

struct EventBatch {
    std::vector<Event>
        events;         // in order of time; the next batch may begin a little before its end
    uint64_t lost = 0;  // overwritten since the first Read(), before they were read
};

// Reads events as they come. Each call of Read() returns what was written since the one before; the
// first one, what the rings still hold. Not to be used from several threads at once.
class EventReader {
 public:
    // `fd` stays the caller's and must stay open as long as this lives.
    explicit EventReader(int fd);
    ~EventReader();
    EventReader(const EventReader&) = delete;
    EventReader& operator=(const EventReader&) = delete;
    Result<EventBatch> Read();

 private:
    struct State;
    std::unique_ptr<State> state_;
};

// ---- Levels

// Asks the process of the segment at `path` for another level, and waits up to `timeout_ms` until
// it is in effect. `stack_interval`: one in this many allocations keeps its call stack; 0: none;
// TESSERA_STACKS_AS_IS: as it is. Returns: an empty text, or a sentence that says what went wrong.
std::string RequestLevel(const std::string& path, tessera_level level, uint64_t stack_interval,
                         uint64_t timeout_ms);

const char* LevelName(uint32_t level);  // "full"; "unknown" beyond the known ones
const char* EventName(uint32_t kind);   // "block_made"; likewise

// A text from an application, for a terminal: control bytes as `\\x1b`, what is not UTF-8 or would
// turn the direction of text replaced.
std::string TerminalText(const std::string& text);

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
