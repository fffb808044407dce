// SPDX-License-Identifier: Apache-2.0
//
// See segment_input.h: how inputs are made up, and how they are told. Places are found with
// offsetof, never by number, so that this keeps working when the ABI grows.
#include <algorithm>
#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <limits>

#include "segment_input.h"
#include "tessera/channel_abi.h"

namespace tessera::fuzz_readers {
namespace {

struct Field {
    const char* name;
    uint64_t offset;
};

#define TESSERA_FIELD(type, field)    \
    Field {                           \
#field, offsetof(type, field) \
    }
constexpr Field kHeaderFields[] = {
    TESSERA_FIELD(tessera_channel_header, magic),
    TESSERA_FIELD(tessera_channel_header, abi_version),  // header_bytes with it: one word
    TESSERA_FIELD(tessera_channel_header, record_bytes),
    TESSERA_FIELD(tessera_channel_header, segment_bytes),
    TESSERA_FIELD(tessera_channel_header, max_bytes),
    TESSERA_FIELD(tessera_channel_header, extent_count),
    TESSERA_FIELD(tessera_channel_header, pid),
    TESSERA_FIELD(tessera_channel_header, pid_start_time),
    TESSERA_FIELD(tessera_channel_header, parent_pid),
    TESSERA_FIELD(tessera_channel_header, created_ns),
    TESSERA_FIELD(tessera_channel_header, state),
    TESSERA_FIELD(tessera_channel_header, loads),
    TESSERA_FIELD(tessera_channel_header, dropped_devices),
    TESSERA_FIELD(tessera_channel_header, sequence),
    TESSERA_FIELD(tessera_channel_header, level),
    TESSERA_FIELD(tessera_channel_header, extents[0].offset),
    TESSERA_FIELD(tessera_channel_header, extents[0].bytes),
    TESSERA_FIELD(tessera_channel_header, extents[1].offset),
    TESSERA_FIELD(tessera_channel_header, extents[1].bytes),
    TESSERA_FIELD(tessera_channel_header, extents[1].kind),  // first with it
    TESSERA_FIELD(tessera_channel_header, extents[1].owner),
    TESSERA_FIELD(tessera_channel_header, extents[2].kind),
    TESSERA_FIELD(tessera_channel_header, extents[kBaseRecords].bytes),
};
constexpr Field kRecordFields[] = {
    TESSERA_FIELD(tessera_device_record, state),
    TESSERA_FIELD(tessera_device_record, id),
    TESSERA_FIELD(tessera_device_record, mode),
    TESSERA_FIELD(tessera_device_record, why),
    TESSERA_FIELD(tessera_device_record, api_version),
    TESSERA_FIELD(tessera_device_record, sample_interval),
    TESSERA_FIELD(tessera_device_record, retired_devices),
    TESSERA_FIELD(tessera_device_record, heap_count),
    TESSERA_FIELD(tessera_device_record, type_count),
};
// The arrays of a record; what is hit in them is a word of any element.
struct Array {
    const char* name;
    uint64_t offset;
    uint64_t bytes;
    uint64_t element_bytes;
};
#define TESSERA_ARRAY(field)                                                                  \
    Array {                                                                                   \
#field, offsetof(tessera_device_record, field), sizeof(tessera_device_record::field), \
            sizeof(tessera_device_record::field[0])                                           \
    }
constexpr Array kRecordArrays[] = {
    TESSERA_ARRAY(misuse), TESSERA_ARRAY(heaps), TESSERA_ARRAY(types),
    TESSERA_ARRAY(totals), TESSERA_ARRAY(calls), TESSERA_ARRAY(driver_calls),
    TESSERA_ARRAY(shards),
};
struct String {
    const char* name;
    uint64_t offset;
    uint64_t bytes;
};
constexpr String kHeaderStrings[] = {
    {"process", offsetof(tessera_channel_header, process), sizeof(tessera_channel_header::process)},
    {"layer_version", offsetof(tessera_channel_header, layer_version),
     sizeof(tessera_channel_header::layer_version)},
};
constexpr String kRecordStrings[] = {
    {"name", offsetof(tessera_device_record, name), sizeof(tessera_device_record::name)},
    {"driver", offsetof(tessera_device_record, driver), sizeof(tessera_device_record::driver)},
};
#undef TESSERA_FIELD
#undef TESSERA_ARRAY

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kDeadPid = 1'000'000'000;  // above any that Linux gives out

constexpr uint64_t kBoundaries[] = {
    0,
    1,
    2,
    3,
    4,
    7,
    15,
    TESSERA_MAX_HEAPS,
    TESSERA_MAX_HEAPS + 1,
    TESSERA_MAX_TYPES - 1,
    TESSERA_MAX_TYPES,
    TESSERA_MAX_TYPES + 1,
    TESSERA_MAX_DESTROYED,
    uint64_t{1} << 31,
    (uint64_t{1} << 32) - 1,
    uint64_t{1} << 32,
    (uint64_t{1} << 32) + 1,
    (uint64_t{1} << 53) + 1,
    (uint64_t{1} << 63) - 1,
    uint64_t{1} << 63,
    kMost - 1,
    kMost,
    4096,
    sizeof(tessera_channel_header),
    RecordOffset(1),
    RecordOffset(2),
    TESSERA_MAX_EXTENTS,
    TESSERA_MAX_EXTENTS + 1,
    sizeof(tessera_device_record),
    TESSERA_CHANNEL_LIMIT_BYTES,
    TESSERA_CHANNEL_LIMIT_BYTES + 1,
    TESSERA_CHANNEL_MAGIC,
    TESSERA_CHANNEL_ABI_VERSION,
    kDeadPid,
};

// What texts from elsewhere may hold: what drives terminals, what breaks quotes, what is not UTF-8.
const char* const kTexts[] = {
    "\x1b[2J",
    "\n",
    "\"",
    "\\",
    "\\u001b",
    "\x7f",
    "\xc2\x9b",
    "\xc2",
    "\xe2\x80",
    "\xff\xfe",
    "\xc0\xaf",
    "\xed\xa0\x80",
    "\xe2\x80\xae",
    "\xd8\x9c",
    "\xe2\x81\xa6",
    "\xe2\x80\xa8",
    "\xef\xbb\xbf",
    "\xf4\x90\x80\x80",
    "\xf0\x9f\x99\x82",
    "\xc3\xbc",
    "\xef\xbf\xbf",
};

uint64_t MakeValue(Choices& choices) {
    switch (choices.Below(4)) {
        case 0:
            return choices.Word();
        case 1:
            return choices.Below(64);
        default:
            return choices.Of(kBoundaries);
    }
}

std::string MakeText(Choices& choices, uint64_t most) {
    std::string text;
    for (uint64_t pieces = 1 + choices.Below(4); pieces > 0; --pieces) {
        switch (choices.Below(3)) {
            case 0:
                text += choices.Of(kTexts);
                break;
            case 1:
                text += choices.Bytes(12);
                break;
            default:  // up to the end of the room, so that no zero follows
                text += std::string(choices.Below(most + 1), 'x');
        }
    }
    return text.substr(0, most);
}

Edit MakeTextEdit(Choices& choices) {
    Edit edit{.kind = EditKind::kText, .text = {}};
    const bool in_header = choices.Below(2) == 0;
    const String& place = in_header ? choices.Of(kHeaderStrings) : choices.Of(kRecordStrings);
    const uint64_t skipped = choices.OneIn(4) ? choices.Below(place.bytes) : 0;
    edit.offset =
        (in_header ? 0 : RecordOffset(choices.Below(kBaseRecords))) + place.offset + skipped;
    edit.text = MakeText(choices, place.bytes - skipped);
    return edit;
}

Edit MakeResize(Choices& choices) {
    Edit edit{.kind = EditKind::kResize, .text = {}};
    switch (choices.Below(16)) {
        case 0:
            edit.offset = TESSERA_CHANNEL_LIMIT_BYTES + choices.Below(2);
            break;
        case 1:
        case 2:
            edit.offset = BaseBytes() + choices.Below(sizeof(tessera_device_record) + 1);
            break;
        case 3:
        case 4:
            edit.offset = choices.Below(sizeof(tessera_channel_header) + 1);
            break;
        default:
            edit.offset = choices.Below(BaseBytes() + 1);
    }
    return edit;
}

// A place in a record: a field, a word of one of its arrays' first elements (which are in use), or
// a word anywhere.
uint64_t MakePlaceInRecord(Choices& choices) {
    switch (choices.Below(4)) {
        case 0:
            return choices.Of(kRecordFields).offset;
        case 1:
            return choices.Below(sizeof(tessera_device_record) - 7);
        default: {
            const Array& array = choices.Of(kRecordArrays);
            const uint64_t reach = std::min(array.bytes, 4 * array.element_bytes);
            // The first words of elements are what readers decide by: indexes and sequences.
            const uint64_t element = choices.Below(reach / array.element_bytes);
            const uint64_t word =
                choices.Below(2) == 0 ? 0 : choices.Below(array.element_bytes / 8);
            return array.offset + element * array.element_bytes + word * 8;
        }
    }
}

// What a writer does at any moment: a change begins or ends, a device comes or goes.
Edit MakeOrdinaryEdit(Choices& choices) {
    Edit edit{.value = choices.Below(6), .text = {}};
    const uint64_t record = RecordOffset(choices.Below(kBaseRecords));
    switch (choices.Below(3)) {
        case 0:
            edit.offset = offsetof(tessera_channel_header, sequence);
            break;
        case 1:
            edit.offset = record + offsetof(tessera_device_record, totals) +
                          offsetof(tessera_type_totals, sequence) +
                          choices.Below(3) * sizeof(tessera_type_totals);
            break;
        default:
            edit.offset = record + offsetof(tessera_device_record, state);
    }
    return edit;
}

Edit MakeEdit(Choices& choices) {
    const uint64_t what = choices.Below(16);
    if (what == 0) return MakeResize(choices);
    if (what < 3) return MakeTextEdit(choices);
    if (what < 6) return MakeOrdinaryEdit(choices);
    Edit edit{.text = {}};
    edit.offset = what < 8 ? choices.Of(kHeaderFields).offset
                           : RecordOffset(choices.Below(kBaseRecords)) + MakePlaceInRecord(choices);
    if (choices.OneIn(3)) {
        edit.kind = EditKind::kFlip;
        edit.value = uint64_t{1} << choices.Below(64);
    } else {
        edit.value = MakeValue(choices);
    }
    return edit;
}

std::string NameOf(uint64_t offset) {
    if (offset < sizeof(tessera_channel_header)) {
        for (const Field& field : kHeaderFields)
            if (field.offset == offset) return std::string("header.") + field.name;
        return "header+" + std::to_string(offset);
    }
    const uint64_t index =
        (offset - sizeof(tessera_channel_header)) / (RecordOffset(1) - RecordOffset(0));
    const uint64_t rest = offset - RecordOffset(index);
    const std::string record = "record[" + std::to_string(index) + "]";
    for (const Field& field : kRecordFields)
        if (field.offset == rest) return record + "." + field.name;
    for (const Array& array : kRecordArrays) {
        if (rest < array.offset || rest >= array.offset + array.bytes) continue;
        const uint64_t inside = rest - array.offset;
        return record + "." + array.name + "[" + std::to_string(inside / array.element_bytes) +
               "]+" + std::to_string(inside % array.element_bytes);
    }
    return record + "+" + std::to_string(rest);
}

}  // namespace

SegmentInput MakeSegmentInput(Choices& choices) {
    SegmentInput input;
    // Half of the writers are dead: then a reader does not wait, and takes what is torn.
    if (choices.Below(2) == 0) {
        input.push_back(
            {.offset = offsetof(tessera_channel_header, pid), .value = kDeadPid, .text = {}});
    }
    const bool while_read = choices.OneIn(3);
    for (uint64_t count = choices.Below(7); count > 0; --count) {
        Edit edit = MakeEdit(choices);
        if (while_read) edit.before_read = choices.Below(choices.Below(2) == 0 ? 12 : 60);
        input.push_back(std::move(edit));
    }
    std::ranges::stable_sort(input, {}, &Edit::before_read);
    return input;
}

std::string Print(const SegmentInput& input) {
    std::string text;
    for (const Edit& edit : input) {
        char line[160];
        const std::string place =
            edit.kind == EditKind::kResize ? "the file's size" : NameOf(edit.offset);
        const char* const verbs[] = {"put", "flip", "text", "resize"};
        snprintf(line, sizeof(line), "before read %" PRIu64 ": %s %s (%" PRIu64 ") 0x%" PRIx64,
                 edit.before_read, verbs[static_cast<size_t>(edit.kind)], place.c_str(),
                 edit.offset, edit.value);
        text += line;
        for (const char c : edit.text) {
            snprintf(line, sizeof(line), " %02x", static_cast<unsigned>(c) & 0xFF);
            text += line;
        }
        text += '\n';
    }
    return text;
}

}  // namespace tessera::fuzz_readers
