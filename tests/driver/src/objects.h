// SPDX-License-Identifier: Apache-2.0
//
// The driver's instances, physical devices, devices, queues and command buffers, and the small
// device children that have no bytes. Dispatchable objects start with the loader's word, so their
// handle is their address; the others live in their device's ObjectTable.
//
// Threads: guarded by the state mutex of registry.h, except the use markers.
#ifndef TESSERA_TESTS_DRIVER_OBJECTS_H
#define TESSERA_TESTS_DRIVER_OBJECTS_H

#include <vulkan/vk_icd.h>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "description.h"
#include "handles.h"
#include "resources.h"

namespace tessera::mock {

// The first member of every dispatchable object: the loader keeps its dispatch table there.
struct Dispatchable {
    Dispatchable() { set_loader_magic_value(this); }
    VK_LOADER_DATA loader{};
};

struct Instance;
struct Device;

// A description that applications can hold. Lives as long as its instance.
struct PhysicalDevice : Dispatchable {
    Instance* instance = nullptr;
    DescriptionPtr description;

    // Whether both may be members of one logical device.
    bool IsLinkedWith(const PhysicalDevice& other) const {
        return this == &other || (instance == other.instance && !description->group.empty() &&
                                  description->group == other.description->group);
    }

    VkPhysicalDevice handle() {
        return reinterpret_cast<VkPhysicalDevice>(static_cast<Dispatchable*>(this));
    }
};

// Owned by the registry from creation to destruction; its devices are not owned by it, since a
// program may (wrongly) destroy it first.
struct Instance : Dispatchable {
    std::set<std::string> extensions;  // enabled
    std::vector<std::unique_ptr<PhysicalDevice>> physical_devices;
    ObjectTable objects{HandleRule{}};  // messengers
    bool with_allocator = false;
};

// Who is told of a device's memory (VK_EXT_device_memory_report).
struct MemoryListener {
    PFN_vkDeviceMemoryReportCallbackEXT callback = nullptr;
    void* user = nullptr;
};

// Counts of one memory type. Invariant: live = allocations - frees, of one device.
struct MemoryTotals {
    uint64_t live = 0;
    uint64_t live_bytes = 0;
    uint64_t peak_live = 0;
    uint64_t peak_bytes = 0;
    uint64_t allocations = 0;
    uint64_t frees = 0;
};
using TypeTotals = std::array<MemoryTotals, VK_MAX_MEMORY_TYPES>;

// Every queue is externally synchronised; `use` sees whether it was.
struct Queue : Dispatchable {
    Device* device = nullptr;
    uint32_t family = 0;
    uint32_t index = 0;  // in the family
    VkDeviceQueueCreateFlags create_flags = 0;
    UseMarker use;

    VkQueue handle() { return reinterpret_cast<VkQueue>(static_cast<Dispatchable*>(this)); }
};

// Identifies any object of a device for names and private data.
using ObjectKey = std::pair<VkObjectType, uint64_t>;

// Owned by the registry. All its children live in `objects`, which keeps them until they are
// destroyed; a call that is under way may keep one for longer.
struct Device : Dispatchable {
    explicit Device(DescriptionPtr d) : description(std::move(d)), objects(description->handles) {}

    Instance* instance = nullptr;
    const DescriptionPtr description;
    std::set<std::string> extensions;  // enabled
    std::set<std::string> features;    // enabled, by member name
    std::vector<std::unique_ptr<Queue>> queues;
    uint32_t members = 1;  // physical devices that it is made of
    ObjectTable objects;
    std::set<uint64_t> command_buffers;  // handles of the live ones of all pools
    TypeTotals totals{};
    uint32_t live_allocations =
        0;  // the sum of all totals' live; what maxMemoryAllocationCount limits
    // Where the next memory goes in the device's address space. Addresses are never used twice, so
    // an address also tells which allocation it came from.
    VkDeviceAddress next_address = VkDeviceAddress{1} << 40;
    std::vector<MemoryListener> memory_listeners;
    // Names and private data go with the object, not with the value of its handle: unregistering an
    // object drops them.
    uint64_t next_report_id = 1;
    std::map<ObjectKey, std::string> names;
    std::map<uint64_t, std::map<ObjectKey, uint64_t>> private_data;  // by slot
    UseMarker use;
    bool with_allocator = false;

    // Whether a feature (see feature_table.h) was enabled when the device was created.
    bool Enabled(const char* feature) const { return features.contains(feature); }
    VkDevice handle() { return reinterpret_cast<VkDevice>(static_cast<Dispatchable*>(this)); }
};

// A debug messenger of an instance: what it wants to hear, and whom to call.
struct Messenger : Object {
    static constexpr VkObjectType kType = VK_OBJECT_TYPE_DEBUG_UTILS_MESSENGER_EXT;
    Messenger() : Object(kType) {}
    VkDebugUtilsMessageSeverityFlagsEXT severities = 0;
    VkDebugUtilsMessageTypeFlagsEXT types = 0;
    PFN_vkDebugUtilsMessengerCallbackEXT callback = nullptr;
    void* user = nullptr;
};

struct PrivateDataSlot : Object {
    static constexpr VkObjectType kType = VK_OBJECT_TYPE_PRIVATE_DATA_SLOT;
    PrivateDataSlot() : Object(kType) {}
};

// Signalled by the end of a submission, which is before vkQueueSubmit returns.
struct Fence : Object {
    static constexpr VkObjectType kType = VK_OBJECT_TYPE_FENCE;
    Fence() : Object(kType) {}
    bool signaled = false;
};

// Binary. A wait takes the signal away.
struct Semaphore : Object {
    static constexpr VkObjectType kType = VK_OBJECT_TYPE_SEMAPHORE;
    Semaphore() : Object(kType) {}
    bool signaled = false;
};

struct Event : Object {
    static constexpr VkObjectType kType = VK_OBJECT_TYPE_EVENT;
    Event() : Object(kType) {}
    bool set = false;
};

struct CommandPool;

// What a recorded command does when it is executed. It looks its objects up by handle then, so that
// what was destroyed in between is noticed. Runs under the state mutex.
class Executor;
using RecordedCommand = std::function<void(Executor&)>;

// Owned by its pool. Recording appends to `commands`; a submission runs them in order.
struct CommandBuffer : Dispatchable {
    enum class State { kInitial, kRecording, kExecutable };
    Device* device = nullptr;
    CommandPool* pool = nullptr;
    State state = State::kInitial;
    bool one_time = false;
    bool secondary = false;
    std::vector<RecordedCommand> commands;

    VkCommandBuffer handle() {
        return reinterpret_cast<VkCommandBuffer>(static_cast<Dispatchable*>(this));
    }
};

struct CommandPool : Object {
    static constexpr VkObjectType kType = VK_OBJECT_TYPE_COMMAND_POOL;
    CommandPool() : Object(kType) {}
    std::map<CommandBuffer*, std::unique_ptr<CommandBuffer>> buffers;
};

// The objects behind dispatchable handles. These trust the handle, as every driver does: the loader
// has used it as a pointer before.
inline Instance& Of(VkInstance handle) {
    return *static_cast<Instance*>(reinterpret_cast<Dispatchable*>(handle));
}
inline PhysicalDevice& Of(VkPhysicalDevice handle) {
    return *static_cast<PhysicalDevice*>(reinterpret_cast<Dispatchable*>(handle));
}
inline Device& Of(VkDevice handle) {
    return *static_cast<Device*>(reinterpret_cast<Dispatchable*>(handle));
}
inline Queue& Of(VkQueue handle) {
    return *static_cast<Queue*>(reinterpret_cast<Dispatchable*>(handle));
}
inline CommandBuffer& Of(VkCommandBuffer handle) {
    return *static_cast<CommandBuffer*>(reinterpret_cast<Dispatchable*>(handle));
}

// Returns the structure of type T with this sType in a chain, or null.
template <class T>
const T* FindInChain(const void* chain, VkStructureType type) {
    for (auto* item = static_cast<const VkBaseInStructure*>(chain); item != nullptr;
         item = item->pNext) {
        if (item->sType == type) return reinterpret_cast<const T*>(item);
    }
    return nullptr;
}

template <class T>
T* FindInOutChain(void* chain, VkStructureType type) {
    return const_cast<T*>(FindInChain<T>(chain, type));
}

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_OBJECTS_H
