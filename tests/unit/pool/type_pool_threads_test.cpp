// SPDX-License-Identifier: Apache-2.0
//
// Several threads in need of a block at once. A gate in the source makes the moments certain: no
// test depends on how fast a thread is, only on what it has done so far.

#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "layer/pool/type_pool.h"
#include "pool_fixture.h"

namespace tessera::pool {
namespace {

using Sizes = std::vector<uint64_t>;
using enum BlockStatus;

class PoolThreadsTest : public PoolTest {
 protected:
    // Starts a thread that allocates; results are read after Join.
    void Start(const Request& request) {
        results_.push_back(std::make_unique<Result>());
        Result* const result = results_.back().get();
        threads_.emplace_back([this, request, result] {
            result->thread_id = gettid();
            result->status = pool_->Allocate(request, &result->slot.ref);
            result->slot.bytes = request.requested_bytes;
        });
    }

    // Returns once all started threads sleep: one at the gate, the others in the pool, where
    // nothing but the wait for a block takes long. Gives up after many looks, since a sleep cannot
    // be told from a short one for certain: a test must hold, if not prove as much, when a thread
    // is late.
    void LetThemWait() {
        for (int look = 0; look < 100000; ++look) {
            size_t asleep = 0;
            for (const auto& result : results_)
                asleep += IsAsleep(result->thread_id.load());
            if (asleep == results_.size()) return;
            std::this_thread::yield();
        }
    }

    // Reads what the kernel says of a thread; false for 0.
    static bool IsAsleep(int thread_id) {
        std::ifstream stat("/proc/self/task/" + std::to_string(thread_id) + "/stat");
        std::string line;
        std::getline(stat, line);
        // pid (name) state ...: the name may hold anything but is followed by the last parenthesis.
        const size_t name_end = line.rfind(')');
        return name_end != std::string::npos && line.compare(name_end, 3, ") S") == 0;
    }

    void Join() {
        for (std::thread& thread : threads_)
            thread.join();
        threads_.clear();
        EXPECT_TRUE(pool_->CheckInvariants());
    }

    size_t CountOf(PlaceStatus status) {
        size_t count = 0;
        for (const auto& result : results_)
            count += result->status == status;
        return count;
    }

    void FreeAll() {
        for (const auto& result : results_)
            if (result->status == PlaceStatus::kOk) Free(result->slot);
        results_.clear();
    }

    struct Result {
        std::atomic<int> thread_id = 0;
        PlaceStatus status = PlaceStatus::kNoHostMemory;
        Held slot;
    };
    std::vector<std::unique_ptr<Result>> results_;

 private:
    std::vector<std::thread> threads_;
};

TEST_F(PoolThreadsTest, MakeOneBlockWhenAllRunOutTogether) {
    Open();
    source_.CloseGate();
    for (int i = 0; i < 8; ++i)
        Start(AskFor(1000));
    source_.AwaitCaller();
    LetThemWait();
    source_.OpenGate();
    Join();
    EXPECT_EQ(source_.asked, Sizes{kMi});
    EXPECT_EQ(CountOf(PlaceStatus::kOk), 8u);
    FreeAll();
}

TEST_F(PoolThreadsTest, MakeFurtherBlocksOneByOneWhenOneIsNotEnough) {
    Open();
    source_.CloseGate();
    for (int i = 0; i < 8; ++i)
        Start(AskFor(300 * kKi));
    source_.AwaitCaller();
    LetThemWait();
    source_.OpenGate();
    Join();
    EXPECT_EQ(CountOf(PlaceStatus::kOk), 8u);
    EXPECT_EQ(source_.asked.size(), 3u) << "each has room for three or more";
    FreeAll();
}

TEST_F(PoolThreadsTest, MakeBlocksOfDifferentArenasAtTheSameTime) {
    Open();
    source_.CloseGate();
    Start(AskFor(1000));
    Start(AskFor(1000, 256, {.kind = Kind::kLinear}));
    source_.AwaitCallers(2);
    source_.OpenGate();
    Join();
    EXPECT_EQ(source_.live.size(), 2u);
    FreeAll();
}

TEST_F(PoolThreadsTest, FreeAndAllocateWhileAnotherMakesABlock) {
    Open();
    const Held full = Allocate(kMi);
    source_.CloseGate();
    Start(AskFor(2 * kMi));
    source_.AwaitCaller();
    Free(full);  // gives its block back, past the closed gate
    pool().CountPassThrough(TESSERA_REASON_external, 100);
    pool().CountPassThroughFree(TESSERA_REASON_external, 100);
    EXPECT_EQ(pool().ReleaseEmptyBlocks(), 0u);
    EXPECT_TRUE(pool().CheckInvariants());
    source_.OpenGate();
    Join();
    EXPECT_EQ(CountOf(PlaceStatus::kOk), 1u);
    FreeAll();
}

TEST_F(PoolThreadsTest, TakeWhatWasFreedWhileTheyWaitedForABlockThatFailed) {
    Open({.min_block_bytes = kMi, .max_block_bytes = kMi, .idle_bytes = kMi});
    const Held full = Allocate(kMi);
    source_.capacity_bytes = kMi;
    source_.CloseGate();
    Start(AskFor(kMi));
    source_.AwaitCaller();
    Start(AskFor(kMi));
    LetThemWait();
    FreeQuick(full);
    source_.OpenGate();
    Join();
    // The one that asks gives the empty block back to the driver and gets it anew; the other took
    // it before that, or found nothing: never both, never neither.
    EXPECT_EQ(CountOf(PlaceStatus::kOk), 1u);
    EXPECT_EQ(CountOf(PlaceStatus::kNoBlock), 1u);
    FreeAll();
}

TEST_F(PoolThreadsTest, ShareOneRefusalInsteadOfAskingEach) {
    Open();
    source_.capacity_bytes = 0;
    source_.CloseGate();
    Start(AskFor(1000));
    source_.AwaitCaller();
    for (int i = 0; i < 7; ++i)
        Start(AskFor(1000));
    LetThemWait();
    source_.OpenGate();
    Join();
    EXPECT_EQ(CountOf(PlaceStatus::kNoBlock), 8u);
    // Five sizes for the one that asked. A thread that came late asks once more, for the smallest;
    // they were not all late.
    EXPECT_LT(source_.asked.size(), 5u + 7u);
    EXPECT_EQ(Totals().driver.failed, source_.asked.size());
}

TEST_F(PoolThreadsTest, AskForThemselvesWhenTheyNeedLessThanWhatWasRefused) {
    Open();
    source_.capacity_bytes = 256 * kKi;
    source_.CloseGate();
    Start(AskFor(700 * kKi));
    source_.AwaitCaller();
    Start(AskFor(200 * kKi));
    LetThemWait();
    source_.OpenGate();
    Join();
    EXPECT_EQ(results_[0]->status, PlaceStatus::kNoBlock);
    EXPECT_EQ(results_[1]->status, PlaceStatus::kOk);
    FreeAll();
}

TEST_F(PoolThreadsTest, ShareTheLimitOfObjectsAtAnySize) {
    Open();
    source_.most_objects = 0;
    source_.CloseGate();
    Start(AskFor(700 * kKi));
    source_.AwaitCaller();
    Start(AskFor(256));
    LetThemWait();
    source_.OpenGate();
    Join();
    EXPECT_EQ(CountOf(PlaceStatus::kObjectLimit), 2u);
}

}  // namespace
}  // namespace tessera::pool
