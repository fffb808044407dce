// SPDX-License-Identifier: Apache-2.0
//
// What the layer below (below.h) and the tests share: which commands can be tapped, the taps, and
// the next entity's commands. The layer holds the only copy.
//
// Threads: see below.h.

#ifndef TESSERA_TESTS_LAYER_BELOW_STATE_H_
#define TESSERA_TESTS_LAYER_BELOW_STATE_H_

#include <vulkan/vulkan.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <type_traits>

#include "src/late_vulkan.h"

namespace tessera::test {

// Commands that a test may tap. The next entity's own are known from the creation of the instance
// or the device on; those of the first list when the tap runs.
#define TESSERA_BELOW_CREATION(X) \
    X(CreateInstance)             \
    X(CreateDevice)
#define TESSERA_BELOW_INSTANCE(X)         \
    X(DebugReportMessageEXT)              \
    X(EnumerateDeviceExtensionProperties) \
    X(GetPhysicalDeviceMemoryProperties2)
#define TESSERA_BELOW_DEVICE(X)              \
    X(AllocateMemory)                        \
    X(BindAccelerationStructureMemoryNV)     \
    X(BindBufferMemory)                      \
    X(BindBufferMemory2)                     \
    X(BindDataGraphPipelineSessionMemoryARM) \
    X(BindImageMemory)                       \
    X(BindImageMemory2)                      \
    X(BindTensorMemoryARM)                   \
    X(BindVideoSessionMemoryKHR)             \
    X(ExportMetalObjectsEXT)                 \
    X(FlushMappedMemoryRanges)               \
    X(GetBufferMemoryRequirements)           \
    X(GetBufferMemoryRequirements2)          \
    X(GetDeviceBufferMemoryRequirements)     \
    X(GetDeviceImageMemoryRequirements)      \
    X(GetImageMemoryRequirements)            \
    X(GetImageMemoryRequirements2)           \
    X(InvalidateMappedMemoryRanges)          \
    X(QueueBindSparse)

// What one copy of the layer holds.
struct Below {
    struct TapTable {
#define TESSERA_BELOW_TAP(name) std::function<std::remove_pointer_t<PFN_vk##name>> name;
        TESSERA_BELOW_CREATION(TESSERA_BELOW_TAP)
        TESSERA_BELOW_INSTANCE(TESSERA_BELOW_TAP)
        TESSERA_BELOW_DEVICE(TESSERA_BELOW_TAP)
#undef TESSERA_BELOW_TAP
    } taps;
    struct NextTable {
#define TESSERA_BELOW_NEXT(name) PFN_vk##name name = nullptr;
        TESSERA_BELOW_CREATION(TESSERA_BELOW_NEXT)
        TESSERA_BELOW_INSTANCE(TESSERA_BELOW_NEXT)
        TESSERA_BELOW_DEVICE(TESSERA_BELOW_NEXT)
#undef TESSERA_BELOW_NEXT
    } next;
    // Device commands that vkGetDeviceProcAddr answers with these functions, whether the driver has
    // them or not, and those that it answers with null.
    std::map<std::string, PFN_vkVoidFunction> offered;
    std::set<std::string> hidden;
    // Names that the entity above asked for without an instance.
    std::set<std::string> asked_without_instance;
};

}  // namespace tessera::test

#endif  // TESSERA_TESTS_LAYER_BELOW_STATE_H_
