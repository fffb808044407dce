// SPDX-License-Identifier: Apache-2.0
//
// Events, as they are read from rings that somebody writes meanwhile.
#include <gmock/gmock.h>

#include <cstddef>

#include "segment_builder.h"
#include "sound.h"
#include "tessera/reader.h"

namespace tessera::test {
namespace {

using reader::EventBatch;
using reader::EventReader;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

tessera_event EventAt(uint64_t ns, uint64_t value = 0) {
    return {.ticks = TicksAt(ns),
            .kind = TESSERA_EVENT_map,
            .type = 1,
            .detail = 2,
            .thread = 3,
            .stack = 4,
            .object = 5,
            .value = value};
}

// A segment with one device and rings that grow as the test says.
class Events : public testing::Test {
 protected:
    Events() : device_(builder_.AddDevice(9)) { device_.rings.resize(1); }

    SegmentBuilder::Ring& ring(size_t index = 0) { return device_.rings[index]; }
    void Add(size_t count, size_t index = 0) {
        for (; count > 0; --count)
            ring(index).AddEvent(EventAt(kClockStartNs + 1000 * next_, next_)), ++next_;
    }

    // Writes the segment as it is now into the file.
    void Publish() {
        const std::vector<std::byte> bytes = builder_.Build();
        file_.Resize(bytes.size());
        file_.Write(0, bytes);
    }

    EventBatch Read() {
        Publish();
        reader::Result<EventBatch> result = reader_.Read();
        EXPECT_EQ(result.error, "");
        EXPECT_EQ(WhatIsUnsound(result.value), "");
        return std::move(result.value);
    }
    static std::vector<uint64_t> Values(const EventBatch& batch) {
        std::vector<uint64_t> values;
        for (const reader::Event& event : batch.events)
            values.push_back(event.value);
        return values;
    }
    std::string Error() {
        Publish();
        return reader_.Read().error;
    }

    SegmentBuilder builder_;
    SegmentBuilder::Device& device_;
    SegmentFile file_{std::vector<std::byte>(1)};
    EventReader reader_{file_.fd()};
    uint64_t next_ = 1;
};

TEST_F(Events, AreReadOnceAndInFull) {
    Add(2);
    const EventBatch batch = Read();
    ASSERT_EQ(batch.events.size(), 2u);
    const reader::Event& event = batch.events[0];
    EXPECT_EQ(event.time_ns, kClockStartNs + 1000);
    EXPECT_EQ(event.device, 9u);
    EXPECT_EQ(event.kind, TESSERA_EVENT_map);
    EXPECT_EQ(event.type, 1u);
    EXPECT_EQ(event.detail, 2u);
    EXPECT_EQ(event.thread, 3u);
    EXPECT_EQ(event.stack, 4u);
    EXPECT_EQ(event.object, 5u);
    EXPECT_EQ(event.value, 1u);
    EXPECT_THAT(Read().events, IsEmpty());
    Add(1);
    EXPECT_THAT(Values(Read()), ElementsAre(3));
}

TEST_F(Events, OfARingThatGoesRoundAreReadInOrder) {
    for (uint64_t round = 0; round < 20; ++round) {
        Add(7);
        const EventBatch batch = Read();
        EXPECT_EQ(batch.lost, 0u);
        EXPECT_THAT(Values(batch), testing::SizeIs(7));
        EXPECT_EQ(Values(batch).front(), round * 7 + 1);
    }
}

TEST_F(Events, ThatWereOverwrittenAreCounted) {
    Add(3);
    EXPECT_EQ(Read().lost, 0u);
    Add(20);  // the ring holds 16, of which the oldest may be half overwritten
    const EventBatch batch = Read();
    EXPECT_EQ(batch.lost, 5u);
    EXPECT_THAT(batch.events, testing::SizeIs(15));
    EXPECT_EQ(batch.events.front().value, 9u);
}

TEST_F(Events, FromBeforeTheFirstReadAreNotLost) {
    Add(100);
    const EventBatch batch = Read();
    EXPECT_EQ(batch.lost, 0u);
    EXPECT_THAT(batch.events, testing::SizeIs(15));
}

TEST_F(Events, OfARingThatAppearsLaterAreReadFromItsBeginning) {
    Add(1);
    Read();
    device_.rings.resize(2);
    Add(20, 1);
    const EventBatch batch = Read();
    EXPECT_THAT(batch.events, testing::SizeIs(15));
    EXPECT_EQ(batch.lost, 5u) << "it is new: what is missing was written since";
}

TEST_F(Events, OfSeveralRingsComeInOrderOfTime) {
    device_.rings.resize(3);
    for (size_t i = 0; i < 12; ++i)
        Add(1, i % 3);
    EXPECT_THAT(Values(Read()), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
}

TEST_F(Events, OfARingThatGoesBackAreReadAnew) {
    Add(5);
    Read();
    ring() = {};
    Add(2);
    const EventBatch batch = Read();
    EXPECT_THAT(Values(batch), ElementsAre(6, 7));
    EXPECT_EQ(batch.lost, 0u);
}

TEST_F(Events, OfARingThatChangesItsCapacityAreReadAnew) {
    // Of the same extent: there is room for more events than the capacity says.
    Add(5);
    Read();
    std::vector<std::byte> bytes = builder_.Build();
    const size_t at = ExtentOf(bytes, TESSERA_KIND_RING, 9).extent.offset;
    Put(bytes, at + offsetof(tessera_ring, capacity), uint64_t{4});
    file_.Write(0, bytes);
    const reader::Result<EventBatch> result = reader_.Read();
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_EQ(result.value.events.size(), 3u) << "of the capacity, less the one being written";
}

TEST_F(Events, OfARingThatIsNotSetUpYetAreNone) {
    ring().capacity = 0;
    EXPECT_THAT(Read().events, IsEmpty());
}

TEST_F(Events, OfARingThatCannotBeAreAnError) {
    Add(1);
    std::vector<std::byte> bytes = builder_.Build();
    const size_t at = ExtentOf(bytes, TESSERA_KIND_RING, 9).extent.offset;
    for (const uint64_t bad :
         {uint64_t{3}, uint64_t{32}, uint64_t{1} << 59, uint64_t{1} << 63, ~uint64_t{0}}) {
        Put(bytes, at + offsetof(tessera_ring, capacity), bad);
        file_.Resize(bytes.size());
        file_.Write(0, bytes);
        EXPECT_THAT(reader_.Read().error, HasSubstr("capacity")) << bad;
    }
    EXPECT_THAT(Read().events, testing::SizeIs(1)) << "and once it is sound, it is read";
}

TEST_F(Events, CountedBeyondAllNumbersAreNoReasonToStop) {
    Add(3);
    Read();
    std::vector<std::byte> bytes = builder_.Build();
    const size_t at = ExtentOf(bytes, TESSERA_KIND_RING, 9).extent.offset;
    for (const uint64_t written : {~uint64_t{0}, uint64_t{1} << 63, uint64_t{0}}) {
        Put(bytes, at + offsetof(tessera_ring, written), written);
        file_.Write(0, bytes);
        const reader::Result<EventBatch> result = reader_.Read();
        EXPECT_EQ(result.error, "");
        EXPECT_LE(result.value.events.size(), 16u);
    }
}

TEST_F(Events, WithoutATimeComeFirst) {
    Add(1);
    tessera_event event = EventAt(0, 77);
    event.ticks = 0;
    ring().AddEvent(event);
    EXPECT_THAT(Values(Read()), ElementsAre(77, 1));
}

TEST_F(Events, OfADeviceThatIsGoneAreForgotten) {
    Add(3);
    Read();
    device_.record.id = 10;  // its extents are those of another device now
    EXPECT_THAT(Read().events, testing::SizeIs(3));
}

TEST_F(Events, OfWhatIsNoSegmentAreAnError) {
    builder_.header.abi_version = 2;
    EXPECT_THAT(Error(), HasSubstr("of version 2"));
    file_.Resize(10);
    EXPECT_THAT(reader_.Read().error, HasSubstr("cut short"));
    EventReader closed(-1);
    EXPECT_THAT(closed.Read().error, HasSubstr("cannot be read"));
}

TEST_F(Events, CutShortBehindTheHeaderAreAnError) {
    Add(3);
    Publish();
    file_.Resize(sizeof(tessera_channel_header));
    EXPECT_THAT(reader_.Read().error, HasSubstr("cut short"));
}

}  // namespace
}  // namespace tessera::test
