// SPDX-License-Identifier: Apache-2.0
//
// See metrics.h. Names of metrics are an interface: they are never changed, only more are added.
#include "tools/export/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>

#include "tools/text.h"

namespace tessera::command {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

// Upper ends of the latency histograms: 64 ns and each four times the one before, up to 1.07 s.
constexpr uint64_t kFirstBoundNs = 64;
constexpr int kBounds = 13;

double Number(uint64_t value) {
    return static_cast<double>(value);
}

double Seconds(uint64_t ns) {
    return Number(ns) / 1e9;
}

class Families {
 public:
    void Gauge(const char* name, const char* help, Labels labels, uint64_t value) {
        ClientMetric& metric = Add(name, help, MetricType::Gauge, std::move(labels));
        metric.gauge.value = Number(value);
    }
    void Counter(const char* name, const char* help, Labels labels, uint64_t value) {
        ClientMetric& metric = Add(name, help, MetricType::Counter, std::move(labels));
        metric.counter.value = Number(value);
    }
    void Histogram(const char* name, const char* help, Labels labels,
                   const tessera_call_totals& call) {
        ClientMetric::Histogram& histogram =
            Add(name, help, MetricType::Histogram, std::move(labels)).histogram;
        histogram.sample_count = call.timed;
        histogram.sample_sum = Seconds(call.total_ns);
        uint64_t bound = kFirstBoundNs;
        uint32_t bucket = 0;
        uint64_t sum = 0;
        for (int i = 0; i < kBounds; ++i, bound *= 4) {
            for (; bucket < TESSERA_HISTOGRAM_BUCKETS && tessera_histogram_floor(bucket) < bound;
                 ++bucket)
                sum += call.histogram[bucket];
            // Fields change one by one: the sum may be ahead of what it is a part of.
            sum = std::min(sum, call.timed);
            histogram.bucket.push_back({sum, Seconds(bound)});
        }
    }
    std::vector<MetricFamily> Take() { return std::move(families_); }

 private:
    ClientMetric& Add(const char* name, const char* help, MetricType type, Labels labels) {
        const auto [at, added] = index_.try_emplace(name, families_.size());
        if (added) families_.push_back({name, help, type, {}});
        ClientMetric& metric = families_[at->second].metric.emplace_back();
        metric.label = std::move(labels);
        return metric;
    }
    std::vector<MetricFamily> families_;
    std::map<std::string, size_t> index_;
};

Labels With(const Labels& labels, const char* name, const std::string& value) {
    Labels more = labels;
    more.push_back({name, value});
    return more;
}

void AddHeaps(const reader::Device& device, const Labels& labels, Families& families) {
    for (size_t i = 0; i < device.heaps.size(); ++i) {
        const tessera_heap_record& heap = device.heaps[i];
        const Labels of_heap = With(labels, "heap", std::to_string(i));
        families.Gauge("tessera_heap_size_bytes", "Size of a memory heap.", of_heap,
                       heap.size_bytes);
        if ((heap.known & TESSERA_HEAP_BUDGET_KNOWN) == 0) continue;
        families.Gauge("tessera_heap_budget_bytes",
                       "How much of a heap the driver lets the process have.", of_heap,
                       heap.budget_bytes);
        families.Gauge("tessera_heap_usage_bytes", "What the process uses of a heap: the driver.",
                       of_heap, heap.usage_bytes);
    }
}

// The two sides of the layer.
void AddTotals(const char* side, const tessera_totals& totals, const Labels& of_type,
               Families& families) {
    const Labels labels = With(of_type, "side", side);
    families.Gauge("tessera_memory_allocations",
                   "Live allocations: of the application (app), and of the driver (driver).",
                   labels, totals.live);
    families.Gauge("tessera_memory_bytes", "Bytes of live allocations.", labels, totals.live_bytes);
    families.Gauge("tessera_memory_peak_bytes", "The most bytes that were ever live.", labels,
                   totals.peak_bytes);
    families.Counter("tessera_allocations_total", "Allocations so far.", labels,
                     totals.allocations);
    families.Counter("tessera_frees_total", "Frees so far.", labels, totals.frees);
    families.Counter("tessera_failed_allocations_total", "Allocations that failed so far.", labels,
                     totals.failed);
}

void AddPooled(const tessera_pooled& pooled, const Labels& labels, Families& families) {
    families.Gauge("tessera_pool_slots", "Live allocations that lie in blocks.", labels,
                   pooled.live);
    families.Gauge("tessera_pool_slot_bytes", "Bytes of them, as they were asked for.", labels,
                   pooled.live_bytes);
    families.Gauge("tessera_pool_blocks", "Blocks of the driver's memory.", labels, pooled.blocks);
    families.Gauge("tessera_pool_block_bytes", "Bytes of them.", labels, pooled.block_bytes);
    families.Gauge("tessera_pool_free_bytes", "Bytes in blocks that are free.", labels,
                   pooled.free_bytes);
    families.Gauge("tessera_pool_largest_free_bytes", "A free range of this size exists.", labels,
                   pooled.largest_free_bytes);
}

void AddType(const tessera_type_totals& totals, const Labels& labels, Families& families) {
    AddTotals("app", totals.app, labels, families);
    AddTotals("driver", totals.driver, labels, families);
    AddPooled(totals.pooled, labels, families);
    families.Counter("tessera_moved_slots_total", "Allocations that were placed anew.", labels,
                     totals.moved_slots);
    families.Counter("tessera_placement_failures_total",
                     "Binds that failed because of where memory was placed: always a defect.",
                     labels, totals.placement_failures);
    for (uint32_t reason = 0; reason < TESSERA_REASON_COUNT; ++reason) {
        const tessera_pass_through& passed = totals.pass_through[reason];
        if (passed.allocations == 0) continue;
        const Labels of_reason = With(labels, "reason", reader::ReasonName(reason));
        families.Gauge("tessera_passed_through_allocations",
                       "Live allocations that the driver serves by itself.", of_reason,
                       passed.live);
        families.Gauge("tessera_passed_through_bytes", "Bytes of them.", of_reason,
                       passed.live_bytes);
        families.Counter("tessera_passed_through_allocations_total", "Of them so far.", of_reason,
                         passed.allocations);
    }
}

void AddCalls(const char* side, const std::vector<tessera_call_totals>& calls,
              const Labels& of_device, Families& families) {
    for (uint32_t i = 0; i < calls.size(); ++i) {
        if (calls[i].count == 0 && calls[i].timed == 0) continue;
        const Labels labels = With(With(of_device, "side", side), "call", reader::CallName(i));
        families.Counter("tessera_calls_total",
                         "Calls of Vulkan commands: by the application (app), by the layer "
                         "(driver).",
                         labels, calls[i].count);
        families.Histogram("tessera_call_duration_seconds",
                           "How long calls took, of those that were timed and what they stand for.",
                           labels, calls[i]);
    }
}

void AddDevice(const reader::Device& device, const Labels& of_process, Families& families) {
    const Labels labels =
        With(With(of_process, "device", std::to_string(device.id)), "gpu", Printable(device.name));
    AddHeaps(device, labels, families);
    for (size_t i = 0; i < device.memory_types.size(); ++i) {
        const reader::MemoryType& type = device.memory_types[i];
        if (type.totals.app.allocations + type.totals.app.failed + type.totals.driver.allocations ==
            0)
            continue;
        AddType(type.totals,
                With(With(labels, "type", std::to_string(i)), "heap", std::to_string(type.heap)),
                families);
    }
    AddCalls("app", device.calls, labels, families);
    AddCalls("driver", device.driver_calls, labels, families);
    for (uint32_t i = 0; i < device.misuse.size(); ++i) {
        if (device.misuse[i] == 0) continue;
        families.Counter("tessera_misuse_total", "Rules of Vulkan that the application broke.",
                         With(labels, "kind", reader::MisuseName(i)), device.misuse[i]);
    }
    families.Counter("tessera_frames_total", "Pictures that were presented.", labels,
                     device.frames);
}

}  // namespace

std::vector<MetricFamily> MetricsOf(const std::vector<reader::Process>& processes) {
    Families families;
    for (const reader::Process& process : processes) {
        const Labels labels = {{"pid", std::to_string(process.pid)},
                               {"process", Printable(process.name)}};
        families.Gauge("tessera_process_info", "A process that loaded the layer; always 1.",
                       With(With(labels, "layer_version", Printable(process.layer_version)),
                            "state", reader::Name(process.state)),
                       1);
        families.Gauge("tessera_process_dropped_devices",
                       "Devices for which the statistics had no room.", labels,
                       process.dropped_devices);
        for (const reader::Device& device : process.devices)
            AddDevice(device, labels, families);
    }
    return families.Take();
}

std::string MetricsText(const std::vector<MetricFamily>& families) {
    return prometheus::TextSerializer().Serialize(families);
}

}  // namespace tessera::command
