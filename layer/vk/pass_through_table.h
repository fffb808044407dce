// SPDX-License-Identifier: Apache-2.0
//
// What is known of allocations that the driver served as they came: only what counting their end
// needs. The handle is the driver's and is never translated.
//
// Threads: any; one mutex. These calls reach the driver, beside which it costs nothing.

#ifndef TESSERA_LAYER_VK_PASS_THROUGH_TABLE_H_
#define TESSERA_LAYER_VK_PASS_THROUGH_TABLE_H_

#include <cstdint>
#include <unordered_map>

#include "layer/base/mutex.h"
#include "tessera/channel_abi.h"

namespace tessera {

struct PassThrough {
    uint64_t size_bytes = 0;
    uint32_t type_index = 0;
    tessera_reason reason = TESSERA_REASON_none;
    uint32_t record = ~uint32_t{0};  // its number among what is recorded; see Device::RecordPassed
};

class PassThroughTable {
 public:
    // False without host memory: the allocation then lives uncounted. A driver may use one value
    // for two live objects: each has its entry, and as many frees are expected.
    bool Add(uint64_t handle, const PassThrough& entry) noexcept {
        MutexLock lock(mutex_);
        try {
            entries_.emplace(handle, entry);
            return true;
        } catch (...) {
            return false;
        }
    }

    // Takes an entry of the handle out. False if there is none.
    bool Remove(uint64_t handle, PassThrough* entry) noexcept {
        MutexLock lock(mutex_);
        auto found = entries_.find(handle);
        if (found == entries_.end()) return false;
        *entry = found->second;
        entries_.erase(found);
        return true;
    }

 private:
    Mutex mutex_;
    std::unordered_multimap<uint64_t, PassThrough> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_PASS_THROUGH_TABLE_H_
