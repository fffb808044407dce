// SPDX-License-Identifier: Apache-2.0
//
// What the tables of a segment are read as.
#include <gmock/gmock.h>

#include <array>
#include <cstddef>

#include "reader/layout.h"
#include "segment_builder.h"
#include "sound.h"
#include "tessera/reader.h"

namespace tessera::test {
namespace {

using reader::Allocation;
using reader::Device;
using reader::kNone;
using reader::Process;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Reads `builder`'s segment from a file and from memory, and expects the same of both.
Process Read(const SegmentBuilder& builder, reader::Depth depth = reader::Depth::kDetail) {
    const std::vector<std::byte> bytes = builder.Build();
    const SegmentFile file(bytes);
    const reader::Result<Process> from_file = reader::ReadSegmentFd(file.fd(), "made up", depth);
    reader::Result<Process> from_memory = reader::ReadSegmentCopy(bytes, "made up", depth);
    EXPECT_EQ(from_file.error, "");
    EXPECT_EQ(from_memory.error, "");
    EXPECT_EQ(WhatIsUnsound(from_file.value), "");
    EXPECT_EQ(WhatIsUnsound(from_memory.value), "");
    EXPECT_EQ(from_file.value.devices.size(), from_memory.value.devices.size());
    for (size_t i = 0; i < from_memory.value.devices.size(); ++i)
        EXPECT_EQ(from_file.value.devices[i].detail.allocations.size(),
                  from_memory.value.devices[i].detail.allocations.size());
    return std::move(from_memory.value);
}

// The allocations of the only device.
std::vector<Allocation> ReadAllocations(const SegmentBuilder& builder) {
    Process process = Read(builder);
    EXPECT_THAT(process.devices, SizeIs(1));
    return std::move(process.devices[0].detail.allocations);
}

tessera_allocation_record Slot(uint64_t object, uint32_t block = 1, uint64_t offset = 0) {
    tessera_allocation_record record{};
    record.sequence = 2;
    record.object = object;
    record.size_bytes = 256;
    record.offset = offset;
    record.block = block;
    record.type = 1;
    return record;
}

tessera_block_record Block(uint64_t object, uint64_t bytes = 65536) {
    return {.sequence = 2,
            .object = object,
            .bytes = bytes,
            .ticks = TicksAt(1'000'500),
            .made_ns = 77,
            .type = 1,
            .flags = TESSERA_BLOCK_LARGE,
            .reserved = {}};
}

tessera_resource_record BufferAt(uint64_t object, uint64_t memory, std::string_view name) {
    tessera_resource_record record{};
    record.sequence = 2;
    record.object = object;
    record.memory = memory;
    record.object_type = 9;
    SetText(record.name, name);
    return record;
}

TEST(Tables, TheSampleIsReadWhole) {
    const Process process = Read(SampleSegment());
    ASSERT_THAT(process.devices, SizeIs(3));
    EXPECT_THAT(process.devices[0].detail.allocations, IsEmpty()) << "the sum has no tables";
    for (const Device& device : {process.devices[1], process.devices[2]}) {
        ASSERT_THAT(device.detail.allocations, SizeIs(4));
        ASSERT_THAT(device.detail.blocks, SizeIs(2));
        ASSERT_THAT(device.detail.resources, SizeIs(2));
        EXPECT_EQ(device.detail.moving, 0u);
        EXPECT_EQ(device.detail.since_ns, 1'200'000u);
        // By block and offset, then what was passed through.
        const std::vector<Allocation>& all = device.detail.allocations;
        EXPECT_EQ(all[0].memory, 0x1001u);
        EXPECT_EQ(all[0].name, "staging") << "a name of its own";
        EXPECT_EQ(all[1].memory, 0x1000u);
        EXPECT_EQ(all[1].name, "vertices") << "of what is bound to it";
        EXPECT_EQ(all[1].block, 0u);
        EXPECT_EQ(all[1].stack, 0u);
        EXPECT_EQ(all[1].thread, 0u);
        EXPECT_EQ(all[1].padding_bytes, 64u);
        EXPECT_EQ(all[1].made_ns, 1'600'000u);
        EXPECT_EQ(all[2].block, 1u);
        EXPECT_EQ(all[2].name, "");
        EXPECT_EQ(all[3].reason, TESSERA_REASON_dedicated);
        EXPECT_EQ(all[3].block, kNone);
        EXPECT_EQ(all[3].made_ns, 0u) << "before it was recorded";
        EXPECT_EQ(all[3].thread, kNone);
        EXPECT_EQ(all[3].name, "shadow map");
        const reader::Resource& image = device.detail.resources[1];
        EXPECT_EQ(image.allocation, 3u);
        EXPECT_EQ(image.levels, 3u);
        EXPECT_TRUE(image.linear);
        EXPECT_FALSE(device.detail.resources[0].linear);
        EXPECT_EQ(image.width, 1024u);
    }
    EXPECT_EQ(process.devices[1].detail.level, TESSERA_LEVEL_full);
    EXPECT_EQ(process.devices[2].detail.level, TESSERA_LEVEL_events);
    EXPECT_EQ(process.devices[2].frames, 8u);
    ASSERT_THAT(process.stacks, SizeIs(1));
    EXPECT_THAT(process.stacks[0].addresses, ElementsAre(0x401000, 0x402000, 0x7f0001000));
    ASSERT_THAT(process.modules, SizeIs(2));
    EXPECT_EQ(process.modules[0].path, "/usr/bin/made_up") << "by start";
    EXPECT_EQ(process.modules[1].build_id, std::vector<uint8_t>(20, 0xA0));
    ASSERT_THAT(process.threads, SizeIs(2));
    EXPECT_EQ(process.threads[1].name, "render");
    EXPECT_EQ(process.threads[1].tid, 102u);
    EXPECT_EQ(process.monotonic_created_ns, kClockStartNs);
    EXPECT_EQ(process.copied_ns, 3'000'000u) << "the latest time that the bytes know";
}

TEST(Tables, TheirSumsAreTheTotals) {
    const Process process = Read(SampleSegment());
    for (const Device& device : process.devices) {
        if (device.state == TESSERA_DEVICE_RETIRED) continue;
        for (uint32_t type = 0; type < device.memory_types.size(); ++type) {
            uint64_t live = 0;
            uint64_t bytes = 0;
            for (const Allocation& allocation : device.detail.allocations)
                if (allocation.type == type) {
                    ++live;
                    bytes += allocation.size_bytes;
                }
            EXPECT_EQ(device.memory_types[type].totals.app.live, live);
            EXPECT_EQ(device.memory_types[type].totals.app.live_bytes, bytes);
        }
    }
}

// The lines of a process that works are copied one after the other.
TEST(Totals, ThatWereCopiedAtDifferentMomentsAreNeverNegative) {
    SegmentBuilder builder;
    tessera_device_record& record = builder.AddDevice(1).record;
    record.totals[1].pooled.blocks = 1;
    record.totals[1].pooled.block_bytes = record.totals[1].pooled.free_bytes = 1000;
    record.totals[1].app.peak_bytes = 700;
    // A block more, and a free of what was allocated after the line of its shard was copied.
    record.shards[0] = {.sequence = 2,
                        .type = 2,
                        .allocations = 5,
                        .frees = 6,
                        .allocated_bytes = 500,
                        .freed_bytes = 600,
                        .occupied_bytes = 1100,
                        .largest_free_bytes = 0};
    const Process process = Read(builder);
    const tessera_type_totals& totals = process.devices.at(0).memory_types.at(1).totals;
    EXPECT_EQ(totals.pooled.free_bytes, 0u);
    EXPECT_EQ(totals.pooled.block_bytes, 1000u);
    EXPECT_EQ(totals.pooled.live, 0u);
    EXPECT_EQ(totals.pooled.live_bytes, 0u);
    EXPECT_EQ(totals.app.live, 0u);
    EXPECT_EQ(totals.app.live_bytes, 0u);
    EXPECT_EQ(totals.app.peak_bytes, 700u);
    EXPECT_EQ(totals.app.allocations, 5u);
    EXPECT_EQ(totals.app.frees, 6u);
}

TEST(Tables, InManyExtentsAreReadAsInOne) {
    SegmentBuilder builder = SampleSegment();
    const Process whole = Read(builder);
    builder.records_per_extent = 1;
    const Process parts = Read(builder);
    ASSERT_EQ(parts.devices.size(), whole.devices.size());
    for (size_t i = 0; i < whole.devices.size(); ++i) {
        const reader::Detail& a = whole.devices[i].detail;
        const reader::Detail& b = parts.devices[i].detail;
        ASSERT_EQ(a.allocations.size(), b.allocations.size());
        for (size_t k = 0; k < a.allocations.size(); ++k) {
            EXPECT_EQ(a.allocations[k].memory, b.allocations[k].memory);
            EXPECT_EQ(a.allocations[k].block, b.allocations[k].block);
            EXPECT_EQ(a.allocations[k].name, b.allocations[k].name);
        }
    }
}

TEST(Tables, AreNotReadUnlessDetailIsAskedFor) {
    const Process process = Read(SampleSegment(), reader::Depth::kTotals);
    for (const Device& device : process.devices) {
        EXPECT_THAT(device.detail.allocations, IsEmpty());
        EXPECT_THAT(device.detail.blocks, IsEmpty());
    }
    EXPECT_THAT(process.stacks, IsEmpty());
    EXPECT_EQ(process.devices[2].detail.level, TESSERA_LEVEL_events) << "that much is known";
}

TEST(Tables, AtLevelTotalsHoldNothingThatIsKnown) {
    SegmentBuilder builder;
    SegmentBuilder::Device& device = builder.AddDevice(1);
    device.slots = {Slot(5)};
    device.record.level = TESSERA_LEVEL_totals;
    EXPECT_THAT(ReadAllocations(builder), IsEmpty());
    device.record.level = TESSERA_LEVEL_full;
    EXPECT_THAT(ReadAllocations(builder), SizeIs(1));
}

TEST(Tables, RecordsInTheMiddleOfAChangeAreLeftOutAndCounted) {
    SegmentBuilder builder;
    SegmentBuilder::Device& device = builder.AddDevice(1);
    device.slots = {Slot(5), Slot(6), Slot(7)};
    device.slots[1].sequence = 3;
    device.blocks = {{}, Block(9), Block(10)};
    device.blocks[2].sequence = 1;
    device.resources = {BufferAt(1, 5, "")};
    device.resources[0].sequence = 5;
    const Process process = Read(builder);
    const reader::Detail& detail = process.devices[0].detail;
    EXPECT_EQ(detail.moving, 3u);
    EXPECT_THAT(detail.allocations, SizeIs(2));
    EXPECT_THAT(detail.blocks, SizeIs(1));
    EXPECT_THAT(detail.resources, IsEmpty());
    EXPECT_FALSE(process.torn) << "totals are whole";
}

TEST(Tables, AnAllocationLiesInABlockOnlyIfThatReachesSoFar) {
    SegmentBuilder builder;
    SegmentBuilder::Device& device = builder.AddDevice(1);
    device.blocks = {{}, Block(9, 1024)};
    const auto block_of = [&](const tessera_allocation_record& record) {
        device.slots = {record};
        const std::vector<Allocation> all = ReadAllocations(builder);
        return all.size() == 1 ? all[0].block : 77;
    };
    EXPECT_EQ(block_of(Slot(5)), 0u);
    EXPECT_EQ(block_of(Slot(5, 1, 768)), 0u) << "up to its end";
    EXPECT_EQ(block_of(Slot(5, 1, 769)), kNone);
    EXPECT_EQ(block_of(Slot(5, 0)), kNone) << "a record that is not in use";
    EXPECT_EQ(block_of(Slot(5, 2)), kNone) << "a record that is not there";
    EXPECT_EQ(block_of(Slot(5, UINT32_MAX)), kNone);
    tessera_allocation_record record = Slot(5);
    record.size_bytes = ~uint64_t{0} - 100;
    EXPECT_EQ(block_of(record), kNone);
    record = Slot(5);
    record.padding = UINT32_MAX;
    EXPECT_EQ(block_of(record), kNone);
    record = Slot(5);
    record.type = 2;
    EXPECT_EQ(block_of(record), kNone) << "of another memory type";
}

TEST(Tables, RecordsThatCannotBeAreLeftOutAndCounted) {
    SegmentBuilder builder;
    SegmentBuilder::Device& device = builder.AddDevice(1);
    device.slots = {Slot(5)};
    device.slots[0].type = 3;  // there are three
    device.passed = {Slot(6, TESSERA_REASON_none), Slot(7, TESSERA_MAX_REASONS),
                     Slot(8, TESSERA_MAX_REASONS - 1)};
    device.blocks = {{}, Block(9)};
    device.blocks[1].type = 77;
    const Process process = Read(builder);
    const reader::Detail& detail = process.devices[0].detail;
    EXPECT_EQ(detail.moving, 4u);
    ASSERT_THAT(detail.allocations, SizeIs(1));
    EXPECT_EQ(detail.allocations[0].memory, 8u) << "its reason is of a later version";
}

TEST(Tables, NumbersOfStacksAndThreadsLeadSomewhereOrNowhere) {
    SegmentBuilder builder = SampleSegment();
    SegmentBuilder::Device& device = builder.AddDevice(20);
    builder.stacks.resize(4);
    builder.stacks[2] = {.sequence = 2, .depth = 0, .addresses = {}};
    builder.stacks[3] = {.sequence = 2, .depth = TESSERA_MAX_FRAMES + 1, .addresses = {}};
    for (const uint16_t number : std::array<uint16_t, 6>{0, 1, 2, 3, 4, 65535}) {
        device.slots.push_back(Slot(100 + number));
        device.slots.back().stack = number;
        device.slots.back().thread = number;
    }
    const Process process = Read(builder);
    std::vector<uint32_t> stacks;
    std::vector<uint32_t> threads;
    for (const Allocation& allocation : process.devices.back().detail.allocations) {
        stacks.push_back(allocation.stack);
        threads.push_back(allocation.thread);
    }
    EXPECT_THAT(stacks, ElementsAre(kNone, 0, kNone, kNone, kNone, kNone));
    EXPECT_THAT(threads, ElementsAre(kNone, 0, 1, kNone, kNone, kNone));
}

TEST(Tables, NumbersThatNobodyCanNameTakeNoRoom) {
    SegmentBuilder builder = SampleSegment();
    std::vector<std::byte> bytes = builder.Build();
    for (const tessera_kind kind : {TESSERA_KIND_STACKS, TESSERA_KIND_THREADS}) {
        ExtentPlace place = ExtentOf(bytes, kind, 0);
        place.extent.first = 4'000'000'000;
        Put(bytes, place.entry, place.extent);
    }
    const auto result = reader::ReadSegmentCopy(bytes, "made up", reader::Depth::kDetail);
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_THAT(result.value.stacks, IsEmpty());
    EXPECT_THAT(result.value.threads, IsEmpty());
}

TEST(Tables, ATableBelongsToOneDeviceEvenIfTwoHaveItsNumber) {
    SegmentBuilder builder;
    builder.AddDevice(1).slots = {Slot(5)};
    builder.AddDevice(1);
    const Process process = Read(builder);
    ASSERT_THAT(process.devices, SizeIs(2));
    EXPECT_THAT(process.devices[0].detail.allocations, SizeIs(1));
    EXPECT_THAT(process.devices[1].detail.allocations, IsEmpty());
}

TEST(Tables, NamesComeAsTheyAreAndWithoutAnEndAreCut) {
    SegmentBuilder builder;
    SegmentBuilder::Device& device = builder.AddDevice(1);
    device.slots = {Slot(5)};
    device.resources = {BufferAt(1, 5, ""), BufferAt(2, 5, "\x1b[2J\xff"),
                        BufferAt(3, 5, std::string(64, 'n')), BufferAt(4, 0, "unbound")};
    const Process process = Read(builder);
    const reader::Detail& detail = process.devices[0].detail;
    EXPECT_EQ(detail.allocations[0].name, "\x1b[2J\xff") << "of the first that has one";
    EXPECT_EQ(detail.resources[2].name, std::string(64, 'n'));
    EXPECT_EQ(detail.resources[3].allocation, kNone);
}

TEST(Tables, ALevelThatIsNotKnownIsTheHighest) {
    SegmentBuilder builder;
    builder.AddDevice(1).record.level = 99;
    builder.header.level = ~uint64_t{0};
    const Process process = Read(builder);
    EXPECT_EQ(process.devices[0].detail.level, TESSERA_LEVEL_events);
    EXPECT_EQ(process.level, TESSERA_LEVEL_events);
}

TEST(Ticks, AreTimesOnTheLineThroughBothPointsOfTheClock) {
    const tessera_clock clock{.ticks0 = 1000, .ns0 = 500, .ticks1 = 3000, .ns1 = 1500};
    EXPECT_EQ(reader::TicksToNs(clock, 1000), 500u);
    EXPECT_EQ(reader::TicksToNs(clock, 2000), 1000u);
    EXPECT_EQ(reader::TicksToNs(clock, 5000), 2500u) << "behind both";
    EXPECT_EQ(reader::TicksToNs(clock, 200), 100u) << "before both";
    EXPECT_EQ(reader::TicksToNs(clock, 0), 0u) << "not known";
}

TEST(Ticks, OfAClockWithoutSenseAreNoTime) {
    constexpr uint64_t kMost = ~uint64_t{0};
    EXPECT_EQ(reader::TicksToNs({0, 0, 0, 0}, 5), 0u);
    EXPECT_EQ(reader::TicksToNs({10, 1, 10, 2}, 5), 0u) << "no ticks passed";
    EXPECT_EQ(reader::TicksToNs({10, 1, 9, 2}, 5), 0u);
    EXPECT_EQ(reader::TicksToNs({10, 5, 20, 5}, 15), 0u) << "no time passed";
    EXPECT_EQ(reader::TicksToNs({10, 5, 20, 4}, 15), 0u);
    EXPECT_EQ(reader::TicksToNs({100, 5, 200, 105}, 1), 0u) << "before the machine was started";
    EXPECT_EQ(reader::TicksToNs({0, 0, 1, kMost / 2}, kMost), 0u) << "beyond all times";
    EXPECT_EQ(reader::TicksToNs({0, 0, 1, kMost}, 1), 0u);
    EXPECT_EQ(reader::TicksToNs({0, 0, kMost, kMost / 2}, kMost), kMost / 2);
}

}  // namespace
}  // namespace tessera::test
