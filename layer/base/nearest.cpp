// SPDX-License-Identifier: Apache-2.0
//
// See nearest.h.
#include "layer/base/nearest.h"

#include <algorithm>
#include <array>

namespace tessera {

size_t TypingErrors(std::string_view a, std::string_view b) noexcept {
    // errors[i][j]: from the first i characters of a to the first j of b.
    std::array<std::array<size_t, kLongestNearName + 1>, kLongestNearName + 1> errors;
    for (size_t i = 0; i <= a.size(); ++i) {
        for (size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                errors[i][j] = i + j;
                continue;
            }
            const bool differ = a[i - 1] != b[j - 1];
            errors[i][j] = std::min({errors[i - 1][j] + 1, errors[i][j - 1] + 1,
                                     errors[i - 1][j - 1] + (differ ? 1 : 0)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                errors[i][j] = std::min(errors[i][j], errors[i - 2][j - 2] + 1);
        }
    }
    return errors[a.size()][b.size()];
}

std::string_view NearestName(std::string_view word,
                             std::span<const std::string_view> names) noexcept {
    std::string_view nearest;
    size_t fewest = kLongestNearName;
    if (word.empty() || word.size() > kLongestNearName) return nearest;
    for (const std::string_view name : names) {
        if (name.size() > kLongestNearName) continue;
        const size_t errors = TypingErrors(word, name);
        if (errors >= fewest || errors * 3 > std::max(word.size(), name.size())) continue;
        nearest = name;
        fewest = errors;
    }
    return nearest;
}

}  // namespace tessera
