// SPDX-License-Identifier: Apache-2.0
//
// Who calls the driver while an application grows: the helper's thread, or the application's. The
// mock driver knows by whom it is called. The application gives the helper its time by waiting for
// what it does, not for a clock.

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "session.h"

namespace tessera::test {
namespace {

constexpr uint32_t kDeviceType = 1;
constexpr VkDeviceSize kSlotBytes = 64 << 10;
constexpr VkDeviceSize kGrownBytes = 64 << 20;
constexpr uint64_t kFirstBlocks = 4;

class SteadyGrowth : public testing::Test {
 protected:
    // Returns: false if the machine took so long for a step that nobody could see growth in it.
    bool Grow(const char* helper) {
        SessionOptions options;
        options.environment = {std::string("TESSERA_HELPER=") + helper};
        Session session(options);
        application_ = gettid();
        all_ = by_application_ = by_application_later_ = 0;
        session.mock->set_hook("vkAllocateMemory", Count, this);
        std::vector<VkDeviceMemory> slots;
        bool steady = true;
        for (VkDeviceSize grown = 0; grown < kGrownBytes && steady; grown += kSlotBytes) {
            const auto start = std::chrono::steady_clock::now();
            slots.push_back(session.Allocate(kSlotBytes, kDeviceType));
            if (std::string(helper) == "on" && all_ >= 3) steady = AwaitASpare(session);
            steady &= std::chrono::steady_clock::now() - start < std::chrono::milliseconds(100);
        }
        session.mock->set_hook("vkAllocateMemory", nullptr, nullptr);
        for (const VkDeviceMemory slot : slots)
            session.Free(slot);
        return steady;
    }

    // A block is there in which nothing lies yet.
    static bool AwaitASpare(const Session& session) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
        while (std::chrono::steady_clock::now() < deadline) {
            const tessera_pooled pooled = session.Totals(kDeviceType).pooled;
            if (pooled.block_bytes - pooled.live_bytes >= 256 << 10) return true;
            std::this_thread::yield();
        }
        return false;
    }

    static void Count(void* user, const char*) {
        auto& self = *static_cast<SteadyGrowth*>(user);
        const bool later = self.all_++ >= kFirstBlocks;
        if (gettid() != self.application_) return;
        ++self.by_application_;
        if (later) ++self.by_application_later_;
    }

    std::atomic<pid_t> application_ = 0;
    std::atomic<uint64_t> all_ = 0;
    std::atomic<uint64_t> by_application_ = 0;
    std::atomic<uint64_t> by_application_later_ = 0;
};

TEST_F(SteadyGrowth, TheApplicationsThreadDoesNotCallTheDriverAfterTheFirstFourBlocks) {
    bool steady = false;
    for (int attempt = 0; attempt < 10 && !steady; ++attempt)
        steady = Grow("on");
    ASSERT_TRUE(steady) << "the helper makes no block in advance, or the machine stands still";
    EXPECT_GT(all_, 20u);
    EXPECT_LE(by_application_, kFirstBlocks);
    EXPECT_EQ(by_application_later_, 0u);
}

TEST_F(SteadyGrowth, WithoutTheHelperItMakesEachBlockItself) {
    Grow("off");
    EXPECT_EQ(by_application_, all_);
    EXPECT_GT(by_application_later_, 5u);
}

}  // namespace
}  // namespace tessera::test
