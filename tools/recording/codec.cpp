// SPDX-License-Identifier: Apache-2.0
//
// See codec.h. Numbers are varints: seven bits a byte, the lowest first, the top bit set on all
// bytes but the last. Signed ones are folded (zigzag) first: 0, -1, 1, -2, ... become 0, 1, 2, 3.
#include "tools/recording/codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "tools/recording/format.h"

namespace tessera::recording {
namespace {

constexpr uint64_t Fold(uint64_t difference) {
    return difference << 1 ^ (0 - (difference >> 63));
}
constexpr uint64_t Unfold(uint64_t folded) {
    return folded >> 1 ^ (0 - (folded & 1));
}

class Writer {
 public:
    void Varint(uint64_t value) {
        for (; value >= 0x80; value >>= 7)
            bytes_.push_back(static_cast<std::byte>(value | 0x80));
        bytes_.push_back(static_cast<std::byte>(value));
    }
    template <typename T>
    void Fixed(T value) {
        const size_t size = bytes_.size();
        bytes_.resize(size + sizeof(T));
        std::memcpy(bytes_.data() + size, &value, sizeof(T));
    }
    void Append(const Writer& other) {
        bytes_.insert(bytes_.end(), other.bytes_.begin(), other.bytes_.end());
    }
    size_t size() const { return bytes_.size(); }
    void reserve(size_t bytes) { bytes_.reserve(bytes); }
    std::vector<std::byte> Take() { return std::move(bytes_); }

 private:
    std::vector<std::byte> bytes_;
};

// Once it has failed it gives zeroes and stays failed.
class Reader {
 public:
    Reader() = default;
    explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

    uint64_t Varint() {
        uint64_t value = 0;
        for (unsigned shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
            const auto byte = static_cast<uint64_t>(bytes_.front());
            bytes_ = bytes_.subspan(1);
            // The tenth byte has room for one bit; and no number is written longer than it is.
            if ((shift == 63 && byte > 1) || (byte == 0 && shift > 0)) break;
            value |= (byte & 0x7f) << shift;
            if (byte < 0x80) return value;
        }
        return Fail();
    }
    uint64_t VarintBelow(uint64_t end) {
        const uint64_t value = Varint();
        return value < end ? value : Fail();
    }
    template <typename T>
    T Fixed() {
        T value = {};
        const std::span<const std::byte> bytes = Bytes(sizeof(T));
        if (bytes.size() == sizeof(T)) std::memcpy(&value, bytes.data(), sizeof(T));
        return value;
    }
    std::span<const std::byte> Bytes(size_t count) {
        if (count > bytes_.size()) {
            Fail();
            return {};
        }
        const std::span<const std::byte> taken = bytes_.first(count);
        bytes_ = bytes_.subspan(count);
        return taken;
    }
    bool failed() const { return failed_; }
    // All of it was read, and it was right.
    bool Finished() const { return !failed_ && bytes_.empty(); }

 private:
    uint64_t Fail() {
        failed_ = true;
        bytes_ = {};
        return 0;
    }
    std::span<const std::byte> bytes_;
    bool failed_ = false;
};

// The columns of events, in their order in the payload.
enum Column : size_t {
    kTime,    // since the event before it
    kDevice,  // folded, from that of the event before it
    kKind,
    kType,
    kDetail,
    kThread,
    kStack,
    kBack,    // how many events ago the same object was last met; 0: not in this chunk
    kObject,  // if kBack is 0: folded, from the object of the last such event
    kValue,   // folded, from the value of the last event of the object, else from 0
    kColumns
};

constexpr size_t kTableSize = 2 * kMaxEvents;
constexpr size_t kLooks = 8;  // places in which an object may be found

size_t PlaceOf(uint64_t object) {
    return static_cast<size_t>((object * 0x9E3779B97F4A7C15) >> 47) % kTableSize;
}

}  // namespace

EventEncoder::EventEncoder() : last_(kTableSize) {}

std::vector<std::byte> EventEncoder::Encode(std::span<const reader::Event> events, uint64_t lost) {
    std::array<Writer, kColumns> columns;
    for (Writer& column : columns)
        column.reserve(events.size() * 2);
    std::ranges::fill(last_, 0);
    uint64_t time = events.empty() ? 0 : events.front().time_ns;
    uint64_t device = 0;
    uint64_t new_object = 0;
    Writer payload;
    payload.Fixed(static_cast<uint32_t>(events.size()));
    payload.Fixed(static_cast<uint32_t>(kColumns));
    payload.Fixed(lost);
    payload.Fixed(time);
    for (uint32_t i = 0; i < events.size(); ++i) {
        const reader::Event& event = events[i];
        columns[kTime].Varint(event.time_ns - std::exchange(time, event.time_ns));
        columns[kDevice].Varint(Fold(event.device - std::exchange(device, event.device)));
        columns[kKind].Varint(event.kind);
        columns[kType].Varint(event.type);
        columns[kDetail].Varint(event.detail);
        columns[kThread].Varint(event.thread);
        columns[kStack].Varint(event.stack);
        // The object's place, else a free one, else the first: what stood there is forgotten.
        const size_t first = PlaceOf(event.object);
        uint32_t* place = &last_[first];
        uint32_t back = 0;
        for (size_t look = 0; look < kLooks; ++look) {
            uint32_t& candidate = last_[(first + look) % kTableSize];
            const bool is_same = candidate != 0 && events[candidate - 1].object == event.object;
            if (is_same) back = i + 1 - candidate;
            if (is_same || candidate == 0) {
                place = &candidate;
                break;
            }
        }
        *place = i + 1;
        columns[kBack].Varint(back);
        if (back == 0)
            columns[kObject].Varint(Fold(event.object - std::exchange(new_object, event.object)));
        columns[kValue].Varint(Fold(event.value - (back == 0 ? 0 : events[i - back].value)));
    }
    for (const Writer& column : columns)
        payload.Fixed(static_cast<uint32_t>(column.size()));
    for (const Writer& column : columns)
        payload.Append(column);
    return payload.Take();
}

bool DecodeEvents(std::span<const std::byte> payload, DecodedEvents& out) {
    Reader reader(payload);
    const auto count = reader.Fixed<uint32_t>();
    const auto column_count = reader.Fixed<uint32_t>();
    out.lost = reader.Fixed<uint64_t>();
    auto time = reader.Fixed<uint64_t>();
    if (reader.failed() || count > kMaxEvents || column_count != kColumns) return false;
    std::array<uint32_t, kColumns> sizes;
    for (uint32_t& size : sizes)
        size = reader.Fixed<uint32_t>();
    std::array<Reader, kColumns> columns;
    for (size_t i = 0; i < kColumns; ++i)
        columns[i] = Reader(reader.Bytes(sizes[i]));
    if (!reader.Finished()) return false;

    uint64_t device = 0;
    uint64_t new_object = 0;
    out.events.clear();
    out.events.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
        reader::Event event;
        const uint64_t passed = columns[kTime].Varint();
        if (passed > ~time) return false;  // time does not run backwards
        event.time_ns = time += passed;
        event.device = device += Unfold(columns[kDevice].Varint());
        event.kind = static_cast<uint8_t>(columns[kKind].VarintBelow(1 << 8));
        event.type = static_cast<uint8_t>(columns[kType].VarintBelow(1 << 8));
        event.detail = static_cast<uint16_t>(columns[kDetail].VarintBelow(1 << 16));
        event.thread = static_cast<uint16_t>(columns[kThread].VarintBelow(1 << 16));
        event.stack = static_cast<uint16_t>(columns[kStack].VarintBelow(1 << 16));
        const uint64_t back = columns[kBack].VarintBelow(i + 1);
        if (back == 0) {
            event.object = new_object += Unfold(columns[kObject].Varint());
        } else {
            event.object = out.events[i - back].object;
        }
        event.value =
            Unfold(columns[kValue].Varint()) + (back == 0 ? 0 : out.events[i - back].value);
        // A column that ended early gives zeroes: no use in going on.
        if (columns[kTime].failed()) return false;
        out.events.push_back(event);
    }
    return std::ranges::all_of(columns, &Reader::Finished);
}

std::vector<std::byte> EncodeSamples(std::span<const command::Sample> samples) {
    Writer writer;
    writer.Varint(samples.size());
    uint64_t time = 0;
    for (const command::Sample& sample : samples) {
        writer.Varint(sample.time_ns - std::exchange(time, sample.time_ns));
        writer.Varint(sample.device);
        writer.Varint(sample.frames);
        writer.Varint(sample.types.size());
        for (const command::Sample::Type& type : sample.types) {
            for (const uint64_t number : {type.app_live, type.app_live_bytes, type.driver_live,
                                          type.driver_live_bytes, type.allocations, type.frees})
                writer.Varint(number);
        }
        writer.Varint(sample.heaps.size());
        for (const command::Sample::Heap& heap : sample.heaps) {
            writer.Varint(heap.budget_bytes);
            writer.Varint(heap.usage_bytes);
        }
    }
    return writer.Take();
}

bool DecodeSamples(std::span<const std::byte> payload, std::vector<command::Sample>& out) {
    Reader reader(payload);
    const uint64_t count = reader.VarintBelow(kMaxSamples + 1);
    uint64_t time = 0;
    for (uint64_t i = 0; i < count && !reader.failed(); ++i) {
        command::Sample& sample = out.emplace_back();
        const uint64_t passed = reader.Varint();
        if (passed > ~time) return false;
        sample.time_ns = time += passed;
        sample.device = reader.Varint();
        sample.frames = reader.Varint();
        sample.types.resize(reader.VarintBelow(TESSERA_MAX_TYPES + 1));
        for (command::Sample::Type& type : sample.types) {
            for (uint64_t* const number : {&type.app_live, &type.app_live_bytes, &type.driver_live,
                                           &type.driver_live_bytes, &type.allocations, &type.frees})
                *number = reader.Varint();
        }
        sample.heaps.resize(reader.VarintBelow(TESSERA_MAX_HEAPS + 1));
        for (command::Sample::Heap& heap : sample.heaps) {
            heap.budget_bytes = reader.Varint();
            heap.usage_bytes = reader.Varint();
        }
    }
    return reader.Finished();
}

}  // namespace tessera::recording
