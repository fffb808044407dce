// SPDX-License-Identifier: Apache-2.0
//
// Counts and times one call: as the application made it (AppCall), or as the layer
// made it down the chain (DriverCall).
//
// A clock is read twice for a duration, at 20 ns each: more than most of the layer's own calls
// take. So one in kSampleInterval of the application's calls is timed, and stands for as many; and
// every call of the driver but for the quickest.
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
    // `weight`: how many calls it stands for.
    explicit CallTimer(tessera_call_totals* call, uint64_t weight = 1) noexcept
        : call_(channel::kCounts ? call : nullptr),
          weight_(weight),
          start_ns_(call_ != nullptr ? NowNs() : 0) {}
    ~CallTimer() {
        if (call_ != nullptr) channel::CountDuration(*call_, NowNs() - start_ns_, weight_);
    }
    CallTimer(const CallTimer&) = delete;
    CallTimer& operator=(const CallTimer&) = delete;

    // Times nothing after all.
    void Stop() noexcept { call_ = nullptr; }

 private:
    tessera_call_totals* call_;
    const uint64_t weight_;
    const uint64_t start_ns_;
};

// A call whose turn it may be to be timed.
class SampledCall : public CallTimer {
 protected:
    struct Turn {
        tessera_call_totals* call = nullptr;
        uint64_t weight = 1;
    };
    explicit SampledCall(const Turn& turn) noexcept : CallTimer(turn.call, turn.weight) {}
    // The first call stands for itself, so that no sum is larger than what there was.
    static Turn TurnOf(tessera_call_totals& call) noexcept {
        const uint64_t number = channel::CountCall(call);
        if (number % kSampleInterval != 0) return {};
        return {&call, number == 0 ? 1 : kSampleInterval};
    }
};

// A call that comes from the application, timed if it is its turn.
class AppCall : public SampledCall {
 public:
    AppCall(Device& device, tessera_call which) noexcept
        : SampledCall(device.InOwnProcess() ? TurnOf(device.call(which)) : Turn{}) {}
};

// As AppCall, of a call that the layer makes down the chain and that takes drivers less than two
// reads of a clock: binds, maps, flushes.
class QuickDriverCall : public SampledCall {
 public:
    QuickDriverCall(Device& device, tessera_call which) noexcept
        : SampledCall(device.InOwnProcess() ? TurnOf(device.driver_call(which)) : Turn{}) {}
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
