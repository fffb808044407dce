// SPDX-License-Identifier: Apache-2.0
//
// The set of live images with linear tiling.

#include "layer/vk/linear_images.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace tessera {
namespace {

VkImage Image(uint64_t value) {
    return (VkImage)value;  // NOLINT: a pointer on 64-bit systems, an integer on 32-bit ones
}

TEST(LinearImages, AnImageThatWasNeverNotedIsNotLinear) {
    LinearImages images;
    EXPECT_FALSE(images.Contains(Image(1)));
    images.Add(Image(2));
    EXPECT_FALSE(images.Contains(Image(1)));
    EXPECT_FALSE(images.Contains(VK_NULL_HANDLE));
}

TEST(LinearImages, AnImageIsLinearFromItsCreationToItsEnd) {
    LinearImages images;
    for (uint64_t i = 1; i <= 3; ++i)
        images.Add(Image(i));
    images.Remove(Image(1));
    EXPECT_FALSE(images.Contains(Image(1)));
    EXPECT_TRUE(images.Contains(Image(2)));
    EXPECT_TRUE(images.Contains(Image(3)));
    images.Remove(Image(3));
    images.Remove(Image(2));
    EXPECT_FALSE(images.Contains(Image(2)));
}

TEST(LinearImages, RemovingWhatIsNotThereChangesNothing) {
    LinearImages images;
    images.Remove(Image(1));
    images.Add(Image(2));
    images.Remove(Image(1));
    images.Remove(VK_NULL_HANDLE);
    EXPECT_TRUE(images.Contains(Image(2)));
}

TEST(LinearImages, AHandleThatTheDriverUsesAgainIsWhatItsNewImageIs) {
    LinearImages images;
    images.Add(Image(7));
    images.Remove(Image(7));
    EXPECT_FALSE(images.Contains(Image(7)));
    images.Add(Image(7));
    EXPECT_TRUE(images.Contains(Image(7)));
}

TEST(LinearImages, EachThreadFindsItsOwnImagesWhileOthersComeAndGo) {
    LinearImages images;
    std::atomic<int> errors = 0;
    std::vector<std::thread> threads;
    for (uint64_t thread = 1; thread <= 4; ++thread) {
        threads.emplace_back([&, thread] {
            for (uint64_t i = 0; i < 5000; ++i) {
                const VkImage image = Image(thread << 32 | i);
                images.Add(image);
                if (!images.Contains(image)) ++errors;
                images.Remove(image);
                if (images.Contains(image)) ++errors;
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(errors.load(), 0);
}

}  // namespace
}  // namespace tessera
