// SPDX-License-Identifier: Apache-2.0
//
// Memory requirements: pure functions of a description and a create info, so that the queries with
// and without an object cannot disagree. They keep the promises that the specification makes about
// them: the same alignment for equal usage, a multiple of the offset alignments that the usage
// implies, sizes that follow from the create info alone. Any thread.
#ifndef TESSERA_TESTS_DRIVER_REQUIREMENTS_H
#define TESSERA_TESTS_DRIVER_REQUIREMENTS_H

#include <vulkan/vulkan_core.h>

#include <vector>

#include "description.h"
#include "formats.h"

namespace tessera::mock {

VkMemoryRequirements BufferRequirements(const Description& description,
                                        const VkBufferCreateInfo& info);

// Requirements of a whole image, all planes one after the other.
VkMemoryRequirements ImageRequirements(const Description& description,
                                       const VkImageCreateInfo& info, const Format& format);

// Requirements of one plane of a disjoint image.
VkMemoryRequirements PlaneRequirements(const Description& description,
                                       const VkImageCreateInfo& info, const Format& format,
                                       uint32_t plane);

// Where a plane starts in the bytes of an image that is not disjoint.
VkDeviceSize PlaneOffset(const VkImageCreateInfo& info, const Format& format, uint32_t plane);

// Returns what vkGetImageSparseMemoryRequirements says: empty unless the image has sparse
// residency.
std::vector<VkSparseImageMemoryRequirements> SparseRequirements(const VkImageCreateInfo& info,
                                                                const Format& format);

// Fills a VkMemoryDedicatedRequirements in the chain of an answer, if there is one.
void AnswerDedicated(const Description& description, bool optimal_image, VkDeviceSize size_bytes,
                     void* chain);

// Whether a resource must have an allocation of its own.
bool RequiresDedicated(const Description& description, bool optimal_image);

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_REQUIREMENTS_H
