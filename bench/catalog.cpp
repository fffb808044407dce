// SPDX-License-Identifier: Apache-2.0
//
// See catalog.h.

#include "catalog.h"

#include <algorithm>
#include <stdexcept>

#include "special.h"

namespace bench {
namespace {

std::vector<Outcome> SideBySide(const Scenario& wanted, const Settings& settings) {
    const Field field(settings, wanted.sparse);
    if (wanted.sparse && !field.bare().sparse()) {
        throw std::runtime_error("this driver has no sparse binding");
    }
    Scenario scenario = wanted;
    scenario.recording = TESSERA_BENCH_DATA "/naive_scene.txt";
    scenario.unit = std::max(scenario.unit, field.bare().SizeUnit());
    return Run(scenario, field.For(uint64_t{scenario.live} * scenario.threads), settings.run);
}

// As many threads as in the tables; those beyond the cores say how waiting is done.
const std::vector<uint32_t> kThreads = {1, 2, 4, 8, 16};

const std::vector<Entry> kCatalog = {
    {"log", "steady churn, 256 B to 64 KiB", {1'000, 10'000, 100'000, 1'000'000}, {1}, SideBySide},
    {"log256",
     "as log, in multiples of 256 bytes: the same sizes come again and again",
     {1'000, 10'000, 100'000, 1'000'000},
     {1},
     SideBySide,
     Shape::kSteady,
     Mix::kLog,
     false,
     256},
    {"tiny",
     "steady churn, 3 B to 1 KiB",
     {1'000, 10'000, 100'000, 1'000'000},
     {1},
     SideBySide,
     Shape::kSteady,
     Mix::kTiny},
    {"naive",
     "steady churn, 256 B to 8 MiB as naive applications ask",
     {1'000, 10'000, 100'000},
     {1},
     SideBySide,
     Shape::kSteady,
     Mix::kNaive},
    {"conservative",
     "as log, where alignments up to 64 KiB must be feared and nobody asks for requirements",
     {10'000, 100'000},
     {1},
     SideBySide,
     Shape::kSteady,
     Mix::kLog,
     true,
     1,
     false},
    {"large", "steady churn, 4 to 64 MiB", {64}, {1}, SideBySide, Shape::kSteady, Mix::kLarge},
    {"burst",
     "all are allocated, then all freed, as log",
     {100'000},
     {1},
     SideBySide,
     Shape::kBurst},
    {"frame",
     "1,000 are allocated and freed each frame over what lives, as log",
     {10'000},
     {1},
     SideBySide,
     Shape::kFrame},
    {"batch", "1,000 are allocated and freed, as log", {0}, {1}, SideBySide, Shape::kBatch},
    {"page",
     "1,000 of 4 KiB are allocated and freed",
     {0},
     {1},
     SideBySide,
     Shape::kBatch,
     Mix::kPage},
    {"own", "as log, each thread frees what it allocated", {10'000}, kThreads, SideBySide},
    {"cross",
     "as log, each thread frees what another one allocated",
     {10'000},
     kThreads,
     SideBySide,
     Shape::kCross},
    {"recorded",
     "what naive_scene allocates and frees from start to end",
     {0},
     {1},
     SideBySide,
     Shape::kRecorded},
    {"overhead_log",
     "memory held in steady churn, five seeds, as log",
     {713, 5'701, 45'606},
     {1},
     RunOverhead},
    {"overhead_naive", "... as naive", {217, 1'735}, {1}, RunOverhead, Shape::kSteady, Mix::kNaive},
    {"overhead_tiny",
     "... as tiny",
     {10'000, 100'000},
     {1},
     RunOverhead,
     Shape::kSteady,
     Mix::kTiny},
    {"overhead_conservative",
     "... as conservative",
     {5'701, 45'606},
     {1},
     RunOverhead,
     Shape::kSteady,
     Mix::kLog,
     true,
     1,
     false},
    {"emptied", "all are freed, as log", {10'000}, {1}, RunEmptied},
    {"heap",
     "what the driver charges for 256 B each",
     {10'000},
     {1},
     RunHeap,
     Shape::kSteady,
     Mix::kLeast},
    {"calls", "bind, map, flush and unmap, through the layer and bare", {1'000}, {1}, RunCalls},
    {"growth", "four times as many lived before, as log", {10'000}, {1}, RunGrowth},
    {"steady_growth",
     "64 MiB more each second, on a driver that takes 1 ms for an allocation (mock only)",
     {0},
     {1},
     RunSteadyGrowth},
    {"application",
     "naive_scene with so many resources, as a process",
     {1'000, 10'000, 100'000},
     {1},
     RunApplication},
};

}  // namespace

std::span<const Entry> Catalog() {
    return kCatalog;
}

const Entry& Find(const std::string& name) {
    for (const Entry& entry : kCatalog)
        if (name == entry.name) return entry;
    throw std::runtime_error("no scenario is named '" + name + "'; see --list");
}

}  // namespace bench
