// SPDX-License-Identifier: Apache-2.0
//
// A segment as far as tables see one: extents in private memory, which can run out, stay behind
// when the layer goes, or be gone.
//
// Threads: as tables.h.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "channel/tables.h"
#include "tessera/channel_abi.h"

namespace tessera::test {

// Bytes that may still be handed out.
void SetRoom(uint64_t bytes);
inline constexpr uint64_t kAmpleRoom = ~uint64_t{0};

// How often an extent was asked for.
uint64_t TimesAsked();

// Called within AddExtent(), as an application's code may be. Empty: nothing is.
void SetMeanwhile(std::function<void()> meanwhile);

// The layer is unloaded and comes back: extents of the process stay.
void Reload();

// The segment is gone and another one is made.
void Renew();

// As Renew(), in a forked child: whatever the parent's threads held is new.
void RenewInChild();

// Extents so far of a kind, by first number.
struct Extent {
    uint32_t first;
    void* start;
    uint64_t bytes;
};
std::vector<Extent> ExtentsOf(tessera_kind kind, uint64_t owner);

// The records of a table in the order of their numbers.
template <typename Record>
std::vector<Record> Records(tessera_kind kind, uint64_t owner) {
    std::vector<Record> records;
    for (const Extent& extent : ExtentsOf(kind, owner)) {
        EXPECT_EQ(extent.first, records.size()) << "numbers follow one another";
        const auto* const start = static_cast<const Record*>(extent.start);
        records.insert(records.end(), start, start + extent.bytes / sizeof(Record));
    }
    return records;
}

// Each test has a new segment with ample room.
class RecordsTest : public testing::Test {
 protected:
    RecordsTest() {
        Renew();
        SetRoom(kAmpleRoom);
        SetMeanwhile({});
    }
};

// Runs `body` in a forked child, whose failed expectations become this process's.
inline void InForkedChild(const std::function<void()>& body) {
    fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        body();
        fflush(nullptr);
        _exit(testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

}  // namespace tessera::test
