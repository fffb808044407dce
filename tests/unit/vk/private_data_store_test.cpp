// SPDX-License-Identifier: Apache-2.0
//
// Private data of pooled handles: what was set, what was not, and what ends with a handle or slot.

#include "layer/vk/private_data_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace tessera {
namespace {

TEST(PrivateDataStore, WhatWasNeverSetIsZero) {
    PrivateDataStore store;
    EXPECT_EQ(store.Get(1, 1), 0u);
    ASSERT_TRUE(store.Set(1, 1, 42));
    EXPECT_EQ(store.Get(1, 2), 0u);
    EXPECT_EQ(store.Get(2, 1), 0u);
}

TEST(PrivateDataStore, EachHandleHasAValueInEachSlot) {
    PrivateDataStore store;
    for (uint64_t handle = 1; handle <= 4; ++handle) {
        for (uint64_t slot = 1; slot <= 100; ++slot)
            ASSERT_TRUE(store.Set(handle, slot, handle * 1000 + slot));
    }
    for (uint64_t handle = 1; handle <= 4; ++handle) {
        for (uint64_t slot = 1; slot <= 100; ++slot)
            EXPECT_EQ(store.Get(handle, slot), handle * 1000 + slot);
    }
}

TEST(PrivateDataStore, TheLastValueCounts) {
    PrivateDataStore store;
    ASSERT_TRUE(store.Set(1, 1, 42));
    ASSERT_TRUE(store.Set(1, 1, ~uint64_t{0}));
    EXPECT_EQ(store.Get(1, 1), ~uint64_t{0});
    ASSERT_TRUE(store.Set(1, 1, 0));
    EXPECT_EQ(store.Get(1, 1), 0u);
}

TEST(PrivateDataStore, AFreedHandleLosesItsValuesAndOthersKeepTheirs) {
    PrivateDataStore store;
    ASSERT_TRUE(store.Set(1, 1, 42));
    ASSERT_TRUE(store.Set(2, 1, 43));
    store.DropHandle(1);
    EXPECT_EQ(store.Get(1, 1), 0u);
    EXPECT_EQ(store.Get(2, 1), 43u);
}

TEST(PrivateDataStore, ADestroyedSlotLosesItsValuesAndOthersKeepTheirs) {
    PrivateDataStore store;
    ASSERT_TRUE(store.Set(1, 1, 42));
    ASSERT_TRUE(store.Set(1, 2, 43));
    ASSERT_TRUE(store.Set(2, 1, 44));
    store.DropSlot(1);
    EXPECT_EQ(store.Get(1, 1), 0u);
    EXPECT_EQ(store.Get(2, 1), 0u);
    EXPECT_EQ(store.Get(1, 2), 43u);
}

TEST(PrivateDataStore, DroppingWhatWasNeverSetIsNothing) {
    PrivateDataStore store;
    store.DropHandle(1);
    store.DropSlot(1);
    ASSERT_TRUE(store.Set(1, 1, 42));
    store.DropHandle(9);
    store.DropSlot(9);
    EXPECT_EQ(store.Get(1, 1), 42u);
}

TEST(PrivateDataStore, ThreadsWithHandlesOfTheirOwnDoNotDisturbEachOther) {
    PrivateDataStore store;
    std::atomic<int> errors = 0;
    std::vector<std::thread> threads;
    for (uint64_t handle = 1; handle <= 4; ++handle) {
        threads.emplace_back([&, handle] {
            for (uint64_t i = 1; i <= 5000; ++i) {
                if (!store.Set(handle, 1, i)) ++errors;
                if (store.Get(handle, 1) != i) ++errors;
                store.DropHandle(handle);
                if (store.Get(handle, 1) != 0) ++errors;
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(errors.load(), 0);
}

}  // namespace
}  // namespace tessera
