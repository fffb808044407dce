// SPDX-License-Identifier: Apache-2.0
//
// Images that are bound to their memory by vkQueueBindSparse.
//
// Each still has one allocation of its own, of the size that the driver asks for. An opaque image
// is bound in one range. A tiled one is bound tile by tile, from the last to the first so that
// memory and image run against each other, and its mip tail as a range: a wrong offset in any of
// the three kinds of bind shows in the content. Belongs to one thread, as the queue does.
#ifndef TESSERA_TESTS_APPS_NAIVE_SCENE_SPARSE_IMAGE_H_
#define TESSERA_TESTS_APPS_NAIVE_SCENE_SPARSE_IMAGE_H_

#include <vulkan/vulkan.h>

#include "common/device.h"
#include "naive_scene/memory.h"

namespace apps {

/// The create flags of an image that is to be bound as `binding` says; 0 where the device cannot
/// make such a one, or for Binding::kPlain. `info` is complete but for its flags.
VkImageCreateFlags SparseFlags(const Device& device, const VkImageCreateInfo& info,
                               Binding binding);

/// Binds all of an image with SparseFlags() != 0 to `memory`, which has requirements.size bytes,
/// and waits for the queue. Throws Failure when the device refuses.
void BindSparsely(const Device& device, VkImage image, const VkImageCreateInfo& info,
                  const VkMemoryRequirements& requirements, VkDeviceMemory memory);

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_NAIVE_SCENE_SPARSE_IMAGE_H_
