// SPDX-License-Identifier: Apache-2.0
//
// A BlockSource that stands for a driver: it has as much memory as the test says, refuses what it
// is told to refuse, remembers what it was asked, and notices what a pool must never do.
//
// Threads: any; a lock of its own guards it. A gate, when closed, holds CreateBlock until opened.
#ifndef TESSERA_TESTS_UNIT_POOL_FAKE_SOURCE_H_
#define TESSERA_TESTS_UNIT_POOL_FAKE_SOURCE_H_

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "host_memory.h"
#include "layer/pool/block_source.h"

namespace tessera::pool {

class FakeSource final : public BlockSource {
 public:
    // What a block that lives now was made with.
    struct Made {
        ArenaKey key;
        BlockMemory memory;
    };

    ~FakeSource() { EXPECT_TRUE(live.empty()) << "blocks were not given back"; }

    BlockStatus CreateBlock(uint32_t type_index, const ArenaKey& key, uint64_t size_bytes,
                            BlockMemory* memory) noexcept override {
        const HostMemoryAmple ample;
        std::unique_lock<std::mutex> lock(mutex_);
        asked.push_back(size_bytes);
        ++waiting_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return !closed_; });
        --waiting_;
        EXPECT_EQ(type_index, kType);
        EXPECT_GT(size_bytes, 0u);
        if (const BlockStatus status = Decide(size_bytes); status != BlockStatus::kOk)
            return status;
        const uint64_t handle = ++last_handle_;
        // No byte of it is ever touched, so that any address will do that cannot be mistaken.
        std::byte* const host =
            host_visible ? reinterpret_cast<std::byte*>(uintptr_t(handle) << 32) : nullptr;
        *memory = BlockMemory{.handle = handle, .host = host, .size_bytes = size_bytes};
        live[handle] = Made{key, *memory};
        live_bytes += size_bytes;
        return BlockStatus::kOk;
    }

    void DestroyBlock(uint32_t type_index, const BlockMemory& memory) noexcept override {
        const HostMemoryAmple ample;
        const std::lock_guard<std::mutex> lock(mutex_);
        EXPECT_EQ(type_index, kType);
        EXPECT_EQ(live.erase(memory.handle), 1u) << "given back twice, or never made";
        live_bytes -= memory.size_bytes;
        destroyed.push_back(memory.size_bytes);
    }

    tessera_shard_counters* AddCounters(uint32_t) noexcept override {
        const std::lock_guard<std::mutex> lock(mutex_);
        return used_lines_ < lines.size() ? &lines[used_lines_++] : nullptr;
    }
    bool WantService() noexcept override {
        ++service_wanted;
        return has_helper;
    }
    bool has_helper = true;
    uint64_t NowMs() noexcept override { return now_ms; }

    // Makes each CreateBlock from now on wait until OpenGate.
    void CloseGate() {
        const std::lock_guard<std::mutex> lock(mutex_);
        closed_ = true;
    }
    void OpenGate() {
        const std::lock_guard<std::mutex> lock(mutex_);
        closed_ = false;
        changed_.notify_all();
    }
    // Returns once that many threads wait at the gate.
    void AwaitCallers(int count) {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this, count] { return waiting_ >= count; });
    }
    void AwaitCaller() { AwaitCallers(1); }

    static constexpr uint32_t kType = 7;

    // To be changed and read only while no other thread calls.
    std::deque<BlockStatus> script;        // what the next calls return, before all else
    uint64_t capacity_bytes = UINT64_MAX;  // kOutOfMemory beyond it
    size_t most_objects = SIZE_MAX;        // kObjectLimit beyond it
    bool host_visible = false;
    std::array<tessera_shard_counters, 8> lines{};  // the first is the pool's from its beginning
    std::atomic<uint64_t> service_wanted = 0;
    std::atomic<uint64_t> now_ms = 1;
    std::vector<uint64_t> asked;      // the size of each CreateBlock
    std::vector<uint64_t> destroyed;  // the size of each DestroyBlock
    std::map<uint64_t, Made> live;    // by handle
    uint64_t live_bytes = 0;

 private:
    BlockStatus Decide(uint64_t size_bytes) {
        if (!script.empty()) {
            const BlockStatus status = script.front();
            script.pop_front();
            return status;
        }
        if (live.size() >= most_objects) return BlockStatus::kObjectLimit;
        if (size_bytes > capacity_bytes - live_bytes) return BlockStatus::kOutOfMemory;
        return BlockStatus::kOk;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool closed_ = false;
    int waiting_ = 0;
    uint64_t last_handle_ = 0;
    size_t used_lines_ = 1;
};

}  // namespace tessera::pool

#endif  // TESSERA_TESTS_UNIT_POOL_FAKE_SOURCE_H_
