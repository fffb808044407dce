// SPDX-License-Identifier: Apache-2.0
//
// See segment.h for the contract. A segment of this process that is already there was left by an
// earlier load of the layer, or by the program that this process ran before exec. It is continued
// only if everything about it is as this writer would have left it, else replaced.
#include "channel/segment.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "channel/counters.h"
#include "channel/folder.h"

namespace tessera::channel {
namespace {

// What a file says of itself, while that is looked at: too large for the stack of just any thread.
constinit tessera_channel_header g_found{};

// The unit of st_blocks, which counts what is reserved: a file with holes has fewer.
constexpr uint64_t kBlockBytes = 512;

// Reserving is not restarted for ever where a timer's signals keep interrupting it.
constexpr int kMaxInterruptions = 100;

bool IsOwnPlainFile(const struct stat& status) noexcept {
    return S_ISREG(status.st_mode) && status.st_uid == geteuid() && status.st_nlink == 1 &&
           (status.st_mode & ALLPERMS) == (S_IRUSR | S_IWUSR);
}

// Returns: whether `file` is a segment that this writer can continue for `owner`. Then its header
// is in `g_found`.
bool IsSound(int file, const SegmentOwner& owner) noexcept {
    tessera_channel_header& header = g_found;
    struct stat status;
    if (fstat(file, &status) != 0 || !IsOwnPlainFile(status)) return false;
    if (pread(file, &header, sizeof(header), 0) != ssize_t{sizeof(header)}) return false;
    return header.magic == TESSERA_CHANNEL_MAGIC &&
           header.abi_version == TESSERA_CHANNEL_ABI_VERSION &&
           header.header_bytes == sizeof(tessera_channel_header) &&
           header.record_bytes == sizeof(tessera_device_record) &&
           header.max_bytes <= TESSERA_CHANNEL_LIMIT_BYTES &&
           header.segment_bytes <= header.max_bytes && header.segment_bytes >= sizeof(header) &&
           header.segment_bytes % kPageBytes == 0 && header.extent_count <= TESSERA_MAX_EXTENTS &&
           static_cast<uint64_t>(status.st_size) >= header.segment_bytes &&
           static_cast<uint64_t>(status.st_blocks) * kBlockBytes >= header.segment_bytes &&
           header.pid == owner.pid && header.pid_start_time == owner.start_time;
}

// A sequence that was left odd would keep readers waiting.
void MakeEven(uint64_t& sequence) noexcept {
    if (Load(sequence) % 2 != 0) Add(sequence, 1);
}

// Returns: nanoseconds since 1970.
uint64_t RealTimeNs() noexcept {
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

int ReserveFileByWriting(int file, uint64_t from, uint64_t to) noexcept {
    static constexpr char kZeroes[4096] = {};
    for (uint64_t at = from; at < to;) {
        const size_t size = std::min<uint64_t>(sizeof(kZeroes), to - at);
        const ssize_t written = pwrite(file, kZeroes, size, static_cast<off_t>(at));
        if (written > 0) {
            at += static_cast<uint64_t>(written);
        } else if (written == 0 || errno != EINTR) {
            const int error = written == 0 ? ENOSPC : errno;
            // If this fails too the file is longer than it says, which harms nobody.
            [[maybe_unused]] const int cut = ftruncate(file, static_cast<off_t>(from));
            return error;
        }
    }
    return 0;
}

int ReserveFile(int file, uint64_t from, uint64_t to) noexcept {
    // Growing a file beyond the process's limit would raise SIGXFSZ, which ends the application.
    rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        to > limit.rlim_cur)
        return EFBIG;
    int error = EINTR;
    for (int i = 0; error == EINTR && i < kMaxInterruptions; ++i)
        error = posix_fallocate(file, static_cast<off_t>(from), static_cast<off_t>(to - from));
    if (error == EOPNOTSUPP || error == EINVAL || error == ENOSYS)
        return ReserveFileByWriting(file, from, to);
    return error;
}

bool Segment::Open(uint64_t max_bytes) noexcept {
    max_bytes_ = std::clamp(ExtentBytes(max_bytes), SegmentBytes(0), TESSERA_CHANNEL_LIMIT_BYTES);
    const std::optional<ProcessStat> self = ReadProcessStat(static_cast<uint64_t>(getpid()));
    if (!self) {
        TESSERA_LOG(kWarning,
                    "This process publishes no statistics: /proc does not say when it started.");
        return false;
    }
    owner_ = {.pid = static_cast<uint64_t>(getpid()), .start_time = self->start_time};
    char folder_path[kMaxFolderPathBytes];
    const int folder = OpenFolder(folder_path);
    if (folder < 0) return false;
    RemoveDeadSegments(folder);
    char name[kMaxSegmentNameBytes];
    FormatSegmentName(owner_, name);
    std::snprintf(path_, sizeof(path_), "%s/%s", folder_path, name);
    const bool opened = OpenIn(folder, name);
    if (!opened)
        TESSERA_LOG(kWarning, "This process publishes no statistics: '%s' cannot be made: %s.",
                    path_, std::strerror(errno));
    close(folder);
    if (opened) Store(header_->parent_pid, self->parent_pid);
    return opened;
}

// Returns: false, with the reason in errno, if there is no usable segment.
bool Segment::OpenIn(int folder, const char* name) noexcept {
    bool is_new = false;
    const int file = OpenFile(folder, name, is_new);
    if (file < 0) return false;
    // Held, through the mapping, for as long as any process has the segment mapped.
    flock(file, LOCK_SH | LOCK_NB);
    const bool mapped = Map(file, max_bytes_);
    const int error = errno;
    close(file);
    if (!mapped) {
        // Nobody will describe it, so nobody could read it.
        if (is_new) unlinkat(folder, name, 0);
        errno = error;
        return false;
    }
    Describe(is_new);
    return true;
}

// Opens the process's segment or makes it, with pages behind as many records as possible.
// Returns: its descriptor, which the caller closes; -1, with the reason in errno. What describes
// the file is set.
int Segment::OpenFile(int folder, const char* name, bool& is_new) noexcept {
    constexpr int kFlags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int file = openat(folder, name, kFlags);
    if (file >= 0 && IsSound(file, owner_) && TakeExtents(g_found)) return file;
    if (file >= 0) close(file);
    if (unlinkat(folder, name, 0) != 0 && errno != ENOENT) return -1;

    file = openat(folder, name, kFlags | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
    if (file < 0) return -1;
    is_new = true;
    extent_count_ = 0;
    capacity_ = 0;
    bytes_ = SegmentBytes(0);
    // A full file system may still have the pages which say that devices got no record.
    int error = fchmod(file, S_IRUSR | S_IWUSR) == 0 ? 0 : errno;
    if (error == 0) error = ReserveFile(file, 0, bytes_);
    if (error == 0) {
        const uint64_t wanted = SegmentBytes(kFirstRecords);
        if (wanted <= max_bytes_ && ReserveFile(file, bytes_, wanted) == 0) {
            for (capacity_ = 0; capacity_ < kFirstRecords; ++capacity_)
                extents_[extent_count_++] = {
                    SegmentBytes(capacity_), ExtentBytes(sizeof(tessera_device_record)),
                    TESSERA_KIND_DEVICE, static_cast<uint32_t>(capacity_), 0};
            bytes_ = wanted;
        }
        return file;
    }
    close(file);
    unlinkat(folder, name, 0);
    errno = error;
    return -1;
}

// Takes over the extents of a segment that is there, if they can be as this writer would have left
// them. Returns: false if not.
bool Segment::TakeExtents(const tessera_channel_header& found) noexcept {
    uint64_t bytes = 0;
    bool has_record[kMostRecords] = {};
    capacity_ = 0;
    for (uint64_t i = 0; i < found.extent_count; ++i) {
        const tessera_extent& extent = found.extents[i];
        if (extent.bytes == 0 || extent.bytes % kPageBytes != 0 ||
            extent.kind >= TESSERA_KIND_COUNT || extent.offset != sizeof(found) + bytes ||
            extent.bytes > found.segment_bytes - sizeof(found) - bytes)
            return false;
        bytes += extent.bytes;
        extents_[i] = extent;
        if (extent.kind != TESSERA_KIND_DEVICE) continue;
        if (extent.bytes != ExtentBytes(sizeof(tessera_device_record)) || extent.owner != 0 ||
            extent.first >= kMostRecords || has_record[extent.first])
            return false;
        has_record[extent.first] = true;
        ++capacity_;
    }
    for (uint64_t i = 0; i < capacity_; ++i)
        if (!has_record[i]) return false;
    if (sizeof(found) + bytes != found.segment_bytes) return false;
    extent_count_ = static_cast<uint32_t>(found.extent_count);
    bytes_ = found.segment_bytes;
    max_bytes_ = found.max_bytes;
    return true;
}

bool Segment::Map(int file, uint64_t max_bytes) noexcept {
    struct stat status;
    if (fstat(file, &status) != 0) return false;
    void* const start = mmap(nullptr, max_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (start == MAP_FAILED) return false;
    header_ = static_cast<tessera_channel_header*>(start);
    device_ = status.st_dev;
    inode_ = status.st_ino;
    for (uint32_t i = 0; i < extent_count_; ++i)
        if (extents_[i].kind == TESSERA_KIND_DEVICE)
            records_[extents_[i].first] = reinterpret_cast<tessera_device_record*>(
                static_cast<std::byte*>(start) + extents_[i].offset);
    return true;
}

void Segment::Describe(bool is_new) noexcept {
    tessera_channel_header& header = *header_;
    if (is_new) {
        header.abi_version = TESSERA_CHANNEL_ABI_VERSION;
        header.header_bytes = sizeof(tessera_channel_header);
        Store(header.record_bytes, sizeof(tessera_device_record));
        Store(header.segment_bytes, bytes_);
        Store(header.max_bytes, max_bytes_);
        for (uint32_t i = 0; i < extent_count_; ++i)
            SetExtent(i, extents_[i]);
        Store(header.extent_count, extent_count_);
        Store(header.pid, owner_.pid);
        Store(header.pid_start_time, owner_.start_time);
        Store(header.created_ns, RealTimeNs());
        Store(header.created_monotonic_ns, NowNs());
        Store(header.next_device_id, 1);
    } else {
        Repair();
    }
    {
        const SequencedWrite write(header.sequence);
        Store(header.uid, geteuid());
        std::memset(header.process, 0, sizeof(header.process));
        ReadOwnProcessName(header.process);
        std::memset(header.layer_version, 0, sizeof(header.layer_version));
        std::memcpy(header.layer_version, TESSERA_VERSION,
                    std::min(sizeof(TESSERA_VERSION), sizeof(header.layer_version)) - 1);
    }
    MarkLive();
    std::atomic_ref<uint64_t>(header.magic).store(TESSERA_CHANNEL_MAGIC, std::memory_order_release);
}

// The sequences of a table's records, which are the first word of each.
void Segment::RepairTable(const tessera_extent& extent) noexcept {
    const uint64_t record_bytes = tessera_record_bytes(extent.kind);
    if (record_bytes == 0 || extent.kind == TESSERA_KIND_DEVICE) return;
    auto* const start = reinterpret_cast<std::byte*>(header_) + extent.offset;
    for (uint64_t at = 0; at + record_bytes <= extent.bytes; at += record_bytes)
        MakeEven(*reinterpret_cast<uint64_t*>(start + at));
}

// An earlier load may have ended anywhere: nobody will end its changes or destroy its devices.
void Segment::Repair() noexcept {
    MakeEven(header_->sequence);
    const SequencedWrite write(header_->sequence);
    for (uint32_t i = 0; i < extent_count_; ++i)
        RepairTable(extents_[i]);
    for (uint64_t i = 0; i < capacity_; ++i) {
        tessera_device_record& device = record(i);
        for (tessera_type_totals& totals : device.totals)
            MakeEven(totals.sequence);
        for (tessera_shard_counters& line : device.shards)
            MakeEven(line.sequence);
        if (Load(device.state) != TESSERA_DEVICE_LIVE) continue;
        Add(header_->destroyed_devices, 1);
        Store(device.destroyed_order, Load(header_->destroyed_devices));
        Store(device.state, TESSERA_DEVICE_DESTROYED);
    }
}

bool Segment::AddRecord() noexcept {
    if (capacity_ == kMostRecords) return false;
    void* const record = AddExtent(TESSERA_KIND_DEVICE, 0, static_cast<uint32_t>(capacity_),
                                   sizeof(tessera_device_record));
    if (record == nullptr) return false;
    records_[capacity_++] = static_cast<tessera_device_record*>(record);
    return true;
}

void* Segment::AddExtent(tessera_kind kind, uint64_t owner, uint32_t first,
                         uint64_t bytes) noexcept {
    if (bytes == 0 || bytes > max_bytes_) return nullptr;
    // What an earlier load of the layer left of the process's own goes on.
    for (uint32_t i = 0; i < extent_count_; ++i) {
        const tessera_extent& extent = extents_[i];
        if (owner == 0 && extent.owner == 0 && extent.kind == kind && extent.first == first &&
            extent.bytes == ExtentBytes(bytes))
            return reinterpret_cast<std::byte*>(header_) + extent.offset;
    }
    return AddExtentUnannounced({0, ExtentBytes(bytes), static_cast<uint32_t>(kind), first, owner});
}

void* Segment::AddExtentUnannounced(const tessera_extent& wanted) noexcept {
    // One that was let go, of just this size: a larger one would seem to hold records that the
    // table's next extent has. Tables of one kind grow in the same steps.
    uint32_t index = 0;
    while (index < extent_count_ &&
           (extents_[index].kind != TESSERA_KIND_FREE || extents_[index].bytes != wanted.bytes))
        ++index;
    tessera_extent extent = wanted;
    const bool is_new = index == extent_count_;
    if (is_new) {
        if (extent_count_ == TESSERA_MAX_EXTENTS || wanted.bytes > RoomFor(wanted.kind) ||
            !GrowFile(bytes_ + wanted.bytes))
            return nullptr;
        extent.offset = bytes_;
    } else {
        extent.offset = extents_[index].offset;
    }
    auto* const start = reinterpret_cast<std::byte*>(header_) + extent.offset;
    const SequencedWrite write(header_->sequence);
    if (is_new) {
        bytes_ += extent.bytes;
        ++extent_count_;
        Store(header_->segment_bytes, bytes_);
        Store(header_->extent_count, extent_count_);
    } else {
        std::memset(start, 0, extent.bytes);
    }
    SetExtent(index, extent);
    return start;
}

// How many bytes more there may be for one kind: what is recorded of one device must not cost
// another one its totals, and events not the records of what lives.
uint64_t Segment::RoomFor(uint32_t kind) const noexcept {
    const uint64_t room = max_bytes_ - bytes_;
    if (kind == TESSERA_KIND_DEVICE) return room;
    const uint64_t reserve =
        std::min(kReservedRecords * ExtentBytes(sizeof(tessera_device_record)), max_bytes_ / 4);
    const uint64_t rest = room - std::min(room, reserve);
    return kind == TESSERA_KIND_RING ? rest / 2 : rest;
}

// Reserves what lies behind [bytes_, bytes). Returns: false if there is no room.
bool Segment::GrowFile(uint64_t bytes) noexcept {
    const int file = open(path_, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return false;
    // What the path leads to now must be what was mapped.
    struct stat status;
    const bool grown = fstat(file, &status) == 0 && status.st_dev == device_ &&
                       status.st_ino == inode_ && ReserveFile(file, bytes_, bytes) == 0;
    close(file);
    return grown;
}

void Segment::SetExtent(uint32_t index, const tessera_extent& extent) noexcept {
    extents_[index] = extent;
    tessera_extent& shown = header_->extents[index];
    Store(shown.offset, extent.offset);
    Store(shown.bytes, extent.bytes);
    std::atomic_ref<uint32_t>(shown.kind).store(extent.kind, std::memory_order_relaxed);
    std::atomic_ref<uint32_t>(shown.first).store(extent.first, std::memory_order_relaxed);
    Store(shown.owner, extent.owner);
}

bool Segment::HasExtent(tessera_kind kind, uint64_t owner, uint64_t bytes) const noexcept {
    return std::any_of(extents_, extents_ + extent_count_, [=](const tessera_extent& extent) {
        return extent.kind == kind && extent.owner == owner && extent.bytes == ExtentBytes(bytes);
    });
}

void Segment::FreeExtents(uint64_t owner, tessera_kind only) noexcept {
    for (uint32_t i = 0; i < extent_count_; ++i) {
        if (extents_[i].owner != owner || owner == 0) continue;
        if (only != TESSERA_KIND_FREE && extents_[i].kind != only) continue;
        tessera_extent extent = extents_[i];
        extent.kind = TESSERA_KIND_FREE;
        extent.first = 0;
        extent.owner = 0;
        SetExtent(i, extent);
    }
}

void Segment::MarkLive() noexcept {
    const SequencedWrite write(header_->sequence);
    Store(header_->state, TESSERA_PROCESS_LIVE);
    Add(header_->loads, 1);
}

void Segment::MarkClosed() noexcept {
    const SequencedWrite write(header_->sequence);
    Store(header_->closed_ns, RealTimeNs());
    Store(header_->state, TESSERA_PROCESS_CLOSED);
}

void Segment::Close() noexcept {
    if (header_ != nullptr) munmap(header_, max_bytes_);
    Forget();
}

void Segment::Forget() noexcept {
    header_ = nullptr;
    capacity_ = 0;
    max_bytes_ = 0;
    bytes_ = 0;
    extent_count_ = 0;
    path_[0] = '\0';
}

void Segment::Abandon() noexcept {
    if (header_ != nullptr)
        mmap(header_, max_bytes_, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    Forget();
}

tessera_device_record& Segment::record(uint64_t index) const noexcept {
    return *records_[index];
}

bool Segment::Contains(const tessera_device_record* record) const noexcept {
    if (header_ == nullptr) return false;
    const auto address = reinterpret_cast<uintptr_t>(record);
    const auto start = reinterpret_cast<uintptr_t>(header_);
    return address >= start && address < start + bytes_;
}

}  // namespace tessera::channel
