// SPDX-License-Identifier: Apache-2.0
//
// See history.h.
#include "tools/report/history.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <span>

#include "tools/recording/recorder.h"

namespace tessera::command::report {
namespace {

constexpr size_t kQuantities = static_cast<size_t>(Quantity::kCount);
constexpr size_t kNumbers = 65'536;             // of threads and stacks in events
constexpr size_t kMaxPassed = size_t{1} << 20;  // live objects of the driver that are remembered

// What a value of a heap is in a sample.
std::array<int64_t, kQuantities> QuantitiesOf(const Sample& sample, const reader::Device& device,
                                              uint32_t heap) {
    std::array<uint64_t, kQuantities> sums = {};
    const size_t count = std::min(sample.types.size(), device.memory_types.size());
    for (size_t i = 0; i < count; ++i) {
        if (device.memory_types[i].heap != heap) continue;
        const Sample::Type& type = sample.types[i];
        sums[static_cast<size_t>(Quantity::kAppBytes)] += type.app_live_bytes;
        sums[static_cast<size_t>(Quantity::kDriverBytes)] += type.driver_live_bytes;
        sums[static_cast<size_t>(Quantity::kAppLive)] += type.app_live;
        sums[static_cast<size_t>(Quantity::kDriverLive)] += type.driver_live;
    }
    std::array<int64_t, kQuantities> values = {};
    for (size_t i = 0; i < kQuantities; ++i)
        values[i] = static_cast<int64_t>(sums[i]);
    return values;
}

class Collector {
 public:
    Collector(Source& source, History& history) : source_(source), history_(history) {
        block_made_.resize(kNumbers);
        for (const reader::Device& device : source.process().devices)
            if (device.state != TESSERA_DEVICE_RETIRED) devices_[device.id] = &device;
    }

    std::string Run();

 private:
    void Take(const reader::Event& event);
    void Take(const Sample& sample, bool last);
    void TakeFrame(const reader::Event& event);
    void TakeAllocation(const reader::Event& event, const reader::Device& device);
    void Move(const reader::Event& event, const reader::Device& device, bool app, bool driver,
              int sign);
    // Null if there are too many.
    Curve* CurveOf(uint64_t device, uint32_t heap, Quantity quantity);
    void TakeMeasured();
    static uint64_t MeanDriverNs(const reader::Device& device, tessera_call call);

    Source& source_;
    History& history_;
    std::map<uint64_t, const reader::Device*> devices_;
    // (device, object) of live allocations that the driver served, mixed into one number: a mix-up
    // would draw a wrong curve until the next sample, no more.
    std::unordered_set<uint64_t> passed_;
    std::unordered_set<uint64_t> sampled_;  // devices of which there was a sample
    std::vector<uint8_t> block_made_;       // by thread: a block was made since its last allocation
};

Curve* Collector::CurveOf(uint64_t device, uint32_t heap, Quantity quantity) {
    for (Curve& curve : history_.curves)
        if (curve.device == device && curve.heap == heap && curve.quantity == quantity)
            return &curve;
    // All curves of a heap, or none.
    if (history_.curves.size() + kQuantities > History::kMaxCurves) {
        history_.curves_left_out = true;
        return nullptr;
    }
    for (size_t i = 0; i < kQuantities; ++i) {
        Curve curve;
        curve.device = device;
        curve.heap = heap;
        curve.quantity = static_cast<Quantity>(i);
        curve.series = history_.timeline.AddSeries();
        // Samples before said nothing of it: it was 0.
        curve.hung = sampled_.contains(device);
        history_.curves.push_back(curve);
    }
    return CurveOf(device, heap, quantity);
}

void Collector::Move(const reader::Event& event, const reader::Device& device, bool app,
                     bool driver, int sign) {
    if (event.type >= device.memory_types.size()) return;
    const uint32_t heap = device.memory_types[event.type].heap;
    // Unsigned, since it may be any number.
    const int64_t bytes = static_cast<int64_t>(sign < 0 ? 0 - event.value : event.value);
    const auto change = [&](Quantity quantity, int64_t by) {
        Curve* const curve = CurveOf(device.id, heap, quantity);
        if (curve == nullptr) return;
        history_.timeline.Change(curve->series, event.time_ns, by);
        curve->touched = true;
    };
    if (app) {
        change(Quantity::kAppBytes, bytes);
        change(Quantity::kAppLive, sign);
    }
    if (driver) {
        change(Quantity::kDriverBytes, bytes);
        change(Quantity::kDriverLive, sign);
    }
}

uint64_t Collector::MeanDriverNs(const reader::Device& device, tessera_call call) {
    if (call >= device.driver_calls.size()) return 0;
    const tessera_call_totals& totals = device.driver_calls[call];
    return totals.timed == 0 ? 0 : totals.total_ns / totals.timed;
}

void Collector::TakeAllocation(const reader::Event& event, const reader::Device& device) {
    const bool frees = event.kind == TESSERA_EVENT_free;
    if (history_.churn_first_ns == 0)
        history_.churn_first_ns = source_.IsRecording() ? history_.first_ns : event.time_ns;
    const uint64_t mixed = event.object ^ device.id << 56;
    const bool passes =
        event.kind == TESSERA_EVENT_pass_through || (frees && passed_.erase(mixed) > 0);
    if (passes && !frees && passed_.size() < kMaxPassed) passed_.insert(mixed);
    Churn::Call call;
    call.size_bytes = event.value;
    call.stack = event.stack;
    call.thread = event.thread;
    call.frees = frees;
    const auto frames = history_.frames.find(device.id);
    call.framed = frames != history_.frames.end();
    call.driver = passes;
    if (event.kind == TESSERA_EVENT_pass_through) {
        // Its detail is the reason; the driver's mean stands in for what it took.
        call.timed = true;
        call.took_ns = MeanDriverNs(device, TESSERA_CALL_vkAllocateMemory);
    } else if (event.detail != 0) {
        call.timed = true;
        call.took_ns = BucketNs(event.detail - 1u);
        // An allocation for which a block was made is always timed, and like no other.
        call.driver = call.driver || (!frees && block_made_[event.thread] != 0);
    } else if (passes) {
        call.took_ns = MeanDriverNs(device, TESSERA_CALL_vkFreeMemory);
    }
    if (!frees) {
        block_made_[event.thread] = 0;
        const size_t width = static_cast<size_t>(std::bit_width(event.value));
        ++history_.made[width];
        history_.made_bytes[width] += event.value;
    }
    history_.churn.Count(call);
    Move(event, device, true, passes, frees ? -1 : 1);
}

void Collector::TakeFrame(const reader::Event& event) {
    Frames& frames = history_.frames[event.device];
    if (frames.count == 0) {
        frames.first_ns = event.time_ns;
    } else if (event.time_ns >= frames.last_ns) {
        const uint64_t interval_ns = event.time_ns - frames.last_ns;
        ++frames.intervals[tessera_histogram_bucket(interval_ns)];
        frames.longest_ns = std::max(frames.longest_ns, interval_ns);
    }
    ++frames.count;
    frames.last_ns = std::max(frames.last_ns, event.time_ns);
    ++frames.threads[event.thread];
}

void Collector::Take(const reader::Event& event) {
    if (history_.first_ns == 0) history_.first_ns = event.time_ns;
    history_.last_ns = std::max(history_.last_ns, event.time_ns);
    if (event.kind == 0 || event.kind >= TESSERA_EVENT_COUNT) {
        ++history_.unknown_events;
        return;
    }
    ++history_.events[event.kind];
    const auto device = devices_.find(event.device);
    if (device == devices_.end()) return;
    switch (event.kind) {
        case TESSERA_EVENT_allocate:
        case TESSERA_EVENT_pass_through:
        case TESSERA_EVENT_free:
            TakeAllocation(event, *device->second);
            break;
        case TESSERA_EVENT_block_made:
            block_made_[event.thread] = 1;
            Move(event, *device->second, false, true, 1);
            break;
        case TESSERA_EVENT_block_released:
            Move(event, *device->second, false, true, -1);
            break;
        case TESSERA_EVENT_frame:
            TakeFrame(event);
            break;
        default:
            break;
    }
}

// A sample and the events beside it are not one moment: what was allocated while it was taken may
// be in both or in neither. So a curve moves to a sample only if no event could have led it away
// since the last one, or if two in a row say the same.
void Collector::Take(const Sample& sample, bool last) {
    const auto found = devices_.find(sample.device);
    if (found == devices_.end()) return;
    const reader::Device& device = *found->second;
    for (uint32_t heap = 0; heap < device.heaps.size(); ++heap) {
        const auto values = QuantitiesOf(sample, device, heap);
        // A heap that was never used needs no curve.
        const bool known = std::ranges::any_of(history_.curves, [&](const Curve& curve) {
            return curve.device == device.id && curve.heap == heap;
        });
        if (!known && values == std::array<int64_t, kQuantities>{}) continue;
        for (size_t i = 0; i < kQuantities; ++i) {
            Curve* const curve = CurveOf(device.id, heap, static_cast<Quantity>(i));
            if (curve == nullptr) continue;
            const int64_t off_by =
                static_cast<int64_t>(static_cast<uint64_t>(values[i]) -
                                     static_cast<uint64_t>(history_.timeline.value(curve->series)));
            if (!curve->hung) history_.timeline.Shift(curve->series, off_by);
            if (!curve->touched || off_by == curve->off_by || !curve->hung || last)
                history_.timeline.Set(curve->series, sample.time_ns, values[i]);
            curve->off_by = off_by;
            curve->hung = true;
            curve->touched = false;
        }
    }
    sampled_.insert(device.id);
}

void Collector::TakeMeasured() {
    Churn::Measured measured;
    const auto mean_ns = [&](tessera_call call) {
        uint64_t timed = 0;
        double total_ns = 0;
        for (const reader::Device& device : source_.process().devices) {
            if (call >= device.calls.size()) continue;
            timed += device.calls[call].timed;
            total_ns += static_cast<double>(device.calls[call].total_ns);
        }
        measured.timed += timed;
        return timed == 0 ? 0 : total_ns / static_cast<double>(timed);
    };
    measured.allocate_ns = mean_ns(TESSERA_CALL_vkAllocateMemory);
    measured.free_ns = mean_ns(TESSERA_CALL_vkFreeMemory);
    history_.churn.SetMeasured(measured);
}

std::string Collector::Run() {
    TakeMeasured();
    const std::vector<Sample>& samples = source_.samples();
    size_t next = 0;
    std::string problem = source_.ForEachEvents([&](std::span<const reader::Event> events) {
        for (const reader::Event& event : events) {
            for (; next < samples.size() && samples[next].time_ns <= event.time_ns; ++next)
                Take(samples[next], false);
            Take(event);
        }
    });
    for (; next < samples.size(); ++next)
        Take(samples[next], false);
    history_.lost = source_.lost();
    const reader::Process& process = source_.process();
    // What has ended was copied long after its last event, perhaps.
    const bool live = process.state == reader::ProcessState::kLive && !source_.IsRecording();
    const uint64_t end_ns = history_.timeline.empty() || live
                                ? std::max(process.copied_ns, history_.timeline.end_ns())
                                : history_.timeline.end_ns();
    for (const auto& [id, device] : devices_)
        Take(recording::SampleOf(*device, end_ns), true);
    return problem;
}

}  // namespace

uint64_t BucketNs(uint32_t bucket) {
    if (bucket + 1 >= TESSERA_HISTOGRAM_BUCKETS)
        return tessera_histogram_floor(TESSERA_HISTOGRAM_BUCKETS - 1);
    return (tessera_histogram_floor(bucket) + tessera_histogram_floor(bucket + 1)) / 2;
}

uint64_t History::total_events() const {
    return std::accumulate(events.begin(), events.end(), unknown_events);
}

std::string ReadHistory(Source& source, History* history) {
    return Collector(source, *history).Run();
}

}  // namespace tessera::command::report
