// SPDX-License-Identifier: Apache-2.0
//
// Which name a typing error is taken for, and which words are taken for none.
#include "layer/base/nearest.h"

#include <gtest/gtest.h>

#include <string>

namespace tessera {
namespace {

constexpr std::string_view kNames[] = {"run", "ps", "stat", "leaks", "level", "record"};

TEST(TypingErrors, CountsEachKindOnce) {
    EXPECT_EQ(TypingErrors("mode", "mode"), 0u);
    EXPECT_EQ(TypingErrors("modes", "mode"), 1u);
    EXPECT_EQ(TypingErrors("mde", "mode"), 1u);
    EXPECT_EQ(TypingErrors("mude", "mode"), 1u);
    EXPECT_EQ(TypingErrors("moed", "mode"), 1u);
    EXPECT_EQ(TypingErrors("omed", "mode"), 2u);
    EXPECT_EQ(TypingErrors("", "mode"), 4u);
    EXPECT_EQ(TypingErrors(std::string(kLongestNearName, 'a'), std::string(kLongestNearName, 'b')),
              kLongestNearName);
}

TEST(NearestName, IsTheOneWithTheFewestTypingErrors) {
    EXPECT_EQ(NearestName("runn", kNames), "run");
    EXPECT_EQ(NearestName("stats", kNames), "stat");
    EXPECT_EQ(NearestName("lekas", kNames), "leaks");
    EXPECT_EQ(NearestName("rceodr", kNames), "record");
    EXPECT_EQ(NearestName("run", kNames), "run");
}

TEST(NearestName, IsNoneWhereMuchDiffersOrTheWordIsTooLong) {
    EXPECT_EQ(NearestName("", kNames), "");
    EXPECT_EQ(NearestName("dance", kNames), "");
    EXPECT_EQ(NearestName("p", kNames), "");
    EXPECT_EQ(NearestName(std::string(10'000, 'r'), kNames), "");
    EXPECT_EQ(NearestName("run", {}), "");
    const std::string long_name(kLongestNearName + 1, 'a');
    const std::string_view names[] = {long_name};
    EXPECT_EQ(NearestName(long_name.substr(1), names), "");
}

}  // namespace
}  // namespace tessera
