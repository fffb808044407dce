// SPDX-License-Identifier: Apache-2.0
//
// See segment_copy.h for the contract. Three levels of retry: a record is copied again on its own
// while its writer changes it; header and devices are copied again when a device or an extent came
// or went meanwhile; and all of it if an extent was given up while its records were copied.
#include "reader/segment_copy.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <span>

#include "reader/layout.h"
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
constexpr Patience kPatienceForTables{.pauses = 5, .tries_between = 20};
constexpr Patience kNoPatience{.pauses = 1, .tries_between = 1};  // one copy, whole or not

// How often everything is copied because an extent was given up meanwhile.
constexpr int kTriesForTables = 3;

// What one segment may cost in all, whatever its writer does: pieces that keep changing lie in a
// whole that may keep changing too, so that their patience would multiply. Together about a second:
// the pauses take 1 ms each, and the largest segment there can be, whose every byte is copied three
// times, fits into the bytes once, and once more in part.
constexpr int kMostPauses = 600;
constexpr int kMostRetries = 1 << 18;  // of single records: a writer changes but a few at a time
constexpr uint64_t kMostBytes = 4 * TESSERA_CHANNEL_LIMIT_BYTES;

// How often a segment is looked at that its process has made, but not described yet.
constexpr int kPausesUntilReady = 10;

// Records are copied this many bytes at a time: three passes over that stay in the cache.
constexpr uint64_t kChunkBytes = uint64_t{64} << 10;

enum class Copied {
    kWhole,
    kTorn,   // the writer was changing it, each time
    kShort,  // the file ends before it
};

constexpr char kTooShort[] = "it is cut short: the file ends before its data do";
constexpr char kStillMoving[] =
    "its process keeps changing it, or was stopped while it did; try again";

uint64_t SequenceOf(const std::byte* record) {
    uint64_t sequence;
    std::memcpy(&sequence, record, sizeof(sequence));
    return sequence;
}

void SetSequence(std::byte* record, uint64_t sequence) {
    std::memcpy(record, &sequence, sizeof(sequence));
}

uint64_t Align(uint64_t bytes) {
    return (bytes + kExtentAlignment - 1) / kExtentAlignment * kExtentAlignment;
}

class SegmentCopier {
 public:
    SegmentCopier(int file, bool (*writer_runs)(uint64_t pid, uint64_t start_time), Depth depth)
        : file_(file), writer_runs_(writer_runs), depth_(depth) {}

    Result<SegmentCopy> Run();

    // The first step of Run(): a header whose version is known. Returns: what is wrong with it.
    std::string Begin();
    // Copies the header until it holds still. Returns: what is wrong with it.
    std::string TakeHeader();

    tessera_channel_header& header() { return *header_; }
    bool runs() const { return runs_; }

 private:
    // Returns: false if the file ends before it.
    bool ReadAt(uint64_t offset, void* out, size_t size);

    // Waits a moment. Returns: false, at once, if this segment has cost enough.
    bool Pause();

    // Calls `copy`, which returns false if the file is too short, until the header's sequence was
    // even and did not move meanwhile, or patience is over. While the sequence is odd a writer that
    // runs will move it, and a copy would be in vain; of a dead one, a torn copy is what there is.
    template <typename Copy>
    Copied CopyUnmoved(Copy copy);

    // Copies `count` records that begin with their sequences, each of them whole. One that never
    // was gets an odd sequence in `out`.
    Copied CopyRecords(uint64_t offset, std::byte* out, uint64_t record_bytes, uint64_t count,
                       const Patience& patience);
    Copied CopyChunk(uint64_t offset, std::byte* out, uint64_t record_bytes, uint64_t count,
                     const Patience& patience);
    Copied CopyAgain(uint64_t offset, std::byte* out, uint64_t record_bytes,
                     std::vector<uint64_t>& moving, const Patience& patience);

    // Decides where in the copy each extent goes.
    void Plan();
    // These return false if the file is too short; what else is wrong is in `error_`.
    bool CopyDevices();
    bool CopyDevice(const tessera_extent& from, std::byte* out);
    bool CopyTables(bool* all_stood);
    bool CopyTable(uint64_t index, bool* all_stood);

    const int file_;
    bool (*const writer_runs_)(uint64_t pid, uint64_t start_time);
    const Depth depth_;
    bool runs_ = false;
    int pauses_ = 0;
    int retries_ = 0;
    uint64_t bytes_read_ = 0;
    // On the heap: nine pages each.
    std::unique_ptr<tessera_channel_header> header_ = std::make_unique<tessera_channel_header>();
    std::unique_ptr<tessera_channel_header> plan_ = std::make_unique<tessera_channel_header>();
    std::vector<std::byte> copy_;
    std::vector<std::byte> before_ = std::vector<std::byte>(kChunkBytes);
    std::vector<std::byte> after_ = std::vector<std::byte>(kChunkBytes);
    std::string error_;
};

bool SegmentCopier::ReadAt(uint64_t offset, void* out, size_t size) {
    bytes_read_ += size;
    return ReadFileAt(file_, offset, out, size);
}

bool SegmentCopier::Pause() {
    if (pauses_ == kMostPauses || bytes_read_ > kMostBytes) return false;
    ++pauses_;
    nanosleep(&kPause, nullptr);
    return true;
}

template <typename Copy>
Copied SegmentCopier::CopyUnmoved(Copy copy) {
    constexpr uint64_t kOffset = offsetof(tessera_channel_header, sequence);
    const Patience patience = runs_ ? kPatienceForAll : kNoPatience;
    uint64_t before = 0;
    if (!ReadAt(kOffset, &before, sizeof(before))) return Copied::kShort;
    for (int pause = 0; pause < patience.pauses; ++pause) {
        if (pause > 0 && !Pause()) break;
        for (int attempt = 0; attempt < patience.tries_between; ++attempt) {
            OrderReads();
            if ((before % 2 == 0 || !runs_) && !copy()) return Copied::kShort;
            OrderReads();
            uint64_t after = 0;
            if (!ReadAt(kOffset, &after, sizeof(after))) return Copied::kShort;
            if (before % 2 == 0 && after == before) return Copied::kWhole;
            before = after;
        }
    }
    return Copied::kTorn;
}

Copied SegmentCopier::CopyRecords(uint64_t offset, std::byte* out, uint64_t record_bytes,
                                  uint64_t count, const Patience& patience) {
    Copied copied = Copied::kWhole;
    const uint64_t at_once = kChunkBytes / record_bytes;
    for (uint64_t done = 0; done < count; done += at_once) {
        const Copied chunk = CopyChunk(offset + done * record_bytes, out + done * record_bytes,
                                       record_bytes, std::min(at_once, count - done), patience);
        if (chunk == Copied::kShort) return chunk;
        if (chunk == Copied::kTorn) copied = chunk;
    }
    return copied;
}

Copied SegmentCopier::CopyChunk(uint64_t offset, std::byte* out, uint64_t record_bytes,
                                uint64_t count, const Patience& patience) {
    const uint64_t bytes = count * record_bytes;
    if (runs_ && !ReadAt(offset, before_.data(), bytes)) return Copied::kShort;
    OrderReads();
    if (!ReadAt(offset, out, bytes)) return Copied::kShort;
    if (!runs_) {  // nobody changes it any more
        for (uint64_t i = 0; i < count; ++i)
            if (SequenceOf(out + i * record_bytes) % 2 != 0) return Copied::kTorn;
        return Copied::kWhole;
    }
    OrderReads();
    if (!ReadAt(offset, after_.data(), bytes)) return Copied::kShort;
    std::vector<uint64_t> moving;
    for (uint64_t i = 0; i < count; ++i) {
        const uint64_t after = SequenceOf(after_.data() + i * record_bytes);
        if (after % 2 != 0 || SequenceOf(before_.data() + i * record_bytes) != after)
            moving.push_back(i);
        else
            SetSequence(out + i * record_bytes, after);
    }
    if (moving.empty()) return Copied::kWhole;
    return CopyAgain(offset, out, record_bytes, moving, patience);
}

Copied SegmentCopier::CopyAgain(uint64_t offset, std::byte* out, uint64_t record_bytes,
                                std::vector<uint64_t>& moving, const Patience& patience) {
    bool is_short = false;
    const auto is_whole = [&](uint64_t i) {
        const uint64_t at = offset + i * record_bytes;
        uint64_t before = 0;
        if (retries_ >= kMostRetries) return false;
        is_short = is_short || !ReadAt(at, &before, sizeof(before));
        for (int attempt = 0; attempt < patience.tries_between && !is_short; ++attempt) {
            if (++retries_ > kMostRetries) return false;
            OrderReads();
            if (before % 2 == 0) is_short = !ReadAt(at, out + i * record_bytes, record_bytes);
            OrderReads();
            uint64_t after = 0;
            is_short = is_short || !ReadAt(at, &after, sizeof(after));
            if (before % 2 == 0 && after == before) {
                SetSequence(out + i * record_bytes, after);
                return true;
            }
            before = after;
        }
        return false;
    };
    for (int pause = 0; pause < patience.pauses && !moving.empty(); ++pause) {
        if (pause > 0 && !Pause()) break;
        std::erase_if(moving, is_whole);
        if (is_short) return Copied::kShort;
    }
    for (const uint64_t i : moving)
        SetSequence(out + i * record_bytes, SequenceOf(out + i * record_bytes) | 1);
    return moving.empty() ? Copied::kWhole : Copied::kTorn;
}

std::string SegmentCopier::Begin() {
    // Another version's header may be smaller than ours: no more is read than all have.
    struct {
        uint64_t magic;
        uint32_t abi_version;
        uint32_t header_bytes;
    } start{};
    static_assert(offsetof(tessera_channel_header, record_bytes) == sizeof(start));
    for (int pause = 0; pause < kPausesUntilReady && start.magic == 0; ++pause) {
        if (pause > 0 && !Pause()) break;
        if (!ReadAt(0, &start, sizeof(start))) return kTooShort;
    }
    std::string error = CheckVersion(start.magic, start.abi_version);
    if (!error.empty()) return error;
    if (!ReadAt(0, header_.get(), sizeof(*header_))) return kTooShort;
    // Who writes it never changes, so that this may be asked before anything else is certain.
    runs_ = writer_runs_(header_->pid, header_->pid_start_time);
    return "";
}

std::string SegmentCopier::TakeHeader() {
    const Copied copied = CopyUnmoved([this] {
        if (!ReadAt(0, header_.get(), sizeof(*header_))) return false;
        // An error is one only if the sequence did not move: then it is reported.
        error_ = CheckVersion(header_->magic, header_->abi_version);
        if (error_.empty()) error_ = CheckHeader(*header_);
        return true;
    });
    if (copied == Copied::kShort) return kTooShort;
    if (copied == Copied::kTorn && runs_) return kStillMoving;
    return error_;
}

Result<SegmentCopy> SegmentCopier::Run() {
    std::string error = Begin();
    if (!error.empty()) return {.value = {}, .error = std::move(error)};
    bool all_stood = false;
    for (int attempt = 0; attempt < kTriesForTables && !all_stood; ++attempt) {
        const Copied copied = CopyUnmoved([this] {
            if (!ReadAt(0, header_.get(), sizeof(*header_))) return false;
            error_ = CheckVersion(header_->magic, header_->abi_version);
            if (error_.empty()) error_ = CheckHeader(*header_);
            return !error_.empty() || CopyDevices();
        });
        if (copied == Copied::kShort) return {.value = {}, .error = kTooShort};
        if (copied == Copied::kTorn && runs_) return {.value = {}, .error = kStillMoving};
        if (!error_.empty()) return {.value = {}, .error = std::move(error_)};
        all_stood = true;
        if (!CopyTables(&all_stood)) return {.value = {}, .error = kTooShort};
        if (bytes_read_ > kMostBytes) break;
    }
    std::memcpy(copy_.data(), plan_.get(), sizeof(*plan_));
    return {.value = {.bytes = std::move(copy_),
                      .runs = runs_,
                      .segment_bytes = header_->segment_bytes},
            .error = {}};
}

void SegmentCopier::Plan() {
    *plan_ = *header_;
    uint64_t end = sizeof(*plan_);
    for (uint64_t i = 0; i < plan_->extent_count; ++i) {
        tessera_extent& extent = plan_->extents[i];
        const bool is_device = extent.kind == TESSERA_KIND_DEVICE;
        if (extent.bytes == 0 ||
            (!is_device && (depth_ != Depth::kDetail || !IsTable(extent.kind)))) {
            extent = {};
            continue;
        }
        extent.offset = end;
        extent.bytes = RecordCount(extent) * tessera_record_bytes(extent.kind);
        end = Align(end + extent.bytes);
    }
    // Never above the limit: the extents took as many pages where they came from.
    plan_->segment_bytes = end;
    plan_->max_bytes = std::max(plan_->max_bytes, end);
    copy_.resize(end);
}

bool SegmentCopier::CopyDevices() {
    struct stat status;
    // The file grows before the header says so.
    if (fstat(file_, &status) != 0 ||
        static_cast<uint64_t>(status.st_size) < header_->segment_bytes)
        return false;
    Plan();
    for (uint64_t i = 0; i < header_->extent_count && error_.empty(); ++i)
        if (header_->extents[i].bytes != 0 && header_->extents[i].kind == TESSERA_KIND_DEVICE &&
            !CopyDevice(header_->extents[i], copy_.data() + plan_->extents[i].offset))
            return false;
    return true;
}

bool SegmentCopier::CopyDevice(const tessera_extent& from, std::byte* out) {
    uint64_t state = TESSERA_DEVICE_ABSENT;
    if (!ReadAt(from.offset + offsetof(tessera_device_record, state), &state, sizeof(state)))
        return false;
    std::memcpy(out + offsetof(tessera_device_record, state), &state, sizeof(state));
    if (state == TESSERA_DEVICE_ABSENT) return true;
    if (!ReadAt(from.offset, out, sizeof(tessera_device_record))) return false;
    uint64_t types = 0;
    std::memcpy(&types, out + offsetof(tessera_device_record, type_count), sizeof(types));

    // Types before shards: of a block that was released meanwhile both are as they were. Slots in
    // one that was made meanwhile make what is free too small; the parser knows.
    constexpr uint64_t kTotals = offsetof(tessera_device_record, totals);
    constexpr uint64_t kShards = offsetof(tessera_device_record, shards);
    const Copied totals =
        CopyRecords(from.offset + kTotals, out + kTotals, sizeof(tessera_type_totals),
                    std::min<uint64_t>(types, TESSERA_MAX_TYPES), kPatienceForTotals);
    if (totals == Copied::kShort) return false;
    const Copied shards =
        CopyRecords(from.offset + kShards, out + kShards, sizeof(tessera_shard_counters),
                    TESSERA_MAX_SHARDS, kPatienceForTotals);
    if (shards == Copied::kShort) return false;
    if (runs_ && (totals == Copied::kTorn || shards == Copied::kTorn)) error_ = kStillMoving;
    return true;
}

// An allocation's record names its block and its call stack, which were there before it: those are
// copied after it, in the order of the kinds' numbers.
bool SegmentCopier::CopyTables(bool* all_stood) {
    if (depth_ != Depth::kDetail) return true;
    for (uint32_t kind = 0; kind < TESSERA_KIND_COUNT; ++kind)
        for (uint64_t i = 0; i < plan_->extent_count; ++i)
            if (IsTable(kind) && plan_->extents[i].kind == kind && plan_->extents[i].bytes != 0 &&
                !CopyTable(i, all_stood))
                return false;
    return true;
}

bool SegmentCopier::CopyTable(uint64_t index, bool* all_stood) {
    tessera_extent& to = plan_->extents[index];
    const tessera_extent& from = header_->extents[index];
    if (CopyRecords(from.offset, copy_.data() + to.offset, tessera_record_bytes(to.kind),
                    RecordCount(to), kPatienceForTables) == Copied::kShort)
        return false;
    // Was it the same extent all the time? Device ids are not used again, so that an extent that
    // came to another use has another entry.
    OrderReads();
    tessera_extent now;
    const uint64_t entry = offsetof(tessera_channel_header, extents) + index * sizeof(now);
    if (!ReadAt(entry, &now, sizeof(now))) return false;
    if (std::memcmp(&now, &from, sizeof(now)) == 0) return true;
    to = {};
    *all_stood = false;
    return true;
}

std::string WhyTooLarge(int file) {
    struct stat status;
    if (fstat(file, &status) != 0) return "it cannot be examined";
    if (status.st_size > static_cast<off_t>(TESSERA_CHANNEL_LIMIT_BYTES))
        return "it is larger than a segment can be";
    return "";
}

}  // namespace

bool ReadFileAt(int file, uint64_t offset, void* out, size_t size) {
    size_t done = 0;
    while (done < size) {
        const ssize_t count = pread(file, static_cast<char*>(out) + done, size - done,
                                    static_cast<off_t>(offset + done));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        done += static_cast<size_t>(count);
    }
    return true;
}

// The kernel's loads run on this thread's processor, so that its fence orders them like our own.
// ThreadSanitizer knows no fences, and needs none: what pread() fills belongs to this thread alone.
void OrderReads() {
#if defined(__SANITIZE_THREAD__)
    std::atomic_signal_fence(std::memory_order_acquire);
#else
    std::atomic_thread_fence(std::memory_order_acquire);
#endif
}

Result<SegmentCopy> CopySegment(int file, bool (*writer_runs)(uint64_t pid, uint64_t start_time),
                                Depth depth) {
    std::string error = WhyTooLarge(file);
    if (!error.empty()) return {.value = {}, .error = std::move(error)};
    return SegmentCopier(file, writer_runs, depth).Run();
}

Result<std::unique_ptr<tessera_channel_header>> CopyHeader(
    int file, bool (*writer_runs)(uint64_t pid, uint64_t start_time), bool* runs) {
    std::string error = WhyTooLarge(file);
    SegmentCopier copier(file, writer_runs, Depth::kTotals);
    if (error.empty()) error = copier.Begin();
    if (error.empty()) error = copier.TakeHeader();
    if (!error.empty()) return {.value = {}, .error = std::move(error)};
    *runs = copier.runs();
    return {.value = std::make_unique<tessera_channel_header>(copier.header()), .error = {}};
}

}  // namespace tessera::reader
