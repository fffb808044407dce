// SPDX-License-Identifier: Apache-2.0
//
// See segment_copy.h for the contract. Two levels of retry: a memory type's totals are copied again
// on their own while the pool counts in them; everything is copied again when a device came or went
// meanwhile.
#include "reader/segment_copy.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>

#include "reader/text.h"

namespace tessera::reader {
namespace {

constexpr timespec kPause = {.tv_sec = 0, .tv_nsec = 1'000'000};

// How often a piece that keeps changing is copied. A writer in a tight loop leaves few gaps that a
// copy fits into, hence many tries; one that was stopped in the middle leaves none, hence a limit.
struct Patience {
    int pauses;
    int tries_between;
};
constexpr Patience kPatienceForAll{.pauses = 100, .tries_between = 3};
constexpr Patience kPatienceForTotals{.pauses = 200, .tries_between = 100};
constexpr Patience kNoPatience{.pauses = 1, .tries_between = 1};  // one copy, whole or not

// What one segment may cost in all, whatever its writer does: pieces that keep changing lie in a
// whole that may keep changing too, so that their patience would multiply. Together about a second:
// the pauses take 1 ms each, and the largest segment there can be fits into the bytes some 30
// times.
constexpr int kMostPauses = 600;
constexpr uint64_t kMostBytes = 32 * TESSERA_CHANNEL_LIMIT_BYTES;

// How often a segment is looked at that its process has made, but not described yet.
constexpr int kPausesUntilReady = 10;

enum class Copied {
    kWhole,
    kTorn,   // the writer was changing it, each time
    kShort,  // the file ends before it
};

// Reads of the file before it come before reads of the file after it. The kernel's loads run on
// this thread's processor, so that its fence orders them like our own. ThreadSanitizer knows no
// fences, and needs none: what pread() fills belongs to this thread alone.
void OrderReads() {
#if defined(__SANITIZE_THREAD__)
    std::atomic_signal_fence(std::memory_order_acquire);
#else
    std::atomic_thread_fence(std::memory_order_acquire);
#endif
}

constexpr char kTooShort[] = "it is cut short: the file ends before its data do";
constexpr char kStillMoving[] =
    "its process keeps changing it, or was stopped while it did; try again";

class SegmentCopier {
 public:
    SegmentCopier(int file, bool (*writer_runs)(uint64_t pid, uint64_t start_time))
        : file_(file), writer_runs_(writer_runs) {}

    Result<Process> Run();

 private:
    // Returns: false if the file ends before it.
    template <typename T>
    bool ReadAt(uint64_t offset, T& out);

    // Waits a moment. Returns: false, at once, if this segment has cost enough.
    bool Pause();

    // Calls `copy`, which returns false if the file is too short, until the sequence at `offset`
    // was even and did not move meanwhile, or patience is over. While the sequence is odd a writer
    // that runs will move it, and a copy would be in vain; of a dead one, a torn copy is what there
    // is.
    template <typename Copy>
    Copied CopyUnmoved(uint64_t offset, const Patience& patience, Copy copy);

    // Each returns false if there is an error, which is then in `error_`.
    bool CopyAll();
    bool CheckHeader();
    void TakeHeader();
    bool CopyDevice(uint64_t index);
    bool CheckDevice(const tessera_device_record& record, uint64_t index);
    bool CopyTypes(uint64_t offset, const tessera_device_record& record, Device& device);
    bool CopyShards(uint64_t offset, Device& device);
    bool Fail(const char* text) {
        error_ = text;
        return false;
    }

    const int file_;
    bool (*const writer_runs_)(uint64_t pid, uint64_t start_time);
    bool runs_ = false;
    int pauses_ = 0;
    uint64_t bytes_read_ = 0;
    tessera_channel_header header_ = {};
    Process process_;
    const char* error_ = "";
};

template <typename T>
bool SegmentCopier::ReadAt(uint64_t offset, T& out) {
    size_t done = 0;
    while (done < sizeof(T)) {
        const ssize_t count = pread(file_, reinterpret_cast<char*>(&out) + done, sizeof(T) - done,
                                    static_cast<off_t>(offset + done));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        done += static_cast<size_t>(count);
    }
    bytes_read_ += sizeof(T);
    return true;
}

bool SegmentCopier::Pause() {
    if (pauses_ == kMostPauses || bytes_read_ > kMostBytes) return false;
    ++pauses_;
    nanosleep(&kPause, nullptr);
    return true;
}

template <typename Copy>
Copied SegmentCopier::CopyUnmoved(uint64_t offset, const Patience& patience, Copy copy) {
    uint64_t before = 0;
    if (!ReadAt(offset, before)) return Copied::kShort;
    for (int pause = 0; pause < patience.pauses; ++pause) {
        if (pause > 0 && !Pause()) break;
        for (int attempt = 0; attempt < patience.tries_between; ++attempt) {
            OrderReads();
            if ((before % 2 == 0 || !runs_) && !copy()) return Copied::kShort;
            OrderReads();
            uint64_t after = 0;
            if (!ReadAt(offset, after)) return Copied::kShort;
            if (before % 2 == 0 && after == before) return Copied::kWhole;
            before = after;
        }
    }
    return Copied::kTorn;
}

Result<Process> SegmentCopier::Run() {
    for (int pause = 0; pause < kPausesUntilReady && header_.magic == 0; ++pause) {
        if (pause > 0 && !Pause()) break;
        if (!ReadAt(0, header_)) return {.value = {}, .error = kTooShort};
    }
    // Who writes it never changes, so that this may be asked before anything else is certain.
    runs_ = writer_runs_(header_.pid, header_.pid_start_time);
    constexpr uint64_t kSequence = offsetof(tessera_channel_header, sequence);
    const Copied copied = CopyUnmoved(kSequence, runs_ ? kPatienceForAll : kNoPatience, [this] {
        error_ = "";
        process_ = {};
        if (!ReadAt(0, header_)) return false;
        // An error is one only if the sequence did not move: then it is reported.
        CopyAll();
        return true;
    });
    if (copied == Copied::kShort) return {.value = {}, .error = kTooShort};
    if (copied == Copied::kTorn && runs_) return {.value = {}, .error = kStillMoving};
    if (*error_ != '\0') return {.value = {}, .error = error_};
    process_.torn = process_.torn || copied == Copied::kTorn;
    return {.value = std::move(process_), .error = {}};
}

bool SegmentCopier::CopyAll() {
    if (!CheckHeader()) return false;
    TakeHeader();
    for (uint64_t i = 0; i < header_.device_capacity; ++i)
        if (!CopyDevice(i)) return false;
    // Records are reused: their order is not that of creation. The retired sum's id is 0.
    std::sort(process_.devices.begin(), process_.devices.end(),
              [](const Device& a, const Device& b) { return a.id < b.id; });
    return true;
}

bool SegmentCopier::CheckHeader() {
    const tessera_channel_header& header = header_;
    if (header.magic == 0) return Fail("it is not ready: its process has only begun to set it up");
    if (header.magic != TESSERA_CHANNEL_MAGIC) return Fail("it is not a statistics segment");
    if (header.abi_version != TESSERA_CHANNEL_ABI_VERSION)
        return Fail("it was written by a version of the layer that this program does not know");
    if (header.header_bytes != sizeof(tessera_channel_header) ||
        header.record_bytes != sizeof(tessera_device_record))
        return Fail("it is damaged: its parts have sizes that its version does not have");
    if (header.max_bytes > TESSERA_CHANNEL_LIMIT_BYTES || header.segment_bytes > header.max_bytes ||
        header.device_capacity > header.max_bytes / sizeof(tessera_device_record) ||
        header.segment_bytes !=
            sizeof(tessera_channel_header) + header.device_capacity * sizeof(tessera_device_record))
        return Fail("it is damaged: its sizes contradict each other");
    // The file grows before the header says so.
    struct stat status;
    if (fstat(file_, &status) != 0 || static_cast<uint64_t>(status.st_size) < header.segment_bytes)
        return Fail(kTooShort);
    if (header.state != TESSERA_PROCESS_LIVE && header.state != TESSERA_PROCESS_CLOSED)
        return Fail("it is damaged: its process is in a state that does not exist");
    return true;
}

void SegmentCopier::TakeHeader() {
    process_.pid = header_.pid;
    process_.start_time = header_.pid_start_time;
    process_.parent_pid = header_.parent_pid;
    process_.created_ns = header_.created_ns;
    process_.name = SafeText(header_.process);
    process_.layer_version = SafeText(header_.layer_version);
    process_.loads = header_.loads;
    process_.dropped_devices = header_.dropped_devices;
    process_.state = header_.state == TESSERA_PROCESS_CLOSED ? ProcessState::kClosed
                     : runs_                                 ? ProcessState::kLive
                                                             : ProcessState::kEnded;
}

bool SegmentCopier::CheckDevice(const tessera_device_record& record, uint64_t index) {
    const bool is_sum = record.state == TESSERA_DEVICE_RETIRED;
    if (record.state > TESSERA_DEVICE_RETIRED || is_sum != (index == 0))
        return Fail("it is damaged: a device is in a state that does not exist");
    if (record.heap_count > TESSERA_MAX_HEAPS || record.type_count > TESSERA_MAX_TYPES)
        return Fail("it is damaged: a device has more memory heaps or types than there can be");
    if (record.why >= TESSERA_MAX_REASONS)
        return Fail("it is damaged: a device has a reason that does not exist");
    for (uint64_t i = 0; i < record.type_count; ++i)
        if (record.types[i].heap >= record.heap_count)
            return Fail(
                "it is damaged: a memory type lies in a heap that the device does not have");
    return true;
}

bool SegmentCopier::CopyDevice(uint64_t index) {
    const uint64_t offset = sizeof(tessera_channel_header) + index * sizeof(tessera_device_record);
    uint64_t state = TESSERA_DEVICE_ABSENT;
    if (!ReadAt(offset + offsetof(tessera_device_record, state), state)) return Fail(kTooShort);
    if (state == TESSERA_DEVICE_ABSENT) return true;
    tessera_device_record record;
    if (!ReadAt(offset, record)) return Fail(kTooShort);
    // It may have gone since: then it is no device, though its other words are still there.
    if (record.state == TESSERA_DEVICE_ABSENT) return true;
    if (!CheckDevice(record, index)) return false;

    Device device;
    device.id = record.id;
    device.state = static_cast<tessera_device_state>(record.state);
    device.retired_devices = index == 0 ? record.retired_devices : 0;
    device.name = SafeText(record.name);
    device.driver = SafeText(record.driver);
    device.api_version = static_cast<uint32_t>(record.api_version);
    device.pooled = record.mode != 0;
    device.why = static_cast<tessera_reason>(record.why);
    device.sample_interval = std::max<uint64_t>(record.sample_interval, 1);
    device.heaps.assign(record.heaps, record.heaps + record.heap_count);
    device.calls.assign(record.calls, record.calls + TESSERA_CALL_COUNT);
    device.driver_calls.assign(record.driver_calls, record.driver_calls + TESSERA_CALL_COUNT);
    std::copy_n(record.misuse, device.misuse.size(), device.misuse.begin());
    if (!CopyTypes(offset, record, device)) return false;
    if (!CopyShards(offset, device)) return false;
    process_.devices.push_back(std::move(device));
    return true;
}

bool SegmentCopier::CopyTypes(uint64_t offset, const tessera_device_record& record,
                              Device& device) {
    for (uint64_t i = 0; i < record.type_count; ++i) {
        MemoryType type;
        type.heap = static_cast<uint32_t>(record.types[i].heap);
        type.flags = static_cast<uint32_t>(record.types[i].flags);
        const uint64_t at =
            offset + offsetof(tessera_device_record, totals) + i * sizeof(tessera_type_totals);
        const Copied copied = CopyUnmoved(at + offsetof(tessera_type_totals, sequence),
                                          runs_ ? kPatienceForTotals : kNoPatience,
                                          [&] { return ReadAt(at, type.totals); });
        if (copied == Copied::kShort) return Fail(kTooShort);
        if (copied == Copied::kTorn && runs_) return Fail(kStillMoving);
        process_.torn = process_.torn || copied == Copied::kTorn;
        device.memory_types.push_back(type);
    }
    return true;
}

// After the types: a block is counted before the slots in it, so that what is free is not negative.
bool SegmentCopier::CopyShards(uint64_t offset, Device& device) {
    for (uint64_t i = 0; i < TESSERA_MAX_SHARDS; ++i) {
        tessera_shard_counters shard;
        const uint64_t at =
            offset + offsetof(tessera_device_record, shards) + i * sizeof(tessera_shard_counters);
        const Copied copied = CopyUnmoved(at, runs_ ? kPatienceForTotals : kNoPatience,
                                          [&] { return ReadAt(at, shard); });
        if (copied == Copied::kShort) return Fail(kTooShort);
        if (copied == Copied::kTorn && runs_) return Fail(kStillMoving);
        process_.torn = process_.torn || copied == Copied::kTorn;
        if (shard.type == 0) continue;
        if (shard.type > device.memory_types.size())
            return Fail("it is damaged: a shard belongs to a memory type that does not exist");
        tessera_add_shard(&device.memory_types[shard.type - 1].totals, &shard);
        device.calls[TESSERA_CALL_vkAllocateMemory].count += shard.allocations;
        device.calls[TESSERA_CALL_vkFreeMemory].count += shard.frees;
    }
    // The shards of several threads may note a peak a little late.
    for (MemoryType& type : device.memory_types)
        type.totals.app.peak_bytes =
            std::max(type.totals.app.peak_bytes, type.totals.app.live_bytes);
    return true;
}

}  // namespace

Result<Process> CopySegment(int file, bool (*writer_runs)(uint64_t pid, uint64_t start_time)) {
    struct stat status;
    if (fstat(file, &status) != 0) return {.value = {}, .error = "it cannot be examined"};
    if (status.st_size > static_cast<off_t>(TESSERA_CHANNEL_LIMIT_BYTES))
        return {.value = {}, .error = "it is larger than a segment can be"};
    return SegmentCopier(file, writer_runs).Run();
}

}  // namespace tessera::reader
