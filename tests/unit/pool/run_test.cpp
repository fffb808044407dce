// SPDX-License-Identifier: Apache-2.0
//
// Small slots of one size, of which there are many: they share runs, and nothing else.

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "layer/pool/type_pool.h"
#include "pool_fixture.h"

namespace tessera::pool {
namespace {

class PoolRunsTest : public PoolTest {
 protected:
    // So many slots that most of them lie in runs.
    std::vector<Held> AllocateMany() {
        std::vector<Held> slots;
        for (int i = 0; i < 5 * 64; ++i)
            slots.push_back(Allocate(1000));
        EXPECT_EQ(slots.back().ref.slot->origin, Origin::kRun);
        return slots;
    }

    static void ExpectApart(std::vector<Held> slots) {
        std::sort(slots.begin(), slots.end(), [](const Held& a, const Held& b) {
            return std::tie(a.placement.handle, a.placement.offset_bytes) <
                   std::tie(b.placement.handle, b.placement.offset_bytes);
        });
        for (size_t i = 1; i < slots.size(); ++i) {
            const Placement& before = slots[i - 1].placement;
            if (before.handle != slots[i].placement.handle) continue;
            ASSERT_LE(before.offset_bytes + before.size_bytes, slots[i].placement.offset_bytes);
        }
    }
};

TEST_F(PoolRunsTest, PlacesOfARunAreHandedOutOnce) {
    const std::vector<Held> slots = AllocateMany();
    ExpectApart(slots);
    Free(slots);
}

TEST_F(PoolRunsTest, ARunStaysWhileOneOfItsPlacesIsTaken) {
    std::vector<Held> stays;
    for (const Held& held : AllocateMany()) {
        if (held.ref.slot->origin == Origin::kRun && held.ref.slot->position == 0) {
            stays.push_back(held);
        } else {
            Free(held);
        }
    }
    ASSERT_GE(stays.size(), 2u);
    for (const Held& other : FillBlocks(5000))
        stays.push_back(other);
    ExpectApart(stays);
    Free(stays);
}

}  // namespace
}  // namespace tessera::pool
