// SPDX-License-Identifier: Apache-2.0
//
// pool_bench: the pool alone with Google Benchmark, without Vulkan or clock. One iteration
// is a pair: a free of something at random and an allocation. Names: mix/live, and the threads.
//
// The pool's memory does not exist: a block is a number and nothing is ever read from it.

#include <benchmark/benchmark.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "layer/pool/type_pool.h"
#include "mix.h"

namespace bench {
namespace {

using tessera::pool::BlockMemory;
using tessera::pool::BlockStatus;
using tessera::pool::PlaceStatus;
using tessera::pool::SlotRef;
using tessera::pool::SlotTable;

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
    tessera_shard_counters* AddCounters(uint32_t) noexcept override {
        const uint32_t line = used_++;
        return line < lines_.size() ? &lines_[line] : nullptr;
    }

 private:
    std::atomic<uint64_t> next_ = 0;
    std::atomic<uint32_t> used_ = 0;
    std::array<tessera_shard_counters, 16> lines_{};
};

struct Pool {
    Source source;
    tessera_type_totals totals = {};
    SlotTable table;
    tessera::pool::TypePool pool{0,      {.max_shards = std::thread::hardware_concurrency()},
                                 table,  source,
                                 totals, *source.AddCounters(0)};
};

std::vector<uint32_t> Sizes(Mix mix, uint64_t seed) {
    Random random(seed);
    std::vector<uint32_t> sizes(kSizes);
    for (uint32_t& size : sizes)
        size = SizeOf(mix, 1, random);
    return sizes;
}

bool Place(Pool& pool, uint32_t bytes, SlotRef& placed) {
    const tessera::pool::Request request = {.requested_bytes = bytes,
                                            .size_bytes = (uint64_t{bytes} + 255) / 256 * 256,
                                            .alignment_bytes = 256,
                                            .key = {}};
    return pool.pool.Allocate(request, &placed) == PlaceStatus::kOk;
}

void End(Pool& pool, const SlotRef& placed) {
    SlotTable::Retire(*placed.slot);
    pool.pool.Free(*placed.slot, SlotTable::IdIn(placed.name));
}

// All threads of a benchmark share one pool, each with slots of its own.
void Churn(benchmark::State& state, Mix mix) {
    // The barrier at the loop's start orders who makes it and who uses it.
    static std::unique_ptr<Pool> shared;
    const auto live = static_cast<size_t>(state.range(0));
    if (state.thread_index() == 0) shared = std::make_unique<Pool>();
    const auto seed = static_cast<uint64_t>(state.thread_index()) + 1;
    const std::vector<uint32_t> sizes = Sizes(mix, seed);
    std::vector<SlotRef> placed(live);
    Random random(seed);
    size_t next = 0;
    bool filled = false;
    for (auto _ : state) {
        if (!filled) {
            state.PauseTiming();
            for (SlotRef& slot : placed)
                if (!Place(*shared, sizes[next++ % kSizes], slot)) state.SkipWithError("no place");
            filled = true;
            state.ResumeTiming();
        }
        SlotRef& slot = placed[random.Below(live)];
        End(*shared, slot);
        if (!Place(*shared, sizes[next++ % kSizes], slot)) state.SkipWithError("no place");
    }
    state.SetItemsProcessed(state.iterations());
    if (filled) {
        for (const SlotRef& slot : placed)
            End(*shared, slot);
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
