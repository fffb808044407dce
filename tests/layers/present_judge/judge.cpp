// SPDX-License-Identifier: Apache-2.0
//
// What the judge knows of one device: see judge.h.
//
// Lines of several devices go to one file. Each is written by one append of a whole line.
#include "present_judge/judge.h"

#include <vulkan/vk_enum_string_helper.h>

#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <span>

namespace present_judge {
namespace {

std::atomic<uint64_t> g_next_index = 0;

void WriteLine(const SwapchainShape& shape, const std::optional<uint64_t>& hash) {
    const uint64_t index = g_next_index++;
    // Counted even if it is not written, so that an index always means the same picture.
    const char* path = std::getenv("PRESENT_JUDGE_FILE");
    if (path == nullptr) return;
    std::FILE* file = std::fopen(path, "ae");
    if (file == nullptr) {
        std::fprintf(stderr, "present_judge: cannot append to %s\n", path);
        return;
    }
    char text[17] = "unreadable";
    if (hash) std::snprintf(text, sizeof(text), "%016" PRIx64, *hash);
    std::fprintf(file, "present %" PRIu64 " %" PRIu32 "x%" PRIu32 " %s %s\n", index,
                 shape.extent.width, shape.extent.height, string_VkFormat(shape.format), text);
    std::fclose(file);
}

}  // namespace

void Judge::AddQueue(VkQueue queue, uint32_t family) {
    const std::lock_guard lock(mutex_);
    families_[queue] = family;
}

void Judge::AddSwapchain(VkSwapchainKHR swapchain, const SwapchainShape& shape) {
    const std::lock_guard lock(mutex_);
    swapchains_[swapchain] = std::make_unique<SwapchainReader>(device_, swapchain, shape);
}

void Judge::RemoveSwapchain(VkSwapchainKHR swapchain) {
    const std::lock_guard lock(mutex_);
    swapchains_.erase(swapchain);
}

bool Judge::Observe(VkQueue queue, const VkPresentInfoKHR& present) {
    const std::lock_guard lock(mutex_);
    bool consumed = false;
    const auto family = families_.find(queue);
    for (uint32_t index = 0; index < present.swapchainCount; ++index) {
        const auto swapchain = swapchains_.find(present.pSwapchains[index]);
        // A shared swapchain, or a queue that was fetched in a way we do not know: say so, never
        // guess.
        if (swapchain == swapchains_.end() || family == families_.end()) {
            WriteLine({}, std::nullopt);
            continue;
        }
        std::span<const VkSemaphore> semaphores;
        // The present waits once for all of its images: the first submission does it for the
        // others, which follow it on the same queue.
        if (!consumed) semaphores = {present.pWaitSemaphores, present.waitSemaphoreCount};
        SwapchainReader& reader = *swapchain->second;
        const auto hash =
            reader.Hash(queue, family->second, present.pImageIndices[index], semaphores, consumed);
        WriteLine(reader.shape(), hash);
    }
    return consumed;
}

}  // namespace present_judge
