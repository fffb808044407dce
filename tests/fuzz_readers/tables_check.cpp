// SPDX-License-Identifier: Apache-2.0
//
// See tables_input.h: what the changed segment must be read as.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

#include "layer/base/process.h"
#include "output_check.h"
#include "segment_builder.h"
#include "sound.h"
#include "system_calls.h"
#include "tables_input.h"
#include "tessera/reader.h"

namespace tessera::fuzz_readers {
namespace {

using reader::Depth;
using reader::Process;
using reader::Result;

constexpr uint64_t kMostPauses = 1000;
constexpr uint64_t kMostBytes = uint64_t{3} << 30;

// The base with an input's changes. Copying it anew for each input would take longer than reading
// it: what the last input changed is put back.
class ChangedBase {
 public:
    const std::vector<std::byte>& Apply(const TablesInput& input) {
        Restore();
        if (input.runs) {
            static const auto self = static_cast<uint64_t>(getpid());
            static const uint64_t start_time = ReadProcessStat(self)->start_time;
            Store({.offset = offsetof(tessera_channel_header, pid), .value = self, .width = 8});
            Store({.offset = offsetof(tessera_channel_header, pid_start_time),
                   .value = start_time,
                   .width = 8});
        }
        for (const Change& change : input.changes)
            Store(change);
        return bytes_;
    }

 private:
    void Store(const Change& change) {
        if (change.width == 0) bytes_.resize(std::min<size_t>(bytes_.size(), change.offset));
        if (change.width == 0 || change.offset + change.width > bytes_.size()) return;
        std::memcpy(bytes_.data() + change.offset, &change.value, change.width);
        stored_.push_back(change);
    }
    void Restore() {
        const std::vector<std::byte>& base = TablesBase();
        if (bytes_.size() != base.size()) bytes_ = base;
        for (const Change& change : stored_)
            std::memcpy(bytes_.data() + change.offset, base.data() + change.offset, change.width);
        stored_.clear();
    }

    std::vector<std::byte> bytes_;
    std::vector<Change> stored_;
};

// Records of one kind that are in use, of the device `owner`, whether they hold still or not.
// Requires: the segment was accepted.
template <typename Record, typename InUse>
uint64_t CountInUse(std::span<const std::byte> bytes, uint32_t kind, uint64_t owner, InUse in_use) {
    const auto entries = std::min<uint64_t>(
        test::Get<uint64_t>(bytes, offsetof(tessera_channel_header, extent_count)),
        TESSERA_MAX_EXTENTS);
    uint64_t count = 0;
    for (uint64_t i = 0; i < entries; ++i) {
        const auto extent = test::Get<tessera_extent>(
            bytes, offsetof(tessera_channel_header, extents) + i * sizeof(tessera_extent));
        if (extent.kind != kind || extent.owner != owner) continue;
        for (uint64_t at = 0; at + sizeof(Record) <= extent.bytes; at += sizeof(Record)) {
            const auto record = test::Get<Record>(bytes, extent.offset + at);
            if (record.sequence % 2 != 0 || in_use(record)) ++count;
        }
    }
    return count;
}

void CheckComplete(const Process& process, std::span<const std::byte> bytes) {
    uint64_t previous = 0;
    for (const reader::Device& device : process.devices) {
        const bool is_first = device.id != previous;
        previous = device.id;
        if (!is_first || device.detail.level == TESSERA_LEVEL_totals) continue;
        uint64_t names = 0;
        const auto is_live = [](const auto& record) { return record.object != 0; };
        const auto is_resource = [&](const tessera_resource_record& record) {
            if (record.object_type == 8) ++names;
            return record.object_type != 0 && record.object_type != 8;
        };
        uint64_t expected = 0;
        for (const uint32_t kind : {TESSERA_KIND_SLOTS, TESSERA_KIND_PASSED})
            expected += CountInUse<tessera_allocation_record>(bytes, kind, device.id, is_live);
        expected +=
            CountInUse<tessera_block_record>(bytes, TESSERA_KIND_BLOCKS, device.id, is_live);
        expected += CountInUse<tessera_resource_record>(bytes, TESSERA_KIND_RESOURCES, device.id,
                                                        is_resource);
        const reader::Detail& detail = device.detail;
        Require(detail.allocations.size() + detail.blocks.size() + detail.resources.size() +
                        detail.moving ==
                    expected,
                "a record in use is neither there nor counted");
        Require(names <= UINT32_MAX, "names without end");
    }
}

void CheckResult(const Result<Process>& result) {
    if (result.ok()) {
        const std::string unsound = test::WhatIsUnsound(result.value);
        Require(unsound.empty(), unsound.c_str());
        return;
    }
    CheckPrintable(result.error, false);
    Require(result.error.size() > 20 && result.error.ends_with('.'), "an error is no sentence");
    Require(result.value.devices.empty() && result.value.pid == 0, "an error comes with data");
}

// What a file of a process that is gone, or holds still, must have in common with its bytes.
void CheckSame(const Process& a, const Process& b) {
    Require(a.devices.size() == b.devices.size() && a.torn == b.torn &&
                a.stacks.size() == b.stacks.size() && a.modules.size() == b.modules.size() &&
                a.threads.size() == b.threads.size(),
            "a file was read as something else than its bytes");
    for (size_t i = 0; i < a.devices.size(); ++i) {
        const reader::Detail& one = a.devices[i].detail;
        const reader::Detail& other = b.devices[i].detail;
        Require(one.allocations.size() == other.allocations.size() &&
                    one.blocks.size() == other.blocks.size() &&
                    one.resources.size() == other.resources.size() && one.moving == other.moving,
                "a file's tables were read as something else than its bytes");
    }
}

void CheckFile(const std::vector<std::byte>& bytes, const Result<Process>& from_bytes) {
    const test::SegmentFile file(bytes);
    WatchReader({});
    const Result<Process> from_file = reader::ReadSegmentFd(file.fd(), "segment", Depth::kDetail);
    CheckResult(from_file);
    const bool is_waited_for =
        !from_file.ok() && from_file.error.find("try again") != std::string::npos;
    Require(from_file.ok() == from_bytes.ok() || is_waited_for,
            "a file is accepted and its bytes are not, or the other way round");
    if (from_file.ok()) CheckSame(from_file.value, from_bytes.value);

    const Result<std::vector<std::byte>> copy = reader::CopySegmentBytes(file.fd());
    Require(copy.ok() || !from_file.ok(), "a segment is read and cannot be copied");
    if (copy.ok() && from_file.ok()) {
        Require(copy.value.size() <= bytes.size() + 4096, "a copy is larger than the segment");
        const Result<Process> again = reader::ReadSegmentCopy(copy.value, "copy", Depth::kDetail);
        Require(again.ok(), "a copy is refused");
        CheckSame(from_file.value, again.value);
    }

    reader::EventReader events(file.fd());
    const Result<reader::EventBatch> first = events.Read();
    CheckPrintable(first.error, false);
    const std::string unsound = test::WhatIsUnsound(first.value);
    Require(unsound.empty(), unsound.c_str());
    const Result<reader::EventBatch> second = events.Read();
    Require(second.ok() == first.ok(), "the same rings are read and then refused");
    Require(second.value.events.empty() && second.value.lost == 0, "events were read twice");
    const ReaderCosts costs = CostsOfReader();
    Require(costs.pauses <= 4 * kMostPauses, "the reader pauses without end");
    Require(costs.bytes <= 4 * kMostBytes, "the reader copies without end");
}

// The input decides, and nothing else, so that each can be tried again by itself.
bool HasFile(const TablesInput& input) {
    uint64_t mix = 0;
    for (const Change& change : input.changes)
        mix = mix * 31 + change.offset / 8 + change.value;
    return mix % 8 == 0;
}

}  // namespace

bool CheckTablesInput(const TablesInput& input) {
    static ChangedBase changed;
    const std::vector<std::byte>& bytes = changed.Apply(input);
    const Result<Process> result = reader::ReadSegmentCopy(bytes, "segment", Depth::kDetail);
    CheckResult(result);
    if (result.ok()) CheckComplete(result.value, bytes);
    if (HasFile(input)) CheckFile(bytes, result);
    return result.ok();
}

}  // namespace tessera::fuzz_readers
