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

#include "base/log.h"
#include "base/process.h"
#include "channel/counters.h"
#include "channel/folder.h"

namespace tessera::channel {
namespace {

// The unit of st_blocks, which counts what is reserved: a file with holes has fewer.
constexpr uint64_t kBlockBytes = 512;

// Reserving is not restarted for ever where a timer's signals keep interrupting it.
constexpr int kMaxInterruptions = 100;

bool IsOwnPlainFile(const struct stat& status) noexcept {
    return S_ISREG(status.st_mode) && status.st_uid == geteuid() && status.st_nlink == 1 &&
           (status.st_mode & ALLPERMS) == (S_IRUSR | S_IWUSR);
}

// Returns: whether `file` is a segment that this writer can continue for `owner`. Then its header
// is in `header`.
bool IsSound(int file, const SegmentOwner& owner, tessera_channel_header& header) noexcept {
    struct stat status;
    if (fstat(file, &status) != 0 || !IsOwnPlainFile(status)) return false;
    if (pread(file, &header, sizeof(header), 0) != ssize_t{sizeof(header)}) return false;
    return header.magic == TESSERA_CHANNEL_MAGIC &&
           header.abi_version == TESSERA_CHANNEL_ABI_VERSION &&
           header.header_bytes == sizeof(tessera_channel_header) &&
           header.record_bytes == sizeof(tessera_device_record) &&
           header.max_bytes <= TESSERA_CHANNEL_LIMIT_BYTES &&
           header.segment_bytes <= header.max_bytes &&
           header.device_capacity <= header.max_bytes / sizeof(tessera_device_record) &&
           header.segment_bytes == SegmentBytes(header.device_capacity) &&
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

bool Segment::Open() noexcept {
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
    const bool mapped = Map(file, is_new ? kMaxSegmentBytes : max_bytes_);
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
// Returns: its descriptor, which the caller closes; -1, with the reason in errno. `capacity_` and,
// for one that was there, `max_bytes_` are set.
int Segment::OpenFile(int folder, const char* name, bool& is_new) noexcept {
    constexpr int kFlags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int file = openat(folder, name, kFlags);
    tessera_channel_header found;
    if (file >= 0 && IsSound(file, owner_, found)) {
        capacity_ = found.device_capacity;
        max_bytes_ = found.max_bytes;
        return file;
    }
    if (file >= 0) close(file);
    if (unlinkat(folder, name, 0) != 0 && errno != ENOENT) return -1;

    file = openat(folder, name, kFlags | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
    if (file < 0) return -1;
    is_new = true;
    capacity_ = kFirstRecords;
    // A full file system may still have the one page which says that devices got no record.
    int error = fchmod(file, S_IRUSR | S_IWUSR) == 0 ? 0 : errno;
    if (error == 0 && ReserveFile(file, 0, SegmentBytes(capacity_)) != 0) {
        capacity_ = 0;
        error = ReserveFile(file, 0, SegmentBytes(0));
    }
    if (error == 0) return file;
    close(file);
    unlinkat(folder, name, 0);
    errno = error;
    return -1;
}

bool Segment::Map(int file, uint64_t max_bytes) noexcept {
    struct stat status;
    if (fstat(file, &status) != 0) return false;
    void* const start = mmap(nullptr, max_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (start == MAP_FAILED) return false;
    header_ = static_cast<tessera_channel_header*>(start);
    max_bytes_ = max_bytes;
    device_ = status.st_dev;
    inode_ = status.st_ino;
    return true;
}

void Segment::Describe(bool is_new) noexcept {
    tessera_channel_header& header = *header_;
    if (is_new) {
        header.abi_version = TESSERA_CHANNEL_ABI_VERSION;
        header.header_bytes = sizeof(tessera_channel_header);
        Store(header.record_bytes, sizeof(tessera_device_record));
        Store(header.segment_bytes, SegmentBytes(capacity_));
        Store(header.max_bytes, max_bytes_);
        Store(header.device_capacity, capacity_);
        Store(header.pid, owner_.pid);
        Store(header.pid_start_time, owner_.start_time);
        Store(header.created_ns, RealTimeNs());
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

// An earlier load may have ended anywhere: nobody will end its changes or destroy its devices.
void Segment::Repair() noexcept {
    MakeEven(header_->sequence);
    const SequencedWrite write(header_->sequence);
    for (uint64_t i = 0; i < capacity_; ++i) {
        tessera_device_record& device = record(i);
        for (tessera_type_totals& totals : device.totals)
            MakeEven(totals.sequence);
        if (Load(device.state) != TESSERA_DEVICE_LIVE) continue;
        Add(header_->destroyed_devices, 1);
        Store(device.destroyed_order, Load(header_->destroyed_devices));
        Store(device.state, TESSERA_DEVICE_DESTROYED);
    }
}

bool Segment::Reserve(uint64_t records) noexcept {
    if (records <= capacity_) return true;
    const uint64_t bytes = SegmentBytes(records);
    if (bytes > max_bytes_) return false;
    const int file = open(path_, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return false;
    // What the path leads to now must be what was mapped.
    struct stat status;
    const bool grown = fstat(file, &status) == 0 && status.st_dev == device_ &&
                       status.st_ino == inode_ &&
                       ReserveFile(file, SegmentBytes(capacity_), bytes) == 0;
    close(file);
    if (!grown) return false;
    const SequencedWrite write(header_->sequence);
    capacity_ = records;
    Store(header_->segment_bytes, bytes);
    Store(header_->device_capacity, records);
    return true;
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
    *this = Segment();
}

void Segment::Abandon() noexcept {
    if (header_ != nullptr)
        mmap(header_, max_bytes_, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    *this = Segment();
}

tessera_device_record& Segment::record(uint64_t index) const noexcept {
    return reinterpret_cast<tessera_device_record*>(header_ + 1)[index];
}

bool Segment::Contains(const tessera_device_record* record) const noexcept {
    if (header_ == nullptr) return false;
    const auto address = reinterpret_cast<uintptr_t>(record);
    const auto start = reinterpret_cast<uintptr_t>(header_);
    return address >= start && address < start + SegmentBytes(capacity_);
}

}  // namespace tessera::channel
