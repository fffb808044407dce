// SPDX-License-Identifier: Apache-2.0
//
// An application that grows by 64 MiB a second, or less, on a clock that the test moves: the helper
// makes its blocks, not it. Who asked the source is known by who was called.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "layer/pool/type_pool.h"
#include "pool_fixture.h"

namespace tessera::pool {
namespace {

// How the application grows, and how long the helper takes to come.
struct Growth {
    const char* name;
    uint64_t slot_bytes;
    uint64_t max_block_bytes;
    uint64_t served_after_ms;
    uint64_t seconds;
    uint64_t bytes_per_second = 64 * kMi;
    uint64_t most_bytes = 0;  // if not 0, sizes go from slot_bytes to this
    size_t surprises = 0;     // a size larger than any before: no block for it can be ready
};

class SteadyGrowth : public PoolTest, public testing::WithParamInterface<Growth> {
 protected:
    void Grow(bool helped) {
        OpenAs({.min_block_bytes = 256 * kKi,
                .max_block_bytes = GetParam().max_block_bytes,
                .idle_bytes = 64 * kMi,
                .idle_ms = 10000,
                .helped = helped});
        uint64_t grown = 0;
        uint64_t wanted_since = 0;
        for (uint64_t ms = 1; ms <= GetParam().seconds * 1000; ++ms) {
            source_.now_ms = ms;
            while (grown < ms * GetParam().bytes_per_second / 1000) {
                const uint64_t bytes = NextSize();
                grown += bytes;
                const size_t before = source_.asked.size();
                Held held;
                ASSERT_EQ(Quick(AskFor(bytes), &held), PlaceStatus::kOk);
                slots_.push_back(held);
                const size_t asked = source_.asked.size() - before;
                by_application_ += asked;
                if (before >= kFirstBlocks) by_application_later_ += asked;
            }
            if (source_.service_wanted != 0 && wanted_since == 0) wanted_since = ms;
            const bool comes = wanted_since != 0 && ms - wanted_since >= GetParam().served_after_ms;
            if (!comes && ms < due_) continue;
            wanted_since = 0;
            source_.service_wanted = 0;
            const size_t before = source_.asked.size();
            due_ = pool_->Service(ms);
            by_helper_ += source_.asked.size() - before;
        }
        EXPECT_TRUE(pool_->CheckInvariants());
        RecordProperty("blocks", static_cast<int>(source_.asked.size()));
    }

    uint64_t NextSize() {
        const uint64_t least = GetParam().slot_bytes;
        const uint64_t most = std::max(GetParam().most_bytes, least);
        return least + random_() % (most - least + 1);
    }

    void TearDown() override {
        for (const Held& held : slots_)
            FreeQuick(held);
        pool_->ReleaseEmptyBlocks();
        PoolTest::TearDown();
    }

    static constexpr size_t kFirstBlocks = 4;
    std::mt19937_64 random_{1};
    std::vector<Held> slots_;
    size_t by_application_ = 0;
    size_t by_application_later_ = 0;
    size_t by_helper_ = 0;
    uint64_t due_ = TypePool::kNever;
};

TEST_P(SteadyGrowth, TheApplicationsThreadMakesNoBlockAfterTheFirstFour) {
    Grow(true);
    EXPECT_LE(by_application_, kFirstBlocks + GetParam().surprises);
    EXPECT_LE(by_application_later_, GetParam().surprises);
    EXPECT_GT(by_helper_, 20u);
}

TEST_P(SteadyGrowth, WithoutAHelperItMakesThemAll) {
    Grow(false);
    EXPECT_GT(by_application_later_, 20u);
    EXPECT_EQ(by_helper_, 0u);
    EXPECT_EQ(source_.service_wanted, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, SteadyGrowth,
    testing::Values(Growth{"small_slots", 16 * kKi, 64 * kMi, 1, 10},
                    Growth{"a_helper_that_is_late", 16 * kKi, 64 * kMi, 2, 10},
                    Growth{"medium_slots", 256 * kKi, 64 * kMi, 1, 60},
                    Growth{"large_slots", 2 * kMi, 64 * kMi, 1, 60},
                    Growth{"sizes_that_differ", 600 * kKi, 64 * kMi, 1, 60, 64 * kMi, 8 * kMi, 3},
                    Growth{"slow_growth", 256 * kKi, 64 * kMi, 1, 120, 20 * kMi},
                    Growth{"host_visible", 256 * kKi, 32 * kMi, 1, 60},
                    Growth{"small_blocks", 64 * kKi, 4 * kMi, 1, 20}),
    [](const auto& growth) { return std::string(growth.param.name); });

}  // namespace
}  // namespace tessera::pool
