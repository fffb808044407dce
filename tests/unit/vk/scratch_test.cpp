// SPDX-License-Identifier: Apache-2.0
//
// Room for copies of an application's arrays: in place, on the heap, and not to be had.

#include "layer/vk/scratch.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <new>

namespace tessera {
namespace {

template <typename T>
bool LiesInside(const T* inner, const void* outer, size_t size) {
    const auto* begin = static_cast<const std::byte*>(outer);
    const auto* at = reinterpret_cast<const std::byte*>(inner);
    return !std::less<>()(at, begin) && std::less<>()(at, begin + size);
}

TEST(Scratch, NothingIsRoomEnoughForNothing) {
    Scratch<int, 4> scratch(0);
    EXPECT_NE(scratch.data(), nullptr);
}

TEST(Scratch, AFewElementsLieInPlace) {
    Scratch<int, 4> scratch(4);
    ASSERT_NE(scratch.data(), nullptr);
    EXPECT_TRUE(LiesInside(scratch.data(), &scratch, sizeof scratch));
    for (int i = 0; i < 4; ++i)
        scratch[static_cast<size_t>(i)] = i;
    EXPECT_EQ(scratch.data()[3], 3);
}

TEST(Scratch, MoreElementsLieOnTheHeap) {
    Scratch<int, 4> scratch(1000);
    ASSERT_NE(scratch.data(), nullptr);
    EXPECT_FALSE(LiesInside(scratch.data(), &scratch, sizeof scratch));
    for (int i = 0; i < 1000; ++i)
        scratch[static_cast<size_t>(i)] = i;
    EXPECT_EQ(scratch.data()[0], 0);
    EXPECT_EQ(scratch.data()[999], 999);
}

// An element that the heap has no room for.
struct Homeless {
    int value;
    static void* operator new[](size_t, const std::nothrow_t&) noexcept { return nullptr; }
    static void operator delete[](void* memory) { ::operator delete[](memory); }
};

TEST(Scratch, WithoutMemoryThereIsNoDataAndNoException) {
    Scratch<Homeless, 4> on_heap(5);
    EXPECT_EQ(on_heap.data(), nullptr);
    Scratch<Homeless, 4> in_place(4);
    EXPECT_NE(in_place.data(), nullptr);
}

}  // namespace
}  // namespace tessera
