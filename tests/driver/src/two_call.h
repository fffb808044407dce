// SPDX-License-Identifier: Apache-2.0
//
// The two-call idiom of Vulkan's array queries, once: ask with a null array for the number, then
// with an array for up to that many elements. Stateless, any thread.
#ifndef TESSERA_TESTS_DRIVER_TWO_CALL_H
#define TESSERA_TESTS_DRIVER_TWO_CALL_H

#include <vulkan/vulkan_core.h>

#include <algorithm>

namespace tessera::mock {

// Answers such a query over `total` elements. `fill(element, index)` writes one element and leaves
// its sType and pNext alone. Returns VK_INCOMPLETE if the array is too short, else VK_SUCCESS.
template <class T, class Fill>
VkResult FillArray(size_t total, uint32_t* count, T* out, Fill fill) {
    const auto all = static_cast<uint32_t>(total);
    if (out == nullptr) {
        *count = all;
        return VK_SUCCESS;
    }
    *count = std::min(*count, all);
    for (uint32_t i = 0; i < *count; ++i)
        fill(out[i], i);
    return *count < all ? VK_INCOMPLETE : VK_SUCCESS;
}

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_TWO_CALL_H
