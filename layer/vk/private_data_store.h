// SPDX-License-Identifier: Apache-2.0
//
// Private data that an application attaches to pooled handles. The driver does not know those
// handles (VUID-vkSetPrivateData-objectHandle-04016 asks for a child of the device), so the layer
// keeps the values itself.
//
// Threads: any; one mutex.

#ifndef TESSERA_LAYER_VK_PRIVATE_DATA_STORE_H_
#define TESSERA_LAYER_VK_PRIVATE_DATA_STORE_H_

#include <atomic>
#include <cstdint>
#include <unordered_map>

#include "layer/base/mutex.h"

namespace tessera {

class PrivateDataStore {
 public:
    // False without host memory.
    bool Set(uint64_t handle, uint64_t slot, uint64_t value) noexcept {
        MutexLock lock(mutex_);
        try {
            entries_[handle][slot] = value;
            used_.store(true, std::memory_order_release);
            return true;
        } catch (...) {
            return false;
        }
    }

    // 0 if nothing was set (spec: vkGetPrivateData).
    uint64_t Get(uint64_t handle, uint64_t slot) const noexcept {
        MutexLock lock(mutex_);
        auto object = entries_.find(handle);
        if (object == entries_.end()) return 0;
        auto value = object->second.find(slot);
        return value == object->second.end() ? 0 : value->second;
    }

    // The handle was freed. Costs one load on devices that never set anything.
    void DropHandle(uint64_t handle) noexcept {
        if (!used_.load(std::memory_order_acquire)) return;
        MutexLock lock(mutex_);
        entries_.erase(handle);
    }

    // The private data slot is about to be destroyed; a later one may get its handle.
    void DropSlot(uint64_t slot) noexcept {
        if (!used_.load(std::memory_order_acquire)) return;
        MutexLock lock(mutex_);
        for (auto& [handle, values] : entries_)
            values.erase(slot);
    }

 private:
    mutable Mutex mutex_;
    std::atomic<bool> used_ = false;
    std::unordered_map<uint64_t, std::unordered_map<uint64_t, uint64_t>> entries_
        ABSL_GUARDED_BY(mutex_);
};

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_PRIVATE_DATA_STORE_H_
