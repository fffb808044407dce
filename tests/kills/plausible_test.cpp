// SPDX-License-Identifier: Apache-2.0
//
// The judge itself: each thing that cannot be is noticed.
#include "plausible.h"

#include <gtest/gtest.h>

#include <functional>

namespace tessera::test {
namespace {

constexpr uint32_t kType = 2;

reader::Allocation At(uint64_t memory, uint64_t offset) {
    reader::Allocation allocation;
    allocation.memory = memory;
    allocation.size_bytes = 256 + 16 * kType;
    allocation.offset = offset;
    allocation.block = 0;
    allocation.type = kType;
    return allocation;
}

// A dead process with two live allocations of one type in one block, and a buffer in the first.
reader::Process TwoAllocations() {
    reader::Device device;
    device.id = 1;
    device.state = TESSERA_DEVICE_DESTROYED;
    device.heaps.resize(1);
    device.memory_types.resize(kType + 1);
    device.calls.resize(TESSERA_CALL_COUNT);
    device.driver_calls.resize(TESSERA_CALL_COUNT);
    tessera_type_totals& totals = device.memory_types[kType].totals;
    totals.app = {.live = 12,
                  .live_bytes = 12 * (256 + 16 * kType),
                  .peak_bytes = 4000,
                  .allocations = 20,
                  .frees = 8,
                  .failed = 0};
    totals.pooled.live = 12;
    totals.pooled.live_bytes = totals.app.live_bytes;
    totals.pooled.blocks = 1;
    totals.pooled.block_bytes = 65536;
    totals.pooled.free_bytes = 65536 - 12 * 512;
    reader::Detail& detail = device.detail;
    detail.level = TESSERA_LEVEL_full;
    detail.blocks.resize(1);
    detail.blocks[0].bytes = 65536;
    detail.blocks[0].type = kType;
    for (uint64_t i = 0; i < 12; ++i)
        detail.allocations.push_back(At(100 + i, i * 512));
    reader::Resource buffer;
    buffer.object = 7;
    buffer.object_type = 9;
    buffer.memory = 100;
    buffer.allocation = 0;
    buffer.size_bytes = 256 + 16 * kType;
    buffer.name = "b288";
    detail.resources.push_back(buffer);
    reader::Process process;
    process.devices.push_back(std::move(device));
    return process;
}

using Change = std::function<void(reader::Device&)>;

std::string Judge(const Change& change, bool ran = false) {
    reader::Process process = TwoAllocations();
    change(process.devices[0]);
    return WhatIsImplausible(process, ran);
}

TEST(Plausible, WhatCanBeIsAccepted) {
    EXPECT_EQ(Judge([](reader::Device&) {}), "");
    EXPECT_EQ(Judge([](reader::Device&) {}, true), "");
}

TEST(Plausible, AsManyAsThereAreThreadsMayBeMissing) {
    const auto drop = [](size_t count) {
        return [count](reader::Device& device) { device.detail.allocations.resize(12 - count); };
    };
    EXPECT_EQ(Judge(drop(kThreadsInTheMiddle)), "");
    EXPECT_NE(Judge(drop(kThreadsInTheMiddle + 1)), "");
    EXPECT_EQ(Judge(drop(kThreadsInTheMiddle + 1), true), "");
}

TEST(Plausible, WhatCannotBeIsNoticed) {
    const Change changes[] = {
        [](reader::Device& device) { device.memory_types[kType].totals.app.frees = 7; },
        [](reader::Device& device) { device.memory_types[kType].totals.pooled.live = 11; },
        [](reader::Device& device) { device.memory_types[kType].totals.pooled.free_bytes = 65536; },
        [](reader::Device& device) { device.memory_types[kType].totals.app.live = 2000; },
        [](reader::Device& device) { device.memory_types[kType].totals.pooled.blocks = 9; },
        [](reader::Device& device) { device.memory_types[kType].totals.app.live_bytes = 1 << 30; },
        [](reader::Device& device) { device.detail.allocations[3].memory = 100; },
        [](reader::Device& device) { device.detail.allocations[3].offset -= 256; },
        [](reader::Device& device) { device.detail.allocations[3].size_bytes += 16; },
        [](reader::Device& device) { device.detail.allocations[3].type = 1; },
        [](reader::Device& device) { device.detail.resources[0].name = "b304"; },
        [](reader::Device& device) { device.detail.resources[0].offset = 16; },
        [](reader::Device& device) {
            device.detail.resources[0].size_bytes += 256;
            device.detail.resources[0].name.clear();
        },
        [](reader::Device& device) { device.detail.moving = kThreadsInTheMiddle + 1; },
        [](reader::Device& device) {
            reader::Resource astray = device.detail.resources[0];
            astray.memory = 999;
            astray.allocation = reader::kNone;
            device.detail.resources.resize(8, astray);
        },
    };
    for (const Change& change : changes)
        EXPECT_NE(Judge(change), "") << "change " << &change - changes;
}

TEST(Plausible, EventsOfTwoHalvesAreNoticed) {
    reader::EventBatch batch;
    batch.events.resize(1);
    batch.events[0].kind = TESSERA_EVENT_allocate;
    batch.events[0].type = kType;
    batch.events[0].value = 256 + 16 * kType;
    EXPECT_EQ(WhatIsImplausible(batch), "");
    batch.events[0].type = kType + 1;
    EXPECT_NE(WhatIsImplausible(batch), "");
    batch.events[0].kind = 0;
    EXPECT_NE(WhatIsImplausible(batch), "");
}

}  // namespace
}  // namespace tessera::test
