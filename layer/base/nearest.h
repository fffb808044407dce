// SPDX-License-Identifier: Apache-2.0
//
// Which of a few names was probably meant by a word that is none of them.
//
// The one idea: a typing error is a character too much, a character missing, another character, or
// two neighbours exchanged; the name that the fewest of these make of the word is the nearest, if
// they are few for a word of that length.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace tessera {

// Names and words that are longer than this are near to nothing.
inline constexpr size_t kLongestNearName = 32;

// How many typing errors lead from one text to the other (optimal string alignment: no character
// takes part in two of them). Requires: both are at most kLongestNearName long.
size_t TypingErrors(std::string_view a, std::string_view b) noexcept;

// Returns: the nearest of `names`, the first of several; empty if that takes more than one typing
// error for each three characters of the longer text, or `word` is empty.
std::string_view NearestName(std::string_view word,
                             std::span<const std::string_view> names) noexcept;

}  // namespace tessera
