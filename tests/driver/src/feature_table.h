// SPDX-License-Identifier: Apache-2.0
//
// Features by the name of their structure member, wherever that member lives: one name may appear
// in an extension's structure and in VkPhysicalDeviceVulkan1xFeatures. A feature that is not in the
// table cannot be described, reported or enabled. Stateless, any thread.
#ifndef TESSERA_TESTS_DRIVER_FEATURE_TABLE_H
#define TESSERA_TESTS_DRIVER_FEATURE_TABLE_H

#include <vulkan/vulkan_core.h>

#include <set>
#include <string>

namespace tessera::mock {

// Fills a VkPhysicalDeviceFeatures.
void WriteCoreFeatures(const std::set<std::string>& supported, VkPhysicalDeviceFeatures* out);

// Fills every feature structure of an output chain that the table knows; all other members of these
// become VK_FALSE. Structures that the table does not know are left alone, as drivers do.
void WriteFeatureChain(const std::set<std::string>& supported, void* chain);

// Collects the names of the features that a VkDeviceCreateInfo enables. A requested feature that is
// not supported is put into *missing (the first one).
std::set<std::string> ReadEnabledFeatures(const VkDeviceCreateInfo& info,
                                          const std::set<std::string>& supported,
                                          std::string* missing);

// Whether the table has a feature of this name.
bool IsKnownFeature(const std::string& name);

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_FEATURE_TABLE_H
