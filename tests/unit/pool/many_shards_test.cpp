// SPDX-License-Identifier: Apache-2.0
//
// Threads at home in shards of their own that run out of room together: never as many blocks as
// threads. As in type_pool_threads_test.cpp a gate in the source makes the moment certain.

#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "layer/pool/type_pool.h"
#include "pool_fixture.h"

namespace tessera::pool {
namespace {

constexpr uint32_t kShards = 8;

// A thread for each shard, at home there, that does what it is told. Where a thread is at home is
// decided by where its stack lies: so many are started until there is one for each.
class Crew {
 public:
    explicit Crew(const TypePool& pool) {
        const size_t most = 4096;
        for (size_t found = 0; found < kShards && threads_.size() < most;) {
            std::atomic<uint32_t> home = kShards;
            threads_.emplace_back([this, &pool, &home] { Work(pool, home); });
            home.wait(kShards);
            found += std::exchange(members_[home].present, true) ? 0 : 1;
        }
    }
    ~Crew() {
        over_ = true;
        ++round_;
        round_.notify_all();
        for (std::thread& thread : threads_)
            thread.join();
    }

    // Every member does it once, all at the same time.
    using Task = std::function<void(uint32_t member)>;
    void Begin(const Task& task) {
        task_ = task;
        done_ = 0;
        ++round_;
        round_.notify_all();
    }
    void AwaitEnd() const {
        for (uint32_t done = done_; done < kShards; done = done_)
            done_.wait(done);
    }

    bool Complete() const {
        for (const Member& member : members_)
            if (!member.present) return false;
        return true;
    }

    // Gives up after many looks; see PoolThreadsTest::LetThemWait.
    void LetThemWait() const {
        for (int look = 0; look < 100000; ++look) {
            size_t asleep = 0;
            for (const Member& member : members_)
                asleep += IsAsleep(member.thread_id);
            if (asleep == kShards) return;
            std::this_thread::yield();
        }
    }

 private:
    struct Member {
        bool present = false;
        std::atomic<int> thread_id = 0;
    };

    void Work(const TypePool& pool, std::atomic<uint32_t>& home) {
        const uint32_t self = pool.HomeIndex();
        const bool chosen = !members_[self].present;
        if (chosen) members_[self].thread_id = gettid();
        home = self;
        home.notify_one();
        for (uint32_t round = 0;;) {
            round_.wait(round);
            round = round_;
            if (over_) return;
            if (!chosen) continue;
            task_(self);
            ++done_;
            done_.notify_all();
        }
    }

    static bool IsAsleep(int thread_id) {
        std::ifstream stat("/proc/self/task/" + std::to_string(thread_id) + "/stat");
        std::string line;
        std::getline(stat, line);
        const size_t name_end = line.rfind(')');
        return name_end != std::string::npos && line.compare(name_end, 3, ") S") == 0;
    }

    Member members_[kShards];
    std::vector<std::thread> threads_;
    Task task_;  // changes only while no member is at it
    std::atomic<bool> over_ = false;
    std::atomic<uint32_t> round_ = 0;
    std::atomic<uint32_t> done_ = 0;
};

class ManyShardsTest : public PoolTest {
 protected:
    void SetUp() override {
        OpenAs({.min_block_bytes = 256 * kKi, .max_block_bytes = 16 * kMi, .max_shards = kShards});
        while (pool_->ShardCount() < kShards)
            pool_->AddShardInAdvance();
        crew_ = std::make_unique<Crew>(*pool_);
        ASSERT_TRUE(crew_->Complete());
    }

    // All allocate at the same instant, and nobody gets a block before all wait for one.
    void RunOutTogether(uint64_t bytes) {
        source_.CloseGate();
        crew_->Begin([this, bytes](uint32_t member) { Take(member, bytes); });
        source_.AwaitCaller();
        crew_->LetThemWait();
        source_.OpenGate();
        crew_->AwaitEnd();
    }

    void Take(uint32_t member, uint64_t bytes) {
        Held held;
        if (Quick(AskFor(bytes), &held) == PlaceStatus::kOk) held_[member].push_back(held);
    }

    size_t HeldCount() const {
        size_t count = 0;
        for (const auto& held : held_)
            count += held.size();
        return count;
    }

    void TearDown() override {
        crew_.reset();
        EXPECT_TRUE(pool_->CheckInvariants());
        for (const auto& held : held_)
            for (const Held& one : held)
                FreeQuick(one);
        pool_->ReleaseEmptyBlocks();
        PoolTest::TearDown();
    }

    std::unique_ptr<Crew> crew_;
    std::vector<Held> held_[kShards];
};

TEST_F(ManyShardsTest, OneBlockIsMadeWhenTheThreadsOfAllShardsRunOutTogether) {
    RunOutTogether(1000);
    EXPECT_EQ(HeldCount(), kShards);
    EXPECT_EQ(source_.asked.size(), 1u);
}

// Whoever had to take from others for a while would rather have a block; but not each of them at
// the same instant.
// A shard whose thread had to take from others this often gets a block of its own.
constexpr uint32_t kMissesPerGrowth = 4;

TEST_F(ManyShardsTest, OneBlockIsMadeAlsoWhenEachWouldRatherHaveItsOwn) {
    for (uint32_t i = 1; i < kMissesPerGrowth; ++i) {
        for (uint32_t turn = 0; turn < kShards; ++turn) {
            crew_->Begin([this, turn](uint32_t member) {
                if (member == turn) Take(member, 1000);
            });
            crew_->AwaitEnd();
        }
    }
    ASSERT_EQ(source_.asked.size(), 1u);
    RunOutTogether(20 * kKi);
    EXPECT_EQ(HeldCount(), kMissesPerGrowth * kShards);
    EXPECT_EQ(source_.asked.size(), 2u);
}

TEST_F(ManyShardsTest, FurtherBlocksAreMadeOneByOneWhenOneIsNotEnough) {
    RunOutTogether(100 * kKi);  // a block holds two
    EXPECT_EQ(HeldCount(), kShards);
    EXPECT_EQ(source_.asked.size(), kShards / 2);
}

// What all hold fills blocks but for the last one of each shard.
TEST_F(ManyShardsTest, GrowingThreadsMakeNoMoreBlocksThanTheyFillAndOneForEachShard) {
    constexpr uint64_t kEach = 400;
    constexpr uint64_t kBytes = 4 * kKi;
    crew_->Begin([this](uint32_t member) {
        for (uint64_t i = 0; i < kEach; ++i)
            Take(member, kBytes);
    });
    crew_->AwaitEnd();
    EXPECT_EQ(HeldCount(), kShards * kEach);
    EXPECT_LE(source_.asked.size(), kShards * kEach * kBytes / (256 * kKi) + kShards);
}

}  // namespace
}  // namespace tessera::pool
