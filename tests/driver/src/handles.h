// SPDX-License-Identifier: Apache-2.0
//
// Values of non-dispatchable handles and the table that knows which are alive. Real drivers hand
// out pointers, indices or, under a validation layer, values that look random; a layer that invents
// handles of its own has to live with all of them, so the description chooses.
//
// Every non-dispatchable handle is unique on its device, whatever its type, as the privateData
// feature demands. Threads: guarded by the state mutex of registry.h.
#ifndef TESSERA_TESTS_DRIVER_HANDLES_H
#define TESSERA_TESTS_DRIVER_HANDLES_H

#include <vulkan/vulkan_core.h>

#include <memory>
#include <random>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "description.h"

namespace tessera::mock {

// Returns the 64 bits of a handle of any kind, dispatchable or not, on any bitness.
template <class Handle>
uint64_t Raw(Handle handle) {
    if constexpr (std::is_pointer_v<Handle>) {
        return reinterpret_cast<uintptr_t>(handle);
    } else {
        return handle;
    }
}

// Returns the handle that has these bits.
template <class Handle>
Handle FromRaw(uint64_t raw) {
    if constexpr (std::is_pointer_v<Handle>) {
        return reinterpret_cast<Handle>(static_cast<uintptr_t>(raw));
    } else {
        return raw;
    }
}

// What every non-dispatchable object has.
struct Object {
    explicit Object(VkObjectType object_type) : type(object_type) {}
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;
    virtual ~Object() = default;

    const VkObjectType type;
    uint64_t handle = 0;          // set when it is taken into a table
    bool alive = true;            // false once destroyed, while a call still holds the object
    bool with_allocator = false;  // created with VkAllocationCallbacks: destroy likewise
};

// The live objects of one device (or instance) and the source of their handles.
class ObjectTable {
 public:
    // Handles follow `rule`; tables with equal rules hand out equal values (kPointer excepted).
    explicit ObjectTable(const HandleRule& rule) : rule_(rule), random_(rule.seed) {}

    // Gives the object a handle and takes it in. `forced` is used as the value if it is neither 0
    // nor alive here. Returns the handle.
    uint64_t Insert(std::shared_ptr<Object> object, uint64_t forced);

    // Forgets the object and remembers its handle as stale. The object lives on while others hold
    // it.
    void Erase(Object& object);

    // Returns the object with this handle and type, or null.
    std::shared_ptr<Object> Find(VkObjectType type, uint64_t handle) const;

    template <class T>
    std::shared_ptr<T> Find(uint64_t handle) const {
        return std::static_pointer_cast<T>(Find(T::kType, handle));
    }

    // Whether an object with this handle, of any type, is alive.
    bool Contains(uint64_t handle) const { return objects_.contains(handle); }

    // Whether a handle of this value was alive once and is not now.
    bool IsStale(uint64_t handle) const { return stale_.contains(handle); }

    // All live objects, in no order.
    const std::unordered_map<uint64_t, std::shared_ptr<Object>>& all() const { return objects_; }

 private:
    uint64_t NextValue(const Object& object);

    HandleRule rule_;
    std::mt19937_64 random_;
    uint64_t counter_ = 0;
    std::vector<uint64_t> free_values_;  // kRecycle: freed last is used first
    std::unordered_map<uint64_t, std::shared_ptr<Object>> objects_;
    std::unordered_set<uint64_t> stale_;
};

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_HANDLES_H
