// SPDX-License-Identifier: Apache-2.0
//
// Counts and times one call: as the application made it (AppCall), or as the layer made it down the
// chain (DriverCall). Every call is timed at present; what one call costs is in docs/benchmarks.md.
//
// Threads: any. In a forked child nothing is counted.

#ifndef TESSERA_LAYER_VK_CALL_SCOPE_H_
#define TESSERA_LAYER_VK_CALL_SCOPE_H_

#include "layer/base/clock.h"
#include "layer/channel/counters.h"
#include "layer/vk/device.h"

namespace tessera {

// Times from construction to destruction.
class CallScope {
 public:
    CallScope(const Device& device, tessera_call_totals& call) noexcept
        : call_(device.InOwnProcess() ? &call : nullptr) {
        if (call_ == nullptr) return;
        channel::CountCall(*call_);
        start_ns_ = NowNs();
    }
    ~CallScope() {
        if (call_ != nullptr) channel::CountDuration(*call_, NowNs() - start_ns_);
    }
    CallScope(const CallScope&) = delete;
    CallScope& operator=(const CallScope&) = delete;

 private:
    tessera_call_totals* call_;
    uint64_t start_ns_ = 0;
};

class AppCall : public CallScope {
 public:
    AppCall(Device& device, tessera_call which) noexcept : CallScope(device, device.call(which)) {}
};

class DriverCall : public CallScope {
 public:
    DriverCall(Device& device, tessera_call which) noexcept
        : CallScope(device, device.driver_call(which)) {}
};

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_CALL_SCOPE_H_
