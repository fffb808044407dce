// SPDX-License-Identifier: Apache-2.0
//
// Random operations on a RangeIndex beside a model that is too simple to be wrong: an ordered map
// of the taken ranges of each block. Where both must agree they are compared after each operation;
// what the index may choose freely is checked against its promises.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <vector>

#include "layer/pool/range_index.h"

namespace tessera::pool {
namespace {

// How many operations a fuzz test does; TESSERA_TEST_OPERATIONS asks for more.
uint64_t Operations(uint64_t usual) {
    const char* const wanted = std::getenv("TESSERA_TEST_OPERATIONS");
    return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : usual;
}

// A block of the model: its size and its taken ranges by offset.
struct ModelBlock {
    uint32_t size = 0;
    std::map<uint32_t, uint32_t> taken;

    // The sizes of its free ranges.
    std::vector<uint32_t> FreeSizes() const {
        std::vector<uint32_t> sizes;
        uint32_t end = 0;
        for (const auto& [offset, length] : taken) {
            if (offset > end) sizes.push_back(offset - end);
            end = offset + length;
        }
        if (size > end) sizes.push_back(size - end);
        return sizes;
    }
};

class Fuzz {
 public:
    Fuzz(uint32_t seed, bool with_rest) : random_(seed), with_rest_(with_rest) {}

    void Run(uint64_t operations) {
        for (uint64_t i = 0; i < operations && !testing::Test::HasFatalFailure(); ++i) {
            // Phases of growth and of shrinking, so that blocks fill up and drain.
            const uint32_t pressure = i / 500 % 2 == 0 ? 60 : 35;
            const uint32_t dice = Below(100);
            if (dice < 2 || blocks_.empty()) {
                AddBlock();
            } else if (dice < 4) {
                RemoveEmptyBlock();
            } else if (dice < 5 && with_rest_) {
                RestBlock();
            } else if (dice < pressure) {
                Take();
            } else if (!live_.empty()) {
                Release();
            }
            if (i % 16 == 0) Compare();
        }
        Drain();
    }

 private:
    uint32_t Below(uint32_t limit) { return static_cast<uint32_t>(random_() % limit); }
    uint32_t LogUniform(uint32_t bits) { return 1 + Below(1u << (1 + Below(bits))); }

    void AddBlock() {
        if (blocks_.size() >= 8) return;
        const uint32_t name = next_block_++;
        const uint32_t size = 100 + LogUniform(13);
        ASSERT_TRUE(index_.ReserveBlock(name));
        whole_[name] = index_.AddBlock(name, Units(size));
        blocks_[name].size = size;
    }

    void RemoveEmptyBlock() {
        if (whole_.empty()) return;
        const auto chosen = std::next(whole_.begin(), Below(static_cast<uint32_t>(whole_.size())));
        index_.RemoveBlock(chosen->second);
        blocks_.erase(chosen->first);
        whole_.erase(chosen);
    }

    void RestBlock() {
        const auto chosen =
            std::next(blocks_.begin(), Below(static_cast<uint32_t>(blocks_.size())));
        index_.Rest(chosen->first);
    }

    void Take() {
        const uint32_t size = LogUniform(10);
        const uint32_t alignment = Below(3) == 0 ? 1u << Below(12) : 1;
        uint32_t largest_in_use = 0;
        uint32_t largest_empty = 0;
        for (const auto& [name, block] : blocks_) {
            for (const uint32_t free : block.FreeSizes()) {
                uint32_t& largest = block.taken.empty() ? largest_empty : largest_in_use;
                largest = std::max(largest, free);
            }
        }
        const uint32_t bin = FittingBin(uint64_t{size} + alignment - 1);
        const auto promised = [&](uint32_t free) {
            return bin < kNoBin && free >= FloorOf(bin).Count();
        };

        ASSERT_TRUE(index_.Reserve());
        const NodeId node = index_.Take(Units(size), alignment);
        if (node == kNoNode) {
            ASSERT_FALSE(promised(largest_in_use)) << size << " at " << alignment;
            ASSERT_FALSE(promised(largest_empty)) << size << " at " << alignment;
            return;
        }
        const Node& range = index_.Look(node);
        ASSERT_EQ(range.size.Count(), size);
        ASSERT_EQ(range.offset.Count() % alignment, 0u);
        ModelBlock& block = blocks_.at(range.block);
        ASSERT_FALSE(!with_rest_ && promised(largest_in_use) && block.taken.empty())
            << "an empty block was begun without need";
        Insert(block, range.offset.Count(), size);
        whole_.erase(range.block);
        live_.push_back(node);
    }

    // Adds a taken range to the model, which must not touch another.
    void Insert(ModelBlock& block, uint32_t offset, uint32_t size) {
        ASSERT_LE(uint64_t{offset} + size, block.size);
        const auto after = block.taken.lower_bound(offset);
        ASSERT_TRUE(after == block.taken.end() || offset + size <= after->first);
        if (after != block.taken.begin()) {
            const auto before = std::prev(after);
            ASSERT_LE(before->first + before->second, offset);
        }
        block.taken[offset] = size;
    }

    void Release() {
        std::swap(live_[Below(static_cast<uint32_t>(live_.size()))], live_.back());
        const NodeId node = live_.back();
        live_.pop_back();
        const uint32_t name = index_.Look(node).block;
        ModelBlock& block = blocks_.at(name);
        block.taken.erase(index_.Look(node).offset.Count());
        const NodeId merged = index_.Release(node);
        ASSERT_EQ(index_.IsWholeBlock(merged), block.taken.empty());
        if (block.taken.empty()) whole_[name] = merged;
    }

    void Compare() {
        ASSERT_TRUE(index_.CheckInvariants());
        uint64_t free = 0;
        std::vector<uint32_t> sizes{0};
        for (const auto& [name, block] : blocks_) {
            for (const uint32_t size : block.FreeSizes()) {
                free += size;
                sizes.push_back(size);
            }
        }
        ASSERT_EQ(index_.FreeUnits(), free);
        const uint32_t largest = *std::max_element(sizes.begin(), sizes.end());
        ASSERT_LE(index_.LargestFree().Count(), largest);
        ASSERT_GE(index_.LargestFree().Count(), largest - largest / 32);
        ASSERT_NE(std::find(sizes.begin(), sizes.end(), index_.LargestFree().Count()), sizes.end());
    }

    void Drain() {
        while (!live_.empty())
            Release();
        Compare();
        while (!whole_.empty())
            RemoveEmptyBlock();
        ASSERT_TRUE(blocks_.empty());
        ASSERT_EQ(index_.FreeUnits(), 0u);
    }

    std::mt19937 random_;
    const bool with_rest_;
    RangeIndex index_;
    std::map<uint32_t, ModelBlock> blocks_;
    std::map<uint32_t, NodeId> whole_;  // the empty blocks
    std::vector<NodeId> live_;
    uint32_t next_block_ = 0;
};

void RunSeeds(bool with_rest) {
    const uint64_t operations = Operations(15000);
    for (uint32_t seed = 1; seed <= 3 && !testing::Test::HasFatalFailure(); ++seed) {
        SCOPED_TRACE(seed);
        Fuzz(seed, with_rest).Run(operations);
    }
}

TEST(RangeIndexFuzz, AgreesWithAModel) {
    RunSeeds(false);
}

TEST(RangeIndexFuzz, AgreesWithAModelWhileBlocksAreMadeToRest) {
    RunSeeds(true);
}

}  // namespace
}  // namespace tessera::pool
