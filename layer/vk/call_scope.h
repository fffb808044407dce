// SPDX-License-Identifier: Apache-2.0
//
// Counts and times one call: as the application made it (AppCall), or as the layer
// made it down the chain (DriverCall).
//
// A clock is read twice for a duration, at 20 ns each: more than most of the layer's own calls
// take. So one in kSampleInterval of the application's calls is timed, and every call of the
// driver but for the quickest.
//
// Threads: any. In a forked child nothing is counted.

#ifndef TESSERA_LAYER_VK_CALL_SCOPE_H_
#define TESSERA_LAYER_VK_CALL_SCOPE_H_

#include "layer/base/clock.h"
#include "layer/channel/counters.h"
#include "layer/vk/device.h"

namespace tessera {

// Times from construction to destruction. `call`: counted already, or null for nothing at all.
class CallTimer {
 public:
    explicit CallTimer(tessera_call_totals* call) noexcept
        : call_(channel::kCounts ? call : nullptr), start_ns_(call_ != nullptr ? NowNs() : 0) {}
    ~CallTimer() {
        if (call_ != nullptr) channel::CountDuration(*call_, NowNs() - start_ns_);
    }
    CallTimer(const CallTimer&) = delete;
    CallTimer& operator=(const CallTimer&) = delete;

    // Times nothing after all.
    void Stop() noexcept { call_ = nullptr; }

 private:
    tessera_call_totals* call_;
    const uint64_t start_ns_;
};

// A call that comes from the application, timed if it is its turn.
class AppCall : public CallTimer {
 public:
    AppCall(Device& device, tessera_call which) noexcept : CallTimer(Turn(device, which)) {}

 private:
    static tessera_call_totals* Turn(Device& device, tessera_call which) noexcept {
        if (!device.InOwnProcess()) return nullptr;
        tessera_call_totals& call = device.call(which);
        return channel::CountCall(call) % kSampleInterval == 0 ? &call : nullptr;
    }
};

// As AppCall, of a call that the layer makes down the chain and that takes drivers less than two
// reads of a clock: binds, maps, flushes.
class QuickDriverCall : public CallTimer {
 public:
    QuickDriverCall(Device& device, tessera_call which) noexcept : CallTimer(Turn(device, which)) {}

 private:
    static tessera_call_totals* Turn(Device& device, tessera_call which) noexcept {
        if (!device.InOwnProcess()) return nullptr;
        tessera_call_totals& call = device.driver_call(which);
        return channel::CountCall(call) % kSampleInterval == 0 ? &call : nullptr;
    }
};

// A call that the layer makes down the chain: always timed.
class DriverCall : public CallTimer {
 public:
    DriverCall(Device& device, tessera_call which) noexcept : CallTimer(Count(device, which)) {}

 private:
    static tessera_call_totals* Count(Device& device, tessera_call which) noexcept {
        if (!device.InOwnProcess()) return nullptr;
        channel::CountCall(device.driver_call(which));
        return &device.driver_call(which);
    }
};

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_CALL_SCOPE_H_
