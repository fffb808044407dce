// SPDX-License-Identifier: Apache-2.0
//
// See segment_input.h: the file that is read, what it ought to be read as, and the invariants. The
// expectations are taken from docs/channel-abi.md, on an image of the file that is kept beside it.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <utility>

#include "layer/base/process.h"
#include "output_check.h"
#include "segment_builder.h"
#include "segment_input.h"
#include "system_calls.h"
#include "tessera/channel_abi.h"
#include "tessera/reader.h"
#include "tools/account.h"
#include "tools/json.h"
#include "tools/process_text.h"

namespace tessera::fuzz_readers {
namespace {

// What reading one segment may cost at most: about a second of pauses, and copies of which the
// largest segment there can be leaves room for a few dozen.
constexpr uint64_t kMostPauses = 1000;
constexpr uint64_t kMostBytes = uint64_t{3} << 30;

void UseDevice(tessera_device_record& record) {
    record.heaps[0].known = TESSERA_HEAP_BUDGET_KNOWN;
    record.heaps[0].budget_bytes = uint64_t{7} << 30;
    for (uint32_t type = 0; type < record.type_count; ++type) {
        record.totals[type].sequence = 2;
        record.totals[type].app = {.live = 1,
                                   .live_bytes = 4096 + type,
                                   .peak_bytes = 4096 + type,
                                   .allocations = 1,
                                   .frees = 0,
                                   .failed = 0};
        record.totals[type].pass_through[TESSERA_REASON_dedicated].allocations = type;
        record.shards[type] = {.sequence = 2,
                               .type = 1 + type,
                               .allocations = 5,
                               .frees = 3,
                               .allocated_bytes = 5 * 256,
                               .freed_bytes = 3 * 256,
                               .occupied_bytes = 2 * 256,
                               .largest_free_bytes = 4096};
    }
    for (const uint32_t call : {TESSERA_CALL_vkAllocateMemory, TESSERA_CALL_vkMapMemory}) {
        record.calls[call] = {
            .count = 3, .timed = 2, .total_ns = 900, .max_ns = 700, .histogram = {}};
        record.calls[call].histogram[tessera_histogram_bucket(200)] = 1;
        record.calls[call].histogram[tessera_histogram_bucket(700)] = 1;
    }
    record.misuse[TESSERA_MISUSE_double_free] = 1;
}

// A folder of its own, gone with the object.
class ScratchFolder {
 public:
    ScratchFolder() : path_(std::filesystem::temp_directory_path() / "tessera_readers_XXXXXX") {
        Require(mkdtemp(path_.data()) != nullptr, "the fuzzer cannot make a folder to work in");
    }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    ~ScratchFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }

 private:
    std::string path_;
};

// The sum, a live device, a destroyed one, and one that is absent.
std::string MakeBase() {
    test::SegmentBuilder builder;
    builder.header.pid = static_cast<uint64_t>(getpid());
    builder.header.pid_start_time = ReadProcessStat(builder.header.pid)->start_time;
    UseDevice(builder.AddRetiredSum().record);
    UseDevice(builder.AddDevice(66).record);
    tessera_device_record& destroyed = builder.AddDevice(65).record;
    UseDevice(destroyed);
    destroyed.state = TESSERA_DEVICE_DESTROYED;
    builder.AddDevice(0).record = {};
    const std::vector<std::byte> bytes = builder.Build();
    Require(bytes.size() == RecordOffset(kBaseRecords - 1) + sizeof(tessera_device_record),
            "the records do not lie where inputs look for them");
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

const std::string& Base() {
    static const std::string base = MakeBase();
    return base;
}

// The file, and an image of what it holds.
class SegmentFile {
 public:
    SegmentFile() : image_(Base()), file_(memfd_create("segment", MFD_CLOEXEC)) {
        Require(file_ >= 0, "the fuzzer cannot make a file to work on");
        Write(0, image_.size());
    }
    SegmentFile(const SegmentFile&) = delete;
    SegmentFile& operator=(const SegmentFile&) = delete;
    ~SegmentFile() { close(file_); }

    int file() const { return file_; }
    const std::string& image() const { return image_; }

    void Apply(const Edit& edit) {
        if (edit.kind == EditKind::kResize) return Resize(edit.offset);
        uint64_t word = edit.value;
        std::string_view bytes(reinterpret_cast<const char*>(&word), sizeof(word));
        if (edit.kind == EditKind::kText) bytes = edit.text;
        if (edit.offset >= image_.size()) return;
        bytes = bytes.substr(0, image_.size() - edit.offset);
        if (edit.kind == EditKind::kFlip) {
            uint64_t old = 0;
            std::memcpy(&old, image_.data() + edit.offset, bytes.size());
            word ^= old;
        }
        std::ranges::copy(bytes, image_.begin() + static_cast<ptrdiff_t>(edit.offset));
        Write(edit.offset, bytes.size());
        changed_.emplace_back(edit.offset, bytes.size());
    }

    // Undoes all edits.
    void Restore() {
        const std::string& base = Base();
        const uint64_t kept = std::min<uint64_t>(smallest_, base.size());
        if (image_.size() != base.size() || kept != base.size()) {
            image_.resize(base.size());
            if (ftruncate(file_, static_cast<off_t>(base.size())) != 0) std::abort();
            changed_.emplace_back(kept, base.size() - kept);
        }
        for (const auto& [offset, size] : changed_) {
            if (offset >= base.size()) continue;
            const uint64_t inside = std::min<uint64_t>(size, base.size() - offset);
            std::memcpy(image_.data() + offset, base.data() + offset, inside);
            Write(offset, inside);
        }
        changed_.clear();
        smallest_ = base.size();
    }

 private:
    void Write(uint64_t offset, uint64_t size) {
        const char* const from = image_.data() + offset;
        if (pwrite(file_, from, size, static_cast<off_t>(offset)) != static_cast<ssize_t>(size))
            std::abort();
    }
    void Resize(uint64_t size) {
        image_.resize(size);
        if (ftruncate(file_, static_cast<off_t>(size)) != 0) std::abort();
        smallest_ = std::min(smallest_, size);
    }

    std::string image_;
    const int file_;
    std::vector<std::pair<uint64_t, uint64_t>> changed_;
    uint64_t smallest_ = Base().size();
};

// Requires: `offset` is a multiple of 8, as all offsets in a segment are.
template <typename T>
const T& At(const std::string& image, uint64_t offset) {
    return *reinterpret_cast<const T*>(image.data() + offset);
}

// What docs/channel-abi.md makes of a file that nobody changes.
struct Expectation {
    bool accepted = false;
    bool torn = false;              // if accepted
    std::vector<uint64_t> records;  // offsets of those in use
};

bool IsSoundRecord(const tessera_device_record& record, uint64_t index) {
    if (record.state > TESSERA_DEVICE_RETIRED) return false;
    if ((record.state == TESSERA_DEVICE_RETIRED) != (index == 0)) return false;
    if (record.heap_count > TESSERA_MAX_HEAPS || record.type_count > TESSERA_MAX_TYPES ||
        record.why >= TESSERA_MAX_REASONS)
        return false;
    for (uint64_t i = 0; i < record.type_count; ++i)
        if (record.types[i].heap >= record.heap_count) return false;
    for (const tessera_shard_counters& shard : record.shards)
        if (shard.type > record.type_count) return false;
    return true;
}

// How many record numbers an extent takes.
uint64_t NumbersOf(const tessera_extent& extent) {
    const uint64_t bytes = tessera_record_bytes(extent.kind);
    if (extent.kind == TESSERA_KIND_DEVICE || extent.kind == TESSERA_KIND_RING) return 1;
    return bytes == 0 ? 0 : extent.bytes / bytes;
}

bool IsSoundExtent(const tessera_extent& extent, const tessera_channel_header& header) {
    const auto end = static_cast<unsigned __int128>(extent.offset) + extent.bytes;
    if (extent.offset % 4096 != 0 || extent.offset < sizeof(header) || end > header.segment_bytes)
        return false;
    if (extent.kind == TESSERA_KIND_DEVICE &&
        (extent.owner != 0 || extent.bytes < sizeof(tessera_device_record)))
        return false;
    if (extent.kind == TESSERA_KIND_RING && extent.bytes < sizeof(tessera_ring)) return false;
    return extent.first + NumbersOf(extent) <= uint64_t{1} << 32;
}

// Requires: both are sound.
bool AreApart(const tessera_extent& a, const tessera_extent& b) {
    if (a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes) return false;
    return a.kind != b.kind || a.owner != b.owner || a.first >= b.first + NumbersOf(b) ||
           b.first >= a.first + NumbersOf(a);
}

// The extents in use; nothing if they break a rule.
std::optional<std::vector<tessera_extent>> SoundExtents(const tessera_channel_header& header) {
    std::vector<tessera_extent> extents;
    for (uint64_t i = 0; i < header.extent_count; ++i) {
        const tessera_extent& extent = header.extents[i];
        if (extent.bytes == 0) continue;
        if (!IsSoundExtent(extent, header)) return std::nullopt;
        for (const tessera_extent& other : extents)
            if (!AreApart(extent, other)) return std::nullopt;
        extents.push_back(extent);
    }
    return extents;
}

bool IsSoundHeader(const std::string& image, const tessera_channel_header& header) {
    return image.size() <= TESSERA_CHANNEL_LIMIT_BYTES && header.magic == TESSERA_CHANNEL_MAGIC &&
           header.abi_version == TESSERA_CHANNEL_ABI_VERSION &&
           header.header_bytes == sizeof(header) &&
           header.record_bytes == sizeof(tessera_device_record) &&
           header.max_bytes <= TESSERA_CHANNEL_LIMIT_BYTES &&
           header.segment_bytes <= header.max_bytes && header.segment_bytes >= sizeof(header) &&
           header.extent_count <= TESSERA_MAX_EXTENTS && image.size() >= header.segment_bytes &&
           (header.state == TESSERA_PROCESS_LIVE || header.state == TESSERA_PROCESS_CLOSED);
}

Expectation Expect(const std::string& image) {
    Expectation expected;
    if (image.size() < sizeof(tessera_channel_header)) return expected;
    const auto& header = At<tessera_channel_header>(image, 0);
    if (!IsSoundHeader(image, header)) return expected;
    const auto extents = SoundExtents(header);
    if (!extents) return expected;
    expected.torn = header.sequence % 2 != 0;
    for (const tessera_extent& extent : *extents) {
        if (extent.kind != TESSERA_KIND_DEVICE ||
            At<uint64_t>(image, extent.offset) == TESSERA_DEVICE_ABSENT)
            continue;
        const auto& record = At<tessera_device_record>(image, extent.offset);
        if (!IsSoundRecord(record, extent.first)) return expected;
        expected.records.push_back(extent.offset);
        for (uint64_t type = 0; type < record.type_count; ++type)
            expected.torn = expected.torn || record.totals[type].sequence % 2 != 0;
        for (const tessera_shard_counters& shard : record.shards)
            expected.torn = expected.torn || shard.sequence % 2 != 0;
    }
    const std::optional<ProcessStat> writer = ReadProcessStat(header.pid);
    const bool runs = writer && writer->runs && writer->start_time == header.pid_start_time;
    expected.accepted = !expected.torn || !runs;
    return expected;
}

void CheckString(const std::string& text, size_t most) {
    Require(text.size() <= most, "a string is longer than its field");
    Require(text.find('\0') == std::string::npos, "a string holds a zero");
    CheckPrintable(text, false);
}

void CheckCalls(const std::vector<tessera_call_totals>& calls) {
    Require(calls.size() == TESSERA_CALL_COUNT, "a device has another number of commands");
    for (const tessera_call_totals& call : calls) {
        const uint64_t p50 = reader::Percentile(call, 0.50);
        const uint64_t p99 = reader::Percentile(call, 0.99);
        Require(p50 <= p99 && p99 <= call.max_ns, "percentiles are out of order");
    }
}

// What callers rely on without checking it again.
void CheckSound(const reader::Process& process) {
    CheckString(process.name, sizeof(tessera_channel_header::process));
    CheckString(process.layer_version, sizeof(tessera_channel_header::layer_version));
    Require(process.devices.size() <= TESSERA_CHANNEL_LIMIT_BYTES / sizeof(tessera_device_record),
            "more devices than a segment holds");
    Require(std::ranges::is_sorted(process.devices, {}, &reader::Device::id),
            "devices are out of order");
    size_t sums = 0;
    for (const reader::Device& device : process.devices) {
        sums += device.state == TESSERA_DEVICE_RETIRED ? 1 : 0;
        Require(device.state == TESSERA_DEVICE_LIVE || device.state == TESSERA_DEVICE_DESTROYED ||
                    device.state == TESSERA_DEVICE_RETIRED,
                "a device is in a state that callers do not know");
        Require(device.state == TESSERA_DEVICE_RETIRED || device.retired_devices == 0,
                "a device that is no sum counts retired ones");
        CheckString(device.name, sizeof(tessera_device_record::name));
        CheckString(device.driver, sizeof(tessera_device_record::driver));
        Require(static_cast<uint32_t>(device.why) < TESSERA_MAX_REASONS,
                "a reason is out of range");
        Require(device.sample_interval >= 1, "a sample interval is 0");
        Require(device.heaps.size() <= TESSERA_MAX_HEAPS, "too many heaps");
        Require(device.memory_types.size() <= TESSERA_MAX_TYPES, "too many memory types");
        for (const reader::MemoryType& type : device.memory_types)
            Require(type.heap < device.heaps.size(), "a memory type lies in no heap");
        CheckCalls(device.calls);
        CheckCalls(device.driver_calls);
    }
    Require(sums <= 1, "there are two sums");
}

void CheckPrinted(const reader::Process& process, command::Layout layout) {
    CheckPrintable(command::DescribeProcess(process), true);
    const command::Account account = command::AccountOf(process);
    CheckPrintable(command::DescribeMisuse(account), true);
    CheckPrintable(command::DescribePassThrough(account), true);
    std::vector<command::Json> entries;
    entries.push_back(command::ProcessJson(process));
    const command::Json document = command::DocumentJson(std::move(entries));
    CheckJson(command::Dump(document, layout));
}

template <typename T>
bool AreSameBytes(const T* a, const T* b, size_t count) {
    return count == 0 || std::memcmp(a, b, count * sizeof(T)) == 0;
}

// What a memory type's totals are with the lines of its shards: field by field, as the ABI's text
// has it, so that the function of its header is checked as well.
tessera_type_totals WithShards(const tessera_device_record& record, size_t type) {
    tessera_type_totals sum = record.totals[type];
    for (const tessera_shard_counters& shard : record.shards) {
        if (shard.type != type + 1) continue;
        sum.app.allocations += shard.allocations;
        sum.app.frees += shard.frees;
        sum.pooled.allocations += shard.allocations;
        for (uint64_t* const live : {&sum.app.live, &sum.pooled.live})
            *live = *live + shard.allocations - shard.frees;
        for (uint64_t* const bytes : {&sum.app.live_bytes, &sum.pooled.live_bytes})
            *bytes = *bytes + shard.allocated_bytes - shard.freed_bytes;
        sum.pooled.free_bytes -= shard.occupied_bytes;
        sum.pooled.largest_free_bytes =
            std::max(sum.pooled.largest_free_bytes, shard.largest_free_bytes);
    }
    // Lines of different moments: a negative sum is none.
    for (uint64_t* const count : {&sum.app.live, &sum.pooled.live, &sum.app.live_bytes,
                                  &sum.pooled.live_bytes, &sum.pooled.free_bytes})
        if (*count > INT64_MAX) *count = 0;
    // What is live was live.
    sum.app.peak_bytes = std::max(sum.app.peak_bytes, sum.app.live_bytes);
    return sum;
}

// The calls of one command, with those that shards count in its place.
bool AreSameCalls(const reader::Device& device, const tessera_device_record& record) {
    uint64_t allocations = 0;
    uint64_t frees = 0;
    for (const tessera_shard_counters& shard : record.shards) {
        if (shard.type == 0) continue;
        allocations += shard.allocations;
        frees += shard.frees;
    }
    for (size_t i = 0; i < TESSERA_CALL_COUNT; ++i) {
        tessera_call_totals expected = record.calls[i];
        if (i == TESSERA_CALL_vkAllocateMemory) expected.count += allocations;
        if (i == TESSERA_CALL_vkFreeMemory) expected.count += frees;
        if (!AreSameBytes(&device.calls[i], &expected, 1)) return false;
    }
    return true;
}

bool IsSameDevice(const reader::Device& device, const tessera_device_record& record) {
    if (device.id != record.id || device.state != record.state ||
        device.memory_types.size() != record.type_count ||
        device.heaps.size() != record.heap_count || device.why != record.why ||
        device.pooled != (record.mode != 0))
        return false;
    for (size_t i = 0; i < device.memory_types.size(); ++i) {
        const tessera_type_totals expected = WithShards(record, i);
        if (!AreSameBytes(&device.memory_types[i].totals, &expected, 1)) return false;
    }
    return AreSameBytes(device.heaps.data(), record.heaps, record.heap_count) &&
           AreSameCalls(device, record) &&
           AreSameBytes(device.driver_calls.data(), record.driver_calls, TESSERA_CALL_COUNT) &&
           AreSameBytes(device.misuse.data(), record.misuse, device.misuse.size());
}

// Nobody changed the file: what was read is what lies in it.
void CheckFaithful(const reader::Result<reader::Process>& result, const std::string& image) {
    const Expectation expected = Expect(image);
    Require(!result.ok() || expected.accepted,
            "a segment was accepted that breaks the ABI's rules");
    Require(result.ok() || !expected.accepted, "a segment was refused that keeps the ABI's rules");
    if (!result.ok()) return;
    const reader::Process& process = result.value;
    const auto& header = At<tessera_channel_header>(image, 0);
    Require(process.torn == expected.torn, "it is not told whether the data are torn");
    Require(process.pid == header.pid && process.start_time == header.pid_start_time &&
                process.parent_pid == header.parent_pid &&
                process.created_ns == header.created_ns && process.loads == header.loads &&
                process.dropped_devices == header.dropped_devices,
            "the header was read as something else");
    Require(process.devices.size() == expected.records.size(), "not every device was read");
    for (const uint64_t offset : expected.records) {
        const auto& record = At<tessera_device_record>(image, offset);
        Require(std::ranges::any_of(
                    process.devices,
                    [&](const reader::Device& device) { return IsSameDevice(device, record); }),
                "a device was read as something else");
    }
}

void CheckResult(const reader::Result<reader::Process>& result, bool is_printed) {
    const ReaderCosts costs = CostsOfReader();
    Require(costs.pauses <= kMostPauses, "the reader pauses without end");
    Require(costs.bytes <= kMostBytes, "the reader copies without end");
    CheckPrintable(result.error, false);
    if (result.ok()) {
        CheckSound(result.value);
        const bool is_even = result.value.devices.size() % 2 == 0;
        if (is_printed)
            CheckPrinted(result.value, is_even ? command::Layout::kPretty : command::Layout::kLine);
    } else {
        Require(result.error.size() > 20 && result.error.ends_with('.'), "an error is no sentence");
        Require(result.value.devices.empty() && result.value.pid == 0, "an error comes with data");
    }
}

// Making texts costs more than all the rest, so that only some inputs' are looked at: those with
// texts in them, and of the others one in four. The input decides, and nothing else, so that each
// can be tried again by itself.
bool IsPrinted(const SegmentInput& input) {
    uint64_t mix = 0;
    for (const Edit& edit : input) {
        if (edit.kind == EditKind::kText) return true;
        mix = mix * 31 + edit.offset / 8 + edit.value;
    }
    return mix % 4 == 0;
}

bool CheckEdited(SegmentFile& segment, const SegmentInput& input) {
    size_t next = 0;
    WatchReader([&](uint64_t reads) {
        for (; next < input.size() && input[next].before_read <= reads; ++next)
            segment.Apply(input[next]);
    });
    for (; next < input.size() && input[next].before_read == 0; ++next)
        segment.Apply(input[next]);
    const bool is_still = next == input.size();
    const reader::Result<reader::Process> result = reader::ReadSegmentFd(segment.file(), "segment");
    CheckResult(result, IsPrinted(input));
    if (!is_still) return result.ok();
    CheckFaithful(result, segment.image());
    const reader::Result<reader::Process> again = reader::ReadSegmentFd(segment.file(), "segment");
    Require(
        again.error == result.error && again.value.devices.size() == result.value.devices.size(),
        "the same segment was read as something else the second time");
    return result.ok();
}

}  // namespace

uint64_t BaseBytes() {
    return Base().size();
}

bool CheckSegmentInput(const SegmentInput& input) {
    static SegmentFile segment;
    struct Restorer {
        ~Restorer() {
            WatchReader({});
            segment.Restore();
        }
    } const restorer;
    return CheckEdited(segment, input);
}

void CheckOtherFiles() {
    const ScratchFolder folder;
    const std::filesystem::path path = folder.path();
    std::filesystem::create_directory(path / "folder");
    Require(mkfifo((path / "fifo").c_str(), 0600) == 0, "the fuzzer cannot make a fifo");
    std::ofstream(path / "segment", std::ios::binary) << Base();
    std::ofstream(path / "empty");
    std::filesystem::create_symlink(path / "segment", path / "link");
    std::filesystem::create_symlink(path / "link", path / "loop");
    const int socket_file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    (path / "socket").string().copy(address.sun_path, sizeof(address.sun_path) - 1);
    Require(bind(socket_file, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0,
            "the fuzzer cannot make a socket");
    close(socket_file);

    WatchReader({});
    for (const std::string& wrong : std::initializer_list<std::string>{
             (path / "folder").string(), (path / "fifo").string(), (path / "empty").string(),
             (path / "link").string(), (path / "loop").string(), (path / "socket").string(),
             (path / "missing").string(), (path / "segment/below").string(),
             std::string("/dev/zero"), std::string("/dev/tty"), std::string("/proc/self/mem"),
             std::string()}) {
        const reader::Result<reader::Process> result = reader::ReadSegment(wrong);
        Require(!result.ok(), ("a segment was read from " + wrong).c_str());
        CheckResult(result, true);
    }
    Require(reader::ReadSegment(path / "segment").ok(), "a good segment was refused");
}

}  // namespace tessera::fuzz_readers
