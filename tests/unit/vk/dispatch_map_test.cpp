// SPDX-License-Identifier: Apache-2.0
//
// The map from dispatch keys to objects: found, not found, erased, used again, grown beyond one
// table, and looked into while it changes.

#include "layer/vk/dispatch_map.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace tessera {
namespace {

constexpr size_t kSlots = 8;
using SmallMap = DispatchMap<int, kSlots>;

// Keys lie as far apart as the loader's tables do.
struct alignas(64) Object {
    int value = 0;
    std::array<char, 4096> rest = {};
};

class DispatchMapTest : public testing::Test {
 protected:
    DispatchMapTest() {
        for (size_t i = 0; i < objects_.size(); ++i)
            objects_[i].value = static_cast<int>(i);
    }
    // A map is a global and trivially destructible: who uses it clears it.
    ~DispatchMapTest() override { map_.Clear(); }

    const void* Key(size_t i) const { return &objects_[i]; }
    int* Value(size_t i) { return &objects_[i].value; }
    void InsertAll(size_t first, size_t last) {
        for (size_t i = first; i < last; ++i)
            ASSERT_TRUE(map_.Insert(Key(i), Value(i)));
    }
    void ExpectFound(size_t first, size_t last) {
        for (size_t i = first; i < last; ++i)
            EXPECT_EQ(map_.Find(Key(i)), Value(i)) << i;
    }
    void ExpectAbsent(size_t first, size_t last) {
        for (size_t i = first; i < last; ++i)
            EXPECT_EQ(map_.Find(Key(i)), nullptr) << i;
    }

    std::vector<Object> objects_ = std::vector<Object>(100);
    SmallMap map_;
};

TEST(DispatchKey, IsTheFirstWordOfWhatTheHandlePointsTo) {
    const int table = 0;
    struct {
        const void* first_word;
        uint64_t rest;
    } object = {&table, 7};
    EXPECT_EQ(DispatchKey(&object), &table);
}

TEST_F(DispatchMapTest, AnEmptyMapFindsNothing) {
    ExpectAbsent(0, 100);
}

TEST_F(DispatchMapTest, FindsWhatWasInsertedAndNothingElse) {
    InsertAll(0, 5);
    ExpectFound(0, 5);
    ExpectAbsent(5, 100);
}

TEST_F(DispatchMapTest, AFullTableStillAnswersForAbsentKeys) {
    InsertAll(0, kSlots);
    ExpectFound(0, kSlots);
    ExpectAbsent(kSlots, 100);
}

TEST_F(DispatchMapTest, HoldsManyMoreKeysThanOneTable) {
    InsertAll(0, 90);
    ExpectFound(0, 90);
    ExpectAbsent(90, 100);
}

TEST_F(DispatchMapTest, AnErasedKeyIsGoneAndTheOthersStay) {
    InsertAll(0, 90);
    for (size_t i = 0; i < 90; i += 2)
        map_.Erase(Key(i));
    for (size_t i = 0; i < 90; ++i)
        EXPECT_EQ(map_.Find(Key(i)), i % 2 == 0 ? nullptr : Value(i)) << i;
}

TEST_F(DispatchMapTest, ErasingWhatIsNotThereChangesNothing) {
    InsertAll(0, 5);
    map_.Erase(Key(50));
    ExpectFound(0, 5);
}

TEST_F(DispatchMapTest, AnErasedKeyCanComeBackWithAnotherObject) {
    InsertAll(0, 20);
    map_.Erase(Key(3));
    ASSERT_TRUE(map_.Insert(Key(3), Value(50)));
    EXPECT_EQ(map_.Find(Key(3)), Value(50));
    map_.Erase(Key(3));
    EXPECT_EQ(map_.Find(Key(3)), nullptr);
}

TEST_F(DispatchMapTest, AKeyThatComesBackHasTheNewObjectAlone) {
    InsertAll(0, 20);
    ASSERT_TRUE(map_.Insert(Key(15), Value(50)));
    EXPECT_EQ(map_.Find(Key(15)), Value(50));
    map_.Erase(Key(15));
    EXPECT_EQ(map_.Find(Key(15)), nullptr);
}

TEST_F(DispatchMapTest, AnObjectIsErasedWithoutItsKey) {
    InsertAll(0, 30);
    map_.EraseValue(Value(4));
    map_.EraseValue(Value(25));
    map_.EraseValue(Value(50));
    for (size_t i = 0; i < 30; ++i)
        EXPECT_EQ(map_.Find(Key(i)), i == 4 || i == 25 ? nullptr : Value(i)) << i;
    ASSERT_TRUE(map_.Insert(Key(4), Value(60)));
    EXPECT_EQ(map_.Find(Key(4)), Value(60));
}

TEST_F(DispatchMapTest, RoomOfErasedKeysIsUsedAgain) {
    InsertAll(0, kSlots);
    // An application that creates and destroys devices for hours must not make the map longer.
    for (size_t round = 0; round < 10'000; ++round) {
        map_.Erase(Key(round % 50));
        ASSERT_TRUE(map_.Insert(Key((round + kSlots) % 50), Value((round + kSlots) % 50)));
    }
    for (size_t i = 10'000; i < 10'000 + kSlots; ++i)
        EXPECT_EQ(map_.Find(Key(i % 50)), Value(i % 50));
}

TEST_F(DispatchMapTest, AKeyOfALaterTableIsFoundAfterTheFirstTableEmptied) {
    InsertAll(0, 3 * kSlots);
    for (size_t i = 0; i < kSlots; ++i)
        map_.Erase(Key(i));
    ExpectAbsent(0, kSlots);
    ExpectFound(kSlots, 3 * kSlots);
}

TEST_F(DispatchMapTest, AClearedMapIsEmptyAndUsable) {
    InsertAll(0, 90);
    map_.Clear();
    ExpectAbsent(0, 100);
    InsertAll(0, 30);
    ExpectFound(0, 30);
}

TEST_F(DispatchMapTest, LookUpsAreRightWhileOtherKeysComeAndGo) {
    constexpr size_t kLasting = 12;
    constexpr int kRounds = 20'000;
    InsertAll(0, kLasting);
    std::atomic<bool> done = false;
    std::atomic<int> errors = 0;
    std::vector<std::thread> readers;
    for (int reader = 0; reader < 2; ++reader) {
        readers.emplace_back([&] {
            while (!done.load(std::memory_order_acquire)) {
                for (size_t i = 0; i < kLasting; ++i) {
                    if (map_.Find(Key(i)) != Value(i)) ++errors;
                }
                if (map_.Find(Key(99)) != nullptr) ++errors;
            }
        });
    }
    for (int round = 0; round < kRounds; ++round) {
        const size_t changing = kLasting + static_cast<size_t>(round) % 60;
        if (!map_.Insert(Key(changing), Value(changing))) ++errors;
        if (round % 3 == 0) continue;  // some stay for a while, so that the map grows
        map_.Erase(Key(changing));
    }
    done.store(true, std::memory_order_release);
    for (std::thread& thread : readers)
        thread.join();
    EXPECT_EQ(errors.load(), 0);
    for (size_t i = kLasting; i < kLasting + 60; ++i)
        map_.Erase(Key(i));
    ExpectFound(0, kLasting);
    ExpectAbsent(kLasting, 100);
}

}  // namespace
}  // namespace tessera
