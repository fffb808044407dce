// SPDX-License-Identifier: Apache-2.0
//
// See special.h: how much memory stays with an application that was larger before.

#include <algorithm>
#include <chrono>

#include "special.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kGrown = 4;  // times what is left in the end
// After which it is measured.
constexpr uint32_t kTurnovers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

// One contender that grew and shrank, with what lives of it.
class Shrunk {
 public:
    Shrunk(Contender& contender, const Scenario& scenario)
        : contender_(contender),
          live_(scenario.live),
          composer_(scenario.mix, scenario.unit, scenario.seed),
          slots_(size_t{scenario.live} * kGrown),
          sizes_(slots_.size()) {
        const auto most = static_cast<uint32_t>(slots_.size());
        Do(composer_.Fill(0, most));
        Sequence shrink = composer_.Drain(0, most);
        shrink.resize(most - live_);
        Do(shrink);
        // Those that are left move to the front, where the churn looks for them.
        for (size_t from = 0, to = 0; from < slots_.size(); ++from) {
            if (slots_[from].handle == 0) continue;
            std::swap(slots_[to], slots_[from]);
            std::swap(sizes_[to++], sizes_[from]);
        }
    }
    ~Shrunk() { contender_.Run(composer_.Drain(0, static_cast<uint32_t>(slots_.size())), slots_); }

    // Replaces as many as live, at random. Returns ns for a pair.
    double TurnOver() {
        const Sequence ops = composer_.Churn(live_, live_);
        const Clock::time_point start = Clock::now();
        Do(ops);
        return std::chrono::duration<double, std::nano>(Clock::now() - start).count() / live_;
    }

    std::optional<double> Overhead() const {
        const auto held = contender_.Measure().block_bytes;
        uint64_t asked = 0;
        for (const uint32_t size : sizes_)
            asked += size;
        if (!held || asked == 0) return std::nullopt;
        return static_cast<double>(*held) / static_cast<double>(asked);
    }

 private:
    void Do(const Sequence& ops) {
        contender_.Run(ops, slots_);
        for (const Op& op : ops)
            sizes_[op.slot] = op.bytes;
    }

    Contender& contender_;
    uint32_t live_;
    Composer composer_;
    std::vector<Slot> slots_;
    std::vector<uint32_t> sizes_;
};

}  // namespace

std::vector<Outcome> RunGrowth(const Scenario& scenario, const Settings& settings) {
    if (scenario.threads != 1) throw std::runtime_error("one thread only");
    const Field field(settings, scenario.sparse);
    Scenario wanted = scenario;
    wanted.unit = std::max(wanted.unit, field.bare().SizeUnit());
    std::vector<Outcome> outcomes;
    for (Contender* contender : field.For(uint64_t{scenario.live} * kGrown)) {
        if (!contender->Measure().block_bytes) continue;
        Shrunk shrunk(*contender, wanted);
        uint32_t turnovers = 0;
        for (const uint32_t next : kTurnovers) {
            std::vector<double> times;
            for (; turnovers < next; ++turnovers)
                times.push_back(shrunk.TurnOver());
            std::sort(times.begin(), times.end());
            Outcome outcome;
            outcome.scenario = wanted.name + "/" + std::to_string(turnovers);
            outcome.contender = contender->name();
            outcome.live = scenario.live;
            if (!times.empty()) {
                outcome.ns_per_pair = times[times.size() / 2];
                outcome.pairs_per_second = 1e9 / *outcome.ns_per_pair;
            }
            outcome.overhead_ratio = shrunk.Overhead();
            outcome.more["turnovers"] = turnovers;
            outcomes.push_back(outcome);
        }
    }
    return outcomes;
}

}  // namespace bench
