// SPDX-License-Identifier: Apache-2.0
//
// What is remembered of allocations that went through.

#include "layer/vk/pass_through_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace tessera {
namespace {

TEST(PassThroughTable, GivesBackOnceWhatWasAdded) {
    PassThroughTable table;
    ASSERT_TRUE(table.Add(7, {4096, 3, TESSERA_REASON_dedicated}));
    PassThrough entry;
    ASSERT_TRUE(table.Remove(7, &entry));
    EXPECT_EQ(entry.size_bytes, 4096u);
    EXPECT_EQ(entry.type_index, 3u);
    EXPECT_EQ(entry.reason, TESSERA_REASON_dedicated);
    EXPECT_FALSE(table.Remove(7, &entry));
}

TEST(PassThroughTable, WhatIsNotThereLeavesTheEntryAlone) {
    PassThroughTable table;
    PassThrough entry{1, 2, TESSERA_REASON_external};
    EXPECT_FALSE(table.Remove(7, &entry));
    EXPECT_EQ(entry.size_bytes, 1u);
    EXPECT_EQ(entry.type_index, 2u);
    EXPECT_EQ(entry.reason, TESSERA_REASON_external);
}

// A driver must not, and no count may go wrong where one does.
TEST(PassThroughTable, AHandleOfTwoLiveObjectsIsRememberedTwice) {
    PassThroughTable table;
    ASSERT_TRUE(table.Add(7, {100, 0, TESSERA_REASON_dedicated}));
    ASSERT_TRUE(table.Add(7, {200, 1, TESSERA_REASON_too_large}));
    ASSERT_TRUE(table.Add(8, {300, 2, TESSERA_REASON_too_large}));
    uint64_t bytes = 0;
    PassThrough entry;
    ASSERT_TRUE(table.Remove(7, &entry));
    bytes += entry.size_bytes;
    ASSERT_TRUE(table.Remove(7, &entry));
    bytes += entry.size_bytes;
    EXPECT_EQ(bytes, 300u) << "each of them once";
    EXPECT_FALSE(table.Remove(7, &entry));
    ASSERT_TRUE(table.Remove(8, &entry));
    EXPECT_EQ(entry.size_bytes, 300u);
}

TEST(PassThroughTable, ThreadsWithHandlesOfTheirOwnDoNotDisturbEachOther) {
    PassThroughTable table;
    std::atomic<int> errors = 0;
    std::vector<std::thread> threads;
    for (uint32_t thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            for (uint64_t i = 1; i <= 5000; ++i) {
                const uint64_t handle = uint64_t{thread} << 32 | i;
                if (!table.Add(handle, {i, thread, TESSERA_REASON_too_large})) ++errors;
                PassThrough entry;
                if (!table.Remove(handle, &entry) || entry.size_bytes != i) ++errors;
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(errors.load(), 0);
}

}  // namespace
}  // namespace tessera
