// SPDX-License-Identifier: Apache-2.0
//
// Numbers of call stacks: the same for the same way to a place, whoever takes it and whenever, and
// 0 where none can be taken.
#include "channel/call_stacks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "fake_extents.h"

namespace tessera::test {
namespace {

using testing::Contains;
using testing::Each;
using testing::SizeIs;

using CallStacks = RecordsTest;

// All frames: the test's own lie in the same file as the layer's.
__attribute__((noinline)) uint16_t Capture() {
    const volatile uint16_t number = channel::CaptureCallStackOutside(0, 0);
    return number;
}

// A number that the compiler does not know: a loop that it unrolled would be several places.
int Unknown(int number) {
    const volatile int unknown = number;
    return unknown;
}

std::vector<uint64_t> AddressesOf(uint16_t number) {
    const auto records = Records<tessera_stack_record>(TESSERA_KIND_STACKS, 0);
    if (number >= records.size() || records[number].depth > TESSERA_MAX_FRAMES) {
        ADD_FAILURE() << "no such stack: " << number;
        return {};
    }
    EXPECT_NE(records[number].sequence, 0u);
    EXPECT_EQ(records[number].sequence % 2, 0u);
    const uint64_t* const addresses = records[number].addresses;
    return {addresses, addresses + records[number].depth};
}

// Captures with `depth` frames of its own between the caller and the end.
__attribute__((noinline)) uint16_t CaptureAt(int depth) {
    const volatile uint16_t number = depth == 0 ? Capture() : CaptureAt(depth - 1);
    return number;
}

__attribute__((noinline)) uint16_t CaptureAndTell(uint64_t& returns_to) {
    returns_to =
        reinterpret_cast<uintptr_t>(__builtin_extract_return_addr(__builtin_return_address(0)));
    const volatile uint16_t number = Capture();
    return number;
}

TEST_F(CallStacks, OnePlaceHasOneNumberAndTwoHaveTwo) {
    std::vector<uint16_t> same;
    for (int i = Unknown(3); i > 0; --i)
        same.push_back(Capture());
    EXPECT_NE(same[0], 0);
    EXPECT_THAT(same, Each(same[0]));
    const uint16_t other = Capture();
    EXPECT_NE(other, 0);
    EXPECT_NE(other, same[0]);
}

TEST_F(CallStacks, AddressesAreWhereCallsReturnTo) {
    uint64_t returns_to = 0;
    const uint16_t number = CaptureAndTell(returns_to);
    EXPECT_THAT(AddressesOf(number), Contains(returns_to));
}

TEST_F(CallStacks, StackZeroIsNotInUse) {
    EXPECT_EQ(Capture(), 1);
    EXPECT_EQ(Records<tessera_stack_record>(TESSERA_KIND_STACKS, 0).at(0).depth, 0u);
}

TEST_F(CallStacks, DeepStacksAreCutAtTheirOuterEnd) {
    const std::vector<uint64_t> cut = AddressesOf(CaptureAt(50));
    EXPECT_THAT(cut, SizeIs(TESSERA_MAX_FRAMES));
    // What recursion repeats is one address.
    EXPECT_EQ(cut[TESSERA_MAX_FRAMES - 1], cut[TESSERA_MAX_FRAMES - 2]);
    const std::vector<uint64_t> whole = AddressesOf(CaptureAt(3));
    EXPECT_EQ(AddressesOf(CaptureAt(4)).size(), whole.size() + 1);
}

TEST_F(CallStacks, OwnFramesAreLeftOutAtTheInnerEndOnly) {
    extern const char program_start __asm__("__executable_start");
    extern const char program_end __asm__("_end");
    const auto start = reinterpret_cast<uintptr_t>(&program_start);
    const auto end = reinterpret_cast<uintptr_t>(&program_end);
    const uint16_t number = channel::CaptureCallStackOutside(start, end);
    ASSERT_NE(number, 0) << "what calls main() lies outside";
    EXPECT_TRUE(AddressesOf(number)[0] < start || AddressesOf(number)[0] >= end);
    // As the layer does it, whose code is the program's here.
    EXPECT_EQ(channel::CaptureCallStack(), number);
}

TEST_F(CallStacks, WithoutRoomThereIsNoNumberUntilThereIsRoom) {
    SetRoom(0);
    std::vector<uint16_t> numbers;
    for (int i = 0; i < 100; ++i)
        numbers.push_back(Capture());
    EXPECT_THAT(numbers, Each(0));
    EXPECT_LT(TimesAsked(), 300u) << "a system call for each capture would be too many";
    SetRoom(kAmpleRoom);
    uint16_t number = 0;
    for (int i = 0; i < 200 && number == 0; ++i)
        number = Capture();
    EXPECT_EQ(number, 1);
}

// Ways through a tree of calls: the leaves have as many stacks.
class Tree {
 public:
    static constexpr int kHeight = 17;
    static_assert(1u << kHeight > channel::kMaxStacks);
    const std::vector<uint16_t>& numbers() const { return numbers_; }

    __attribute__((noinline)) int Visit(int height) {
        if (height == 0) {
            numbers_.push_back(Capture());
            return 1;
        }
        const volatile int left = Visit(height - 1);
        const volatile int right = Visit(height - 1);
        return left + right;
    }

 private:
    std::vector<uint16_t> numbers_;
};

TEST_F(CallStacks, BeyondTheLastOneThereIsNoNumberButKnownOnesAreFound) {
    std::vector<Tree> trees(2);
    for (int i = Unknown(2); i > 0; --i)
        trees[static_cast<size_t>(2 - i)].Visit(Tree::kHeight);
    const std::vector<uint16_t>& all = trees[0].numbers();
    constexpr size_t kFull = channel::kMaxStacks - 1;
    for (size_t i = 0; i < kFull; ++i)
        ASSERT_EQ(all[i], i + 1) << "each way is another";
    EXPECT_THAT(std::vector<uint16_t>(all.begin() + kFull, all.end()), Each(0));
    EXPECT_EQ(trees[1].numbers(), all);
    EXPECT_THAT(Records<tessera_stack_record>(TESSERA_KIND_STACKS, 0), SizeIs(channel::kMaxStacks));
}

TEST_F(CallStacks, NumbersStayWhenTheLayerComesBack) {
    std::set<uint16_t> numbers;
    std::vector<uint16_t> rounds[2];
    for (int i = Unknown(2); i > 0; --i) {
        std::vector<uint16_t>& round = rounds[2 - i];
        for (int depth = 0; depth < Unknown(20); ++depth)
            round.push_back(CaptureAt(depth));
        numbers.insert(round.begin(), round.end());
        Reload();
    }
    EXPECT_THAT(numbers, SizeIs(20));
    EXPECT_EQ(rounds[0], rounds[1]);
    EXPECT_EQ(Capture(), 21) << "new ones follow";
}

TEST_F(CallStacks, LeftoversThatMakeNoSenseAreOfNoUse) {
    EXPECT_EQ(Capture(), 1);
    const auto extents = ExtentsOf(TESSERA_KIND_STACKS, 0);
    ASSERT_THAT(extents, SizeIs(1));
    auto* const records = static_cast<tessera_stack_record*>(extents[0].start);
    records[1].depth = ~uint64_t{0};
    Reload();
    EXPECT_EQ(Capture(), 2);
}

TEST_F(CallStacks, InAnotherSegmentNumbersBeginAnew) {
    CaptureAt(1);
    CaptureAt(2);
    Renew();
    EXPECT_EQ(CaptureAt(3), 1);
    EXPECT_THAT(AddressesOf(1), testing::Not(testing::IsEmpty()));
}

TEST_F(CallStacks, WhoCapturesWhileACaptureIsOnItsWayGetsNone) {
    int inner = 0;
    SetMeanwhile([&inner] {
        EXPECT_EQ(Capture(), 0);
        ++inner;
    });
    EXPECT_NE(Capture(), 0);
    EXPECT_GT(inner, 0) << "an extent was asked for, so that this means something";
    SetMeanwhile({});
    EXPECT_NE(Capture(), 0) << "afterwards all is as before";
}

TEST_F(CallStacks, ThreadsAgreeOnTheNumberOfEachStack) {
    constexpr int kThreads = 8;
    constexpr int kDepths = 20;
    std::atomic<int> waiting = kThreads;
    std::vector<std::vector<uint16_t>> numbers(kThreads);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
            --waiting;
            while (waiting != 0)
                std::this_thread::yield();
            for (int round = 0; round < Unknown(20); ++round)
                for (int depth = 0; depth < Unknown(kDepths); ++depth)
                    numbers[static_cast<size_t>(i)].push_back(CaptureAt(depth));
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_THAT(numbers, Each(numbers[0]));
    EXPECT_THAT(std::set<uint16_t>(numbers[0].begin(), numbers[0].end()), SizeIs(kDepths));
}

TEST_F(CallStacks, AForkedChildNeedsNoThreadOfItsParent) {
    std::atomic<bool> stop = false;
    std::thread busy([&] {
        for (int depth = 0; !stop; depth = (depth + 1) % 40) {
            if (depth == 0) Reload();
            CaptureAt(depth);
        }
    });
    for (int i = 0; i < 30; ++i) {
        InForkedChild([] {
            RenewInChild();
            EXPECT_EQ(Capture(), 1);
            EXPECT_THAT(AddressesOf(1), testing::Not(testing::IsEmpty()));
        });
    }
    stop = true;
    busy.join();
}

}  // namespace
}  // namespace tessera::test
