// SPDX-License-Identifier: Apache-2.0
//
// pool_bench: the pool alone with Google Benchmark, without Vulkan, handles or clock. One iteration
// is a pair: a free of something at random and an allocation. Names: mix/live, and the threads.
//
// The pool's memory does not exist: a block is a number and nothing is ever read from it.

#include <benchmark/benchmark.h>

#include <atomic>
#include <memory>
#include <vector>

#include "layer/pool/type_pool.h"
#include "mix.h"

namespace bench {
namespace {

using tessera::pool::BlockMemory;
using tessera::pool::BlockStatus;
using tessera::pool::Placement;
using tessera::pool::PlaceStatus;

// Made before anything is timed. When they begin anew, they meet other slots.
constexpr size_t kSizes = size_t{1} << 20;

class Source final : public tessera::pool::BlockSource {
 public:
    BlockStatus CreateBlock(uint32_t, const tessera::pool::ArenaKey&, uint64_t size_bytes,
                            BlockMemory* memory) noexcept override {
        *memory = {++next_, nullptr, size_bytes};
        return BlockStatus::kOk;
    }
    void DestroyBlock(uint32_t, const BlockMemory&) noexcept override {}

 private:
    std::atomic<uint64_t> next_ = 0;
};

struct Pool {
    Source source;
    tessera_type_totals totals = {};
    tessera::pool::TypePool pool{0, tessera::pool::PoolLimits(), source, totals};
};

struct Placed {
    Placement placement;
    uint64_t bytes = 0;
};

std::vector<uint32_t> Sizes(Mix mix, uint64_t seed) {
    Random random(seed);
    std::vector<uint32_t> sizes(kSizes);
    for (uint32_t& size : sizes)
        size = SizeOf(mix, 1, random);
    return sizes;
}

bool Place(Pool& pool, uint32_t bytes, Placed& placed) {
    const tessera::pool::Request request = {.requested_bytes = bytes,
                                            .size_bytes = (uint64_t{bytes} + 255) / 256 * 256,
                                            .alignment_bytes = 256,
                                            .key = {}};
    placed.bytes = bytes;
    return pool.pool.Allocate(request, &placed.placement) == PlaceStatus::kOk;
}

// All threads of a benchmark share one pool, each with slots of its own.
void Churn(benchmark::State& state, Mix mix) {
    // The barrier at the loop's start orders who makes it and who uses it.
    static std::unique_ptr<Pool> shared;
    const auto live = static_cast<size_t>(state.range(0));
    if (state.thread_index() == 0) shared = std::make_unique<Pool>();
    const auto seed = static_cast<uint64_t>(state.thread_index()) + 1;
    const std::vector<uint32_t> sizes = Sizes(mix, seed);
    std::vector<Placed> placed(live);
    Random random(seed);
    size_t next = 0;
    bool filled = false;
    for (auto _ : state) {
        if (!filled) {
            state.PauseTiming();
            for (Placed& slot : placed)
                if (!Place(*shared, sizes[next++ % kSizes], slot)) state.SkipWithError("no place");
            filled = true;
            state.ResumeTiming();
        }
        Placed& slot = placed[random.Below(live)];
        shared->pool.Free(slot.placement, slot.bytes);
        if (!Place(*shared, sizes[next++ % kSizes], slot)) state.SkipWithError("no place");
    }
    state.SetItemsProcessed(state.iterations());
    if (filled) {
        for (const Placed& slot : placed)
            shared->pool.Free(slot.placement, slot.bytes);
    }
    // With others about, they may still be freeing.
    if (state.threads() == 1) {
        const auto& totals = shared->totals;
        state.counters["driver_calls"] =
            static_cast<double>(totals.driver.allocations + totals.driver.frees);
    }
}

void Register() {
    for (const Mix mix : {Mix::kLog, Mix::kTiny, Mix::kNaive}) {
        auto* churn = benchmark::RegisterBenchmark(NameOf(mix), Churn, mix);
        for (const int64_t live : {1'000, 10'000, 100'000, 1'000'000})
            churn->Arg(live);
    }
    auto* threads = benchmark::RegisterBenchmark("log_threads", Churn, Mix::kLog);
    threads->Arg(10'000)->UseRealTime();
    for (const int count : {1, 2, 4, 8, 16})
        threads->Threads(count);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    bench::Register();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
