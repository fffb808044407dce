// SPDX-License-Identifier: Apache-2.0
//
// One contender in one scenario, with all that lives of it.
//
// A round is made up before it is timed: one sequence for each thread and batch. All lanes of a
// scenario make up the same sequences, since they start from the same seed; a slow contender only
// comes less far.
//
// Threads: a Lane belongs to one thread, and starts others while it runs a round.

#ifndef TESSERA_BENCH_LANE_H_
#define TESSERA_BENCH_LANE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "scenario.h"

namespace bench {

class Lane {
 public:
    // Announces sizes and fills the slots. Throws std::runtime_error when an allocation fails, and
    // then holds nothing.
    Lane(Contender& contender, const Scenario& scenario, const RunOptions& options);
    ~Lane();
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

    // One batch, to learn how long it takes. Not told in the result.
    void WarmUp();
    // As many batches as take RunOptions::round_ms, timed.
    void Round();
    // RunOptions::pairs of each thread.
    void FixedRound();

    Outcome Result() const;

 private:
    // What one thread does and holds.
    struct Worker {
        explicit Worker(Composer composed) : composer(std::move(composed)) {}
        Composer composer;
        std::vector<Slot> slots;
        std::vector<uint32_t> sizes;  // what lives in each slot
        std::vector<Sequence> round;
    };

    // Runs what begins the scenario. Throws GaveUp when it takes too long.
    void FillSlots(const std::vector<Sequence>& fills);
    void Compose(uint64_t batches);
    Sequence NextBatch(Worker& worker);
    double TimeRound();
    void RunBatches(size_t thread);
    Worker& OwnerOf(size_t thread, uint64_t batch);
    void Drain();
    // Of what lives, each size rounded up to a multiple of `unit`.
    uint64_t LiveBytes(uint32_t unit) const;

    Contender& contender_;
    const Scenario& scenario_;
    const RunOptions& options_;
    const Recording recording_;  // empty unless it is what is run
    const uint64_t pairs_of_batch_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<double> times_;  // ns for each pair of a thread, one for each round
    double ns_of_batch_ = 0;     // from the last round
    uint64_t pairs_ = 0;         // timed, of all threads
    uint64_t driver_calls_ = 0;  // during these
    uint64_t done_ = 0;          // batches before the present round
};

}  // namespace bench

#endif  // TESSERA_BENCH_LANE_H_
