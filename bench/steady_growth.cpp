// SPDX-License-Identifier: Apache-2.0
//
// See special.h: who waits for the driver while an application grows.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

#include "mock_client.h"
#include "special.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kBytesPerSecond = 64 << 20;
constexpr uint64_t kDriverCostNs = 1'000'000;
constexpr uint64_t kFirstBlocks = 4;
constexpr const char* kAllocate = "vkAllocateMemory";

thread_local bool is_application = false;

struct Counts {
    std::atomic<uint64_t> all = 0;
    std::atomic<uint64_t> on_application = 0;
    std::atomic<uint64_t> on_application_later = 0;  // without the first blocks
};

void CountAllocation(void* user, const char*) {
    auto& counts = *static_cast<Counts*>(user);
    const bool later = counts.all++ >= kFirstBlocks;
    if (!is_application) return;
    ++counts.on_application;
    if (later) ++counts.on_application_later;
}

// While it lives, driver allocations are slow and counted.
class SlowDriver {
 public:
    explicit SlowDriver(Counts& counts) {
        tessera::mock::Control().set_cost_ns(kAllocate, kDriverCostNs);
        tessera::mock::Control().set_hook(kAllocate, CountAllocation, &counts);
        is_application = true;
    }
    SlowDriver(const SlowDriver&) = delete;
    SlowDriver& operator=(const SlowDriver&) = delete;
    ~SlowDriver() {
        is_application = false;
        tessera::mock::Control().set_hook(kAllocate, nullptr, nullptr);
        tessera::mock::Control().set_cost_ns(kAllocate, 0);
    }
};

// Grows for so many seconds. Returns the time of each step in ns, sorted.
std::vector<double> Grow(Contender& contender, const Scenario& scenario, uint32_t seconds,
                         std::vector<Slot>& slots, uint64_t* grown) {
    Random random(scenario.seed);
    std::vector<double> times;
    uint32_t live = 0;
    const Clock::time_point start = Clock::now();
    const auto elapsed = [&] {
        return std::chrono::duration<double>(Clock::now() - start).count();
    };
    while (elapsed() < seconds && live + 1 < slots.size()) {
        if (static_cast<double>(*grown) > elapsed() * kBytesPerSecond) {
            std::this_thread::sleep_for(std::chrono::microseconds(100));
            continue;
        }
        const uint32_t more = SizeOf(scenario.mix, scenario.unit, random);
        const Op ops[] = {{static_cast<uint32_t>(random.Below(live + 1)),
                           SizeOf(scenario.mix, scenario.unit, random)},
                          {++live, more}};
        const Clock::time_point before = Clock::now();
        contender.Run(ops, slots);
        times.push_back(std::chrono::duration<double, std::nano>(Clock::now() - before).count());
        *grown += more;
    }
    std::sort(times.begin(), times.end());
    return times;
}

Outcome Measure(Contender& contender, const Scenario& scenario, uint32_t seconds) {
    Counts counts;
    uint64_t grown = 0;
    std::vector<Slot> slots(size_t{seconds} * 20'000);
    std::vector<double> times;
    {
        const SlowDriver slow(counts);
        times = Grow(contender, scenario, seconds, slots, &grown);
    }
    Composer composer(scenario.mix, scenario.unit, scenario.seed);
    contender.Run(composer.Drain(0, static_cast<uint32_t>(slots.size())), slots);
    Outcome outcome;
    outcome.scenario = scenario.name;
    outcome.contender = contender.name();
    outcome.ns_per_pair = times.at(times.size() / 2);
    outcome.more["step_ns_p999"] = times[times.size() * 999 / 1000];
    outcome.more["step_ns_most"] = times.back();
    outcome.more["driver_allocations"] = static_cast<double>(counts.all);
    outcome.more["driver_allocations_on_application"] = static_cast<double>(counts.on_application);
    outcome.more["driver_allocations_on_application_later"] =
        static_cast<double>(counts.on_application_later);
    outcome.more["mib_per_second"] = static_cast<double>(grown) / (1 << 20) / seconds;
    std::printf(
        "  %s: step p99.9 %.0f ns, most %.0f ns; driver allocations %.0f, on the "
        "application's thread %.0f, %.0f after the first %llu\n",
        contender.name(), outcome.more["step_ns_p999"], outcome.more["step_ns_most"],
        outcome.more["driver_allocations"], outcome.more["driver_allocations_on_application"],
        outcome.more["driver_allocations_on_application_later"],
        static_cast<unsigned long long>(kFirstBlocks));
    return outcome;
}

}  // namespace

std::vector<Outcome> RunSteadyGrowth(const Scenario& scenario, const Settings& settings) {
    if (settings.driver != "mock") throw std::runtime_error("needs --driver mock");
    std::vector<Outcome> outcomes;
    const Field field(settings, scenario.sparse);
    for (Contender* contender : field.For(0)) {
        // Of the bare driver each allocation takes that long; the core has no driver.
        if (contender->bare() || !contender->Measure().driver_calls) continue;
        outcomes.push_back(Measure(*contender, scenario, settings.seconds));
    }
    return outcomes;
}

}  // namespace bench
