// SPDX-License-Identifier: Apache-2.0
//
// The layer's versions of Vulkan commands, one file per topic beside this one. They keep the
// command's name without its prefix and the parameters' spelling of the specification.
//
// A command that has an alias is a template over the entry of the dispatch table by which it goes
// down: the same name by which it was called.

#ifndef TESSERA_LAYER_VK_INTERCEPT_HOOKS_H_
#define TESSERA_LAYER_VK_INTERCEPT_HOOKS_H_

#include <vulkan/vulkan.h>

#include <cstddef>
#include <cstdint>

#include "layer/vk/late_vulkan.h"

namespace tessera {

// One command that the layer answers for.
struct Hook {
    const char* name;
    uint32_t hash;  // of the name, so that a search compares strings only on a hit
    PFN_vkVoidFunction function;
};

// FNV-1a.
constexpr uint32_t HashName(const char* name) noexcept {
    uint32_t hash = 2166136261u;
    for (; *name != '\0'; ++name)
        hash = (hash ^ static_cast<uint8_t>(*name)) * 16777619u;
    return hash;
}

class Device;

// The hooks of one topic. Each intercept file defines its own list; proc_addr.cpp searches them.
struct HookList {
    const Hook* hooks;
    size_t count;
    // If set, only devices of which this is true have these hooks.
    bool Device::*only_if = nullptr;
};

// Commands of a device. All of them are hooked on a device that pools, but for those of a list that
// says for which devices it is, and the observed ones: those are for readers alone.
HookList AllocateHooks() noexcept;
HookList BindHooks() noexcept;
HookList ExportHooks() noexcept;
HookList KeyedMutexHooks() noexcept;
HookList MapHooks() noexcept;
HookList NamingHooks() noexcept;
HookList ObservedHooks() noexcept;
HookList PrivateDataHooks() noexcept;
HookList QueryHooks() noexcept;
HookList RequirementHooks() noexcept;
HookList SparseHooks() noexcept;
HookList TileMemoryHooks() noexcept;

// Commands of an instance, of a physical device (those that make devices among them), and the end
// of a device.
HookList InstanceHooks() noexcept;
HookList MessageHooks() noexcept;
HookList PhysicalDeviceHooks() noexcept;
HookList ToolHooks() noexcept;
HookList DeviceLifecycleHooks() noexcept;
HookList DeviceEndHooks() noexcept;

// An entry of a HookList whose type is checked against the command's own: a hook with a wrong
// signature does not compile.
template <typename Pfn>
Hook MakeHook(const char* name, uint32_t hash, Pfn function) noexcept {
    return {name, hash, reinterpret_cast<PFN_vkVoidFunction>(function)};
}
#define TESSERA_LATE_HOOK(name, type, ...) \
    MakeHook<type>("vk" #name, HashName("vk" #name), __VA_ARGS__)
#define TESSERA_HOOK(name, ...) TESSERA_LATE_HOOK(name, PFN_vk##name, __VA_ARGS__)

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_INTERCEPT_HOOKS_H_
