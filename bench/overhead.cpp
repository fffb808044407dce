// SPDX-License-Identifier: Apache-2.0
//
// See special.h: what is held for what lives, apart from all times.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "special.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kSeeds = 5;
constexpr uint64_t kTurnovers = 12;

// The sum of several outcomes of one contender, or what is left of it as a mean.
struct Sum {
    Outcome first;
    double overhead = 0;
    double units = 0;
    double calls = 0;
    double ns = 0;
    uint32_t count = 0;

    void Add(const Outcome& outcome) {
        if (count++ == 0) first = outcome;
        overhead += *outcome.overhead_ratio;
        units += outcome.more.at("overhead_of_units");
        calls += outcome.more.at("driver_calls_per_1000_pairs");
        ns += *outcome.ns_per_pair;
    }
    Outcome Mean() const {
        Outcome mean;
        mean.scenario = first.scenario;
        mean.contender = first.contender;
        mean.live = first.live;
        mean.ns_per_pair = ns / count;
        mean.pairs_per_second = 1e9 / *mean.ns_per_pair;
        mean.overhead_ratio = overhead / count;
        mean.more["overhead_of_units"] = units / count;
        mean.more["driver_calls_per_1000_pairs"] = calls / count;
        mean.more["seeds"] = count;
        return mean;
    }
};

double MsSince(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

Outcome Empty(Contender& contender, const Scenario& scenario, uint32_t seconds) {
    Composer composer(scenario.mix, scenario.unit, scenario.seed);
    std::vector<Slot> slots(scenario.live);
    contender.Run(composer.Fill(0, scenario.live), slots);
    const auto held = [&] { return static_cast<double>(contender.Measure().block_bytes.value()); };
    Outcome outcome;
    outcome.scenario = scenario.name;
    outcome.contender = contender.name();
    outcome.live = scenario.live;
    outcome.more["held_before_bytes"] = held();
    contender.Run(composer.Drain(0, scenario.live), slots);
    const Clock::time_point start = Clock::now();
    double now = held();
    outcome.more["held_at_once_bytes"] = now;
    while (now > 0 && MsSince(start) < seconds * 1e3) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        now = held();
        // Whoever has a thread for it needs a moment to give back what is above the allowance.
        if (MsSince(start) < 100) outcome.more["held_soon_bytes"] = now;
    }
    outcome.more["held_after_bytes"] = now;
    outcome.more["after_ms"] = MsSince(start);
    std::printf("  %s: %.1f MiB held, all freed: %.1f at once, %.1f soon, %.1f after %.0f ms\n",
                contender.name(), outcome.more["held_before_bytes"] / (1 << 20),
                outcome.more["held_at_once_bytes"] / (1 << 20),
                outcome.more["held_soon_bytes"] / (1 << 20), now / (1 << 20),
                outcome.more["after_ms"]);
    return outcome;
}

}  // namespace

std::vector<Outcome> RunOverhead(const Scenario& scenario, const Settings& settings) {
    std::map<std::string, Sum> sums;
    RunOptions run = settings.run;
    run.pairs = std::max(kTurnovers * scenario.live / kBatchPairs, uint64_t{1}) * kBatchPairs;
    for (uint64_t seed = scenario.seed; seed < scenario.seed + kSeeds; ++seed) {
        const Field field(settings, scenario.sparse);
        Scenario now = scenario;
        now.seed = seed;
        now.unit = std::max(now.unit, field.bare().SizeUnit());
        std::vector<Contender*> contenders = field.For(UINT64_MAX);
        // Who has no memory of the driver has no overhead.
        std::erase_if(contenders, [](Contender* c) { return !c->Measure().block_bytes; });
        for (const Outcome& outcome : Run(now, contenders, run))
            sums[outcome.contender].Add(outcome);
    }
    std::vector<Outcome> outcomes;
    for (const auto& [name, sum] : sums)
        outcomes.push_back(sum.Mean());
    return outcomes;
}

std::vector<Outcome> RunEmptied(const Scenario& scenario, const Settings& settings) {
    std::vector<Outcome> outcomes;
    const Field field(settings, scenario.sparse);
    Scenario now = scenario;
    now.unit = std::max(now.unit, field.bare().SizeUnit());
    for (Contender* contender : field.For(UINT64_MAX)) {
        if (!contender->Measure().block_bytes) continue;
        outcomes.push_back(Empty(*contender, now, settings.seconds));
    }
    return outcomes;
}

// The usage is the driver's own figure: the machine without the layer asks for it.
std::vector<Outcome> RunHeap(const Scenario& scenario, const Settings& settings) {
    std::vector<Outcome> outcomes;
    const Field field(settings, scenario.sparse);
    if (!field.bare().HeapUsage()) throw std::runtime_error("no VK_EXT_memory_budget");
    Scenario now = scenario;
    now.unit = std::max(now.unit, field.bare().SizeUnit());
    for (Contender* contender : field.For(scenario.live)) {
        Composer composer(now.mix, now.unit, now.seed);
        const Sequence fill = composer.Fill(0, now.live);
        std::vector<Slot> slots(now.live);
        std::vector<uint32_t> sizes;
        if (now.announce) sizes.push_back(fill.front().bytes);
        contender->Announce(sizes);
        const uint64_t before = *field.bare().HeapUsage();
        const Clock::time_point start = Clock::now();
        contender->Run(fill, slots);
        const double ns = MsSince(start) * 1e6;
        const auto charged = static_cast<double>(*field.bare().HeapUsage() - before);
        contender->Run(composer.Drain(0, now.live), slots);
        Outcome outcome;
        outcome.scenario = now.name;
        outcome.contender = contender->name();
        outcome.live = now.live;
        outcome.overhead_ratio = charged / (uint64_t{fill.front().bytes} * now.live);
        outcome.more["heap_usage_bytes"] = charged;
        outcome.more["ns_per_allocation"] = ns / now.live;
        std::printf("  %s: the driver charges %.2f MiB\n", contender->name(), charged / (1 << 20));
        outcomes.push_back(outcome);
    }
    return outcomes;
}

}  // namespace bench
