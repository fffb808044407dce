// SPDX-License-Identifier: Apache-2.0
//
// See lane.h.

#include "lane.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <exception>
#include <mutex>
#include <set>
#include <thread>

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

// An application asks what each resource requires before it allocates: all sizes of the mixes are
// announced. Only a bound for scenarios with sizes of every kind.
constexpr size_t kMostAnnounced = 1 << 17;
// What allocators of device memory place in; small sizes cannot take less.
constexpr uint32_t kPlacedUnit = 256;
// Bounds the memory of a round that is made up.
constexpr uint64_t kMostBatches = 4000;

bool Fills(Shape shape) {
    return shape == Shape::kSteady || shape == Shape::kCross || shape == Shape::kFrame;
}

uint32_t ShortLived(const Scenario& scenario) {
    switch (scenario.shape) {
        case Shape::kSteady:
        case Shape::kCross:
        case Shape::kRecorded:
            return 0;
        case Shape::kBurst:
            return scenario.live;
        case Shape::kFrame:
        case Shape::kBatch:
            break;
    }
    return kBatchPairs;
}

uint64_t PairsOfBatch(const Scenario& scenario, const Recording& recording) {
    if (scenario.shape == Shape::kRecorded) return recording.allocations;
    return std::max(ShortLived(scenario), scenario.shape == Shape::kBurst ? 0 : kBatchPairs);
}

// Runs a function once on each of several threads, the calling one among them, and throws what the
// first of them threw.
template <typename Function>
void OnThreads(size_t count, Function function) {
    std::exception_ptr failure;
    std::mutex mutex;
    const auto guarded = [&](size_t thread) {
        try {
            function(thread);
        } catch (...) {
            const std::lock_guard lock(mutex);
            if (!failure) failure = std::current_exception();
        }
    };
    std::vector<std::jthread> others;
    for (size_t thread = 1; thread < count; ++thread)
        others.emplace_back(guarded, thread);
    guarded(0);
    others.clear();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace

Lane::Lane(Contender& contender, const Scenario& scenario, const RunOptions& options)
    : contender_(contender),
      scenario_(scenario),
      options_(options),
      recording_(scenario.shape == Shape::kRecorded
                     ? ReadRecording(scenario.recording, scenario.unit)
                     : Recording()),
      pairs_of_batch_(PairsOfBatch(scenario, recording_)) {
    const uint32_t base = Fills(scenario.shape) ? scenario.live : 0;
    std::vector<Sequence> fills;
    std::set<uint32_t> sizes;
    for (uint32_t i = 0; i < scenario.threads; ++i) {
        workers_.push_back(std::make_unique<Worker>(
            Composer(scenario.mix, scenario.unit, scenario.seed * 1000 + i)));
        Worker& worker = *workers_.back();
        worker.slots.resize(base + ShortLived(scenario) + recording_.slots);
        worker.sizes.resize(worker.slots.size());
        fills.push_back(worker.composer.Fill(0, base));
        Composer taster = worker.composer;
        const Sequence taste = recording_.ops.empty() ? taster.Fill(0, 100'000) : recording_.ops;
        for (const Op& op : taste)
            if (op.bytes != 0) sizes.insert(op.bytes);
    }
    if (scenario.announce) {
        std::vector<uint32_t> announced(sizes.begin(), sizes.end());
        announced.resize(std::min(announced.size(), kMostAnnounced));
        contender_.Announce(announced);
    }
    try {
        FillSlots(fills);
    } catch (...) {
        Drain();
        throw;
    }
    for (size_t thread = 0; thread < workers_.size(); ++thread) {
        for (const Op& op : fills[thread])
            workers_[thread]->sizes[op.slot] = op.bytes;
    }
}

void Lane::FillSlots(const std::vector<Sequence>& fills) {
    const Clock::time_point end = Clock::now() + std::chrono::seconds(options_.patience_s);
    OnThreads(workers_.size(), [&](size_t thread) {
        std::span<const Op> left = fills[thread];
        while (!left.empty()) {
            if (Clock::now() > end) {
                throw GaveUp(std::string(contender_.name()) + " took more than " +
                             std::to_string(options_.patience_s) + " s to allocate them");
            }
            const size_t some = std::min<size_t>(left.size(), kBatchPairs);
            contender_.Run(left.first(some), workers_[thread]->slots);
            left = left.subspan(some);
        }
    });
}

Lane::~Lane() {
    Drain();
}

void Lane::Drain() {
    for (auto& worker : workers_) {
        const auto count = static_cast<uint32_t>(worker->slots.size());
        contender_.Run(worker->composer.Drain(0, count), worker->slots);
    }
}

// What a thread frees now, another one allocated before: the slots go round.
Lane::Worker& Lane::OwnerOf(size_t thread, uint64_t batch) {
    const bool cross = scenario_.shape == Shape::kCross;
    return *workers_[cross ? (thread + batch) % workers_.size() : thread];
}

Sequence Lane::NextBatch(Worker& worker) {
    if (scenario_.shape == Shape::kRecorded) return recording_.ops;
    const uint32_t count = ShortLived(scenario_);
    if (count == 0) return worker.composer.Churn(scenario_.live, kBatchPairs);
    const uint32_t base = Fills(scenario_.shape) ? scenario_.live : 0;
    Sequence batch = worker.composer.Fill(base, count);
    const Sequence end = worker.composer.Drain(base, count);
    batch.insert(batch.end(), end.begin(), end.end());
    return batch;
}

void Lane::Compose(uint64_t batches) {
    for (size_t thread = 0; thread < workers_.size(); ++thread) {
        Worker& worker = *workers_[thread];
        worker.round.clear();
        for (uint64_t i = 0; i < batches; ++i)
            worker.round.push_back(NextBatch(worker));
    }
}

void Lane::RunBatches(size_t thread) {
    uint64_t batch = done_;
    for (const Sequence& ops : workers_[thread]->round)
        contender_.Run(ops, OwnerOf(thread, batch++).slots);
}

double Lane::TimeRound() {
    const size_t batches = workers_[0]->round.size();
    const bool cross = scenario_.shape == Shape::kCross && workers_.size() > 1;
    const Clock::time_point start = Clock::now();
    if (cross) {
        // In step, so that no two threads ever have the same slots.
        std::barrier step(static_cast<std::ptrdiff_t>(workers_.size()));
        OnThreads(workers_.size(), [&](size_t thread) {
            bool good = true;
            std::exception_ptr failure;
            for (uint64_t i = 0; i < batches; ++i) {
                try {
                    if (good) {
                        contender_.Run(workers_[thread]->round[i],
                                       OwnerOf(thread, done_ + i).slots);
                    }
                } catch (...) {
                    good = false;
                    failure = std::current_exception();
                }
                step.arrive_and_wait();
            }
            if (failure) std::rethrow_exception(failure);
        });
    } else {
        OnThreads(workers_.size(), [&](size_t thread) { RunBatches(thread); });
    }
    const double ns = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    for (size_t thread = 0; thread < workers_.size(); ++thread) {
        for (uint64_t i = 0; i < batches; ++i) {
            for (const Op& op : workers_[thread]->round[i])
                OwnerOf(thread, done_ + i).sizes[op.slot] = op.bytes;
        }
    }
    done_ += batches;
    return ns;
}

void Lane::WarmUp() {
    Compose(1);
    ns_of_batch_ = TimeRound();
}

void Lane::Round() {
    const double fitting = options_.round_ms * 1e6 / std::max(ns_of_batch_, 1.0);
    const uint64_t batches = std::clamp<uint64_t>(static_cast<uint64_t>(fitting), 1, kMostBatches);
    Compose(batches);
    const uint64_t calls = contender_.Measure().driver_calls.value_or(0);
    const double ns = TimeRound();
    driver_calls_ += contender_.Measure().driver_calls.value_or(0) - calls;
    const uint64_t pairs = batches * pairs_of_batch_;
    ns_of_batch_ = ns / static_cast<double>(batches);
    times_.push_back(ns / static_cast<double>(pairs));
    pairs_ += pairs * workers_.size();
}

void Lane::FixedRound() {
    Compose((std::max(kLeastPairs, options_.pairs) + pairs_of_batch_ - 1) / pairs_of_batch_);
    for (auto& worker : workers_)
        worker->round.resize(
            std::min<size_t>(worker->round.size(), options_.pairs / pairs_of_batch_));
    const uint64_t pairs = workers_[0]->round.size() * pairs_of_batch_;
    if (pairs == 0) throw std::runtime_error("--pairs is less than a batch");
    const uint64_t calls = contender_.Measure().driver_calls.value_or(0);
    times_.push_back(TimeRound() / static_cast<double>(pairs));
    driver_calls_ += contender_.Measure().driver_calls.value_or(0) - calls;
    pairs_ += pairs * workers_.size();
}

uint64_t Lane::LiveBytes(uint32_t unit) const {
    uint64_t total = 0;
    for (const auto& worker : workers_) {
        for (const uint32_t size : worker->sizes)
            total += (uint64_t{size} + unit - 1) / unit * unit;
    }
    return total;
}

Outcome Lane::Result() const {
    std::vector<double> times = times_;
    std::sort(times.begin(), times.end());
    const double median = times[times.size() / 2];
    Outcome outcome;
    outcome.scenario = scenario_.name;
    outcome.contender = contender_.name();
    outcome.threads = scenario_.threads;
    outcome.live = scenario_.live;
    outcome.ns_per_pair = median;
    outcome.pairs_per_second = 1e9 / median * scenario_.threads;
    outcome.more["ns_per_pair_least"] = times.front();
    outcome.more["ns_per_pair_most"] = times.back();
    const Usage usage = contender_.Measure();
    if (usage.driver_calls) {
        outcome.more["driver_calls_per_1000_pairs"] =
            1000.0 * static_cast<double>(driver_calls_) / static_cast<double>(pairs_);
    }
    const auto live = static_cast<double>(LiveBytes(1));
    if (live > 0) outcome.more["live_bytes"] = live;
    if (live > 0 && usage.block_bytes) {
        const auto held = static_cast<double>(*usage.block_bytes);
        outcome.overhead_ratio = held / live;
        outcome.more["overhead_of_units"] = held / static_cast<double>(LiveBytes(kPlacedUnit));
    }
    return outcome;
}

}  // namespace bench
