// SPDX-License-Identifier: Apache-2.0
//
// See tables_input.h for the contract: which changes are made.
#include "tables_input.h"

#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <limits>

#include "segment_builder.h"
#include "tessera/channel_abi.h"

namespace tessera::fuzz_readers {
namespace {

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kPage = 4096;

// What words near the edges of what is allowed are made of.
constexpr uint64_t kEdges[] = {0,
                               1,
                               2,
                               3,
                               8,
                               63,
                               64,
                               65,
                               kPage - 1,
                               kPage,
                               kPage + 1,
                               UINT16_MAX,
                               UINT16_MAX + 1,
                               INT32_MAX,
                               UINT32_MAX - 1,
                               UINT32_MAX,
                               uint64_t{1} << 32,
                               uint64_t{1} << 59,
                               uint64_t{1} << 63,
                               kMost - 1,
                               kMost,
                               TESSERA_MAX_EXTENTS,
                               TESSERA_MAX_EXTENTS + 1,
                               TESSERA_MAX_FRAMES,
                               TESSERA_MAX_FRAMES + 1,
                               TESSERA_MAX_REASONS,
                               TESSERA_CHANNEL_LIMIT_BYTES,
                               TESSERA_CHANNEL_LIMIT_BYTES + 1};

constexpr uint64_t kHeaderWords[] = {
    offsetof(tessera_channel_header, magic),        offsetof(tessera_channel_header, abi_version),
    offsetof(tessera_channel_header, record_bytes), offsetof(tessera_channel_header, segment_bytes),
    offsetof(tessera_channel_header, max_bytes),    offsetof(tessera_channel_header, extent_count),
    offsetof(tessera_channel_header, state),        offsetof(tessera_channel_header, sequence),
    offsetof(tessera_channel_header, level),        offsetof(tessera_channel_header, clock),
    offsetof(tessera_channel_header, clock) + 8,    offsetof(tessera_channel_header, clock) + 16,
    offsetof(tessera_channel_header, clock) + 24};

constexpr uint64_t kDeviceWords[] = {
    offsetof(tessera_device_record, state),       offsetof(tessera_device_record, id),
    offsetof(tessera_device_record, why),         offsetof(tessera_device_record, heap_count),
    offsetof(tessera_device_record, type_count),  offsetof(tessera_device_record, level),
    offsetof(tessera_device_record, level_since), offsetof(tessera_device_record, types),
    offsetof(tessera_device_record, totals),      offsetof(tessera_device_record, shards),
    offsetof(tessera_device_record, shards) + 8};

uint64_t ExtentCount() {
    return test::Get<uint64_t>(TablesBase(), offsetof(tessera_channel_header, extent_count));
}
uint64_t EntryOf(uint64_t index) {
    return offsetof(tessera_channel_header, extents) + index * sizeof(tessera_extent);
}
tessera_extent ExtentAt(uint64_t index) {
    return test::Get<tessera_extent>(TablesBase(), EntryOf(index));
}

uint64_t MakeValue(Choices& choices, uint64_t old) {
    switch (choices.Below(6)) {
        case 0:
            return choices.Word();
        case 1:
            return choices.Below(16);
        case 2:
            return old + choices.Below(5) - 2;
        case 3:
            return old ^ uint64_t { 1 } << choices.Below(64);
        default:
            return choices.Of(kEdges);
    }
}

// One field of an extent's entry, nearly right.
Change ChangeExtent(Choices& choices) {
    const uint64_t index = choices.Below(ExtentCount() + 1);
    const tessera_extent other = ExtentAt(choices.Below(ExtentCount()));
    const tessera_extent old = ExtentAt(index);
    Change change{.offset = EntryOf(index), .value = 0, .width = 8};
    switch (choices.Below(5)) {
        case 0:
            change.offset += offsetof(tessera_extent, offset);
            change.value =
                choices.OneIn(2) ? other.offset : old.offset + kPage * choices.Below(5) - 2 * kPage;
            break;
        case 1:
            change.offset += offsetof(tessera_extent, bytes);
            change.value = choices.OneIn(2) ? other.bytes : MakeValue(choices, old.bytes);
            break;
        case 2:
            change.offset += offsetof(tessera_extent, kind);
            change.width = 4;
            change.value = choices.Below(TESSERA_KIND_COUNT + 2);
            break;
        case 3:
            change.offset += offsetof(tessera_extent, first);
            change.width = 4;
            change.value = MakeValue(choices, old.first);
            break;
        default:
            change.offset += offsetof(tessera_extent, owner);
            change.value = choices.OneIn(2) ? other.owner : MakeValue(choices, old.owner);
            break;
    }
    return change;
}

// A word of a record, whole or a half or a quarter of it.
Change ChangeRecord(Choices& choices) {
    const tessera_extent extent = ExtentAt(choices.Below(ExtentCount()));
    Change change;
    if (extent.kind == TESSERA_KIND_DEVICE) {
        change.offset = extent.offset + choices.Of(kDeviceWords);
    } else {
        const uint8_t widths[] = {8, 8, 4, 2, 1};
        change.width = choices.Of(widths);
        change.offset = extent.offset + choices.Below(extent.bytes / change.width) * change.width;
        // The head of a ring is a small part of it.
        if (extent.kind == TESSERA_KIND_RING && choices.OneIn(2)) {
            change.width = 8;
            change.offset = extent.offset + 8 * choices.Below(2);
        }
    }
    change.value = MakeValue(choices, test::Get<uint64_t>(TablesBase(), change.offset / 8 * 8));
    return change;
}

Change MakeChange(Choices& choices) {
    switch (choices.Below(8)) {
        case 0:
        case 1:
            return ChangeExtent(choices);
        case 2:
            return {.offset = choices.Of(kHeaderWords), .value = 0, .width = 8};
        case 3: {
            const uint64_t offset = choices.Of(kHeaderWords);
            return {.offset = offset,
                    .value = MakeValue(choices, test::Get<uint64_t>(TablesBase(), offset)),
                    .width = 8};
        }
        case 4:
            if (choices.OneIn(8))
                return {.offset = choices.Below(TablesBase().size()), .value = 0, .width = 0};
            return {.offset = choices.Below(TablesBase().size()),
                    .value = choices.Below(256),
                    .width = 1};
        default:
            return ChangeRecord(choices);
    }
}

std::string NameOf(uint64_t offset) {
    for (uint64_t i = 0; i < ExtentCount(); ++i) {
        const tessera_extent extent = ExtentAt(i);
        if (offset >= EntryOf(i) && offset < EntryOf(i + 1))
            return "entry " + std::to_string(i) + "+" + std::to_string(offset - EntryOf(i));
        if (offset >= extent.offset && offset < extent.offset + extent.bytes)
            return "extent " + std::to_string(i) + " (kind " + std::to_string(extent.kind) + ")+" +
                   std::to_string(offset - extent.offset);
    }
    return "+" + std::to_string(offset);
}

}  // namespace

// One device alone, whose record is most of what is copied: so a reader takes the least time.
const std::vector<std::byte>& TablesBase() {
    static const std::vector<std::byte> base = [] {
        test::SegmentBuilder sample = test::SampleSegment();
        sample.records_per_extent = 2;
        return sample.WithDevice(8).Build();
    }();
    return base;
}

TablesInput MakeTablesInput(Choices& choices) {
    TablesInput input;
    input.runs = choices.OneIn(4);
    // Often a single one: two wrongs may hide each other.
    const uint64_t most = choices.Below(2) == 0 ? 1 : 6;
    for (uint64_t count = 1 + choices.Below(most); count > 0; --count)
        input.changes.push_back(MakeChange(choices));
    return input;
}

std::string Print(const TablesInput& input) {
    std::string text = input.runs ? "of this process\n" : "of a dead process\n";
    for (const Change& change : input.changes) {
        char line[160];
        if (change.width == 0)
            snprintf(line, sizeof(line), "cut at %" PRIu64 "\n", change.offset);
        else
            snprintf(line, sizeof(line), "put %s (%" PRIu64 ") 0x%" PRIx64 ", %d bytes\n",
                     NameOf(change.offset).c_str(), change.offset, change.value, int{change.width});
        text += line;
    }
    return text;
}

}  // namespace tessera::fuzz_readers
