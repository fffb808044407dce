// SPDX-License-Identifier: Apache-2.0
//
// Segments of the statistics channel that no process wrote: made record by record, for tests of
// what reads them.
//
//   SegmentBuilder builder;
//   SegmentBuilder::Device& device = builder.AddDevice(1);
//   device.blocks.push_back(...);  // the index is the record's number
//   const std::vector<std::byte> bytes = builder.Build();
//   reader::ReadSegmentCopy(bytes, "made up", reader::Depth::kDetail);  // or
//   const SegmentFile file(bytes);  // and ReadSegmentFd(file.fd(), ...)
//
// The one idea: the builder fills in what makes a segment sound (sizes, extents, the magic number)
// and leaves the rest to the test. Whoever wants an unsound one changes the bytes, with Put() and
// at the places that ExtentOf() tells.
//
// Threads: one per object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "tessera/channel_abi.h"

namespace tessera::test {

// Above any that Linux gives out: segments are of a process that is gone, and readers do not wait.
inline constexpr uint64_t kDeadPid = 1'000'000'000;

// The clock of made-up segments: two ticks are one ns, and tick 0 was ns 1,000,000.
inline constexpr uint64_t kClockStartNs = 1'000'000;
constexpr uint64_t TicksAt(uint64_t ns) {
    return (ns - kClockStartNs) * 2;
}

class SegmentBuilder {
 public:
    struct Ring {
        uint64_t capacity = 16;
        uint64_t written = 0;               // events so far; AddEvent() counts them
        std::vector<tessera_event> events;  // `capacity` of them, each in its place
        void AddEvent(const tessera_event& event);
    };

    // A device with a heap of 8 GiB, one of 16 GiB, and three memory types; live, pooled, at the
    // level `full`. Of the tables, the index is the record's number.
    struct Device {
        uint32_t number = 0;  // of its record
        tessera_device_record record = {};
        std::vector<tessera_allocation_record> slots;
        std::vector<tessera_allocation_record> passed;
        std::vector<tessera_block_record> blocks;
        std::vector<tessera_resource_record> resources;
        std::vector<Ring> rings;
    };

    SegmentBuilder();

    // Records are numbered from 1 in the order of the calls. Ownership: the builder's.
    Device& AddDevice(uint64_t id);
    // Record 0: the sum over retired devices.
    Device& AddRetiredSum();

    // The same with the one device that has this id. Throws std::out_of_range if none has.
    SegmentBuilder WithDevice(uint64_t id) const;

    // Everything but magic number, sizes and extents, which Build() fills in.
    tessera_channel_header header = {};

    // Tables of the process; record 0 is not in use.
    std::vector<tessera_stack_record> stacks;
    std::vector<tessera_module_record> modules;
    std::vector<tessera_thread_record> threads;

    // A table is divided into extents of this many records; 0: it is one extent.
    uint64_t records_per_extent = 0;

    std::vector<std::byte> Build() const;

 private:
    std::vector<std::unique_ptr<Device>> devices_;  // where references to them stay valid
};

// A segment that has everything: the retired sum, a live device (id 8) at the level `events` with
// two rings, a destroyed one (id 7) with a leak, call stacks, modules, threads, names. Its numbers
// agree with each other as at rest.
SegmentBuilder SampleSegment();

// Puts a text into a field of fixed size; the rest becomes zero.
template <size_t kSize>
void SetText(char (&field)[kSize], std::string_view text) {
    for (size_t i = 0; i < kSize; ++i)
        field[i] = i < text.size() ? text[i] : '\0';
}

// Stores a value at an offset. Requires: it lies within.
template <typename T>
void Put(std::span<std::byte> bytes, size_t offset, const T& value) {
    const auto from = std::as_bytes(std::span(&value, 1));
    for (size_t i = 0; i < sizeof(T); ++i)
        bytes[offset + i] = from[i];
}
template <typename T>
T Get(std::span<const std::byte> bytes, size_t offset) {
    T value;
    const auto to = std::as_writable_bytes(std::span(&value, 1));
    for (size_t i = 0; i < sizeof(T); ++i)
        to[i] = bytes[offset + i];
    return value;
}

// Where an extent is described, and what its description says.
struct ExtentPlace {
    size_t entry = 0;  // offset of the struct tessera_extent
    tessera_extent extent = {};
};
// The `nth` extent of a kind and an owner, from 0. Throws std::out_of_range if there is none.
ExtentPlace ExtentOf(std::span<const std::byte> bytes, tessera_kind kind, uint64_t owner,
                     size_t nth = 0);

// A file in memory, gone with the object.
class SegmentFile {
 public:
    explicit SegmentFile(std::span<const std::byte> bytes);
    SegmentFile(const SegmentFile&) = delete;
    SegmentFile& operator=(const SegmentFile&) = delete;
    ~SegmentFile();

    int fd() const { return fd_; }
    void Write(uint64_t offset, std::span<const std::byte> bytes) const;
    void Resize(uint64_t bytes) const;

 private:
    int fd_;
};

}  // namespace tessera::test
